//! The tree of one document: nodes in an arena, children by index, so that neither depth nor cycles can hurt.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};

/// Largest file read.
pub(crate) const MAX_BYTES: usize = 16 << 20;
/// Most nodes in a document.
pub(crate) const MAX_NODES: usize = 500_000;
/// Most brackets, braces and commas: the parser looks ahead in flow collections and keeps a token for each.
pub(crate) const MAX_FLOW_SIGNS: usize = 1_000_000;
/// Deepest nesting.
pub(crate) const MAX_DEPTH: usize = 200;

/// Index of a node in its tree.
pub(crate) type NodeId = u32;

/// A document.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
    pub(crate) root: Option<NodeId>,
}

/// A node and where it begins.
#[derive(Debug)]
pub(crate) struct Node {
    /// From 1.
    pub(crate) line: u32,
    /// In characters, from 1.
    pub(crate) column: u32,
    /// Its explicit tag. Few nodes have one, so it is boxed to keep nodes small.
    pub(crate) tag: Option<Box<Tag>>,
    pub(crate) body: Body,
}

/// An explicit tag.
#[derive(Debug)]
pub(crate) enum Tag {
    /// `!!name`.
    Core(String),
    /// Any other.
    Other(String),
}

/// What a node is.
#[derive(Debug)]
pub(crate) enum Body {
    Scalar {
        text: Box<str>,
        plain: bool,
    },
    List(Vec<NodeId>),
    Map(Vec<(NodeId, NodeId)>),
    /// Stands for an earlier node, which may be one that contains it.
    Alias(NodeId),
}

/// Why text is no YAML document; the texts go behind `yaml: `.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SyntaxError {
    #[error("document has {bytes} bytes; limit {MAX_BYTES}")]
    TooLarge { bytes: usize },
    #[error("line {line}: document has more than {MAX_NODES} values")]
    TooMany { line: u32 },
    #[error("document has {signs} brackets, braces and commas; limit {MAX_FLOW_SIGNS}")]
    TooManySigns { signs: usize },
    #[error("line {line}: exceeded max depth of {MAX_DEPTH}")]
    TooDeep { line: u32 },
    #[error("line {line}: invalid UTF-8 at byte {at}")]
    NotUtf8 { line: u32, at: usize },
    #[error("line {line}: control characters are not allowed")]
    Control { line: u32 },
    #[error("line {line}, column {column}: {what}")]
    Syntax { line: u32, column: u32, what: String },
}

impl Tree {
    pub(crate) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id as usize]
    }

    /// The node an alias stands for, or the node itself.
    pub(crate) fn target(&self, mut id: NodeId) -> NodeId {
        while let Body::Alias(to) = self.node(id).body {
            id = to;
        }
        id
    }
}

fn line_at(bytes: &[u8], at: usize) -> u32 {
    let newlines = bytes[..at].iter().filter(|b| **b == b'\n').count();
    u32::try_from(newlines + 1).unwrap_or(u32::MAX)
}

