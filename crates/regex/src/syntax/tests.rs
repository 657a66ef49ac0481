//! What the parser accepts and refuses; the recorded corpus in `tests/` has the breadth.

use super::*;

fn error(pattern: &str) -> String {
    parse(pattern, Flags::PERL, Dialect::Go).expect_err(pattern).to_string()
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
    let stray = parse_bytes(b"a\xFF", Flags::PERL, Dialect::Go).expect_err("a stray byte").to_string();
    assert_eq!(stray, "error parsing regexp: invalid UTF-8: `\u{FFFD}`");
}

#[test]
fn nesting_is_bounded() {
    let nested = |n: usize| format!("{}a{}", "(".repeat(n), ")".repeat(n));
    assert!(parse(&nested(999), Flags::PERL, Dialect::Go).is_ok());
    assert!(error(&nested(1000)).starts_with("error parsing regexp: expression nests too deeply: `((("));
    let long = "a".repeat(MAX + 1);
    assert_eq!(error(&long), format!("regular expression is {} bytes long; limit {MAX}", MAX + 1));
}

const MAX: usize = super::parser::MAX_PATTERN_BYTES;

/// The tree in short, in the manner of Go's own tests.
fn dump(node: &Regexp) -> String {
    fn text(runes: &[u32]) -> String {
        runes.iter().filter_map(|&rune| char::from_u32(rune)).collect()
    }
    fn all(subs: &[Regexp]) -> String {
        subs.iter().map(dump).collect::<Vec<_>>().join(" ")
    }
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

fn shape(pattern: &str) -> String {
    dump(&parse(pattern, Flags::PERL, Dialect::Go).expect(pattern))
}

#[test]
fn alternatives_are_factored() {
    assert_eq!(shape("a|b"), "class[(61, 62)]");
    assert_eq!(shape("foo|foobar"), "cat(lit(foo) alt(empty lit(bar)))");
    assert_eq!(shape("401|402"), "cat(lit(40) class[(31, 32)])");
    assert_eq!(
        shape("ABC|ABD|AEF|BCX|BCY"),
        "alt(cat(lit(A) alt(cat(lit(B) class[(43, 44)]) lit(EF))) cat(lit(BC) class[(58, 59)]))"
    );
    assert_eq!(shape(r".|\n"), "any");
    assert_eq!(shape("(?i)[a]|k"), "class[(41, 41), (4b, 4b), (61, 61), (6b, 6b), (212a, 212a)]");
    assert_eq!(shape("(?i)[a]b"), "fold(AB)");
    // The older parser takes the case flag of the first.
    let pattern = "A.x|(?i:a)c";
    assert_eq!(shape(pattern), "alt(cat(lit(A) AnyCharNotNl lit(x)) cat(fold(A) lit(c)))");
    let older = parse(pattern, Flags::PERL, Dialect::Older).expect(pattern);
    assert_eq!(dump(&older), "cat(lit(A) alt(cat(AnyCharNotNl lit(x)) lit(c)))");
    // A star is not pulled out.
    assert_eq!(shape("a*b|a*c"), "alt(cat(star(lit(a)) lit(b)) cat(star(lit(a)) lit(c)))");
}

#[test]
fn counts_are_written_out() {
    let simplified = |pattern: &str| dump(&parse(pattern, Flags::PERL, Dialect::Go).expect(pattern).simplify());
    for (pattern, plain) in [
        ("a{0}", ""),
        ("a{1}", "a"),
        ("a{0,}", "a*"),
        ("(?:a*)*", "a*"),
        ("(?:a{0,}){0,}", "a*"),
        ("(?:)*", ""),
        ("b(?:x{1}|y{0})", "b(?:x|(?:))"),
    ] {
        assert_eq!(simplified(pattern), shape(plain), "{pattern}");
    }
    assert_eq!(simplified("a{3}"), "cat(lit(a) lit(a) lit(a))");
    assert_eq!(simplified("a{9}"), "cat(lit(a) lit(a) lit(a) lit(a))");
    assert_eq!(simplified("(?:a{0}){9}"), "cat(empty empty empty empty)");
    assert_eq!(simplified("a{2,5}"), format!("cat(lit(a) lit(a) {})", simplified("a?")));
    assert_eq!(simplified("a{2,}"), format!("cat(lit(a) {})", simplified("a+")));
    // Bounded, whatever the pattern.
    let nested = format!("(?:(?:(?:(?:{}){{4}}){{4}}){{4}}){{4}}", "(?:ab*)".repeat(2_000));
    assert!(parse(&nested, Flags::PERL, Dialect::Go).expect("valid").simplify().nodes() < 200_000);
}

#[test]
fn literals_join() {
    let tree = parse("ab*c", Flags::PERL, Dialect::Go).expect("valid");
    let Kind::Concat(parts) = tree.kind else { panic!("{tree:?}") };
    assert_eq!(parts.len(), 3);
    assert_eq!(parse(r"a\Q.b\E", Flags::PERL, Dialect::Go).expect("valid").kind, Kind::Literal(vec![0x61, 0x2E, 0x62]));
}
