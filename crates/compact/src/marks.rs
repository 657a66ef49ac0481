//! Chunks that no index needs any more, written down until they are removed.
//!
//! ```text
//! loptr~/compact/marks/00001795082400000000000-index_20776-5d1f…     <tenant>/<fp>/<from>:<through>:<checksum> ⏎ …
//! ```
//!
//! The name's number is the time of writing, Unix nanoseconds. A mark is durable before the index without its chunks is:
//! a crash between the two leaves marks of chunks that the index still names, which the sweep passes over.

use loptr_chunk::{SchemaVersion, external_key, parse_external_key};
use loptr_model::{ChunkRef, Nanos, TenantId};

/// Folder of marks among our own objects.
pub(crate) const DIR: &str = "compact/marks";
/// Chunks of one object at most.
pub(crate) const CHUNKS_MAX: usize = 10_000;

pub(crate) fn name(now: Nanos, table: &str, random: u64) -> String {
    format!("{DIR}/{:020}-{table}-{random:016x}", now.0.max(0))
}

/// When the marks of this name were written.
pub(crate) fn time_of(name: &str) -> Option<Nanos> {
    let file = name.strip_prefix(DIR)?.strip_prefix('/')?;
    file.split_once('-')?.0.parse().ok().map(Nanos)
}

pub(crate) fn encode(tenant: &TenantId, chunks: &[ChunkRef]) -> String {
    chunks.iter().flat_map(|chunk| [external_key(SchemaVersion::V13, tenant, chunk), "\n".to_owned()]).collect()
}

/// The chunks of a mark; a line that is none is told as it is.
pub(crate) fn decode(body: &[u8]) -> Result<Vec<(TenantId, ChunkRef)>, String> {
    let text = std::str::from_utf8(body).map_err(|error| error.to_string())?;
    text.lines().map(|line| parse_external_key(line).map_err(|error| error.to_string())).collect()
}

#[cfg(test)]
mod tests {
    use loptr_model::{Fingerprint, Millis};

    use super::*;
    use crate::testing::{table, tenant};

    #[test]
    fn marks_come_back() {
        let chunk =
            |checksum| ChunkRef { fingerprint: Fingerprint(0xabc), from: Millis(-5), through: Millis(9), checksum };
        let chunks = [chunk(1), chunk(2)];
        let read = decode(encode(&tenant("t"), &chunks).as_bytes()).expect("as written");
        assert_eq!(read, chunks.map(|chunk| (tenant("t"), chunk)));
        assert_eq!(decode(b""), Ok(Vec::new()));
        assert!(decode(b"t/abc\n").is_err() && decode(b"\xff").is_err());
        let now = Nanos(1_795_082_400_000_000_000);
        let name = name(now, &table(7).name, 1);
        assert_eq!((time_of(&name), time_of("compact/marks/x"), time_of("other")), (Some(now), None, None));
    }
}
