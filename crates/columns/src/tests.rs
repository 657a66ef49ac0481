//! What is written is read again by the libraries' own readers.

use ::parquet::file::reader::{FileReader, SerializedFileReader};
use ::parquet::record::RowAccessor;
use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{TimestampMillisecondType, TimestampNanosecondType};
use arrow_ipc::reader::StreamReader;

use super::*;

fn label_sets() -> [Labels; 2] {
    [Labels::from_pairs([("app", "a"), ("zone", "é")]), Labels::empty()]
}

fn lines<'a>(sets: &'a [Labels], texts: &'a [Vec<u8>]) -> Vec<Lines<'a>> {
    let line = |(at, text): (usize, &'a Vec<u8>)| Line {
        ts: Nanos(1_700_000_000_000_000_001 + at as i64),
        line: text,
        metadata: &[("trace", "1")],
        parsed: &[],
    };
    sets.iter().map(|labels| Lines { labels, lines: texts.iter().enumerate().map(line).collect() }).collect()
}

#[test]
fn lines_in_parquet_are_rows_with_maps() {
    let (sets, texts) = (label_sets(), [b"one".to_vec(), b"\xfftwo".to_vec(), Vec::new()]);
    let file = parquet::lines(&lines(&sets, &texts)).expect("it fits");
    let reader = SerializedFileReader::new(bytes::Bytes::from(file)).expect("a file");
    let rows: Vec<_> = reader.get_row_iter(None).expect("rows").map(|row| row.expect("a row")).collect();
    assert_eq!(rows.len(), 6);
    assert_eq!(rows[0].get_string(2).expect("a line"), "one");
    assert_eq!(rows[1].get_string(2).expect("a line"), "\u{fffd}two");
    let map = |row: usize| format!("{:?}", rows[row].get_map(1).expect("labels").entries());
    assert!(map(0).contains("app") && map(0).contains('é'), "{}", map(0));
    assert_eq!(rows[3].get_map(1).expect("labels").entries().len(), 0);
    assert_eq!(reader.metadata().row_group(0).column(3).compression(), ::parquet::basic::Compression::LZ4_RAW);
}

#[test]
fn samples_in_parquet_keep_every_value() {
    let sets = label_sets();
    let points: Vec<(Millis, f64)> = (0..20_000).map(|at| (Millis(at), at as f64 / 3.0)).collect();
    let series = [Samples { labels: &sets[0], points: &points }, Samples { labels: &sets[1], points: &points[..1] }];
    let file = parquet::samples(&series).expect("it fits");
    let reader = SerializedFileReader::new(bytes::Bytes::from(file)).expect("a file");
    assert_eq!((reader.metadata().num_row_groups(), reader.metadata().file_metadata().num_rows()), (3, 20_001));
    for (at, row) in reader.get_row_iter(None).expect("rows").enumerate() {
        let row = row.expect("a row");
        let (ts, value) = points[at % 20_000];
        assert_eq!((row.get_timestamp_millis(0).expect("a time"), row.get_double(2).expect("a value")), (ts.0, value));
    }
}

#[test]
fn arrow_has_columns_by_category_when_asked() {
    let (sets, texts) = (label_sets(), vec![b"x".to_vec(); 5000]);
    for categorized in [false, true] {
        let stream = arrow::lines(&lines(&sets, &texts), categorized).expect("it fits");
        let batches: Vec<_> = StreamReader::try_new(stream.as_slice(), None).expect("a stream").collect();
        let batches: Vec<_> = batches.into_iter().map(|batch| batch.expect("a batch")).collect();
        assert_eq!(batches.iter().map(|batch| batch.num_rows()).collect::<Vec<_>>(), [8192, 1808]);
        assert_eq!(batches[0].num_columns(), if categorized { 5 } else { 3 });
        let times = batches[0].column(0).as_primitive::<TimestampNanosecondType>();
        assert_eq!(times.value(1), 1_700_000_000_000_000_002);
        let maps = batches[0].column(1).as_map();
        assert_eq!((maps.value(4999).len(), maps.value(5000).len()), (2, 0));
        if categorized {
            assert_eq!(batches[0].column(3).as_map().value(7).column(1).as_string::<i32>().value(0), "1");
            assert_eq!(batches[0].column(4).as_map().value(7).len(), 0);
        }
    }
}

#[test]
fn samples_in_arrow_keep_every_value() {
    let sets = label_sets();
    let points = [(Millis(1), f64::NAN), (Millis(2), -0.5)];
    let stream = arrow::samples(&[Samples { labels: &sets[0], points: &points }]).expect("it fits");
    let batch =
        StreamReader::try_new(stream.as_slice(), None).expect("a stream").next().expect("one").expect("a batch");
    assert_eq!(batch.column(0).as_primitive::<TimestampMillisecondType>().value(1), 2);
    let values = batch.column(2).as_primitive::<arrow_array::types::Float64Type>();
    assert!(values.value(0).is_nan() && values.value(1) == -0.5);
}

#[test]
fn nothing_is_a_file_and_a_stream_too() {
    let file = parquet::lines(&[]).expect("it fits");
    assert_eq!(SerializedFileReader::new(bytes::Bytes::from(file)).expect("a file").metadata().num_row_groups(), 0);
    assert_eq!(
        StreamReader::try_new(arrow::samples(&[]).expect("it fits").as_slice(), None).expect("a stream").count(),
        0
    );
}
