//! Runs the scripts of `testdata` in memory. Their language is [`loptr_conformance::script`]'s, which asks servers the same.
//!
//! Every query is run over several layouts of the same entries: in one block, in small blocks dealt to several tasks, and
//! with every entry stored twice. All must answer as expected.

mod run;

use loptr_conformance::script;
use loptr_model::{Labels, Nanos, OwnedEntry};

/// A script's streams as sources have them, and what it asks.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) streams: Vec<(Labels, Vec<OwnedEntry>)>,
    pub(crate) evals: Vec<script::Eval>,
}

impl Script {
    /// Reads a script; panics with the line's number where it makes no sense.
    pub(crate) fn parse(text: &str) -> Self {
        let script = script::Script::parse(text).unwrap_or_else(|fault| panic!("{fault}"));
        let entry = |entry: script::Entry| OwnedEntry {
            ts: Nanos(entry.ts_ns),
            line: entry.line.into_bytes(),
            metadata: entry.metadata,
        };
        let stream = |(labels, entries): (script::Labels, Vec<script::Entry>)| {
            (Labels::from_pairs(labels), entries.into_iter().map(entry).collect())
        };
        Self { streams: script.streams.into_iter().map(stream).collect(), evals: script.evals }
    }

    /// Runs every query over every layout.
    pub(crate) fn run(&self, name: &str) {
        for eval in &self.evals {
            for layout in run::Layout::ALL {
                let place = format!("{name}:{} ({layout:?}): {}", eval.line, eval.query);
                run::check(self, eval, layout).unwrap_or_else(|fault| panic!("{place}\n{fault}"));
            }
        }
    }
}
