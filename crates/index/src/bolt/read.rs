//! Pages of a bbolt database, read with every offset checked.

use bytes::Bytes;

use super::{
    BRANCH, BUCKET_BYTES, ELEMENT_BYTES, IS_BUCKET, LEAF, MAGIC, META, META_SUMMED_BYTES, PAGE_HEADER_BYTES, VERSION,
    fnv1a,
};
use crate::error::IndexError;

/// Branches above a leaf, at most. A tree of the largest file has fewer.
const DEPTH_MAX: usize = 64;
/// Page sizes tried when the first meta page is damaged.
const PAGE_SIZES: std::ops::RangeInclusive<u32> = 10..=24;

/// A bbolt database in memory.
///
/// Each reachable page is read once: a page met twice, in a cycle or not, is an error, and so is a page that lies
/// outside the file or is not what leads there said. The elements of a page may not claim more bytes than it has, so
/// the work is bounded by the file's length.
#[derive(Debug)]
pub struct BoltFile {
    bytes: Bytes,
    page_bytes: usize,
    root: u64,
    pages: u64,
}

/// One pair of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawRow<'a> {
    /// Name of the bucket.
    pub bucket: &'a [u8],
    /// Key.
    pub key: &'a [u8],
    /// Value.
    pub value: &'a [u8],
}

fn invalid(what: &'static str, at: usize, why: &'static str) -> IndexError {
    IndexError::Invalid { what, at: at as u64, why }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk::<N>().copied()
}

fn le16(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(u16::from_le_bytes)
}

fn le32(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_le_bytes)
}

fn le64(bytes: &[u8], at: usize) -> Option<u64> {
    array(bytes, at).map(u64::from_le_bytes)
}

/// What a meta page says.
struct Meta {
    page_bytes: usize,
    root: u64,
    pages: u64,
    transaction: u64,
}

/// The meta page that begins at byte `at`. A fuzzer need not get past its checksum.
#[allow(unexpected_cfgs, reason = "`cargo fuzz` sets it")]
fn meta(bytes: &[u8], at: usize) -> Result<Meta, IndexError> {
    const WHAT: &str = "bbolt meta page";
    let cut = IndexError::Truncated { what: WHAT, at: at as u64 };
    let Some(page) = bytes.get(at..at.saturating_add(PAGE_HEADER_BYTES + META_SUMMED_BYTES + 8)) else {
        return Err(cut);
    };
    let (header, body) = page.split_at(PAGE_HEADER_BYTES);
    let fields = (|| {
        let magic = le32(body, 0)?;
        let version = le32(body, 4)?;
        let stored = le64(body, META_SUMMED_BYTES)?;
        let found = Meta {
            page_bytes: le32(body, 8)? as usize,
            root: le64(body, 16)?,
            pages: le64(body, 40)?,
            transaction: le64(body, 48)?,
        };
        Some((le16(header, 8)?, magic, version, stored, found))
    })();
    let Some((flags, magic, version, stored, found)) = fields else { return Err(cut) };
    if magic != MAGIC {
        return Err(IndexError::Magic { found: magic });
    }
    if version != VERSION {
        return Err(invalid(WHAT, at, "only version 2 of bbolt's format is known"));
    }
    if fnv1a(&body[..META_SUMMED_BYTES]) != stored && !cfg!(fuzzing) {
        return Err(invalid(WHAT, at, "its checksum does not fit"));
    }
    if flags & META == 0 {
        return Err(invalid(WHAT, at, "the page is of another kind"));
    }
    if !found.page_bytes.is_power_of_two() || !PAGE_SIZES.contains(&found.page_bytes.trailing_zeros()) {
        return Err(invalid(WHAT, at, "the page size is no power of two from 1024 to 16 MiB"));
    }
    Ok(found)
}

