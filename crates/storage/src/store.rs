//! One object store of a bucket, and how chunks are named in it.

use std::sync::Arc;

use loptr_chunk::{SchemaVersion, external_key, filesystem_name};
use loptr_model::{ChunkRef, TenantId};
use object_store::ObjectStore;

use crate::disk_store::DiskStore;

/// How a store names chunk objects (upstream's rules, `docs/formats/paths.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChunkNames {
    /// The filesystem's: the last part, or the whole key before schema v12, in base64.
    Filesystem,
    /// The key as it is.
    Plain,
    /// The key with each `:` replaced.
    Delimited(char),
}

impl ChunkNames {
    /// Name of the object that holds `chunk`.
    fn name(self, schema: SchemaVersion, tenant: &TenantId, chunk: &ChunkRef) -> String {
        let key = external_key(schema, tenant, chunk);
        match self {
            Self::Filesystem => filesystem_name(schema, &key),
            Self::Plain => key,
            Self::Delimited(by) => key.replace(':', by.encode_utf8(&mut [0; 4])),
        }
    }
}

/// One object store.
#[derive(Clone, Debug)]
pub struct Store {
    objects: Arc<dyn ObjectStore>,
    names: ChunkNames,
    /// `objects` again, when it is the filesystem's.
    local: Option<DiskStore>,
}

impl Store {
    /// The store that `objects` speaks to.
    pub fn new(objects: Arc<dyn ObjectStore>, names: ChunkNames) -> Self {
        Self { objects, names, local: None }
    }

    /// The filesystem store.
    pub fn on_disk(store: DiskStore) -> Self {
        Self { local: Some(store.clone()), ..Self::new(Arc::new(store), ChunkNames::Filesystem) }
    }

    pub(crate) fn objects(&self) -> &dyn ObjectStore {
        &*self.objects
    }

    pub(crate) fn local(&self) -> Option<&DiskStore> {
        self.local.as_ref()
    }

    pub(crate) fn chunk_name(&self, schema: SchemaVersion, tenant: &TenantId, chunk: &ChunkRef) -> String {
        self.names.name(schema, tenant, chunk)
    }
}

#[cfg(test)]
mod tests {
    use loptr_model::{Fingerprint, Millis};

    use super::*;

    #[test]
    fn names_are_upstreams() {
        let tenant = TenantId::parse("t").expect("a tenant");
        let chunk = ChunkRef { fingerprint: Fingerprint(0x1f), from: Millis(1), through: Millis(2), checksum: 3 };
        let name = |names: ChunkNames, schema| names.name(schema, &tenant, &chunk);
        assert_eq!(name(ChunkNames::Plain, SchemaVersion::V13), "t/1f/1:2:3");
        assert_eq!(name(ChunkNames::Plain, SchemaVersion::V11), "t/1f:1:2:3");
        assert_eq!(name(ChunkNames::Delimited('-'), SchemaVersion::V13), "t/1f/1-2-3");
        assert_eq!(name(ChunkNames::Filesystem, SchemaVersion::V13), "t/1f/MToyOjM=");
    }
}
