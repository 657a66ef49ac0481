//! One compiled stage.

use std::sync::Arc;

use loptr_logql::ast::{self, StageKind};
use loptr_model::Nanos;

use super::Names;
use super::decolorize::Decolorizer;
use super::format::{LabelFormat, LineFormat, Selection};
use super::label_filter::LabelFilter;
use super::labels::LineLabels;
use super::line_filter::LineFilter;
use super::parse::Rejected;
use super::parse::json::Json;
use super::parse::json_path::JsonPaths;
use super::parse::logfmt::Logfmt;
use super::parse::logfmt_fields::LogfmtFields;
use super::parse::pattern::Pattern;
use super::parse::regexp::Regexp;
use super::parse::unpack::Unpack;

/// What a stage did to an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    Drop,
    Keep,
    /// The line was replaced.
    Replace,
}

/// A compiled stage; what is costly to copy is shared.
#[derive(Clone, Debug)]
pub(crate) enum Stage {
    LineFilter(Arc<LineFilter>),
    LabelFilter(Arc<LabelFilter>),
    Decolorize(Arc<Decolorizer>),
    Json(Json),
    JsonPaths(JsonPaths),
    Logfmt(Logfmt),
    LogfmtFields(LogfmtFields),
    Regexp(Regexp),
    Pattern(Pattern),
    Unpack(Unpack),
    LineFormat(Arc<LineFormat>),
    LabelFormat(LabelFormat),
    Drop(Selection),
    Keep(Selection),
}

impl Stage {
    /// Compiles a stage. Labels it reads go to `reads`; the error is what follows `stage '…' : `.
    pub(crate) fn compile(kind: &StageKind, names: &mut Names, reads: &mut Vec<String>) -> Result<Self, String> {
        Ok(match kind {
            StageKind::LineFilter(filter) => Self::LineFilter(Arc::new(LineFilter::compile(filter)?)),
            StageKind::LabelFilter(filter) => {
                LabelFilter::names(filter, reads);
                Self::LabelFilter(Arc::new(label_filter(filter, names)?))
            }
            StageKind::Decolorize => Self::Decolorize(Arc::new(Decolorizer::new()?)),
            StageKind::Json(fields) if fields.is_empty() => Self::Json(Json::default()),
            StageKind::Json(fields) => Self::JsonPaths(JsonPaths::compile(fields, |name| names.id(name))?),
            StageKind::Logfmt { strict, keep_empty, fields } if fields.is_empty() => {
                Self::Logfmt(Logfmt::new(*strict, *keep_empty))
            }
            StageKind::Logfmt { strict, fields, .. } => {
                Self::LogfmtFields(LogfmtFields::compile(fields, *strict, |name| names.id(name))?)
            }
            StageKind::Regexp(text) => Self::Regexp(Regexp::compile(text, |name| names.id(name))?),
            StageKind::Pattern(text) => Self::Pattern(Pattern::compile(text, |name| names.id(name))?),
            StageKind::Unpack => Self::Unpack(Unpack::default()),
            StageKind::LineFormat(text) => {
                Self::LineFormat(Arc::new(LineFormat::compile(text, names.now, reads, |name| names.id(name))?))
            }
            StageKind::LabelFormat(items) => {
                Self::LabelFormat(LabelFormat::compile(items, names.now, reads, |name| names.id(name))?)
            }
            StageKind::Drop(items) => Self::Drop(Selection::compile(items, |name| names.id(name))?),
            StageKind::Keep(items) => Self::Keep(Selection::compile(items, |name| names.id(name))?),
        })
    }

    /// Runs one line; a replaced line is written to `out`.
    pub(crate) fn run(
        &mut self,
        ts: Nanos,
        line: &[u8],
        labels: &mut LineLabels,
        early: &[LabelFilter],
        out: &mut Vec<u8>,
    ) -> Flow {
        let keep = |keep| if keep { Flow::Keep } else { Flow::Drop };
        match self {
            Self::LineFilter(filter) => keep(filter.keeps(line)),
            Self::LabelFilter(filter) => keep(filter.keeps(labels)),
            Self::Decolorize(decolorizer) => {
                if decolorizer.run(line, out) {
                    Flow::Replace
                } else {
                    Flow::Keep
                }
            }
            Self::Json(json) => keep(json.run(line, labels, early).is_ok()),
            Self::JsonPaths(paths) => {
                paths.run(line, labels);
                Flow::Keep
            }
            Self::Logfmt(logfmt) => keep(logfmt.run(line, labels, early).is_ok()),
            Self::LogfmtFields(fields) => {
                fields.run(line, labels);
                Flow::Keep
            }
            Self::Regexp(regexp) => keep(regexp.run(line, labels, early).is_ok()),
            Self::Pattern(pattern) => keep(pattern.run(line, labels, early).is_ok()),
            Self::Unpack(unpack) => match unpack.run(line, labels, early, out) {
                Ok(true) => Flow::Replace,
                Ok(false) => Flow::Keep,
                Err(Rejected) => Flow::Drop,
            },
            Self::LineFormat(format) => {
                if format.run(ts, line, labels, out) {
                    Flow::Replace
                } else {
                    Flow::Keep
                }
            }
            Self::LabelFormat(format) => {
                format.run(ts, line, labels);
                Flow::Keep
            }
            Self::Drop(selection) => {
                selection.drop(labels);
                Flow::Keep
            }
            Self::Keep(selection) => {
                selection.keep(labels);
                Flow::Keep
            }
        }
    }

    /// Whether it looks at labels: the line's are gathered no earlier than needed.
    pub(crate) fn reads_labels(&self) -> bool {
        !matches!(self, Self::LineFilter(_) | Self::Decolorize(_))
    }

    /// Whether lines after it may differ from lines before it.
    pub(crate) fn changes_line(&self) -> bool {
        matches!(self, Self::Decolorize(_) | Self::Unpack(_) | Self::LineFormat(_))
    }

    /// Whether it may add, change or remove labels.
    pub(crate) fn changes_labels(&self) -> bool {
        !matches!(self, Self::LineFilter(_) | Self::Decolorize(_) | Self::LabelFilter(_))
    }

    pub(crate) fn line_filter(&self) -> Option<&LineFilter> {
        match self {
            Self::LineFilter(filter) => Some(filter),
            _ => None,
        }
    }
}

fn label_filter(filter: &ast::LabelFilter, names: &mut Names) -> Result<LabelFilter, String> {
    LabelFilter::compile(filter, &mut |name| names.id(name))
}
