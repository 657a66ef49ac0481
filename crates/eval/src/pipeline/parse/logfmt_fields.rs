//! `| logfmt name="key"`: single values by key.

use loptr_logql::ast::Extraction;
use loptr_logql::expression::logfmt_key;

use super::super::labels::{LineLabels, NameId};
use super::logfmt_scan::{Pairs, unquote};
use super::{Keys, LOGFMT_ERROR, has_replacement, parser_error, sanitize};

/// The stage.
#[derive(Clone, Debug)]
pub(crate) struct LogfmtFields {
    strict: bool,
    /// Label and the sanitised key it takes its value from.
    fields: Vec<(NameId, NameId)>,
    keys: Keys,
    scratch: Vec<u8>,
}

impl LogfmtFields {
    pub(crate) fn compile(
        fields: &[Extraction],
        strict: bool,
        mut name: impl FnMut(&str) -> NameId,
    ) -> Result<Self, String> {
        let mut compiled: Vec<(NameId, NameId)> = Vec::new();
        for field in fields {
            let expression = String::from_utf8_lossy(&field.expression);
            let key =
                logfmt_key(&expression).map_err(|fault| format!("cannot parse expression [{expression}]: {fault}"))?;
            let (label, key) = (name(&field.name), name(&key));
            // Of a label named twice the last source counts.
            compiled.retain(|(known, _)| *known != label);
            compiled.push((label, key));
        }
        Ok(Self { strict, fields: compiled, keys: Keys::default(), scratch: Vec::new() })
    }

    pub(crate) fn run(&mut self, line: &[u8], labels: &mut LineLabels) {
        if labels.nothing_wanted() {
            return;
        }
        for &(label, _) in &self.fields {
            if labels.name_for_parsed(label) == label {
                labels.set_parsed(label, b"");
            }
        }
        self.keys.start(labels);
        for pair in Pairs::new(line) {
            let pair = match pair {
                Ok(pair) => pair,
                Err(fault) if self.strict => {
                    parser_error(labels, LOGFMT_ERROR, Some(&fault.to_string()));
                    return;
                }
                Err(_) => continue,
            };
            let Some(key) = self.keys.name(labels, pair.key, || sanitize(pair.key, true)) else { continue };
            let is_label = self.fields.iter().any(|(label, _)| *label == key);
            // What is required is asked of the source key: so it is upstream.
            if !is_label && (!labels.wants(key) || labels.was_written(key)) {
                continue;
            }
            let source = self.fields.iter().find(|(_, source)| *source == key);
            let Some(label) = source.map(|(label, _)| *label).or(is_label.then_some(key)) else { continue };
            let name = labels.name_for_parsed(label);
            if name != label && (labels.was_written(name) || !labels.wants(name)) {
                break;
            }
            self.scratch.clear();
            unquote(pair.value, &mut self.scratch);
            if has_replacement(&self.scratch) {
                self.scratch.clear();
            }
            labels.set_parsed(name, &self.scratch);
            if labels.found_all_required() {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;
    use crate::pipeline::hints::Hints;

    fn run(fields: &[(&str, &str)], line: &str) -> String {
        let mut labels = testing::labels(&[("s", "1")], &Hints::none());
        let fields = testing::extractions(fields);
        let mut stage = LogfmtFields::compile(&fields, false, |name| labels.name(name)).expect("valid keys");
        stage.run(line.as_bytes(), &mut labels);
        testing::parsed(&mut labels)
    }

    #[test]
    fn keys_pick_values() {
        assert_eq!(run(&[("x", "level")], "level=info"), r#"{x="info"}"#);
        assert_eq!(run(&[("app", "level")], "level=info app=foo"), r#"{app="foo"}"#);
        assert_eq!(run(&[("x", "a_b"), ("y", "\"a.b\"")], "a.b=1"), r#"{x="1", y=""}"#);
        assert_eq!(run(&[("s", "t")], "t=1"), r#"{s_extracted="1"}"#);
        assert_eq!(run(&[("x", "x")], "x=1 x=2"), r#"{x="2"}"#);
    }
}