/// Text of a file: UTF-8 without byte order mark and control characters.
pub(crate) fn decode_text(bytes: &[u8]) -> Result<&str, SyntaxError> {
    if bytes.len() > MAX_BYTES {
        return Err(SyntaxError::TooLarge { bytes: bytes.len() });
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        SyntaxError::NotUtf8 { line: line_at(bytes, at), at }
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let control = |c: char| {
        (c < ' ' && !matches!(c, '\t' | '\n' | '\r'))
            || matches!(c, '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}')
    };
    match text.char_indices().find(|(_, c)| control(*c)) {
        Some((at, _)) => Err(SyntaxError::Control { line: line_at(text.as_bytes(), at) }),
        None => Ok(text),
    }
}

/// Reads the first document of `text`; later ones are ignored, as upstream does.
pub(crate) fn parse(text: &str) -> Result<Tree, SyntaxError> {
    let signs = text.bytes().filter(|b| b",[]{}".contains(b)).count();
    if signs > MAX_FLOW_SIGNS {
        return Err(SyntaxError::TooManySigns { signs });
    }
    let mut builder = Builder::default();
    let mut parser = Parser::new_from_str(text);
    loop {
        let (event, span) = match parser.next_event() {
            None => return Ok(builder.tree),
            Some(Ok(event)) => event,
            Some(Err(error)) => return Err(syntax(&error, text)),
        };
        match event {
            Event::DocumentEnd | Event::StreamEnd => return Ok(builder.tree),
            Event::Nothing | Event::StreamStart | Event::DocumentStart(_) => {}
            event => builder.event(event, span)?,
        }
    }
}

fn syntax(error: &ScanError, text: &str) -> SyntaxError {
    let (line, column) = (error.marker().line(), error.marker().col());
    let what = match error.info() {
        "while parsing node, found unknown anchor" => {
            let before = text.lines().nth(line.saturating_sub(1)).unwrap_or("");
            let name = before.char_indices().nth(column).map_or("", |(at, _)| &before[at..]);
            let name: String = name
                .trim_start_matches('*')
                .chars()
                .take_while(|c| !c.is_whitespace() && !",[]{}".contains(*c))
                .collect();
            format!("unknown anchor '{name}' referenced")
        }
        info => info.to_owned(),
    };
    SyntaxError::Syntax { line: line as u32, column: column as u32 + 1, what }
}

/// A container that is being filled.
struct Open {
    node: NodeId,
    /// Key of a map that waits for its value.
    key: Option<NodeId>,
}

#[derive(Default)]
struct Builder {
    tree: Tree,
    open: Vec<Open>,
    anchors: HashMap<usize, NodeId>,
}

impl Builder {
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), SyntaxError> {
        let line = span.start.line() as u32;
        let mut tag_of = None;
        let (anchor, body, opens) = match event {
            Event::SequenceEnd | Event::MappingEnd => {
                self.open.pop();
                return Ok(());
            }
            Event::Scalar(text, style, anchor, tag) => {
                tag_of = tag;
                (
                    anchor,
                    Body::Scalar { text: text.into_owned().into_boxed_str(), plain: style == ScalarStyle::Plain },
                    false,
                )
            }
            Event::SequenceStart(anchor, tag) => {
                tag_of = tag;
                (anchor, Body::List(Vec::new()), true)
            }
            Event::MappingStart(anchor, tag) => {
                tag_of = tag;
                (anchor, Body::Map(Vec::new()), true)
            }
            Event::Alias(anchor) => {
                let target = self.anchors.get(&anchor).copied();
                (0, Body::Alias(target.expect("the parser reports aliases of known anchors only")), false)
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {
                return Ok(());
            }
        };
        let tag = match tag_of {
            None => None,
            Some(tag) if tag.is_yaml_core_schema() => Some(Box::new(Tag::Core(tag.suffix.clone()))),
            Some(tag) => Some(Box::new(Tag::Other(tag.to_string()))),
        };
        if self.tree.nodes.len() >= MAX_NODES {
            return Err(SyntaxError::TooMany { line });
        }
        let id = self.tree.nodes.len() as NodeId;
        let column = span.start.col() as u32 + 1;
        self.tree.nodes.push(Node { line, column, tag, body });
        if anchor != 0 {
            self.anchors.insert(anchor, id);
        }
        self.attach(id);
        if opens {
            if self.open.len() >= MAX_DEPTH {
                return Err(SyntaxError::TooDeep { line });
            }
            self.open.push(Open { node: id, key: None });
        }
        Ok(())
    }

    /// Hangs a new node below the innermost open container.
    fn attach(&mut self, id: NodeId) {
        let Some(open) = self.open.last_mut() else {
            self.tree.root.get_or_insert(id);
            return;
        };
        match &mut self.tree.nodes[open.node as usize].body {
            Body::List(items) => items.push(id),
            Body::Map(entries) => match open.key.take() {
                None => open.key = Some(id),
                Some(key) => entries.push((key, id)),
            },
            Body::Scalar { .. } | Body::Alias(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outline(text: &str) -> String {
        fn walk(tree: &Tree, id: NodeId, out: &mut String) {
            let node = tree.node(id);
            match &node.body {
                Body::Scalar { text, plain } => {
                    out.push_str(&if *plain { text.to_string() } else { format!("'{text}'") })
                }
                Body::List(items) => {
                    out.push('[');
                    for item in items {
                        walk(tree, *item, out);
                        out.push(' ');
                    }
                    out.push(']');
                }
                Body::Map(entries) => {
                    out.push('{');
                    for (key, value) in entries {
                        walk(tree, *key, out);
                        out.push_str(&format!("@{}:{}=", tree.node(*key).line, tree.node(*key).column));
                        walk(tree, *value, out);
                        out.push(' ');
                    }
                    out.push('}');
                }
                Body::Alias(to) => out.push_str(&format!("*{to}")),
            }
        }
        let tree = parse(text).unwrap();
        let mut out = String::new();
        if let Some(root) = tree.root {
            walk(&tree, root, &mut out);
        }
        out
    }

    #[test]
    fn keys_know_their_place() {
        assert_eq!(outline("a: 1\nb:\n  c: [x, 'y']\n  d: \"z\"\n"), "{a@1:1=1 b@2:1={c@3:3=[x 'y' ] d@4:3='z' } }");
        assert_eq!(outline("# only a comment\n"), "");
        assert_eq!(outline("a: &x {b: 1}\nc: *x\n---\nd: 2\n"), "{a@1:1={b@1:8=1 } c@2:1=*2 }");
        assert_eq!(outline("a: &x [*x]\n"), "{a@1:1=[*2 ] }");
        assert_eq!(outline("a:\nb: ~\n"), "{a@1:1= b@2:1=~ }");
    }

    #[test]
    fn bad_text_names_its_line() {
        let fault = |text: &str| parse(text).unwrap_err().to_string();
        assert_eq!(fault("a: 1\nb: *nope\n"), "line 2, column 4: unknown anchor 'nope' referenced");
        assert!(fault("a:\n\tb: 1\n").starts_with("line 2"), "{}", fault("a:\n\tb: 1\n"));
        assert!(fault("a: [1,\n").starts_with("line "));
        assert_eq!(decode_text(b"a: 1\nb: \xff").unwrap_err(), SyntaxError::NotUtf8 { line: 2, at: 8 });
        assert_eq!(decode_text(b"a: \x07").unwrap_err(), SyntaxError::Control { line: 1 });
        assert_eq!(decode_text(b"\xef\xbb\xbfa: 1").unwrap(), "a: 1");
    }

    #[test]
    fn absurd_shapes_are_refused() {
        let deep = "[".repeat(10_000);
        assert!(parse(&deep).is_err());
        let mut block = String::new();
        for depth in 0..1_000 {
            block.push_str(&" ".repeat(depth));
            block.push_str("a:\n");
        }
        assert!(matches!(parse(&block), Err(SyntaxError::TooDeep { .. })));
        let wide = format!("[{}]", "a,".repeat(MAX_NODES + 1));
        let signs = ",".repeat(MAX_FLOW_SIGNS + 1);
        assert!(matches!(parse(&signs), Err(SyntaxError::TooManySigns { .. })));
        assert!(matches!(parse(&wide), Err(SyntaxError::TooMany { .. })));
        assert!(matches!(decode_text(&vec![b'a'; MAX_BYTES + 1]), Err(SyntaxError::TooLarge { .. })));
    }
}
