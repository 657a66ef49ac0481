use proptest::prelude::*;

use super::*;

fn text_of(label_text: &str) -> String {
    match parse_labels(label_text) {
        Ok(labels) => labels.to_string(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn label_text_is_read_as_upstream_reads_it() {
    for (text, expected) in [
        (r#"{b="2", a="1"}"#, r#"{a="1", b="2"}"#),
        (r#"{a="1",}"#, r#"{a="1"}"#),
        (r#"{ a = '1' , # first"#, "1:20: parse error: unexpected end of input inside braces"),
        ("{a='1' # c\n,b=`x\\y`}", r#"{a="1", b="x\\y"}"#),
        (r#"{a="1", b=""}"#, r#"{a="1"}"#),
        ("{}", "{}"),
        ("", "{}"),
        ("{", "1:2: parse error: unexpected end of input inside braces"),
        (r#"m{a="1"}"#, r#"{__name__="m", a="1"}"#),
        (r#"m:x{__name__="q"}"#, r#"{__name__="m:x"}"#),
        (r#"{"m", a="1"}"#, r#"{__name__="m", a="1"}"#),
        (r#"{"a b"="1"}"#, r#"{a b="1"}"#),
        (r#"{a="\x41\u00e9\101\n\""}"#, r#"{a="AéA\n\""}"#),
        (r#"{a="\xc3\xa9\xff"}"#, "{a=\"é\u{fffd}\"}"),
        (r#"{a="b",,}"#, "1:8: parse error: unexpected \",\" in label set, expected identifier or \"}\""),
        (r#"{a!="b"}"#, "1:3: parse error: unexpected <op:!=> in label set, expected \"=\""),
        ("\n{a=b}", "2:4: parse error: unexpected identifier \"b\" in label set, expected string"),
        (r#"{a="b" c}"#, "1:8: parse error: unexpected identifier \"c\" in label set, expected \",\" or \"}\""),
        (r#"{a="1"} by"#, "1:9: parse error: unexpected <by>"),
        ("(", "1:1: parse error: unexpected \"(\""),
    ] {
        assert_eq!(text_of(text), expected, "{text}");
    }
}

#[test]
fn repeated_names_are_told_apart_from_bad_syntax() {
    let twice = r#"{b="1", a="2", b="3"}"#;
    let error = parse_labels(twice).expect_err("b is there twice");
    assert_eq!(error.to_string(), "stream '{a=\"2\", b=\"1\", b=\"3\"}' has duplicate label name: 'b'");
    let pairs = parse_label_pairs(twice).expect("pairs may repeat");
    assert_eq!(pairs.iter().map(|(name, _)| name.as_ref()).collect::<Vec<_>>(), ["a", "b", "b"]);
    // An empty value is no label.
    assert_eq!(text_of(r#"{b="1", b=""}"#), r#"{b="1"}"#);
}

#[test]
fn very_long_text_is_refused() {
    let text = format!("{{a=\"{}\"}}", "x".repeat(crate::push::MAX_STREAM_LABELS_BYTES));
    assert_eq!(parse_labels(&text), Err(LabelsError::TooLong(16)));
}

proptest! {
    #[test]
    fn rendered_labels_read_back(pairs in prop::collection::btree_map("[a-zA-Z_][a-zA-Z0-9_]{0,6}", "[^\u{fffd}]{1,10}", 0..6)) {
        let labels = loptr_model::Labels::from_pairs(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        prop_assert_eq!(parse_labels(&labels.to_string()), Ok(labels));
    }

    #[test]
    fn the_quick_way_agrees_with_the_full_one(text in r#"\{([ab_1]{0,2}=?"?[xé\\\n]{0,2}"?[, ]{0,2}){0,3}\}?"#) {
        if let Some(quick) = usual(&text) {
            prop_assert_eq!(Ok(quick), parser::parse(&text));
        }
    }

    #[test]
    fn any_text_is_survived(text in ".{0,60}", odd in r#"[{}"'`=!~,#\\xuU0-9a-f \n:()\[\]é]{0,40}"#) {
        for text in [text, format!("{{{odd}"), odd] {
            if let Err(error) = parse_labels(&text) {
                prop_assert!(!error.to_string().is_empty());
            }
        }
    }
}
