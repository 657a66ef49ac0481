//! A strict JSON cursor whose errors read as those of upstream's document parser.
//!
//! An error quotes the text around the place it was noticed, as far as it lies in the same window of 512 bytes: the
//! buffer upstream reads through. For bodies within one window the texts are equal to upstream's.

use super::PushError;

/// Bytes upstream's parser holds at a time.
const WINDOW: usize = 512;
/// Deepest nesting accepted.
const MAX_DEPTH: usize = 10_000;

/// An error on the way out of nested values: a JSON text still gathering its path, or one that is final.
pub(super) enum Fault {
    Json(String),
    Final(PushError),
}

impl Fault {
    /// Puts the path of a surrounding value in front.
    pub(super) fn within(self, prefix: &str) -> Self {
        match self {
            Fault::Json(text) => Fault::Json(format!("{prefix}{text}")),
            other => other,
        }
    }
}

impl From<PushError> for Fault {
    fn from(error: PushError) -> Self {
        Fault::Final(error)
    }
}

impl From<Fault> for PushError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Json(text) => PushError::Json(text),
            Fault::Final(error) => error,
        }
    }
}

pub(super) struct Cursor<'a> {
    buf: &'a [u8],
    window: usize,
    head: usize,
    /// Reading went past the end: from here on nothing is un-read.
    at_end: bool,
    depth: usize,
}

/// A string value: its place between the quotes, and whether it holds escapes.
#[derive(Clone, Copy)]
pub(super) struct Text {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) escaped: bool,
}

impl<'a> Cursor<'a> {
    /// Over a document that upstream reads in pieces.
    pub(super) fn new(buf: &'a [u8]) -> Self {
        Self { buf, window: WINDOW, head: 0, at_end: false, depth: 0 }
    }

    /// Over a document that upstream holds whole: errors quote all there is.
    pub(super) fn whole(buf: &'a [u8]) -> Self {
        Self { window: usize::MAX, ..Self::new(buf) }
    }

