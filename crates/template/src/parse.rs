//! Tokens to a tree.
//!
//! A recursive descent as Go's, whose errors say what Go says. A `define` or `block` body is a tree of its own, with its
//! own variables and its own three tokens of lookahead, so the parser keeps a [`Tree`] and sets it aside for the body.

use std::borrow::Cow;

use crate::ast::{Branch, Command, Invoke, Literal, Node, Number, Operand, Pipe, Term};
use crate::funcs::{self, Prepared};
use crate::lex::{Kind, Lexer, Token};
use crate::number::{parse_float, parse_int, parse_uint};
use crate::quote::{quote, unquote, unquote_char};

/// How deep parentheses may nest. Go allows 10,000.
pub(crate) const MAX_PARENS: usize = 200;

/// How deep `if`, `with`, `range` and `block` may nest. Go has no limit.
pub(crate) const MAX_BLOCKS: usize = 200;

type Result<T> = std::result::Result<T, String>;

/// A template of the text: the main one, or one that `define` or `block` names.
#[derive(Debug)]
pub(crate) struct Definition {
    pub(crate) name: String,
    pub(crate) list: Vec<Node>,
}

/// Parses `text` as the template `name`.
pub(crate) fn parse(name: &str, text: &str, odd: &[(usize, u8)]) -> Result<Vec<Definition>> {
    let mut parser =
        Parser { name, odd, lexer: Lexer::new(text), tree: Tree::default(), definitions: Vec::new(), blocks: 0 };
    let list = parser.top()?;
    parser.add(name.to_owned(), list)?;
    Ok(parser.definitions)
}

/// What is kept apart for each body.
struct Tree<'t> {
    tokens: [Token<'t>; 3],
    peeked: usize,
    /// Names in scope, with their dollars.
    variables: Vec<Cow<'t, str>>,
    /// The line of the action being read; 0 outside.
    action_line: usize,
    ranges: usize,
    parens: usize,
}

impl Default for Tree<'_> {
    fn default() -> Self {
        let variables = vec![Cow::Borrowed("$")];
        Tree { tokens: Default::default(), peeked: 0, variables, action_line: 0, ranges: 0, parens: 0 }
    }
}

struct Parser<'t> {
    name: &'t str,
    odd: &'t [(usize, u8)],
    lexer: Lexer<'t>,
    tree: Tree<'t>,
    definitions: Vec<Definition>,
    blocks: usize,
}

/// What a list can hold, or end with.
enum Item {
    Node(Node),
    End(End),
}

#[derive(Clone, Copy, PartialEq)]
enum End {
    Else,
    End,
}

impl End {
    fn text(self) -> &'static str {
        match self {
            End::Else => "{{else}}",
            End::End => "{{end}}",
        }
    }
}

/// Whether a tree has nothing but space.
fn is_empty(list: &[Node]) -> bool {
    list.iter().all(|node| matches!(node, Node::Text(text) if blank(text)))
}

fn blank(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| text.chars().all(char::is_whitespace))
}

impl<'t> Parser<'t> {
    // Tokens.

