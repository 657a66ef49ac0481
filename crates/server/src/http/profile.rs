//! `/debug/pprof/`: profiles that `go tool pprof` opens, taken on request. Gated as upstream gates them, by
//! `server.register_instrumentation`. Nothing is measured while nobody asks.

use std::collections::HashMap;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderValue, StatusCode, header};
use loptr_ports::Priority;
use loptr_wire::params::Params;
use pprof::{ProfilerGuardBuilder, Report};
use prost::Message;

use super::App;
use super::error::HttpError;
use crate::serve::Unhurried;

/// Samples a second, as in Go.
const HERTZ: i32 = 100;
/// Without `seconds`, as in Go.
const SECONDS: u64 = 30;
/// A profile never runs longer.
const MOST_SECONDS: u64 = 600;

/// Set while a profile is taken: the signal it uses can serve one only.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Gives the signal back.
struct Turn;

impl Drop for Turn {
    fn drop(&mut self) {
        TAKEN.store(false, Ordering::SeqCst);
    }
}

/// `GET /debug/pprof/`
pub(crate) async fn index() -> impl IntoResponse {
    let text = "profile?seconds=30   CPU profile, for go tool pprof\nheap                 what memory is held by, where _RJEM_MALLOC_CONF=prof:true\n";
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text)
}

/// `GET /debug/pprof/heap`: what is held now, by who asked for it. The allocator keeps account of every 512 KiB only in a
/// process that was started with the variable named here.
#[cfg(feature = "heap-profiles")]
pub(crate) async fn heap(State(app): State<Arc<App>>, _: Unhurried) -> Result<Response, HttpError> {
    let Some(profiler) = jemalloc_pprof::PROF_CTL.as_ref() else {
        let message = "heap profiles are off: start Loptr with _RJEM_MALLOC_CONF=prof:true in its environment";
        return Err(HttpError::plain(StatusCode::NOT_IMPLEMENTED, message));
    };
    let dump = || profiler.blocking_lock().dump_pprof();
    let dumped = app.ports.spawner.run_blocking("heap profile", dump).await;
    let failed = |error: &dyn std::fmt::Display| {
        HttpError::plain(StatusCode::INTERNAL_SERVER_ERROR, format!("Could not write heap profile: {error}"))
    };
    let body = dumped.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
    Ok(file("heap", body))
}

/// `GET /debug/pprof/heap`
#[cfg(not(feature = "heap-profiles"))]
pub(crate) async fn heap() -> HttpError {
    let message = "heap profiles are not part of this build: build it with --features heap-profiles; see loptr_*_bytes at /metrics";
    HttpError::plain(StatusCode::NOT_IMPLEMENTED, message)
}

/// `GET /debug/pprof/allocs`
pub(crate) async fn allocations() -> HttpError {
    let message = "what was given back is not counted; /debug/pprof/heap tells what is held";
    HttpError::plain(StatusCode::NOT_IMPLEMENTED, message)
}

/// A profile as Go's server sends it.
fn file(name: &str, body: Vec<u8>) -> Response {
    let disposition = format!("attachment; filename=\"{name}\"");
    let octets = HeaderValue::from_static("application/octet-stream");
    let disposition = HeaderValue::try_from(disposition).expect("names of profiles are words");
    ([(header::CONTENT_TYPE, octets), (header::CONTENT_DISPOSITION, disposition)], body).into_response()
}

/// `GET /debug/pprof/profile?seconds=30`
pub(crate) async fn cpu(
    State(app): State<Arc<App>>,
    _: Unhurried,
    RawQuery(query): RawQuery,
) -> Result<Response, HttpError> {
    let params = Params::from_form(query.as_deref().unwrap_or_default(), None).unwrap_or_default();
    let seconds = match params.get("seconds") {
        "" => SECONDS,
        text => text.parse().ok().filter(|seconds| (1..=MOST_SECONDS).contains(seconds)).ok_or_else(|| {
            let message = format!("seconds is {text}, and may be 1 to {MOST_SECONDS}");
            HttpError::plain(StatusCode::BAD_REQUEST, message)
        })?,
    };
    if TAKEN.swap(true, Ordering::SeqCst) {
        let message = "Could not enable CPU profiling: cpu profiling already in use";
        return Err(HttpError::plain(StatusCode::INTERNAL_SERVER_ERROR, message));
    }
    let _turn = Turn;
    let failed = |error: &dyn std::fmt::Display| {
        HttpError::plain(StatusCode::INTERNAL_SERVER_ERROR, format!("Could not enable CPU profiling: {error}"))
    };
    // Where unwinding out of a signal may wait for a lock, it is not tried.
    let guard = ProfilerGuardBuilder::default()
        .frequency(HERTZ)
        .blocklist(&["libc", "libgcc", "pthread", "vdso"])
        .build()
        .map_err(|error| failed(&error))?;
    let began = app.ports.clock.now();
    tokio::select! {
        () = app.ports.clock.sleep(Duration::from_secs(seconds)) => {}
        () = app.stop.cancelled() => {}
    }
    let ended = app.ports.clock.now();
    let encode = move || {
        let report = guard.report().build().map_err(|error| error.to_string())?;
        let profile = profile_of(&report, began.0, ended.0.saturating_sub(began.0));
        let mut out = GzEncoder::new(Vec::new(), Compression::default());
        out.write_all(&profile.encode_to_vec()).and_then(|()| out.finish()).map_err(|error| error.to_string())
    };
    let encoded = app.ports.cpu.run(Priority::Query, encode).await.map_err(|error| failed(&error))?;
    let body = encoded.map_err(|error| failed(&error))?;
    Ok(file("profile", body))
}

