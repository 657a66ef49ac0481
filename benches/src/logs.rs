//! A deterministic mix of logs: access log, JSON service, logfmt worker, syslog-like; 140 streams over 24 hours.
//!
//! The same seed and size always give the same lines, streams and identifiers; times are placed on the 24 hours
//! before a given end, so only the dates inside lines and the timestamps move with it. Entries come in time order over
//! all streams; time runs in proportion to the bytes written, so that the last entry lies at the end.
//!
//! | kind | apps | streams | of all entries | bytes a line, about |
//! |---|---|---|---|---|
//! | access log | nginx | 24 | 25 % | 185 |
//! | JSON service | checkout, orders, users, payments | 48 | 42 % | 260 |
//! | logfmt worker | mailer, billing, indexer | 40 | 20 % | 175 |
//! | syslog-like | system | 28 | 13 % | 95 |
//!
//! JSON entries carry a `trace_id` of their own and a `level` in structured metadata, workers a `level`.

mod civil;
mod lines;

pub(crate) use civil::date_time;

/// Nanoseconds of the 24 hours the entries are spread over.
pub(crate) const SPAN_NS: i64 = 86_400 * 1_000_000_000;

/// What writes into a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Access,
    Service,
    Worker,
    System,
}

/// One stream.
#[derive(Debug, Clone)]
pub(crate) struct Stream {
    pub(crate) kind: Kind,
    /// Value of the label `app`.
    pub(crate) app: &'static str,
    /// Value of the label `pod`, or `host` for system streams.
    pub(crate) pod: String,
    /// All labels as a selector, names in order.
    pub(crate) labels: String,
}

/// One entry, borrowed from the generator.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<'a> {
    /// Index into [`Logs::streams`].
    pub(crate) stream: usize,
    /// Nanoseconds since the epoch.
    pub(crate) time_ns: i64,
    pub(crate) line: &'a str,
    /// Structured metadata; empty when the entry has none.
    pub(crate) level: &'a str,
    /// Structured metadata; empty when the entry has none.
    pub(crate) trace_id: &'a str,
}

impl<'a> Entry<'a> {
    /// Structured metadata in the order of names.
    pub(crate) fn metadata(&self) -> impl Iterator<Item = (&'static str, &'a str)> + use<'a> {
        [("level", self.level), ("trace_id", self.trace_id)].into_iter().filter(|(_, value)| !value.is_empty())
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        let at = usize::try_from(self.below(from.len() as u64)).unwrap_or_default();
        from[at]
    }
}

/// Writes entries one after the other until `bytes` of lines are written.
#[derive(Debug)]
pub(crate) struct Logs {
    random: Random,
    seed: u64,
    streams: Vec<Stream>,
    bytes: u64,
    written: u64,
    entries: u64,
    services: u64,
    start_ns: i64,
    line: String,
    trace_id: String,
}

impl Logs {
    pub(crate) fn new(seed: u64, bytes: u64, end_ns: i64) -> Self {
        Self {
            random: Random::new(seed),
            seed,
            streams: streams(),
            bytes,
            written: 0,
            entries: 0,
            services: 0,
            start_ns: end_ns - SPAN_NS,
            line: String::with_capacity(512),
            trace_id: String::with_capacity(32),
        }
    }

    pub(crate) fn streams(&self) -> &[Stream] {
        &self.streams
    }

    /// Bytes of lines written.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// Entries written.
    pub(crate) fn entries(&self) -> u64 {
        self.entries
    }

    /// The next entry, `None` once enough is written.
    pub(crate) fn next(&mut self) -> Option<Entry<'_>> {
        if self.written >= self.bytes {
            return None;
        }
        let progress = u128::from(self.written) * u128::from(SPAN_NS.unsigned_abs()) / u128::from(self.bytes);
        let jitter = i64::try_from(self.random.below(900_000)).unwrap_or_default();
        let time_ns = self.start_ns + i64::try_from(progress).unwrap_or(SPAN_NS) + jitter;
        let index = self.choose();
        let stream = &self.streams[index];
        self.line.clear();
        self.trace_id.clear();
        let level = match stream.kind {
            Kind::Access => lines::access(&mut self.line, &mut self.random, time_ns),
            Kind::Service => {
                self.services += 1;
                trace_id(&mut self.trace_id, self.seed, self.services);
                lines::service(&mut self.line, &mut self.random, time_ns, stream.app)
            }
            Kind::Worker => lines::worker(&mut self.line, &mut self.random, time_ns, stream.app),
            Kind::System => lines::system(&mut self.line, &mut self.random, time_ns, &stream.pod),
        };
        self.written += self.line.len() as u64;
        self.entries += 1;
        Some(Entry { stream: index, time_ns, line: &self.line, level, trace_id: &self.trace_id })
    }

    /// Streams of a kind share its part of the entries, the first ones getting more.
    fn choose(&mut self) -> usize {
        let (first, count) = match self.random.below(100) {
            0..25 => (0, 24),
            25..67 => (24, 48),
            67..87 => (72, 40),
            _ => (112, 28),
        };
        let (one, other) = (self.random.below(count), self.random.below(count));
        usize::try_from(first + if self.random.below(3) == 0 { one.min(other) } else { one }).unwrap_or_default()
    }
}

