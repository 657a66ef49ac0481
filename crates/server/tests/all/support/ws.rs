//! WebSockets as tests of tails open them.

use std::time::Duration;

pub(crate) use loptr_conformance::ws::Said;
use loptr_conformance::ws::WsError;

use super::http::Api;

pub(crate) struct Socket(loptr_conformance::ws::Socket);

impl Socket {
    /// Opens `path`; the error is the status and body of the refusal.
    pub(crate) fn open(
        api: &Api,
        path: &str,
        params: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Result<Self, (u16, String)> {
        let owned = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let tenant = api.tenant.as_ref().map(|tenant| ("X-Scope-OrgID".to_owned(), tenant.clone()));
        let headers: Vec<(String, String)> = owned(headers).into_iter().chain(tenant).collect();
        match loptr_conformance::ws::Socket::open(&api.address.to_string(), path, &owned(params), &headers) {
            Ok(socket) => Ok(Self(socket)),
            Err(WsError::Refused(status, text)) => Err((status, text)),
            Err(error) => panic!("{path}: {error}"),
        }
    }

    /// Says goodbye.
    pub(crate) fn close(&mut self, code: u16) {
        self.0.close(code).expect("it reads");
    }

    /// The next text or close frame; pings are answered.
    pub(crate) fn next(&mut self, patience: Duration) -> Said {
        self.0.next(patience)
    }
}
