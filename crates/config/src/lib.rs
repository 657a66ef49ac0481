//! Upstream's configuration: command line, YAML and environment into typed values that know where they came from.
//!
//! One table of 4513 keys and 2936 flags, `data/keys.tsv`, drives everything: which keys there are, what they take,
//! their defaults, the words of errors. The block `loptr` is our own: a row in `data/own.tsv` makes a key and its flag. Nothing here opens a file, reads the environment or a clock: the caller hands
//! in closures ([`Outside`]).
//!
//! ```text
//! arguments --parse_args--> Command --load--> Config --report--> warnings, refusals
//!                                       |
//!      Outside: files, environment, host, now
//! ```
//!
//! Units: durations are nanoseconds or [`std::time::Duration`], sizes are bytes, times are Unix nanoseconds, lines and
//! columns count from 1. Errors carry upstream's words, since operators and tools know them; a [`UsageError`] means
//! exit code 2, a [`LoadError`] exit code 1.
//!
//! ```
//! use loptr_config::{Command, Host, Outside, load, parse_args};
//! use std::{io, path::Path};
//!
//! let file = b"auth_enabled: false
//! common: {path_prefix: /data, storage: {filesystem: {chunks_directory: /data/chunks}}}
//! ingester: {chunk_idle_period: 1h}
//! schema_config:
//!   configs:
//!   - {from: 2024-01-01, store: tsdb, object_store: filesystem, schema: v13, index: {prefix: i_, period: 24h}}
//! ";
//! let Ok(Command::Run(invocation)) = parse_args(["-config.file=a.yaml", "-server.http-listen-port=80"]) else { panic!() };
//! let read = |path: &Path| if path == Path::new("a.yaml") { Ok(file.to_vec()) } else { Err(io::ErrorKind::NotFound.into()) };
//! let outside = Outside { read: &read, env: &|_| None, host: Host::default(), now_secs: 1_700_000_000 };
//! let config = load(&invocation, &outside).unwrap();
//!
//! assert_eq!(config.duration("ingester.chunk_idle_period").as_secs(), 3600);
//! assert_eq!(config.provenance("ingester.chunk_idle_period"), "a.yaml:3:12");
//! assert_eq!(config.provenance("server.http_listen_port"), "-server.http-listen-port");
//! assert_eq!(config.str("storage_config.filesystem.directory"), "/data/chunks");
//! assert_eq!(config.provenance("ingester.wal.dir"), "derived");
//! assert_eq!(config.schema().periods[0].table_name(1_700_000_000), "i_19675");
//! ```
#![warn(missing_docs)]

mod access;
mod config;
mod decode;
mod defaults;
mod derive;
mod expand;
mod flags;
mod limits;
mod load;
mod notice;
mod old_keys;
mod page;
mod refusal;
mod removed;
mod scalar;
mod schema;
mod status;
mod table;
mod targets;
mod validate;
mod value;
mod write;
mod yaml;

pub use access::known_path;
pub use config::{Config, Options, Report};
pub use derive::{Host, OWN_DEFAULTS};
pub use expand::{ExpandError, expand_env};
pub use flags::{Command, Invocation, UsageError, parse_args};
pub use limits::{
    AttributeAction, AttributeRule, BlockedQuery, Limits, MultiKv, OtlpConfig, PolicyLimits, PriorityStream, Runtime,
    RuntimeFile, StreamRetention,
};
pub use load::{LoadError, Outside, default_of, load};
pub use notice::Notice;
pub use page::reference_page;
pub use refusal::Refusal;
pub use schema::{IndexKind, Period, Schema};
pub use status::{HONOURED, Status, UNEXPLAINED, of as status_of};
pub use table::{Key, KeyId, Kind, LoneFlag, Table, Words, table};
pub use value::{Any, Object, Slot, Source, Value, format_text};
pub use write::Mode;
