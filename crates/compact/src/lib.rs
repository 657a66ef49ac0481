//! Index tables made small: many files of a day, of all tenants, become one file per tenant; and chunks removed when
//! their time is over.
//!
//! ```text
//! index/<table>/1-a  ┐                        index/<table>/t/<ns>-compactor-…
//! index/<table>/2-b  ├─ merge by tenant ──>   index/<table>/u/<ns>-compactor-…
//! index/<table>/t/3  ┘
//! ```
//!
//! What is done and in which order is decided by pure functions ([`plan`]); [`Compactor`] obeys. The order of writing
//! makes every crash harmless:
//!
//! 1. a tenant's new file is uploaded under a name never used before,
//! 2. the tenant's files it was made of are removed,
//! 3. when all tenants are through, the files of all tenants.
//!
//! A crash between any two leaves entries twice, which readers and the next merge take for one; none is ever missing. That
//! holds with any number of compactors on one table, ours or upstream's, since each removes only what its own upload
//! holds. A [`lease`] on the table keeps ours from doing the same work twice.
//!
//! A round of retention does the same to every table, and takes chunks out whose time is over ([`Retention`]). It writes
//! down which before it stores the index without them; [`Compactor::sweep`] removes them hours later, if
//! no index names them then. Chunks that lose some lines to a delete request are stored anew first.
//!
//! Memory: `batch_bytes` of files of all tenants at a time, one tenant's own files of one day, and that tenant's new file
//! (about three times its bytes while it is built); times the tables in parallel. Sizes are bytes after decompression,
//! times of chunks milliseconds.
#![warn(missing_docs)]

mod compactor;
mod error;
mod expire;
mod expiry;
mod judge;
pub mod lease;
mod marks;
mod metrics;
pub mod plan;
mod policy;
mod preview;
pub mod requests;
mod retention;
mod rewrite;
mod rounds;
mod settings;
mod sweep;
mod table;
#[cfg(test)]
mod testing;
mod upstream_marks;

pub use compactor::{Compactor, Outcome};
pub use error::{CompactError, ErrorKind};
pub use metrics::CompactMetrics;
pub use policy::{DeletionMode, Policies, TenantPolicy};
pub use preview::Census;
pub use retention::{Retention, StreamRetention};
pub use settings::{CompactSettings, RetentionSettings};
pub use sweep::{Held, Swept};
