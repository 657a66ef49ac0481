//! Keys and flags of older versions that 3.7.6 refuses. They are accepted here, each with a warning: dropped, or
//! written to the key that took their place unless that key is set too. `data/removed.tsv` says which.

use std::collections::HashMap;
use std::sync::OnceLock;

static TEXT: &str = include_str!("../data/removed.tsv");

/// What becomes of an old key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// Dropped.
    Ignore,
    /// The store named must be the periods' own.
    Check,
    /// Moves as it is.
    Same,
    /// A block whose keys move one by one.
    Members,
    /// `true` becomes `SSE-S3`.
    Sse,
    /// `true` becomes `gzip`.
    Gzip,
    /// `true` becomes `24h`.
    Day,
    /// `TLS12` becomes `VersionTLS12`.
    Tls,
    /// A list becomes comma-separated text.
    Join,
    /// A size becomes whole megabytes, rounded up.
    Megabytes,
    /// Moves unless another old key moved more.
    Larger,
    /// `whole-stream-deletion` becomes `filter-and-delete`.
    Deletion,
    /// Moves only while retention is on.
    Retention,
    /// Moves to every period of the store's kind.
    Periods,
}

/// One row.
#[derive(Debug)]
pub(crate) struct Row {
    /// Path, or `-flag`.
    pub(crate) path: &'static str,
    pub(crate) how: How,
    /// Key or flag it moves to.
    pub(crate) to: &'static str,
    pub(crate) note: &'static str,
}

fn how(word: &str) -> Option<How> {
    Some(match word {
        "ignore" => How::Ignore,
        "check" => How::Check,
        "same" => How::Same,
        "members" => How::Members,
        "sse" => How::Sse,
        "gzip" => How::Gzip,
        "day" => How::Day,
        "tls" => How::Tls,
        "join" => How::Join,
        "megabytes" => How::Megabytes,
        "larger" => How::Larger,
        "deletion" => How::Deletion,
        "retention" => How::Retention,
        "periods" => How::Periods,
        _ => return None,
    })
}

fn rows() -> &'static HashMap<&'static str, Row> {
    static ROWS: OnceLock<HashMap<&'static str, Row>> = OnceLock::new();
    ROWS.get_or_init(|| {
        let lines = TEXT.lines().filter(|line| !line.starts_with('#'));
        let row = |line: &'static str| {
            let mut columns = line.split('\t');
            let mut column = || columns.next().unwrap_or("");
            let (path, word, to, note) = (column(), column(), column(), column());
            let how = how(word).expect("data/removed.tsv names only known changes");
            (path, Row { path, how, to, note })
        };
        lines.map(row).collect()
    })
}

/// The row of key `name` below `owner`.
pub(crate) fn key(owner: &str, name: &str) -> Option<&'static Row> {
    if owner.is_empty() { rows().get(name) } else { rows().get(format!("{owner}.{name}").as_str()) }
}

/// The row of a flag.
pub(crate) fn flag(name: &str) -> Option<&'static Row> {
    rows().get(format!("-{name}").as_str())
}

/// All rows, for tests and the reference page.
#[cfg(test)]
pub(crate) fn all() -> impl Iterator<Item = &'static Row> {
    rows().values()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::table;

    #[test]
    fn rows_lead_to_keys_that_exist() {
        assert_eq!(all().count(), 200 + 151);
        for row in all() {
            let target = match (row.path.strip_prefix('-'), row.how) {
                (_, How::Ignore | How::Check) => continue,
                (Some(_), how) if how != How::Periods => table().flag(row.to).is_some(),
                _ => table().find(row.to).is_some(),
            };
            assert!(target, "{} moves to {}", row.path, row.to);
            let known = row
                .path
                .strip_prefix('-')
                .map_or_else(|| table().find(row.path).is_some(), |f| table().flag(f).is_some());
            assert!(!known, "{} is still a key", row.path);
        }
        assert_eq!(key("", "use_sync_logger").map(|row| row.how), Some(How::Ignore));
        assert_eq!(key("compactor", "shared_store").map(|row| row.to), Some("compactor.delete_request_store"));
    }
}