impl BoltFile {
    /// Reads the meta pages.
    pub fn open(bytes: Bytes) -> Result<Self, IndexError> {
        let first = meta(&bytes, 0);
        let second = match &first {
            Ok(first) => meta(&bytes, first.page_bytes).ok(),
            Err(_) => PAGE_SIZES.map(|bits| 1usize << bits).find_map(|at| {
                let found = meta(&bytes, at).ok()?;
                (found.page_bytes == at).then_some(found)
            }),
        };
        let newest = match (first, second) {
            (Ok(first), Some(second)) if second.transaction > first.transaction => second,
            (Ok(first), _) => first,
            (Err(_), Some(second)) => second,
            (Err(error), None) => return Err(error),
        };
        let Meta { page_bytes, root, pages, .. } = newest;
        Ok(Self { bytes, page_bytes, root, pages })
    }

    /// Calls `visit` with every pair of every bucket, in order, until the end or an error. Buckets inside buckets are
    /// an error: an index has none.
    pub fn rows<'a>(&'a self, mut visit: impl FnMut(RawRow<'a>) -> Result<(), IndexError>) -> Result<(), IndexError> {
        let mut walk = Walk { file: self, seen: vec![0; (self.bytes.len() / self.page_bytes).div_ceil(64)] };
        let mut buckets = Vec::new();
        walk.tree(self.root, &mut |at, element| match element {
            Element { is_bucket: true, key, value } => {
                buckets.push((at, key, value));
                Ok(())
            }
            _ => Err(invalid("bbolt root", at, "a value where only buckets are")),
        })?;
        for (at, bucket, header) in buckets {
            let mut visit = |at: usize, element: Element<'a>| match element {
                Element { is_bucket: false, key, value } => visit(RawRow { bucket, key, value }),
                _ => Err(invalid("bbolt bucket", at, "a bucket where only values are")),
            };
            let Some(root) = le64(header, 0).filter(|_| header.len() >= BUCKET_BYTES) else {
                return Err(IndexError::Truncated { what: "bbolt bucket", at: at as u64 });
            };
            match root {
                0 => {
                    let page = Page::within(&header[BUCKET_BYTES..], at, 0)?;
                    page.leaves(&mut visit)?;
                }
                root => walk.tree(root, &mut visit)?,
            }
        }
        Ok(())
    }
}

/// A walk over the pages, each once.
struct Walk<'a> {
    file: &'a BoltFile,
    /// One bit a page.
    seen: Vec<u64>,
}

/// Told where each element lies.
type Visit<'v, 'a> = &'v mut dyn FnMut(usize, Element<'a>) -> Result<(), IndexError>;

impl<'a> Walk<'a> {
    /// All elements of the leaves below page `root`, in order.
    fn tree(&mut self, root: u64, visit: Visit<'_, 'a>) -> Result<(), IndexError> {
        // Children still to be visited, of each branch on the way down; last first.
        let mut levels: Vec<Vec<u64>> = vec![vec![root]];
        while let Some(level) = levels.last_mut() {
            let Some(next) = level.pop() else {
                levels.pop();
                continue;
            };
            let page = self.page(next)?;
            match page.kind {
                LEAF => page.leaves(visit)?,
                _ if levels.len() > DEPTH_MAX => {
                    return Err(invalid("bbolt page", page.at, "branches are nested deeper than 64"));
                }
                _ => levels.push(page.children()?),
            }
        }
        Ok(())
    }

    fn page(&mut self, id: u64) -> Result<Page<'a>, IndexError> {
        const WHAT: &str = "bbolt page";
        let BoltFile { bytes, page_bytes, pages, .. } = self.file;
        let at = usize::try_from(id).ok().and_then(|id| id.checked_mul(*page_bytes));
        let Some((at, rest)) = at.and_then(|at| Some((at, bytes.get(at..)?))).filter(|_| id < *pages) else {
            return Err(invalid(WHAT, 0, "a page outside the file is pointed to"));
        };
        let Some(overflow) = le32(rest, 12) else { return Err(IndexError::Truncated { what: WHAT, at: at as u64 }) };
        let count = overflow as usize + 1;
        let Some(content) = count.checked_mul(*page_bytes).and_then(|len| rest.get(..len)) else {
            return Err(IndexError::Truncated { what: WHAT, at: at as u64 });
        };
        let first = at / page_bytes;
        for page in first..first + count {
            let (word, bit) = (page / 64, 1u64 << (page % 64));
            match self.seen.get_mut(word) {
                Some(seen) if *seen & bit == 0 => *seen |= bit,
                _ => return Err(invalid(WHAT, at, "a page is pointed to twice")),
            }
        }
        Page::within(content, at, id)
    }
}

