//! One line of each kind. Every function appends to `out` and returns the level for structured metadata, empty for
//! kinds that carry none.
//!
//! Texts the questions look for, with how often they come: `connection refused` in three spellings (about 1 % of
//! worker and system lines), `retry budget exhausted after N attempts at 0x…` (one worker line in 4000), `Failed
//! password` (a fifth of system lines), answers 5xx (2 % of requests).

use std::fmt::Write;

use super::Random;
use super::civil::{DateTime, date_time};

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const AGENTS: [&str; 6] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
    "okhttp/4.12.0",
    "curl/8.5.0",
];
const PAGES: [&str; 7] =
    ["/", "/login", "/static/app.4f2a1c.js", "/static/main.css", "/api/v1/orders/", "/api/v1/users/", "/api/v1/carts/"];
const ROUTES: [&str; 8] = [
    "/api/v1/orders",
    "/api/v1/orders/{id}",
    "/api/v1/carts/{id}/items",
    "/api/v1/users/{id}",
    "/api/v1/users/{id}/addresses",
    "/api/v1/payments",
    "/api/v1/search",
    "/healthz",
];
const METHODS: [&str; 5] = ["GET", "GET", "GET", "POST", "PUT"];
const JOBS: [&str; 6] = ["send_mail", "render_invoice", "sync_ledger", "reindex_product", "purge_cart", "resize_image"];
const QUEUES: [&str; 3] = ["default", "critical", "bulk"];

/// Appends `digits` hexadecimal digits of `value`.
pub(super) fn hex(out: &mut String, value: u64, digits: u32) {
    for place in (0..digits).rev() {
        let nibble = (value >> (4 * place)) & 15;
        out.push(char::from_digit(u32::try_from(nibble).unwrap_or_default(), 16).unwrap_or('0'));
    }
}

/// Writing to a string does not fail.
macro_rules! put {
    ($out:expr, $($part:tt)*) => {
        let _ = write!($out, $($part)*);
    };
}

fn rfc3339(out: &mut String, time_ns: i64) {
    let DateTime { year, month, day, hour, minute, second, nanos } = date_time(time_ns);
    put!(out, "{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:06}Z", nanos / 1000);
}

fn status(random: &mut Random) -> u32 {
    match random.below(100) {
        0 => 500,
        1 => random.pick(&[502, 503, 504]),
        2..6 => 404,
        6..8 => random.pick(&[400, 401, 403, 429]),
        8..14 => 304,
        14..18 => 201,
        _ => 200,
    }
}

/// Milliseconds, mostly short with a long tail, in thousandths.
fn duration_us(random: &mut Random) -> u64 {
    let short = 800 + random.below(24_000);
    match random.below(100) {
        0 => short * 150,
        1..8 => short * 20,
        _ => short,
    }
}

fn level(random: &mut Random) -> &'static str {
    match random.below(100) {
        0..2 => "error",
        2..8 => "warn",
        8..28 => "debug",
        _ => "info",
    }
}

/// nginx's combined format with the request time after it.
pub(super) fn access(out: &mut String, random: &mut Random, time_ns: i64) -> &'static str {
    let DateTime { year, month, day, hour, minute, second, .. } = date_time(time_ns);
    let month = usize::try_from(month - 1).ok().and_then(|at| MONTHS.get(at)).copied().unwrap_or("Jan");
    let address = random.next();
    put!(out, "{}.{}.{}.{} - ", 11 + address % 180, address >> 8 & 255, address >> 16 & 255, address >> 24 & 255);
    if random.below(4) == 0 {
        put!(out, "user{} ", random.below(5000));
    } else {
        out.push_str("- ");
    }
    put!(out, "[{day:02}/{month}/{year}:{hour:02}:{minute:02}:{second:02} +0000] \"{} ", random.pick(&METHODS));
    let page = random.pick(&PAGES);
    out.push_str(page);
    if page.len() > 1 && page.ends_with('/') {
        put!(out, "{}", 100_000 + random.below(900_000));
    }
    let status = status(random);
    let bytes = if status == 304 { 0 } else { 120 + random.below(60_000) };
    let referrer = if random.below(3) == 0 { "https://shop.example.com/" } else { "-" };
    let agent = random.pick(&AGENTS);
    let took = duration_us(random) / 1000;
    put!(out, " HTTP/1.1\" {status} {bytes} \"{referrer}\" \"{agent}\" {}.{:03}", took / 1000, took % 1000);
    ""
}

/// One JSON object a request.
pub(super) fn service(out: &mut String, random: &mut Random, time_ns: i64, app: &str) -> &'static str {
    out.push_str("{\"ts\":\"");
    rfc3339(out, time_ns);
    let status = status(random);
    let level = if status >= 500 { "error" } else { level(random) };
    let message = match level {
        "error" => "request failed",
        "warn" => "slow downstream call",
        "debug" => "cache lookup",
        _ => "request completed",
    };
    let (method, route) = (random.pick(&METHODS), random.pick(&ROUTES));
    put!(out, "\",\"level\":\"{level}\",\"service\":\"{app}\",\"msg\":\"{message}\",\"method\":\"{method}\"");
    let took = duration_us(random);
    put!(out, ",\"path\":\"{route}\",\"status\":{status},\"duration_ms\":{}.{:03}", took / 1000, took % 1000);
    put!(out, ",\"bytes\":{},\"user\":\"u-{}\",\"request_id\":\"", 80 + random.below(40_000), random.below(20_000));
    hex(out, random.next(), 16);
    let address = random.next();
    put!(out, "\",\"client\":\"10.{}.{}.{}\"", address & 63, address >> 8 & 255, address >> 16 & 255);
    if level == "error" {
        let error = random.pick(&[
            "upstream timeout",
            "deadlock detected",
            "dial tcp 10.4.0.12:5432: connect: connection refused",
        ]);
        put!(out, ",\"error\":\"{error}\"");
    }
    out.push('}');
    level
}

