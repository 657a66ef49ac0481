//! Reads fixed-width and variable-width integers from bytes nobody vouches for.
//!
//! Fixed-width integers are big-endian. `uv` is unsigned LEB128 of at most ten bytes, `sv` the same over the zig-zag
//! form of a signed number.

use crate::error::IndexError;

/// A position in borrowed bytes that knows where in the file it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
    /// Where in the file the byte after the last one of `rest` lies.
    end: u64,
    what: &'static str,
}

impl<'a> Cursor<'a> {
    /// Over `bytes`, whose first byte is byte `at` of the file; `what` names the part in errors.
    pub(crate) fn new(bytes: &'a [u8], at: u64, what: &'static str) -> Self {
        Self { rest: bytes, end: at.saturating_add(bytes.len() as u64), what }
    }

    /// Position of the next byte in the file.
    pub(crate) fn at(&self) -> u64 {
        self.end - self.rest.len() as u64
    }

    /// Bytes left.
    pub(crate) fn len(&self) -> usize {
        self.rest.len()
    }

    /// The bytes left.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    fn truncated(&self) -> IndexError {
        IndexError::Truncated { what: self.what, at: self.at() }
    }

    /// An error about the bytes at the current position.
    pub(crate) fn invalid(&self, why: &'static str) -> IndexError {
        IndexError::Invalid { what: self.what, at: self.at(), why }
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], IndexError> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or_else(|| self.truncated())?;
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn be32(&mut self) -> Result<u32, IndexError> {
        let (taken, rest) = self.rest.split_first_chunk::<4>().ok_or_else(|| self.truncated())?;
        self.rest = rest;
        Ok(u32::from_be_bytes(*taken))
    }

    pub(crate) fn be64(&mut self) -> Result<u64, IndexError> {
        let (taken, rest) = self.rest.split_first_chunk::<8>().ok_or_else(|| self.truncated())?;
        self.rest = rest;
        Ok(u64::from_be_bytes(*taken))
    }

    pub(crate) fn uv(&mut self) -> Result<u64, IndexError> {
        if let Some((&byte, rest)) = self.rest.split_first()
            && byte < 0x80
        {
            self.rest = rest;
            return Ok(u64::from(byte));
        }
        let mut value = 0u64;
        for (at, &byte) in self.rest.iter().enumerate().take(10) {
            let bits = u64::from(byte & 0x7f);
            if at == 9 && bits > 1 {
                return Err(self.invalid("a varint exceeds 64 bits"));
            }
            value |= bits << (7 * at);
            if byte < 0x80 {
                self.rest = &self.rest[at + 1..];
                return Ok(value);
            }
        }
        if self.rest.len() >= 10 { Err(self.invalid("a varint exceeds 64 bits")) } else { Err(self.truncated()) }
    }

    /// A `uv` that must fit 32 bits, as symbol ids and entry counts do.
    pub(crate) fn uv32(&mut self) -> Result<u32, IndexError> {
        let before = *self;
        u32::try_from(self.uv()?).map_err(|_| before.invalid("a number exceeds 32 bits"))
    }

    pub(crate) fn sv(&mut self) -> Result<i64, IndexError> {
        let raw = self.uv()?;
        Ok((raw >> 1) as i64 ^ -((raw & 1) as i64))
    }

    /// `uv` length, then that many bytes.
    pub(crate) fn str(&mut self) -> Result<&'a [u8], IndexError> {
        let len = self.uv()?;
        let len = usize::try_from(len).map_err(|_| self.truncated())?;
        self.take(len)
    }
}

/// Appends what [`Cursor`] reads.
pub(crate) trait Put {
    fn put_be32(&mut self, value: u32);
    fn put_be64(&mut self, value: u64);
    fn put_uv(&mut self, value: u64);
    fn put_sv(&mut self, value: i64);
    fn put_str(&mut self, value: &[u8]);
}

impl Put for Vec<u8> {
    fn put_be32(&mut self, value: u32) {
        self.extend_from_slice(&value.to_be_bytes());
    }

    fn put_be64(&mut self, value: u64) {
        self.extend_from_slice(&value.to_be_bytes());
    }

    fn put_uv(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.push(value as u8);
    }

    fn put_sv(&mut self, value: i64) {
        self.put_uv(((value << 1) ^ (value >> 63)) as u64);
    }

    fn put_str(&mut self, value: &[u8]) {
        self.put_uv(value.len() as u64);
        self.extend_from_slice(value);
    }
}

/// The body of the section at byte `at`: `len be32 ‖ body ‖ crc32c(body) be32`. Its checksum is verified.
pub(crate) fn section<'a>(file: &'a [u8], at: u64, what: &'static str) -> Result<Cursor<'a>, IndexError> {
    let truncated = IndexError::Truncated { what, at };
    let Some(tail) = usize::try_from(at).ok().and_then(|at| file.get(at..)) else { return Err(truncated) };
    let mut cursor = Cursor::new(tail, at, what);
    let len = cursor.be32()? as usize;
    let body_at = cursor.at();
    let body = cursor.take(len)?;
    check(body, cursor.be32()?, at, what)?;
    Ok(Cursor::new(body, body_at, what))
}

/// Compares the CRC-32C of `body` with the one stored. A fuzzer would hardly ever get past it, so it does not have to.
#[allow(unexpected_cfgs, reason = "`cargo fuzz` sets it")]
pub(crate) fn check(body: &[u8], expected: u32, at: u64, what: &'static str) -> Result<(), IndexError> {
    let found = crc32c::crc32c(body);
    if found != expected && !cfg!(fuzzing) {
        return Err(IndexError::Checksum { what, at, found, expected });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_come_back() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut bytes = Vec::new();
            bytes.put_uv(value);
            bytes.put_sv(value as i64);
            bytes.put_sv((value as i64).wrapping_neg());
            let mut cursor = Cursor::new(&bytes, 0, "test");
            assert_eq!(cursor.uv(), Ok(value));
            assert_eq!(cursor.sv(), Ok(value as i64));
            assert_eq!(cursor.sv(), Ok((value as i64).wrapping_neg()));
            assert_eq!(cursor.len(), 0);
        }
    }

    #[test]
    fn long_and_cut_varints_are_refused() {
        let too_long = [0xff; 11];
        assert!(matches!(Cursor::new(&too_long, 7, "test").uv(), Err(IndexError::Invalid { at: 7, .. })));
        let overflow = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02];
        assert!(matches!(Cursor::new(&overflow, 0, "test").uv(), Err(IndexError::Invalid { .. })));
        assert!(matches!(Cursor::new(&[0x80], 3, "test").uv(), Err(IndexError::Truncated { at: 3, .. })));
        assert!(Cursor::new(&[0x80, 0x80, 0x80, 0x80, 0x10], 0, "test").uv32().is_err());
    }
}
