//! What the parser accepts and refuses; the recorded corpus in `tests/` has the breadth.

use super::*;

fn error(pattern: &str) -> String {
    parse(pattern, Flags::PERL).expect_err(pattern).to_string()
}

#[test]
fn errors_have_gos_words() {
    for (pattern, text) in [
        ("(", "missing closing ): `(`"),
        (")", "unexpected ): `)`"),
        ("a**", "invalid nested repetition operator: `**`"),
        ("a*?+", "invalid nested repetition operator: `*?+`"),
        ("*", "missing argument to repetition operator: `*`"),
        ("(|*)", "missing argument to repetition operator: `*`"),
        ("[b-a]", "invalid character class range: `b-a`"),
        ("[a", "missing closing ]: `[a`"),
        ("[[:foo:]]", "invalid character class range: `[:foo:]`"),
        (r"\p{Foo}", r"invalid character class range: `\p{Foo}`"),
        (r"\Z", r"invalid escape sequence: `\Z`"),
        (r"\C", r"invalid escape sequence: `\C`"),
        (r"\8", r"invalid escape sequence: `\8`"),
        (r"\x{110000}", r"invalid escape sequence: `\x{110000`"),
        ("\\", "trailing backslash at end of expression: ``"),
        ("a{1001}", "invalid repeat count: `{1001}`"),
        ("(a{100}){11}", "invalid repeat count: `{11}`"),
        ("a{2,1}", "invalid repeat count: `{2,1}`"),
        ("(?P<n", "invalid named capture: `(?P<n`"),
        ("(?P<n-x>a)", "invalid named capture: `(?P<n-x>`"),
        ("(?<>a)", "invalid named capture: `(?<>`"),
        ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
        ("(?i-)", "invalid or unsupported Perl syntax: `(?i-)`"),
        ("(?", "invalid or unsupported Perl syntax: `(?`"),
    ] {
        assert_eq!(error(pattern), format!("error parsing regexp: {text}"), "{pattern}");
    }
    let stray = parse_bytes(b"a\xFF", Flags::PERL).expect_err("a stray byte").to_string();
    assert_eq!(stray, "error parsing regexp: invalid UTF-8: `\u{FFFD}`");
}

#[test]
fn nesting_is_bounded() {
    let nested = |n: usize| format!("{}a{}", "(".repeat(n), ")".repeat(n));
    assert!(parse(&nested(999), Flags::PERL).is_ok());
    assert!(error(&nested(1000)).starts_with("error parsing regexp: expression nests too deeply: `((("));
    let long = "a".repeat(MAX + 1);
    assert_eq!(error(&long), format!("regular expression is {} bytes long; limit {MAX}", MAX + 1));
}

const MAX: usize = super::parser::MAX_PATTERN_BYTES;

/// The tree in short, in the manner of Go's own tests.
fn shape(pattern: &str) -> String {
    fn text(runes: &[u32]) -> String {
        runes.iter().filter_map(|&rune| char::from_u32(rune)).collect()
    }
    fn all(subs: &[Regexp]) -> String {
        subs.iter().map(dump).collect::<Vec<_>>().join(" ")
    }
    fn dump(node: &Regexp) -> String {
        match &node.kind {
            Kind::Literal(runes) if node.fold_case() => format!("fold({})", text(runes)),
            Kind::Literal(runes) => format!("lit({})", text(runes)),
            Kind::Class(set) => format!("class{:x?}", set.ranges()),
            Kind::Concat(subs) => format!("cat({})", all(subs)),
            Kind::Alternate(subs) => format!("alt({})", all(subs)),
            Kind::Star(sub) => format!("star({})", dump(sub)),
            Kind::Empty => "empty".to_owned(),
            Kind::AnyChar => "any".to_owned(),
            other => format!("{other:?}"),
        }
    }
    dump(&parse(pattern, Flags::PERL).expect(pattern))
}

#[test]
fn alternatives_are_factored() {
    assert_eq!(shape("a|b"), "class[(61, 62)]");
    assert_eq!(shape("foo|foobar"), "cat(lit(foo) alt(empty lit(bar)))");
    assert_eq!(shape("401|402"), "cat(lit(40) class[(31, 32)])");
    assert_eq!(shape("ABC|ABD|AEF|BCX|BCY"), "alt(cat(lit(A) alt(cat(lit(B) class[(43, 44)]) lit(EF))) cat(lit(BC) class[(58, 59)]))");
    assert_eq!(shape(r".|\n"), "any");
    assert_eq!(shape("(?i)[a]|k"), "class[(41, 41), (4b, 4b), (61, 61), (6b, 6b), (212a, 212a)]");
    assert_eq!(shape("(?i)[a]b"), "fold(AB)");
    // Upstream's parser takes the case flag of the first.
    assert_eq!(shape("A.|(?i:a)c"), "cat(lit(A) alt(AnyCharNotNl lit(c)))");
    // A star is not pulled out.
    assert_eq!(shape("a*b|a*c"), "alt(cat(star(lit(a)) lit(b)) cat(star(lit(a)) lit(c)))");
}

#[test]
fn literals_join() {
    let tree = parse("ab*c", Flags::PERL).expect("valid");
    let Kind::Concat(parts) = tree.kind else { panic!("{tree:?}") };
    assert_eq!(parts.len(), 3);
    assert_eq!(parse(r"a\Q.b\E", Flags::PERL).expect("valid").kind, Kind::Literal(vec![0x61, 0x2E, 0x62]));
}
