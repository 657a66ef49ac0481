//! The functions a template can call: Go's builtins, upstream's own, and those of sprig that upstream lets through.
//!
//! A function has a name, types for its parameters (errors about arguments name them), and code. Most make a string: those
//! append it to a buffer, which is the output itself when the string is what the action prints.

mod builtin;
mod cast;
mod compare;
mod encode;
mod maths;
pub(crate) mod methods;
mod regex;
mod strings;
mod times;

pub(crate) use builtin::truth;

use std::ops::Range;

use loptr_regex::GoRegex;

use crate::Fields;
use crate::ast::{Operand, Term};
use crate::time::Zone;
use crate::value::{Type, Value};

/// What a call may take: roughly one for each node, call and 64 bytes of text.
pub(crate) const FUEL: u64 = 1_000_000;

/// Most bytes that a rendering, or a string made on the way, may have.
pub(crate) const MAX_OUTPUT: usize = 16 << 20;

/// Why a function gave no value: Go's text.
pub(crate) type Fault = String;

/// What functions see of the rendering.
pub(crate) struct Env<'a> {
    pub(crate) fields: &'a dyn Fields,
    pub(crate) fuel: u64,
    /// What was made ready for this call.
    pub(crate) prepared: &'a Prepared,
}

impl Env<'_> {
    /// Takes `cost` from what the rendering may use.
    pub(crate) fn charge(&mut self, cost: usize) -> Result<(), Fault> {
        match self.fuel.checked_sub(cost as u64) {
            Some(left) => {
                self.fuel = left;
                Ok(())
            }
            None => {
                self.fuel = 0;
                Err(format!("template takes more than {FUEL} steps"))
            }
        }
    }

    /// Takes the cost of a string of `len` bytes that was made.
    pub(crate) fn made(&mut self, len: usize) -> Result<(), Fault> {
        self.fits(len)?;
        self.charge(len / 64)
    }

    /// Whether a string of `len` bytes may be made.
    pub(crate) fn fits(&self, len: usize) -> Result<(), Fault> {
        if len > MAX_OUTPUT { Err(too_long()) } else { Ok(()) }
    }
}

/// The error for output beyond [`MAX_OUTPUT`].
pub(crate) fn too_long() -> Fault {
    format!("output is longer than {MAX_OUTPUT} bytes")
}

/// Appends a string.
type Write = fn(&mut Env<'_>, &[Value<'_>], &mut Vec<u8>) -> Result<(), Fault>;

/// Makes a value.
type Make = for<'a> fn(&mut Env<'a>, &[Value<'a>]) -> Result<Value<'a>, Fault>;

/// Names a part of the string that is one of its arguments.
type Part = fn(&[Value<'_>]) -> Result<Range<usize>, Fault>;

/// How a function is called.
pub(crate) enum Call {
    Write(Write),
    Make(Make),
    /// The string is the argument with this number.
    Part(usize, Part),
    /// `and`, `or`: arguments are looked at one by one, until one is false, or true.
    And,
    Or,
    /// `call`: there is nothing to call.
    Callee,
}

/// A function.
pub(crate) struct Func {
    pub(crate) name: &'static str,
    pub(crate) params: &'static [Type],
    /// The last parameter stands for any number of arguments.
    pub(crate) variadic: bool,
    pub(crate) call: Call,
}

impl std::fmt::Debug for Func {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// What could be computed before rendering, from literals.
#[derive(Debug)]
pub(crate) enum Prepared {
    None,
    /// The first argument of a function of regular expressions.
    Regex(Result<GoRegex, String>),
    /// The zone of `toDateInZone`.
    Zone(Zone),
}

impl Prepared {
    /// For a command of these words.
    pub(crate) fn new(args: &[Operand]) -> Prepared {
        let literal = |at: usize| match args.get(at).map(|arg| &arg.term) {
            Some(Term::String(literal)) => Some(&*literal.text),
            _ => None,
        };
        let Term::Function(func) = args[0].term else { return Prepared::None };
        match (func.name, literal(1), literal(2)) {
            ("regexReplaceAll" | "regexReplaceAllLiteral" | "count", Some(pattern), _) => {
                Prepared::Regex(GoRegex::from_bytes(pattern).map_err(|error| error.to_string()))
            }
            ("toDateInZone", _, Some(zone)) => Prepared::Zone(Zone::load(zone).unwrap_or(Zone::Utc)),
            _ => Prepared::None,
        }
    }
}

/// The function called `name`.
pub(crate) fn lookup(name: &str) -> Option<&'static Func> {
    FUNCTIONS.iter().copied().flatten().find(|func| func.name == name)
}

/// All functions, by where they are written.
pub(crate) static FUNCTIONS: [&[Func]; 8] = [
    builtin::FUNCTIONS,
    cast::FUNCTIONS,
    compare::FUNCTIONS,
    encode::FUNCTIONS,
    maths::FUNCTIONS,
    regex::FUNCTIONS,
    strings::FUNCTIONS,
    times::FUNCTIONS,
];

/// A function that appends a string.
const fn write(name: &'static str, params: &'static [Type], run: Write) -> Func {
    Func { name, params, variadic: false, call: Call::Write(run) }
}

/// A function that makes a value.
const fn make(name: &'static str, params: &'static [Type], run: Make) -> Func {
    Func { name, params, variadic: false, call: Call::Make(run) }
}

/// A function that gives a part of its argument `subject`.
const fn part(name: &'static str, params: &'static [Type], subject: usize, run: Part) -> Func {
    Func { name, params, variadic: false, call: Call::Part(subject, run) }
}

impl Func {
    /// The same, with its last parameter for any number of arguments.
    const fn variadic(mut self) -> Func {
        self.variadic = true;
        self
    }
}

/// The string that argument `at` is; its type has been checked.
fn text<'v>(args: &'v [Value<'_>], at: usize) -> &'v [u8] {
    match args.get(at) {
        Some(Value::Text(text)) => text.bytes(),
        _ => b"",
    }
}

/// The number that argument `at` is; its type has been checked.
fn int(args: &[Value<'_>], at: usize) -> i64 {
    args.get(at).and_then(Value::int).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every function of the specification, and no other.
    #[test]
    fn the_list_is_complete() {
        let names = "and or not len index slice print printf println html js urlquery call eq ne lt le gt ge \
            __line__ __timestamp__ ToLower ToUpper lower upper title Replace replace Trim TrimLeft TrimRight TrimPrefix \
            TrimSuffix TrimSpace trim trimAll trimPrefix trimSuffix trunc substr contains hasPrefix hasSuffix indent \
            nindent repeat alignLeft alignRight regexReplaceAll regexReplaceAllLiteral count urlencode urldecode b64enc \
            b64dec bytes duration duration_seconds unixEpoch unixEpochMillis unixEpochNanos unixToTime toDate \
            toDateInZone date now int float64 add mul sub div mod max min addf subf mulf divf maxf minf ceil floor \
            round fromJson default";
        let mut names: Vec<&str> = names.split_ascii_whitespace().collect();
        let mut ours: Vec<&str> = FUNCTIONS.iter().copied().flatten().map(|func| func.name).collect();
        names.sort_unstable();
        ours.sort_unstable();
        assert_eq!(ours, names);
    }
}
