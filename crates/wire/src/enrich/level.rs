//! The level of an entry, which is stored as structured metadata `detected_level`.

use std::borrow::Cow;

use loptr_model::Labels;

use super::keywords;
use super::line::{Fields, looks_like_json};

/// Name of the metadata that holds the level.
pub const DETECTED_LEVEL: &str = "detected_level";

/// Names a level may have, by preference (`limits_config.log_level_fields`).
pub const DEFAULT_LEVEL_FIELDS: [&str; 14] = [
    "level",
    "LEVEL",
    "Level",
    "log.level",
    "severity",
    "SEVERITY",
    "Severity",
    "SeverityText",
    "lvl",
    "LVL",
    "Lvl",
    "severity_text",
    "Severity_Text",
    "SEVERITY_TEXT",
];

const UNKNOWN: &str = "unknown";

/// The name of OTLP's severity number among structured metadata.
const SEVERITY_NUMBER: &str = "severity_number";

/// What becomes of an entry's `detected_level`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detected<'a> {
    /// Add it with this value.
    Add(&'a str),
    /// The entry has it: its value becomes this one.
    Normalize(&'a str),
    /// The entry's level is empty: add nothing.
    Nothing,
}

/// Finds the level of entries. Build it once per tenant's settings.
///
/// In this order: the metadata `detected_level`; a stream label, then metadata, named as a level; metadata
/// `severity_number`; a field of the line, if that is JSON or logfmt; the first word of the line that names a level;
/// `unknown`.
#[derive(Clone, Debug)]
pub struct LevelDetector {
    fields: Fields,
    max_json_depth: usize,
}

impl Default for LevelDetector {
    fn default() -> Self {
        Self::new(&DEFAULT_LEVEL_FIELDS, 2)
    }
}

impl LevelDetector {
    /// `fields`: the names a level may have, by preference; none means the default ones. `max_json_depth`: how many
    /// levels of objects are looked into; 0 all of them.
    pub fn new(fields: &[impl AsRef<str>], max_json_depth: usize) -> Self {
        let mut names: Vec<Box<str>> = fields.iter().map(|name| Box::from(name.as_ref())).collect();
        if names.is_empty() {
            names = DEFAULT_LEVEL_FIELDS.map(Box::from).into();
        }
        Self { fields: Fields::new(names), max_json_depth }
    }

    /// The level all entries of a stream have because a label tells. Ask once per stream.
    pub fn of_stream<'a>(&self, labels: &'a Labels) -> Option<&'a str> {
        self.fields.names().iter().find_map(|name| labels.get(name))
    }

    /// The level of one entry. `stream_level` is what [`LevelDetector::of_stream`] answered; `metadata` is normalised
    /// already ([`super::normalize_metadata`]).
    pub fn detect<'a, N: AsRef<str>, V: AsRef<str>>(
        &self,
        stream_level: Option<&'a str>,
        metadata: &'a [(N, V)],
        line: &[u8],
    ) -> Detected<'a> {
        let get = |wanted: &str| {
            let found = metadata.iter().find(|(name, _)| name.as_ref() == wanted);
            found.map(|(_, value)| value.as_ref())
        };
        let level = if metadata.is_empty() {
            stream_level.map(normalize_level)
        } else if let Some(level) = get(DETECTED_LEVEL) {
            return Detected::Normalize(normalize_level(level));
        } else if let Some(level) = stream_level.or_else(|| self.fields.names().iter().find_map(|name| get(name))) {
            Some(normalize_level(level))
        } else {
            get(SEVERITY_NUMBER).filter(|number| !number.is_empty()).map(of_severity_number)
        };
        match level {
            Some("") => Detected::Nothing,
            Some(level) => Detected::Add(level),
            None => Detected::Add(self.of_line(line)),
        }
    }

    /// The level a line tells by itself.
    pub fn of_line(&self, line: &[u8]) -> &'static str {
        let value = if looks_like_json(line) {
            self.fields.in_json(line, self.max_json_depth).map(Cow::Borrowed)
        } else {
            // A pair has its `=`; without one no field is found either way.
            self.fields.in_logfmt(line)
        };
        let known = value.as_deref().and_then(known_level);
        known.or_else(|| keywords::find(line)).unwrap_or(UNKNOWN)
    }
}

fn of_severity_number(number: &str) -> &'static str {
    match crate::go::atoi(number) {
        Err(_) => "info",
        Ok(0) => UNKNOWN,
        Ok(..=4) => "trace",
        Ok(5..=8) => "debug",
        Ok(9..=12) => "info",
        Ok(13..=16) => "warn",
        Ok(17..=20) => "error",
        Ok(21..=24) => "fatal",
        Ok(_) => UNKNOWN,
    }
}

/// The usual name of a level written in one of its forms, in any case; other text as it is.
pub fn normalize_level(level: &str) -> &str {
    known_level(level.as_bytes()).unwrap_or(level)
}

fn known_level(level: &[u8]) -> Option<&'static str> {
    const FORMS: [(&[u8], &str); 14] = [
        (b"info", "info"),
        (b"error", "error"),
        (b"debug", "debug"),
        (b"warn", "warn"),
        (b"warning", "warn"),
        (b"trace", "trace"),
        (b"critical", "critical"),
        (b"fatal", "fatal"),
        (b"err", "error"),
        (b"inf", "info"),
        (b"information", "info"),
        (b"dbg", "debug"),
        (b"wrn", "warn"),
        (b"trc", "trace"),
    ];
    FORMS.iter().find(|(form, _)| level.eq_ignore_ascii_case(form)).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests;
