//! `X-Loki-Query-Limits`: limits that a request sets for itself, where `querier.per_request_limits_enabled` lets it. They
//! narrow the tenant's, never widen them. A header that cannot be read is passed over, as upstream does.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use loptr_query::QueryLimits;
use loptr_wire::go::{parse_byte_size, parse_prometheus_duration};
use serde_json::Value;

const HEADER: &str = "x-loki-query-limits";

/// `limits`, narrowed as the request asks.
pub(super) fn narrowed(headers: &HeaderMap, limits: Arc<QueryLimits>) -> Arc<QueryLimits> {
    let Some(header) = headers.get(HEADER) else { return limits };
    match asked(header.as_bytes()) {
        Some(asked) => Arc::new((*limits).clone().and(asked)),
        None => {
            tracing::warn!("query limits of a request cannot be read");
            limits
        }
    }
}

/// The header's limits, all others without bound.
fn asked(json: &[u8]) -> Option<QueryLimits> {
    let json: Value = serde_json::from_slice(json).ok()?;
    let fields = json.as_object()?;
    let mut limits = QueryLimits::unbounded();
    for (name, value) in fields {
        match name.as_str() {
            "maxQueryLength" => limits.max_length = duration(value)?,
            "maxQueryInterval" => limits.max_range = duration(value)?,
            "maxQueryLookback" => limits.max_look_back = duration(value)?,
            "maxQueryTime" => limits.timeout = duration(value)?,
            "maxEntriesLimitPerQuery" => limits.max_entries = count(value)?,
            "minimumLabelsNumber" => limits.min_matchers = count(value)?,
            "maxQueryBytesRead" => limits.max_query_bytes = parse_byte_size(value.as_str()?)?,
            "requiredLabels" => {
                let names = value.as_array()?.iter().map(|name| name.as_str().map(str::to_owned));
                limits.required_labels = names.collect::<Option<_>>()?;
            }
            _ => {}
        }
    }
    Some(limits)
}

fn duration(value: &Value) -> Option<Duration> {
    let nanos = parse_prometheus_duration(value.as_str()?).ok()?;
    u64::try_from(nanos).ok().map(Duration::from_nanos)
}

fn count(value: &Value) -> Option<usize> {
    usize::try_from(value.as_u64()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(header: &str) -> QueryLimits {
        let own = QueryLimits { required_labels: vec!["app".to_owned()], ..QueryLimits::default() };
        let headers = HeaderMap::from_iter([(
            http::HeaderName::from_static(HEADER),
            http::HeaderValue::from_str(header).expect("a value"),
        )]);
        (*narrowed(&headers, Arc::new(own))).clone()
    }

    #[test]
    fn limits_are_narrowed_and_never_widened() {
        let header = r#"{"maxQueryLength":"1h","maxEntriesLimitPerQuery":9000,"maxQueryTime":"10s","requiredLabels":["env"],"minimumLabelsNumber":2,"maxQueryBytesRead":"1MB"}"#;
        let limits = with(header);
        assert_eq!((limits.max_length, limits.max_entries), (Duration::from_secs(3600), 5000));
        assert_eq!(
            (limits.timeout, limits.min_matchers, limits.max_query_bytes),
            (Duration::from_secs(10), 2, 1 << 20)
        );
        assert_eq!(limits.required_labels, ["app", "env"]);
        // What the header does not name stays.
        let default = QueryLimits::default();
        assert_eq!((limits.max_series, limits.volume_enabled), (default.max_series, default.volume_enabled));
        assert_eq!((limits.variants, limits.approx_topk), (default.variants, default.approx_topk));
    }

    #[test]
    fn a_header_that_cannot_be_read_is_passed_over() {
        for header in
            ["", "[]", "{", r#"{"maxQueryLength":3}"#, r#"{"maxQueryLength":"x"}"#, r#"{"minimumLabelsNumber":-1}"#]
        {
            assert_eq!(with(header).max_length, QueryLimits::default().max_length, "{header}");
        }
    }
}
