//! Runs every script of `testdata`.

#![allow(clippy::disallowed_methods, reason = "reads the scripts from disk")]

mod script;

use script::Script;

fn run(name: &str) {
    let path = format!("{}/testdata/{name}.test", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect("the script exists");
    let script = Script::parse(&text);
    assert!(!script.evals.is_empty(), "{path} asks nothing");
    script.run(name);
}

#[test]
fn filters() {
    run("filters");
}

#[test]
fn labels() {
    run("labels");
}

#[test]
fn logs() {
    run("logs");
}

#[test]
fn windows() {
    run("windows");
}

#[test]
fn parsers() {
    run("parsers");
}

#[test]
fn unwrap() {
    run("unwrap");
}

#[test]
fn vectors() {
    run("vectors");
}

#[test]
fn variants() {
    run("variants");
}

#[test]
fn binary() {
    run("binary");
}

#[test]
fn ties() {
    run("ties");
}

#[test]
fn traps() {
    run("traps");
}
