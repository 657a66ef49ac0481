//! `{"streams":[{"stream":{"k":"v"},"values":[["<ns>","<line>",{"name":"value"}]]}]}`
//!
//! The usual entry is read in one go by [`Reader::usual_entry`]; whatever looks different goes through the lenient
//! parser, which decides.

use loptr_model::{Nanos, go_quote_bytes};

use crate::lenient::{self, Flaw, Found, Kind, Members, each_element, integer, string_end, token, unescape_into};
use crate::push::PushError;
use crate::push::cursor::{Cursor, Fault};
use crate::push::table::{Line, Table};

pub(super) fn document(cursor: &mut Cursor<'_>, table: &mut Table) -> Result<(), Fault> {
    if !cursor.object_start()? {
        return Ok(());
    }
    members(cursor, table).map_err(|fault| fault.within("loghttp.PushRequest."))
}

fn members(cursor: &mut Cursor<'_>, table: &mut Table) -> Result<(), Fault> {
    let mut buffer = Vec::new();
    loop {
        let name = cursor.field_name()?;
        let raw = &cursor.buf()[name.start..name.end];
        if (lenient::Name { raw, escaped: name.escaped }).is_field(b"streams", &mut buffer) {
            streams(cursor, table).map_err(|fault| fault.within("Streams: []loghttp.LogProtoStream: "))?;
        } else {
            cursor.skip()?;
        }
        if cursor.object_end()? {
            return Ok(());
        }
    }
}

fn streams(cursor: &mut Cursor<'_>, table: &mut Table) -> Result<(), Fault> {
    table.drop_streams();
    if cursor.slice_start()? != Some(true) {
        return Ok(());
    }
    loop {
        let (start, end) = cursor.skip_value()?;
        let mut reader = Reader { data: &cursor.buf()[..end], table, scratch: Vec::new() };
        match reader.stream(start) {
            Ok(()) => {}
            Err(Trouble::Flaw(flaw)) => return Err(cursor.fault("unmarshalerDecoder", flaw.text())),
            Err(Trouble::Push(error)) => return Err(Fault::Final(error)),
        }
        if !cursor.slice_more()? {
            return Ok(());
        }
    }
}

enum Trouble {
    Flaw(Flaw),
    Push(PushError),
}

impl From<Flaw> for Trouble {
    fn from(flaw: Flaw) -> Self {
        Trouble::Flaw(flaw)
    }
}

impl From<PushError> for Trouble {
    fn from(error: PushError) -> Self {
        Trouble::Push(error)
    }
}

/// Reads one stream; `data` ends with it, and places in `data` are places in the body.
struct Reader<'a, 't> {
    data: &'a [u8],
    table: &'t mut Table,
    scratch: Vec<u8>,
}

impl Reader<'_, '_> {
    fn stream(&mut self, start: usize) -> Result<(), Trouble> {
        self.table.open_stream();
        let data = self.data;
        let mut members = Members::open(data, start)?;
        let mut buffer = Vec::new();
        while let Some(name) = members.name()? {
            let next = match name.plain(&mut buffer)? {
                b"stream" => {
                    let found = lenient::value(data, members.at())?;
                    self.labels(found.of(data))?;
                    found.next
                }
                b"values" => self.values(members.at())?,
                _ => lenient::value(data, members.at())?.next,
            };
            members.advance(next)?;
        }
        Ok(())
    }

    /// Renders the label object as label text: sorted, the last of a repeated name.
    fn labels(&mut self, object: &[u8]) -> Result<(), Trouble> {
        let mut labels = std::collections::BTreeMap::new();
        let mut members = Members::open(object, 0)?;
        let mut buffer = Vec::new();
        while let Some(name) = members.name()? {
            let once = name.plain(&mut buffer)?;
            let found = lenient::value(object, members.at())?;
            let (mut key, mut value) = (Vec::new(), Vec::new());
            // Values of any kind are taken as text, and names are unescaped twice: upstream's ways.
            if !unescape_into(found.of(object), &mut value) || !unescape_into(once, &mut key) {
                return Err(Flaw::Value.into());
            }
            labels.insert(key, value);
            members.advance(found.next)?;
        }
        let mut text = Vec::from(*b"{");
        for (at, (name, value)) in labels.iter().enumerate() {
            if at > 0 {
                text.extend_from_slice(b", ");
            }
            text.extend_from_slice(name);
            text.push(b'=');
            text.extend_from_slice(go_quote_bytes(value).as_bytes());
        }
        text.push(b'}');
        Ok(self.table.set_labels(&text)?)
    }

