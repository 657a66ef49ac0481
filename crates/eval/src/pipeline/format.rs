//! `line_format`, `label_format`, `drop` and `keep` (specification 4.8 and 4.9).

use std::sync::Arc;

use loptr_logql::ast::{LabelFormat as Item, NamedOrMatcher, Spanned, StageKind};
use loptr_model::Nanos;
use loptr_template::{Fields, Template};

use super::label_filter::TextTest;
use super::labels::{ERROR, ERROR_DETAILS, LineLabels, NameId, PRESERVE_ERROR};

const TEMPLATE_ERROR: &str = "TemplateFormatErr";

/// An entry as a template sees it.
struct Live<'a> {
    labels: &'a LineLabels,
    line: &'a [u8],
    ts: Nanos,
    now: Nanos,
}

impl Fields for Live<'_> {
    fn get(&self, name: &str) -> Option<&[u8]> {
        let state = match name {
            ERROR => self.labels.error(),
            ERROR_DETAILS if self.labels.has_changes() => self.labels.details(),
            _ => b"",
        };
        if state.is_empty() { self.labels.get_by_text(name) } else { Some(state) }
    }

    fn each<'f>(&'f self, visit: &mut dyn FnMut(&'f str, &'f [u8])) {
        self.labels.each(visit);
    }

    fn line(&self) -> &[u8] {
        self.line
    }

    fn timestamp(&self) -> Nanos {
        self.ts
    }

    fn now(&self) -> Nanos {
        self.now
    }
}

/// `| line_format "…"`.
#[derive(Clone, Debug)]
pub(crate) struct LineFormat {
    template: Arc<Template>,
    now: Nanos,
    /// The template is this label and nothing else.
    copies: Option<NameId>,
}

/// Says what is wrong with a stage's templates.
pub(crate) fn check_templates(stage: &StageKind) -> Result<(), String> {
    match stage {
        StageKind::LineFormat(text) => line_template(text).map(|_| ()),
        StageKind::LabelFormat(items) => items.iter().try_for_each(|item| match &item.node {
            Item::Template { to, template } => label_template(to, template).map(|_| ()),
            Item::Rename { .. } => Ok(()),
        }),
        _ => Ok(()),
    }
}

fn line_template(text: &[u8]) -> Result<Template, String> {
    Template::parse_bytes("line", text).map_err(|fault| format!("invalid line template: {fault}"))
}

fn label_template(label: &str, text: &[u8]) -> Result<Template, String> {
    Template::parse_bytes("label", text).map_err(|fault| format!("invalid template for label '{label}': {fault}"))
}

impl LineFormat {
    pub(crate) fn compile(
        text: &[u8],
        now: Nanos,
        reads: &mut Vec<String>,
        mut name: impl FnMut(&str) -> NameId,
    ) -> Result<Self, String> {
        let template = line_template(text)?;
        reads.extend(template.referenced_fields());
        let copies = template.is_single_field().map(&mut name);
        Ok(Self { template: Arc::new(template), now, copies })
    }

