//! The list of answers that are knowingly better than upstream's.
//!
//! It is the table of `docs/differences.md` whose first column is headed `defect`:
//!
//! ```text
//! | defect | matches | reason |
//! |---|---|---|
//! | bytes-rounding | `syntax-331` `{*} \| size > 1.5KiB` | constants are not rounded |
//! ```
//!
//! A second table, headed `varies`, has the same columns: there upstream has several answers, by where the lines lie,
//! and Loptr gives one of them.
//!
//! Each text between backquotes in `matches` is a case's id, or, with any other character than those of an
//! id, a pattern for the whole query text in which `*` stands for anything. A bar inside is written `\|`.
//!
//! A pattern that begins with `≠` is held against what differs instead of the query.
//!
//! Ids count when recorded requests are replayed: such a case must then be answered as upstream did, or exactly
//! as its better answer says. Patterns count only between two live servers, where no better answer is known.

use crate::recorded::Case;

/// The list as shipped with this tool.
pub const SHIPPED: &str = include_str!("../../docs/differences.md");

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defect {
    /// Short name.
    pub name: String,
    /// Case ids.
    pub ids: Vec<String>,
    /// Patterns of query texts.
    pub patterns: Vec<String>,
    /// Why upstream's answer is not given.
    pub reason: String,
    /// Whether upstream gives this answer too, elsewhere.
    pub varies: bool,
}

/// The whole list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Differences {
    defects: Vec<Defect>,
}

/// Why a list cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DifferencesError {
    /// A row has not three cells.
    #[error("line {line} of the list of differences has {cells} cells instead of 3")]
    Row {
        /// Line number from 1.
        line: usize,
        /// Cells found.
        cells: usize,
    },
    /// There is no table.
    #[error("the list of differences has no table headed `| defect |`")]
    NoTable,
}

impl Differences {
    /// Reads the table out of a markdown page.
    pub fn parse(page: &str) -> Result<Self, DifferencesError> {
        let mut defects = Vec::new();
        if !read_table(page, "|defect|", false, &mut defects)? {
            return Err(DifferencesError::NoTable);
        }
        read_table(page, "|varies|", true, &mut defects)?;
        Ok(Self { defects })
    }

    /// Every row.
    pub fn defects(&self) -> &[Defect] {
        &self.defects
    }

    /// The row that names this case.
    pub fn of(&self, case: &Case) -> Option<&Defect> {
        self.of_id(&case.id)
    }

    /// The row that names the case of this id.
    pub fn of_id(&self, id: &str) -> Option<&Defect> {
        self.defects.iter().find(|defect| defect.ids.iter().any(|listed| listed == id))
    }

    /// The row with a pattern that fits this query, whose keywords may be in capitals, or what differs in its answers.
    pub fn of_query(&self, query: &str, difference: &str) -> Option<&Defect> {
        let query = query.to_ascii_lowercase();
        let holds = |pattern: &String| match pattern.strip_prefix('≠') {
            Some(pattern) => fits(pattern.trim_start(), difference),
            None => fits(&pattern.to_ascii_lowercase(), &query),
        };
        self.defects.iter().find(|defect| defect.patterns.iter().any(holds))
    }
}

/// The rows of the table whose heading begins so; `false` if there is none.
fn read_table(page: &str, heading: &str, varies: bool, out: &mut Vec<Defect>) -> Result<bool, DifferencesError> {
    let mut rows = page.lines().enumerate().skip_while(|(_, line)| !line.replace(' ', "").starts_with(heading));
    if rows.next().is_none() {
        return Ok(false);
    }
    for (at, row) in rows.skip(1).take_while(|(_, row)| row.starts_with('|')) {
        let cells = cells(row);
        let [name, matches, reason] = cells.as_slice() else {
            return Err(DifferencesError::Row { line: at + 1, cells: cells.len() });
        };
        let quoted = matches.split('`').skip(1).step_by(2).map(str::to_owned);
        let (ids, patterns) = quoted.partition(|text| is_id(text));
        out.push(Defect { name: name.clone(), ids, patterns, reason: reason.clone(), varies });
    }
    Ok(true)
}