    fn next(&mut self) -> Token<'t> {
        let tree = &mut self.tree;
        if tree.peeked > 0 {
            tree.peeked -= 1;
        } else {
            tree.tokens[0] = self.lexer.next_token();
        }
        self.tree.tokens[self.tree.peeked].clone()
    }

    fn backup(&mut self) {
        self.tree.peeked += 1;
    }

    /// Takes back `first` and the token after it, which was the last one read.
    fn backup2(&mut self, first: Token<'t>) {
        self.tree.tokens[1] = first;
        self.tree.peeked = 2;
    }

    fn backup3(&mut self, first: Token<'t>, second: Token<'t>) {
        self.tree.tokens[1] = second;
        self.tree.tokens[2] = first;
        self.tree.peeked = 3;
    }

    fn peek(&mut self) -> Token<'t> {
        let token = self.next();
        self.backup();
        token
    }

    fn next_non_space(&mut self) -> Token<'t> {
        loop {
            let token = self.next();
            if token.kind != Kind::Space {
                return token;
            }
        }
    }

    fn peek_non_space(&mut self) -> Token<'t> {
        let token = self.next_non_space();
        self.backup();
        token
    }

    // Errors.

    fn error<T>(&self, message: impl std::fmt::Display) -> Result<T> {
        Err(format!("template: {}:{}: {message}", self.name, self.tree.tokens[0].line))
    }

    fn unexpected<T>(&self, token: &Token<'t>, context: &str) -> Result<T> {
        if token.kind == Kind::Error {
            let line = self.tree.action_line;
            let mut extra = String::new();
            if line != 0 && line != token.line {
                let action = if token.text.ends_with(" action") { "" } else { " in action" };
                extra = format!("{action} started at {}:{line}", self.name);
            }
            return self.error(format_args!("{}{extra}", token.text));
        }
        self.error(format_args!("unexpected {} in {context}", token.describe()))
    }

    fn expect(&mut self, kind: Kind, context: &str) -> Result<Token<'t>> {
        let token = self.next_non_space();
        if token.kind == kind { Ok(token) } else { self.unexpected(&token, context) }
    }

    // Lists.

    fn top(&mut self) -> Result<Vec<Node>> {
        let mut list = Vec::new();
        while self.peek().kind != Kind::Eof {
            if self.peek().kind == Kind::LeftDelim {
                let delim = self.next();
                if self.next_non_space().kind == Kind::Define {
                    self.definition()?;
                    continue;
                }
                self.backup2(delim);
            }
            match self.text_or_action()? {
                Item::Node(node) => list.push(node),
                Item::End(end) => return self.error(format_args!("unexpected {}", end.text())),
            }
        }
        Ok(list)
    }

    /// `{{define "name"}}…{{end}}`, after the keyword.
    fn definition(&mut self) -> Result<()> {
        let outer = std::mem::take(&mut self.tree);
        let context = "define clause";
        let token = self.next_non_space();
        if !matches!(token.kind, Kind::String | Kind::RawString) {
            return self.unexpected(&token, context);
        }
        let name = self.unquoted(&token.text)?;
        self.expect(Kind::RightDelim, context)?;
        let (list, end) = self.list()?;
        if end != End::End {
            return self.error(format_args!("unexpected {} in {context}", end.text()));
        }
        self.add(name, list)?;
        self.tree = outer;
        Ok(())
    }

    /// Keeps a definition. One that holds only space does not replace another.
    fn add(&mut self, name: String, list: Vec<Node>) -> Result<()> {
        let Some(old) = self.definitions.iter_mut().find(|old| old.name == name) else {
            self.definitions.push(Definition { name, list });
            return Ok(());
        };
        if is_empty(&old.list) {
            old.list = list;
        } else if !is_empty(&list) {
            return self.error(format_args!("template: multiple definition of template {}", quote(name.as_bytes())));
        }
        Ok(())
    }

    /// Up to `{{end}}` or `{{else}}`.
    fn list(&mut self) -> Result<(Vec<Node>, End)> {
        self.blocks += 1;
        if self.blocks > MAX_BLOCKS {
            return self.error(format_args!("blocks nest deeper than {MAX_BLOCKS}"));
        }
        let mut list = Vec::new();
        while self.peek_non_space().kind != Kind::Eof {
            match self.text_or_action()? {
                Item::Node(node) => list.push(node),
                Item::End(end) => {
                    self.blocks -= 1;
                    return Ok((list, end));
                }
            }
        }
        self.error("unexpected EOF")
    }

    /// The bytes of a text or a raw string.
    fn bytes(&self, token: &Token<'_>) -> Vec<u8> {
        let text = token.text.as_bytes();
        let first = self.odd.partition_point(|&(at, _)| at < token.pos);
        let (mut out, mut from) = (Vec::with_capacity(text.len()), 0);
        for &(at, byte) in self.odd.iter().skip(first).take_while(|&&(at, _)| at < token.pos + text.len()) {
            out.extend_from_slice(&text[from..at - token.pos]);
            out.push(byte);
            from = at - token.pos + char::REPLACEMENT_CHARACTER.len_utf8();
        }
        out.extend_from_slice(&text[from..]);
        out
    }

    fn text_or_action(&mut self) -> Result<Item> {
        let token = self.next_non_space();
        match token.kind {
            Kind::Text => Ok(Item::Node(Node::Text(self.bytes(&token).into()))),
            Kind::LeftDelim => {
                self.tree.action_line = token.line;
                let item = self.action()?;
                self.tree.action_line = 0;
                Ok(item)
            }
            _ => self.unexpected(&token, "input"),
        }
    }

    // Actions.

    fn action(&mut self) -> Result<Item> {
        let token = self.next_non_space();
        Ok(Item::Node(match token.kind {
            Kind::Block => self.block()?,
            Kind::Break => self.leave("{{break}}", Node::Break)?,
            Kind::Continue => self.leave("{{continue}}", Node::Continue)?,
            Kind::Else => {
                // `{{else if …}}` and `{{else with …}}` leave their keyword to be read.
                if !matches!(self.peek_non_space().kind, Kind::If | Kind::With) {
                    self.expect(Kind::RightDelim, "else")?;
                }
                return Ok(Item::End(End::Else));
            }
            Kind::End => {
                self.expect(Kind::RightDelim, "end")?;
                return Ok(Item::End(End::End));
            }
            Kind::If => Node::If(self.branch("if")?),
            Kind::Range => Node::Range(self.branch("range")?),
            Kind::With => Node::With(self.branch("with")?),
            Kind::Template => self.template()?,
            _ => {
                self.backup();
                Node::Action(self.pipeline("command", Kind::RightDelim)?)
            }
        }))
    }

    fn leave(&mut self, text: &str, node: Node) -> Result<Node> {
        let token = self.next_non_space();
        if token.kind != Kind::RightDelim {
            return self.unexpected(&token, text);
        }
        if self.tree.ranges == 0 {
            return self.error(format_args!("{text} outside {{{{range}}}}"));
        }
        Ok(node)
    }

    fn branch(&mut self, context: &'static str) -> Result<Branch> {
        let scope = self.tree.variables.len();
        let range = usize::from(context == "range");
        let pipe = self.pipeline(context, Kind::RightDelim)?;
        self.tree.ranges += range;
        let (then, end) = self.list()?;
        self.tree.ranges -= range;
        let mut otherwise = None;
        if end == End::Else {
            let next = self.peek().kind;
            otherwise = Some(if context == "if" && next == Kind::If {
                self.next();
                vec![Node::If(self.chained(context)?)]
            } else if context == "with" && next == Kind::With {
                self.next();
                vec![Node::With(self.chained(context)?)]
            } else {
                let (list, end) = self.list()?;
                if end != End::End {
                    return self.error(format_args!("expected end; found {}", end.text()));
                }
                list
            });
        }
        self.tree.variables.truncate(scope);
        Ok(Branch { pipe, then, otherwise })
    }

    /// A branch that stands for the rest of another, which its `{{end}}` ends too.
    fn chained(&mut self, context: &'static str) -> Result<Branch> {
        self.blocks += 1;
        if self.blocks > MAX_BLOCKS {
            return self.error(format_args!("blocks nest deeper than {MAX_BLOCKS}"));
        }
        let branch = self.branch(context)?;
        self.blocks -= 1;
        Ok(branch)
    }

    /// `{{block "name" pipe}}…{{end}}`: a definition, used at once.
    fn block(&mut self) -> Result<Node> {
        let context = "block clause";
        let token = self.next_non_space();
        let name = self.template_name(&token, context)?;
        let pipe = self.pipeline(context, Kind::RightDelim)?;
        let outer = std::mem::take(&mut self.tree);
        let body = self.list();
        let inner = std::mem::replace(&mut self.tree, outer);
        let (list, end) = body?;
        if end != End::End {
            return self.error(format_args!("unexpected {} in {context}", end.text()));
        }
        let outer = std::mem::replace(&mut self.tree, inner);
        self.add(name.clone(), list)?;
        self.tree = outer;
        Ok(Node::Template(Invoke { pos: token.pos, name, pipe: Some(pipe) }))
    }

    fn template(&mut self) -> Result<Node> {
        let context = "template clause";
        let token = self.next_non_space();
        let name = self.template_name(&token, context)?;
        let mut pipe = None;
        if self.next_non_space().kind != Kind::RightDelim {
            self.backup();
            pipe = Some(self.pipeline(context, Kind::RightDelim)?);
        }
        Ok(Node::Template(Invoke { pos: token.pos, name, pipe }))
    }

    fn template_name(&mut self, token: &Token<'t>, context: &str) -> Result<String> {
        match token.kind {
            Kind::String | Kind::RawString => self.unquoted(&token.text),
            _ => self.unexpected(token, context),
        }
    }

    fn unquoted(&self, literal: &str) -> Result<String> {
        match unquote(literal) {
            Some(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            None => self.error("invalid syntax"),
        }
    }

    // Pipelines.

    fn pipeline(&mut self, context: &str, end: Kind) -> Result<Pipe> {
        let pos = self.peek_non_space().pos;
        let mut pipe = Pipe { pos, assign: false, decl: Vec::new(), commands: Vec::new() };
        while self.declaration(context, &mut pipe)? {}
        loop {
            let token = self.next_non_space();
            match token.kind {
                kind if kind == end => break,
                Kind::Bool
                | Kind::CharConstant
                | Kind::Complex
                | Kind::Dot
                | Kind::Field
                | Kind::Identifier
                | Kind::Number
                | Kind::Nil
                | Kind::RawString
                | Kind::String
                | Kind::Variable
                | Kind::LeftParen => {
                    self.backup();
                    let command = self.command()?;
                    pipe.commands.push(command);
                }
                _ => return self.unexpected(&token, context),
            }
        }
        if pipe.commands.is_empty() {
            return self.error(format_args!("missing value for {context}"));
        }
        for (at, command) in pipe.commands.iter().enumerate().skip(1) {
            // What cannot be given the value from the left.
            if matches!(command.args[0].term, Term::Bool(_) | Term::Dot | Term::Nil | Term::Number(_) | Term::String(_))
            {
                return self.error(format_args!("non executable command in pipeline stage {}", at + 1));
            }
        }
        Ok(pipe)
    }

    /// `$x :=`, `$x =` or, for `range`, `$x,`. Whether another may follow.
    fn declaration(&mut self, context: &str, pipe: &mut Pipe) -> Result<bool> {
        let variable = self.peek_non_space();
        if variable.kind != Kind::Variable {
            return Ok(false);
        }
        self.next();
        // Three tokens of lookahead: in `$x foo` the variable is an argument.
        let after = self.peek();
        let next = self.peek_non_space();
        let comma = next.kind == Kind::Char && next.text == ",";
        if matches!(next.kind, Kind::Assign | Kind::Declare) || comma {
            self.next_non_space();
            pipe.decl.push((*variable.text).into());
            self.tree.variables.push(variable.text);
            if !comma {
                pipe.assign = next.kind == Kind::Assign;
                return Ok(false);
            }
            if context == "range" && pipe.decl.len() < 2 {
                return match self.peek_non_space().kind {
                    Kind::Variable | Kind::RightDelim | Kind::RightParen => Ok(true),
                    _ => self.error("range can only initialize variables"),
                };
            }
            return self.error(format_args!("too many declarations in {context}"));
        }
        if after.kind == Kind::Space {
            self.backup3(variable, after);
        } else {
            self.backup2(variable);
        }
        Ok(false)
    }

    fn command(&mut self) -> Result<Command> {
        let pos = self.peek_non_space().pos;
        let mut args = Vec::new();
        loop {
            self.peek_non_space();
            args.extend(self.operand()?);
            let token = self.next();
            match token.kind {
                Kind::Space => {}
                Kind::RightDelim | Kind::RightParen => {
                    self.backup();
                    break;
                }
                Kind::Pipe => break,
                _ => return self.unexpected(&token, "operand"),
            }
        }
        if args.is_empty() {
            return self.error("empty command");
        }
        let prepared = Prepared::new(&args);
        Ok(Command { pos, args, prepared })
    }

    fn operand(&mut self) -> Result<Option<Operand>> {
        let Some(mut operand) = self.term()? else { return Ok(None) };
        let first = self.peek();
        if first.kind != Kind::Field {
            return Ok(Some(operand));
        }
        let mut fields: Vec<Box<str>> = Vec::new();
        while self.peek().kind == Kind::Field {
            fields.push(self.next().text[1..].into());
        }
        match &mut operand.term {
            // More fields of the same: the node moves to where they begin, as in Go.
            Term::Field(names) | Term::Variable(names) => {
                names.append(&mut fields);
                operand.pos = first.pos;
            }
            Term::Bool(_) | Term::String(_) | Term::Number(_) | Term::Nil | Term::Dot => {
                let text = operand.to_string();
                return self.error(format_args!("unexpected . after term {}", quote(text.as_bytes())));
            }
            _ => operand = Operand { pos: first.pos, term: Term::Chain(Box::new(operand), fields) },
        }
        Ok(Some(operand))
    }

    fn term(&mut self) -> Result<Option<Operand>> {
        let token = self.next_non_space();
        let term = match token.kind {
            Kind::Identifier => match funcs::lookup(&token.text) {
                Some(func) => Term::Function(func),
                None => {
                    return self.error(format_args!("function {} not defined", quote(token.text.as_bytes())));
                }
            },
            Kind::Dot => Term::Dot,
            Kind::Nil => Term::Nil,
            Kind::Variable => {
                if !self.tree.variables.contains(&token.text) {
                    return self.error(format_args!("undefined variable {}", quote(token.text.as_bytes())));
                }
                Term::Variable(vec![(*token.text).into()])
            }
            Kind::Field => Term::Field(vec![token.text[1..].into()]),
            Kind::Bool => Term::Bool(token.text == "true"),
            Kind::CharConstant | Kind::Complex | Kind::Number => match number(&token) {
                Ok(number) => Term::Number(number),
                Err(message) => return self.error(message),
            },
            Kind::LeftParen => {
                if self.tree.parens >= MAX_PARENS {
                    return self.error("max expression depth exceeded");
                }
                self.tree.parens += 1;
                let pipe = self.pipeline("parenthesized pipeline", Kind::RightParen)?;
                self.tree.parens -= 1;
                // The pipe's position, not the parenthesis', is what errors show.
                return Ok(Some(Operand { pos: pipe.pos, term: Term::Paren(Box::new(pipe)) }));
            }
            Kind::RawString => {
                let raw = self.bytes(&token);
                let inner = raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default();
                let text: Vec<u8> = inner.iter().copied().filter(|&byte| byte != b'\r').collect();
                Term::String(Literal { quoted: (*token.text).into(), text: text.into() })
            }
            Kind::String => match unquote(&token.text) {
                Some(text) => Term::String(Literal { quoted: (*token.text).into(), text: text.into() }),
                None => return self.error("invalid syntax"),
            },
            _ => {
                self.backup();
                return Ok(None);
            }
        };
        Ok(Some(Operand { pos: token.pos, term }))
    }
}

