//! The binary: command line, configuration, signals.
#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::print_stderr, reason = "the binary's own edge")]

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use loptr_compact::Census;
use loptr_config::{Command, Config, Host, Invocation, Mode, Outside, load, parse_args};
use loptr_ports::Ports;
use loptr_server::logfmt::Format;
use loptr_server::trace::Tracing;
use loptr_server::{
    HONOURED, PreviewError, Process, Progress, Settings, bucket_du, build, cgroup, flush_out, log_level, real,
    retention_preview,
};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;

/// Keeps memory in fewer pieces than the system's, and can say what holds it (`/debug/pprof/heap`).
#[cfg(feature = "heap-profiles")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const USAGE: u8 = 2;

fn main() -> ExitCode {
    let command = match parse_args(std::env::args().skip(1)) {
        Ok(command) => command,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(USAGE);
        }
    };
    match command {
        Command::Version => {
            print(&build::version_text());
            ExitCode::SUCCESS
        }
        Command::Help(text) => {
            print(&text);
            ExitCode::from(USAGE)
        }
        Command::Health { url } => health(&url),
        Command::Run(invocation) => run(&invocation, serve),
        Command::FlushOut(invocation) => run(&invocation, hand_back),
        Command::RetentionPreview(invocation) => run(&invocation, preview),
        Command::BucketDu(invocation) => run(&invocation, du),
    }
}

/// Prints to a reader that may go away early, as `head` does.
fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// Loads the configuration and does what it says: shows it, or `then`.
fn run(invocation: &Invocation, then: fn(Settings, Config) -> ExitCode) -> ExitCode {
    let outside = Outside {
        read: &real::read,
        env: &|name| std::env::var(name).ok(),
        host: host(),
        now_secs: real::now().0 / 1_000_000_000,
    };
    let config = match load(invocation, &outside) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let tracing = init_log(&config);
    let options = config.options();
    if options.print_to_stderr {
        eprint!("{}", config.to_yaml(Mode::of("")));
    }
    if options.log_reversed {
        for line in config.to_yaml(Mode::of("")).lines().rev() {
            tracing::info!("{line}");
        }
    }
    if options.list_targets {
        print(&config.list_targets());
        return ExitCode::SUCCESS;
    }
    let report = config.report(HONOURED);
    for warning in &report.warnings {
        tracing::warn!("{warning}");
    }
    let settings = Settings::from_config(&config, memory_bytes());
    if options.verify {
        for refusal in &report.refusals {
            tracing::warn!("start would be refused: {refusal}");
        }
        if let Err(error) = settings {
            tracing::warn!("start would be refused: {error}");
        }
        tracing::info!("config is valid");
        return ExitCode::SUCCESS;
    }
    for refusal in &report.refusals {
        tracing::error!("start refused: {refusal}");
    }
    if !report.refusals.is_empty() {
        return ExitCode::FAILURE;
    }
    let code = match settings {
        Ok(settings) => then(settings, config),
        Err(error) => {
            tracing::error!("start refused: {error}");
            ExitCode::FAILURE
        }
    };
    if let Some(tracing) = tracing {
        tracing.stop();
    }
    code
}

fn serve(settings: Settings, config: Config) -> ExitCode {
    let host = host().name;
    on_reactor(async move |ports| {
        // Before it can be seen to run: whoever sees that may ask it to stop.
        let mut signal = Signals::listen();
        let started = tokio::select! {
            biased;
            started = Process::start(ports, settings, Some(config), &host) => started,
            signal = signal.recv() => {
                tracing::info!(signal, "stopped while starting");
                return ExitCode::SUCCESS;
            }
        };
        let process = match started {
            Ok(process) => process,
            Err(error) => {
                tracing::error!("{error}");
                return ExitCode::FAILURE;
            }
        };
        tokio::select! {
            first = signal.recv() => tracing::info!(signal = first, "stopping"),
            () = process.asked_to_end() => tracing::info!("stopping by request"),
        }
        tokio::select! {
            () = process.stop() => ExitCode::SUCCESS,
            second = signal.recv() => {
                tracing::warn!(signal = second, "stopped before everything was done; what was acknowledged is in the log");
                ExitCode::FAILURE
            }
        }
    })
}

/// `flush-out`. A bar on a terminal, else what the log says.
fn hand_back(settings: Settings, _: Config) -> ExitCode {
    let host = host().name;
    let bar = std::io::stderr().is_terminal();
    on_reactor(async move |ports| {
        let mut signals = Signals::listen();
        let tell = |progress| {
            if bar {
                eprint!("\r{}", bar_of(progress))
            }
        };
        let done = tokio::select! {
            biased;
            done = flush_out(ports, settings, &host, tell) => done,
            signal = signals.recv() => {
                tracing::error!(signal, "interrupted: not everything is flushed, and nothing of the log is removed");
                return ExitCode::FAILURE;
            }
        };
        if bar {
            eprintln!();
        }
        match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                tracing::error!("{error}");
                ExitCode::FAILURE
            }
        }
    })
}

/// `retention-preview`: a line for each tenant and table, then the sum.
fn preview(settings: Settings, config: Config) -> ExitCode {
    if settings.compact.retention.is_none() {
        print("retention is off: compactor.retention_enabled\n");
        return ExitCode::SUCCESS;
    }
    on_reactor(async move |ports| {
        let mut table = CensusTable::default();
        let done = retention_preview(ports, settings, &config, |part| table.add(&part)).await;
        table.end("would be removed", done)
    })
}

