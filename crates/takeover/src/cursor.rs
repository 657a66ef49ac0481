//! A record's bytes, taken from the front; every length is checked.

use std::borrow::Cow;

use loptr_model::{Labels, TenantId};

use crate::UpstreamError;

/// Structured metadata: names and values.
pub(crate) type Pairs<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.left() == 0
    }

    pub(crate) fn fault(&self, what: &'static str) -> UpstreamError {
        UpstreamError::Record { at: self.at as u64, what }
    }

    pub(crate) fn take(&mut self, len: u64, what: &'static str) -> Result<&'a [u8], UpstreamError> {
        let len = usize::try_from(len).ok().filter(|&len| len <= self.left()).ok_or_else(|| self.fault(what))?;
        let taken = &self.bytes[self.at..self.at + len];
        self.at += len;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], UpstreamError> {
        let taken = self.take(N as u64, what)?;
        Ok(*taken.first_chunk().expect("as many bytes were taken"))
    }

    pub(crate) fn byte(&mut self, what: &'static str) -> Result<u8, UpstreamError> {
        self.array::<1>(what).map(|[byte]| byte)
    }

    pub(crate) fn be32(&mut self, what: &'static str) -> Result<u32, UpstreamError> {
        self.array(what).map(u32::from_be_bytes)
    }

    pub(crate) fn be64(&mut self, what: &'static str) -> Result<u64, UpstreamError> {
        self.array(what).map(u64::from_be_bytes)
    }

    pub(crate) fn uv(&mut self, what: &'static str) -> Result<u64, UpstreamError> {
        let mut value = 0u64;
        for (at, &byte) in self.bytes[self.at..].iter().take(10).enumerate() {
            let bits = u64::from(byte & 0x7f);
            if at == 9 && byte > 1 {
                return Err(self.fault("number does not fit 64 bits"));
            }
            value |= bits << (7 * at);
            if byte < 0x80 {
                self.at += at + 1;
                return Ok(value);
            }
        }
        Err(self.fault(what))
    }

    pub(crate) fn sv(&mut self, what: &'static str) -> Result<i64, UpstreamError> {
        let zigzag = self.uv(what)?;
        Ok((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64))
    }

    /// `len uv ‖ bytes`.
    pub(crate) fn sized(&mut self, what: &'static str) -> Result<&'a [u8], UpstreamError> {
        let len = self.uv(what)?;
        self.take(len, what)
    }

    /// How many things follow, each of which takes `least` bytes: more than fit is a fault, so that nothing is
    /// reserved for them.
    pub(crate) fn count(&mut self, least: usize, what: &'static str) -> Result<u64, UpstreamError> {
        let start = self.at;
        let count = self.uv(what)?;
        if count > (self.left() / least) as u64 {
            return Err(UpstreamError::Record { at: start as u64, what });
        }
        Ok(count)
    }

    pub(crate) fn tenant(&mut self) -> Result<TenantId, UpstreamError> {
        tenant(self.sized("record ends inside the tenant")?)
    }

    /// Labels as Prometheus' series records have them.
    pub(crate) fn labels(&mut self) -> Result<Labels, UpstreamError> {
        let count = self.count(2, "more labels than bytes")?;
        let mut pairs = Vec::with_capacity(count as usize);
        for _ in 0..count {
            pairs.push((self.text()?, self.text()?));
        }
        Ok(Labels::from_pairs(pairs))
    }

    fn text(&mut self) -> Result<&'a str, UpstreamError> {
        let before = *self;
        let bytes = self.sized("record ends inside a label")?;
        std::str::from_utf8(bytes).map_err(|_| before.fault("label is not UTF-8"))
    }

    /// Structured metadata with its texts; what is not UTF-8 becomes U+FFFD, as it does in chunks.
    pub(crate) fn pairs(&mut self) -> Result<Pairs<'a>, UpstreamError> {
        let count = self.count(2, "more structured metadata than bytes")?;
        let mut pairs = Vec::with_capacity(count as usize);
        for _ in 0..count {
            let name = self.sized("record ends inside structured metadata")?;
            let value = self.sized("record ends inside structured metadata")?;
            pairs.push((String::from_utf8_lossy(name), String::from_utf8_lossy(value)));
        }
        Ok(pairs)
    }
}

pub(crate) fn tenant(bytes: &[u8]) -> Result<TenantId, UpstreamError> {
    let text = String::from_utf8_lossy(bytes);
    TenantId::parse(&text)
        .map_err(|error| UpstreamError::Tenant { tenant: text.into_owned(), reason: error.to_string() })
}
