//! `${VAR}` in a file's raw text, comments included, before YAML sees it: the grammar of `drone/envsubst`.
//!
//! ```text
//! ${VAR}        value, empty when unset          ${#VAR}              length in bytes
//! ${VAR:-d}     d when unset or empty            ${VAR:1} ${VAR:1:2}  part, by bytes
//! ${VAR:=d} ${VAR:?d} ${VAR:+d} ${VAR=d}  the same as :-             (d may hold ${...} itself)
//! ${VAR,} ${VAR,,} ${VAR^} ${VAR^^}       first or all letters lower or upper
//! ${VAR/a/b} ${VAR//a/b} ${VAR/#a/b} ${VAR/%a/b}  replace first, all, at start, at end
//! ${VAR#p} ${VAR##p} ${VAR%p} ${VAR%%p}   cut the shortest or longest start or end that glob p matches
//! $$ is $, \\ is \, \/ is /; $VAR stays as it is.
//! ```

mod functions;
mod glob;

/// Largest result.
const MAX_BYTES: usize = crate::yaml::tree::MAX_BYTES;
/// Deepest nesting of `${`.
const MAX_DEPTH: usize = 64;

/// Why text could not be expanded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} (line {line})")]
pub struct ExpandError {
    what: &'static str,
    line: usize,
}

const BAD: &str = "bad substitution";
const BAD_PARAM: &str = "unable to parse substitution within function";

/// Replaces every `${...}` of `text`; `env` gives the value of a variable, if it is set.
///
/// ```
/// let env = |name: &str| (name == "PORT").then(|| "3100".to_owned());
/// let text = loptr_config::expand_env("port: ${PORT} # ${USER:-nobody} $$1", &env).unwrap();
/// assert_eq!(text, "port: 3100 # nobody $1");
/// ```
pub fn expand_env(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<String, ExpandError> {
    let mut reader = Reader { text, at: 0, env, depth: 0 };
    let expanded = reader.text_until(Stop::Never, true).and_then(|mut out| {
        while reader.take("${") {
            out.push_str(&reader.function()?);
            out.push_str(&reader.text_until(Stop::Never, true)?);
            check_size(&out)?;
        }
        Ok(out)
    });
    expanded.map_err(|what| {
        let line = 1 + text.as_bytes()[..reader.at.min(text.len())].iter().filter(|b| **b == b'\n').count();
        ExpandError { what, line }
    })
}

fn check_size(text: &str) -> Result<(), &'static str> {
    if text.len() > MAX_BYTES { Err("expanded text is too large") } else { Ok(()) }
}

