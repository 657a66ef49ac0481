//! Characters with their places, and the raw tokens of Go's source language, which is what LogQL's lexer sees first.
//!
//! One character is always read ahead. That is visible: a NUL or a broken UTF-8 sequence is reported at the token
//! *before* it, and an operation that consumes characters one by one forgets the line of the token it belongs to.
//!
//! Source: the Go specification's lexical elements; the positions are those observed on Loki 3.7.6.

use crate::unicode::{is_digit, is_letter};

/// No character: the end.
pub(super) const EOF: char = '\u{10ffff}';

/// A lexical error: what, where, and while reading which token.
#[derive(Clone, Debug)]
pub(crate) struct LexError {
    pub(crate) message: String,
    pub(crate) line: u32,
    pub(crate) col: u32,
    /// Index of the token that was being read.
    pub(crate) token: usize,
    /// Byte offset of that token.
    pub(crate) at: usize,
}

/// Place of the token being read, and the first error met. Shared by the scanner and the copies that look ahead.
#[derive(Debug, Default)]
pub(super) struct Place {
    pub(super) line: u32,
    pub(super) col: u32,
    pub(super) at: usize,
    pub(super) token: usize,
    pub(super) first_error: Option<LexError>,
}

impl Place {
    pub(super) fn error(&mut self, message: impl Into<String>) {
        let Self { line, col, at, token, .. } = *self;
        self.first_error.get_or_insert_with(|| LexError { message: message.into(), line, col, token, at });
    }
}

/// A raw token's class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Raw {
    End,
    Ident,
    Number,
    /// `'x'`, which LogQL has no use for.
    Char,
    Str,
    BackQuoted,
    /// Any other character.
    Other(char),
}

