//! Index objects are gzipped; a name without `.gz` says it is not.

use std::io::{Read, Write};

use bytes::Bytes;
use flate2::Compression;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;

use crate::error::IndexError;

/// What an object's name ends with when it is gzipped.
pub const GZIP_SUFFIX: &str = ".gz";

/// Compresses a built index file at gzip's default level.
pub fn compress(file: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(file.len() / 4 + 64), Compression::default());
    encoder.write_all(file).expect("writing to memory cannot fail");
    encoder.finish().expect("writing to memory cannot fail")
}

/// Inflates `object`, refusing more than `limit_bytes` of output.
pub fn decompress(object: &[u8], limit_bytes: usize) -> Result<Vec<u8>, IndexError> {
    let mut out = Vec::new();
    let mut decoder = MultiGzDecoder::new(object).take((limit_bytes as u64).saturating_add(1));
    decoder.read_to_end(&mut out).map_err(|error| IndexError::Gzip { why: error.to_string() })?;
    if out.len() > limit_bytes {
        return Err(IndexError::TooLarge { what: "inflated index object", limit: limit_bytes as u64 });
    }
    Ok(out)
}

/// The index file inside an object of this name: inflated if the name ends in `.gz`, else as it is.
pub fn unpack(name: &str, object: Bytes, limit_bytes: usize) -> Result<Bytes, IndexError> {
    if name.ends_with(GZIP_SUFFIX) {
        return decompress(&object, limit_bytes).map(Bytes::from);
    }
    if object.len() > limit_bytes {
        return Err(IndexError::TooLarge { what: "index object", limit: limit_bytes as u64 });
    }
    Ok(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out() {
        for len in [0usize, 1, 70_000] {
            let file: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
            assert_eq!(decompress(&compress(&file), len), Ok(file));
        }
    }

    #[test]
    fn a_bomb_is_refused() {
        let bomb = compress(&vec![0; 1 << 20]);
        let refused = IndexError::TooLarge { what: "inflated index object", limit: 1000 };
        assert_eq!(decompress(&bomb, 1000), Err(refused));
        assert!(unpack("1-a.tsdb", Bytes::from(bomb.clone()), 10).is_err());
        assert_eq!(unpack("1-a.tsdb", Bytes::from(bomb.clone()), 1 << 20), Ok(Bytes::from(bomb)));
    }

    #[test]
    fn cut_and_foreign_bytes_are_refused() {
        let object = compress(b"index");
        for len in 1..object.len() {
            assert!(matches!(decompress(&object[..len], 100), Err(IndexError::Gzip { .. })), "{len} bytes");
        }
        assert!(decompress(b"no gzip at all", 100).is_err());
    }
}
