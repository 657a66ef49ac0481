//! Strings with numbers and something beside each: numbers stay while a string is there, strings can be walked in order.

use std::collections::BTreeMap;
use std::sync::Arc;

/// Each string once, with a `T`.
#[derive(Debug)]
pub(super) struct Texts<T> {
    numbers: BTreeMap<Arc<str>, u32>,
    slots: Vec<Option<(Arc<str>, T)>>,
    free: Vec<u32>,
}

impl<T> Default for Texts<T> {
    fn default() -> Self {
        Self { numbers: BTreeMap::new(), slots: Vec::new(), free: Vec::new() }
    }
}

impl<T: Default> Texts<T> {
    /// The number of `text`, which is added if it is not there.
    pub(super) fn number(&mut self, text: &str) -> u32 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            u32::try_from(self.slots.len() - 1).expect("2^32 strings do not fit into memory")
        });
        let text: Arc<str> = text.into();
        self.slots[number as usize] = Some((Arc::clone(&text), T::default()));
        self.numbers.insert(text, number);
        number
    }
}

impl<T> Texts<T> {
    pub(super) fn find(&self, text: &str) -> Option<u32> {
        self.numbers.get(text).copied()
    }

    pub(super) fn text(&self, number: u32) -> Option<&str> {
        self.slots.get(number as usize)?.as_ref().map(|(text, _)| &**text)
    }

    pub(super) fn get(&self, number: u32) -> Option<&T> {
        self.slots.get(number as usize)?.as_ref().map(|(_, beside)| beside)
    }

    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        self.slots.get_mut(number as usize)?.as_mut().map(|(_, beside)| beside)
    }

    /// Frees a number for another string.
    pub(super) fn remove(&mut self, number: u32) {
        if let Some((text, _)) = self.slots.get_mut(number as usize).and_then(Option::take) {
            self.numbers.remove(&text);
            self.free.push(number);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.numbers.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// Strings ascending, each with what is beside it.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.numbers.iter().filter_map(|(text, number)| Some((&**text, self.get(*number)?)))
    }
}
