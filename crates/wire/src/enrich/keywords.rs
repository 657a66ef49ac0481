//! The last resort of level detection: the earliest whole word of a line that names a level.

/// Words by first letter; the letter's place is its bit in [`FIRST`] and [`SECOND`].
const WORDS: [(&[u8], &str); 9] = [
    (b"trace", "trace"),
    (b"debug", "debug"),
    (b"fatal", "fatal"),
    (b"critical", "critical"),
    (b"error", "error"),
    (b"err", "error"),
    (b"warning", "warn"),
    (b"warn", "warn"),
    (b"info", "info"),
];
const STARTS: [[u8; 2]; 7] = [*b"tr", *b"de", *b"fa", *b"cr", *b"er", *b"wa", *b"in"];

const fn letters(place: usize) -> [u8; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < STARTS.len() {
        let letter = STARTS[at][place];
        table[letter as usize] |= 1 << at;
        table[letter.to_ascii_uppercase() as usize] |= 1 << at;
        at += 1;
    }
    table
}

const fn mask(bytes: &[u8]) -> [u8; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < bytes.len() {
        table[bytes[at] as usize] = 0xff;
        at += 1;
    }
    table
}

/// Which words a byte may begin, as bits.
static FIRST: [u8; 256] = letters(0);
/// Which words a byte may go on, as bits.
static SECOND: [u8; 256] = letters(1);
/// Bytes a word may follow.
static LEFT: [u8; 256] = mask(b" \t\n[({\"=");
/// Bytes that may follow a word.
static RIGHT: [u8; 256] = mask(b" \t\n[](){}:,!\"=");

/// The level named first in `line`, letters of either case.
pub(super) fn find(line: &[u8]) -> Option<&'static str> {
    if memchr::memchr(DOTTED_I[0], line).is_some() && memchr::memmem::find(line, DOTTED_I).is_some() {
        // The only other character whose lower case is a letter of these words.
        let folded = line.utf8_chunks().flat_map(|part| {
            part.valid().chars().map(|c| if c == 'İ' { 'i' } else { c }).chain(part.invalid().iter().map(|_| '?'))
        });
        return earliest(folded.collect::<String>().as_bytes());
    }
    earliest(line)
}

const DOTTED_I: &[u8] = "İ".as_bytes();

fn earliest(line: &[u8]) -> Option<&'static str> {
    if let [first, second, ..] = line
        && FIRST[*first as usize] & SECOND[*second as usize] != 0
        && let Some(level) = word_at(line)
    {
        return Some(level);
    }
    for (at, window) in line.windows(3).enumerate() {
        // Three loads and no branch a byte: almost nothing passes.
        let hit = LEFT[window[0] as usize] & FIRST[window[1] as usize] & SECOND[window[2] as usize];
        if hit != 0
            && let Some(level) = word_at(&line[at + 1..])
        {
            return Some(level);
        }
    }
    None
}

#[cold]
fn word_at(rest: &[u8]) -> Option<&'static str> {
    WORDS.iter().find_map(|(word, level)| {
        let (head, tail) = rest.split_at_checked(word.len())?;
        let ends = tail.first().is_none_or(|next| RIGHT[*next as usize] != 0);
        (ends && head.eq_ignore_ascii_case(word)).then_some(*level)
    })
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn whole_words_only_and_the_earliest_wins() {
        for (line, level) in [
            ("error", Some("error")),
            ("an Error: x", Some("error")),
            ("[ERR] info", Some("error")),
            ("misc:error", None),
            ("errors info", Some("info")),
            ("(warning) fatal", Some("warn")),
            ("x=warn!", Some("warn")),
            ("terror debugging informal", None),
            ("a\tCRITICAL", Some("critical")),
            ("info.", None),
            ("-info info", Some("info")),
            ("e", None),
            ("", None),
            ("er", None),
            ("\u{e9}rror trace\u{e9} {trace}", Some("trace")),
        ] {
            assert_eq!(find(line.as_bytes()), level, "{line}");
        }
    }
}
