//! The value of a pipeline, a command, a word.

use crate::ast::{Command, Number, Operand, Pipe, Term};
use crate::exec::{At, Exec, Result};
use crate::funcs::methods::{Method, method};
use crate::funcs::{Call, Func, Prepared, truth};
use crate::value::{Kind, Text, Type, Value};

static NOTHING: Prepared = Prepared::None;

/// Where the string of a function goes.
type Sink<'s> = Option<&'s mut Vec<u8>>;

/// The arguments of a call: a few without allocation.
struct Args<'a> {
    few: [Value<'a>; 4],
    len: usize,
    many: Vec<Value<'a>>,
}

impl<'a> Args<'a> {
    fn new() -> Self {
        Args { few: [const { Value::Nil }; 4], len: 0, many: Vec::new() }
    }

    fn push(&mut self, value: Value<'a>) {
        if let Some(slot) = self.few.get_mut(self.len) {
            *slot = value;
        } else {
            if self.many.is_empty() {
                self.many.extend(self.few.iter_mut().map(|slot| std::mem::replace(slot, Value::Nil)));
            }
            self.many.push(value);
        }
        self.len += 1;
    }

    fn all(&self) -> &[Value<'a>] {
        if self.many.is_empty() { &self.few[..self.len] } else { &self.many }
    }
}

/// What a function is called with: the words that follow it and the value from the left.
struct Given<'a> {
    words: &'a [Operand],
    piped: Option<Value<'a>>,
}

impl Given<'_> {
    fn is_empty(&self) -> bool {
        self.words.is_empty() && self.piped.is_none()
    }
}

