//! Templates of `line_format` and `label_format`.
//!
//! For now texts with `{{.label}}`, `{{__line__}}` and comments, trim markers included; anything else is refused when
//! the query is compiled.

use loptr_model::Nanos;

/// What a template may read of one entry.
pub trait Fields {
    /// The value of a label.
    fn value(&self, name: &str) -> Option<&[u8]>;
    /// Calls `visit` with every label, in no order.
    fn each(&self, visit: &mut dyn FnMut(&str, &[u8]));
    /// The line as it is now.
    fn line(&self) -> &[u8];
    /// The entry's time.
    fn ts(&self) -> Nanos;
}

/// A compiled template.
#[derive(Clone, Debug)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(String),
    Field(String),
    Line,
}

impl Template {
    /// Compiles `text`; `name` stands for the template in errors (`line` or `label`).
    pub fn parse(name: &str, text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let (mut rest, mut trim) = (text, false);
        while let Some(open) = rest.find("{{") {
            let mut before = if trim { rest[..open].trim_start() } else { &rest[..open] };
            let mut action = &rest[open + 2..];
            let comment = action.trim_start_matches("- ").trim_start().starts_with("/*");
            let end = if comment {
                action.find("*/").and_then(|at| Some(at + action[at..].find("}}")?))
            } else {
                action.find("}}")
            };
            let Some(end) = end else { return Err(format!("template: {name}:1: unclosed action")) };
            rest = &action[end + 2..];
            action = &action[..end];
            if action.starts_with("- ") {
                action = &action[2..];
                before = before.trim_end();
            }
            trim = action.ends_with(" -");
            action = action.strip_suffix(" -").unwrap_or(action).trim();
            push_text(&mut parts, before);
            if !comment {
                parts.push(part(name, action)?);
            }
        }
        push_text(&mut parts, if trim { rest.trim_start() } else { rest });
        Ok(Self { parts })
    }

    /// Names that the template reads with `.name`, wherever they stand.
    pub fn fields(&self) -> Vec<String> {
        let field = |part: &Part| if let Part::Field(name) = part { Some(name.clone()) } else { None };
        self.parts.iter().filter_map(field).collect()
    }

    /// The name, if the template is `{{.name}}` and nothing else.
    pub fn simple_key(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [Part::Field(name)] => Some(name),
            _ => None,
        }
    }

    /// Appends the text for one entry to `out`. On an error what is in `out` is of no use.
    pub fn render(&self, fields: &dyn Fields, out: &mut Vec<u8>) -> Result<(), String> {
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text.as_bytes()),
                Part::Field(name) => out.extend_from_slice(fields.value(name).unwrap_or_default()),
                Part::Line => out.extend_from_slice(fields.line()),
            }
        }
        Ok(())
    }
}

fn push_text(parts: &mut Vec<Part>, text: &str) {
    if !text.is_empty() {
        parts.push(Part::Text(text.to_owned()));
    }
}

fn part(name: &str, action: &str) -> Result<Part, String> {
    if action == "__line__" {
        return Ok(Part::Line);
    }
    let field = action.strip_prefix('.').filter(|field| {
        field.starts_with(|c: char| c.is_alphabetic() || c == '_')
            && field.chars().all(|c| c.is_alphanumeric() || c == '_')
    });
    match field {
        Some(field) => Ok(Part::Field(field.to_owned())),
        None => Err(format!("template: {name}:1: {{{{{action}}}}} is not supported yet")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct One;

    impl Fields for One {
        fn value(&self, name: &str) -> Option<&[u8]> {
            (name == "a").then_some(b"1".as_slice())
        }

        fn each(&self, visit: &mut dyn FnMut(&str, &[u8])) {
            visit("a", b"1");
        }

        fn line(&self) -> &[u8] {
            b"L"
        }

        fn ts(&self) -> Nanos {
            Nanos(0)
        }
    }

    fn render(text: &str) -> String {
        let mut out = Vec::new();
        Template::parse("line", text).expect("supported").render(&One, &mut out).expect("cannot fail");
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn fields_and_the_line() {
        assert_eq!(render("x {{.a}}{{ .b }} {{- __line__ -}}  y"), "x 1Ly");
        assert_eq!(render("a{{/* }} */}}b"), "ab");
        assert_eq!(Template::parse("line", "{{.a}}").expect("supported").simple_key(), Some("a"));
        assert!(Template::parse("line", "{{.a").is_err() && Template::parse("line", "{{div 1 0}}").is_err());
    }
}
