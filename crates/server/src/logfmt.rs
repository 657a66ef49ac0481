//! Own log lines with upstream's keys first, `ts=… level=… msg="…" key=value`, or as JSON with the same keys; counted
//! by level.
//!
//! Lines under the target [`QUERIES`] are upstream's lines about queries, which operators parse: their one field holds
//! all keys and values, parted by [`PART`], and they have a `caller` in place of a message.

use std::fmt::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Target of lines about queries, and what upstream calls their place in its source: people search for it.
pub(crate) const QUERIES: &str = "metrics.go";
/// Parts keys and values of such a line.
pub(crate) const PART: char = '\u{1f}';

/// Upstream's words for levels, in the order of [`LOGGED`].
pub(crate) const LEVELS: [&str; 4] = ["debug", "info", "warn", "error"];
/// Lines written so far, by level.
pub(crate) static LOGGED: [AtomicU64; 4] = [const { AtomicU64::new(0) }; 4];

/// The formatter.
#[derive(Clone, Copy, Debug)]
pub enum Format {
    /// `key=value`.
    Logfmt,
    /// One object a line.
    Json,
}

#[derive(Default)]
struct Fields {
    message: String,
    rest: Vec<(String, String)>,
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => value.clone_into(&mut self.message),
            "line" if value.contains(PART) => {
                let mut parts = value.split(PART);
                while let (Some(name), Some(value)) = (parts.next(), parts.next()) {
                    self.rest.push((name.to_owned(), value.to_owned()));
                }
            }
            name => self.rest.push((name.to_owned(), value.to_owned())),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

/// The value as it is, or quoted where logfmt needs it.
fn quoted(value: &str) -> String {
    let plain = |c: char| !c.is_control() && !matches!(c, ' ' | '"' | '=');
    if value.chars().all(plain) { value.to_owned() } else { loptr_model::go_quote(value) }
}

fn count(level: Level) -> &'static str {
    let at = match level {
        Level::ERROR => 3,
        Level::WARN => 2,
        Level::INFO => 1,
        Level::DEBUG | Level::TRACE => 0,
    };
    LOGGED[at].fetch_add(1, Ordering::Relaxed);
    LEVELS[at]
}

impl<S, N> FormatEvent<S, N> for Format
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut ts = String::new();
        loptr_wire::go::format_rfc3339_nanos(crate::real::now().0, &mut ts);
        let level = count(*event.metadata().level());
        let first = if event.metadata().target() == QUERIES {
            ("caller", QUERIES.to_owned())
        } else {
            ("msg", std::mem::take(&mut fields.message))
        };
        if let Some((trace, sampled)) = crate::trace::current() {
            fields.rest.push(("traceID".to_owned(), trace));
            if sampled {
                fields.rest.push(("sampled".to_owned(), "true".to_owned()));
            }
        }
        match self {
            Self::Logfmt => {
                let mut line = format!("ts={ts} level={level} {}={}", first.0, quoted_message(&first.1));
                for (name, value) in &fields.rest {
                    write!(line, " {name}={}", quoted(value))?;
                }
                writeln!(writer, "{line}")
            }
            Self::Json => {
                let mut line = serde_json::Map::new();
                line.insert(first.0.to_owned(), first.1.into());
                line.insert("level".to_owned(), level.into());
                line.insert("ts".to_owned(), ts.into());
                for (name, value) in fields.rest {
                    line.insert(name, value.into());
                }
                writeln!(writer, "{}", serde_json::Value::Object(line))
            }
        }
    }
}

/// A message is quoted where it is empty, too.
fn quoted_message(message: &str) -> String {
    if message.is_empty() { "\"\"".to_owned() } else { quoted(message) }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn values_are_quoted_where_needed() {
        assert_eq!(quoted("plain/value:1"), "plain/value:1");
        assert_eq!(quoted("two words"), r#""two words""#);
        assert_eq!((quoted(""), quoted_message("")), (String::new(), r#""""#.to_owned()));
        assert_eq!(quoted("a=b"), r#""a=b""#);
    }

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no test panics while writing").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: Format) -> String {
        let lines = Lines::default();
        let out = lines.clone();
        let subscriber = tracing_subscriber::fmt().event_format(format).with_writer(move || out.clone()).finish();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(table = 7, "index shipped");
            tracing::info!(target: QUERIES, line = "latency\u{1f}fast\u{1f}query\u{1f}{a=\"b\"}\u{1f}label\u{1f}");
        });
        let bytes = lines.0.lock().expect("no test panics while writing").clone();
        let text = String::from_utf8(bytes).expect("text");
        // Times end in `Z`, their fractions are as long as need be.
        let timeless = |line: &str| {
            let (start, end) = (line.find("20").expect("a year"), line.find('Z').expect("a time zone"));
            format!("{}T{}\n", &line[..start], &line[end + 1..])
        };
        text.lines().map(timeless).collect()
    }

    #[test]
    fn lines_have_upstreams_keys() {
        let text = logged(Format::Logfmt);
        let mut lines = text.lines();
        assert!(lines.next().expect("a line").ends_with(r#" level=info msg="index shipped" table=7"#), "{text}");
        let query = lines.next().expect("a line");
        assert!(query.ends_with(r#" level=info caller=metrics.go latency=fast query="{a=\"b\"}" label="#), "{text}");
        let text = logged(Format::Json);
        let line: serde_json::Value = serde_json::from_str(text.lines().nth(1).expect("a line")).expect("JSON");
        assert_eq!((&line["caller"], &line["query"]), (&"metrics.go".into(), &"{a=\"b\"}".into()));
    }
}
