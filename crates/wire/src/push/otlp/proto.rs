//! `ExportLogsServiceRequest` protobuf messages, walked in place.
//!
//! ```text
//! Request   { 1: repeated Resource }
//! Resource  { 1: { 1: repeated KeyValue, 2: uint32 dropped }, 2: repeated Scope, 1000: repeated Scope, if no 2 }
//! Scope     { 1: { 1: string name, 2: string version, 3: repeated KeyValue, 4: uint32 dropped }, 2: repeated Record }
//! Record    { 1: fixed64 time, 2: severity number, 3: string severity text, 5: AnyValue body, 6: repeated KeyValue,
//!             7: uint32 dropped, 8: fixed32 flags, 9: bytes trace id, 10: bytes span id, 11: fixed64 observed time }
//! KeyValue  { 1: string key, 2: AnyValue }
//! AnyValue  { 1: string, 2: bool, 3: int64, 4: double, 5: { 1: repeated AnyValue }, 6: { 1: repeated KeyValue }, 7: bytes }
//! ```
//!
//! A first walk finds where everything lies, since a resource may come behind its records; the second decodes one
//! record at a time.

use bytes::Bytes;

use super::map::Mapper;
use super::{Attribute, MAX_VALUE_DEPTH, OtlpContext, Record, Scope, Value};
use crate::push::PushError;
use crate::push::fields::{Fault, Field, Fields, ProtoError, Walk};
use crate::push::table::DecodedPush;

/// A message's place in the body.
type Place = (usize, usize);

/// Where a resource's parts lie.
#[derive(Default)]
struct ResourcePlaces {
    resources: Vec<Place>,
    scopes: Vec<Place>,
    old_scopes: Vec<Place>,
}

pub(super) fn decode(body: Bytes, context: OtlpContext<'_>) -> Result<DecodedPush, PushError> {
    let mapper = Mapper::new(body.clone(), context)?;
    walk(&body, mapper).map_err(|Fault(error)| match *error {
        PushError::Proto(error) => PushError::Otlp(reworded(&error)),
        other => other,
    })
}

/// Upstream reads this format with another decoder, which has words of its own.
fn reworded(error: &ProtoError) -> String {
    match error {
        ProtoError::EndGroup { .. } => "proto: unexpected end of group".to_owned(),
        ProtoError::Tag { field, tag, at, .. } => format!("proto: Link: illegal field={field} (tag={tag}, pos={at})"),
        other => other.to_string(),
    }
}

fn walk(body: &[u8], mut mapper: Mapper<'_>) -> Walk<DecodedPush> {
    let mut resources = Vec::new();
    each(body, (0, body.len()), "ExportLogsServiceRequest", |fields, field| match field.number {
        1 => {
            let place = fields.message(field, "ResourceLogs")?;
            resources.push(resource(body, place)?);
            Ok(())
        }
        _ => fields.skip(field),
    })?;
    let mut record = Record::default();
    for places in resources {
        let mut attributes = Vec::new();
        for place in places.resources {
            resource_attributes(body, place, &mut attributes)?;
        }
        mapper.resource(&attributes);
        let scopes = if places.scopes.is_empty() { places.old_scopes } else { places.scopes };
        for place in scopes {
            let mut found = Scope::default();
            let mut records = Vec::new();
            each(body, place, "ScopeLogs", |fields, field| match field.number {
                1 => {
                    let place = fields.message(field, "Scope")?;
                    scope(body, place, &mut found)
                }
                2 => {
                    records.push(fields.message(field, "LogRecords")?);
                    Ok(())
                }
                3 => fields.message(field, "SchemaUrl").map(drop),
                _ => fields.skip(field),
            })?;
            mapper.scope(&found);
            for place in records {
                let attributes = std::mem::take(&mut record.attributes);
                record = Record { attributes, ..Record::default() };
                record.attributes.clear();
                log_record(body, place, &mut record)?;
                mapper.record(&record);
            }
        }
    }
    Ok(mapper.finish()?)
}

/// Calls `visit` at each field of the message at `place`.
fn each<'a>(
    body: &'a [u8],
    place: Place,
    message: &'static str,
    mut visit: impl FnMut(&mut Fields<'a>, Field) -> Walk<()>,
) -> Walk<()> {
    let mut fields = Fields::new(message, body, place.0, place.1);
    while let Some(field) = fields.next()? {
        visit(&mut fields, field)?;
    }
    Ok(())
}

fn resource(body: &[u8], place: Place) -> Walk<ResourcePlaces> {
    let mut places = ResourcePlaces::default();
    each(body, place, "ResourceLogs", |fields, field| {
        match field.number {
            1 => places.resources.push(fields.message(field, "Resource")?),
            2 => places.scopes.push(fields.message(field, "ScopeLogs")?),
            3 => drop(fields.message(field, "SchemaUrl")?),
            1000 => places.old_scopes.push(fields.message(field, "DeprecatedScopeLogs")?),
            _ => fields.skip(field)?,
        }
        Ok(())
    })?;
    Ok(places)
}

