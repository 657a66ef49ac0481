//! What a record says, both directions. Decoding borrows from the segment's bytes; a checksum that held does not make a
//! payload trusted: every length is checked.

use loptr_model::{ChunkRef, Entry, Fingerprint, Labels, Millis, Nanos, TenantId};

use crate::segment::put_frame;
use crate::seqs::SeqRanges;
use crate::varint::{put_bytes, put_sv, put_uv, take_array, take_bytes, take_str, take_sv, take_uv};

pub(crate) const KIND_PUSH: u8 = 1;
pub(crate) const KIND_FLUSHED: u8 = 2;
pub(crate) const KIND_SHIPPED: u8 = 3;
pub(crate) const KIND_SNAPSHOT: u8 = 4;

/// One record.
#[derive(Debug, Clone)]
pub enum Record<'a> {
    /// Entries accepted in one push.
    Push(PushRecord<'a>),
    /// A chunk lies in the bucket.
    Flushed(Flushed),
    /// The uploaded index names every chunk whose ordinal is at most this.
    Shipped {
        /// Highest ordinal of [`Flushed`] covered.
        ordinal_through: u64,
    },
    /// A chunk that does not lie in the bucket yet, as it was in memory.
    Snapshot(SnapshotRecord<'a>),
}

/// A chunk that lies in the bucket, and what of its stream it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flushed {
    /// Owner.
    pub tenant: TenantId,
    /// The stream.
    pub labels: Labels,
    /// The chunk; its fingerprint is the stream's, collisions already mapped.
    pub chunk: ChunkRef,
    /// Uncompressed size in KiB, rounded, for the index.
    pub kb: u32,
    /// Entries in the chunk.
    pub entries: u32,
    /// Entries of the stream with these numbers lie in this chunk, or in earlier ones.
    pub covers: SeqRanges,
    /// Grows with every flushed chunk of the process.
    pub ordinal: u64,
}

/// A chunk in memory, as bytes that `loptr-chunk` takes.
#[derive(Debug, Clone)]
pub struct SnapshotRecord<'a> {
    /// Owner, not yet checked.
    pub tenant: &'a str,
    /// The stream.
    pub labels: RawLabels<'a>,
    /// Its fingerprint, collisions already mapped.
    pub fingerprint: Fingerprint,
    /// Entries of the stream with these numbers are in the chunk.
    pub covers: SeqRanges,
    /// Whether the chunk takes no more entries.
    pub is_closed: bool,
    /// Earliest and latest entry.
    pub bounds: (Nanos, Nanos),
    /// The chunk.
    pub chunk: &'a [u8],
    payload_bytes: usize,
}

impl SnapshotRecord<'_> {
    /// Bytes of the whole record in its segment.
    pub fn len_bytes(&self) -> usize {
        crate::segment::FRAME_BYTES + self.payload_bytes
    }
}

/// Labels as they lie in a record: equal bytes are equal labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawLabels<'a>(&'a [u8]);

impl<'a> RawLabels<'a> {
    /// The bytes.
    pub fn bytes(&self) -> &'a [u8] {
        self.0
    }

    /// The labels, unless these bytes are none.
    pub fn decode(&self) -> Option<Labels> {
        let from = &mut &*self.0;
        let labels = take_labels(from)?;
        from.is_empty().then_some(labels)
    }
}

/// Writes one push record.
#[derive(Debug)]
pub struct PushWriter {
    tenant: TenantId,
    sections: Vec<u8>,
    streams: u64,
    bounds: Option<(i64, i64)>,
}

impl PushWriter {
    /// An empty push of `tenant`.
    pub fn new(tenant: &TenantId) -> Self {
        Self { tenant: tenant.clone(), sections: Vec::with_capacity(256), streams: 0, bounds: None }
    }

