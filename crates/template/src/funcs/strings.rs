//! Strings: Go's package `strings` and sprig's variants, which take the subject last.

use std::ops::Range;

use super::{Env, Fault, Func, int, make, part, text, write};
use crate::unicode::{self, RUNE_ERROR, decode, decode_last, runes};
use crate::value::{Type, Value};

use Type::{Int, String as Str};

pub(super) static FUNCTIONS: &[Func] = &[
    make("__line__", &[], |env, _| Ok(Value::text(env.fields.line()))),
    write("ToLower", &[Str], lower),
    write("lower", &[Str], lower),
    write("ToUpper", &[Str], upper),
    write("upper", &[Str], upper),
    write("title", &[Str], title),
    write("Replace", &[Str, Str, Str, Int], |env, args, out| {
        let most = usize::try_from(int(args, 3)).unwrap_or(usize::MAX);
        replace(env, text(args, 0), text(args, 1), text(args, 2), most, out)
    }),
    write("replace", &[Str, Str, Str], |env, args, out| {
        replace(env, text(args, 2), text(args, 0), text(args, 1), usize::MAX, out)
    }),
    part("Trim", &[Str, Str], 0, |args| Ok(trim(text(args, 0), text(args, 1), true, true))),
    part("TrimLeft", &[Str, Str], 0, |args| Ok(trim(text(args, 0), text(args, 1), true, false))),
    part("TrimRight", &[Str, Str], 0, |args| Ok(trim(text(args, 0), text(args, 1), false, true))),
    part("trimAll", &[Str, Str], 1, |args| Ok(trim(text(args, 1), text(args, 0), true, true))),
    part("TrimPrefix", &[Str, Str], 0, |args| Ok(without_prefix(text(args, 0), text(args, 1)))),
    part("trimPrefix", &[Str, Str], 1, |args| Ok(without_prefix(text(args, 1), text(args, 0)))),
    part("TrimSuffix", &[Str, Str], 0, |args| Ok(without_suffix(text(args, 0), text(args, 1)))),
    part("trimSuffix", &[Str, Str], 1, |args| Ok(without_suffix(text(args, 1), text(args, 0)))),
    part("TrimSpace", &[Str], 0, |args| Ok(trim_where(text(args, 0), true, true, unicode::is_space))),
    part("trim", &[Str], 0, |args| Ok(trim_where(text(args, 0), true, true, unicode::is_space))),
    part("trunc", &[Int, Str], 1, |args| Ok(truncated(int(args, 0), text(args, 1).len()))),
    part("substr", &[Int, Int, Str], 2, |args| substring(int(args, 0), int(args, 1), text(args, 2).len())),
    make("contains", &[Str, Str], |_, args| {
        Ok(Value::Bool(memchr::memmem::find(text(args, 1), text(args, 0)).is_some()))
    }),
    make("hasPrefix", &[Str, Str], |_, args| Ok(Value::Bool(text(args, 1).starts_with(text(args, 0))))),
    make("hasSuffix", &[Str, Str], |_, args| Ok(Value::Bool(text(args, 1).ends_with(text(args, 0))))),
    write("indent", &[Int, Str], |env, args, out| indent(env, int(args, 0), text(args, 1), out)),
    write("nindent", &[Int, Str], |env, args, out| {
        out.push(b'\n');
        indent(env, int(args, 0), text(args, 1), out)
    }),
    write("repeat", &[Int, Str], |env, args, out| {
        let (count, unit) = (repetitions(int(args, 0))?, text(args, 1));
        env.fits(count.saturating_mul(unit.len()))?;
        if !unit.is_empty() {
            (0..count).for_each(|_| out.extend_from_slice(unit));
        }
        Ok(())
    }),
    write("alignLeft", &[Int, Str], |env, args, out| align(env, int(args, 0), text(args, 1), true, out)),
    write("alignRight", &[Int, Str], |env, args, out| align(env, int(args, 0), text(args, 1), false, out)),
];

fn lower(_: &mut Env<'_>, args: &[Value<'_>], out: &mut Vec<u8>) -> Result<(), Fault> {
    let text = text(args, 0);
    if text.is_ascii() {
        let start = out.len();
        out.extend_from_slice(text);
        out[start..].make_ascii_lowercase();
    } else {
        runes(text).for_each(|(_, c, _)| unicode::push(out, unicode::lower(c)));
    }
    Ok(())
}

fn upper(_: &mut Env<'_>, args: &[Value<'_>], out: &mut Vec<u8>) -> Result<(), Fault> {
    let text = text(args, 0);
    if text.is_ascii() {
        let start = out.len();
        out.extend_from_slice(text);
        out[start..].make_ascii_uppercase();
    } else {
        runes(text).for_each(|(_, c, _)| unicode::push(out, unicode::upper(c)));
    }
    Ok(())
}

/// `strings.Title`: the first letter of each word.
fn title(_: &mut Env<'_>, args: &[Value<'_>], out: &mut Vec<u8>) -> Result<(), Fault> {
    let separates = |c: char| match c {
        c if c.is_ascii() => !c.is_ascii_alphanumeric() && c != '_',
        c => !unicode::is_letter(c) && !unicode::is_digit(c) && unicode::is_space(c),
    };
    let mut start = true;
    for (_, c, _) in runes(text(args, 0)) {
        unicode::push(out, if start { unicode::title(c) } else { c });
        start = separates(c);
    }
    Ok(())
}