impl<'a> Exec<'a> {
    /// The value of a pipeline, which its variables get too.
    pub(crate) fn pipeline(&mut self, dot: &Value<'a>, pipe: &'a Pipe) -> Result<Value<'a>> {
        Ok(self.pipeline_to(dot, pipe, None)?.unwrap_or(Value::Nil))
    }

    /// As [`pipeline`](Self::pipeline); if there is a sink, the last string may be written to it: then there is no value.
    pub(crate) fn pipeline_to(
        &mut self,
        dot: &Value<'a>,
        pipe: &'a Pipe,
        mut sink: Sink<'_>,
    ) -> Result<Option<Value<'a>>> {
        self.depth += 1;
        if self.depth > crate::exec::MAX_DEPTH {
            return self.error(format_args!("exceeded maximum depth ({})", crate::exec::MAX_DEPTH));
        }
        self.at = Some(At::Pipe(pipe));
        let mut value = None;
        for (at, command) in pipe.commands.iter().enumerate() {
            let last = at + 1 == pipe.commands.len();
            value = self.command(dot, command, value, if last { sink.take() } else { None })?.map(Value::elem);
        }
        for name in &pipe.decl {
            let value = value.clone().unwrap_or(Value::Nil);
            if pipe.assign {
                self.assign(name, value)?;
            } else {
                self.declare(name, value);
            }
        }
        self.depth -= 1;
        Ok(value)
    }

    fn command(
        &mut self,
        dot: &Value<'a>,
        command: &'a Command,
        piped: Option<Value<'a>>,
        sink: Sink<'_>,
    ) -> Result<Option<Value<'a>>> {
        self.charge(1)?;
        let first = &command.args[0];
        let given = Given { words: &command.args[1..], piped };
        match &first.term {
            Term::Function(func) => {
                self.at = Some(At::Operand(first));
                self.env.prepared = &command.prepared;
                self.call(dot, func, At::Command(command), None, given, sink)
            }
            Term::Field(names) => {
                self.at = Some(At::Operand(first));
                self.chain(dot, dot.clone(), first, names, given, sink)
            }
            Term::Chain(..) => self.chained(dot, first, given, sink),
            Term::Variable(names) => {
                self.at = Some(At::Operand(first));
                let value = self.variable(&names[0])?;
                if names.len() == 1 {
                    self.no_arguments(first, &given)?;
                    return Ok(Some(value));
                }
                self.chain(dot, value, first, &names[1..], given, sink)
            }
            Term::Paren(pipe) => {
                self.no_arguments(first, &given)?;
                self.pipeline_to(dot, pipe, sink)
            }
            term => {
                self.at = Some(At::Operand(first));
                self.no_arguments(first, &given)?;
                match term {
                    Term::Bool(value) => Ok(Some(Value::Bool(*value))),
                    Term::Dot => Ok(Some(dot.clone())),
                    Term::Number(number) => self.constant(number).map(Some),
                    Term::String(literal) => Ok(Some(Value::text(&literal.text))),
                    _ => self.error("nil is not a command"),
                }
            }
        }
    }

    fn no_arguments(&self, word: &Operand, given: &Given<'a>) -> Result<()> {
        if given.is_empty() {
            return Ok(());
        }
        self.error(format_args!("can't give argument to non-function {word}"))
    }

    /// A number where nothing says of which type: its spelling does.
    fn constant(&mut self, number: &Number) -> Result<Value<'a>> {
        match (number.float, number.int) {
            (Some(float), _) if number.looks_float() => Ok(Value::Float(float)),
            (_, Some(int)) => Ok(Value::Int(int)),
            _ => self.error(format_args!("{} overflows int", number.text)),
        }
    }

    // Fields.

    /// `(pipe).a.b` or `function.a.b`.
    fn chained(
        &mut self,
        dot: &Value<'a>,
        operand: &'a Operand,
        given: Given<'a>,
        sink: Sink<'_>,
    ) -> Result<Option<Value<'a>>> {
        let Term::Chain(inner, names) = &operand.term else { return self.error("not a chain") };
        self.at = Some(At::Operand(operand));
        let value = self.argument_value(dot, inner)?;
        self.chain(dot, value, operand, names, given, sink)
    }

    /// Goes from `value` by `names`; the last may be a method that takes what is given.
    fn chain(
        &mut self,
        dot: &Value<'a>,
        mut value: Value<'a>,
        operand: &'a Operand,
        names: &'a [Box<str>],
        given: Given<'a>,
        sink: Sink<'_>,
    ) -> Result<Option<Value<'a>>> {
        let Some((last, before)) = names.split_last() else { return Ok(Some(value)) };
        for name in before {
            let nothing = Given { words: &[], piped: None };
            value = self.field(dot, name, operand, nothing, value, None)?.unwrap_or(Value::Nil);
        }
        self.field(dot, last, operand, given, value, sink)
    }

    fn field(
        &mut self,
        dot: &Value<'a>,
        name: &'a str,
        operand: &'a Operand,
        given: Given<'a>,
        receiver: Value<'a>,
        sink: Sink<'_>,
    ) -> Result<Option<Value<'a>>> {
        let type_name = receiver.type_name();
        let value = match receiver {
            Value::Nil => return Ok(Some(Value::Nil)),
            Value::NilSlot => return self.error(format_args!("nil pointer evaluating {type_name}.{name}")),
            other => other.elem(),
        };
        match method(&value, name) {
            Some(Method::Func(func)) => {
                self.env.prepared = &NOTHING;
                return self.call(dot, func, At::Operand(operand), Some(value), given, sink);
            }
            Some(Method::Refused(why)) if given.is_empty() => return self.error(why),
            Some(Method::Refused(_)) => {
                let got = given.words.len() + usize::from(given.piped.is_some());
                return self.error(format_args!("wrong number of args for {name}: want 0 got {got}"));
            }
            None => {}
        }
        let found = match &value {
            Value::Labels => self.env.fields.get(name).map_or(Value::text(b""), Value::text),
            Value::Map(json) => json.get(name.as_bytes()).map_or(Value::NilSlot, Value::slot),
            Value::Time(_) if matches!(name, "wall" | "ext" | "loc") => {
                return self.error(format_args!("{name} is an unexported field of struct type {type_name}"));
            }
            _ => return self.error(format_args!("can't evaluate field {name} in type {type_name}")),
        };
        if !given.is_empty() {
            return self.error(format_args!("{name} is not a method but has arguments"));
        }
        Ok(Some(found))
    }

    // Calls.

    /// Calls a function, or a method on its receiver; `node` is what an error of the function itself shows.
    fn call(
        &mut self,
        dot: &Value<'a>,
        func: &'static Func,
        node: At<'a>,
        receiver: Option<Value<'a>>,
        given: Given<'a>,
        sink: Sink<'_>,
    ) -> Result<Option<Value<'a>>> {
        let Given { words, piped } = given;
        let count = words.len() + usize::from(piped.is_some());
        let name = func.name;
        let fixed = func.params.len() - usize::from(func.variadic);
        if func.variadic {
            if count < fixed {
                let got = words.len();
                return self.error(format_args!("wrong number of args for {name}: want at least {fixed} got {got}"));
            }
        } else if count != fixed {
            return self.error(format_args!("wrong number of args for {name}: want {fixed} got {count}"));
        }
        if matches!(func.call, Call::And | Call::Or) {
            return self.first_deciding(dot, func, words, piped).map(Some);
        }
        let prepared = self.env.prepared;
        let param = |at: usize| func.params[at.min(func.params.len() - 1)];
        let mut args = Args::new();
        if let Some(receiver) = receiver {
            args.push(receiver);
        }
        for (at, word) in words.iter().enumerate() {
            let value = self.argument(dot, param(at), word)?;
            args.push(value);
        }
        if let Some(value) = piped {
            let value = self.checked(value, param(count - 1))?;
            args.push(value);
        }
        self.env.prepared = prepared;
        let bytes: usize =
            args.all().iter().map(|arg| if let Value::Text(text) = arg { text.bytes().len() } else { 0 }).sum();
        self.charge(1 + bytes / 64)?;
        let result = match &func.call {
            Call::Write(write) => match sink {
                Some(out) => {
                    let start = out.len();
                    let done = write(&mut self.env, args.all(), out);
                    self.env.made(out.len() - start).and(done).map(|()| None)
                }
                None => {
                    self.work.clear();
                    let done = write(&mut self.env, args.all(), &mut self.work);
                    self.env.made(self.work.len()).and(done).map(|()| Some(Value::Text(Text::owned(&self.work))))
                }
            },
            Call::Make(make) => make(&mut self.env, args.all()).map(Some),
            Call::Part(subject, part) => part(args.all()).map(|range| match &args.all()[*subject] {
                Value::Text(text) => Some(Value::Text(text.slice(range))),
                other => Some(other.clone()),
            }),
            Call::Callee | Call::And | Call::Or => Err(self.not_callable(words, &args.all()[0])),
        };
        result.or_else(|fault| {
            self.at = Some(node);
            self.error(format_args!("error calling {name}: {fault}"))
        })
    }

    /// `and` and `or`: the first argument that decides, else the last.
    fn first_deciding(
        &mut self,
        dot: &Value<'a>,
        func: &'static Func,
        words: &'a [Operand],
        piped: Option<Value<'a>>,
    ) -> Result<Value<'a>> {
        let decides = matches!(func.call, Call::Or);
        let mut value = Value::Nil;
        for word in words {
            value = self.argument(dot, Type::Reflect, word)?;
            if truth(&self.env, &value) == decides {
                return Ok(value);
            }
        }
        Ok(piped.unwrap_or(value))
    }

    /// Nothing a template can name is a function value.
    fn not_callable(&self, words: &[Operand], callee: &Value<'a>) -> String {
        let name = match (words.first(), callee) {
            (_, Value::Nil | Value::NilSlot) => return "call of nil".to_owned(),
            (Some(word), _) => word.to_string(),
            (None, Value::Text(text)) => String::from_utf8_lossy(text.bytes()).into_owned(),
            (None, value) => format!("<{} Value>", value.type_name()),
        };
        format!("non-function {name} of type {}", callee.clone().elem().type_name())
    }

    // Arguments.

    /// The value of a word given to a parameter of type `want`.
    fn argument(&mut self, dot: &Value<'a>, want: Type, word: &'a Operand) -> Result<Value<'a>> {
        self.at = Some(At::Operand(word));
        let found = match &word.term {
            Term::Nil => {
                return match want {
                    Type::Any | Type::Reflect | Type::Location => Ok(Value::Nil),
                    _ => self.error(format_args!("cannot assign nil to {}", want.name())),
                };
            }
            Term::Bool(_) | Term::Number(_) | Term::String(_) => return self.literal(want, word),
            _ => self.argument_value(dot, word)?,
        };
        self.checked(found, want)
    }

    /// The value of a word that is no literal.
    fn argument_value(&mut self, dot: &Value<'a>, word: &'a Operand) -> Result<Value<'a>> {
        self.at = Some(At::Operand(word));
        let nothing = Given { words: &[], piped: None };
        let found = match &word.term {
            Term::Dot => Some(dot.clone()),
            Term::Field(names) => self.chain(dot, dot.clone(), word, names, nothing, None)?,
            Term::Variable(names) => {
                let value = self.variable(&names[0])?;
                self.chain(dot, value, word, &names[1..], nothing, None)?
            }
            Term::Paren(pipe) => Some(self.pipeline(dot, pipe)?),
            Term::Function(func) => {
                self.env.prepared = &NOTHING;
                self.call(dot, func, At::Operand(word), None, nothing, None)?
            }
            Term::Chain(..) => self.chained(dot, word, nothing, None)?,
            _ => None,
        };
        Ok(found.unwrap_or(Value::Nil))
    }

    /// A literal, whose type the parameter decides.
    fn literal(&mut self, want: Type, word: &'a Operand) -> Result<Value<'a>> {
        match (want, &word.term) {
            (Type::Any | Type::Reflect, Term::Bool(value)) => Ok(Value::Bool(*value)),
            (Type::Any | Type::Reflect, Term::Number(number)) => self.constant(number),
            (Type::Any | Type::Reflect | Type::String, Term::String(literal)) => Ok(Value::text(&literal.text)),
            (Type::String, _) => self.error(format_args!("expected string; found {word}")),
            (Type::Int, Term::Number(Number { int: Some(int), .. })) => Ok(Value::Int(*int)),
            (Type::Duration, Term::Number(Number { int: Some(int), .. })) => Ok(Value::Duration(*int)),
            (Type::Int | Type::Duration, _) => self.error(format_args!("expected integer; found {word}")),
            (Type::Float, Term::Number(Number { float: Some(float), .. })) => Ok(Value::Float(*float)),
            (Type::Float, _) => self.error(format_args!("expected float; found {word}")),
            _ => self.error(format_args!("can't handle {word} for arg of type {}", want.name())),
        }
    }

    /// `value` as a parameter of type `want` takes it.
    fn checked(&mut self, value: Value<'a>, want: Type) -> Result<Value<'a>> {
        match (&value, want) {
            (_, Type::Reflect) => return Ok(value),
            (_, Type::Any) => return Ok(value.elem()),
            (Value::Nil, Type::Location) => return Ok(value),
            (Value::Nil, _) => return self.error(format_args!("invalid value; expected {}", want.name())),
            _ => {}
        }
        let value = if matches!(value, Value::Slot(_)) { value.elem() } else { value };
        if want.takes(&value) {
            return Ok(value);
        }
        if value.kind() == Kind::Pointer {
            // Go would look behind a pointer; nothing takes a zone by value.
            return self.error(format_args!("wrong type for value; expected {}; got *time.Location", want.name()));
        }
        self.error(format_args!("wrong type for value; expected {}; got {}", want.name(), value.type_name()))
    }
}