    pub(super) fn buf(&self) -> &'a [u8] {
        self.buf
    }

    /// The next byte that is not white space, consumed; 0 at the end.
    pub(super) fn next_token(&mut self) -> u8 {
        let rest = &self.buf[self.head..];
        match rest.iter().position(|byte| !matches!(byte, b' ' | b'\n' | b'\t' | b'\r')) {
            Some(skip) => {
                self.head += skip + 1;
                rest[skip]
            }
            None => {
                self.at_end = true;
                0
            }
        }
    }

    pub(super) fn unread(&mut self) {
        if !self.at_end {
            self.head = self.head.saturating_sub(1);
        }
    }

    fn byte(&mut self) -> u8 {
        match self.buf.get(self.head) {
            Some(&byte) => {
                self.head += 1;
                byte
            }
            None => {
                self.at_end = true;
                0
            }
        }
    }

    /// The error `operation: message`, with the text around the head.
    pub(super) fn fault(&self, operation: &str, message: &str) -> Fault {
        let start = self.head.saturating_sub(1) / self.window * self.window;
        let end = start.saturating_add(self.window).min(self.buf.len());
        let from = self.head.saturating_sub(10).max(start);
        let near = &self.buf[from..(self.head + 10).min(end)];
        let far = &self.buf[self.head.saturating_sub(50).max(start)..(self.head + 50).min(end)];
        Fault::Json(format!(
            "{operation}: {message}, error found in #{} byte of ...|{}|..., bigger context ...|{}|...",
            self.head - from,
            String::from_utf8_lossy(near),
            String::from_utf8_lossy(far),
        ))
    }

    pub(super) fn unexpected(&self, operation: &str, expectation: &str, found: u8) -> Fault {
        self.fault(operation, &format!("{expectation}{}", String::from_utf8_lossy(&[found])))
    }

    /// The rest of a literal whose first byte was read.
    pub(super) fn literal(&mut self, rest: &[u8]) -> Result<(), Fault> {
        for &expected in rest {
            if self.byte() != expected {
                let operation = if rest.len() == 4 { "skipFourBytes" } else { "skipThreeBytes" };
                return Err(self.fault(operation, &format!("expect {}", String::from_utf8_lossy(rest))));
            }
        }
        Ok(())
    }

    /// Enters an object; false when it is empty or `null`.
    pub(super) fn object_start(&mut self) -> Result<bool, Fault> {
        match self.next_token() {
            b'{' => {
                if self.next_token() == b'}' {
                    return Ok(false);
                }
                self.unread();
                self.deeper()?;
                Ok(true)
            }
            b'n' => self.literal(b"ull").map(|()| false),
            other => Err(self.unexpected("readObjectStart", "expect { or n, but found ", other)),
        }
    }

    /// After a member: whether the object ended.
    pub(super) fn object_end(&mut self) -> Result<bool, Fault> {
        match self.next_token() {
            b',' => Ok(false),
            b'}' => {
                self.depth = self.depth.saturating_sub(1);
                Ok(true)
            }
            other => Err(self.unexpected("isObjectEnd", "object ended prematurely, unexpected char ", other)),
        }
    }

    fn deeper(&mut self) -> Result<(), Fault> {
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err(self.fault("incrementDepth", "exceeded max depth")) } else { Ok(()) }
    }

    /// A member's name and colon. Answers the place of the name between its quotes.
    pub(super) fn field_name(&mut self) -> Result<Text, Fault> {
        let found = self.next_token();
        if found != b'"' {
            return Err(self.unexpected("readFieldHash", "expect \", but found ", found));
        }
        let start = self.head;
        let text = match memchr::memchr2(b'"', b'\\', &self.buf[start..]) {
            None => {
                self.at_end = true;
                return Err(self.fault("readFieldHash", "incomplete field name"));
            }
            Some(len) if self.buf[start + len] == b'"' => {
                self.head = start + len + 1;
                Text { start, end: start + len, escaped: false }
            }
            Some(len) => {
                self.head = start + len;
                let end = self.rest_of_escaped()?;
                Text { start, end, escaped: true }
            }
        };
        match self.next_token() {
            b':' => Ok(text),
            other => Err(self.unexpected("readFieldHash", "expect :, but found ", other)),
        }
    }

    /// Enters an array for its elements; false when it is empty, none when `null`.
    pub(super) fn slice_start(&mut self) -> Result<Option<bool>, Fault> {
        match self.next_token() {
            b'n' => self.literal(b"ull").map(|()| None),
            b'[' => {
                if self.next_token() == b']' {
                    return Ok(Some(false));
                }
                self.unread();
                Ok(Some(true))
            }
            other => Err(self.unexpected("decode slice", "expect [ or n, but found ", other)),
        }
    }

    /// After an element: whether another one follows.
    pub(super) fn slice_more(&mut self) -> Result<bool, Fault> {
        match self.next_token() {
            b',' => Ok(true),
            b']' => Ok(false),
            other => Err(self.unexpected("decode slice", "expect ], but found ", other)),
        }
    }

    /// Checks and steps over one value; answers where it lies.
    pub(super) fn skip_value(&mut self) -> Result<(usize, usize), Fault> {
        self.next_token();
        self.unread();
        let start = self.head;
        self.skip()?;
        Ok((start, self.head))
    }

    /// Checks and steps over one value. A stack of brackets instead of recursion.
    pub(super) fn skip(&mut self) -> Result<(), Fault> {
        let mut open: Vec<u8> = Vec::new();
        'value: loop {
            match self.next_token() {
                b'"' => {
                    self.string_body("trySkipString")?;
                }
                b'n' => self.literal(b"ull")?,
                b't' => self.literal(b"rue")?,
                b'f' => self.literal(b"alse")?,
                b'0' => {
                    self.unread();
                    self.float("readFloat32", "readFloat32SlowPath")?;
                }
                b'-' | b'1'..=b'9' => self.number()?,
                b'[' => {
                    self.deeper()?;
                    if self.next_token() != b']' {
                        self.unread();
                        open.push(b']');
                        continue 'value;
                    }
                    self.depth -= 1;
                }
                b'{' => {
                    self.deeper()?;
                    match self.next_token() {
                        b'"' => {
                            self.unread();
                            self.member_name()?;
                            open.push(b'}');
                            continue 'value;
                        }
                        b'}' => self.depth -= 1,
                        other => return Err(self.unexpected("ReadObjectCB", "expect \" after {, but found ", other)),
                    }
                }
                other => return Err(self.fault("Skip", &format!("do not know how to skip: {other}"))),
            }
            while let Some(&close) = open.last() {
                match self.next_token() {
                    b',' => {
                        if close == b'}' {
                            self.member_name()?;
                        }
                        continue 'value;
                    }
                    found if found == close => {
                        open.pop();
                        self.depth -= 1;
                    }
                    found if close == b']' => {
                        return Err(self.unexpected("ReadArrayCB", "expect ] in the end, but found ", found));
                    }
                    _ => return Err(self.fault("ReadObjectCB", "object not ended with }")),
                }
            }
            return Ok(());
        }
    }

    fn member_name(&mut self) -> Result<(), Fault> {
        self.string()?;
        match self.next_token() {
            b':' => Ok(()),
            other => Err(self.unexpected("ReadObject", "expect : after object field, but found ", other)),
        }
    }

    /// A string value; none for `null`.
    pub(super) fn string(&mut self) -> Result<Option<Text>, Fault> {
        match self.next_token() {
            b'"' => self.string_body("ReadString").map(Some),
            b'n' => self.literal(b"ull").map(|()| None),
            other => Err(self.unexpected("ReadString", "expects \" or n, but found ", other)),
        }
    }

    /// A string whose opening quote was read. Control characters are refused before the first escape only.
    fn string_body(&mut self, operation: &str) -> Result<Text, Fault> {
        let start = self.head;
        let special = find_special(&self.buf[start..]).map(|at| start + at);
        match special.map(|at| (at, self.buf[at])) {
            Some((end, b'"')) => {
                self.head = end + 1;
                Ok(Text { start, end, escaped: false })
            }
            Some((at, b'\\')) => {
                self.head = at;
                let end = self.rest_of_escaped()?;
                Ok(Text { start, end, escaped: true })
            }
            Some((_, control)) => Err(self.fault(operation, &format!("invalid control character found: {control}"))),
            None => {
                self.head = self.buf.len();
                self.at_end = true;
                Err(self.fault("readStringSlowPath", "unexpected end of input"))
            }
        }
    }

    /// From the first backslash to past the closing quote; answers where the quote lies.
    fn rest_of_escaped(&mut self) -> Result<usize, Fault> {
        loop {
            match memchr::memchr2(b'"', b'\\', &self.buf[self.head..]) {
                None => {
                    self.head = self.buf.len();
                    self.at_end = true;
                    return Err(self.fault("readStringSlowPath", "unexpected end of input"));
                }
                Some(at) => {
                    self.head += at + 1;
                    if self.buf[self.head - 1] == b'"' {
                        return Ok(self.head - 1);
                    }
                    self.escape()?;
                }
            }
        }
    }

    fn escape(&mut self) -> Result<(), Fault> {
        match self.byte() {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(()),
            b'u' => {
                for _ in 0..4 {
                    let digit = self.byte();
                    if self.at_end {
                        return Ok(());
                    }
                    if !digit.is_ascii_hexdigit() {
                        return Err(self.unexpected("readU4", "expects 0~9 or a~f, but found ", digit));
                    }
                }
                Ok(())
            }
            _ => Err(self.fault("readEscapedChar", "invalid escape char after \\")),
        }
    }

    /// The digits of a whole number and whether a minus comes before; a leading zero stands alone.
    pub(super) fn digits(&mut self) -> (bool, &'a [u8]) {
        let negative = self.next_token() == b'-';
        if !negative {
            self.unread();
        }
        let rest = &self.buf[self.head..];
        let all = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
        let len = if rest.starts_with(b"0") { 1 } else { all };
        self.head += len;
        (negative, &rest[..len])
    }

    /// Goes back over `count` bytes that were read.
    pub(super) fn back(&mut self, count: usize) {
        self.head = self.head.saturating_sub(count);
    }

    /// What lies before the next quote, which is read as well; nothing if there is none.
    pub(super) fn until_quote(&mut self) -> &'a [u8] {
        let rest = &self.buf[self.head..];
        match memchr::memchr(b'"', rest) {
            Some(len) => {
                self.head += len + 1;
                &rest[..len]
            }
            None => {
                self.head = self.buf.len();
                self.at_end = true;
                &[]
            }
        }
    }

    /// Whether this byte comes next.
    pub(super) fn at(&self, byte: u8) -> bool {
        self.buf.get(self.head) == Some(&byte)
    }

    /// A number whose first character, not `0`, was read.
    fn number(&mut self) -> Result<(), Fault> {
        if self.plain_number()? {
            return Ok(());
        }
        self.unread();
        if self.float("readFloat64", "readFloat64SlowPath").is_ok() {
            return Ok(());
        }
        // Upstream's second try, from wherever the first one stopped.
        let (start, end) = self.number_text()?;
        let text = String::from_utf8_lossy(&self.buf[start..end]);
        match text.parse::<f64>() {
            Ok(_) => Ok(()),
            Err(_) => Err(Fault::Json(format!("number has no digits: {text}"))),
        }
    }

    /// Digits with at most one dot up to a delimiter; false when a closer look is needed.
    fn plain_number(&mut self) -> Result<bool, Fault> {
        let mut dotted = false;
        for at in self.head..self.buf.len() {
            match self.buf[at] {
                b'0'..=b'9' => {}
                b'.' if dotted => return Err(self.fault("validateNumber", "more than one dot found in number")),
                b'.' => {
                    match self.buf.get(at + 1) {
                        None => return Ok(false),
                        Some(next) if next.is_ascii_digit() => {}
                        Some(_) => return Err(self.fault("validateNumber", "missing digit after dot")),
                    }
                    dotted = true;
                }
                b',' | b']' | b'}' | b' ' | b'\t' | b'\n' | b'\r' if at > self.head => {
                    self.head = at;
                    return Ok(true);
                }
                _ => return Ok(false),
            }
        }
        Ok(false)
    }

    fn float(&mut self, operation: &str, slow: &str) -> Result<(), Fault> {
        if self.next_token() != b'-' {
            self.unread();
        }
        let digits = &self.buf[self.head..];
        match digits {
            [b',' | b']' | b'}' | b' ' | b'\t' | b'\n', ..] => return Err(self.fault(operation, "empty number")),
            [b'.', ..] => return Err(self.fault(operation, "leading dot is invalid")),
            [b'0', b'0'..=b'9', ..] => return Err(self.fault(operation, "leading zero is invalid")),
            _ => {}
        }
        let (start, end) = self.number_text()?;
        let text = String::from_utf8_lossy(&self.buf[start..end]);
        if text.starts_with('-') {
            return Err(self.fault(slow, "-- is not valid"));
        }
        if let Some((_, after)) = text.split_once('.') {
            if after.is_empty() {
                return Err(self.fault(slow, "dot can not be last character"));
            }
            if !after.starts_with(|c: char| c.is_ascii_digit()) {
                return Err(self.fault(slow, "missing digit after dot"));
            }
        }
        let quoted = loptr_model::go_quote(&text);
        match text.parse::<f64>() {
            Ok(value) if operation == "readFloat32" && value.abs() > f64::from(f32::MAX) => {
                Err(Fault::Json(format!("strconv.ParseFloat: parsing {quoted}: value out of range")))
            }
            Ok(value) if value.is_finite() => Ok(()),
            Ok(_) => Err(Fault::Json(format!("strconv.ParseFloat: parsing {quoted}: value out of range"))),
            Err(_) => Err(Fault::Json(format!("strconv.ParseFloat: parsing {quoted}: invalid syntax"))),
        }
    }

    fn number_text(&mut self) -> Result<(usize, usize), Fault> {
        let start = self.head;
        let rest = &self.buf[start..];
        let len = rest.iter().position(|byte| !matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E' | b'0'..=b'9'));
        let end = start + len.unwrap_or(rest.len());
        if end == start {
            return Err(self.fault("readNumberAsString", "invalid number"));
        }
        match len {
            Some(_) => self.head = end,
            // A number that ends with the document is read, but what asks next finds it again, and fails.
            None => self.at_end = true,
        }
        Ok((start, end))
    }
}

/// Place of the first quote, backslash or control character.
pub(super) fn find_special(bytes: &[u8]) -> Option<usize> {
    let special = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
    let mut chunks = bytes.chunks_exact(32);
    let mut at = 0;
    for chunk in &mut chunks {
        // No early exit inside: the compiler turns this into a few vector compares.
        if chunk.iter().fold(false, |any, byte| any | special(byte)) {
            return chunk.iter().position(special).map(|found| at + found);
        }
        at += chunk.len();
    }
    chunks.remainder().iter().position(special).map(|found| at + found)
}
