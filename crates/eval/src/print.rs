//! Parts of a query as text, for error messages.

use loptr_logql::ast::{LineOperand, Stage, StageKind};
use loptr_model::{go_quote, go_quote_bytes};

/// A stage as upstream prints it.
pub(crate) fn stage(stage: &Stage) -> String {
    match &stage.kind {
        StageKind::LineFilter(filter) => {
            let operand = |operand: &LineOperand| match operand {
                LineOperand::Text(text) => go_quote_bytes(text),
                LineOperand::Ip(pattern) => format!("ip({})", go_quote(pattern)),
            };
            let operands: Vec<String> = filter.operands.iter().map(operand).collect();
            format!("{} {}", filter.op.as_str(), operands.join(" or "))
        }
        other => format!("{other:?}"),
    }
}
