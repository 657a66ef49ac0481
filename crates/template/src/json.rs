//! JSON as Go's `encoding/json` reads it into an empty interface.
//!
//! The whole text must be one valid value, numbers become float64, of equal keys the last wins, and bytes that are not
//! UTF-8 as well as lone surrogates become U+FFFD. A document is one allocation of nodes and one of text, so values that
//! point into it are cheap to clone.

use std::rc::Rc;

use crate::number::parse_float;
use crate::unicode;

/// How deep arrays and objects may nest. Go allows 10,000.
pub(crate) const MAX_DEPTH: usize = 500;

/// A parsed text.
#[derive(Debug)]
pub(crate) struct Document {
    nodes: Vec<Node>,
    /// Elements of arrays, members of objects: by node.
    members: Vec<Member>,
    text: Rc<[u8]>,
}

#[derive(Clone, Copy, Debug)]
struct Member {
    /// Empty for elements of arrays.
    key: Span,
    node: u32,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    start: u32,
    end: u32,
}

#[derive(Clone, Copy, Debug)]
enum Node {
    Null,
    Bool(bool),
    Number(f64),
    String(Span),
    Array(Span),
    Object(Span),
}

/// A value of a document.
#[derive(Clone, Debug)]
pub(crate) struct Json {
    document: Rc<Document>,
    node: u32,
}

/// What a value is.
pub(crate) enum Shape {
    Null,
    Bool(bool),
    Number(f64),
    /// Text, and where in it the string lies.
    String(Rc<[u8]>, u32, u32),
    Array,
    Object,
}

impl Json {
    /// Reads `text`; `None` if it is not JSON, nests too deeply, or is longer than 4 GiB.
    pub(crate) fn parse(text: &[u8]) -> Option<Json> {
        u32::try_from(text.len()).ok()?;
        let mut parser = Parser { text, at: 0, depth: 0, nodes: Vec::new(), members: Vec::new(), strings: Vec::new() };
        let node = parser.value()?;
        parser.space();
        if parser.at != text.len() {
            return None;
        }
        let Parser { nodes, members, strings, .. } = parser;
        Some(Json { document: Rc::new(Document { nodes, members, text: strings.into() }), node })
    }

    pub(crate) fn shape(&self) -> Shape {
        match self.document.nodes[self.node as usize] {
            Node::Null => Shape::Null,
            Node::Bool(value) => Shape::Bool(value),
            Node::Number(value) => Shape::Number(value),
            Node::String(span) => Shape::String(Rc::clone(&self.document.text), span.start, span.end),
            Node::Array(_) => Shape::Array,
            Node::Object(_) => Shape::Object,
        }
    }

    fn members(&self) -> &[Member] {
        match self.document.nodes[self.node as usize] {
            Node::Array(span) | Node::Object(span) => &self.document.members[span.start as usize..span.end as usize],
            _ => &[],
        }
    }

    fn key(&self, member: &Member) -> &[u8] {
        &self.document.text[member.key.start as usize..member.key.end as usize]
    }

    fn follow(&self, member: &Member) -> Json {
        Json { document: Rc::clone(&self.document), node: member.node }
    }

    /// Elements of an array or members of an object.
    pub(crate) fn len(&self) -> usize {
        self.members().len()
    }

    /// The element at `index`; of an object the member, in the order of keys.
    pub(crate) fn at(&self, index: usize) -> Option<Json> {
        Some(self.follow(self.members().get(index)?))
    }

    /// The key at `index`, in the order of keys.
    pub(crate) fn key_at(&self, index: usize) -> Option<(Rc<[u8]>, u32, u32)> {
        let key = self.members().get(index)?.key;
        Some((Rc::clone(&self.document.text), key.start, key.end))
    }

    /// The member of an object called `key`.
    pub(crate) fn get(&self, key: &[u8]) -> Option<Json> {
        let members = self.members();
        let at = members.binary_search_by(|member| self.key(member).cmp(key)).ok()?;
        Some(self.follow(&members[at]))
    }
}

