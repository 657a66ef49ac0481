//! The binary as a child that never outlives its test.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use super::env_or;
use super::http::Api;

/// A child that runs longer is killed.
fn watchdog_time() -> Duration {
    Duration::from_secs(env_or("LOPTR_WATCHDOG_SECS", 60))
}

/// A folder with a configuration and whatever the process keeps.
pub(crate) struct Home {
    dir: tempfile::TempDir,
}

/// The configuration every test begins with: one process on port 0, everything below `dir`.
fn base_config(dir: &Path) -> String {
    format!(
        "auth_enabled: false
server:
  http_listen_address: 127.0.0.1
  http_listen_port: 0
  grpc_listen_port: 0
common:
  path_prefix: {dir}
  replication_factor: 1
  ring:
    kvstore:
      store: inmemory
  storage:
    filesystem:
      chunks_directory: {dir}/chunks
      rules_directory: {dir}/rules
loptr: {{wal: {{reserve_bytes: 1MB}}}}
schema_config:
  configs:
    - from: 2020-10-24
      store: tsdb
      object_store: filesystem
      schema: v13
      index:
        prefix: index_
        period: 24h
",
        dir = dir.display()
    )
}

impl Home {
    /// A new folder; `more` is appended to the configuration.
    pub(crate) fn new(more: &str) -> Self {
        let home = Self { dir: tempfile::tempdir().expect("a temporary folder can be made") };
        home.configure(&format!("{}{more}", base_config(home.dir())));
        home
    }

    /// As [`Home::new`], with texts of the configuration replaced.
    pub(crate) fn edited(more: &str, edits: &[(&str, &str)]) -> Self {
        let home = Self::new(more);
        let mut text = fs::read_to_string(home.config()).expect("just written");
        for (from, to) in edits {
            assert!(text.contains(from), "{from:?} is in the configuration");
            text = text.replace(from, to);
        }
        home.configure(&text);
        home
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.dir().join("loptr.yaml")
    }

    pub(crate) fn configure(&self, text: &str) {
        fs::write(self.config(), text).expect("the folder can be written");
    }

    /// Starts the binary and waits until it listens.
    pub(crate) fn start(&self) -> Loptr {
        Loptr::start(self.command())
    }

    /// The binary with this configuration.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_loptr"));
        command.arg(format!("-config.file={}", self.config().display())).current_dir(self.dir());
        // How full the machine's disk is must not matter.
        command.arg("-ingester.wal-disk-full-threshold=0");
        command
    }

    /// Runs the subcommand `word`, one word or two, to its end.
    pub(crate) fn run_first(&self, word: &str, args: &[&str]) -> Ended {
        let mut command = Command::new(env!("CARGO_BIN_EXE_loptr"));
        let config = format!("-config.file={}", self.config().display());
        command.args(word.split(' ')).arg(config).args(args).current_dir(self.dir());
        run(command)
    }

    /// Runs the binary to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Ended {
        let mut command = self.command();
        command.args(args);
        run(command)
    }
}

/// How a child ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs `command` to its end.
pub(crate) fn run(mut command: Command) -> Ended {
    let (mut guarded, stdout, stderr) = Guarded::spawn(&mut command);
    let collect = |stream: Box<dyn Read + Send>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            BufReader::new(stream).read_to_end(&mut bytes).expect("a pipe is read until it closes");
            String::from_utf8(bytes).expect("output is text")
        })
    };
    let (stdout, stderr) = (collect(Box::new(stdout)), collect(Box::new(stderr)));
    let status = guarded.wait();
    let text = |reader: JoinHandle<String>| reader.join().expect("the reader did not panic");
    Ended { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
}

/// A child, killed by the watchdog or when dropped, whichever comes first.
struct Guarded {
    child: Arc<Mutex<Child>>,
    calm: Option<Sender<()>>,
    watchdog: Option<JoinHandle<()>>,
}

