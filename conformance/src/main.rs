//! The `loptr-conformance` command. `loptr-conformance help` says what it takes.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a black-box tool outside the server: it has no simulated clock, disk or network"
)]

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use loptr_conformance::differences::{Differences, SHIPPED};
use loptr_conformance::generate::{Generator, Set};
use loptr_conformance::http::Client;
use loptr_conformance::live::{self, Window};
use loptr_conformance::script::{Script, over_http};
use loptr_conformance::shaped::{self, SHAPED_END_SECS, SHAPED_START_SECS};
use loptr_conformance::tally::Tally;
use loptr_conformance::{patterns, pushes, recorded, replay, tails};

const HELP: &str = "\
loptr-conformance run --url URL      replay the recorded requests and compare
    --push                           push the recorded set first
    --flush                          then POST /flush and wait until no chunk is in memory
    --patience SECS                  at most so long (60)
    --groups A,B                     only these groups
    --tenants                        the set for a server with tenants: with --push its own bodies
    --grafana                        what Grafana and Logs Drilldown ask, for a server run with grafana.yaml
    --cases FILE                     cases from a file of JSON lines instead of the packed ones
    --foundation                     set apart what the foundation's language does not hold
    --live                           entries of one time may come in any order
    --differences FILE               list of differences (default: the one shipped)
    --no-differences                 judge by upstream's answers alone
loptr-conformance compare --a URL --b URL
                                     send the same requests to two servers; without a source of
                                     requests, the recorded ones
    --queries FILE                   bare queries or cases, one a line
    --generate N --seed S            N queries drawn from the grammar, and a count of what they were made of
    --set recorded|shaped|both       the lines they are about (recorded); shaped ones lie in the hour after 12:00, both
                                     is half of the queries each
    --least K --share P              fail if a production or function came less than K times, or less than P percent of
                                     the requests were answered 200 and not empty (0)
    --start SECS --end SECS --step SECS --limit N
                                     window of bare and generated queries (default: the recorded hour)
    --groups, --foundation, --live, --differences as above
loptr-conformance generate --generate N --seed S
                                     print the queries (--set as above)
loptr-conformance tally --generate N --seed S
                                     count what the queries are made of (--set, --least as above)
loptr-conformance pushes --url URL   send the recorded pushes, each as a tenant of its own, and compare what is
                                     answered, stored and counted; the server runs with push.yaml
    --groups push,otlp               only these groups
loptr-conformance patterns --url URL push ten generated files of 5,000 lines and compare under which patterns they are
                                     found; the server runs with patterns.yaml
    --record                         print what is found instead, one file a line
loptr-conformance tails --url URL    open the recorded tails, each as a tenant of its own; the server runs with grafana.yaml
    --record                         print what it tells instead
loptr-conformance scripts --url URL --dir FOLDER
                                     run the scripts of a folder (`crates/eval/testdata`), each as a tenant of its own,
                                     against a server set up as `script::over_http` says (--flush)
loptr-conformance push-set --url URL push the lines only (--set, --flush, --patience as above)
    --tenant NAME                    X-Scope-OrgID for every command
    --verbose                        show where both answers part
Exit code 1: something differs; 2: it could not be asked.
";

fn main() -> ExitCode {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let done = command(&mut out);
    let flushed = out.flush().map_err(|error| error.to_string());
    match done.and_then(|same| flushed.map(|()| same)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            let _ = writeln!(io::stderr(), "loptr-conformance: {error}");
            ExitCode::from(2)
        }
    }
}

/// Options that take a value; all others are switches.
const VALUED: [&str; 19] = [
    "url",
    "dir",
    "a",
    "b",
    "tenant",
    "groups",
    "cases",
    "differences",
    "patience",
    "queries",
    "generate",
    "seed",
    "start",
    "end",
    "step",
    "limit",
    "set",
    "least",
    "share",
];
const SWITCHES: [&str; 10] =
    ["record", "push", "tenants", "grafana", "flush", "foundation", "live", "verbose", "no-differences", "help"];

#[derive(Debug, Default)]
struct Options(BTreeMap<String, String>);

