//! Pushes and asks, and counts what it costs the servers.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use loptr_conformance::compare;
use loptr_conformance::http::{Answer, Client, HttpError, Request};
use loptr_conformance::{language, replay};
use serde_json::{Value, json};

use crate::process::{self, Process, ProcessError, Stored};
use crate::push::{Batch, Batches, COLLECTORS};
use crate::questions::{self, Question};

/// Why a measurement ends early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MeasureError {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error(transparent)]
    Process(#[from] ProcessError),
    #[error("{host} answered {status} to {what}: {text}")]
    Refused { host: String, status: u16, what: String, text: String },
    #[error("data folder {}: {source}", folder.display())]
    Folder { folder: PathBuf, source: std::io::Error },
}

/// One server under test.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) client: Client,
    pub(crate) process: Process,
    /// Where it stores, when known.
    pub(crate) folder: Option<PathBuf>,
}

/// What pushing cost one server.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Pushed {
    /// Bytes of push bodies before compression.
    pub(crate) protobuf_bytes: u64,
    pub(crate) entries: u64,
    /// From the first push to a second after the last answer.
    pub(crate) push_cpu_secs: f64,
    /// Time spent waiting for answers.
    pub(crate) push_wall_secs: f64,
    /// From there until nothing was left in memory.
    pub(crate) flush_cpu_secs: f64,
    /// Most memory ever resident, read after the flush.
    pub(crate) peak_bytes: u64,
    /// What lay in the data folder after the flush.
    pub(crate) stored: Option<Stored>,
}

/// What one question cost one server.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Asked {
    /// CPU seconds of the first run, nothing warm.
    pub(crate) first_cpu_secs: f64,
    /// CPU seconds of all runs after it.
    pub(crate) cpu_secs: f64,
    /// Wall seconds of all runs after the first.
    pub(crate) wall_secs: f64,
    /// Runs after the first.
    pub(crate) runs: u32,
    /// The first run's answer.
    pub(crate) answer: Answer,
}

impl Asked {
    /// CPU seconds of one run, the first left out.
    pub(crate) fn cpu_secs_per_run(&self) -> f64 {
        self.cpu_secs / f64::from(self.runs.max(1))
    }

    pub(crate) fn wall_secs_per_run(&self) -> f64 {
        self.wall_secs / f64::from(self.runs.max(1))
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "first_cpu_secs": self.first_cpu_secs, "cpu_secs": self.cpu_secs, "wall_secs": self.wall_secs, "runs": self.runs,
            "cpu_secs_per_run": self.cpu_secs_per_run(), "answer_bytes": self.answer.body.len(), "status": self.answer.status,
        })
    }
}

impl Pushed {
    /// Megabytes (10^6) of push protobuf for a CPU second, flushing left out.
    pub(crate) fn megabytes_per_cpu_sec(&self) -> f64 {
        megabytes(self.protobuf_bytes) / self.push_cpu_secs.max(0.01)
    }

    /// The same with the flush.
    pub(crate) fn megabytes_per_cpu_sec_flushed(&self) -> f64 {
        megabytes(self.protobuf_bytes) / (self.push_cpu_secs + self.flush_cpu_secs).max(0.01)
    }

