//! Which lines were sent and which were acknowledged, and whether an answer agrees.

use std::collections::{BTreeMap, BTreeSet};

/// Lines are told apart by their text: every one is sent once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) sent: BTreeSet<String>,
    pub(crate) acknowledged: BTreeSet<String>,
}

impl Ledger {
    pub(crate) fn merge(&mut self, other: Self) {
        self.sent.extend(other.sent);
        self.acknowledged.extend(other.acknowledged);
    }

    /// Every acknowledged line once, every other one sent at most once, and nothing else.
    pub(crate) fn check<'a>(&self, found: impl IntoIterator<Item = &'a str>) -> Result<(), Wrong> {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for line in found {
            *counts.entry(line).or_default() += 1;
        }
        let pick = |lines: &mut dyn Iterator<Item = &str>| lines.map(str::to_owned).collect::<Vec<_>>();
        let missing = self.acknowledged.iter().map(String::as_str).filter(|line| !counts.contains_key(line));
        let wrong = Wrong {
            acknowledged: self.acknowledged.len(),
            missing: pick(&mut { missing }),
            doubled: pick(&mut counts.iter().filter(|(_, count)| **count > 1).map(|(line, _)| *line)),
            unknown: pick(&mut counts.keys().copied().filter(|line| !self.sent.contains(*line))),
        };
        let right = wrong.missing.is_empty() && wrong.doubled.is_empty() && wrong.unknown.is_empty();
        if right { Ok(()) } else { Err(wrong) }
    }
}

/// How an answer disagrees.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wrong {
    pub(crate) acknowledged: usize,
    pub(crate) missing: Vec<String>,
    pub(crate) doubled: Vec<String>,
    pub(crate) unknown: Vec<String>,
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "of {} acknowledged lines", self.acknowledged)?;
        let some = |lines: &[String]| lines.iter().take(3).map(|line| line.chars().take(60).collect()).collect();
        for (what, lines) in [("missing", &self.missing), ("doubled", &self.doubled), ("unknown", &self.unknown)] {
            if !lines.is_empty() {
                let some: Vec<String> = some(lines);
                write!(f, "; {what} {}: {some:?}", lines.len())?;
            }
        }
        Ok(())
    }
}

#[test]
fn a_ledger_tells_what_is_missing_doubled_or_unknown() {
    let set = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
    let ledger = Ledger { sent: set(&["a", "b", "c"]), acknowledged: set(&["a", "b"]) };
    assert!(ledger.check(["a", "b"]).is_ok());
    assert!(ledger.check(["c", "a", "b"]).is_ok());
    let wrong = ledger.check(["a", "a", "x"]).expect_err("all three");
    assert_eq!((&*wrong.missing[0], &*wrong.doubled[0], &*wrong.unknown[0]), ("b", "a", "x"));
    assert!(ledger.check(["a", "b", "c", "c"]).is_err());
}