impl Options {
    fn read(words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = BTreeMap::new();
        let mut words = words;
        while let Some(word) = words.next() {
            let name = word.strip_prefix("--").ok_or_else(|| format!("{word:?} is no option"))?;
            let (name, given) =
                name.split_once('=').map_or((name, None), |(name, value)| (name, Some(value.to_owned())));
            let value = if VALUED.contains(&name) {
                given.or_else(|| words.next()).ok_or_else(|| format!("--{name} wants a value"))?
            } else if SWITCHES.contains(&name) && given.is_none() {
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

    fn client(&self, name: &str) -> Result<Client, String> {
        let url = self.text(name).ok_or_else(|| format!("--{name} is missing"))?;
        Client::new(url, self.text("tenant")).map_err(|error| error.to_string())
    }

    fn file(&self, name: &str) -> Result<Option<String>, String> {
        let Some(path) = self.text(name) else { return Ok(None) };
        std::fs::read_to_string(path).map(Some).map_err(|error| format!("read {path}: {error}"))
    }

    fn differences(&self) -> Result<Differences, String> {
        if self.has("no-differences") {
            return Ok(Differences::default());
        }
        let page = self.file("differences")?;
        Differences::parse(page.as_deref().unwrap_or(SHIPPED)).map_err(|error| error.to_string())
    }

    fn settings(&self) -> replay::Settings {
        let groups = self.text("groups").unwrap_or_default();
        replay::Settings {
            groups: groups.split(',').filter(|group| !group.is_empty()).map(str::to_owned).collect(),
            foundation: self.has("foundation"),
            live: self.has("live"),
            verbose: self.has("verbose"),
        }
    }

    /// What to replay, under the names of its sums.
    fn cases(&self) -> Result<Vec<(&'static str, Vec<recorded::Case>)>, String> {
        let readable = |cases: Result<_, recorded::RecordedError>| cases.map_err(|error| error.to_string());
        Ok(match self.file("cases")? {
            Some(lines) => vec![("all", readable(recorded::parse_cases(lines.as_bytes()))?)],
            None if self.has("grafana") => vec![("all recorded", readable(recorded::grafana())?)],
            None => {
                vec![
                    ("all recorded", readable(recorded::cases())?),
                    ("all defects", readable(recorded::defect_cases())?),
                ]
            }
        })
    }

    fn sets(&self) -> Result<&'static [Set], String> {
        match self.text("set") {
            None | Some("recorded") => Ok(&[Set::Recorded]),
            Some("shaped") => Ok(&[Set::Shaped]),
            Some("both") => Ok(&[Set::Recorded, Set::Shaped]),
            Some(other) => Err(format!("--set {other:?} is none of recorded, shaped, both")),
        }
    }

    fn window(&self, set: Set) -> Result<Window, String> {
        let default = match set {
            Set::Recorded => Window::default(),
            Set::Shaped => Window { start_secs: SHAPED_START_SECS, end_secs: SHAPED_END_SECS, ..Window::default() },
        };
        Ok(Window {
            start_secs: self.number("start", default.start_secs)?,
            end_secs: self.number("end", default.end_secs)?,
            step_secs: self.number("step", default.step_secs)?,
            limit: self.number("limit", default.limit)?,
        })
    }

    /// Queries in equal parts over the sets, each with the set it is about.
    fn generated(&self) -> Result<Vec<(Set, String)>, String> {
        let (sets, count) = (self.sets()?, self.number("generate", 100)?);
        let mut all = Vec::new();
        for (at, &set) in sets.iter().enumerate() {
            let mut generator = Generator::new(self.number("seed", 1)?, set);
            let part = count / sets.len() + usize::from(at < count % sets.len());
            all.extend((0..part).map(|_| (set, generator.query())));
        }
        Ok(all)
    }
}

/// Runs one command; the answer says whether everything was the same.
fn command(out: &mut impl Write) -> Result<bool, String> {
    let mut words = std::env::args().skip(1);
    let name = words.next().unwrap_or_else(|| "help".to_owned());
    let options = Options::read(words)?;
    let written = |error: io::Error| format!("write the report: {error}");
    match name.as_str() {
        "run" => {
            let mut client = options.client("url")?;
            if options.has("tenants") {
                return several_tenants(&mut client, &options, out);
            }
            prepare(&mut client, &options, options.has("push"), out)?;
            let (differences, settings) = (options.differences()?, options.settings());
            let mut failed = 0;
            for (name, cases) in options.cases()? {
                failed += replay::run(&mut client, name, &cases, &differences, &settings, out).map_err(written)?.failed;
            }
            Ok(failed == 0)
        }
        "pushes" => {
            let mut client = options.client("url")?;
            let cases = pushes::push_cases().map_err(|error| error.to_string())?;
            let (differences, settings) = (options.differences()?, options.settings());
            let counts = pushes::run(&mut client, &cases, &differences, &settings, out).map_err(written)?;
            Ok(counts.failed == 0)
        }
        "patterns" => patterns::run(options.text("url").ok_or("--url is missing")?, options.has("record"), out),
        "tails" => {
            let counts = tails::run(&mut options.client("url")?, options.has("record"), out).map_err(written)?;
            Ok(counts.failed == 0)
        }
        "scripts" => scripts(&options, out),
        "push-set" => prepare(&mut options.client("url")?, &options, true, out).map(|()| true),
        "compare" => compare(&options, out),
        "generate" => {
            for (_, query) in options.generated()? {
                writeln!(out, "{query}").map_err(written)?;
            }
            Ok(true)
        }
        "tally" => {
            let mut tally = Tally::new();
            options.generated()?.iter().for_each(|(_, query)| tally.add(query, false));
            tally.report(options.number("least", 0)?, out).map_err(written)
        }
        "help" | "--help" | "-h" => out.write_all(HELP.as_bytes()).map(|()| true).map_err(written),
        other => Err(format!("there is no command {other:?}; try help")),
    }
}

/// Replays the set for a server with tenants.
fn several_tenants(client: &mut Client, options: &Options, out: &mut impl Write) -> Result<bool, String> {
    let (bodies, cases) = recorded::tenants().map_err(|error| error.to_string())?;
    if options.has("push") {
        replay::push_as(client, &bodies)?;
    }
    prepare(client, options, false, out)?;
    let (differences, settings) = (options.differences()?, options.settings());
    let sums = replay::run(client, "all recorded", &cases, &differences, &settings, out);
    Ok(sums.map_err(|error| format!("write the report: {error}"))?.failed == 0)
}

/// Loads every script, then asks.
fn scripts(options: &Options, out: &mut impl Write) -> Result<bool, String> {
    let dir = options.text("dir").ok_or("--dir is missing")?;
    let url = options.text("url").ok_or("--url is missing")?;
    let mut loaded = Vec::new();
    let files = std::fs::read_dir(dir).map_err(|error| format!("read {dir}: {error}"))?;
    let mut paths: Vec<_> = files.filter_map(|file| Some(file.ok()?.path())).collect();
    paths.sort();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "test")) {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(path).map_err(|error| format!("read {}: {error}", path.display()))?;
        let script = Script::parse(&text).map_err(|error| format!("{}: {error}", path.display()))?;
        let mut client = Client::new(url, Some(&name)).map_err(|error| error.to_string())?;
        over_http::load(&mut client, &script)?;
        loaded.push((name, script, client));
    }
    if let (Some((_, _, client)), true) = (loaded.first_mut(), options.has("flush")) {
        prepare(client, options, false, out)?;
    }
    let written = |error: io::Error| format!("write the report: {error}");
    let (mut asked, mut failed) = (0, 0);
    for (name, script, client) in &mut loaded {
        for eval in &script.evals {
            asked += 1;
            if let Err(fault) = over_http::ask(client, eval) {
                failed += 1;
                writeln!(out, "FAILED  {name}:{}: {}\n{fault}", eval.line, eval.query).map_err(written)?;
            }
        }
    }
    writeln!(out, "{asked} asked, {failed} failed").map_err(written)?;
    Ok(failed == 0 && asked > 0)
}

