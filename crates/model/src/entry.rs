//! Log entries, borrowed and owned, and the reference that names a chunk.

use crate::labels::{Fingerprint, Labels};
use crate::tenant::TenantId;
use crate::time::{Millis, Nanos};

/// One log entry, borrowed from wherever it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Entry<'a> {
    /// Time of the entry.
    pub ts: Nanos,
    /// The line, unchanged; not necessarily UTF-8.
    pub line: &'a [u8],
    /// Structured metadata: name and value pairs, sorted by name.
    pub metadata: &'a [(&'a str, &'a str)],
}

/// One log entry that owns its bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OwnedEntry {
    /// Time of the entry.
    pub ts: Nanos,
    /// The line, unchanged; not necessarily UTF-8.
    pub line: Vec<u8>,
    /// Structured metadata: name and value pairs, sorted by name.
    pub metadata: Vec<(String, String)>,
}

impl From<Entry<'_>> for OwnedEntry {
    fn from(entry: Entry<'_>) -> Self {
        Self {
            ts: entry.ts,
            line: entry.line.to_vec(),
            metadata: entry.metadata.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect(),
        }
    }
}

/// Entries of one stream, in the order in which they were accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamEntries {
    /// Whose they are.
    pub tenant: TenantId,
    /// Labels of the stream.
    pub labels: Labels,
    /// Its fingerprint.
    pub fingerprint: Fingerprint,
    /// The entries.
    pub entries: Vec<OwnedEntry>,
}

/// Names one chunk of a tenant: what the index stores and the object key is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkRef {
    /// The stream's fingerprint.
    pub fingerprint: Fingerprint,
    /// Time of the first entry, rounded down.
    pub from: Millis,
    /// Time of the last entry, rounded up; included.
    pub through: Millis,
    /// CRC-32C over the whole object.
    pub checksum: u32,
}
