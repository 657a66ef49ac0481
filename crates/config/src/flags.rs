//! The command line, in Go's flag syntax, into what the process is asked to do.
//!
//! `-f=v`, `-f v`, `--f=v`; booleans only `-f` or `-f=v`. Parsing stops at the first argument that is no flag and
//! drops the rest. Values are read here, so a bad one is reported before any file is opened.
//!
//! ```
//! use loptr_config::{Command, parse_args};
//! let Ok(Command::Run(invocation)) = parse_args(["-server.http-listen-port=80", "-target", "all"]) else { panic!() };
//! assert!(!invocation.expand_env());
//! let error = parse_args(["-nonsense"]).unwrap_err();
//! assert_eq!(error.to_string(), "flag provided but not defined: -nonsense\n\
//!     Run with -help to get list of available parameters");
//! ```

mod help;

use crate::notice::Notice;
use crate::removed::{self, How};
use crate::table::{FlagTarget, Kind, table};
use crate::value::{Value, parse_text};

/// Where `-health` looks when `-health.url` is not given.
const HEALTH_URL: &str = "http://localhost:3100/ready";
/// What `-config.file` holds when it is not given.
const CONFIG_FILES: &str = "config.yaml,config/config.yaml";

/// The subcommand that hands a data folder back.
const FLUSH_OUT: &str = "flush-out";
/// The subcommand that tells what retention would remove.
const RETENTION_PREVIEW: &str = "retention-preview";
/// The subcommand that tells what the bucket holds, by tenant and day.
const BUCKET_DU: [&str; 2] = ["bucket", "du"];

/// What the process is asked to do.
#[derive(Debug)]
pub enum Command {
    /// Ask a running process for its health: GET `url`, exit 0 on status 200, else 1.
    Health {
        /// Where to ask.
        url: String,
    },
    /// Print build data, exit 0.
    Version,
    /// Print this on standard output, exit 2.
    Help(String),
    /// Load the configuration; see [`crate::Config::options`] for what to do then.
    Run(Invocation),
    /// `flush-out` before everything else: load the configuration, move everything into the bucket, end.
    FlushOut(Invocation),
    /// `retention-preview` before everything else: load the configuration, tell what retention would remove now, end.
    RetentionPreview(Invocation),
    /// `bucket du` before everything else: load the configuration, tell what the bucket holds, end.
    BucketDu(Invocation),
}

/// A command line that cannot be obeyed: print it on standard error, exit 2.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}\nRun with -help to get list of available parameters")]
pub struct UsageError {
    text: String,
}

/// A value for a flag, in the order given.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    pub(crate) target: FlagTarget,
    pub(crate) value: Value,
}

/// An old flag whose value moves to a key as `how` says.
#[derive(Debug, Clone)]
pub(crate) struct OldFlag {
    pub(crate) row: &'static removed::Row,
    pub(crate) text: String,
}

/// The settings of a command line.
#[derive(Debug, Default)]
pub struct Invocation {
    pub(crate) settings: Vec<Setting>,
    pub(crate) old: Vec<OldFlag>,
    pub(crate) notices: Vec<Notice>,
    config_files: Option<String>,
    expand_env: bool,
}

impl Invocation {
    /// Whether `${VAR}` in the file is to be replaced.
    pub fn expand_env(&self) -> bool {
        self.expand_env
    }

    /// The list of files of which the first that exists is read.
    pub fn config_files(&self) -> &str {
        self.config_files.as_deref().unwrap_or(CONFIG_FILES)
    }

    /// Whether `-config.file` was given.
    pub fn names_config_file(&self) -> bool {
        self.config_files.is_some()
    }
}

