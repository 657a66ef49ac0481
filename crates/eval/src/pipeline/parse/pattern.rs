//! `| pattern "<a> literal <b>"`.

use loptr_logql::pattern::{Part, parse_capturing};
use memchr::memmem;

use super::super::label_filter::LabelFilter;
use super::super::labels::{LineLabels, NameId};
use super::{Rejected, offer};

/// The stage: an optional leading literal, then captures, each with the literal that ends it.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    leading: Vec<u8>,
    captures: Vec<(Option<NameId>, Option<memmem::Finder<'static>>)>,
    scratch: Vec<u8>,
}

impl Pattern {
    pub(crate) fn compile(text: &[u8], mut name: impl FnMut(&str) -> NameId) -> Result<Self, String> {
        let parts = parse_capturing(text).map_err(|fault| format!("invalid pattern parser: {fault}"))?;
        let mut pattern = Self { leading: Vec::new(), captures: Vec::new(), scratch: Vec::new() };
        for part in &parts {
            match part {
                Part::Named(label) => pattern.captures.push((Some(name(label)), None)),
                Part::Unnamed => pattern.captures.push((None, None)),
                Part::Text(text) => match pattern.captures.last_mut() {
                    Some((_, end)) => *end = Some(memmem::Finder::new(text).into_owned()),
                    None => pattern.leading.clone_from(text),
                },
            }
        }
        Ok(pattern)
    }

    pub(crate) fn run(&mut self, line: &[u8], labels: &mut LineLabels, early: &[LabelFilter]) -> Result<(), Rejected> {
        if labels.nothing_wanted() || line.is_empty() {
            return Ok(());
        }
        let Some(mut rest) = line.strip_prefix(self.leading.as_slice()) else { return Ok(()) };
        for (name, end) in &self.captures {
            let found = end.as_ref().and_then(|end| Some((end.find(rest)?, end.needle().len())));
            let value = found.map_or(rest, |(at, _)| &rest[..at]);
            if let Some(name) = name {
                offer(labels, early, *name, |out| out.extend_from_slice(value), &mut self.scratch)?;
            }
            match found {
                Some((at, len)) => rest = &rest[at + len..],
                None => break,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;
    use crate::pipeline::hints::Hints;

    fn run(pattern: &str, line: &str) -> String {
        let mut labels = testing::labels(&[], &Hints::none());
        let mut stage = Pattern::compile(pattern.as_bytes(), |name| labels.name(name)).expect("valid pattern");
        stage.run(line.as_bytes(), &mut labels, &[]).expect("no filter");
        testing::parsed(&mut labels)
    }

    #[test]
    fn captures_become_labels() {
        assert_eq!(run("<ip> - <_> [<ts>]", "1.1.1.1 - u [now] x"), r#"{ip="1.1.1.1", ts="now"}"#);
        assert_eq!(run("<x> - <y>", "a b"), r#"{x="a b"}"#);
        assert_eq!((run("GET <p>", "XGET /"), run("GET <p>", "GET")), ("{}".into(), "{}".into()));
        assert_eq!(run("GET <p>", "GET "), r#"{p=""}"#);
    }

    #[test]
    fn faults_keep_upstreams_words() {
        let fault = |text: &str| Pattern::compile(text.as_bytes(), |_| NameId(0)).expect_err(text);
        assert_eq!(fault("x"), "invalid pattern parser: at least one capture is required");
        assert_eq!(fault("<a><b>"), "invalid pattern parser: found consecutive capture '<a><b>': invalid expression");
        assert_eq!(fault("<a> <a>"), "invalid pattern parser: duplicate capture name (a): invalid expression");
        assert!(fault("").ends_with("unexpected $end, expecting IDENTIFIER or LITERAL"));
    }
}
