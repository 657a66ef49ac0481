//! What a push gains on its way in: the service name of a stream, tidy names and values of structured metadata, and
//! the level of each line.
//!
//! ```
//! use loptr_wire::enrich::{Detected, LevelDetector, normalize_name};
//! let detector = LevelDetector::default();
//! let nothing: [(&str, &str); 0] = [];
//! assert_eq!(detector.detect(None, &nothing, br#"{"msg":"x","level":"WARN"}"#), Detected::Add("warn"));
//! assert_eq!(detector.detect(None, &nothing, b"GET / [error] upstream timed out"), Detected::Add("error"));
//! assert_eq!(normalize_name("k8s.pod-name").unwrap(), "k8s_pod_name");
//! ```

mod field;
mod keywords;
mod level;
mod line;
mod logfmt;
mod names;
mod service;

pub use field::FieldDetector;
pub use level::{DEFAULT_LEVEL_FIELDS, DETECTED_LEVEL, Detected, LevelDetector, normalize_level};
pub use names::{NameError, clean_value, normalize_metadata, normalize_name};
pub use service::{
    AGGREGATED_METRIC, DEFAULT_SERVICE_LABELS, PATTERN, SERVICE_NAME, UNKNOWN_SERVICE, discover_service, is_internal,
};