/// Reads the arguments behind the program's name.
pub fn parse_args<S: AsRef<str>>(args: impl IntoIterator<Item = S>) -> Result<Command, UsageError> {
    let args: Vec<S> = args.into_iter().collect();
    let args: Vec<&str> = args.iter().map(AsRef::as_ref).collect();
    if args.iter().any(|arg| is_word(arg, "health")) {
        return Ok(Command::Health { url: health_url(&args) });
    }
    if args.iter().any(|arg| is_word(arg, "version")) {
        return Ok(Command::Version);
    }
    type Make = fn(Invocation) -> Command;
    let words: [(&[&str], Make); 3] = [
        (&[FLUSH_OUT], Command::FlushOut),
        (&[RETENTION_PREVIEW], Command::RetentionPreview),
        (&BUCKET_DU, Command::BucketDu),
    ];
    let found = words.into_iter().find(|(words, _)| args.starts_with(words));
    let rest = &args[found.map_or(0, |(words, _)| words.len())..];
    Ok(match (parse(rest).map_err(|text| UsageError { text })?, found) {
        (Command::Run(invocation), Some((_, make))) => make(invocation),
        (command, _) => command,
    })
}

/// Whether an argument is dashes and `word`.
fn is_word(arg: &str, word: &str) -> bool {
    arg.starts_with('-') && arg.trim_start_matches('-') == word
}

fn health_url(args: &[&str]) -> String {
    for (at, arg) in args.iter().enumerate() {
        let Some(rest) =
            arg.starts_with('-').then(|| arg.trim_start_matches('-')).and_then(|arg| arg.strip_prefix("health.url"))
        else {
            continue;
        };
        let url = rest.strip_prefix(['=', ':']).unwrap_or(rest);
        if !url.is_empty() {
            return url.to_owned();
        }
        if let Some(next) = args.get(at + 1).filter(|next| !next.starts_with('-')) {
            return (*next).to_owned();
        }
    }
    HEALTH_URL.to_owned()
}

fn parse(args: &[&str]) -> Result<Command, String> {
    let mut invocation = Invocation::default();
    let mut args = args.iter().copied().peekable();
    while let Some(arg) = args.next() {
        let Some(body) = arg.strip_prefix('-').filter(|body| !body.is_empty()) else { break };
        let body = match body.strip_prefix('-') {
            Some("") => break,
            Some(body) => body,
            None => body,
        };
        if body.starts_with(['-', '=']) {
            return Err(format!("bad flag syntax: {arg}"));
        }
        let (name, given) = match body.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (body, None),
        };
        let Some(target) = table().flag(name) else {
            if matches!(name, "help" | "h") {
                return Ok(Command::Help(help::usage()));
            }
            let row = removed::flag(name).ok_or_else(|| format!("flag provided but not defined: -{name}"))?;
            let old_bool = matches!(row.how, How::Sse | How::Gzip | How::Day)
                || table().flag(row.to).is_some_and(|target| kind_of(target).0 == Kind::Bool);
            let text = match given {
                Some(text) => text,
                None if old_bool => "true",
                None => args.next_if(|next| !next.starts_with('-')).unwrap_or("true"),
            };
            invocation.old_flag(name, row, text)?;
            continue;
        };
        let (kind, _) = kind_of(target);
        let text = match given {
            Some(text) => text,
            None if kind == Kind::Bool => "true",
            None => args.next().ok_or_else(|| format!("flag needs an argument: -{name}"))?,
        };
        invocation.set(name, target, text)?;
    }
    Ok(Command::Run(invocation))
}

fn kind_of(target: FlagTarget) -> (Kind, &'static str) {
    match target {
        FlagTarget::Key(id) => (table().key(id).kind, table().key(id).go_type),
        FlagTarget::Lone(at) => (table().lone_flags()[usize::from(at)].kind, ""),
    }
}

