//! The fields of a protobuf message, walked in place: tags, lengths and what is unknown.

use super::PushError;

/// Why bytes are not a message. The texts are upstream's decoder's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtoError {
    /// A field or message ends past its parent.
    #[error("unexpected EOF")]
    Truncated,
    /// A variable-length integer of more than ten bytes.
    #[error("proto: integer overflow")]
    IntegerOverflow,
    /// A length with the sign bit set.
    #[error("proto: negative length found during unmarshaling")]
    NegativeLength,
    /// A known field of the wrong wire type.
    #[error("proto: wrong wireType = {wire_type} for field {field}")]
    WireType {
        /// Wire type found.
        wire_type: u8,
        /// Name of the field.
        field: &'static str,
    },
    /// An end-group mark without its start.
    #[error("proto: {message}: wiretype end group for non-group")]
    EndGroup {
        /// Message it lies in.
        message: &'static str,
    },
    /// A field number of zero or below.
    #[error("proto: {message}: illegal tag {field} (wire type {tag})")]
    Tag {
        /// Message it lies in.
        message: &'static str,
        /// Field number.
        field: i32,
        /// The whole tag.
        tag: u64,
        /// Where in the message the tag ends.
        at: usize,
    },
    /// Wire types 6 and 7.
    #[error("proto: illegal wireType {0}")]
    IllegalWireType(u8),
    /// A timestamp outside the years 1 to 9999, or with more than a second of nanoseconds.
    #[error("timestamp: &types.Timestamp{{Seconds: {seconds},\nNanos: {nanos},\n}}{why}")]
    Timestamp {
        /// Seconds found.
        seconds: i64,
        /// Nanoseconds found.
        nanos: i32,
        /// What is wrong.
        why: &'static str,
    },
}

/// The walk's errors, behind a pointer so that results stay in registers.
pub(super) struct Fault(pub(super) Box<PushError>);

pub(super) type Walk<T> = Result<T, Fault>;

impl From<ProtoError> for Fault {
    #[cold]
    fn from(error: ProtoError) -> Self {
        Fault(Box::new(error.into()))
    }
}

impl From<PushError> for Fault {
    #[cold]
    fn from(error: PushError) -> Self {
        Fault(Box::new(error))
    }
}

#[derive(Clone, Copy)]
pub(super) struct Field {
    pub(super) number: i32,
    pub(super) wire_type: u8,
}

/// Walks the fields of the message at `at..end` of `body`.
pub(super) struct Fields<'a> {
    message: &'static str,
    body: &'a [u8],
    start: usize,
    at: usize,
    end: usize,
}

impl<'a> Fields<'a> {
    pub(super) fn new(message: &'static str, body: &'a [u8], at: usize, end: usize) -> Self {
        Self { message, body: &body[..end], start: at, at, end }
    }

    #[inline(always)]
    pub(super) fn next(&mut self) -> Walk<Option<Field>> {
        if self.at >= self.end {
            return Ok(None);
        }
        let tag = self.varint()?;
        let (number, wire_type) = ((tag >> 3) as i32, (tag & 7) as u8);
        if wire_type == 4 {
            return Err(ProtoError::EndGroup { message: self.message }.into());
        }
        if number <= 0 {
            return Err(ProtoError::Tag { message: self.message, field: number, tag, at: self.at - self.start }.into());
        }
        Ok(Some(Field { number, wire_type }))
    }

    #[inline(always)]
    pub(super) fn varint(&mut self) -> Walk<u64> {
        match self.body.get(self.at..) {
            Some(&[byte, ..]) if byte < 0x80 => {
                self.at += 1;
                Ok(u64::from(byte))
            }
            // Lines are mostly longer than 127 bytes.
            Some(&[low, high, ..]) if high < 0x80 => {
                self.at += 2;
                Ok(u64::from(low & 0x7f) | u64::from(high) << 7)
            }
            _ => self.long_varint(),
        }
    }

    #[inline(never)]
    fn long_varint(&mut self) -> Walk<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = *self.body.get(self.at).ok_or(ProtoError::Truncated)?;
            self.at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(ProtoError::IntegerOverflow.into())
    }

    #[inline(always)]
    pub(super) fn expect(&self, field: Field, wire_type: u8, name: &'static str) -> Walk<()> {
        if field.wire_type == wire_type {
            return Ok(());
        }
        Err(ProtoError::WireType { wire_type: field.wire_type, field: name }.into())
    }

    /// Bounds of a length-delimited field, which the walk steps over.
    #[inline(always)]
    pub(super) fn message(&mut self, field: Field, name: &'static str) -> Walk<(usize, usize)> {
        self.expect(field, 2, name)?;
        let len = self.varint()?;
        self.advance(len)
    }

    /// A length-delimited field's bytes.
    pub(super) fn bytes(&mut self, field: Field, name: &'static str) -> Walk<&'a [u8]> {
        let (at, end) = self.message(field, name)?;
        Ok(&self.body[at..end])
    }

    /// A variable-length integer.
    pub(super) fn number(&mut self, field: Field, name: &'static str) -> Walk<u64> {
        self.expect(field, 0, name)?;
        self.varint()
    }

    pub(super) fn fixed64(&mut self, field: Field, name: &'static str) -> Walk<u64> {
        self.expect(field, 1, name)?;
        let (at, _) = self.advance(8)?;
        let bytes = self.body[at..].first_chunk().expect("advance has checked eight bytes");
        Ok(u64::from_le_bytes(*bytes))
    }

    pub(super) fn fixed32(&mut self, field: Field, name: &'static str) -> Walk<u32> {
        self.expect(field, 5, name)?;
        let (at, _) = self.advance(4)?;
        let bytes = self.body[at..].first_chunk().expect("advance has checked four bytes");
        Ok(u32::from_le_bytes(*bytes))
    }

    #[inline(always)]
    pub(super) fn advance(&mut self, len: u64) -> Walk<(usize, usize)> {
        let (at, left) = (self.at, self.end - self.at);
        if len > left as u64 {
            // Upstream's signed arithmetic tells the absurd from the merely too long.
            let negative = len.saturating_add(at as u64) > i64::MAX as u64;
            return Err(if negative { ProtoError::NegativeLength } else { ProtoError::Truncated }.into());
        }
        self.at = at + len as usize;
        Ok((at, self.at))
    }

    /// Steps over an unknown field. Groups nest; a counter instead of recursion keeps the stack flat.
    pub(super) fn skip(&mut self, field: Field) -> Walk<()> {
        let mut depth = 0usize;
        let mut wire_type = field.wire_type;
        loop {
            match wire_type {
                0 => {
                    self.varint()?;
                }
                1 => {
                    self.advance(8)?;
                }
                2 => {
                    let len = self.varint()?;
                    self.advance(len)?;
                }
                3 => depth += 1,
                4 => depth -= 1,
                5 => {
                    self.advance(4)?;
                }
                other => return Err(ProtoError::IllegalWireType(other).into()),
            }
            if depth == 0 {
                return Ok(());
            }
            wire_type = (self.varint()? & 7) as u8;
        }
    }
}
