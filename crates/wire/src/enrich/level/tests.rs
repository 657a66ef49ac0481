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
