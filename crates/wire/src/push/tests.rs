use std::io::Write;

use bytes::Bytes;
use loptr_model::{Entry, Nanos};
use proptest::prelude::*;

use super::*;

type Pairs = Vec<(String, String)>;

#[derive(Clone, Debug, PartialEq)]
struct Stream {
    labels: String,
    entries: Vec<(i64, Vec<u8>, Pairs)>,
}

fn decoded(push: &DecodedPush) -> Vec<Stream> {
    let owned = |entry: PushEntry<'_>| {
        let pairs = entry.metadata.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        assert_eq!(entry.metadata.iter().next().is_none(), entry.metadata.is_empty());
        (entry.ts.0, entry.line.to_vec(), pairs)
    };
    push.streams()
        .map(|stream| {
            assert_eq!(stream.entries().len(), stream.len());
            Stream { labels: stream.labels().to_owned(), entries: stream.entries().map(owned).collect() }
        })
        .collect()
}

fn proto_message(streams: &[Stream]) -> Vec<u8> {
    let borrowed: Vec<Vec<Vec<(&str, &str)>>> = streams
        .iter()
        .map(|stream| {
            let entries = stream.entries.iter();
            entries.map(|(_, _, pairs)| pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect()).collect()
        })
        .collect();
    let pushes: Vec<ProtoPush<'_>> = streams
        .iter()
        .zip(&borrowed)
        .map(|(stream, metadata)| {
            let entries = stream.entries.iter().zip(metadata);
            let entries = entries.map(|((ts, line, _), metadata)| Entry { ts: Nanos(*ts), line, metadata }).collect();
            (stream.labels.as_str(), entries)
        })
        .collect();
    encode_push(&pushes)
}

fn json_text(text: &str) -> String {
    let mut out = Vec::new();
    crate::answer::push_json_text(&mut out, text);
    String::from_utf8(out).expect("JSON is UTF-8")
}

/// The v1 document; each stream has the one label `a`.
fn json_document(streams: &[Stream]) -> Vec<u8> {
    let mut out = Vec::from(*b"{\"streams\":[");
    for (at, stream) in streams.iter().enumerate() {
        out.extend_from_slice(if at > 0 { b"," } else { b"" });
        write!(out, "{{\"stream\":{{\"a\":{}}},\"values\":[", json_text(&stream.labels)).expect("a Vec takes all");
        for (at, (ts, line, pairs)) in stream.entries.iter().enumerate() {
            out.extend_from_slice(if at > 0 { b",\n " } else { b"" });
            let line = String::from_utf8_lossy(line);
            write!(out, "[\"{ts}\",{}", json_text(&line)).expect("a Vec takes all");
            if !pairs.is_empty() {
                let pairs: Vec<String> =
                    pairs.iter().map(|(name, value)| format!("{}:{}", json_text(name), json_text(value))).collect();
                write!(out, ", {{{}}}", pairs.join(",")).expect("a Vec takes all");
            }
            out.push(b']');
        }
        out.extend_from_slice(b"]}");
    }
    out.extend_from_slice(b"]}");
    out
}

fn snappy(message: &[u8]) -> Bytes {
    snap::raw::Encoder::new().compress_vec(message).expect("small enough for snappy").into()
}

fn gzip(body: &[u8]) -> Bytes {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(body).expect("a Vec takes all");
    encoder.finish().expect("a Vec takes all").into()
}

fn decode(content_type: &str, encoding: &str, body: Bytes) -> Result<DecodedPush, PushError> {
    decode_push(content_type, encoding, true, body, &PushLimits::default())
}

fn streams() -> impl Strategy<Value = Vec<Stream>> {
    let pairs = prop::collection::vec(("[a-z_.]{1,8}", ".{0,12}"), 0..4);
    let line = prop_oneof![".{0,40}".prop_map(String::into_bytes), prop::collection::vec(any::<u8>(), 0..40)];
    let entry = (any::<i64>(), line, pairs);
    let stream = (".{0,20}", prop::collection::vec(entry, 0..6));
    prop::collection::vec(stream.prop_map(|(labels, entries)| Stream { labels, entries }), 0..5)
}

fn sample() -> Vec<Stream> {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    vec![
        Stream {
            labels: "{a=\"b\", c=\"d\"}".to_owned(),
            entries: vec![
                (
                    1_700_000_000_000_000_001,
                    b"a \"quoted\" line\n".to_vec(),
                    vec![pair("trace_id", "1"), pair("b", "\u{e9}\"")],
                ),
                (-5, b"".to_vec(), vec![]),
                (7, b"level=info \xe2\x98\x95".to_vec(), vec![pair("only", "one")]),
            ],
        },
        Stream { labels: "x".to_owned(), entries: vec![] },
    ]
}

