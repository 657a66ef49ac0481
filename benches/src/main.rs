//! `loptr-bench`: what a running server spends on pushing a day of logs and on questions about it, beside a second
//! server. It sees HTTP, `/proc/PID` and, when told where, the length of files. `loptr-bench help` says what it takes.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a black-box tool outside the server: it has no simulated clock, disk or network"
)]

mod crowd;
mod logs;
mod measure;
mod plot;
mod process;
mod push;
mod questions;
mod report;
mod suite;
mod suite_run;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use loptr_conformance::http::Client;
use serde_json::{Value, json};

use logs::Logs;
use measure::{Limits, Pushed, Server};
use process::Process;
use push::Batches;
use report::Row;

const HELP: &str = "\
loptr-bench run --url URL --pid PID      push a day of logs, flush, ask, print what it cost
    --vs-url URL --vs-pid PID            the same of a second server, and how they compare
    --mb N                               MiB of lines (256)
    --seed S                             of the generator (1)
    --end SECS                           end of the 24 hours, seconds since the epoch (an hour ago, whole 30 minutes);
                                         with --skip-push the end given when the data was pushed
    --skip-push                          the data is there already
    --doubled                            push everything a second time after the flush, cut into other chunks, as a
                                         second replica would have written it
    --data-dir DIR --vs-data-dir DIR     where the servers store, to count bytes
    --questions A,B | all                what to ask (absent-needle,count-by-app)
    --cpu SECS --runs N                  ask each question until so much CPU is spent (2) or so often (200)
    --patience SECS                      wait so long for a flush (120)
    --tenant NAME                        X-Scope-OrgID
    --save                               keep the raw figures below benches/results (--results DIR for another folder)
loptr-bench suite --run CMD --url URL --vs-run CMD --vs-url URL
                                         start both servers, push a day of logs, and ask every question of each, started
                                         anew for it: CPU, wall, memory, ratios and their geometric mean
    --clear DIR --vs-clear DIR           emptied before each later start: a log that would be replayed though flushed
    --at-once N                          ask so many at once, too (16; 0: not)
                                         the other options are those of run; --save keeps an SVG per question, too
loptr-bench generate --mb N --out FILE   write the logs as JSON lines (--seed, --end as above)
loptr-bench crowd --url URL --pid PID    tails, queries and slow readers at once, beside pushes; the server allows as many
    --lines N                            numbered lines for one tail across flushes (100000)
    --tails N --queries N --slow N       how many (1000, 200, 64)
    --secs N --rate N                    push so long, alone and beside them (30), so many lines a second (50)
    --limit N                            entries a slow reader asks for (5000)
loptr-bench questions                    print the questions
Exit code 1: the servers answered differently; 2: it could not be measured.
";

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let name = words.next().unwrap_or_else(|| "help".to_owned());
    match Options::read(words).and_then(|options| command(&name, &options)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            let _ = writeln!(io::stderr(), "loptr-bench: {error}");
            ExitCode::from(2)
        }
    }
}

const VALUED: [&str; 31] = [
    "run",
    "vs-run",
    "clear",
    "vs-clear",
    "at-once",
    "url",
    "pid",
    "vs-url",
    "vs-pid",
    "mb",
    "seed",
    "end",
    "data-dir",
    "vs-data-dir",
    "questions",
    "cpu",
    "runs",
    "patience",
    "tenant",
    "results",
    "out",
    "note",
    "lines",
    "tails",
    "queries",
    "slow",
    "secs",
    "rate",
    "limit",
    "name",
    "vs-name",
];
const SWITCHES: [&str; 4] = ["skip-push", "doubled", "save", "help"];

#[derive(Debug, Default)]
struct Options(BTreeMap<String, String>);

