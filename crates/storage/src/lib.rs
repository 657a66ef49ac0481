//! storage
mod disk_store;
pub use disk_store::{DiskStore, OWN_PREFIX};