    /// Writes the new line to `out`; `false` if the line stays because of an error.
    pub(crate) fn run(&self, ts: Nanos, line: &[u8], labels: &mut LineLabels, out: &mut Vec<u8>) -> bool {
        out.clear();
        if let Some(name) = self.copies {
            out.extend_from_slice(labels.get(name).unwrap_or_default());
            return true;
        }
        match self.template.render(&Live { labels, line, ts, now: self.now }, out) {
            Ok(()) => true,
            Err(details) => {
                labels.set_error(TEMPLATE_ERROR, &details);
                false
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Format {
    Rename { to: NameId, from: NameId },
    Template { to: NameId, template: Arc<Template> },
}

/// `| label_format a=b, c="…"`.
#[derive(Clone, Debug)]
pub(crate) struct LabelFormat {
    items: Vec<Format>,
    now: Nanos,
    /// Labels as they were before the first template; later templates see these.
    snapshot: Snapshot,
    scratch: Vec<u8>,
}

impl LabelFormat {
    pub(crate) fn compile(
        items: &[Spanned<Item>],
        now: Nanos,
        reads: &mut Vec<String>,
        mut name: impl FnMut(&str) -> NameId,
    ) -> Result<Self, String> {
        let mut compiled = Vec::with_capacity(items.len());
        for item in items {
            compiled.push(match &item.node {
                Item::Rename { to, from } => {
                    reads.push(from.clone());
                    Format::Rename { to: name(to), from: name(from) }
                }
                Item::Template { to, template } => {
                    let template = label_template(to, template)?;
                    reads.extend(template.referenced_fields());
                    Format::Template { to: name(to), template: Arc::new(template) }
                }
            });
        }
        Ok(Self { items: compiled, now, snapshot: Snapshot::default(), scratch: Vec::new() })
    }

    pub(crate) fn run(&mut self, ts: Nanos, line: &[u8], labels: &mut LineLabels) {
        let mut taken = false;
        for item in &self.items {
            match item {
                Format::Rename { to, from } => {
                    let Some(value) = labels.get(*from) else { continue };
                    self.scratch.clear();
                    self.scratch.extend_from_slice(value);
                    labels.set_parsed(*to, &self.scratch);
                    labels.delete(*from);
                }
                Format::Template { to, template } => {
                    if !taken {
                        self.snapshot.take(labels);
                        taken = true;
                    }
                    self.scratch.clear();
                    let seen = Seen { snapshot: &self.snapshot, line, ts, now: self.now };
                    match template.render(&seen, &mut self.scratch) {
                        Ok(()) => labels.set_parsed(*to, &self.scratch),
                        Err(details) => labels.set_error(TEMPLATE_ERROR, &details),
                    }
                }
            }
        }
    }
}

/// Copies of all labels in one buffer.
#[derive(Clone, Debug, Default)]
struct Snapshot {
    text: Vec<u8>,
    /// Ends of each name and value.
    ends: Vec<(usize, usize)>,
}

impl Snapshot {
    fn take(&mut self, labels: &LineLabels) {
        self.text.clear();
        self.ends.clear();
        labels.each(&mut |name: &str, value: &[u8]| {
            self.text.extend_from_slice(name.as_bytes());
            let name_end = self.text.len();
            self.text.extend_from_slice(value);
            self.ends.push((name_end, self.text.len()));
        });
    }

    fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut start = 0;
        self.ends.iter().map(move |&(name_end, end)| {
            let pair = (&self.text[start..name_end], &self.text[name_end..end]);
            start = end;
            pair
        })
    }
}

struct Seen<'a> {
    snapshot: &'a Snapshot,
    line: &'a [u8],
    ts: Nanos,
    now: Nanos,
}

impl Fields for Seen<'_> {
    fn get(&self, name: &str) -> Option<&[u8]> {
        self.snapshot.iter().find(|(known, _)| *known == name.as_bytes()).map(|(_, value)| value)
    }

    fn each<'f>(&'f self, visit: &mut dyn FnMut(&'f str, &'f [u8])) {
        for (name, value) in self.snapshot.iter() {
            if let Ok(name) = std::str::from_utf8(name) {
                visit(name, value);
            }
        }
    }

    fn line(&self) -> &[u8] {
        self.line
    }

    fn timestamp(&self) -> Nanos {
        self.ts
    }

    fn now(&self) -> Nanos {
        self.now
    }
}

/// Items of `drop` and `keep`.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    items: Vec<(NameId, Option<TextTest>)>,
    error: NameId,
    details: NameId,
    preserve: NameId,
    present: Vec<NameId>,
}

impl Selection {
    pub(crate) fn compile(
        items: &[Spanned<NamedOrMatcher>],
        mut name: impl FnMut(&str) -> NameId,
    ) -> Result<Self, String> {
        let mut compiled = Vec::with_capacity(items.len());
        for item in items {
            compiled.push(match &item.node {
                NamedOrMatcher::Name(label) => (name(label), None),
                NamedOrMatcher::Matcher(matcher) => (name(&matcher.name), Some(TextTest::selector(matcher)?)),
            });
        }
        let (error, details, preserve) = (name(ERROR), name(ERROR_DETAILS), name(PRESERVE_ERROR));
        Ok(Self { items: compiled, error, details, preserve, present: Vec::new() })
    }

