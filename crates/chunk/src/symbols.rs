//! The symbols section: every distinct name and value of structured metadata, numbered from 0 in order of first use.
//!
//! ```text
//! count uv ‖ compress( count × ( length uv ‖ bytes ) )
//! ```

use std::sync::OnceLock;

use crate::codec::{Sums, decompress_raw};
use crate::encoding::Encoding;
use crate::error::ChunkError;
use crate::names;
use crate::varint;

/// A decoded symbol table: texts by number, in one piece of memory.
///
/// Names and values share it. [`name`](Self::name) gives a text as readers see names; [`get`](Self::get) as stored.
#[derive(Debug, Default)]
pub struct Symbols {
    text: String,
    /// End of each symbol in `text`; it starts where the one before ends.
    ends: Vec<u32>,
    /// Normalised forms of symbols used as names, once one that changes was asked for.
    names: OnceLock<Box<[OnceLock<Box<str>>]>>,
}

impl Symbols {
    /// Decodes a section that starts at byte `at` of the chunk, its checksum already checked. Bytes that are not
    /// UTF-8 become U+FFFD.
    pub(crate) fn decode(
        section: &[u8],
        at: u64,
        encoding: Encoding,
        limit: usize,
        sums: Sums,
    ) -> Result<Self, ChunkError> {
        let malformed = |why| ChunkError::Malformed { what: "symbols", at, why };
        let (count, start) = varint::read(section, 0).ok_or(malformed("no symbol count"))?;
        if count == 0 {
            return Ok(Self::default());
        }
        let limit = limit.min(1 << 30);
        let mut buf = Vec::new();
        let packed = &section[start..];
        let bytes = decompress_raw(encoding, packed, &mut buf, limit, packed.len().saturating_mul(4), sums)
            .map_err(|fault| fault.at("symbols", at, encoding, limit))?;
        let count = usize::try_from(count).ok().filter(|&count| count <= bytes.len());
        let count = count.ok_or(malformed("more symbols than bytes"))?;

        let (mut text, mut ends) = (Vec::with_capacity(bytes.len() - count), Vec::with_capacity(count));
        let mut next = 0;
        for _ in 0..count {
            let (len, start) = varint::read(bytes, next).ok_or(malformed("ends inside a symbol's length"))?;
            let symbol = usize::try_from(len).ok().and_then(|len| bytes[start..].get(..len));
            let symbol = symbol.ok_or(malformed("ends inside a symbol"))?;
            text.extend_from_slice(symbol);
            ends.push(text.len() as u32);
            next = start + symbol.len();
        }
        // Nearly always all of it is UTF-8, which one look tells faster than one a symbol.
        match String::from_utf8(text) {
            Ok(text) if ends.iter().all(|&end| text.is_char_boundary(end as usize)) => Ok(Self::from_parts(text, ends)),
            Ok(text) => Ok(Self::replaced(text.as_bytes(), &ends)),
            Err(error) => Ok(Self::replaced(error.as_bytes(), &ends)),
        }
    }

    /// Symbol by symbol, what is no UTF-8 replaced.
    fn replaced(text: &[u8], ends: &[u32]) -> Self {
        let mut symbols = Self::default();
        let mut start = 0;
        for &end in ends {
            symbols.push(&String::from_utf8_lossy(&text[start..end as usize]));
            start = end as usize;
        }
        symbols
    }

    pub(crate) fn from_parts(text: String, ends: Vec<u32>) -> Self {
        Self { text, ends, names: OnceLock::new() }
    }

    fn push(&mut self, symbol: &str) {
        self.text.push_str(symbol);
        self.ends.push(u32::try_from(self.text.len()).expect("a section is at most 1 GiB, replacements triple it"));
    }

    /// How many symbols there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none: no entry of the chunk has structured metadata.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes of all symbols together.
    pub fn text_bytes(&self) -> usize {
        self.text.len()
    }

    /// The text of symbol `number`, as stored.
    #[inline]
    pub fn get(&self, number: u32) -> Option<&str> {
        let number = number as usize;
        let end = *self.ends.get(number)? as usize;
        let start = if number == 0 { 0 } else { self.ends[number - 1] as usize };
        Some(&self.text[start..end])
    }

    /// The text of symbol `number` as a value. As upstream, a number past the table reads as empty.
    #[inline]
    pub fn value(&self, number: u32) -> &str {
        self.get(number).unwrap_or("")
    }

