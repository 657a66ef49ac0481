//! `ExportLogsServiceRequest` as JSON, as upstream's decoder reads it.
//!
//! Names in camel or snake case; integers as numbers or text; ids in hexadecimal, bytes in base64; a severity by number
//! or name. Unknown members are skipped. `null` is an empty object, list or text. What follows the document is not
//! looked at.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::map::Mapper;
use super::{Attribute, MAX_VALUE_DEPTH, OtlpContext, Record, Scope, Text, Value};
use crate::lenient::unescape_into;
use crate::push::PushError;
use crate::push::cursor::{Cursor, Fault};
use crate::push::table::DecodedPush;

/// Names of severities, four of each.
const SEVERITIES: [&str; 6] = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];

#[derive(Default)]
struct Resource<'a> {
    attributes: Vec<Attribute<'a>>,
    scopes: Vec<ScopeRecords<'a>>,
    old_scopes: Vec<ScopeRecords<'a>>,
}

#[derive(Default)]
struct ScopeRecords<'a> {
    scope: Scope<'a>,
    records: Vec<Record<'a>>,
}

pub(super) fn decode(body: Bytes, context: OtlpContext<'_>) -> Result<DecodedPush, PushError> {
    let mapper = Mapper::new(body.clone(), context)?;
    let mut reader = Reader { cursor: Cursor::whole(&body) };
    let mut resources: Vec<Resource<'_>> = Vec::new();
    while let Some(name) = reader.member()? {
        match &*name {
            b"resourceLogs" | b"resource_logs" => {
                while reader.element()? {
                    resources.push(reader.resource()?);
                }
            }
            _ => reader.skip()?,
        }
    }
    map(mapper, &resources)
}

fn map(mut mapper: Mapper<'_>, resources: &[Resource<'_>]) -> Result<DecodedPush, PushError> {
    for resource in resources {
        mapper.resource(&resource.attributes);
        let scopes = if resource.scopes.is_empty() { &resource.old_scopes } else { &resource.scopes };
        for ScopeRecords { scope, records } in scopes {
            mapper.scope(scope);
            for record in records {
                mapper.record(record);
            }
        }
    }
    mapper.finish()
}

struct Reader<'a> {
    cursor: Cursor<'a>,
}

type Read<T> = Result<T, Fault>;

