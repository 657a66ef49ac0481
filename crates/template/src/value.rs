//! The values a template computes with, and their Go types.

use std::ops::Range;
use std::rc::Rc;

use crate::json::{Json, Shape};
use crate::time::{Time, Zone};

/// A string: of the template, of the entry, or made while rendering. Need not be UTF-8.
#[derive(Clone, Debug)]
pub(crate) enum Text<'a> {
    Ref(&'a [u8]),
    Own(Rc<[u8]>, u32, u32),
}

impl<'a> Text<'a> {
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Text::Ref(bytes) => bytes,
            Text::Own(bytes, start, end) => &bytes[*start as usize..*end as usize],
        }
    }

    /// A part of it.
    pub(crate) fn slice(&self, range: Range<usize>) -> Text<'a> {
        match self {
            Text::Ref(bytes) => Text::Ref(&bytes[range]),
            Text::Own(bytes, start, _) => {
                Text::Own(Rc::clone(bytes), start + range.start as u32, start + range.end as u32)
            }
        }
    }

    /// A copy of `bytes`. No string is longer than the output limit, far below 4 GiB.
    pub(crate) fn owned(bytes: &[u8]) -> Text<'a> {
        let end = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        Text::Own(bytes.into(), 0, end)
    }
}

/// A list out of JSON, or a slice of one.
#[derive(Clone, Debug)]
pub(crate) struct List {
    pub(crate) json: Json,
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// Where its memory ends in Go, which `slice` may reach for; beyond the elements it holds nil.
    pub(crate) cap: usize,
}

impl List {
    pub(crate) fn new(json: Json) -> List {
        let end = json.len();
        List { json, start: 0, end, cap: grown(end) }
    }

    pub(crate) fn len(&self) -> usize {
        self.end - self.start
    }

    pub(crate) fn at<'a>(&self, index: usize) -> Value<'a> {
        self.json.at(self.start + index).map_or(Value::NilSlot, Value::slot)
    }
}

/// The capacity of a slice of interfaces that Go's JSON reader filled one by one: it doubles while that is small, then
/// what Go's allocator has room for.
fn grown(len: usize) -> usize {
    const ROOM: [usize; 18] = [
        71, 143, 303, 591, 1023, 1535, 2560, 3584, 5120, 6656, 8704, 11_264, 14_336, 18_432, 23_552, 29_696, 37_376,
        47_104,
    ];
    match len {
        0 => 0,
        1..=32 => len.next_power_of_two(),
        _ => ROOM.into_iter().find(|&room| room >= len).unwrap_or(len),
    }
}

/// A value. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) enum Value<'a> {
    /// No value at all, `<no value>` when printed.
    Nil,
    /// An element or variable of interface type that holds nil.
    NilSlot,
    /// An element of interface type: what it holds counts, but errors name the interface.
    Slot(Json),
    Bool(bool),
    Int(i64),
    Int64(i64),
    Byte(u8),
    Float(f64),
    Text(Text<'a>),
    /// The entry's labels, `map[string]string`.
    Labels,
    Map(Json),
    List(List),
    Bytes(Text<'a>),
    Time(Time),
    Duration(i64),
    Month(i64),
    Weekday(i64),
    Location(Zone),
}

/// What a value is when it is looked at by kind, as Go's `reflect` does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Invalid,
    Interface,
    Bool,
    Int,
    Uint,
    Float,
    String,
    Map,
    Slice,
    Struct,
    Pointer,
}

impl<'a> Value<'a> {
    /// A string of the template or the entry.
    pub(crate) fn text(bytes: &'a [u8]) -> Value<'a> {
        Value::Text(Text::Ref(bytes))
    }

    /// An element of a JSON array or object.
    pub(crate) fn slot(json: Json) -> Value<'a> {
        if matches!(json.shape(), Shape::Null) { Value::NilSlot } else { Value::Slot(json) }
    }

