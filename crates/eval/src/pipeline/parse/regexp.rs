//! `| regexp "(?P<name>…)"`.

use loptr_regex::Captures;

use super::super::label_filter::LabelFilter;
use super::super::labels::{LineLabels, NameId};
use super::{Rejected, offer, sanitize};
use crate::regex::Regex;

/// The stage.
#[derive(Clone, Debug)]
pub(crate) struct Regexp {
    regex: Regex,
    /// Label of each group.
    names: Vec<Option<NameId>>,
    captures: Captures,
    scratch: Vec<u8>,
}

impl Regexp {
    pub(crate) fn compile(text: &str, mut name: impl FnMut(&str) -> NameId) -> Result<Self, String> {
        let regex = Regex::new(text).map_err(|fault| format!("invalid regexp parser: {fault}"))?;
        let groups = regex.group_names();
        let named: Vec<&str> = groups.iter().flatten().map(String::as_str).collect();
        if named.is_empty() {
            return Err("invalid regexp parser: at least one named capture must be supplied".into());
        }
        if let Some(twice) = (1..named.len()).find(|&at| named[..at].contains(&named[at])) {
            return Err(format!("invalid regexp parser: duplicate extracted label name '{}'", named[twice]));
        }
        let label = |group: &Option<String>| Some(name(&sanitize(group.as_ref()?.as_bytes(), true)?));
        let names = groups.iter().map(label).collect();
        Ok(Self { captures: regex.create_captures(), regex, names, scratch: Vec::new() })
    }

    pub(crate) fn run(&mut self, line: &[u8], labels: &mut LineLabels, early: &[LabelFilter]) -> Result<(), Rejected> {
        if !self.regex.captures(line, &mut self.captures) {
            return Ok(());
        }
        for (name, slot) in self.names.iter().zip(self.captures.iter()) {
            let Some(name) = name else { continue };
            let value = slot.and_then(|(start, end)| line.get(start..end)).unwrap_or_default();
            offer(labels, early, *name, |out| out.extend_from_slice(value), &mut self.scratch)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;
    use crate::pipeline::hints::Hints;

    #[test]
    fn groups_become_labels() {
        let mut labels = testing::labels(&[], &Hints::none());
        let mut stage = Regexp::compile("(?P<m>z)|(?P<n>G)", |name| labels.name(name)).expect("valid");
        stage.run(b"xG", &mut labels, &[]).expect("no filter");
        assert_eq!(testing::parsed(&mut labels), r#"{m="", n="G"}"#);
        let fault = |text: &str| Regexp::compile(text, |_| NameId(0)).expect_err(text);
        assert_eq!(fault("(a)"), "invalid regexp parser: at least one named capture must be supplied");
    }
}