    /// Adds the entries accepted for one stream, numbered from `first_seq`.
    pub fn stream(&mut self, labels: &Labels, fingerprint: Fingerprint, first_seq: u64, entries: &[Entry<'_>]) {
        let out = &mut self.sections;
        put_sized_labels(out, labels);
        out.extend_from_slice(&fingerprint.0.to_le_bytes());
        put_uv(out, first_seq);
        put_uv(out, entries.len() as u64);
        let len_at = out.len();
        out.extend_from_slice(&[0; 4]);
        let mut previous = 0i64;
        for entry in entries {
            put_sv(out, entry.ts.0.wrapping_sub(previous));
            previous = entry.ts.0;
            put_bytes(out, entry.line);
            put_uv(out, entry.metadata.len() as u64);
            for (name, value) in entry.metadata {
                put_bytes(out, name.as_bytes());
                put_bytes(out, value.as_bytes());
            }
            let (min, max) = self.bounds.unwrap_or((i64::MAX, i64::MIN));
            self.bounds = Some((min.min(entry.ts.0), max.max(entry.ts.0)));
        }
        let len = u32::try_from(out.len() - len_at - 4).expect("a push body is limited far below 4 GiB");
        out[len_at..len_at + 4].copy_from_slice(&len.to_le_bytes());
        self.streams += 1;
    }

    /// Whether no stream was added.
    pub fn is_empty(&self) -> bool {
        self.streams == 0
    }

    /// Bytes the record will take, about.
    pub fn len_bytes(&self) -> usize {
        self.sections.len()
    }

    /// Appends the framed record to `out`.
    pub fn finish(self, out: &mut Vec<u8>) {
        let mut head = Vec::with_capacity(64);
        put_bytes(&mut head, self.tenant.as_str().as_bytes());
        let (min, max) = self.bounds.unwrap_or((0, 0));
        put_bounds(&mut head, Nanos(min), Nanos(max));
        put_uv(&mut head, self.streams);
        put_frame(out, KIND_PUSH, &[&head, &self.sections]);
    }
}

/// Appends a framed [`Record::Flushed`] to `out`.
pub fn flushed_record(flushed: &Flushed, out: &mut Vec<u8>) {
    let mut payload = Vec::with_capacity(128);
    put_bytes(&mut payload, flushed.tenant.as_str().as_bytes());
    put_labels(&mut payload, &flushed.labels);
    payload.extend_from_slice(&flushed.chunk.fingerprint.0.to_le_bytes());
    put_sv(&mut payload, flushed.chunk.from.0);
    put_sv(&mut payload, flushed.chunk.through.0);
    payload.extend_from_slice(&flushed.chunk.checksum.to_le_bytes());
    put_uv(&mut payload, u64::from(flushed.kb));
    put_uv(&mut payload, u64::from(flushed.entries));
    flushed.covers.put(&mut payload);
    put_uv(&mut payload, flushed.ordinal);
    put_frame(out, KIND_FLUSHED, &[&payload]);
}

/// Appends a framed [`Record::Shipped`] to `out`.
pub fn shipped_record(ordinal_through: u64, out: &mut Vec<u8>) {
    let mut payload = Vec::with_capacity(10);
    put_uv(&mut payload, ordinal_through);
    put_frame(out, KIND_SHIPPED, &[&payload]);
}

/// What goes into a [`Record::Snapshot`].
#[derive(Debug)]
pub struct Snapshot<'a> {
    /// Owner.
    pub tenant: &'a TenantId,
    /// The stream.
    pub labels: &'a Labels,
    /// Its fingerprint.
    pub fingerprint: Fingerprint,
    /// Entries of the stream with these numbers are in the chunk.
    pub covers: &'a SeqRanges,
    /// Whether the chunk takes no more entries.
    pub is_closed: bool,
    /// Earliest and latest entry.
    pub bounds: (Nanos, Nanos),
    /// The chunk's bytes.
    pub chunk: &'a [u8],
}

/// Appends a framed [`Record::Snapshot`] to `out`.
pub fn snapshot_record(snapshot: &Snapshot<'_>, out: &mut Vec<u8>) {
    let mut head = Vec::with_capacity(256);
    put_bytes(&mut head, snapshot.tenant.as_str().as_bytes());
    put_sized_labels(&mut head, snapshot.labels);
    head.extend_from_slice(&snapshot.fingerprint.0.to_le_bytes());
    snapshot.covers.put(&mut head);
    head.push(u8::from(snapshot.is_closed));
    put_bounds(&mut head, snapshot.bounds.0, snapshot.bounds.1);
    put_frame(out, KIND_SNAPSHOT, &[&head, snapshot.chunk]);
}

fn put_bounds(out: &mut Vec<u8>, min: Nanos, max: Nanos) {
    put_sv(out, min.0);
    put_uv(out, max.0.wrapping_sub(min.0) as u64);
}

fn take_bounds(from: &mut &[u8]) -> Option<(Nanos, Nanos)> {
    let min = take_sv(from)?;
    let max = min.wrapping_add(take_uv(from)? as i64);
    (min <= max).then_some((Nanos(min), Nanos(max)))
}

