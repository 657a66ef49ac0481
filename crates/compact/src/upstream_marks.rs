//! Chunks that upstream's compactor marked and has not removed: its marks become ours.
//!
//! ```text
//! <working_directory>/retention/<store>_<from>/markers/<unixNanos>      bbolt: bucket chunks, values are chunk keys
//! <working_directory>/retention/<store>/markers/…  retention/markers/…  the same, of older versions
//! ```
//!
//! The index named those chunks no more when upstream wrote them down; the sweep looks again before it removes any.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use loptr_chunk::parse_external_key;
use loptr_index::bolt::BoltFile;
use loptr_model::{ChunkRef, Nanos, TenantId};
use loptr_ports::Disk;

use crate::compactor::Compactor;
use crate::error::CompactError;
use crate::marks;

/// Folders below the one of markers, at most.
const DEPTH: usize = 2;

/// A file of upstream's.
struct Marker {
    path: PathBuf,
    written: Nanos,
    chunks: Result<Vec<(TenantId, ChunkRef)>, String>,
}

/// Files in `markers` folders below `dir`.
fn markers(disk: &dyn Disk, dir: &Path, depth: usize) -> io::Result<Vec<Marker>> {
    let entries = match disk.list(dir) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        entries => entries?,
    };
    let mut found = Vec::new();
    for (path, is_dir) in entries {
        if is_dir && depth > 0 {
            found.extend(markers(disk, &path, depth - 1)?);
        }
        let is_marker = !is_dir && dir.file_name().is_some_and(|name| name == "markers");
        let written = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
        if let (true, Some(written)) = (is_marker, written) {
            let chunks = read(disk.read(&path)?.into());
            found.push(Marker { path, written: Nanos(written), chunks });
        }
    }
    Ok(found)
}

fn read(bytes: Bytes) -> Result<Vec<(TenantId, ChunkRef)>, String> {
    let file = BoltFile::open(bytes).map_err(|error| error.to_string())?;
    let mut chunks = Vec::new();
    let mut fault = None;
    let rows = file.rows(|row| {
        let key = String::from_utf8_lossy(row.value);
        match parse_external_key(&key) {
            Ok(chunk) => chunks.push(chunk),
            Err(error) => fault = Some(error.to_string()),
        }
        Ok(())
    });
    rows.map_err(|error| error.to_string())?;
    fault.map_or(Ok(chunks), Err)
}

impl Compactor {
    /// Takes upstream's marks over; a file that cannot be read is told and left. Gives how many chunks they name.
    pub async fn take_marks_over(&self, working_dir: &Path) -> Result<usize, CompactError> {
        let (disk, dir) = (self.ports.disk.clone(), working_dir.join("retention"));
        let listing = move || markers(&*disk, &dir, DEPTH);
        let listed = self.ports.spawner.run_blocking("marks of upstream", listing).await;
        let disk_failed = |error: &dyn std::fmt::Display| CompactError::Disk {
            path: working_dir.display().to_string(),
            reason: error.to_string(),
        };
        let mut taken = 0;
        for marker in listed.map_err(|error| disk_failed(&error))?.map_err(|error| disk_failed(&error))? {
            let chunks = match marker.chunks {
                Ok(chunks) => chunks,
                Err(error) => {
                    tracing::warn!(file = %marker.path.display(), %error, "marks of upstream cannot be read and are left");
                    continue;
                }
            };
            let store = self.bucket.schema().periods().last().map_or(0, |period| period.store);
            for some in chunks.chunks(marks::CHUNKS_MAX) {
                let body: String = some.iter().map(|(tenant, chunk)| marks::encode(tenant, &[*chunk])).collect();
                let name = marks::name(marker.written, "upstream", self.ports.random.next_u64());
                self.bucket.create_own(store, &name, body.into()).await?;
            }
            taken += chunks.len();
            let (disk, path) = (self.ports.disk.clone(), marker.path);
            let remove = move || disk.remove(&path);
            let removed = self.ports.spawner.run_blocking("marks of upstream", remove).await;
            removed.map_err(|error| disk_failed(&error))?.map_err(|error| disk_failed(&error))?;
        }
        if taken > 0 {
            tracing::info!(chunks = taken, "marks of upstream taken over: chunks are removed if no index names them");
        }
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use loptr_index::bolt::write_file;
    use loptr_model::Nanos;

    use crate::settings::{CompactSettings, RetentionSettings};
    use crate::testing::{DAY, World, tenant};

    #[tokio::test]
    async fn marks_of_upstream_are_swept_unless_an_index_names_the_chunk() {
        let world = World::new();
        let at = |day: i64| Nanos(day * DAY * Nanos::PER_MILLI + 5);
        let gone = world.put_lines("t", "gone", &[(at(90), "x")]).await;
        let kept = world.put_lines("t", "kept", &[(at(90), "y")]).await;
        let disk = &world.ports.disk;
        for key in world.keys().await.iter().filter(|key| key.starts_with("index/") && key.contains("gone")) {
            world.remove(key).await;
        }
        let keys = [gone, kept].map(|chunk| crate::marks::encode(&tenant("t"), &[chunk]).trim().to_owned());
        let rows: Vec<(&[u8], &[u8])> =
            vec![(&[0, 0, 0, 0, 0, 0, 0, 1], keys[0].as_bytes()), (&[0, 0, 0, 0, 0, 0, 0, 2], keys[1].as_bytes())];
        let dir = Path::new("/loki/compactor/retention/filesystem_2020-10-24/markers");
        disk.create_dir_all(dir).expect("new");
        let written = (world.clock_now().0 - 1).to_string();
        disk.write_atomic(&dir.join(&written), &write_file(b"chunks", &rows).expect("small")).expect("fits");
        disk.write_atomic(&dir.join("7"), b"no database").expect("fits");
        let settings = CompactSettings { retention: Some(RetentionSettings::default()), ..CompactSettings::default() };
        let compactor = world.compactor(settings);
        assert_eq!(compactor.take_marks_over(Path::new("/loki/compactor")).await.expect("read"), 2);
        assert_eq!(compactor.take_marks_over(Path::new("/loki/compactor")).await.expect("read"), 0, "once");
        assert!(disk.stat(&dir.join("7")).is_ok(), "what cannot be read is left");
        assert_eq!(compactor.sweep().await.expect("swept").removed, 0, "not yet");
        world.clock.advance(Duration::from_secs(7200));
        let swept = compactor.sweep().await.expect("swept");
        assert_eq!((swept.removed, swept.named), (1, 1));
    }
}
