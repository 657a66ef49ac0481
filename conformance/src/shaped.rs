//! A second set of lines, made by a program: what parsers, conversions and metadata find hard.
//!
//! It lies in another hour than the recorded set, so both can be in one server. Every stream has its own times, so no two
//! entries share one. The same program always makes the same lines.

use serde_json::{Value, json};

/// Seconds since the epoch at which the set starts: 2026-11-19T12:00:00Z.
pub const SHAPED_START_SECS: i64 = 1_795_089_600;
/// Seconds since the epoch at which it ends: one hour later.
pub const SHAPED_END_SECS: i64 = SHAPED_START_SECS + 3600;

const LEVELS: [&str; 4] = ["error", "warn", "info", "debug"];

/// Makes a stream's line and metadata from the number of the entry and a random one.
type Make = fn(u64, u64) -> (String, Value);

struct Stream {
    labels: &'static [(&'static str, &'static str)],
    entries: u64,
    make: Make,
}

const STREAMS: &[Stream] = &[
    Stream { labels: &[("app", "deep"), ("env", "prod"), ("level", "stream")], entries: 240, make: deep },
    Stream { labels: &[("app", "deep"), ("env", "dev"), ("kind", "job")], entries: 160, make: deep },
    Stream { labels: &[("app", "loose"), ("env", "prod"), ("pod", "loose-0")], entries: 240, make: loose },
    Stream {
        labels: &[("app", "loose"), ("env", "dev"), ("pod", "loose-1"), ("user", "label")],
        entries: 160,
        make: loose,
    },
    Stream { labels: &[("app", "wrapped"), ("env", "prod"), ("container", "outer")], entries: 240, make: wrapped },
    Stream { labels: &[("app", "access"), ("env", "prod"), ("host", "edge-1")], entries: 240, make: access },
    Stream { labels: &[("app", "access"), ("env", "dev"), ("host", "edge-2")], entries: 120, make: access },
    Stream { labels: &[("app", "gauges"), ("env", "prod"), ("zone", "z1")], entries: 300, make: gauges },
    Stream { labels: &[("app", "gauges"), ("env", "dev"), ("zone", "z2")], entries: 150, make: gauges },
    Stream { labels: &[("app", "context"), ("env", "prod"), ("trace", "label")], entries: 240, make: context },
    Stream { labels: &[("app", "context"), ("env", "dev")], entries: 120, make: context },
    Stream { labels: &[("app", "worded"), ("env", "prod")], entries: 240, make: worded },
];

/// The bodies to push, in order: one a stream.
pub fn push_bodies() -> Vec<Vec<u8>> {
    let body = |(at, stream): (usize, &Stream)| {
        let labels: serde_json::Map<String, Value> =
            stream.labels.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))).collect();
        let mut state = at as u64;
        let values: Vec<Value> = (0..stream.entries)
            .map(|number| {
                let nanos = 3_600_000_000_000 / stream.entries * number + 1_000_003 * (at as u64 + 1);
                let ts = SHAPED_START_SECS.unsigned_abs() * 1_000_000_000 + nanos;
                let (line, metadata) = (stream.make)(number, random(&mut state));
                json!([ts.to_string(), line, metadata])
            })
            .collect();
        json!({"streams": [{"stream": labels, "values": values}]}).to_string().into_bytes()
    };
    STREAMS.iter().enumerate().map(body).collect()
}

/// SplitMix64 (Steele, Lea, Flood 2014).
pub(crate) fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// One of `from`, by the bits of `chance` from `shift` on.
pub(crate) fn of<'a>(from: &[&'a str], chance: u64, shift: u32) -> &'a str {
    let at = (chance >> shift) % from.len() as u64;
    from[usize::try_from(at).unwrap_or_default()]
}

