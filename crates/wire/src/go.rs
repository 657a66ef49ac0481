//! Go's text forms of numbers, times and durations, which requests use and error texts show.
//!
//! ```
//! use loptr_wire::go;
//! assert_eq!(go::format_float(1e21), "1000000000000000000000");
//! assert_eq!(go::parse_duration("1h30m"), Ok(5_400_000_000_000));
//! assert_eq!(go::atoi("abc").unwrap_err().to_string(), r#"strconv.Atoi: parsing "abc": invalid syntax"#);
//! ```

mod bytes;
mod duration;
mod number;
mod time;

pub use bytes::{human_bytes, parse_byte_size};
pub use duration::{
    DurationError, format_duration, format_prometheus_duration, parse_duration, parse_prometheus_duration,
};
pub use number::{NumberError, atoi, format_float, parse_float, parse_int, push_float};
pub use time::{TimeError, format_rfc3339_nanos, parse_rfc3339};