fn put_labels(out: &mut Vec<u8>, labels: &Labels) {
    put_uv(out, labels.len() as u64);
    for (name, value) in labels.iter() {
        put_bytes(out, name.as_bytes());
        put_bytes(out, value.as_bytes());
    }
}

fn put_sized_labels(out: &mut Vec<u8>, labels: &Labels) {
    let mut bytes = Vec::with_capacity(labels.byte_len() + 16);
    put_labels(&mut bytes, labels);
    put_bytes(out, &bytes);
}

fn take_labels(from: &mut &[u8]) -> Option<Labels> {
    let mut pairs = Vec::new();
    take_pairs(from, &mut pairs)?;
    Some(Labels::from_pairs(pairs))
}

/// Sets `pairs` to those that come next.
fn take_pairs<'a>(from: &mut &'a [u8], pairs: &mut Vec<(&'a str, &'a str)>) -> Option<()> {
    pairs.clear();
    for _ in 0..take_uv(from)? {
        pairs.push((take_str(from)?, take_str(from)?));
    }
    Some(())
}

fn skip_pairs(from: &mut &[u8]) -> Option<()> {
    for _ in 0..take_uv(from)? {
        take_bytes(from)?;
        take_bytes(from)?;
    }
    Some(())
}

pub(crate) fn decode(version: u8, kind: u8, payload: &[u8]) -> Option<Record<'_>> {
    match kind {
        KIND_PUSH => PushRecord::parse(version, payload).map(Record::Push),
        KIND_FLUSHED => decode_flushed(version, payload).map(Record::Flushed),
        KIND_SHIPPED => {
            let mut from = payload;
            let ordinal_through = take_uv(&mut from)?;
            from.is_empty().then_some(Record::Shipped { ordinal_through })
        }
        KIND_SNAPSHOT if version >= 2 => decode_snapshot(payload).map(Record::Snapshot),
        _ => None,
    }
}

fn decode_flushed(version: u8, payload: &[u8]) -> Option<Flushed> {
    let from = &mut &*payload;
    let tenant = TenantId::parse(take_str(from)?).ok()?;
    let labels = take_labels(from)?;
    let fingerprint = Fingerprint(u64::from_le_bytes(take_array(from)?));
    let (chunk_from, through) = (Millis(take_sv(from)?), Millis(take_sv(from)?));
    let checksum = u32::from_le_bytes(take_array(from)?);
    let flushed = Flushed {
        tenant,
        labels,
        chunk: ChunkRef { fingerprint, from: chunk_from, through, checksum },
        kb: u32::try_from(take_uv(from)?).ok()?,
        entries: u32::try_from(take_uv(from)?).ok()?,
        covers: if version == 1 { SeqRanges::of(0, take_uv(from)?) } else { SeqRanges::take(from)? },
        ordinal: take_uv(from)?,
    };
    from.is_empty().then_some(flushed)
}

fn decode_snapshot(payload: &[u8]) -> Option<SnapshotRecord<'_>> {
    let from = &mut &*payload;
    Some(SnapshotRecord {
        tenant: take_str(from)?,
        labels: RawLabels(take_bytes(from)?),
        fingerprint: Fingerprint(u64::from_le_bytes(take_array(from)?)),
        covers: SeqRanges::take(from)?,
        is_closed: match take_array::<1>(from)? {
            [0] => false,
            [1] => true,
            _ => return None,
        },
        bounds: take_bounds(from)?,
        chunk: from,
        payload_bytes: payload.len(),
    })
}

/// A push whose sections were checked; their entries are as they are walked.
#[derive(Debug, Clone)]
pub struct PushRecord<'a> {
    /// Owner, not yet checked.
    pub tenant: &'a str,
    /// Earliest and latest entry, where the record says so (version 1 does not).
    pub bounds: Option<(Nanos, Nanos)>,
    version: u8,
    count: u64,
    streams: &'a [u8],
}

/// The entries of one stream in a push.
#[derive(Debug, Clone, Copy)]
pub struct PushStream<'a> {
    /// The stream.
    pub labels: RawLabels<'a>,
    /// Its fingerprint, collisions already mapped.
    pub fingerprint: Fingerprint,
    /// Number of the first entry.
    pub first_seq: u64,
    count: u64,
    entries: &'a [u8],
}

