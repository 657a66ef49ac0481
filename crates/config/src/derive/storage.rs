//! `common.storage`: one back end for chunks, index and rules.

use super::Rules;

/// Back ends of `common.storage`: key, rule store type, block of the chunk store, whether hedging goes along.
const BACKENDS: [(&str, &str, &str, bool); 7] = [
    ("azure", "azure", "azure", true),
    ("gcs", "gcs", "gcs", true),
    ("s3", "s3", "aws", true),
    ("bos", "bos", "bos", false),
    ("swift", "swift", "swift", true),
    ("alibabacloud", "alibaba", "alibabacloud", false),
    ("cos", "cos", "cos", false),
];

impl Rules<'_> {
    pub(super) fn common_storage(&mut self) -> Result<(), String> {
        let set: Vec<_> =
            BACKENDS.iter().filter(|(key, ..)| !self.is_default(&format!("common.storage.{key}"))).collect();
        let files = !self.is_default("common.storage.filesystem");
        if set.len() + usize::from(files) > 1 {
            return Err(
                "too many storage configs provided in the common config, please only define one storage backend"
                    .to_owned(),
            );
        }
        // Upstream keeps one effect only: the last of a back end, congestion control and object store.
        if !self.is_default("common.storage.object_store") {
            self.copy("common.storage.object_store", "storage_config.object_store");
        } else if !self.is_default("common.storage.congestion_control") {
            self.copy("common.storage.congestion_control", "storage_config.congestion_control");
        } else if files {
            self.put_text("ruler.storage.type", "local");
            self.copy("common.storage.filesystem.rules_directory", "ruler.storage.local.directory");
            self.copy("common.storage.filesystem.chunks_directory", "storage_config.filesystem.directory");
        } else if let Some((key, rules, chunks, hedging)) = set.first() {
            self.put_text("ruler.storage.type", *rules);
            self.copy(&format!("common.storage.{key}"), &format!("ruler.storage.{key}"));
            self.copy(&format!("common.storage.{key}"), &format!("storage_config.{chunks}"));
            if *hedging {
                self.copy("common.storage.hedging", "storage_config.hedging");
            }
        }
        Ok(())
    }
}
