//! Delete requests over HTTP: made, listed, taken back; and the number that changes with them.
//!
//! Parameters come from the URL alone, also with POST; errors are plain text with a newline. The routes are there only
//! with `compactor.retention_enabled`.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use loptr_compact::DeletionMode;
use loptr_compact::requests::{DeleteRequest, DeleteStore, RequestError, parse_query};
use loptr_model::{Millis, TenantId};
use loptr_wire::go;
use loptr_wire::params::Params;

use super::error::HttpError;
use super::{App, tenant};
use crate::deletes::Deleting;

fn bad(text: impl Into<String>) -> HttpError {
    HttpError::plain(StatusCode::BAD_REQUEST, text)
}

fn failed(error: &RequestError) -> HttpError {
    tracing::error!(%error, "delete requests");
    let status = match error {
        RequestError::Storage(_) => StatusCode::SERVICE_UNAVAILABLE,
        RequestError::NotFound => StatusCode::NOT_FOUND,
        RequestError::TooManyParts { .. } => StatusCode::BAD_REQUEST,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    HttpError::plain(status, error.to_string())
}

/// Who asks, about which requests, with which parameters.
struct Asked<'a> {
    tenant: TenantId,
    deleting: &'a Deleting,
    params: Params,
}

impl<'a> Asked<'a> {
    fn read(app: &'a App, headers: &HeaderMap, query: Option<&str>) -> Result<Self, HttpError> {
        let tenant = tenant::of(headers, app.settings.auth_enabled)?;
        let Some(deleting) = &app.deleting else { return Err(bad("Retention is not enabled")) };
        if app.limits.lifetime(&tenant).deletion == DeletionMode::Disabled {
            return Err(HttpError::plain(StatusCode::FORBIDDEN, "deletion is not available for this tenant"));
        }
        let params = Params::from_form(query.unwrap_or_default(), None).map_err(|error| bad(error.to_string()))?;
        Ok(Self { tenant, deleting, params })
    }

    fn store(&self) -> &DeleteStore {
        &self.deleting.store
    }
}

/// Ten characters of Unix seconds, or RFC 3339.
fn time(text: &str) -> Option<Millis> {
    if let Ok((secs, nanos)) = go::parse_rfc3339(text) {
        return secs.checked_mul(1000)?.checked_add(nanos / 1_000_000).map(Millis);
    }
    if text.len() != 10 {
        return None;
    }
    let secs = go::parse_float(text).ok().filter(|secs| secs.is_finite())?;
    Some(Millis(secs.trunc() as i64 * 1000 + (secs.fract() * 1e3) as i64))
}

const BAD_START: &str = "invalid start time: require unix seconds or RFC3339 format";
const BAD_END: &str = "invalid end time: require unix seconds or RFC3339 format";

/// `PUT|POST /loki/api/v1/delete`
pub(crate) async fn add(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, HttpError> {
    let asked = Asked::read(&app, &headers, query.as_deref())?;
    let params = &asked.params;
    let text = params.get("query");
    if text.is_empty() {
        return Err(bad("query not set"));
    }
    let log = parse_query(text).map_err(bad)?;
    let start = match params.get("start") {
        "" => return Err(bad("start time not set")),
        start => time(start).ok_or_else(|| bad(BAD_START))?,
    };
    let now = app.ports.clock.now().floor_millis();
    let end = match params.get("end") {
        "" => now,
        end => time(end).ok_or_else(|| bad(BAD_END))?,
    };
    if end > now {
        return Err(bad("deletes in the future are not allowed"));
    }
    if start >= end {
        return Err(bad("start time can't be greater than or equal to end time"));
    }
    let length = match log.has_filter() {
        true => length(params.get("max_interval"), asked.deleting.max_interval, end.0 - start.0).map_err(bad)?,
        false => 0,
    };
    let id = asked.store().add(&asked.tenant, text, start, end, length).await.map_err(|error| failed(&error))?;
    asked.deleting.metrics.request_received(&asked.tenant);
    tracing::info!(tenant = %asked.tenant, request = %id, query = %text, "delete request taken down");
    Ok((StatusCode::NO_CONTENT, [("x-delete-request-id", id)]).into_response())
}

/// Length of a request's parts in milliseconds.
fn length(asked: &str, most: Duration, span_millis: i64) -> Result<i64, String> {
    let most = i64::try_from(most.as_nanos()).unwrap_or(i64::MAX);
    if asked.is_empty() {
        return Ok(most / 1_000_000);
    }
    let length = go::parse_duration(asked).ok().filter(|length| *length >= 1_000_000_000);
    let length = length.ok_or("invalid max_interval: valid time units are 's', 'm', 'h'")?;
    if length > most && most != 0 {
        return Err(format!("max_interval can't be greater than {}", go::format_duration(most)));
    }
    let span = span_millis.saturating_mul(1_000_000);
    if length > span {
        let span = go::format_duration(span);
        return Err(format!("max_interval can't be greater than the interval to be deleted ({span})"));
    }
    Ok(length / 1_000_000)
}

/// `GET /loki/api/v1/delete`
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, HttpError> {
    let asked = Asked::read(&app, &headers, query.as_deref())?;
    let (start, end) = (asked.params.get("start"), asked.params.get("end"));
    let range = match (start, end) {
        ("", _) | (_, "") => None,
        (start, end) => Some((time(start).ok_or_else(|| bad(BAD_START))?, time(end).ok_or_else(|| bad(BAD_END))?)),
    };
    let all = asked.store().of(&asked.tenant).await.map_err(|error| failed(&error))?;
    let overlaps =
        |request: &&DeleteRequest| range.is_none_or(|(start, end)| request.start <= end && start <= request.end);
    let found: Vec<&DeleteRequest> = all.iter().filter(overlaps).collect();
    Ok(([(header::CONTENT_TYPE, "application/json")], json(&found)).into_response())
}

/// Seconds, as Go prints a time of milliseconds.
fn secs(time: Millis) -> String {
    go::format_float(time.0 as f64 / 1000.0)
}

/// Text as Go's encoder quotes it: `<`, `>` and `&` are escaped as well.
fn quoted(text: &str) -> String {
    let mut out = String::new();
    for c in serde_json::Value::from(text).to_string().chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                write!(out, "\\u{:04x}", u32::from(c)).expect("a String takes everything");
            }
            c => out.push(c),
        }
    }
    out
}

