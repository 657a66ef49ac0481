//! Results of queries, written in the format asked for. CPU work.

use loptr_columns::{ColumnsError, Line, Lines, Samples, arrow, parquet};
use loptr_eval::{LogStream, QueryValue};
use loptr_model::{Labels, Millis};
use loptr_query::{Answer, QueryFigures};
use loptr_wire::answer::proto::LogQuestion;
use loptr_wire::answer::{
    EncodingFlags, LegacyStreamsWriter, QueryStats, Series, StreamsWriter, proto, write_matrix, write_scalar,
    write_vector,
};

use super::encoding::Format;
use super::query::stats_of;

/// How an answer is to be written.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub(super) format: Format,
    pub(super) flags: EncodingFlags,
    /// What a log query asked for.
    pub(super) question: LogQuestion,
}

/// Writes an answer as `shape` says.
pub(super) fn body_of(answer: &Answer, figures: &QueryFigures, shape: &Shape) -> Result<Vec<u8>, ColumnsError> {
    match answer {
        Answer::Streams(streams) => {
            let entries = streams.iter().map(|stream| stream.entries.len()).sum();
            log_lines(streams, &stats_of(figures, entries), &figures.warnings, shape)
        }
        Answer::Value(QueryValue::Scalar { ts, value }) => {
            let series = Series { labels: Labels::empty(), points: vec![(*ts, *value)] };
            samples("scalar", &[series], &stats_of(figures, 1), &figures.warnings, shape.format)
        }
        Answer::Value(QueryValue::Vector(found)) => {
            let series: Vec<Series> = found
                .iter()
                .map(|sample| Series { labels: sample.labels.clone(), points: vec![(sample.ts, sample.value)] })
                .collect();
            samples("vector", &series, &stats_of(figures, series.len()), &figures.warnings, shape.format)
        }
        Answer::Value(QueryValue::Matrix(matrix)) => {
            let series: Vec<Series> = matrix
                .iter()
                .map(|series| Series { labels: series.labels.clone(), points: series.points.clone() })
                .collect();
            samples("matrix", &series, &stats_of(figures, series.len()), &figures.warnings, shape.format)
        }
    }
}

/// Writes samples; `kind` is `matrix`, `vector` or `scalar`.
pub(super) fn samples(
    kind: &str,
    series: &[Series],
    stats: &QueryStats,
    warnings: &[String],
    format: Format,
) -> Result<Vec<u8>, ColumnsError> {
    let rows = || -> Vec<Samples<'_>> {
        series.iter().map(|one| Samples { labels: &one.labels, points: &one.points }).collect()
    };
    let mut out = Vec::with_capacity(4096);
    match format {
        Format::Parquet => return parquet::samples(&rows()),
        Format::Arrow => return arrow::samples(&rows()),
        Format::Protobuf => proto::samples(&mut out, kind, series, stats, warnings),
        Format::Json => match kind {
            "scalar" => {
                let (ts, value) =
                    series.first().and_then(|one| one.points.first()).copied().unwrap_or((Millis(0), 0.0));
                write_scalar(&mut out, ts, value, stats, warnings);
            }
            "vector" => write_vector(&mut out, series, stats, warnings),
            _ => write_matrix(&mut out, series, stats, warnings),
        },
    }
    Ok(out)
}

/// The labels shown as the stream's.
fn shown<'a>(stream: &'a LogStream, flags: &EncodingFlags) -> &'a Labels {
    if flags.categorize_labels() { &stream.labels.stream } else { &stream.labels.all }
}

fn log_lines(
    streams: &[LogStream],
    stats: &QueryStats,
    warnings: &[String],
    shape: &Shape,
) -> Result<Vec<u8>, ColumnsError> {
    let (flags, categorized) = (&shape.flags, shape.flags.categorize_labels());
    let mut out = Vec::with_capacity(4096);
    match shape.format {
        Format::Parquet | Format::Arrow => return table(streams, shape),
        Format::Protobuf => proto::streams(&mut out, shape.question, stats, warnings, |list| {
            for stream in streams {
                list.stream(shown(stream, flags), |lines| {
                    for entry in &stream.entries {
                        let labels = categorized.then_some(&entry.labels);
                        let metadata = labels.into_iter().flat_map(|labels| labels.metadata.iter());
                        let parsed = labels.into_iter().flat_map(|labels| labels.parsed.iter());
                        lines.line(entry.ts, &entry.line, metadata, parsed);
                    }
                });
            }
        }),
        Format::Json if shape.question.legacy => {
            let mut writer = LegacyStreamsWriter::new(&mut out);
            for stream in streams {
                writer.stream(&stream.labels.all);
                for entry in &stream.entries {
                    writer.line(entry.ts, &entry.line);
                }
            }
            writer.finish(stats);
        }
        Format::Json => {
            let mut writer = StreamsWriter::new(&mut out, flags, warnings);
            for stream in streams {
                writer.stream(shown(stream, flags).iter());
                for entry in &stream.entries {
                    writer.line(entry.ts, &entry.line, entry.labels.metadata.iter(), entry.labels.parsed.iter());
                }
            }
            writer.finish(stats);
        }
    }
    Ok(out)
}

/// Lines as rows.
fn table(streams: &[LogStream], shape: &Shape) -> Result<Vec<u8>, ColumnsError> {
    type Pairs<'a> = Vec<(&'a str, &'a str)>;
    let categorized = shape.flags.categorize_labels();
    // Apart only where they are shown: most answers have no such pairs at all.
    let apart: Vec<Vec<(Pairs<'_>, Pairs<'_>)>> = streams
        .iter()
        .map(|stream| {
            let entries = stream.entries.iter().filter(|_| categorized);
            entries
                .map(|entry| (entry.labels.metadata.iter().collect(), entry.labels.parsed.iter().collect()))
                .collect()
        })
        .collect();
    let rows: Vec<Lines<'_>> = streams
        .iter()
        .zip(&apart)
        .map(|(stream, apart)| Lines {
            labels: shown(stream, &shape.flags),
            lines: stream
                .entries
                .iter()
                .enumerate()
                .map(|(at, entry)| {
                    let (metadata, parsed) = apart.get(at).map_or((&[][..], &[][..]), |(m, p)| (m, p));
                    Line { ts: entry.ts, line: &entry.line, metadata, parsed }
                })
                .collect(),
        })
        .collect();
    match shape.format {
        Format::Parquet => parquet::lines(&rows),
        _ => arrow::lines(&rows, categorized),
    }
}
