//! What was refused lately, and why: for the operator's page.

use std::collections::VecDeque;

use loptr_model::{Nanos, TenantId};
use parking_lot::Mutex;

/// Refusals kept.
const KEPT: usize = 100;
/// Bytes of a text kept.
const TEXT_BYTES: usize = 500;

/// Why a request was refused: what its answer says. Rides along with the answer.
#[derive(Clone, Debug)]
pub(crate) struct Why(pub(crate) String);

impl Why {
    /// The beginning of `text`.
    pub(crate) fn of(text: &str) -> Self {
        let mut end = text.len().min(TEXT_BYTES);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        Self(text[..end].trim_end().to_owned())
    }
}

/// One refusal.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) at: Nanos,
    pub(crate) tenants: Vec<TenantId>,
    pub(crate) route: String,
    pub(crate) status: u16,
    pub(crate) why: String,
}

/// The last refusals of this process.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<VecDeque<Refusal>>);

impl Refusals {
    pub(crate) fn add(&self, refusal: Refusal) {
        let mut kept = self.0.lock();
        if kept.len() >= KEPT {
            kept.pop_back();
        }
        kept.push_front(refusal);
    }

    /// The newest first.
    pub(crate) fn lately(&self) -> Vec<Refusal> {
        self.0.lock().iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_are_kept_and_texts_are_cut() {
        let refusals = Refusals::default();
        for at in 0..150 {
            let why = Why::of(&"é".repeat(400)).0;
            refusals.add(Refusal { at: Nanos(at), tenants: Vec::new(), route: String::new(), status: 400, why });
        }
        let lately = refusals.lately();
        assert_eq!((lately.len(), lately[0].at, lately[0].why.len()), (100, Nanos(149), 500));
    }
}
