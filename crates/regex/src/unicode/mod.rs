//! What Go's package `unicode` knows: categories, scripts and simple case folding (Unicode 15.0).

mod tables;

use std::sync::LazyLock;

use crate::syntax::ClassSet;

/// The largest code point.
pub(crate) const MAX_RUNE: u32 = 0x10_FFFF;

/// `\p{name}`: a general category of one or two letters, `Any`, or a script, spelled exactly as Go spells it.
pub(crate) fn lookup(name: &str) -> Option<ClassSet> {
    let mut set = ClassSet::default();
    let mut add = |ranges: &[(u32, u32)]| ranges.iter().for_each(|&(lo, hi)| set.push(lo, hi));
    match name {
        "Any" => add(&[(0, MAX_RUNE)]),
        "LC" => ["Ll", "Lt", "Lu"].iter().filter_map(|n| find(tables::CATEGORIES, n)).for_each(add),
        "Cn" => {
            tables::CATEGORIES.iter().for_each(|(_, ranges)| add(ranges));
            set.canonicalize();
            set.negate();
        }
        "C" => {
            tables::CATEGORIES.iter().filter(|(n, _)| !n.starts_with('C')).for_each(|(_, ranges)| add(ranges));
            set.canonicalize();
            set.negate();
        }
        "L" | "M" | "N" | "P" | "S" | "Z" => {
            tables::CATEGORIES.iter().filter(|(n, _)| n.starts_with(name)).for_each(|(_, ranges)| add(ranges));
        }
        _ => add(find(tables::CATEGORIES, name).or_else(|| find(tables::SCRIPTS, name))?),
    }
    set.canonicalize();
    Some(set)
}

fn find(tables: &'static [tables::Table], name: &str) -> Option<&'static [(u32, u32)]> {
    tables.binary_search_by(|(n, _)| (*n).cmp(name)).ok().map(|at| tables[at].1)
}

/// Whether `rune` is in the two-letter or one-letter category `name`.
pub(crate) fn is_in_category(rune: u32, name: &str) -> bool {
    tables::CATEGORIES.iter().filter(|(n, _)| n.starts_with(name)).any(|(_, ranges)| {
        let at = ranges.partition_point(|&(_, hi)| hi < rune);
        ranges.get(at).is_some_and(|&(lo, _)| lo <= rune)
    })
}

/// Each rune that has case variants, with the next one on its orbit; sorted.
static ORBITS: LazyLock<Vec<(u32, u32)>> = LazyLock::new(|| {
    let mut next = Vec::with_capacity(3000);
    for &(lo, hi, stride, delta) in tables::FOLD {
        next.extend((lo..=hi).step_by(stride as usize).map(|rune| (rune, rune.wrapping_add_signed(delta))));
    }
    next.sort_unstable();
    next
});

/// The next rune on `rune`'s orbit of case variants, `rune` itself if it has none. Following it comes back: K, k, U+212A.
pub(crate) fn simple_fold(rune: u32) -> u32 {
    match ORBITS.binary_search_by_key(&rune, |&(from, _)| from) {
        Ok(at) => ORBITS[at].1,
        Err(_) => rune,
    }
}

/// The other runes of `rune`'s orbit.
pub(crate) fn variants(rune: u32) -> impl Iterator<Item = u32> {
    let mut at = rune;
    std::iter::from_fn(move || {
        at = simple_fold(at);
        (at != rune).then_some(at)
    })
}

/// The least rune of `rune`'s orbit.
pub(crate) fn min_fold(rune: u32) -> u32 {
    variants(rune).fold(rune, u32::min)
}

/// The runes of `lo..=hi` that have case variants, each with the next on its orbit.
pub(crate) fn folding(lo: u32, hi: u32) -> &'static [(u32, u32)] {
    let start = ORBITS.partition_point(|&(from, _)| from < lo);
    let end = ORBITS.partition_point(|&(from, _)| from <= hi);
    ORBITS.get(start..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orbits_close() {
        assert_eq!(ORBITS.len(), 2878);
        for &(rune, _) in ORBITS.iter() {
            assert!((1..=3).contains(&variants(rune).count()), "U+{rune:04X}");
        }
        assert_eq!(variants(u32::from('k')).collect::<Vec<_>>(), [0x212A, 0x4B]);
        assert_eq!(min_fold(0x17F), u32::from('S'));
        assert_eq!(simple_fold(u32::from('1')), u32::from('1'));
    }

    #[test]
    fn names_are_exact() {
        for name in ["Greek", "L", "Lu", "Any", "Cn", "LC", "Old_Italic"] {
            assert!(lookup(name).is_some(), "{name}");
        }
        for name in ["greek", "", "Lx", "Letter", "Assigned", "Script=Greek"] {
            assert!(lookup(name).is_none(), "{name}");
        }
        assert!(is_in_category(0x41, "L") && !is_in_category(0x41, "Nd") && is_in_category(0x664, "Nd"));
    }

    #[test]
    fn tables_are_sorted() {
        for tables in [tables::CATEGORIES, tables::SCRIPTS] {
            assert!(tables.is_sorted_by_key(|(name, _)| name));
            for (name, ranges) in tables {
                assert!(ranges.windows(2).all(|w| w[0].1 < w[1].0), "{name}");
            }
        }
    }
}
