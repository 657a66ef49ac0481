//! The index file of a table, in the form that its period has.

use bytes::Bytes;
use loptr_chunk::external_key;
use loptr_index::bolt::{BoltBuilder, BoltRows};
use loptr_index::tables::FileName;
use loptr_index::{ChunkMeta, IndexBuilder, IndexFile, gzip};
use loptr_model::{ChunkRef, Fingerprint, Labels, Millis, Nanos, TenantId};

use crate::error::StorageError;
use crate::schema::{IndexKind, Schema, TableId};

/// Chunks of all tenants for one file of one table.
#[derive(Debug)]
pub struct TableBuilder {
    table: String,
    rows: Rows,
}

#[derive(Debug)]
enum Rows {
    Tsdb(IndexBuilder),
    Boltdb {
        builder: BoltBuilder,
        /// Last instant of the period.
        last: Millis,
    },
}

impl TableBuilder {
    /// For a file of `table`.
    pub fn new(schema: &Schema, table: &TableId) -> Self {
        let (period, day) = schema.period_of_table(table).unwrap_or_else(|| (schema.period_at(Millis(i64::MAX)), 0));
        let rows = match period.index {
            IndexKind::Tsdb => Rows::Tsdb(IndexBuilder::new(period.index_version())),
            IndexKind::Boltdb { row_shards } => {
                let rows = BoltRows { schema: period.schema.number(), row_shards };
                Rows::Boltdb { builder: BoltBuilder::new(rows, day), last: schema.last_of(period) }
            }
        };
        Self { table: table.name.clone(), rows }
    }

    /// Adds a chunk of a stream.
    pub fn add(
        &mut self,
        schema: &Schema,
        tenant: &TenantId,
        labels: &Labels,
        fingerprint: Fingerprint,
        chunk: ChunkMeta,
    ) {
        match &mut self.rows {
            Rows::Tsdb(builder) => builder.add_tenant_series(tenant, labels.iter(), fingerprint, [chunk]),
            Rows::Boltdb { builder, last } => {
                let ChunkMeta { min, max, checksum, .. } = chunk;
                let chunk = ChunkRef { fingerprint, from: min, through: max, checksum };
                let key = external_key(schema.period_at(min).schema, tenant, &chunk);
                builder.add(tenant, labels, &key, max.min(*last));
            }
        }
    }

    /// Makes names of the file from the time it was begun, in seconds, and its uploader.
    pub fn names(&self) -> fn(i64, &str) -> FileName {
        match self.rows {
            Rows::Tsdb(_) => |unix_secs, uploader| FileName::Common { unix_secs, uploader: uploader.to_owned() },
            Rows::Boltdb { .. } => FileName::boltdb,
        }
    }

    /// One tenant's file of `table` and its name, as compaction leaves them; `None` where `index` has no series. CPU work.
    pub fn compacted(
        schema: &Schema,
        table: &TableId,
        tenant: &TenantId,
        mut index: IndexBuilder,
        created: Nanos,
    ) -> Result<Option<(FileName, Bytes)>, StorageError> {
        if index.is_empty() {
            return Ok(None);
        }
        let failed = |source| StorageError::Build { table: table.name.clone(), source };
        let mut of_period = Self::new(schema, table);
        if let Rows::Tsdb(_) = of_period.rows {
            let file = Bytes::from(index.build().map_err(failed)?);
            let name = FileName::compacted(created, &IndexFile::open(file.clone()).map_err(failed)?);
            return Ok(Some((name, Bytes::from(gzip::compress(&file)))));
        }
        index.each(|labels, fingerprint, chunks| {
            let labels = Labels::from_pairs(labels.iter());
            chunks.iter().for_each(|chunk| of_period.add(schema, tenant, &labels, fingerprint, *chunk));
        });
        Ok(Some((FileName::boltdb_compacted(created), of_period.build()?)))
    }

    /// The object. CPU work.
    pub fn build(self) -> Result<Bytes, StorageError> {
        let built = match self.rows {
            Rows::Tsdb(builder) => builder.build(),
            Rows::Boltdb { builder, .. } => builder.build(),
        };
        let table = self.table;
        built.map(|file| Bytes::from(gzip::compress(&file))).map_err(|source| StorageError::Build { table, source })
    }
}

