//! Writes a log as a life under push would have left it, to measure replay:
//! `cargo run --release -p loptr-wal --example write_log -- DIR MB STREAMS`. Lines are about 150 bytes, pushes hold 50
//! streams with 8 entries each, times end now.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a tool of ours that writes files")]

use std::error::Error;
use std::fs::{File, create_dir_all};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use loptr_model::{Entry, Labels, Nanos, TenantId};
use loptr_wal::{PushWriter, segment_header};

const SEGMENT_BYTES: usize = 128 << 20;
const STREAMS_A_PUSH: usize = 50;
const ENTRIES: usize = 8;
const WORDS: [&str; 14] = [
    "connected",
    "request",
    "handled",
    "upstream",
    "timeout",
    "retry",
    "cache",
    "miss",
    "user",
    "session",
    "token",
    "renewed",
    "query",
    "planned",
];

fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z ^ (z >> 27)
}

fn line(state: &mut u64, out: &mut Vec<u8>) -> std::io::Result<()> {
    let draw = next(state);
    write!(out, "level=info caller=handler.go:{} trace={:016x} msg=\"", draw % 900, next(state))?;
    for at in 0..10 {
        out.extend_from_slice(WORDS[(draw >> (at * 4)) as usize % WORDS.len()].as_bytes());
        out.push(b' ');
    }
    write!(out, "\" took={}ms user={:08x}", draw % 4000, next(state) >> 32)
}

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [dir, mb, streams] = &words[..] else { return Err("write_log DIR MB STREAMS".into()) };
    let (bytes, streams) = (mb.parse::<usize>()? * 1_000_000, streams.parse::<usize>()?);
    create_dir_all(dir)?;
    let labels: Vec<Labels> = (0..streams)
        .map(|at| {
            let (app, pod) = (format!("app{}", at % 100), format!("pod-{at}"));
            Labels::from_pairs([("app", app.as_str()), ("cluster", "eu-1"), ("pod", &pod), ("service_name", &app)])
        })
        .collect();
    let start = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos() as i64 - 1_800_000_000_000;
    let (mut seed, mut seq, mut written, mut round, mut segment) = (1u64, 1u64, 0usize, 0i64, 0u64);
    let mut file: Option<(BufWriter<File>, usize)> = None;
    let mut record = Vec::new();
    while written < bytes {
        for push in labels.chunks(STREAMS_A_PUSH) {
            let mut writer = PushWriter::new(&TenantId::single());
            for labels in push {
                let mut text = Vec::new();
                let mut ends = Vec::new();
                for _ in 0..ENTRIES {
                    line(&mut seed, &mut text)?;
                    ends.push(text.len());
                }
                let mut from = 0;
                let entries: Vec<Entry<'_>> = (0..)
                    .zip(ends)
                    .map(|(at, end)| {
                        let line = &text[std::mem::replace(&mut from, end)..end];
                        let ts = Nanos(start + (round * ENTRIES as i64 + at) * 100_000_000);
                        Entry { ts, line, metadata: &[("detected_level", "info")] }
                    })
                    .collect();
                writer.stream(labels, labels.fingerprint(), seq, &entries);
                seq += entries.len() as u64;
            }
            record.clear();
            writer.finish(&mut record);
            let (mut out, held) = match file.take() {
                Some(open) if open.1 < SEGMENT_BYTES => open,
                _ => {
                    let mut out = BufWriter::new(File::create(Path::new(dir).join(format!("{segment:08}.wal")))?);
                    out.write_all(&segment_header(segment, seq))?;
                    segment += 1;
                    (out, 0)
                }
            };
            out.write_all(&record)?;
            written += record.len();
            file = Some((out, held + record.len()));
        }
        round += 1;
    }
    if let Some((mut out, _)) = file {
        out.flush()?;
    }
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{segment} segments, {written} bytes, {} entries of {streams} streams", seq - 1)?;
    Ok(())
}
