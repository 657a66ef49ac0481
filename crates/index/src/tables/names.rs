//! Names of tables and files, and the paths made of them.

use std::fmt;
use std::ops::RangeInclusive;

use loptr_model::{Millis, Nanos, TenantId};

use crate::file::IndexFile;
use crate::gzip::GZIP_SUFFIX;

/// Milliseconds of a table.
const DAY_MILLIS: i64 = 86_400_000;
/// What an index file's name ends with, before `.gz`.
const TSDB_SUFFIX: &str = ".tsdb";
/// Second part of a compacted file's name.
const COMPACTOR: &str = "compactor";
/// The table-like directory that is none: delete requests live there.
pub const DELETE_REQUESTS: &str = "delete_requests";

/// Why a name or path does not belong into an index.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// A path prefix that upstream refuses, in its words.
    #[error("{0}")]
    PathPrefix(&'static str),
    /// Objects that make upstream refuse the whole table.
    #[error("stray objects in index table {table}: {}", .keys.join(", "))]
    Stray {
        /// The table.
        table: String,
        /// Keys of the objects.
        keys: Vec<String>,
    },
}

/// Checks the path prefix of a period's index (`index/` unless configured).
pub fn check_path_prefix(prefix: &str) -> Result<(), TableError> {
    if prefix.is_empty() {
        return Err(TableError::PathPrefix("prefix must be set"));
    }
    if prefix.contains('\\') {
        return Err(TableError::PathPrefix("prefix should only have '/' as a path separator"));
    }
    if prefix.starts_with('/') {
        return Err(TableError::PathPrefix("prefix should never start with a path separator i.e '/'"));
    }
    if !prefix.ends_with('/') {
        return Err(TableError::PathPrefix("prefix should end with a path separator i.e '/'"));
    }
    Ok(())
}

/// Number of the day that `at` lies in.
pub fn day_of(at: Millis) -> i64 {
    at.0.div_euclid(DAY_MILLIS)
}

/// Days whose tables index a chunk of `[from, through]`. A chunk that ends at midnight sharp touches the next day.
pub fn days_touched(from: Millis, through: Millis) -> RangeInclusive<i64> {
    day_of(from)..=day_of(through)
}

/// Name of a day's table.
pub fn table_name(index_prefix: &str, day: i64) -> String {
    format!("{index_prefix}{day}")
}

/// The day of a table named with `index_prefix`; `None` if it is not one.
pub fn parse_day(index_prefix: &str, table: &str) -> Option<i64> {
    let day: i64 = decimal(table.strip_prefix(index_prefix)?)?;
    (table_name(index_prefix, day) == table).then_some(day)
}

/// The day by the last five characters of a table's name, as upstream's compactor reads it. It is wrong for tables
/// before 1997 and after 2243, which do not have five digits.
pub fn day_by_suffix(table: &str) -> Option<i64> {
    decimal(table.get(table.len().checked_sub(5)?..)?)
}

/// Digits only: no sign, no space.
fn decimal(text: &str) -> Option<i64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// What the files of a table are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// TSDB files, known by their names.
    Tsdb,
    /// Databases of boltdb-shipper: any name.
    Boltdb,
}

/// Name of an index file, without its directory. Displays as the object is named, `.gz` included.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum FileName {
    /// `<unixSeconds>-<uploader>.tsdb.gz`: as an ingester uploads it.
    Common {
        /// Start of what is inside, roughly; seconds.
        unix_secs: i64,
        /// Who wrote it: `<ingester id>-<unixNanos>`.
        uploader: String,
    },
    /// `<unixNanos>-compactor-<fromMs>-<throughMs>-<crcHex>.tsdb.gz`: as a compactor uploads it.
    Compacted {
        /// When it was made: nanoseconds, or seconds in old files.
        created: i64,
        /// Whether `created` is in seconds: what ten digits or fewer mean.
        in_secs: bool,
        /// Least chunk min.
        from: Millis,
        /// Greatest chunk max, in.
        through: Millis,
        /// [`IndexFile::toc_checksum`](crate::IndexFile::toc_checksum).
        checksum: u32,
    },
    /// A database of boltdb-shipper: its name says nothing.
    Boltdb {
        /// The name, `.gz` included if it has it.
        name: String,
    },
}

impl FileName {
    /// `<uploader>-<unixSeconds>.gz`: as an ingester uploads a database.
    pub fn boltdb(unix_secs: i64, uploader: &str) -> Self {
        FileName::Boltdb { name: format!("{uploader}-{unix_secs}{GZIP_SUFFIX}") }
    }

