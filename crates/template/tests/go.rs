//! Replays templates that upstream's formatter answered, byte for byte, errors included.
//!
//! `testdata/go.gz` was written by a Go program that calls upstream's line formatter on templates by hand, on every
//! function with many arguments, on random programs, and on programs with random mistakes. All numbers are little endian:
//!
//! ```text
//! entries u8, each: line, time i64, labels u8, each: name, value
//! cases to the end, each: kind u8 (0 text, 1 error while rendering, 2 error while parsing), entry u8, template, answer
//! strings: length u32, bytes
//! ```

use std::collections::BTreeMap;
use std::io::Read;

use loptr_model::Nanos;
use loptr_template::{Fields, Template};

struct Reader<'d>(&'d [u8]);

impl<'d> Reader<'d> {
    fn take(&mut self, len: usize) -> &'d [u8] {
        let (head, tail) = self.0.split_at(len);
        self.0 = tail;
        head
    }
    fn byte(&mut self) -> u8 {
        self.take(1)[0]
    }
    fn bytes(&mut self) -> &'d [u8] {
        let len = u32::from_le_bytes(self.take(4).try_into().expect("four bytes"));
        self.take(len as usize)
    }
    fn text(&mut self) -> &'d str {
        std::str::from_utf8(self.bytes()).expect("UTF-8")
    }
}

struct Entry<'d> {
    line: &'d [u8],
    time: i64,
    labels: BTreeMap<&'d str, &'d [u8]>,
}

impl Fields for Entry<'_> {
    fn get(&self, name: &str) -> Option<&[u8]> {
        self.labels.get(name).copied()
    }
    fn each<'f>(&'f self, visit: &mut dyn FnMut(&'f str, &'f [u8])) {
        self.labels.iter().for_each(|(name, value)| visit(name, value));
    }
    fn line(&self) -> &[u8] {
        self.line
    }
    fn timestamp(&self) -> Nanos {
        Nanos(self.time)
    }
    fn now(&self) -> Nanos {
        Nanos(1_800_000_000_000_000_000)
    }
}

#[test]
fn upstream_answers() {
    let mut data = Vec::new();
    let packed = include_bytes!("../testdata/go.gz");
    flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut data).expect("gzip");
    let mut data = Reader(&data);
    let mut entries = Vec::new();
    for _ in 0..data.byte() {
        let line = data.bytes();
        let time = i64::from_le_bytes(data.take(8).try_into().expect("eight bytes"));
        let labels = (0..data.byte()).map(|_| (data.text(), data.bytes())).collect();
        entries.push(Entry { line, time, labels });
    }
    let (mut cases, mut complex, mut wrong) = (0, 0, 0);
    while !data.0.is_empty() {
        let (kind, entry) = (data.byte(), &entries[usize::from(data.byte())]);
        let (template, answer) = (data.bytes(), String::from_utf8_lossy(data.bytes()));
        // Templates are text here; the generator breaks some in the middle of a character.
        let Ok(template) = std::str::from_utf8(template) else { continue };
        cases += 1;
        let mut out = Vec::new();
        let (ours_kind, ours) = match Template::parse("line", template) {
            Err(error) => (2, error),
            // As upstream's stage does it, before it renders.
            Ok(parsed) => match parsed.is_single_field() {
                Some(name) => (0, String::from_utf8_lossy(entry.get(name).unwrap_or_default()).into_owned()),
                None => match parsed.render(entry, &mut out) {
                    Err(error) => (1, error),
                    Ok(()) => (0, String::from_utf8_lossy(&out).into_owned()),
                },
            },
        };
        if (ours_kind, &*ours) != (kind, &*answer) {
            // The only difference among these cases: see docs/decisions/template.md.
            if ours.contains("complex numbers are not supported") {
                complex += 1;
                continue;
            }
            wrong += 1;
            if wrong <= 60 {
                println!("template {template:?}\n  upstream {kind} {answer:?}\n  ours     {ours_kind} {ours:?}");
            }
        }
    }
    println!("{cases} cases, {complex} with complex numbers, {wrong} wrong");
    assert!(cases == 23_497 && complex == 6);
    assert_eq!(wrong, 0);
}