fn is_id(text: &str) -> bool {
    text.contains('-') && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// Splits a row at bars that no backslash precedes.
fn cells(row: &str) -> Vec<String> {
    let (mut cells, mut cell, mut escaped) = (Vec::new(), String::new(), false);
    for c in row.trim().trim_start_matches('|').chars() {
        match (escaped, c) {
            (true, '|') => cell.push('|'),
            (true, c) => cell.extend(['\\', c]),
            (false, '|') => cells.push(std::mem::take(&mut cell).trim().to_owned()),
            (false, '\\') => {}
            (false, c) => cell.push(c),
        }
        escaped = !escaped && c == '\\';
    }
    if !cell.trim().is_empty() {
        cells.push(cell.trim().to_owned());
    }
    cells
}

/// Does the whole text fit the pattern, `*` standing for anything?
fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::Rules;
    use crate::http::Answer;
    use crate::recorded::{self, ExpectedBody};

    #[test]
    fn the_table_is_read_out_of_the_page() {
        let page = "# x\n| a | b |\n|---|---|\n\n| defect | matches | reason |\n|---|---|---|\n\
                    | one | `syntax-1` and `{*} \\| a > 1` | why `not` |\n| two | `a*` | z |\n\
                    | three | `≠ scalar: *` | z |\n\nrest\n| not | a | row |\n\n\
                    | varies | matches | reason |\n|---|---|---|\n| four | `four-1` | w |\n";
        let list = Differences::parse(page).unwrap();
        assert_eq!(list.defects().iter().map(|row| row.varies).collect::<Vec<_>>(), [false, false, false, true]);
        assert_eq!(list.defects()[0].ids, ["syntax-1"]);
        assert_eq!(list.defects()[0].patterns, ["{*} | a > 1"]);
        let named = |query, difference| list.of_query(query, difference).map(|defect| defect.name.as_str());
        assert_eq!(named("abc", ""), Some("two"));
        assert_eq!(named("b", "scalar: 1"), Some("three"));
        assert_eq!(named("scalar: 1", "b"), None);
        assert!(matches!(Differences::parse("no table"), Err(DifferencesError::NoTable)));
        let short = "| defect | matches | reason |\n|---|---|---|\n| one | two |\n";
        assert!(matches!(Differences::parse(short), Err(DifferencesError::Row { line: 3, cells: 2 })));
    }

    #[test]
    fn stars_stand_for_anything() {
        assert!(fits("a*c", "abbc") && fits("*", "") && fits("a**b*", "axbx") && fits("ab", "ab"));
        assert!(!fits("a*c", "abcd") && !fits("ab", "abc") && !fits("*x*", "aya") && !fits("ab*b", "ab"));
    }

    #[test]
    fn the_shipped_list_and_the_better_answers_name_the_same_cases() {
        let list = Differences::parse(SHIPPED).unwrap();
        let mut cases = recorded::cases().unwrap();
        cases.extend(recorded::defect_cases().unwrap());
        let pushes = crate::pushes::push_cases().unwrap();
        for defect in list.defects() {
            assert!(!defect.ids.is_empty() && !defect.reason.is_empty(), "{} shows nothing", defect.name);
            for id in &defect.ids {
                let case = cases.iter().find(|case| case.id == *id);
                let is_better = case.is_some_and(|case| case.better.is_some());
                let is_push = pushes.iter().any(|push| push.id == *id && push.has_better());
                assert!(is_better || is_push, "{id} of {} has no better answer", defect.name);
            }
        }
        for case in cases.iter().filter(|case| case.better.is_some()) {
            assert!(list.of(case).is_some(), "{} is not listed", case.id);
        }
    }

    #[test]
    fn better_answers_differ_from_those_of_upstream() {
        for case in recorded::cases().unwrap().into_iter().chain(recorded::defect_cases().unwrap()) {
            let Some(better) = &case.better else { continue };
            let body = match &better.body {
                ExpectedBody::Json(json) | ExpectedBody::Protobuf(json) => json.to_string(),
                ExpectedBody::Text(text) => text.clone(),
                ExpectedBody::Free => panic!("{} has no body", case.id),
            };
            let content_type = better.content_type.clone();
            let answer = Answer { status: better.status, content_type, body: body.into_bytes() };
            let difference = crate::compare::compare(&case.expected, &answer, Rules::default());
            assert!(difference.is_err(), "{} is no difference", case.id);
        }
    }
}
