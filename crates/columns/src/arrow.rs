//! Arrow IPC streams.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, Float64Array, MapArray, RecordBatch, StringArray, StructArray, TimestampMillisecondArray,
    TimestampNanosecondArray,
};
use arrow_buffer::OffsetBuffer;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{DataType, Field, Fields, Schema, TimeUnit};

use super::{ColumnsError, Lines, Samples, parts};

/// Log lines; `categorized` adds the columns of metadata and parsed labels.
pub fn lines(streams: &[Lines<'_>], categorized: bool) -> Result<Vec<u8>, ColumnsError> {
    let mut fields = vec![time(TimeUnit::Nanosecond), map_field("labels"), text("line")];
    if categorized {
        fields.extend([map_field("structured_metadata"), map_field("parsed")]);
    }
    let rows = streams.iter().flat_map(|stream| stream.lines.iter().map(|line| (stream.labels, line)));
    let batches = parts(rows, |(_, line)| line.line.len()).map(|part| {
        let times: TimestampNanosecondArray = part.iter().map(|(_, line)| Some(line.ts.0)).collect();
        let texts = StringArray::from_iter_values(part.iter().map(|(_, line)| String::from_utf8_lossy(line.line)));
        let labels = map(part.iter().map(|(labels, _)| labels.iter()))?;
        let mut columns: Vec<ArrayRef> = vec![Arc::new(times.with_timezone("UTC")), labels, Arc::new(texts)];
        if categorized {
            columns.push(map(part.iter().map(|(_, line)| line.metadata.iter().copied()))?);
            columns.push(map(part.iter().map(|(_, line)| line.parsed.iter().copied()))?);
        }
        Ok(columns)
    });
    stream(fields, batches)
}

/// Samples.
pub fn samples(series: &[Samples<'_>]) -> Result<Vec<u8>, ColumnsError> {
    let value = Field::new("value", DataType::Float64, false);
    let fields = vec![time(TimeUnit::Millisecond), map_field("labels"), value];
    let rows = series.iter().flat_map(|one| one.points.iter().map(|point| (one.labels, point)));
    let batches = parts(rows, |_| 0).map(|part| {
        let times: TimestampMillisecondArray = part.iter().map(|(_, point)| Some(point.0.0)).collect();
        let values = Float64Array::from_iter_values(part.iter().map(|(_, point)| point.1));
        let labels = map(part.iter().map(|(labels, _)| labels.iter()))?;
        Ok(vec![Arc::new(times.with_timezone("UTC")) as ArrayRef, labels, Arc::new(values)])
    });
    stream(fields, batches)
}

fn stream(
    fields: Vec<Field>,
    batches: impl Iterator<Item = Result<Vec<ArrayRef>, ColumnsError>>,
) -> Result<Vec<u8>, ColumnsError> {
    let schema = Arc::new(Schema::new(fields));
    let mut writer = StreamWriter::try_new(Vec::new(), &schema)?;
    for columns in batches {
        writer.write(&RecordBatch::try_new(schema.clone(), columns?)?)?;
    }
    Ok(writer.into_inner()?)
}

fn time(unit: TimeUnit) -> Field {
    Field::new("timestamp", DataType::Timestamp(unit, Some("UTC".into())), false)
}

fn text(name: &str) -> Field {
    Field::new(name, DataType::Utf8, false)
}

fn pairs() -> Fields {
    Fields::from(vec![text("key"), text("value")])
}

fn entries() -> Arc<Field> {
    Arc::new(Field::new("entries", DataType::Struct(pairs()), false))
}

fn map_field(name: &str) -> Field {
    Field::new(name, DataType::Map(entries(), true), false)
}

/// A column of maps, keys sorted.
fn map<'a, I>(rows: impl Iterator<Item = I>) -> Result<ArrayRef, ColumnsError>
where
    I: Iterator<Item = (&'a str, &'a str)>,
{
    let (mut keys, mut values, mut lengths) = (Vec::new(), Vec::new(), Vec::new());
    for row in rows {
        let before = keys.len();
        for (key, value) in row {
            keys.push(key);
            values.push(value);
        }
        lengths.push(keys.len() - before);
    }
    let columns: Vec<ArrayRef> = vec![Arc::new(StringArray::from(keys)), Arc::new(StringArray::from(values))];
    let pairs = StructArray::try_new(pairs(), columns, None)?;
    let map = MapArray::try_new(entries(), OffsetBuffer::from_lengths(lengths), pairs, None, true)?;
    Ok(Arc::new(map))
}
