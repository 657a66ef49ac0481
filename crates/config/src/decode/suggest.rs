//! A guess at the key that was meant.

use crate::table::{KeyId, table};

/// The nearest known key: a neighbour spelt almost alike, else the only key of that very name elsewhere, else the
/// neighbour with the fewest edits, which may be far.
pub(super) fn nearest(owner: KeyId, name: &str) -> Option<Guess> {
    let table = table();
    if name.len() > 64 {
        return None;
    }
    let neighbours =
        table.children(owner).map(|id| table.key(id).name()).filter(|name| !matches!(*name, "[]" | "<name>"));
    let close = neighbours.map(|known| (distance(name, known), known)).min_by_key(|(distance, _)| *distance);
    if let Some((distance, known)) = close
        && distance <= 1 + name.len() / 5
    {
        return Some(Guess::Meant(known));
    }
    let mut namesakes = table.keys().filter(|(_, key)| key.name() == name && !key.repeats()).map(|(_, key)| key.path);
    match (namesakes.next(), namesakes.next()) {
        (Some(path), None) => Some(Guess::Meant(path)),
        _ => close.map(|(_, known)| Guess::Nearest(known)),
    }
}

/// How sure a guess is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guess {
    /// Most likely this one was meant.
    Meant(&'static str),
    /// Nothing is close; this is the closest.
    Nearest(&'static str),
}

impl std::fmt::Display for Guess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Meant(known) => write!(f, "did you mean {known}?"),
            Self::Nearest(known) => write!(f, "nearest known key: {known}"),
        }
    }
}

/// Edits between two short texts, counting a swap of neighbours as two.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (at, left) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], at + 1);
        for (to, right) in b.iter().enumerate() {
            let edit = (diagonal + usize::from(left != *right)).min(row[to] + 1).min(row[to + 1] + 1);
            diagonal = std::mem::replace(&mut row[to + 1], edit);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_neighbours_and_namesakes() {
        let at = |path| table().find(path).unwrap();
        assert_eq!(nearest(at("server"), "http_listen_prot"), Some(Guess::Meant("http_listen_port")));
        assert_eq!(
            nearest(at("limits_config"), "max_global_stream_per_user"),
            Some(Guess::Meant("max_global_streams_per_user"))
        );
        assert_eq!(nearest(KeyId::ROOT, "limit_config"), Some(Guess::Meant("limits_config")));
        assert_eq!(nearest(at("server"), "max_query_series"), Some(Guess::Meant("limits_config.max_query_series")));
        assert!(matches!(nearest(at("server"), "zzz"), Some(Guess::Nearest(_))));
        assert_eq!(nearest(at("server"), &"z".repeat(65)), None);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
