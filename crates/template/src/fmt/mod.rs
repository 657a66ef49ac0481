//! Go's package `fmt`: how values print, alone and with verbs.
//!
//! A [`Printer`] appends to a buffer and keeps a limit: widths in a format can ask for far more than anyone wants to read.

mod float;
mod number;
mod printf;
mod text;

pub(crate) use float::format_float;

use crate::Fields;
use crate::time::{MONTHS, Time, WEEKDAYS, format_duration};
use crate::unicode;
use crate::value::{Text, Value};

/// `%#U` of a character: its number and, if it prints, itself.
pub(crate) fn unicode_name(c: char) -> String {
    let shown = if unicode::is_print(c) { format!(" '{c}'") } else { String::new() };
    format!("U+{:04X}{shown}", u32::from(c))
}

/// Flags, width and precision of a verb.
#[derive(Clone, Copy, Default)]
struct Flags {
    width: Option<usize>,
    precision: Option<usize>,
    minus: bool,
    plus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    /// `%+v`
    plus_v: bool,
    /// `%#v`
    sharp_v: bool,
}

/// What was printed is longer than allowed.
#[derive(Debug)]
pub(crate) struct TooLong;

/// Prints values.
pub(crate) struct Printer<'p> {
    out: &'p mut Vec<u8>,
    /// The labels are the entry's, not a value's.
    fields: &'p dyn Fields,
    /// Most bytes in `out`.
    limit: usize,
    too_long: bool,
    flags: Flags,
    /// While a wrong verb is reported, methods do not count.
    erroring: bool,
}

/// A month's name.
fn month(number: i64) -> String {
    let name = usize::try_from(number - 1).ok().and_then(|at| MONTHS.get(at));
    name.map_or_else(|| format!("%!Month({})", number as u64), |name| (*name).to_owned())
}

/// A weekday's name.
fn weekday(number: i64) -> String {
    let name = usize::try_from(number).ok().and_then(|at| WEEKDAYS.get(at));
    name.map_or_else(|| format!("%!Weekday({})", number as u64), |name| (*name).to_owned())
}

/// What the `String` method of a value gives, if its type has one.
pub(crate) fn stringer(value: &Value<'_>) -> Option<Vec<u8>> {
    Some(match value {
        Value::Time(time) => {
            let mut out = Vec::new();
            time.print(&mut out);
            out
        }
        Value::Duration(nanos) => format_duration(*nanos).into_bytes(),
        Value::Month(number) => month(*number).into_bytes(),
        Value::Weekday(number) => weekday(*number).into_bytes(),
        Value::Location(zone) => zone.name().as_bytes().to_vec(),
        _ => return None,
    })
}

/// The labels in the order of their names.
pub(crate) fn sorted_labels(fields: &dyn Fields) -> Vec<(&str, &[u8])> {
    let mut labels = Vec::new();
    fields.each(&mut |name, value| labels.push((name, value)));
    labels.sort_unstable_by_key(|&(name, _)| name);
    labels.dedup_by_key(|&mut (name, _)| name);
    labels
}

const LOWER: &[u8; 16] = b"0123456789abcdef";
const UPPER: &[u8; 16] = b"0123456789ABCDEF";

impl<'p> Printer<'p> {
    /// Appends to `out`, which is to hold at most `limit` bytes.
    pub(crate) fn new(out: &'p mut Vec<u8>, fields: &'p dyn Fields, limit: usize) -> Self {
        Printer { out, fields, limit, too_long: false, flags: Flags::default(), erroring: false }
    }

    fn finish(self) -> Result<(), TooLong> {
        if self.too_long || self.out.len() > self.limit { Err(TooLong) } else { Ok(()) }
    }