/// The trace id of the `number`th JSON entry, counted from 1.
pub(crate) fn trace_id(out: &mut String, seed: u64, number: u64) {
    let mut random = Random::new(seed.rotate_left(32) ^ number.wrapping_mul(0x2545_f491_4f6c_dd1d));
    lines::hex(out, random.next(), 16);
    lines::hex(out, random.next(), 16);
}

fn streams() -> Vec<Stream> {
    let mut streams = Vec::with_capacity(140);
    let mut add = |kind, apps: &[&'static str], count: usize| {
        for number in 0..count {
            let app = apps[number % apps.len()];
            let replica = number / apps.len();
            let env = if replica % 4 == 3 { "staging" } else { "prod" };
            let cluster = if number % 3 == 0 { "us-east-1" } else { "eu-west-1" };
            let (name, pod) = if kind == Kind::System {
                ("host", format!("node-{number:02}"))
            } else {
                ("pod", format!("{app}-7d9f8b6c54-{:05x}", (number as u64).wrapping_mul(0x9e37_79b9) & 0xf_ffff))
            };
            let labels = format!(r#"{{app="{app}", cluster="{cluster}", env="{env}", {name}="{pod}"}}"#);
            streams.push(Stream { kind, app, pod, labels });
        }
    };
    add(Kind::Access, &["nginx"], 24);
    add(Kind::Service, &["checkout", "orders", "users", "payments"], 48);
    add(Kind::Worker, &["mailer", "billing", "indexer"], 40);
    add(Kind::System, &["system"], 28);
    streams
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const END_NS: i64 = 1_795_000_000 * 1_000_000_000;

    #[test]
    fn one_seed_gives_the_same_entries_in_time_order() {
        let digest = |seed| {
            let mut logs = Logs::new(seed, 200_000, END_NS);
            let (mut all, mut last) = (String::new(), i64::MIN);
            while let Some(entry) = logs.next() {
                assert!(entry.time_ns > last && entry.time_ns <= END_NS && entry.time_ns >= END_NS - SPAN_NS);
                last = entry.time_ns;
                all.push_str(&format!("{entry:?}"));
            }
            assert!(END_NS - last < SPAN_NS / 500);
            all
        };
        assert_eq!(digest(1), digest(1));
        assert_ne!(digest(1), digest(2));
    }

    #[test]
    fn times_move_with_the_end_and_nothing_else_does() {
        let (mut early, mut late) = (Logs::new(1, 50_000, END_NS), Logs::new(1, 50_000, END_NS + 60_000_000_000));
        while let (Some(a), Some(b)) = (early.next(), late.next()) {
            assert_eq!((a.stream, a.trace_id, a.level, a.line.len()), (b.stream, b.trace_id, b.level, b.line.len()));
            assert_eq!(b.time_ns - a.time_ns, 60_000_000_000);
        }
    }

    #[test]
    fn the_mix_is_as_described() {
        let mut logs = Logs::new(1, 4 << 20, END_NS);
        let (mut used, mut traces, mut bytes, mut counts) = (BTreeSet::new(), BTreeSet::new(), [0; 4], [0; 4]);
        let kinds: Vec<usize> = logs.streams().iter().map(|stream| stream.kind as usize).collect();
        while let Some(entry) = logs.next() {
            used.insert(entry.stream);
            bytes[kinds[entry.stream]] += entry.line.len();
            counts[kinds[entry.stream]] += 1;
            if kinds[entry.stream] == Kind::Service as usize {
                assert_eq!(entry.trace_id.len(), 32);
                assert!(traces.insert(entry.trace_id.to_owned()), "a trace id came twice");
                assert!(serde_json::from_str::<serde_json::Value>(entry.line).is_ok(), "{}", entry.line);
            }
            assert!(!entry.line.contains('\n'));
        }
        assert_eq!(used.len(), 140);
        let mean: Vec<usize> = bytes.iter().zip(counts).map(|(bytes, count)| bytes / count).collect();
        for (mean, range) in mean.iter().zip([175..195, 250..270, 165..190, 85..105]) {
            assert!(range.contains(mean), "{mean} is not in {range:?}");
        }
        assert!((198..210).contains(&(logs.written() / logs.entries())), "{}", logs.written() / logs.entries());
        let mut third = String::new();
        trace_id(&mut third, 1, 3);
        assert!(traces.contains(&third));
    }

    #[test]
    fn labels_are_140_distinct_sets() {
        let all: BTreeSet<String> = streams().into_iter().map(|stream| stream.labels).collect();
        assert_eq!(all.len(), 140);
    }
}