/// Where in the text we are. A copy looks ahead without moving the original.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scanner<'a> {
    pub(super) text: &'a [u8],
    /// Byte offset past the character last read.
    pub(super) pos: usize,
    line: u32,
    column: u32,
    last_line_len: u32,
    pub(super) last_char_len: usize,
    /// The character read ahead, once something was read.
    pub(super) ahead: Option<char>,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { text, pos: 0, line: 1, column: 0, last_line_len: 0, last_char_len: 0, ahead: None }
    }

    /// Byte offset of the character read ahead, which is the end of the last token.
    pub(super) fn offset(&self) -> usize {
        self.pos - self.last_char_len
    }

    pub(super) fn read(&mut self, place: &mut Place) -> char {
        let Some(rest) = self.text.get(self.pos..).filter(|rest| !rest.is_empty()) else {
            if self.last_char_len > 0 {
                self.column += 1;
            }
            self.last_char_len = 0;
            return EOF;
        };
        let (c, len) = decode(rest);
        self.pos += len;
        self.last_char_len = len;
        self.column += 1;
        match c {
            None => {
                place.error("invalid UTF-8 encoding");
                return char::REPLACEMENT_CHARACTER;
            }
            Some('\0') => place.error("invalid character NUL"),
            Some('\n') => {
                self.line += 1;
                self.last_line_len = self.column;
                self.column = 0;
            }
            Some(_) => {}
        }
        // A real U+10FFFF is a noncharacter; telling it from the end is not worth a wider type.
        c.filter(|&c| c != EOF).unwrap_or(char::REPLACEMENT_CHARACTER)
    }

    /// The next character, not consumed.
    pub(super) fn peek(&mut self, place: &mut Place) -> char {
        match self.ahead {
            Some(c) => c,
            None => {
                let mut c = self.read(place);
                if c == '\u{feff}' {
                    c = self.read(place);
                }
                self.ahead = Some(c);
                c
            }
        }
    }

    /// Consumes a character of a copy.
    pub(super) fn advance(&mut self, place: &mut Place) -> char {
        let c = self.peek(place);
        if c != EOF {
            self.ahead = Some(self.read(place));
        }
        c
    }

    /// Consumes a character of the original: the token's line is forgotten.
    pub(super) fn next(&mut self, place: &mut Place) -> char {
        place.line = 0;
        self.advance(place)
    }

    /// Reads the next token; its first byte is then at `place.at`, its end at [`Self::offset`].
    pub(super) fn scan(&mut self, place: &mut Place) -> Raw {
        let mut c = self.peek(place);
        place.line = 0;
        loop {
            while matches!(c, ' ' | '\t' | '\n' | '\r') {
                c = self.read(place);
            }
            place.at = self.offset();
            if self.column > 0 {
                (place.line, place.col) = (self.line, self.column);
            } else {
                (place.line, place.col) = (self.line - 1, self.last_line_len);
            }
            if c != '/' {
                break;
            }
            c = self.read(place);
            if c != '/' && c != '*' {
                self.ahead = Some(c);
                return Raw::Other('/');
            }
            c = self.comment(c, place);
        }
        let (raw, next) = match c {
            EOF => (Raw::End, EOF),
            c if c == '_' || is_letter(c) => (Raw::Ident, self.identifier(place)),
            '0'..='9' => (Raw::Number, self.number(c, false, place)),
            '"' | '\'' => {
                let count = self.string(c, place);
                if c == '\'' && count != 1 {
                    place.error("invalid char literal");
                }
                (if c == '"' { Raw::Str } else { Raw::Char }, self.read(place))
            }
            '`' => {
                self.raw_string(place);
                (Raw::BackQuoted, self.read(place))
            }
            '.' => match self.read(place) {
                d @ '0'..='9' => (Raw::Number, self.number(d, true, place)),
                d => (Raw::Other('.'), d),
            },
            c => (Raw::Other(c), self.read(place)),
        };
        self.ahead = Some(next);
        raw
    }

    fn identifier(&mut self, place: &mut Place) -> char {
        loop {
            let c = self.read(place);
            if !(c == '_' || is_letter(c) || is_digit(c)) || c == EOF {
                return c;
            }
        }
    }

    /// `first` is the `/` or `*` after the opening `/`. Returns the character after the comment.
    fn comment(&mut self, first: char, place: &mut Place) -> char {
        let mut c = self.read(place);
        if first == '/' {
            while c != '\n' && c != EOF {
                c = self.read(place);
            }
            return c;
        }
        loop {
            if c == EOF {
                place.error("comment not terminated");
                return c;
            }
            let before = c;
            c = self.read(place);
            if before == '*' && c == '/' {
                return self.read(place);
            }
        }
    }

    /// Returns the number of characters between the quotes.
    fn string(&mut self, quote: char, place: &mut Place) -> usize {
        let mut c = self.read(place);
        let mut count = 0;
        while c != quote {
            if c == '\n' || c == EOF {
                place.error("literal not terminated");
                return count;
            }
            c = if c == '\\' { self.escape(quote, place) } else { self.read(place) };
            count += 1;
        }
        count
    }

    fn raw_string(&mut self, place: &mut Place) {
        loop {
            match self.read(place) {
                '`' => return,
                EOF => return place.error("literal not terminated"),
                _ => {}
            }
        }
    }

    fn escape(&mut self, quote: char, place: &mut Place) -> char {
        let c = self.read(place);
        let (radix, digits) = match c {
            'a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '\\' => return self.read(place),
            c if c == quote => return self.read(place),
            '0'..='7' => (8, 3),
            'x' => (16, 2),
            'u' => (16, 4),
            'U' => (16, 8),
            _ => {
                place.error("invalid char escape");
                return c;
            }
        };
        let mut c = if radix == 8 { c } else { self.read(place) };
        for _ in 0..digits {
            if c == EOF || !c.is_digit(radix) {
                place.error("invalid char escape");
                break;
            }
            c = self.read(place);
        }
        c
    }
}

fn decode(bytes: &[u8]) -> (Option<char>, usize) {
    let len = match bytes.first() {
        Some(0xc2..=0xdf) => 2,
        Some(0xe0..=0xef) => 3,
        Some(0xf0..=0xf4) => 4,
        _ => 1,
    };
    let c = bytes.get(..len).and_then(|one| std::str::from_utf8(one).ok()).and_then(|one| one.chars().next());
    (c, if c.is_some() { len } else { 1 })
}