    /// `fmt.Sprint`: spaces between operands when neither is a string.
    pub(crate) fn print(mut self, args: &[Value<'_>]) -> Result<(), TooLong> {
        let mut after_string = true;
        for arg in args {
            let string = matches!(arg, Value::Text(_));
            if !string && !after_string {
                self.out.push(b' ');
            }
            after_string = string;
            self.arg(arg, 'v');
        }
        self.finish()
    }

    /// `fmt.Sprintln`: spaces between all, and a newline.
    pub(crate) fn println(mut self, args: &[Value<'_>]) -> Result<(), TooLong> {
        for (at, arg) in args.iter().enumerate() {
            if at > 0 {
                self.out.push(b' ');
            }
            self.arg(arg, 'v');
        }
        self.out.push(b'\n');
        self.finish()
    }

    /// One value with a verb and no flags.
    pub(crate) fn verb(mut self, arg: &Value<'_>, verb: char) -> Result<(), TooLong> {
        self.arg(arg, verb);
        self.finish()
    }

    /// Whether `more` bytes fit.
    fn room(&mut self, more: usize) -> bool {
        if more > self.limit.saturating_sub(self.out.len()) {
            self.too_long = true;
        }
        !self.too_long
    }

    // Padding.

    fn padding(&mut self, count: usize) {
        if self.room(count) {
            let byte = if self.flags.zero && !self.flags.minus { b'0' } else { b' ' };
            self.out.extend(std::iter::repeat_n(byte, count));
        }
    }

    fn pad(&mut self, text: &[u8]) {
        let missing = match self.flags.width {
            None | Some(0) => 0,
            Some(width) => width.saturating_sub(unicode::count(text)),
        };
        if !self.room(missing + text.len()) {
            return;
        }
        if !self.flags.minus {
            self.padding(missing);
        }
        self.out.extend_from_slice(text);
        if self.flags.minus {
            self.padding(missing);
        }
    }

    /// As [`pad`](Self::pad), but never with zeros.
    fn pad_spaces(&mut self, text: &[u8]) {
        let zero = std::mem::replace(&mut self.flags.zero, false);
        self.pad(text);
        self.flags.zero = zero;
    }

    // Values.

    /// A value given as an argument.
    fn arg(&mut self, arg: &Value<'_>, verb: char) {
        if self.too_long {
            return;
        }
        match (arg, verb) {
            (Value::Nil | Value::NilSlot, 'T' | 'v') => self.pad(b"<nil>"),
            (Value::Nil | Value::NilSlot, _) => self.bad_verb(arg, verb),
            (_, 'T') => self.string(arg.type_name().as_bytes()),
            (_, 'p') => match arg {
                // An address; there is none.
                Value::Labels | Value::Map(_) | Value::List(_) | Value::Bytes(_) | Value::Location(_) => {
                    self.hex(0, !self.flags.sharp);
                }
                _ => self.bad_verb(arg, verb),
            },
            (Value::Slot(json), _) => self.arg(&Value::of_json(json.clone()), verb),
            (Value::Bytes(text), _) => self.bytes(arg, text, verb, "[]byte"),
            _ => self.value(arg, verb),
        }
    }

    /// A value with its methods.
    fn value(&mut self, value: &Value<'_>, verb: char) {
        if self.too_long || self.methods(value, verb) {
            return;
        }
        let sharp_v = self.flags.sharp_v;
        match value {
            Value::Nil => self.pad(b"<nil>"),
            Value::NilSlot if sharp_v => self.out.extend_from_slice(b"interface {}(nil)"),
            Value::NilSlot => self.out.extend_from_slice(b"<nil>"),
            Value::Slot(json) => self.value(&Value::of_json(json.clone()), verb),
            Value::Bool(v) if matches!(verb, 't' | 'v') => self.pad(if *v { b"true" } else { b"false" }),
            Value::Bool(_) => self.bad_verb(value, verb),
            Value::Int(v) | Value::Int64(v) | Value::Duration(v) | Value::Month(v) | Value::Weekday(v) => {
                self.integer(value.type_name(), *v as u64, true, verb);
            }
            Value::Byte(v) => self.integer(value.type_name(), u64::from(*v), false, verb),
            Value::Float(v) => self.float(value, *v, verb),
            Value::Text(text) => self.text(value, text.bytes(), verb),
            Value::Labels => {
                let fields = self.fields;
                let entries = sorted_labels(fields).into_iter();
                let entries = entries.map(|(name, v)| (Value::text(name.as_bytes()), Value::text(v)));
                self.map(value, entries, verb);
            }
            Value::Map(json) => {
                let entries = (0..json.len()).filter_map(|at| {
                    let (text, start, end) = json.key_at(at)?;
                    Some((Value::Text(Text::Own(text, start, end)), Value::slot(json.at(at)?)))
                });
                self.map(value, entries, verb);
            }
            Value::List(list) => {
                let items = (0..list.len()).map(|at| list.at(at));
                self.list(value, items, verb);
            }
            Value::Bytes(text) if matches!(verb, 's' | 'q' | 'x' | 'X') => self.bytes(value, text, verb, "[]uint8"),
            Value::Bytes(text) => self.list(value, text.bytes().iter().map(|&b| Value::Byte(b)), verb),
            Value::Time(time) => self.fields_of(time, verb),
            Value::Location(_) => self.hex(0, !self.flags.sharp),
        }
    }

    fn map<'v>(&mut self, map: &Value<'_>, entries: impl Iterator<Item = (Value<'v>, Value<'v>)>, verb: char) {
        let sharp_v = self.flags.sharp_v;
        let (open, between, close) = if sharp_v { (map.type_name(), ", ", b'}') } else { ("map", " ", b']') };
        self.out.extend_from_slice(open.as_bytes());
        self.out.push(if sharp_v { b'{' } else { b'[' });
        for (at, (key, value)) in entries.enumerate() {
            if self.too_long {
                return;
            }
            self.out.extend_from_slice(if at > 0 { between.as_bytes() } else { b"" });
            self.value(&key, verb);
            self.out.push(b':');
            self.value(&value, verb);
        }
        self.out.push(close);
    }

    fn list<'v>(&mut self, list: &Value<'_>, items: impl Iterator<Item = Value<'v>>, verb: char) {
        let sharp_v = self.flags.sharp_v;
        if sharp_v {
            self.out.extend_from_slice(list.type_name().as_bytes());
        }
        self.out.push(if sharp_v { b'{' } else { b'[' });
        for (at, item) in items.enumerate() {
            if self.too_long {
                return;
            }
            let between: &[u8] = if sharp_v { b", " } else { b" " };
            self.out.extend_from_slice(if at > 0 { between } else { b"" });
            self.value(&item, verb);
        }
        self.out.push(if sharp_v { b'}' } else { b']' });
    }

