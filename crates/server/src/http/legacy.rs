//! `/api/prom/query`: log lines in the shape of the first clients.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use loptr_logql::ast::{Expr, LogExpr};
use loptr_model::go_quote;
use loptr_wire::params::RangeParams;

use super::App;
use super::asked::{log_range, read};
use super::error::HttpError;
use super::query::{check_blocked, kind_of, log_request, question_of};

/// The log query `query`, its lines filtered by the regular expression `regexp` first if there is one: old clients
/// send them apart.
pub(super) fn with_regexp(query: &str, regexp: &str) -> Result<LogExpr, HttpError> {
    let parsed = match loptr_logql::parse(query).map_err(HttpError::bad_query)? {
        Expr::Log(query) => query,
        _ => {
            return Err(HttpError::bad_query(if regexp.is_empty() {
                "legacy endpoints only support streams result type"
            } else {
                "only log selector is supported"
            }));
        }
    };
    if regexp.is_empty() {
        return Ok(parsed);
    }
    let filtered = format!("{query} |~ {}", go_quote(regexp));
    loptr_logql::parse_log(&filtered).map_err(HttpError::bad_query)
}

/// `/api/prom/query`
pub(crate) async fn query(State(app): State<Arc<App>>, request: Request) -> Result<Response, HttpError> {
    let asked = read(&app, request).await?;
    let range = RangeParams::parse(&asked.params, asked.now).map_err(HttpError::bad_query)?;
    let query = with_regexp(&range.query, asked.params.get("regexp"))?;
    check_blocked(&app, &asked, &range.query, kind_of(&query))?;
    let ranges = vec![log_range(range.start, range.end)];
    let request = log_request(query, &range, false);
    let (answer, figures) = app.engine.logs(&asked.readers, &asked.limits, request).await?;
    super::query::answer(&app, &asked, answer, (figures, ranges), question_of(&range, true)).await
}
