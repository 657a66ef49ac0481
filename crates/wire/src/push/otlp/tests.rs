use bytes::Bytes;
use loptr_model::Nanos;

use super::{MAX_VALUE_DEPTH, NamePattern, OtlpAction, OtlpContext, OtlpNames, OtlpRule, OtlpRules, decode_otlp};
use crate::push::{DecodedPush, PushError, PushFormat, PushLimits};

const JSON: &str = "application/json";
const PROTO: &str = "application/x-protobuf";

fn decode_with(rules: &OtlpRules, kind: &str, encoding: &str, body: &[u8]) -> Result<DecodedPush, PushError> {
    let names = ["container".to_owned(), "k8s_container_name".to_owned()];
    let context = OtlpContext { rules, discover_service_name: &names, now: Nanos(99) };
    decode_otlp(kind, encoding, Bytes::copy_from_slice(body), &PushLimits::default(), context)
}

fn decode(kind: &str, body: &[u8]) -> Result<DecodedPush, PushError> {
    decode_with(&OtlpRules::default(), kind, "", body)
}

/// One line per entry: labels, time, line, metadata.
fn shown(push: &DecodedPush) -> Vec<String> {
    let entries = push.streams().flat_map(|stream| stream.entries().map(move |entry| (stream.labels(), entry)));
    let text = entries.map(|(labels, entry)| {
        let metadata: Vec<String> = entry.metadata.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("{labels} {} {} [{}]", entry.ts.0, String::from_utf8_lossy(entry.line), metadata.join(" "))
    });
    text.collect()
}

fn document(resource: &str, record: &str) -> String {
    format!(
        r#"{{"resourceLogs":[{{"resource":{{"attributes":[{resource}]}},"scopeLogs":[{{"logRecords":[{record}]}}]}}]}}"#
    )
}

/// A length-delimited field.
fn field(number: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut len = body.len();
    while len >= 0x80 {
        out.push(len as u8 | 0x80);
        len >>= 7;
    }
    out.push(len as u8);
    out.extend_from_slice(body);
    out
}

fn attribute(name: &str, value: &[u8]) -> Vec<u8> {
    [field(1, name.as_bytes()), field(2, value)].concat()
}

/// A request of one resource, whose attribute comes behind its records.
fn message(service: &[u8], record: &[u8]) -> Vec<u8> {
    let resource = field(1, &field(1, &attribute("service.name", &field(1, service))));
    let scope = [field(1, &field(1, b"lib")), field(2, record)].concat();
    field(1, &[field(2, &scope), resource].concat())
}

#[test]
fn both_encodings_say_the_same() {
    let record = [
        vec![1 << 3 | 1, 5, 0, 0, 0, 0, 0, 0, 0, 2 << 3, 9],
        field(5, &field(1, b"hello")),
        field(6, &attribute("a.b", &field(6, &field(1, &attribute("c", &[3 << 3, 7]))))),
        field(9, &[0xab; 16]),
    ];
    let proto = decode(PROTO, &message(b"shop", &record.concat())).expect("a request");
    let json = document(
        r#"{"key":"service.name","value":{"stringValue":"shop"}}"#,
        r#"{"timeUnixNano":"5","severityNumber":9,"body":{"stringValue":"hello"},"traceId":"ABababababababababababababababab",
            "attributes":[{"key":"a.b","value":{"kvlistValue":{"values":[{"key":"c","value":{"intValue":7}}]}}}]}"#,
    )
    .replace(r#""scopeLogs":[{"#, r#""scopeLogs":[{"scope":{"name":"lib"},"#);
    let json = decode(JSON, json.as_bytes()).expect("a request");
    let id = "ab".repeat(16);
    assert_eq!(
        shown(&proto),
        [format!("{{service_name=\"shop\"}} 5 hello [a_b_c=7 severity_number=9 trace_id={id} scope_name=lib]")]
    );
    assert_eq!(shown(&json), shown(&proto));
    assert_eq!((proto.format(), json.metadata_bytes()), (PushFormat::Otlp, proto.metadata_bytes()));
}

