//! Tenant ids, parsed once at the door. Every key, path, cache and call below takes a [`TenantId`], never a string.

use std::fmt;
use std::sync::Arc;

/// Longest tenant id, in bytes (upstream `dskit/tenant`).
const MAX_TENANT_BYTES: usize = 150;

/// A valid tenant id: 1 to 150 bytes of `[A-Za-z0-9!\-_.*'()]`, neither `.` nor `..`. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(Arc<str>);

/// Why text is not a tenant id. The texts are upstream's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TenantError {
    /// The id is empty.
    #[error("no org id")]
    Empty,
    /// The id holds a character outside the allowed set.
    #[error("tenant ID '{id}' contains unsupported character '{found}'")]
    Unsupported {
        /// The whole id.
        id: String,
        /// The first character that is not allowed.
        found: char,
    },
    /// The id is longer than 150 bytes.
    #[error("tenant ID is too long: max 150 characters")]
    TooLong,
    /// The id names a directory's self or parent.
    #[error("tenant ID is '.' or '..'")]
    Dots,
}

impl TenantId {
    /// Checks `text` against upstream's rules.
    pub fn parse(text: &str) -> Result<Self, TenantError> {
        if text.is_empty() {
            return Err(TenantError::Empty);
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || "!-_.*'()".contains(c);
        if let Some(found) = text.chars().find(|&c| !allowed(c)) {
            return Err(TenantError::Unsupported { id: text.to_owned(), found });
        }
        if text.len() > MAX_TENANT_BYTES {
            return Err(TenantError::TooLong);
        }
        if text == "." || text == ".." {
            return Err(TenantError::Dots);
        }
        Ok(Self(text.into()))
    }

    /// The tenant of every request when authentication is off.
    pub fn single() -> Self {
        Self("fake".into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_upstream_accepts() {
        for ok in ["fake", "tenant-a", "A!b_c.d*e'f(g)", &"x".repeat(150)] {
            assert_eq!(TenantId::parse(ok).expect("valid tenant").as_str(), ok);
        }
    }

    #[test]
    fn refuses_in_upstreams_words() {
        let text = |id: &str| TenantId::parse(id).expect_err("invalid tenant").to_string();
        assert_eq!(text(""), "no org id");
        assert_eq!(text("a/b"), "tenant ID 'a/b' contains unsupported character '/'");
        assert_eq!(text("a|b"), "tenant ID 'a|b' contains unsupported character '|'");
        assert_eq!(text(&"x".repeat(151)), "tenant ID is too long: max 150 characters");
        assert_eq!(text(".."), "tenant ID is '.' or '..'");
    }
}
