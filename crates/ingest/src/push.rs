//! One push: validated as upstream does, appended to the streams, remembered in one log record.
//!
//! Bad entries and streams are dropped and told about, good ones are stored: then the answer is an error and the data
//! is there. Only a malformed body, an unreadable label text, the tenant's rate limit and a log that refuses store
//! nothing. Every bad stream is named, not only the last one.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use loptr_model::{Entry, Nanos, TenantId};
use loptr_ports::Priority;
use loptr_wal::PushWriter;
use loptr_wire::enrich::{self, DETECTED_LEVEL, Detected, LevelDetector};
use loptr_wire::push::{DecodedPush, PushFormat, PushStream};
use tracing::Instrument;

use crate::Ingester;
use crate::in_flight::InFlight;
use crate::known::{KnownStream, PushLimits, StreamError};
use crate::metrics::{DiscardLabels, ReceivedLabels};
use crate::settings::Limits;
use crate::shard::{TIME_SHARD, time_shard};
use crate::stream::{Moment, Refusal, StreamLimits, entry_bytes};
use crate::tenant::{NewStream, Tenant};

/// What metrics call the format of a push.
pub const LOKI: &str = "loki";
/// What metrics call the format of OpenTelemetry's requests.
pub const OTLP: &str = "otlp";

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
    /// Ingestion is blocked: answer with this status.
    Blocked(u16),
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
    policy: Arc<str>,
    entries: Vec<(Nanos, Cow<'a, [u8]>, std::ops::Range<usize>)>,
}

/// One stream's entries on their way into memory.
struct Ready<'a> {
    known: Arc<KnownStream>,
    policy: Arc<str>,
    entries: Vec<Entry<'a>>,
}

/// What is counted together of what came in.
#[derive(PartialEq, Eq)]
struct ReceivedKind {
    is_internal: bool,
    policy: Arc<str>,
    retention_hours: Arc<str>,
}

/// Adds a stream to the bytes, lines and bytes of metadata of its kind.
fn tally(
    received: &mut Vec<(ReceivedKind, [u64; 3])>,
    sender: Sender<'_>,
    limits: &PushLimits,
    known: Option<&Arc<KnownStream>>,
    stream: &PushStream<'_>,
) {
    if stream.is_empty() {
        return;
    }
    let kind = match known {
        Some(known) => ReceivedKind {
            is_internal: known.is_internal,
            policy: sender.policy(known),
            retention_hours: known.retention_hours.clone(),
        },
        None => ReceivedKind {
            is_internal: false,
            policy: sender.policy.cloned().unwrap_or_default(),
            retention_hours: limits.limits.rules.default_retention_hours.to_string().into(),
        },
    };
    let at = match received.iter().position(|(counted, _)| *counted == kind) {
        Some(at) => at,
        None => {
            received.push((kind, [0; 3]));
            received.len() - 1
        }
    };
    let [bytes, lines, metadata] = &mut received[at].1;
    for entry in stream.entries() {
        let of_metadata = entry.metadata.byte_len() as u64;
        *bytes += entry.line.len() as u64 + of_metadata;
        *metadata += of_metadata;
        *lines += 1;
    }
}

/// Whose push it is and what it looks like: labels of whatever is counted.
#[derive(Clone, Copy)]
struct Sender<'a> {
    tenant: &'a TenantId,
    format: &'a str,
    /// Policy of every stream, when the request names one.
    policy: Option<&'a Arc<str>>,
}

