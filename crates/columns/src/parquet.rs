//! Parquet files.

use std::sync::Arc;

use ::parquet::basic::{Compression, Encoding};
use ::parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use ::parquet::schema::parser::parse_message_type;
use ::parquet::schema::types::ColumnPath;

use super::{ColumnsError, Lines, Samples, parts};

const LINES: &str = "
    message LogStreamRowType {
      required int64 timestamp (TIMESTAMP(NANOS,true));
      required group labels (MAP) {
        repeated group key_value { required binary key (STRING); required binary value (STRING); }
      }
      required binary line (STRING);
    }";
const SAMPLES: &str = "
    message MetricRowType {
      required int64 timestamp (TIMESTAMP(MILLIS,true));
      required group labels (MAP) {
        repeated group key_value { required binary key (STRING); required binary value (STRING); }
      }
      required double value;
    }";

type Group<'a> = SerializedRowGroupWriter<'a, Vec<u8>>;

/// Log lines; metadata and parsed labels that are told apart are left out, as upstream leaves them.
pub fn lines(streams: &[Lines<'_>]) -> Result<Vec<u8>, ColumnsError> {
    let mut writer = open(LINES)?;
    let rows = streams.iter().flat_map(|stream| stream.lines.iter().map(|line| (stream.labels, line)));
    for part in parts(rows, |(_, line)| line.line.len()) {
        let mut group = writer.next_row_group()?;
        times(&mut group, part.iter().map(|(_, line)| line.ts.0).collect())?;
        labels(&mut group, part.iter().map(|(labels, _)| labels.iter()))?;
        let texts: Vec<ByteArray> = part.iter().map(|(_, line)| text(&String::from_utf8_lossy(line.line))).collect();
        let mut column = next(&mut group)?;
        column.typed::<ByteArrayType>().write_batch(&texts, None, None)?;
        column.close()?;
        group.close()?;
    }
    Ok(writer.into_inner()?)
}

/// Samples.
pub fn samples(series: &[Samples<'_>]) -> Result<Vec<u8>, ColumnsError> {
    let mut writer = open(SAMPLES)?;
    let rows = series.iter().flat_map(|one| one.points.iter().map(|point| (one.labels, point)));
    for part in parts(rows, |_| 0) {
        let mut group = writer.next_row_group()?;
        times(&mut group, part.iter().map(|(_, point)| point.0.0).collect())?;
        labels(&mut group, part.iter().map(|(labels, _)| labels.iter()))?;
        let values: Vec<f64> = part.iter().map(|(_, point)| point.1).collect();
        let mut column = next(&mut group)?;
        column.typed::<DoubleType>().write_batch(&values, None, None)?;
        column.close()?;
        group.close()?;
    }
    Ok(writer.into_inner()?)
}

fn open(schema: &str) -> Result<SerializedFileWriter<Vec<u8>>, ColumnsError> {
    let time = ColumnPath::from("timestamp");
    let properties = WriterProperties::builder()
        .set_created_by("loptr".to_owned())
        .set_column_dictionary_enabled(time.clone(), false)
        .set_column_encoding(time, Encoding::DELTA_BINARY_PACKED)
        .set_column_dictionary_enabled(ColumnPath::from("line"), false)
        .set_column_compression(ColumnPath::from("line"), Compression::LZ4_RAW)
        .build();
    Ok(SerializedFileWriter::new(Vec::new(), Arc::new(parse_message_type(schema)?), Arc::new(properties))?)
}

fn next<'a>(group: &'a mut Group<'_>) -> Result<::parquet::file::writer::SerializedColumnWriter<'a>, ColumnsError> {
    Ok(group.next_column()?.expect("a schema has as many columns as are written"))
}

fn times(group: &mut Group<'_>, times: Vec<i64>) -> Result<(), ColumnsError> {
    let mut column = next(group)?;
    column.typed::<Int64Type>().write_batch(&times, None, None)?;
    Ok(column.close()?)
}

fn text(text: &str) -> ByteArray {
    ByteArray::from(text.as_bytes().to_vec())
}

/// The two columns of a map: a pair's definition level is 1, that of an empty map 0; the first pair of a row has
/// repetition level 0.
fn labels<'a, I>(group: &mut Group<'_>, rows: impl Iterator<Item = I>) -> Result<(), ColumnsError>
where
    I: Iterator<Item = (&'a str, &'a str)>,
{
    let (mut keys, mut values) = (Vec::new(), Vec::new());
    let (mut defined, mut repeated) = (Vec::new(), Vec::new());
    for row in rows {
        let before = keys.len();
        for (key, value) in row {
            defined.push(1);
            repeated.push(i16::from(keys.len() > before));
            keys.push(text(key));
            values.push(text(value));
        }
        if keys.len() == before {
            defined.push(0);
            repeated.push(0);
        }
    }
    for texts in [keys, values] {
        let mut column = next(group)?;
        column.typed::<ByteArrayType>().write_batch(&texts, Some(&defined), Some(&repeated))?;
        column.close()?;
    }
    Ok(())
}
