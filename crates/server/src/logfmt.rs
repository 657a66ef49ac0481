//! Log lines in logfmt, with upstream's keys first: `ts=… level=… msg="…" key=value`.

use std::fmt::{self, Write};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// The formatter.
#[derive(Clone, Copy, Debug)]
pub struct Logfmt;

#[derive(Default)]
struct Fields {
    message: String,
    rest: String,
}

impl Fields {
    fn put(&mut self, name: &str, value: &str) {
        if name == "message" {
            value.clone_into(&mut self.message);
            return;
        }
        // Writing to a String cannot fail.
        let _ = write!(self.rest, " {name}={}", quoted(value));
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field.name(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field.name(), &format!("{value:?}"));
    }
}

/// The value as it is, or quoted where logfmt needs it.
fn quoted(value: &str) -> String {
    let plain = |c: char| !c.is_control() && !matches!(c, ' ' | '"' | '=');
    if !value.is_empty() && value.chars().all(plain) { value.to_owned() } else { loptr_model::go_quote(value) }
}

impl<S, N> FormatEvent<S, N> for Logfmt
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut ts = String::new();
        loptr_wire::go::format_rfc3339_nanos(crate::real::now().0, &mut ts);
        let level = event.metadata().level().as_str().to_ascii_lowercase();
        writeln!(writer, "ts={ts} level={level} msg={}{}", quoted(&fields.message), fields.rest)
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn values_are_quoted_where_needed() {
        assert_eq!(quoted("plain/value:1"), "plain/value:1");
        assert_eq!(quoted("two words"), r#""two words""#);
        assert_eq!(quoted(""), r#""""#);
        assert_eq!(quoted("a=b"), r#""a=b""#);
    }
}
