//! Writes a bbolt database whose pairs are known and sorted: leaves in order, then the branches above them.

use super::{
    BRANCH, ELEMENT_BYTES, FREE_LIST, IS_BUCKET, LEAF, MAGIC, META, META_SUMMED_BYTES, PAGE_HEADER_BYTES, VERSION,
    fnv1a,
};
use crate::error::IndexError;

/// What the machines that upstream runs on use.
pub(super) const PAGE_BYTES: usize = 4096;
/// bbolt's own bound.
const KEY_BYTES_MAX: usize = 32_768;
/// bbolt's own bound.
const VALUE_BYTES_MAX: usize = (1 << 31) - 2;
/// Elements of a page, at most.
const ELEMENTS_MAX: usize = 0xffff - 1;
/// Pages before the first one written: two meta pages and the free list.
const FIRST_PAGE: u64 = 3;

/// Key and value.
pub type Pair<'a> = (&'a [u8], &'a [u8]);

/// A page that is written, seen from above: its first key and its number.
type Child = (Vec<u8>, u64);

/// The bytes of a database with one bucket. `pairs` must ascend by key and have each key once.
pub fn file(bucket: &[u8], pairs: &[Pair<'_>]) -> Result<Vec<u8>, IndexError> {
    let mut pages = Pages { bytes: vec![0; FIRST_PAGE as usize * PAGE_BYTES] };
    let root = pages.tree(pairs)?;
    let mut header = root.to_le_bytes().to_vec();
    header.extend_from_slice(&0u64.to_le_bytes());
    let top = pages.leaf(&[(bucket, &header)], IS_BUCKET)?;
    let count = pages.next();
    for (id, transaction) in [(0u64, 0u64), (1, 1)] {
        let mut meta = Vec::with_capacity(META_SUMMED_BYTES + 8);
        for number in [MAGIC, VERSION, PAGE_BYTES as u32, 0] {
            meta.extend_from_slice(&number.to_le_bytes());
        }
        for number in [top, 0, 2, count, transaction] {
            meta.extend_from_slice(&number.to_le_bytes());
        }
        meta.extend_from_slice(&fnv1a(&meta).to_le_bytes());
        pages.overwrite(id, META, &meta);
    }
    pages.overwrite(2, FREE_LIST, &[]);
    Ok(pages.bytes)
}

struct Pages {
    bytes: Vec<u8>,
}

impl Pages {
    /// Number of the page that is written next.
    fn next(&self) -> u64 {
        (self.bytes.len() / PAGE_BYTES) as u64
    }

    fn overwrite(&mut self, id: u64, kind: u16, content: &[u8]) {
        let at = id as usize * PAGE_BYTES;
        let page = &mut self.bytes[at..at + PAGE_BYTES];
        page[..8].copy_from_slice(&id.to_le_bytes());
        page[8..10].copy_from_slice(&kind.to_le_bytes());
        page[PAGE_HEADER_BYTES..PAGE_HEADER_BYTES + content.len()].copy_from_slice(content);
    }

    /// Appends a page of `count` elements and `content`, which is all that follows the header.
    fn append(&mut self, kind: u16, count: usize, content: &[u8]) -> Result<u64, IndexError> {
        let (id, len) = (self.next(), PAGE_HEADER_BYTES + content.len());
        let whole = len.div_ceil(PAGE_BYTES);
        let large = IndexError::TooLarge { what: "bbolt page", limit: u64::from(u32::MAX) };
        let overflow = u32::try_from(whole - 1).map_err(|_| large)?;
        let count = u16::try_from(count).expect("pages are cut at their greatest count");
        self.bytes.extend_from_slice(&id.to_le_bytes());
        self.bytes.extend_from_slice(&kind.to_le_bytes());
        self.bytes.extend_from_slice(&count.to_le_bytes());
        self.bytes.extend_from_slice(&overflow.to_le_bytes());
        self.bytes.extend_from_slice(content);
        self.bytes.resize(self.bytes.len() + whole * PAGE_BYTES - len, 0);
        Ok(id)
    }

    /// Leaves of all pairs and what is above them; the number of the page on top.
    fn tree(&mut self, pairs: &[Pair<'_>]) -> Result<u64, IndexError> {
        let mut level: Vec<Child> = Vec::new();
        for part in cut(pairs, |(key, value)| key.len() + value.len(), 1) {
            level.push((part.first().map_or(Vec::new(), |(key, _)| key.to_vec()), self.leaf(part, 0)?));
        }
        if level.is_empty() {
            return self.leaf(&[], 0);
        }
        while level.len() > 1 {
            let mut above = Vec::new();
            for part in cut(&level, |(key, _)| key.len(), 2) {
                above.push((part[0].0.clone(), self.branch(part)?));
            }
            level = above;
        }
        Ok(level[0].1)
    }

    fn leaf(&mut self, pairs: &[Pair<'_>], flags: u32) -> Result<u64, IndexError> {
        let (mut content, mut position) = (Vec::new(), pairs.len() * ELEMENT_BYTES);
        for (key, value) in pairs {
            // From the element's own start.
            let distance = position - content.len();
            for number in [flags, number(distance)?, limited("bbolt key", key, KEY_BYTES_MAX)?] {
                content.extend_from_slice(&number.to_le_bytes());
            }
            content.extend_from_slice(&limited("bbolt value", value, VALUE_BYTES_MAX)?.to_le_bytes());
            position += key.len() + value.len();
        }
        for (key, value) in pairs {
            content.extend_from_slice(key);
            content.extend_from_slice(value);
        }
        self.append(LEAF, pairs.len(), &content)
    }

    fn branch(&mut self, children: &[Child]) -> Result<u64, IndexError> {
        let (mut content, mut position) = (Vec::new(), children.len() * ELEMENT_BYTES);
        for (key, page) in children {
            let distance = position - content.len();
            content.extend_from_slice(&number(distance)?.to_le_bytes());
            content.extend_from_slice(&limited("bbolt key", key, KEY_BYTES_MAX)?.to_le_bytes());
            content.extend_from_slice(&page.to_le_bytes());
            position += key.len();
        }
        children.iter().for_each(|(key, _)| content.extend_from_slice(key));
        self.append(BRANCH, children.len(), &content)
    }
}

fn number(value: usize) -> Result<u32, IndexError> {
    u32::try_from(value).map_err(|_| IndexError::TooLarge { what: "bbolt page", limit: u64::from(u32::MAX) })
}

/// The length of `bytes`, if it is allowed.
fn limited(what: &'static str, bytes: &[u8], limit: usize) -> Result<u32, IndexError> {
    let large = IndexError::TooLarge { what, limit: limit as u64 };
    if bytes.len() > limit { Err(large) } else { number(bytes.len()) }
}

/// Cuts `all` into runs that fit a page, each of at least `least` unless nothing more is left: an item that is larger
/// than a page overflows.
fn cut<T>(all: &[T], bytes_of: impl Fn(&T) -> usize, least: usize) -> Vec<&[T]> {
    let (mut parts, mut start, mut bytes) = (Vec::new(), 0, PAGE_HEADER_BYTES);
    for (at, item) in all.iter().enumerate() {
        let more = ELEMENT_BYTES + bytes_of(item);
        if at - start >= least && (bytes + more > PAGE_BYTES || at - start >= ELEMENTS_MAX) {
            parts.push(&all[start..at]);
            (start, bytes) = (at, PAGE_HEADER_BYTES);
        }
        bytes += more;
    }
    if start < all.len() {
        parts.push(&all[start..]);
    }
    parts
}