    /// `compactor-<unixNanos>.gz`: as a compactor uploads a database.
    pub fn boltdb_compacted(created: Nanos) -> Self {
        FileName::Boltdb { name: format!("{COMPACTOR}-{}{GZIP_SUFFIX}", created.0) }
    }

    /// A name of the same form, a moment later: for one that is taken.
    pub fn later(&self) -> Self {
        let mut later = self.clone();
        match &mut later {
            FileName::Common { unix_secs, .. } => *unix_secs += 1,
            FileName::Compacted { created, .. } => *created += 1,
            FileName::Boltdb { name } => {
                let stem = name.strip_suffix(GZIP_SUFFIX).unwrap_or(name);
                let (before, number) = stem.split_at(stem.trim_end_matches(|last: char| last.is_ascii_digit()).len());
                let next = number.parse::<u64>().map_or(1, |number| number.saturating_add(1));
                *name = format!("{before}{next}{}", &name[stem.len()..]);
            }
        }
        later
    }

    /// Reads the name of a file of this kind.
    pub fn parse_as(kind: FileKind, name: &str) -> Option<Self> {
        match kind {
            FileKind::Tsdb => Self::parse(name),
            FileKind::Boltdb => (!name.is_empty()).then(|| FileName::Boltdb { name: name.to_owned() }),
        }
    }

    /// Name for one tenant's `file`, made at `created`.
    pub fn compacted(created: Nanos, file: &IndexFile) -> Self {
        let (from, through) = file.bounds();
        FileName::Compacted { created: created.0, in_secs: false, from, through, checksum: file.toc_checksum() }
    }

    /// Reads a name with or without `.gz`. Both forms occur at both directory levels.
    pub fn parse(name: &str) -> Option<Self> {
        let stem = name.strip_suffix(GZIP_SUFFIX).unwrap_or(name).strip_suffix(TSDB_SUFFIX)?;
        Self::parse_compacted(stem).or_else(|| Self::parse_common(stem))
    }

    fn parse_compacted(stem: &str) -> Option<Self> {
        let mut parts = stem.split('-');
        let mut next = || parts.next();
        let (created, second, from, through, checksum) = (next()?, next()?, next()?, next()?, next()?);
        if next().is_some() || second != COMPACTOR {
            return None;
        }
        Some(FileName::Compacted {
            created: decimal(created)?,
            in_secs: created.len() <= 10,
            from: Millis(decimal(from)?),
            through: Millis(decimal(through)?),
            checksum: checksum
                .bytes()
                .all(|byte| byte.is_ascii_hexdigit())
                .then(|| u32::from_str_radix(checksum, 16).ok())??,
        })
    }

    fn parse_common(stem: &str) -> Option<Self> {
        let (secs, uploader) = stem.split_once('-')?;
        Some(FileName::Common { unix_secs: secs.parse().ok()?, uploader: uploader.to_owned() })
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileName::Common { unix_secs, uploader } => write!(f, "{unix_secs}-{uploader}")?,
            FileName::Compacted { created, in_secs: _, from, through, checksum } => {
                write!(f, "{created}-{COMPACTOR}-{}-{}-{checksum:x}", from.0, through.0)?;
            }
            FileName::Boltdb { name } => return f.write_str(name),
        }
        f.write_str(TSDB_SUFFIX)?;
        f.write_str(GZIP_SUFFIX)
    }
}

/// Where an index file lies, relative to the object store's root (before `store.object-prefix`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IndexPath {
    /// The table.
    pub table: String,
    /// Whose the file is; `None`: a common file.
    pub tenant: Option<TenantId>,
    /// The file.
    pub name: FileName,
}

impl IndexPath {
    /// The object's key, with the period's path prefix.
    pub fn key(&self, path_prefix: &str) -> String {
        let (table, name) = (&self.table, &self.name);
        match &self.tenant {
            Some(tenant) => format!("{path_prefix}{table}/{tenant}/{name}"),
            None => format!("{path_prefix}{table}/{name}"),
        }
    }

    /// Reads a key; `None` if it is no TSDB file's.
    pub fn parse(path_prefix: &str, key: &str) -> Option<Self> {
        Self::parse_as(FileKind::Tsdb, path_prefix, key)
    }

