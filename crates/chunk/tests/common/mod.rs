//! Reading chunks whole, for tests.
#![allow(clippy::disallowed_methods, reason = "test data comes from files")]
#![allow(dead_code, reason = "each test file uses a part")]

use std::path::{Path, PathBuf};

use loptr_chunk::{Chunk, ChunkError};

/// Time, line, metadata.
pub(crate) type Entry = (i64, Vec<u8>, Vec<(String, String)>);

pub(crate) fn read(chunk: &Chunk) -> Result<Vec<Entry>, ChunkError> {
    let symbols = chunk.symbols()?;
    let mut buf = Vec::new();
    let mut found = Vec::new();
    for index in 0..chunk.blocks().len() {
        for entry in chunk.decode_block(index, &mut buf)?.entries() {
            let entry = entry?;
            let pairs = entry.metadata.resolve(symbols).map(|pair| pair.map(|(a, b)| (a.to_owned(), b.to_owned())));
            found.push((entry.ts.0, entry.line.to_vec(), pairs.collect::<Result<_, _>>()?));
        }
    }
    Ok(found)
}

pub(crate) fn upstream() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/upstream")
}

/// Every chunk object under `folder`, as (name relative to it, bytes). Indexes are left out.
pub(crate) fn objects(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for file in std::fs::read_dir(&next).expect("a folder") {
            let path = file.expect("an entry").path();
            if path.is_dir() {
                if path.file_name().is_some_and(|name| name != "index") {
                    folders.push(path);
                }
            } else {
                let name = path.strip_prefix(folder).expect("inside").to_str().expect("text").to_owned();
                found.push((name, std::fs::read(&path).expect("readable")));
            }
        }
    }
    found.sort();
    found
}

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("ascii"), 16).expect("hex");
    digits.chunks(2).map(byte).collect()
}
