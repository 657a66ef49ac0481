//! Words of label text. Outside the braces only a metric name is of use; what else is found there is named in errors.

use loptr_model::go_quote;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    End,
    Error,
    Name,
    /// A name with colons, outside braces.
    MetricName,
    /// A word of the query language outside braces: it may be a metric name all the same.
    Word(Class),
    Text,
    Equal,
    Comma,
    LeftBrace,
    RightBrace,
    /// `=~ !~ != + ( …`, never of use.
    Other(Class),
}

/// How an error names a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Operator,
    Aggregator,
    Keyword,
    Plain,
    Number,
    Duration,
}

#[derive(Clone, Debug)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) at: usize,
    pub(super) text: &'a str,
    /// For [`Kind::Error`]: what is wrong.
    pub(super) message: String,
}

impl Token<'_> {
    /// The token as an error names it.
    pub(super) fn describe(&self) -> String {
        let text = self.text;
        let plain = || {
            if text.len() > 10 {
                let cut: String = text.chars().take(10).collect();
                format!("{}...", go_quote(&cut))
            } else {
                go_quote(text)
            }
        };
        let word = |class| match class {
            Class::Operator => format!("<op:{text}>"),
            Class::Aggregator => format!("<aggr:{text}>"),
            Class::Keyword => format!("<{text}>"),
            Class::Plain => plain(),
            Class::Number => format!("number {}", plain()),
            Class::Duration => format!("duration {}", plain()),
        };
        match self.kind {
            Kind::End => "end of input".to_owned(),
            Kind::Error => "error".to_owned(),
            Kind::Name => format!("identifier {}", go_quote(text)),
            Kind::MetricName => format!("metric identifier {}", go_quote(text)),
            Kind::Text => format!("string {}", plain()),
            Kind::Word(class) | Kind::Other(class) => word(class),
            Kind::Equal | Kind::Comma | Kind::LeftBrace | Kind::RightBrace => plain(),
        }
    }
}

pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    in_braces: bool,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0, in_braces: false }
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn skip_while(&mut self, accept: impl Fn(char) -> bool) {
        let rest = &self.text[self.at..];
        self.at += rest.find(|c| !accept(c)).unwrap_or(rest.len());
    }

    pub(super) fn next(&mut self) -> Token<'a> {
        loop {
            self.skip_while(|c| matches!(c, ' ' | '\t' | '\n' | '\r'));
            if self.peek() != Some('#') {
                break;
            }
            self.skip_while(|c| c != '\n' && c != '\r');
        }
        let mut start = self.at;
        let result = if self.in_braces { self.inside() } else { self.outside() };
        if result.is_err() && self.text[start..].starts_with(')') {
            // Upstream counts this one as read before it complains.
            start = self.at;
        }
        let (kind, message) = match result {
            Ok(kind) => (kind, String::new()),
            Err(message) => (Kind::Error, message),
        };
        Token { kind, at: start, text: &self.text[start..self.at], message }
    }

    fn inside(&mut self) -> Result<Kind, String> {
        let Some(c) = self.bump() else { return Err("unexpected end of input inside braces".to_owned()) };
        match c {
            c if is_alpha(c) => {
                self.skip_while(is_alphanumeric);
                Ok(Kind::Name)
            }
            ',' => Ok(Kind::Comma),
            '"' | '\'' => self.quoted(c),
            '`' => self.raw(),
            '=' if self.peek() == Some('~') => self.operator(),
            '=' => Ok(Kind::Equal),
            '!' if matches!(self.peek(), Some('~' | '=')) => self.operator(),
            '!' => {
                let found = self.peek();
                Err(format!("unexpected character after '!' inside braces: {}", quote_rune(found)))
            }
            '{' => Err("unexpected left brace '{'".to_owned()),
            '}' => {
                self.in_braces = false;
                Ok(Kind::RightBrace)
            }
            c => Err(format!("unexpected character inside braces: {}", quote_rune(Some(c)))),
        }
    }

    fn operator(&mut self) -> Result<Kind, String> {
        self.bump();
        Ok(Kind::Other(Class::Operator))
    }

    fn outside(&mut self) -> Result<Kind, String> {
        let Some(c) = self.bump() else { return Ok(Kind::End) };
        match c {
            ',' => Ok(Kind::Comma),
            '{' => {
                self.in_braces = true;
                Ok(Kind::LeftBrace)
            }
            '}' => Err(format!("unexpected character: {}", quote_rune(Some(c)))),
            '"' | '\'' => self.quoted(c),
            '`' => self.raw(),
            '=' => match self.peek() {
                Some('=') => self.operator(),
                Some('~') => Err("unexpected character after '=': '~'".to_owned()),
                _ => Ok(Kind::Equal),
            },
            '!' => match self.peek() {
                Some('=') => self.operator(),
                found => Err(format!("unexpected character after '!': {}", quote_rune(found))),
            },
            '<' | '>' if matches!(self.peek(), Some('=' | '/')) => self.operator(),
            '*' | '/' | '%' | '+' | '-' | '^' | '<' | '>' => Ok(Kind::Other(Class::Operator)),
            '(' | '[' => Ok(Kind::Other(Class::Plain)),
            '@' => Ok(Kind::Other(Class::Operator)),
            ')' => Err("unexpected right parenthesis ')'".to_owned()),
            ']' => Err("unexpected right bracket ']'".to_owned()),
            c if c.is_ascii_digit() || (c == '.' && self.peek().is_some_and(|c| c.is_ascii_digit())) => {
                self.skip_while(|c| is_alphanumeric(c) || c == '.');
                let class = if self.text[..self.at].ends_with(|c: char| "smhdwy".contains(c)) {
                    Class::Duration
                } else {
                    Class::Number
                };
                Ok(Kind::Other(class))
            }
            c if is_alpha(c) || c == ':' => {
                let start = self.at - c.len_utf8();
                self.skip_while(|c| is_alphanumeric(c) || c == ':');
                Ok(classify(&self.text[start..self.at]))
            }
            c => Err(format!("unexpected character: {}", quote_rune(Some(c)))),
        }
    }

    fn quoted(&mut self, quote: char) -> Result<Kind, String> {
        loop {
            match self.bump() {
                Some('\\') => self.escape(quote)?,
                Some(char::REPLACEMENT_CHARACTER) => return Err("invalid UTF-8 rune".to_owned()),
                None | Some('\n') => return Err("unterminated quoted string".to_owned()),
                Some(c) if c == quote => return Ok(Kind::Text),
                Some(_) => {}
            }
        }
    }

    fn raw(&mut self) -> Result<Kind, String> {
        loop {
            match self.bump() {
                Some(char::REPLACEMENT_CHARACTER) => return Err("invalid UTF-8 rune".to_owned()),
                None => return Err("unterminated raw string".to_owned()),
                Some('`') => return Ok(Kind::Text),
                Some(_) => {}
            }
        }
    }

    fn escape(&mut self, quote: char) -> Result<(), String> {
        let unterminated = || "escape sequence not terminated".to_owned();
        let c = self.bump().ok_or_else(unterminated)?;
        let (digits, radix, first, max) = match c {
            'a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '\\' => return Ok(()),
            c if c == quote => return Ok(()),
            '0'..='7' => (3, 8, Some(c), 255),
            'x' => (2, 16, None, 255),
            'u' => (4, 16, None, 0x10ffff),
            'U' => (8, 16, None, 0x10ffff),
            other => return Err(format!("unknown escape sequence {}", name_rune(other))),
        };
        let mut code = 0u64;
        for at in 0..digits {
            let digit = match first {
                Some(first) if at == 0 => first,
                _ => self.bump().ok_or_else(unterminated)?,
            };
            let value = digit.to_digit(16).filter(|value| *value < radix);
            let value = value.ok_or_else(|| format!("illegal character {} in escape sequence", name_rune(digit)))?;
            code = code * u64::from(radix) + u64::from(value);
        }
        if code > max || (0xd800..0xe000).contains(&code) {
            return Err("escape sequence is an invalid Unicode code point".to_owned());
        }
        Ok(())
    }
}

