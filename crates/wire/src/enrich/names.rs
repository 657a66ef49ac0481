//! Names and values of structured metadata, brought into the form they are stored in.

use std::borrow::Cow;

use loptr_model::go_quote;

/// Why a name of structured metadata cannot be stored. Upstream fails the whole push over it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The name is empty.
    #[error("label name is empty")]
    Empty,
    /// Nothing but underscores is left.
    #[error("normalization for label name {} resulted in invalid name {}", go_quote(.name), go_quote(.normalized))]
    OnlyUnderscores {
        /// The name as sent.
        name: String,
        /// What became of it.
        normalized: String,
    },
}

/// The name with each run of characters other than ASCII letters and digits as one `_`, and `key_` before a leading
/// digit. Two underscores at both ends stay.
pub fn normalize_name(name: &str) -> Result<Cow<'_, str>, NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if is_tidy(name) {
        return Ok(Cow::Borrowed(name));
    }
    let reserved = name.strip_prefix("__").and_then(|rest| rest.strip_suffix("__"));
    let mut tidy = String::with_capacity(name.len() + 4);
    if reserved.is_some() {
        tidy.push_str("__");
    }
    let mut in_run = false;
    for c in reserved.unwrap_or(name).chars() {
        if c.is_ascii_alphanumeric() {
            tidy.push(c);
        } else if !in_run {
            tidy.push('_');
        }
        in_run = !c.is_ascii_alphanumeric();
    }
    if reserved.is_some() {
        tidy.push_str("__");
    }
    if tidy.starts_with(|c: char| c.is_ascii_digit()) {
        tidy.insert_str(0, "key_");
    }
    if tidy.bytes().all(|byte| byte == b'_') {
        return Err(NameError::OnlyUnderscores { name: name.to_owned(), normalized: tidy });
    }
    Ok(Cow::Owned(tidy))
}

/// Whether a name is its own normal form at a glance: letters, digits, single underscores, no leading digit.
fn is_tidy(name: &str) -> bool {
    let bytes = name.as_bytes();
    !bytes[0].is_ascii_digit()
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
        && !bytes.windows(2).any(|pair| pair == b"__")
        && bytes != b"_"
}

/// The value with each U+FFFD, the mark of bytes that were not UTF-8, as a space.
pub fn clean_value(value: &str) -> Cow<'_, str> {
    if value.is_ascii() || !value.contains('\u{fffd}') {
        return Cow::Borrowed(value);
    }
    Cow::Owned(value.replace('\u{fffd}', " "))
}

/// Fills `out` with the pairs as they are stored: names normalised, values cleaned, empty values dropped, sorted by
/// name. Where two names become equal the one that changed wins; equal names as sent both stay. Answers how many
/// pairs had to change.
pub fn normalize_metadata<'a>(
    pairs: impl Iterator<Item = (&'a str, &'a str)>,
    out: &mut Vec<(Cow<'a, str>, Cow<'a, str>)>,
) -> Result<usize, NameError> {
    out.clear();
    let mut changed: Vec<(Cow<'a, str>, Cow<'a, str>)> = Vec::new();
    let mut changes = 0;
    for (name, value) in pairs {
        let (tidy, clean) = (normalize_name(name)?, clean_value(value));
        let name_changed = matches!(tidy, Cow::Owned(_)) && tidy != name;
        let value_changed = matches!(clean, Cow::Owned(_));
        changes += usize::from(name_changed) + usize::from(value_changed);
        if !name_changed && !value_changed {
            if !value.is_empty() {
                out.push((Cow::Borrowed(name), clean));
            }
            continue;
        }
        if name_changed {
            out.retain(|(kept, _)| kept != name);
        }
        changed.retain(|(kept, _)| *kept != tidy);
        changed.push((tidy, clean));
    }
    for (name, value) in changed {
        out.retain(|(kept, _)| *kept != name);
        if !value.is_empty() {
            out.push((name, value));
        }
    }
    if !out.is_sorted_by(|a, b| a.0 <= b.0) {
        out.sort_by(|a, b| a.0.cmp(&b.0));
    }
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_what_upstream_stores() {
        for (name, expected) in [
            ("trace_id", "trace_id"),
            ("k8s.pod-name", "k8s_pod_name"),
            ("a__b", "a_b"),
            ("__a__", "__a__"),
            ("__a.b__", "__a_b__"),
            ("__a", "_a"),
            ("_a", "_a"),
            ("1a", "key_1a"),
            ("é", "_"),
            ("aé☕b", "a_b"),
        ] {
            match normalize_name(name) {
                Ok(found) => assert_eq!(found, expected, "{name}"),
                Err(error) => assert_eq!((expected, matches!(error, NameError::OnlyUnderscores { .. })), ("_", true)),
            }
        }
        assert_eq!(normalize_name("").expect_err("empty").to_string(), "label name is empty");
        for name in ["_", "___", "____", "______"] {
            assert!(normalize_name(name).is_err(), "{name}");
        }
        assert_eq!(
            normalize_name("-.-").expect_err("nothing left").to_string(),
            "normalization for label name \"-.-\" resulted in invalid name \"_\""
        );
    }

    #[test]
    fn pairs_become_what_upstream_stores() {
        let normal = |pairs: &[(&str, &str)]| {
            let mut out = Vec::new();
            let owned: Vec<(String, String)> =
                pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let changes = normalize_metadata(owned.iter().map(|(n, v)| (n.as_str(), v.as_str())), &mut out);
            let text = out.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(",");
            (changes.expect("valid names"), text)
        };
        assert_eq!(normal(&[("b", "1"), ("a", "2"), ("c", "")]), (0, "a=2,b=1".to_owned()));
        assert_eq!(normal(&[("a_b", "1"), ("a.b", "2")]), (1, "a_b=2".to_owned()));
        assert_eq!(normal(&[("a.b", "2"), ("a_b", "1")]), (1, "a_b=2".to_owned()));
        assert_eq!(normal(&[("a", "x\u{fffd}y"), ("a", "z")]), (1, "a=x y".to_owned()));
        assert_eq!(normal(&[("a", "1"), ("a", "2")]), (0, "a=1,a=2".to_owned()));
    }
}
