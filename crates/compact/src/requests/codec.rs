//! The bytes of all requests: upstream's bbolt database, gzipped in the bucket.
//!
//! ```text
//! bucket index
//! 1 ‖ 00 ‖ <tenant>:<id>[:<part>]                                    received | processed
//! 2:<tenant>:<id>[:<part>] ‖ 00 ‖ <created>:<start>:<end>            LogQL
//! 3:<tenant> ‖ 00                                                    generation, Unix nanoseconds in decimal
//! ```
//!
//! Times are milliseconds in hex. Part 0 has no number. A request whose rows do not fit together is an error: it must not
//! be passed over, since queries would show what it deletes.

use std::collections::BTreeMap;

use bytes::Bytes;
use loptr_index::bolt::{BoltFile, write_file};
use loptr_index::{IndexError, gzip};
use loptr_model::Millis;

use super::{Part, Requests};

const BUCKET: &[u8] = b"index";
/// Bytes of the database at most.
const BYTES_MAX: usize = 1 << 30;

/// Why bytes are no delete requests.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CodecError {
    /// The database.
    #[error(transparent)]
    Database(#[from] IndexError),
    /// A row.
    #[error("row {row:?} of the delete requests {why}")]
    Row {
        /// Its key.
        row: String,
        /// What is wrong.
        why: &'static str,
    },
}

/// Tenant, id and part.
type Name = (String, String, u32);

fn name(text: &str) -> Option<Name> {
    let mut parts = text.split(':');
    let (tenant, id, part) = (parts.next()?, parts.next()?, parts.next());
    let part = part.map_or(Some(0), |part| part.parse().ok())?;
    parts.next().is_none().then(|| (tenant.to_owned(), id.to_owned(), part))
}

fn times(text: &str) -> Option<[Millis; 3]> {
    let mut parts = text.split(':').map(|part| i64::from_str_radix(part, 16).ok().map(Millis));
    let times = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(times)
}

/// Reads a database.
pub(super) fn decode(database: Bytes) -> Result<Requests, CodecError> {
    let file = BoltFile::open(database)?;
    let mut requests = Requests::default();
    let mut states: BTreeMap<Name, bool> = BTreeMap::new();
    let mut details: BTreeMap<Name, ([Millis; 3], String)> = BTreeMap::new();
    let mut fault = None;
    file.rows(|row| {
        let mut read = || {
            let text = |bytes: &[u8]| std::str::from_utf8(bytes).map(str::to_owned).ok();
            let (key, value) = (text(row.key)?, text(row.value)?);
            let (hash, range) = key.split_once('\0')?;
            match hash.split_once(':') {
                None if hash == "1" => drop(states.insert(name(range)?, value == "processed")),
                Some(("2", of)) => drop(details.insert(name(of)?, (times(range)?, value))),
                Some(("3", tenant)) => drop(requests.generations.insert(tenant.to_owned(), value)),
                _ => return None,
            }
            Some(())
        };
        if read().is_none() && fault.is_none() {
            fault = Some(String::from_utf8_lossy(row.key).into_owned());
        }
        Ok(())
    })?;
    if let Some(row) = fault {
        return Err(CodecError::Row { row, why: "is none that is known" });
    }
    for (name, processed) in states {
        let Some(([created, start, end], query)) = details.remove(&name) else {
            return Err(CodecError::Row { row: format!("{}:{}:{}", name.0, name.1, name.2), why: "has no details" });
        };
        let (tenant, id, part) = name;
        requests.insert(Part { tenant, id, part, created, start, end, query, processed });
    }
    Ok(requests)
}

/// As [`decode`], from the object in the bucket.
pub(super) fn unpack(object: &[u8]) -> Result<Requests, CodecError> {
    decode(gzip::decompress(object, BYTES_MAX)?.into())
}

/// Signed hex, as Go prints it.
fn hex(time: Millis) -> String {
    let sign = if time.0 < 0 { "-" } else { "" };
    format!("{sign}{:x}", time.0.unsigned_abs())
}

/// The database.
pub(super) fn encode(requests: &Requests) -> Result<Vec<u8>, CodecError> {
    let mut rows: BTreeMap<Vec<u8>, &[u8]> = BTreeMap::new();
    for Part { tenant, id, part, created, start, end, query, processed } in requests.parts.values() {
        let name = if *part == 0 { format!("{tenant}:{id}") } else { format!("{tenant}:{id}:{part}") };
        let status: &[u8] = if *processed { b"processed" } else { b"received" };
        rows.insert(format!("1\0{name}").into_bytes(), status);
        let times = format!("{}:{}:{}", hex(*created), hex(*start), hex(*end));
        rows.insert(format!("2:{name}\0{times}").into_bytes(), query.as_bytes());
    }
    for (tenant, generation) in &requests.generations {
        rows.insert(format!("3:{tenant}\0").into_bytes(), generation.as_bytes());
    }
    let rows: Vec<(&[u8], &[u8])> = rows.iter().map(|(key, value)| (&key[..], *value)).collect();
    Ok(write_file(BUCKET, &rows)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(tenant: &str, id: &str, part: u32, processed: bool) -> Part {
        let (tenant, id) = (tenant.to_owned(), id.to_owned());
        let (created, start, end) = (Millis(1_795_082_400_123), Millis(-5), Millis(1_795_000_000_000));
        Part { tenant, id, part, created, start, end, query: r#"{app="ä"} |= "x""#.to_owned(), processed }
    }

    fn some() -> Requests {
        let mut requests = Requests::default();
        for number in 0..300 {
            requests.insert(part("t", &format!("{number:08x}"), 0, number % 2 == 0));
        }
        (0..3).for_each(|number| requests.insert(part("u", "0000beef", number, number == 1)));
        requests.generations.insert("t".to_owned(), "1795082400000000000".to_owned());
        requests
    }

    #[test]
    fn what_goes_in_comes_out() {
        for requests in [Requests::default(), some()] {
            let database = encode(&requests).expect("it can be written");
            assert_eq!(decode(database.clone().into()).expect("as written"), requests);
            assert_eq!(unpack(&gzip::compress(&database)).expect("as written"), requests);
        }
    }

    #[test]
    fn rows_that_do_not_fit_are_refused() {
        let refused = |rows: &[(&[u8], &[u8])]| {
            let database = write_file(BUCKET, rows).expect("it can be written");
            decode(database.into()).expect_err("it must not be passed over").to_string()
        };
        assert_eq!(refused(&[(b"1\0t:1", b"received")]), "row \"t:1:0\" of the delete requests has no details");
        assert!(refused(&[(b"2:t:1\x001:2", b"{}")]).ends_with("is none that is known"));
        assert!(refused(&[(b"4:t\0", b"x")]).contains("4:t"));
    }
}
