//! Answers as columns: log lines and samples → Parquet and Arrow.
//!
//! One row a line or sample, in the answer's order.
//!
//! ```text
//! lines    timestamp  ns, UTC      labels  map of text to text      line   text
//! samples  timestamp  ms, UTC      labels  map of text to text      value  double
//! ```
//!
//! * [`parquet`] is upstream's schema, byte for byte where a reader can see it: all columns required, times
//!   delta-encoded, lines compressed with LZ4 (raw). A file, row groups of [`ROWS`] rows.
//! * [`arrow`] is ours: an IPC stream of record batches of at most [`ROWS`] rows. Lines that carry labels by category
//!   come with two columns more, `structured_metadata` and `parsed`, maps as `labels`.
//!
//! Both formats hold text: bytes of a line that are no UTF-8 become U+FFFD, as in JSON.
//!
//! ```
//! use loptr_columns::{Line, Lines, arrow, parquet};
//! use loptr_model::{Labels, Nanos};
//! let labels = Labels::from_pairs([("app", "a")]);
//! let line = Line { ts: Nanos(1), line: b"hello", metadata: &[], parsed: &[] };
//! let lines = [Lines { labels: &labels, lines: vec![line] }];
//! assert!(parquet::lines(&lines)?.starts_with(b"PAR1"));
//! assert!(arrow::lines(&lines, false)?.starts_with(&[0xff; 4]));
//! # Ok::<(), loptr_columns::ColumnsError>(())
//! ```

pub mod arrow;
pub mod parquet;

use loptr_model::{Labels, Millis, Nanos};

/// Rows of a batch or row group at most.
pub const ROWS: usize = 8192;
/// Bytes of lines of a batch, after which it ends.
const BATCH_BYTES: usize = 16 << 20;

/// Lines of one label set.
#[derive(Clone, Debug)]
pub struct Lines<'a> {
    /// The labels.
    pub labels: &'a Labels,
    /// The lines.
    pub lines: Vec<Line<'a>>,
}

/// One line.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// Its time.
    pub ts: Nanos,
    /// Any bytes.
    pub line: &'a [u8],
    /// Structured metadata, where told apart.
    pub metadata: &'a [(&'a str, &'a str)],
    /// Labels the query parsed, where told apart.
    pub parsed: &'a [(&'a str, &'a str)],
}

/// Samples of one series.
#[derive(Clone, Copy, Debug)]
pub struct Samples<'a> {
    /// The labels.
    pub labels: &'a Labels,
    /// Times and values.
    pub points: &'a [(Millis, f64)],
}

/// Why an answer cannot be written: it does not fit the format.
#[derive(Debug, thiserror::Error)]
pub enum ColumnsError {
    /// Arrow's reason.
    #[error("write an Arrow stream: {0}")]
    Arrow(#[from] arrow_schema::ArrowError),
    /// Parquet's reason.
    #[error("write a Parquet file: {0}")]
    Parquet(#[from] ::parquet::errors::ParquetError),
}

/// Rows in parts that fit a batch.
fn parts<T>(rows: impl Iterator<Item = T>, bytes: impl Fn(&T) -> usize) -> impl Iterator<Item = Vec<T>> {
    let mut rows = rows.peekable();
    std::iter::from_fn(move || {
        rows.peek()?;
        let (mut part, mut held) = (Vec::new(), 0usize);
        while part.len() < ROWS && held < BATCH_BYTES {
            let Some(row) = rows.next() else { break };
            held = held.saturating_add(bytes(&row));
            part.push(row);
        }
        Some(part)
    })
}

#[cfg(test)]
mod tests;
