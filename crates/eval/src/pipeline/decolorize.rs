//! `| decolorize`: takes terminal colour sequences out of the line.

use crate::regex::Regex;

/// What upstream removes (specification 4.10), with Go's ASCII digit class written out.
const ANSI: &str = "[\u{1b}\u{9b}][\\[\\]()#;?]*(?:(?:(?:[a-zA-Z0-9]*(?:;[a-zA-Z0-9]*)*)?\u{7})|\
                    (?:(?:[0-9]{1,4}(?:;[0-9]{0,4})*)?[0-9A-PRZcf-ntqry=><~]))";

/// Removes the sequences.
#[derive(Clone, Debug)]
pub(crate) struct Decolorizer {
    ansi: Regex,
}

impl Decolorizer {
    pub(crate) fn new() -> Result<Self, String> {
        Ok(Self { ansi: Regex::new(ANSI)? })
    }

    /// Writes the plain line to `out`; `false` if `line` is plain already (then `out` holds nothing of use).
    pub(crate) fn run(&self, line: &[u8], out: &mut Vec<u8>) -> bool {
        if memchr::memchr2(0x1b, 0x9b, line).is_none() {
            return false;
        }
        out.clear();
        let mut from = 0;
        while let Some((start, end)) = self.ansi.find_at(line, from) {
            out.extend_from_slice(&line[from..start]);
            from = end;
        }
        if from == 0 {
            return false;
        }
        out.extend_from_slice(&line[from..]);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_vanish() {
        let decolorizer = Decolorizer::new().expect("constant expression");
        let mut out = Vec::new();
        assert!(decolorizer.run(b"a\x1b[31mred\x1b[0m b\x1b]0;title\x07c", &mut out));
        assert_eq!(out, b"ared bc");
        assert!(decolorizer.run("x\u{9b}1;2my".as_bytes(), &mut out));
        assert_eq!(out, b"xy");
        assert!(!decolorizer.run(b"plain", &mut out));
        assert!(!decolorizer.run(b"bad \x9b byte", &mut out));
    }
}
