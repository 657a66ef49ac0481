//! Shell patterns: `*`, `?`, `[a-z]`, `[^a-z]`, `\` before a character. A broken pattern matches nothing.

/// One step of a pattern.
enum Step {
    Any,
    One,
    Char(char),
    Class { negated: bool, ranges: Vec<(char, char)> },
}

fn compile(pattern: &str) -> Option<Vec<Step>> {
    let mut chars = pattern.chars().peekable();
    let mut steps = Vec::new();
    while let Some(c) = chars.next() {
        steps.push(match c {
            '*' => Step::Any,
            '?' => Step::One,
            '\\' => Step::Char(chars.next()?),
            '[' => {
                let negated = chars.next_if_eq(&'^').is_some();
                let mut ranges = Vec::new();
                loop {
                    let low = match chars.next()? {
                        ']' if !ranges.is_empty() => break,
                        '-' | ']' => return None,
                        '\\' => chars.next()?,
                        c => c,
                    };
                    let high = match chars.next_if_eq(&'-') {
                        None => low,
                        Some(_) => match chars.next()? {
                            '-' | ']' => return None,
                            '\\' => chars.next()?,
                            c => c,
                        },
                    };
                    ranges.push((low, high));
                }
                Step::Class { negated, ranges }
            }
            c => Step::Char(c),
        });
    }
    Some(steps)
}

fn fits(step: &Step, c: char) -> bool {
    match step {
        Step::Any | Step::One => true,
        Step::Char(wanted) => *wanted == c,
        Step::Class { negated, ranges } => ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *negated,
    }
}

/// Lengths in characters of the starts of `text` that the whole pattern matches, by one pass over the pattern.
fn matching_starts(steps: &[Step], text: &[char]) -> Vec<usize> {
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    for step in steps {
        let mut next = vec![false; text.len() + 1];
        for at in 0..=text.len() {
            match step {
                Step::Any => next[at] = reached[at] || (at > 0 && next[at - 1]),
                _ => next[at] = at > 0 && reached[at - 1] && fits(step, text[at - 1]),
            }
        }
        reached = next;
    }
    (1..=text.len()).filter(|at| reached[*at]).collect()
}

/// Cuts the start that `pattern` matches.
pub(super) fn cut_start(value: &str, pattern: &str, longest: bool) -> String {
    let text: Vec<char> = value.chars().collect();
    let Some(steps) = compile(pattern) else { return value.to_owned() };
    let starts = matching_starts(&steps, &text);
    let cut = if longest { starts.last() } else { starts.first() };
    text[cut.copied().unwrap_or(0)..].iter().collect()
}

/// Cuts the end that `pattern` matches.
pub(super) fn cut_end(value: &str, pattern: &str, longest: bool) -> String {
    let backwards = |text: &str| text.chars().rev().collect::<String>();
    backwards(&cut_start(&backwards(value), &backwards(pattern), longest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (value, pattern, shortest, longest) in [
            ("a.b.c", "*.", "b.c", "c"),
            ("abc", "?", "bc", "bc"),
            ("abc", "[a-b]*", "bc", ""),
            ("abc", "[^a]", "abc", "abc"),
            ("abc", "x", "abc", "abc"),
            ("*bc", "\\*", "bc", "bc"),
            ("abc", "[", "abc", "abc"),
            ("", "*", "", ""),
        ] {
            assert_eq!(cut_start(value, pattern, false), shortest, "{value} # {pattern}");
            assert_eq!(cut_start(value, pattern, true), longest, "{value} ## {pattern}");
        }
        assert_eq!(cut_end("a.b.c", ".*", false), "a.b");
        assert_eq!(cut_end("a.b.c", ".*", true), "a");
    }
}
