//! The symbol table of a chunk being filled: texts in one arena, found by hash.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::symbols::Symbols;

/// Most bytes of all symbols: their ends are 32 bits.
pub(super) const MAX_TEXT_BYTES: usize = u32::MAX as usize;

#[derive(Clone, Debug, Default)]
pub(super) struct Interner {
    text: String,
    ends: Vec<u32>,
    /// (hash, number): a miss in the table is told by the hash alone, without touching the text.
    table: HashTable<(u32, u32)>,
    seed: RandomState,
}

/// Spreads a stored hash over the bits the table looks at.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Interner {
    pub(super) fn text_bytes(&self) -> usize {
        self.text.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.ends.len()).map(|number| self.get(number as u32))
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    #[inline]
    fn get(&self, number: u32) -> &str {
        get(&self.text, &self.ends, number)
    }

    /// The number of `symbol`, a new one if it is new. The caller keeps the text below [`MAX_TEXT_BYTES`]. `guess` is
    /// a number that may well be it: the same place of the entry before.
    #[inline]
    pub(super) fn intern(&mut self, symbol: &str, guess: Option<u32>) -> u32 {
        match guess {
            Some(number) if self.get(number) == symbol => number,
            _ => self.find_or_add(symbol),
        }
    }

    fn find_or_add(&mut self, symbol: &str) -> u32 {
        let mut hasher = self.seed.build_hasher();
        hasher.write(symbol.as_bytes());
        let hash = hasher.finish();
        let hash = (hash ^ hash >> 32) as u32;
        let same = |&(other, number): &(u32, u32)| other == hash && get(&self.text, &self.ends, number) == symbol;
        if let Some(&(_, number)) = self.table.find(spread(hash), same) {
            return number;
        }
        let number = self.ends.len() as u32;
        self.text.push_str(symbol);
        self.ends.push(self.text.len() as u32);
        self.table.insert_unique(spread(hash), (hash, number), |&(hash, _)| spread(hash));
        number
    }

    /// A copy for readers.
    pub(super) fn to_symbols(&self) -> Symbols {
        Symbols::from_parts(self.text.clone(), self.ends.clone())
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.text.capacity() + self.ends.capacity() * 4 + self.table.allocation_size()
    }
}

fn get<'a>(text: &'a str, ends: &[u32], number: u32) -> &'a str {
    let number = number as usize;
    let start = if number == 0 { 0 } else { ends[number - 1] as usize };
    &text[start..ends[number] as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_get_one_number_in_order_of_first_use() {
        let mut interner = Interner::default();
        let texts: Vec<String> = (0..5000).map(|at| format!("value-{}", at % 3000)).collect();
        for (at, text) in texts.iter().enumerate() {
            let guess = (at > 0).then_some(at as u32 % 7);
            assert_eq!(
                interner.intern(text, guess.filter(|&guess| (guess as usize) < interner.len())),
                at as u32 % 3000
            );
        }
        assert_eq!(interner.intern("", None), 3000);
        assert_eq!(interner.len(), 3001);
        assert_eq!(interner.iter().nth(2999), Some("value-2999"));
        assert_eq!(interner.to_symbols().get(3000), Some(""));
        assert_eq!(interner.text_bytes(), interner.iter().map(str::len).sum::<usize>());
    }
}
