//! Go's builtins but for comparisons and escapes.

use super::{Call, Env, Fault, Func, MAX_OUTPUT, make, text, too_long, write};
use crate::fmt::Printer;
use crate::value::{Kind, List, Type, Value};

use Type::{Any, Reflect, String as Str};

pub(super) static FUNCTIONS: &[Func] = &[
    Func { name: "and", params: &[Reflect, Reflect], variadic: true, call: Call::And },
    Func { name: "or", params: &[Reflect, Reflect], variadic: true, call: Call::Or },
    Func { name: "call", params: &[Reflect, Reflect], variadic: true, call: Call::Callee },
    make("not", &[Reflect], |env, args| Ok(Value::Bool(!truth(env, &args[0])))),
    make("len", &[Reflect], |env, args| length(env, &args[0])),
    make("index", &[Reflect, Reflect], index).variadic(),
    make("slice", &[Reflect, Reflect], |_, args| slice(args)).variadic(),
    write("print", &[Any], |env, args, out| {
        Printer::new(out, env.fields, MAX_OUTPUT).print(args).map_err(|_| too_long())
    })
    .variadic(),
    write("println", &[Any], |env, args, out| {
        Printer::new(out, env.fields, MAX_OUTPUT).println(args).map_err(|_| too_long())
    })
    .variadic(),
    write("printf", &[Str, Any], |env, args, out| {
        Printer::new(out, env.fields, MAX_OUTPUT).printf(text(args, 0), &args[1..]).map_err(|_| too_long())
    })
    .variadic(),
];

/// Whether a value counts as true: not zero and not empty.
pub(crate) fn truth(env: &Env<'_>, value: &Value<'_>) -> bool {
    match value {
        Value::Nil | Value::NilSlot => false,
        Value::Slot(json) => truth(env, &Value::of_json(json.clone())),
        Value::Bool(v) => *v,
        Value::Byte(v) => *v != 0,
        Value::Float(v) => *v != 0.0,
        Value::Text(text) | Value::Bytes(text) => !text.bytes().is_empty(),
        Value::Labels => count_labels(env) > 0,
        Value::Map(json) => json.len() > 0,
        Value::List(list) => list.len() > 0,
        Value::Time(_) | Value::Location(_) => true,
        other => other.int() != Some(0),
    }
}

fn count_labels(env: &Env<'_>) -> usize {
    let mut count = 0;
    env.fields.each(&mut |_, _| count += 1);
    count
}

fn length<'a>(env: &Env<'a>, value: &Value<'a>) -> Result<Value<'a>, Fault> {
    let len = match value.clone().elem() {
        Value::Text(text) | Value::Bytes(text) => text.bytes().len(),
        Value::Labels => count_labels(env),
        Value::Map(json) => json.len(),
        Value::List(list) => list.len(),
        Value::Nil if matches!(value, Value::NilSlot) => return Err("len of nil pointer".to_owned()),
        Value::Nil => return Err("reflect: call of reflect.Value.Type on zero Value".to_owned()),
        Value::Location(_) => return Err("len of type time.Location".to_owned()),
        other => return Err(format!("len of type {}", other.type_name())),
    };
    Ok(Value::Int(len as i64))
}

/// An index into something of `len` elements; Go lets the length itself through here.
fn index_of(index: &Value<'_>, len: usize) -> Result<usize, Fault> {
    let number = match index {
        Value::Byte(byte) => i64::from(*byte),
        Value::Nil => return Err("cannot index slice/array with nil".to_owned()),
        other => match other.int() {
            Some(number) => number,
            None => return Err(format!("cannot index slice/array with type {}", other.type_name())),
        },
    };
    usize::try_from(number).ok().filter(|&at| at <= len).ok_or_else(|| format!("index out of range: {number}"))
}

fn index<'a>(env: &mut Env<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Fault> {
    let mut item = args[0].clone().elem();
    if matches!(item, Value::Nil) {
        return Err("index of untyped nil".to_owned());
    }
    for index in &args[1..] {
        let index = index.clone().elem();
        if matches!(item, Value::NilSlot) {
            return Err("index of nil pointer".to_owned());
        }
        item = match item.elem() {
            Value::Text(text) | Value::Bytes(text) => {
                let at = index_of(&index, text.bytes().len())?;
                let byte = text.bytes().get(at);
                Value::Byte(*byte.ok_or("reflect: string index out of range")?)
            }
            Value::List(list) => {
                let at = index_of(&index, list.len())?;
                if at >= list.len() {
                    return Err("reflect: slice index out of range".to_owned());
                }
                list.at(at)
            }
            map @ (Value::Labels | Value::Map(_)) => {
                let key = match &index {
                    Value::Text(key) => key.bytes(),
                    Value::Nil => return Err("value is nil; should be of type string".to_owned()),
                    other => return Err(format!("value has type {}; should be string", other.type_name())),
                };
                match map {
                    Value::Map(json) => json.get(key).map_or(Value::NilSlot, Value::slot),
                    _ => {
                        let value = std::str::from_utf8(key).ok().and_then(|name| env.fields.get(name));
                        Value::text(value.unwrap_or_default())
                    }
                }
            }
            other => return Err(format!("can't index item of type {}", item_type(&other))),
        };
    }
    Ok(item)
}

/// The type of what an index or slice was asked of: pointers have been followed.
fn item_type(value: &Value<'_>) -> &'static str {
    if value.kind() == Kind::Pointer { "time.Location" } else { value.type_name() }
}

fn slice<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Fault> {
    let item = args[0].clone().elem();
    let indexes = &args[1..];
    if matches!(item, Value::Nil) {
        return Err("slice of untyped nil".to_owned());
    }
    if indexes.len() > 3 {
        return Err(format!("too many slice indexes: {}", indexes.len()));
    }
    let (len, cap) = match &item {
        Value::Text(_) if indexes.len() == 3 => return Err("cannot 3-index slice a string".to_owned()),
        Value::Text(text) | Value::Bytes(text) => (text.bytes().len(), text.bytes().len()),
        Value::List(list) => (list.len(), list.cap - list.start),
        other => return Err(format!("can't slice item of type {}", item_type(other))),
    };
    let mut bounds = [0, len, cap];
    for (bound, index) in bounds.iter_mut().zip(indexes) {
        *bound = index_of(&index.clone().elem(), cap)?;
    }
    let [start, end, cap] = bounds;
    if start > end {
        return Err(format!("invalid slice index: {start} > {end}"));
    }
    if end > cap {
        return Err(format!("invalid slice index: {end} > {cap}"));
    }
    Ok(match item {
        Value::Text(text) => Value::Text(text.slice(start..end)),
        Value::Bytes(text) => Value::Bytes(text.slice(start..end)),
        Value::List(List { json, start: base, .. }) => {
            Value::List(List { json, start: base + start, end: base + end, cap: base + cap })
        }
        other => other,
    })
}