impl Guarded {
    fn spawn(command: &mut Command) -> (Self, ChildStdout, ChildStderr) {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (stdout, stderr) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
        let child = Arc::new(Mutex::new(child));
        let (calm, until) = channel::<()>();
        let watched = child.clone();
        let watchdog = std::thread::spawn(move || {
            if until.recv_timeout(watchdog_time()) == Err(RecvTimeoutError::Timeout) {
                eprintln!("watchdog: a child ran longer than {:?}", watchdog_time());
                kill(&watched);
            }
        });
        (Self { child, calm: Some(calm), watchdog: Some(watchdog) }, stdout, stderr)
    }

    fn wait(&mut self) -> ExitStatus {
        loop {
            // Not `wait`: the watchdog needs the lock, too.
            if let Some(status) = self.child.lock().expect("no holder panics").try_wait().expect("it is our child") {
                return status;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child.lock().expect("no holder panics"))
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        kill(&self.child);
        drop(self.calm.take());
        if let Some(watchdog) = self.watchdog.take() {
            watchdog.join().expect("the watchdog does not panic");
        }
    }
}

fn kill(child: &Mutex<Child>) {
    let mut child = child.lock().expect("no holder panics");
    // It may have ended by itself.
    let _ = child.kill();
    child.wait().expect("it is our child");
}

/// The binary, running.
pub(crate) struct Loptr {
    guarded: Guarded,
    log: Arc<Mutex<Vec<String>>>,
    log_reader: Option<JoinHandle<()>>,
    api: Api,
    /// From spawn until it listened.
    pub(crate) started_in: Duration,
}

impl Loptr {
    /// Starts `command` and waits until it listens.
    pub(crate) fn start(mut command: Command) -> Self {
        let begun = Instant::now();
        let (guarded, _stdout, stderr) = Guarded::spawn(&mut command);
        let log = Arc::new(Mutex::new(Vec::new()));
        let (found, address) = channel();
        let lines = log.clone();
        let log_reader = std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines() {
                let line = line.expect("the log is text");
                if let Some((_, rest)) = line.split_once("msg=\"Loptr started\" address=") {
                    // Nobody listens when the start was given up.
                    let _ = found.send(rest.split(' ').next().and_then(|address| address.parse().ok()));
                }
                lines.lock().expect("no holder panics").push(line);
            }
        });
        let address: Option<Option<SocketAddr>> = address.recv_timeout(watchdog_time()).ok();
        let Some(Some(address)) = address else {
            drop(guarded);
            log_reader.join().expect("the reader did not panic");
            panic!("it did not start:\n{}", log.lock().expect("no holder panics").join("\n"));
        };
        let api = Api { address, tenant: None };
        Self { guarded, log, log_reader: Some(log_reader), api, started_in: begun.elapsed() }
    }

    pub(crate) fn api(&self) -> &Api {
        &self.api
    }

    /// The most memory it has held at once.
    pub(crate) fn peak_bytes(&self) -> u64 {
        let status = format!("/proc/{}/status", self.guarded.pid().as_raw_nonzero());
        let text = fs::read_to_string(status).expect("it runs");
        let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok());
        peak.map(|kib: u64| kib << 10).expect("Linux tells it")
    }

    pub(crate) fn pid(&self) -> Pid {
        self.guarded.pid()
    }

    /// Ends it without notice.
    pub(crate) fn kill(self) {
        drop(self);
    }

    /// Tells it to stop.
    pub(crate) fn terminate(&self) {
        rustix::process::kill_process(self.guarded.pid(), Signal::TERM).expect("it is our child");
    }

    /// Tells it to stop and waits until it has.
    pub(crate) fn stop(mut self) -> (ExitStatus, Vec<String>) {
        self.terminate();
        self.wait()
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> (ExitStatus, Vec<String>) {
        let status = self.guarded.wait();
        if let Some(reader) = self.log_reader.take() {
            reader.join().expect("the reader did not panic");
        }
        (status, self.log_lines())
    }

    pub(crate) fn log_lines(&self) -> Vec<String> {
        self.log.lock().expect("no holder panics").clone()
    }
}

impl Drop for Loptr {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log_lines();
            let tail = &log[log.len().saturating_sub(30)..];
            eprintln!("--- end of the process's log\n{}\n---", tail.join("\n"));
        }
    }
}
