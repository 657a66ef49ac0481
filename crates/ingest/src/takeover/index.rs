//! The index of what was taken over: one file per table, and files that upstream had built already.

use std::collections::BTreeMap;

use bytes::Bytes;
use loptr_index::tables::FileName;
use loptr_index::{ChunkMeta, IndexBuilder, IndexFile, Version, gzip};
use loptr_model::{Fingerprint, Labels, TenantId};
use loptr_ports::Disk;
use loptr_storage::{Schema, TableId};

use super::TakeoverError;
use super::survey::Built;

/// Index entries by table. A chunk named twice is one.
#[derive(Debug, Default)]
pub(super) struct IndexToShip(BTreeMap<TableId, IndexBuilder>);

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
            let number = schema.period_at(chunk.max).schema.number();
            for table in schema.tables_of(chunk.min, chunk.max) {
                let version = if number >= 13 { Version::V3 } else { Version::V2 };
                let builder = self.0.entry(table).or_insert_with(|| IndexBuilder::new(version));
                builder.add_tenant_series(tenant, labels.iter(), fingerprint, [chunk]);
            }
        }
    }

    pub(super) fn tables(self) -> impl Iterator<Item = (TableId, IndexBuilder)> {
        self.0.into_iter()
    }
}

pub(super) fn file_name(unix_secs: i64, uploader: &str) -> FileName {
    FileName::Common { unix_secs, uploader: uploader.to_owned() }
}

/// An index file that upstream built, checked, as the object it is uploaded as.
pub(super) fn read_built(disk: &dyn Disk, built: &Built) -> Result<Bytes, TakeoverError> {
    let path = &built.file.path;
    let bytes = disk.read(path).map_err(|source| TakeoverError::Disk { path: path.clone(), source })?;
    let object = Bytes::from(gzip::compress(&bytes));
    match IndexFile::open(bytes.into()) {
        Ok(_) => Ok(object),
        Err(source) => Err(TakeoverError::Index { path: path.clone(), source }),
    }
}
