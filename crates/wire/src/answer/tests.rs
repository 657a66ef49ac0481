use loptr_model::{Labels, Millis, Nanos};
use serde_json::Value;

use super::*;

const NOTHING: &[&str] = &[];
const APP: &str = "a<b>&\"c\\d\n\u{2028}e\u{e9}";
const LINE: &[u8] =
    b"l<i>&n\"e\\ \t\n\r\x01\x7f\xe2\x80\xa8\xe2\x80\xa9 \xff\xc3( \xe2\x98 \xc3\xa9 \xf0\x9f\x98\x80 / \x08\x0c";
const META: &str = "v<&>\u{2028}\x01 \"q\"";

/// What upstream 3.7.6 answered, byte for byte.
fn recorded(name: &str) -> String {
    let answers = include_str!("../../testdata/answers.jsonl").lines();
    let mut answers = answers.map(|line| serde_json::from_str::<Value>(line).expect("a recorded answer"));
    let answer = answers.find(|answer| answer["name"] == name).expect("an answer of that name");
    answer["body"].as_str().expect("a body").to_owned()
}

/// The text with every number outside of strings as 0, and the one key left out at times always left out.
fn numbers_blanked(text: &str) -> String {
    let mut out = String::new();
    let (mut in_text, mut in_number) = (false, false);
    for c in text.chars() {
        in_text ^= c == '"';
        let number = !in_text && (c.is_ascii_digit() || c == '.');
        if number && !in_number {
            out.push('0');
        } else if !number {
            out.push(c);
        }
        in_number = number;
    }
    out.replace(",\"recvWaitTime\":0", "")
}

/// Compares all before the statistics exactly, the statistics and the end by their keys.
fn assert_same(found: Vec<u8>, name: &str) {
    let (found, expected) = (String::from_utf8(found).expect("JSON is UTF-8"), recorded(name));
    let split = |text: &str| text.find("\"stats\":{\"summary\"").expect("statistics");
    let (found_head, found_stats) = found.split_at(split(&found));
    let (expected_head, expected_stats) = expected.split_at(split(&expected));
    assert_eq!(found_head, expected_head);
    assert_eq!(numbers_blanked(found_stats), numbers_blanked(expected_stats));
}

fn stream_labels(more: &[(&str, &str)]) -> Labels {
    Labels::from_pairs([("app", APP), ("env", "p"), ("service_name", APP)].into_iter().chain(more.iter().copied()))
}

fn line(seconds: i64, line: &[u8], metadata: &[(&str, &str)], parsed: &[(&str, &str)]) -> LogLine {
    LogLine {
        ts: Nanos(seconds * Nanos::PER_SEC),
        line: line.to_vec(),
        metadata: Labels::from_pairs(metadata.iter().copied()),
        parsed: Labels::from_pairs(parsed.iter().copied()),
    }
}

#[test]
fn streams_are_written_as_upstream_does() {
    let streams = [
        LogStream {
            labels: stream_labels(&[("detected_level", "unknown")]),
            lines: vec![line(1_700_000_000, LINE, &[("a", "hidden")], &[])],
        },
        LogStream {
            labels: stream_labels(&[("detected_level", "warn"), ("m_", META)]),
            lines: vec![line(1_700_000_001, b"level=warn x=1", &[], &[])],
        },
    ];
    let mut out = Vec::new();
    write_streams(&mut out, &streams, &EncodingFlags::default(), &QueryStats::default(), &[]);
    assert_same(out, "streams");
}

#[test]
fn categorized_streams_are_written_as_upstream_does() {
    let metadata: &[(&str, &str)] = &[("detected_level", "warn"), ("m_", META)];
    let streams = [LogStream {
        labels: stream_labels(&[]),
        lines: vec![
            line(1_700_000_001, b"level=warn x=1", metadata, &[("level", "warn"), ("x", "1")]),
            line(1_700_000_000, LINE, &[("detected_level", "unknown")], &[]),
        ],
    }];
    let flags = EncodingFlags::parse("categorize-labels");
    let mut out = Vec::new();
    write_streams(&mut out, &streams, &flags, &QueryStats::default(), &[]);
    assert_same(out, "streams-categorized");
}