impl Options {
    fn read(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = BTreeMap::new();
        while let Some(word) = words.next() {
            let name = word.strip_prefix("--").ok_or_else(|| format!("{word:?} is no option"))?;
            let value = if VALUED.contains(&name) {
                words.next().ok_or_else(|| format!("--{name} wants a value"))?
            } else if SWITCHES.contains(&name) {
                String::new()
            } else {
                return Err(format!("there is no option --{name}"));
            };
            options.insert(name.to_owned(), value);
        }
        Ok(Self(options))
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    fn number<T: std::str::FromStr>(&self, name: &str, default: T) -> Result<T, String> {
        self.text(name)
            .map_or(Ok(default), |text| text.parse().map_err(|_| format!("--{name} {text:?} is not a number")))
    }

    fn server(&self, name: &'static str, prefix: &str) -> Result<Option<Server>, String> {
        let Some(url) = self.text(&format!("{prefix}url")) else { return Ok(None) };
        let pid = format!("{prefix}pid");
        let pid = self.text(&pid).and_then(|text| text.parse().ok()).ok_or_else(|| format!("--{pid} is missing"))?;
        let client = Client::new(url, self.text("tenant")).map_err(|error| error.to_string())?;
        let folder = self.text(&format!("{prefix}data-dir")).map(PathBuf::from);
        Ok(Some(Server { name, client, process: Process(pid), folder }))
    }

    fn logs(&self) -> Result<Logs, String> {
        let mebibytes: u64 = self.number("mb", 256)?;
        Ok(Logs::new(self.number("seed", 1)?, mebibytes << 20, self.end_secs()?.saturating_mul(1_000_000_000)))
    }

    fn end_secs(&self) -> Result<i64, String> {
        let an_hour_ago = now_secs() - 3600;
        self.number("end", an_hour_ago - an_hour_ago % 1800)
    }
}

fn now_secs() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn command(name: &str, options: &Options) -> Result<bool, String> {
    match name {
        "run" => run(options),
        "suite" => suite_run::run(options),
        "generate" => generate(options).map(|()| true),
        "crowd" => crowded(options).map(|()| true),
        "questions" => {
            let list = questions::ALL
                .iter()
                .map(|question| format!("{:<18}{:?}  {}", question.name, question.kind, question.query));
            say(&list.collect::<Vec<_>>().join("\n"));
            Ok(true)
        }
        "help" | "--help" | "-h" => {
            say(HELP);
            Ok(true)
        }
        other => Err(format!("there is no command {other:?}; try help")),
    }
}

/// A closed pipe is no reason to fail.
fn say(text: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{text}");
    let _ = out.flush();
}

fn run(options: &Options) -> Result<bool, String> {
    let mut servers = vec![options.server("A", "")?.ok_or("--url is missing")?];
    servers.extend(options.server("B", "vs-")?);
    let names: Vec<&str> = servers.iter().map(|server| server.name).collect();
    let questions = questions::chosen(options.text("questions"))?;
    let end_secs = options.end_secs()?;
    let readable = |error: measure::MeasureError| error.to_string();
    for server in &servers {
        server.process.cpu_secs().map_err(|error| error.to_string())?;
        say(&format!("{}: {}, process {}", server.name, server.client.host(), server.process.0));
    }
    say(&format!("24 hours to {end_secs} (give this as --end with --skip-push)"));

    let mut passes = Vec::new();
    if !options.has("skip-push") {
        let mut all: Vec<&mut Server> = servers.iter_mut().collect();
        passes.push(push_all(&mut all, options, 1)?);
        if options.has("doubled") {
            passes.push(push_all(&mut all, options, 2)?);
        }
    }
    for (pass, pushed) in passes.iter().enumerate() {
        let title = if pass == 0 { "pushing" } else { "pushing the same again" };
        say(&format!("\n{title}{}", report::push_table(&names, pushed)));
    }

    let mut trace_id = String::new();
    logs::trace_id(&mut trace_id, options.number("seed", 1)?, 500);
    let limits = Limits { cpu_secs: options.number("cpu", 2.0)?, runs: options.number("runs", 200)? };
    let mut rows = Vec::new();
    for question in &questions {
        let mut asked = Vec::new();
        for server in &mut servers {
            asked.push(measure::ask(server, question, end_secs, &trace_id, limits).map_err(readable)?);
        }
        let difference = match asked.as_slice() {
            [a, b] => measure::differs(question, &a.answer, &b.answer),
            _ => None,
        };
        rows.push(Row { name: question.name, asked, difference });
    }
    say(&report::question_table(&names, &rows));
    if options.has("save") {
        let record = record(options, end_secs, &mut servers, &passes, &rows)?;
        let folder = options.text("results").unwrap_or("benches/results");
        say(&format!("kept in {}", save(Path::new(folder), &record)?.display()));
    }
    Ok(rows.iter().all(|row| row.difference.is_none()))
}

fn crowded(options: &Options) -> Result<(), String> {
    let url = options.text("url").ok_or("--url is missing")?;
    let pid = options.text("pid").and_then(|text| text.parse().ok()).ok_or("--pid is missing")?;
    let crowd = crowd::Crowd {
        lines: options.number("lines", 100_000)?,
        tails: options.number("tails", 1000)?,
        queries: options.number("queries", 200)?,
        slow: options.number("slow", 64)?,
        secs: options.number("secs", 30)?,
        rate: options.number("rate", 50)?,
        limit: options.number("limit", 5000)?,
    };
    say(&crowd::run(url, pid, crowd).map_err(|error| error.to_string())?);
    Ok(())
}

/// Part of a chunk's age, 37 minutes, after which the second pass flushes once, so that its chunks are cut elsewhere.
const SHIFT_NS: i64 = 37 * 60 * 1_000_000_000;

fn push_all(servers: &mut [&mut Server], options: &Options, pass: u64) -> Result<Vec<Pushed>, String> {
    let patience = Duration::from_secs(options.number("patience", 120)?);
    let start_ns = options.end_secs()?.saturating_mul(1_000_000_000) - logs::SPAN_NS;
    let flush_at_ns = (pass > 1).then_some(start_ns + SHIFT_NS);
    let batches = Batches::new(options.logs()?, pass);
    let pushed = measure::push(servers, batches, flush_at_ns, patience, &mut |text| say(&text));
    pushed.map_err(|error| error.to_string())
}

fn record(
    options: &Options,
    end_secs: i64,
    servers: &mut [Server],
    passes: &[Vec<Pushed>],
    rows: &[Row],
) -> Result<Value, String> {
    let servers: Vec<Value> = servers
        .iter_mut()
        .enumerate()
        .map(|(at, server)| {
            let pushes: Vec<Value> =
                passes.iter().filter_map(|pass| pass.get(at)).map(|pushed| pushed.to_json()).collect();
            let asked: BTreeMap<&str, Value> =
                rows.iter().filter_map(|row| Some((row.name, row.asked.get(at)?.to_json()))).collect();
            json!({"name": server.name, "build": server.build(), "pushes": pushes, "questions": asked})
        })
        .collect();
    let differences: BTreeMap<&str, &str> =
        rows.iter().filter_map(|row| Some((row.name, row.difference.as_deref()?))).collect();
    let mut record = circumstances(options, end_secs)?;
    record["servers"] = json!(servers);
    record["differences"] = json!(differences);
    Ok(record)
}

/// When, where and of what was measured.
fn circumstances(options: &Options, end_secs: i64) -> Result<Value, String> {
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':')).map(|(_, name)| name.trim());
    Ok(json!({
        "time_secs": now_secs(),
        "machine": {"cpu": model, "cpus": std::thread::available_parallelism().map_or(0, usize::from)},
        "options": {"mb": options.number("mb", 256)?, "seed": options.number("seed", 1)?, "end_secs": end_secs,
            "doubled": options.has("doubled"), "note": options.text("note")},
    }))
}

