//! OTLP log bodies: `POST /otlp/v1/logs`, protobuf or JSON.
//!
//! [`decode_otlp`] makes a [`DecodedPush`] of them, as if the client had sent streams:
//!
//! ```text
//! body ──encoding──▶ resources [attributes, scopes [name, version, attributes, records [time, body, attributes…]]]
//!                        │ rules                     │                                    │ rules
//!                        ▼                           ▼                                    ▼
//!                    labels of the stream      metadata of each entry           labels or metadata
//! ```
//!
//! What an attribute becomes is said by [`OtlpRules`]: first match decides, no match means structured metadata. Names
//! are normalised ([`crate::enrich::normalize_name`]), maps flattened with `_`, other values put into text. Metadata
//! comes in this order: the record's attributes and fields, the resource's attributes, the scope's attributes and
//! fields. A resource's metadata is stored once however many records share it.
//!
//! Strings that are not UTF-8 stay bytes in lines, lose the bytes in metadata, and as labels drop what they label, as
//! upstream has it.

mod json;
mod map;
mod proto;
mod rules;
mod value;

use bytes::Bytes;
use loptr_model::Nanos;

use super::body::{Body, Encoding};
use super::table::DecodedPush;
use super::{PushError, PushLimits};

pub use rules::{NamePattern, OtlpAction, OtlpNames, OtlpRule, OtlpRules};

/// Values nested deeper than this are refused.
pub const MAX_VALUE_DEPTH: usize = 128;

/// Pairs of structured metadata over all entries of a request, those of resource and scope counted for each entry.
pub const MAX_REQUEST_PAIRS: usize = 8 << 20;

/// What else a body's meaning hangs on.
#[derive(Clone, Copy, Debug)]
pub struct OtlpContext<'a> {
    /// Which attributes become labels.
    pub rules: &'a OtlpRules,
    /// Labels that `service_name` is taken from; empty: it is not added.
    pub discover_service_name: &'a [String],
    /// The time of records that have none.
    pub now: Nanos,
}

/// Decodes one body. Content types are compared whole: no parameters, no other case.
pub fn decode_otlp(
    content_type: &str,
    content_encoding: &str,
    body: Bytes,
    limits: &PushLimits,
    context: OtlpContext<'_>,
) -> Result<DecodedPush, PushError> {
    let encoding = Encoding::parse_otlp(content_encoding)?;
    let body = Body::open(encoding, body)?.read_otlp(limits)?;
    match content_type {
        "application/x-protobuf" => proto::decode(body, context),
        "application/json" => json::decode(body, context),
        other => Err(PushError::OtlpContentType(other.to_owned())),
    }
}

/// A record's attribute or a member of a map.
type Attribute<'a> = (Text<'a>, Value<'a>);

/// Text as sent, which need not be UTF-8.
type Text<'a> = std::borrow::Cow<'a, [u8]>;

/// What an attribute or a body holds.
#[derive(Clone, Debug, Default, PartialEq)]
enum Value<'a> {
    #[default]
    Empty,
    Text(Text<'a>),
    Bool(bool),
    Int(i64),
    Double(f64),
    Bytes(Text<'a>),
    List(Vec<Value<'a>>),
    Map(Vec<Attribute<'a>>),
}

/// An instrumentation scope.
#[derive(Debug, Default)]
struct Scope<'a> {
    name: Text<'a>,
    version: Text<'a>,
    attributes: Vec<Attribute<'a>>,
    dropped: u32,
}

/// A log record.
#[derive(Debug, Default)]
struct Record<'a> {
    time: u64,
    observed: u64,
    severity_number: i32,
    severity_text: Text<'a>,
    body: Value<'a>,
    attributes: Vec<Attribute<'a>>,
    dropped: u32,
    flags: u32,
    trace_id: [u8; 16],
    span_id: [u8; 8],
}

fn too_deep() -> String {
    format!("value is nested deeper than {MAX_VALUE_DEPTH} levels")
}

#[cfg(test)]
mod tests;