fn json(requests: &[&DeleteRequest]) -> String {
    let one = |request: &&DeleteRequest| {
        format!(
            r#"{{"request_id":{},"start_time":{},"end_time":{},"query":{},"status":{},"created_at":{},"user_id":""}}"#,
            quoted(&request.id),
            secs(request.start),
            secs(request.end),
            quoted(&request.query),
            quoted(&request.status),
            secs(request.created),
        )
    };
    format!("[{}]\n", requests.iter().map(one).collect::<Vec<_>>().join(","))
}

/// `DELETE /loki/api/v1/delete`
pub(crate) async fn cancel(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<StatusCode, HttpError> {
    let asked = Asked::read(&app, &headers, query.as_deref())?;
    let id = asked.params.get("request_id");
    let all = asked.store().of(&asked.tenant).await.map_err(|error| failed(&error))?;
    let Some(request) = all.iter().find(|request| request.id == id) else {
        return Err(failed(&RequestError::NotFound));
    };
    if request.status == "processed" {
        return Err(bad("deletion of request which is in process or already processed is not allowed"));
    }
    let period = asked.deleting.cancel_period;
    let deadline = request.created.0.saturating_add(i64::try_from(period.as_millis()).unwrap_or(i64::MAX));
    let is_late = request.status != "received" || deadline < app.ports.clock.now().floor_millis().0;
    if is_late && asked.params.get("force") != "true" {
        let period = go::format_duration(i64::try_from(period.as_nanos()).unwrap_or(i64::MAX));
        return Err(bad(format!(
            "Cancellation of partially completed delete request or delete request past the deadline of {period} since its creation is not allowed. To force, use the ?force query parameter"
        )));
    }
    asked.store().remove(&asked.tenant, id).await.map_err(|error| failed(&error))?;
    tracing::info!(tenant = %asked.tenant, request = %id, "delete request taken back");
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /loki/api/v1/cache/generation_numbers`
pub(crate) async fn generation(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, HttpError> {
    let asked = Asked::read(&app, &headers, query.as_deref())?;
    let number = asked.store().generation(&asked.tenant).await.map_err(|error| failed(&error))?;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], format!("\"{number}\"\n")).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_ten_characters_or_rfc_3339() {
        assert_eq!(time("1700000000"), Some(Millis(1_700_000_000_000)));
        assert_eq!(time("17000000.5"), Some(Millis(17_000_000_500)));
        assert_eq!(time("2026-11-19T10:00:00.25Z"), Some(Millis(1_795_082_400_250)));
        assert_eq!((time("1700000000000"), time("abcdefghij"), time("17")), (None, None, None));
    }

    #[test]
    fn lengths_of_parts_are_bounded() {
        const HOUR: i64 = 3_600_000;
        let length = |asked, span| length(asked, Duration::from_secs(86_400), span);
        assert_eq!((length("", HOUR), length("30m", HOUR)), (Ok(24 * HOUR), Ok(HOUR / 2)));
        assert_eq!(length("25h", 99 * HOUR), Err("max_interval can't be greater than 24h0m0s".to_owned()));
        let too_long = "max_interval can't be greater than the interval to be deleted (1h0m0s)";
        assert_eq!(length("2h", HOUR), Err(too_long.to_owned()));
        for bad in ["x", "1ms", "-1h"] {
            let error = length(bad, HOUR).expect_err("no length");
            assert_eq!(error, "invalid max_interval: valid time units are 's', 'm', 'h'");
        }
    }

    #[test]
    fn requests_are_written_as_go_writes_them() {
        let request = DeleteRequest {
            id: "0000beef".to_owned(),
            start: Millis(1_700_000_000_000),
            end: Millis(1_700_003_600_000),
            query: r#"{a="b"} |= "<&>""#.to_owned(),
            status: "50% Complete".to_owned(),
            created: Millis(1_700_003_700_123),
        };
        let expected = r#"[{"request_id":"0000beef","start_time":1700000000,"end_time":1700003600,"query":"{a=\"b\"} |= \"\u003c\u0026\u003e\"","status":"50% Complete","created_at":1700003700.123,"user_id":""}]"#;
        assert_eq!(json(&[&request]), format!("{expected}\n"));
        assert_eq!(json(&[]), "[]\n");
    }
}
