//! Template text to tokens.
//!
//! The rules are Go's, and so are the places where a line number is taken: error texts carry them.

use std::borrow::Cow;

use crate::fmt::unicode_name;
use crate::quote::quote;
use crate::unicode::{is_digit, is_letter};

/// What a token is. The order matters: everything from [`Kind::Block`] on is a keyword.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Kind {
    Error,
    Bool,
    /// Printable ASCII without a meaning of its own, such as the comma.
    Char,
    CharConstant,
    Complex,
    Assign,
    Declare,
    Eof,
    Field,
    Identifier,
    LeftDelim,
    LeftParen,
    Number,
    Pipe,
    RawString,
    RightDelim,
    RightParen,
    Space,
    String,
    Text,
    Variable,
    Block,
    Break,
    Continue,
    Dot,
    Define,
    Else,
    End,
    If,
    Nil,
    Range,
    Template,
    With,
}

/// A piece of the text.
#[derive(Clone, Debug)]
pub(crate) struct Token<'t> {
    pub(crate) kind: Kind,
    /// Where it begins, in bytes.
    pub(crate) pos: usize,
    /// As written; the message if the kind is [`Kind::Error`].
    pub(crate) text: Cow<'t, str>,
    /// The line it begins on, from 1.
    pub(crate) line: usize,
}

impl Default for Token<'_> {
    fn default() -> Self {
        Token { kind: Kind::Error, pos: 0, text: Cow::Borrowed(""), line: 0 }
    }
}

impl Token<'_> {
    /// As error texts show it.
    pub(crate) fn describe(&self) -> String {
        match self.kind {
            Kind::Eof => "EOF".to_owned(),
            Kind::Error => self.text.clone().into_owned(),
            kind if kind >= Kind::Block => format!("<{}>", self.text),
            _ if self.text.len() > 10 => {
                let short: String = self.text.chars().take(10).collect();
                format!("{}...", quote(short.as_bytes()))
            }
            _ => quote(self.text.as_bytes()),
        }
    }
}

fn keyword(word: &str) -> Option<Kind> {
    Some(match word {
        "block" => Kind::Block,
        "break" => Kind::Break,
        "continue" => Kind::Continue,
        "define" => Kind::Define,
        "else" => Kind::Else,
        "end" => Kind::End,
        "if" => Kind::If,
        "nil" => Kind::Nil,
        "range" => Kind::Range,
        "template" => Kind::Template,
        "with" => Kind::With,
        _ => return None,
    })
}

/// What trim markers remove.
const SPACES: [char; 4] = [' ', '\t', '\r', '\n'];

fn is_space(c: char) -> bool {
    SPACES.contains(&c)
}

fn is_alphanumeric(c: char) -> bool {
    c == '_' || is_letter(c) || is_digit(c)
}

/// `{{- `: a minus and a space at the start of `text`.
fn left_trim_marker(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next() == Some('-') && chars.next().is_some_and(is_space)
}

/// ` -}}`: a space and a minus at the start of `text`.
fn right_trim_marker(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(is_space) && chars.next() == Some('-')
}

/// Cuts a text into tokens, on demand.
pub(crate) struct Lexer<'t> {
    text: &'t str,
    /// Where reading goes on.
    pos: usize,
    /// Where the current token began, and on which line.
    start: usize,
    start_line: usize,
    inside_action: bool,
    parens: usize,
}

