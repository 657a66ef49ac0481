//! Functions of regular expressions.

use loptr_regex::GoRegex;

use super::{Env, Fault, Func, MAX_OUTPUT, Prepared, make, text, too_long, write};
use crate::value::{Type, Value};

use Type::String as Str;

pub(super) static FUNCTIONS: &[Func] = &[
    write("regexReplaceAll", &[Str, Str, Str], |env, args, out| replace(env, args, true, out)),
    write("regexReplaceAllLiteral", &[Str, Str, Str], |env, args, out| replace(env, args, false, out)),
    make("count", &[Str, Str], |env, args| {
        let regex = regex(env, text(args, 0), text(args, 1))?;
        Ok(Value::Int(regex.count(text(args, 1)) as i64))
    }),
];

/// What compiling a pattern costs.
const COMPILE: usize = 5_000;

/// The regex that was made ready, or one for `pattern`, to be used on `text`.
fn regex(env: &mut Env<'_>, pattern: &[u8], text: &[u8]) -> Result<GoRegex, Fault> {
    env.charge(text.len() / 8)?;
    match env.prepared {
        Prepared::Regex(regex) => regex.clone(),
        _ => {
            env.charge(COMPILE + 4 * pattern.len())?;
            GoRegex::from_bytes(pattern).map_err(|error| error.to_string())
        }
    }
}

/// Pattern, text, replacement.
fn replace(env: &mut Env<'_>, args: &[Value<'_>], expand: bool, out: &mut Vec<u8>) -> Result<(), Fault> {
    let (text, with) = (text(args, 1), text(args, 2));
    let regex = regex(env, super::text(args, 0), text)?;
    // The result holds the text, the replacement once for each match, and for each variable in it no more than the text.
    let variables = if expand { memchr::memchr_iter(b'$', with).count() } else { 0 };
    let longest = |matches: usize| {
        let copies = text.len().saturating_mul(variables + 1);
        matches.saturating_mul(with.len()).saturating_add(copies)
    };
    if longest(text.len() + 1) > MAX_OUTPUT && longest(regex.count(text)) > MAX_OUTPUT {
        return Err(too_long());
    }
    let replaced = if expand { regex.replace_all(text, with) } else { regex.replace_all_literal(text, with) };
    out.extend_from_slice(&replaced);
    Ok(())
}