/// `strings.Replace`; an empty `old` stands before each rune and at the end.
fn replace(env: &Env<'_>, text: &[u8], old: &[u8], new: &[u8], most: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
    let found = if old.is_empty() { unicode::count(text) + 1 } else { memchr::memmem::find_iter(text, old).count() };
    let count = found.min(most);
    env.fits(count.saturating_mul(new.len()).saturating_add(text.len()))?;
    let mut rest = text;
    for nth in 0..count {
        let at = match old {
            [] if nth == 0 => 0,
            [] => decode(rest).1,
            _ => memchr::memmem::find(rest, old).unwrap_or(rest.len()),
        };
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(new);
        rest = &rest[(at + old.len()).min(rest.len())..];
    }
    out.extend_from_slice(rest);
    Ok(())
}

/// What is left between the runes for which `out` is true.
fn trim_where(text: &[u8], left: bool, right: bool, out: impl Fn(char) -> bool) -> Range<usize> {
    let (mut start, mut end) = (0, text.len());
    while left && start < end {
        let (c, width) = decode(&text[start..end]);
        if !out(c) {
            break;
        }
        start += width;
    }
    while right && start < end {
        let (c, width) = decode_last(&text[start..end]);
        if !out(c) {
            break;
        }
        end -= width;
    }
    start..end
}

fn trim(text: &[u8], set: &[u8], left: bool, right: bool) -> Range<usize> {
    if set.is_ascii() {
        return trim_where(text, left, right, |c| u8::try_from(c).is_ok_and(|b| b.is_ascii() && set.contains(&b)));
    }
    trim_where(text, left, right, |c| runes(set).any(|(_, member, _)| member == c))
}

fn without_prefix(text: &[u8], prefix: &[u8]) -> Range<usize> {
    if text.starts_with(prefix) { prefix.len()..text.len() } else { 0..text.len() }
}

fn without_suffix(text: &[u8], suffix: &[u8]) -> Range<usize> {
    0..text.len() - if text.ends_with(suffix) { suffix.len() } else { 0 }
}

/// The first `count` bytes, or the last if it is negative.
fn truncated(count: i64, len: usize) -> Range<usize> {
    let wanted = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    match count {
        0.. => 0..wanted.min(len),
        _ if wanted < len => len - wanted..len,
        _ => 0..len,
    }
}

/// Bytes from `start` to `end`, where a negative start means the beginning and an end out of range the end.
fn substring(start: i64, end: i64, len: usize) -> Result<Range<usize>, Fault> {
    let out_of_range = |what: String| Err(format!("runtime error: slice bounds out of range {what}"));
    let size = len as i64;
    if start < 0 {
        return match end {
            ..0 => out_of_range(format!("[:{end}]")),
            _ if end > size => out_of_range(format!("[:{end}] with length {len}")),
            _ => Ok(0..end as usize),
        };
    }
    if end < 0 || end > size {
        return if start > size { out_of_range(format!("[{start}:{len}]")) } else { Ok(start as usize..len) };
    }
    if start > end { out_of_range(format!("[{start}:{end}]")) } else { Ok(start as usize..end as usize) }
}

fn repetitions(count: i64) -> Result<usize, Fault> {
    usize::try_from(count).map_err(|_| "strings: negative Repeat count".to_owned())
}

fn indent(env: &Env<'_>, spaces: i64, text: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    let spaces = repetitions(spaces)?;
    let lines = memchr::memchr_iter(b'\n', text).count() + 1;
    env.fits(lines.saturating_mul(spaces).saturating_add(text.len()))?;
    for (at, line) in text.split(|&b| b == b'\n').enumerate() {
        if at > 0 {
            out.push(b'\n');
        }
        out.extend(std::iter::repeat_n(b' ', spaces));
        out.extend_from_slice(line);
    }
    Ok(())
}

/// `count` runes: spaces are added, or runes cut off, at the right (`left`) or at the left.
fn align(env: &Env<'_>, count: i64, text: &[u8], left: bool, out: &mut Vec<u8>) -> Result<(), Fault> {
    let have = unicode::count(text);
    let Ok(want) = usize::try_from(count) else {
        out.extend_from_slice(text);
        return Ok(());
    };
    let missing = want.saturating_sub(have);
    env.fits(missing.saturating_add(text.len()))?;
    if want < have {
        // Cut: the text becomes runes and text again, which replaces stray bytes.
        let skipped = if left { 0 } else { have - want };
        for (_, c, width) in runes(text).skip(skipped).take(want) {
            unicode::push(out, if width == 1 && !c.is_ascii() { RUNE_ERROR } else { c });
        }
        return Ok(());
    }
    let spaces = std::iter::repeat_n(b' ', missing);
    if left {
        out.extend_from_slice(text);
        out.extend(spaces);
    } else {
        out.extend(spaces);
        out.extend_from_slice(text);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_not_runes() {
        assert_eq!(truncated(1, "é".len()), 0..1);
        assert_eq!(truncated(-1, 3), 2..3);
        assert_eq!(truncated(-3, 3), 0..3);
        assert_eq!(truncated(i64::MIN, 3), 0..3);
        assert_eq!(substring(2, 1, 3).unwrap_err(), "runtime error: slice bounds out of range [2:1]");
        assert_eq!(substring(-1, 5, 3).unwrap_err(), "runtime error: slice bounds out of range [:5] with length 3");
        assert_eq!(substring(5, -1, 3).unwrap_err(), "runtime error: slice bounds out of range [5:3]");
        assert_eq!(substring(1, 99, 3), Ok(1..3));
    }

    #[test]
    fn trims() {
        assert_eq!(trim(b"xxaxx", b"x", true, true), 2..3);
        assert_eq!(trim("éaé".as_bytes(), "é".as_bytes(), false, true), 0..3);
        assert_eq!(trim(b"\xffa", "\u{fffd}".as_bytes(), true, true), 1..2);
        assert_eq!(trim_where(b"  \t ", true, true, unicode::is_space), 4..4);
    }
}