fn resource_attributes<'a>(body: &'a [u8], place: Place, out: &mut Vec<Attribute<'a>>) -> Walk<()> {
    each(body, place, "Resource", |fields, field| match field.number {
        1 => {
            out.push(key_value(body, fields.message(field, "Attributes")?, 0)?);
            Ok(())
        }
        2 => fields.number(field, "DroppedAttributesCount").map(drop),
        _ => fields.skip(field),
    })
}

fn scope<'a>(body: &'a [u8], place: Place, out: &mut Scope<'a>) -> Walk<()> {
    each(body, place, "InstrumentationScope", |fields, field| {
        match field.number {
            1 => out.name = fields.bytes(field, "Name")?.into(),
            2 => out.version = fields.bytes(field, "Version")?.into(),
            3 => out.attributes.push(key_value(body, fields.message(field, "Attributes")?, 0)?),
            4 => out.dropped = fields.number(field, "DroppedAttributesCount")? as u32,
            _ => fields.skip(field)?,
        }
        Ok(())
    })
}

fn log_record<'a>(body: &'a [u8], place: Place, out: &mut Record<'a>) -> Walk<()> {
    each(body, place, "LogRecord", |fields, field| {
        match field.number {
            1 => out.time = fields.fixed64(field, "TimeUnixNano")?,
            2 => out.severity_number = fields.number(field, "SeverityNumber")? as i32,
            3 => out.severity_text = fields.bytes(field, "SeverityText")?.into(),
            5 => value(body, fields.message(field, "Body")?, 0, &mut out.body)?,
            6 => out.attributes.push(key_value(body, fields.message(field, "Attributes")?, 0)?),
            7 => out.dropped = fields.number(field, "DroppedAttributesCount")? as u32,
            8 => out.flags = fields.fixed32(field, "Flags")?,
            9 => out.trace_id = id(fields.bytes(field, "TraceId")?, "TraceID")?,
            10 => out.span_id = id(fields.bytes(field, "SpanId")?, "SpanID")?,
            11 => out.observed = fields.fixed64(field, "ObservedTimeUnixNano")?,
            12 => drop(fields.message(field, "EventName")?),
            _ => fields.skip(field)?,
        }
        Ok(())
    })
}

/// No bytes, or exactly as many as an id has.
fn id<const N: usize>(bytes: &[u8], name: &str) -> Walk<[u8; N]> {
    if bytes.is_empty() {
        return Ok([0; N]);
    }
    bytes.try_into().map_err(|_| PushError::Otlp(format!("unmarshal: invalid {name} length")).into())
}

fn key_value<'a>(body: &'a [u8], place: Place, depth: usize) -> Walk<Attribute<'a>> {
    let mut attribute = Attribute::default();
    each(body, place, "KeyValue", |fields, field| {
        match field.number {
            1 => attribute.0 = fields.bytes(field, "Key")?.into(),
            2 => value(body, fields.message(field, "Value")?, depth, &mut attribute.1)?,
            _ => fields.skip(field)?,
        }
        Ok(())
    })?;
    Ok(attribute)
}

fn value<'a>(body: &'a [u8], place: Place, depth: usize, out: &mut Value<'a>) -> Walk<()> {
    if depth > MAX_VALUE_DEPTH {
        return Err(PushError::Otlp(super::too_deep()).into());
    }
    each(body, place, "AnyValue", |fields, field| {
        match field.number {
            1 => *out = Value::Text(fields.bytes(field, "StringValue")?.into()),
            2 => *out = Value::Bool(fields.number(field, "BoolValue")? != 0),
            3 => *out = Value::Int(fields.number(field, "IntValue")? as i64),
            4 => *out = Value::Double(f64::from_bits(fields.fixed64(field, "DoubleValue")?)),
            5 => {
                let mut items = Vec::new();
                each(body, fields.message(field, "ArrayValue")?, "ArrayValue", |fields, field| match field.number {
                    1 => {
                        let mut item = Value::Empty;
                        value(body, fields.message(field, "Values")?, depth + 1, &mut item)?;
                        items.push(item);
                        Ok(())
                    }
                    _ => fields.skip(field),
                })?;
                *out = Value::List(items);
            }
            6 => {
                let mut members = Vec::new();
                each(body, fields.message(field, "KvlistValue")?, "KeyValueList", |fields, field| {
                    match field.number {
                        1 => {
                            members.push(key_value(body, fields.message(field, "Values")?, depth + 1)?);
                            Ok(())
                        }
                        _ => fields.skip(field),
                    }
                })?;
                *out = Value::Map(members);
            }
            7 => *out = Value::Bytes(fields.bytes(field, "BytesValue")?.into()),
            _ => fields.skip(field)?,
        }
        Ok(())
    })
}
