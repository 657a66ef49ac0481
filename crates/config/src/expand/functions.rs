//! Functions on the value of a variable. Positions are bytes; one inside a character moves to its start.

/// The part from `from` (counted from the end when negative) with at most `length` bytes; what is no number gives all.
pub(super) fn part(value: &str, from: &str, length: Option<&str>) -> String {
    let Ok(from) = from.parse::<i64>() else { return value.to_owned() };
    let start = if from < 0 {
        value.len().saturating_sub(from.unsigned_abs() as usize)
    } else {
        (from as usize).min(value.len())
    };
    let end = match length.map(str::parse::<i64>) {
        None => value.len(),
        Some(Err(_)) => return value.to_owned(),
        Some(Ok(length)) => start.saturating_add(usize::try_from(length).unwrap_or(0)).min(value.len()),
    };
    value[value.floor_char_boundary(start)..value.floor_char_boundary(end)].to_owned()
}

fn lower(c: char) -> char {
    let mut mapped = c.to_lowercase();
    if mapped.len() == 1 { mapped.next().unwrap_or(c) } else { c }
}

fn upper(c: char) -> char {
    let mut mapped = c.to_uppercase();
    if mapped.len() == 1 { mapped.next().unwrap_or(c) } else { c }
}

/// `,` and `^` change the first letter, doubled they change all.
pub(super) fn letter_case(value: &str, operator: &str) -> String {
    let first =
        |map: fn(char) -> char| value.chars().enumerate().map(|(at, c)| if at == 0 { map(c) } else { c }).collect();
    match operator {
        "," => first(lower),
        "^" => first(upper),
        ",," => value.chars().map(lower).collect(),
        "^^" => value.chars().map(upper).collect(),
        _ => value.to_owned(),
    }
}

/// Replaces `what`: all (`/`), at the start (`#`), at the end (`%`), else the first.
pub(super) fn replace(value: &str, place: Option<char>, what: &str, with: Option<&str>) -> String {
    if what.is_empty() {
        return value.to_owned();
    }
    match (place, with) {
        (None, with) => value.replacen(what, with.unwrap_or(""), 1),
        (Some('/'), with) => value.replace(what, with.unwrap_or("")),
        (Some('#'), Some(with)) => {
            value.strip_prefix(what).map_or_else(|| value.to_owned(), |rest| format!("{with}{rest}"))
        }
        (Some('%'), Some(with)) => {
            value.strip_suffix(what).map_or_else(|| value.to_owned(), |rest| format!("{rest}{with}"))
        }
        _ => value.to_owned(),
    }
}
