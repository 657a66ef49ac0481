//! Go's package `fmt`: how values print, alone and with verbs.
//!
//! A [`Printer`] appends to a buffer and keeps a limit: widths in a format can ask for far more than anyone wants to read.

mod float;
mod printf;

pub(crate) use float::format_float;

use crate::Fields;
use crate::quote::{can_backquote, quote_into, quote_rune_into};
use crate::time::{MONTHS, Time, WEEKDAYS, format_duration};
use crate::unicode::{self, RUNE_ERROR};
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

    // Strings.

    fn text(&mut self, value: &Value<'_>, text: &[u8], verb: char) {
        match verb {
            'v' if self.flags.sharp_v => self.quoted(text),
            'v' | 's' => self.string(text),
            'x' => self.hex_text(text, LOWER),
            'X' => self.hex_text(text, UPPER),
            'q' => self.quoted(text),
            _ => self.bad_verb(value, verb),
        }
    }

    fn bytes(&mut self, value: &Value<'_>, text: &Text<'_>, verb: char, name: &str) {
        let bytes = text.bytes();
        match verb {
            'v' | 'd' if self.flags.sharp_v => {
                self.out.extend_from_slice(name.as_bytes());
                self.out.push(b'{');
                for (at, byte) in bytes.iter().enumerate() {
                    self.out.extend_from_slice(if at > 0 { b", " } else { b"" });
                    self.hex(u64::from(*byte), true);
                }
                self.out.push(b'}');
            }
            's' => self.string(bytes),
            'x' => self.hex_text(bytes, LOWER),
            'X' => self.hex_text(bytes, UPPER),
            'q' => self.quoted(bytes),
            _ => self.list(value, bytes.iter().map(|&b| Value::Byte(b)), verb),
        }
    }

    /// The runes that the precision allows.
    fn cut<'t>(&self, text: &'t [u8]) -> &'t [u8] {
        match self.flags.precision {
            Some(precision) => {
                let end = unicode::runes(text).nth(precision).map_or(text.len(), |(at, ..)| at);
                &text[..end]
            }
            None => text,
        }
    }

    fn string(&mut self, text: &[u8]) {
        self.pad(self.cut(text));
    }

    fn quoted(&mut self, text: &[u8]) {
        let text = self.cut(text);
        let mut quoted = Vec::with_capacity(text.len() + 2);
        if self.flags.sharp && can_backquote(text) {
            quoted.push(b'`');
            quoted.extend_from_slice(text);
            quoted.push(b'`');
        } else {
            quote_into(&mut quoted, text, self.flags.plus);
        }
        self.pad(&quoted);
    }

    fn hex_text(&mut self, text: &[u8], digits: &[u8; 16]) {
        let len = text.len().min(self.flags.precision.unwrap_or(usize::MAX));
        let text = &text[..len];
        let prefix: &[u8] = match (self.flags.sharp, digits == LOWER) {
            (false, _) => b"",
            (true, true) => b"0x",
            (true, false) => b"0X",
        };
        let mut hex = Vec::with_capacity(2 * len);
        for (at, byte) in text.iter().enumerate() {
            if at == 0 || self.flags.space {
                hex.extend_from_slice(if at > 0 { b" " } else { b"" });
                hex.extend_from_slice(prefix);
            }
            hex.extend_from_slice(&[digits[usize::from(byte >> 4)], digits[usize::from(byte & 15)]]);
        }
        self.pad(&hex);
    }

    // Numbers.

    /// `0x1f`, the prefix if asked for.
    fn hex(&mut self, value: u64, prefix: bool) {
        let sharp = std::mem::replace(&mut self.flags.sharp, prefix);
        self.digits(value, 16, false, 'v', LOWER);
        self.flags.sharp = sharp;
    }

    /// A whole number of the type `name`.
    fn integer(&mut self, name: &str, number: u64, signed: bool, verb: char) {
        match verb {
            'v' if self.flags.sharp_v && !signed => self.hex(number, true),
            'v' | 'd' => self.digits(number, 10, signed, verb, LOWER),
            'b' => self.digits(number, 2, signed, verb, LOWER),
            'o' | 'O' => self.digits(number, 8, signed, verb, LOWER),
            'x' => self.digits(number, 16, signed, verb, LOWER),
            'X' => self.digits(number, 16, signed, verb, UPPER),
            'c' => self.pad(rune(number).encode_utf8(&mut [0; 4]).as_bytes()),
            'q' => {
                let mut quoted = Vec::new();
                quote_rune_into(&mut quoted, rune(number), self.flags.plus);
                self.pad(&quoted);
            }
            'U' => {
                let mut text = format!("U+{number:0width$X}", width = self.flags.precision.unwrap_or(0).max(4));
                if self.flags.sharp
                    && number <= 0x10_FFFF
                    && char::from_u32(number as u32).is_some_and(unicode::is_print)
                {
                    text.push_str(&format!(" '{}'", rune(number)));
                }
                self.pad_spaces(text.as_bytes());
            }
            _ => {
                self.out.extend_from_slice(b"%!");
                unicode::push(self.out, verb);
                self.out.extend_from_slice(format!("({name}=").as_bytes());
                self.integer(name, number, signed, 'v');
                self.out.push(b')');
            }
        }
    }

    fn digits(&mut self, number: u64, base: u64, signed: bool, verb: char, digits: &[u8; 16]) {
        let flags = self.flags;
        let negative = signed && (number as i64) < 0;
        let mut rest = if negative { number.wrapping_neg() } else { number };
        let mut least = 0;
        match (flags.precision, flags.width) {
            (Some(0), _) if rest == 0 => {
                // Nothing but padding.
                let zero = std::mem::replace(&mut self.flags.zero, false);
                self.padding(flags.width.unwrap_or(0));
                self.flags.zero = zero;
                return;
            }
            (Some(precision), _) => least = precision,
            (None, Some(width)) if flags.zero && !flags.minus => {
                least = width.saturating_sub(usize::from(negative || flags.plus || flags.space));
            }
            _ => {}
        }
        if !self.room(least) {
            return;
        }
        // Digits from the last to the first, then what stands before them, then turned around.
        let mut text = Vec::with_capacity(24.max(least + 4));
        loop {
            text.push(digits[(rest % base) as usize]);
            rest /= base;
            if rest == 0 {
                break;
            }
        }
        while text.len() < least {
            text.push(b'0');
        }
        match base {
            2 if flags.sharp => text.extend_from_slice(b"b0"),
            8 if flags.sharp && text.last() != Some(&b'0') => text.push(b'0'),
            16 if flags.sharp => text.extend_from_slice(if digits == LOWER { b"x0" } else { b"X0" }),
            _ => {}
        }
        if verb == 'O' {
            text.extend_from_slice(b"o0");
        }
        match (negative, flags.plus, flags.space) {
            (true, ..) => text.push(b'-'),
            (_, true, _) => text.push(b'+'),
            (.., true) => text.push(b' '),
            _ => {}
        }
        text.reverse();
        self.pad_spaces(&text);
    }

    fn float(&mut self, value: &Value<'_>, number: f64, verb: char) {
        let (style, default) = match verb {
            'v' | 'g' => (b'g', None),
            'b' => (b'b', None),
            'G' => (b'G', None),
            'x' => (b'x', None),
            'X' => (b'X', None),
            'f' | 'F' => (b'f', Some(6)),
            'e' => (b'e', Some(6)),
            'E' => (b'E', Some(6)),
            _ => return self.bad_verb(value, verb),
        };
        let flags = self.flags;
        let precision = flags.precision.or(default);
        if !self.room(precision.unwrap_or(0)) {
            return;
        }
        let text = format_float(number, style, precision);
        let (sign, mut body) = match text.as_bytes() {
            [b'-', body @ ..] => (Some(b'-'), body.to_vec()),
            [b'+', body @ ..] => (None, body.to_vec()),
            body => (None, body.to_vec()),
        };
        let shown = match sign {
            Some(sign) => Some(sign),
            None if flags.plus => Some(b'+'),
            None if flags.space => Some(b' '),
            None => None,
        };
        if !number.is_finite() {
            // Infinity always has a sign.
            let sign = shown.or_else(|| number.is_infinite().then_some(b'+'));
            body.splice(0..0, sign);
            return self.pad_spaces(&body);
        }
        if flags.sharp && verb != 'b' {
            sharpen(&mut body, style, precision);
        }
        if let Some(sign) = shown {
            if let Some(width) = flags.width
                && flags.zero
                && !flags.minus
                && width > body.len() + 1
            {
                // The sign goes before the zeros.
                self.out.push(sign);
                self.padding(width - body.len() - 1);
                self.out.extend_from_slice(&body);
                return;
            }
            body.insert(0, sign);
        }
        self.pad(&body);
    }
}

/// The character of a number.
fn rune(number: u64) -> char {
    u32::try_from(number).ok().and_then(char::from_u32).unwrap_or(RUNE_ERROR)
}

/// The sharp flag: a decimal point always, and zeros at the end kept.
fn sharpen(body: &mut Vec<u8>, style: u8, precision: Option<usize>) {
    let mut digits = match style {
        b'g' | b'G' | b'x' => precision.map_or(6, |p| p as i64),
        _ => 0,
    };
    let hex = matches!(style, b'x' | b'X');
    let end = body.iter().position(|&b| matches!(b, b'p' | b'P') || !hex && matches!(b, b'e' | b'E'));
    let tail = body.split_off(end.unwrap_or(body.len()));
    let mut point = false;
    let mut nonzero = false;
    for &byte in body.iter() {
        if byte == b'.' {
            point = true;
            continue;
        }
        nonzero |= byte != b'0';
        digits -= i64::from(nonzero);
    }
    if !point {
        // A single zero counts as a digit.
        digits -= i64::from(body.as_slice() == b"0");
        body.push(b'.');
    }
    body.extend(std::iter::repeat_n(b'0', usize::try_from(digits).unwrap_or(0)));
    body.extend_from_slice(&tail);
}
