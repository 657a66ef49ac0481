//! Tokens as `nom` input, and what a parse shares: how deep it is and how far it got.

use std::cell::{Cell, RefCell};

use nom::{IResult, Input, Parser};

use crate::ast::Span;
use crate::deep::with_stack;
use crate::error::ParseError;
use crate::lex::{Kind, Token, Value};

/// The deepest tree of a metric expression. Upstream takes minutes for half of that.
pub(crate) const MAX_DEPTH: usize = 10_000;

/// What one parse keeps track of.
pub(crate) struct Context<'a> {
    pub(crate) text: &'a [u8],
    depth: Cell<usize>,
    /// The furthest token that did not fit, and what would have.
    furthest: Cell<usize>,
    expected: RefCell<Vec<Kind>>,
    /// The first syntax error, if the parse went on after it.
    first: RefCell<Option<(usize, Vec<Kind>)>>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(text: &'a [u8]) -> Self {
        Self {
            text,
            depth: Cell::new(0),
            furthest: Cell::new(0),
            expected: RefCell::new(Vec::new()),
            first: RefCell::default(),
        }
    }

    /// The token the parse could not get past at first, and the kinds that would have fitted there, each once.
    pub(crate) fn furthest(&self) -> (usize, Vec<Kind>) {
        self.first.borrow().clone().unwrap_or_else(|| (self.furthest.get(), self.expected.borrow().clone()))
    }

    /// Whether the parse went on after a syntax error.
    pub(crate) fn went_on(&self) -> bool {
        self.first.borrow().is_some()
    }
}

/// The tokens from some point on. The last one is always `End`, which is never consumed.
#[derive(Clone, Copy)]
pub(crate) struct Tokens<'a> {
    all: &'a [Token],
    at: usize,
    end: usize,
    pub(crate) context: &'a Context<'a>,
}

/// Why parsing stopped.
#[derive(Debug)]
pub(crate) enum Fail {
    /// A token that does not fit; the context knows the furthest one.
    Syntax,
    /// A fault in what was read, reported at once.
    Hard(Box<ParseError>),
}

impl<I> nom::error::ParseError<I> for Fail {
    fn from_error_kind(_: I, _: nom::error::ErrorKind) -> Self {
        Self::Syntax
    }

    fn append(_: I, _: nom::error::ErrorKind, other: Self) -> Self {
        other
    }
}

/// What every rule of the grammar returns.
pub(crate) type Step<'a, T> = IResult<Tokens<'a>, T, Fail>;

/// A token that does not fit here.
pub(crate) fn misfit<'a, T>() -> Step<'a, T> {
    Err(nom::Err::Error(Fail::Syntax))
}

/// Whether a token did not fit, rather than that there is a fault.
pub(crate) fn is_misfit(error: &nom::Err<Fail>) -> bool {
    matches!(error, nom::Err::Error(Fail::Syntax) | nom::Err::Failure(Fail::Syntax))
}

/// A fault to report at once.
pub(crate) fn fault<'a, T>(error: ParseError) -> Step<'a, T> {
    Err(nom::Err::Failure(Fail::Hard(Box::new(error))))
}

impl<'a> Tokens<'a> {
    pub(crate) fn new(all: &'a [Token], context: &'a Context<'a>) -> Self {
        Self { all, at: 0, end: all.len(), context }
    }

    /// The next token.
    pub(crate) fn peek(self) -> &'a Token {
        self.all.get(self.at).or(self.all.last()).expect("the lexer ends every text with a token")
    }

    pub(crate) fn kind(self) -> Kind {
        self.peek().kind
    }

    /// The kind of the token after the next.
    pub(crate) fn second(self) -> Kind {
        self.all.get(self.at + 1).map_or(Kind::End, |token| token.kind)
    }

    /// Without the next token.
    pub(crate) fn rest(self) -> Self {
        Self { at: (self.at + 1).min(self.end), ..self }
    }

    /// Goes on after a syntax error: from the first token for which `follows` holds, that which did not fit included.
    /// The error is kept; only a fault of what is still read goes before it.
    pub(crate) fn resume(self, follows: fn(Kind) -> bool) -> Self {
        let at = self.context.furthest();
        let mut rest = Self { at: self.context.furthest.get().max(self.at), ..self };
        self.context.first.borrow_mut().get_or_insert(at);
        while rest.kind() != Kind::End && !follows(rest.kind()) {
            rest = rest.rest();
        }
        rest
    }

    /// Notes that `kind` would have fitted here.
    pub(crate) fn expected(self, kind: Kind) {
        let furthest = self.context.furthest.get();
        let mut expected = self.context.expected.borrow_mut();
        if self.at > furthest {
            self.context.furthest.set(self.at);
            expected.clear();
        }
        if self.at >= furthest && !expected.contains(&kind) {
            expected.push(kind);
        }
    }

    /// The next token's place.
    pub(crate) fn span(self) -> Span {
        let token = self.peek();
        Span { start: token.start, end: token.end }
    }

    /// From the next token's start to the end of the last token before `end`.
    pub(crate) fn span_to(self, end: Tokens<'a>) -> Span {
        let last = end.at.checked_sub(1).and_then(|at| self.all.get(at));
        let start = self.peek().start;
        Span { start, end: last.map_or(start, |token| token.end).max(start) }
    }

    /// The text of the next token.
    pub(crate) fn text(self) -> String {
        let token = self.peek();
        let bytes = self.context.text.get(token.start as usize..token.end as usize).unwrap_or_default();
        String::from_utf8_lossy(bytes).into_owned()
    }
}

