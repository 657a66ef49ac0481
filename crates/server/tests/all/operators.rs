//! Whole files as operators have them: they verify; what is not there yet stops the start by its name; a file whose
//! parts exist starts and serves. And files made to hurt.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use super::tls::{Authority, Client, write};
use crate::support::http::{JSON, push_body, request_bytes};
use crate::support::now;
use crate::support::process::{Ended, Home, Loptr, run};

const A: &str = include_str!("../../testdata/operators/a-loki-2.9.yaml");
const B: &str = include_str!("../../testdata/operators/b-distributed.yaml");
const C: &str = include_str!("../../testdata/operators/c-simple-scalable.yaml");
const C_OVERRIDES: &str = include_str!("../../testdata/operators/c-overrides.yaml");
const D: &str = include_str!("../../testdata/operators/d-one-node.yaml");

/// A folder with one file, and the binary told to use it.
struct Folder(tempfile::TempDir);

impl Folder {
    fn with(bytes: &[u8]) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder can be made");
        fs::write(dir.path().join("loki.yaml"), bytes).expect("the folder can be written");
        Self(dir)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_loptr"));
        command.arg("-config.file=loki.yaml").args(args).current_dir(self.0.path()).env("DIR", self.0.path());
        command
    }

    fn run(&self, args: &[&str]) -> Ended {
        run(self.command(args))
    }

    fn names(&self) -> Vec<String> {
        let names = fs::read_dir(self.0.path()).expect("it is there").map(|entry| entry.expect("readable").file_name());
        let mut names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

/// `text` verifies under `args` with these warnings; a start is refused for these keys and writes nothing.
#[track_caller]
fn comes_later(text: &str, args: &[&str], warnings: &[&str], refusals: &[&str]) {
    let folder = Folder::with(text.as_bytes());
    let verified = folder.run(&[args, &["-verify-config"]].concat());
    assert_eq!(verified.code, Some(0), "{args:?}: {}", verified.stderr);
    for warning in warnings {
        let told = |line: &str| line.contains("level=warn") && line.contains(warning);
        assert!(verified.stderr.lines().any(told), "{warning} in {}", verified.stderr);
    }
    for refusal in refusals {
        let wanted = format!("start would be refused: {refusal}");
        assert!(verified.stderr.contains(&wanted), "{wanted} in {}", verified.stderr);
    }
    let started = folder.run(args);
    assert_eq!(started.code, Some(1), "{args:?}: {}", started.stderr);
    for refusal in refusals {
        let wanted = format!("start refused: {refusal}");
        assert!(started.stderr.contains(&wanted), "{wanted} in {}", started.stderr);
    }
    assert_eq!(folder.names(), ["loki.yaml"], "nothing was written");
}

/// One binary of Loki 2.9, with an index before TSDB and retention: warned of, and served.
#[test]
fn a_loki_2_9_file() {
    let folder = Folder::with(b"");
    let mut text = A.replace("/loki/", &format!("{}/", folder.0.path().display()));
    for (from, to) in [
        ("http_listen_port: 3100", "http_listen_address: 127.0.0.1\n  http_listen_port: 0"),
        ("log_level: warn", "log_level: info"),
        ("compaction_interval: 10m", "compaction_interval: 500ms"),
    ] {
        assert!(text.contains(from), "{from}");
        text = text.replacen(from, to, 1);
    }
    fs::write(folder.0.path().join("loki.yaml"), text).expect("the folder can be written");
    let verified = folder.run(&["-verify-config"]);
    assert_eq!(verified.code, Some(0), "{}", verified.stderr);
    assert!(!verified.stderr.contains("would be refused"), "{}", verified.stderr);
    for warning in [
        "key ingester.max_transfer_retries belongs to an older version",
        "storage_config.boltdb_shipper.shared_store belongs to an older version",
        "key compactor.shared_store belongs to an older version; its value goes to compactor.delete_request_store",
        "key limits_config.enforce_metric_name belongs to an older version",
        "key chunk_store_config.max_look_back_period belongs to an older version; its value goes to limits_config.max_query_lookback",
        "table_manager.retention_period",
        "a boltdb-shipper index holds no structured metadata",
    ] {
        let told = |line: &str| line.contains("level=warn") && line.contains(warning);
        assert!(verified.stderr.lines().any(told), "{warning} in {}", verified.stderr);
    }
    let start = || Loptr::start(folder.command(&["-ingester.wal-disk-full-threshold=0"]));
    let loptr = start();
    let count = |loptr: &Loptr| {
        let answer = loptr.api().get("/loki/api/v1/query", &[("query", "sum(count_over_time({app=\"a\"}[1h]))")]);
        answer.expect(200).json()["data"]["result"][0]["value"][1].clone()
    };
    let values = (0..10).map(|at| json!([(now() + at).to_string(), format!("line {at}")])).collect();
    let body = push_body(&[(json!({"app": "a"}), values)]);
    loptr.api().send("POST", "/loki/api/v1/push", &[JSON], &body).expect("it answers").expect(204);
    assert_eq!(count(&loptr), "10");
    loptr.api().flush_all();
    assert!(loptr.stop().0.success());
    let loptr = start();
    // One database of the tenant is left of each table.
    let index = folder.0.path().join("chunks/index");
    let files = |dir: &Path| -> Vec<String> {
        let inside = fs::read_dir(dir).into_iter().flatten().map(|entry| entry.expect("readable").path());
        inside.map(|path| path.display().to_string()).collect()
    };
    let is_compacted = || {
        let tables: Vec<String> = files(&index).into_iter().filter(|table| table.contains("index_")).collect();
        !tables.is_empty()
            && tables.iter().all(|table| {
                let own = files(&Path::new(table).join("fake"));
                files(Path::new(table)).len() == 1 && own.len() == 1 && own[0].contains("/compactor-")
            })
    };
    let until = Instant::now() + Duration::from_secs(30);
    while !is_compacted() {
        assert!(Instant::now() < until, "not compacted after half a minute: {:?}", loptr.log_lines());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(count(&loptr), "10", "from the bucket");
    assert!(loptr.stop().0.success());
}

#[test]
fn a_distributed_file() {
    for target in ["distributor", "ingester", "querier", "query-frontend", "compactor"] {
        comes_later(
            B,
            &[&format!("-target={target}")],
            &[
                "key ingester.max_transfer_retries belongs to an older version",
                "fifocache.max_size_bytes belongs to an older version",
                "key querier.engine.timeout belongs to an older version; its value goes to limits_config.query_timeout",
                "frontend_worker.frontend_address",
            ],
            &["target", "frontend.downstream_url"],
        );
    }
    // As one process it is one replica too few.
    let replicas = Folder::with(B.as_bytes()).run(&["-verify-config"]);
    assert!(replicas.stderr.contains("ingester.lifecycler.ring.replication_factor: 3 copies"), "{}", replicas.stderr);
}

#[test]
fn a_simple_scalable_file() {
    for target in ["read", "write", "backend"] {
        comes_later(
            C,
            &[&format!("-target={target}"), "-config.expand-env=true"],
            &["query_range.results_cache.cache.embedded_cache.ttl", "ruler.alertmanager_url"],
            &["target", "memberlist.join_members", "common.ring.kvstore.store", "ruler.remote_write.enabled"],
        );
    }
}

/// The tenants of that file have their limits in a process that exists.
#[test]
fn overrides_of_a_simple_scalable_file() {
    let home = Home::edited("", &[("auth_enabled: false", "auth_enabled: true")]);
    let file = home.dir().join("overrides.yaml");
    fs::write(&file, C_OVERRIDES).expect("the folder can be written");
    let text = fs::read_to_string(home.config()).expect("just written");
    home.configure(&format!("{text}runtime_config: {{file: {}}}\n", file.display()));
    let loptr = home.start();
    let shown = loptr.api().get("/runtime_config", &[]).expect(200).text();
    for wanted in [
        "ingestion_rate_mb: 20",
        "ingestion_burst_size_mb: 40",
        "max_global_streams_per_user: 15000",
        "retention_period: 30d",
    ] {
        assert!(shown.contains(wanted), "{wanted} in {shown}");
    }
    let audit = loptr.api().of("audit").get("/config/tenant/v1/limits", &[]).expect(200).text();
    assert!(audit.contains("\nretention_period: 1y\n"), "{audit}");
}

#[test]
fn files_of_upstreams_helm_chart() {
    const SCALABLE: &str = include_str!("../../../config/testdata/helm-simple-scalable.yaml");
    const SINGLE: &str = include_str!("../../../config/testdata/helm-single-binary.yaml");
    const DISTRIBUTED: &str = include_str!("../../../config/testdata/helm-distributed.yaml");
    let read = [
        "-target=read",
        "-legacy-read-mode=false",
        "-common.compactor-grpc-address=loki-backend.default.svc.cluster.local:9095",
    ];
    let mut lines: Vec<(&str, Vec<String>)> = vec![
        (SCALABLE, vec!["-target=write".to_owned()]),
        (SCALABLE, read.map(str::to_owned).to_vec()),
        (SCALABLE, vec!["-target=backend".to_owned(), "-legacy-read-mode=false".to_owned()]),
        (SINGLE, vec!["-target=all".to_owned()]),
    ];
    let targets = "distributor ingester querier query-frontend query-scheduler index-gateway compactor ruler";
    lines.extend(targets.split(' ').map(|target| (DISTRIBUTED, vec![format!("-target={target}")])));
    for (text, args) in lines {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        comes_later(text, &args, &[], &["memberlist.join_members"]);
    }
}

/// Most memory the process has held, in bytes.
fn peak_bytes(loptr: &Loptr) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", loptr.pid().as_raw_nonzero())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux tells it");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

#[test]
fn one_node_with_little_memory() {
    let folder = Folder::with(D.as_bytes());
    let (authority, stranger) = (Authority::new("ours"), Authority::new("theirs"));
    let tls = folder.0.path().join("tls");
    fs::create_dir(&tls).expect("the folder can be written");
    write(&tls, &authority.sign("server"));
    fs::write(tls.join("ca.crt"), &authority.pem).expect("the folder can be written");
    let args = ["-config.expand-env=true", "-ingester.wal-disk-full-threshold=0"];
    let verified = folder.run(&[&args[..], &["-verify-config"]].concat());
    assert_eq!(verified.code, Some(0), "{}", verified.stderr);
    assert!(!verified.stderr.contains("would be refused"), "{}", verified.stderr);

    let mut command = folder.command(&args);
    command.env("PORT", "0");
    let loptr = Loptr::start(command);
    let (ours, theirs) = (authority.sign("promtail"), stranger.sign("promtail"));
    Client::new(&authority, Some(&theirs)).is_kept_out(&loptr);
    Client::new(&authority, None).is_kept_out(&loptr);
    let client = Client::new(&authority, Some(&ours));
    let line = "x".repeat(1000);
    for batch in 0..32 {
        let streams: Vec<_> = (0..10)
            .map(|stream| {
                let values = (0..200).map(|at| json!([(now() + at).to_string(), format!("{batch} {line}")])).collect();
                (json!({"app": format!("a{stream}")}), values)
            })
            .collect();
        let body = push_body(&streams);
        let told = client.send(&loptr, &request_bytes("POST", "/loki/api/v1/push", &[JSON], &body));
        assert_eq!(told.expect("it answers").reply.status, 204);
    }
    let long = |bytes: usize| {
        let body = push_body(&[(json!({"app": "long"}), vec![json!([now().to_string(), "y".repeat(bytes)])])]);
        let told = client.send(&loptr, &request_bytes("POST", "/loki/api/v1/push", &[JSON], &body));
        told.expect("it answers").reply.status
    };
    assert_eq!((long(256 << 10), long((256 << 10) + 1)), (204, 400), "max_line_size is 256 KiB");
    let count = "/loki/api/v1/query?query=sum(count_over_time(%7Bapp%3D~%22a.*%22%7D%5B5m%5D))";
    let answer = client.get(&loptr, count).expect("it answers").reply.json();
    assert_eq!(answer["data"]["result"][0]["value"][1], "64000", "{answer}");
    let peak = peak_bytes(&loptr);
    println!("64 MB pushed and counted: at most {} MiB held", peak >> 20);
    assert!(peak < 512 << 20, "{peak}");
    assert!(loptr.stop().0.success());
}

#[test]
fn hostile_files() {
    let bomb = |key: &str| {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..9 {
            let below = vec![format!("*a{}", level - 1); 10].join(", ");
            text += &format!("a{level}: &a{level} [{below}]\n");
        }
        text + &format!("{key}: *a8\n")
    };
    let nines = "9".repeat(100_000);
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("cycle", b"server: &s {<<: *s}\n".to_vec(), "anchored value contains itself"),
        (
            "cycle in free text",
            b"ruler: {remote_write: {clients: {c: {oauth2: {claims: &m {a: *m}}}}}}\n".to_vec(),
            "anchored value contains itself",
        ),
        ("alias bomb", bomb("tenant_limits_allow_publish").into_bytes(), "field a0 not found"),
        (
            "merge bomb",
            format!("server: &s {{http_listen_port: 1}}\ninternal_server: {{{}}}\n", "<<: *s, ".repeat(150_000))
                .into_bytes(),
            "document contains excessive aliasing",
        ),
        ("wrong type", b"server: {http_listen_port: [1]}\n".to_vec(), "cannot unmarshal !!seq into int"),
        ("wrong block", b"limits_config: 5\n".to_vec(), "cannot unmarshal !!int `5` into validation.plain"),
        ("huge number", format!("server: {{http_listen_port: {nines}}}\n").into_bytes(), "cannot unmarshal !!float"),
        ("huge duration", format!("shutdown_delay: {nines}h\n").into_bytes(), "into time.Duration"),
        ("huge size", b"limits_config: {max_line_size: 99999999999999999999GB}\n".to_vec(), "value out of range"),
        ("deep", ("a: ".to_owned() + &"[".repeat(100_000)).into_bytes(), "yaml: line 1"),
        ("no text", vec![0xff, 0xfe, 0, 1], "invalid UTF-8"),
        ("too large", vec![b'#'; 17 << 20], "document has 17825792 bytes; limit 16777216"),
        ("one key twice", b"server: {}\nserver: {}\n".to_vec(), "line 2: field server already set"),
    ];
    for (what, bytes, wanted) in &cases {
        let folder = Folder::with(bytes);
        for args in [&[][..], &["-verify-config"]] {
            let begun = Instant::now();
            let ended = folder.run(args);
            assert_eq!(ended.code, Some(1), "{what}: {}", ended.stderr);
            assert!(ended.stderr.starts_with("failed parsing config: loki.yaml: "), "{what}: {}", ended.stderr);
            assert!(ended.stderr.contains(wanted) && ended.stderr.len() < 20_000, "{what}: {}", ended.stderr);
            assert!(begun.elapsed() < Duration::from_secs(10), "{what}: {:?}", begun.elapsed());
        }
        assert_eq!(folder.names(), ["loki.yaml"], "{what}: nothing was written");
    }
    // No file, and one that cannot be read: also root cannot read a folder.
    let folder = Folder::with(b"");
    let missing = folder.run(&["-config.file=gone.yaml"]);
    assert_eq!(missing.code, Some(1));
    assert!(missing.stderr.contains("gone.yaml does not exist, set config.file"), "{}", missing.stderr);
    let unreadable = folder.run(&["-config.file=."]);
    assert_eq!(unreadable.code, Some(1));
    assert!(unreadable.stderr.starts_with("failed parsing config: read .: "), "{}", unreadable.stderr);
    let empty = folder.run(&[]);
    assert_eq!(empty.code, Some(1), "a file without a schema: {}", empty.stderr);
    assert!(empty.stderr.contains("must specify at least one schema configuration"), "{}", empty.stderr);
    assert_eq!(folder.names(), ["loki.yaml"]);
}

