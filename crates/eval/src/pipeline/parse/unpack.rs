//! `| unpack`: the line that Promtail's `pack` stage wrapped into JSON, and its labels.

use super::super::label_filter::LabelFilter;
use super::super::labels::{LineLabels, NameId};
use super::json_scan::{MALFORMED_ESCAPE, Stop, Value, each_member, push_string, unescape};
use super::{JSON_ERROR, Keys, Rejected, parser_error, passes, sanitize};

/// The stage, with what it remembers of earlier lines.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unpack {
    keys: Keys,
    /// Labels found: set only once an entry is found too.
    found: Vec<(NameId, usize)>,
    values: Vec<u8>,
}

impl Unpack {
    /// Writes the entry to `out`; `Ok(true)` if there is one.
    pub(crate) fn run(
        &mut self,
        line: &[u8],
        labels: &mut LineLabels,
        early: &[LabelFilter],
        out: &mut Vec<u8>,
    ) -> Result<bool, Rejected> {
        let Some(&first) = line.first() else { return Ok(false) };
        if labels.nothing_wanted() {
            return Ok(false);
        }
        if first != b'{' {
            parser_error(labels, JSON_ERROR, Some("expecting json object(6), but it is not"));
            return Ok(false);
        }
        self.keys.start(labels);
        self.found.clear();
        self.values.clear();
        let mut packed = false;
        let read = each_member::<()>(line, |key, value| {
            let Value::String(text) = value else { return Ok(()) };
            if key == b"_entry" {
                out.clear();
                packed = true;
                return if unescape(text, out) { Ok(()) } else { Err(Stop::Malformed(MALFORMED_ESCAPE)) };
            }
            // Collisions are looked up by the raw key, the label is written under the sanitised one.
            let raw = self.keys.name(labels, key, || std::str::from_utf8(key).ok().map(str::to_owned));
            let Some(raw) = raw else { return Ok(()) };
            let name = labels.name_for_parsed(raw);
            if labels.wants(name) && !labels.was_written(name) {
                push_string(&mut self.values, text);
                self.found.push((name, self.values.len()));
            }
            Ok(())
        });
        if let Err(Stop::Malformed(details)) = read {
            parser_error(labels, JSON_ERROR, Some(details));
            return Ok(false);
        }
        if packed {
            let mut start = 0;
            for &(name, end) in &self.found {
                let value = &self.values[start..end];
                start = end;
                let clean = sanitize(labels.info(name).text.as_bytes(), true);
                let Some(clean) = clean else { continue };
                let name = labels.name(&clean);
                labels.set_parsed(name, value);
                passes(labels, early, name)?;
            }
        }
        Ok(packed)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;
    use crate::pipeline::hints::Hints;

    fn run(line: &str) -> (Option<String>, String) {
        let mut labels = testing::labels(&[("s", "1")], &Hints::none());
        let mut out = Vec::new();
        let packed = Unpack::default().run(line.as_bytes(), &mut labels, &[], &mut out).expect("no filter");
        (packed.then(|| String::from_utf8(out).expect("UTF-8")), testing::parsed(&mut labels))
    }

    #[test]
    fn an_entry_brings_its_labels() {
        let (line, labels) = run(r#"{"_entry":"a\"b","x.y":"1","s":"2","n":3}"#);
        assert_eq!((line.as_deref(), labels.as_str()), (Some("a\"b"), r#"{s_extracted="2", x_y="1"}"#));
        assert_eq!(run(r#"{"x":"1","_entry":2}"#), (None, "{}".into()));
        assert_eq!(run(""), (None, "{}".into()));
    }

    #[test]
    fn errors_set_nothing_else() {
        let (line, labels) = run("x");
        assert!(line.is_none() && labels.contains("expecting json object(6), but it is not"));
        assert!(!run(r#"{"x":"1","_entry":"a""#).1.contains("x="));
    }
}
