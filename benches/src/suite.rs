//! `loptr-bench suite`: starts the servers itself, anew before each question, and compares them on all of it: CPU seconds
//! of a query, wall time one at a time and many at once, peak memory.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use loptr_conformance::http::{Client, Request};

use crate::measure::{self, Asked, Limits, Server};
use crate::process::Process;
use crate::questions::{self, Question};

/// How long a server may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(120);

/// How to start a server.
#[derive(Debug, Clone)]
pub(crate) struct Recipe {
    pub(crate) name: &'static str,
    pub(crate) url: String,
    pub(crate) tenant: Option<String>,
    /// For `sh`; what it starts must stay in the foreground and end at SIGTERM.
    pub(crate) command: String,
    /// Where it stores.
    pub(crate) folder: Option<PathBuf>,
    /// Emptied before each start but the first: a log whose entries were flushed and that would be replayed.
    pub(crate) clear: Option<PathBuf>,
}

/// A server that runs.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    pub(crate) server: Server,
}

/// What one question cost one server that had just started.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Measured {
    pub(crate) asked: Asked,
    /// Wall seconds of a query while so many are asked at once; none when that was not tried or one failed.
    pub(crate) crowded_wall_secs: Option<f64>,
    /// Most memory ever resident, after all of it.
    pub(crate) peak_bytes: u64,
}

impl Recipe {
    pub(crate) fn start(&self) -> Result<Running, String> {
        let failed = |what: &str, why: String| format!("{}: {what}: {why}", self.name);
        let mut command = Command::new("sh");
        command.args(["-c", &format!("exec {}", self.command)]).stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.spawn().map_err(|error| failed("start", error.to_string()))?;
        let client = Client::new(&self.url, self.tenant.as_deref());
        let client = client.map_err(|error| failed("url", error.to_string()))?;
        let process = Process(child.id());
        let server = Server { name: self.name, client, process, folder: self.folder.clone() };
        let mut running = Running { child, server };
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            let ready = running.server.client.send(&Request::get("/ready", &[]));
            if ready.is_ok_and(|answer| answer.status == 200) {
                return Ok(running);
            }
            if let Ok(Some(status)) = running.child.try_wait() {
                return Err(failed("it ended", status.to_string()));
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        let why = failed("not ready after", format!("{PATIENCE:?}"));
        running.stop()?;
        Err(why)
    }

    fn empty_log(&self) -> Result<(), String> {
        let Some(folder) = &self.clear else { return Ok(()) };
        match std::fs::remove_dir_all(folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(format!("empty {}: {error}", folder.display()))
            }
            _ => Ok(()),
        }
    }
}

impl Running {
    /// Ends it as an operator would; kills it when it takes too long.
    pub(crate) fn stop(mut self) -> Result<(), String> {
        let failed = |error: std::io::Error| format!("{}: stop: {error}", self.server.name);
        Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().map_err(failed)?;
        let asked = Instant::now();
        while asked.elapsed() < PATIENCE {
            if self.child.try_wait().map_err(failed)?.is_some() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        self.child.kill().map_err(failed)?;
        self.child.wait().map(drop).map_err(failed)
    }
}

/// Asks one question of a server started for it.
pub(crate) fn measure(
    recipe: &Recipe,
    question: &Question,
    end_secs: i64,
    trace_id: &str,
    limits: Limits,
    at_once: u32,
) -> Result<Measured, String> {
    recipe.empty_log()?;
    let mut running = recipe.start()?;
    let measured = (|| {
        let asked = measure::ask(&mut running.server, question, end_secs, trace_id, limits);
        let asked = asked.map_err(|error| error.to_string())?;
        // One that cannot keep up is no reason to give up on the rest.
        let crowded = (at_once > 0).then(|| crowded(recipe, question, end_secs, trace_id, at_once));
        let crowded = crowded.and_then(|crowded| {
            crowded.map_err(|error| crate::say(&format!("{}: {}: {error}", recipe.name, question.name))).ok()
        });
        let peak_bytes = running.server.process.peak_bytes().map_err(|error| error.to_string())?;
        Ok(Measured { asked, crowded_wall_secs: crowded, peak_bytes })
    })();
    running.stop()?;
    measured
}

/// Wall seconds of each of so many queries asked at once, each of its own window.
fn crowded(recipe: &Recipe, question: &Question, end_secs: i64, trace_id: &str, at_once: u32) -> Result<f64, String> {
    let started = Instant::now();
    std::thread::scope(|scope| {
        let asking = (0..at_once).map(|run| {
            scope.spawn(move || {
                let mut client =
                    Client::new(&recipe.url, recipe.tenant.as_deref()).map_err(|error| error.to_string())?;
                let answer = client.send(&questions::request(question, end_secs, run, trace_id));
                let answer = answer.map_err(|error| error.to_string())?;
                if answer.status == 200 { Ok(()) } else { Err(format!("{}: status {}", question.name, answer.status)) }
            })
        });
        let asking: Vec<_> = asking.collect();
        asking.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a thread failed".to_owned())?)
    })?;
    Ok(started.elapsed().as_secs_f64() / f64::from(at_once))
}

/// How many times better the first is, over all of `pairs`: the geometric mean.
pub(crate) fn mean_ratio(pairs: impl Iterator<Item = (f64, f64)>) -> Option<f64> {
    let logs: Vec<f64> = pairs.filter(|(a, b)| *a > 0.0 && *b > 0.0).map(|(a, b)| (b / a).ln()).collect();
    #[expect(clippy::cast_precision_loss, reason = "a few questions")]
    let count = logs.len() as f64;
    (!logs.is_empty()).then(|| (logs.iter().sum::<f64>() / count).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_have_a_geometric_mean() {
        let mean = mean_ratio([(1.0, 2.0), (1.0, 8.0), (0.0, 5.0)].into_iter()).unwrap();
        assert!((mean - 4.0).abs() < 1e-9);
        assert_eq!(mean_ratio(std::iter::empty()), None);
    }

    #[test]
    fn a_command_that_ends_is_told() {
        let recipe = Recipe {
            name: "A",
            url: "http://127.0.0.1:9".to_owned(),
            tenant: None,
            command: "false".to_owned(),
            folder: None,
            clear: None,
        };
        assert!(recipe.start().unwrap_err().starts_with("A: it ended: "));
    }
}