/// Pairs of a job runner.
pub(super) fn worker(out: &mut String, random: &mut Random, time_ns: i64, app: &str) -> &'static str {
    let level = level(random);
    out.push_str("ts=");
    rfc3339(out, time_ns);
    put!(out, " level={level} caller={app}/runner.go:{} ", 40 + random.below(300));
    if random.below(4000) == 0 {
        put!(out, "msg=\"retry budget exhausted after {} attempts at 0x", 5 + random.below(20));
        hex(out, random.next(), 12);
        out.push('"');
    } else {
        let message = match (level, random.below(2)) {
            ("error", 0) => "msg=\"job failed\" err=\"Connection refused by peer\"",
            ("error", _) => "msg=\"job failed\" err=\"context deadline exceeded\"",
            ("warn", _) => "msg=\"job retried\"",
            ("debug", _) => "msg=\"lease renewed\"",
            _ => "msg=\"job done\"",
        };
        out.push_str(message);
    }
    put!(out, " job={} queue={} id=", random.pick(&JOBS), random.pick(&QUEUES));
    hex(out, random.next(), 16);
    let took = duration_us(random) * 3;
    put!(
        out,
        " attempt={} duration={}.{:03}ms bytes={}",
        1 + random.below(3),
        took / 1000,
        took % 1000,
        random.below(200_000)
    );
    level
}

/// What a host's syslog holds.
pub(super) fn system(out: &mut String, random: &mut Random, time_ns: i64, host: &str) -> &'static str {
    let DateTime { month, day, hour, minute, second, nanos, .. } = date_time(time_ns);
    let month = usize::try_from(month - 1).ok().and_then(|at| MONTHS.get(at)).copied().unwrap_or("Jan");
    put!(out, "{month} {day:2} {hour:02}:{minute:02}:{second:02} {host} ");
    let (pid, number) = (1000 + random.below(60_000), random.next());
    let address = format_args!("10.{}.{}.{}", number & 15, number >> 8 & 255, number >> 16 & 255).to_string();
    match random.below(20) {
        0..4 => {
            let user = random.pick(&["root", "invalid user admin", "invalid user oracle", "deploy"]);
            put!(
                out,
                "sshd[{pid}]: Failed password for {user} from {address} port {} ssh2",
                1024 + (number >> 32) % 60_000
            );
        }
        4..7 => {
            put!(
                out,
                "sshd[{pid}]: Accepted publickey for deploy from {address} port {} ssh2",
                1024 + (number >> 32) % 60_000
            );
        }
        7..10 => {
            put!(out, "CRON[{pid}]: (root) CMD (/usr/lib/sysstat/sa1 1 1)");
        }
        10..13 => {
            let unit = random.pick(&["logrotate.service", "apt-daily.service", "docker.service", "session-112.scope"]);
            put!(out, "systemd[1]: {} {unit}.", random.pick(&["Started", "Stopped", "Starting", "Reloading"]));
        }
        13..16 => {
            put!(
                out,
                "kernel: [{}.{:06}] eth0: Out of memory in UDP allocation, dropped {} packets",
                number % 900_000,
                nanos / 1000,
                number >> 40 & 255
            );
        }
        16..19 => {
            put!(out, "dockerd[{pid}]: time=\"{hour:02}:{minute:02}\" level=info msg=\"Container ");
            hex(out, number, 12);
            put!(out, " health status changed to {}\"", random.pick(&["healthy", "unhealthy", "starting"]));
        }
        _ => {
            put!(out, "rsyslogd[{pid}]: cannot connect to {address}:514: CONNECTION REFUSED [v8.2302]");
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_digits() {
        let mut out = String::new();
        hex(&mut out, 0xabc, 5);
        assert_eq!(out, "00abc");
    }

    #[test]
    fn what_the_questions_look_for_is_there() {
        let mut random = Random::new(1);
        let (mut all, mut line) = (String::new(), String::new());
        for number in 0..40_000 {
            line.clear();
            let time = 1_795_000_000_000_000_000 + number;
            match number % 4 {
                0 => access(&mut line, &mut random, time),
                1 => service(&mut line, &mut random, time, "checkout"),
                2 => worker(&mut line, &mut random, time, "mailer"),
                _ => system(&mut line, &mut random, time, "node-01"),
            };
            all.push_str(&line);
            all.push('\n');
        }
        for part in [
            "Connection refused",
            "connection refused",
            "CONNECTION REFUSED",
            "retry budget exhausted after ",
            "Failed password",
            "\" 502 ",
            "\"status\":500",
            "level=error",
            "\"duration_ms\":",
            " attempts at 0x",
        ] {
            assert!(all.contains(part), "{part}");
        }
        assert!(!all.contains(crate::questions::ABSENT));
    }
}