#[test]
fn rules_decide_first_match_first() {
    let listed = |action, names: &[&str]| OtlpRule {
        action,
        names: OtlpNames::Listed(names.iter().map(|name| (*name).to_owned()).collect()),
    };
    let mut rules = OtlpRules { severity_text_as_label: true, ..OtlpRules::default() };
    let pattern = NamePattern::new("secret.*", |name| name.starts_with(b"secret"));
    rules.resource.insert(0, listed(OtlpAction::Metadata, &["cloud.region"]));
    rules.resource.push(OtlpRule { action: OtlpAction::Drop, names: OtlpNames::Matching(pattern) });
    rules.record.push(listed(OtlpAction::Label, &["route"]));
    let text = |name: &str, value: &str| format!(r#"{{"key":"{name}","value":{{"stringValue":"{value}"}}}}"#);
    let resource = [text("k8s.container.name", "c"), text("cloud.region", "r"), text("secret.x", "s")].join(",");
    let record = |line: &str, attribute: &str| {
        format!(r#"{{"severityText":"INFO","body":{{"stringValue":"{line}"}},"attributes":[{attribute}]}}"#)
    };
    let records = [record("1", &text("route", "/a")), record("2", &text("x", "y")), record("3", &text("route", "/a"))];
    let push = decode_with(&rules, JSON, "", document(&resource, &records.join(",")).as_bytes()).expect("a request");
    let labels = |more: &str| format!("{{k8s_container_name=\"c\", {more}service_name=\"c\", severity_text=\"INFO\"}}");
    // The resource's own stream is there, without entries.
    assert_eq!(push.stream_count(), 3);
    assert_eq!(
        shown(&push),
        [
            format!("{} 99 1 [severity_text=INFO cloud_region=r]", labels("route=\"/a\", ")),
            format!("{} 99 3 [severity_text=INFO cloud_region=r]", labels("route=\"/a\", ")),
            format!("{} 99 2 [x=y severity_text=INFO cloud_region=r]", labels("")),
        ]
    );
}

#[test]
fn a_label_that_is_no_text_drops_its_resource() {
    let push = decode(PROTO, &message(b"\xff", &field(5, &field(1, b"x")))).expect("a request");
    assert_eq!((push.stream_count(), push.entry_count()), (0, 0));
    let push = decode(PROTO, &message(b"s", &field(5, &field(1, b"a\xff")))).expect("a request");
    assert_eq!(
        push.streams().next().and_then(|stream| stream.entries().next()).map(|entry| entry.line),
        Some(&b"a\xff"[..])
    );
}

#[test]
fn refusals_are_upstreams() {
    let refusal = |kind: &str, encoding: &str, body: &[u8]| {
        decode_with(&OtlpRules::default(), kind, encoding, body).expect_err("refused").to_string()
    };
    assert_eq!(
        refusal("application/json; charset=utf-8", "", b"{}"),
        "content type: application/json; charset=utf-8 is not supported"
    );
    assert_eq!(
        refusal(JSON, "deflate", b"{}"),
        "unsupported content encoding deflate: only gzip, lz4 and zstd are supported"
    );
    assert_eq!(refusal(JSON, "zstd", b"{}{}{}{}"), "invalid input: magic number mismatch");
    assert_eq!(refusal(PROTO, "", &[8, 1]), "proto: wrong wireType = 0 for field ResourceLogs");
    assert_eq!(refusal(PROTO, "", &message(b"s", &field(9, b"12345"))), "unmarshal: invalid TraceID length");
    let nameless =
        document("", r#"{"attributes":[{"key":"a","value":{"kvlistValue":{"values":[{"key":"_"}]}}},{"key":""}]}"#);
    assert_eq!(refusal(JSON, "", nameless.as_bytes()), "symbolizer lookup: label name is empty");
    // Without a record nothing is looked at.
    let push = decode(JSON, document(r#"{"key":""}"#, "").as_bytes()).expect("an empty request");
    assert_eq!(push.stream_count(), 0);
}

#[test]
fn values_nest_to_a_bound() {
    let nested = |depth: usize| {
        let value = (0..depth).fold(field(1, b"x"), |value, _| field(5, &field(1, &value)));
        decode(PROTO, &message(b"s", &field(5, &value)))
    };
    assert!(nested(MAX_VALUE_DEPTH).is_ok());
    assert_eq!(
        nested(MAX_VALUE_DEPTH + 1).expect_err("too deep").to_string(),
        "value is nested deeper than 128 levels"
    );
    let text = r#"{"arrayValue":{"values":["#.repeat(4000);
    let body = document("", &format!(r#"{{"body":{text}"#));
    assert!(decode(JSON, body.as_bytes()).is_err_and(|error| error.to_string().contains("deeper")));
}

#[test]
fn every_cut_is_refused_or_read() {
    let record = [field(5, &field(1, b"hello")), field(6, &attribute("a", &field(7, b"\x01\x02")))].concat();
    let whole = message(b"shop", &record);
    for len in 0..whole.len() {
        assert!(len == 0 || decode(PROTO, &whole[..len]).is_err(), "{len}");
    }
    let whole = document(r#"{"key":"service.name","value":{"stringValue":"s"}}"#, r#"{"body":{"doubleValue":1.5}}"#);
    for len in 0..whole.len() {
        assert!(decode(JSON, &whole.as_bytes()[..len]).is_err(), "{len}");
    }
}

#[test]
fn metadata_of_a_request_is_bounded() {
    let attribute = |at: usize| format!(r#"{{"key":"k{at}","value":{{"boolValue":true}}}}"#);
    let resource: Vec<String> = (0..900).map(attribute).collect();
    let records = vec!["{}"; 10_000].join(",");
    let error = decode(JSON, document(&resource.join(","), &records).as_bytes()).expect_err("too much");
    assert_eq!(
        error.to_string(),
        "request body too large: its entries have more than 8388608 pairs of structured metadata"
    );
}
