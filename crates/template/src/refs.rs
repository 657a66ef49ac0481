//! Which labels a template names, as upstream's optimiser sees them.
//!
//! Upstream walks the tree itself and looks at plain fields only: not at `$.a`, not at `index . "a"`, not behind
//! `{{template}}`, and not at fields of something in parentheses. What it misses, a metric query does not extract.

use crate::Template;
use crate::ast::{Command, Node, Operand, Pipe, Term};

impl Template {
    /// The labels that plain fields such as `.name` refer to, each once, in the order of the text. Of `.a.b` both names
    /// count.
    pub fn referenced_fields(&self) -> Vec<String> {
        let mut names = Vec::new();
        list(self.root(), &mut names);
        let mut unique: Vec<String> = Vec::new();
        for name in names {
            if !unique.iter().any(|known| known == name) {
                unique.push(name.to_owned());
            }
        }
        unique
    }

    /// The label, if the whole template is one action with nothing but a field, `{{.name}}`: upstream then copies the
    /// value. That the action may also declare a variable, it does not notice.
    pub fn is_single_field(&self) -> Option<&str> {
        match self.root() {
            [Node::Action(pipe)] => match &*pipe.commands {
                [command] => command.single_field(),
                _ => None,
            },
            _ => None,
        }
    }
}

impl Pipe {
    /// The word, if there is nothing else.
    pub(crate) fn single_word(&self) -> Option<&Operand> {
        match &*self.commands {
            [command] if self.decl.is_empty() && command.args.len() == 1 => command.args.first(),
            _ => None,
        }
    }
}

impl Command {
    fn single_field(&self) -> Option<&str> {
        match &*self.args {
            [Operand { term: Term::Field(names), .. }] => match &**names {
                [name] => Some(name),
                _ => None,
            },
            _ => None,
        }
    }
}

fn list<'t>(nodes: &'t [Node], names: &mut Vec<&'t str>) {
    for node in nodes {
        match node {
            Node::Action(action) => pipe(action, names),
            Node::If(branch) | Node::With(branch) | Node::Range(branch) => {
                pipe(&branch.pipe, names);
                list(&branch.then, names);
                if let Some(otherwise) = &branch.otherwise {
                    list(otherwise, names);
                }
            }
            Node::Text(_) | Node::Template(_) | Node::Break | Node::Continue => {}
        }
    }
}

fn pipe<'t>(of: &'t Pipe, names: &mut Vec<&'t str>) {
    for operand in of.commands.iter().flat_map(|command| &command.args) {
        match &operand.term {
            Term::Field(fields) => names.extend(fields.iter().map(|field| &**field)),
            Term::Paren(inner) => pipe(inner, names),
            _ => {}
        }
    }
}
