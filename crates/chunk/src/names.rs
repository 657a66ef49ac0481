//! Names of structured metadata as readers see them.
//!
//! Stored names are whatever the sender wrote. Upstream shows them in Prometheus' alphabet: every run of characters
//! outside `[A-Za-z0-9]` becomes one `_`, a leading digit gets `key_` before it, and names of the form `__x__` keep
//! their double underscores.

/// The name a reader sees, or `None` when that is `name` itself.
///
/// A name that would become nothing but underscores stays as it is: upstream fails to read the block then, and data
/// that is there should be readable.
pub(crate) fn normalised(name: &str) -> Option<String> {
    if is_normal(name) {
        return None;
    }
    let reserved = reserved(name);
    let inner = reserved.unwrap_or(name);
    let mut out = String::with_capacity(name.len() + 4);
    if reserved.is_some() {
        out.push_str("__");
    } else if inner.starts_with(|first: char| first.is_ascii_digit()) {
        out.push_str("key_");
    }
    let mut after_underscore = false;
    for c in inner.chars() {
        let keep = c.is_ascii_alphanumeric();
        if keep || !after_underscore {
            out.push(if keep { c } else { '_' });
        }
        after_underscore = !keep;
    }
    if reserved.is_some() {
        out.push_str("__");
    }
    let only_underscores = out.bytes().all(|byte| byte == b'_');
    (!only_underscores && out != name).then_some(out)
}

/// What lies between the double underscores of `__x__`.
fn reserved(name: &str) -> Option<&str> {
    name.strip_prefix("__")?.strip_suffix("__")
}

/// The common case, told without allocating: letters, digits and single underscores, no digit first.
fn is_normal(name: &str) -> bool {
    let mut before = b'_' + 1;
    for &byte in name.as_bytes() {
        if !(byte.is_ascii_alphanumeric() || byte == b'_' && before != b'_') {
            return false;
        }
        before = byte;
    }
    !name.starts_with(|first: char| first.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::normalised;

    #[test]
    fn names_change_as_upstream_changes_them() {
        for (stored, seen) in [
            ("a.b", "a_b"),
            ("a__b", "a_b"),
            ("a-.b", "a_b"),
            ("9lives", "key_9lives"),
            ("http.status_code", "http_status_code"),
            ("__a.b__", "__a_b__"),
            ("__a__b__", "__a_b__"),
            ("_a_", "_a_"),
            ("_.a", "_a"),
            ("détail", "d_tail"),
            ("__1__", "__1__"),
            (".a", "_a"),
        ] {
            assert_eq!(normalised(stored).as_deref().unwrap_or(stored), seen, "{stored}");
        }
    }

    #[test]
    fn plain_names_and_unnameable_ones_stay() {
        for name in ["", "a", "trace_id", "__name__", "level", "_", "___", "____", "é", "..", "A9_b"] {
            assert_eq!(normalised(name), None, "{name}");
        }
    }
}