#[test]
fn samples_are_written_as_upstream_does() {
    let third = 1.0 / 3.0;
    let point = |millis| (Millis(millis), third);
    let series = [
        Series {
            labels: stream_labels(&[("detected_level", "unknown")]),
            points: vec![point(1_700_000_000_000), point(1_700_000_000_500)],
        },
        Series {
            labels: stream_labels(&[("detected_level", "warn"), ("m_", META)]),
            points: vec![point(1_700_000_001_000), point(1_700_000_001_500)],
        },
    ];
    let mut out = Vec::new();
    write_matrix(&mut out, &series, &QueryStats::default(), &[]);
    assert_same(out, "matrix");

    let vector = [Series {
        labels: Labels::from_pairs([("app", APP), ("env", "p")]),
        points: vec![(Millis(1_700_000_001_500), 2.0)],
    }];
    let mut out = Vec::new();
    write_vector(&mut out, &vector, &QueryStats::default(), &[]);
    assert_same(out, "vector");

    let volume =
        [Series { labels: Labels::from_pairs([("app", APP)]), points: vec![(Millis(1_700_000_002_000), 118.0)] }];
    let mut out = Vec::new();
    assert_eq!(volume_kind(&volume), "vector");
    write_vector(&mut out, &volume, &QueryStats::default(), &[]);
    assert_same(out, "volume");
}

#[test]
fn metadata_is_written_as_upstream_does() {
    let text = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("JSON is UTF-8")
    };
    assert_eq!(text(&|out| write_labels(out, &["app", "env", "service_name"])), recorded("labels"));
    assert_eq!(text(&|out| write_labels(out, NOTHING)), recorded("no-values"));
    assert_eq!(text(&|out| write_labels(out, &[APP])), recorded("values"));
    assert_eq!(text(&|out| write_series(out, [&stream_labels(&[])])), recorded("series"));
    assert_eq!(text(&|out| write_series(out, [])), recorded("no-series"));
    assert_eq!(text(&|out| write_index_stats(out, &IndexStats::default())), recorded("stats"));
}

#[test]
fn legacy_streams_are_written_as_upstream_does() {
    let mut out = Vec::new();
    let mut writer = LegacyStreamsWriter::new(&mut out);
    writer.stream(&stream_labels(&[("detected_level", "unknown")]));
    writer.line(Nanos(1_700_000_000 * Nanos::PER_SEC), LINE);
    writer.stream(&stream_labels(&[("detected_level", "warn"), ("m_", META)]));
    writer.line(Nanos(1_700_000_001 * Nanos::PER_SEC), b"level=warn x=1");
    writer.finish(&QueryStats::default());
    // Upstream writes these two keys in any order.
    let found: Value = serde_json::from_slice(&out).expect("JSON");
    let expected: Value = serde_json::from_str(&recorded("legacy")).expect("JSON");
    assert_eq!(found["streams"], expected["streams"]);
    let keys = |stats: &Value| stats.as_object().expect("statistics").keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&found["stats"]), keys(&expected["stats"]));
    let found = String::from_utf8(out).expect("JSON is UTF-8");
    let streams = found.split(",\"stats\"").next().expect("a first part");
    let inner = streams.strip_prefix('{').expect("an object");
    assert!(recorded("legacy").contains(inner), "{inner}");
}

