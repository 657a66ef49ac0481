//! Push and query bodies of the HTTP API ↔ model values. Pure: no I/O, no async, no clock, and no LogQL: queries pass
//! through as text.
//!
//! ```text
//!              push::decode_push          labels::parse_labels
//! POST body ─────────────────────▶ streams ─────────────────▶ Labels ── enrich::discover_service ─▶ service_name
//!                                   entries ── enrich::normalize_metadata, LevelDetector ─────────▶ detected_level
//!
//!              params::*Params::parse
//! GET, form ─────────────────────▶ times, limits, steps
//!
//!              answer::write_*, *Writer
//! results  ─────────────────────▶ JSON
//! ```
//!
//! What goes in and out is Loki 3.7's, down to error texts, key order and escapes, since that is what clients were
//! written against; [`go`] has Go's forms of numbers, times and durations, which those texts show. Times are [`Nanos`]
//! for entries and [`Millis`] for samples; durations are nanoseconds named `_ns`.
//!
//! Input is never trusted: memory is bounded by the input's length or an explicit limit, nothing panics, nesting does
//! not recurse. Refusals of a push carry [`push::PushErrorKind`] (400 or 413), those of parameters are all 400.
//!
//! ```
//! use loptr_wire::enrich::{Detected, LevelDetector};
//! use loptr_wire::{labels, push};
//!
//! let body = r#"{"streams":[{"stream":{"app":"a"},"values":[["1700000000000000000","oh no, an error",{"id":"7"}]]}]}"#;
//! let push = push::decode_push("application/json", "", true, body.into(), &push::PushLimits::default())?;
//! let detector = LevelDetector::default();
//! for stream in push.streams() {
//!     let labels = labels::parse_labels(stream.labels()).expect("rendered by the decoder");
//!     assert_eq!(labels.get("app"), Some("a"));
//!     for entry in stream.entries() {
//!         let metadata: Vec<_> = entry.metadata.iter().collect();
//!         assert_eq!(metadata, [("id", "7")]);
//!         assert_eq!(detector.detect(detector.of_stream(&labels), &metadata, entry.line), Detected::Add("error"));
//!     }
//! }
//! # Ok::<(), push::PushError>(())
//! ```
//!
//! Where this differs from upstream on purpose:
//!
//! - A compressed JSON body must be whole; upstream takes one that breaks off behind a complete document.
//! - A control character in a JSON string before its first escape is always refused; upstream lets it through where
//!   the string crosses the edge of one of its 512-byte reads.
//! - A snappy block that claims more than it can hold is refused at once; upstream sets the memory aside first.
//! - No body may be over 4 GiB decompressed (JSON 2 GiB).
//! - Label values with bytes that are no UTF-8 (`"\xff"`) get U+FFFD instead: labels are text here.
//! - A step under a millisecond is refused; upstream panics.
//! - Scalars carry their time in seconds; upstream's frontend multiplies it by a thousand.
//!
//! [`Nanos`]: loptr_model::Nanos
//! [`Millis`]: loptr_model::Millis
#![warn(missing_docs)]

pub mod answer;
pub mod enrich;
pub mod go;
pub mod labels;
mod lenient;
pub mod params;
mod proto;
pub mod push;
