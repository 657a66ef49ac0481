//! Whole templates.

use std::collections::BTreeMap;

use loptr_model::Nanos;

use crate::{Fields, Template};

/// An entry with these labels.
pub(crate) struct Entry(pub(crate) BTreeMap<&'static str, &'static str>);

impl Fields for Entry {
    fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.get(name).map(|value| value.as_bytes())
    }
    fn each<'f>(&'f self, visit: &mut dyn FnMut(&'f str, &'f [u8])) {
        self.0.iter().for_each(|(name, value)| visit(name, value.as_bytes()));
    }
    fn line(&self) -> &[u8] {
        b"the line"
    }
    fn timestamp(&self) -> Nanos {
        Nanos(1_700_000_000_123_000_000)
    }
    fn now(&self) -> Nanos {
        Nanos(1_700_000_100_000_000_000)
    }
}

fn entry() -> Entry {
    Entry(BTreeMap::from([("a", "1"), ("b", "two"), ("e", "é"), ("g", "abcdef"), ("j", r#"{"x":[1,2.5],"n":null}"#)]))
}

#[test]
fn bytes_that_are_not_utf8_stay_outside_actions() {
    let render = |text: &[u8]| {
        let mut out = Vec::new();
        Template::parse_bytes("line", text).expect("valid").render(&entry(), &mut out).map(|()| out)
    };
    assert_eq!(
        render(b"\xffx\xfe {{- .a -}} \xfd{{.b}}\xc3\xa9\xc3").as_deref(),
        Ok(&b"\xffx\xfe1\xfdtwo\xc3\xa9\xc3"[..])
    );
    assert_eq!(render(b"{{`a\xffb`}}{{\"a\xffb\"}}").as_deref(), Ok(&b"a\xffba\xef\xbf\xbdb"[..]));
    let fault = Template::parse_bytes("line", b"{{.a\xff}}").expect_err("no name");
    assert_eq!(fault, "template: line:1: bad character U+FFFD '\u{fffd}'");
}

fn render(text: &str) -> Result<String, String> {
    let mut out = b"kept ".to_vec();
    let result = Template::parse("line", text)?.render(&entry(), &mut out);
    let out = out.strip_prefix(b"kept ").expect("what was there stays");
    if result.is_err() {
        assert_eq!(out, b"", "nothing is added if there is an error");
    }
    result.map(|()| String::from_utf8_lossy(out).into_owned())
}

fn is(text: &str, want: &str) {
    assert_eq!(render(text).as_deref(), Ok(want), "{text}");
}

fn fails(text: &str, want: &str) {
    assert_eq!(render(text).unwrap_err(), want, "{text}");
}

#[test]
fn actions() {
    is("x", "x");
    is("{{.a}} {{ .b | ToUpper }} {{.nope}}.", "1 TWO .");
    is("a {{- .a -}} b", "a1b");
    is("{{.}}", r#"map[a:1 b:two e:é g:abcdef j:{"x":[1,2.5],"n":null}]"#);
    is("{{$x := .a}}{{$x}}{{$x = 2}}{{$x}}{{$.b}}", "12two");
    is("{{if eq .a \"1\"}}one{{else if .b}}b{{else}}none{{end}}", "one");
    is("{{with .nope}}{{.}}{{else}}else{{end}}", "else");
    is("{{range $k, $v := .}}{{if eq $k \"e\"}}{{break}}{{end}}{{$k}}={{$v}},{{end}}", "a=1,b=two,");
    is("{{range 3}}{{.}}{{end}}{{range .nope | len}}x{{else}}none{{end}}", "012none");
    is("{{define \"t\"}}<{{.}}>{{end}}{{template \"t\" .a}}{{block \"u\" .b}}[{{.}}]{{end}}", "<1>[two]");
    is("{{(fromJson .j).x}} {{(fromJson .j).n}} {{index (fromJson .j).x 1}}", "[1 2.5] <no value> 2.5");
    is("{{printf \"%-5s|%05d|%.2f\" .b 42 3.14159}}", "two  |00042|3.14");
    is("{{__line__}} {{__timestamp__}}", "the line 2023-11-14 22:13:20.123 +0000 UTC");
    is("{{__timestamp__.Format \"15:04\"}} {{(now.Sub __timestamp__).Seconds}}", "22:13 99.877");
}

#[test]
fn traps_of_the_specification() {
    is("{{trunc 2 .e}}{{trunc 0 .e}}", "é");
    is("{{trunc 1 .e}}", "\u{fffd}");
    fails(
        "{{substr 2 1 .g}}",
        "template: line:1:2: executing \"line\" at <substr 2 1 .g>: error calling substr: runtime error: slice bounds out \
         of range [2:1]",
    );
    is("{{b64dec \"!\"}}", "illegal base64 data at input byte 0");
    is("{{int \"010\"}}", "8");
    is("{{round -2.5 0}}", "-3");
    is("{{mulf 1000000 1}}", "1e+06");
    fails(
        "{{div 1 0}}",
        "template: line:1:2: executing \"line\" at <div 1 0>: error calling div: runtime error: integer divide by zero",
    );
}

#[test]
fn errors_in_the_text() {
    fails("{{ .foo ", "template: line:1: unclosed action");
    fails("{{foo .a}}", "template: line:1: function \"foo\" not defined");
    fails("a\n{{if .a}}", "template: line:2: unexpected EOF");
    fails("{{end}}", "template: line:1: unexpected {{end}}");
    fails("{{.a | 1}}", "template: line:1: non executable command in pipeline stage 2");
    fails("{{$x}}", "template: line:1: undefined variable \"$x\"");
    fails("{{1i}}", "template: line:1: complex numbers are not supported: \"1i\"");
}

#[test]
fn limits() {
    let deep = format!("{}1{}", "(".repeat(150), ")".repeat(150));
    is(&format!("{{{{{deep}}}}}"), "1");
    let deep = format!("{{{{{}1{}}}}}", "(".repeat(5000), ")".repeat(5000));
    fails(&deep, "template: line:1: max expression depth exceeded");
    let deep = format!("{}x{}", "{{if .a}}".repeat(150), "{{end}}".repeat(150));
    is(&deep, "x");
    assert!(render(&"{{if .a}}".repeat(5000)).unwrap_err().contains("blocks nest deeper than 200"));
    assert!(render(&format!("{{{{if .a}}}}{}{{{{end}}}}", "{{else if .b}}".repeat(5000))).is_err());
    let forever = render("{{define \"t\"}}{{template \"t\"}}{{end}}{{template \"t\"}}").unwrap_err();
    assert!(forever.ends_with("exceeded maximum depth (500)"), "{forever}");
    let long = render("{{range 1000000000}}{{range 1000000000}}{{end}}{{end}}").unwrap_err();
    assert!(long.ends_with("template takes more than 1000000 steps"), "{long}");
    let big = render("{{repeat 1000000000 .g}}").unwrap_err();
    assert!(big.ends_with("error calling repeat: output is longer than 16777216 bytes"), "{big}");
    let big = render("{{range 100}}{{repeat 1000000 $.a}}{{end}}").unwrap_err();
    assert!(big.ends_with("output is longer than 16777216 bytes"), "{big}");
    let wide = render("{{printf (repeat 10000 \"%1000000[1]d\") 1}}").unwrap_err();
    assert!(wide.ends_with("output is longer than 16777216 bytes"), "{wide}");
}

/// The deepest that limits allow fits into half of the stack a thread has, in a build without optimisation too.
#[test]
fn depth_fits_the_stack() {
    let run = || {
        let parens = |inner: &str, n: usize| format!("{}{inner}{}", "(print ".repeat(n), ")".repeat(n));
        let blocks = |inner: &str, n: usize| format!("{}{inner}{}", "{{with .}}".repeat(n), "{{end}}".repeat(n));
        let deepest = blocks(&format!("{{{{{}}}}}", parens("1", 200)), 199);
        is(&deepest, "1");
        let forever =
            format!("{{{{define \"t\"}}}}{}{{{{end}}}}{{{{template \"t\" .}}}}", blocks("{{template \"t\" .}}", 150));
        assert!(render(&forever).unwrap_err().ends_with("exceeded maximum depth (500)"));
        let fields = ".a".repeat(20_000);
        fails(
            &format!("{{{{{fields}}}}}"),
            &format!("template: line:1:4: executing \"line\" at <{fields}>: can't evaluate field a in type string"),
        );
        let json = format!("{}1{}", "[".repeat(500), "]".repeat(500));
        is(&format!("{{{{fromJson \"{json}\"}}}}"), &json);
    };
    let thread = std::thread::Builder::new().stack_size(1 << 20).spawn(run).expect("a thread");
    thread.join().expect("no panic");
}

#[test]
fn templates_are_shared_between_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    shared(
        &Template::parse("line", "{{regexReplaceAll \"a\" .a \"b\"}}{{toDateInZone \"06\" \"Asia/Tokyo\" .a}}")
            .unwrap(),
    );
}

#[test]
fn references() {
    let fields = |text: &str| Template::parse("line", text).unwrap().referenced_fields();
    assert_eq!(fields("{{.a}}{{.b | ToUpper}}{{.a}}"), ["a", "b"]);
    assert_eq!(fields("{{if .c}}{{.d.x}}{{else}}{{range .e}}{{(.f)}}{{end}}{{end}}"), ["c", "d", "x", "e", "f"]);
    assert!(fields("{{$.a}}{{index . \"b\"}}{{template \"t\" .c}}{{define \"t\"}}{{.d}}{{end}}{{.}}").is_empty());
    let single = |text: &str| Template::parse("line", text).unwrap().is_single_field().map(str::to_owned);
    assert_eq!(single("{{.msg}}").as_deref(), Some("msg"));
    assert_eq!(single("{{/* c */}}{{ $x := .msg }}").as_deref(), Some("msg"));
    assert_eq!(single("{{.msg}} "), None);
    assert_eq!(single("{{.a.b}}"), None);
}