fn classify(word: &str) -> Kind {
    match word.to_ascii_lowercase().as_str() {
        "and" | "or" | "unless" | "atan2" => Kind::Word(Class::Operator),
        "sum" | "avg" | "count" | "min" | "max" | "group" | "stddev" | "stdvar" | "topk" | "bottomk"
        | "count_values" | "quantile" | "limitk" | "limit_ratio" => Kind::Word(Class::Aggregator),
        "offset" | "smoothed" | "anchored" | "by" | "without" | "on" | "ignoring" | "group_left" | "group_right"
        | "bool" => Kind::Word(Class::Keyword),
        "start" | "end" | "step" | "range" | "max_of" | "min_of" => Kind::Word(Class::Plain),
        "inf" | "nan" => Kind::Other(Class::Number),
        _ if word.contains(':') => Kind::MetricName,
        _ => Kind::Name,
    }
}

fn is_alpha(c: char) -> bool {
    c == '_' || c.is_ascii_alphabetic()
}

fn is_alphanumeric(c: char) -> bool {
    is_alpha(c) || c.is_ascii_digit()
}

/// A character as Go's `%q` prints a rune; the end of the text prints as U+FFFD.
fn quote_rune(c: Option<char>) -> String {
    match c {
        None => "'\u{fffd}'".to_owned(),
        Some('\'') => r"'\''".to_owned(),
        Some('"') => "'\"'".to_owned(),
        Some(c) => {
            let quoted = go_quote(c.encode_utf8(&mut [0; 4]));
            format!("'{}'", &quoted[1..quoted.len() - 1])
        }
    }
}

/// A character as Go's `%#U` prints it: `U+0071 'q'`.
pub(crate) fn name_rune(c: char) -> String {
    let printable = !go_quote(c.encode_utf8(&mut [0; 4])).contains('\\') || matches!(c, '"' | '\\');
    if printable { format!("U+{:04X} '{c}'", c as u32) } else { format!("U+{:04X}", c as u32) }
}
