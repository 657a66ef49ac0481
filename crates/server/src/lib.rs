//! The `loptr` process: roles, configuration, shutdown. Alone knows axum, YAML paths and status codes, and plugs the
//! real outside into the ports.
//!
//! ```text
//! main ─ command line, files, environment ─> Settings ─> Process::start ─> serve until SIGTERM ─> Process::stop
//!                                                    ├─> flush_out (`loptr flush-out`)
//!                                                    └─> retention_preview (`loptr retention-preview`, `loptr bucket du`)
//! ```

mod app;
pub mod build;
pub mod cgroup;
mod deletes;
mod flush_out;
mod http;
mod limits;
pub mod log_level;
pub mod logfmt;
mod lost_tables;
mod metrics;
mod patterns;
pub mod real;
mod retention_preview;
mod runtime;
mod serve;
pub mod settings;
mod shutdown;
mod tls;
pub mod trace;
mod waiting;

pub use app::{Process, StartError};
pub use flush_out::{FlushOutError, Progress, flush_out};
pub use http::route_list;
pub use lost_tables::LostTables;
pub use retention_preview::{PreviewError, bucket_du, retention_preview};
pub use runtime::RuntimeError;
pub use settings::{HONOURED, LimitsError, Settings, SettingsError};
pub use tls::{TlsError, TlsSettings};
