//! What the recorded set holds.

use super::sources::{Fields, LEVELS, NONE, Source};

const JSON: Fields = Fields {
    texts: &[
        ("level", LEVELS),
        ("msg", &["request done", "cache miss", "tab\there", "boom \"quoted\""]),
        ("request_method", &["GET", "POST"]),
        ("request_path", &["/api/orders", "/healthz", "/static/app.js"]),
        ("request_headers_user_agent", &["curl/8.1", "curl/8.4"]),
        ("ok", &["true", "false"]),
        ("app_extracted", &["shadow"]),
    ],
    numbers: &["status", "latency_ms", "user_id"],
    durations: &["took"],
    bytes: &["size"],
    addresses: &["client"],
};
const JSON_PATHS: Fields = Fields { texts: &[("method", &["GET", "POST"])], numbers: &["code"], ..NONE };
const LOGFMT: Fields = Fields {
    texts: &[
        ("level", LEVELS),
        ("msg", &["job done", "a=b inside", "retry later", "slow query"]),
        ("path", &["/login", "/healthz"]),
        ("quoted", &["x \"y\" z"]),
    ],
    numbers: &["n"],
    durations: &["duration"],
    bytes: &["bytes"],
    addresses: &["addr"],
};
const LOGFMT_NAMED: Fields = Fields { texts: &[("lvl", LEVELS)], durations: &["d"], ..NONE };
const NGINX: Fields = Fields {
    texts: &[("method", &["GET", "POST", "HEAD"]), ("path", &["/login", "/healthz", "/api/orders"])],
    numbers: &["status", "size", "took"],
    bytes: &["size"],
    addresses: &["ip"],
    durations: &[],
};
const NGINX_REQUEST: Fields =
    Fields { texts: &[("method", &["GET", "POST"]), ("path", &["/login", "/api/users"])], ..NONE };
const PACKED: Fields = Fields { texts: &[("container", &["c0", "c1"]), ("pod", &["p0", "p1"])], ..NONE };
const METRICS: Fields = Fields {
    texts: &[("host", &["h0", "h1", "h2"]), ("job", &["j0", "j1"])],
    numbers: &["value", "counter"],
    durations: &["took"],
    bytes: &["mem"],
    addresses: &[],
};
const FLEET: Fields = Fields {
    texts: &[("state", &["ok", "fail"]), ("node_extracted", &["0", "1", "9"])],
    numbers: &["temp", "seq"],
    ..NONE
};
const FLEET_REGEXP: Fields = Fields { texts: &[("state", &["ok", "fail"])], numbers: &["temp"], ..NONE };
const METADATA_JSON: Fields = Fields { texts: &[("msg", &["sm 1", "sm 2"])], numbers: &["v"], ..NONE };

