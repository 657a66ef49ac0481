//! What the replays share.
#![allow(dead_code)] // each test uses a part

use std::io::Read;

/// Reads a recorded file.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn byte(&mut self) -> u8 {
        let (&byte, rest) = self.0.split_first().expect("a byte");
        self.0 = rest;
        byte
    }

    pub(crate) fn number(&mut self) -> usize {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = self.byte();
            value |= usize::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return value;
            }
            shift += 7;
        }
    }

    pub(crate) fn bytes(&mut self) -> &'a [u8] {
        let len = self.number();
        let (bytes, rest) = self.0.split_at(len);
        self.0 = rest;
        bytes
    }

    pub(crate) fn text(&mut self) -> String {
        String::from_utf8(self.bytes().to_vec()).expect("recorded text is UTF-8")
    }
}

pub(crate) fn unpack(packed: &[u8]) -> Vec<u8> {
    let mut raw = Vec::new();
    flate2::read::GzDecoder::new(packed).read_to_end(&mut raw).expect("the recording unpacks");
    raw
}
