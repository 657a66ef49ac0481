//! What must hold for any template and any labels. Run by the fuzz target and, over the packed corpus, by
//! `tests/corpus.rs`.

use std::time::Duration;

use loptr_corpus::Bounds;
use loptr_model::Nanos;
use loptr_template::{Fields, Template};

/// A million steps, and 16 MiB of output a few times over.
pub(crate) const BOUNDS: Bounds = Bounds { time: Duration::from_secs(5), bytes: 256 << 20, bytes_per_byte: 0 };

struct Entry<'d>(Vec<(&'static str, &'d [u8])>);

impl Fields for Entry<'_> {
    fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }
    fn each<'f>(&'f self, visit: &mut dyn FnMut(&'f str, &'f [u8])) {
        self.0.iter().for_each(|(name, value)| visit(name, value));
    }
    fn line(&self) -> &[u8] {
        self.get("a").unwrap_or_default()
    }
    fn timestamp(&self) -> Nanos {
        Nanos(1_700_000_000_123_456_789)
    }
    fn now(&self) -> Nanos {
        Nanos(1_700_000_001_000_000_000)
    }
}

/// Parse, render, and nothing worse than an error; the second time as the first. The input is the template, then label
/// values, with zero bytes between.
pub(crate) fn rendering(data: &[u8]) {
    let mut parts = data.split(|&byte| byte == 0);
    let Some(Ok(text)) = parts.next().map(std::str::from_utf8) else { return };
    let Ok(template) = Template::parse("line", text) else { return };
    let entry = Entry(["a", "b", "c", "d"].into_iter().zip(parts).collect());
    let mut out = b"before".to_vec();
    let rendered = template.render(&entry, &mut out);
    if rendered.is_err() {
        assert_eq!(out, b"before");
    }
    assert!(out.starts_with(b"before"));
    let mut again = b"before".to_vec();
    assert_eq!(template.render(&entry, &mut again), rendered);
    assert!(again == out, "the second time {:?}, the first {:?}", again.escape_ascii(), out.escape_ascii());
}