impl Invocation {
    fn set(&mut self, name: &str, target: FlagTarget, text: &str) -> Result<(), String> {
        let (kind, go_type) = kind_of(target);
        if kind == Kind::Ignored {
            self.notices.push(Notice::ignored_flag(name));
            return Ok(());
        }
        let value = parse_text(kind, go_type, text).map_err(|why| {
            let text = loptr_model::go_quote(text);
            match kind {
                Kind::Bool => format!("invalid boolean value {text} for -{name}: {why}"),
                _ => format!("invalid value {text} for flag -{name}: {why}"),
            }
        })?;
        match (name, &value) {
            ("config.file", Value::Text(files)) => self.config_files = Some(files.clone()),
            ("config.expand-env", Value::Bool(on)) => self.expand_env = *on,
            _ => {}
        }
        self.settings.push(Setting { target, value });
        Ok(())
    }

    fn old_flag(&mut self, name: &str, row: &'static removed::Row, text: &str) -> Result<(), String> {
        match row.how {
            How::Ignore => self.notices.push(Notice::dropped_flag(name, row.note)),
            How::Same => {
                let target = table().flag(row.to).ok_or_else(|| format!("flag provided but not defined: -{name}"))?;
                self.notices.push(Notice::moved_flag(name, row.to));
                self.set(row.to, target, text)?;
            }
            _ => self.old.push(OldFlag { row, text: text.to_owned() }),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{default_value, format_text};

    fn run(args: &[&str]) -> Invocation {
        match parse_args(args) {
            Ok(Command::Run(invocation)) => invocation,
            other => panic!("{args:?}: {other:?}"),
        }
    }

    fn path_of(target: FlagTarget) -> &'static str {
        match target {
            FlagTarget::Key(id) => table().key(id).path,
            FlagTarget::Lone(_) => "",
        }
    }

    fn refused(args: &[&str]) -> String {
        parse_args(args).unwrap_err().text
    }

    fn values(invocation: &Invocation) -> Vec<(&'static str, Value)> {
        invocation.settings.iter().map(|s| (path_of(s.target), s.value.clone())).collect()
    }

    #[test]
    fn go_syntax() {
        let text = |text: &str| Value::Text(text.to_owned());
        let both = vec![("server.http_listen_port", Value::Int(16)), ("server.log_format", text("json"))];
        assert_eq!(values(&run(&["-server.http-listen-port=0x10", "--log.format", "json"])), both);
        assert_eq!(values(&run(&["-auth.enabled", "false", "-nonsense"])), [("auth_enabled", Value::Bool(true))]);
        assert_eq!(values(&run(&["-auth.enabled=f", "--", "-nonsense"])), [("auth_enabled", Value::Bool(false))]);
        assert_eq!(values(&run(&["-log.format=a=b"])), [("server.log_format", text("a=b"))]);
        assert_eq!(values(&run(&["-", "-nonsense"])), []);
        assert_eq!(run(&["-version=true"]).settings[0].target, table().flag("version").unwrap());
    }

    #[test]
    fn refusals_use_gos_words() {
        for (args, text) in [
            (vec!["-foo"], "flag provided but not defined: -foo"),
            (vec!["-foo=1"], "flag provided but not defined: -foo"),
            (vec!["-=x"], "bad flag syntax: -=x"),
            (vec!["---x"], "bad flag syntax: ---x"),
            (vec!["-server.http-listen-port"], "flag needs an argument: -server.http-listen-port"),
            (
                vec!["-server.http-listen-port", "x"],
                "invalid value \"x\" for flag -server.http-listen-port: parse error",
            ),
            (
                vec!["-server.http-listen-port= 5"],
                "invalid value \" 5\" for flag -server.http-listen-port: parse error",
            ),
            (
                vec!["-server.http-listen-port=99999999999999999999"],
                "invalid value \"99999999999999999999\" for flag -server.http-listen-port: value out of range",
            ),
            (vec!["-auth.enabled="], "invalid boolean value \"\" for -auth.enabled: parse error"),
            (
                vec!["-server.http-read-timeout=5"],
                "invalid value \"5\" for flag -server.http-read-timeout: parse error",
            ),
            (
                vec!["-querier.query-timeout=5"],
                "invalid value \"5\" for flag -querier.query-timeout: not a valid duration string: \"5\"",
            ),
            (vec!["-log.level=x"], "invalid value \"x\" for flag -log.level: unrecognized log level \"x\""),
            (vec!["-s3.url=%zz"], "invalid value \"%zz\" for flag -s3.url: parse \"%zz\": invalid URL escape \"%zz\""),
            (
                vec!["-loptr.wal.sync=never"],
                "invalid value \"never\" for flag -loptr.wal.sync: unknown word \"never\", it must be one of: always, interval",
            ),
            (vec!["-ruler.num-workers"], "flag needs an argument: -ruler.num-workers"),
        ] {
            assert_eq!(refused(&args), text, "{args:?}");
        }
    }

    #[test]
    fn words_before_all_parsing() {
        assert!(matches!(parse_args(["-foo", "--version"]), Ok(Command::Version)));
        assert!(matches!(parse_args(["-h"]), Ok(Command::Help(_))));
        let url = |args: &[&str]| match parse_args(args) {
            Ok(Command::Health { url }) => url,
            other => panic!("{other:?}"),
        };
        assert_eq!(url(&["-health"]), HEALTH_URL);
        assert_eq!(url(&["-health", "-health.url=http://a/b"]), "http://a/b");
        assert_eq!(url(&["-health.url:http://a/b", "--health"]), "http://a/b");
        assert_eq!(url(&["-health.url", "http://a/b", "-health"]), "http://a/b");
    }

    #[test]
    fn flush_out_takes_the_same_flags() {
        let Ok(Command::FlushOut(invocation)) = parse_args(["flush-out", "-config.file=a"]) else {
            panic!("flush-out")
        };
        assert_eq!(invocation.config_files(), "a");
        assert!(matches!(parse_args(["flush-out", "-h"]), Ok(Command::Help(_))));
        assert!(parse_args(["flush-out", "-nonsense"]).is_err());
        assert!(matches!(parse_args(["retention-preview", "-config.file=a"]), Ok(Command::RetentionPreview(_))));
        assert!(matches!(parse_args(["bucket", "du", "-config.file=a"]), Ok(Command::BucketDu(_))));
    }

    #[test]
    fn files_and_expansion() {
        let plain = run(&[]);
        assert_eq!((plain.config_files(), plain.names_config_file(), plain.expand_env()), (CONFIG_FILES, false, false));
        let named = run(&["-config.file=a,b", "-config.expand-env"]);
        assert_eq!((named.config_files(), named.names_config_file(), named.expand_env()), ("a,b", true, true));
        assert_eq!(run(&["-config.file="]).config_files(), "");
    }

    #[test]
    fn old_flags_move_or_vanish_with_a_notice() {
        let moved = run(&[
            "-s3.backoff-retries",
            "3",
            "-boltdb.shipper.compactor.run-once",
            "-ruler.num-workers=5",
            "-validation.enforce-metric-name",
        ]);
        assert_eq!(values(&moved)[0], ("storage_config.aws.backoff_config.max_retries", Value::Int(3)));
        assert_eq!(moved.notices.len(), 4);
        assert_eq!(run(&["-s3.sse-encryption", "-auth.enabled"]).old.len(), 1);
    }

    /// Every flag takes its own default back.
    #[test]
    fn every_flag_reads_its_default() {
        let mut flags = 0;
        for (id, key) in table().keys() {
            for flag in key.flags() {
                let text = format_text(key.kind, &default_value(key));
                let text = match key.kind {
                    Kind::Word(_) if text.is_empty() => "info".to_owned(),
                    Kind::PromDuration | Kind::Duration if text.is_empty() => "0s".to_owned(),
                    _ => text,
                };
                let invocation = run(&[&format!("-{flag}={text}")]);
                assert_eq!(invocation.settings[0].target, FlagTarget::Key(id), "-{flag}={text}");
                flags += usize::from(!key.is_own());
            }
        }
        println!("{flags} flags read their defaults back");
        assert_eq!(flags, 2_925);
    }
}
