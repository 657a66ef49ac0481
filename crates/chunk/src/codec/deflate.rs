//! Raw DEFLATE, and gzip around it.

use std::cell::RefCell;

use flate2::{Compress, Compression, Crc, Decompress, FlushCompress, FlushDecompress, Status};

use super::{Fault, Output};

/// No name, no time, default level, unknown system.
const GZIP_HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// Least growth of the output, in bytes.
const STEP: usize = 1 << 16;

thread_local! {
    static DEFLATE: RefCell<Compress> = RefCell::new(Compress::new(Compression::default(), false));
    static INFLATE: RefCell<Decompress> = RefCell::new(Decompress::new(false));
}

pub(super) fn gzip(input: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    out.extend_from_slice(&GZIP_HEAD);
    deflate(input, out)?;
    let mut crc = Crc::new();
    crc.update(input);
    out.extend_from_slice(&crc.sum().to_le_bytes());
    out.extend_from_slice(&(input.len() as u32).to_le_bytes());
    Ok(())
}

pub(super) fn deflate(input: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    DEFLATE.with_borrow_mut(|deflate| {
        deflate.reset();
        loop {
            out.reserve((input.len() / 4).max(STEP / 16));
            let rest = &input[deflate.total_in() as usize..];
            match deflate.compress_vec(rest, out, FlushCompress::Finish).map_err(|err| err.to_string())? {
                Status::StreamEnd => return Ok(()),
                Status::Ok | Status::BufError => {}
            }
        }
    })
}

/// One DEFLATE stream from the start of `input`; gives the bytes it took. What follows it is the caller's matter.
pub(super) fn inflate(input: &[u8], out: &mut Output<'_>, expect: usize) -> Result<usize, Fault> {
    INFLATE.with_borrow_mut(|inflate| {
        inflate.reset(false);
        loop {
            let (taken, given) = (inflate.total_in(), inflate.total_out());
            let mut past_limit = [0];
            let full = out.full();
            let step = expect.saturating_sub(out.len).max(out.len).max(STEP).min(input.len().saturating_mul(1032));
            let space = if full { &mut past_limit[..] } else { out.spare(step.max(1)) };
            let status = inflate
                .decompress(&input[taken as usize..], space, FlushDecompress::None)
                .map_err(|err| Fault::invalid(err.to_string()))?;
            let grown = (inflate.total_out() - given) as usize;
            if full && grown > 0 {
                return Err(Fault::TooLarge);
            }
            out.commit(grown);
            match status {
                Status::StreamEnd => return Ok(inflate.total_in() as usize),
                _ if grown == 0 && inflate.total_in() == taken => {
                    return Err(Fault::invalid("stream ends before its last block"));
                }
                _ => {}
            }
        }
    })
}

/// Reads gzip members until the input ends; at least one.
pub(super) fn gunzip(input: &[u8], out: &mut Output<'_>, expect: usize) -> Result<(), Fault> {
    let mut at = 0;
    loop {
        let body = at + head_len(&input[at..]).ok_or_else(|| Fault::invalid(format!("no gzip header at byte {at}")))?;
        let start = out.len;
        let end = body + inflate(&input[body..], out, expect)?;
        let Some(tail) = input[end..].first_chunk::<8>() else {
            return Err(Fault::invalid(format!("stream ends inside the gzip trailer at byte {end}")));
        };
        let written = &out.buf[start..out.len];
        let mut crc = Crc::new();
        crc.update(written);
        let [c0, c1, c2, c3, l0, l1, l2, l3] = *tail;
        let (crc_expected, len_expected) = (u32::from_le_bytes([c0, c1, c2, c3]), u32::from_le_bytes([l0, l1, l2, l3]));
        if crc.sum() != crc_expected || written.len() as u32 != len_expected {
            return Err(Fault::invalid(format!(
                "checksum {:08x} over {} bytes, expected {crc_expected:08x} over {len_expected}",
                crc.sum(),
                written.len()
            )));
        }
        at = end + 8;
        if at == input.len() {
            return Ok(());
        }
    }
}

/// Bytes of the gzip header, extra fields included.
fn head_len(input: &[u8]) -> Option<usize> {
    let head = input.first_chunk::<10>()?;
    let flags = head[3];
    if head[..3] != GZIP_HEAD[..3] || flags & 0xe0 != 0 {
        return None;
    }
    let mut at = 10;
    if flags & 0x04 != 0 {
        let len = input.get(at..)?.first_chunk::<2>()?;
        at += 2 + usize::from(u16::from_le_bytes(*len));
    }
    for text in [0x08, 0x10] {
        if flags & text != 0 {
            at += input.get(at..)?.iter().position(|&byte| byte == 0)? + 1;
        }
    }
    if flags & 0x02 != 0 {
        at += 2;
    }
    (at <= input.len()).then_some(at)
}