    /// Reads the value of `values` at or after `at`; answers where it ends.
    fn values(&mut self, at: usize) -> Result<usize, Trouble> {
        let data = self.data;
        let start = token(data, at).ok_or(Flaw::Json)?;
        if data[start] == b'[' {
            self.table.drop_entries();
            return self.array(start);
        }
        let found = lenient::value(data, start)?;
        if found.kind != Kind::Null {
            self.table.drop_entries();
            let mut elements = Vec::new();
            let outcome = each_element(found.of(data), |element| elements.push(element));
            let mut first_flaw = Ok(());
            for element in elements {
                let place = Found {
                    start: found.start + element.start,
                    end: found.start + element.end,
                    next: found.start + element.next,
                    ..element
                };
                first_flaw = first_flaw.and(self.element(place));
            }
            // A broken array outranks a broken entry.
            outcome?;
            first_flaw?;
        }
        Ok(found.next)
    }

    /// Reads the entries of the array at `start`, known to be well-formed.
    fn array(&mut self, start: usize) -> Result<usize, Trouble> {
        let data = self.data;
        let mut first_flaw = Ok(());
        let mut at = token(data, start + 1).ok_or(Flaw::Json)?;
        if data[at] == b']' {
            return Ok(at + 1);
        }
        loop {
            let next = match self.usual_entry(at)? {
                Some(next) => next,
                None => {
                    let found = lenient::value(data, at)?;
                    first_flaw = first_flaw.and(self.element(found));
                    found.next
                }
            };
            at = token(data, next).ok_or(Flaw::Array)?;
            match data[at] {
                b']' => break,
                b',' => at = token(data, at + 1).ok_or(Flaw::Json)?,
                _ => return Err(Flaw::Array.into()),
            }
        }
        first_flaw.map(|()| at + 1)
    }

    /// Reads `["<ns>", "<line>"]` or `["<ns>", "<line>", {names and text values}]` at `at`.
    /// None, and nothing kept, when it looks any different.
    fn usual_entry(&mut self, at: usize) -> Result<Option<usize>, PushError> {
        let mark = self.table.pair_mark();
        match self.try_usual_entry(at)? {
            Some((ts, line, next)) => {
                self.table.add_entry(ts, line, mark);
                Ok(Some(next))
            }
            None => {
                self.table.drop_pairs(mark);
                Ok(None)
            }
        }
    }

    fn try_usual_entry(&mut self, at: usize) -> Result<Option<(Nanos, Line, usize)>, PushError> {
        let data = self.data;
        let Some(at) = after(data, at, b'[') else { return Ok(None) };
        let Some(digits) = after(data, at, b'"') else { return Ok(None) };
        let Some(len) = data[digits..].iter().take(24).position(|byte| *byte == b'"') else { return Ok(None) };
        let Ok(ts) = integer(&data[digits..digits + len]) else { return Ok(None) };
        let Some(at) = after(data, digits + len + 1, b',') else { return Ok(None) };
        let Some(start) = after(data, at, b'"') else { return Ok(None) };
        let Some((next, escaped)) = string_end(data, start) else { return Ok(None) };
        let Some(line) = self.line(start, next - 1, escaped) else { return Ok(None) };
        let Some(at) = token(data, next) else { return Ok(None) };
        let end = match data[at] {
            b']' => at,
            b',' => match self.usual_metadata(at + 1)? {
                Some(next) => match token(data, next) {
                    Some(end) if data[end] == b']' => end,
                    _ => return Ok(None),
                },
                None => return Ok(None),
            },
            _ => return Ok(None),
        };
        Ok(Some((Nanos(ts), line, end + 1)))
    }

