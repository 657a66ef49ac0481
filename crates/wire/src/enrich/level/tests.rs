use super::*;

fn detect(labels: &[(&str, &str)], metadata: &[(&str, &str)], line: &str) -> String {
    let detector = LevelDetector::default();
    let labels = Labels::from_pairs(labels.iter().copied());
    format!("{:?}", detector.detect(detector.of_stream(&labels), metadata, line.as_bytes()))
}

#[test]
fn sources_rank() {
    let line = "level=debug";
    assert_eq!(detect(&[("level", "WARN")], &[("detected_level", "ERR")], line), "Normalize(\"error\")");
    assert_eq!(detect(&[("level", "WARN")], &[("lvl", "ERR")], line), "Add(\"warn\")");
    assert_eq!(detect(&[("a", "b")], &[("lvl", "odd")], line), "Add(\"odd\")");
    assert_eq!(detect(&[("lvl", "x"), ("severity", "y")], &[], line), "Add(\"y\")");
    assert_eq!(detect(&[], &[("severity_number", "17")], line), "Add(\"error\")");
    assert_eq!(detect(&[], &[("level", ""), ("severity_number", "17")], line), "Nothing");
    assert_eq!(detect(&[], &[("a", "b")], line), "Add(\"debug\")");
    assert_eq!(detect(&[], &[], "nothing here"), "Add(\"unknown\")");
}

#[test]
fn severity_numbers() {
    for (number, level) in [
        ("0", "unknown"),
        ("-3", "trace"),
        ("1", "trace"),
        ("4", "trace"),
        ("5", "debug"),
        ("9", "info"),
        ("13", "warn"),
        ("17", "error"),
        ("24", "fatal"),
        ("25", "unknown"),
        ("x", "info"),
    ] {
        assert_eq!(of_severity_number(number), level, "{number}");
    }
}

#[test]
fn lines_tell() {
    let detector = LevelDetector::default();
    for (line, level) in [
        (r#"{"level":"error"}"#, "error"),
        (r#"{"level":"odd","msg":"an info"}"#, "info"),
        (r#" {"severity":"WRN"} "#, "warn"),
        (r#"{"a":"error"}"#, "error"),
        ("ts=1 level=warn msg=\"x error\"", "warn"),
        ("msg=\"x error\"", "error"),
        ("severity=error level", "error"),
        ("127.0.0.1 - - \"GET /?a=b HTTP/1.1\" 500", "unknown"),
        ("", "unknown"),
    ] {
        assert_eq!(detector.of_line(line.as_bytes()), level, "{line}");
    }
}

mod agreement {
    use proptest::prelude::*;

    use super::*;

    /// The keyword scan as one would write it first.
    fn slow_keyword(line: &str) -> &'static str {
        const WORDS: [(&str, &str); 9] = [
            ("trace", "trace"),
            ("debug", "debug"),
            ("fatal", "fatal"),
            ("critical", "critical"),
            ("error", "error"),
            ("err", "error"),
            ("warning", "warn"),
            ("warn", "warn"),
            ("info", "info"),
        ];
        let lower = line.to_ascii_lowercase();
        let left = |at: usize| at == 0 || b" \t\n[({\"=".contains(&lower.as_bytes()[at - 1]);
        let right = |at: usize| at == lower.len() || b" \t\n[](){}:,!\"=".contains(&lower.as_bytes()[at]);
        let hits = WORDS.iter().flat_map(|(word, level)| {
            let places = lower.match_indices(word).map(|(at, _)| at);
            places.filter(|at| left(*at) && right(at + word.len())).map(|at| (at, *level)).collect::<Vec<_>>()
        });
        hits.min().map_or("unknown", |(_, level)| level)
    }

    proptest! {
        #[test]
        fn words_are_found_as_the_slow_way_finds_them(line in "([ \t:;,.=\\[\\]!a-c]|trace|Debug|fatal|CRITICAL|error|err|warn|ing|info|x){0,8}") {
            let found = keywords::find(line.as_bytes()).unwrap_or("unknown");
            prop_assert_eq!(found, slow_keyword(&line));
        }

        #[test]
        fn the_quick_test_never_hides_a_field(line in "([ =\":,{}]|level|LVL|severity|severity_text|warn|error|a|v){0,10}") {
            let quick = LevelDetector::default();
            // A list without a shared letter has no quick test; the added name never occurs.
            let names: Vec<&str> = DEFAULT_LEVEL_FIELDS.iter().copied().chain(["bcd"]).collect();
            let plain = LevelDetector::new(&names, 2);
            prop_assert_eq!(quick.of_line(line.as_bytes()), plain.of_line(line.as_bytes()), "{}", line);
            let braced = format!("{{{line}}}");
            prop_assert_eq!(quick.of_line(braced.as_bytes()), plain.of_line(braced.as_bytes()), "{}", braced);
        }

        #[test]
        fn any_line_has_a_level(line in prop::collection::vec(any::<u8>(), 0..80)) {
            let known = ["trace", "debug", "info", "warn", "error", "critical", "fatal", "unknown"];
            prop_assert!(known.contains(&LevelDetector::new(&[] as &[&str], 0).of_line(&line)));
        }
    }
}
