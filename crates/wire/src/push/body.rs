//! From the body as received to the bytes inside, never past the limits.

use std::io::{self, Read};

use bytes::Bytes;

use super::{PushError, PushLimits};

/// Longest output of one snappy element over its own length: a copy of 64 bytes takes 3.
const SNAPPY_MAX_RATIO: u64 = 22;

/// Largest window of a zstd frame, as a power of two: 128 MiB.
const ZSTD_MAX_WINDOW_LOG: u32 = 27;

/// What spans can address ([`super::table`]).
const CEILING: u64 = u32::MAX as u64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Identity,
    Gzip,
    Deflate,
    Zstd,
    Lz4,
}

impl Encoding {
    pub(super) fn parse(header: &str) -> Result<Self, PushError> {
        match header {
            // `snappy` says what a protobuf body is anyway.
            "" | "snappy" => Ok(Encoding::Identity),
            "gzip" => Ok(Encoding::Gzip),
            "deflate" => Ok(Encoding::Deflate),
            other => Err(PushError::Encoding(other.to_owned())),
        }
    }

    /// Those of OTLP.
    pub(super) fn parse_otlp(header: &str) -> Result<Self, PushError> {
        match header {
            "" => Ok(Encoding::Identity),
            "gzip" => Ok(Encoding::Gzip),
            "zstd" => Ok(Encoding::Zstd),
            "lz4" => Ok(Encoding::Lz4),
            other => Err(PushError::OtlpEncoding(other.to_owned())),
        }
    }
}

/// A body whose outer encoding is known, not yet read.
pub(super) struct Body {
    encoding: Encoding,
    received: Bytes,
}

impl Body {
    /// A gzip header is looked at before anything else, as upstream does.
    pub(super) fn open(encoding: Encoding, received: Bytes) -> Result<Self, PushError> {
        if encoding == Encoding::Gzip {
            check_gzip_header(&received)?;
        }
        Ok(Self { encoding, received })
    }

    /// The JSON document.
    pub(super) fn read_json(self, limits: &PushLimits) -> Result<Bytes, PushError> {
        let (size, max) = (self.received.len() as u64, limits.max_body_bytes as u64);
        if limits.max_body_bytes > 0 && size > max {
            return Err(PushError::JsonBodyTooLarge { size, max });
        }
        if self.encoding == Encoding::Identity {
            return Ok(self.received);
        }
        let max = ceiling(limits.max_decompressed_bytes);
        let bytes = self.inflate(max)?;
        if bytes.len() as u64 > max {
            return Err(PushError::DecompressedTooLarge { size: bytes.len() as u64, max });
        }
        Ok(bytes)
    }

    /// The OTLP message or document.
    pub(super) fn read_otlp(self, limits: &PushLimits) -> Result<Bytes, PushError> {
        let (size, max) = (self.received.len() as u64, limits.max_body_bytes as u64);
        if max > 0 && size > max {
            return Err(PushError::BodyTooLarge { size, max });
        }
        let max = ceiling(limits.max_decompressed_bytes);
        let bytes = self.inflate(max)?;
        if bytes.len() as u64 > max {
            return Err(PushError::DecompressedTooLarge { size: bytes.len() as u64, max });
        }
        Ok(bytes)
    }

    /// The protobuf message inside the snappy block.
    pub(super) fn read_snappy(self, limits: &PushLimits) -> Result<Bytes, PushError> {
        let max = limits.max_body_bytes as u64;
        let too_large = |size| PushError::BodyTooLarge { size, max };
        if self.received.len() as u64 > max {
            return Err(too_large(self.received.len() as u64));
        }
        let block = if self.encoding == Encoding::Identity { self.received } else { self.inflate(max)? };
        if block.len() as u64 > max {
            return Err(too_large(block.len() as u64));
        }
        let size = snap::raw::decompress_len(&block).map_err(|_| corrupt_snappy())? as u64;
        let max = limits.max_decompressed_bytes;
        if (max > 0 && size > max) || size > CEILING {
            return Err(PushError::DecompressedTooLarge { size, max: ceiling(max) });
        }
        if size > (block.len() as u64).saturating_mul(SNAPPY_MAX_RATIO) {
            return Err(corrupt_snappy());
        }
        let message = snap::raw::Decoder::new().decompress_vec(&block).map_err(|_| corrupt_snappy())?;
        Ok(message.into())
    }

