//! What is stored of patterns and counts: lines of streams of our own, pushed as any other.
//!
//! ```text
//! {__pattern__="<service>"}            ts=<ns> count=<n> detected_pattern="<escaped>" app="a" pod="b"
//! {__aggregated_metric__="<service>"}  ts=<ns> bytes=1.5kB count=<n> app="a" pod="b"
//! ```
//!
//! Both have the level as structured metadata and tell the labels of the stream they speak of. The form is upstream's:
//! Grafana Logs Drilldown reads it. A line that cannot be stored waits for the next time, within a bound.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use loptr_ingest::{Ingester, PushFailureKind};
use loptr_model::{Labels, Nanos, StreamEntries, TenantId};
use loptr_pattern::{Forgotten, biggest, bucketed};
use loptr_ports::{Ports, Priority};
use loptr_wire::enrich::{AGGREGATED_METRIC, DETECTED_LEVEL, PATTERN, SERVICE_NAME, UNKNOWN_SERVICE};
use loptr_wire::go::human_bytes;
use loptr_wire::push::{PushLimits as BodyLimits, decode_push};
use parking_lot::Mutex;
use serde_json::json;

use super::{PatternLimits, PatternSettings};
use crate::limits::TenantLimits;

/// Bytes of lines that may wait.
const WAITING_BYTES: usize = 16 << 20;
/// Lines of one push.
const LINES: usize = 1000;
/// Levels of one stream that are counted apart.
const LEVELS: usize = 32;
/// Room for a push of our own.
const BODY: BodyLimits = BodyLimits { max_body_bytes: 2 * WAITING_BYTES, max_decompressed_bytes: 64 << 20 };

/// A line on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    /// Name of the stream's one label.
    kind: &'static str,
    service: String,
    ts: Nanos,
    text: String,
    level: String,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: BTreeMap<TenantId, Vec<Line>>,
    bytes: usize,
}

/// Lines and bytes by level.
type Counts = Vec<(String, u64, u64)>;

/// What is to be stored.
#[derive(Debug, Default)]
pub(super) struct Kept {
    counts: Mutex<HashMap<(TenantId, Labels), Counts>>,
    waiting: Mutex<Waiting>,
    pub(super) stored: AtomicU64,
    pub(super) lost: AtomicU64,
}

impl Kept {
    /// Counts entries of at most `max_streams` streams. CPU work.
    pub(super) fn count(&self, batch: &StreamEntries, max_streams: usize) {
        let mut counts = self.counts.lock();
        let key = (batch.tenant.clone(), batch.labels.clone());
        if counts.len() >= max_streams && !counts.contains_key(&key) {
            return;
        }
        let levels = counts.entry(key).or_default();
        for entry in &batch.entries {
            let level = entry.metadata.iter().find(|(name, _)| name == DETECTED_LEVEL);
            let level = level.map_or("unknown", |(_, value)| value.as_str());
            let at = levels.iter().position(|(known, ..)| known.eq_ignore_ascii_case(level));
            let at = at.unwrap_or_else(|| {
                if levels.len() < LEVELS {
                    levels.push((level.to_ascii_lowercase(), 0, 0));
                }
                levels.len() - 1
            });
            levels[at].1 += 1;
            levels[at].2 += entry.line.len() as u64;
        }
    }

    /// Makes lines of what was counted since the last time. CPU work.
    pub(super) fn sample(&self, now: Nanos, limits: &TenantLimits) {
        let counts = std::mem::take(&mut *self.counts.lock());
        // Upstream's times are whole milliseconds.
        let now = now.floor_millis().to_nanos();
        for ((tenant, labels), levels) in counts {
            if !limits.patterns(&tenant).store_counts {
                continue;
            }
            for (level, lines, bytes) in levels {
                let bytes = human_bytes(bytes).replace(' ', "");
                let text = with_labels(format!("ts={} bytes={bytes} count={lines}", now.0), &labels);
                let service = service_of(&labels);
                self.add(&tenant, Line { kind: AGGREGATED_METRIC, service, ts: now, text, level });
            }
        }
    }

    /// Makes lines of what has been forgotten of one stream. CPU work.
    pub(super) fn patterns(
        &self,
        tenant: &TenantId,
        labels: &Labels,
        limits: &PatternLimits,
        settings: &PatternSettings,
        gone: Vec<Forgotten>,
    ) {
        let granularity = match i64::try_from(limits.granularity.as_millis()).unwrap_or(i64::MAX) {
            0 => settings.drain.max_chunk_age_ms,
            own => own,
        };
        for Forgotten { observed, .. } in biggest(gone, settings.volume_share) {
            for (ms, count) in bucketed(&observed.samples, granularity, limits.least_per_sec) {
                let ts = loptr_model::Millis(ms).to_nanos();
                let pattern = query_escaped(&observed.pattern);
                let text = format!("ts={} count={count} detected_pattern=\"{pattern}\"", ts.0);
                let (text, service) = (with_labels(text, labels), service_of(labels));
                self.add(tenant, Line { kind: PATTERN, service, ts, text, level: observed.level.to_owned() });
            }
        }
    }

