//! Single values: times, steps, limits, directions.

use loptr_model::{Nanos, go_quote};

use super::form::Params;
use crate::go::{self, DurationError, NumberError};

/// Limit of entries unless asked otherwise.
pub(super) const DEFAULT_LIMIT: u32 = 100;
/// Limit of detected fields unless asked otherwise.
pub(super) const DEFAULT_FIELD_LIMIT: u32 = 1000;
/// Length of a range whose start is not given: an hour.
const DEFAULT_SINCE_NS: i64 = 3_600_000_000_000;
/// Points per series at most.
const MAX_POINTS: i64 = 11_000;
/// Longest hold of live entries, in seconds.
pub(super) const MAX_DELAY_SECS: u32 = 5;

/// Which end of the range entries are taken from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Oldest first.
    Forward,
    /// Newest first.
    #[default]
    Backward,
}

/// What volumes are summed by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AggregateBy {
    /// Label sets.
    #[default]
    Series,
    /// Label names.
    Labels,
}

/// Why a parameter was refused (400). The texts are upstream's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParamError {
    /// `since` is no duration.
    #[error("could not parse 'since' parameter: {0}")]
    Since(DurationError),
    /// `end` is no time.
    #[error("could not parse 'end' parameter: {0}")]
    End(NumberError),
    /// `start` is no time.
    #[error("could not parse 'start' parameter: {0}")]
    Start(NumberError),
    /// `time`, or an integer.
    #[error(transparent)]
    Number(#[from] NumberError),
    /// The end lies before the start. Equality is accepted, despite the text.
    #[error("end timestamp must not be before or equal to start time")]
    EndBeforeStart,
    /// A limit of zero or below.
    #[error("limit must be a positive value")]
    Limit,
    /// Neither forward nor backward.
    #[error("invalid direction '{0}'")]
    Direction(String),
    /// `step` or `interval` is neither seconds nor a duration.
    #[error("cannot parse {} to a valid duration", go_quote(.0))]
    Duration(String),
    /// `step` or `interval` is longer than 292 years.
    #[error("cannot parse {} to a valid duration. It overflows int64", go_quote(.0))]
    DurationOverflow(String),
    /// A step of zero or below.
    #[error("zero or negative query resolution step widths are not accepted. Try a positive integer")]
    StepNotPositive,
    /// More than 11,000 points.
    #[error(
        "exceeded maximum resolution of 11,000 points per time series. Try increasing the value of the step parameter"
    )]
    StepTooSmall,
    /// An interval below zero.
    #[error("interval must be >= 0")]
    IntervalNegative,
    /// `targetBytesPerShard` is missing, zero or no size.
    #[error("targetBytesPerShard must be a positive value")]
    TargetBytes,
    /// `aggregateBy` is neither `series` nor `labels`.
    #[error("invalid aggregation option")]
    AggregateBy,
    /// `delay_for` is over five seconds.
    #[error("delay_for can't be greater than {MAX_DELAY_SECS}")]
    DelayFor,
}

/// Reads a time: seconds with a fraction (rounded to milliseconds), an integer (up to 10 characters seconds, else
/// nanoseconds), or RFC 3339. None for "".
pub fn parse_timestamp(text: &str) -> Result<Option<Nanos>, NumberError> {
    if text.is_empty() {
        return Ok(None);
    }
    if text.contains('.')
        && let Ok(seconds) = go::parse_float(text)
    {
        let millis = (seconds.fract() * 1000.0).round() / 1000.0;
        return Ok(Some(nanos(seconds.trunc() as i64, (millis * 1e9) as i64)));
    }
    match go::parse_int(text) {
        Ok(seconds) if text.len() <= 10 => Ok(Some(nanos(seconds, 0))),
        Ok(nanos) => Ok(Some(Nanos(nanos))),
        Err(error) => go::parse_rfc3339(text).map(|(s, ns)| Some(nanos(s, ns))).map_err(|_| error),
    }
}

fn nanos(seconds: i64, fraction: i64) -> Nanos {
    Nanos(seconds.saturating_mul(Nanos::PER_SEC).saturating_add(fraction))
}

/// Reads a step or interval, in nanoseconds: seconds as a float, or a Prometheus duration.
pub fn parse_step(text: &str) -> Result<i64, ParamError> {
    if let Ok(seconds) = go::parse_float(text) {
        let nanos = seconds * 1e9;
        if nanos.abs() > i64::MAX as f64 {
            return Err(ParamError::DurationOverflow(text.to_owned()));
        }
        // Not a number is as bad as below zero.
        return Ok(if nanos.is_nan() { i64::MIN } else { nanos as i64 });
    }
    go::parse_prometheus_duration(text).map_err(|_| ParamError::Duration(text.to_owned()))
}

/// `start`, `end` and `since`: `(start, end)`.
pub(super) fn bounds(params: &Params, now: Nanos) -> Result<(Nanos, Nanos), ParamError> {
    let since = match params.get("since") {
        "" => DEFAULT_SINCE_NS,
        text => go::parse_prometheus_duration(text).map_err(ParamError::Since)?,
    };
    let end = parse_timestamp(params.get("end")).map_err(ParamError::End)?.unwrap_or(now);
    // An end in the future does not move the start there.
    let default_start = end.min(now).saturating_sub(since);
    let start = parse_timestamp(params.get("start")).map_err(ParamError::Start)?.unwrap_or(default_start);
    Ok((start, end))
}

pub(super) fn ordered(start: Nanos, end: Nanos) -> Result<(), ParamError> {
    if end < start { Err(ParamError::EndBeforeStart) } else { Ok(()) }
}

pub(super) fn limit(text: &str, default: u32) -> Result<u32, ParamError> {
    if text.is_empty() {
        return Ok(default);
    }
    match go::atoi(text)? {
        ..=0 => Err(ParamError::Limit),
        limit => Ok(u32::try_from(limit).unwrap_or(u32::MAX)),
    }
}

pub(super) fn direction(params: &Params) -> Result<Direction, ParamError> {
    let text = params.get("direction");
    match text.to_uppercase().as_str() {
        "" | "BACKWARD" => Ok(Direction::Backward),
        "FORWARD" => Ok(Direction::Forward),
        _ => Err(ParamError::Direction(text.to_owned())),
    }
}

/// `step` before any check; by default a 250th of the range in whole seconds, at least one.
pub(super) fn step(params: &Params, start: Nanos, end: Nanos) -> Result<i64, ParamError> {
    match params.get("step") {
        "" => {
            let seconds = end.0.saturating_sub(start.0) as f64 / 1e9;
            Ok(((seconds / 250.0).floor().max(1.0) as i64).saturating_mul(Nanos::PER_SEC))
        }
        text => parse_step(text),
    }
}

pub(super) fn few_enough_points(start: Nanos, end: Nanos, step_ns: i64) -> Result<(), ParamError> {
    // A step is positive here; a range may be negative where that is not checked.
    if end.0.saturating_sub(start.0) / step_ns.max(1) > MAX_POINTS { Err(ParamError::StepTooSmall) } else { Ok(()) }
}