proptest! {
    #[test]
    fn protobuf_round_trips(streams in streams()) {
        let message = proto_message(&streams);
        let push = decode_push_proto(message.clone().into()).expect("just encoded");
        prop_assert_eq!(&decoded(&push), &streams);
        let push = decode("application/x-protobuf", "", snappy(&message)).expect("just encoded");
        prop_assert_eq!(&decoded(&push), &streams);
        prop_assert_eq!(push.entry_count(), streams.iter().map(|stream| stream.entries.len()).sum::<usize>());
        let push = decode("x/y", "gzip", gzip(&snappy(&message))).expect("just encoded");
        prop_assert_eq!(decoded(&push), streams);
    }

    #[test]
    fn json_round_trips(mut streams in streams()) {
        for stream in &mut streams {
            // Upstream refuses U+FFFD in label text, whoever put it there.
            stream.labels = stream.labels.replace('\u{fffd}', "");
            for (_, line, _) in &mut stream.entries {
                *line = String::from_utf8_lossy(line).into_owned().into_bytes();
            }
        }
        let document = json_document(&streams);
        let push = decode("application/json", "", document.clone().into()).expect("a proper document");
        let mut found = decoded(&push);
        prop_assert_eq!(push.format(), PushFormat::JsonV1);
        for (found, sent) in found.iter_mut().zip(&streams) {
            let labels = crate::labels::parse_labels(&found.labels).expect("rendered labels");
            prop_assert_eq!(labels.get("a").unwrap_or_default(), &sent.labels);
            found.labels.clone_from(&sent.labels);
        }
        prop_assert_eq!(&found, &streams);
        let push = decode("application/json", "gzip", gzip(&document)).expect("a proper document");
        prop_assert_eq!(push.entry_count(), streams.iter().map(|stream| stream.entries.len()).sum::<usize>());
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200), v1 in any::<bool>()) {
        let body = Bytes::from(bytes);
        let limits = PushLimits { max_body_bytes: 150, max_decompressed_bytes: 1000 };
        for content_type in ["application/json", "application/x-protobuf"] {
            for encoding in ["", "gzip", "deflate"] {
                if let Ok(push) = decode_push(content_type, encoding, v1, body.clone(), &limits) {
                    decoded(&push);
                }
            }
        }
        if let Ok(push) = decode_push_proto(body) {
            decoded(&push);
        }
    }

    #[test]
    fn broken_documents_are_survived(at in any::<prop::sample::Index>(), byte in any::<u8>(), v1 in any::<bool>()) {
        let mut document = json_document(&sample());
        let at = at.index(document.len());
        document[at] = byte;
        if let Ok(push) = decode_push("application/json", "", v1, document.into(), &PushLimits::default()) {
            decoded(&push);
        }
        let mut message = proto_message(&sample());
        let at = at % message.len();
        message[at] = byte;
        if let Ok(push) = decode_push_proto(message.into()) {
            decoded(&push);
        }
    }

    #[test]
    fn json_like_bytes_are_survived(text in r#"[\[\]{}":,0-9ntf\\u a-]{0,60}"#) {
        for document in [
            text.clone(),
            format!("{{\"streams\":[{text}]}}"),
            format!("{{\"streams\":[{{\"stream\":{{\"a\":\"b\"}},\"values\":{text}}}]}}"),
            format!("{{\"streams\":[{{\"values\":[[\"1\",\"x\",{text}]]}}]}}"),
            format!("{{\"streams\":[{{\"values\":{}}}]}}", json_text(&text)),
        ] {
            for v1 in [true, false] {
                if let Ok(push) = decode_push("application/json", "", v1, document.clone().into(), &PushLimits::default()) {
                    decoded(&push);
                }
            }
        }
    }
}

#[test]
fn json_cut_short_anywhere_is_refused() {
    let document = json_document(&sample());
    decode("application/json", "", document.clone().into()).expect("the whole document");
    for len in 0..document.len() {
        let cut = decode("application/json", "", Bytes::copy_from_slice(&document[..len]));
        assert!(matches!(cut, Err(PushError::Json(_))), "cut at {len}");
    }
}

#[test]
fn protobuf_cut_short_anywhere_is_refused_or_whole() {
    let streams = sample();
    let message = proto_message(&streams);
    // Cutting between two streams leaves a proper message.
    let boundaries: Vec<usize> = (0..=streams.len()).map(|count| proto_message(&streams[..count]).len()).collect();
    for len in 0..message.len() {
        let cut = decode_push_proto(Bytes::copy_from_slice(&message[..len]));
        match boundaries.iter().position(|boundary| *boundary == len) {
            Some(count) => assert_eq!(decoded(&cut.expect("whole streams")), streams[..count]),
            None => assert_eq!(cut.expect_err("cut inside a stream"), PushError::Proto(ProtoError::Truncated), "{len}"),
        }
    }
    let block = snappy(&message);
    for len in 0..block.len() {
        let cut = decode("application/x-protobuf", "", block.slice(..len));
        assert_eq!(cut.expect_err("cut block").to_string(), "snappy: corrupt input", "{len}");
    }
}

