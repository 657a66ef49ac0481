//! Chance, and how things are spelt: literals, strings, blanks and comments.

use super::Generator;

/// Numbers as a query can write them.
const NUMBERS: [&str; 19] = [
    "0", "1", "5", "20.5", "200", "500", "-3", "1e2", ".5", ".25", "5.", "+2", "+0.5", "1_0", "2E1", "017", "0x1p-2",
    "0x1p-3", "-0.5",
];
/// Durations, in Prometheus' and in Go's form.
const DURATIONS: [&str; 14] =
    ["1ms", "10ms", "100ms", "1s", "1m30s", "1.5h", "-1s", "5us", "250µs", "1d", "2d", "1w", "3w", "100000ns"];
/// Sizes of every unit. None of them is rounded on upstream's way through its frontend.
const BYTES: [&str; 14] =
    ["1B", "512B", "1KB", "2k", "3MB", "1GB", "2G", "1TB", "3T", "1PB", "4P", "10MB", "0B", "256kB"];

impl Generator {
    /// SplitMix64 (Steele, Lea, Flood 2014).
    pub(super) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        let at = self.below(from.len() as u64);
        from[usize::try_from(at).unwrap_or_default()]
    }

    pub(super) fn number(&mut self) -> &'static str {
        self.pick(&NUMBERS)
    }

    pub(super) fn duration(&mut self) -> &'static str {
        self.pick(&DURATIONS)
    }

    pub(super) fn bytes(&mut self) -> &'static str {
        self.pick(&BYTES)
    }

    /// A string literal: back-quoted where that is possible, or with escapes.
    pub(super) fn quote(&mut self, text: &str) -> String {
        if self.chance(35) && !text.contains(['`', '\r']) {
            return format!("`{text}`");
        }
        let spelling = self.below(8);
        let mut quoted = String::from("\"");
        for (at, c) in text.chars().enumerate() {
            match c {
                '"' => quoted.push_str("\\\""),
                '\\' => quoted.push_str("\\\\"),
                '\n' => quoted.push_str("\\n"),
                '\t' => quoted.push_str("\\t"),
                c if c < ' ' => quoted += &format!("\\x{:02x}", u32::from(c)),
                c if at == 0 && c.is_ascii_alphanumeric() && spelling == 0 => {
                    quoted += &format!("\\x{:02x}", u32::from(c))
                }
                c if at == 0 && c.is_ascii_alphanumeric() && spelling == 1 => {
                    quoted += &format!("\\{:03o}", u32::from(c))
                }
                c if at == 0 && spelling == 2 && u32::from(c) <= 0xffff => {
                    quoted += &format!("\\u{:04x}", u32::from(c))
                }
                c if at == 0 && spelling == 3 => quoted += &format!("\\U{:08x}", u32::from(c)),
                c => quoted.push(c),
            }
        }
        quoted.push('"');
        quoted
    }

    /// Puts a comment before or after the query, or between two of its words.
    pub(super) fn commented(&mut self, query: &str) -> String {
        match self.below(6) {
            0 => format!("{query} # a comment"),
            1 => format!("{query} // a comment"),
            2 => format!("/* a comment */ {query}"),
            3 => format!("# a comment\n{query}"),
            4 => format!("// a comment\r\n\t{query}"),
            _ => format!("\n  {query}\n/* a\ncomment */"),
        }
    }

    /// Writes a word as upper case now and then: keywords do not care.
    pub(super) fn word(&mut self, word: &str) -> String {
        if self.chance(4) { word.to_ascii_uppercase() } else { word.to_owned() }
    }
}
