//! One compiled stage.

use std::sync::Arc;

use loptr_logql::ast::{self, StageKind};
use loptr_model::Nanos;

use super::Names;
use super::decolorize::Decolorizer;
use super::label_filter::LabelFilter;
use super::labels::LineLabels;
use super::line_filter::LineFilter;

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
            _ => return Err("not supported yet".into()),
        })
    }

    /// Runs one line; a replaced line is written to `out`.
    pub(crate) fn run(
        &mut self,
        _ts: Nanos,
        line: &[u8],
        labels: &mut LineLabels,
        _early: &[LabelFilter],
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
        }
    }

    /// Whether it looks at labels: the line's are gathered no earlier than needed.
    pub(crate) fn reads_labels(&self) -> bool {
        !matches!(self, Self::LineFilter(_) | Self::Decolorize(_))
    }

    /// Whether lines after it may differ from lines before it.
    pub(crate) fn changes_line(&self) -> bool {
        matches!(self, Self::Decolorize(_))
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
