//! `{"streams":[{"labels":"{k=\"v\"}","entries":[{"ts":"<RFC3339>","line":"…","structuredMetadata":{…}}]}]}`
//!
//! Names are compared without regard to case. Errors name the path to the value; upstream's parser goes on after an
//! error and piles up more names in front, which is not repeated here.

use std::collections::BTreeMap;

use loptr_model::Nanos;

use crate::go;
use crate::lenient::{self, Kind, Members, unescape_into};
use crate::push::cursor::{Cursor, Fault, Text};
use crate::push::saturating_nanos;
use crate::push::table::Table;

/// Seconds of the year 1: the time of an entry without one.
const ZERO_SECONDS: i64 = -62_135_596_800;

/// Takes a name and value.
type AddPair<'f> = dyn FnMut(&[u8], &[u8]) -> Result<(), Fault> + 'f;

/// Reads the value of a known field; None leaves it to be skipped.
type ReadField<'f> = dyn FnMut(&mut Cursor<'_>, &[u8]) -> Option<Result<(), Fault>> + 'f;

pub(super) fn document(cursor: &mut Cursor<'_>, table: &mut Table) -> Result<(), Fault> {
    object(cursor, "push.PushRequest.", &mut |cursor, name| match name {
        b"streams" => Some(
            array(cursor, &mut |cursor, start| {
                if start {
                    table.drop_streams();
                    return Ok(());
                }
                stream(cursor, table)
            })
            .map_err(|fault| fault.within("Streams: []push.Stream: ")),
        ),
        b"format" => Some(cursor.string().map(drop).map_err(|fault| fault.within("Format: "))),
        _ => None,
    })
}

fn stream(cursor: &mut Cursor<'_>, table: &mut Table) -> Result<(), Fault> {
    table.open_stream();
    object(cursor, "push.Stream.", &mut |cursor, name| match name {
        b"labels" => Some(labels(cursor, table).map_err(|fault| fault.within("Labels: "))),
        b"entries" => Some(
            array(cursor, &mut |cursor, start| {
                if start {
                    table.drop_entries();
                    return Ok(());
                }
                entry(cursor, table)
            })
            .map_err(|fault| fault.within("Entries: []push.Entry: ")),
        ),
        _ => None,
    })
}

fn labels(cursor: &mut Cursor<'_>, table: &mut Table) -> Result<(), Fault> {
    let mut text = Vec::new();
    if let Some(found) = cursor.string()? {
        put_text(cursor.buf(), found, &mut text);
    }
    Ok(table.set_labels(&text)?)
}

fn entry(cursor: &mut Cursor<'_>, table: &mut Table) -> Result<(), Fault> {
    let mark = table.pair_mark();
    let mut ts = saturating_nanos(ZERO_SECONDS, 0);
    let mut line = table.line_in_body(0, 0);
    object(cursor, "push.Entry.", &mut |cursor, name| match name {
        b"ts" => Some(timestamp(cursor, &mut ts).map_err(|fault| fault.within("Timestamp: "))),
        b"line" => Some(match cursor.string() {
            Ok(None) => {
                line = table.line_in_body(0, 0);
                Ok(())
            }
            Ok(Some(found)) if !found.escaped => {
                line = table.line_in_body(found.start, found.end - found.start);
                Ok(())
            }
            Ok(Some(found)) => {
                let start = table.unescaped().len();
                put_text(cursor.buf(), found, table.unescaped());
                line = table.line_unescaped(start);
                Ok(())
            }
            Err(fault) => Err(fault.within("Line: ")),
        }),
        b"structuredmetadata" => {
            table.drop_pairs(mark);
            Some(
                metadata(cursor, &mut |name, value| Ok(table.add_pair(name, value)?))
                    .map_err(|fault| fault.within("StructuredMetadata: ")),
            )
        }
        b"parsed" => Some(metadata(cursor, &mut |_, _| Ok(())).map_err(|fault| fault.within("Parsed: "))),
        _ => None,
    })?;
    table.add_entry(ts, line, mark);
    Ok(())
}

fn timestamp(cursor: &mut Cursor<'_>, ts: &mut Nanos) -> Result<(), Fault> {
    let (start, end) = cursor.skip_value()?;
    let text = &cursor.buf()[start..end];
    if text == b"null" {
        return Ok(());
    }
    let Some(quoted) = text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\"")) else {
        return Err(cursor.fault("unmarshalerDecoder", "Time.UnmarshalJSON: input is not a JSON string"));
    };
    match go::parse_rfc3339(&String::from_utf8_lossy(quoted)) {
        Ok((seconds, nanos)) => {
            *ts = saturating_nanos(seconds, nanos);
            Ok(())
        }
        Err(error) => Err(cursor.fault("unmarshalerDecoder", &error.to_string())),
    }
}