    /// Inflates at most `max` + 1 bytes.
    fn inflate(&self, max: u64) -> Result<Bytes, PushError> {
        let received: &[u8] = &self.received;
        match self.encoding {
            Encoding::Identity => Ok(self.received.clone()),
            Encoding::Gzip => {
                let mut reader = flate2::bufread::MultiGzDecoder::new(received);
                let result = read_bounded(&mut reader, max, received.len());
                let consumed = received.len() - reader.get_ref().len();
                result.map_err(|error| PushError::Compression(inflate_text(&error, consumed)))
            }
            Encoding::Deflate => {
                let mut reader = flate2::bufread::DeflateDecoder::new(received);
                let result = read_bounded(&mut reader, max, received.len());
                let consumed = received.len() - reader.get_ref().len();
                result.map_err(|error| PushError::Compression(inflate_text(&error, consumed)))
            }
            Encoding::Zstd => {
                let read = || {
                    let mut reader = zstd::stream::read::Decoder::with_buffer(received)?;
                    reader.window_log_max(ZSTD_MAX_WINDOW_LOG)?;
                    read_bounded(&mut reader, max, received.len())
                };
                if received.is_empty() {
                    return Ok(Bytes::new());
                }
                read().map_err(|error| PushError::Compression(zstd_text(&error)))
            }
            Encoding::Lz4 => {
                let mut reader = lz4_flex::frame::FrameDecoder::new(received);
                let result = read_bounded(&mut reader, max, received.len());
                result.map_err(|error| PushError::Compression(lz4_text(&error)))
            }
        }
    }
}

fn ceiling(max_decompressed_bytes: u64) -> u64 {
    if max_decompressed_bytes == 0 { CEILING } else { max_decompressed_bytes.min(CEILING) }
}

fn read_bounded(reader: &mut impl Read, max: u64, received: usize) -> io::Result<Bytes> {
    let mut out = Vec::with_capacity(received.saturating_mul(4).min(usize::try_from(max).unwrap_or(usize::MAX)));
    reader.take(max.saturating_add(1)).read_to_end(&mut out)?;
    Ok(out.into())
}

fn corrupt_snappy() -> PushError {
    PushError::Compression("snappy: corrupt input".to_owned())
}

fn check_gzip_header(received: &[u8]) -> Result<(), PushError> {
    let text = match received {
        [] => "EOF",
        [0x1f, 0x8b, 8, ..] if received.len() >= 10 => return Ok(()),
        _ if received.len() < 10 => "unexpected EOF",
        _ => "gzip: invalid header",
    };
    Err(PushError::Compression(text.to_owned()))
}

fn zstd_text(error: &io::Error) -> String {
    match error.to_string().as_str() {
        "Unknown frame descriptor" => "invalid input: magic number mismatch".to_owned(),
        "incomplete frame" => "unexpected EOF".to_owned(),
        text => format!("zstd: {text}"),
    }
}

fn lz4_text(error: &io::Error) -> String {
    match error.to_string().as_str() {
        "WrongMagicNumber" => "lz4: bad magic number".to_owned(),
        text => format!("lz4: {text}"),
    }
}

/// The library's errors in upstream's words.
fn inflate_text(error: &io::Error, consumed: usize) -> String {
    let text = error.to_string();
    if error.kind() == io::ErrorKind::UnexpectedEof {
        "unexpected EOF".to_owned()
    } else if text.contains("checksum") {
        "gzip: invalid checksum".to_owned()
    } else if text.contains("header") {
        "gzip: invalid header".to_owned()
    } else {
        format!("flate: corrupt input before offset {consumed}")
    }
}
