//! Any template, any labels: parse, render, and nothing worse than an error.
//!
//! The input is the template, then label values, with zero bytes between.

#![no_main]

use libfuzzer_sys::fuzz_target;
use loptr_model::Nanos;
use loptr_template::{Fields, Template};

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

fuzz_target!(|data: &[u8]| {
    let mut parts = data.split(|&byte| byte == 0);
    let Some(Ok(text)) = parts.next().map(std::str::from_utf8) else { return };
    let Ok(template) = Template::parse("line", text) else { return };
    let entry = Entry(["a", "b", "c", "d"].into_iter().zip(parts).collect());
    let mut out = b"before".to_vec();
    if template.render(&entry, &mut out).is_err() {
        assert_eq!(out, b"before");
    }
    assert!(out.starts_with(b"before"));
});
