//! `Printf`: formats with verbs, flags, widths and argument numbers.

use super::{Flags, Printer, TooLong};
use crate::unicode;
use crate::value::Value;

/// The largest width or precision.
const MOST: i64 = 1_000_000;

/// Where reading the format stands.
struct Cursor<'f, 'v, 'a> {
    format: &'f [u8],
    at: usize,
    args: &'v [Value<'a>],
    arg: usize,
    /// An argument number was given somewhere: unused arguments are then no mistake.
    reordered: bool,
    /// The argument numbers of this verb are in order.
    good: bool,
}

/// Reads digits up to `end`. None there, or too many: `None`, and in the latter case the cursor goes to the end.
fn number(format: &[u8], at: &mut usize, end: usize) -> Option<usize> {
    let mut value = None;
    while let Some(digit) = format[..end].get(*at).filter(|b| b.is_ascii_digit()) {
        let before: i64 = value.unwrap_or(0);
        if before > MOST {
            *at = end;
            return None;
        }
        value = Some(before * 10 + i64::from(digit - b'0'));
        *at += 1;
    }
    value.and_then(|value| usize::try_from(value).ok())
}

impl Cursor<'_, '_, '_> {
    fn peek(&self) -> Option<u8> {
        self.format.get(self.at).copied()
    }

    /// `[3]`: the argument to use next. Whether one was given.
    fn argument_number(&mut self) -> bool {
        if self.peek() != Some(b'[') {
            return false;
        }
        self.reordered = true;
        let rest = &self.format[self.at..];
        let close = if rest.len() < 3 { None } else { rest.iter().position(|&b| b == b']') };
        let Some(close) = close else {
            self.good = false;
            self.at += 1;
            return false;
        };
        let mut at = 1;
        let index = number(rest, &mut at, close).filter(|_| at == close);
        self.at += close + 1;
        let Some(index) = index else {
            self.good = false;
            return false;
        };
        match index.checked_sub(1).filter(|&index| index < self.args.len()) {
            Some(index) => self.arg = index,
            None => self.good = false,
        }
        true
    }

    /// The whole number that `*` stands for.
    fn star(&mut self) -> Option<i64> {
        let arg = self.args.get(self.arg)?;
        self.arg += 1;
        let number = match arg {
            Value::Byte(byte) => i64::from(*byte),
            Value::Slot(json) => Value::of_json(json.clone()).int()?,
            other => other.int()?,
        };
        (-MOST..=MOST).contains(&number).then_some(number)
    }
}

impl Printer<'_> {
    /// `fmt.Sprintf`.
    pub(crate) fn printf(mut self, format: &[u8], args: &[Value<'_>]) -> Result<(), TooLong> {
        let mut cursor = Cursor { format, at: 0, args, arg: 0, reordered: false, good: true };
        while cursor.at < format.len() && !self.too_long {
            let rest = &format[cursor.at..];
            let text = memchr::memchr(b'%', rest).unwrap_or(rest.len());
            if !self.room(text) {
                break;
            }
            self.out.extend_from_slice(&rest[..text]);
            cursor.at += text + 1;
            if text < rest.len() {
                cursor.good = true;
                self.directive(&mut cursor);
            }
        }
        if !cursor.reordered && cursor.arg < args.len() {
            self.flags = Flags::default();
            self.out.extend_from_slice(b"%!(EXTRA ");
            for (at, arg) in args[cursor.arg..].iter().enumerate() {
                self.out.extend_from_slice(if at > 0 { b", " } else { b"" });
                if matches!(arg, Value::Nil | Value::NilSlot) {
                    self.out.extend_from_slice(b"<nil>");
                } else {
                    self.out.extend_from_slice(arg.type_name().as_bytes());
                    self.out.push(b'=');
                    self.arg(arg, 'v');
                }
            }
            self.out.push(b')');
        }
        self.finish()
    }

    /// What follows a percent sign.
    fn directive(&mut self, cursor: &mut Cursor<'_, '_, '_>) {
        self.flags = Flags::default();
        let flags = &mut self.flags;
        while let Some(byte) = cursor.peek() {
            match byte {
                b'#' => flags.sharp = true,
                b'0' => flags.zero = true,
                b'+' => flags.plus = true,
                b'-' => flags.minus = true,
                b' ' => flags.space = true,
                _ => break,
            }
            cursor.at += 1;
        }
        let mut after_number = cursor.argument_number();
        if cursor.peek() == Some(b'*') {
            cursor.at += 1;
            match cursor.star() {
                Some(width) => {
                    flags.width = usize::try_from(width.abs()).ok();
                    if width < 0 {
                        (flags.minus, flags.zero) = (true, false);
                    }
                }
                None => self.out.extend_from_slice(b"%!(BADWIDTH)"),
            }
            after_number = false;
        } else {
            flags.width = number(cursor.format, &mut cursor.at, cursor.format.len());
            if after_number && flags.width.is_some() {
                cursor.good = false; // "%[3]2d"
            }
        }
        // A point at the very end is no precision.
        if cursor.peek() == Some(b'.') && cursor.at + 1 < cursor.format.len() {
            cursor.at += 1;
            if after_number {
                cursor.good = false; // "%[3].2d"
            }
            after_number = cursor.argument_number();
            if cursor.peek() == Some(b'*') {
                cursor.at += 1;
                let found = cursor.star();
                flags.precision = found.and_then(|precision| usize::try_from(precision).ok());
                if flags.precision.is_none() {
                    self.out.extend_from_slice(b"%!(BADPREC)");
                }
                after_number = false;
            } else {
                flags.precision = Some(number(cursor.format, &mut cursor.at, cursor.format.len()).unwrap_or(0));
            }
        }
        if !after_number {
            cursor.argument_number();
        }
        let (verb, width) = unicode::decode(&cursor.format[cursor.at.min(cursor.format.len())..]);
        if width == 0 {
            self.out.extend_from_slice(b"%!(NOVERB)");
            return;
        }
        cursor.at += width;
        let bad = |printer: &mut Self, what: &[u8]| {
            printer.out.extend_from_slice(b"%!");
            unicode::push(printer.out, verb);
            printer.out.extend_from_slice(what);
        };
        if verb == '%' {
            self.out.push(b'%');
        } else if !cursor.good {
            bad(self, b"(BADINDEX)");
        } else if let Some(arg) = cursor.args.get(cursor.arg) {
            if matches!(verb, 'v' | 'w') {
                self.flags.sharp_v = std::mem::replace(&mut self.flags.sharp, false);
                self.flags.plus_v = std::mem::replace(&mut self.flags.plus, false);
            }
            self.arg(arg, verb);
            cursor.arg += 1;
        } else {
            bad(self, b"(MISSING)");
        }
    }
}
