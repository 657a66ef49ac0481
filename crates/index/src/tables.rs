//! Which object holds which part of the index: tables, object paths, listings.
//!
//! ```text
//! <path prefix><table>/<unixSeconds>-<uploader>.tsdb.gz                                        common: all tenants
//! <path prefix><table>/<tenant>/<unixNanos>-compactor-<fromMs>-<throughMs>-<crcHex>.tsdb.gz    one tenant's
//! ```
//!
//! In a table of boltdb-shipper (`docs/formats/boltdb.md`) files lie in the same places under any name.
//!
//! A table is one UTC day; its name is the period's index prefix and the day's number since 1970. A chunk is indexed in
//! every table it touches. The directory level, not the file name, says whose the series are: a file directly in the
//! table is every tenant's, a file in a sub-directory is that tenant's. See `docs/formats/tables.md`.

mod listing;
mod names;

pub use listing::{ListedFile, TableListing, list_tables, list_tables_as};
pub use names::{
    DELETE_REQUESTS, FileKind, FileName, IndexPath, TableError, check_path_prefix, day_by_suffix, day_of, days_touched,
    parse_day, table_name,
};
