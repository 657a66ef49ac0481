//! What a round does, as functions of what was listed.

use std::collections::BTreeMap;

use loptr_index::tables::{ListedFile, TableListing};
use loptr_model::TenantId;
use loptr_storage::{Schema, TableId};

/// The tables of a round, newest day first, without the `skip_latest` newest, at most `limit` of them unless that is 0.
/// A table that no period reaches is left out.
pub fn order(tables: Vec<TableId>, schema: &Schema, skip_latest: usize, limit: usize) -> Vec<TableId> {
    let mut dated: Vec<(i64, TableId)> = tables
        .into_iter()
        .filter_map(|table| {
            let (_, day) = schema.period_of_table(&table)?;
            Some((day, table))
        })
        .collect();
    dated.sort_by(|(one, a), (other, b)| other.cmp(one).then_with(|| a.cmp(b)));
    dated.dedup();
    let limit = if limit == 0 { usize::MAX } else { limit };
    dated.into_iter().map(|(_, table)| table).skip(skip_latest).take(limit).collect()
}

/// Whether a table has what a merge would make fewer of: a file of all tenants, or a tenant with two files.
pub fn needs_merge(listing: &TableListing) -> bool {
    !listing.common.is_empty() || listing.tenants.values().any(|files| files.len() > 1)
}

/// Tenants whose files a pass opens, and which files those are. `in_common` are those who have series in the files of all
/// tenants that the pass merges; `wanted` says of others whether they are looked at for another reason.
pub fn tenants(
    listing: &TableListing,
    in_common: impl IntoIterator<Item = TenantId>,
    mut wanted: impl FnMut(&TenantId, &[ListedFile]) -> bool,
) -> BTreeMap<TenantId, &[ListedFile]> {
    let mut tenants: BTreeMap<TenantId, &[ListedFile]> = BTreeMap::new();
    for tenant in in_common {
        let own = listing.own(&tenant);
        tenants.insert(tenant, own);
    }
    for (tenant, files) in &listing.tenants {
        if files.len() > 1 || wanted(tenant, files) {
            tenants.insert(tenant.clone(), files);
        }
    }
    tenants
}

#[cfg(test)]
mod tests {
    use loptr_chunk::SchemaVersion;
    use loptr_index::tables::list_tables;
    use loptr_model::Millis;
    use loptr_storage::{IndexKind, Period};

    use super::*;

    const DAY: i64 = 86_400_000;

    fn schema() -> Schema {
        let period = |from: i64, prefix: &str| Period {
            from: Millis(from * DAY),
            schema: SchemaVersion::V13,
            index: IndexKind::Tsdb,
            index_prefix: prefix.into(),
            path_prefix: "index/".into(),
            store: 0,
        };
        Schema::new(vec![period(0, "old_"), period(100, "new_")]).expect("rising")
    }

    fn table(name: &str) -> TableId {
        TableId { store: 0, path_prefix: "index/".into(), name: name.into() }
    }

    #[test]
    fn newest_tables_come_first_whatever_they_are_called() {
        let all = ["old_9", "new_101", "old_99", "new_99", "notes", "new_100"].map(table).to_vec();
        let names = |skip, limit| -> Vec<String> {
            order(all.clone(), &schema(), skip, limit).into_iter().map(|table| table.name).collect()
        };
        assert_eq!(names(0, 0), ["new_101", "new_100", "old_99", "old_9"], "new_99 lies before its period");
        assert_eq!(names(1, 2), ["new_100", "old_99"]);
        assert_eq!(names(9, 0), [""; 0]);
    }

    #[test]
    fn a_table_is_merged_while_anything_of_it_could_be_fewer() {
        let listing =
            |keys: &[&str]| list_tables("index/", keys.iter().copied()).remove("index_1").expect("the table is listed");
        let [t, u] = ["t", "u"].map(|tenant| TenantId::parse(tenant).expect("a tenant"));
        let done = listing(&["index/index_1/t/1-compactor-1-2-f.tsdb.gz", "index/index_1/u/1-compactor-1-2-f.tsdb.gz"]);
        assert!(!needs_merge(&done));
        assert!(tenants(&done, [], |_, _| false).is_empty());
        assert_eq!(
            tenants(&done, [], |tenant, _| *tenant == u).into_keys().collect::<Vec<_>>(),
            std::slice::from_ref(&u)
        );
        let fresh = listing(&["index/index_1/1-a-1.tsdb.gz", "index/index_1/t/1-compactor-1-2-f.tsdb.gz"]);
        assert!(needs_merge(&fresh));
        let found = tenants(&fresh, [t.clone(), u.clone()], |_, _| false);
        assert_eq!(found.iter().map(|(tenant, own)| (tenant, own.len())).collect::<Vec<_>>(), [(&t, 1), (&u, 0)]);
        let two = listing(&["index/index_1/t/1-compactor-1-2-f.tsdb.gz", "index/index_1/t/2-compactor-1-2-f.tsdb.gz"]);
        assert!(needs_merge(&two));
        assert_eq!(tenants(&two, [], |_, _| false).len(), 1);
    }
}
