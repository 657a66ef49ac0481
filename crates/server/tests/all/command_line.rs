//! Flags and files as operators know them: what is printed, what stops the start, and how the process exits.

use std::process::Command;

use crate::support::process::{Ended, Home, run};

fn loptr(args: &[&str]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loptr"));
    command.args(args);
    run(command)
}

#[test]
fn version_and_help() {
    for flag in ["-version", "--version"] {
        let ended = loptr(&[flag]);
        assert_eq!(ended.code, Some(0), "{flag}");
        assert!(ended.stdout.starts_with("loptr, version "), "{}", ended.stdout);
        assert!(ended.stdout.contains("3.7.6"), "the upstream version it speaks: {}", ended.stdout);
    }
    for flag in ["-help", "--help", "-h"] {
        let ended = loptr(&[flag]);
        assert_eq!(ended.code, Some(2), "{flag}");
        let text = ended.stdout + &ended.stderr;
        assert!(text.contains("  -config.file string") && text.contains("  -target"), "{text}");
    }
}

#[test]
fn an_unknown_flag_exits_with_2() {
    let ended = loptr(&["-no-such-flag"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.starts_with("flag provided but not defined: -no-such-flag\n"), "{}", ended.stderr);
}

#[test]
fn a_good_configuration_is_verified() {
    let home = Home::new("");
    let ended = home.run(&["-verify-config"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("msg=\"config is valid\""), "{}", ended.stderr);
    assert!(!home.dir().join("chunks").exists(), "nothing was started");
}

#[test]
fn an_unknown_key_stops_the_start() {
    for args in [&[][..], &["-verify-config"]] {
        let home = Home::new("serverr:\n  http_listen_port: 1\n");
        let ended = home.run(args);
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        let line = std::fs::read_to_string(home.config()).expect("just written");
        let line = 1 + line.lines().position(|line| line == "serverr:").expect("just written");
        let expected = format!("line {line}: field serverr not found in type loki.ConfigWrapper");
        assert!(ended.stderr.starts_with("failed parsing config: "), "{}", ended.stderr);
        assert!(ended.stderr.contains(&expected), "{}", ended.stderr);
    }
}

#[test]
fn a_bad_value_stops_the_start() {
    let home = Home::new("shutdown_delay: soon\n");
    let ended = home.run(&[]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.starts_with("failed parsing config: "), "{}", ended.stderr);
    let missing = loptr(&["-config.file=/no/such/file.yaml"]);
    assert_eq!(missing.code, Some(1));
    assert!(missing.stderr.contains("/no/such/file.yaml"), "{}", missing.stderr);
}

#[test]
fn a_key_that_cannot_be_honoured_stops_the_start_with_its_line() {
    let home = Home::new("distributor:\n  kafka_writes_enabled: true\n");
    let text = std::fs::read_to_string(home.config()).expect("just written");
    let line = text.lines().count();
    let ended = home.run(&[]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let expected = format!("start refused: distributor.kafka_writes_enabled (line {line}): ");
    assert!(ended.stderr.contains(&expected), "{}", ended.stderr);
    // Verifying tells the same and is content: the file is good.
    let ended = home.run(&["-verify-config"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("start would be refused: distributor.kafka_writes_enabled"), "{}", ended.stderr);
}

#[test]
fn a_key_without_effect_is_named_in_a_warning() {
    let home = Home::new("frontend:\n  max_outstanding_per_tenant: 17\n");
    let loptr = home.start();
    let warned =
        |line: &String| line.contains("level=warn") && line.contains("frontend.max_outstanding_per_tenant = 17");
    assert!(loptr.log_lines().iter().any(warned), "{:?}", loptr.log_lines());
    let config = loptr.api().get("/config", &[]).expect(200).text();
    assert!(config.contains("max_outstanding_per_tenant: 17"), "{config}");
    assert!(loptr.stop().0.success());
}

#[test]
fn an_address_in_use_stops_the_start() {
    let first = Home::new("");
    let running = first.start();
    let port = running.api().address.port();
    let second = Home::edited("", &[("http_listen_port: 0", &format!("http_listen_port: {port}"))]);
    let ended = second.run(&[]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains(&format!("cannot listen on 127.0.0.1:{port}")), "{}", ended.stderr);
}

#[test]
fn health_asks_a_running_process() {
    let home = Home::new("");
    let running = home.start();
    let url = |path: &str| format!("-health.url=http://{}{path}", running.api().address);
    let healthy = loptr(&["-health", &url("/ready")]);
    assert_eq!((healthy.code, healthy.stdout.trim_end()), (Some(0), "Loptr is healthy"), "{}", healthy.stderr);
    let sick = loptr(&["-health", &url("/nothing")]);
    assert_eq!(sick.code, Some(1));
}
