//! `eq` and its kin.

use std::cmp::Ordering;

use super::{Env, Fault, Func, MAX_OUTPUT, make};
use crate::fmt::Printer;
use crate::value::{Kind, Type, Value};

use Type::Reflect as Any;

pub(super) static FUNCTIONS: &[Func] = &[
    make("eq", &[Any, Any], |env, args| {
        if args.len() < 2 {
            return Err("missing argument for comparison".to_owned());
        }
        for other in &args[1..] {
            if equal(env, &args[0], other)? {
                return Ok(Value::Bool(true));
            }
        }
        Ok(Value::Bool(false))
    })
    .variadic(),
    make("ne", &[Any, Any], |env, args| Ok(Value::Bool(!equal(env, &args[0], &args[1])?))),
    make("lt", &[Any, Any], |_, args| Ok(Value::Bool(less(&args[0], &args[1])?))),
    make("le", &[Any, Any], |env, args| Ok(Value::Bool(less_or_equal(env, &args[0], &args[1])?))),
    make("gt", &[Any, Any], |env, args| Ok(Value::Bool(!less_or_equal(env, &args[0], &args[1])?))),
    make("ge", &[Any, Any], |_, args| Ok(Value::Bool(!less(&args[0], &args[1])?))),
];

fn basic(kind: Kind) -> bool {
    matches!(kind, Kind::Bool | Kind::Int | Kind::Uint | Kind::Float | Kind::String)
}

/// A whole number of any kind.
fn whole(value: &Value<'_>) -> Option<i64> {
    match value {
        Value::Byte(byte) => Some(i64::from(*byte)),
        other => other.int(),
    }
}

fn incompatible(a: &Value<'_>, b: &Value<'_>) -> Fault {
    format!("incompatible types for comparison: {} and {}", a.type_name(), b.type_name())
}

fn equal(env: &Env<'_>, a: &Value<'_>, b: &Value<'_>) -> Result<bool, Fault> {
    let (a, b) = (a.clone().elem(), b.clone().elem());
    Ok(match (&a, &b) {
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Float(a), Value::Float(b)) => a == b,
        (Value::Text(a), Value::Text(b)) => a.bytes() == b.bytes(),
        (Value::Nil, _) | (_, Value::Nil) => matches!((&a, &b), (Value::Nil, Value::Nil)),
        (Value::Time(a), Value::Time(b)) => a.identical(b),
        (Value::Location(a), Value::Location(b)) => a.identical(b),
        _ => match (whole(&a), whole(&b)) {
            (Some(a), Some(b)) => a == b,
            _ if basic(a.kind()) || basic(b.kind()) => return Err(incompatible(&a, &b)),
            _ if a.kind() != b.kind() => {
                let (shown_a, shown_b) = (shown(env, &a, 's'), shown(env, &b, 'v'));
                let (type_a, type_b) = (a.type_name(), b.type_name());
                return Err(format!("non-comparable types {shown_a}: {type_a}, {type_b}: {shown_b}"));
            }
            _ => return Err(format!("non-comparable type {}: {}", shown(env, &b, 's'), b.type_name())),
        },
    })
}

fn shown(env: &Env<'_>, value: &Value<'_>, verb: char) -> String {
    let mut out = Vec::new();
    // What is too long is cut: an error text has room for less.
    let _ = Printer::new(&mut out, env.fields, MAX_OUTPUT).verb(value, verb);
    String::from_utf8_lossy(&out).into_owned()
}

fn less(a: &Value<'_>, b: &Value<'_>) -> Result<bool, Fault> {
    let (a, b) = (a.clone().elem(), b.clone().elem());
    let invalid = || Err("invalid type for comparison".to_owned());
    if !basic(a.kind()) || !basic(b.kind()) {
        return invalid();
    }
    Ok(match (&a, &b) {
        (Value::Float(a), Value::Float(b)) => a < b,
        (Value::Text(a), Value::Text(b)) => a.bytes().cmp(b.bytes()) == Ordering::Less,
        (Value::Bool(_), Value::Bool(_)) => return invalid(),
        _ => match (whole(&a), whole(&b)) {
            (Some(a), Some(b)) => a < b,
            _ => return Err(incompatible(&a, &b)),
        },
    })
}

fn less_or_equal(env: &Env<'_>, a: &Value<'_>, b: &Value<'_>) -> Result<bool, Fault> {
    Ok(less(a, b)? || equal(env, a, b)?)
}
