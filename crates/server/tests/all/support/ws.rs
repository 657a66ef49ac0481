//! The WebSocket client of `loptr-conformance` with the manners of tests: what goes wrong ends the test.

use std::time::Duration;

pub(crate) use loptr_conformance::ws::Said;

use super::http::{Api, form};

pub(crate) struct Socket(loptr_conformance::ws::Socket);

impl Socket {
    /// Opens `path`; the error is the status and body of the refusal.
    pub(crate) fn open(
        api: &Api,
        path: &str,
        params: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Result<Self, (u16, String)> {
        let tenant = api.tenant.iter().map(|tenant| ("X-Scope-OrgID", tenant.as_str()));
        let headers: Vec<_> = tenant.chain(headers.iter().copied()).collect();
        let target = format!("{path}?{}", form(params));
        let opened = loptr_conformance::ws::Socket::open(&api.address.to_string(), &target, &headers);
        opened.expect("it answers").map(Self).map_err(|refused| (refused.status, refused.body))
    }

    /// Says goodbye.
    pub(crate) fn close(&mut self, code: u16) {
        self.0.close(code).expect("it reads");
    }

    /// The next text or close frame.
    pub(crate) fn next(&mut self, patience: Duration) -> Said {
        self.0.next(patience).expect("it reads")
    }
}