    pub(crate) fn to_json(self) -> Value {
        json!({
            "protobuf_bytes": self.protobuf_bytes, "entries": self.entries, "push_cpu_secs": self.push_cpu_secs,
            "push_wall_secs": self.push_wall_secs, "flush_cpu_secs": self.flush_cpu_secs, "peak_bytes": self.peak_bytes,
            "mb_per_cpu_sec": self.megabytes_per_cpu_sec(), "mb_per_cpu_sec_flushed": self.megabytes_per_cpu_sec_flushed(),
            "stored_bytes": self.stored.map(|stored| stored.bytes), "wal_bytes": self.stored.map(|stored| stored.wal_bytes),
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "figures for a reader")]
pub(crate) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

impl Server {
    fn push(&mut self, batch: &Batch) -> Result<Duration, MeasureError> {
        let request = Request::post("/loki/api/v1/push", "application/x-protobuf", batch.body.clone());
        let started = Instant::now();
        let answer = self.client.send(&request)?;
        let took = started.elapsed();
        self.accept(&answer, "a push").map(|()| took)
    }

    fn accept(&self, answer: &Answer, what: &str) -> Result<(), MeasureError> {
        if (200..300).contains(&answer.status) {
            return Ok(());
        }
        let (host, text) = (self.client.host().to_owned(), compare::short(&answer.text()));
        Err(MeasureError::Refused { host, status: answer.status, what: what.to_owned(), text })
    }

    /// The server's own words on its version, for the record.
    pub(crate) fn build(&mut self) -> Value {
        let answer = self.client.send(&Request::get("/loki/api/v1/status/buildinfo", &[]));
        answer.ok().and_then(|answer| serde_json::from_slice(&answer.body).ok()).unwrap_or_default()
    }

    fn stored(&self) -> Result<Option<Stored>, MeasureError> {
        let Some(folder) = &self.folder else { return Ok(None) };
        let failed = |source| MeasureError::Folder { folder: folder.clone(), source };
        process::stored(folder).map(Some).map_err(failed)
    }
}

/// Sends every batch to every server in turn, then flushes each; `flush_at_ns` flushes once more on the way, when the
/// entries have come that far and every collector has sent some.
pub(crate) fn push(
    servers: &mut [&mut Server],
    mut batches: Batches,
    flush_at_ns: Option<i64>,
    patience: Duration,
    say: &mut dyn FnMut(String),
) -> Result<Vec<Pushed>, MeasureError> {
    let mut before = Vec::new();
    for server in servers.iter() {
        before.push(server.process.cpu_secs()?);
    }
    let mut pushed = vec![Pushed::default(); servers.len()];
    let (mut flush_at_ns, mut sent) = (flush_at_ns, 0);
    while let Some(batch) = batches.next() {
        for (server, pushed) in servers.iter_mut().zip(&mut pushed) {
            pushed.push_wall_secs += server.push(&batch)?.as_secs_f64();
            pushed.protobuf_bytes += batch.protobuf_bytes as u64;
            pushed.entries += batch.entries as u64;
        }
        sent += 1;
        if sent >= COLLECTORS && flush_at_ns.is_some_and(|at_ns| batch.last_ns >= at_ns) {
            flush_at_ns = None;
            for server in servers.iter_mut() {
                say(format!("{}: {}", server.name, replay::flush(&mut server.client, patience)?));
            }
        }
    }
    let logs = batches.logs();
    say(format!("pushed {} entries, {:.1} MB of lines", logs.entries(), megabytes(logs.written())));
    std::thread::sleep(Duration::from_secs(1));
    for ((server, pushed), before) in servers.iter_mut().zip(&mut pushed).zip(before) {
        let after_push = server.process.cpu_secs()?;
        pushed.push_cpu_secs = after_push - before;
    }
    for (server, pushed) in servers.iter_mut().zip(&mut pushed) {
        let before_flush = server.process.cpu_secs()?;
        say(format!("{}: {}", server.name, replay::flush(&mut server.client, patience)?));
        std::thread::sleep(Duration::from_secs(1));
        pushed.flush_cpu_secs = server.process.cpu_secs()? - before_flush;
        pushed.peak_bytes = server.process.peak_bytes()?;
        pushed.stored = server.stored()?;
    }
    Ok(pushed)
}

/// When to stop asking.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Limits {
    pub(crate) cpu_secs: f64,
    pub(crate) runs: u32,
}

/// Asks a question once cold, then until a limit is reached.
pub(crate) fn ask(
    server: &mut Server,
    question: &Question,
    end_secs: i64,
    trace_id: &str,
    limits: Limits,
) -> Result<Asked, MeasureError> {
    let cold = server.process.cpu_secs()?;
    let answer = server.client.send(&questions::request(question, end_secs, 0, trace_id))?;
    server.accept(&answer, question.name)?;
    let before = server.process.cpu_secs()?;
    let started = Instant::now();
    let (mut runs, mut cpu_secs) = (0, 0.0);
    while runs < limits.runs && cpu_secs < limits.cpu_secs {
        runs += 1;
        let answer = server.client.send(&questions::request(question, end_secs, runs, trace_id))?;
        server.accept(&answer, question.name)?;
        cpu_secs = server.process.cpu_secs()? - before;
    }
    Ok(Asked { first_cpu_secs: before - cold, cpu_secs, wall_secs: started.elapsed().as_secs_f64(), runs, answer })
}

/// What differs between two answers to the same question, or nothing.
pub(crate) fn differs(question: &Question, a: &Answer, b: &Answer) -> Option<String> {
    let request = questions::request(question, 0, 0, "");
    let rules = language::rules_of(&request, true);
    compare::compare(&compare::expect_same_as(b), a, rules).err().map(|difference| difference.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &str) -> Answer {
        Answer { status: 200, content_type: "application/json".to_owned(), body: body.into() }
    }

    #[test]
    fn answers_are_compared_by_the_rules_of_the_conformance_suite() {
        let question = questions::ALL[6];
        let vector = |first: &str, second: &str| {
            answer(&format!(
                r#"{{"data":{{"resultType":"vector","result":[{first},{second}],"stats":{{"x":{}}}}}}}"#,
                first.len()
            ))
        };
        let (one, two) = (r#"{"metric":{"a":"1"},"value":[1,"0.1"]}"#, r#"{"metric":{"a":"2"},"value":[1,"3"]}"#);
        assert_eq!(differs(&question, &vector(one, two), &vector(two, one)), None);
        assert!(differs(&question, &vector(one, two), &vector(one, one)).is_some());
    }

    #[test]
    fn rates() {
        let pushed =
            Pushed { protobuf_bytes: 50_000_000, push_cpu_secs: 2.0, flush_cpu_secs: 0.5, ..Pushed::default() };
        assert!((pushed.megabytes_per_cpu_sec() - 25.0).abs() < 1e-9);
        assert!((pushed.megabytes_per_cpu_sec_flushed() - 20.0).abs() < 1e-9);
        let asked = Asked { first_cpu_secs: 9.0, cpu_secs: 2.0, wall_secs: 4.0, runs: 8, answer: answer("{}") };
        assert!((asked.cpu_secs_per_run() - 0.25).abs() < 1e-9);
    }
}
