//! The same answers in protobuf, for `Accept: application/vnd.google.protobuf`: upstream's `queryrange.QueryResponse`.
//!
//! ```text
//! QueryResponse   status=1 {} · one of  series=2 labels=3 stats=4 prom=5 streams=6 shards=10
//!                 detected fields=11 patterns=12 detected labels=13
//! series          status=1 data=2 { labels=1 { key=1 value=2 } } version=3 headers=4 statistics=5
//! labels          status=1 data=2 (text) version=3 headers=4 statistics=5
//! stats           response=1 { streams=1 chunks=2 bytes=3 entries=4 } headers=2
//! prom            response=1 { status=1 data=2 { type=1 result=2 SERIES } headers=5 warnings=6 } statistics=2
//!   SERIES        labels=1 { name=1 value=2 }  samples=2 { value=1 (double) timestamp_ms=2 }
//! streams         status=1 data=2 { type=1 result=2 STREAM } direction=5 limit=6 version=7 statistics=8 headers=9
//!                 warnings=10
//!   STREAM        labels=1 (text)  entries=2 { timestamp=1 { seconds=1 nanos=2 } line=2 metadata=3 PAIR parsed=4 PAIR }
//! shards          response=1 { shards=1 { bounds=1 { min=1 max=2 } stats=2 } statistics=2 } headers=2
//! detected fields response=1 { fields=1 { label=1 type=2 cardinality=3 parsers=4 path=6 } limit=2 values=3 } headers=2
//! patterns        response=1 { series=1 { pattern=1 samples=2 { timestamp_ms=1 count=2 } level=3 } } headers=2
//! detected labels response=1 { labels=1 { label=1 cardinality=2 } } headers=2
//! ```
//!
//! Volumes are `prom` ([`volume_kind`](super::volume_kind)). `version` is 1, 0 below `/api/prom`. Headers tell the content type of the JSON answer, as
//! upstream's frontend leaves it there.

use loptr_model::{Labels, Nanos};

use super::metadata::{DetectedField, DetectedLabel, IndexStats, Pattern, Shard};
use super::samples::Series;
use super::stats::{QueryStats, put_stats};
use crate::proto::{nest, put_bytes, put_double, put_element, put_varint_field};

const JSON: &[u8] = b"application/json; charset=UTF-8";

/// Status OK, then the one answer.
fn response(out: &mut Vec<u8>, number: u8, fill: impl FnOnce(&mut Vec<u8>)) {
    nest(out, 1, |_| {});
    nest(out, number, fill);
}

fn headers(out: &mut Vec<u8>, number: u8) {
    nest(out, number, |out| {
        put_bytes(out, 1, b"Content-Type");
        put_bytes(out, 2, JSON);
    });
}

fn pairs<'a>(out: &mut Vec<u8>, number: u8, labels: impl Iterator<Item = (&'a str, &'a str)>) {
    for (name, value) in labels {
        nest(out, number, |out| {
            put_bytes(out, 1, name.as_bytes());
            put_bytes(out, 2, value.as_bytes());
        });
    }
}

fn texts(out: &mut Vec<u8>, number: u8, texts: &[impl AsRef<str>]) {
    for text in texts {
        put_element(out, number, text.as_ref().as_bytes());
    }
}

/// Writes label names or values. `legacy` is `/api/prom`.
pub fn labels(out: &mut Vec<u8>, labels: &[impl AsRef<str>], legacy: bool) {
    response(out, 3, |out| {
        put_bytes(out, 1, b"success");
        texts(out, 2, labels);
        put_varint_field(out, 3, u64::from(!legacy));
        headers(out, 4);
        put_stats(out, 5, &QueryStats::default());
    });
}

/// Writes series as label sets.
pub fn series<'a>(out: &mut Vec<u8>, series: impl IntoIterator<Item = &'a Labels>, legacy: bool) {
    response(out, 2, |out| {
        put_bytes(out, 1, b"success");
        for labels in series {
            nest(out, 2, |out| pairs(out, 1, labels.iter()));
        }
        put_varint_field(out, 3, u64::from(!legacy));
        put_stats(out, 5, &QueryStats::default());
    });
}

fn put_index_stats(out: &mut Vec<u8>, number: u8, stats: &IndexStats) {
    nest(out, number, |out| {
        for (number, value) in [(1, stats.streams), (2, stats.chunks), (3, stats.bytes), (4, stats.entries)] {
            put_varint_field(out, number, value);
        }
    });
}

/// Writes index stats.
pub fn index_stats(out: &mut Vec<u8>, stats: &IndexStats) {
    response(out, 4, |out| {
        put_index_stats(out, 1, stats);
        headers(out, 2);
    });
}

/// Writes a plan of shards.
pub fn shards(out: &mut Vec<u8>, shards: &[Shard], stats: &QueryStats) {
    response(out, 10, |out| {
        nest(out, 1, |out| {
            for shard in shards {
                nest(out, 1, |out| {
                    nest(out, 1, |out| {
                        put_varint_field(out, 1, shard.min);
                        put_varint_field(out, 2, shard.max);
                    });
                    put_index_stats(out, 2, &shard.stats);
                });
            }
            put_stats(out, 2, stats);
        });
        headers(out, 2);
    });
}