/// Nested JSON: arrays, nulls, odd keys, escapes, doubles, names that are taken; some of it broken.
fn deep(number: u64, chance: u64) -> (String, Value) {
    let level = of(&LEVELS, chance, 3);
    let code = of(&["200", "201", "404", "500", "503"], chance, 7);
    let took = of(&["1.5s", "20ms", "3m", "1h0m1s", "250µs"], chance, 11);
    let size = of(&["512", "1.5KB", "2MiB", "3 GB", "10kB"], chance, 15);
    let name = of(&["ann", "bo", "çelik", "d\\u00e9", "\\ud83d\\ude80", "e\\\\f"], chance, 19);
    let line = match chance % 16 {
        0 => format!(r#"{{"level":"{level}","user":{{"name":"{name}"#),
        1 => format!(r#"{{"level":"{level}","code":{code}x,"took":"{took}"}} trailing"#),
        2 => format!(r#" {{ "level" : "{level}" , "code" : {code} , "user" : {{ "name" : "{name}" }} }} "#),
        3 => format!(
            r#"{{"level":"{level}","level":"second","code":{code},"user":{{"name":"{name}"}},"user_name":"late"}}"#
        ),
        4 => format!(r#"["{level}",{code},{{"took":"{took}"}}]"#),
        5 => format!(
            r#"{{"level":"{level}","code":-0,"took":"","user":{{"name":null,"tags":[]}},"size":"{size}","bad":"\x"}}"#
        ),
        6 => format!(r#"level={level} code={code} plain"#),
        _ => format!(
            r#"{{"level":"{level}","code":{code},"took":"{took}","size":"{size}","seq":{number},"user":{{"name":"{name}","tags":["a","b{number}"],"geo":{{"lat":{}.5,"k-8s.io/x":"odd key"}}}},"1st":true,"é":"accent","items":[{{"id":{number}}},{{"id":7}}],"none":null,"ratio":{}e-2,"app":"inner","env":"inner"}}"#,
            number % 90,
            chance % 1000
        ),
    };
    (line, json!({"trace_id": format!("t{}", number % 7)}))
}

/// logfmt with quotes, escapes, bare keys, empty values, doubles and pairs that are none.
fn loose(number: u64, chance: u64) -> (String, Value) {
    let level = of(&LEVELS, chance, 3);
    let msg = of(&["done", "a \\\"quoted\\\" word", "tab\\there", "x=1 y=2", "\\u00e9t\\u00e9", ""], chance, 7);
    let took = of(&["1.5s", "20ms", "3m", "-5s", "soon"], chance, 11);
    let size = of(&["512", "1.5KB", "2MiB", "10kB", "many"], chance, 15);
    let tail = match chance % 12 {
        0 => " bare empty= other=\"\"",
        1 => " a=b=c =novalue x\"y=1",
        2 => " open=\"never closed",
        3 => " q=\"x\"next=1 level=second",
        4 => " bad=\"\\x\" é=accent 1st=x k-8s.io/x=odd",
        5 => "\ttab=1\t\ttab=2",
        6 => " app=inner pod=inner user=ann",
        _ => " ok=true path=/login",
    };
    (
        format!(
            "level={level} n={number} took={took} size={size} msg=\"{msg}\" ip=10.0.{}.{}{tail}",
            chance % 4,
            chance % 250
        ),
        json!({}),
    )
}

/// Lines packed by an agent, with labels beside them; some are not packed, some hold no entry.
fn wrapped(number: u64, chance: u64) -> (String, Value) {
    let level = of(&LEVELS, chance, 3);
    let inner = match chance % 3 {
        0 => format!("level={level} n={number} took={}ms", chance % 500),
        1 => format!(r#"{{\"level\":\"{level}\",\"n\":{number}}}"#),
        _ => format!("plain line {number}\\twith a tab"),
    };
    let line = match (chance >> 8) % 10 {
        0 => format!("{level} not packed {number}"),
        1 => format!(r#"{{"container":"c{}","n":{number}}}"#, chance % 3),
        2 => format!(r#"{{"_entry":7,"pod":"p{}"}}"#, chance % 2),
        3 => format!(r#"{{"pod":"p{}","_entry":"{inner}""#, chance % 2),
        _ => format!(
            r#"{{"container":"c{}","pod":"p{}","odd-key":"x y","count":{number},"nested":{{"a":"b"}},"_entry":"{inner}"}}"#,
            chance % 3,
            chance % 2
        ),
    };
    (line, json!({}))
}

/// Access lines with addresses of both kinds, colours now and then.
fn access(number: u64, chance: u64) -> (String, Value) {
    let address =
        of(&["10.1.2.3", "192.168.7.9", "8.8.8.8", "2001:db8::17", "fe80::1:2", "172.16.0.1:8080"], chance, 3);
    let method = of(&["GET", "POST", "HEAD", "DELETE"], chance, 7);
    let path = of(&["/", "/api/v1/orders?id=7&x=%20", "/static/app.js", "/login", "/a b"], chance, 11);
    let status = of(&["200", "301", "404", "502"], chance, 15);
    let line = format!(
        "{address} - {} [19/Nov/2026:12:{:02}:{:02} +0000] \"{method} {path} HTTP/1.1\" {status} {} {}.{:03}",
        of(&["-", "bob", "eve"], chance, 19),
        number % 60,
        chance % 60,
        chance % 5000,
        chance % 3,
        chance % 1000
    );
    let line = match chance % 9 {
        0 => format!("\u{1b}[31m{line}\u{1b}[0m"),
        1 => line.replace("HTTP/1.1", "-"),
        2 => String::new(),
        3 => format!("upstream timed out\nwhile reading from {address}"),
        _ => line,
    };
    (line, json!({"edge": of(&["a", "b"], chance, 23)}))
}

/// What can be unwrapped, and what cannot: missing, malformed, infinite, not a number; a counter that starts over.
fn gauges(number: u64, chance: u64) -> (String, Value) {
    let value = match chance % 20 {
        0 => "NaN".to_owned(),
        1 => "+Inf".to_owned(),
        2 => "broken".to_owned(),
        3 => "1_000".to_owned(),
        4 => "0x1p3".to_owned(),
        5 => String::new(),
        _ => format!("{}.{}", (chance >> 6) as i64 % 1000, chance % 10),
    };
    let took = of(&["1.5s", "20ms", "3m", "1h0m1s", "250µs", "-2s", "1d", "7"], chance, 11);
    let size = of(&["512", "1.5KB", "2MiB", "3 GB", "10kB", "1,024", "-5"], chance, 15);
    let host = of(&["h0", "h1", "h2"], chance, 19);
    if chance.is_multiple_of(11) {
        return (format!("host={host} nothing here"), json!({}));
    }
    (
        format!(
            "host={host} job=j{} value={value} counter={} took={took} size=\"{size}\"",
            chance % 2,
            number % 37 * 3
        ),
        json!({"weight": (chance % 50).to_string(), "cost": format!("{}ms", chance % 400)}),
    )
}

/// Short lines whose story is in their metadata.
fn context(number: u64, chance: u64) -> (String, Value) {
    let line = match chance % 4 {
        0 => format!("span {number} ended"),
        1 => format!(r#"{{"msg":"span ended","n":{number},"trace":"inner","duration":"parsed"}}"#),
        2 => format!("msg=ended n={number} user=parsed"),
        _ => format!("retry {number} of request"),
    };
    let metadata = json!({
        "trace": format!("t{}", number % 11),
        "user": of(&["ann", "bo", "çelik"], chance, 3),
        "level": of(&LEVELS, chance, 7),
        "duration": of(&["5ms", "1.5s", "2m", "soon"], chance, 11),
        "size": of(&["512", "1KB", "2MiB", "big"], chance, 15),
        "status.code": of(&["200", "404", "500"], chance, 19),
        "attempt": (chance % 5).to_string(),
        "peer": of(&["10.0.0.9", "192.168.3.4", "2001:db8::1", "nowhere"], chance, 23),
    });
    (line, metadata)
}

/// Lines whose level is found out: in JSON, in logfmt, in words, or not at all.
fn worded(number: u64, chance: u64) -> (String, Value) {
    let level = of(&["ERROR", "warn", "Info", "debug", "critical", "fatal", "trace"], chance, 3);
    let line = match chance % 7 {
        0 => format!(r#"{{"severity":"{level}","n":{number}}}"#),
        1 => format!("lvl={level} n={number}"),
        2 => format!("[{level}] something happened {number}"),
        3 => format!("n={number} level=\"{level}\" x"),
        4 => format!(r#"{{"log":{{"level":"{level}"}},"n":{number}}}"#),
        5 => format!("nothing to see {number}"),
        _ => format!("{number}: {level}: disk"),
    };
    (line, json!({}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_set_is_always_the_same_and_within_its_hour() {
        let bodies = push_bodies();
        assert_eq!(bodies, push_bodies());
        assert_eq!(bodies.len(), STREAMS.len());
        let (mut entries, mut lines) = (0, std::collections::BTreeSet::new());
        for body in bodies {
            let body: Value = serde_json::from_slice(&body).unwrap();
            let values = body["streams"][0]["values"].as_array().unwrap();
            let mut last = 0;
            for value in values {
                let ts: i64 = value[0].as_str().unwrap().parse().unwrap();
                assert!(ts > last && (SHAPED_START_SECS..SHAPED_END_SECS).contains(&(ts / 1_000_000_000)));
                last = ts;
                entries += 1;
                lines.insert(value[1].as_str().unwrap().to_owned());
            }
        }
        assert_eq!(entries, 2450);
        assert!(lines.len() > 2000, "only {} different lines", lines.len());
    }
}
