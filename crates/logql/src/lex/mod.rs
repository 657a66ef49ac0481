//! Text to tokens.
//!
//! Lexing runs to the end before parsing starts; the first error keeps the index of the token it was met at, so that
//! the parser can tell which of a lexical and a syntactic fault came first. Some lexical errors end the text there
//! (a range that is no duration), others do not (a digit too large for an octal number).

mod number;
mod scanner;
mod string;
mod token;

use scanner::{EOF, Place, Raw, Scanner};

pub(crate) use scanner::LexError;
pub(crate) use token::{Kind, Token, Value};

use crate::unicode::{is_letter, is_number, lower};
use crate::{bytesize, duration};

/// Most characters that are read on after a number to see whether it is a duration or a size. Without it a text could be
/// read again and again.
const RUN_CHARS_MAX: usize = 256;

/// All tokens, the last one being `End`, and the first lexical error.
pub(crate) fn tokens(text: &[u8]) -> (Vec<Token>, Option<LexError>) {
    // Only a text with such bytes needs a look at what stands far behind a function word: it could report them.
    let is_clean = std::str::from_utf8(text).is_ok() && !text.contains(&0);
    let mut lexer = Lexer { text, scanner: Scanner::new(text), place: Place::default(), is_clean };
    let mut tokens = Vec::new();
    loop {
        lexer.place.token = tokens.len();
        let token = lexer.token();
        let is_end = token.kind == Kind::End;
        tokens.push(token);
        if is_end {
            return (tokens, lexer.place.first_error);
        }
    }
}

struct Lexer<'a> {
    text: &'a [u8],
    scanner: Scanner<'a>,
    place: Place,
    is_clean: bool,
}

