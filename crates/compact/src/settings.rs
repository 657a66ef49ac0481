//! What the compactor is told.

use std::path::PathBuf;
use std::time::Duration;

use crate::lease::Holder;

/// Settings of the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompactSettings {
    /// Time between two rounds, and before the first.
    pub interval: Duration,
    /// Tables at work at once.
    pub parallel_tables: usize,
    /// Uploads and removals of a table at once.
    pub parallel_uploads: usize,
    /// Newest tables a round looks at; 0: all.
    pub tables: usize,
    /// Newest tables that are left alone.
    pub skip_latest: usize,
    /// Bytes of multi-tenant files, decompressed, that are merged at once. One that is larger is merged alone.
    pub batch_bytes: usize,
    /// Largest index file accepted, decompressed.
    pub file_bytes_max: usize,
    /// How long a table stays leased to a process that says nothing more.
    pub lease: Duration,
    /// Who this process is, in leases.
    pub holder: Holder,
    /// Retention and deletes, where they are on.
    pub retention: Option<RetentionSettings>,
}

/// Settings of retention and deletes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetentionSettings {
    /// Time between two rounds.
    pub interval: Duration,
    /// Time between a chunk's mark and its removal.
    pub delete_delay: Duration,
    /// Removals at once.
    pub delete_workers: usize,
    /// Time that a tenant's part of a table may take; zero: any.
    pub table_timeout: Duration,
    /// How long a delete request can be taken back; a minute later it is carried out.
    pub cancel_period: Duration,
    /// Parts of delete requests that a round carries out.
    pub batch: usize,
    /// Upstream's working directory, whose marks are taken over.
    pub working_dir: Option<PathBuf>,
}

impl Default for RetentionSettings {
    /// Upstream's: fifteen minutes, two hours, 150 removals, any time, a day, 70.
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(900),
            delete_delay: Duration::from_secs(7200),
            delete_workers: 150,
            table_timeout: Duration::ZERO,
            cancel_period: Duration::from_secs(86_400),
            batch: 70,
            working_dir: None,
        }
    }
}

impl Default for CompactSettings {
    /// Upstream's ten minutes, one table, ten uploads; 256 MiB a batch, 4 GiB a file, leases of five minutes.
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(600),
            parallel_tables: 1,
            parallel_uploads: 10,
            tables: 0,
            skip_latest: 0,
            batch_bytes: 256 << 20,
            file_bytes_max: 4 << 30,
            lease: Duration::from_secs(300),
            holder: Holder { name: "compactor".to_owned(), life: 0 },
            retention: None,
        }
    }
}