impl<'a> PushRecord<'a> {
    fn parse(version: u8, payload: &'a [u8]) -> Option<Self> {
        let from = &mut &*payload;
        let tenant = take_str(from)?;
        let bounds = if version == 1 { None } else { Some(take_bounds(from)?) };
        let count = take_uv(from)?;
        let record = Self { tenant, bounds, version, count, streams: from };
        // Walk the sections once, so that the iterator below cannot meet a bad byte.
        let rest = &mut &*record.streams;
        for _ in 0..count {
            take_stream(version, rest)?;
        }
        rest.is_empty().then_some(record)
    }

    /// The streams, as pushed.
    pub fn streams(&self) -> impl Iterator<Item = PushStream<'a>> + use<'a> {
        let (version, mut rest) = (self.version, self.streams);
        (0..self.count).map_while(move |_| take_stream(version, &mut rest))
    }
}

fn take_stream<'a>(version: u8, from: &mut &'a [u8]) -> Option<PushStream<'a>> {
    let labels = if version == 1 {
        let start = *from;
        skip_pairs(from)?;
        &start[..start.len() - from.len()]
    } else {
        take_bytes(from)?
    };
    let fingerprint = Fingerprint(u64::from_le_bytes(take_array(from)?));
    let (first_seq, count) = (take_uv(from)?, take_uv(from)?);
    // The highest number must exist.
    first_seq.checked_add(count)?;
    let entries = if version == 1 {
        let start = *from;
        for _ in 0..count {
            take_sv(from)?;
            take_bytes(from)?;
            skip_pairs(from)?;
        }
        &start[..start.len() - from.len()]
    } else {
        let len = u32::from_le_bytes(take_array(from)?) as usize;
        let (entries, rest) = from.split_at_checked(len)?;
        *from = rest;
        entries
    };
    Some(PushStream { labels: RawLabels(labels), fingerprint, first_seq, count, entries })
}

/// Where the parts of a [`PushStream`] lie, so that it can be found again in the same bytes by another thread.
#[derive(Debug, Clone, Copy)]
pub struct SectionPlace {
    labels: (usize, usize),
    entries: (usize, usize),
    fingerprint: Fingerprint,
    first_seq: u64,
    count: u64,
}

impl SectionPlace {
    /// Whose entries lie there.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The section, in the bytes it was found in.
    pub fn find<'a>(&self, bytes: &'a [u8]) -> PushStream<'a> {
        PushStream {
            labels: RawLabels(&bytes[self.labels.0..self.labels.1]),
            fingerprint: self.fingerprint,
            first_seq: self.first_seq,
            count: self.count,
            entries: &bytes[self.entries.0..self.entries.1],
        }
    }
}

/// A section's entries are not what its head promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the entries of a stream in a push are malformed after {whole} whole ones")]
pub struct BadEntries {
    /// Entries before the bad one.
    pub whole: u64,
}

impl<'a> PushStream<'a> {
    /// How many entries.
    pub fn len(&self) -> u64 {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Where it lies in `bytes`, which it was read from. None if it was not.
    pub fn place_in(&self, bytes: &[u8]) -> Option<SectionPlace> {
        let place = |part: &[u8]| {
            let start = (part.as_ptr() as usize).checked_sub(bytes.as_ptr() as usize)?;
            let end = start.checked_add(part.len()).filter(|&end| end <= bytes.len())?;
            Some((start, end))
        };
        Some(SectionPlace {
            labels: place(self.labels.0)?,
            entries: place(self.entries)?,
            fingerprint: self.fingerprint,
            first_seq: self.first_seq,
            count: self.count,
        })
    }

    /// Time of the first entry.
    pub fn first_ts(&self) -> Option<Nanos> {
        take_sv(&mut &*self.entries).map(Nanos)
    }

    /// Number of the last entry; the one before `first_seq` if there are none.
    pub fn last_seq(&self) -> u64 {
        (self.first_seq + self.count).saturating_sub(1)
    }

    /// Calls `visit` with the number and contents of each entry, in pushed order. Allocates once, for the metadata.
    pub fn entries(&self, mut visit: impl FnMut(u64, Entry<'_>)) -> Result<(), BadEntries> {
        let from = &mut &*self.entries;
        let mut ts = 0i64;
        let mut metadata = Vec::new();
        for at in 0..self.count {
            let mut take = || Some((take_sv(from)?, take_bytes(from)?, take_pairs(from, &mut metadata)?));
            let Some((delta, line, ())) = take() else { return Err(BadEntries { whole: at }) };
            ts = ts.wrapping_add(delta);
            visit(self.first_seq + at, Entry { ts: Nanos(ts), line, metadata: &metadata });
        }
        if from.is_empty() { Ok(()) } else { Err(BadEntries { whole: self.count }) }
    }
}
