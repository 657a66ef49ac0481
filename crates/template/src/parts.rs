//! What a template is made of, by name: for tools that count whether every construct and every function was tried.

use crate::Template;
use crate::ast::{Command, Node, Operand, Pipe, Term};
use crate::funcs::FUNCTIONS;

/// Names of constructs, as [`Template::each_part`] gives them.
pub const CONSTRUCTS: [&str; 25] = [
    "text",
    "{{action}}",
    "{{if}}",
    "{{with}}",
    "{{range}}",
    "{{else}}",
    "{{template}}",
    "{{define}}",
    "{{break}}",
    "{{continue}}",
    "a | b",
    "$x := a",
    "$x = a",
    "$k, $v := a",
    ".",
    "nil",
    "true",
    "1",
    "1.5",
    "\"text\"",
    ".field",
    ".field.field",
    "$variable",
    "(a)",
    "(a).field",
];

/// Names of all functions a template can call.
pub fn functions() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().copied().flatten().map(|func| func.name)
}

impl Template {
    /// Calls `visit` with the name of every construct (one of [`CONSTRUCTS`]) and, its second argument true, of every
    /// function called, as often as they are written.
    pub fn each_part(&self, visit: &mut dyn FnMut(&'static str, bool)) {
        for (at, definition) in self.definitions.iter().enumerate() {
            if at != self.root {
                visit("{{define}}", false);
            }
            nodes(&definition.list, visit);
        }
    }
}

fn nodes(list: &[Node], visit: &mut dyn FnMut(&'static str, bool)) {
    for node in list {
        let (name, branch) = match node {
            Node::Text(_) => ("text", None),
            Node::Action(action) => {
                pipe(action, visit);
                ("{{action}}", None)
            }
            Node::If(branch) => ("{{if}}", Some(branch)),
            Node::With(branch) => ("{{with}}", Some(branch)),
            Node::Range(branch) => ("{{range}}", Some(branch)),
            Node::Template(invoke) => {
                invoke.pipe.iter().for_each(|data| pipe(data, visit));
                ("{{template}}", None)
            }
            Node::Break => ("{{break}}", None),
            Node::Continue => ("{{continue}}", None),
        };
        visit(name, false);
        let Some(branch) = branch else { continue };
        pipe(&branch.pipe, visit);
        nodes(&branch.then, visit);
        if let Some(otherwise) = &branch.otherwise {
            visit("{{else}}", false);
            nodes(otherwise, visit);
        }
    }
}

fn pipe(of: &Pipe, visit: &mut dyn FnMut(&'static str, bool)) {
    match (of.decl.len(), of.assign) {
        (0, _) => {}
        (1, false) => visit("$x := a", false),
        (1, true) => visit("$x = a", false),
        _ => visit("$k, $v := a", false),
    }
    if of.commands.len() > 1 {
        visit("a | b", false);
    }
    for Command { args, .. } in &of.commands {
        args.iter().for_each(|operand| term(operand, visit));
    }
}

fn term(operand: &Operand, visit: &mut dyn FnMut(&'static str, bool)) {
    let name = match &operand.term {
        Term::Dot => ".",
        Term::Nil => "nil",
        Term::Bool(_) => "true",
        Term::Number(number) if number.looks_float() => "1.5",
        Term::Number(_) => "1",
        Term::String(_) => "\"text\"",
        Term::Field(names) if names.len() > 1 => ".field.field",
        Term::Field(_) => ".field",
        Term::Variable(_) => "$variable",
        Term::Function(func) => return visit(func.name, true),
        Term::Paren(inner) => {
            pipe(inner, visit);
            "(a)"
        }
        Term::Chain(inner, _) => {
            term(inner, visit);
            "(a).field"
        }
    };
    visit(name, false);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_construct_is_named() {
        let text = r#"x{{define "d"}}{{.a}}{{end}}{{template "d" .}}{{$x := 1}}{{$x = 1.5}}{{$x}}{{if true}}{{else}}{{end}}
            {{with .a | len}}{{end}}{{range $k, $v := .}}{{break}}{{continue}}{{end}}{{eq nil .a.b "t"}}{{(now).Year}}{{(1)}}"#;
        let (mut constructs, mut called) = (Vec::new(), Vec::new());
        let template = Template::parse("line", text).unwrap();
        template.each_part(&mut |name, function| if function { called.push(name) } else { constructs.push(name) });
        for name in CONSTRUCTS {
            assert!(constructs.contains(&name), "{name} was not seen");
        }
        assert!(constructs.iter().all(|name| CONSTRUCTS.contains(name)));
        assert_eq!(called, ["len", "eq", "now"]);
        assert!(called.iter().all(|name| functions().any(|known| known == *name)));
    }
}
