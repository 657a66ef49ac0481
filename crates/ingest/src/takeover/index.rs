//! The index of what was taken over: one file per table, and files that upstream had built already.

use std::collections::BTreeMap;

use bytes::Bytes;
use loptr_index::bolt::{self, BoltFile};
use loptr_index::tables::FileName;
use loptr_index::{ChunkMeta, IndexFile, gzip};
use loptr_model::{Fingerprint, Labels, TenantId};
use loptr_ports::Disk;
use loptr_storage::{Schema, TableBuilder, TableId};

use super::TakeoverError;
use super::survey::Built;

/// Index entries by table. A chunk named twice is one.
#[derive(Debug, Default)]
pub(super) struct IndexToShip(BTreeMap<TableId, TableBuilder>);

impl IndexToShip {
    pub(super) fn add(
        &mut self,
        schema: &Schema,
        tenant: &TenantId,
        labels: &Labels,
        fingerprint: Fingerprint,
        chunks: impl IntoIterator<Item = ChunkMeta>,
    ) {
        for chunk in chunks {
            for table in schema.tables_of(chunk.min, chunk.max) {
                let new = TableBuilder::new(schema, &table);
                let builder = self.0.entry(table).or_insert(new);
                builder.add(schema, tenant, labels, fingerprint, chunk);
            }
        }
    }

    pub(super) fn tables(self) -> impl Iterator<Item = (TableId, TableBuilder)> {
        self.0.into_iter()
    }
}

/// An index file that upstream built, checked, as the object it is uploaded as.
pub(super) fn read_built(disk: &dyn Disk, built: &Built) -> Result<Bytes, TakeoverError> {
    let path = &built.file.path;
    let bytes = disk.read(path).map_err(|source| TakeoverError::Disk { path: path.clone(), source })?;
    let object = Bytes::from(gzip::compress(&bytes));
    let opened = match built.name {
        FileName::Boltdb { .. } => BoltFile::open(bytes.into()).and_then(|file| bolt::to_index(&file, None)).map(drop),
        _ => IndexFile::open(bytes.into()).map(drop),
    };
    match opened {
        Ok(()) => Ok(object),
        Err(source) => Err(TakeoverError::Index { path: path.clone(), source }),
    }
}
