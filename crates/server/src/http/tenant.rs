//! Whose a request is.

use http::{HeaderMap, StatusCode};
use loptr_model::TenantId;

use super::error::HttpError;

/// The header that names the tenant.
pub(crate) const ORG_ID: &str = "x-scope-orgid";

/// What is said to several tenants where there may be one only.
pub(crate) const SEVERAL: &str = "multiple org IDs present";

/// The one tenant of a request; `auth_enabled: false` makes it the same for all.
pub(crate) fn of(headers: &HeaderMap, auth_enabled: bool) -> Result<TenantId, HttpError> {
    let ids = all_of(headers, auth_enabled)?;
    match <[TenantId; 1]>::try_from(ids) {
        Ok([id]) => Ok(id),
        Err(_) => Err(HttpError::plain(StatusCode::BAD_REQUEST, SEVERAL)),
    }
}

/// The tenants of a request, sorted, each once.
pub(crate) fn all_of(headers: &HeaderMap, auth_enabled: bool) -> Result<Vec<TenantId>, HttpError> {
    if !auth_enabled {
        return Ok(vec![TenantId::single()]);
    }
    let text = headers.get(ORG_ID).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if text.is_empty() {
        return Err(HttpError::plain(StatusCode::UNAUTHORIZED, "no org id"));
    }
    let mut ids = Vec::new();
    for part in text.split('|') {
        let id = part.split_once(':').map_or(part, |(id, _)| id);
        ids.push(TenantId::parse(id).map_err(|error| HttpError::plain(StatusCode::BAD_REQUEST, error.to_string()))?);
    }
    ids.sort();
    ids.dedup();
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(header: Option<&'static str>, auth: bool) -> Result<String, (u16, String)> {
        let mut headers = HeaderMap::new();
        if let Some(value) = header {
            headers.insert(ORG_ID, http::HeaderValue::from_static(value));
        }
        of(&headers, auth).map(|id| id.to_string()).map_err(|error| (error.status.as_u16(), error.body))
    }

    #[test]
    fn the_header_decides_only_with_authentication() {
        assert_eq!(tenant(Some("a"), false), Ok("fake".to_owned()));
        assert_eq!(tenant(Some("a"), true), Ok("a".to_owned()));
        assert_eq!(tenant(None, true), Err((401, "no org id\n".to_owned())));
        assert_eq!(tenant(Some(""), true), Err((401, "no org id\n".to_owned())));
    }

    #[test]
    fn several_tenants_are_refused_but_one_named_twice_is_one() {
        assert_eq!(tenant(Some("a|a"), true), Ok("a".to_owned()));
        assert_eq!(tenant(Some("a:x|a"), true), Ok("a".to_owned()));
        assert_eq!(tenant(Some("a|b"), true), Err((400, "multiple org IDs present\n".to_owned())));
        let text = "tenant ID 'a/b' contains unsupported character '/'\n".to_owned();
        assert_eq!(tenant(Some("a/b"), true), Err((400, text)));
    }
}
