//! Snappy's framing format: a stream identifier, then frames of at most 64 KiB of output, each
//! `kind u8 ‖ length u24 little-endian ‖ masked crc32c(output) u32 little-endian ‖ data`.

use std::cell::RefCell;

use super::{Fault, Output, Sums};

const STREAM_ID: &[u8; 10] = b"\xff\x06\x00\x00sNaPpY";
/// Most output bytes of one frame.
pub(crate) const FRAME_BYTES: usize = 1 << 16;

const COMPRESSED: u8 = 0x00;
const STORED: u8 = 0x01;
const FIRST_SKIPPABLE: u8 = 0x80;
const STREAM_ID_KIND: u8 = 0xff;

thread_local! {
    static ENCODER: RefCell<snap::raw::Encoder> = RefCell::new(snap::raw::Encoder::new());
}

/// Nothing in, nothing out: upstream's writer leaves out the stream identifier too.
pub(super) fn compress(input: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    if input.is_empty() {
        return Ok(());
    }
    out.extend_from_slice(STREAM_ID);
    ENCODER.with_borrow_mut(|encoder| input.chunks(FRAME_BYTES).try_for_each(|part| frame(encoder, part, out)))
}

fn frame(encoder: &mut snap::raw::Encoder, part: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    let start = out.len();
    out.resize(start + 8 + snap::raw::max_compress_len(part.len()), 0);
    let (head, body) = out[start..].split_at_mut(8);
    let len = encoder.compress(part, body).map_err(|err| err.to_string())?;
    // As upstream: a frame that saves less than an eighth is stored.
    let (kind, len) = if len >= part.len() - part.len() / 8 {
        body[..part.len()].copy_from_slice(part);
        (STORED, part.len())
    } else {
        (COMPRESSED, len)
    };
    head[..4].copy_from_slice(&((len as u32 + 4) << 8 | u32::from(kind)).to_le_bytes());
    head[4..].copy_from_slice(&mask(crc32c::crc32c(part)).to_le_bytes());
    out.truncate(start + 8 + len);
    Ok(())
}

fn mask(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

pub(super) fn decompress(input: &[u8], out: &mut Output<'_>, sums: Sums) -> Result<(), Fault> {
    let mut decoder = snap::raw::Decoder::new();
    let mut rest = input;
    if !rest.is_empty() && !rest.starts_with(STREAM_ID) {
        return Err(Fault::invalid("no stream identifier"));
    }
    while let Some((head, tail)) = rest.split_first_chunk::<4>() {
        let word = u32::from_le_bytes(*head);
        let (kind, len) = (word as u8, (word >> 8) as usize);
        let at = input.len() - rest.len();
        let Some((frame, tail)) = tail.split_at_checked(len) else {
            return Err(Fault::invalid(format!("stream ends inside the frame at byte {at}")));
        };
        rest = tail;
        match kind {
            COMPRESSED | STORED => {
                let Some((crc, data)) = frame.split_first_chunk::<4>() else {
                    return Err(Fault::invalid(format!("frame at byte {at} is too short")));
                };
                let crc = u32::from_le_bytes(*crc);
                let crc = (sums == Sums::Checked).then_some(crc);
                decode_frame(&mut decoder, kind, data, crc, out).map_err(|fault| match fault {
                    Fault::Invalid(why) => Fault::Invalid(format!("frame at byte {at}: {why}")),
                    Fault::TooLarge => fault,
                })?;
            }
            STREAM_ID_KIND if frame == &STREAM_ID[4..] => {}
            FIRST_SKIPPABLE..STREAM_ID_KIND => {}
            _ => return Err(Fault::invalid(format!("frame at byte {at} has unknown kind {kind:#04x}"))),
        }
    }
    if !rest.is_empty() {
        return Err(Fault::invalid("stream ends inside a frame head"));
    }
    Ok(())
}

fn decode_frame(
    decoder: &mut snap::raw::Decoder,
    kind: u8,
    data: &[u8],
    crc: Option<u32>,
    out: &mut Output<'_>,
) -> Result<(), Fault> {
    let len = if kind == STORED {
        data.len()
    } else {
        snap::raw::decompress_len(data).map_err(|err| Fault::invalid(err.to_string()))?
    };
    if len > FRAME_BYTES {
        return Err(Fault::invalid(format!("{len} bytes, more than {FRAME_BYTES}")));
    }
    let space = out.space(len)?;
    if kind == STORED {
        space.copy_from_slice(data);
    } else {
        decoder.decompress(data, space).map_err(|err| Fault::invalid(err.to_string()))?;
    }
    if let Some(crc) = crc
        && let found = mask(crc32c::crc32c(space))
        && found != crc
    {
        return Err(Fault::invalid(format!("checksum {found:08x}, expected {crc:08x}")));
    }
    out.commit(len);
    Ok(())
}
