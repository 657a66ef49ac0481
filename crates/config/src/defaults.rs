//! The configuration used when no file exists and none was named.

/// One process, one folder, the newest schema.
pub(crate) const EMBEDDED: &str = "\
auth_enabled: false
common:
  path_prefix: ./loptr-data
  replication_factor: 1
  ring:
    kvstore:
      store: inmemory
  storage:
    filesystem:
      chunks_directory: ./loptr-data/chunks
      rules_directory: ./loptr-data/rules
schema_config:
  configs:
    - from: 2020-10-24
      store: tsdb
      object_store: filesystem
      schema: v13
      index:
        prefix: index_
        period: 24h
";

/// What its values are said to come from.
pub(crate) const EMBEDDED_NAME: &str = "built-in configuration";
