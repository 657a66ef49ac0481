//! Schema versions of a period, and what they decide about chunks.

use std::fmt;
use std::str::FromStr;

use crate::encoding::Format;
use crate::error::ChunkError;

/// `schema` of a period in the configuration. Readers trust the format byte of each chunk, never this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum SchemaVersion {
    /// `v9`
    V9 = 9,
    /// `v10`
    V10 = 10,
    /// `v11`
    V11 = 11,
    /// `v12`: keys get a folder per stream.
    V12 = 12,
    /// `v13`: structured metadata.
    V13 = 13,
}

impl SchemaVersion {
    /// Every version, oldest first.
    pub const ALL: [SchemaVersion; 5] =
        [SchemaVersion::V9, SchemaVersion::V10, SchemaVersion::V11, SchemaVersion::V12, SchemaVersion::V13];

    /// The number.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The chunk format written in such a period.
    pub fn chunk_format(self) -> Format {
        if self.allows_structured_metadata() { Format::V4 } else { Format::V3 }
    }

    /// Whether entries may carry structured metadata.
    pub fn allows_structured_metadata(self) -> bool {
        self >= SchemaVersion::V13
    }

    /// Whether external keys put each stream in a folder of its own.
    pub(crate) fn key_has_stream_folder(self) -> bool {
        self >= SchemaVersion::V12
    }
}

impl fmt::Display for SchemaVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.number())
    }
}

impl FromStr for SchemaVersion {
    type Err = ChunkError;

    fn from_str(name: &str) -> Result<Self, ChunkError> {
        let known = Self::ALL.into_iter().find(|version| version.to_string() == name);
        known.ok_or_else(|| ChunkError::Schema { name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_decide_the_chunk_format() {
        let formats = SchemaVersion::ALL.map(|version| (version.to_string(), version.chunk_format().byte()));
        assert_eq!(formats.map(|it| it.1), [3, 3, 3, 3, 4]);
        for (name, _) in SchemaVersion::ALL.map(|version| (version.to_string(), ())) {
            assert_eq!(name.parse::<SchemaVersion>().expect("known").to_string(), name);
        }
        let found = "v8".parse::<SchemaVersion>().expect_err("unknown").to_string();
        assert_eq!(found, "invalid schema version \"v8\": supported are v9 to v13");
    }
}
