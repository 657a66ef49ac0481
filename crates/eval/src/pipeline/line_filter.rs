//! Line filters: `|=`, `!=`, `|~`, `!~`, `|>`, `!>` with their `or` chains.
//!
//! A positive filter keeps a line that any operand accepts, a negative one drops it. Upstream loses operands of some
//! chains and rewrites some regular expressions into other ones; here every operand and expression means what it says.

use loptr_logql::ast;
use memchr::memmem;

use super::ip::IpPattern;
use super::label_filter::ip;
use super::line_pattern::LinePattern;
use crate::regex::Regex;

/// A compiled line filter.
#[derive(Clone, Debug)]
pub(crate) struct LineFilter {
    negative: bool,
    operands: Vec<Operand>,
}

#[derive(Clone, Debug)]
pub(crate) enum Operand {
    /// `|= ""`.
    Always,
    Literal(Box<memmem::Finder<'static>>),
    Regex(Regex),
    Pattern(LinePattern),
    Ip(IpPattern),
}

impl Operand {
    fn is_match(&self, line: &[u8]) -> bool {
        match self {
            Self::Always => true,
            Self::Literal(finder) => finder.find(line).is_some(),
            Self::Regex(regex) => regex.is_match(line),
            Self::Pattern(pattern) => pattern.is_match(line),
            Self::Ip(ip) => ip.is_match(line),
        }
    }

    fn literal(text: &[u8]) -> Self {
        if text.is_empty() { Self::Always } else { Self::Literal(Box::new(memmem::Finder::new(text).into_owned())) }
    }
}

impl LineFilter {
    /// Compiles the filter; the error is what follows `stage '…' : `.
    pub(crate) fn compile(filter: &ast::LineFilter) -> Result<Self, String> {
        let compile = |operand: &ast::Spanned<ast::LineOperand>| compile_operand(filter.op, operand);
        let operands = filter.operands.iter().map(compile).collect::<Result<_, _>>()?;
        Ok(Self { negative: filter.op.is_negative(), operands })
    }

    /// Whether `line` stays.
    pub(crate) fn keeps(&self, line: &[u8]) -> bool {
        self.operands.iter().any(|operand| operand.is_match(line)) != self.negative
    }

    /// The operands one of which every kept line matches; none for a negative filter.
    pub(crate) fn required(&self) -> Option<&[Operand]> {
        (!self.negative).then_some(&self.operands)
    }
}

fn compile_operand(op: ast::LineFilterOp, operand: &ast::LineOperand) -> Result<Operand, String> {
    use ast::LineFilterOp::{Contains, NotContains, NotPattern, NotRegex, Pattern, Regex as RegexOp};
    let text = match (operand, op) {
        (ast::LineOperand::Ip(pattern), Contains | NotContains) => return ip(pattern).map(Operand::Ip),
        (ast::LineOperand::Ip(_), _) => return Err("ip: invalid operation".into()),
        (ast::LineOperand::Text(text), _) => text,
    };
    match op {
        Contains | NotContains => Ok(Operand::literal(text)),
        Pattern | NotPattern => LinePattern::new(text).map(Operand::Pattern),
        RegexOp | NotRegex => {
            let regex = Regex::line_filter(text)?;
            Ok(match regex.literal() {
                _ if regex.matches_all() => Operand::Always,
                Some(literal) => Operand::literal(literal),
                None => Operand::Regex(regex),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ast::LineFilterOp::*;

    fn text(text: &str) -> ast::LineOperand {
        ast::LineOperand::Text(text.as_bytes().to_vec())
    }

    fn keeps(op: ast::LineFilterOp, operands: &[ast::LineOperand], line: &str) -> bool {
        let filter = ast::LineFilter { op, operands: operands.iter().cloned().map(Into::into).collect() };
        LineFilter::compile(&filter).expect("valid filter").keeps(line.as_bytes())
    }

    #[test]
    fn every_operand_counts() {
        assert!(keeps(Contains, &[text(""), text("foo")], "bar"));
        assert!(keeps(Contains, &[text("x"), ast::LineOperand::Ip("1.1.1.1".into()), text("y")], "at 1.1.1.1 "));
        assert!(!keeps(Contains, &[text("x"), ast::LineOperand::Ip("1.1.1.1".into())], "1.1.1.10"));
        assert!(!keeps(NotContains, &[text("a"), text("b")], "only b"));
        assert!(keeps(NotContains, &[text("a"), text("b")], "c") && !keeps(NotContains, &[text("")], "c"));
        assert!(keeps(Regex, &[text(".*|foo")], "bar") && keeps(Regex, &[text("bar|")], "x"));
        assert!(keeps(Regex, &[text("foo.*(bar|uzz)")], "foo x bar"));
        assert!(!keeps(NotRegex, &[text("")], "x") && keeps(NotPattern, &[text("a <_>")], "b c"));
    }

    #[test]
    fn faults_keep_upstreams_words() {
        let fault = |op, operand: ast::LineOperand| {
            LineFilter::compile(&ast::LineFilter { op, operands: vec![text("a").into(), operand.into()] })
                .expect_err("invalid")
        };
        assert_eq!(fault(Contains, ast::LineOperand::Ip("zz".into())), "ip: invalid pattern: \"zz\"");
        assert_eq!(fault(Regex, ast::LineOperand::Ip("1.1.1.1".into())), "ip: invalid operation");
        assert!(fault(Regex, text("(")).starts_with("error parsing regexp"));
    }
}