/// Upstream does not start with an active period that holds no structured metadata; here it is off for its days.
#[test]
fn a_period_without_structured_metadata() {
    let home = Home::edited("", &[("schema: v13", "schema: v12")]);
    let loptr = home.start();
    let warned = |line: &String| {
        line.contains("level=warn") && line.contains("schema v12 holds no structured metadata: limits_config.allow")
    };
    assert!(loptr.log_lines().iter().any(warned), "{:?}", loptr.log_lines());
    let push = |value| loptr.api().push(&[(json!({"app": "a"}), vec![value])]).expect("it answers");
    let refused = push(json!([now().to_string(), "with", {"trace": "1"}]));
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(refused.text().contains("includes structured metadata, but this feature is disallowed"), "{refused:?}");
    push(json!([now().to_string(), "level=error without"])).expect(204);
    let range = [("query", "{app=\"a\"}")];
    let found = loptr.api().get("/loki/api/v1/query_range", &range).expect(200).json();
    assert_eq!(found["data"]["result"][0]["stream"], json!({"app": "a", "service_name": "a"}), "no level is added");
    assert!(loptr.stop().0.success());
}

/// A period changed in place would leave what was written out of every answer.
#[test]
fn a_schema_that_no_longer_reaches_the_bucket() {
    let home = Home::new("");
    let loptr = home.start();
    let value = json!([now().to_string(), "kept"]);
    loptr.api().push(&[(json!({"app": "a"}), vec![value])]).expect("it answers").expect(204);
    loptr.api().flush();
    assert!(loptr.stop().0.success());
    let text = fs::read_to_string(home.config()).expect("just written");
    assert!(fs::read_dir(home.dir().join("chunks/index")).expect("an index was shipped").next().is_some());

    home.configure(&text.replace("prefix: index_", "prefix: other_"));
    let refused = home.run(&[]);
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    let wanted = "schema_config does not reach index tables of the bucket: index/index_";
    assert!(refused.stderr.contains(wanted), "{}", refused.stderr);
    let warned = home.command();
    let loptr = Loptr::start(with(warned, "-loptr.lost-index-tables=warn"));
    let told = |line: &String| line.contains("an index table is out of reach") && line.contains("table=index/index_");
    assert!(loptr.log_lines().iter().any(told), "{:?}", loptr.log_lines());
    assert!(loptr.stop().0.success());

    // A period of its own for the change is fine.
    let day = "    - from: 2199-01-01\n      store: tsdb\n      object_store: filesystem\n      schema: v13\n      index: {prefix: other_, period: 24h}\n";
    home.configure(&format!("{text}{day}"));
    let loptr = home.start();
    let range = [("query", "{app=\"a\"}")];
    let found = loptr.api().get("/loki/api/v1/query_range", &range).expect(200).json();
    assert_eq!(found["data"]["result"][0]["values"][0][1], "kept");
    assert!(loptr.stop().0.success());
}