    /// What an interface holds; other values as they are.
    pub(crate) fn elem(self) -> Value<'a> {
        match self {
            Value::NilSlot => Value::Nil,
            Value::Slot(json) => Value::of_json(json),
            other => other,
        }
    }

    /// A JSON value outside of an interface.
    pub(crate) fn of_json(json: Json) -> Value<'a> {
        match json.shape() {
            Shape::Null => Value::Nil,
            Shape::Bool(value) => Value::Bool(value),
            Shape::Number(value) => Value::Float(value),
            Shape::String(text, start, end) => Value::Text(Text::Own(text, start, end)),
            Shape::Array => Value::List(List::new(json)),
            Shape::Object => Value::Map(json),
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        match self {
            Value::Nil => Kind::Invalid,
            Value::NilSlot | Value::Slot(_) => Kind::Interface,
            Value::Bool(_) => Kind::Bool,
            Value::Int(_) | Value::Int64(_) | Value::Duration(_) | Value::Month(_) | Value::Weekday(_) => Kind::Int,
            Value::Byte(_) => Kind::Uint,
            Value::Float(_) => Kind::Float,
            Value::Text(_) => Kind::String,
            Value::Labels | Value::Map(_) => Kind::Map,
            Value::List(_) | Value::Bytes(_) => Kind::Slice,
            Value::Time(_) => Kind::Struct,
            Value::Location(_) => Kind::Pointer,
        }
    }

    /// The name of its type.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Value::Nil => "<nil>",
            Value::NilSlot | Value::Slot(_) => "interface {}",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Int64(_) => "int64",
            Value::Byte(_) => "uint8",
            Value::Float(_) => "float64",
            Value::Text(_) => "string",
            Value::Labels => "map[string]string",
            Value::Map(_) => "map[string]interface {}",
            Value::List(_) => "[]interface {}",
            Value::Bytes(_) => "[]uint8",
            Value::Time(_) => "time.Time",
            Value::Duration(_) => "time.Duration",
            Value::Month(_) => "time.Month",
            Value::Weekday(_) => "time.Weekday",
            Value::Location(_) => "*time.Location",
        }
    }

    /// A whole number of any signed type.
    pub(crate) fn int(&self) -> Option<i64> {
        match *self {
            Value::Int(v) | Value::Int64(v) | Value::Duration(v) | Value::Month(v) | Value::Weekday(v) => Some(v),
            _ => None,
        }
    }

    /// The same type as `self` with another number; used by `range` over numbers.
    pub(crate) fn like(&self, number: i64) -> Value<'a> {
        match self {
            Value::Int64(_) => Value::Int64(number),
            Value::Duration(_) => Value::Duration(number),
            Value::Month(_) => Value::Month(number),
            Value::Weekday(_) => Value::Weekday(number),
            Value::Byte(_) => Value::Byte(number as u8),
            _ => Value::Int(number),
        }
    }
}

/// The type of a parameter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Type {
    /// `interface{}`
    Any,
    /// `reflect.Value`: the value as it is, used by builtins.
    Reflect,
    String,
    Int,
    Float,
    Time,
    Duration,
    Location,
}

impl Type {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Type::Any => "interface {}",
            Type::Reflect => "reflect.Value",
            Type::String => "string",
            Type::Int => "int",
            Type::Float => "float64",
            Type::Time => "time.Time",
            Type::Duration => "time.Duration",
            Type::Location => "*time.Location",
        }
    }

    /// Whether `value` can be passed without conversion.
    pub(crate) fn takes(self, value: &Value<'_>) -> bool {
        match self {
            Type::Any | Type::Reflect => true,
            Type::String => matches!(value, Value::Text(_)),
            Type::Int => matches!(value, Value::Int(_)),
            Type::Float => matches!(value, Value::Float(_)),
            Type::Time => matches!(value, Value::Time(_)),
            Type::Duration => matches!(value, Value::Duration(_)),
            Type::Location => matches!(value, Value::Location(_)),
        }
    }
}
