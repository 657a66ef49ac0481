//! The symbol table of an open index: every label name and value of the file, by ordinal.
//!
//! ```text
//! section  len be32 ‖ count be32 ‖ count × str ‖ crc
//! ```
//!
//! Symbols are unique and ascend bytewise, so ordinals compare as their strings do. They are copied into one string
//! when the file is opened; bytes that are not UTF-8 are replaced by U+FFFD there, as JSON would show them anyway.

use crate::cursor::section;
use crate::error::IndexError;

const WHAT: &str = "symbol table";

/// Strings by ordinal.
#[derive(Debug)]
pub(crate) struct Symbols {
    text: String,
    /// Where each symbol ends in `text`.
    ends: Vec<u32>,
    lossy: bool,
}

/// The symbols as they lie in the file; only needed while opening it.
pub(crate) struct RawSymbols<'a>(Vec<&'a [u8]>);

impl Symbols {
    /// Reads and checks the section at byte `at`.
    pub(crate) fn read(file: &[u8], at: u64) -> Result<(Self, RawSymbols<'_>), IndexError> {
        let mut cursor = section(file, at, WHAT)?;
        let count = cursor.be32()?;
        if count as usize > cursor.len() {
            return Err(cursor.invalid("more symbols than its bytes can hold"));
        }
        let mut raw: Vec<&[u8]> = Vec::with_capacity(count as usize);
        let mut text = String::with_capacity(cursor.len());
        let mut ends = Vec::with_capacity(count as usize);
        let mut lossy = false;
        for _ in 0..count {
            let before = cursor;
            let symbol = cursor.str()?;
            if raw.last().is_some_and(|last| *last >= symbol) {
                return Err(before.invalid("symbols are not unique and ascending"));
            }
            raw.push(symbol);
            let symbol = String::from_utf8_lossy(symbol);
            lossy |= matches!(symbol, std::borrow::Cow::Owned(_));
            text.push_str(&symbol);
            ends.push(u32::try_from(text.len()).map_err(|_| before.invalid("symbols exceed 4 GiB"))?);
        }
        text.shrink_to_fit();
        Ok((Self { text, ends, lossy }, RawSymbols(raw)))
    }

    /// Whether bytes were replaced, so that symbols need not be unique or ascend any more.
    pub(crate) fn is_lossy(&self) -> bool {
        self.lossy
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The symbol with this ordinal.
    pub(crate) fn get(&self, id: u32) -> Option<&str> {
        let at = id as usize;
        let end = *self.ends.get(at)?;
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.text.get(start as usize..end as usize)
    }

    /// The symbol with an ordinal that was checked against [`Symbols::len`].
    pub(crate) fn known(&self, id: u32) -> &str {
        self.get(id).unwrap_or_default()
    }

    /// Bytes held in memory.
    pub(crate) fn mem_bytes(&self) -> usize {
        self.text.capacity() + self.ends.capacity() * 4
    }
}

impl RawSymbols<'_> {
    /// The ordinal of `symbol`, looked for from ordinal `from` on in steps that double: cheap when it is near.
    pub(crate) fn find_from(&self, from: u32, symbol: &[u8]) -> Option<u32> {
        let tail = self.0.get(from as usize..)?;
        let mut step = 1;
        while step < tail.len() && tail[step - 1] < symbol {
            step *= 2;
        }
        let low = step / 2;
        let near = tail.get(low..step.min(tail.len()))?;
        let at = near.binary_search(&symbol).ok()?;
        Some(from + (low + at) as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn galloping_finds_every_symbol_from_every_start() {
        let names: Vec<String> = (0..200).map(|n| format!("{n:04}")).collect();
        let raw = RawSymbols(names.iter().map(String::as_bytes).collect());
        for from in 0..200u32 {
            for (at, name) in names.iter().enumerate() {
                let expected = (at as u32 >= from).then_some(at as u32);
                assert_eq!(raw.find_from(from, name.as_bytes()), expected, "{name} from {from}");
            }
            assert_eq!(raw.find_from(from, b"x"), None);
            assert_eq!(raw.find_from(from, b""), None);
        }
        assert_eq!(raw.find_from(200, b"0001"), None);
        assert_eq!(RawSymbols(Vec::new()).find_from(0, b""), None);
    }
}
