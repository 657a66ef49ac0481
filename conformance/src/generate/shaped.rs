//! What the set of `crate::shaped` holds.

use super::sources::{Fields, LEVELS, NONE, Named, Source};

const DEEP: Fields = Fields {
    texts: &[
        ("level", LEVELS),
        ("level_extracted", LEVELS),
        ("user_name", &["ann", "bo", "çelik", "dé", "🚀"]),
        ("app_extracted", &["inner"]),
        ("_1st", &["true"]),
        ("user_geo_k_8s_io_x", &["odd key"]),
    ],
    numbers: &["code", "seq", "user_geo_lat", "ratio"],
    durations: &["took"],
    bytes: &["size"],
    addresses: &[],
};
const DEEP_PATHS: Fields = Fields {
    texts: &[("name", &["ann", "bo"]), ("tag", &["a"]), ("odd", &["odd key"])],
    numbers: &["id", "lat"],
    ..NONE
};
const DEEP_NAMED: Fields = Fields { texts: &[("level", LEVELS), ("none", &[""])], numbers: &["code", "seq"], ..NONE };
const LOOSE: Fields = Fields {
    texts: &[
        ("level", LEVELS),
        ("msg", &["done", "a \"quoted\" word", "tab\there", "x=1 y=2", "été"]),
        ("path", &["/login"]),
        ("user_extracted", &["ann"]),
    ],
    numbers: &["n"],
    durations: &["took"],
    bytes: &["size"],
    addresses: &["ip"],
};
const LOOSE_NAMED: Fields = Fields { texts: &[("lvl", LEVELS)], numbers: &["number"], durations: &["d"], ..NONE };
const WRAPPED: Fields = Fields {
    texts: &[("container_extracted", &["c0", "c1", "c2"]), ("pod", &["p0", "p1"]), ("odd_key", &["x y"])],
    ..NONE
};
const WRAPPED_LOGFMT: Fields =
    Fields { texts: &[("level", LEVELS), ("pod", &["p0", "p1"])], numbers: &["n"], durations: &["took"], ..NONE };
const ACCESS: Fields = Fields {
    texts: &[("method", &["GET", "POST", "HEAD"]), ("path", &["/", "/login", "/a b"]), ("user", &["bob", "eve", "-"])],
    numbers: &["status", "size", "took"],
    bytes: &["size"],
    addresses: &["ip"],
    durations: &[],
};
const ACCESS_REQUEST: Fields =
    Fields { texts: &[("method", &["GET", "POST"]), ("path", &["/", "/login"])], numbers: &["status"], ..NONE };
const GAUGES: Fields = Fields {
    texts: &[("host", &["h0", "h1", "h2"]), ("job", &["j0", "j1"])],
    numbers: &["value", "counter", "weight"],
    durations: &["took", "cost"],
    bytes: &["size"],
    addresses: &[],
};
const WEIGHTS: Fields = Fields { numbers: &["weight"], durations: &["cost"], ..NONE };
const CONTEXT_METADATA: Named = &[
    ("user", &["ann", "bo", "çelik"]),
    ("level", LEVELS),
    ("status_code", &["200", "404", "500"]),
    ("trace", &["t1", "t10", "label"]),
    ("trace_extracted", &["t1", "t10"]),
    ("detected_level", LEVELS),
];
const CONTEXT: Fields = Fields {
    texts: CONTEXT_METADATA,
    numbers: &["attempt", "status_code"],
    durations: &["duration"],
    bytes: &["size"],
    addresses: &["peer"],
};
const CONTEXT_PARSED: Fields = Fields {
    texts: &[("msg", &["span ended", "ended"]), ("user", &["ann", "bo"]), ("duration_extracted", &["parsed"])],
    numbers: &["n", "attempt"],
    durations: &["duration"],
    bytes: &["size"],
    addresses: &["peer"],
};
const WORDED: Fields =
    Fields { texts: &[("severity", &["ERROR", "warn"]), ("log_level", &["ERROR", "warn"])], numbers: &["n"], ..NONE };
