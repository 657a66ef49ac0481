//! What the keys of the index bucket say: labels of a series, chunks of a series.
//!
//! ```text
//! key      hash value ‖ 00 ‖ range value
//! range    part ‖ 00 ‖ … ‖ kind ‖ 00
//! 7        [shard:]tenant:dDAY:logs         id, "", "", 7               "-"
//! 8        [shard:]tenant:dDAY:logs:name    hash of value, id, "", 8    the value
//! 9        id                               "", "", "", 9               names as JSON
//! 3        tenant:dDAY:id                   through, "", chunk key, 3   "-" or nothing
//! ```

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use loptr_model::{ChunkRef, Fingerprint, Labels, METRIC_NAME, Millis};
use sha2::{Digest as _, Sha256};

use crate::error::IndexError;

/// What stands for the metric's name in all rows.
const METRIC: &str = "logs";
/// The value of rows whose key says everything.
const EMPTY: &[u8] = b"-";
/// Milliseconds of a table.
const DAY_MILLIS: i64 = 86_400_000;

/// How a period writes rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoltRows {
    /// Number of the schema: from 10 on rows of labels are sharded, from 11 on there are rows of names.
    pub schema: u8,
    /// Shards of the rows of labels (`row_shards`).
    pub row_shards: u32,
}

/// A row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row<'a> {
    /// A series has this label.
    Label {
        /// Whose.
        tenant: &'a str,
        /// Id of the series.
        series: &'a [u8],
        /// Label name.
        name: &'a str,
        /// Label value.
        value: &'a [u8],
    },
    /// A series has this chunk.
    Chunk {
        /// Whose.
        tenant: &'a str,
        /// Id of the series.
        series: &'a [u8],
        /// The chunk.
        chunk: ChunkRef,
    },
    /// What labels say as well: that there is a series, and names of its labels.
    Repeated,
}

impl<'a> Row<'a> {
    /// Reads a pair.
    pub fn parse(key: &'a [u8], value: &'a [u8]) -> Result<Self, IndexError> {
        parse(key, value).map_err(|why| IndexError::Invalid { what: "row of a boltdb index", at: 0, why })
    }
}

/// A row of a kind that schemas v9 to v13 have.
fn parse<'a>(key: &'a [u8], value: &'a [u8]) -> Result<Row<'a>, &'static str> {
    let end = key.iter().position(|byte| *byte == 0).ok_or("its key has no range value")?;
    let (hash, range) = (&key[..end], &key[end + 1..]);
    let mut parts = range.strip_suffix(&[0]).ok_or("its range value has no end")?.split(|byte| *byte == 0);
    let (Some(_), Some(second), Some(third), Some([kind]), None) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err("its range value has other than four parts");
    };
    match kind {
        b'7' | b'9' => return Ok(Row::Repeated),
        b'3' | b'8' => {}
        _ => return Err("its kind is none of schemas v9 to v13"),
    }
    let hash = std::str::from_utf8(hash).map_err(|_| "its hash value is not UTF-8")?;
    let mut words = hash.rsplit(':');
    let mut word = || words.next().ok_or("its hash value has too few parts");
    if *kind == b'3' {
        let (series, _day, tenant) = (word()?, word()?, word()?);
        let key = std::str::from_utf8(third).map_err(|_| "its chunk key is not UTF-8")?;
        let (owner, chunk) = chunk_of(key).ok_or("its chunk key is none")?;
        if owner != tenant {
            return Err("its chunk is another tenant's");
        }
        return Ok(Row::Chunk { tenant, series: series.as_bytes(), chunk });
    }
    let (name, metric, _day, tenant) = (word()?, word()?, word()?, word()?);
    if metric != METRIC {
        return Err("its metric is not logs");
    }
    Ok(Row::Label { tenant, series: second, name, value })
}

/// Tenant and chunk of a key in either form: `tenant/fp:from:through:sum` or `tenant/fp/from:through:sum`.
fn chunk_of(key: &str) -> Option<(&str, ChunkRef)> {
    let (tenant, rest) = key.split_once('/')?;
    let (fingerprint, rest) = rest.split_once(['/', ':'])?;
    let (from, rest) = rest.split_once(':')?;
    let (through, checksum) = rest.split_once(':')?;
    let chunk = ChunkRef {
        fingerprint: Fingerprint(hex(fingerprint)?),
        from: Millis(signed_hex(from)?),
        through: Millis(signed_hex(through)?),
        checksum: u32::try_from(hex(checksum)?).ok()?,
    };
    Some((tenant, chunk))
}

/// Digits alone: no sign, no prefix.
fn hex(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u64::from_str_radix(text, 16).ok())?
}

fn signed_hex(text: &str) -> Option<i64> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    let size = i128::from(hex(digits)?);
    i64::try_from(if negative { -size } else { size }).ok()
}

/// SHA-256 as rows have it.
fn hash_text(text: &str) -> String {
    STANDARD_NO_PAD.encode(Sha256::digest(text.as_bytes()))
}

/// Id of a series.
fn series_id(labels: &Labels) -> String {
    let labels = labels.without(METRIC_NAME);
    if labels.is_empty() { hash_text(METRIC) } else { hash_text(&format!("{METRIC}{labels}")) }
}