    fn usual_metadata(&mut self, at: usize) -> Result<Option<usize>, PushError> {
        let data = self.data;
        let Ok(mut members) = Members::open(data, at) else { return Ok(None) };
        loop {
            match members.name() {
                Ok(None) => return Ok(Some(members.at())),
                Ok(Some(name)) if !name.escaped => {
                    let Some(start) = after(data, members.at(), b'"') else { return Ok(None) };
                    let Some((next, escaped)) = string_end(data, start) else { return Ok(None) };
                    if !self.pair(name.raw, &data[start..next - 1], escaped)? {
                        return Ok(None);
                    }
                    if members.advance(next).is_err() {
                        return Ok(None);
                    }
                }
                _ => return Ok(None),
            }
        }
    }

    /// Adds a pair; false when the value's escapes are malformed.
    fn pair(&mut self, name: &[u8], value: &[u8], escaped: bool) -> Result<bool, PushError> {
        if !escaped {
            self.table.add_pair(name, value)?;
            return Ok(true);
        }
        self.scratch.clear();
        if !unescape_into(value, &mut self.scratch) {
            return Ok(false);
        }
        self.table.add_pair(name, &self.scratch)?;
        Ok(true)
    }

    fn line(&mut self, start: usize, end: usize, escaped: bool) -> Option<Line> {
        if !escaped {
            return Some(self.table.line_in_body(start, end - start));
        }
        let unescaped = self.table.unescaped();
        let mark = unescaped.len();
        if !unescape_into(&self.data[start..end], unescaped) {
            unescaped.truncate(mark);
            return None;
        }
        Some(self.table.line_unescaped(mark))
    }

    /// One element of `values`, the lenient way.
    fn element(&mut self, element: Found) -> Result<(), Trouble> {
        if element.kind == Kind::Null {
            return Ok(());
        }
        let data = self.data;
        let mark = self.table.pair_mark();
        let (mut ts, mut line) = (Nanos(i64::MIN), self.table.line_in_body(element.start, 0));
        let mut index = 0;
        // The last flaw of the parts is the one reported, and outranks that of the array around them.
        let mut outcome: Result<(), Trouble> = Ok(());
        let walked = each_element(element.of(data), |part| {
            let part = Found { start: element.start + part.start, end: element.start + part.end, ..part };
            match self.part(index, part, &mut ts, &mut line, mark) {
                Ok(()) => index += 1,
                Err(trouble) => outcome = Err(trouble),
            }
        });
        outcome?;
        walked?;
        self.table.add_entry(ts, line, mark);
        Ok(())
    }

    fn part(&mut self, index: usize, part: Found, ts: &mut Nanos, line: &mut Line, mark: usize) -> Result<(), Trouble> {
        let data = self.data;
        match (index, part.kind) {
            (0 | 1, kind) if kind != Kind::Text => Err(Flaw::Text.into()),
            (2, kind) if kind != Kind::Object => Err(Flaw::Object.into()),
            (0, _) => {
                *ts = Nanos(integer(part.of(data))?);
                Ok(())
            }
            (1, _) => {
                *line = self.line(part.start, part.end, true).ok_or(Flaw::Value)?;
                Ok(())
            }
            (2, _) => {
                self.table.drop_pairs(mark);
                self.metadata(part.of(data))
            }
            _ => Ok(()),
        }
    }

    fn metadata(&mut self, object: &[u8]) -> Result<(), Trouble> {
        let mut members = Members::open(object, 0)?;
        let mut buffer = Vec::new();
        while let Some(name) = members.name()? {
            let plain = name.plain(&mut buffer)?;
            let found = lenient::value(object, members.at())?;
            if found.kind != Kind::Text {
                return Err(Flaw::Text.into());
            }
            if !self.pair(plain, found.of(object), true)? {
                return Err(Flaw::Value.into());
            }
            members.advance(found.next)?;
        }
        Ok(())
    }
}

/// Past the byte `expected`, if it is the next one that is not white space.
fn after(data: &[u8], at: usize, expected: u8) -> Option<usize> {
    token(data, at).filter(|&found| data[found] == expected).map(|found| found + 1)
}
