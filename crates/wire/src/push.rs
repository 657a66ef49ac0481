//! Push bodies ↔ entries: `POST /loki/api/v1/push` and `/api/prom/push`.
//!
//! [`decode_push`] takes the body as it came and answers a [`DecodedPush`]: the decompressed bytes, once, with a flat
//! table of where each line lies in them. Lines are never copied, except JSON lines that hold escapes; label texts and
//! structured metadata, which must be valid UTF-8 from here on, are gathered in one string.
//!
//! ```text
//! body ──Content-Encoding──▶ bytes ──snappy block──▶ protobuf ─┐
//!                              └──────────────────▶ JSON ──────┴─▶ streams [labels, first entry..]
//!                                                                  entries [ts, line span, first pair..]
//!                                                                  pairs   [name span, value span]
//! ```
//!
//! Nothing here judges the entries: label syntax ([`crate::labels`]), limits and age are checked by `ingest`.
//! Errors carry upstream's texts and a [`PushErrorKind`] that becomes status 400 or 413.

use bytes::Bytes;
use loptr_model::Nanos;

mod body;
mod cursor;
mod fields;
mod json;
mod media;
pub mod otlp;
mod proto;
mod table;

pub use fields::ProtoError;
pub use media::{MediaTypeError, media_type};
pub use proto::{ProtoPush, encode_push, encode_status};
pub use table::{DecodedPush, PushEntry, PushMetadata, PushStream};

/// Longest label text of one stream, in bytes.
pub const MAX_STREAM_LABELS_BYTES: usize = 1 << 24;

/// How large a push body may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PushLimits {
    /// Bytes of the body as received, and of the snappy block inside gzip (`distributor.max_recv_msg_size`).
    pub max_body_bytes: usize,
    /// Bytes once decompressed (`distributor.max_decompressed_size`); 0 leaves only the ceiling of 4 GiB.
    pub max_decompressed_bytes: u64,
}

impl Default for PushLimits {
    fn default() -> Self {
        Self { max_body_bytes: 100 << 20, max_decompressed_bytes: 5000 << 20 }
    }
}

/// Which status a [`PushError`] becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushErrorKind {
    /// 400: the body cannot be read.
    BadRequest,
    /// 413: the body, or one stream's labels, are too large.
    TooLarge,
}

/// Why a push body was refused as a whole. The texts are upstream's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// The body as received is over the limit.
    #[error("request body too large: message size too large than max ({size} vs {max})")]
    BodyTooLarge {
        /// Bytes received, or announced.
        size: u64,
        /// The limit.
        max: u64,
    },
    /// A JSON body as received is over the limit (upstream answers 400 here).
    #[error("compressed message size {size} exceeds limit {max}")]
    JsonBodyTooLarge {
        /// Bytes received, or announced.
        size: u64,
        /// The limit.
        max: u64,
    },
    /// The label text of one stream is over [`MAX_STREAM_LABELS_BYTES`].
    #[error("request body too large: stream labels size {} exceeds limit of 17 MB", crate::go::human_bytes(*size))]
    LabelsTooLarge {
        /// Bytes of the label text.
        size: u64,
    },
    /// The decompressed body is over the limit.
    #[error("decompressed message size too large than max ({size} vs {max})")]
    DecompressedTooLarge {
        /// Bytes announced, or reached when reading stopped.
        size: u64,
        /// The limit.
        max: u64,
    },
    /// A `Content-Encoding` other than none, snappy, gzip, deflate.
    #[error("Content-Encoding {} not supported", loptr_model::go_quote(.0))]
    Encoding(String),
    /// A `Content-Encoding` of an OTLP body other than none, gzip, lz4, zstd.
    #[error("unsupported content encoding {0}: only gzip, lz4 and zstd are supported")]
    OtlpEncoding(String),
    /// A `Content-Type` of an OTLP body other than the two there are.
    #[error("content type: {0} is not supported")]
    OtlpContentType(String),
    /// An OTLP message is malformed or an attribute has no name.
    #[error("{0}")]
    Otlp(String),
    /// The entries of an OTLP request would hold too much structured metadata.
    #[error("request body too large: its entries have more than {max} pairs of structured metadata")]
    TooManyPairs {
        /// The limit.
        max: usize,
    },
    /// The `Content-Type` is missing or malformed.
    #[error(transparent)]
    MediaType(#[from] MediaTypeError),
    /// The body does not decompress.
    #[error("{0}")]
    Compression(String),
    /// The protobuf message is malformed.
    #[error(transparent)]
    Proto(#[from] ProtoError),
    /// The JSON document is malformed.
    #[error("{0}")]
    Json(String),
}

impl PushError {
    /// Which status this becomes.
    pub fn kind(&self) -> PushErrorKind {
        match self {
            PushError::BodyTooLarge { .. } | PushError::LabelsTooLarge { .. } | PushError::TooManyPairs { .. } => {
                PushErrorKind::TooLarge
            }
            _ => PushErrorKind::BadRequest,
        }
    }
}

/// The format of a push body, for the `format` label of upstream's metrics and for choosing what to log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushFormat {
    /// Snappy block around protobuf.
    Proto,
    /// JSON with `stream` and `values`.
    JsonV1,
    /// JSON with `labels` and `entries`.
    JsonLegacy,
    /// OTLP, protobuf or JSON.
    Otlp,
}

/// Decodes one push body.
///
/// `content_type` and `content_encoding` are the header values ("" when absent); `path_is_v1` tells whether the
/// request URI contains `/loki/api/v1` ([`path_is_v1`]) and decides between the two JSON shapes.
pub fn decode_push(
    content_type: &str,
    content_encoding: &str,
    path_is_v1: bool,
    body: Bytes,
    limits: &PushLimits,
) -> Result<DecodedPush, PushError> {
    let encoding = body::Encoding::parse(content_encoding)?;
    let body = body::Body::open(encoding, body)?;
    let media = media_type(content_type)?;
    if media == "application/json" {
        let bytes = body.read_json(limits)?;
        return json::decode(bytes, path_is_v1);
    }
    proto::decode(body.read_snappy(limits)?)
}

/// Decodes an uncompressed `PushRequest` message.
pub fn decode_push_proto(message: Bytes) -> Result<DecodedPush, PushError> {
    proto::decode(message)
}

/// Whether a request URI belongs to the v1 API: it contains `/loki/api/v1`, in any case.
pub fn path_is_v1(uri: &str) -> bool {
    uri.to_lowercase().contains("/loki/api/v1")
}

/// Nanoseconds since the epoch of a time given as seconds and nanoseconds, stopping at the representable ends.
fn saturating_nanos(seconds: i64, nanos: i64) -> Nanos {
    let total = i128::from(seconds) * i128::from(Nanos::PER_SEC) + i128::from(nanos);
    Nanos(total.clamp(i64::MIN.into(), i64::MAX.into()) as i64)
}

#[cfg(test)]
mod tests;
