//! Gathers rows of a table and writes them.

use bytes::Bytes;
use loptr_model::{Labels, Millis, TenantId};

use super::read::BoltFile;
use super::rows::BoltRows;
use super::{INDEX_BUCKET, write};
use crate::error::IndexError;

/// Rows for one file of one table, in any order.
#[derive(Debug)]
pub struct BoltBuilder {
    rows: BoltRows,
    day: i64,
    pairs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl BoltBuilder {
    /// For a file of table `day`.
    pub fn new(rows: BoltRows, day: i64) -> Self {
        Self { rows, day, pairs: Vec::new() }
    }

    /// Adds a chunk of a stream: `chunk_key` is its external key, `through` its end within the period.
    pub fn add(&mut self, tenant: &TenantId, labels: &Labels, chunk_key: &str, through: Millis) {
        let pairs = &mut self.pairs;
        let put = |key, value| pairs.push((key, value));
        self.rows.of_chunk(self.day, tenant.as_str(), labels, chunk_key, through, put);
    }

    /// The bytes of the file.
    pub fn build(self) -> Result<Vec<u8>, IndexError> {
        let pairs: Vec<(&[u8], &[u8])> = self.pairs.iter().map(|(key, value)| (&**key, &**value)).collect();
        sorted(pairs)
    }
}

fn sorted(mut pairs: Vec<(&[u8], &[u8])>) -> Result<Vec<u8>, IndexError> {
    pairs.sort_unstable();
    pairs.dedup_by_key(|(key, _)| *key);
    write::file(INDEX_BUCKET, &pairs)
}

/// One file of all rows that the buckets called `buckets` have in `files`, as compaction needs it. What none of the
/// files has in them makes no file.
pub fn merge(files: &[Bytes], wanted: impl Fn(&[u8]) -> bool) -> Result<Option<Vec<u8>>, IndexError> {
    let opened = files.iter().map(|file| BoltFile::open(file.clone())).collect::<Result<Vec<_>, _>>()?;
    let mut pairs = Vec::new();
    for file in &opened {
        file.rows(|row| {
            if wanted(row.bucket) {
                pairs.push((row.key, row.value));
            }
            Ok(())
        })?;
    }
    if pairs.is_empty() { Ok(None) } else { sorted(pairs).map(Some) }
}