    /// Reads a key of a table with files of this kind; `None` if it is no index file's.
    pub fn parse_as(kind: FileKind, path_prefix: &str, key: &str) -> Option<Self> {
        let mut parts = key.strip_prefix(path_prefix)?.split('/');
        let (table, second, third) = (parts.next()?, parts.next()?, parts.next());
        if parts.next().is_some() || table.is_empty() || table == DELETE_REQUESTS {
            return None;
        }
        let (tenant, name) = match third {
            Some(name) => (Some(TenantId::parse(second).ok()?), name),
            None => (None, second),
        };
        Some(Self { table: table.to_owned(), tenant, name: FileName::parse_as(kind, name)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_utc() {
        assert_eq!(day_of(Millis(1_795_082_400_000)), 20_776);
        assert_eq!(day_of(Millis(-1)), -1);
        assert_eq!(days_touched(Millis(86_399_999), Millis(86_400_000)), 0..=1);
        assert_eq!(days_touched(Millis(0), Millis(86_399_999)), 0..=0);
        assert!(days_touched(Millis(i64::MIN), Millis(i64::MAX)).contains(&0));
    }

    #[test]
    fn table_names_hold_their_day() {
        assert_eq!(table_name("loki_index_", 19_000), "loki_index_19000");
        assert_eq!(parse_day("loki_index_", "loki_index_19000"), Some(19_000));
        assert_eq!(day_by_suffix("loki_index_19000"), Some(19_000));
        for other in ["loki_index_", "loki_index_x", "index_19000", "loki_index_+1", "loki_index_007", DELETE_REQUESTS]
        {
            assert_eq!(parse_day("loki_index_", other), None, "{other}");
        }
        assert_eq!((day_by_suffix("abc"), day_by_suffix("delete_requests"), day_by_suffix("ééé")), (None, None, None));
    }

    #[test]
    fn prefixes_are_checked_in_upstreams_words() {
        assert_eq!(check_path_prefix("index/"), Ok(()));
        let text = |prefix| check_path_prefix(prefix).expect_err("bad prefix").to_string();
        assert_eq!(text(""), "prefix must be set");
        assert_eq!(text("a\\b/"), "prefix should only have '/' as a path separator");
        assert_eq!(text("/index/"), "prefix should never start with a path separator i.e '/'");
        assert_eq!(text("index"), "prefix should end with a path separator i.e '/'");
    }

    #[test]
    fn paths_come_back() {
        for key in [
            "index/index_20776/1795249493-vm-1795249493034408159.tsdb.gz",
            "index/index_20776/tenant-a/1795249751281543085-compactor-1795082400000-1795086000000-6d4ae885.tsdb.gz",
            "index/index_20776/fake/1620000000-compactor-1-2-f.tsdb.gz",
        ] {
            assert_eq!(IndexPath::parse("index/", key).expect(key).key("index/"), key);
        }
        let old = FileName::parse("1620000000-compactor-1-2-f.tsdb").expect("old name");
        assert!(matches!(old, FileName::Compacted { in_secs: true, checksum: 15, .. }), "{old:?}");
    }

    #[test]
    fn databases_have_any_name() {
        for key in ["index/index_20776/vm-1795249651220913049-1795249651.gz", "index/index_20776/t/compactor-1.r.gz"] {
            let path = IndexPath::parse_as(FileKind::Boltdb, "index/", key).expect(key);
            assert_eq!(path.key("index/"), key);
            assert_eq!(IndexPath::parse("index/", key), None);
        }
        assert_eq!(FileName::boltdb(900, "a-1").to_string(), "a-1-900.gz");
        assert_eq!(FileName::boltdb(900, "a-1").later().to_string(), "a-1-901.gz");
        assert_eq!(FileName::boltdb_compacted(Nanos(99)).later().to_string(), "compactor-100.gz");
        for key in ["index/index_20776/a/b/c", "index/index_20776/bad tenant/c", "index/index_20776/"] {
            assert_eq!(IndexPath::parse_as(FileKind::Boltdb, "index/", key), None, "{key}");
        }
    }

    #[test]
    fn other_paths_are_refused() {
        for key in [
            "index_20776/1-a.tsdb.gz",
            "index/1-a.tsdb.gz",
            "index//1-a.tsdb.gz",
            "index/index_20776/",
            "index/index_20776/a/b/1-a.tsdb.gz",
            "index/index_20776/bad tenant/1-a.tsdb.gz",
            "index/index_20776/1.tsdb.gz",
            "index/index_20776/x-a.tsdb.gz",
            "index/index_20776/1-a.gz",
            "index/delete_requests/1-a.tsdb.gz",
        ] {
            assert_eq!(IndexPath::parse("index/", key), None, "{key}");
        }
        // Five parts of another uploader are a common file's name.
        let common = FileName::parse("1-other-2-3-f.tsdb.gz").expect("common name");
        assert_eq!(common, FileName::Common { unix_secs: 1, uploader: "other-2-3-f".to_owned() });
    }
}
