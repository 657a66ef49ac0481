//! One struct per kind of request.

use std::collections::BTreeSet;

use loptr_model::{Millis, Nanos};

use super::form::Params;
use super::values::{
    AggregateBy, DEFAULT_FIELD_LIMIT, DEFAULT_LIMIT, Direction, MAX_DELAY_SECS, ParamError, bounds, direction,
    few_enough_points, limit, ordered, parse_step, parse_timestamp, step,
};
use crate::go;

/// Shortest step: times of samples are milliseconds.
const MIN_STEP_NS: i64 = Nanos::PER_MILLI;

/// `query_range`, `index/stats`, `/api/prom/query`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeParams {
    /// The query.
    pub query: String,
    /// First instant.
    pub start: Nanos,
    /// Last instant; never before `start`.
    pub end: Nanos,
    /// Entries at most.
    pub limit: u32,
    /// Which end to begin at.
    pub direction: Direction,
    /// Nanoseconds between points, at least a millisecond's.
    pub step_ns: i64,
    /// Nanoseconds between the log lines to keep; 0 keeps all.
    pub interval_ns: i64,
    /// Parts of the index to look at; internal.
    pub shards: Vec<String>,
}

impl RangeParams {
    /// Reads and checks. A step under a millisecond, which makes upstream panic, is refused as one of zero.
    pub fn parse(params: &Params, now: Nanos) -> Result<Self, ParamError> {
        Self::parse_with_limit(params, params.get("limit"), now)
    }

    fn parse_with_limit(params: &Params, limit_text: &str, now: Nanos) -> Result<Self, ParamError> {
        let (start, end) = bounds(params, now)?;
        ordered(start, end)?;
        let limit = limit(limit_text, DEFAULT_LIMIT)?;
        let direction = direction(params)?;
        let step_ns = step(params, start, end)?;
        if step_ns <= 0 {
            return Err(ParamError::StepNotPositive);
        }
        few_enough_points(start, end, step_ns)?;
        let interval_ns = match params.get("interval") {
            "" => 0,
            text => parse_step(text)?,
        };
        if interval_ns < 0 {
            return Err(ParamError::IntervalNegative);
        }
        if step_ns < MIN_STEP_NS {
            return Err(ParamError::StepNotPositive);
        }
        let shards = params.all("shards").map(str::to_owned).collect();
        let query = params.get("query").to_owned();
        Ok(Self { query, start, end, limit, direction, step_ns, interval_ns, shards })
    }

    /// Start and end as index requests take them: rounded outwards to milliseconds.
    pub fn millis(&self) -> (Millis, Millis) {
        (self.start.floor_millis(), self.end.ceil_millis())
    }
}

/// `query`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstantParams {
    /// The query.
    pub query: String,
    /// The instant.
    pub time: Nanos,
    /// Checked, but without effect.
    pub limit: u32,
    /// Checked, but without effect.
    pub direction: Direction,
    /// Parts of the index to look at; internal.
    pub shards: Vec<String>,
}

impl InstantParams {
    /// Reads and checks.
    pub fn parse(params: &Params, now: Nanos) -> Result<Self, ParamError> {
        Self::parse_with_limit(params, params.get("limit"), now)
    }

    fn parse_with_limit(params: &Params, limit_text: &str, now: Nanos) -> Result<Self, ParamError> {
        let limit = limit(limit_text, DEFAULT_LIMIT)?;
        let time = parse_timestamp(params.get("time"))?.unwrap_or(now);
        let direction = direction(params)?;
        let shards = params.all("shards").map(str::to_owned).collect();
        Ok(Self { query: params.get("query").to_owned(), time, limit, direction, shards })
    }
}

/// `labels` and `label/{name}/values`. An end before the start is for the caller to judge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelParams {
    /// A selector, or "".
    pub query: String,
    /// First instant.
    pub start: Nanos,
    /// Last instant.
    pub end: Nanos,
}

impl LabelParams {
    /// Reads and checks.
    pub fn parse(params: &Params, now: Nanos) -> Result<Self, ParamError> {
        let (start, end) = bounds(params, now)?;
        Ok(Self { query: params.get("query").to_owned(), start, end })
    }
}

/// `series`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeriesParams {
    /// Selectors, any of which may match; sorted, none twice. None at all means every series.
    pub groups: Vec<String>,
    /// First instant.
    pub start: Nanos,
    /// Last instant.
    pub end: Nanos,
    /// Parts of the index to look at; internal.
    pub shards: Vec<String>,
}

impl SeriesParams {
    /// Reads and checks.
    pub fn parse(params: &Params, now: Nanos) -> Result<Self, ParamError> {
        let (start, end) = bounds(params, now)?;
        let groups: BTreeSet<&str> = params.all("match").chain(params.all("match[]")).collect();
        let mut groups: Vec<String> = groups.into_iter().map(str::to_owned).collect();
        if matches!(&groups[..], [only] if only.replace(' ', "") == "{}") {
            groups.clear();
        }
        let shards = params.all("shards").map(str::to_owned).collect();
        Ok(Self { groups, start, end, shards })
    }
}

/// `index/shards`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexShardsParams {
    /// Selector and range.
    pub range: RangeParams,
    /// Bytes a shard should have, more or less.
    pub target_bytes: u64,
}

impl IndexShardsParams {
    /// Reads and checks.
    pub fn parse(params: &Params, now: Nanos) -> Result<Self, ParamError> {
        let range = RangeParams::parse(params, now)?;
        let target_bytes = go::parse_byte_size(params.get("targetBytesPerShard")).filter(|bytes| *bytes > 0);
        Ok(Self { range, target_bytes: target_bytes.ok_or(ParamError::TargetBytes)? })
    }
}