/// `bucket du`: the same of all there is.
fn du(settings: Settings, _: Config) -> ExitCode {
    on_reactor(async move |ports| {
        let mut table = CensusTable::default();
        let done = bucket_du(ports, settings, |part| table.add(&part)).await;
        table.end("all", done)
    })
}

/// Lines of chunks by table and tenant, and their sums.
#[derive(Default)]
struct CensusTable {
    lines_told: usize,
    chunks: u64,
    kib: u64,
    lines: u64,
}

impl CensusTable {
    fn head(&mut self) {
        if self.lines_told == 0 {
            let names = ["TABLE", "TENANT", "STREAMS", "CHUNKS", "KIB", "LINES"];
            let [table, tenant, streams, chunks, kib, lines] = names;
            print(&format!("{table:<24} {tenant:<24} {streams:>9} {chunks:>9} {kib:>12} {lines:>14}\n"));
        }
        self.lines_told += 1;
    }

    fn add(&mut self, part: &Census) {
        self.head();
        let Census { table, tenant, streams, chunks, kib, lines, .. } = part;
        print(&format!("{table:<24} {:<24} {streams:>9} {chunks:>9} {kib:>12} {lines:>14}\n", tenant.as_str()));
        (self.chunks, self.kib, self.lines) = (self.chunks + chunks, self.kib + kib, self.lines + lines);
    }

    fn end(mut self, what: &str, done: Result<(), PreviewError>) -> ExitCode {
        if let Err(error) = done {
            tracing::error!("{error}");
            return ExitCode::FAILURE;
        }
        self.head();
        let Self { chunks, kib, lines, .. } = self;
        print(&format!("{what:<59} {chunks:>9} {kib:>12} {lines:>14}\n"));
        ExitCode::SUCCESS
    }
}

/// One line of 79 columns.
fn bar_of(progress: Progress) -> String {
    const WIDTH: u64 = 30;
    let Progress { what, done, of } = progress;
    if of == 0 {
        return format!("{what:<79}");
    }
    let full = (u128::from(done.min(of)) * u128::from(WIDTH) / u128::from(of)) as usize;
    let bar = format!("{}{}", "#".repeat(full), ".".repeat(WIDTH as usize - full));
    format!("{:<79}", format!("{what:<28} [{bar}] {:>3}%", u128::from(done.min(of)) * 100 / u128::from(of)))
}

/// Runs `work` to its end.
fn on_reactor(work: impl AsyncFnOnce(Ports) -> ExitCode) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "the reactor did not start");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(async move {
        match real::ports() {
            Ok(ports) => work(ports).await,
            Err(error) => {
                tracing::error!(%error, "CPU threads did not start");
                ExitCode::FAILURE
            }
        }
    });
    runtime.shutdown_timeout(Duration::from_secs(5));
    code
}

/// The signals that ask the process to stop.
struct Signals(Option<(tokio::signal::unix::Signal, tokio::signal::unix::Signal)>);

impl Signals {
    /// Listens from now on.
    fn listen() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
            (Ok(terminate), Ok(interrupt)) => Self(Some((terminate, interrupt))),
            // Without handlers the signals end the process themselves.
            _ => Self(None),
        }
    }

    /// Completes at the next one.
    async fn recv(&mut self) -> &'static str {
        let Some((terminate, interrupt)) = &mut self.0 else { return std::future::pending().await };
        tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        }
    }
}

/// Logs go to standard error in logfmt, or JSON if asked; spans where the environment says.
fn init_log(config: &Config) -> Option<Tracing> {
    log_level::set(config.str("server.log_level"));
    let format = if config.str("server.log_format") == "json" { Format::Json } else { Format::Logfmt };
    let wanted = filter_fn(|meta| !meta.is_span() && log_level::wants(meta.level()));
    let lines = tracing_subscriber::fmt::layer().event_format(format).with_writer(std::io::stderr).with_filter(wanted);
    let env = |name: &str| std::env::var(name).ok();
    let (sender, failure) = match if config.bool("tracing.enabled") { Tracing::from_env(env) } else { Ok(None) } {
        Ok(sender) => (sender, None),
        Err(error) => (None, Some(error)),
    };
    let spans = sender.as_ref().map(Tracing::layer);
    // A second initialisation cannot happen: this is called once.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(spans).with(lines));
    if let Some(error) = failure {
        tracing::error!(%error, "tracing is not enabled");
    }
    sender
}

/// What the process may use: its cgroup's limit, or the machine's memory.
fn memory_bytes() -> u64 {
    let machine = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
    });
    let machine = machine.unwrap_or(4 << 30);
    cgroup::memory_limit().map_or(machine, |limit| limit.min(machine))
}

fn host() -> Host {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").map(|name| name.trim().to_owned());
    Host { name: name.unwrap_or_else(|_| "localhost".to_owned()), ..Host::default() }
}

/// Asks a running process for its health over plain HTTP.
fn health(url: &str) -> ExitCode {
    use std::io::Read;
    let healthy = || -> Option<bool> {
        let rest = url.strip_prefix("http://")?;
        let (authority, path) = rest.split_once('/').map_or((rest, ""), |(authority, path)| (authority, path));
        let address = if authority.contains(':') { authority.to_owned() } else { format!("{authority}:80") };
        let mut stream = std::net::TcpStream::connect(address).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
        write!(stream, "GET /{path} HTTP/1.0\r\nHost: {authority}\r\n\r\n").ok()?;
        let mut head = [0; 12];
        stream.read_exact(&mut head).ok()?;
        Some(head.ends_with(b" 200"))
    };
    if healthy() == Some(true) {
        println!("Loptr is healthy");
        return ExitCode::SUCCESS;
    }
    println!("Loptr is not healthy");
    ExitCode::FAILURE
}
