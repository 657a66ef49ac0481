//! External keys of chunk objects, and the object names stores make of them.
//!
//! ```text
//! v9 to v11   <tenant>/<fingerprint>:<from>:<through>:<checksum>
//! from v12    <tenant>/<fingerprint>/<from>:<through>:<checksum>
//! ```
//!
//! Numbers are lower-case hex without prefix or padding; `from` and `through` are signed milliseconds. Readers make
//! keys from the index, so a key that differs in one digit is an object nobody finds.
//!
//! | store | name |
//! |---|---|
//! | filesystem | up to v11 base64 of the whole key; from v12 base64 of the part after the last `/` |
//! | Azure | `:` replaced by `-` (`chunk_delimiter`): [`with_delimiter`] |
//! | S3 with `chunk_delimiter` | `:` replaced by it |
//! | others | the key |

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use loptr_model::{ChunkRef, Fingerprint, Millis, TenantId};

use crate::error::ChunkError;
use crate::schema::SchemaVersion;

/// The key of a chunk in a period with `schema`.
///
/// ```
/// use loptr_chunk::{SchemaVersion, external_key};
/// use loptr_model::{ChunkRef, Fingerprint, Millis, TenantId};
/// let chunk = ChunkRef { fingerprint: Fingerprint(0xabc), from: Millis(0x10), through: Millis(0x20), checksum: 0xf };
/// assert_eq!(external_key(SchemaVersion::V13, &TenantId::single(), &chunk), "fake/abc/10:20:f");
/// assert_eq!(external_key(SchemaVersion::V11, &TenantId::single(), &chunk), "fake/abc:10:20:f");
/// ```
pub fn external_key(schema: SchemaVersion, tenant: &TenantId, chunk: &ChunkRef) -> String {
    let ChunkRef { fingerprint: Fingerprint(fingerprint), from, through, checksum } = *chunk;
    let separator = if schema.key_has_stream_folder() { '/' } else { ':' };
    let (from, through) = (Hex(from), Hex(through));
    format!("{tenant}/{fingerprint:x}{separator}{from}:{through}:{checksum:x}")
}

/// Signed hex, as Go prints it.
struct Hex(Millis);

impl std::fmt::Display for Hex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.0.0 < 0 { "-" } else { "" };
        write!(f, "{sign}{:x}", self.0.0.unsigned_abs())
    }
}

/// The tenant and chunk a key names, in either form.
pub fn parse_external_key(key: &str) -> Result<(TenantId, ChunkRef), ChunkError> {
    parse(key, ':').ok_or_else(|| ChunkError::Key { key: key.to_owned() })
}

/// The key with every `:` replaced, as Azure and S3 can be told to.
pub fn with_delimiter(key: &str, delimiter: &str) -> String {
    key.replace(':', delimiter)
}

/// As [`parse_external_key`], for a key with its `:` replaced by `delimiter`.
pub fn parse_delimited_key(key: &str, delimiter: char) -> Result<(TenantId, ChunkRef), ChunkError> {
    parse(key, delimiter).ok_or_else(|| ChunkError::Key { key: key.to_owned() })
}

/// The object name the filesystem store gives a key, relative to its folder.
pub fn filesystem_name(schema: SchemaVersion, key: &str) -> String {
    match key.rsplit_once('/') {
        Some((folder, file)) if schema.key_has_stream_folder() => format!("{folder}/{}", STANDARD.encode(file)),
        _ => STANDARD.encode(key),
    }
}

/// The key behind a filesystem object name, in either form.
pub fn parse_filesystem_name(name: &str) -> Result<String, ChunkError> {
    let (folder, file) = name.rsplit_once('/').map_or(("", name), |(folder, file)| (folder, file));
    let decoded = STANDARD.decode(file).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let file = decoded.ok_or_else(|| ChunkError::Key { key: name.to_owned() })?;
    Ok(if folder.is_empty() { file } else { format!("{folder}/{file}") })
}

fn parse(key: &str, delimiter: char) -> Option<(TenantId, ChunkRef)> {
    let (tenant, rest) = key.split_once('/')?;
    let (fingerprint, rest) = rest.split_once('/').or_else(|| rest.split_once(delimiter))?;
    let (from, rest) = split_signed(rest, delimiter)?;
    let (through, checksum) = split_signed(rest, delimiter)?;
    let chunk = ChunkRef {
        fingerprint: Fingerprint(hex(fingerprint)?),
        from: Millis(from),
        through: Millis(through),
        checksum: u32::try_from(hex(checksum)?).ok()?,
    };
    Some((TenantId::parse(tenant).ok()?, chunk))
}

