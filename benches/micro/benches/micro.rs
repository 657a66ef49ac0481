//! The hot loops, one at a time: `cargo bench -p loptr-micro [NAME]`. Throughput is bytes of lines, of push protobuf, or
//! series, as each says.

use std::hint::black_box;
use std::ops::ControlFlow;

use bytes::Bytes;
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use loptr_chunk::{Chunk, ChunkOptions, Encoding, MemChunk, SchemaVersion};
use loptr_eval::Pipeline;
use loptr_index::{ChunkMeta, IndexBuilder, IndexFile, Predicate, Test, Version};
use loptr_logql::ast::Expr;
use loptr_micro::{access, json, logfmt, mixed};
use loptr_model::{Entry, Labels, Millis, Nanos};
use loptr_wire::push::{PushLimits, decode_push};

const LINES: u64 = 5000;

fn main() {
    divan::main();
}

fn lines(line: fn(u64) -> String) -> (Vec<String>, usize) {
    let lines: Vec<String> = (0..LINES).map(line).collect();
    let bytes = lines.iter().map(String::len).sum();
    (lines, bytes)
}

fn filled(encoding: Encoding) -> (Chunk, usize) {
    let options = ChunkOptions::new(SchemaVersion::V13.chunk_format(), encoding).expect("written");
    let mut chunk = MemChunk::new(options.target_bytes(usize::MAX));
    let (lines, bytes) = lines(json);
    for (at, line) in (0..).zip(&lines) {
        let trace = format!("{:032x}", mixed(at as u64));
        chunk.append(Nanos(at), line.as_bytes(), &[("level", "info"), ("trace_id", &trace)]).expect("fits");
    }
    (Chunk::parse(chunk.close().expect("closes").bytes).expect("whole").verified(), bytes)
}

#[divan::bench(args = [Encoding::Snappy, Encoding::Lz4_256k, Encoding::Zstd])]
fn decode(bencher: Bencher<'_, '_>, encoding: Encoding) {
    let (chunk, bytes) = filled(encoding);
    let mut buf = Vec::new();
    bencher.counter(BytesCount::new(bytes)).bench_local(|| {
        (0..chunk.blocks().len())
            .map(|at| chunk.decode_block(at, &mut buf).expect("whole").bytes().len())
            .sum::<usize>()
    });
}

#[divan::bench(args = ["no such text", "\"status\":500"])]
fn search(bencher: Bencher<'_, '_>, needle: &str) {
    let (chunk, bytes) = filled(Encoding::None);
    let finder = memchr::memmem::Finder::new(needle);
    let mut buf = Vec::new();
    bencher.counter(BytesCount::new(bytes)).bench_local(|| {
        let mut hits = 0;
        for at in 0..chunk.blocks().len() {
            let block = chunk.decode_block(at, &mut buf).expect("whole");
            let find =
                |hay: &[u8], from: usize| finder.find(&hay[from..]).map(|at| (from + at, from + at + needle.len()));
            block
                .search(find, |_| {
                    hits += 1;
                    ControlFlow::Continue(())
                })
                .expect("whole");
        }
        hits
    });
}

/// Stages over lines of one stream.
#[divan::bench(args = [
    "json: {a=\"b\"} | json | status >= 600",
    "json: {a=\"b\"} | json s=\"status\" | s >= 600",
    "logfmt: {a=\"b\"} | logfmt | duration > 1h",
    "access: {a=\"b\"} | pattern `<_> \"<method> <_>\" <status> <_>` | status >= 600",
    "json: {a=\"b\"} | line_format `{{ .level | upper }} {{ __line__ | trunc 20 }}`",
])]
fn stages(bencher: Bencher<'_, '_>, case: &str) {
    let (kind, query) = case.split_once(": ").expect("kind and query");
    let (lines, bytes) = lines(match kind {
        "json" => json,
        "logfmt" => logfmt,
        _ => access,
    });
    let Ok(Expr::Log(query)) = loptr_logql::parse(query) else { unreachable!("a log query") };
    let pipeline = Pipeline::compile(&query, Nanos(0)).expect("valid stages");
    let mut stream = pipeline.for_stream(&Labels::from_pairs([("a", "b")]));
    bencher.counter(BytesCount::new(bytes)).bench_local(|| {
        let keeps = |line: &&String| {
            let entry = Entry { ts: Nanos(0), line: line.as_bytes(), metadata: &[("level", "info")] };
            stream.process(&entry).is_some()
        };
        lines.iter().filter(keeps).count()
    });
}

