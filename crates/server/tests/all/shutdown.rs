//! Stopping: what requests ask for, what signals do, what is kept.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::doomed::{Accidents, Lie};
use crate::killed::LIMITS;
use crate::simulated::{Run, send};
use crate::support::http::{Api, JSON, Reply, push_body};
use crate::support::lines::{Direction, LogQuery, ask};
use crate::support::now;
use crate::support::process::Home;

fn call(api: &Api, method: &str, path: &str) -> Reply {
    api.send(method, path, &[], &[]).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
}

fn push(api: &Api, line: &str) -> Reply {
    let body = push_body(&[(json!({"job": "stopped"}), vec![json!([now().to_string(), line])])]);
    api.send("POST", "/loki/api/v1/push", &[JSON], &body).expect("it answers")
}

fn lines(api: &Api) -> Vec<String> {
    let hour = 3_600_000_000_000;
    let (start, end) = (now() - hour, now() + hour);
    let query = LogQuery { query: "{job=\"stopped\"}", start, end, direction: Direction::Forward, limit: 1000 };
    ask(api, query).into_iter().flat_map(|(_, lines)| lines).map(|line| line.line).collect()
}

fn in_memory(api: &Api) -> f64 {
    api.metric("loki_ingester_memory_chunks")
}

#[test]
fn a_marker_makes_the_stop_flush_everything_also_after_a_kill() {
    let home = Home::new(LIMITS);
    let loptr = home.start();
    push(loptr.api(), "one").expect(204);
    let path = "/ingester/prepare_shutdown";
    let text = |api: &Api| {
        let reply = call(api, "GET", path).expect(200);
        assert_eq!(reply.header("content-type"), Some("text/plain"));
        reply.text()
    };
    assert_eq!(text(loptr.api()), "unset");
    call(loptr.api(), "POST", path).expect(204);
    assert_eq!(text(loptr.api()), "set");
    call(loptr.api(), "DELETE", path).expect(204);
    assert_eq!(text(loptr.api()), "unset");
    call(loptr.api(), "POST", path).expect(204);
    call(loptr.api(), "PUT", path).expect(405);
    assert!(home.dir().join("shutdown-requested.txt").exists());
    loptr.kill();
    let loptr = home.start();
    assert_eq!(text(loptr.api()), "set");
    assert!(loptr.stop().0.success());
    assert!(!home.dir().join("shutdown-requested.txt").exists(), "what it asked for is done");
    let loptr = home.start();
    assert_eq!((lines(loptr.api()), in_memory(loptr.api())), (vec!["one".to_owned()], 0.0));
}

#[test]
fn without_a_folder_for_the_marker_there_is_none() {
    let mut run = Run::new(1, Lie::None);
    run.settings.shutdown_marker_dir = None;
    let lived = run.on_a_runtime(Accidents::default(), async |run, process, _| {
        for method in ["GET", "POST", "DELETE"] {
            let reply = send(&run.world, method, "/ingester/prepare_shutdown", &[], b"").await;
            assert_eq!(reply.expect("it answers").expect(500).text(), "");
        }
        process.stop().await;
        Ok(())
    });
    lived.unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn the_write_path_is_shut_down_by_request_and_queries_go_on() {
    let home = Home::new(LIMITS);
    let loptr = home.start();
    push(loptr.api(), "one").expect(204);
    call(loptr.api(), "GET", "/ingester/prepare_partition_downscale").expect(405);
    assert!(call(loptr.api(), "GET", "/services").expect(200).text().contains("ingester => Running\n"));
    call(loptr.api(), "POST", "/ingester/shutdown?terminate=false").expect(204);
    let services = call(loptr.api(), "GET", "/services").expect(200).text();
    assert!(services.contains("ingester => Terminated\n") && services.contains("querier => Running\n"), "{services}");
    let again = call(loptr.api(), "POST", "/ingester/shutdown").expect(503);
    assert_eq!(again.text(), "Ingester is stopping or already stopped.");
    call(loptr.api(), "GET", "/ingester/prepare_partition_downscale").expect(503);
    assert_eq!(push(loptr.api(), "two").expect(503).text(), "Ingester is shutting down\n");
    call(loptr.api(), "GET", "/ready").expect(503);
    assert_eq!((lines(loptr.api()), in_memory(loptr.api())), (vec!["one".to_owned()], 0.0));
    assert!(loptr.stop().0.success());
}

#[test]
fn the_process_ends_by_request_with_or_without_a_flush() {
    for flush in [false, true] {
        let home = Home::new(LIMITS);
        let mut loptr = home.start();
        push(loptr.api(), "one").expect(204);
        call(loptr.api(), "GET", &format!("/ingester/shutdown?flush={flush}")).expect(204);
        assert!(loptr.wait().0.success());
        let loptr = home.start();
        assert_eq!(lines(loptr.api()), ["one"]);
        assert_eq!(in_memory(loptr.api()) == 0.0, flush);
    }
}

#[test]
fn a_second_signal_ends_a_long_stop() {
    let home = Home::new(&format!("{LIMITS}shutdown_delay: 1h\n"));
    let mut loptr = home.start();
    push(loptr.api(), "one").expect(204);
    let begun = Instant::now();
    loptr.terminate();
    while call(loptr.api(), "GET", "/ready").status == 200 {
        assert!(begun.elapsed() < Duration::from_secs(20), "it is still ready");
        std::thread::sleep(Duration::from_millis(20));
    }
    loptr.terminate();
    let (status, log) = loptr.wait();
    assert_eq!(status.code(), Some(1), "{log:?}");
    assert_eq!(lines(home.start().api()), ["one"]);
}

#[test]
fn a_second_process_on_the_folder_is_refused_by_name() {
    let home = Home::new(LIMITS);
    let loptr = home.start();
    let ended = home.run(&[]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let folder = home.dir().join("wal/loptr");
    assert!(ended.stderr.contains(&format!("folder {} cannot be used: process ", folder.display())), "{ended:?}");
    loptr.kill();
    home.start();
}
