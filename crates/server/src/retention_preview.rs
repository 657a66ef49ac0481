//! `loptr retention-preview`: what a round of retention would remove now; `loptr bucket du`: what there is. They may run
//! beside the process that owns the folders: nothing is locked, written or removed.

use std::sync::Arc;

use loptr_compact::{Census, CompactError, Compactor};
use loptr_config::Config;
use loptr_ports::Ports;
use loptr_storage::{Bucket, DiskStore, IndexStore, StorageMetrics, Store};

use crate::app::StartError;
use crate::limits::TenantLimits;
use crate::runtime::RuntimeConfig;
use crate::settings::{Settings, StoreSettings};

/// Why nothing can be told.
#[derive(Debug, thiserror::Error)]
pub enum PreviewError {
    /// The bucket or the limits cannot be opened.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The index cannot be read.
    #[error(transparent)]
    Index(#[from] CompactError),
}

/// Calls `visit` for each tenant and table that would lose chunks, newest table first.
pub async fn retention_preview(
    ports: Ports,
    settings: Settings,
    config: &Config,
    visit: impl FnMut(Census),
) -> Result<(), PreviewError> {
    let limits = Arc::new(TenantLimits::new(&settings));
    let runtime = RuntimeConfig::new(Some(config));
    if runtime.is_on() {
        runtime.load(&ports, config, &limits).await.map_err(StartError::from)?;
    }
    let compactor = compactor(ports, settings)?;
    Ok(compactor.preview(limits, visit).await?)
}

/// Calls `visit` for each tenant and table, newest table first.
pub async fn bucket_du(ports: Ports, settings: Settings, visit: impl FnMut(Census)) -> Result<(), PreviewError> {
    Ok(compactor(ports, settings)?.census(visit).await?)
}

fn compactor(ports: Ports, settings: Settings) -> Result<Compactor, StartError> {
    // Nobody scrapes it.
    let metrics = StorageMetrics::default();
    let open = |store: &StoreSettings| match store {
        StoreSettings::Filesystem(dir) => {
            Ok(Store::on_disk(DiskStore::beside(ports.disk.clone(), ports.spawner.clone(), dir.clone())))
        }
        StoreSettings::Remote(remote) => Store::remote(remote, &*ports.disk, ports.clock.clone(), &metrics),
    };
    let stores: Vec<Store> = settings.stores.iter().map(open).collect::<Result<_, _>>()?;
    let bucket = Arc::new(Bucket::new(stores, Arc::new(settings.schema.clone()), None));
    let index = IndexStore::new(&bucket, ports.clock.clone(), ports.cpu.clone(), settings.index_cache);
    Ok(Compactor::new(ports, bucket, Arc::new(index), settings.compact))
}
