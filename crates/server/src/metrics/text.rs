//! The two texts scrapers read: OpenMetrics, and the classic format made of it.

use std::collections::HashSet;
use std::fmt::Write;

/// Counters whose names in upstream's classic text do not end in `_total`.
const UNSUFFIXED: &[&str] =
    &["loki_stream_sharding_count", "loki_blocked_queries", "loki_cache_fetched_keys", "loki_cache_hits"];

/// A text format of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Classic,
    OpenMetrics,
}

impl Format {
    /// The one a client likes best; the classic one where it says nothing.
    pub(crate) fn accepted(accept: &str) -> Self {
        let mut best = (Self::Classic, 0.0);
        for part in accept.split(',') {
            let mut words = part.split(';').map(str::trim);
            let format = match words.next().unwrap_or_default() {
                "application/openmetrics-text" => Self::OpenMetrics,
                "text/plain" | "text/*" | "*/*" => Self::Classic,
                _ => continue,
            };
            let weight = words.find_map(|word| word.strip_prefix("q=")?.parse::<f64>().ok()).unwrap_or(1.0);
            if weight > best.1 {
                best = (format, weight);
            }
        }
        best.0
    }

    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Classic => "text/plain; version=0.0.4; charset=utf-8; escaping=underscores",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores",
        }
    }
}

/// Families that are no metrics of a registry: figures asked for at the scrape. Written as OpenMetrics.
#[derive(Debug, Default)]
pub(crate) struct Page(pub(crate) String);

impl Page {
    /// One family; `name` of a counter ends in `_total`. Labels are written as they come: `{a="b"}`, or nothing.
    pub(crate) fn family(&mut self, name: &str, kind: &str, help: &str, values: &[(&str, f64)]) {
        let base = if kind == "counter" { name.strip_suffix("_total").unwrap_or(name) } else { name };
        self.put(format_args!("# HELP {base} {help}\n# TYPE {base} {kind}\n"));
        for (labels, value) in values {
            self.put(format_args!("{name}{labels} {value}\n"));
        }
    }

    pub(crate) fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.family(name, "gauge", help, &[("", value)]);
    }

    pub(crate) fn counter(&mut self, name: &str, help: &str, value: f64) {
        self.family(name, "counter", help, &[("", value)]);
    }

    pub(crate) fn put(&mut self, text: std::fmt::Arguments<'_>) {
        self.0.write_fmt(text).expect("a String takes everything");
    }
}

/// A value of a label as both formats write it.
pub(crate) fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// What the registry's encoder wrote and the page, in `format`.
pub(crate) fn whole(registry: &str, page: &str, format: Format) -> String {
    let registry = registry.strip_suffix("# EOF\n").unwrap_or(registry);
    match format {
        Format::OpenMetrics => {
            let mut out = String::with_capacity(registry.len() + page.len() + 8);
            for line in registry.lines() {
                // The encoder ends each help with a dot of its own.
                let line = if line.starts_with("# HELP ") { line.strip_suffix('.').unwrap_or(line) } else { line };
                out.push_str(line);
                out.push('\n');
            }
            out.push_str(page);
            out.push_str("# EOF\n");
            out
        }
        Format::Classic => {
            let mut out = String::with_capacity(registry.len() + page.len());
            classic(registry, &mut out);
            classic(page, &mut out);
            out
        }
    }
}

/// Metrics whose names upstream begins with `metrics_namespace`: those that were Cortex's once.
const NAMESPACED: &[&str] = &["loki_frontend_query_range_duration_seconds", "loki_ingester_flush_queue_length"];

