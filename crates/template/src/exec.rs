//! Walks a tree and writes what it says.
//!
//! As in Go, the node last looked at is remembered, since error texts show it; where Go sets it, so does this. A template
//! of texts and plain fields allocates nothing, nor does a function that makes the string an action prints: it writes to
//! the output.

use std::fmt::Display;

use crate::ast::{Branch, Command, Invoke, Node, Operand, Pipe, Term};
use crate::fmt::Printer;
use crate::funcs::{Env, FUEL, MAX_OUTPUT, Prepared, too_long, truth};
use crate::value::{Kind, Value};
use crate::{Fields, Template};

/// How deep lists, pipelines and templates may nest while rendering. Go allows 100,000 templates.
pub(crate) const MAX_DEPTH: usize = 500;

/// The text of the error that ends a rendering.
pub(crate) type Result<T> = std::result::Result<T, String>;

/// The node that errors show.
#[derive(Clone, Copy)]
pub(crate) enum At<'a> {
    Pipe(&'a Pipe),
    Command(&'a Command),
    Operand(&'a Operand),
    Template(&'a Invoke),
}

/// How a list ended.
#[derive(PartialEq)]
enum Flow {
    Done,
    Break,
    Continue,
}

/// A rendering under way.
pub(crate) struct Exec<'a> {
    pub(crate) template: &'a Template,
    pub(crate) env: Env<'a>,
    out: Vec<u8>,
    /// Where this rendering's output begins in `out`.
    start: usize,
    /// Strings made on the way are made here.
    pub(crate) work: Vec<u8>,
    /// Variables in scope, the latest last.
    variables: Vec<(&'a str, Value<'a>)>,
    /// Where those of the template being run begin, and its `$`.
    scope: usize,
    root: Value<'a>,
    /// The name of the template being run.
    name: &'a str,
    pub(crate) at: Option<At<'a>>,
    pub(crate) depth: usize,
}

static NOTHING: Prepared = Prepared::None;

/// Renders `template`, appending to `out`; after an error `out` is as before.
pub(crate) fn render(template: &Template, fields: &dyn Fields, out: &mut Vec<u8>) -> Result<()> {
    let start = out.len();
    let mut exec = Exec {
        template,
        env: Env { fields, fuel: FUEL, prepared: &NOTHING },
        out: std::mem::take(out),
        start,
        work: Vec::new(),
        variables: Vec::new(),
        scope: 0,
        root: Value::Labels,
        name: &template.name,
        at: None,
        depth: 0,
    };
    let done = exec.list(&Value::Labels, template.root());
    *out = exec.out;
    done.map(|_| ()).inspect_err(|_| out.truncate(start))
}

impl<'a> Exec<'a> {
    /// The error `message` at the current node.
    pub(crate) fn error<T>(&self, message: impl Display) -> Result<T> {
        let (pos, node): (usize, &dyn Display) = match self.at {
            Some(At::Pipe(pipe)) => (pipe.pos, pipe),
            Some(At::Command(command)) => (command.pos, command),
            Some(At::Operand(operand)) => (operand.pos, operand),
            Some(At::Template(invoke)) => (invoke.pos, invoke),
            None => return Err(format!("template: {}: {message}", self.template.name)),
        };
        let before = &self.template.text[..pos];
        let line = 1 + before.bytes().filter(|&b| b == b'\n').count();
        let column = pos - before.rfind('\n').map_or(0, |at| at + 1);
        let (file, name) = (&self.template.name, crate::quote::quote(self.name.as_bytes()));
        Err(format!("template: {file}:{line}:{column}: executing {name} at <{node}>: {message}"))
    }

    /// Takes steps from what the rendering may use.
    pub(crate) fn charge(&mut self, cost: usize) -> Result<()> {
        self.env.charge(cost).or_else(|fault| self.error(fault))
    }

    fn enter(&mut self) -> Result<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return self.error(format_args!("exceeded maximum depth ({MAX_DEPTH})"));
        }
        self.charge(1)
    }

    // Nodes.

    fn list(&mut self, dot: &Value<'a>, nodes: &'a [Node]) -> Result<Flow> {
        self.enter()?;
        for node in nodes {
            let flow = self.node(dot, node)?;
            if flow != Flow::Done {
                self.depth -= 1;
                return Ok(flow);
            }
        }
        self.depth -= 1;
        Ok(Flow::Done)
    }

    fn node(&mut self, dot: &Value<'a>, node: &'a Node) -> Result<Flow> {
        match node {
            Node::Text(text) => {
                self.charge(text.len() / 64)?;
                self.write(text)?;
            }
            Node::Action(pipe) => self.action(dot, pipe)?,
            Node::If(branch) | Node::With(branch) => {
                let with = matches!(node, Node::With(_));
                return self.branch(dot, branch, with);
            }
            Node::Range(branch) => return self.range(dot, branch),
            Node::Template(invoke) => self.invoke(dot, invoke)?,
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::Done)
    }

    fn write(&mut self, text: &[u8]) -> Result<()> {
        self.out.extend_from_slice(text);
        self.check_length()
    }

    fn check_length(&self) -> Result<()> {
        if self.out.len() - self.start > MAX_OUTPUT { self.error(too_long()) } else { Ok(()) }
    }

    /// `{{pipe}}`
    fn action(&mut self, dot: &Value<'a>, pipe: &'a Pipe) -> Result<()> {
        // What is there already is printed without being copied.
        match pipe.single_word() {
            Some(Operand { term: Term::Field(names), .. }) if matches!(dot, Value::Labels) && names.len() == 1 => {
                self.charge(1)?;
                let value = self.env.fields.get(&names[0]).unwrap_or_default();
                return self.write(value);
            }
            Some(Operand { term: Term::Dot, .. }) => {
                self.at = Some(At::Pipe(pipe));
                return self.print(dot);
            }
            Some(Operand { term: Term::Variable(names), .. }) if names.len() == 1 => {
                self.at = Some(At::Pipe(pipe));
                self.charge(self.variables.len() / 16)?;
                let (found, limit) = (self.find(&names[0]), self.limit());
                if let Some(value) = found {
                    let value = match value {
                        Found::Variable(at) => &self.variables[at].1,
                        Found::Root => &self.root,
                    };
                    let printed = print(&mut self.out, limit, &self.env, value);
                    self.env.charge(1).and(printed).or_else(|fault| self.error(fault))?;
                    return self.check_length();
                }
            }
            _ => {}
        }
        if !pipe.decl.is_empty() {
            self.pipeline(dot, pipe)?;
            return Ok(());
        }
        // The last command may write its string where it is wanted.
        let mut out = std::mem::take(&mut self.out);
        let value = self.pipeline_to(dot, pipe, Some(&mut out));
        self.out = out;
        match value? {
            None => self.check_length(),
            Some(value) => self.print(&value),
        }
    }

    /// How long the output may become.
    fn limit(&self) -> usize {
        self.start.saturating_add(MAX_OUTPUT)
    }

    /// Writes a value as an action shows it.
    fn print(&mut self, value: &Value<'a>) -> Result<()> {
        let limit = self.limit();
        let printed = print(&mut self.out, limit, &self.env, value);
        self.env.charge(1).and(printed).or_else(|fault| self.error(fault))?;
        self.check_length()
    }

    fn branch(&mut self, dot: &Value<'a>, branch: &'a Branch, with: bool) -> Result<Flow> {
        let mark = self.variables.len();
        let value = self.pipeline(dot, &branch.pipe)?;
        let flow = if truth(&self.env, &value) {
            self.list(if with { &value } else { dot }, &branch.then)?
        } else if let Some(otherwise) = &branch.otherwise {
            self.list(dot, otherwise)?
        } else {
            Flow::Done
        };
        self.variables.truncate(mark);
        Ok(flow)
    }

    fn invoke(&mut self, dot: &Value<'a>, invoke: &'a Invoke) -> Result<()> {
        self.at = Some(At::Template(invoke));
        let Some(definition) = self.template.definition(&invoke.name) else {
            return self.error(format_args!("template {} not defined", crate::quote::quote(invoke.name.as_bytes())));
        };
        self.charge(self.template.definitions.len() / 16)?;
        let dot = match &invoke.pipe {
            Some(pipe) => self.pipeline(dot, pipe)?,
            None => Value::Nil,
        };
        // The other template sees no variable of this one but its dot.
        let (mark, scope) = (self.variables.len(), std::mem::replace(&mut self.scope, self.variables.len()));
        let root = std::mem::replace(&mut self.root, dot.clone());
        let name = std::mem::replace(&mut self.name, &definition.name);
        self.list(&dot, &definition.list)?;
        (self.scope, self.root, self.name) = (scope, root, name);
        self.variables.truncate(mark);
        Ok(())
    }

    // Loops.

    fn range(&mut self, dot: &Value<'a>, branch: &'a Branch) -> Result<Flow> {
        let mark = self.variables.len();
        let value = self.pipeline(dot, &branch.pipe)?.elem();
        let ran = self.iterate(branch, value)?;
        let mut flow = Flow::Done;
        if !ran && let Some(otherwise) = &branch.otherwise {
            flow = self.list(dot, otherwise)?;
        }
        self.variables.truncate(mark);
        Ok(flow)
    }

    /// Runs the body for each element; whether there was one.
    fn iterate(&mut self, branch: &'a Branch, value: Value<'a>) -> Result<bool> {
        let mark = self.variables.len();
        let each = |exec: &mut Self, index: Value<'a>, element: Value<'a>| -> Result<bool> {
            exec.bind(&branch.pipe, index, &element)?;
            let flow = exec.list(&element, &branch.then)?;
            exec.variables.truncate(mark);
            Ok(flow != Flow::Break)
        };
        match &value {
            Value::Nil => return Ok(false),
            Value::List(list) => {
                for at in 0..list.len() {
                    if !each(self, Value::Int(at as i64), list.at(at))? {
                        break;
                    }
                }
                return Ok(list.len() > 0);
            }
            Value::Bytes(text) => {
                for (at, &byte) in text.bytes().iter().enumerate() {
                    if !each(self, Value::Int(at as i64), Value::Byte(byte))? {
                        break;
                    }
                }
                return Ok(!text.bytes().is_empty());
            }
            Value::Map(json) => {
                for at in 0..json.len() {
                    let (Some((text, start, end)), Some(member)) = (json.key_at(at), json.at(at)) else { break };
                    let key = Value::Text(crate::value::Text::Own(text, start, end));
                    if !each(self, key, Value::slot(member))? {
                        break;
                    }
                }
                return Ok(json.len() > 0);
            }
            Value::Labels => {
                let labels = crate::fmt::sorted_labels(self.env.fields);
                self.charge(labels.len())?;
                for &(name, value) in &labels {
                    if !each(self, Value::text(name.as_bytes()), Value::text(value))? {
                        break;
                    }
                }
                return Ok(!labels.is_empty());
            }
            _ => {}
        }
        let number = match (&value, value.kind()) {
            (Value::Byte(byte), _) => i64::from(*byte),
            (_, Kind::Int) => value.int().unwrap_or(0),
            _ => {
                let shown = self.shown(&value);
                return self.error(format_args!("range can't iterate over {shown}"));
            }
        };
        if branch.pipe.decl.len() > 1 {
            let shown = self.shown(&value);
            return self.error(format_args!("can't use {shown} to iterate over more than one variable"));
        }
        for at in 0..number {
            if !each(self, Value::Nil, value.like(at))? {
                break;
            }
        }
        Ok(number > 0)
    }

    /// Gives the variables of a `range` their values.
    fn bind(&mut self, pipe: &'a Pipe, index: Value<'a>, element: &Value<'a>) -> Result<()> {
        let top = self.variables.len();
        match &*pipe.decl {
            [] => {}
            [one] if pipe.assign => self.assign(one, element.clone())?,
            [one, two] if pipe.assign => {
                self.assign(one, index)?;
                self.assign(two, element.clone())?;
            }
            names => {
                // The pipeline has pushed them; the element's is the last.
                self.variables[top - 1].1 = element.clone();
                if names.len() > 1 {
                    self.variables[top - 2].1 = index;
                }
            }
        }
        Ok(())
    }

    /// A value as `%v`, for errors.
    fn shown(&self, value: &Value<'a>) -> String {
        let mut out = Vec::new();
        // What is too long is cut: an error text has room for less.
        let _ = Printer::new(&mut out, self.env.fields, MAX_OUTPUT).verb(value, 'v');
        String::from_utf8_lossy(&out).into_owned()
    }

    // Variables.

    pub(crate) fn declare(&mut self, name: &'a str, value: Value<'a>) {
        self.variables.push((name, value));
    }

    pub(crate) fn assign(&mut self, name: &str, value: Value<'a>) -> Result<()> {
        match self.find(name) {
            Some(Found::Variable(at)) => self.variables[at].1 = value,
            Some(Found::Root) => self.root = value,
            None => return self.error(format_args!("undefined variable: {name}")),
        }
        Ok(())
    }

    pub(crate) fn variable(&mut self, name: &str) -> Result<Value<'a>> {
        self.charge(self.variables.len() / 16)?;
        match self.find(name) {
            Some(Found::Variable(at)) => Ok(self.variables[at].1.clone()),
            Some(Found::Root) => Ok(self.root.clone()),
            None => self.error(format_args!("undefined variable: {name}")),
        }
    }

    /// Where the latest variable of this name is.
    fn find(&self, name: &str) -> Option<Found> {
        let found = self.variables[self.scope..].iter().rposition(|(known, _)| *known == name);
        let root = || (name == "$").then_some(Found::Root);
        found.map(|at| Found::Variable(self.scope + at)).or_else(root)
    }
}

/// A place where a variable's value is kept.
enum Found {
    Variable(usize),
    /// `$`
    Root,
}

/// Appends a value as an action shows it; `out` is to hold at most `limit` bytes.
fn print(out: &mut Vec<u8>, limit: usize, env: &Env<'_>, value: &Value<'_>) -> Result<()> {
    match value {
        Value::Nil | Value::NilSlot => out.extend_from_slice(b"<no value>"),
        Value::Text(text) => out.extend_from_slice(text.bytes()),
        value => return Printer::new(out, env.fields, limit).verb(value, 'v').map_err(|_| too_long()),
    }
    Ok(())
}