/// The format of `go tool pprof`, as far as it is used here. Field numbers are those of its `profile.proto`.
#[derive(Clone, PartialEq, Message)]
struct Profile {
    #[prost(message, repeated, tag = "1")]
    sample_type: Vec<ValueType>,
    #[prost(message, repeated, tag = "2")]
    sample: Vec<Sample>,
    #[prost(message, repeated, tag = "4")]
    location: Vec<Location>,
    #[prost(message, repeated, tag = "5")]
    function: Vec<Function>,
    #[prost(string, repeated, tag = "6")]
    string_table: Vec<String>,
    #[prost(int64, tag = "9")]
    time_nanos: i64,
    #[prost(int64, tag = "10")]
    duration_nanos: i64,
    #[prost(message, optional, tag = "11")]
    period_type: Option<ValueType>,
    #[prost(int64, tag = "12")]
    period: i64,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct ValueType {
    #[prost(int64, tag = "1")]
    r#type: i64,
    #[prost(int64, tag = "2")]
    unit: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Sample {
    #[prost(uint64, repeated, tag = "1")]
    location_id: Vec<u64>,
    #[prost(int64, repeated, tag = "2")]
    value: Vec<i64>,
}

#[derive(Clone, PartialEq, Message)]
struct Location {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(message, repeated, tag = "4")]
    line: Vec<Line>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Line {
    #[prost(uint64, tag = "1")]
    function_id: u64,
    #[prost(int64, tag = "2")]
    line: i64,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Function {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(int64, tag = "2")]
    name: i64,
    #[prost(int64, tag = "3")]
    system_name: i64,
    #[prost(int64, tag = "4")]
    filename: i64,
}

/// Texts and functions, each once.
#[derive(Default)]
struct Tables {
    profile: Profile,
    texts: HashMap<String, i64>,
    functions: HashMap<(i64, i64), u64>,
}

impl Tables {
    fn text(&mut self, text: &str) -> i64 {
        if let Some(&at) = self.texts.get(text) {
            return at;
        }
        let at = i64::try_from(self.profile.string_table.len()).unwrap_or(i64::MAX);
        self.profile.string_table.push(text.to_owned());
        self.texts.insert(text.to_owned(), at);
        at
    }

    fn function(&mut self, name: &str, file: &str) -> u64 {
        let (name, filename) = (self.text(name), self.text(file));
        let next = self.functions.len() as u64 + 1;
        let id = *self.functions.entry((name, filename)).or_insert(next);
        if id == next {
            self.profile.function.push(Function { id, name, system_name: name, filename });
        }
        id
    }

    /// A place in the program: the function there, and those it is inlined into.
    fn location(&mut self, line: Vec<Line>) -> u64 {
        let id = self.profile.location.len() as u64 + 1;
        self.profile.location.push(Location { id, line });
        id
    }
}

fn profile_of(report: &Report, time_nanos: i64, duration_nanos: i64) -> Profile {
    let mut tables = Tables::default();
    // The first text is the empty one.
    tables.text("");
    let period = 1_000_000_000 / i64::from(HERTZ);
    let samples = ValueType { r#type: tables.text("samples"), unit: tables.text("count") };
    let cpu = ValueType { r#type: tables.text("cpu"), unit: tables.text("nanoseconds") };
    for (frames, &count) in &report.data {
        let mut location_id = Vec::with_capacity(frames.frames.len());
        for frame in &frames.frames {
            let mut lines = Vec::with_capacity(frame.len());
            for symbol in frame {
                let file = symbol.filename.as_ref().and_then(|path| path.to_str()).unwrap_or_default();
                let function_id = tables.function(&symbol.name(), file);
                lines.push(Line { function_id, line: i64::from(symbol.lineno()) });
            }
            location_id.push(tables.location(lines));
        }
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        tables.profile.sample.push(Sample { location_id, value: vec![count, count.saturating_mul(period)] });
    }
    Profile {
        sample_type: vec![samples, cpu],
        period_type: Some(cpu),
        period,
        time_nanos,
        duration_nanos,
        ..tables.profile
    }
}