impl Sender<'_> {
    fn policy(&self, known: &KnownStream) -> Arc<str> {
        self.policy.unwrap_or(&known.policy).clone()
    }

    /// Labels of what streams in memory refuse: upstream knows no format there.
    fn discard_by_stream(&self, reason: &str, policy: &str, retention_hours: &str) -> DiscardLabels {
        DiscardLabels { format: String::new(), ..self.discard(reason, policy, retention_hours) }
    }

    fn discard(&self, reason: &str, policy: &str, retention_hours: &str) -> DiscardLabels {
        DiscardLabels {
            reason: reason.to_owned(),
            tenant: self.tenant.to_string(),
            retention_hours: retention_hours.to_owned(),
            policy: policy.to_owned(),
            format: self.format.to_owned(),
        }
    }
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
        self.push_under(tenant, limits, push, None).await
    }

    /// As [`Ingester::push`]; `policy`, when it is not empty, is the policy of every stream.
    pub async fn push_under(
        self: &Arc<Self>,
        tenant: TenantId,
        limits: Arc<PushLimits>,
        push: DecodedPush,
        policy: Option<&str>,
    ) -> Result<(), PushFailure> {
        let room = match self.refusal() {
            Some(refusal) => Err(refusal),
            None => self.room_in_memory().await,
        };
        if let Err(refusal) = room {
            self.metrics.pushes_refused.inc();
            return Err(PushFailure::new(PushFailureKind::Unavailable, refusal));
        }
        let began = self.ports.clock.monotonic();
        let latency = limits.limits.simulated_latency;
        let policy: Option<Arc<str>> = policy.filter(|policy| !policy.is_empty()).map(Arc::from);
        let this = self.clone();
        let accept = move || this.accept(&tenant, &limits, &push, policy.as_ref());
        let accept = self.ports.cpu.run(Priority::Push, accept);
        let accepted = accept.instrument(tracing::info_span!("append")).await;
        let accepted = accepted.map_err(|error| PushFailure::new(PushFailureKind::Internal, error.to_string()))?;
        let stored = match accepted {
            Ok(accepted) => self.make_durable(accepted).await,
            Err(failure) => Err(failure),
        };
        let took = std::time::Duration::from_nanos((self.ports.clock.monotonic().0 - began.0).unsigned_abs());
        if latency > took {
            self.ports.clock.sleep(latency - took).await;
        }
        stored
    }

    /// Waits until the log has what was accepted.
    async fn make_durable(&self, accepted: Accepted) -> Result<(), PushFailure> {
        if let Some(log) = &self.log
            && !accepted.record.is_empty()
        {
            let append = log.append_push(accepted.record);
            let appended = append.instrument(tracing::info_span!("log")).await;
            appended.map_err(|error| PushFailure::new(PushFailureKind::Unavailable, error.to_string()))?;
        }
        accepted.failure.map_or(Ok(()), Err)
    }

    /// CPU work of a push. An `Err` has stored nothing.
    fn accept(
        &self,
        tenant: &TenantId,
        limits: &PushLimits,
        push: &DecodedPush,
        policy: Option<&Arc<str>>,
    ) -> Result<Accepted, PushFailure> {
        if push.stream_count() == 0 {
            let message = "error at least one valid stream is required for ingestion";
            return Err(PushFailure::new(PushFailureKind::NoStreams, message));
        }
        let format = match push.format() {
            PushFormat::Otlp => OTLP,
            PushFormat::Proto | PushFormat::JsonV1 | PushFormat::JsonLegacy => LOKI,
        };
        let sender = Sender { tenant, format, policy };
        let mut refused = Messages::default();
        let mut blocked = None;
        let mut pairs: Vec<Pair<'_>> = Vec::new();
        let mut checked: Vec<Checked<'_>> = Vec::new();
        let mut received = Vec::new();
        let known: Vec<_> = push.streams().map(|stream| limits.known(stream.labels())).collect();
        for (stream, known) in push.streams().zip(&known) {
            if let Err(StreamError::Unreadable(message)) = known {
                return Err(PushFailure::new(PushFailureKind::Invalid, message.clone()));
            }
            tally(&mut received, sender, limits, known.as_ref().ok(), &stream);
        }
        self.count_received(sender, &received, push);
        for (stream, known) in push.streams().zip(known) {
            let known = match known {
                Ok(known) => known,
                Err(StreamError::Unreadable(_)) => continue,
                Err(StreamError::Refused(..)) if stream.is_empty() => continue,
                Err(StreamError::Refused(reason, message)) => {
                    let hours = limits.limits.rules.default_retention_hours.to_string();
                    let policy = policy.map_or("", |policy| policy);
                    // Upstream counts such a stream under both reasons.
                    for reason in [reason, "invalid_labels"] {
                        self.metrics.discard_stream(&sender.discard(reason, policy, &hours), &stream);
                    }
                    refused.add(message);
                    continue;
                }
            };
            if stream.is_empty() || !self.admits(sender, limits, &known, &stream, &mut refused, &mut blocked) {
                continue;
            }
            checked.push(self.check(sender, limits, known, &stream, &mut pairs, &mut refused)?);
        }
        let refs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (&**name, &**value)).collect();
        let streams: Vec<Ready<'_>> = checked
            .iter()
            .map(|stream| {
                let entries = stream.entries.iter().map(|(ts, line, metadata)| Entry {
                    ts: *ts,
                    line,
                    metadata: &refs[metadata.clone()],
                });
                Ready { known: stream.known.clone(), policy: stream.policy.clone(), entries: entries.collect() }
            })
            .collect();
        self.allow(sender, limits, &streams, &received)?;
        let failure = refused.join().map(|message| PushFailure::new(PushFailureKind::Invalid, message)).or(blocked);
        let streams = self.split(sender, limits, streams);
        Ok(self.append(sender, limits, &streams, failure))
    }

    /// Whether a stream may come in at all: it has the labels it must have, and nothing blocks it.
    fn admits(
        &self,
        sender: Sender<'_>,
        limits: &PushLimits,
        known: &KnownStream,
        stream: &PushStream<'_>,
        refused: &mut Messages,
        blocked: &mut Option<PushFailure>,
    ) -> bool {
        let (rules, tenant, policy) = (&limits.limits.rules, sender.tenant, sender.policy(known));
        let discard = |reason: &str| {
            let labels = sender.discard(reason, &policy, &known.retention_hours);
            self.metrics.discard_stream(&labels, stream);
        };
        let missing = if known.is_internal { Vec::new() } else { rules.missing_labels(&known.labels, &policy) };
        if !missing.is_empty() {
            discard("missing_enforced_labels");
            refused.add(format!(
                "missing required labels '{}' for user '{tenant}' for stream '{}' (policy: '{policy}')",
                missing.join(","),
                known.labels
            ));
            return false;
        }
        let Some(why) = rules.blocked(tenant, &policy, self.ports.clock.now()) else { return true };
        discard(why.reason);
        // 200 hides the refusal from the client.
        if rules.block_status != 200 {
            *blocked = Some(PushFailure::new(PushFailureKind::Blocked(rules.block_status), why.message));
        }
        false
    }

    /// Splits streams by time and hot ones by rate, as the tenant wants.
    fn split<'a>(&self, sender: Sender<'_>, limits: &PushLimits, streams: Vec<Ready<'a>>) -> Vec<Ready<'a>> {
        let settings = &limits.limits.shard_streams;
        if !settings.enabled && !settings.by_time {
            return streams;
        }
        let (now, recent) = (self.ports.clock.monotonic(), nanos(settings.ignore_recent));
        let recent = self.ports.clock.now().saturating_sub(recent);
        let mut split = Vec::with_capacity(streams.len());
        for stream in streams {
            let parts = if settings.by_time { self.by_time(stream, recent) } else { vec![stream] };
            for part in parts {
                let bytes = part.entries.iter().map(entry_bytes).sum();
                let Some(shards) = part.known.rate.split(settings, bytes, part.entries.len(), now) else {
                    split.push(part);
                    continue;
                };
                self.metrics.stream_sharding.inc();
                if settings.log {
                    tracing::info!(org_id = %sender.tenant, stream = %part.known.labels, shard_count = shards.of, "sharding request");
                }
                let from = split.len();
                split.extend(shards.numbers().map(|shard| Ready {
                    known: part.known.shard(shard),
                    policy: part.policy.clone(),
                    entries: Vec::with_capacity(part.entries.len() / shards.count + 1),
                }));
                for (at, entry) in part.entries.into_iter().enumerate() {
                    split[from + at % shards.count].entries.push(entry);
                }
            }
        }
        split
    }

    /// Entries older than `recent` in streams of their span of time, the others as they are.
    fn by_time<'a>(&self, mut stream: Ready<'a>, recent: Nanos) -> Vec<Ready<'a>> {
        stream.entries.sort_by_key(|entry| entry.ts);
        if stream.entries.first().is_none_or(|entry| entry.ts > recent) {
            return vec![stream];
        }
        let length = self.settings.max_age / 2;
        let mut parts: Vec<(String, Ready<'a>)> = Vec::new();
        for entry in stream.entries {
            let span = if entry.ts < recent { time_shard(entry.ts, length) } else { String::new() };
            if parts.last().is_none_or(|(last, _)| *last != span) {
                let known = if span.is_empty() {
                    stream.known.clone()
                } else {
                    Arc::new(stream.known.part(stream.known.labels.with(TIME_SHARD, &span)))
                };
                let part = Ready { known, policy: stream.policy.clone(), entries: Vec::new() };
                parts.push((span, part));
            }
            if let Some((_, part)) = parts.last_mut() {
                part.entries.push(entry);
            }
        }
        parts.into_iter().map(|(_, part)| part).collect()
    }

    fn check<'a>(
        &self,
        sender: Sender<'_>,
        limits: &PushLimits,
        known: Arc<KnownStream>,
        stream: &PushStream<'a>,
        pairs: &mut Vec<Pair<'a>>,
        refused: &mut Messages,
    ) -> Result<Checked<'a>, PushFailure> {
        let rules = &limits.limits;
        let policy = sender.policy(&known);
        let now = self.ports.clock.now();
        let oldest = now.saturating_sub(nanos(rules.max_sample_age));
        let newest = now.saturating_add(nanos(rules.creation_grace));
        let name = || known.labels.to_string();
        // Periods of older schemas have no place for it.
        let schema = self.bucket.schema();
        let holds_metadata =
            |ts: Nanos| rules.allow_metadata && schema.period_at(ts.floor_millis()).allows_structured_metadata();
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
            } else if rules.max_line_bytes > 0 && line.len() > rules.max_line_bytes && !rules.can_truncate() {
                let message = format!(
                    "max entry size '{}' bytes exceeded for stream '{}' while adding an entry with length '{}' bytes",
                    rules.max_line_bytes,
                    name(),
                    line.len()
                );
                Some(("line_too_long", message))
            } else if !entry.metadata.is_empty() {
                refuse_metadata(rules, holds_metadata(entry.ts), entry.metadata.len(), entry.metadata.byte_len(), &name)
            } else {
                None
            };
            if let Some((reason, message)) = refusal {
                let bytes = entry.line.len() + entry.metadata.byte_len();
                self.metrics.discard(&sender.discard(reason, &policy, &known.retention_hours), 1, bytes as u64);
                refused.add(message);
                continue;
            }
            if rules.max_line_bytes > 0 && line.len() > rules.max_line_bytes {
                let keep = rules.max_line_bytes.saturating_sub(rules.truncate_identifier.len());
                self.metrics.truncated(sender.tenant, (line.len() - keep) as u64);
                line = Cow::Owned([&entry.line[..keep], rules.truncate_identifier.as_bytes()].concat());
            }
            // Upstream answers 500 here and clients send the same request for ever; a 400 ends it.
            enrich::normalize_metadata(entry.metadata.iter(), &mut scratch).map_err(|error| {
                let message = format!("stream '{}' has structured metadata that cannot be named: {error}", name());
                PushFailure::new(PushFailureKind::Invalid, message)
            })?;
            if rules.discover_levels && !known.is_internal && holds_metadata(entry.ts) {
                add_level(&limits.detector, known.level.as_deref(), &line, &mut scratch);
            }
            if !limits.fields.is_empty() && holds_metadata(entry.ts) {
                add_fields(limits, &known, &line, &mut scratch);
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
        Ok(Checked { known, policy, entries })
    }

    /// Everything a push brought, whatever becomes of it: as upstream counts. Metadata that records of OTLP share is
    /// counted once.
    fn count_received(&self, sender: Sender<'_>, received: &[(ReceivedKind, [u64; 3])], push: &DecodedPush) {
        let of_entries: u64 = received.iter().map(|(_, [_, _, metadata])| metadata).sum();
        let mut repeated = of_entries.saturating_sub(push.metadata_bytes());
        for (kind, [bytes, lines, metadata]) in received {
            let once = repeated.min(*metadata);
            repeated -= once;
            let (bytes, metadata) = (bytes - once, metadata - once);
            let labels = ReceivedLabels {
                tenant: sender.tenant.to_string(),
                // Nothing here where refusals have a 0.
                retention_hours: if *kind.retention_hours == *"0" {
                    String::new()
                } else {
                    kind.retention_hours.to_string()
                },
                is_internal_stream: kind.is_internal.to_string(),
                policy: kind.policy.to_string(),
                format: sender.format.to_owned(),
            };
            self.metrics.bytes_received.get_or_create(&labels).inc_by(bytes);
            self.metrics.lines_received.get_or_create(&labels.of_lines()).inc_by(*lines);
            self.metrics.metadata_bytes_received.get_or_create(&labels).inc_by(metadata);
        }
    }

    /// A body refused for its size; 0 bytes if that was not announced.
    pub fn body_too_large(&self, tenant: &TenantId, format: &str, bytes: u64) {
        if bytes > 0 {
            let labels = Sender { tenant, format, policy: None }.discard("request_body_too_large", "", "");
            self.metrics.discarded_bytes.get_or_create(&labels).inc_by(bytes);
        }
    }

    /// The whole request against the tenant's rate. Over it, all that was received counts as discarded.
    fn allow(
        &self,
        sender: Sender<'_>,
        limits: &PushLimits,
        streams: &[Ready<'_>],
        received: &[(ReceivedKind, [u64; 3])],
    ) -> Result<(), PushFailure> {
        let (rules, id) = (&limits.limits, sender.tenant);
        let size = |stream: &Ready<'_>| stream.entries.iter().map(entry_bytes).sum::<usize>();
        let lines: usize = streams.iter().map(|stream| stream.entries.len()).sum();
        let bytes: usize = streams.iter().map(size).sum();
        let now = self.ports.clock.monotonic();
        let tenant = self.tenant(id);
        if lines == 0 || tenant.allow(bytes as f64, rules.ingestion_rate_bytes, rules.ingestion_burst_bytes, now) {
            return Ok(());
        }
        for (kind, [bytes, lines, _]) in received {
            self.metrics.discard(&sender.discard("rate_limited", &kind.policy, &kind.retention_hours), *lines, *bytes);
        }
        let message = format!(
            "ingestion rate limit exceeded for user {id} (limit: {} bytes/sec) while attempting to ingest '{lines}' lines totaling '{bytes}' bytes, reduce log volume or contact your Loki administrator to see if the limit can be increased",
            rules.ingestion_rate_bytes as u64,
        );
        Err(PushFailure::new(PushFailureKind::Limited, message))
    }

    fn append(
        &self,
        sender: Sender<'_>,
        limits: &PushLimits,
        streams: &[Ready<'_>],
        failure: Option<PushFailure>,
    ) -> Accepted {
        self.metrics.appends.inc();
        let tenant = self.tenant(sender.tenant);
        let moment = Moment { now: self.ports.clock.monotonic(), segment: self.segment() };
        let in_flight = self.pushes_in_flight.begin(moment.segment);
        let mut writer = PushWriter::new(sender.tenant);
        let mut refused = Refused::default();
        for stream in streams.iter().filter(|stream| !stream.entries.is_empty()) {
            self.append_stream(&tenant, sender, limits, stream, moment, &mut writer, &mut refused);
        }
        let mut record = Vec::new();
        if !writer.is_empty() && self.log.is_some() {
            writer.finish(&mut record);
        }
        self.memory.ask();
        Accepted { record, failure: join_failures(refused.failure(), failure), _in_flight: in_flight }
    }

    #[allow(clippy::too_many_arguments, reason = "the pieces of one push")]
    fn append_stream(
        &self,
        tenant: &Arc<Tenant>,
        sender: Sender<'_>,
        limits: &PushLimits,
        stream: &Ready<'_>,
        moment: Moment,
        writer: &mut PushWriter,
        refused: &mut Refused,
    ) {
        let (rules, known, entries) = (&limits.limits, &*stream.known, stream.entries.as_slice());
        let first = entries.iter().map(|entry| entry.ts).min().unwrap_or_default();
        let stream_limits = StreamLimits {
            unordered: rules.unordered_writes,
            rate_bytes: rules.stream_rate_bytes,
            burst_bytes: rules.stream_burst_bytes,
        };
        let mut refusals: Vec<(usize, Refusal)> = Vec::new();
        let (logged, fingerprint) = loop {
            let limit = rules.rules.policy_max_streams.get(&*stream.policy).copied();
            let new = NewStream {
                max_streams: limit.unwrap_or(rules.max_streams),
                policy: &stream.policy,
                count_by_policy: rules.rules.count_by_policy,
            };
            let found = tenant.stream(&known.labels, None, new, || self.chunk_options(first));
            let Ok((stream, created)) = found else {
                let bytes: usize = entries.iter().map(entry_bytes).sum();
                let labels = sender.discard_by_stream("stream_limit", &stream.policy, &known.retention_hours);
                self.metrics.discard(&labels, entries.len() as u64, bytes as u64);
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
            if let Some(logged) = stream.push(entries, &self.settings, stream_limits, moment, number, note) {
                break (logged, stream.fingerprint);
            }
        };
        self.watchers.tell(&tenant.id, &known.labels, fingerprint, entries, logged.new_entries());
        let (logged, first_seq) = (logged.positions, logged.first_seq);
        if self.log.is_some() && !logged.is_empty() {
            if logged.len() == entries.len() {
                writer.stream(&known.labels, fingerprint, first_seq, entries);
            } else {
                let stored: Vec<Entry<'_>> = logged.iter().map(|&at| entries[at]).collect();
                writer.stream(&known.labels, fingerprint, first_seq, &stored);
            }
        }
        self.tell(sender, rules, stream, refusals, refused);
    }

    fn tell(
        &self,
        sender: Sender<'_>,
        rules: &Limits,
        stream: &Ready<'_>,
        mut refusals: Vec<(usize, Refusal)>,
        refused: &mut Refused,
    ) {
        let (tenant, known, entries) = (sender.tenant, &stream.known, &stream.entries);
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
            let labels = sender.discard_by_stream(reason, &stream.policy, &known.retention_hours);
            self.metrics.discard(&labels, 1, entry_bytes(entry) as u64);
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
    is_allowed: bool,
    pairs: usize,
    bytes: usize,
    name: &dyn Fn() -> String,
) -> Option<(&'static str, String)> {
    if !is_allowed {
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

/// Adds the fields the tenant wants that the stream's labels, the entry's metadata or its line have.
fn add_fields<'a>(limits: &PushLimits, known: &KnownStream, line: &[u8], pairs: &mut Vec<Pair<'a>>) {
    for ((name, field), of_stream) in limits.fields.iter().zip(&known.fields) {
        let of_metadata = || {
            let value = |wanted: &String| pairs.iter().find(|(name, _)| **name == **wanted).map(|(_, value)| &**value);
            field.names().iter().find_map(value).map(str::to_owned)
        };
        let of_line = || field.of_line(line).map(|value| String::from_utf8_lossy(&value).into_owned());
        let found = of_stream.clone().or_else(of_metadata).or_else(of_line);
        let Some(value) = found.filter(|value| !value.is_empty()) else { continue };
        match pairs.binary_search_by(|(known, _)| (**known).cmp(name)) {
            Ok(at) => pairs[at].1 = Cow::Owned(value),
            Err(at) => pairs.insert(at, (Cow::Owned(name.clone()), Cow::Owned(value))),
        }
    }
}

fn nanos(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
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
pub(crate) fn rfc3339(ts: Nanos) -> String {
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