/// A pair, or a bucket.
struct Element<'a> {
    is_bucket: bool,
    key: &'a [u8],
    value: &'a [u8],
}

/// One page with what it overflows to.
struct Page<'a> {
    bytes: &'a [u8],
    /// Where in the file it lies; for one inside a value, where the value's element does.
    at: usize,
    kind: u16,
    count: usize,
}

impl<'a> Page<'a> {
    fn within(bytes: &'a [u8], at: usize, id: u64) -> Result<Self, IndexError> {
        const WHAT: &str = "bbolt page";
        let fields = (|| Some((le64(bytes, 0)?, le16(bytes, 8)?, le16(bytes, 10)?)))();
        let Some((found, kind, count)) = fields.filter(|_| bytes.len() >= PAGE_HEADER_BYTES) else {
            return Err(IndexError::Truncated { what: WHAT, at: at as u64 });
        };
        if found != id {
            return Err(invalid(WHAT, at, "its number is another's"));
        }
        if kind != LEAF && (kind != BRANCH || id == 0) {
            return Err(invalid(WHAT, at, "it is neither a branch nor a leaf"));
        }
        let count = usize::from(count);
        if count > (bytes.len() - PAGE_HEADER_BYTES) / ELEMENT_BYTES {
            return Err(invalid(WHAT, at, "it has fewer bytes than its elements need"));
        }
        Ok(Self { bytes, at, kind, count })
    }

    /// `len` bytes, `position` after the start of element `index`; what all elements take together stays within the page.
    fn part(&self, index: usize, position: u32, len: usize, left: &mut usize) -> Result<&'a [u8], IndexError> {
        let element = PAGE_HEADER_BYTES + index * ELEMENT_BYTES;
        let start = element + position as usize;
        let end = start.checked_add(len);
        let part = end.and_then(|end| self.bytes.get(start..end));
        match (part, left.checked_sub(len)) {
            (Some(part), Some(rest)) => {
                *left = rest;
                Ok(part)
            }
            _ => Err(invalid("bbolt element", self.at + element, "it reaches out of its page")),
        }
    }

    /// Calls `visit` with the elements of a leaf.
    fn leaves(&self, visit: Visit<'_, 'a>) -> Result<(), IndexError> {
        if self.kind != LEAF {
            return Err(invalid("bbolt page", self.at, "it is no leaf"));
        }
        let mut left = self.bytes.len();
        for index in 0..self.count {
            let element = PAGE_HEADER_BYTES + index * ELEMENT_BYTES;
            let number = |place: usize| le32(self.bytes, element + place).unwrap_or_default();
            let (flags, position, key, value) = (number(0), number(4), number(8) as usize, number(12) as usize);
            let Some(len) = key.checked_add(value) else {
                return Err(invalid("bbolt element", self.at + element, "it reaches out of its page"));
            };
            let (key, value) = self.part(index, position, len, &mut left)?.split_at(key);
            visit(self.at + element, Element { is_bucket: flags & IS_BUCKET != 0, key, value })?;
        }
        Ok(())
    }

    /// Pages below a branch, last first.
    fn children(&self) -> Result<Vec<u64>, IndexError> {
        if self.count == 0 {
            return Err(invalid("bbolt page", self.at, "a branch without children"));
        }
        let child = |index: usize| le64(self.bytes, PAGE_HEADER_BYTES + index * ELEMENT_BYTES + 8).unwrap_or_default();
        Ok((0..self.count).rev().map(child).collect())
    }
}