impl<'a> Reader<'a> {
    fn resource(&mut self) -> Read<Resource<'a>> {
        let mut resource = Resource::default();
        while let Some(name) = self.member()? {
            match &*name {
                b"resource" => {
                    while let Some(name) = self.member()? {
                        match &*name {
                            b"attributes" => self.attributes(&mut resource.attributes, 0)?,
                            b"droppedAttributesCount" | b"dropped_attributes_count" => drop(self.unsigned("Uint32")?),
                            _ => self.skip()?,
                        }
                    }
                }
                b"scopeLogs" | b"scope_logs" => {
                    while self.element()? {
                        resource.scopes.push(self.scope_records()?);
                    }
                }
                b"deprecatedScopeLogs" | b"deprecated_scope_logs" => {
                    while self.element()? {
                        resource.old_scopes.push(self.scope_records()?);
                    }
                }
                b"schemaUrl" | b"schema_url" => drop(self.text()?),
                _ => self.skip()?,
            }
        }
        Ok(resource)
    }

    fn scope_records(&mut self) -> Read<ScopeRecords<'a>> {
        let mut found = ScopeRecords::default();
        while let Some(name) = self.member()? {
            match &*name {
                b"scope" => self.scope(&mut found.scope)?,
                b"logRecords" | b"log_records" => {
                    while self.element()? {
                        found.records.push(self.record()?);
                    }
                }
                b"schemaUrl" | b"schema_url" => drop(self.text()?),
                _ => self.skip()?,
            }
        }
        Ok(found)
    }

    fn scope(&mut self, scope: &mut Scope<'a>) -> Read<()> {
        while let Some(name) = self.member()? {
            match &*name {
                b"name" => scope.name = self.text()?,
                b"version" => scope.version = self.text()?,
                b"attributes" => self.attributes(&mut scope.attributes, 0)?,
                b"droppedAttributesCount" | b"dropped_attributes_count" => {
                    scope.dropped = self.unsigned("Uint32")? as u32
                }
                _ => self.skip()?,
            }
        }
        Ok(())
    }

    fn record(&mut self) -> Read<Record<'a>> {
        let mut record = Record::default();
        while let Some(name) = self.member()? {
            match &*name {
                b"timeUnixNano" | b"time_unix_nano" => record.time = self.unsigned("Uint64")?,
                b"observedTimeUnixNano" | b"observed_time_unix_nano" => record.observed = self.unsigned("Uint64")?,
                b"severityNumber" | b"severity_number" => record.severity_number = self.severity()?,
                b"severityText" | b"severity_text" => record.severity_text = self.text()?,
                b"body" => self.value(&mut record.body, 0)?,
                b"attributes" => self.attributes(&mut record.attributes, 0)?,
                b"droppedAttributesCount" | b"dropped_attributes_count" => {
                    record.dropped = self.unsigned("Uint32")? as u32;
                }
                b"flags" => record.flags = self.unsigned("Uint32")? as u32,
                b"traceId" | b"trace_id" => record.trace_id = self.id()?,
                b"spanId" | b"span_id" => record.span_id = self.id()?,
                b"eventName" | b"event_name" => drop(self.text()?),
                _ => self.skip()?,
            }
        }
        Ok(record)
    }

    fn attributes(&mut self, out: &mut Vec<Attribute<'a>>, depth: usize) -> Read<()> {
        while self.element()? {
            let mut attribute = Attribute::default();
            while let Some(name) = self.member()? {
                match &*name {
                    b"key" => attribute.0 = self.text()?,
                    b"value" => self.value(&mut attribute.1, depth)?,
                    _ => self.skip()?,
                }
            }
            out.push(attribute);
        }
        Ok(())
    }

    fn value(&mut self, out: &mut Value<'a>, depth: usize) -> Read<()> {
        if depth > MAX_VALUE_DEPTH {
            return Err(Fault::Json(super::too_deep()));
        }
        while let Some(name) = self.member()? {
            match &*name {
                b"stringValue" | b"string_value" => *out = Value::Text(self.text()?),
                b"boolValue" | b"bool_value" => *out = Value::Bool(self.truth()?),
                b"intValue" | b"int_value" => *out = Value::Int(self.signed("Int64")?),
                b"doubleValue" | b"double_value" => *out = Value::Double(self.double()?),
                b"arrayValue" | b"array_value" => *out = Value::List(self.list(depth + 1)?),
                b"kvlistValue" | b"kvlist_value" => {
                    let mut members = Vec::new();
                    self.values_member(|reader| reader.attributes(&mut members, depth + 1))?;
                    *out = Value::Map(members);
                }
                b"bytesValue" | b"bytes_value" => *out = Value::Bytes(self.bytes()?),
                _ => self.skip()?,
            }
        }
        Ok(())
    }

    fn list(&mut self, depth: usize) -> Read<Vec<Value<'a>>> {
        let mut items = Vec::new();
        self.values_member(|reader| {
            while reader.element()? {
                let mut item = Value::Empty;
                reader.value(&mut item, depth)?;
                items.push(item);
            }
            Ok(())
        })?;
        Ok(items)
    }

    /// An object of which only `values` counts.
    fn values_member(&mut self, mut read: impl FnMut(&mut Self) -> Read<()>) -> Read<()> {
        while let Some(name) = self.member()? {
            match &*name {
                b"values" => read(self)?,
                _ => self.skip()?,
            }
        }
        Ok(())
    }

    /// The next member's name; none at the object's end, which an empty name is taken for as well.
    fn member(&mut self) -> Read<Option<Text<'a>>> {
        match self.cursor.next_token() {
            b'n' => return self.cursor.literal(b"ull").map(|()| None),
            b'{' => match self.cursor.next_token() {
                b'"' => self.cursor.unread(),
                b'}' => return Ok(None),
                other => return Err(self.cursor.unexpected("ReadObject", "expect \" after {, but found ", other)),
            },
            b',' => {}
            b'}' => return Ok(None),
            other => {
                return Err(self.cursor.unexpected("ReadObject", "expect { or , or } or n, but found ", other));
            }
        }
        let name = self.text()?;
        match self.cursor.next_token() {
            b':' => Ok((!name.is_empty()).then_some(name)),
            other => Err(self.cursor.unexpected("ReadObject", "expect : after object field, but found ", other)),
        }
    }

    /// Whether an element follows.
    fn element(&mut self) -> Read<bool> {
        match self.cursor.next_token() {
            b'n' => self.cursor.literal(b"ull").map(|()| false),
            b'[' => {
                let is_empty = self.cursor.next_token() == b']';
                if !is_empty {
                    self.cursor.unread();
                }
                Ok(!is_empty)
            }
            b']' => Ok(false),
            b',' => Ok(true),
            other => Err(self.cursor.unexpected("ReadArray", "expect [ or , or ] or n, but found ", other)),
        }
    }

    fn skip(&mut self) -> Read<()> {
        self.cursor.skip()
    }

    fn text(&mut self) -> Read<Text<'a>> {
        let Some(place) = self.cursor.string()? else { return Ok(Text::default()) };
        let text = &self.cursor.buf()[place.start..place.end];
        if !place.escaped {
            return Ok(Cow::Borrowed(text));
        }
        let mut out = Vec::with_capacity(text.len());
        if !unescape_into(text, &mut out) {
            // Half a surrogate pair: upstream's parser puts a mark in its place, so do we.
            out = unescape_loosely(text);
        }
        Ok(Cow::Owned(out))
    }

    /// A text whose escapes stay as they are; not `null`.
    fn raw_text(&mut self) -> Read<&'a [u8]> {
        match self.cursor.next_token() {
            b'"' => Ok(self.cursor.until_quote()),
            other => Err(self.cursor.unexpected("ReadStringAsSlice", "expects \" or n, but found ", other)),
        }
    }

    fn bytes(&mut self) -> Read<Text<'a>> {
        let text = self.raw_text()?;
        match STANDARD.decode(text) {
            Ok(bytes) => Ok(Cow::Owned(bytes)),
            Err(_) => {
                let legal = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
                let at = text.iter().position(|byte| !legal(byte)).unwrap_or(text.len() / 4 * 4);
                Err(self.cursor.fault("base64.Decode", &format!("illegal base64 data at input byte {at}")))
            }
        }
    }

    fn id<const N: usize>(&mut self) -> Read<[u8; N]> {
        let text = self.raw_text()?;
        let mut id = [0; N];
        if text.is_empty() {
            return Ok(id);
        }
        if text.len() / 2 != N {
            return Err(self.cursor.fault("ID.UnmarshalJSONIter", "length mismatch"));
        }
        for (byte, pair) in id.iter_mut().zip(text.chunks(2)) {
            let digit = |at: usize| pair.get(at).and_then(|digit| (*digit as char).to_digit(16));
            let (Some(high), Some(low)) = (digit(0), digit(1)) else {
                let bad = pair.iter().find(|digit| !digit.is_ascii_hexdigit()).copied().unwrap_or_default();
                let shown = format!("encoding/hex: invalid byte: {}", crate::labels::name_rune(char::from(bad)));
                return Err(self.cursor.fault("ID.UnmarshalJSONIter", &shown));
            };
            *byte = (high << 4 | low) as u8;
        }
        if text.len() % 2 == 1 {
            return Err(self.cursor.fault("ID.UnmarshalJSONIter", "encoding/hex: odd length hex string"));
        }
        Ok(id)
    }

    fn truth(&mut self) -> Read<bool> {
        match self.cursor.next_token() {
            b't' => self.cursor.literal(b"rue").map(|()| true),
            b'f' => self.cursor.literal(b"alse").map(|()| false),
            other => Err(self.cursor.unexpected("ReadBool", "expect t or f, but found ", other)),
        }
    }

    fn severity(&mut self) -> Read<i32> {
        match self.peek() {
            b'"' => {
                let name = self.text()?;
                named_severity(&name).ok_or_else(|| self.cursor.fault("ReadEnumValue", "unknown string value"))
            }
            b'-' | b'0'..=b'9' => self.signed("Int32").map(|number| number as i32),
            _ => Err(self.cursor.fault("ReadEnumValue", "unsupported value type")),
        }
    }

    fn peek(&mut self) -> u8 {
        let next = self.cursor.next_token();
        self.cursor.unread();
        next
    }

    fn unsigned(&mut self, kind: &str) -> Read<u64> {
        let max = if kind == "Uint32" { u64::from(u32::MAX) } else { u64::MAX };
        self.integer(kind, "ParseUint", 0..=i128::from(max)).map(|number| number as u64)
    }

    fn signed(&mut self, kind: &str) -> Read<i64> {
        let (min, max) = if kind == "Int32" { (i32::MIN.into(), i32::MAX.into()) } else { (i64::MIN, i64::MAX) };
        self.integer(kind, "ParseInt", min.into()..=max.into()).map(|number| number as i64)
    }

    /// A whole number, bare or as text.
    fn integer(&mut self, kind: &str, parser: &str, range: RangeInclusive<i128>) -> Read<i128> {
        let operation = format!("Read{kind}");
        match self.peek() {
            b'"' => {
                let text = self.text()?;
                let text = String::from_utf8_lossy(&text);
                let digits = text.strip_prefix(if parser == "ParseInt" { &['+', '-'][..] } else { &[][..] });
                let digits = digits.unwrap_or(&text);
                let problem = if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                    "invalid syntax"
                } else {
                    match text.parse() {
                        Ok(number) if range.contains(&number) => return Ok(number),
                        _ => "value out of range",
                    }
                };
                let quoted = loptr_model::go_quote(&text);
                Err(self.cursor.fault(&operation, &format!("strconv.{parser}: parsing {quoted}: {problem}")))
            }
            b'-' | b'0'..=b'9' => self.bare_integer(&operation, range),
            _ => Err(self.cursor.fault(&operation, "unsupported value type")),
        }
    }

    fn bare_integer(&mut self, operation: &str, range: RangeInclusive<i128>) -> Read<i128> {
        let (negative, digits) = self.cursor.digits();
        if negative && *range.start() == 0 || digits.is_empty() {
            return Err(self.cursor.fault(operation, "unexpected character: \u{fffd}"));
        }
        // Upstream reads the digits without their sign first, into as many bits.
        let (reader, raw_max) =
            if operation.ends_with("32") { ("readUint32", u64::from(u32::MAX)) } else { ("readUint64", u64::MAX) };
        let magnitude = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<u64>().ok());
        let Some(magnitude) = magnitude.filter(|magnitude| *magnitude <= raw_max) else {
            self.cursor.back(digits.len().saturating_sub(8));
            return Err(self.cursor.fault(reader, "overflow"));
        };
        if self.cursor.at(b'.') {
            return Err(self.cursor.fault("assertInteger", "can not decode float as int"));
        }
        let number = if negative { -i128::from(magnitude) } else { i128::from(magnitude) };
        if !range.contains(&number) {
            return Err(self.cursor.fault(operation, &format!("overflow: {magnitude}")));
        }
        Ok(number)
    }

    fn double(&mut self) -> Read<f64> {
        match self.peek() {
            b'"' => {
                let text = self.text()?;
                let number = crate::go::parse_float(&String::from_utf8_lossy(&text));
                number.map_err(|error| self.cursor.fault("ReadUint64", &error.to_string()))
            }
            b'-' | b'0'..=b'9' => {
                let (start, end) = self.cursor.skip_value()?;
                let text = String::from_utf8_lossy(&self.cursor.buf()[start..end]).into_owned();
                crate::go::parse_float(&text)
                    .map_err(|error| self.cursor.fault("readFloat64SlowPath", &error.to_string()))
            }
            _ => Err(self.cursor.fault("ReadUint64", "unsupported value type")),
        }
    }
}