/// `text` under another namespace than `loki`.
pub(crate) fn in_namespace(text: String, namespace: &str) -> String {
    if namespace == "loki" {
        return text;
    }
    let mut out = String::with_capacity(text.len() + 64);
    for line in text.lines() {
        let at = if line.starts_with("# HELP ") || line.starts_with("# TYPE ") { 7 } else { 0 };
        let (head, rest) = line.split_at(at);
        match rest.strip_prefix("loki_").filter(|_| NAMESPACED.iter().any(|name| rest.starts_with(name))) {
            Some(name) => writeln!(out, "{head}{namespace}_{name}"),
            None => writeln!(out, "{line}"),
        }
        .expect("a String takes everything");
    }
    out
}

/// OpenMetrics text → the classic format: counters are named in full in their headers, help ends without a dot.
fn classic(open_metrics: &str, out: &mut String) {
    let mut counters = HashSet::new();
    for line in open_metrics.lines() {
        if let Some(name) = line.strip_prefix("# TYPE ").and_then(|rest| rest.strip_suffix(" counter")) {
            counters.insert(name);
        }
    }
    for line in open_metrics.lines() {
        let unsuffixed =
            UNSUFFIXED.iter().find_map(|name| Some((name, line.strip_prefix(name)?.strip_prefix("_total")?)));
        if let Some((name, rest)) = unsuffixed {
            writeln!(out, "{name}{rest}").expect("a String takes everything");
            continue;
        }
        if line.starts_with("# UNIT ") {
            continue;
        }
        let header = line.strip_prefix("# HELP ").map(|rest| ("HELP", rest));
        let header = header.or_else(|| line.strip_prefix("# TYPE ").map(|rest| ("TYPE", rest)));
        match header.and_then(|(kind, rest)| Some((kind, rest.split_once(' ')?))) {
            Some((kind, (name, rest))) => {
                let suffix = if counters.contains(name) && !UNSUFFIXED.contains(&name) { "_total" } else { "" };
                let rest = if kind == "HELP" { rest.strip_suffix('.').unwrap_or(rest) } else { rest };
                writeln!(out, "# {kind} {name}{suffix} {rest}").expect("a String takes everything");
            }
            None => {
                out.push_str(line);
                out.push('\n');
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_names_follow_the_namespace() {
        let text =
            "# TYPE loki_ingester_flush_queue_length gauge\nloki_ingester_flush_queue_length 0\nloki_panic_total 0\n";
        let moved = "# TYPE cortex_ingester_flush_queue_length gauge\ncortex_ingester_flush_queue_length 0\nloki_panic_total 0\n";
        assert_eq!(in_namespace(text.to_owned(), "cortex"), moved);
        assert_eq!(in_namespace(text.to_owned(), "loki"), text);
    }

    #[test]
    fn both_texts_hold_the_same() {
        let registry = "# HELP a_b Things counted.\n# TYPE a_b counter\na_b_total{x=\"1\"} 2\n# EOF\n";
        let mut page = Page::default();
        page.gauge("g", "Held", 1.0);
        page.counter("c_total", "Counted", 2.0);
        let open = "# HELP a_b Things counted\n# TYPE a_b counter\na_b_total{x=\"1\"} 2\n# HELP g Held\n# TYPE g gauge\ng 1\n# HELP c Counted\n# TYPE c counter\nc_total 2\n# EOF\n";
        assert_eq!(whole(registry, &page.0, Format::OpenMetrics), open);
        let classic = "# HELP a_b_total Things counted\n# TYPE a_b_total counter\na_b_total{x=\"1\"} 2\n# HELP g Held\n# TYPE g gauge\ng 1\n# HELP c_total Counted\n# TYPE c_total counter\nc_total 2\n";
        assert_eq!(whole(registry, &page.0, Format::Classic), classic);
    }

    #[test]
    fn clients_get_what_they_like_best() {
        for (accept, format) in [
            ("", Format::Classic),
            ("application/openmetrics-text", Format::OpenMetrics),
            ("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.7", Format::Classic),
            (
                "application/openmetrics-text;version=1.0.0;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                Format::OpenMetrics,
            ),
        ] {
            assert_eq!(Format::accepted(accept), format, "{accept}");
        }
    }
}
