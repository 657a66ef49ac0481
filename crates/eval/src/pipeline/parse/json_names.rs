//! Under which names `| json` finds what in a document.

use super::super::labels::DUPLICATE_SUFFIX;
use super::json_scan::{Stop, Value, each_member};
use super::sanitize;

/// Objects nested deeper are skipped, as the parser skips them.
const MAX_DEPTH: usize = 128;

/// The keys that lead to the member which `| json` calls `name`, as written; empty if there is none. A name that was
/// taken carries a suffix, which is no part of the keys.
pub(crate) fn path_of(line: &[u8], name: &str) -> Vec<String> {
    let mut search = Search { wanted: name, path: Vec::new(), prefix: String::new() };
    if search.object(line, 0) {
        return search.path;
    }
    let Some(plain) = name.strip_suffix(DUPLICATE_SUFFIX) else { return Vec::new() };
    let mut search = Search { wanted: plain, path: Vec::new(), prefix: String::new() };
    if search.object(line, 0) { search.path } else { Vec::new() }
}

struct Search<'n> {
    wanted: &'n str,
    path: Vec<String>,
    prefix: String,
}

impl Search<'_> {
    /// Whether the member was found; its keys are the path then. What comes before a fault in the document counts.
    fn object(&mut self, data: &[u8], depth: usize) -> bool {
        let found = each_member(data, |key, value| {
            let before = self.prefix.len();
            if let Some(part) = sanitize(key, self.prefix.is_empty()) {
                if !self.prefix.is_empty() {
                    self.prefix.push('_');
                }
                self.prefix.push_str(&part);
            }
            self.path.push(String::from_utf8_lossy(key).into_owned());
            let hit = match value {
                Value::Object(inner) => {
                    depth < MAX_DEPTH && self.wanted.starts_with(&self.prefix) && self.object(inner, depth + 1)
                }
                Value::Array(_) | Value::Null => false,
                Value::String(_) | Value::Number(_) | Value::Boolean(_) => self.prefix == self.wanted,
            };
            if hit {
                return Err(Stop::Asked(()));
            }
            self.prefix.truncate(before);
            self.path.pop();
            Ok(())
        });
        matches!(found, Err(Stop::Asked(())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_to_keys() {
        let line = br#"{"a.b":1,"user":{"id":7,"o-p":{"x":true}},"n":null,"bad":"#;
        assert_eq!(path_of(line, "a_b"), ["a.b"]);
        assert_eq!(path_of(line, "user_o_p_x"), ["user", "o-p", "x"]);
        assert_eq!(path_of(line, "user_id_extracted"), ["user", "id"]);
        assert!(path_of(line, "n").is_empty() && path_of(b"x", "x").is_empty());
    }
}
