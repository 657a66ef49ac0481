//! One push: validated as upstream does, appended to the streams, remembered in one log record.
//!
//! Bad entries and streams are dropped and told about, good ones are stored: then the answer is an error and the data
//! is there. Only a malformed body, an unreadable label text, the tenant's rate limit and a log that refuses store
//! nothing. Every bad stream is named, not only the last one.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use loptr_model::{Entry, Labels, Nanos, TenantId};
use loptr_ports::Priority;
use loptr_wal::PushWriter;
use loptr_wire::enrich::{self, DETECTED_LEVEL, Detected, LevelDetector, SERVICE_NAME};
use loptr_wire::labels::{LabelsError, parse_label_pairs, parse_labels, render};
use loptr_wire::push::{DecodedPush, PushFormat, PushStream};
use parking_lot::RwLock;

use crate::Ingester;
use crate::in_flight::InFlight;
use crate::metrics::ReceivedLabels;
use crate::settings::Limits;
use crate::stream::{Moment, Refusal, StreamLimits, entry_bytes};
use crate::tenant::Tenant;

/// What streams themselves refuse is counted without a format: upstream's ingesters do not know it.
const NO_FORMAT: &str = "";

/// Label texts remembered per set of limits.
const CACHED_LABELS: usize = 100_000;

/// Why a push was not stored, or not whole. The texts are upstream's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PushFailure {
    /// The class.
    pub kind: PushFailureKind,
    /// What the client is told.
    pub message: String,
}

/// Class of a [`PushFailure`]; `server` turns it into a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushFailureKind {
    /// Entries or streams are not acceptable (400).
    Invalid,
    /// Nothing to store in the request (422).
    NoStreams,
    /// A limit was met (429).
    Limited,
    /// The log or disk refuses (503); try again.
    Unavailable,
    /// A defect of ours (500).
    Internal,
}