/// Over what volumes are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VolumeSpan {
    /// `index/volume`: once over the whole range.
    Instant,
    /// `index/volume_range`: once per step.
    Range,
}

/// `index/volume` and `index/volume_range`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeParams {
    /// A selector, `{}` allowed.
    pub query: String,
    /// First instant.
    pub start: Nanos,
    /// Last instant; never before `start`.
    pub end: Nanos,
    /// Nanoseconds per volume; 0 for the whole range.
    pub step_ns: i64,
    /// Series at most.
    pub limit: u32,
    /// Labels to group by; none means those of the selector.
    pub target_labels: Vec<String>,
    /// What is summed.
    pub aggregate_by: AggregateBy,
}

impl VolumeParams {
    /// Reads and checks.
    pub fn parse(params: &Params, span: VolumeSpan, now: Nanos) -> Result<Self, ParamError> {
        let text = params.get("limit");
        let limit_text = match if text.is_empty() { 0 } else { go::atoi(text)? } {
            0 => "",
            ..0 => return Err(ParamError::Limit),
            _ => text,
        };
        let (query, start, end, step_ns, limit) = match span {
            VolumeSpan::Range => {
                let range = RangeParams::parse_with_limit(params, limit_text, now)?;
                (range.query, range.start, range.end, range.step_ns, range.limit)
            }
            VolumeSpan::Instant => {
                let instant = InstantParams::parse_with_limit(params, limit_text, now)?;
                (instant.query, now, now, 0, instant.limit)
            }
        };
        let aggregate_by = match params.get("aggregateBy") {
            "" | "series" => AggregateBy::Series,
            "labels" => AggregateBy::Labels,
            _ => return Err(ParamError::AggregateBy),
        };
        let (start, end) = match span {
            VolumeSpan::Range => (start, end),
            VolumeSpan::Instant => {
                let (start, end) = bounds(params, now)?;
                ordered(start, end)?;
                (start, end)
            }
        };
        let target_labels = match params.get("targetLabels") {
            "" => Vec::new(),
            list => list.split(',').map(str::to_owned).collect(),
        };
        Ok(Self { query, start, end, step_ns, limit, target_labels, aggregate_by })
    }
}

/// `patterns`. An end before the start is not looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternsParams {
    /// A selector.
    pub query: String,
    /// First instant.
    pub start: Nanos,
    /// Last instant.
    pub end: Nanos,
    /// Nanoseconds between counts.
    pub step_ns: i64,
}

impl PatternsParams {
    /// Reads and checks.
    pub fn parse(params: &Params, now: Nanos) -> Result<Self, ParamError> {
        let (start, end) = bounds(params, now)?;
        let step_ns = step(params, start, end)?;
        if step_ns <= 0 {
            return Err(ParamError::StepNotPositive);
        }
        few_enough_points(start, end, step_ns)?;
        Ok(Self { query: params.get("query").to_owned(), start, end, step_ns })
    }
}

/// `detected_labels`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetectedLabelsParams {
    /// A selector, or "".
    pub query: String,
    /// First instant.
    pub start: Nanos,
    /// Last instant; never before `start`.
    pub end: Nanos,
}

impl DetectedLabelsParams {
    /// Reads and checks.
    pub fn parse(params: &Params, now: Nanos) -> Result<Self, ParamError> {
        let (start, end) = bounds(params, now)?;
        ordered(start, end)?;
        Ok(Self { query: params.get("query").to_owned(), start, end })
    }
}

/// `detected_fields` and `detected_field/{name}/values`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetectedFieldsParams {
    /// A log query.
    pub query: String,
    /// First instant.
    pub start: Nanos,
    /// Last instant; never before `start`.
    pub end: Nanos,
    /// Lines to look at.
    pub line_limit: u32,
    /// Fields or values at most.
    pub limit: u32,
    /// Nanoseconds, at least a millisecond's; without effect.
    pub step_ns: i64,
}

impl DetectedFieldsParams {
    /// Reads and checks.
    pub fn parse(params: &Params, now: Nanos) -> Result<Self, ParamError> {
        let (start, end) = bounds(params, now)?;
        ordered(start, end)?;
        let line_limit = limit(params.get("line_limit"), DEFAULT_LIMIT)?;
        let limit_text = match params.get("limit") {
            "" => params.get("field_limit"),
            text => text,
        };
        let limit = limit(limit_text, DEFAULT_FIELD_LIMIT)?;
        let step_ns = step(params, start, end)?;
        if step_ns < MIN_STEP_NS {
            return Err(ParamError::StepNotPositive);
        }
        few_enough_points(start, end, step_ns)?;
        Ok(Self { query: params.get("query").to_owned(), start, end, line_limit, limit, step_ns })
    }
}

/// `tail`. The query is to be checked before these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TailParams {
    /// A log query.
    pub query: String,
    /// A line filter to add, or "" (only looked at for old clients).
    pub regexp: String,
    /// Entries already there at most.
    pub limit: u32,
    /// First instant.
    pub start: Nanos,
    /// Seconds each live entry is held back for stragglers.
    pub delay_secs: u32,
}

impl TailParams {
    /// Reads and checks.
    pub fn parse(params: &Params, now: Nanos) -> Result<Self, ParamError> {
        let limit = limit(params.get("limit"), DEFAULT_LIMIT)?;
        let (start, _) = bounds(params, now)?;
        let delay = match params.get("delay_for") {
            "" => 0,
            text => go::atoi(text)?,
        };
        let delay_secs = u32::try_from(delay).ok().filter(|delay| *delay <= MAX_DELAY_SECS);
        let delay_secs = delay_secs.ok_or(ParamError::DelayFor)?;
        let (query, regexp) = (params.get("query").to_owned(), params.get("regexp").to_owned());
        Ok(Self { query, regexp, limit, start, delay_secs })
    }
}