impl<'t> Lexer<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Lexer { text, pos: 0, start: 0, start_line: 1, inside_action: false, parens: 0 }
    }

    fn rest(&self) -> &'t str {
        &self.text[self.pos..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.pos += c.len_utf8();
        Some(c)
    }

    fn accept(&mut self, set: &str) -> bool {
        let found = self.peek().is_some_and(|c| set.contains(c));
        if found {
            self.bump();
        }
        found
    }

    fn accept_while(&mut self, wanted: impl Fn(char) -> bool) {
        while self.peek().is_some_and(&wanted) {
            self.bump();
        }
    }

    /// The text since `start` as a token; the next one starts here.
    fn token(&mut self, kind: Kind) -> Token<'t> {
        let token = Token {
            kind,
            pos: self.start,
            text: Cow::Borrowed(&self.text[self.start..self.pos]),
            line: self.start_line,
        };
        self.skip();
        token
    }

    /// Drops the text since `start`.
    fn skip(&mut self) {
        let newlines = self.text[self.start..self.pos].bytes().filter(|&b| b == b'\n').count();
        self.start_line += newlines;
        self.start = self.pos;
    }

    /// The last token there is: what follows is not read.
    fn error(&mut self, message: String) -> Token<'t> {
        let token = Token { kind: Kind::Error, pos: self.start, text: Cow::Owned(message), line: self.start_line };
        (self.text, self.pos, self.start) = ("", 0, 0);
        token
    }

    /// The next token; [`Kind::Eof`] at the end, as often as asked.
    pub(crate) fn next_token(&mut self) -> Token<'t> {
        if self.inside_action { self.action() } else { self.outside() }
    }

    /// Text up to the next `{{`, or what begins there.
    fn outside(&mut self) -> Token<'t> {
        loop {
            let Some(at) = memchr::memmem::find(self.rest().as_bytes(), b"{{") else {
                self.pos = self.text.len();
                let kind = if self.pos > self.start { Kind::Text } else { Kind::Eof };
                return self.token(kind);
            };
            if at > 0 {
                let end = self.pos + at;
                let text = &self.text[self.start..end];
                let kept = if left_trim_marker(&self.text[end + 2..]) { text.trim_end_matches(SPACES) } else { text };
                self.pos = self.start + kept.len();
                let token = self.token(Kind::Text);
                self.pos = end;
                self.skip();
                if !token.text.is_empty() {
                    return token;
                }
            }
            // At the delimiter. A comment yields no token, so go on after it.
            let marker = if left_trim_marker(&self.text[self.pos + 2..]) { 2 } else { 0 };
            if self.text[self.pos + 2 + marker..].starts_with("/*") {
                self.pos += 2 + marker;
                self.skip();
                if let Err(message) = self.comment() {
                    return self.error(message.to_owned());
                }
                continue;
            }
            self.pos += 2;
            let token = self.token(Kind::LeftDelim);
            self.inside_action = true;
            self.pos += marker;
            self.skip();
            self.parens = 0;
            return token;
        }
    }

    /// Skips a comment, the closing delimiter and what that trims.
    fn comment(&mut self) -> Result<(), &'static str> {
        let Some(end) = memchr::memmem::find(&self.rest().as_bytes()[2..], b"*/") else {
            return Err("unclosed comment");
        };
        self.pos += 2 + end + 2;
        let Some(trim) = self.right_delim() else { return Err("comment ends before closing delimiter") };
        self.pos += if trim { 4 } else { 2 };
        if trim {
            self.accept_while(is_space);
        }
        self.skip();
        Ok(())
    }

    /// Whether `}}` is next, and whether with a trim marker.
    fn right_delim(&self) -> Option<bool> {
        let rest = self.rest();
        if right_trim_marker(rest) && rest[2..].starts_with("}}") {
            return Some(true);
        }
        rest.starts_with("}}").then_some(false)
    }

    fn close(&mut self, trim: bool) -> Token<'t> {
        if trim {
            self.pos += 2;
            self.skip();
        }
        self.pos += 2;
        let token = self.token(Kind::RightDelim);
        if trim {
            self.accept_while(is_space);
            self.skip();
        }
        self.inside_action = false;
        token
    }

    /// A token between the delimiters.
    fn action(&mut self) -> Token<'t> {
        if let Some(trim) = self.right_delim() {
            if self.parens > 0 {
                return self.error("unclosed left paren".to_owned());
            }
            return self.close(trim);
        }
        let Some(c) = self.bump() else { return self.error("unclosed action".to_owned()) };
        match c {
            c if is_space(c) => self.space(),
            '=' => self.token(Kind::Assign),
            ':' if self.accept("=") => self.token(Kind::Declare),
            ':' => self.error("expected :=".to_owned()),
            '|' => self.token(Kind::Pipe),
            '"' => self.quoted('"', Kind::String, "unterminated quoted string"),
            '\'' => self.quoted('\'', Kind::CharConstant, "unterminated character constant"),
            '`' => {
                self.accept_while(|c| c != '`');
                match self.bump() {
                    Some(_) => self.token(Kind::RawString),
                    None => self.error("unterminated raw quoted string".to_owned()),
                }
            }
            '$' => self.name(Kind::Variable, Kind::Variable),
            '.' if !self.peek().is_none_or(|c| c.is_ascii_digit()) => self.name(Kind::Field, Kind::Dot),
            '.' | '+' | '-' | '0'..='9' => {
                self.pos = self.start;
                self.number()
            }
            c if is_alphanumeric(c) => self.identifier(),
            '(' => {
                self.parens += 1;
                self.token(Kind::LeftParen)
            }
            ')' if self.parens == 0 => self.error("unexpected right paren".to_owned()),
            ')' => {
                self.parens -= 1;
                self.token(Kind::RightParen)
            }
            ' '..='~' => self.token(Kind::Char),
            c => self.error(format!("unrecognized character in action: {}", unicode_name(c))),
        }
    }

    /// A run of spaces; the last one may belong to ` -}}`.
    fn space(&mut self) -> Token<'t> {
        self.accept_while(is_space);
        let last = self.pos - 1;
        if right_trim_marker(&self.text[last..]) && self.text[last + 2..].starts_with("}}") {
            self.pos = last;
            if last == self.start {
                return self.close(true);
            }
        }
        self.token(Kind::Space)
    }

    fn identifier(&mut self) -> Token<'t> {
        self.accept_while(is_alphanumeric);
        if let Err(token) = self.terminated() {
            return token;
        }
        match &self.text[self.start..self.pos] {
            "true" | "false" => self.token(Kind::Bool),
            word => self.token(keyword(word).unwrap_or(Kind::Identifier)),
        }
    }

    /// What follows `.` or `$`: a name, or nothing.
    fn name(&mut self, named: Kind, bare: Kind) -> Token<'t> {
        if self.at_terminator() {
            return self.token(bare);
        }
        self.accept_while(is_alphanumeric);
        match self.terminated() {
            Ok(()) => self.token(named),
            Err(token) => token,
        }
    }

    fn terminated(&mut self) -> Result<(), Token<'t>> {
        if self.at_terminator() {
            return Ok(());
        }
        let name = self.peek().map(unicode_name).unwrap_or_default();
        Err(self.error(format!("bad character {name}")))
    }

    /// Whether what is next may follow a name.
    fn at_terminator(&self) -> bool {
        match self.peek() {
            None | Some('.' | ',' | '|' | ':' | ')' | '(') => true,
            Some(c) => is_space(c) || self.rest().starts_with("}}"),
        }
    }

    fn quoted(&mut self, quote: char, kind: Kind, unterminated: &str) -> Token<'t> {
        loop {
            match self.bump() {
                Some('\\') if self.peek().is_some_and(|c| c != '\n') => {
                    self.bump();
                }
                None | Some('\n' | '\\') => return self.error(unterminated.to_owned()),
                Some(c) if c == quote => return self.token(kind),
                Some(_) => {}
            }
        }
    }

    /// Anything that looks like a number; whether it is one, the parser finds out.
    fn number(&mut self) -> Token<'t> {
        let ok = self.scan_number();
        if ok && !matches!(self.peek(), Some('+' | '-')) {
            return self.token(Kind::Number);
        }
        if ok && self.scan_number() && self.text[..self.pos].ends_with('i') {
            return self.token(Kind::Complex);
        }
        let message = format!("bad number syntax: {}", quote(&self.text.as_bytes()[self.start..self.pos]));
        self.error(message)
    }

    fn scan_number(&mut self) -> bool {
        self.accept("+-");
        let (mut digits, mut exponent) = ("0123456789_", "eE");
        if self.accept("0") {
            if self.accept("xX") {
                (digits, exponent) = ("0123456789abcdefABCDEF_", "pP");
            } else if self.accept("oO") {
                (digits, exponent) = ("01234567_", "");
            } else if self.accept("bB") {
                (digits, exponent) = ("01_", "");
            }
        }
        self.accept_while(|c| digits.contains(c));
        if self.accept(".") {
            self.accept_while(|c| digits.contains(c));
        }
        if self.accept(exponent) {
            self.accept("+-");
            self.accept_while(|c| c.is_ascii_digit() || c == '_');
        }
        self.accept("i");
        if self.peek().is_some_and(is_alphanumeric) {
            self.bump();
            return false;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lex(text: &str) -> String {
        let mut lexer = Lexer::new(text);
        let mut out = Vec::new();
        loop {
            let token = lexer.next_token();
            out.push(format!("{:?}:{}", token.kind, token.text));
            if matches!(token.kind, Kind::Eof | Kind::Error) {
                return out.join(" ");
            }
        }
    }

    #[test]
    fn tokens() {
        assert_eq!(lex("a {{- .b -}} c"), "Text:a LeftDelim:{{ Field:.b RightDelim:}} Text:c Eof:");
        assert_eq!(lex("{{/* x */ -}}\n y"), "Text:y Eof:");
        assert_eq!(lex("{{-3}}"), "LeftDelim:{{ Number:-3 RightDelim:}} Eof:");
        assert_eq!(lex("{{$x:=1i}}"), "LeftDelim:{{ Variable:$x Declare::= Number:1i RightDelim:}} Eof:");
        assert_eq!(lex("{{if . -}}"), "LeftDelim:{{ If:if Space:  Dot:. RightDelim:}} Eof:");
        assert_eq!(lex("{{.a-b}}"), "LeftDelim:{{ Error:bad character U+002D '-'");
        assert_eq!(lex("{{ .foo "), "LeftDelim:{{ Space:  Field:.foo Space:  Error:unclosed action");
    }
}
