//! Values as text: scalars bare, maps and lists as JSON without escapes for HTML.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::Value;
use crate::answer::push_plain_text;

/// Appends the value's text. A map or list that holds a number JSON cannot write is no text at all.
pub(super) fn push_text(value: &Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Empty => {}
        Value::Text(text) => out.extend_from_slice(text),
        Value::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
        Value::Int(value) => out.extend_from_slice(value.to_string().as_bytes()),
        Value::Double(value) if value.is_nan() => out.extend_from_slice(b"NaN"),
        Value::Double(value) if value.is_infinite() => {
            out.extend_from_slice(if *value > 0.0 { b"Infinity" } else { b"-Infinity" });
        }
        Value::Double(value) => push_double(*value, out),
        Value::Bytes(bytes) => out.extend_from_slice(STANDARD.encode(bytes).as_bytes()),
        Value::List(_) | Value::Map(_) => {
            let start = out.len();
            if push_json(value, out).is_none() {
                out.truncate(start);
            }
        }
    }
}

/// None when a number is not finite.
fn push_json(value: &Value<'_>, out: &mut Vec<u8>) -> Option<()> {
    match value {
        Value::Empty => out.extend_from_slice(b"null"),
        Value::Text(text) => push_plain_text(out, text),
        Value::Bool(_) | Value::Int(_) => push_text(value, out),
        Value::Double(value) if !value.is_finite() => return None,
        Value::Double(value) => push_double(*value, out),
        Value::Bytes(bytes) => {
            out.push(b'"');
            out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
            out.push(b'"');
        }
        Value::List(items) => {
            out.push(b'[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                push_json(item, out)?;
            }
            out.push(b']');
        }
        Value::Map(members) => {
            // Sorted by name; of equal names the last one counts.
            let members: BTreeMap<&[u8], &Value<'_>> = members.iter().map(|(name, value)| (&**name, value)).collect();
            out.push(b'{');
            for (at, (name, value)) in members.into_iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                push_plain_text(out, name);
                out.push(b':');
                push_json(value, out)?;
            }
            out.push(b'}');
        }
    }
    Some(())
}

/// The fewest digits that read back equal; an exponent below 1e-6 and from 1e21 on, as JavaScript has it.
fn push_double(value: f64, out: &mut Vec<u8>) {
    let size = value.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{value:e}");
        match text.split_once('e') {
            Some((digits, exponent)) if !exponent.starts_with('-') => {
                out.extend_from_slice(format!("{digits}e+{exponent}").as_bytes());
            }
            _ => out.extend_from_slice(text.as_bytes()),
        }
        return;
    }
    crate::go::push_float(value, out);
}
