//! Label sets and their fingerprint.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use crate::quote::go_quote;

/// The label that never takes part in a fingerprint nor in an index series, and is `logs` inside chunk objects.
pub const METRIC_NAME: &str = "__name__";

/// One name and value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label {
    /// Label name.
    pub name: Box<str>,
    /// Label value.
    pub value: Box<str>,
}

/// Hash of a label set that names a stream in keys and in the index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub u64);

/// A set of labels, sorted by name bytewise, names unique. Cheap to clone.
///
/// Order is Prometheus': name then value, pair by pair, a prefix before what extends it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Labels(Arc<[Label]>);

impl Labels {
    /// Sorts the pairs; of a repeated name the last value stays.
    pub fn from_pairs<N: Into<Box<str>>, V: Into<Box<str>>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut labels: Vec<Label> =
            pairs.into_iter().map(|(name, value)| Label { name: name.into(), value: value.into() }).collect();
        labels.sort_by(|a, b| a.name.cmp(&b.name));
        labels.reverse();
        labels.dedup_by(|later, earlier| later.name == earlier.name);
        labels.reverse();
        Self(labels.into())
    }

    /// No labels.
    pub fn empty() -> Self {
        Self::default()
    }

    /// The value of `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        let at = self.0.binary_search_by(|label| (*label.name).cmp(name)).ok()?;
        Some(&self.0[at].value)
    }

    /// Name and value pairs, names ascending.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> + Clone {
        self.0.iter().map(|label| (&*label.name, &*label.value))
    }

    /// How many labels.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The set with `name` set to `value`.
    pub fn with(&self, name: &str, value: &str) -> Self {
        Self::from_pairs(self.iter().chain([(name, value)]))
    }

    /// The set without `name`.
    pub fn without(&self, name: &str) -> Self {
        Self(self.0.iter().filter(|label| &*label.name != name).cloned().collect())
    }

    /// XXH64 (seed 0) over name, 0xFF, value, 0xFF of each label but `__name__`, in name order: upstream's stream
    /// fingerprint (`docs/formats/chunk.md`).
    pub fn fingerprint(&self) -> Fingerprint {
        fingerprint_pairs(self.iter())
    }

    /// Bytes of all names and values.
    pub fn byte_len(&self) -> usize {
        self.0.iter().map(|label| label.name.len() + label.value.len()).sum()
    }
}

fn fingerprint_pairs<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Fingerprint {
    let mut hash = xxhash_rust::xxh64::Xxh64::new(0);
    for (name, value) in pairs.filter(|(name, _)| *name != METRIC_NAME) {
        hash.update(name.as_bytes());
        hash.update(&[0xff]);
        hash.update(value.as_bytes());
        hash.update(&[0xff]);
    }
    Fingerprint(hash.digest())
}

impl PartialOrd for Labels {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Labels {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.iter().cmp(other.0.iter())
    }
}

impl fmt::Display for Labels {
    /// `{a="b", c="d"}`, values as Go's `strconv.Quote` prints them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (at, (name, value)) in self.iter().enumerate() {
            if at > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{name}={}", go_quote(value))?;
        }
        f.write_str("}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_equal_upstreams() {
        assert_eq!(Labels::from_pairs([("app", "a")]).fingerprint().0, 0x7cd2_8a69_82c6_4327);
        assert_eq!(Labels::from_pairs([("__name__", "logs"), ("app", "a")]).fingerprint().0, 0x7cd2_8a69_82c6_4327);
        assert_eq!(Labels::from_pairs([("env", "prod"), ("app", "a")]).fingerprint().0, 0x7bfd_d8d0_2638_85fd);
    }

    #[test]
    fn pairs_are_sorted_and_the_last_value_stays() {
        let labels = Labels::from_pairs([("b", "1"), ("a", "x"), ("b", "2")]);
        assert_eq!(labels.to_string(), r#"{a="x", b="2"}"#);
        assert_eq!((labels.get("b"), labels.get("c")), (Some("2"), None));
    }

    #[test]
    fn a_prefix_sorts_first() {
        let short = Labels::from_pairs([("a", "1")]);
        assert!(short < short.with("b", "0") && short < Labels::from_pairs([("a", "2")]));
    }
}
