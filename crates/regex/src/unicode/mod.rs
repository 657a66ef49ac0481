//! What Go's package `unicode` knows: categories, scripts and simple case folding (Unicode 15.0).

mod tables;

use std::sync::LazyLock;

use crate::syntax::{ClassSet, Dialect};

/// The largest code point.
pub(crate) const MAX_RUNE: u32 = 0x10_FFFF;

/// The set `\p{name}` stands for.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    /// Its runes.
    pub(crate) set: ClassSet,
    /// Whether `(?i)` adds their case variants. Go knows none for `LC`.
    pub(crate) folds: bool,
    /// Whether the name means what is not in `set`.
    pub(crate) negated: bool,
}

/// `\p{name}`, for the dialect's idea of names.
pub(crate) fn lookup(name: &str, dialect: Dialect) -> Option<Named> {
    let (name, negated) = match dialect {
        Dialect::Go => match canonical(name).as_str() {
            // A canonical name has no underscore and one capital, so scripts spelled otherwise are out of reach.
            "Assigned" => ("Cn".to_owned(), true),
            "Ascii" => ("ASCII".to_owned(), false),
            "Lc" => ("LC".to_owned(), false),
            name => (ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, to)| to).to_owned(), false),
        },
        Dialect::Older if name == "ASCII" => return None,
        Dialect::Older => (name.to_owned(), false),
    };
    Some(Named { folds: name != "LC", set: table(&name)?, negated })
}

/// First letter large, the others small, without underscores, hyphens and spaces.
fn canonical(name: &str) -> String {
    let mut canonical = String::with_capacity(name.len());
    for c in name.chars().filter(|c| !matches!(c, '_' | '-' | ' ')) {
        canonical.push(if canonical.is_empty() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() });
    }
    canonical
}

/// Long names of categories, in canonical form.
const ALIASES: &[(&str, &str)] = &[
    ("Casedletter", "LC"),
    ("Closepunctuation", "Pe"),
    ("Cntrl", "Cc"),
    ("Combiningmark", "M"),
    ("Connectorpunctuation", "Pc"),
    ("Control", "Cc"),
    ("Currencysymbol", "Sc"),
    ("Dashpunctuation", "Pd"),
    ("Decimalnumber", "Nd"),
    ("Digit", "Nd"),
    ("Enclosingmark", "Me"),
    ("Finalpunctuation", "Pf"),
    ("Format", "Cf"),
    ("Initialpunctuation", "Pi"),
    ("Letter", "L"),
    ("Letternumber", "Nl"),
    ("Lineseparator", "Zl"),
    ("Lowercaseletter", "Ll"),
    ("Mark", "M"),
    ("Mathsymbol", "Sm"),
    ("Modifierletter", "Lm"),
    ("Modifiersymbol", "Sk"),
    ("Nonspacingmark", "Mn"),
    ("Number", "N"),
    ("Openpunctuation", "Ps"),
    ("Other", "C"),
    ("Otherletter", "Lo"),
    ("Othernumber", "No"),
    ("Otherpunctuation", "Po"),
    ("Othersymbol", "So"),
    ("Paragraphseparator", "Zp"),
    ("Privateuse", "Co"),
    ("Punct", "P"),
    ("Punctuation", "P"),
    ("Separator", "Z"),
    ("Spaceseparator", "Zs"),
    ("Spacingmark", "Mc"),
    ("Surrogate", "Cs"),
    ("Symbol", "S"),
    ("Titlecaseletter", "Lt"),
    ("Unassigned", "Cn"),
    ("Uppercaseletter", "Lu"),
];

/// The set named exactly so.
fn table(name: &str) -> Option<ClassSet> {
    let mut set = ClassSet::default();
    let mut add = |ranges: &[(u32, u32)]| ranges.iter().for_each(|&(lo, hi)| set.push(lo, hi));
    match name {
        "Any" => add(&[(0, MAX_RUNE)]),
        "ASCII" => add(&[(0, 0x7F)]),
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
    use crate::syntax::{Flags, Kind, parse};

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
    fn names() {
        for (name, go, older) in [
            ("Greek", true, true),
            ("Lu", true, true),
            ("Any", true, true),
            ("LC", true, true),
            ("Old_Italic", false, true),
            ("greek", true, false),
            ("Upper-case letter", true, false),
            ("Assigned", true, false),
            ("ascii", true, false),
            ("ASCII", true, false),
            ("", false, false),
            ("Lx", false, false),
            ("Script=Greek", false, false),
        ] {
            assert_eq!(lookup(name, Dialect::Go).is_some(), go, "{name}");
            assert_eq!(lookup(name, Dialect::Older).is_some(), older, "{name}");
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

    /// Against Go: each line of the file is a name, and the FNV-1a hash of the set in Go 1.26 and in the older edition, then
    /// the same under `(?i)`; `-` where it is an error. The last line is about all orbits.
    #[test]
    fn every_class_is_gos() {
        let hash = |numbers: &mut dyn Iterator<Item = u32>| {
            let text = numbers.map(|number| format!("{number:x}")).collect::<Vec<_>>().join(" ");
            let fnv = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
            format!("{:08x}", text.bytes().fold(0x811C_9DC5, fnv))
        };
        let mut lines = include_str!("../../testdata/classes.txt").lines();
        let orbits = lines.next_back().expect("the orbits");
        assert_eq!(orbits, format!("(orbits)\t{}", hash(&mut ORBITS.iter().flat_map(|&(from, to)| [from, to]))));
        assert!(lines.clone().count() > 200);
        for line in lines {
            let (name, expected) = line.split_once('\t').expect("name and hashes");
            let mut got = Vec::new();
            for flag in ["", "(?i)"] {
                for dialect in [Dialect::Go, Dialect::Older] {
                    // The other two keep a small class from becoming a literal.
                    let pattern = format!(r"{flag}[\p{{{name}}}\x{{10FFFE}}\x{{1FFFE}}]");
                    got.push(match parse(&pattern, Flags::PERL, dialect).map(|tree| tree.kind) {
                        Ok(Kind::Class(set)) => hash(&mut set.ranges().iter().flat_map(|&(lo, hi)| [lo, hi])),
                        Ok(Kind::AnyChar) => "AnyChar".to_owned(),
                        _ => "-".to_owned(),
                    });
                }
            }
            assert_eq!(got.join("\t"), expected, "{name}");
        }
    }
}