fn prepare(client: &mut Client, options: &Options, push: bool, out: &mut impl Write) -> Result<(), String> {
    if push {
        let mut bodies = Vec::new();
        for set in options.sets()? {
            bodies.extend(match set {
                Set::Recorded => recorded::push_bodies().map_err(|error| error.to_string())?,
                Set::Shaped => shaped::push_bodies(),
            });
        }
        replay::push(client, &bodies)?;
        writeln!(out, "pushed {} bodies", bodies.len()).map_err(|error| error.to_string())?;
    }
    if options.has("flush") {
        let patience = Duration::from_secs(options.number("patience", 60)?);
        let how = replay::flush(client, patience).map_err(|error| error.to_string())?;
        writeln!(out, "{how}").map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn compare(options: &Options, out: &mut impl Write) -> Result<bool, String> {
    let (mut a, mut b) = (options.client("a")?, options.client("b")?);
    let settings = options.settings();
    let window = options.window(options.sets()?.first().copied().unwrap_or(Set::Recorded))?;
    let generated = if options.has("generate") { options.generated()? } else { Vec::new() };
    let questions = if let Some(text) = options.file("queries")? {
        live::parse_questions(&text, window).map_err(|error| error.to_string())?
    } else if options.has("generate") {
        let mut questions = Vec::new();
        for (at, (set, query)) in generated.iter().enumerate() {
            questions.extend(live::questions(&format!("query-{}", at + 1), query, options.window(*set)?));
        }
        questions
    } else {
        let groups = &settings.groups;
        let chosen = |case: &recorded::Case| groups.is_empty() || groups.iter().any(|group| group == case.group());
        let cases = options.cases()?.into_iter().flat_map(|(_, cases)| cases).filter(chosen);
        cases.map(live::Question::from).collect()
    };
    let written = |error: io::Error| format!("write the report: {error}");
    let mut answered = BTreeMap::new();
    let mut seen = |query: &str, fruitful: bool| *answered.entry(query.to_owned()).or_insert(false) |= fruitful;
    let differences = options.differences()?;
    let totals = live::run(&mut a, &mut b, &questions, &differences, &settings, &mut seen, out).map_err(written)?;
    let mut enough = true;
    if options.has("generate") {
        let mut tally = Tally::new();
        let answered = |query| answered.get(query).copied().unwrap_or(false);
        generated.iter().for_each(|(_, query)| tally.add(query, answered(query)));
        enough = tally.report(options.number("least", 0)?, out).map_err(written)?;
        let share = options.number("share", 0)?;
        if totals.fruitful * 100 < totals.asked * share {
            writeln!(out, "{} of {} answered with something, less than {share} %", totals.fruitful, totals.asked)
                .map_err(written)?;
            enough = false;
        }
    }
    Ok(totals.different == 0 && enough)
}