#[test]
fn warnings_are_added_to_answers_that_are_written() {
    let added = |labels: &[&str], warnings: &[&str]| {
        let mut out = Vec::new();
        write_labels(&mut out, labels);
        add_warnings(&mut out, &warnings.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        String::from_utf8(out).expect("text")
    };
    let whole = r#"{"status":"success","data":["a}"],"warnings":["partial: \"x\""]}"#;
    assert_eq!(added(&["a}"], &["partial: \"x\""]).trim_end(), whole);
    assert_eq!(added(&[], &["w"]).trim_end(), r#"{"status":"success","warnings":["w"]}"#);
    assert_eq!(added(&[], &[]).trim_end(), r#"{"status":"success"}"#);
}

#[test]
fn warnings_stand_where_clients_look() {
    let mut out = Vec::new();
    write_streams(&mut out, &[], &EncodingFlags::parse("a,b"), &QueryStats::default(), &["careful <1>".to_owned()]);
    let text = String::from_utf8(out).expect("JSON is UTF-8");
    let start = r#"{"status":"success","warnings":["careful <1>"],"data":{"resultType":"streams","encodingFlags":["a","b"],"result":[],"stats":{"#;
    assert!(text.starts_with(start), "{text}");
    let mut out = Vec::new();
    write_scalar(&mut out, Millis(1_700_000_000_000), f64::NAN, &QueryStats::default(), &["careful".to_owned()]);
    let text = String::from_utf8(out).expect("JSON is UTF-8");
    assert!(
        text.starts_with(r#"{"status":"success","data":{"resultType":"scalar","result":[1700000000,"NaN"],"stats":{"#)
    );
    assert!(text.ends_with(r#"}},"warnings":["careful"]}"#), "{text}");
}

#[test]
fn statistics_round_where_upstream_rounds() {
    let stats = QueryStats {
        summary: SummaryStats { exec_secs: 0.000_145_902, queue_secs: 12.5, total_bytes: -3, ..Default::default() },
        ingester: IngesterStats { recv_wait_secs: Some(0.25), ..Default::default() },
        index: IndexQueryStats { used_bloom_filters: true, ..Default::default() },
        ..Default::default()
    };
    let mut out = Vec::new();
    write_streams(&mut out, &[], &EncodingFlags::default(), &stats, &[]);
    let rounded = String::from_utf8(out).expect("JSON is UTF-8");
    let mut out = Vec::new();
    write_matrix(&mut out, &[], &stats, &[]);
    let exact = String::from_utf8(out).expect("JSON is UTF-8");
    assert!(rounded.contains("\"execTime\":0.000146,\"queueTime\":12.5,"), "{rounded}");
    assert!(exact.contains("\"execTime\":0.000145902,\"queueTime\":12.5,"), "{exact}");
    for text in [&rounded, &exact] {
        assert!(text.contains("\"recvWaitTime\":0.25}") && text.contains("\"usedBloomFilters\":true"), "{text}");
        assert!(text.contains("\"totalBytesProcessed\":-3"), "{text}");
        serde_json::from_str::<Value>(text).expect("JSON");
    }
}

#[test]
fn sample_times_are_short() {
    for (millis, expected) in [
        (0, "0"),
        (1_700_000_000_000, "1700000000"),
        (1_700_000_000_500, "1700000000.5"),
        (1_700_000_000_050, "1700000000.05"),
        (1_700_000_000_123, "1700000000.123"),
        (-500, "-0.5"),
        (-1500, "-1.5"),
        (5_939_084_850_173_000, "5939084850173"),
        (9_007_199_254_740_993, "9007199254740.992"),
    ] {
        let mut out = Vec::new();
        push_sample_time(&mut out, Millis(millis));
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }
}

#[test]
fn tail_frames() {
    let streams = [LogStream {
        labels: Labels::from_pairs([("a", "b")]),
        lines: vec![line(1, b"x", &[("m", "v")], &[]), line(2, b"y", &[], &[])],
    }];
    let dropped = [DroppedEntry { ts: Nanos(7), labels: Labels::from_pairs([("a", "b")]) }];
    let mut out = Vec::new();
    write_tail_frame(&mut out, &streams, &dropped, &EncodingFlags::parse("categorize-labels"));
    assert_eq!(
        String::from_utf8_lossy(&out),
        r#"{"streams":[{"stream":{"a":"b"},"values":[["1000000000","x",{"structuredMetadata":{"m":"v"}}],["2000000000","y",{}]]}],"dropped_entries":[{"timestamp":"7","labels":{"a":"b"}}],"encodingFlags":["categorize-labels"]}"#
    );
    let mut out = Vec::new();
    write_tail_frame(&mut out, &streams[..0], &[], &EncodingFlags::default());
    assert_eq!(String::from_utf8_lossy(&out), r#"{"streams":[]}"#);
}

#[test]
fn small_answers() {
    let text = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("JSON is UTF-8")
    };
    let field = |label: &str, kind: &str, parsers: Option<&[&str]>, path: &[&str]| DetectedField {
        label: label.to_owned(),
        kind: kind.to_owned(),
        cardinality: 3,
        parsers: parsers.map(|parsers| parsers.iter().map(|parser| (*parser).to_owned()).collect()),
        json_path: path.iter().map(|key| (*key).to_owned()).collect(),
    };
    let fields = [
        field("x", "int", Some(&["logfmt"]), &[]),
        field("d", "string", None, &[]),
        field("a_b", "int", Some(&["json"]), &["a", "b"]),
    ];
    assert_eq!(
        text(&|out| write_detected_fields(out, &fields, 1000)),
        concat!(
            r#"{"fields":[{"label":"x","type":"int","cardinality":3,"parsers":["logfmt"]},"#,
            r#"{"label":"d","type":"string","cardinality":3,"parsers":null},"#,
            r#"{"label":"a_b","type":"int","cardinality":3,"parsers":["json"],"jsonPath":["a","b"]}],"limit":1000}"#,
            "\n"
        )
    );
    assert_eq!(text(&|out| write_detected_fields(out, &[], 1000)), "{}\n");
    assert_eq!(text(&|out| write_detected_values(out, &["1", "2"], 5)), "{\"limit\":5,\"values\":[\"1\",\"2\"]}\n");
    assert_eq!(text(&|out| write_detected_values(out, NOTHING, 5)), "{}\n");
    let labels = [DetectedLabel { label: "env".to_owned(), cardinality: 1 }];
    assert_eq!(
        text(&|out| write_detected_labels(out, &labels)),
        "{\"detectedLabels\":[{\"label\":\"env\",\"cardinality\":1}]}\n"
    );
    let patterns =
        [Pattern { pattern: "a <_> b".to_owned(), level: "info".to_owned(), samples: vec![(10, 2), (20, 3)] }];
    assert_eq!(
        text(&|out| write_patterns(out, &patterns)),
        "{\"status\":\"success\",\"data\":[{\"pattern\":\"a \\u003c_\\u003e b\",\"level\":\"info\",\"samples\":[[10,2],[20,3]]}]}\n"
    );
    assert_eq!(text(&|out| write_legacy_labels(out, &["a"])), "{\"values\":[\"a\"]}\n");
    assert_eq!(text(&|out| write_legacy_labels(out, NOTHING)), "{}\n");
    assert_eq!(
        text(&|out| write_formatted(out, "{a=\"<b>\"}")),
        "{\"status\":\"success\",\"data\":\"{a=\\\"\\u003cb\\u003e\\\"}\"}\n"
    );
    assert_eq!(text(&|out| write_format_error(out, "no")), "{\"status\":\"invalid-query\",\"error\":\"no\"}\n");
    assert_eq!(
        text(&|out| write_build_info(out, &BuildInfo { version: "3.7.6", ..Default::default() })),
        "{\"version\":\"3.7.6\",\"revision\":\"\",\"branch\":\"\",\"buildUser\":\"\",\"buildDate\":\"\",\"goVersion\":\"\"}\n"
    );
    let shards = [Shard { min: 0, max: u64::MAX, stats: IndexStats { streams: 1, chunks: 2, bytes: 3, entries: 4 } }];
    let shards = text(&|out| write_shards(out, &shards, &QueryStats::default()));
    assert!(shards.starts_with(
        r#"{"shards":[{"bounds":{"min":0,"max":18446744073709551615},"stats":{"streams":1,"chunks":2,"bytes":3,"entries":4}}],"statistics":{"#
    ));
    serde_json::from_str::<Value>(&shards).expect("JSON");
}

/// Fields of a message: number and payload; a varint's or double's is its number.
fn fields(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let varint = |bytes: &mut &[u8]| {
        let (mut value, mut shift) = (0u64, 0);
        loop {
            let (byte, rest) = bytes.split_first().expect("a varint");
            *bytes = rest;
            value |= u64::from(byte & 127) << shift;
            shift += 7;
            if *byte < 128 {
                return value;
            }
        }
    };
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes) as u8;
        let len = match tag & 7 {
            0 => {
                all.push((tag >> 3, varint(&mut bytes).to_le_bytes().to_vec()));
                continue;
            }
            1 => 8,
            _ => varint(&mut bytes) as usize,
        };
        all.push((tag >> 3, bytes[..len].to_vec()));
        bytes = &bytes[len..];
    }
    all
}

fn field(bytes: &[u8], path: &[u8]) -> Vec<u8> {
    path.iter().fold(bytes.to_vec(), |bytes, number| {
        fields(&bytes).into_iter().find(|(found, _)| found == number).unwrap_or_else(|| panic!("no {path:?}")).1
    })
}

#[test]
fn log_lines_in_protobuf_lie_where_upstream_reads_them() {
    let labels = Labels::from_pairs([("app", "a\"b")]);
    let mut stats = QueryStats::default();
    (stats.summary.total_lines, stats.querier.store.used_v2_engine) = (300, true);
    let question = proto::LogQuestion { backward: true, limit: 1000, legacy: false };
    let mut out = Vec::new();
    proto::streams(&mut out, question, &stats, &["w".to_owned()], |list| {
        list.stream(&labels, |lines| {
            lines.line(Nanos(-1), b"\xff", [("trace", "1")].into_iter(), [("", "v")].into_iter());
        });
    });
    let streams = field(&out, &[6]);
    assert_eq!(field(&streams, &[2, 2, 1]), br#"{app="a\"b"}"#);
    assert_eq!(i64::from_le_bytes(field(&streams, &[2, 2, 2, 1, 1]).try_into().expect("eight")), -1);
    assert_eq!(u64::from_le_bytes(field(&streams, &[2, 2, 2, 1, 2]).try_into().expect("eight")), 999_999_999);
    assert_eq!(field(&streams, &[2, 2, 2, 2]), b"\xff");
    assert_eq!(
        (field(&streams, &[2, 2, 2, 3, 1]), field(&streams, &[2, 2, 2, 4, 2])),
        (b"trace".to_vec(), b"v".to_vec())
    );
    let number = |path: &[u8]| u64::from_le_bytes(field(&streams, path).try_into().expect("eight"));
    assert_eq!(
        (number(&[5]), number(&[6]), number(&[7]), number(&[8, 1, 4]), number(&[8, 2, 1, 14])),
        (1, 1000, 1, 300, 1)
    );
    assert_eq!(field(&streams, &[10]), b"w");
}

#[test]
fn samples_in_protobuf_keep_the_last_point_of_a_vector() {
    let series = [
        Series { labels: Labels::from_pairs([("a", "b")]), points: vec![(Millis(1), 1.0), (Millis(2), -0.5)] },
        Series::default(),
    ];
    for (kind, points) in [("vector", 1), ("matrix", 2)] {
        let mut out = Vec::new();
        proto::samples(&mut out, kind, &series, &QueryStats::default(), &[]);
        let data = field(&out, &[5, 1, 2]);
        assert_eq!(field(&data, &[1]), kind.as_bytes());
        let first = field(&data, &[2]);
        assert_eq!(fields(&first).iter().filter(|(number, _)| *number == 2).count(), points);
        let last = fields(&first).pop().expect("a point").1;
        assert_eq!(
            (field(&last, &[1]), field(&last, &[2])),
            ((-0.5f64).to_le_bytes().to_vec(), 2u64.to_le_bytes().to_vec())
        );
        assert_eq!(fields(&data).len(), if kind == "vector" { 2 } else { 3 });
    }
}

#[test]
fn empty_values_are_told_in_protobuf() {
    let mut out = Vec::new();
    proto::detected_values(&mut out, &["", "x"], 5);
    assert_eq!(fields(&field(&out, &[11, 1])).len(), 3);
    let mut out = Vec::new();
    proto::labels(&mut out, &["a"], true);
    assert!(fields(&field(&out, &[3])).iter().all(|(number, _)| *number != 3), "legacy has version 0");
}

mod round_trips {
    use proptest::prelude::*;

    use super::*;

    fn labels() -> impl Strategy<Value = Labels> {
        prop::collection::btree_map("\\PC{1,6}", "(?s).{0,12}", 0..4).prop_map(Labels::from_pairs)
    }

    fn as_json(labels: &Labels) -> Value {
        labels
            .iter()
            .map(|(name, value)| (name.to_owned(), Value::from(value)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }

    proptest! {
        #[test]
        fn streams_are_json(
            streams in prop::collection::vec(
                (labels(), prop::collection::vec((any::<i64>(), prop::collection::vec(any::<u8>(), 0..30), labels(), labels()), 0..4)),
                0..4,
            ),
            categorize in any::<bool>(),
        ) {
            let streams: Vec<LogStream> = streams
                .into_iter()
                .map(|(labels, lines)| LogStream {
                    labels,
                    lines: lines
                        .into_iter()
                        .map(|(ts, line, metadata, parsed)| LogLine { ts: Nanos(ts), line, metadata, parsed })
                        .collect(),
                })
                .collect();
            let flags = EncodingFlags::parse(if categorize { "categorize-labels" } else { "" });
            let mut out = Vec::new();
            write_streams(&mut out, &streams, &flags, &QueryStats::default(), &[]);
            let json: Value = serde_json::from_slice(&out).expect("JSON");
            for (found, sent) in json["data"]["result"].as_array().expect("streams").iter().zip(&streams) {
                prop_assert_eq!(&found["stream"], &as_json(&sent.labels));
                for (found, sent) in found["values"].as_array().expect("lines").iter().zip(&sent.lines) {
                    prop_assert_eq!(&found[0], &Value::from(sent.ts.0.to_string()));
                    let line: String = sent.line.utf8_chunks().flat_map(|part| {
                        part.valid().chars().chain(part.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER))
                    }).collect();
                    prop_assert_eq!(found[1].as_str(), Some(line.as_str()));
                    prop_assert_eq!(found.as_array().map(Vec::len), Some(if categorize { 3 } else { 2 }));
                    if categorize && !sent.metadata.is_empty() {
                        prop_assert_eq!(&found[2]["structuredMetadata"], &as_json(&sent.metadata));
                    }
                }
            }
        }

        #[test]
        fn samples_are_json(labels in labels(), points in prop::collection::vec((-4_000_000_000_000i64..4_000_000_000_000, any::<f64>()), 1..5)) {
            let points: Vec<_> = points.into_iter().map(|(ts, value)| (Millis(ts), value)).collect();
            let series = [Series { labels: labels.clone(), points: points.clone() }];
            let mut out = Vec::new();
            write_matrix(&mut out, &series, &QueryStats::default(), &[]);
            let json: Value = serde_json::from_slice(&out).expect("JSON");
            let found = &json["data"]["result"][0];
            prop_assert_eq!(&found["metric"], &as_json(&labels));
            for (found, (ts, value)) in found["values"].as_array().expect("points").iter().zip(&points) {
                prop_assert_eq!(found[0].as_f64(), Some(ts.0 as f64 / 1000.0));
                let read = crate::go::parse_float(found[1].as_str().expect("a value")).expect("a number");
                prop_assert!(read == *value || (read.is_nan() && value.is_nan()));
            }
            let mut out = Vec::new();
            write_vector(&mut out, &series, &QueryStats::default(), &[]);
            serde_json::from_slice::<Value>(&out).expect("JSON");
        }
    }
}
