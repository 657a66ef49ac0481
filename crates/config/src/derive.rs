//! Rules that fill one key from others (`common` and friends), as if the result were a default: whatever the file or a
//! flag sets is written over it afterwards.
//!
//! The order matters and is upstream's. A rule that compares with the default sees the file and the flags already
//! applied once.

mod rings;
mod storage;

use crate::schema::{active_period, period_kinds};
use crate::table::{KeyId, table};
use crate::value::{Object, Source, Value};

/// Facts about the machine that some defaults are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Host name.
    pub name: String,
    /// Names of the network interfaces with a private address; upstream takes `eth0` and `en0` when there is none.
    pub private_interfaces: Vec<String>,
    /// Name of the loopback interface.
    pub loopback_interface: Option<String>,
}

impl Default for Host {
    fn default() -> Self {
        let private_interfaces = vec!["eth0".to_owned(), "en0".to_owned()];
        Host { name: "localhost".to_owned(), private_interfaces, loopback_interface: Some("lo".to_owned()) }
    }
}

/// Puts the machine's facts where the table has placeholders.
pub(crate) fn fill_host(defaults: &mut Object, host: &Host) {
    for (id, key) in table().keys().filter(|(_, key)| !key.repeats()) {
        match key.default {
            "<hostname>" => defaults.set(id, Value::Text(host.name.clone()), Source::Default),
            "<private network interfaces>" => {
                defaults.set(id, Value::Texts(host.private_interfaces.clone()), Source::Default);
            }
            _ => {}
        }
    }
}

/// Applies all rules.
pub(crate) fn apply(values: &mut Object, defaults: &Object, host: &Host, now_secs: i64) -> Result<(), String> {
    let mut rules = Rules { values, defaults };
    rules.scheduler_ring();
    rules.path_prefix();
    rules.instance();
    rules.replication_factor();
    rules.rings();
    rules.loopback(host);
    rules.token_files()?;
    rules.common_storage()?;
    rules.shipper_folders();
    rules.caches();
    rules.put("ingester.lifecycler.final_sleep", Value::Duration(0));
    rules.copy("common.replication_factor", "ingester.lifecycler.ring.replication_factor");
    rules.chunk_retain_period(now_secs);
    rules.worker_clients()
}

/// Defaults that are not upstream's: the key, its value here, and why.
pub const OWN_DEFAULTS: &[(&str, &str, &str)] = &[(
    "ingester.chunk_encoding",
    "snappy",
    "it decompresses several times faster ([why](decisions/snappy-by-default.md))",
)];

/// Rules that hold whatever the file says, after everything else.
pub(crate) fn finish(values: &mut Object, defaults: &Object) {
    for (path, own, _) in OWN_DEFAULTS {
        if values.source(path) == Source::Default {
            values.set(id(path), Value::Text((*own).to_owned()), Source::Derived);
        }
    }
    let mut rules = Rules { values, defaults };
    if rules.text("ingester.shutdown_marker_path").is_empty() {
        rules.copy("common.path_prefix", "ingester.shutdown_marker_path");
    }
    for shipper in ["boltdb_shipper", "tsdb_shipper"] {
        let mode = format!("storage_config.{shipper}.mode");
        if rules.text(&mode).is_empty() {
            rules.put_text(&mode, "RW");
        }
    }
    if rules.int("distributor.max_decompressed_size") == 0 && rules.int("distributor.max_recv_msg_size") > 0 {
        let bytes = rules.int("distributor.max_recv_msg_size").saturating_mul(50);
        rules.put("distributor.max_decompressed_size", Value::Int(bytes));
    }
}

struct Rules<'a> {
    values: &'a mut Object,
    defaults: &'a Object,
}

fn id(path: &str) -> KeyId {
    table().find(path).unwrap_or_else(|| panic!("no configuration key {path}"))
}