/// Where a run of plain text ends, besides at `${`.
#[derive(Clone, Copy, PartialEq)]
enum Stop {
    Never,
    Brace,
    ColonOrBrace,
    Slash,
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    env: &'a dyn Fn(&str) -> Option<String>,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take(&mut self, what: &str) -> bool {
        let found = self.rest().starts_with(what);
        if found {
            self.at += what.len();
        }
        found
    }

    fn close(&mut self) -> Result<(), &'static str> {
        if self.take("}") { Ok(()) } else { Err(BAD) }
    }

    /// Plain text up to `stop`, `${` or the end. With `escapes`, `$$`, `\\` and `\/` lose their first character.
    fn text_until(&mut self, stop: Stop, escapes: bool) -> Result<String, &'static str> {
        let mut out = String::new();
        while let Some(c) = self.peek() {
            let rest = self.rest();
            let ends = match stop {
                Stop::Never => false,
                Stop::Brace => c == '}',
                Stop::ColonOrBrace => c == ':' || c == '}',
                Stop::Slash => c == '/',
            };
            if escapes && (rest.starts_with("$$") || rest.starts_with("\\\\") || rest.starts_with("\\/")) {
                out.push_str(&rest[1..2]);
                self.at += 2;
                continue;
            }
            if ends || rest.starts_with("${") {
                break;
            }
            out.push(c);
            self.at += c.len_utf8();
        }
        Ok(out)
    }

    /// One argument of a function: a `${...}` or plain text, not both.
    fn param(&mut self, stop: Stop, escapes: bool) -> Result<String, &'static str> {
        if self.take("${") {
            return self.function();
        }
        let from = self.at;
        let text = self.text_until(stop, escapes)?;
        if self.at == from { Err(BAD_PARAM) } else { Ok(text) }
    }

    fn name(&mut self) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c: char| !(c.is_alphabetic() || c.is_numeric() || c == '_')).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    /// What follows `${`, up to and with its `}`.
    fn function(&mut self) -> Result<String, &'static str> {
        if self.depth >= MAX_DEPTH {
            return Err("substitutions are nested too deeply");
        }
        self.depth += 1;
        let value = self.function_inner();
        self.depth -= 1;
        value.and_then(|value| check_size(&value).map(|()| value))
    }

    fn function_inner(&mut self) -> Result<String, &'static str> {
        if self.take("#") {
            let name = self.name();
            if name.is_empty() {
                return Err(BAD);
            }
            self.close()?;
            return Ok(self.value(name).len().to_string());
        }
        let name = self.name();
        if name.is_empty() {
            return Err("unable to parse variable name");
        }
        let value = self.value(name);
        let next = self.rest();
        let operator = |at: usize| next.as_bytes().get(at).copied();
        match operator(0) {
            Some(b':') if operator(1).is_some_and(|c| b"=-?+".contains(&c)) => self.default_value(value, 2),
            Some(b':') => self.part(&value),
            Some(b'=') => self.default_value(value, 1),
            Some(b',' | b'^') => self.letter_case(&value),
            Some(b'/') => self.replace(&value),
            Some(sign @ (b'#' | b'%')) => self.cut(&value, sign),
            Some(b'}') => self.close().map(|()| value),
            _ => Err("missing closing brace"),
        }
    }

    fn value(&self, name: &str) -> String {
        (self.env)(name).unwrap_or_default()
    }

    fn default_value(&mut self, value: String, operator_len: usize) -> Result<String, &'static str> {
        self.at += operator_len;
        let mut default = String::new();
        while self.peek() != Some('}') {
            default.push_str(&self.param(Stop::Brace, false)?);
            check_size(&default)?;
        }
        self.close()?;
        Ok(if value.is_empty() { default } else { value })
    }

    fn part(&mut self, value: &str) -> Result<String, &'static str> {
        self.at += 1;
        let from = self.param(Stop::ColonOrBrace, false)?;
        if self.take("}") {
            return Ok(functions::part(value, &from, None));
        }
        if !self.take(":") {
            return Err(BAD);
        }
        while self.take(":") {}
        let length = self.param(Stop::Brace, false)?;
        self.close()?;
        Ok(functions::part(value, &from, Some(&length)))
    }

    fn letter_case(&mut self, value: &str) -> Result<String, &'static str> {
        let rest = self.rest();
        let operator = &rest[..rest.bytes().take(2).take_while(|c| b",^".contains(c)).count()];
        self.at += operator.len();
        self.close()?;
        Ok(functions::letter_case(value, operator))
    }

    fn replace(&mut self, value: &str) -> Result<String, &'static str> {
        self.at += 1;
        let place = self.peek().filter(|c| "/#%".contains(*c));
        self.at += usize::from(place.is_some());
        let what = self.param(Stop::Slash, true)?;
        if !self.take("/") {
            return Err(BAD);
        }
        while self.take("/") {}
        if self.take("}") {
            return Ok(functions::replace(value, place, &what, None));
        }
        let with = self.param(Stop::Brace, true)?;
        self.close()?;
        if value.len().saturating_mul(with.len()) > MAX_BYTES {
            return Err("expanded text is too large");
        }
        Ok(functions::replace(value, place, &what, Some(&with)))
    }

    fn cut(&mut self, value: &str, sign: u8) -> Result<String, &'static str> {
        self.at += 1;
        let longest = self.rest().as_bytes().first() == Some(&sign);
        self.at += usize::from(longest);
        let pattern = self.param(Stop::Brace, false)?;
        self.close()?;
        if value.len().saturating_mul(pattern.len()) > 1 << 20 {
            return Err("value is too long to cut by a pattern");
        }
        Ok(if sign == b'#' {
            glob::cut_start(value, &pattern, longest)
        } else {
            glob::cut_end(value, &pattern, longest)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(text: &str) -> Result<String, String> {
        let env = |name: &str| {
            let value = match name {
                "A" => "alpha",
                "PATH" => "/usr/local/bin",
                "MIX" => "\u{c4}bC",
                "EMPTY" => "",
                "N" => "2",
                _ => return None,
            };
            Some(value.to_owned())
        };
        expand_env(text, &env).map_err(|error| error.to_string())
    }

    #[test]
    fn substitutions() {
        for (text, wanted) in [
            ("x ${A} y", "x alpha y"),
            ("# ${A}\n", "# alpha\n"),
            ("${NONE}|${EMPTY}", "|"),
            ("${NONE:-d}${NONE:=e}${NONE:?f}${NONE:+g}${NONE=h}", "defgh"),
            ("${EMPTY:-d}${A:-d}${A:+d}", "dalphaalpha"),
            ("${NONE:-}", ""),
            ("${NONE:-${A}}", "alpha"),
            ("${NONE:-x${A}y${N}z}", "xalphay2z"),
            ("${NONE:-${ALSO:-deep}}", "deep"),
            ("${NONE:-$$}", "$$"),
            ("${MIX,,}${MIX^^}${A^}${MIX,}", "\u{e4}bc\u{c4}BCAlpha\u{e4}bC"),
            ("${A:0:3}${A:1}${A:-2}", "alplphaalpha"),
            ("${A: -2}${A:${N}}${A:9}${A:3:9}${A:x}", "alphaphahaalpha"),
            ("${A/a/b}${A//a/b}${A/#al/X}${A/%a/Z}${A/zz/y}", "blphablphbXphaalphZalpha"),
            ("${A/a/}${A//a/}", "lphalph"),
            ("${PATH##*/}${PATH#*/}${PATH%/*}${PATH%%/*}", "binusr/local/bin/usr/local"),
            ("${#A}${#NONE}", "50"),
            ("$A $$A $${A} $$$A {}", "$A $A ${A} $$A {}"),
            ("a\\\\b\\/c\\d", "a\\b/c\\d"),
            ("${PATH//\\//-}", "-usr-local-bin"),
            ("\u{e9}${A}\u{e9}", "\u{e9}alpha\u{e9}"),
            ("$", "$"),
        ] {
            assert_eq!(expand(text).as_deref(), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn refusals() {
        for (text, why) in [
            ("a\n${A", "missing closing brace (line 2)"),
            ("${A-d}", "missing closing brace (line 1)"),
            ("${}", "unable to parse variable name (line 1)"),
            ("${ A}", "unable to parse variable name (line 1)"),
            ("${A:-x", "unable to parse substitution within function (line 1)"),
            ("${A:}", "unable to parse substitution within function (line 1)"),
            ("${A#}", "unable to parse substitution within function (line 1)"),
            ("${#}", "bad substitution (line 1)"),
            ("${A,x}", "bad substitution (line 1)"),
            ("${A/a}", "bad substitution (line 1)"),
        ] {
            assert_eq!(expand(text), Err(why.to_owned()), "{text}");
        }
        let deep = "${X:-".repeat(10_000);
        assert!(expand(&deep).unwrap_err().starts_with("substitutions are nested too deeply"));
    }
}
