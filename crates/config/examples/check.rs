//! Loads a configuration like the server would and says what comes of it.
//!
//! `cargo run -p loptr-config --example check -- -config.file=loptr.yaml [-print-config-stderr]`
#![allow(clippy::disallowed_methods, reason = "an example is the outside: it reads files")]

use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use loptr_config::{Command, Host, Mode, Outside, load, parse_args};

fn main() -> ExitCode {
    let command = match parse_args(std::env::args().skip(1)) {
        Ok(command) => command,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    let invocation = match command {
        Command::Run(invocation) => invocation,
        Command::Help(text) => {
            print!("{text}");
            return ExitCode::from(2);
        }
        other => {
            println!("{other:?}");
            return ExitCode::SUCCESS;
        }
    };
    let now_secs = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
    let read = |path: &std::path::Path| std::fs::read(path);
    let outside = Outside { read: &read, env: &|name| std::env::var(name).ok(), host: Host::default(), now_secs };
    match load(&invocation, &outside) {
        Ok(config) => {
            if config.options().print_to_stderr {
                eprint!("{}", config.to_yaml(Mode::All));
            }
            let report = config.report(&[]);
            report.warnings.iter().for_each(|warning| println!("warning: {warning}"));
            report.refusals.iter().for_each(|refusal| println!("refused: {refusal}"));
            println!("config is valid");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