impl Lexer<'_> {
    fn token(&mut self) -> Token {
        loop {
            let raw = self.scanner.scan(&mut self.place);
            if raw != Raw::Other('#') {
                let (kind, value) = self.classify(raw);
                return Token {
                    kind,
                    value,
                    start: self.place.at as u32,
                    end: self.scanner.offset() as u32,
                    line: self.place.line,
                    col: self.place.col,
                };
            }
            let mut c = self.scanner.peek(&mut self.place);
            while c != '\n' && c != EOF {
                c = self.scanner.next(&mut self.place);
            }
        }
    }

    /// The text from the token's start to where the scanner stands.
    fn so_far(&self) -> String {
        let bytes = self.text.get(self.place.at..self.scanner.offset()).unwrap_or_default();
        String::from_utf8_lossy(bytes).into_owned()
    }

    fn classify(&mut self, raw: Raw) -> (Kind, Value) {
        match raw {
            Raw::End => return (Kind::End, Value::None),
            Raw::Number => {
                let number = self.so_far();
                if let Some(ns) = self.run(&number, is_duration_char, |run| duration::parse(run).ok()) {
                    return (Kind::Duration, Value::Duration(ns));
                }
                if let Some(size) = self.run(&number, is_bytes_char, bytesize::parse) {
                    return (Kind::Bytes, Value::Size(size));
                }
                return (Kind::Number, Value::None);
            }
            Raw::Other('-') => {
                if self.scanner.peek(&mut self.place) == '-' {
                    let known = |run: &str| matches!(run, "--strict" | "--keep-empty").then_some(());
                    if self.run("-", |c| is_letter(c) || c == '-', known).is_some() {
                        return (Kind::Flag, Value::None);
                    }
                }
                if let Some(ns) = self.run("-", is_duration_char, |run| duration::parse(run).ok()) {
                    return (Kind::Duration, Value::Duration(ns));
                }
            }
            Raw::Str | Raw::BackQuoted => return self.string(),
            Raw::Other('[') => return self.range(),
            Raw::Ident | Raw::Char | Raw::Other(_) => {}
        }
        let text = self.so_far();
        if raw == Raw::Ident {
            let word = lower(&text);
            if let Some(kind) = token::function(&word) {
                return (if self.is_call() { kind } else { Kind::Identifier }, Value::None);
            }
            return (token::reserved(&word).unwrap_or(Kind::Identifier), Value::None);
        }
        let next = self.scanner.peek(&mut self.place);
        if next != EOF
            && let Some(kind) = token::punctuation(&format!("{text}{next}"))
        {
            self.scanner.next(&mut self.place);
            return (kind, Value::None);
        }
        (token::punctuation(&text).unwrap_or(Kind::Identifier), Value::None)
    }

    /// Consumes the longest run of `belongs` characters if `parse` takes it together with what precedes it.
    fn run<T>(
        &mut self,
        before: &str,
        belongs: impl Fn(char) -> bool,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let mut ahead = self.scanner;
        let mut run = before.to_owned();
        let mut count = 0;
        loop {
            let c = ahead.peek(&mut self.place);
            if c == EOF || !belongs(c) {
                break;
            }
            if count == RUN_CHARS_MAX {
                return None;
            }
            run.push(c);
            ahead.advance(&mut self.place);
            count += 1;
        }
        let value = if count == 0 { None } else { parse(&run) };
        if value.is_some() {
            for _ in 0..count {
                self.scanner.next(&mut self.place);
            }
        }
        value
    }

    fn string(&mut self) -> (Kind, Value) {
        let bytes = self.text.get(self.place.at..self.scanner.offset()).unwrap_or_default();
        if std::str::from_utf8(bytes).is_err() {
            self.place.error("invalid UTF-8 rune");
            return (Kind::End, Value::None);
        }
        match string::unquote(bytes) {
            Some(value) => (Kind::Str, Value::Bytes(value)),
            None => {
                self.place.error("invalid syntax");
                (Kind::End, Value::None)
            }
        }
    }

    /// What follows `[`, up to `]`.
    fn range(&mut self) -> (Kind, Value) {
        let mut text = String::new();
        loop {
            match self.scanner.next(&mut self.place) {
                EOF => {
                    self.place.error("missing closing ']' in duration");
                    return (Kind::End, Value::None);
                }
                ']' => break,
                c => text.push(c),
            }
        }
        match duration::parse_prometheus(&text) {
            Ok(ns) => (Kind::Range, Value::Duration(ns)),
            Err(message) => {
                self.place.error(message);
                (Kind::End, Value::None)
            }
        }
    }

    /// Whether `(`, or `by` or `without` and `(`, come next.
    fn is_call(&mut self) -> bool {
        let mut ahead = self.scanner;
        self.skip_blanks(&mut ahead);
        let mut word = String::new();
        loop {
            let c = ahead.advance(&mut self.place);
            let is_long = word.len() > "without".len();
            if c == EOF || (is_long && (self.is_clean || self.place.first_error.is_some())) {
                return false;
            }
            word.push(c);
            match lower(&word).as_str() {
                "(" => return true,
                "by" | "without" => {
                    self.skip_blanks(&mut ahead);
                    return ahead.advance(&mut self.place) == '(';
                }
                _ => {}
            }
        }
    }

    fn skip_blanks(&mut self, ahead: &mut Scanner<'_>) {
        while ahead.peek(&mut self.place).is_whitespace() {
            ahead.advance(&mut self.place);
        }
    }
}

fn is_duration_char(c: char) -> bool {
    is_number(c) || matches!(c, '.' | 'n' | 'u' | '\u{b5}' | 'm' | 's' | 'h' | 'd' | 'w' | 'y')
}

