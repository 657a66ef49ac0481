//! The words of LogQL and the names error texts give them.

/// A token's class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[rustfmt::skip]
pub(crate) enum Kind {
    End,
    // With a value.
    Identifier, Str, Number, Duration, Bytes, Range, Flag,
    // Punctuation.
    Comma, Dot, OpenBrace, CloseBrace, CloseBracket, OpenParen, CloseParen, Pipe,
    Eq, Re, Nre, Npa, PipeExact, PipeMatch, PipePattern,
    // Binary operators; `Neq` is a matcher's and a line filter's too.
    Or, And, Unless, CmpEq, Neq, Lt, Lte, Gt, Gte, Add, Sub, Mul, Div, Mod, Pow,
    // Reserved words.
    By, Without, Bool, Offset, On, Ignoring, GroupLeft, GroupRight,
    Json, Regexp, Logfmt, Unpack, Pattern, LabelFormat, LineFormat, Decolorize, Drop, Keep, Unwrap, Variants, Of,
    // Function words.
    CountOverTime, Rate, RateCounter, BytesOverTime, BytesRate, AvgOverTime, SumOverTime, MinOverTime, MaxOverTime,
    StdvarOverTime, StddevOverTime, QuantileOverTime, FirstOverTime, LastOverTime, AbsentOverTime,
    Sum, Avg, Count, Max, Min, Stddev, Stdvar, Bottomk, Topk, Sort, SortDesc, ApproxTopk,
    Vector, LabelReplace, BytesConv, DurationConv, DurationSecondsConv, Ip,
}

use Kind::*;

/// Words that are never identifiers.
const RESERVED: &[(&str, Kind)] = &[
    ("by", By),
    ("without", Without),
    ("bool", Bool),
    ("offset", Offset),
    ("on", On),
    ("ignoring", Ignoring),
    ("group_left", GroupLeft),
    ("group_right", GroupRight),
    ("or", Or),
    ("and", And),
    ("unless", Unless),
    ("json", Json),
    ("regexp", Regexp),
    ("logfmt", Logfmt),
    ("unpack", Unpack),
    ("pattern", Pattern),
    ("label_format", LabelFormat),
    ("line_format", LineFormat),
    ("decolorize", Decolorize),
    ("drop", Drop),
    ("keep", Keep),
    ("unwrap", Unwrap),
    ("variants", Variants),
    ("of", Of),
];

/// Words that are identifiers unless `(`, `by (` or `without (` follows.
const FUNCTIONS: &[(&str, Kind)] = &[
    ("count_over_time", CountOverTime),
    ("rate", Rate),
    ("rate_counter", RateCounter),
    ("bytes_over_time", BytesOverTime),
    ("bytes_rate", BytesRate),
    ("avg_over_time", AvgOverTime),
    ("sum_over_time", SumOverTime),
    ("min_over_time", MinOverTime),
    ("max_over_time", MaxOverTime),
    ("stdvar_over_time", StdvarOverTime),
    ("stddev_over_time", StddevOverTime),
    ("quantile_over_time", QuantileOverTime),
    ("first_over_time", FirstOverTime),
    ("last_over_time", LastOverTime),
    ("absent_over_time", AbsentOverTime),
    ("sum", Sum),
    ("avg", Avg),
    ("count", Count),
    ("max", Max),
    ("min", Min),
    ("stddev", Stddev),
    ("stdvar", Stdvar),
    ("bottomk", Bottomk),
    ("topk", Topk),
    ("sort", Sort),
    ("sort_desc", SortDesc),
    ("approx_topk", ApproxTopk),
    ("vector", Vector),
    ("label_replace", LabelReplace),
    ("bytes", BytesConv),
    ("duration", DurationConv),
    ("duration_seconds", DurationSecondsConv),
    ("ip", Ip),
];

const PUNCTUATION: &[(&str, Kind)] = &[
    (",", Comma),
    (".", Dot),
    ("{", OpenBrace),
    ("}", CloseBrace),
    ("]", CloseBracket),
    ("(", OpenParen),
    (")", CloseParen),
    ("|", Pipe),
    ("=", Eq),
    ("=~", Re),
    ("!~", Nre),
    ("!>", Npa),
    ("|=", PipeExact),
    ("|~", PipeMatch),
    ("|>", PipePattern),
    ("==", CmpEq),
    ("!=", Neq),
    ("<", Lt),
    ("<=", Lte),
    (">", Gt),
    (">=", Gte),
    ("+", Add),
    ("-", Sub),
    ("*", Mul),
    ("/", Div),
    ("%", Mod),
    ("^", Pow),
];

fn find(words: &[(&str, Kind)], text: &str) -> Option<Kind> {
    words.iter().find(|(word, _)| *word == text).map(|&(_, kind)| kind)
}

/// The reserved word `text` is, in lower case.
pub(super) fn reserved(text: &str) -> Option<Kind> {
    find(RESERVED, text)
}

/// The function word `text` is, in lower case.
pub(super) fn function(text: &str) -> Option<Kind> {
    find(FUNCTIONS, text)
}

/// The one- or two-character symbol `text` is.
pub(super) fn punctuation(text: &str) -> Option<Kind> {
    find(PUNCTUATION, text)
}

impl Kind {
    /// The name upstream's errors use: words and symbols as written, function words and classes in capitals.
    pub(crate) fn name(self) -> String {
        let class = match self {
            End => "$end",
            Identifier => "IDENTIFIER",
            Str => "STRING",
            Number => "NUMBER",
            Duration => "DURATION",
            Bytes => "BYTES",
            Range => "RANGE",
            Flag => "FUNCTION_FLAG",
            LabelReplace => "label_replace",
            Ip => "ip",
            BytesConv => "BYTES_CONV",
            DurationConv => "DURATION_CONV",
            DurationSecondsConv => "DURATION_SECONDS_CONV",
            _ => "",
        };
        if !class.is_empty() {
            return class.to_owned();
        }
        let word = |words: &[(&'static str, Kind)]| words.iter().find(|(_, kind)| *kind == self).map(|(word, _)| *word);
        match word(PUNCTUATION).or_else(|| word(RESERVED)) {
            Some(word) => word.to_owned(),
            None => word(FUNCTIONS).expect("every kind is a class, a symbol or a word").to_uppercase(),
        }
    }
}

/// What a token carries.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    None,
    /// A string's bytes, unescaped.
    Bytes(Vec<u8>),
    /// Nanoseconds.
    Duration(i64),
    Size(u64),
}

/// A word of the query and its place.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) value: Value,
    /// Byte offsets.
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// As errors report it: line 0 if the token was read with look-ahead.
    pub(crate) line: u32,
    pub(crate) col: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_named_as_upstream_names_them() {
        let names = [
            (End, "$end"),
            (Neq, "!="),
            (Or, "or"),
            (Sum, "SUM"),
            (CountOverTime, "COUNT_OVER_TIME"),
            (Vector, "VECTOR"),
            (LabelReplace, "label_replace"),
            (Unwrap, "unwrap"),
            (Dot, "."),
        ];
        for (kind, name) in names {
            assert_eq!(kind.name(), name);
        }
        for &(_, kind) in RESERVED.iter().chain(FUNCTIONS).chain(PUNCTUATION) {
            assert!(!kind.name().is_empty());
        }
    }
}