/// A message of one stream, by hand: field 1 of the request, fields 1 and 2 of the stream, 1 and 2 of each entry.
fn push_body() -> (Bytes, usize) {
    fn field(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
        out.push(number << 3 | 2);
        varint(out, bytes.len() as u64);
        out.extend_from_slice(bytes);
    }
    fn varint(out: &mut Vec<u8>, mut value: u64) {
        while value >= 0x80 {
            out.push(value as u8 | 0x80);
            value >>= 7;
        }
        out.push(value as u8);
    }
    let mut stream = Vec::new();
    field(&mut stream, 1, br#"{app="a", pod="b"}"#);
    for at in 0..LINES {
        let (mut entry, mut time) = (Vec::new(), vec![0x08]);
        varint(&mut time, 1_795_000_000 + at);
        field(&mut entry, 1, &time);
        field(&mut entry, 2, json(at).as_bytes());
        field(&mut stream, 2, &entry);
    }
    let mut request = Vec::new();
    field(&mut request, 1, &stream);
    let body = snap::raw::Encoder::new().compress_vec(&request).expect("fits");
    (body.into(), request.len())
}

#[divan::bench]
fn push_decode(bencher: Bencher<'_, '_>) {
    let (body, bytes) = push_body();
    bencher.counter(BytesCount::new(bytes)).bench_local(|| {
        let decoded = decode_push("application/x-protobuf", "", true, body.clone(), &PushLimits::default());
        decoded.expect("well formed").stream_count()
    });
}

#[divan::bench]
fn head_append(bencher: Bencher<'_, '_>) {
    let (lines, bytes) = lines(json);
    let traces: Vec<String> = (0..LINES).map(|at| format!("{:032x}", mixed(at))).collect();
    // No block is cut: what is measured is the head and the symbols.
    let options = ChunkOptions::new(SchemaVersion::V13.chunk_format(), Encoding::None).expect("written");
    let options = options.block_bytes(1 << 30).target_bytes(1 << 30);
    bencher.counter(BytesCount::new(bytes)).bench_local(|| {
        let mut chunk = MemChunk::new(options);
        for (at, (line, trace)) in (0..).zip(lines.iter().zip(&traces)) {
            let metadata = [("level", "info"), ("trace_id", trace.as_str())];
            black_box(chunk.append(Nanos(at), line.as_bytes(), &metadata).expect("fits"));
        }
        chunk.entries()
    });
}

/// A matcher and an expression over so many series.
#[divan::bench(args = [1_000, 100_000])]
fn index_lookup(bencher: Bencher<'_, '_>, series: u32) {
    let mut builder = IndexBuilder::new(Version::V3);
    for at in 0..series {
        let (pod, app) = (format!("pod-{at}"), format!("app-{}", at % 20));
        let labels = Labels::from_pairs([("app", app.as_str()), ("pod", pod.as_str())]);
        let chunk = ChunkMeta { min: Millis(1000), max: Millis(2000), checksum: at, kb: 1, entries: 10 };
        builder.add_series(labels.iter(), labels.fingerprint(), [chunk]);
    }
    let file = IndexFile::open(builder.build().expect("builds").into()).expect("whole");
    let ends_in_7 = |pod: &str| pod.ends_with('7');
    let wanted = [
        Predicate { name: "app", test: Test::OneOf(&["app-7"]) },
        Predicate { name: "pod", test: Test::Accepts(&ends_in_7) },
    ];
    bencher.counter(ItemsCount::new(series)).bench_local(|| {
        let mut chunks = 0;
        let selected = file.view().select(&wanted, None, |series| {
            chunks += series.chunks(Millis(0), Millis(1500))?.count();
            Ok(ControlFlow::Continue(()))
        });
        selected.expect("whole");
        chunks
    });
}