fn is_bytes_char(c: char) -> bool {
    is_number(c) || matches!(c, '.' | 'B' | 'i' | 'k' | 'K' | 'M' | 'G' | 'T' | 'P')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<Kind> {
        let (tokens, error) = tokens(text.as_bytes());
        assert!(error.is_none(), "{text}: {error:?}");
        tokens.iter().map(|token| token.kind).take_while(|&kind| kind != Kind::End).collect()
    }

    fn first_error(text: &[u8]) -> (String, u32, u32) {
        let (_, error) = tokens(text);
        let error = error.expect("a lexical error");
        (error.message, error.line, error.col)
    }

    #[test]
    fn words_are_functions_only_before_a_parenthesis() {
        use Kind::*;
        assert_eq!(kinds("rate (x)"), [Rate, OpenParen, Identifier, CloseParen]);
        assert_eq!(kinds("rate rate"), [Identifier, Identifier]);
        assert_eq!(kinds("SUM BY(a)"), [Sum, By, OpenParen, Identifier, CloseParen]);
        assert_eq!(kinds("sum without \t(a)"), [Sum, Without, OpenParen, Identifier, CloseParen]);
        assert_eq!(kinds("sum bytes(a)"), [Identifier, BytesConv, OpenParen, Identifier, CloseParen]);
        assert_eq!(kinds("json JSON"), [Json, Json]);
        assert_eq!(kinds("\u{212a}eep \u{130}p("), [Keep, Ip, OpenParen]);
    }

    #[test]
    fn operators_need_no_blank() {
        use Kind::*;
        assert_eq!(kinds("|=|~|>|!=!~!>=~===>=<=!"), {
            [PipeExact, PipeMatch, PipePattern, Pipe, Neq, Nre, Npa, Re, CmpEq, Eq, Gte, Lte, Identifier]
        });
        assert_eq!(kinds("a.b @ 'x'"), [Identifier, Dot, Identifier, Identifier, Identifier]);
    }

    #[test]
    fn numbers_grow_into_durations_and_sizes() {
        use Kind::*;
        assert_eq!(kinds("5 5m 1.5h 1h0.0m0s 5us 1d12h 0x1p-2 1_000 .5 5."), {
            [Number, Duration, Duration, Duration, Duration, Duration, Number, Number, Number, Number]
        });
        assert_eq!(kinds("5MB 5K 5Ki 5B 5.5GiB"), [Bytes; 5]);
        assert_eq!(kinds("1.5d 1h1d 5kb 5mB"), {
            [Number, Identifier, Number, Identifier, Bytes, Identifier, Duration, Identifier]
        });
        assert_eq!(kinds("-5m -0 - 0 1-0 1-1"), {
            [Duration, Duration, Sub, Number, Number, Duration, Number, Sub, Number]
        });
        assert_eq!(kinds("--strict --keep-empty --bad"), [Flag, Flag, Sub, Sub, Identifier]);
    }

    #[test]
    fn comments_are_blanks() {
        use Kind::*;
        assert_eq!(kinds("a # b\nc // d\n/* e\n */ f #"), [Identifier, Identifier, Identifier]);
        assert_eq!(kinds("\u{feff}a"), [Identifier]);
        assert_eq!(kinds("a\u{a0}b"), [Identifier, Identifier, Identifier]);
    }

    #[test]
    fn errors_have_upstreams_places() {
        let cases: &[(&[u8], &str, u32, u32)] = &[
            (b"{a=\"\\q\"}", "invalid char escape", 1, 4),
            (b"{a='bc'}", "invalid char literal", 1, 4),
            (b"\"a\nb\"", "literal not terminated", 1, 1),
            (b" 08", "invalid digit '8' in octal literal", 1, 2),
            (b"5E", "exponent has no digits", 1, 1),
            (b"a [5m", "missing closing ']' in duration", 0, 3),
            (b"a\n[]", "empty duration string", 0, 1),
            (b"[1.5h]", "unknown unit \".\" in duration \"1.5h\"", 0, 1),
            (b"1__0", "'_' must separate successive digits", 1, 1),
            (b"/* a", "comment not terminated", 1, 1),
            (b"\"\\400\"", "invalid syntax", 1, 1),
            (b"a \0", "invalid character NUL", 0, 1),
            (b"a\xff", "invalid UTF-8 encoding", 1, 1),
        ];
        for &(text, message, line, col) in cases {
            assert_eq!(first_error(text), (message.to_owned(), line, col), "{}", String::from_utf8_lossy(text));
        }
    }
}
