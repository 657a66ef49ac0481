//! Renders per second of typical templates: `cargo run --release -p loptr-template --example speed`.

use std::hint::black_box;
use std::time::Instant;

use loptr_model::Nanos;
use loptr_template::{Fields, Template};

/// An entry as a pipeline holds it: a short list of labels, searched from front to back.
struct Entry;

const LABELS: [(&str, &str); 8] = [
    ("app", "checkout"),
    ("cluster", "eu-west-1"),
    ("method", "GET"),
    ("path", "/api/v1/orders/81723"),
    ("status", "503"),
    ("took", "1.25s"),
    ("bytes", "15320"),
    ("msg", "upstream request timed out"),
];

impl Fields for Entry {
    fn get(&self, name: &str) -> Option<&[u8]> {
        LABELS.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_bytes())
    }
    fn each<'f>(&'f self, visit: &mut dyn FnMut(&'f str, &'f [u8])) {
        LABELS.iter().for_each(|(name, value)| visit(name, value.as_bytes()));
    }
    fn line(&self) -> &[u8] {
        b"level=error msg=\"upstream request timed out\""
    }
    fn timestamp(&self) -> Nanos {
        Nanos(1_700_000_000_123_456_789)
    }
    fn now(&self) -> Nanos {
        self.timestamp()
    }
}

#[expect(clippy::disallowed_methods, reason = "measures time")]
fn main() {
    for text in [
        "{{.status}} {{.path}}",
        "{{.method}} {{.path | ToUpper}}",
        "{{.app | ToUpper}}: {{.msg | trunc 10}} {{__timestamp__ | date \"2006-01-02 15:04:05\"}}",
        "{{if eq .status \"503\"}}{{.msg}} took {{duration .took}}s{{else}}ok{{end}}",
        "{{regexReplaceAll \"[0-9]+\" .path \"N\"}} {{div .bytes 1024}}KiB {{printf \"%-10s|\" .method}}",
        "{{range $name, $value := .}}{{$name}}={{$value}} {{end}}",
    ] {
        let template = Template::parse("line", text).expect("valid");
        let mut out = Vec::new();
        let rounds = 1_000_000;
        let start = Instant::now();
        for _ in 0..rounds {
            out.clear();
            black_box(&template).render(&Entry, &mut out).expect("renders");
            black_box(&out);
        }
        let nanos = start.elapsed().as_nanos() as f64 / f64::from(rounds);
        println!("{nanos:7.1} ns  {:5.2} M/s  {text}", 1e3 / nanos);
    }
}
