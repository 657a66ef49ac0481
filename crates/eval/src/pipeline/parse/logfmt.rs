//! `| logfmt`: every pair becomes a label.

use super::super::label_filter::LabelFilter;
use super::super::labels::{ERROR, LineLabels};
use super::logfmt_scan::{Pairs, unquote};
use super::{Keys, LOGFMT_ERROR, Rejected, has_replacement, parser_error, passes, push_clean, sanitize};

/// The stage, with what it remembers of earlier lines.
#[derive(Clone, Debug)]
pub(crate) struct Logfmt {
    strict: bool,
    keep_empty: bool,
    keys: Keys,
    scratch: Vec<u8>,
}

impl Logfmt {
    pub(crate) fn new(strict: bool, keep_empty: bool) -> Self {
        Self { strict, keep_empty, keys: Keys::default(), scratch: Vec::new() }
    }

    pub(crate) fn run(&mut self, line: &[u8], labels: &mut LineLabels, early: &[LabelFilter]) -> Result<(), Rejected> {
        if labels.nothing_wanted() {
            return Ok(());
        }
        self.keys.start(labels);
        let pairs = Pairs::new(line);
        let ascii = pairs.ascii;
        for pair in pairs {
            let pair = match pair {
                Ok(pair) => pair,
                Err(fault) if self.strict => {
                    parser_error(labels, LOGFMT_ERROR, Some(&fault.to_string()));
                    let error = labels.name(ERROR);
                    return passes(labels, early, error);
                }
                Err(_) => continue,
            };
            let Some(name) = self.keys.wanted_name(labels, pair.key, || sanitize(pair.key, true)) else { continue };
            let name = labels.name_for_parsed(name);
            if !labels.wants(name) || labels.was_written(name) {
                continue;
            }
            if pair.value.is_empty() && !self.keep_empty {
                continue;
            }
            if pair.escaped || (!ascii && has_replacement(pair.value)) {
                self.scratch.clear();
                // Checked by the reader.
                unquote(pair.value, &mut self.scratch);
                if has_replacement(&self.scratch) {
                    let value = std::mem::take(&mut self.scratch);
                    push_clean(&mut self.scratch, &value);
                }
                labels.set_parsed(name, &self.scratch);
            } else {
                labels.set_parsed(name, pair.value);
            }
            passes(labels, early, name)?;
            if labels.found_all_required() {
                break;
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

    fn logfmt(line: &str, strict: bool, keep_empty: bool) -> String {
        let mut labels = testing::labels(&[("s", "1")], &Hints::none());
        Logfmt::new(strict, keep_empty).run(line.as_bytes(), &mut labels, &[]).expect("no filter");
        testing::parsed(&mut labels)
    }

    #[test]
    fn pairs_become_labels() {
        assert_eq!(logfmt("a=1 a=2 s=3 k b.c=\"x\\ty\"", false, false), r#"{a="1", b_c="x\ty", s_extracted="3"}"#);
        assert_eq!(logfmt("a= k", false, true), r#"{a="", k=""}"#);
        assert_eq!(logfmt("b=2=3 c=4", false, false), r#"{c="4"}"#);
        assert_eq!(logfmt(r#"a="\ud83dx""#, false, false), r#"{a=" x"}"#);
    }

    #[test]
    fn strict_stops_at_the_first_fault() {
        let want = r#"{__error__="LogfmtParserErr", __error_details__="logfmt syntax error at pos 8 : unexpected '='", a="1"}"#;
        assert_eq!(logfmt("a=1 b=2=3 c=4", true, false), want);
    }
}