/// Called with a key's hash value, its parts, and the value.
type Put<'p> = &'p mut dyn FnMut(&str, [&[u8]; 3], u8, &[u8]);

impl BoltRows {
    /// The rows of table `day` for a chunk and its series; `through` is its end within the period.
    pub(super) fn of_chunk(
        self,
        day: i64,
        tenant: &str,
        labels: &Labels,
        chunk_key: &str,
        through: Millis,
        mut put: impl FnMut(Vec<u8>, Vec<u8>),
    ) {
        let mut put = |hash: &str, parts: [&[u8]; 3], kind: u8, value: &[u8]| {
            let mut key = Vec::with_capacity(hash.len() + parts.iter().map(|part| part.len() + 1).sum::<usize>() + 3);
            key.extend_from_slice(hash.as_bytes());
            key.push(0);
            for part in parts.into_iter().chain([&[kind][..]]) {
                key.extend_from_slice(part);
                key.push(0);
            }
            put(key, value.to_vec());
        };
        let id = series_id(labels);
        self.of_series(&format!("{tenant}:d{day}"), &id, labels, &mut put);
        let end = through.0.saturating_sub(day.saturating_mul(DAY_MILLIS)).clamp(0, DAY_MILLIS);
        let value = if self.schema == 9 { &[][..] } else { EMPTY };
        put(
            &format!("{tenant}:d{day}:{id}"),
            [format!("{end:08x}").as_bytes(), b"", chunk_key.as_bytes()],
            b'3',
            value,
        );
    }

    fn of_series(self, bucket: &str, id: &str, labels: &Labels, put: Put<'_>) {
        let labels = || labels.iter().filter(|(name, _)| *name != METRIC_NAME);
        let bucket = if self.schema < 10 {
            bucket.to_owned()
        } else {
            let first = id.as_bytes().first_chunk::<4>().expect("an id has 43 characters");
            format!("{:02}:{bucket}", u32::from_be_bytes(*first) % self.row_shards.max(1))
        };
        put(&format!("{bucket}:{METRIC}"), [id.as_bytes(), b"", b""], b'7', EMPTY);
        if self.schema >= 11 {
            let quoted = labels().map(|(name, _)| format!("\"{name}\""));
            let names = format!("[{}]", quoted.collect::<Vec<_>>().join(","));
            put(id, [b"", b"", b""], b'9', names.as_bytes());
        }
        for (name, value) in labels() {
            let hash = format!("{bucket}:{METRIC}:{name}");
            put(&hash, [hash_text(value).as_bytes(), id.as_bytes(), b""], b'8', value.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(schema: u8) -> Vec<(String, String)> {
        let mut rows = Vec::new();
        let labels = Labels::from_pairs([("app", "a"), ("env", "b")]);
        let put = |key: Vec<u8>, value: Vec<u8>| {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace('\0', "·");
            rows.push((text(&key), text(&value)));
        };
        let key = "t/1:5265c01:a4cb805:f";
        BoltRows { schema, row_shards: 16 }.of_chunk(1, "t", &labels, key, Millis(172_800_005), put);
        rows
    }

    #[test]
    fn rows_by_schema() {
        let counts = [9, 10, 11, 12].map(|schema| rows(schema).len());
        assert_eq!(counts, [4, 4, 5, 5]);
        let (key, value) = rows(9).pop().expect("the chunk's");
        assert!(key.starts_with("t:d1:") && key.ends_with("·05265c00··t/1:5265c01:a4cb805:f·3·"), "{key}");
        assert_eq!((value.as_str(), rows(10).pop().expect("the chunk's").1.as_str()), ("", "-"));
        let names = rows(11).into_iter().find(|(key, _)| key.ends_with("·9·")).expect("names");
        assert_eq!(names.1, r#"["app","env"]"#);
    }

    #[test]
    fn odd_rows_are_refused() {
        let why = |key: &[u8]| Row::parse(key, b"").expect_err("no row").to_string();
        for (key, reason) in [
            (&b"x"[..], "no range value"),
            (b"x\0y", "has no end"),
            (b"x\0a\0b\0c\0", "other than four parts"),
            (b"x\0a\0b\0c\x001\0", "none of schemas"),
            (b"x\0a\0b\0c\x008\0", "too few parts"),
            (b"t:d1:m:app\0a\0b\0c\x008\0", "not logs"),
            (b"t:d1:id\0a\0\0nokey\x003\0", "chunk key is none"),
            (b"t:d1:id\0a\0\0u/1:2:3:4\x003\0", "another tenant's"),
            (b"\xff\0a\0b\0c\x008\0", "not UTF-8"),
        ] {
            assert!(why(key).contains(reason), "{reason}: {}", why(key));
        }
        let parsed = Row::parse(b"t:d1:id\0a\0\0t/1/-2:3:4\x003\0", b"").expect("a chunk");
        let chunk = ChunkRef { fingerprint: Fingerprint(1), from: Millis(-2), through: Millis(3), checksum: 4 };
        assert_eq!(parsed, Row::Chunk { tenant: "t", series: b"id", chunk });
    }
}
