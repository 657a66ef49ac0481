//! What a record says, both directions. Decoding borrows from the segment's bytes; a checksum that held does not make a
//! payload trusted: every length is checked.

use loptr_model::{ChunkRef, Entry, Fingerprint, Labels, Millis, Nanos, TenantId};

use crate::segment::put_frame;
use crate::varint::{put_bytes, put_sv, put_uv, take_array, take_bytes, take_str, take_sv, take_uv};

pub(crate) const KIND_PUSH: u8 = 1;
pub(crate) const KIND_FLUSHED: u8 = 2;
pub(crate) const KIND_SHIPPED: u8 = 3;

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
}

/// A chunk that lies in the bucket, and up to where it covers its stream.
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
    /// Entries of the stream with numbers up to this one lie in flushed chunks.
    pub seq_through: u64,
    /// Grows with every flushed chunk of the process.
    pub ordinal: u64,
}

/// Writes one push record.
#[derive(Debug)]
pub struct PushWriter {
    payload: Vec<u8>,
    streams: u64,
    streams_at: usize,
}

impl PushWriter {
    /// An empty push of `tenant`.
    pub fn new(tenant: &TenantId) -> Self {
        let mut payload = Vec::with_capacity(256);
        put_bytes(&mut payload, tenant.as_str().as_bytes());
        let streams_at = payload.len();
        Self { payload, streams: 0, streams_at }
    }

    /// Adds the entries accepted for one stream, numbered from `first_seq`.
    pub fn stream(&mut self, labels: &Labels, fingerprint: Fingerprint, first_seq: u64, entries: &[Entry<'_>]) {
        let out = &mut self.payload;
        put_labels(out, labels);
        out.extend_from_slice(&fingerprint.0.to_le_bytes());
        put_uv(out, first_seq);
        put_uv(out, entries.len() as u64);
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
        }
        self.streams += 1;
    }

    /// Whether no stream was added.
    pub fn is_empty(&self) -> bool {
        self.streams == 0
    }

    /// Bytes the record will take, about.
    pub fn len_bytes(&self) -> usize {
        self.payload.len()
    }

    /// Appends the framed record to `out`.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        let mut count = Vec::with_capacity(4);
        put_uv(&mut count, self.streams);
        self.payload.splice(self.streams_at..self.streams_at, count);
        put_frame(out, KIND_PUSH, &self.payload);
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
    put_uv(&mut payload, flushed.seq_through);
    put_uv(&mut payload, flushed.ordinal);
    put_frame(out, KIND_FLUSHED, &payload);
}

/// Appends a framed [`Record::Shipped`] to `out`.
pub fn shipped_record(ordinal_through: u64, out: &mut Vec<u8>) {
    let mut payload = Vec::with_capacity(10);
    put_uv(&mut payload, ordinal_through);
    put_frame(out, KIND_SHIPPED, &payload);
}

fn put_labels(out: &mut Vec<u8>, labels: &Labels) {
    put_uv(out, labels.len() as u64);
    for (name, value) in labels.iter() {
        put_bytes(out, name.as_bytes());
        put_bytes(out, value.as_bytes());
    }
}

fn take_labels(from: &mut &[u8]) -> Option<Labels> {
    let pairs = take_pairs(from)?;
    Some(Labels::from_pairs(pairs))
}

fn take_pairs<'a>(from: &mut &'a [u8]) -> Option<Vec<(&'a str, &'a str)>> {
    let count = take_uv(from)?;
    // Each pair takes at least two bytes, so the input bounds the allocation.
    if count > from.len() as u64 / 2 {
        return None;
    }
    (0..count).map(|_| Some((take_str(from)?, take_str(from)?))).collect()
}

pub(crate) fn decode(kind: u8, payload: &[u8]) -> Option<Record<'_>> {
    match kind {
        KIND_PUSH => PushRecord::parse(payload).map(Record::Push),
        KIND_FLUSHED => decode_flushed(payload).map(Record::Flushed),
        KIND_SHIPPED => {
            let mut from = payload;
            let ordinal_through = take_uv(&mut from)?;
            from.is_empty().then_some(Record::Shipped { ordinal_through })
        }
        _ => None,
    }
}

fn decode_flushed(payload: &[u8]) -> Option<Flushed> {
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
        seq_through: take_uv(from)?,
        ordinal: take_uv(from)?,
    };
    from.is_empty().then_some(flushed)
}

/// A push, checked whole, read lazily.
#[derive(Debug, Clone)]
pub struct PushRecord<'a> {
    /// Owner.
    pub tenant: TenantId,
    count: u64,
    streams: &'a [u8],
}

/// The entries of one stream in a push.
#[derive(Debug, Clone)]
pub struct PushStream<'a> {
    /// The stream.
    pub labels: Labels,
    /// Its fingerprint, collisions already mapped.
    pub fingerprint: Fingerprint,
    /// Number of the first entry.
    pub first_seq: u64,
    count: u64,
    entries: &'a [u8],
}

impl<'a> PushRecord<'a> {
    fn parse(payload: &'a [u8]) -> Option<Self> {
        let from = &mut &*payload;
        let tenant = TenantId::parse(take_str(from)?).ok()?;
        let count = take_uv(from)?;
        let record = Self { tenant, count, streams: from };
        // Walk it once, so that the iterators below cannot meet a bad byte.
        let rest = &mut &*record.streams;
        for _ in 0..count {
            take_stream(rest)?;
        }
        rest.is_empty().then_some(record)
    }

    /// The streams, as pushed.
    pub fn streams(&self) -> impl Iterator<Item = PushStream<'a>> + use<'a> {
        let mut rest = self.streams;
        (0..self.count).map_while(move |_| take_stream(&mut rest))
    }
}

fn take_stream<'a>(from: &mut &'a [u8]) -> Option<PushStream<'a>> {
    let labels = take_labels(from)?;
    let fingerprint = Fingerprint(u64::from_le_bytes(take_array(from)?));
    let (first_seq, count) = (take_uv(from)?, take_uv(from)?);
    let start = *from;
    for _ in 0..count {
        take_sv(from)?;
        take_bytes(from)?;
        for _ in 0..take_uv(from)? {
            take_str(from)?;
            take_str(from)?;
        }
    }
    let entries = &start[..start.len() - from.len()];
    Some(PushStream { labels, fingerprint, first_seq, count, entries })
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

    /// Calls `visit` with each entry, in pushed order.
    pub fn entries(&self, mut visit: impl FnMut(Entry<'_>)) {
        let from = &mut &*self.entries;
        let mut ts = 0i64;
        for _ in 0..self.count {
            let (Some(delta), Some(line), Some(metadata)) = (take_sv(from), take_bytes(from), take_pairs(from)) else {
                return;
            };
            ts = ts.wrapping_add(delta);
            visit(Entry { ts: Nanos(ts), line, metadata: &metadata });
        }
    }
}
