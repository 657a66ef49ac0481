//! Request parameters of the query API → values, in upstream's order of checks and with its error texts (all 400).
//!
//! [`Params`] holds the form; each endpoint has a struct with a `parse`. The query text itself is not looked at here.
//! Where a parameter has a default, an empty value counts as a missing one. `now` is the time of the request.
//!
//! ```
//! use loptr_model::Nanos;
//! use loptr_wire::params::{Direction, Params, RangeParams};
//! let form = Params::from_form("query=%7Ba%3D%22b%22%7D&start=1700000000&end=1700003600&direction=FORWARD", None).unwrap();
//! let range = RangeParams::parse(&form, Nanos(1_800_000_000_000_000_000)).unwrap();
//! assert_eq!((range.query.as_str(), range.limit, range.direction), (r#"{a="b"}"#, 100, Direction::Forward));
//! assert_eq!(range.step_ns, 14_000_000_000);
//! ```

mod endpoints;
mod form;
mod values;

pub use endpoints::{
    DetectedFieldsParams, DetectedLabelsParams, IndexShardsParams, InstantParams, LabelParams, PatternsParams,
    RangeParams, SeriesParams, TailParams, VolumeParams, VolumeSpan,
};
pub use form::{FormError, Params};
pub use values::{AggregateBy, Direction, ParamError, parse_step, parse_timestamp};

#[cfg(test)]
mod tests;