const WORDED_LOGFMT: Fields =
    Fields { texts: &[("lvl", &["ERROR", "warn"]), ("level", &["Info", "warn"])], numbers: &["n"], ..NONE };

pub(super) const SOURCES: &[Source] = &[
    Source {
        app: "deep",
        labels: &[("env", &["prod", "dev"]), ("level", &["stream"]), ("kind", &["job"])],
        needles: &["level", "\"code\":500", "user", "\\u00e9", "odd key", "trailing", "[", "null"],
        regexes: &["\"code\":(404|500)", "(?i)ERROR", "\"seq\":[0-9]+7,", "^\\s*\\{", "tags\":\\[\"a\""],
        patterns: &["<_>\"level\":\"error\"<_>", "<_>took<_>"],
        parsers: &[
            ("json", DEEP),
            ("json", DEEP),
            ("json", DEEP),
            ("json level, code, seq, none", DEEP_NAMED),
            ("json name=\"user.name\", tag=\"user.tags[0]\", id=\"items[1].id\", lat=\"user.geo.lat\"", DEEP_PATHS),
            (
                "json id=\"items[0][\\\"id\\\"]\", odd=\"user.geo[\\\"k-8s.io/x\\\"]\", name=`[\"user\"].name`",
                DEEP_PATHS,
            ),
            (
                "regexp `\"level\": ?\"(?P<lvl>[a-z]+)\"(.*\"code\":(?P<code>\\d+))?`",
                Fields { texts: &[("lvl", LEVELS)], numbers: &["code"], ..NONE },
            ),
        ],
        metadata: &[("trace_id", &["t0", "t1", "t6"]), ("detected_level", LEVELS)],
        context: Fields { texts: &[("trace_id", &["t0", "t3"])], ..NONE },
        addresses: &[],
    },
    Source {
        app: "loose",
        labels: &[("env", &["prod", "dev"]), ("pod", &["loose-0", "loose-1"]), ("user", &["label"])],
        needles: &["level=", "msg=\"done\"", "took=3m", "\t", "quoted", "=novalue", "é"],
        regexes: &["level=(warn|error)", "n=\\d*5 ", "took=-?\\d", "(?i)MSG", "size=\\w+"],
        patterns: &["level=<_> n=<_>", "<_>took=3m<_>"],
        parsers: &[
            ("logfmt", LOOSE),
            ("logfmt", LOOSE),
            ("logfmt", LOOSE),
            ("logfmt --keep-empty", LOOSE),
            ("logfmt --strict", LOOSE),
            ("logfmt --strict --keep-empty", LOOSE),
            ("logfmt lvl=\"level\", d=\"took\", number=\"n\"", LOOSE_NAMED),
            ("logfmt --strict level, n, took, size", LOOSE),
            ("logfmt --keep-empty level, other, empty", LOOSE),
            ("pattern `level=<lvl> n=<number> took=<d> <_>`", LOOSE_NAMED),
        ],
        metadata: &[("detected_level", LEVELS)],
        context: NONE,
        addresses: &["10.0.0.0/16", "10.0.1.0-10.0.2.255", "10.0.3.7"],
    },
    Source {
        app: "wrapped",
        labels: &[("env", &["prod"]), ("container", &["outer"])],
        needles: &["_entry", "plain line", "level=", "not packed", "p1"],
        regexes: &["line \\d+", "c[01]\"", "(?i)LEVEL"],
        patterns: &["<_>plain line <_>", "<_>_entry<_>"],
        parsers: &[
            ("unpack", WRAPPED),
            ("unpack", WRAPPED),
            ("unpack | logfmt", WRAPPED_LOGFMT),
            ("unpack | json | __error__=~\".*\" | logfmt", WRAPPED_LOGFMT),
            ("json", Fields { numbers: &["count"], ..WRAPPED }),
        ],
        metadata: &[("detected_level", LEVELS)],
        context: NONE,
        addresses: &[],
    },
    Source {
        app: "access",
        labels: &[("env", &["prod", "dev"]), ("host", &["edge-1", "edge-2"])],
        needles: &["GET", "HTTP/1.1", "bob", "/login", "502", "timed out", "%20"],
        regexes: &["\" 5\\d\\d ", "(GET|HEAD) /", "^10\\.1", "0\\.[0-9]+$", "(?i)UPSTREAM", "reading\\s"],
        patterns: &["<_> - bob <_>", "<_> \"GET <_> HTTP/1.1\" <_>", "<_> 502 <_>"],
        parsers: &[
            ("pattern `<ip> - <user> [<_>] \"<method> <path> <_>\" <status> <size> <took>`", ACCESS),
            ("pattern \"<ip> - <user> [<_>] \\\"<method> <path> <_>\\\" <status> <size> <took>\"", ACCESS),
            ("decolorize | pattern `<ip> - <user> [<_>] \"<method> <path> <_>\" <status> <size> <took>`", ACCESS),
            ("regexp `\"(?P<method>[A-Z]+) (?P<path>[^ ]+)[^\"]*\" (?P<status>\\d+)`", ACCESS_REQUEST),
            (
                "regexp \"(?P<ip>[0-9a-f.:]+) - (?P<user>\\\\w+)?\"",
                Fields { texts: &[("user", &["bob", ""])], addresses: &["ip"], ..NONE },
            ),
        ],
        metadata: &[("edge", &["a", "b"])],
        context: Fields { texts: &[("edge", &["a", "b"])], ..NONE },
        addresses: &["10.1.2.0/24", "8.8.8.8", "2001:db8::/32", "192.168.0.0/16", "172.16.0.0-172.16.255.255"],
    },
    Source {
        app: "gauges",
        labels: &[("env", &["prod", "dev"]), ("zone", &["z1", "z2"])],
        needles: &["value=", "host=h1", "took=1", "NaN", "Inf"],
        regexes: &["job=j[01]", "value=-?[0-4]", "counter=\\d+2 "],
        patterns: &["host=<_> job=<_>", "<_>host=h1 <_>"],
        parsers: &[
            ("logfmt", GAUGES),
            ("logfmt", GAUGES),
            ("logfmt", GAUGES),
            ("logfmt host, job, value, took, size", GAUGES),
            (
                "pattern \"host=<host> job=<job> value=<value> counter=<counter> took=<took> size=\\\"<size>\\\"\"",
                GAUGES,
            ),
        ],
        metadata: &[("detected_level", &["unknown"])],
        context: WEIGHTS,
        addresses: &[],
    },
    Source {
        app: "context",
        labels: &[("env", &["prod", "dev"]), ("trace", &["label"])],
        needles: &["span", "ended", "retry", "msg"],
        regexes: &["span \\d+", "(?i)ENDED", "n\"?[=:]\\d*3"],
        patterns: &["span <_> ended", "retry <_>"],
        parsers: &[("json", CONTEXT_PARSED), ("logfmt", CONTEXT_PARSED)],
        metadata: CONTEXT_METADATA,
        context: CONTEXT,
        addresses: &[],
    },
    Source {
        app: "worded",
        labels: &[("env", &["prod"])],
        needles: &["level", "ERROR", "n=", "disk", "nothing"],
        regexes: &["(?i)warn", "\\[[A-Za-z]+\\]", "\\d+:"],
        patterns: &["[<_>] something <_>", "<_>: <_>: disk"],
        parsers: &[("json", WORDED), ("logfmt", WORDED_LOGFMT)],
        metadata: &[("detected_level", &["error", "warn", "info", "debug", "critical", "fatal", "trace", "unknown"])],
        context: NONE,
        addresses: &[],
    },
];
