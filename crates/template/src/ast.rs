//! The tree of a template.
//!
//! A node knows where it was written and prints as Go prints it: `executing "line" at <…>` in error texts is the node's
//! own text.

use std::fmt::{self, Display, Write};

use crate::funcs::{Func, Prepared};
use crate::quote::quote;

/// Something that stands in a template's text.
#[derive(Debug)]
pub(crate) enum Node {
    Text(Box<[u8]>),
    Action(Pipe),
    If(Branch),
    With(Branch),
    Range(Branch),
    Template(Invoke),
    Break,
    Continue,
}

/// `{{if pipe}}then{{else}}otherwise{{end}}`, also for `with` and `range`.
#[derive(Debug)]
pub(crate) struct Branch {
    pub(crate) pipe: Pipe,
    pub(crate) then: Vec<Node>,
    pub(crate) otherwise: Option<Vec<Node>>,
}

/// `{{template "name" pipe}}`.
#[derive(Debug)]
pub(crate) struct Invoke {
    pub(crate) pos: usize,
    pub(crate) name: String,
    pub(crate) pipe: Option<Pipe>,
}

/// Commands joined by `|`, and what their value is kept as.
#[derive(Debug)]
pub(crate) struct Pipe {
    pub(crate) pos: usize,
    /// `=` instead of `:=`.
    pub(crate) assign: bool,
    pub(crate) decl: Vec<Box<str>>,
    pub(crate) commands: Vec<Command>,
}

/// A word and its arguments.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) pos: usize,
    /// Never empty.
    pub(crate) args: Vec<Operand>,
    /// What could be made ready for the call while parsing.
    pub(crate) prepared: Prepared,
}

/// A word of a command.
#[derive(Debug)]
pub(crate) struct Operand {
    pub(crate) pos: usize,
    pub(crate) term: Term,
}

#[derive(Debug)]
pub(crate) enum Term {
    Dot,
    Nil,
    Bool(bool),
    Number(Number),
    String(Literal),
    /// `.a.b`
    Field(Vec<Box<str>>),
    /// `$x.a`: the name with its dollar, then fields.
    Variable(Vec<Box<str>>),
    Function(&'static Func),
    Paren(Box<Pipe>),
    /// Fields of something else: `(pipe).a`, `now.Year`.
    Chain(Box<Operand>, Vec<Box<str>>),
}

/// A string literal.
#[derive(Debug)]
pub(crate) struct Literal {
    /// As written.
    pub(crate) quoted: Box<str>,
    pub(crate) text: Box<[u8]>,
}

/// A number literal; its type depends on what it is used for.
#[derive(Debug)]
pub(crate) struct Number {
    /// As written.
    pub(crate) text: Box<str>,
    pub(crate) int: Option<i64>,
    pub(crate) float: Option<f64>,
}

impl Number {
    /// Whether it is written as a floating point number.
    pub(crate) fn looks_float(&self) -> bool {
        let text = &*self.text;
        let hex = text.len() > 2 && (text.starts_with("0x") || text.starts_with("0X")) && !text.contains(['p', 'P']);
        self.float.is_some() && !hex && !text.starts_with('\'') && text.contains(['.', 'e', 'E', 'p', 'P'])
    }
}

impl Display for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.decl.is_empty() {
            f.write_str(&self.decl.join(", "))?;
            f.write_str(if self.assign { " = " } else { " := " })?;
        }
        for (at, command) in self.commands.iter().enumerate() {
            write!(f, "{}{command}", if at > 0 { " | " } else { "" })?;
        }
        Ok(())
    }
}

impl Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, arg) in self.args.iter().enumerate() {
            if at > 0 {
                f.write_char(' ')?;
            }
            match &arg.term {
                Term::Paren(pipe) => write!(f, "({pipe})")?,
                _ => arg.fmt(f)?,
            }
        }
        Ok(())
    }
}

impl Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.term {
            Term::Dot => f.write_char('.'),
            Term::Nil => f.write_str("nil"),
            Term::Bool(value) => value.fmt(f),
            Term::Number(number) => f.write_str(&number.text),
            Term::String(literal) => f.write_str(&literal.quoted),
            Term::Field(names) => names.iter().try_for_each(|name| write!(f, ".{name}")),
            Term::Variable(names) => f.write_str(&names.join(".")),
            Term::Function(func) => f.write_str(func.name),
            Term::Paren(pipe) => pipe.fmt(f),
            Term::Chain(operand, names) => {
                match &operand.term {
                    Term::Paren(pipe) => write!(f, "({pipe})")?,
                    _ => operand.fmt(f)?,
                }
                names.iter().try_for_each(|name| write!(f, ".{name}"))
            }
        }
    }
}

impl Display for Invoke {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{{template {}", quote(self.name.as_bytes()))?;
        if let Some(pipe) = &self.pipe {
            write!(f, " {pipe}")?;
        }
        f.write_str("}}")
    }
}
