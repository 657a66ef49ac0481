//! Schema periods: from which day on objects are named and indexed how.

use loptr_chunk::SchemaVersion;
use loptr_index::Version;
use loptr_index::tables::{self, FileKind};
use loptr_model::Millis;

/// How a period keeps its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexKind {
    /// TSDB files.
    Tsdb,
    /// boltdb-shipper's databases.
    Boltdb {
        /// Shards of the rows of labels.
        row_shards: u32,
    },
}

impl IndexKind {
    /// As the configuration calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tsdb => "tsdb",
            Self::Boltdb { .. } => "boltdb-shipper",
        }
    }

    /// How its files are called.
    pub fn files(self) -> FileKind {
        match self {
            Self::Tsdb => FileKind::Tsdb,
            Self::Boltdb { .. } => FileKind::Boltdb,
        }
    }
}

/// One period of the schema. It ends where the next begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period {
    /// First instant, midnight UTC.
    pub from: Millis,
    /// Decides chunk format and key form.
    pub schema: SchemaVersion,
    /// How its index is kept.
    pub index: IndexKind,
    /// Prefix of table names.
    pub index_prefix: String,
    /// Prefix of index objects; ends in `/`.
    pub path_prefix: String,
    /// Which of the bucket's stores holds its objects.
    pub store: usize,
}

impl Period {
    /// The version of the TSDB files written for it.
    pub fn index_version(&self) -> Version {
        if self.schema.number() >= 13 { Version::V3 } else { Version::V2 }
    }

    /// Whether entries may carry structured metadata: upstream keeps it only beside a TSDB index.
    pub fn allows_structured_metadata(&self) -> bool {
        self.index == IndexKind::Tsdb && self.schema.allows_structured_metadata()
    }
}

/// All periods, oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    periods: Vec<Period>,
}

/// One table: a day of a period.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableId {
    /// Which of the bucket's stores holds it.
    pub store: usize,
    /// Prefix of its objects; ends in `/`.
    pub path_prefix: String,
    /// Its name.
    pub name: String,
}

impl Schema {
    /// `periods` must not be empty and `from` must rise.
    pub fn new(periods: Vec<Period>) -> Option<Self> {
        let rising = periods.windows(2).all(|pair| pair[0].from < pair[1].from);
        (rising && !periods.is_empty()).then_some(Self { periods })
    }

    /// All periods, oldest first.
    pub fn periods(&self) -> &[Period] {
        &self.periods
    }

    /// The period `at` lies in; the first one where `at` is before all.
    pub fn period_at(&self, at: Millis) -> &Period {
        let after = self.periods.partition_point(|period| period.from <= at);
        &self.periods[after.saturating_sub(1)]
    }

    /// The tables that index a chunk of `[from, through]`: every day of each period it touches.
    pub fn tables_of(&self, from: Millis, through: Millis) -> Vec<TableId> {
        let mut found = Vec::new();
        for (at, period) in self.periods.iter().enumerate() {
            let first = if at == 0 { Millis(i64::MIN) } else { period.from };
            let last = self.periods.get(at + 1).map_or(Millis(i64::MAX), |next| Millis(next.from.0 - 1));
            let (from, through) = (from.max(first), through.min(last));
            if from > through {
                continue;
            }
            for day in tables::days_touched(from, through) {
                found.push(TableId {
                    store: period.store,
                    path_prefix: period.path_prefix.clone(),
                    name: tables::table_name(&period.index_prefix, day),
                });
            }
        }
        found
    }

    /// The period that `table` belongs to, and the number of its day.
    pub fn period_of_table(&self, table: &TableId) -> Option<(&Period, i64)> {
        let periods = self.periods.iter().enumerate();
        let mut of_place = periods
            .filter(|(_, period)| (period.store, &period.path_prefix) == (table.store, &table.path_prefix))
            .filter_map(|(at, period)| {
                tables::parse_day(&period.index_prefix, &table.name).map(|day| (at, period, day))
            });
        let (_, period, day) = of_place.find(|(at, period, day)| {
            let begun = *at == 0 || tables::day_of(period.from) <= *day;
            begun && self.periods.get(at + 1).is_none_or(|next| tables::day_of(next.from) > *day)
        })?;
        Some((period, day))
    }

