//! How much a query would read, by the index's figures, before it reads anything.

use std::sync::Arc;

use loptr_eval::{Steps, leaves};
use loptr_logql::ast::{MetricExpr, RangeOp, VectorOp};
use loptr_logql::with_stack;
use loptr_model::{Matcher, Nanos, TimeRange};
use loptr_storage::IndexOperation;

use crate::engine::QueryEngine;
use crate::error::QueryError;
use crate::limits::{QueryLimits, nanos};
use crate::plan::PlannedStream;
use crate::readers::Readers;

/// Streams a query reads, and when.
#[derive(PartialEq)]
pub(crate) struct Read<'a> {
    pub(crate) matchers: &'a [Matcher],
    /// Of the query, without what follows.
    pub(crate) range: TimeRange,
    /// How far before a step its range begins.
    pub(crate) range_ns: i64,
    /// How far all of it lies in the past.
    pub(crate) offset_ns: i64,
}

impl Read<'_> {
    /// What `part` of the query reads.
    fn of(&self, part: TimeRange) -> TimeRange {
        let end = part.end.saturating_sub(self.offset_ns);
        TimeRange { start: part.start.saturating_sub(self.range_ns).saturating_sub(self.offset_ns), end }
    }
}

/// What a metric query reads.
pub(crate) fn reads_of(query: &MetricExpr, steps: Steps) -> Vec<Read<'_>> {
    let leaves = leaves(query).into_iter().map(|leaf| &leaf.aggregation.range);
    leaves
        .map(|range| Read {
            matchers: &range.log.matchers,
            range: TimeRange { start: steps.start, end: steps.end },
            range_ns: range.range_ns,
            offset_ns: range.offset_ns,
        })
        .collect()
}

/// Whether upstream would cut the query into shards. It decides the words of a refusal, and whether shards or whole
/// stretches of time are held against the limit.
pub(crate) fn is_shardable(query: &MetricExpr) -> bool {
    with_stack(|| match query {
        MetricExpr::Range(range) => matches!(
            range.op,
            RangeOp::Count
                | RangeOp::Rate
                | RangeOp::Bytes
                | RangeOp::BytesRate
                | RangeOp::Sum
                | RangeOp::Avg
                | RangeOp::Min
                | RangeOp::Max
        ),
        MetricExpr::Vector(vector) => {
            matches!(
                vector.op,
                VectorOp::Sum
                    | VectorOp::Count
                    | VectorOp::Avg
                    | VectorOp::Min
                    | VectorOp::Max
                    | VectorOp::Topk
                    | VectorOp::Bottomk
            ) && is_shardable(&vector.inner)
        }
        MetricExpr::Binary(binary) => is_shardable(&binary.left) || is_shardable(&binary.right),
        MetricExpr::LabelReplace(replace) => is_shardable(&replace.inner),
        MetricExpr::Variants(_) | MetricExpr::Literal { .. } | MetricExpr::VectorLiteral { .. } => false,
    })
}

const ADVICE: &str = "consider adding more specific stream selectors or reduce the time range of the query";

impl QueryEngine {
    async fn bytes(&self, readers: &Readers, reads: &[Read<'_>], part: TimeRange) -> Result<u64, QueryError> {
        let mut bytes = 0u64;
        for read in reads {
            bytes = bytes.saturating_add(
                self.figures_in(IndexOperation::Stats, readers, read.matchers, read.of(part)).await?.bytes,
            );
        }
        Ok(bytes)
    }

    /// Refuses a query that reads more than the tenant's queries may.
    pub(crate) async fn check_query_bytes(
        &self,
        readers: &Readers,
        limits: &QueryLimits,
        reads: &[Read<'_>],
    ) -> Result<(), QueryError> {
        let Some(first) = reads.first().filter(|_| limits.max_query_bytes > 0) else { return Ok(()) };
        let bytes = self.bytes(readers, reads, first.range).await?;
        if bytes <= limits.max_query_bytes {
            return Ok(());
        }
        let (bytes, limit) = (human(bytes), human(limits.max_query_bytes));
        Err(QueryError::Limit(format!(
            "the query would read too many bytes (query: {bytes}, limit: {limit}); {ADVICE}"
        )))
    }

    /// Refuses a query one of whose parts reads more than a part may. `planned` bounds what all of it reads, so that the
    /// index is asked only when that is over the limit.
    pub(crate) async fn check_part_bytes(
        &self,
        readers: &Readers,
        limits: &QueryLimits,
        read: &Read<'_>,
        planned: &[Arc<PlannedStream>],
        shardable: bool,
    ) -> Result<(), QueryError> {
        if limits.max_part_bytes == 0 {
            return Ok(());
        }
        let at_most: u64 = planned.iter().flat_map(|stream| &stream.chunks).map(|chunk| chunk.bytes).sum();
        if at_most <= limits.max_part_bytes {
            return Ok(());
        }
        let split = nanos(limits.split);
        let mut start = read.range.start;
        while start <= read.range.end {
            let cut = if split > 0 {
                Nanos(start.0.div_euclid(split).saturating_add(1).saturating_mul(split))
            } else {
                read.range.end
            };
            let part = TimeRange { start, end: cut.min(read.range.end) };
            let bytes = self.bytes(readers, std::slice::from_ref(read), part).await?;
            let bytes = if shardable { of_shard(bytes, limits.shard_bytes) } else { bytes };
            if bytes > limits.max_part_bytes {
                let (bytes, limit) = (human(bytes), human(limits.max_part_bytes));
                let what = if shardable { "shard query is" } else { "un-shardable query" };
                return Err(QueryError::Limit(format!(
                    "{what} too large to execute on a single querier: (query: {bytes}, limit: {limit}); {ADVICE}"
                )));
            }
            if cut >= read.range.end {
                break;
            }
            start = cut;
        }
        Ok(())
    }
}

/// What each of so many shards reads that none reads more than `target`: a power of two of them.
fn of_shard(bytes: u64, target: u64) -> u64 {
    if target == 0 || bytes <= target {
        return bytes;
    }
    bytes / bytes.div_ceil(target).next_power_of_two()
}

/// As upstream's users read sizes: `4.0 KiB`, `100 B`, `12 MiB`.
fn human(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 10 {
        return format!("{bytes} B");
    }
    let power = ((63 - bytes.leading_zeros()) / 10) as usize;
    let value = (bytes as f64 / (1u64 << (10 * power)) as f64 * 10.0 + 0.5).floor() / 10.0;
    if value < 10.0 && power > 0 {
        format!("{value:.1} {}", UNITS[power])
    } else {
        format!("{value:.0} {}", UNITS[power])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_upstreams() {
        let texts = [5, 100, 4096, 2048 + 100, 12 << 20, 150 << 30].map(human);
        assert_eq!(texts, ["5 B", "100 B", "4.0 KiB", "2.1 KiB", "12 MiB", "150 GiB"]);
    }

    #[test]
    fn shards_are_a_power_of_two() {
        assert_eq!((of_shard(600, 600), of_shard(601, 600), of_shard(1900, 600)), (600, 300, 475));
    }
}
