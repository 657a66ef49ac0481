//! The `loptr` process: roles, configuration, shutdown. Alone knows axum, YAML paths and status codes, and plugs the
//! real outside into the ports.
//!
//! ```text
//! main ─ command line, files, environment ─> Settings ─> Process::start ─> serve until SIGTERM ─> Process::stop
//!                                                    └─> flush_out (`loptr flush-out`)
//! ```

mod app;
pub mod build;
pub mod cgroup;
mod flush_out;
mod http;
mod limits;
pub mod log_level;
pub mod logfmt;
mod metrics;
mod patterns;
pub mod real;
mod runtime;
mod serve;
pub mod settings;
mod shutdown;
pub mod trace;
mod waiting;

pub use app::{Process, StartError};
pub use flush_out::{FlushOutError, Progress, flush_out};
pub use http::route_list;
pub use runtime::RuntimeError;
pub use settings::{HONOURED, LimitsError, Settings, SettingsError};