    /// The last millisecond of a period.
    pub fn last_of(&self, period: &Period) -> Millis {
        let next = self.periods.iter().map(|other| other.from).find(|from| *from > period.from);
        next.map_or(Millis(i64::MAX), |next| Millis(next.0 - 1))
    }

    /// How the index in `table` is kept.
    pub fn index_kind(&self, table: &TableId) -> IndexKind {
        self.period_of_table(table).map_or(IndexKind::Tsdb, |(period, _)| period.index)
    }

    /// Whether `table` can index a chunk that overlaps `[from, through]`.
    pub fn table_covers(&self, table: &TableId, from: Millis, through: Millis) -> bool {
        let days = tables::days_touched(from, through);
        let of_period = |period: &Period| {
            (period.store, &period.path_prefix) == (table.store, &table.path_prefix)
                && tables::parse_day(&period.index_prefix, &table.name).is_some_and(|day| days.contains(&day))
        };
        self.periods.iter().any(of_period)
    }

    /// Where tables lie: store and prefix, each once.
    pub fn index_places(&self) -> Vec<(usize, String)> {
        let places = self.periods.iter().map(|period| (period.store, period.path_prefix.clone()));
        let mut places: Vec<(usize, String)> = places.collect();
        places.sort();
        places.dedup();
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;

    fn schema() -> Schema {
        let period = |from: i64, schema, index_prefix: &str| Period {
            from: Millis(from),
            schema,
            index: IndexKind::Tsdb,
            index_prefix: index_prefix.into(),
            path_prefix: "index/".into(),
            store: 0,
        };
        Schema::new(vec![period(0, SchemaVersion::V12, "old_"), period(10 * DAY, SchemaVersion::V13, "new_")])
            .expect("rising")
    }

    #[test]
    fn a_chunk_is_indexed_in_every_day_of_every_period_it_touches() {
        let names = |from: i64, through: i64| -> Vec<String> {
            schema().tables_of(Millis(from), Millis(through)).into_iter().map(|table| table.name).collect()
        };
        assert_eq!(names(9 * DAY - 1, 9 * DAY), ["old_8", "old_9"]);
        assert_eq!(names(10 * DAY - 1, 10 * DAY), ["old_9", "new_10"]);
        assert_eq!(names(11 * DAY, 11 * DAY + 5), ["new_11"]);
    }

    #[test]
    fn the_day_decides_between_periods_of_one_prefix() {
        let mut periods = schema().periods().to_vec();
        periods[0].index = IndexKind::Boltdb { row_shards: 16 };
        periods[1].index_prefix = "old_".into();
        let schema = Schema::new(periods).expect("rising");
        let table = |day: i64| TableId { store: 0, path_prefix: "index/".into(), name: format!("old_{day}") };
        assert_eq!(schema.index_kind(&table(9)), IndexKind::Boltdb { row_shards: 16 });
        assert_eq!(schema.index_kind(&table(10)), IndexKind::Tsdb);
        let (old, day) = schema.period_of_table(&table(9)).expect("its day is in the first period");
        assert_eq!((day, schema.last_of(old)), (9, Millis(10 * DAY - 1)));
        let elsewhere = TableId { store: 1, ..table(9) };
        assert_eq!(schema.period_of_table(&elsewhere), None);
    }

    #[test]
    fn periods_are_found_by_time() {
        assert_eq!(schema().period_at(Millis(10 * DAY - 1)).index_prefix, "old_");
        assert_eq!(schema().period_at(Millis(10 * DAY)).index_prefix, "new_");
        assert_eq!(schema().period_at(Millis(-5)).index_prefix, "old_");
        let covers = |store: usize, name: &str| {
            let table = TableId { store, path_prefix: "index/".into(), name: name.into() };
            schema().table_covers(&table, Millis(11 * DAY), Millis(11 * DAY))
        };
        assert!(covers(0, "new_11"));
        assert!(!covers(0, "new_12"));
        assert!(!covers(1, "new_11"), "of another store");
    }
}
