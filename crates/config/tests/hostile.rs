//! Files made to hurt: a clear error, no panic, little memory, little time.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

mod common;

use std::fmt::Write;

use common::{SCHEMA, load_bytes};
use proptest::prelude::*;

fn refused(bytes: &[u8]) -> String {
    match load_bytes(bytes, &["-config.expand-env"]) {
        Ok(_) => panic!("loads"),
        Err(error) => error.to_string(),
    }
}

/// Nine levels of ten aliases each: a billion strings.
fn alias_bomb() -> String {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..9 {
        let below = level - 1;
        writeln!(text, "a{level}: &a{level} [{}]", vec![format!("*a{below}"); 10].join(", ")).unwrap();
    }
    text + "tenant_limits_allow_publish: *a8\n"
}

/// The same below a map that takes anything, where every level is walked.
fn alias_bomb_of_anything() -> String {
    let mut text = String::from(
        "ruler: {remote_write: {clients: {c: {oauth2: {claims: {\n  a0: &a0 [x, x, x, x, x, x, x, x, x, x],\n",
    );
    for level in 1..9 {
        let below = level - 1;
        writeln!(text, "  a{level}: &a{level} [{}],", vec![format!("*a{below}"); 10].join(", ")).unwrap();
    }
    text + "}}}}}}\n"
}

/// Aliases inside aliases, one after the other: depth without width.
fn alias_chain() -> String {
    let mut text = String::from("ruler: {remote_write: {clients: {c: {oauth2: {claims: {\n  a0: &a0 [x],\n");
    for level in 1..5_000 {
        writeln!(text, "  a{level}: &a{level} [*a{}],", level - 1).unwrap();
    }
    text + "}}}}}}\n"
}

#[test]
fn shapes() {
    let merges = format!("server: &s {{http_listen_port: 1}}\ninternal_server: {{{}}}\n", "<<: *s, ".repeat(150_000));
    let clients = format!(
        "ruler: {{remote_write: {{clients: {{{}}}}}}}\n",
        (0..200_000).map(|n| format!("c{n}: {{}},")).collect::<String>()
    );
    let unknown: String = (0..50_000).map(|n| format!("unknown_key_number_{n}: 1\n")).collect();
    for (what, text, wanted) in [
        ("alias bomb", alias_bomb(), "field a0 not found in type loki.ConfigWrapper"),
        ("alias bomb of anything", alias_bomb_of_anything(), "document contains excessive aliasing"),
        ("alias chain", alias_chain(), "more than 50 aliases inside each other"),
        (
            "cycle",
            "server: &s\n  http_tls_config: *s\n".to_owned(),
            "field http_tls_config not found in type server.TLSConfig",
        ),
        (
            "cycle through anything",
            "ruler: {remote_write: {clients: {c: {oauth2: {claims: &m {a: *m}}}}}}\n".to_owned(),
            "anchored value contains itself",
        ),
        ("cycle through a merge", "server: &s {<<: *s}\n".to_owned(), "anchored value contains itself"),
        ("many merges", merges, "document contains excessive aliasing"),
        ("objects without end", clients, "lists and maps need more than 2000000 values"),
        ("deep flow", "a: ".to_owned() + &"[".repeat(100_000), "yaml: line 1"),
        ("deep block", (0..2_000).map(|n| " ".repeat(n) + "a:\n").collect(), "exceeded max depth of 200"),
        (
            "commas",
            "a: [".to_owned() + &",".repeat(4 << 20),
            "document has 4194305 brackets, braces and commas; limit 1000000",
        ),
        ("wide", format!("a: [{}]", "1,".repeat(600_000)), "document has more than 500000 values"),
        ("too large", "#".repeat(17 << 20), "document has 17825792 bytes; limit 16777216"),
        ("unknown keys", unknown, "and 49900 more"),
        (
            "huge number",
            format!("server: {{http_listen_port: {}}}\n", "9".repeat(100_000)),
            "cannot unmarshal !!float `9999999...` into int",
        ),
        ("huge duration", format!("ingester: {{chunk_idle_period: {}h}}\n", "9".repeat(100_000)), "into time.Duration"),
        ("huge size", format!("limits_config: {{max_line_size: {}GB}}\n", "9".repeat(100)), "value out of range"),
        (
            "duplicate keys",
            "server: {}\nserver: {}\n".to_owned(),
            "line 2: field server already set in type loki.ConfigWrapper",
        ),
        ("tabs", "server:\n\thttp_listen_port: 1\n".to_owned(), "line 2"),
        ("control character", "a: \u{1}\n".to_owned(), "line 1: control characters are not allowed"),
        ("list at top", "- a\n".to_owned(), "line 1: cannot unmarshal !!seq into loki.ConfigWrapper"),
        ("list as key", "? [a]\n: b\n".to_owned(), "line 1: cannot unmarshal !!seq into string"),
        ("unclosed", "server: {http_listen_port: 1\n".to_owned(), "yaml: line"),
        ("nested variables", "${A:-".repeat(100_000), "substitutions are nested too deeply"),
        ("unclosed variable", "a: ${A\n".to_owned(), "missing closing brace (line 1)"),
    ] {
        let error = refused(text.as_bytes());
        assert!(error.contains(wanted), "{what}: {}", error.chars().take(400).collect::<String>());
        assert!(error.len() < 20_000, "{what}: error of {} bytes", error.len());
    }
}

#[test]
fn bytes_that_are_no_text() {
    assert!(refused(b"a: \xff\xfe\n").contains("yaml: line 1: invalid UTF-8 at byte 3"));
    assert!(refused(b"\xff\xfea\0:\0").contains("invalid UTF-8 at byte 0"));
    assert!(refused(&[0; 64]).contains("control characters are not allowed"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_bytes_give_a_result(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = load_bytes(&bytes, &["-config.expand-env"]);
    }

    /// Text of YAML's own signs and known keys goes deeper than random bytes.
    #[test]
    fn any_tokens_give_a_result(tokens in proptest::collection::vec(prop_oneof![
        Just("\n"), Just("\n  "), Just("\n    "), Just(": "), Just("- "), Just("{"), Just("}"), Just("["), Just("]"), Just(", "), Just("&a "),
        Just("*a"), Just("<<: "), Just("server"), Just("limits_config"), Just("schema_config"), Just("configs"), Just("http_listen_port"),
        Just("max_line_size"), Just("retention_stream"), Just("period"), Just("1h"), Just("${X:-"), Just("\"x\""), Just("'"), Just("!!str "), Just("|"),
        Just("# "), Just("---\n"), Just("? "), Just("null"), Just("0x1f"), Just("from: 2024-01-01"), Just("external_labels"), Just("ruler"),
    ], 0..60)) {
        let text = tokens.concat();
        let _ = load_bytes(text.as_bytes(), &["-config.expand-env"]);
        let _ = load_bytes(format!("{SCHEMA}{text}").as_bytes(), &[]);
    }

    #[test]
    fn any_arguments_give_a_result(args in proptest::collection::vec("-{0,3}[a-z.=-]{0,20}", 0..5)) {
        let _ = loptr_config::parse_args(&args);
    }

    #[test]
    fn any_text_expands_or_not(text in "[$\\{\\}:/A-Z#%^,=?*\\[\\]\\\\ é-]{0,60}") {
        let env = |name: &str| name.len().is_multiple_of(2).then(|| "välue/x".to_owned());
        let _ = loptr_config::expand_env(&text, &env);
    }
}