    /// Deletes what the items name.
    pub(crate) fn drop(&self, labels: &mut LineLabels) {
        for (name, test) in &self.items {
            let accepts = |value: &[u8]| test.as_ref().is_none_or(|test| test.accepts(value));
            if *name == self.error {
                if accepts(labels.error()) {
                    labels.clear_error();
                }
            } else if *name == self.details {
                if accepts(labels.details()) {
                    labels.clear_details();
                }
            } else {
                let value = labels.get(*name);
                if (test.is_some() || value.is_some()) && accepts(value.unwrap_or_default()) {
                    labels.delete(*name);
                }
            }
        }
    }

    /// Deletes what no item names.
    pub(crate) fn keep(&mut self, labels: &mut LineLabels) {
        if self.items.is_empty() {
            return;
        }
        labels.present_names(&mut self.present);
        for &name in &self.present {
            if [self.error, self.details, self.preserve].contains(&name) {
                continue;
            }
            let value = labels.get(name).unwrap_or_default();
            let kept = self
                .items
                .iter()
                .any(|(item, test)| *item == name && test.as_ref().is_none_or(|test| test.accepts(value)));
            if !kept {
                labels.delete(name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::hints::Hints;
    use loptr_model::{Labels, MatchOp, Matcher};

    fn labels() -> LineLabels {
        let mut labels = LineLabels::new(&Labels::from_pairs([("s", "1"), ("t", "2")]), &[], &Hints::none());
        labels.start();
        labels.add_metadata(&[("m", "3")]);
        labels
    }

    fn set(labels: &mut LineLabels) -> String {
        let id = labels.result();
        labels.labels(id).all.to_string()
    }

    fn rename(to: &str, from: &str) -> Spanned<Item> {
        Item::Rename { to: to.into(), from: from.into() }.into()
    }

    fn template(to: &str, text: &str) -> Spanned<Item> {
        Item::Template { to: to.into(), template: text.into() }.into()
    }

    fn format(items: &[Spanned<Item>]) -> String {
        let mut labels = labels();
        let mut stage =
            LabelFormat::compile(items, Nanos(0), &mut Vec::new(), |name| labels.name(name)).expect("valid");
        stage.run(Nanos(0), b"L", &mut labels);
        set(&mut labels)
    }

    #[test]
    fn items_run_in_order() {
        assert_eq!(format(&[rename("x", "s"), rename("y", "nope")]), r#"{m="3", t="2", x="1"}"#);
        assert_eq!(format(&[rename("s", "s")]), r#"{m="3", t="2"}"#);
        assert_eq!(format(&[rename("s", "t"), rename("t", "s")]), r#"{m="3", t="2"}"#);
        assert_eq!(
            format(&[template("x", "{{.s}}-{{.m}}"), template("y", "{{.x}}")]),
            r#"{m="3", s="1", t="2", x="1-3", y=""}"#
        );
    }

    #[test]
    fn drop_and_keep_choose() {
        let matcher = |name: &str, value: &str| NamedOrMatcher::Matcher(Matcher::new(name, MatchOp::Re, value)).into();
        let items = [NamedOrMatcher::Name("m".into()).into(), matcher("s", "2|3"), matcher("t", "2.*")];
        let mut dropped = labels();
        Selection::compile(&items, |name| dropped.name(name)).expect("valid").drop(&mut dropped);
        assert_eq!(set(&mut dropped), r#"{s="1"}"#);
        let mut kept = labels();
        kept.set_error("boom", "why");
        Selection::compile(&items, |name| kept.name(name)).expect("valid").keep(&mut kept);
        assert_eq!(set(&mut kept), r#"{__error__="boom", __error_details__="why", m="3", t="2"}"#);
        let error = [NamedOrMatcher::Name(ERROR.into()).into()];
        Selection::compile(&error, |name| kept.name(name)).expect("valid").drop(&mut kept);
        assert!(!kept.has_error());
    }
}
