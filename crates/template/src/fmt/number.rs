//! Numbers with verbs.

use super::{LOWER, Printer, UPPER, format_float};
use crate::quote::quote_rune_into;
use crate::unicode::{self, RUNE_ERROR};
use crate::value::Value;

impl Printer<'_> {
    /// `0x1f`, the prefix if asked for.
    pub(super) fn hex(&mut self, value: u64, prefix: bool) {
        let sharp = std::mem::replace(&mut self.flags.sharp, prefix);
        self.digits(value, 16, false, 'v', LOWER);
        self.flags.sharp = sharp;
    }

    /// A whole number of the type `name`.
    pub(super) fn integer(&mut self, name: &str, number: u64, signed: bool, verb: char) {
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

    pub(super) fn float(&mut self, value: &Value<'_>, number: f64, verb: char) {
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