/// Writes patterns.
pub fn patterns(out: &mut Vec<u8>, patterns: &[Pattern]) {
    response(out, 12, |out| {
        nest(out, 1, |out| {
            for pattern in patterns {
                nest(out, 1, |out| {
                    put_bytes(out, 1, pattern.pattern.as_bytes());
                    for (seconds, count) in &pattern.samples {
                        nest(out, 2, |out| {
                            put_varint_field(out, 1, seconds.saturating_mul(1000) as u64);
                            put_varint_field(out, 2, *count as u64);
                        });
                    }
                    put_bytes(out, 3, pattern.level.as_bytes());
                });
            }
        });
        headers(out, 2);
    });
}

/// Writes detected labels.
pub fn detected_labels(out: &mut Vec<u8>, labels: &[DetectedLabel]) {
    response(out, 13, |out| {
        nest(out, 1, |out| {
            for label in labels {
                nest(out, 1, |out| {
                    put_bytes(out, 1, label.label.as_bytes());
                    put_varint_field(out, 2, label.cardinality);
                });
            }
        });
        headers(out, 2);
    });
}

/// Writes detected fields.
pub fn detected_fields(out: &mut Vec<u8>, fields: &[DetectedField], limit: u32) {
    response(out, 11, |out| {
        nest(out, 1, |out| {
            for field in fields {
                nest(out, 1, |out| {
                    put_bytes(out, 1, field.label.as_bytes());
                    put_bytes(out, 2, field.kind.as_bytes());
                    put_varint_field(out, 3, field.cardinality);
                    texts(out, 4, field.parsers.as_deref().unwrap_or_default());
                    texts(out, 6, &field.json_path);
                });
            }
            put_varint_field(out, 2, u64::from(limit));
        });
        headers(out, 2);
    });
}

/// Writes the values of one detected field.
pub fn detected_values(out: &mut Vec<u8>, values: &[impl AsRef<str>], limit: u32) {
    response(out, 11, |out| {
        nest(out, 1, |out| {
            put_varint_field(out, 2, u64::from(limit));
            texts(out, 3, values);
        });
        headers(out, 2);
    });
}

/// Writes samples: `kind` is `matrix`, `vector` or `scalar` (one series without labels). Of series in a vector the last
/// point counts; those without points are left out.
pub fn samples(out: &mut Vec<u8>, kind: &str, series: &[Series], stats: &QueryStats, warnings: &[String]) {
    response(out, 5, |out| {
        nest(out, 1, |out| {
            put_bytes(out, 1, b"success");
            nest(out, 2, |out| {
                put_bytes(out, 1, kind.as_bytes());
                for one in series {
                    let points = match (kind, one.points.as_slice()) {
                        ("vector", []) => continue,
                        ("vector", [.., last]) => std::slice::from_ref(last),
                        (_, points) => points,
                    };
                    nest(out, 2, |out| {
                        pairs(out, 1, one.labels.iter());
                        for (ts, value) in points {
                            nest(out, 2, |out| {
                                put_double(out, 1, *value);
                                put_varint_field(out, 2, ts.0 as u64);
                            });
                        }
                    });
                }
            });
            headers(out, 5);
            texts(out, 6, warnings);
        });
        put_stats(out, 2, stats);
    });
}

/// What a log query asked for, as its answer repeats it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogQuestion {
    /// Newest lines first.
    pub backward: bool,
    /// Lines at most.
    pub limit: u32,
    /// Asked at `/api/prom`.
    pub legacy: bool,
}

/// Writes log lines; `fill` adds the streams to what it is given.
pub fn streams(
    out: &mut Vec<u8>,
    question: LogQuestion,
    stats: &QueryStats,
    warnings: &[String],
    fill: impl FnOnce(&mut StreamList<'_>),
) {
    response(out, 6, |out| {
        put_bytes(out, 1, b"success");
        nest(out, 2, |out| {
            put_bytes(out, 1, b"streams");
            fill(&mut StreamList(out));
        });
        put_varint_field(out, 5, u64::from(question.backward));
        put_varint_field(out, 6, u64::from(question.limit));
        put_varint_field(out, 7, u64::from(!question.legacy));
        put_stats(out, 8, stats);
        headers(out, 9);
        texts(out, 10, warnings);
    });
}

/// The streams of an answer.
#[derive(Debug)]
pub struct StreamList<'o>(&'o mut Vec<u8>);

impl StreamList<'_> {
    /// Adds a stream; `fill` adds its lines.
    pub fn stream(&mut self, labels: &Labels, fill: impl FnOnce(&mut LineList<'_>)) {
        nest(self.0, 2, |out| {
            put_bytes(out, 1, labels.to_string().as_bytes());
            fill(&mut LineList(out));
        });
    }
}

/// The lines of a stream.
#[derive(Debug)]
pub struct LineList<'o>(&'o mut Vec<u8>);

impl LineList<'_> {
    /// Adds a line; metadata and parsed labels are those told apart from the stream's.
    pub fn line<'a>(
        &mut self,
        ts: Nanos,
        line: &[u8],
        metadata: impl Iterator<Item = (&'a str, &'a str)>,
        parsed: impl Iterator<Item = (&'a str, &'a str)>,
    ) {
        nest(self.0, 2, |out| {
            nest(out, 1, |out| {
                put_varint_field(out, 1, ts.0.div_euclid(Nanos::PER_SEC) as u64);
                put_varint_field(out, 2, ts.0.rem_euclid(Nanos::PER_SEC) as u64);
            });
            put_bytes(out, 2, line);
            pairs(out, 3, metadata);
            pairs(out, 4, parsed);
        });
    }
}
