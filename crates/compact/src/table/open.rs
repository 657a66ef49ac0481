//! Files of a table, fetched and opened.

use std::collections::BTreeSet;
use std::sync::Arc;

use loptr_index::tables::{IndexPath, ListedFile};
use loptr_index::{IndexError, IndexFile, tenants};
use loptr_model::TenantId;
use loptr_ports::Priority;
use loptr_storage::{StorageError, TableId, open_index};

use crate::compactor::Compactor;
use crate::error::CompactError;

/// A file that was opened.
pub(crate) struct Opened {
    pub(crate) key: String,
    pub(crate) file: Arc<IndexFile>,
}

/// Why a step could not go on.
#[derive(Debug)]
pub(crate) enum Stop {
    /// A listed file is gone.
    Gone(String),
    Failed(CompactError),
}

impl<E: Into<CompactError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

fn damaged(key: &str, source: IndexError) -> StorageError {
    StorageError::Index { key: key.to_owned(), source }
}

impl Compactor {
    pub(crate) async fn open(&self, table: &TableId, listed: &ListedFile) -> Result<Opened, Stop> {
        let key = listed.key.clone();
        let Some(object) = self.bucket.get_index(table, &key).await? else { return Err(Stop::Gone(key)) };
        let kind = self.bucket.schema().index_kind(table).files();
        let owner = IndexPath::parse_as(kind, &table.path_prefix, &key).and_then(|path| path.tenant);
        let (listed, limit) = (listed.clone(), self.settings.file_bytes_max);
        let open = move || open_index(&listed, object, limit, owner.as_ref());
        let file = self.ports.cpu.run(Priority::Query, open).await?;
        let file = file.map_err(|error| damaged(&key, error))?;
        Ok(Opened { key, file: Arc::new(file) })
    }

    /// As many of the files of all tenants as a batch holds, and whether that is all.
    pub(super) async fn open_batch(
        &self,
        table: &TableId,
        common: &[ListedFile],
    ) -> Result<(Arc<[Opened]>, bool), Stop> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        for listed in common {
            if bytes >= self.settings.batch_bytes {
                return Ok((batch.into(), false));
            }
            let opened = self.open(table, listed).await?;
            bytes += opened.file.mem_bytes();
            batch.push(opened);
        }
        Ok((batch.into(), true))
    }

    /// Whose series the files hold. A name that is no tenant's belongs to nobody who could ask for it.
    pub(crate) async fn tenants_in(&self, common: &Arc<[Opened]>) -> Result<BTreeSet<TenantId>, Stop> {
        let common = common.clone();
        let find = move || {
            let mut found = BTreeSet::new();
            for opened in &*common {
                let named = tenants([&*opened.file]).map_err(|error| damaged(&opened.key, error))?;
                found.extend(named.into_iter().filter_map(|name| TenantId::parse(name).ok()));
            }
            Ok::<_, StorageError>(found)
        };
        Ok(self.ports.cpu.run(Priority::Query, find).await??)
    }
}