    fn add(&self, tenant: &TenantId, line: Line) {
        let mut waiting = self.waiting.lock();
        if waiting.bytes + line.text.len() > WAITING_BYTES {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        waiting.bytes += line.text.len();
        waiting.lines.entry(tenant.clone()).or_default().push(line);
    }

    /// Stores what waits; what is refused for now waits on.
    pub(super) async fn store(&self, ports: &Ports, limits: &TenantLimits, ingester: &Arc<Ingester>) {
        let waiting = std::mem::take(&mut *self.waiting.lock());
        for (tenant, mut lines) in waiting.lines {
            // Streams take what is older first.
            lines.sort_by_key(|line| line.ts);
            for part in lines.chunks(LINES) {
                let (count, body) = (part.len() as u64, body_of(part));
                let decode = move || decode_push("application/json", "", true, body.into(), &BODY);
                let push = match ports.cpu.run(Priority::Query, decode).await {
                    Ok(Ok(push)) => push,
                    Ok(Err(error)) => {
                        tracing::error!(%tenant, %error, "patterns cannot be stored");
                        self.lost.fetch_add(count, Ordering::Relaxed);
                        continue;
                    }
                    Err(error) => {
                        tracing::error!(%tenant, %error, "patterns cannot be stored");
                        self.lost.fetch_add(count, Ordering::Relaxed);
                        continue;
                    }
                };
                match ingester.push(tenant.clone(), limits.push(&tenant), push).await {
                    Ok(()) => drop(self.stored.fetch_add(count, Ordering::Relaxed)),
                    Err(failure) if failure.kind == PushFailureKind::Unavailable => {
                        tracing::warn!(%tenant, reason = failure.message, "patterns cannot be stored for now");
                        part.iter().for_each(|line| self.add(&tenant, line.clone()));
                    }
                    Err(failure) => {
                        tracing::warn!(%tenant, reason = failure.message, "patterns were not all stored");
                        self.lost.fetch_add(count, Ordering::Relaxed);
                    }
                }
            }
        }
    }
}

/// A push of these lines.
fn body_of(lines: &[Line]) -> Vec<u8> {
    let mut streams: BTreeMap<(&str, &str), Vec<serde_json::Value>> = BTreeMap::new();
    for line in lines {
        let value = json!([line.ts.0.to_string(), line.text, {DETECTED_LEVEL: line.level}]);
        streams.entry((line.kind, &line.service)).or_default().push(value);
    }
    let streams =
        streams.into_iter().map(|((kind, service), values)| json!({"stream": {kind: service}, "values": values}));
    json!({ "streams": streams.collect::<Vec<_>>() }).to_string().into_bytes()
}

fn service_of(labels: &Labels) -> String {
    labels.get(SERVICE_NAME).filter(|name| !name.is_empty()).unwrap_or(UNKNOWN_SERVICE).to_owned()
}

/// Labels as they are: readers of upstream's expect no escapes.
fn with_labels(mut text: String, labels: &Labels) -> String {
    for (name, value) in labels.iter() {
        write!(text, " {name}=\"{value}\"").expect("a String takes everything");
    }
    text
}

/// As in a form: a blank is a plus.
fn query_escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            _ => write!(out, "%{byte:02X}").expect("a String takes everything"),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_upstreams_form() {
        let labels = Labels::from_pairs([("service_name", "shop"), ("pod", "p\"1")]);
        assert_eq!(with_labels("ts=1".to_owned(), &labels), "ts=1 pod=\"p\"1\" service_name=\"shop\"");
        assert_eq!(query_escaped("GET <_> ä/100%"), "GET+%3C_%3E+%C3%A4%2F100%25");
        assert_eq!((service_of(&labels).as_str(), service_of(&Labels::empty()).as_str()), ("shop", UNKNOWN_SERVICE));
        let line = Line { kind: PATTERN, service: "s".into(), ts: Nanos(5), text: "t".into(), level: "info".into() };
        let wanted = r#"{"streams":[{"stream":{"__pattern__":"s"},"values":[["5","t",{"detected_level":"info"}]]}]}"#;
        assert_eq!(String::from_utf8_lossy(&body_of(&[line])), wanted);
    }

    #[test]
    fn what_waits_is_bounded() {
        let (kept, tenant) = (Kept::default(), TenantId::parse("t").expect("a tenant"));
        let text = "x".repeat(1 << 20);
        let line = Line { kind: PATTERN, service: "s".into(), ts: Nanos(5), text, level: "info".into() };
        (0..20).for_each(|_| kept.add(&tenant, line.clone()));
        assert_eq!((kept.waiting.lock().bytes, kept.lost.load(Ordering::Relaxed)), (WAITING_BYTES, 4));
    }
}
