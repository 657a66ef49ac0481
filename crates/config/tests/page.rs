//! `docs/configuration.md` must be what the table says.
#![allow(clippy::disallowed_methods, reason = "tests read and write files of the repository")]

use loptr_config::reference_page;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");

#[test]
fn reference_page_is_in_step() {
    let page = std::fs::read_to_string(PATH).unwrap_or_default();
    let wanted = reference_page(&[]);
    let line = page.lines().zip(wanted.lines()).position(|(a, b)| a != b);
    assert!(
        page == wanted,
        "docs/configuration.md differs at line {line:?}: run `cargo test -p loptr-config --test page -- --ignored`"
    );
}

#[test]
#[ignore = "writes docs/configuration.md"]
fn write_reference_page() {
    std::fs::write(PATH, reference_page(&[])).unwrap();
}
