//! `ReplaceAll` and its templates.

use crate::regex::{Captures, GoRegex, Subject};
use crate::unicode::is_in_category;
use crate::utf8;

/// What a match is replaced by.
enum Template<'t> {
    Literal(&'t [u8]),
    Pieces(Vec<Piece<'t>>),
}

/// A piece of a template with variables.
enum Piece<'t> {
    Text(&'t [u8]),
    /// What the first of these groups that took part matched.
    Groups(Vec<usize>),
}

impl GoRegex {
    /// A copy of `hay` with every match replaced by `template`, as Go's `ReplaceAll` does it.
    ///
    /// In the template `$name`, `${name}`, `$1` and `${1}` stand for groups and `$$` for a dollar. `$1x` is the group named
    /// `1x`, not group 1; a group that is not there or took no part is nothing.
    pub fn replace_all(&self, hay: &[u8], template: &[u8]) -> Vec<u8> {
        if memchr::memchr(b'$', template).is_none() {
            return self.replace_all_literal(hay, template);
        }
        self.replace(hay, &Template::Pieces(self.pieces(template)))
    }

    /// A copy of `hay` with every match replaced by `text` as it is, as Go's `ReplaceAllLiteral` does it.
    pub fn replace_all_literal(&self, hay: &[u8], text: &[u8]) -> Vec<u8> {
        self.replace(hay, &Template::Literal(text))
    }

    fn replace(&self, hay: &[u8], template: &Template<'_>) -> Vec<u8> {
        let subject = self.subject(hay);
        let len = subject.text().len();
        let mut captures = self.create_captures();
        let mut out = Vec::with_capacity(hay.len());
        // All in offsets of the subject's text: where the search goes on, where the last match ended.
        let (mut at, mut last_end) = (0, 0);
        while at <= len {
            let found = match template {
                Template::Literal(_) => self.find_in(&subject, at),
                Template::Pieces(_) => {
                    if self.captures_in(&subject, at, &mut captures) {
                        captures.get(0)
                    } else {
                        None
                    }
                }
            };
            let Some((start, end)) = found else { break };
            out.extend_from_slice(subject.original(last_end, start));
            // An empty match directly after another match is not replaced.
            if end > last_end || start == 0 {
                match template {
                    Template::Literal(text) => out.extend_from_slice(text),
                    Template::Pieces(pieces) => expand(pieces, &captures, &subject, &mut out),
                }
            }
            last_end = end;
            // By one rune at least; at the end by one, which ends the loop.
            at = end.max(at + subject.width(at).max(1));
        }
        out.extend_from_slice(subject.original(last_end, len));
        out
    }

    /// Takes a template apart.
    fn pieces<'t>(&self, template: &'t [u8]) -> Vec<Piece<'t>> {
        let mut pieces = Vec::new();
        let mut rest = template;
        while let Some(dollar) = memchr::memchr(b'$', rest) {
            pieces.push(Piece::Text(&rest[..dollar]));
            let after = &rest[dollar + 1..];
            if after.first() == Some(&b'$') {
                pieces.push(Piece::Text(b"$"));
                rest = &after[1..];
            } else if let Some((name, tail)) = variable(after) {
                pieces.push(Piece::Groups(self.groups(name)));
                rest = tail;
            } else {
                // Not a variable: the dollar is itself.
                pieces.push(Piece::Text(b"$"));
                rest = after;
            }
        }
        pieces.push(Piece::Text(rest));
        pieces
    }

    /// The groups a variable may mean: one if it is a number, all of that name otherwise.
    fn groups(&self, name: &[u8]) -> Vec<usize> {
        let number = name.iter().all(u8::is_ascii_digit) && (name.len() == 1 || name[0] != b'0');
        let name = std::str::from_utf8(name).unwrap_or_default();
        if number {
            return name.parse().into_iter().collect();
        }
        let names = self.capture_names().enumerate();
        names.filter(|(_, group)| *group == Some(name)).map(|(index, _)| index).collect()
    }
}

/// The name at the start of `text`, with or without braces, and what follows. A name is letters, digits and underscores.
fn variable(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (braced, text) = text.strip_prefix(b"{").map_or((false, text), |text| (true, text));
    let mut len = 0;
    loop {
        let (rune, width) = utf8::decode(&text[len..]);
        if rune != u32::from(b'_') && !is_in_category(rune, "L") && !is_in_category(rune, "Nd") {
            break;
        }
        len += width;
    }
    let (name, rest) = text.split_at(len);
    match (name.is_empty(), braced) {
        (true, _) => None,
        (false, false) => Some((name, rest)),
        (false, true) => rest.strip_prefix(b"}").map(|rest| (name, rest)),
    }
}

fn expand(pieces: &[Piece<'_>], captures: &Captures, subject: &Subject<'_>, out: &mut Vec<u8>) {
    for piece in pieces {
        match piece {
            Piece::Text(text) => out.extend_from_slice(text),
            Piece::Groups(groups) => {
                if let Some((start, end)) = groups.iter().find_map(|&group| captures.get(group)) {
                    out.extend_from_slice(subject.original(start, end));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replace(pattern: &str, hay: &str, template: &str) -> String {
        let regex = GoRegex::new(pattern).expect(pattern);
        String::from_utf8(regex.replace_all(hay.as_bytes(), template.as_bytes())).expect("UTF-8 in, UTF-8 out")
    }

    #[test]
    fn templates() {
        assert_eq!(replace("a(x*)b", "-ab-axxb-", "${1}W"), "-W-xxW-");
        assert_eq!(replace("a(x*)b", "-ab-axxb-", "$1W"), "---");
        assert_eq!(replace("(?P<first>\\w)(?P<second>\\w)", "abc", "$second$first$$"), "ba$c");
        assert_eq!(replace("b", "abc", "${b"), "a${bc");
        assert_eq!(replace("(?P<n>x)|(?P<n>y)", "xyz", "[$n]"), "[x][y]z");
        assert_eq!(replace("a*", "baac", "<$0>"), "<>b<aa>c<>");
        assert_eq!(replace("é", "aéb", "$01$10"), "ab");
    }

    #[test]
    fn stray_bytes_survive() {
        let regex = GoRegex::new("(.)b").expect("valid");
        assert_eq!(regex.replace_all(b"a\xFFb\xE2c", b"[$1]"), b"a[\xFF]\xE2c");
    }
}