/// A signed number and what follows the delimiter after it. A leading `-` is a sign even when it is the delimiter.
fn split_signed(text: &str, delimiter: char) -> Option<(i64, &str)> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    let (digits, rest) = digits.split_once(delimiter)?;
    let size = i128::from(hex(digits)?);
    Some((i64::try_from(if negative { -size } else { size }).ok()?, rest))
}

/// Hex digits alone: no sign, no prefix.
fn hex(text: &str) -> Option<u64> {
    if !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    u64::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn chunk(fingerprint: u64, from: i64, through: i64, checksum: u32) -> ChunkRef {
        ChunkRef { fingerprint: Fingerprint(fingerprint), from: Millis(from), through: Millis(through), checksum }
    }

    #[test]
    fn names_are_upstreams() {
        let golden = chunk(0x7cd2_8a69_82c6_4327, 0x18b_cfe5_687b, 0x18b_cfe5_687c, 0xf7f4_8b75);
        let key = external_key(SchemaVersion::V13, &TenantId::single(), &golden);
        assert_eq!(key, "fake/7cd28a6982c64327/18bcfe5687b:18bcfe5687c:f7f48b75");
        assert_eq!(with_delimiter(&key, "-"), "fake/7cd28a6982c64327/18bcfe5687b-18bcfe5687c-f7f48b75");

        // Names upstream's filesystem store gave.
        let name = "fake/34a76dd4bf85c8f/MWExZjMzZmI0ZTg6MWExZjM3M2U0NDg6MmZkNjQwODA=";
        let key = parse_filesystem_name(name).expect("a name");
        assert_eq!(key, "fake/34a76dd4bf85c8f/1a1f33fb4e8:1a1f373e448:2fd64080");
        assert_eq!(filesystem_name(SchemaVersion::V12, &key), name);
        let name = "ZmFrZS80M2I2NTYxNDQzOGM5MGQ2OjFhMWYzM2ZiOGQwOjFhMWYzNzQwMzg4OjE0OGQwODI3";
        let key = parse_filesystem_name(name).expect("a name");
        assert_eq!(key, "fake/43b65614438c90d6:1a1f33fb8d0:1a1f3740388:148d0827");
        assert_eq!(filesystem_name(SchemaVersion::V11, &key), name);
        let (tenant, parsed) = parse_external_key(&key).expect("a key");
        assert_eq!((tenant, parsed.checksum), (TenantId::single(), 0x148d_0827));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for key in [
            "",
            "/",
            "fake",
            "fake/",
            "fake/1",
            "fake/1/2",
            "fake/1/2:3",
            "fake/1/2:3:",
            "fake/1/2:3:4:5",
            "/1/2:3:4",
            "fake/x/2:3:4",
            "fake/1/2:3:100000000",
            "fake/+1/2:3:4",
            "fake/1/2:3:-4",
            "fake/1/--2:3:4",
            "fa|ke/1/2:3:4",
            "fake/1/2/3:4:5",
            "fake/10000000000000000/2:3:4",
            "fake/1/8000000000000000:3:4",
        ] {
            let found = parse_external_key(key);
            assert_eq!(found, Err(ChunkError::Key { key: key.to_owned() }));
        }
        assert!(parse_filesystem_name("index/index_20776/1795249451.tsdb.gz").is_err());
    }

    proptest! {
        #[test]
        fn keys_parse_back(fingerprint: u64, from: i64, through: i64, checksum: u32, which in 0usize..5, tenant in "[a-z-]{1,9}") {
            let schema = SchemaVersion::ALL[which];
            let chunk = chunk(fingerprint, from, through, checksum);
            let tenant = TenantId::parse(&tenant).expect("allowed");
            let key = external_key(schema, &tenant, &chunk);
            let want = (tenant, chunk);
            prop_assert_eq!(parse_external_key(&key), Ok(want.clone()));
            prop_assert_eq!(parse_filesystem_name(&filesystem_name(schema, &key)), Ok(key.clone()));
            prop_assert_eq!(parse_delimited_key(&with_delimiter(&key, "-"), '-'), Ok(want.clone()));
            prop_assert_eq!(parse_delimited_key(&with_delimiter(&key, "_"), '_'), Ok(want));
        }
    }
}