impl PushFailure {
    fn new(kind: PushFailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

/// A tenant's limits, prepared.
#[derive(Debug)]
pub struct PushLimits {
    /// The limits.
    pub limits: Limits,
    detector: LevelDetector,
    known: RwLock<HashMap<Box<str>, Arc<KnownStream>>>,
}

/// A label text seen before.
#[derive(Debug)]
struct KnownStream {
    labels: Labels,
    level: Option<String>,
    is_internal: bool,
}

impl PushLimits {
    /// Prepares `limits`.
    pub fn new(limits: Limits) -> Self {
        let detector = LevelDetector::new(&limits.level_fields, limits.level_json_depth);
        Self { limits, detector, known: RwLock::default() }
    }

    fn known(&self, text: &str) -> Result<Arc<KnownStream>, StreamError> {
        if let Some(known) = self.known.read().get(text) {
            return Ok(known.clone());
        }
        let sent = parse_labels(text).map_err(|error| match error {
            LabelsError::Duplicate { name, .. } => {
                StreamError::Refused("duplicate_label_names", self.duplicate_message(text, &name))
            }
            error => StreamError::Unreadable(format!("couldn't parse labels: {error}")),
        })?;
        let service = enrich::discover_service(&sent, &self.limits.discover_service_name);
        let labels = service.map_or_else(|| sent.clone(), |service| sent.with(SERVICE_NAME, service));
        let is_internal = enrich::is_internal(&labels);
        if !is_internal {
            self.check_labels(&labels)?;
        }
        let level = self.detector.of_stream(&labels).map(str::to_owned);
        let known = Arc::new(KnownStream { labels, level, is_internal });
        let mut all = self.known.write();
        if all.len() >= CACHED_LABELS {
            all.clear();
        }
        all.insert(text.into(), known.clone());
        Ok(known)
    }

    /// A stream whose labels hold `name` twice, shown with the service name it would have got.
    fn duplicate_message(&self, text: &str, name: &str) -> String {
        let mut pairs = parse_label_pairs(text).unwrap_or_default();
        let value_of = |wanted: &str| pairs.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
        if !self.limits.discover_service_name.is_empty() && value_of(SERVICE_NAME).is_none() {
            let found = self.limits.discover_service_name.iter().find_map(|name| value_of(name));
            let service = found.unwrap_or(Cow::Borrowed(enrich::UNKNOWN_SERVICE));
            let at = pairs.partition_point(|(name, _)| &**name < SERVICE_NAME);
            pairs.insert(at, (Cow::Borrowed(SERVICE_NAME), service));
        }
        format!("stream '{}' has duplicate label name: '{name}'", render(&pairs))
    }

    fn check_labels(&self, labels: &Labels) -> Result<(), StreamError> {
        let limits = &self.limits;
        let refused = |reason, message| Err(StreamError::Refused(reason, message));
        if labels.is_empty() {
            return refused("missing_labels", "error at least one label pair is required per stream".to_owned());
        }
        let names = labels.len() - usize::from(labels.get(SERVICE_NAME).is_some());
        if names > limits.max_label_names {
            let message =
                format!("entry for stream '{labels}' has {names} label names; limit {}", limits.max_label_names);
            return refused("max_label_names_per_series", message);
        }
        for (name, value) in labels.iter() {
            if name.len() > limits.max_label_name_bytes {
                return refused("label_name_too_long", format!("stream '{labels}' has label name too long: '{name}'"));
            }
            if value.len() > limits.max_label_value_bytes {
                return refused(
                    "label_value_too_long",
                    format!("stream '{labels}' has label value too long: '{value}'"),
                );
            }
        }
        Ok(())
    }
}

enum StreamError {
    /// The whole request is refused.
    Unreadable(String),
    /// This stream is dropped: reason and text.
    Refused(&'static str, String),
}

/// Distinct messages and how often each was said.
#[derive(Default)]
struct Messages {
    order: Vec<String>,
    counts: HashMap<String, usize>,
}

impl Messages {
    fn add(&mut self, message: String) {
        let count = self.counts.entry(message.clone()).or_default();
        *count += 1;
        if *count == 1 {
            self.order.push(message);
        }
    }

    /// Upstream's grouping; `None` when nothing was said.
    fn join(&self) -> Option<String> {
        if let [only] = &self.order[..]
            && self.counts[only] == 1
        {
            return Some(only.clone());
        }
        let each = self.order.iter().map(|message| format!("{} errors like: {message}", self.counts[message]));
        let joined = each.collect::<Vec<_>>().join("; ");
        (!joined.is_empty()).then_some(joined)
    }
}

/// One stream's acceptable entries; their metadata lies in `pairs`.
struct Checked<'a> {
    known: Arc<KnownStream>,
    entries: Vec<(Nanos, Cow<'a, [u8]>, std::ops::Range<usize>)>,
}

/// What a push left behind when it has been appended.
struct Accepted {
    record: Vec<u8>,
    failure: Option<PushFailure>,
    _in_flight: InFlight,
}

type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

impl Ingester {
    /// Stores a push of `tenant`; returns once what was accepted is durable.
    pub async fn push(
        self: &Arc<Self>,
        tenant: TenantId,
        limits: Arc<PushLimits>,
        push: DecodedPush,
    ) -> Result<(), PushFailure> {
        let this = self.clone();
        let accept = move || this.accept(&tenant, &limits, &push);
        let accepted = self.ports.cpu.run(Priority::Push, accept).await;
        let accepted = accepted.map_err(|error| PushFailure::new(PushFailureKind::Internal, error.to_string()))??;
        if let Some(log) = &self.log
            && !accepted.record.is_empty()
        {
            let appended = log.append(accepted.record).await;
            appended.map_err(|error| PushFailure::new(PushFailureKind::Unavailable, error.to_string()))?;
        }
        accepted.failure.map_or(Ok(()), Err)
    }

    /// CPU work of a push. An `Err` has stored nothing.
    fn accept(&self, tenant: &TenantId, limits: &PushLimits, push: &DecodedPush) -> Result<Accepted, PushFailure> {
        if push.stream_count() == 0 {
            let message = "error at least one valid stream is required for ingestion";
            return Err(PushFailure::new(PushFailureKind::NoStreams, message));
        }
        let format = match push.format() {
            PushFormat::Otlp => "otlp",
            PushFormat::Proto | PushFormat::JsonV1 | PushFormat::JsonLegacy => "loki",
        };
        let mut known = Vec::with_capacity(push.stream_count());
        for stream in push.streams() {
            known.push(match limits.known(stream.labels()) {
                Err(StreamError::Unreadable(message)) => {
                    return Err(PushFailure::new(PushFailureKind::Invalid, message));
                }
                Err(StreamError::Refused(reason, message)) => Err((reason, message)),
                Ok(known) => Ok(known),
            });
        }
        let received = self.count_received(tenant, format, push);
        let mut refused = Messages::default();
        let mut pairs: Vec<Pair<'_>> = Vec::new();
        let mut checked: Vec<Checked<'_>> = Vec::new();
        for (stream, known) in push.streams().zip(known).filter(|(stream, _)| !stream.is_empty()) {
            let known = match known {
                Ok(known) => known,
                Err((reason, message)) => {
                    let bytes: usize = stream.entries().map(|entry| entry.line.len() + entry.metadata.byte_len()).sum();
                    // Upstream counts a stream of bad labels twice.
                    for reason in [reason, "invalid_labels"] {
                        self.metrics.discard(tenant, reason, format, stream.len() as u64, bytes as u64);
                    }
                    refused.add(message);
                    continue;
                }
            };
            checked.push(self.check(tenant, limits, known, &stream, format, &mut pairs, &mut refused)?);
        }
        let refs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (&**name, &**value)).collect();
        let streams: Vec<(Arc<KnownStream>, Vec<Entry<'_>>)> = checked
            .iter()
            .map(|stream| {
                let entries = stream.entries.iter().map(|(ts, line, metadata)| Entry {
                    ts: *ts,
                    line,
                    metadata: &refs[metadata.clone()],
                });
                (stream.known.clone(), entries.collect())
            })
            .collect();
        self.allow(tenant, limits, format, &streams, received)?;
        let failure = refused.join().map(|message| PushFailure::new(PushFailureKind::Invalid, message));
        Ok(self.append(tenant, limits, &streams, failure))
    }

    #[allow(clippy::too_many_arguments, reason = "the pieces of one push")]
    fn check<'a>(
        &self,
        tenant: &TenantId,
        limits: &PushLimits,
        known: Arc<KnownStream>,
        stream: &PushStream<'a>,
        format: &str,
        pairs: &mut Vec<Pair<'a>>,
        refused: &mut Messages,
    ) -> Result<Checked<'a>, PushFailure> {
        let rules = &limits.limits;
        let now = self.ports.clock.now();
        let nanos = |duration: std::time::Duration| i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
        let oldest = now.saturating_sub(nanos(rules.max_sample_age));
        let newest = now.saturating_add(nanos(rules.creation_grace));
        let name = || known.labels.to_string();
        let mut entries: Vec<(Nanos, Cow<'a, [u8]>, std::ops::Range<usize>)> = Vec::with_capacity(stream.len());
        // The time from which entries are being moved on.
        let mut crowded = stream.entries().next().map(|entry| entry.ts);
        let mut scratch: Vec<Pair<'a>> = Vec::new();
        for entry in stream.entries() {
            let mut line = Cow::Borrowed(entry.line);
            let refusal = if rules.reject_old_samples && entry.ts < oldest {
                let (at, limit) = (rfc3339(entry.ts), rfc3339(oldest));
                let message = format!(
                    "entry for stream '{}' has timestamp too old: {at}, oldest acceptable timestamp is: {limit}",
                    name()
                );
                Some(("greater_than_max_sample_age", message))
            } else if entry.ts > newest {
                let message = format!("entry for stream '{}' has timestamp too new: {}", name(), rfc3339(entry.ts));
                Some(("too_far_in_future", message))
            } else if rules.max_line_bytes > 0 && line.len() > rules.max_line_bytes && !rules.truncate_lines {
                let message = format!(
                    "max entry size '{}' bytes exceeded for stream '{}' while adding an entry with length '{}' bytes",
                    rules.max_line_bytes,
                    name(),
                    line.len()
                );
                Some(("line_too_long", message))
            } else if !entry.metadata.is_empty() {
                refuse_metadata(rules, entry.metadata.len(), entry.metadata.byte_len(), &name)
            } else {
                None
            };
            if let Some((reason, message)) = refusal {
                let bytes = entry.line.len() + entry.metadata.byte_len();
                self.metrics.discard(tenant, reason, format, 1, bytes as u64);
                refused.add(message);
                continue;
            }
            if rules.max_line_bytes > 0 && line.len() > rules.max_line_bytes {
                let keep = rules.max_line_bytes.saturating_sub(rules.truncate_identifier.len());
                line = Cow::Owned([&entry.line[..keep], rules.truncate_identifier.as_bytes()].concat());
            }
            // Upstream answers 500 here and clients send the same request for ever; a 400 ends it.
            enrich::normalize_metadata(entry.metadata.iter(), &mut scratch).map_err(|error| {
                let message = format!("stream '{}' has structured metadata that cannot be named: {error}", name());
                PushFailure::new(PushFailureKind::Invalid, message)
            })?;
            if rules.discover_levels && rules.allow_metadata && !known.is_internal {
                add_level(&limits.detector, known.level.as_deref(), &line, &mut scratch);
            }
            let start = pairs.len();
            pairs.append(&mut scratch);
            let mut ts = entry.ts;
            if rules.increment_duplicate_timestamps
                && let Some((before, before_line, _)) = entries.last()
            {
                if line != *before_line && (Some(ts) == crowded || ts == *before) {
                    ts = before.saturating_add(1);
                } else {
                    crowded = Some(ts);
                }
            }
            entries.push((ts, line, start..pairs.len()));
        }
        Ok(Checked { known, entries })
    }

    /// Counts what was sent, before anything is refused. Answers lines and bytes.
    fn count_received(&self, tenant: &TenantId, format: &str, push: &DecodedPush) -> (u64, u64) {
        let lines = push.entry_count() as u64;
        if lines == 0 {
            return (0, 0);
        }
        let line_bytes: usize = push.streams().flat_map(|stream| stream.entries()).map(|entry| entry.line.len()).sum();
        let is_internal = push.streams().any(|stream| {
            let labels = stream.labels();
            labels.contains(enrich::AGGREGATED_METRIC) || labels.contains(enrich::PATTERN)
        });
        let labels = ReceivedLabels {
            tenant: tenant.to_string(),
            retention_hours: String::new(),
            is_internal_stream: is_internal.to_string(),
            policy: String::new(),
            format: format.to_owned(),
        };
        let metadata = push.metadata_bytes();
        self.metrics.bytes_received.get_or_create(&labels).inc_by(line_bytes as u64 + metadata);
        self.metrics.metadata_bytes_received.get_or_create(&labels).inc_by(metadata);
        self.metrics.lines_received.get_or_create(&labels.into()).inc_by(lines);
        (lines, line_bytes as u64 + metadata)
    }

    /// Counts a body refused for its size.
    pub fn body_too_large(&self, tenant: &TenantId, format: &str, bytes: u64) {
        if bytes > 0 {
            self.metrics.discard(tenant, "request_body_too_large", format, 0, bytes);
        }
    }

    /// The whole request against the tenant's rate. Over it, all that was received counts as discarded.
    fn allow(
        &self,
        id: &TenantId,
        limits: &PushLimits,
        format: &str,
        streams: &[(Arc<KnownStream>, Vec<Entry<'_>>)],
        received: (u64, u64),
    ) -> Result<(), PushFailure> {
        let rules = &limits.limits;
        let lines: usize = streams.iter().map(|(_, entries)| entries.len()).sum();
        let bytes: usize = streams.iter().flat_map(|(_, entries)| entries).map(entry_bytes).sum();
        let now = self.ports.clock.monotonic();
        let tenant = self.tenant(id);
        if lines == 0 || tenant.allow(bytes as f64, rules.ingestion_rate_bytes, rules.ingestion_burst_bytes, now) {
            return Ok(());
        }
        self.metrics.discard(id, "rate_limited", format, received.0, received.1);
        let message = format!(
            "ingestion rate limit exceeded for user {id} (limit: {} bytes/sec) while attempting to ingest '{lines}' lines totaling '{bytes}' bytes, reduce log volume or contact your Loki administrator to see if the limit can be increased",
            rules.ingestion_rate_bytes as u64,
        );
        Err(PushFailure::new(PushFailureKind::Limited, message))
    }

    fn append(
        &self,
        id: &TenantId,
        limits: &PushLimits,
        streams: &[(Arc<KnownStream>, Vec<Entry<'_>>)],
        failure: Option<PushFailure>,
    ) -> Accepted {
        let tenant = self.tenant(id);
        let moment = Moment { now: self.ports.clock.monotonic(), segment: self.segment() };
        let in_flight = self.pushes_in_flight.begin(moment.segment);
        let mut writer = PushWriter::new(id);
        let mut refused = Refused::default();
        for (known, entries) in streams.iter().filter(|(_, entries)| !entries.is_empty()) {
            self.append_stream(&tenant, limits, known, entries, moment, &mut writer, &mut refused);
        }
        let mut record = Vec::new();
        if !writer.is_empty() && self.log.is_some() {
            writer.finish(&mut record);
        }
        Accepted { record, failure: join_failures(refused.failure(), failure), _in_flight: in_flight }
    }

    #[allow(clippy::too_many_arguments, reason = "the pieces of one push")]
    fn append_stream(
        &self,
        tenant: &Arc<Tenant>,
        limits: &PushLimits,
        known: &KnownStream,
        entries: &[Entry<'_>],
        moment: Moment,
        writer: &mut PushWriter,
        refused: &mut Refused,
    ) {
        let rules = &limits.limits;
        let first = entries.iter().map(|entry| entry.ts).min().unwrap_or_default();
        let stream_limits = StreamLimits {
            unordered: rules.unordered_writes,
            rate_bytes: rules.stream_rate_bytes,
            burst_bytes: rules.stream_burst_bytes,
        };
        let mut refusals: Vec<(usize, Refusal)> = Vec::new();
        let (logged, first_seq, fingerprint) = loop {
            let found = tenant.stream(&known.labels, None, rules.max_streams, || self.chunk_options(first));
            let Ok((stream, created)) = found else {
                let bytes: usize = entries.iter().map(entry_bytes).sum();
                self.metrics.discard(&tenant.id, "stream_limit", NO_FORMAT, entries.len() as u64, bytes as u64);
                refused.limited.push(format!("maximum active stream limit exceeded when trying to create stream {}, reduce the number of active streams (reduce labels or reduce label values), or contact your Loki administrator to see if the limit can be increased, user: '{}'", known.labels, tenant.id));
                return;
            };
            if created {
                let label = crate::metrics::TenantLabel { tenant: tenant.id.to_string() };
                self.metrics.streams_created.get_or_create(&label).inc();
            }
            let number = |count| self.next_seq.fetch_add(count, Ordering::SeqCst);
            let note = |at, why| refusals.push((at, why));
            // A stream that was retired meanwhile takes nothing: look again.
            if let Some((logged, first_seq)) = stream.push(entries, &self.settings, stream_limits, moment, number, note)
            {
                break (logged, first_seq, stream.fingerprint);
            }
        };
        if self.log.is_some() && !logged.is_empty() {
            if logged.len() == entries.len() {
                writer.stream(&known.labels, fingerprint, first_seq, entries);
            } else {
                let stored: Vec<Entry<'_>> = logged.iter().map(|&at| entries[at]).collect();
                writer.stream(&known.labels, fingerprint, first_seq, &stored);
            }
        }
        self.tell(&tenant.id, rules, known, entries, refusals, refused);
    }

    #[allow(clippy::too_many_arguments, reason = "the pieces of one push")]
    fn tell(
        &self,
        tenant: &TenantId,
        rules: &Limits,
        known: &KnownStream,
        entries: &[Entry<'_>],
        mut refusals: Vec<(usize, Refusal)>,
        refused: &mut Refused,
    ) {
        if refusals.is_empty() {
            return;
        }
        refusals.sort_by_key(|(at, _)| *at);
        let shown = self.settings.max_returned_errors;
        let mut text = String::new();
        let mut rate_limited = false;
        for (position, (at, why)) in refusals.iter().enumerate() {
            let entry = &entries[*at];
            let (reason, words) = match why {
                Refusal::TooFarBehind { oldest } => (
                    "too_far_behind",
                    format!(
                        "entry too far behind, entry timestamp is: {}, oldest acceptable timestamp is: {}",
                        rfc3339(entry.ts),
                        rfc3339(*oldest)
                    ),
                ),
                Refusal::OutOfOrder => ("out_of_order", "entry out of order".to_owned()),
                Refusal::RateLimited { entry_bytes } => {
                    rate_limited = true;
                    let (limit, size) = (byte_size(rules.stream_rate_bytes as u64), byte_size(*entry_bytes as u64));
                    (
                        "per_stream_rate_limit",
                        format!(
                            "Per stream rate limit exceeded (limit: {limit}/sec) while attempting to ingest for stream '{}' totaling {size}, consider splitting a stream via additional labels or contact your Loki administrator to see if the limit can be increased",
                            known.labels
                        ),
                    )
                }
                Refusal::Damaged(error) => ("invalid_entry", error.clone()),
            };
            self.metrics.discard(tenant, reason, NO_FORMAT, 1, entry_bytes(entry) as u64);
            if shown == 0 || position < shown {
                let at = go_time(entry.ts);
                text.push_str(&format!("entry with timestamp {at} ignored, reason: '{words}',\n"));
            }
        }
        text.push_str(&format!(
            "user '{tenant}', total ignored: {} out of {} for stream: {}",
            refusals.len(),
            entries.len(),
            known.labels
        ));
        if rate_limited { refused.limited.push(text) } else { refused.invalid.push(text) }
    }
}

/// What streams refused.
#[derive(Default)]
struct Refused {
    limited: Vec<String>,
    invalid: Vec<String>,
}

impl Refused {
    /// A limit outranks what is invalid; all are named.
    fn failure(self) -> Option<PushFailure> {
        let kind = if self.limited.is_empty() { PushFailureKind::Invalid } else { PushFailureKind::Limited };
        let message = [self.limited, self.invalid].concat().join("\n");
        (!message.is_empty()).then(|| PushFailure::new(kind, message))
    }
}

/// What streams refused comes first and decides the kind; what was invalid before is told as well.
fn join_failures(of_streams: Option<PushFailure>, invalid: Option<PushFailure>) -> Option<PushFailure> {
    match (of_streams, invalid) {
        (Some(first), Some(second)) => {
            Some(PushFailure::new(first.kind, format!("{}; {}", first.message, second.message)))
        }
        (first, second) => first.or(second),
    }
}

fn refuse_metadata(
    rules: &Limits,
    pairs: usize,
    bytes: usize,
    name: &dyn Fn() -> String,
) -> Option<(&'static str, String)> {
    if !rules.allow_metadata {
        let message = format!(
            "stream '{}' includes structured metadata, but this feature is disallowed. Please see `limits_config.allow_structured_metadata` or contact your Loki administrator to enable it",
            name()
        );
        return Some(("disallowed_structured_metadata", message));
    }
    if rules.max_metadata_bytes > 0 && bytes > rules.max_metadata_bytes {
        let message = format!(
            "stream '{}' has structured metadata too large: '{bytes}' bytes, limit: '{}' bytes. Please see `limits_config.max_structured_metadata_size` or contact your Loki administrator to increase it",
            name(),
            rules.max_metadata_bytes
        );
        return Some(("structured_metadata_too_large", message));
    }
    if rules.max_metadata_pairs > 0 && pairs > rules.max_metadata_pairs {
        let message = format!(
            "stream '{}' has too many structured metadata labels: '{pairs}', limit: '{}'. Please see `limits_config.max_structured_metadata_entries_count` or contact your Loki administrator to increase it",
            name(),
            rules.max_metadata_pairs
        );
        return Some(("structured_metadata_too_many", message));
    }
    None
}

/// Adds or tidies `detected_level`, keeping the pairs sorted.
fn add_level<'a>(detector: &LevelDetector, of_stream: Option<&str>, line: &[u8], pairs: &mut Vec<Pair<'a>>) {
    let level: Cow<'a, str> = match detector.detect(of_stream, pairs, line) {
        Detected::Add(level) | Detected::Normalize(level) => static_level(level),
        Detected::Nothing => return,
    };
    match pairs.binary_search_by(|(name, _)| (**name).cmp(DETECTED_LEVEL)) {
        Ok(at) => pairs[at].1 = level,
        Err(at) => pairs.insert(at, (Cow::Borrowed(DETECTED_LEVEL), level)),
    }
}

/// The usual levels without an allocation.
fn static_level<'a>(level: &str) -> Cow<'a, str> {
    const USUAL: [&str; 8] = ["info", "error", "warn", "debug", "unknown", "trace", "critical", "fatal"];
    match USUAL.iter().find(|usual| **usual == level) {
        Some(usual) => Cow::Borrowed(usual),
        None => Cow::Owned(level.to_owned()),
    }
}

/// In the largest unit that divides it, powers of 1024, as upstream prints limits: `3MB`, `1537B`.
fn byte_size(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "KB", "MB", "GB", "TB", "PB", "EB"];
    let unit = if bytes == 0 { 0 } else { (bytes.trailing_zeros() / 10) as usize };
    format!("{}{}", bytes >> (10 * unit), UNITS[unit])
}

/// Whole seconds, UTC.
fn rfc3339(ts: Nanos) -> String {
    let secs = ts.0.div_euclid(Nanos::PER_SEC);
    match jiff::Timestamp::from_second(secs) {
        Ok(time) => time.to_string(),
        Err(_) => format!("{secs}s since the epoch"),
    }
}

/// As Go's `Time.String` prints it: `2026-11-19 10:00:00.5 +0000 UTC`.
fn go_time(ts: Nanos) -> String {
    let mut text = String::new();
    loptr_wire::go::format_rfc3339_nanos(ts.0, &mut text);
    text.replace('T', " ").replace('Z', " +0000 UTC")
}

#[cfg(test)]
mod tests {
    use super::byte_size;

    #[test]
    fn sizes_are_printed_whole() {
        let texts = [0, 1, 421, 1024, 1537, 3 << 20, 1 << 60, u64::MAX].map(byte_size);
        assert_eq!(texts, ["0B", "1B", "421B", "1KB", "1537B", "3MB", "1EB", "18446744073709551615B"]);
    }
}
