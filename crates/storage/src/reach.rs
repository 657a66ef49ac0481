//! Index tables in the bucket that the schema does not reach: what they index would be missing from every answer, and
//! nothing would say so. That is what becomes of a period changed in place: its prefix, its folder, its kind of index,
//! or a `from` moved across days that were written already.
//!
//! ```text
//! index/<prefix><day>/…      read when a period with that folder and that prefix holds the day
//! index/<text without digits at its end>/…      no table, passed over
//! ```

use std::collections::BTreeSet;

use futures::stream::StreamExt;
use loptr_index::tables::{self, TableListing, list_tables_as};

use crate::error::StorageError;
use crate::index_store::{IndexStore, path};
use crate::schema::{Period, Schema, TableId};
use crate::store::Store;

/// The folder of indexes where no period names another.
const USUAL_FOLDER: &str = "index/";

/// A table out of reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostTable {
    /// Folder and name.
    pub key: String,
    /// Why nothing reads it.
    pub why: LostReason,
}

/// Why nothing reads a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LostReason {
    /// Its name begins with no period's prefix.
    #[error("no period has this index.prefix and index.path_prefix")]
    Prefix,
    /// Its prefix is that of a period which does not hold its day.
    #[error("the period with its prefix does not hold its day")]
    Day,
    /// Its files are of another kind than the period's.
    #[error("it holds no file of the period's kind of index, perhaps another store's")]
    Kind,
}

impl Schema {
    /// Why the table `name` at `place`, a store and a folder, is out of reach, if it is.
    fn loses(&self, place: &(usize, String), name: &str, listing: &TableListing) -> Option<LostReason> {
        if !name.ends_with(|last: char| last.is_ascii_digit()) {
            return None;
        }
        let periods = self.periods();
        let mut known = false;
        for (at, period) in periods.iter().enumerate().filter(|(_, period)| is_at(period, place)) {
            let Some(day) = tables::parse_day(&period.index_prefix, name) else { continue };
            known = true;
            let begun = at == 0 || tables::day_of(period.from) <= day;
            let ended = periods.get(at + 1).is_some_and(|next| tables::day_of(next.from) <= day);
            if begun && !ended {
                let none = listing.common.is_empty() && listing.tenants.is_empty();
                return (none && !listing.strays.is_empty()).then_some(LostReason::Kind);
            }
        }
        Some(if known { LostReason::Day } else { LostReason::Prefix })
    }
}

impl IndexStore {
    /// The tables in the store that the schema does not reach, in order of their keys.
    pub async fn lost_tables(&self) -> Result<Vec<LostTable>, StorageError> {
        lost_tables(&self.stores, &self.schema).await
    }
}

fn is_at(period: &Period, place: &(usize, String)) -> bool {
    (period.store, &period.path_prefix) == (place.0, &place.1)
}

async fn lost_tables(stores: &[Store], schema: &Schema) -> Result<Vec<LostTable>, StorageError> {
    let usual = (0..stores.len()).map(|store| (store, USUAL_FOLDER.to_owned()));
    let places: BTreeSet<(usize, String)> = schema.index_places().into_iter().chain(usual).collect();
    let mut lost = Vec::new();
    for place in places {
        let (store, folder) = (&stores[place.0], &place.1);
        let mut keys = Vec::new();
        let mut objects = store.objects().list(Some(&path(folder)?));
        while let Some(object) = objects.next().await {
            keys.push(object.map_err(|source| StorageError::store(folder, source))?.location.to_string());
        }
        let kind = |table: &str| {
            let table = TableId { store: place.0, path_prefix: folder.clone(), name: table.to_owned() };
            schema.index_kind(&table).files()
        };
        for (name, listing) in list_tables_as(kind, folder, keys.iter().map(String::as_str)) {
            if let Some(why) = schema.loses(&place, &name, &listing) {
                lost.push(LostTable { key: format!("{folder}{name}"), why });
            }
        }
    }
    lost.sort_by(|one, other| one.key.cmp(&other.key));
    Ok(lost)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use loptr_chunk::SchemaVersion;
    use loptr_model::Millis;
    use object_store::ObjectStoreExt;
    use object_store::memory::InMemory;

    use super::*;
    use crate::store::ChunkNames;

    const DAY: i64 = 86_400_000;

    fn schema(periods: &[(i64, &str, &str)]) -> Schema {
        let period = |(from, prefix, folder): &(i64, &str, &str)| Period {
            from: Millis(from * DAY),
            schema: SchemaVersion::V13,
            index: crate::schema::IndexKind::Tsdb,
            index_prefix: (*prefix).to_owned(),
            path_prefix: (*folder).to_owned(),
            store: 0,
        };
        Schema::new(periods.iter().map(period).collect()).expect("rising")
    }

    async fn lost(schema: &Schema) -> Vec<(String, LostReason)> {
        let store = Arc::new(InMemory::new());
        for key in [
            "index/old_19000/1-a-1.tsdb.gz",
            "index/old_19100/t/1-compactor-1-2-3.tsdb.gz",
            "index/new_19200/1-a-1.tsdb.gz",
            "index/new_19201/ingester-1.gz",
            "index/delete_requests/delete_requests.gz",
            "index/notes/readme",
            "fake/1/2",
        ] {
            store.put(&path(key).expect("a path"), "x".into()).await.expect("memory takes it");
        }
        let stores = [Store::new(store, ChunkNames::Plain)];
        let lost = lost_tables(&stores, schema).await.expect("memory answers");
        lost.into_iter().map(|table| (table.key, table.why)).collect()
    }

    #[tokio::test]
    async fn tables_of_a_period_changed_in_place_are_lost() {
        let kind = ("index/new_19201".to_owned(), LostReason::Kind);
        let good = schema(&[(0, "old_", "index/"), (19_200, "new_", "index/")]);
        assert_eq!(lost(&good).await, std::slice::from_ref(&kind));
        let prefix = schema(&[(0, "old_", "index/"), (19_200, "newer_", "index/")]);
        let gone = |key: &str, why| (key.to_owned(), why);
        assert_eq!(
            lost(&prefix).await,
            [gone("index/new_19200", LostReason::Prefix), gone("index/new_19201", LostReason::Prefix)]
        );
        let later = schema(&[(0, "old_", "index/"), (19_201, "new_", "index/")]);
        assert_eq!(lost(&later).await, [gone("index/new_19200", LostReason::Day), kind.clone()]);
        let earlier = schema(&[(0, "old_", "index/"), (19_100, "new_", "index/")]);
        assert_eq!(lost(&earlier).await, [kind, gone("index/old_19100", LostReason::Day)]);
        let folder = schema(&[(0, "old_", "index/"), (19_200, "new_", "other/")]);
        assert_eq!(lost(&folder).await.len(), 2, "the usual folder is looked at, too");
    }
}