/// An object of texts; `null` counts as an empty text. Sorted by name, the last of a repeated name.
fn metadata(cursor: &mut Cursor<'_>, add: &mut AddPair<'_>) -> Result<(), Fault> {
    let (start, end) = cursor.skip_value()?;
    let object = &cursor.buf()[start..end];
    let refuse = |found: Option<Kind>, wanted: &str| {
        let found = match found {
            Some(Kind::Number) => "number",
            Some(Kind::Boolean) => "bool",
            Some(Kind::Array) => "array",
            Some(Kind::Object) => "object",
            _ => "string",
        };
        cursor.fault("unmarshalerDecoder", &format!("json: cannot unmarshal {found} into Go value of type {wanted}"))
    };
    let whole = lenient::value(object, 0).ok();
    match whole.map(|value| value.kind) {
        Some(Kind::Null) => return Ok(()),
        Some(Kind::Object) => {}
        other => return Err(refuse(other, "map[string]string")),
    }
    let broken = |flaw: lenient::Flaw| cursor.fault("unmarshalerDecoder", flaw.text());
    let mut pairs = BTreeMap::new();
    let mut members = Members::open(object, 0).map_err(broken)?;
    while let Some(name) = members.name().map_err(broken)? {
        let found = lenient::value(object, members.at()).map_err(broken)?;
        let text = |start: &[u8]| {
            let mut out = Vec::new();
            put_text(start, Text { start: 0, end: start.len(), escaped: true }, &mut out);
            out
        };
        let value = match found.kind {
            Kind::Text => text(found.of(object)),
            Kind::Null => Vec::new(),
            other => return Err(refuse(Some(other), "string")),
        };
        pairs.insert(text(name.raw), value);
        members.advance(found.next).map_err(broken)?;
    }
    pairs.iter().try_for_each(|(name, value)| add(name, value))
}

/// Calls `field` with each name in lower case; what it does not know (None) is skipped.
fn object(cursor: &mut Cursor<'_>, path: &str, field: &mut ReadField<'_>) -> Result<(), Fault> {
    if !cursor.object_start()? {
        return Ok(());
    }
    let mut name = Vec::new();
    loop {
        let outcome = cursor.field_name().and_then(|text| {
            name.clear();
            put_text(cursor.buf(), text, &mut name);
            name.make_ascii_lowercase();
            match field(cursor, &name) {
                Some(outcome) => outcome,
                None => cursor.skip(),
            }
        });
        outcome.map_err(|fault| fault.within(path))?;
        if cursor.object_end().map_err(|fault| fault.within(path))? {
            return Ok(());
        }
    }
}

/// Calls `element` once with true where the list begins anew, then with false for each element.
fn array(
    cursor: &mut Cursor<'_>,
    element: &mut dyn FnMut(&mut Cursor<'_>, bool) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let start = cursor.slice_start()?;
    element(cursor, true)?;
    if start != Some(true) {
        return Ok(());
    }
    loop {
        element(cursor, false)?;
        if !cursor.slice_more()? {
            return Ok(());
        }
    }
}

/// Appends a checked text, escapes decoded; half a surrogate pair becomes U+FFFD.
fn put_text(buf: &[u8], text: Text, out: &mut Vec<u8>) {
    let raw = &buf[text.start..text.end];
    let mark = out.len();
    if !text.escaped {
        out.extend_from_slice(raw);
    } else if !unescape_into(raw, out) {
        out.truncate(mark);
        put_lone_surrogates(raw, out);
    }
}

fn put_lone_surrogates(mut raw: &[u8], out: &mut Vec<u8>) {
    while !raw.is_empty() {
        // One escape, or the bytes up to the next one, at a time: only half pairs fail here.
        let piece = match raw {
            [b'\\', b'u', ..] => {
                let pair = raw.get(..12).filter(|pair| pair[6..8] == *b"\\u" && unescape_into(pair, &mut Vec::new()));
                pair.unwrap_or(&raw[..raw.len().min(6)])
            }
            [b'\\', ..] => &raw[..raw.len().min(2)],
            _ => &raw[..memchr::memchr(b'\\', raw).unwrap_or(raw.len())],
        };
        let mark = out.len();
        if !unescape_into(piece, out) {
            out.truncate(mark);
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
        raw = &raw[piece.len()..];
    }
}