#[cfg(test)]
mod tests {
    use loptr_chunk::SchemaVersion;
    use loptr_index::Version;
    use loptr_index::bolt::{BoltFile, Row};
    use loptr_index::tables::ListedFile;

    use super::*;
    use crate::index_store::open_index;
    use crate::schema::Period;

    const DAY: i64 = 86_400_000;

    fn schema() -> Schema {
        let period = |day: i64, schema, index| Period {
            from: Millis(day * DAY),
            schema,
            index,
            index_prefix: "index_".into(),
            path_prefix: "index/".into(),
            store: 0,
        };
        let boltdb = IndexKind::Boltdb { row_shards: 16 };
        let periods = vec![period(0, SchemaVersion::V11, boltdb), period(10, SchemaVersion::V13, IndexKind::Tsdb)];
        Schema::new(periods).expect("rising")
    }

    #[test]
    fn a_table_is_written_as_its_period_has_it() {
        let schema = schema();
        let labels = Labels::from_pairs([("app", "a")]);
        // Across the border of both periods.
        let chunk = ChunkMeta { min: Millis(10 * DAY - 5), max: Millis(10 * DAY + 5), checksum: 7, kb: 1, entries: 1 };
        let tables = schema.tables_of(chunk.min, chunk.max);
        let names: Vec<String> = tables
            .iter()
            .map(|table| {
                let mut builder = TableBuilder::new(&schema, table);
                builder.add(&schema, &TenantId::single(), &labels, labels.fingerprint(), chunk);
                let name = builder.names()(900, "me").to_string();
                let object = builder.build().expect("small");
                let file = gzip::decompress(&object, 1 << 20).expect("gzip");
                if table.name == "index_10" {
                    loptr_index::IndexFile::open(file.into()).expect("tsdb");
                    return name;
                }
                let file = BoltFile::open(file.into()).expect("a database");
                let mut chunks = Vec::new();
                file.rows(|row| {
                    if let Row::Chunk { chunk, .. } = Row::parse(row.key, row.value)? {
                        assert!(String::from_utf8_lossy(row.key).contains("\x0005265bff\0"), "cut at the period's end");
                        chunks.push(chunk.through);
                    }
                    Ok(())
                })
                .expect("ours");
                assert_eq!(chunks, [chunk.max]);
                name
            })
            .collect();
        assert_eq!(names, ["me-900.gz", "900-me.tsdb.gz"]);
    }

    #[test]
    fn a_compacted_file_is_one_tenants_in_the_periods_form() {
        let (schema, tenant) = (schema(), TenantId::parse("t").expect("a tenant"));
        let labels = Labels::from_pairs([("app", "a")]);
        let chunk = ChunkMeta { min: Millis(10 * DAY - 5), max: Millis(10 * DAY + 5), checksum: 7, kb: 1, entries: 1 };
        let names = schema.tables_of(chunk.min, chunk.max).into_iter().map(|table| {
            let index = || IndexBuilder::new(Version::V3);
            let compacted = |index| TableBuilder::compacted(&schema, &table, &tenant, index, Nanos(77));
            assert_eq!(compacted(index()).expect("nothing to write"), None);
            let mut filled = index();
            filled.add_series(labels.iter(), labels.fingerprint(), [chunk, chunk]);
            let (name, object) = compacted(filled).expect("small").expect("a series");
            let listed = ListedFile { key: format!("x/{name}"), name };
            let file = open_index(&listed, object, 1 << 20, Some(&tenant)).expect("ours");
            assert_eq!(file.view().label_values("app", &[]), Ok(vec!["a"]));
            assert_eq!(file.bounds(), (chunk.min, chunk.max));
            listed.name.to_string()
        });
        let names: Vec<String> = names.collect();
        assert_eq!(names[0], "compactor-77.gz");
        assert!(names[1].starts_with("77-compactor-863999995-864000005-"), "{names:?}");
    }
}
