//! Lines for the micro-benchmarks in `benches/micro.rs`: the same every time, with an identifier of its own in each.
#![warn(missing_docs)]

/// A number that looks random, the same for the same `at`.
pub fn mixed(at: u64) -> u64 {
    let mut mixed = at.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

const LEVELS: [&str; 4] = ["info", "info", "warn", "error"];

/// A JSON line of a service, some 230 bytes.
pub fn json(at: u64) -> String {
    let random = mixed(at);
    format!(
        r#"{{"ts":"2026-11-19T10:00:{:02}.{:06}Z","level":"{}","msg":"request completed","method":"GET","path":"/api/v1/items/{}","status":{},"duration_ms":{}.{:03},"bytes":{},"request_id":"{random:016x}"}}"#,
        at % 60,
        random % 1_000_000,
        LEVELS[(random % 4) as usize],
        random % 50,
        [200, 200, 404, 500][(random >> 8 & 3) as usize],
        random % 300,
        random % 1000,
        random % 40_000,
    )
}

/// The same as logfmt.
pub fn logfmt(at: u64) -> String {
    let random = mixed(at);
    format!(
        r#"ts=2026-11-19T10:00:{:02}.{:06}Z level={} msg="job done" queue=mail id={random:016x} duration={}ms bytes={}"#,
        at % 60,
        random % 1_000_000,
        LEVELS[(random % 4) as usize],
        random % 300,
        random % 40_000,
    )
}

/// A line of an access log.
pub fn access(at: u64) -> String {
    let random = mixed(at);
    format!(
        r#"10.{}.{}.{} - - [19/Nov/2026:10:00:{:02} +0000] "GET /api/v1/items/{} HTTP/1.1" {} {} "-" "curl/8.5""#,
        random & 63,
        random >> 8 & 255,
        random >> 16 & 255,
        at % 60,
        random % 5000,
        [200, 200, 404, 502][(random >> 24 & 3) as usize],
        random % 40_000,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_the_same_every_time_and_differ_among_each_other() {
        for line in [json, logfmt, access] {
            assert_eq!(line(7), line(7));
            assert_ne!(line(7), line(8));
        }
        assert!(json(1).ends_with("\"}") && logfmt(1).contains(" level=") && access(1).contains("\"GET /"));
    }
}