/// The number a token stands for.
fn number(token: &Token<'_>) -> std::result::Result<Number, String> {
    let text = &*token.text;
    let bytes = text.as_bytes();
    let made = |int, float| Ok(Number { text: text.into(), int, float });
    if token.kind == Kind::CharConstant {
        let Some((unit, tail)) = unquote_char(&text[1..], '\'') else { return Err("invalid syntax".to_owned()) };
        if tail != "'" {
            return Err(format!("malformed character constant: {text}"));
        }
        return made(Some(unit.code()), Some(unit.code() as f64));
    }
    if token.kind == Kind::Complex || text.ends_with('i') {
        return Err(format!("complex numbers are not supported: {}", quote(bytes)));
    }
    if let Ok(int) = parse_int(bytes, 0) {
        return made(Some(int), Some(int as f64));
    }
    if let Ok(uint) = parse_uint(bytes, 0) {
        // Beyond int: an error where it is used.
        return made(None, Some(uint as f64));
    }
    match parse_float(bytes) {
        Ok(_) if !text.contains(['.', 'e', 'E', 'p', 'P']) => Err(format!("integer overflow: {}", quote(bytes))),
        Ok(float) => {
            let int = float as i64;
            made((float < i64::MAX as f64 && int as f64 == float).then_some(int), Some(float))
        }
        Err(_) => Err(format!("illegal number syntax: {}", quote(bytes))),
    }
}
