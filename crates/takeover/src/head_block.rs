//! The head of a chunk in a checkpoint: entries not yet cut into a block.
//!
//! ```text
//! ordered   = 1 | 2 | 3 u8 ‖ n uv ‖ size uv ‖ mint sv ‖ maxt sv ‖ ( time sv ‖ line str )*
//! unordered = 4 u8 ‖ n uv ‖ ( time sv ‖ line str )*
//! metadata  = 5 u8 ‖ n uv ‖ ( time sv ‖ line str ‖ pairs uv ‖ ( name uv ‖ value uv )* )*
//! ```
//!
//! Names and values are numbers of the symbols beside the chunk's blocks.

use loptr_model::Nanos;

use crate::UpstreamError;
use crate::cursor::Cursor;

/// Checked whole, read lazily.
#[derive(Clone, Copy, Debug)]
pub struct HeadBlock<'a> {
    count: u64,
    has_metadata: bool,
    entries: Cursor<'a>,
}

/// An entry of a head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadEntry<'a> {
    /// Time of the entry.
    pub ts: Nanos,
    /// The line.
    pub line: &'a [u8],
    /// Structured metadata as numbers of symbols: name and value.
    pub pairs: Vec<(u32, u32)>,
}

impl<'a> HeadBlock<'a> {
    /// Reads the head of a chunk; no bytes are a head without entries.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, UpstreamError> {
        let from = &mut Cursor::new(bytes);
        if bytes.is_empty() {
            return Ok(Self { count: 0, has_metadata: false, entries: *from });
        }
        let format = from.byte("head is empty")?;
        if !(1..=5).contains(&format) {
            return Err(UpstreamError::Unknown { at: 0, what: "format of a head", found: format.into() });
        }
        let count = from.count(2, "more entries than bytes in a head")?;
        if format <= 3 {
            from.uv("head ends inside its size")?;
            from.sv("head ends inside its bounds")?;
            from.sv("head ends inside its bounds")?;
        }
        let head = Self { count, has_metadata: format == 5, entries: *from };
        for _ in 0..count {
            head.take(from)?;
        }
        if !from.is_empty() {
            return Err(from.fault("head is longer than its entries"));
        }
        Ok(head)
    }

    fn take(&self, from: &mut Cursor<'a>) -> Result<HeadEntry<'a>, UpstreamError> {
        let ts = Nanos(from.sv("head ends inside a time")?);
        let line = from.sized("head ends inside a line")?;
        let mut pairs = Vec::new();
        if self.has_metadata {
            let count = from.count(2, "more structured metadata than bytes in a head")?;
            pairs.reserve_exact(count as usize);
            for _ in 0..count {
                pairs.push((symbol(from)?, symbol(from)?));
            }
        }
        Ok(HeadEntry { ts, line, pairs })
    }

    /// How many entries.
    pub fn len(&self) -> u64 {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The entries, in time order as upstream writes them.
    pub fn entries(&self) -> impl Iterator<Item = HeadEntry<'a>> {
        let (head, mut from) = (*self, self.entries);
        (0..self.count).map(move |_| head.take(&mut from).expect("the head was checked whole"))
    }
}

fn symbol(from: &mut Cursor<'_>) -> Result<u32, UpstreamError> {
    let before = *from;
    let number = from.uv("head ends inside a symbol")?;
    u32::try_from(number).map_err(|_| before.fault("number of a symbol does not fit 32 bits"))
}