impl Rules<'_> {
    fn text(&self, path: &str) -> &str {
        self.values.str(path)
    }

    fn int(&self, path: &str) -> i64 {
        self.values.int(path)
    }

    /// Whether a key, or every key of a block, has its default value.
    fn is_default(&self, path: &str) -> bool {
        let (from, to) = (id(path), table().end(id(path)));
        (from.0..to.0).all(|key| self.values.slot(KeyId(key)).value == self.defaults.slot(KeyId(key)).value)
    }

    fn put(&mut self, path: &str, value: Value) {
        self.put_id(id(path), value);
    }

    fn put_id(&mut self, key: KeyId, value: Value) {
        if self.values.slot(key).value != value {
            self.values.set(key, value, Source::Derived);
        }
    }

    fn put_text(&mut self, path: &str, text: impl Into<String>) {
        self.put(path, Value::Text(text.into()));
    }

    /// Copies a value, or every value of a block that has a namesake below the other block.
    fn copy(&mut self, from: &str, to: &str) {
        self.copy_id(id(from), id(to));
    }

    fn copy_id(&mut self, from: KeyId, to: KeyId) {
        let value = self.values.slot(from).value.clone();
        match value {
            Value::Block => {
                for child in table().children(from).collect::<Vec<_>>() {
                    if let Some(namesake) = table().child(to, table().key(child).name()) {
                        self.copy_id(child, namesake);
                    }
                }
            }
            value => self.put_id(to, value.moved(from, to)),
        }
    }

    /// With no other way to find a scheduler, use its ring.
    fn scheduler_ring(&mut self) {
        let addresses = [
            "frontend_worker.frontend_address",
            "frontend_worker.scheduler_address",
            "frontend.downstream_url",
            "frontend.scheduler_address",
        ];
        if addresses.iter().all(|path| self.text(path).is_empty()) {
            self.put("query_scheduler.use_scheduler_ring", Value::Bool(true));
        }
    }

    /// `common.path_prefix` without one trailing slash, if it is set.
    fn prefix(&self) -> Option<String> {
        let prefix = self.text("common.path_prefix");
        (!prefix.is_empty()).then(|| prefix.strip_suffix('/').unwrap_or(prefix).to_owned())
    }

    fn path_prefix(&mut self) {
        let Some(prefix) = self.prefix() else { return };
        for (path, folder) in [
            ("ruler.rule_path", "rules-temp"),
            ("ingester.wal.dir", "wal"),
            ("compactor.working_directory", "compactor"),
        ] {
            if self.is_default(path) {
                self.put_text(path, format!("{prefix}/{folder}"));
            }
        }
        if self.is_default("storage_config.bloom_shipper.working_directory") {
            self.put("storage_config.bloom_shipper.working_directory", Value::Texts(vec![format!("{prefix}/blooms")]));
        }
    }

    fn instance(&mut self) {
        if !self.is_default("common.instance_addr") {
            if self.is_default("common.ring.instance_addr") {
                self.copy("common.instance_addr", "common.ring.instance_addr");
            }
            for to in ["frontend.address", "index_gateway.ring.instance_addr", "memberlist.advertise_addr"] {
                self.copy("common.instance_addr", to);
            }
        }
        if !self.is_default("common.instance_interface_names") {
            if self.is_default("common.ring.instance_interface_names") {
                self.copy("common.instance_interface_names", "common.ring.instance_interface_names");
            }
            for to in ["frontend", "index_gateway.ring", "query_engine"] {
                self.copy("common.instance_interface_names", &format!("{to}.instance_interface_names"));
            }
        }
    }

    fn replication_factor(&mut self) {
        if !self.is_default("common.replication_factor") {
            self.copy("common.replication_factor", "index_gateway.ring.replication_factor");
        }
    }

    fn token_files(&mut self) -> Result<(), String> {
        let prefix = self.text("common.path_prefix").to_owned();
        let persist = self.values.bool("common.persist_tokens");
        if persist && prefix.is_empty() {
            return Err("if persist_tokens is true, path_prefix MUST be defined".to_owned());
        }
        for (owner, file) in [
            ("ingester.lifecycler", "ingester"),
            ("ingest_limits.lifecycler", "ingestlimits"),
            ("ingest_limits_frontend.lifecycler", "ingestlimitsfrontend"),
            ("compactor.compactor_ring", "compactor"),
            ("query_scheduler.scheduler_ring", "scheduler"),
            ("index_gateway.ring", "indexgateway"),
            ("pattern_ingester.lifecycler", "pattern"),
            ("ui.ring", "ui"),
            ("dataobj.consumer.lifecycler", "dataobjconsumer"),
        ] {
            let path = if persist { format!("{prefix}/{file}.tokens") } else { String::new() };
            self.put_text(&format!("{owner}.tokens_file_path"), path);
        }
        Ok(())
    }

    /// Folders of the index, when a period uses them.
    fn shipper_folders(&mut self) {
        let Some(prefix) = self.prefix() else { return };
        let kinds = period_kinds(self.values);
        for (kind, block, folder) in
            [("boltdb-shipper", "boltdb_shipper", "boltdb-shipper"), ("tsdb", "tsdb_shipper", "tsdb-shipper")]
        {
            if !kinds.iter().any(|known| known == kind) {
                continue;
            }
            for (key, suffix) in [("active_index_directory", "active"), ("cache_location", "cache")] {
                let path = format!("storage_config.{block}.{key}");
                if self.text(&path).is_empty() {
                    self.put_text(&path, format!("{prefix}/{folder}-{suffix}"));
                }
            }
        }
    }

    fn cache_is_set(&self, block: &str) -> bool {
        let set = |key: &str| !self.text(&format!("{block}.{key}")).is_empty();
        set("memcached_client.host")
            || set("memcached_client.addresses")
            || set("redis.endpoint")
            || self.values.bool(&format!("{block}.embedded_cache.enabled"))
    }

    /// Caches without a back end: the two main ones become embedded, the others do as the results cache does.
    fn caches(&mut self) {
        const RESULTS: &str = "query_range.results_cache.cache";
        for block in ["chunk_store_config.chunk_cache_config", RESULTS] {
            if !self.cache_is_set(block) {
                self.put(&format!("{block}.embedded_cache.enabled"), Value::Bool(true));
            }
        }
        for name in
            ["index_stats_results", "volume_results", "series_results", "label_results", "instant_metric_results"]
        {
            let block = format!("query_range.{name}_cache.cache");
            if !self.cache_is_set(&block) {
                let prefix = self.text(&format!("{block}.prefix")).to_owned();
                self.copy(RESULTS, &block);
                self.put_text(&format!("{block}.prefix"), prefix);
            }
        }
    }

    /// Chunks must outlive cached index entries that do not know them yet.
    fn chunk_retain_period(&mut self, now_secs: i64) {
        let kinds = period_kinds(self.values);
        let active = active_period(self.values, now_secs).and_then(|at| kinds.get(at));
        if !self.is_default("storage_config.index_queries_cache_config")
            && active.is_some_and(|kind| kind == "boltdb-shipper")
        {
            let nanos = self.values.nanos("storage_config.index_cache_validity").saturating_add(60_000_000_000);
            self.put("ingester.chunk_retain_period", Value::Duration(nanos));
        }
    }

    fn worker_clients(&mut self) -> Result<(), String> {
        if self.is_default("frontend_worker.grpc_client_config") {
            return Ok(());
        }
        let new = ["frontend_worker.query_frontend_grpc_client", "frontend_worker.query_scheduler_grpc_client"];
        if new.iter().any(|path| !self.is_default(path)) {
            return Err("both `grpc_client_config` and (`query_frontend_grpc_client` or `query_scheduler_grpc_client`) are set at the \
                        same time. Please use only `query_frontend_grpc_client` and `query_scheduler_grpc_client`"
                .to_owned());
        }
        for path in new {
            self.copy("frontend_worker.grpc_client_config", path);
        }
        Ok(())
    }
}