pub(super) const SOURCES: &[Source] = &[
    Source {
        app: "json",
        labels: &[("env", &["prod", "dev"]), ("pod", &["json-0", "json-1", "json-2"]), ("zone", &["eu-1"])],
        needles: &["boom", "error", "/api/orders", "GET", "curl/8.1", "true", "\"status\":500"],
        regexes: &["(?i)ERROR|warn", "5\\d\\d", "curl/8\\.[0-4]", "\\bcache miss\\b", "192\\.168\\.[0-1]"],
        patterns: &["<_>boom<_>", "<_>level<_>error<_>", "<_>latency_ms<_>"],
        parsers: &[
            ("json", JSON),
            ("json", JSON),
            ("json", JSON),
            ("json method=\"request.method\", code=\"status\"", JSON_PATHS),
            (
                "json method=\"request[\\\"method\\\"]\", code=\"status\", tag=\"tags[0]\", id=\"[\\\"user.id\\\"]\"",
                Fields { texts: &[("method", &["GET", "POST"]), ("tag", &["a"])], numbers: &["code", "id"], ..NONE },
            ),
            ("json level, status", Fields { texts: &[("level", LEVELS)], numbers: &["status"], ..NONE }),
            ("regexp `\"level\": ?\"(?P<lvl>[a-z]+)\"`", Fields { texts: &[("lvl", LEVELS)], ..NONE }),
        ],
        metadata: &[("detected_level", LEVELS)],
        context: NONE,
        addresses: &["192.168.0.0/16", "192.168.1.0/24", "192.168.2.1-192.168.3.9"],
    },
    Source {
        app: "logfmt",
        labels: &[("pod", &["logfmt-0", "logfmt-1"]), ("env", &["prod"])],
        needles: &["level=error", "job done", "slow", "/login", "2.5s", "=novalue"],
        regexes: &["level=(warn|error)", "duration=\\d+ms", "(?i)RETRY", "n=-?[0-9]+ "],
        patterns: &["<_>level=error<_>", "ts=<_> level=<_> caller=<_>"],
        parsers: &[
            ("logfmt", LOGFMT),
            ("logfmt", LOGFMT),
            ("logfmt --keep-empty", LOGFMT),
            ("logfmt --strict", LOGFMT),
            ("logfmt --strict --keep-empty", LOGFMT),
            ("logfmt lvl=\"level\", d=\"duration\"", LOGFMT_NAMED),
            ("logfmt level, n", Fields { texts: &[("level", LEVELS)], numbers: &["n"], ..NONE }),
            ("pattern \"ts=<_> level=<lvl> <rest>\"", Fields { texts: &[("lvl", LEVELS)], ..NONE }),
        ],
        metadata: &[("detected_level", LEVELS)],
        context: NONE,
        addresses: &["10.0.0.0/8", "172.16.4.4", "2001:db8::/32"],
    },
    Source {
        app: "nginx",
        labels: &[("host", &["edge-1"]), ("env", &["prod"])],
        needles: &["GET", "HTTP/1.1", "bob", "curl", "/login", "502"],
        regexes: &["\" 5\\d\\d ", "(GET|HEAD) /api", "^10\\.1", "0\\.[0-9]+$", "(?i)mozilla"],
        patterns: &["<_> - bob <_>", "<_> \"GET <_> HTTP/1.1\" <_>", "<_> 502 <_>"],
        parsers: &[
            ("pattern `<ip> - <user> [<_>] \"<method> <path> <_>\" <status> <size> \"<_>\" \"<agent>\" <took>`", NGINX),
            ("pattern `<ip> - <user> [<_>] \"<method> <path> <_>\" <status> <size> \"<_>\" \"<agent>\" <took>`", NGINX),
            ("regexp `\"(?P<method>[A-Z]+) (?P<path>[^ ]+)`", NGINX_REQUEST),
        ],
        metadata: &[],
        context: NONE,
        addresses: &["10.1.2.0/24", "8.8.8.8", "2001:db8:0:1::/64", "192.168.0.0/16"],
    },
    Source {
        app: "plain",
        labels: &[("host", &["vm-1"])],
        needles: &["error", "ERROR", "entry", "\t", "quote \"", "🚀"],
        regexes: &["(?i)error", "[[:upper:]]{5}", "^multi", "entry$", "\\d+\\.\\d+", "(?i)привет"],
        patterns: &["<_>error<_>", "<_> request <_>"],
        parsers: &[],
        metadata: &[("detected_level", &["error", "unknown", "info"])],
        context: NONE,
        addresses: &["192.168.0.0/16", "10.0.0.1-10.0.0.9", "fe80::1"],
    },
    Source {
        app: "packed",
        labels: &[("env", &["dev"])],
        needles: &["inner", "level=info", "_entry"],
        regexes: &["line [0-9]+", "c[01]"],
        patterns: &["<_>inner line <_>"],
        parsers: &[("unpack", PACKED)],
        metadata: &[],
        context: NONE,
        addresses: &[],
    },
    Source {
        app: "metrics",
        labels: &[("kind", &["gauge"]), ("env", &["prod"])],
        needles: &["value=", "host=h1", "took=1m"],
        regexes: &["job=j[01]", "value=-?[0-4]"],
        patterns: &["value=<_> counter=<_>", "<_>host=h1<_>"],
        parsers: &[("logfmt", METRICS), ("logfmt", METRICS)],
        metadata: &[],
        context: NONE,
        addresses: &[],
    },
    Source {
        app: "sm",
        labels: &[("env", &["prod"]), ("user", &["label"])],
        needles: &["sm 1", "parsed"],
        regexes: &["sm [1-3]", "\"v\": 1?5"],
        patterns: &["<_>sm <_>"],
        parsers: &[("json", METADATA_JSON)],
        metadata: &[("pod", &["meta-0", "meta-1"]), ("user_extracted", &["ann", "bo", "çelik"]), ("level", LEVELS)],
        context: NONE,
        addresses: &[],
    },
    Source {
        app: "levels",
        labels: &[("env", &["prod"])],
        needles: &["level", "WARN"],
        regexes: &["(?i)warn|critical"],
        patterns: &["<_>level<_>"],
        parsers: &[("logfmt", NONE), ("json", NONE)],
        metadata: &[("detected_level", &["warn", "error", "info", "critical"])],
        context: NONE,
        addresses: &[],
    },
    Source {
        app: "fleet",
        labels: &[
            ("env", &["prod", "dev"]),
            ("dc", &["dc0", "dc1", "dc2"]),
            ("rack", &["r0", "r1", "r2", "r3"]),
            ("node", &["n00", "n01", "n09", "n17"]),
        ],
        needles: &["state=ok", "beat", "node=1", "temp=2"],
        regexes: &["state=(ok|fail)", "temp=2[0-5]", "seq=\\d "],
        patterns: &["beat <_> state=ok", "<_>temp=20<_>"],
        parsers: &[
            ("logfmt", FLEET),
            ("logfmt", FLEET),
            ("regexp `temp=(?P<temp>[0-9]+) state=(?P<state>\\w+)`", FLEET_REGEXP),
            ("pattern \"beat node=<_> seq=<seq> temp=<temp> state=<state>\"", FLEET_REGEXP),
        ],
        metadata: &[],
        context: NONE,
        addresses: &[],
    },
];
