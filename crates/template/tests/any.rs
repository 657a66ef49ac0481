//! Any text is parsed or refused, any template renders or fails: no panic, no hang, nothing left in the output after an
//! error, and the same again the second time.

use loptr_model::Nanos;
use loptr_template::{Fields, Template};
use proptest::prelude::*;

#[derive(Debug, Clone)]
struct Entry {
    labels: Vec<(&'static str, Vec<u8>)>,
    time: i64,
}

impl Fields for Entry {
    fn get(&self, name: &str) -> Option<&[u8]> {
        self.labels.iter().find(|(known, _)| *known == name).map(|(_, value)| &**value)
    }
    fn each<'f>(&'f self, visit: &mut dyn FnMut(&'f str, &'f [u8])) {
        self.labels.iter().for_each(|(name, value)| visit(name, value));
    }
    fn line(&self) -> &[u8] {
        self.get("a").unwrap_or_default()
    }
    fn timestamp(&self) -> Nanos {
        Nanos(self.time)
    }
    fn now(&self) -> Nanos {
        Nanos(self.time)
    }
}

/// Values: any bytes, or something a function may read.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let known = [
        "12",
        "-1",
        "1.5",
        "9223372036854775807",
        "1e308",
        "0x1p-1074",
        "inf",
        "1h",
        "5kb",
        "2023-11-14",
        "19373",
        "a+%20",
        "YQ==",
        "{\"a\":[1,{\"b\":null}]}",
        "[[[]]]",
        "%5.3d%[2]*v",
        "(.)+",
        "Europe/Paris",
        "é日",
        "-9223372036854775808",
    ];
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..20),
        proptest::sample::select(known.to_vec()).prop_map(|text| text.as_bytes().to_vec()),
    ]
}

fn entry() -> impl Strategy<Value = Entry> {
    (value(), value(), value(), any::<i64>())
        .prop_map(|(a, b, c, time)| Entry { labels: vec![("a", a), ("b", b), ("c", c)], time })
}

/// Pieces of the language, so that some of what is put together is well formed.
fn piece() -> impl Strategy<Value = String> {
    let words = "{{ }} {{- -}} {{/* */}} ( ) | := = , . $ $x .a .b .c .a.b nil true 1 -1 1.5 'a' \"a\" `b` 99999999999 0x7f 1e308 \
        if else end range with define template block break continue \"t\" \
        and or not len index slice print printf println html js urlquery call eq ne lt le gt ge __line__ __timestamp__ ToUpper \
        title Replace replace Trim TrimLeft trimSuffix trim trunc substr contains indent repeat alignLeft alignRight \
        regexReplaceAll count urlencode urldecode b64enc b64dec bytes duration unixEpochNanos unixToTime toDate toDateInZone \
        date now int float64 add mul sub div mod max addf subf mulf divf maxf ceil floor round fromJson default .Year .Format \
        .Add .AddDate .Round .Truncate .Sub .Month .String \"%v%d%[1]s%*x\" \"2006-01-02 15:04:05.999 MST -07:00\" \"{\\\"a\\\":1}\"";
    proptest::sample::select(words.split_ascii_whitespace().map(str::to_owned).collect::<Vec<_>>())
}

/// One action, or a whole program, mostly malformed.
fn text() -> impl Strategy<Value = String> {
    let words = || proptest::collection::vec(piece(), 1..8).prop_map(|words| words.join(" "));
    let action = || words().prop_map(|words| format!("{{{{{words}}}}}"));
    let framed = (proptest::sample::select(vec!["if", "with", "range", "range $x :="]), words(), action())
        .prop_map(|(keyword, words, body)| format!("{{{{{keyword} {words}}}}}{body}{{{{else}}}}b{{{{end}}}}"));
    let program = proptest::collection::vec(piece(), 0..40).prop_map(|pieces| pieces.concat());
    prop_oneof![4 => action(), 2 => framed, 1 => program, 1 => "\\PC{0,40}"]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn any_template(text in text(), entry in entry()) {
        let Ok(template) = Template::parse("line", &text) else { return Ok(()) };
        let _ = (template.referenced_fields(), template.is_single_field());
        let mut out = b"before".to_vec();
        let first = template.render(&entry, &mut out);
        prop_assert!(out.starts_with(b"before"));
        if let Err(error) = &first {
            prop_assert_eq!(&*out, b"before");
            prop_assert!(error.starts_with("template: line"), "{}", error);
        }
        let mut again = b"before".to_vec();
        prop_assert_eq!(template.render(&entry, &mut again), first);
        prop_assert_eq!(again, out);
    }

    /// Every function with arguments of the right number and kind, and any content.
    #[test]
    fn any_arguments(entry in entry(), call in proptest::sample::select(CALLS.to_vec())) {
        let template = Template::parse("line", call).expect(call);
        let mut out = Vec::new();
        let _ = template.render(&entry, &mut out);
    }
}

/// Calls that take labels as they come.
const CALLS: &[&str] = &[
    "{{printf .a .b .c 1 2.5}}",
    "{{fromJson .a}}{{range fromJson .b}}{{.}}{{end}}{{len (fromJson .c)}}",
    "{{regexReplaceAll .a .b .c}}{{regexReplaceAllLiteral .a .b .c}}{{count .a .c}}",
    "{{toDate .a .b}}{{toDateInZone .a .b .c}}{{date .a (int .b)}}{{(toDateInZone .b .a .c).Format .a}}",
    "{{duration .a}}",
    "{{bytes .a}}",
    "{{unixToTime .a}}",
    "{{Replace .a .b .c (int .c)}}{{replace .a .b .c}}{{title .a}}{{upper .b}}{{lower .c}}",
    "{{Trim .a .b}}{{TrimLeft .b .c}}{{TrimRight .c .a}}{{trimSuffix .a .b}}{{TrimSpace .a}}",
    "{{trunc (int .a) .b}}{{substr (int .a) (int .b) .c}}",
    "{{alignLeft (int .a) .b}}{{alignRight (int .b) .c}}",
    "{{repeat (int .a) .b}}",
    "{{indent (int .a) .b}}",
    "{{urldecode .a}}",
    "{{b64dec .a}}{{b64enc .a}}{{urlencode .b}}{{html .a}}{{js .b}}{{urlquery .c}}",
    "{{add .a .b}}{{mul .a .b}}{{max .a .b}}{{round .a (int .b)}}{{ceil .a}}",
    "{{div .a .b}}{{mod .a .b}}",
    "{{divf .a .b}}",
    "{{addf .a .b}}{{subf .a .b}}{{mulf .a .b .c}}",
    "{{slice .a (int .b) (int .c)}}",
    "{{index .a (int .b)}}{{index . .b}}",
    "{{__timestamp__}}{{(__timestamp__.AddDate (int .a) (int .b) (int .c)).Format .a}}{{__timestamp__.GoString}}",
    "{{range int .a}}{{break}}{{end}}{{default .a .b}}{{eq .a .b}}{{lt .a .c}}",
];