fn save(folder: &Path, record: &Value) -> Result<PathBuf, String> {
    let failed = |error: io::Error| format!("keep results in {}: {error}", folder.display());
    std::fs::create_dir_all(folder).map_err(failed)?;
    let now = logs::date_time(now_secs().saturating_mul(1_000_000_000));
    let name =
        format!("{}-{:02}-{:02}-{:02}{:02}{:02}.json", now.year, now.month, now.day, now.hour, now.minute, now.second);
    let path = folder.join(name);
    std::fs::write(&path, format!("{record:#}\n")).map_err(failed)?;
    Ok(path)
}

fn generate(options: &Options) -> Result<(), String> {
    let path = options.text("out").ok_or("--out is missing")?;
    let failed = |error: io::Error| format!("write {path}: {error}");
    let mut out = BufWriter::new(File::create(path).map_err(failed)?);
    let mut logs = options.logs()?;
    let labels: Vec<String> = logs.streams().iter().map(|stream| stream.labels.clone()).collect();
    while let Some(entry) = logs.next() {
        let metadata: BTreeMap<&str, &str> = entry.metadata().collect();
        let line = json!({"labels": labels[entry.stream], "time": entry.time_ns.to_string(), "line": entry.line, "metadata": metadata});
        writeln!(out, "{line}").map_err(failed)?;
    }
    out.flush().map_err(failed)?;
    say(&format!("{} entries, {} bytes of lines", logs.entries(), logs.written()));
    Ok(())
}
