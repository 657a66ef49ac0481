//! Strings and bytes with verbs.

use super::{LOWER, Printer, UPPER};
use crate::quote::{can_backquote, quote_into};
use crate::unicode;
use crate::value::{Text, Value};

impl Printer<'_> {
    pub(super) fn text(&mut self, value: &Value<'_>, text: &[u8], verb: char) {
        match verb {
            'v' if self.flags.sharp_v => self.quoted(text),
            'v' | 's' => self.string(text),
            'x' => self.hex_text(text, LOWER),
            'X' => self.hex_text(text, UPPER),
            'q' => self.quoted(text),
            _ => self.bad_verb(value, verb),
        }
    }

    pub(super) fn bytes(&mut self, value: &Value<'_>, text: &Text<'_>, verb: char, name: &str) {
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

    pub(super) fn string(&mut self, text: &[u8]) {
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
}