impl<'a> Input for Tokens<'a> {
    type Item = &'a Token;
    type Iter = std::slice::Iter<'a, Token>;
    type IterIndices = std::iter::Enumerate<Self::Iter>;

    fn input_len(&self) -> usize {
        self.end.saturating_sub(self.at)
    }

    fn take(&self, index: usize) -> Self {
        Self { end: self.end.min(self.at + index), ..*self }
    }

    fn take_from(&self, index: usize) -> Self {
        Self { at: self.end.min(self.at + index), ..*self }
    }

    fn take_split(&self, index: usize) -> (Self, Self) {
        (self.take_from(index), self.take(index))
    }

    fn position<P: Fn(Self::Item) -> bool>(&self, predicate: P) -> Option<usize> {
        self.iter_elements().position(predicate)
    }

    fn iter_elements(&self) -> Self::Iter {
        self.all.get(self.at..self.end).unwrap_or_default().iter()
    }

    fn iter_indices(&self) -> Self::IterIndices {
        self.iter_elements().enumerate()
    }

    fn slice_index(&self, count: usize) -> Result<usize, nom::Needed> {
        if count <= self.input_len() { Ok(count) } else { Err(nom::Needed::new(count - self.input_len())) }
    }
}

/// A token of this kind.
pub(crate) fn tok<'a>(kind: Kind) -> impl Parser<Tokens<'a>, Output = &'a Token, Error = Fail> + Copy {
    move |input: Tokens<'a>| {
        if input.kind() == kind {
            return Ok((input.rest(), input.peek()));
        }
        input.expected(kind);
        misfit()
    }
}

/// A token whose kind `choose` maps to something; `kinds` are those it takes.
pub(crate) fn one_of<'a, T>(input: Tokens<'a>, kinds: &[Kind], choose: impl FnOnce(Kind) -> Option<T>) -> Step<'a, T> {
    if let Some(value) = choose(input.kind()) {
        return Ok((input.rest(), value));
    }
    kinds.iter().for_each(|&kind| input.expected(kind));
    misfit()
}

/// An identifier's text.
pub(crate) fn identifier(input: Tokens<'_>) -> Step<'_, String> {
    tok(Kind::Identifier).map(|_| input.text()).parse(input)
}

/// A number's text.
pub(crate) fn number(input: Tokens<'_>) -> Step<'_, String> {
    tok(Kind::Number).map(|_| input.text()).parse(input)
}

/// A string's bytes.
pub(crate) fn bytes(input: Tokens<'_>) -> Step<'_, &[u8]> {
    let (rest, token) = tok(Kind::Str).parse(input)?;
    match &token.value {
        Value::Bytes(bytes) => Ok((rest, bytes)),
        _ => misfit(),
    }
}

/// As [`bytes`], kept.
pub(crate) fn string(input: Tokens<'_>) -> Step<'_, Vec<u8>> {
    bytes.map(<[u8]>::to_vec).parse(input)
}

/// Runs `inner` one level deeper, unless that is too deep.
pub(crate) fn nested<'a, T>(
    mut inner: impl Parser<Tokens<'a>, Output = T, Error = Fail>,
) -> impl Parser<Tokens<'a>, Output = T, Error = Fail> {
    move |input: Tokens<'a>| {
        let depth = &input.context.depth;
        if depth.get() >= MAX_DEPTH {
            return fault(too_deep(input));
        }
        depth.set(depth.get() + 1);
        let result = with_stack(|| inner.parse(input));
        depth.set(depth.get() - 1);
        result
    }
}

/// The error of a query that nests too deep, at the next token.
pub(crate) fn too_deep(input: Tokens<'_>) -> ParseError {
    let token = input.peek();
    ParseError {
        line: token.line,
        col: token.col,
        ..ParseError::at_span(
            format!("query nests too deep; limit {MAX_DEPTH} levels"),
            Span { start: token.start, end: token.end },
        )
    }
}
