//! What a listing of the object store says about index tables.

use std::collections::BTreeMap;

use loptr_model::TenantId;

use super::names::{DELETE_REQUESTS, FileKind, FileName, IndexPath, TableError};

/// An index file in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedFile {
    /// The object's key, path prefix included.
    pub key: String,
    /// Its name.
    pub name: FileName,
}

/// Files of one table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableListing {
    /// Directly in the table: all tenants' series, each with the tenant's label.
    pub common: Vec<ListedFile>,
    /// In tenants' directories.
    pub tenants: BTreeMap<TenantId, Vec<ListedFile>>,
    /// Keys that are no index file's. Upstream refuses to query a table that has any.
    pub strays: Vec<String>,
}

impl TableListing {
    /// `self`, or an error that names the stray objects.
    pub fn without_strays(self, table: &str) -> Result<Self, TableError> {
        if self.strays.is_empty() {
            return Ok(self);
        }
        Err(TableError::Stray { table: table.to_owned(), keys: self.strays })
    }

    /// Files a query of `tenant` has to look at that are its own.
    pub fn own(&self, tenant: &TenantId) -> &[ListedFile] {
        self.tenants.get(tenant).map_or(&[], Vec::as_slice)
    }
}

/// Sorts the keys of a listing under `path_prefix` by table. Keys elsewhere, directories listed as objects and the
/// delete requests are passed over; objects directly under the prefix belong to no table and are passed over, too.
pub fn list_tables<'k>(path_prefix: &str, keys: impl IntoIterator<Item = &'k str>) -> BTreeMap<String, TableListing> {
    list_tables_as(|_| FileKind::Tsdb, path_prefix, keys)
}

/// The same, where `kind` says what the files of a table are.
pub fn list_tables_as<'k>(
    kind: impl Fn(&str) -> FileKind,
    path_prefix: &str,
    keys: impl IntoIterator<Item = &'k str>,
) -> BTreeMap<String, TableListing> {
    let mut tables: BTreeMap<String, TableListing> = BTreeMap::new();
    for key in keys {
        let Some((table, rest)) = key.strip_prefix(path_prefix).and_then(|path| path.split_once('/')) else { continue };
        if table.is_empty() || table == DELETE_REQUESTS || rest.is_empty() || rest.ends_with('/') {
            continue;
        }
        let listing = tables.entry(table.to_owned()).or_default();
        match IndexPath::parse_as(kind(table), path_prefix, key) {
            Some(IndexPath { tenant, name, .. }) => {
                let file = ListedFile { key: key.to_owned(), name };
                match tenant {
                    Some(tenant) => listing.tenants.entry(tenant).or_default().push(file),
                    None => listing.common.push(file),
                }
            }
            None => listing.strays.push(key.to_owned()),
        }
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_is_sorted_by_table_and_owner() {
        let keys = [
            "index/index_1/",
            "index/index_1/1-a-1.tsdb.gz",
            "index/index_1/1-b-1.tsdb",
            "index/index_1/t/",
            "index/index_1/t/1-compactor-2-3-f.tsdb.gz",
            "index/index_2/u/1-a-1.tsdb.gz",
            "index/delete_requests/delete_requests.gz",
            "index/loose",
            "chunks/x/y",
        ];
        let tables = list_tables("index/", keys);
        assert_eq!(tables.keys().collect::<Vec<_>>(), ["index_1", "index_2"]);
        let first = tables["index_1"].clone().without_strays("index_1").expect("no strays");
        let keys = |files: &[ListedFile]| files.iter().map(|file| file.key.clone()).collect::<Vec<_>>();
        assert_eq!(keys(&first.common), ["index/index_1/1-a-1.tsdb.gz", "index/index_1/1-b-1.tsdb"]);
        let tenant = |id: &str| TenantId::parse(id).expect("tenant");
        assert_eq!(keys(first.own(&tenant("t"))), ["index/index_1/t/1-compactor-2-3-f.tsdb.gz"]);
        assert_eq!(first.own(&tenant("u")), []);
        assert_eq!(keys(tables["index_2"].own(&tenant("u"))), ["index/index_2/u/1-a-1.tsdb.gz"]);
    }

    #[test]
    fn strays_are_named() {
        let keys = ["index/index_1/notes.txt", "index/index_1/t/deep/1-a.tsdb.gz", "index/index_1/1-a.tsdb.gz"];
        let tables = list_tables("index/", keys);
        let error = tables["index_1"].clone().without_strays("index_1").expect_err("two strays");
        assert_eq!(
            error.to_string(),
            "stray objects in index table index_1: index/index_1/notes.txt, index/index_1/t/deep/1-a.tsdb.gz"
        );
    }
}
