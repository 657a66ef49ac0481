//! Packed folders of `testdata`, unpacked in memory once.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use serde_json::Value;

const PACKED: [&[u8]; 3] = [
    include_bytes!("../../../testdata/buckets.tar.zst"),
    include_bytes!("../../../testdata/boltdb.tar.zst"),
    include_bytes!("../../../testdata/killed.tar.zst"),
];
/// Window of the archives, as a power of two.
const WINDOW_LOG: u32 = 27;

pub(crate) type Files = BTreeMap<String, Vec<u8>>;

fn files() -> &'static Files {
    static FILES: OnceLock<Files> = OnceLock::new();
    FILES.get_or_init(|| PACKED.into_iter().flat_map(unpacked).collect())
}

/// The files of a packed folder, by path.
pub(crate) fn unpacked(packed: &[u8]) -> Files {
    let mut decoder = zstd::Decoder::new(packed).expect("zstd opens");
    decoder.window_log_max(WINDOW_LOG).expect("zstd allows the window");
    let mut tar = Vec::new();
    std::io::copy(&mut decoder, &mut tar).expect("the archive is whole");
    untar(&tar)
}

/// The files of a ustar archive.
fn untar(tar: &[u8]) -> Files {
    let text = |field: &[u8]| {
        let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
        String::from_utf8(field[..end].to_vec()).expect("names are text")
    };
    let mut files = Files::new();
    let mut at = 0;
    while tar[at] != 0 {
        let head = &tar[at..at + 512];
        let (name, prefix) = (text(&head[..100]), text(&head[345..500]));
        let size = usize::from_str_radix(text(&head[124..136]).trim(), 8).expect("sizes are octal");
        at += 512;
        if head[156] == b'0' {
            let path = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
            files.insert(path, tar[at..at + size].to_vec());
        }
        at += size.next_multiple_of(512);
    }
    files
}

/// Writes the files of folder `bucket` of the archive below `dir`.
pub(crate) fn unpack(bucket: &str, dir: &Path) {
    let prefix = format!("{bucket}/");
    let mut found = 0;
    for (path, bytes) in files() {
        let Some(rest) = path.strip_prefix(&prefix) else { continue };
        let target = dir.join(rest);
        fs::create_dir_all(target.parent().expect("it lies in a folder")).expect("folders can be made");
        fs::write(target, bytes).expect("files can be written");
        found += 1;
    }
    assert!(found > 0, "the archive has no folder {bucket}");
}

/// What was pushed: the bodies whose path begins with `prefix`, in order.
pub(crate) fn pushed(prefix: &str) -> Vec<Value> {
    let prefix = format!("pushed/{prefix}");
    let bodies = files().iter().filter(|(path, _)| path.starts_with(&prefix));
    let bodies: Vec<Value> = bodies.map(|(_, bytes)| serde_json::from_slice(bytes).expect("bodies are JSON")).collect();
    assert!(!bodies.is_empty(), "the archive has no {prefix}");
    bodies
}