    /// The text of symbol `number` as a name: normalised, empty if past the table.
    pub fn name(&self, number: u32) -> &str {
        let Some(stored) = self.get(number) else { return "" };
        if let Some(names) = self.names.get()
            && let Some(name) = names[number as usize].get()
        {
            return name;
        }
        match names::normalised(stored) {
            None => stored,
            Some(name) => {
                let names = self.names.get_or_init(|| (0..self.len()).map(|_| OnceLock::new()).collect());
                names[number as usize].get_or_init(|| name.into())
            }
        }
    }

    /// The first symbol that is exactly `text`: without one, no entry of the chunk has that value.
    pub fn lookup(&self, text: &str) -> Option<u32> {
        self.lookup_all(text).next()
    }

    /// Every symbol that is exactly `text`. Writers intern, so there is one at most; foreign bytes may hold more.
    pub fn lookup_all<'a>(&'a self, text: &'a str) -> impl Iterator<Item = u32> + 'a {
        let mut start = 0;
        let sized = self.ends.iter().zip(0..).filter_map(move |(&end, number)| {
            let from = std::mem::replace(&mut start, end as usize);
            (end as usize - from == text.len()).then_some((from, number))
        });
        sized.filter(move |&(from, _)| self.text.as_bytes()[from..from + text.len()] == *text.as_bytes()).map(|it| it.1)
    }

    /// Every symbol that reads as the name `text`: several stored names may (`a.b` and `a-b` both read `a_b`).
    pub fn lookup_names<'a>(&'a self, text: &'a str) -> impl Iterator<Item = u32> + 'a {
        self.iter()
            .filter(move |&(_, stored)| match names::normalised(stored) {
                None => stored == text,
                Some(name) => name == text,
            })
            .map(|(number, _)| number)
    }

    /// Numbers and texts as stored, in order.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &str)> {
        let mut start = 0;
        self.ends.iter().zip(0..).map(move |(&end, number)| {
            let from = std::mem::replace(&mut start, end as usize);
            (number, &self.text[from..end as usize])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(texts: &[&str]) -> Symbols {
        let mut symbols = Symbols::default();
        texts.iter().for_each(|text| symbols.push(text));
        symbols
    }

    #[test]
    fn texts_are_found_by_number_and_numbers_by_text() {
        let symbols = table(&["a.b", "", "x", "a-b", "xy", "x"]);
        assert_eq!((symbols.get(2), symbols.get(1), symbols.get(6)), (Some("x"), Some(""), None));
        assert_eq!((symbols.value(4), symbols.value(99)), ("xy", ""));
        assert_eq!((symbols.name(0), symbols.name(3), symbols.name(0), symbols.name(2)), ("a_b", "a_b", "a_b", "x"));
        assert_eq!((symbols.lookup("xy"), symbols.lookup("y"), symbols.lookup("")), (Some(4), None, Some(1)));
        assert_eq!(symbols.lookup_all("x").collect::<Vec<_>>(), [2, 5]);
        assert_eq!(symbols.lookup_names("a_b").collect::<Vec<_>>(), [0, 3]);
        assert_eq!(symbols.iter().map(|it| it.1).collect::<Vec<_>>(), ["a.b", "", "x", "a-b", "xy", "x"]);
    }

    #[test]
    fn invalid_utf8_is_replaced_and_bad_sections_say_why() {
        let section = [3, 2, b'o', b'k', 1, 0xff, 0, 7];
        let symbols = Symbols::decode(&section, 6, Encoding::None, 100, Sums::Checked).expect("decodes");
        assert_eq!(symbols.iter().map(|it| it.1).collect::<Vec<_>>(), ["ok", "\u{fffd}", ""]);
        // A character cut in two by the end of a symbol.
        let halves = Symbols::decode(&[2, 1, 0xc3, 1, 0xa9], 6, Encoding::None, 100, Sums::Checked).expect("decodes");
        assert_eq!(halves.iter().map(|it| it.1).collect::<Vec<_>>(), ["\u{fffd}", "\u{fffd}"]);
        for (bad, why) in [
            (&[][..], "no symbol count"),
            (&[9, 0, 0], "more symbols than bytes"),
            (&[1, 5, b'x'], "ends inside a symbol"),
            (&[1, 0x80], "ends inside a symbol's length"),
        ] {
            let found = Symbols::decode(bad, 6, Encoding::None, 100, Sums::Checked).expect_err("malformed");
            assert_eq!(found, ChunkError::Malformed { what: "symbols", at: 6, why });
        }
        assert!(matches!(
            Symbols::decode(&section, 6, Encoding::None, 3, Sums::Checked),
            Err(ChunkError::TooLarge { limit: 3, .. })
        ));
        // No symbols: the stream after the count is not even looked at.
        assert!(Symbols::decode(&[0], 6, Encoding::Gzip, 100, Sums::Checked).expect("empty").is_empty());
    }
}
