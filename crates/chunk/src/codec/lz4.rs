//! LZ4 frames. Written: version 1, independent blocks, no checksum but the head's, no sizes (FLG 0x60), end mark.
//! Read: whatever a frame's own descriptor says but dictionaries; skippable frames are skipped.

use std::cell::RefCell;

use lz4_flex::block::{CompressTable, DecompressError};
use xxhash_rust::xxh32::xxh32;

use super::{Fault, Output, Sums};

const MAGIC: u32 = 0x184d_2204;
const SKIPPABLE: std::ops::RangeInclusive<u32> = 0x184d_2a50..=0x184d_2a5f;
const FLG: u8 = 0x60;
const STORED: u32 = 1 << 31;
/// How far a linked block may look back.
const WINDOW: usize = 1 << 16;

/// Largest block of a frame; the discriminant is the BD byte.
#[derive(Clone, Copy)]
pub(super) enum BlockSize {
    K64 = 0x40,
    K256 = 0x50,
    M1 = 0x60,
    M4 = 0x70,
}

fn block_bytes(bd: u8) -> Option<usize> {
    match bd {
        0x40 => Some(64 << 10),
        0x50 => Some(256 << 10),
        0x60 => Some(1 << 20),
        0x70 => Some(4 << 20),
        _ => None,
    }
}

fn header_checksum(descriptor: &[u8]) -> u8 {
    (xxh32(descriptor, 0) >> 8) as u8
}

thread_local! {
    static TABLE: RefCell<CompressTable> = RefCell::new(CompressTable::large());
}

pub(super) fn compress(size: BlockSize, input: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    let descriptor = [FLG, size as u8];
    out.extend_from_slice(&MAGIC.to_le_bytes());
    out.extend_from_slice(&descriptor);
    out.push(header_checksum(&descriptor));
    let part_bytes = block_bytes(size as u8).expect("every block size has its bytes");
    TABLE.with_borrow_mut(|table| {
        for part in input.chunks(part_bytes) {
            let start = out.len();
            out.resize(start + 4 + lz4_flex::block::get_maximum_output_size(part.len()), 0);
            let (head, body) = out[start..].split_at_mut(4);
            let len = lz4_flex::block::compress_into_with_table(part, body, table).map_err(|err| err.to_string())?;
            let (word, len) = if len >= part.len() {
                body[..part.len()].copy_from_slice(part);
                (part.len() as u32 | STORED, part.len())
            } else {
                (len as u32, len)
            };
            head.copy_from_slice(&word.to_le_bytes());
            out.truncate(start + 4 + len);
        }
        Ok::<(), String>(())
    })?;
    out.extend_from_slice(&[0; 4]);
    Ok(())
}

/// Reads frames until the input ends. No input, no output.
pub(super) fn decompress(input: &[u8], out: &mut Output<'_>, expect: usize, sums: Sums) -> Result<(), Fault> {
    let mut rest = Input { bytes: input, at: 0 };
    while rest.at < input.len() {
        let magic = rest.word()?;
        if SKIPPABLE.contains(&magic) {
            let len = rest.word()?;
            rest.take(len as usize)?;
        } else if magic == MAGIC {
            frame(&mut rest, out, expect, sums)?;
        } else {
            return Err(Fault::invalid(format!("no frame at byte {}", rest.at - 4)));
        }
    }
    Ok(())
}

fn frame(rest: &mut Input<'_>, out: &mut Output<'_>, expect: usize, sums: Sums) -> Result<(), Fault> {
    let head_at = rest.at;
    let &[flg, bd] = rest.array::<2>()?;
    let has = |bit: u8| flg & bit != 0;
    let (linked, block_sums, size, content_sum) = (!has(0x20), has(0x10), has(0x08), has(0x04));
    if flg >> 6 != 1 || has(0x01) {
        return Err(Fault::invalid(format!("frame at byte {head_at} has flags {flg:#04x}")));
    }
    let Some(block_bytes) = block_bytes(bd) else {
        return Err(Fault::invalid(format!("frame at byte {head_at} has block descriptor {bd:#04x}")));
    };
    let content_len = if size { Some(u64::from_le_bytes(*rest.array::<8>()?)) } else { None };
    let descriptor = &rest.bytes[head_at..rest.at];
    if rest.array::<1>()?[0] != header_checksum(descriptor) {
        return Err(Fault::invalid(format!("frame at byte {head_at} has a wrong header checksum")));
    }
    let start = out.len;
    loop {
        let at = rest.at;
        let word = rest.word()?;
        if word == 0 {
            break;
        }
        let data = rest.take((word & !STORED) as usize)?;
        if data.len() > block_bytes {
            return Err(Fault::invalid(format!("block at byte {at} is larger than its frame allows")));
        }
        if block_sums {
            checksum(rest.word()?, data, at, sums)?;
        }
        if word & STORED != 0 {
            out.space(data.len())?.copy_from_slice(data);
            out.commit(data.len());
        } else {
            let dictionary = if linked { start } else { out.len };
            block(data, out, dictionary, block_bytes, expect).map_err(|fault| match fault {
                Fault::Invalid(why) => Fault::Invalid(format!("block at byte {at}: {why}")),
                Fault::TooLarge => fault,
            })?;
        }
    }
    let written = &out.buf[start..out.len];
    if content_len.is_some_and(|len| len != written.len() as u64) {
        return Err(Fault::invalid(format!("frame at byte {head_at} is not of its stated size")));
    }
    if content_sum {
        checksum(rest.word()?, written, head_at, sums)?;
    }
    Ok(())
}

/// One block. `first` is the position in `out` from which it may copy.
fn block(data: &[u8], out: &mut Output<'_>, first: usize, block_bytes: usize, expect: usize) -> Result<(), Fault> {
    // The size is not stated. Try what is foreseen, then ever more, until it fits or may not be larger.
    let most = block_bytes.min(data.len().saturating_mul(255)).min(out.limit - out.len);
    let mut size = expect.saturating_sub(out.len).max(data.len().saturating_mul(4)).min(most);
    loop {
        let (written, space) = out.written_and_space(size)?;
        let window = &written[first.max(written.len().saturating_sub(WINDOW))..];
        match lz4_flex::block::decompress_into_with_dict(data, space, window) {
            Ok(len) => {
                out.commit(len);
                return Ok(());
            }
            Err(DecompressError::OutputTooSmall { .. }) if size < most => size = size.saturating_mul(2).min(most),
            Err(DecompressError::OutputTooSmall { .. }) if most < block_bytes && most == out.limit - out.len => {
                return Err(Fault::TooLarge);
            }
            Err(err) => return Err(Fault::invalid(err.to_string())),
        }
    }
}

fn checksum(expected: u32, data: &[u8], at: usize, sums: Sums) -> Result<(), Fault> {
    if sums == Sums::PassedOver {
        return Ok(());
    }
    let found = xxh32(data, 0);
    if found != expected {
        return Err(Fault::invalid(format!("data at byte {at} has checksum {found:08x}, expected {expected:08x}")));
    }
    Ok(())
}

struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], Fault> {
        let taken = self.bytes[self.at..].get(..len);
        let taken = taken.ok_or_else(|| Fault::invalid(format!("stream ends at byte {}", self.bytes.len())))?;
        self.at += len;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], Fault> {
        Ok(self.take(N)?.first_chunk().expect("just took that many"))
    }

    fn word(&mut self) -> Result<u32, Fault> {
        self.array().map(|bytes| u32::from_le_bytes(*bytes))
    }
}
