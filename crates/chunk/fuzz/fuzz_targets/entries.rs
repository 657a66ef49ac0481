//! Any bytes as a block of a chunk with right checksums: entries and search see the same lines.
#![no_main]

use std::ops::ControlFlow;

use libfuzzer_sys::fuzz_target;
use loptr_chunk::Chunk;

/// A format 4 memchunk of codec `none` whose only block is `raw`.
fn wrap(raw: &[u8]) -> Vec<u8> {
    let crc = |out: &mut Vec<u8>, from: usize| {
        let mut crc = !0u32;
        for &byte in &out[from..] {
            crc ^= u32::from(byte);
            for _ in 0..8 {
                crc = crc >> 1 ^ 0x82f6_3b78 * (crc & 1);
            }
        }
        out.extend_from_slice(&(!crc).to_be_bytes());
    };
    let mut out = vec![0x01, 0x2e, 0xe5, 0x6a, 4, 0];
    out.push(0);
    crc(&mut out, 6);
    let block = out.len();
    out.extend_from_slice(raw);
    crc(&mut out, block);
    let metas = out.len();
    out.extend_from_slice(&[1, 1, 0, 0, block as u8, 0]);
    let mut len = raw.len();
    while len >= 0x80 {
        out.push(len as u8 | 0x80);
        len >>= 7;
    }
    out.push(len as u8);
    let metas_len = out.len() - metas;
    crc(&mut out, metas);
    for word in [1, 6, metas_len as u64, metas as u64] {
        out.extend_from_slice(&word.to_be_bytes());
    }
    out
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&needle, raw)) = bytes.split_first() else { return };
    let chunk = Chunk::parse(wrap(raw).into()).expect("sections are right");
    let mut buf = Vec::new();
    let block = chunk.decode_block(0, &mut buf).expect("checksum is right");
    let mut whole = true;
    let entries = block.entries().inspect(|entry| whole &= entry.is_ok()).map_while(Result::ok);
    let want: Vec<_> = entries.filter(|entry| entry.line.contains(&needle)).map(|entry| entry.line).collect();
    let mut found = Vec::new();
    let find = |hay: &[u8], from: usize| {
        let at = from + hay[from..].iter().position(|&byte| byte == needle)?;
        Some((at, at + 1))
    };
    let searched = block.search(find, |entry| {
        found.push(entry.line);
        ControlFlow::Continue(())
    });
    // A search that needs not walk so far does not see a fault behind its last hit.
    assert!(!whole || searched.is_ok());
    assert!(if searched.is_ok() { found == want } else { want.starts_with(&found) });
});
