//! A guess at the key that was meant.

use crate::table::{KeyId, table};

/// A key close to `name`: a neighbour spelt almost alike, or the only key of that very name elsewhere.
pub(super) fn nearest(owner: KeyId, name: &str) -> Option<&'static str> {
    let table = table();
    if name.len() > 64 {
        return None;
    }
    let neighbours = table.children(owner).map(|id| table.key(id).name());
    let close = neighbours.map(|known| (distance(name, known), known)).min_by_key(|(distance, _)| *distance);
    if let Some((distance, known)) = close
        && distance <= 1 + name.len() / 5
    {
        return Some(known);
    }
    let mut namesakes = table.keys().filter(|(_, key)| key.name() == name && !key.repeats()).map(|(_, key)| key.path);
    match (namesakes.next(), namesakes.next()) {
        (Some(path), None) => Some(path),
        _ => None,
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
        assert_eq!(nearest(at("server"), "http_listen_prot"), Some("http_listen_port"));
        assert_eq!(nearest(at("limits_config"), "max_global_stream_per_user"), Some("max_global_streams_per_user"));
        assert_eq!(nearest(KeyId::ROOT, "limit_config"), Some("limits_config"));
        assert_eq!(nearest(at("server"), "max_query_series"), Some("limits_config.max_query_series"));
        assert_eq!(nearest(at("server"), "zzz"), None);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
