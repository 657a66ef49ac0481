//! Values made into numbers, as upstream's cast library does it, and other conversions between types.

use super::{Func, make, text};
use crate::json::Json;
use crate::number::{parse_float, parse_int};
use crate::value::{Type, Value};

pub(super) static FUNCTIONS: &[Func] = &[
    make("int", &[Type::Any], |_, args| Ok(Value::Int(to_int(&args[0])))),
    make("float64", &[Type::Any], |_, args| Ok(Value::Float(to_float(&args[0])))),
    make("fromJson", &[Type::String], |env, args| {
        // A document takes up to eighteen times the memory of its text.
        env.charge(text(args, 0).len() / 16)?;
        Ok(Json::parse(text(args, 0)).map_or(Value::Nil, Value::of_json))
    }),
    make("default", &[Type::Any, Type::Any], |env, args| {
        Ok(match args.get(1) {
            Some(given) if !is_zero(given, env.fields) => given.clone(),
            _ => args[0].clone(),
        })
    })
    .variadic(),
];

/// A whole number: text with a base prefix, what stands before a decimal point, 0 if it is none.
pub(super) fn to_int(value: &Value<'_>) -> i64 {
    match value {
        Value::Float(v) => trunc_like_amd64(*v),
        Value::Bool(v) => i64::from(*v),
        Value::Byte(v) => i64::from(*v),
        Value::Text(text) => parse_int(before_point(text.bytes()), 0).unwrap_or(0),
        other => other.int().unwrap_or(0),
    }
}

/// A floating point number, 0 if it is none.
pub(super) fn to_float(value: &Value<'_>) -> f64 {
    match value {
        Value::Float(v) => *v,
        Value::Bool(v) => f64::from(u8::from(*v)),
        Value::Byte(v) => f64::from(*v),
        Value::Text(text) => parse_float(text.bytes()).unwrap_or(0.0),
        other => other.int().unwrap_or(0) as f64,
    }
}

/// What does not fit becomes the smallest number, as on the machines upstream runs on.
fn trunc_like_amd64(value: f64) -> i64 {
    const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;
    if (-TWO_TO_63..TWO_TO_63).contains(&value) { value as i64 } else { i64::MIN }
}

/// `12.75` is `12`, `-.5` is `-0`; what has anything but digits is left as it is.
fn before_point(text: &[u8]) -> &[u8] {
    let Some(point) = memchr::memchr(b'.', text) else { return text };
    let (whole, part) = (&text[..point], &text[point + 1..]);
    let digits = whole.strip_prefix(b"-").or_else(|| whole.strip_prefix(b"+")).unwrap_or(whole);
    if !digits.iter().chain(part).all(u8::is_ascii_digit) {
        return text;
    }
    if digits.is_empty() { b"0" } else { whole }
}

/// Whether a value is the zero of its type, or empty.
fn is_zero(value: &Value<'_>, fields: &dyn crate::Fields) -> bool {
    match value {
        Value::Nil | Value::NilSlot => true,
        Value::Slot(json) => is_zero(&Value::of_json(json.clone()), fields),
        Value::Bool(v) => !v,
        Value::Byte(v) => *v == 0,
        Value::Float(v) => *v == 0.0,
        Value::Text(text) | Value::Bytes(text) => text.bytes().is_empty(),
        Value::Labels => {
            let mut empty = true;
            fields.each(&mut |_, _| empty = false);
            empty
        }
        Value::Map(json) => json.len() == 0,
        Value::List(list) => list.len() == 0,
        Value::Time(_) | Value::Location(_) => false,
        other => other.int() == Some(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn casts() {
        let int = |text: &'static str| to_int(&Value::text(text.as_bytes()));
        for (text, value) in
            [("0x10", 16), ("010", 8), ("08", 0), ("3.9", 3), ("1e3", 0), ("-.5", 0), ("1.x", 0), ("", 0)]
        {
            assert_eq!(int(text), value, "{text}");
        }
        assert_eq!(to_int(&Value::Float(1e30)), i64::MIN);
        assert_eq!(to_int(&Value::Float(-1.9)), -1);
        assert_eq!(to_float(&Value::text(b"1e3")), 1000.0);
        assert_eq!(to_float(&Value::text(b"x")), 0.0);
    }
}
