//! Zstandard frames, with a content checksum when written.

use std::cell::RefCell;

use zstd::zstd_safe::{self, CCtx, CParameter, DCtx, ResetDirective};

use super::{Fault, Output};

/// zstd's error code 70, destination too small, as its functions return it. The number is part of its stable ABI.
const TOO_SMALL: usize = 0usize.wrapping_sub(70);

thread_local! {
    static COMPRESS: RefCell<CCtx<'static>> = RefCell::new(CCtx::create());
    static DECOMPRESS: RefCell<DCtx<'static>> = RefCell::new(DCtx::create());
}

fn text(code: usize) -> String {
    zstd_safe::get_error_name(code).to_owned()
}

pub(super) fn compress(level: i32, input: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    COMPRESS.with_borrow_mut(|context| {
        context.reset(ResetDirective::SessionAndParameters).map_err(text)?;
        context.set_parameter(CParameter::CompressionLevel(level)).map_err(text)?;
        context.set_parameter(CParameter::ChecksumFlag(true)).map_err(text)?;
        let start = out.len();
        out.resize(start + zstd_safe::compress_bound(input.len()), 0);
        let len = context.compress2(&mut out[start..], input).map_err(text)?;
        out.truncate(start + len);
        Ok(())
    })
}

/// Decodes in one call into space that is large enough: no window is allocated, whatever the frame asks for.
pub(super) fn decompress(input: &[u8], out: &mut Output<'_>, expect: usize) -> Result<(), Fault> {
    let stated = zstd_safe::get_frame_content_size(input).ok().flatten().and_then(|len| usize::try_from(len).ok());
    // A stated size may lie: take it only as far as zstd could really shrink.
    let likely = stated.unwrap_or(expect).min(input.len().saturating_mul(1 << 12));
    let mut size = likely.max(input.len().saturating_mul(4)).max(1 << 10).min(out.limit);
    DECOMPRESS.with_borrow_mut(|context| {
        loop {
            match context.decompress(out.spare(size), input) {
                Ok(len) => {
                    out.commit(len);
                    return Ok(());
                }
                Err(code) => {
                    context.reset(ResetDirective::SessionOnly).map_err(|code| Fault::Invalid(text(code)))?;
                    if code != TOO_SMALL {
                        return Err(Fault::Invalid(text(code)));
                    }
                    if size >= out.limit {
                        return Err(Fault::TooLarge);
                    }
                    size = size.max(out.buf.len()).saturating_mul(4).min(out.limit);
                }
            }
        }
    })
}