fn with(mut command: Command, arg: &str) -> Command {
    command.arg(arg);
    command
}

#[test]
fn targets_are_listed() {
    let home = Home::new("");
    let ended = home.run(&["-list-targets"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stdout.starts_with("all\n  compactor\n"), "{}", ended.stdout);
    assert!(ended.stdout.contains("\nread\n  querier\n  query-frontend\n  query-scheduler\n"), "{}", ended.stdout);
    assert!(!Path::new(&home.dir().join("chunks")).exists(), "nothing was started");
    let bad = Home::new("serverr: 1\n").run(&["-list-targets"]);
    assert_eq!(bad.code, Some(1), "it needs a valid configuration");
}

#[test]
fn ranges_of_metric_queries_are_aligned_where_the_file_says_so() {
    let times = |query_range: &str| {
        let home = Home::new(&format!("limits_config: {{split_queries_by_interval: 0}}\n{query_range}"));
        let loptr = home.start();
        let params = [("query", "vector(1)"), ("start", "1700000030"), ("end", "1700000200"), ("step", "60")];
        let answer = loptr.api().get("/loki/api/v1/query_range", &params).expect(200).json();
        let values = answer["data"]["result"][0]["values"].as_array().expect("a series").clone();
        values.iter().map(|value| value[0].as_i64().expect("seconds")).collect::<Vec<_>>()
    };
    assert_eq!(times(""), [1_700_000_030, 1_700_000_090, 1_700_000_150]);
    let aligned = times("query_range: {align_queries_with_step: true}\n");
    assert_eq!(aligned, [1_699_999_980, 1_700_000_040, 1_700_000_100, 1_700_000_160]);
}