struct Parser<'t> {
    text: &'t [u8],
    at: usize,
    depth: usize,
    nodes: Vec<Node>,
    members: Vec<Member>,
    strings: Vec<u8>,
}

/// Lengths fit: no part is longer than the text, which is shorter than 4 GiB, but for U+FFFD,
/// where [`Parser::rune`] checks.
fn small(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

impl Parser<'_> {
    fn space(&mut self) {
        while matches!(self.text.get(self.at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn eat(&mut self, byte: u8) -> bool {
        self.space();
        let found = self.text.get(self.at) == Some(&byte);
        self.at += usize::from(found);
        found
    }

    fn word(&mut self, word: &[u8], node: Node) -> Option<u32> {
        if !self.text[self.at..].starts_with(word) {
            return None;
        }
        self.at += word.len();
        Some(self.push(node))
    }

    fn push(&mut self, node: Node) -> u32 {
        self.nodes.push(node);
        small(self.nodes.len() - 1)
    }

    fn value(&mut self) -> Option<u32> {
        self.space();
        match *self.text.get(self.at)? {
            b'n' => self.word(b"null", Node::Null),
            b't' => self.word(b"true", Node::Bool(true)),
            b'f' => self.word(b"false", Node::Bool(false)),
            b'"' => {
                let span = self.string()?;
                Some(self.push(Node::String(span)))
            }
            b'[' => self.nested(b']'),
            b'{' => self.nested(b'}'),
            _ => self.number(),
        }
    }

    /// An array or an object.
    fn nested(&mut self, close: u8) -> Option<u32> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return None;
        }
        self.at += 1;
        let object = close == b'}';
        let mut members: Vec<Member> = Vec::new();
        if !self.eat(close) {
            loop {
                let mut key = Span { start: 0, end: 0 };
                if object {
                    self.space();
                    if self.text.get(self.at) != Some(&b'"') {
                        return None;
                    }
                    key = self.string()?;
                    if !self.eat(b':') {
                        return None;
                    }
                }
                let node = self.value()?;
                members.push(Member { key, node });
                if self.eat(close) {
                    break;
                }
                if !self.eat(b',') {
                    return None;
                }
            }
        }
        if object {
            let text = |member: &Member| &self.strings[member.key.start as usize..member.key.end as usize];
            members.sort_by(|a, b| text(a).cmp(text(b)));
            // Of equal keys the last one written wins; the sort kept their order.
            let mut kept: Vec<Member> = Vec::with_capacity(members.len());
            for member in members {
                match kept.last_mut() {
                    Some(last) if text(last) == text(&member) => *last = member,
                    _ => kept.push(member),
                }
            }
            members = kept;
        }
        self.depth -= 1;
        let start = small(self.members.len());
        self.members.append(&mut members);
        let span = Span { start, end: small(self.members.len()) };
        Some(self.push(if object { Node::Object(span) } else { Node::Array(span) }))
    }

    fn number(&mut self) -> Option<u32> {
        let start = self.at;
        let digits = |parser: &mut Self| {
            let from = parser.at;
            while parser.text.get(parser.at).is_some_and(u8::is_ascii_digit) {
                parser.at += 1;
            }
            (parser.at > from).then_some(())
        };
        if self.text.get(self.at) == Some(&b'-') {
            self.at += 1;
        }
        if self.text.get(self.at) == Some(&b'0') {
            self.at += 1;
        } else {
            digits(self)?;
        }
        if self.text.get(self.at) == Some(&b'.') {
            self.at += 1;
            digits(self)?;
        }
        if matches!(self.text.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.text.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            digits(self)?;
        }
        // A number out of range is an error in Go too, but one that leaves nil and reads on.
        let node = parse_float(&self.text[start..self.at]).map_or(Node::Null, Node::Number);
        Some(self.push(node))
    }

    /// A string with its quotes; its text goes to `strings`.
    fn string(&mut self) -> Option<Span> {
        let start = small(self.strings.len());
        self.at += 1;
        loop {
            let rest = &self.text[self.at..];
            let plain = rest.iter().position(|&b| b == b'"' || b == b'\\' || !(0x20..0x80).contains(&b))?;
            self.strings.extend_from_slice(&rest[..plain]);
            self.at += plain + 1;
            match rest[plain] {
                b'"' => return Some(Span { start, end: small(self.strings.len()) }),
                b'\\' => self.escape()?,
                0..0x20 => return None,
                _ => {
                    self.at -= 1;
                    let (c, width) = unicode::decode(&self.text[self.at..]);
                    self.at += width;
                    self.rune(c)?;
                }
            }
        }
    }

    fn rune(&mut self, c: char) -> Option<()> {
        unicode::push(&mut self.strings, c);
        u32::try_from(self.strings.len()).ok().map(|_| ())
    }

    fn escape(&mut self) -> Option<()> {
        let letter = *self.text.get(self.at)?;
        self.at += 1;
        let c = match letter {
            b'"' | b'\\' | b'/' => char::from(letter),
            b'b' => '\x08',
            b'f' => '\x0c',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = self.unit(self.at)?;
                self.at += 4;
                if !(0xD800..0xE000).contains(&unit) {
                    return self.rune(char::from_u32(unit)?);
                }
                // A pair, if another escape follows that makes one.
                let low = if self.text[self.at..].starts_with(b"\\u") { self.unit(self.at + 2) } else { None };
                if let (0xD800..0xDC00, Some(low @ 0xDC00..0xE000)) = (unit, low) {
                    self.at += 6;
                    return self.rune(char::from_u32(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00))?);
                }
                unicode::RUNE_ERROR
            }
            _ => return None,
        };
        self.rune(c)
    }

    fn unit(&self, at: usize) -> Option<u32> {
        let digits = self.text.get(at..at + 4)?;
        digits.iter().try_fold(0, |value, &b| Some(value << 4 | char::from(b).to_digit(16)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(json: &Json) -> Vec<u8> {
        match json.shape() {
            Shape::String(text, start, end) => text[start as usize..end as usize].to_vec(),
            _ => panic!("not a string"),
        }
    }

    #[test]
    fn reads() {
        let json =
            Json::parse(br#" {"b":[1,null,true,"x\u00e9\ud83d\ude00\ud800"],"a":1e999,"b\u0062":{},"a":"last"} "#)
                .unwrap();
        assert_eq!(json.len(), 3);
        assert_eq!(string(&json.get(b"a").unwrap()), b"last");
        let list = json.get(b"b").unwrap();
        assert_eq!(list.len(), 4);
        assert!(matches!(list.at(0).unwrap().shape(), Shape::Number(1.0)));
        assert_eq!(string(&list.at(3).unwrap()), "xé😀\u{fffd}".as_bytes());
        assert!(matches!(json.get(b"bb").unwrap().shape(), Shape::Object));
        assert_eq!(string(&Json::parse(b"\"a\xff\xe2\x82\"").unwrap()), "a\u{fffd}\u{fffd}\u{fffd}".as_bytes());
        assert!(matches!(Json::parse(b"1e999").unwrap().shape(), Shape::Null));
    }

    #[test]
    fn refuses() {
        for bad in
            ["", "{", "[1,]", "{\"a\"}", "01", "1.", "+1", "nul", "\"\n\"", "\"\\x\"", "1 2", "\"a", "{a:1}", "-"]
        {
            assert!(Json::parse(bad.as_bytes()).is_none(), "{bad}");
        }
        assert!(Json::parse("[".repeat(MAX_DEPTH + 1).as_bytes()).is_none());
        let deep = "[".repeat(MAX_DEPTH) + &"]".repeat(MAX_DEPTH);
        assert!(Json::parse(deep.as_bytes()).is_some());
    }
}
