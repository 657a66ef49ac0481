//! Go's number literals, as far as the lexer goes: where one ends and what is wrong with its digits. Its value is read
//! later.

use super::scanner::{EOF, Place, Scanner};

impl Scanner<'_> {
    /// A Go number literal that starts with `c`, or with a point before `c`. Returns the character after it.
    pub(super) fn number(&mut self, mut c: char, mut seen_dot: bool, place: &mut Place) -> char {
        let (mut radix, mut prefix) = (10, None);
        let mut is_float = seen_dot;
        let mut seen = Digits::default();
        if !seen_dot {
            if c == '0' {
                c = self.read(place);
                match c {
                    'x' | 'X' => {
                        (radix, prefix) = (16, Some('x'));
                        c = self.read(place);
                    }
                    'o' | 'O' => {
                        (radix, prefix) = (8, Some('o'));
                        c = self.read(place);
                    }
                    // Upstream looks at the character read ahead before this token, so what stands before the
                    // number decides: `0b1` right after an operator is binary, after a blank it is an error.
                    'b' | 'B' => {
                        if matches!(self.ahead, Some('0' | '1')) {
                            (radix, prefix) = (2, Some('b'));
                            c = self.read(place);
                        }
                    }
                    _ => {
                        (radix, prefix) = (8, Some('0'));
                        seen.digit = true;
                    }
                }
            }
            c = self.digits(c, radix, &mut seen, place);
            if c == '.' {
                c = self.read(place);
                seen_dot = true;
                is_float = true;
            }
        }
        if seen_dot {
            if matches!(prefix, Some('o' | 'b')) {
                place.error(format!("invalid radix point in {}", literal_name(prefix)));
            }
            c = self.digits(c, radix, &mut seen, place);
        }
        if !seen.digit {
            place.error(format!("{} has no digits", literal_name(prefix)));
        }
        if matches!(c, 'e' | 'E' | 'p' | 'P') {
            if matches!(c, 'e' | 'E') && !matches!(prefix, None | Some('0')) {
                place.error(format!("{} exponent requires decimal mantissa", go_quote_char(c)));
            } else if matches!(c, 'p' | 'P') && prefix != Some('x') {
                place.error(format!("{} exponent requires hexadecimal mantissa", go_quote_char(c)));
            }
            c = self.read(place);
            is_float = true;
            if matches!(c, '+' | '-') {
                c = self.read(place);
            }
            let mut exponent = Digits::default();
            c = self.digits(c, 10, &mut exponent, place);
            seen.separator |= exponent.separator;
            if !exponent.digit {
                place.error("exponent has no digits");
            }
        } else if prefix == Some('x') && is_float {
            place.error("hexadecimal mantissa requires a 'p' exponent");
        }
        if let Some(digit) = seen.invalid.filter(|_| !is_float) {
            place.error(format!("invalid digit {} in {}", go_quote_char(digit), literal_name(prefix)));
        }
        if seen.separator {
            let end = self.pos - self.last_char_len;
            if self.text.get(place.at..end).is_some_and(bad_separator) {
                place.error("'_' must separate successive digits");
            }
        }
        c
    }

    fn digits(&mut self, mut c: char, radix: u32, seen: &mut Digits, place: &mut Place) -> char {
        loop {
            match c {
                '_' => seen.separator = true,
                c if c.is_digit(radix.max(10)) && c != EOF => {
                    seen.digit = true;
                    if !c.is_digit(radix) && seen.invalid.is_none() {
                        seen.invalid = Some(c);
                    }
                }
                c => return c,
            }
            c = self.read(place);
        }
    }
}

#[derive(Default)]
struct Digits {
    digit: bool,
    separator: bool,
    /// The first digit too large for the radix.
    invalid: Option<char>,
}

fn literal_name(prefix: Option<char>) -> &'static str {
    match prefix {
        Some('x') => "hexadecimal literal",
        Some('o' | '0') => "octal literal",
        Some('b') => "binary literal",
        _ => "decimal literal",
    }
}

fn go_quote_char(c: char) -> String {
    format!("'{c}'")
}

/// Whether some `_` of a number does not stand between two digits; a base prefix counts as a digit.
fn bad_separator(number: &[u8]) -> bool {
    let hex = matches!(number, [b'0', b'x' | b'X', ..]);
    let prefixed = matches!(number, [b'0', b'x' | b'X' | b'o' | b'O' | b'b' | b'B', ..]);
    let mut before = if prefixed { b'0' } else { b'.' };
    for &byte in number.get(if prefixed { 2 } else { 0 }..).unwrap_or_default() {
        let class = match byte {
            b'_' => b'_',
            b'0'..=b'9' => b'0',
            b if hex && b.is_ascii_hexdigit() => b'0',
            _ => b'.',
        };
        if (class == b'_' && before != b'0') || (class == b'.' && before == b'_') {
            return true;
        }
        before = class;
    }
    before == b'_'
}