#[test]
fn bombs_stop_at_the_limit() {
    let zeros = vec![b' '; 4 << 20];
    let limits = PushLimits { max_body_bytes: 1 << 20, max_decompressed_bytes: 1 << 16 };
    let try_with = |content_type: &str, encoding: &str, body: Bytes| {
        decode_push(content_type, encoding, true, body, &limits).expect_err("a bomb")
    };
    let json = try_with("application/json", "gzip", gzip(&zeros));
    assert_eq!(json, PushError::DecompressedTooLarge { size: (1 << 16) + 1, max: 1 << 16 });
    assert_eq!(
        (json.kind(), json.to_string()),
        (PushErrorKind::BadRequest, "decompressed message size too large than max (65537 vs 65536)".to_owned())
    );
    let block = try_with("application/x-protobuf", "", snappy(&zeros));
    assert_eq!(block, PushError::DecompressedTooLarge { size: 4 << 20, max: 1 << 16 });
    let nested = try_with("application/x-protobuf", "gzip", gzip(&zeros));
    assert_eq!(nested, PushError::BodyTooLarge { size: (1 << 20) + 1, max: 1 << 20 });
    assert_eq!(
        (nested.kind(), nested.to_string()),
        (
            PushErrorKind::TooLarge,
            "request body too large: message size too large than max (1048577 vs 1048576)".to_owned()
        )
    );
    // A block that claims gigabytes but holds nothing is refused before anything is set aside for it.
    let claim = Bytes::from_static(b"\xff\xff\xff\xff\x07abc");
    let free = PushLimits { max_decompressed_bytes: 0, ..limits };
    let error = decode_push("application/x-protobuf", "", true, claim, &free).expect_err("an empty claim");
    assert_eq!(error.to_string(), "snappy: corrupt input");
}

#[test]
fn bodies_over_the_limit_are_refused() {
    let limits = PushLimits { max_body_bytes: 10, max_decompressed_bytes: 0 };
    let body = Bytes::from_static(b"{\"streams\":[]}");
    let json = decode_push("application/json", "", true, body.clone(), &limits).expect_err("too large");
    assert_eq!(
        (json.kind(), json.to_string()),
        (PushErrorKind::BadRequest, "compressed message size 14 exceeds limit 10".to_owned())
    );
    let proto = decode_push("application/x-protobuf", "", true, body, &limits).expect_err("too large");
    assert_eq!(
        (proto.kind(), proto.to_string()),
        (PushErrorKind::TooLarge, "request body too large: message size too large than max (14 vs 10)".to_owned())
    );
}

#[test]
fn label_text_has_a_limit_of_its_own() {
    let stream = |labels: String| vec![Stream { labels, entries: vec![] }];
    let fits = proto_message(&stream("x".repeat(MAX_STREAM_LABELS_BYTES)));
    decode_push_proto(fits.into()).expect("just fits");
    let over = proto_message(&stream("x".repeat(MAX_STREAM_LABELS_BYTES + 1)));
    let error = decode_push_proto(over.into()).expect_err("too long");
    assert_eq!(error.kind(), PushErrorKind::TooLarge);
    assert_eq!(error.to_string(), "request body too large: stream labels size 17 MB exceeds limit of 17 MB");
}

#[test]
fn nesting_has_a_limit() {
    let nested =
        |open: &str, close: &str, depth: usize| format!("{{\"a\":{}{}}}", open.repeat(depth), close.repeat(depth));
    decode("application/json", "", nested("[", "]", 9_998).into()).expect("deep but allowed");
    for document in [nested("[", "]", 10_001), nested("{\"a\":", "}", 10_001)] {
        let error = decode("application/json", "", document.into()).expect_err("too deep");
        assert!(error.to_string().starts_with("loghttp.PushRequest.incrementDepth: exceeded max depth"), "{error}");
    }
    let groups = [vec![0x1b; 100_000], vec![0x1c; 100_000]].concat();
    decode_push_proto(groups.into()).expect("groups nest without end");
}

#[test]
fn bytes_that_are_no_text_are_marked() {
    let field = |number: u8, bytes: &[u8]| [&[number << 3 | 2, bytes.len() as u8], bytes].concat();
    let pair = [field(1, b"n\xffm"), field(2, b"v\xc3\xffwx")].concat();
    let entry = [field(1, b"\x08\x01"), field(2, b"\xff\xfe"), field(3, &pair)].concat();
    let stream = [field(1, b"{a=\"\xff\"}"), field(2, &entry)].concat();
    let push = decode_push_proto(field(1, &stream).into()).expect("well-formed");
    let stream = push.streams().next().expect("a stream");
    assert_eq!(stream.labels(), "{a=\"\u{fffd}\"}");
    let entry = stream.entries().next().expect("an entry");
    assert_eq!((entry.ts, entry.line), (Nanos(1_000_000_000), &b"\xff\xfe"[..]));
    assert_eq!(entry.metadata.iter().collect::<Vec<_>>(), [("n m", "v  wx")]);
    assert_eq!(entry.metadata.byte_len(), 3 + 5);
}

#[test]
fn the_path_decides_the_shape() {
    for (path, v1) in [("/loki/api/v1/push", true), ("/x/Loki/API/v1/push?a=b", true), ("/api/prom/push", false)] {
        assert_eq!(path_is_v1(path), v1, "{path}");
    }
}
