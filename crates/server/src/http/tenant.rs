//! Whose a request is.

use std::collections::BTreeSet;

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
    // Bytes that are no ASCII are characters that are not allowed, not an absent header.
    let bytes = headers.get(ORG_ID).map(http::HeaderValue::as_bytes).unwrap_or_default();
    let text: String = bytes.iter().copied().map(char::from).collect();
    if text.is_empty() {
        return Err(HttpError::plain(StatusCode::UNAUTHORIZED, "no org id"));
    }
    let mut ids = Vec::new();
    let parts: BTreeSet<&str> = text.split('|').map(|part| part.split_once(':').map_or(part, |(id, _)| id)).collect();
    // Upstream takes an empty one among several for a tenant. Alone it is none.
    if parts.len() > 1 && parts.contains("") {
        return Err(HttpError::plain(StatusCode::BAD_REQUEST, SEVERAL));
    }
    for id in parts {
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
        for several in ["a|", "|a", "a||b"] {
            assert_eq!(tenant(Some(several), true), Err((400, "multiple org IDs present\n".to_owned())), "{several}");
        }
        assert_eq!(tenant(Some("|"), true), Err((400, "no org id\n".to_owned())));
        assert_eq!(tenant(Some(":x"), true), Err((400, "no org id\n".to_owned())));
        let mut headers = HeaderMap::new();
        headers.insert(ORG_ID, http::HeaderValue::from_bytes(b"\xff").expect("a value"));
        let told = of(&headers, true).map(|id| id.to_string()).map_err(|error| error.body);
        assert_eq!(told, Err("tenant ID 'ÿ' contains unsupported character 'ÿ'\n".to_owned()));
    }
}
