//! JSON push bodies, with upstream's leniency.
//!
//! Upstream reads a body with two parsers, and so do we: a strict one walks the document and each stream's extent
//! ([`super::cursor`]), then a lenient one reads what lies in a stream ([`crate::lenient`]). What passes both is known to be
//! well-formed, so the usual shape of an entry is read in one go ([`v1`]).

mod legacy;
mod v1;

use bytes::Bytes;

use super::cursor::Cursor;
use super::table::{DecodedPush, Table};
use super::{PushError, PushFormat};

pub(super) fn decode(body: Bytes, path_is_v1: bool) -> Result<DecodedPush, PushError> {
    if body.is_empty() {
        return Err(PushError::Json("EOF".to_owned()));
    }
    let format = if path_is_v1 { PushFormat::JsonV1 } else { PushFormat::JsonLegacy };
    let mut table = Table::new(format, body)?;
    let body = table.body();
    let mut cursor = Cursor::new(&body);
    if path_is_v1 {
        v1::document(&mut cursor, &mut table)?;
    } else {
        legacy::document(&mut cursor, &mut table)?;
    }
    Ok(table.finish())
}
