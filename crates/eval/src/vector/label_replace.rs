//! `label_replace(v, dst, replacement, src, regex)` (specification 6.7).

use loptr_logql::ast::LabelReplace;

use super::without_empty;
use crate::EvalError;
use crate::range::SeriesSteps;
use crate::regex::Regex;

pub(super) fn label_replace(replace: &LabelReplace, series: Vec<SeriesSteps>) -> Result<Vec<SeriesSteps>, EvalError> {
    let regex = Regex::anchored(&replace.regex)
        .map_err(|fault| EvalError::Invalid(format!("invalid regex in label_replace: {fault}")))?;
    // Labels are text; what is none comes near it.
    let [dst, replacement, src] =
        [&replace.dst, &replace.replacement, &replace.src].map(|text| String::from_utf8_lossy(text));
    let names = regex.group_names();
    let mut captures = regex.create_captures();
    let mut out = series;
    for one in &mut out {
        let source = one.labels.get(&src).unwrap_or_default().to_owned();
        if !regex.captures(source.as_bytes(), &mut captures) {
            continue;
        }
        let value = expand(&replacement, |name| {
            let at = match number(name) {
                Some(at) => at,
                None => names.iter().position(|known| known.as_deref() == Some(name))?,
            };
            let (start, end) = captures.get(at)?;
            source.get(start..end)
        });
        one.labels = without_empty(one.labels.without(&dst));
        if !value.is_empty() {
            one.labels = one.labels.with(&dst, &value);
        }
    }
    Ok(out)
}

/// A group's number as Go reads it: digits without a leading zero.
fn number(name: &str) -> Option<usize> {
    let digits = name.bytes().all(|b| b.is_ascii_digit()) && (name.len() == 1 || !name.starts_with('0'));
    if digits { name.parse().ok().filter(|&at| at < 100_000_000) } else { None }
}

/// Go's `Expand`: `$name`, `${name}`, `$$`; a name is as long as it can be, an unknown one is empty, a `$` that starts no
/// reference stays.
pub(crate) fn expand<'a>(template: &str, value: impl Fn(&str) -> Option<&'a str>) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        match reference(rest) {
            Some((name, after)) => {
                out.push_str(value(name).unwrap_or_default());
                rest = after;
            }
            None => out.push('$'),
        }
    }
    out.push_str(rest);
    out
}

/// The name at the start of `text` and what follows it.
fn reference(text: &str) -> Option<(&str, &str)> {
    let braced = text.strip_prefix('{');
    let body = braced.unwrap_or(text);
    let len = body.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(body.len());
    let (name, after) = body.split_at(len);
    if name.is_empty() {
        return None;
    }
    match braced {
        Some(_) => Some((name, after.strip_prefix('}')?)),
        None => Some((name, after)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_expand_as_in_go() {
        let value = |name: &str| match name {
            "1" => Some("one"),
            "name" => Some("N"),
            _ => None,
        };
        assert_eq!(expand("a$1b", value), "a");
        assert_eq!(expand("a${1}b-$name.$$ $", value), "aoneb-N.$ $");
        assert_eq!(expand("${name $(x)", value), "${name $(x)");
    }
}