    /// A time as the struct it is in Go: verbs that ask for no text show it so.
    fn fields_of(&mut self, time: &Time, verb: char) {
        let sharp_v = self.flags.sharp_v;
        let names = if sharp_v || self.flags.plus_v { ["wall:", "ext:", "loc:"] } else { [""; 3] };
        let between: &[u8] = if sharp_v { b", " } else { b" " };
        self.out.extend_from_slice(if sharp_v { b"time.Time{" } else { b"{" });
        self.out.extend_from_slice(names[0].as_bytes());
        self.integer("uint64", u64::from(time.nanos), false, verb);
        self.out.extend_from_slice(between);
        self.out.extend_from_slice(names[1].as_bytes());
        self.integer("int64", time.internal() as u64, true, verb);
        self.out.extend_from_slice(between);
        self.out.extend_from_slice(names[2].as_bytes());
        // A pointer: nil for UTC, else an address, for which 0 stands.
        match verb {
            'v' if sharp_v => self.out.extend_from_slice(b"(*time.Location)(nil)"),
            'v' => self.pad(b"<nil>"),
            'd' | 'b' | 'o' | 'x' | 'X' => self.integer("", 0, false, verb),
            _ => {
                self.out.extend_from_slice(b"%!");
                unicode::push(self.out, verb);
                self.out.extend_from_slice(b"(*time.Location=");
                self.pad(b"<nil>");
                self.out.push(b')');
            }
        }
        self.out.push(b'}');
    }

    /// Prints through a method of the type, if one applies.
    fn methods(&mut self, value: &Value<'_>, verb: char) -> bool {
        let has = matches!(
            value,
            Value::Time(_) | Value::Duration(_) | Value::Month(_) | Value::Weekday(_) | Value::Location(_)
        );
        if self.erroring {
            return false;
        }
        if verb == 'w' {
            self.bad_verb(value, verb);
            return true;
        }
        if !has {
            return false;
        }
        if self.flags.sharp_v {
            let Value::Time(time) = value else { return false };
            let mut text = Vec::new();
            time.print_go(&mut text);
            self.string(&text);
            return true;
        }
        if !matches!(verb, 'v' | 's' | 'x' | 'X' | 'q') {
            return false;
        }
        match stringer(value) {
            Some(text) => self.text(value, &text, verb),
            None => return false,
        }
        true
    }

    /// `%!d(string=text)`
    fn bad_verb(&mut self, value: &Value<'_>, verb: char) {
        self.erroring = true;
        self.out.extend_from_slice(b"%!");
        unicode::push(self.out, verb);
        if matches!(value, Value::Nil | Value::NilSlot) {
            self.out.extend_from_slice(b"(<nil>");
        } else {
            self.out.push(b'(');
            self.out.extend_from_slice(value.type_name().as_bytes());
            self.out.push(b'=');
            self.value(value, 'v');
        }
        self.out.push(b')');
        self.erroring = false;
    }
}