fn named_severity(name: &[u8]) -> Option<i32> {
    let name = std::str::from_utf8(name).ok()?.strip_prefix("SEVERITY_NUMBER_")?;
    if name == "UNSPECIFIED" {
        return Some(0);
    }
    let word = name.trim_end_matches(['2', '3', '4', ' ']);
    let row = SEVERITIES.iter().position(|severity| *severity == word)?;
    let place = match name.get(word.len()..)? {
        // Upstream knows the first of them with a space behind only.
        "" | " " => 0,
        "2" => 1,
        "3" => 2,
        "4" => 3,
        _ => return None,
    };
    Some((row * 4 + place + 1) as i32)
}

/// Decodes escapes; what is no character becomes U+FFFD.
fn unescape_loosely(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        let (escape, after) = rest[at..].split_at(rest[at..].len().min(match rest.get(at + 1) {
            Some(b'u') if is_pair(&rest[at..]) => 12,
            Some(b'u') => 6,
            _ => 2,
        }));
        if !unescape_into(escape, &mut out) {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
        rest = after;
    }
    out.extend_from_slice(rest);
    out
}

/// Whether `\uXXXX\uXXXX` are both halves of one character.
fn is_pair(escapes: &[u8]) -> bool {
    let half = |at: usize| {
        let digits = escapes.get(at..at + 6)?.strip_prefix(b"\\u")?;
        u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    matches!((half(0), half(6)), (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)))
}
