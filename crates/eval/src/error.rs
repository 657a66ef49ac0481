//! Why a query has no answer. Texts are upstream's where clients match on them.

use loptr_model::Labels;

/// Why a query could not be compiled or evaluated.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum EvalError {
    /// A stage is at fault, and the parser's crate knows in which words.
    #[error(transparent)]
    Query(#[from] loptr_logql::ParseError),
    /// A stage that is well formed cannot be built: its regular expression is too large.
    #[error("parse error : stage '{stage}' : {message}")]
    Stage {
        /// The stage as printed.
        stage: String,
        /// What is wrong with it.
        message: String,
    },
    /// The query is not valid in another way.
    #[error("parse error : {0}")]
    Invalid(String),
    /// A sample carries an error label.
    #[error(
        "pipeline error: '{error}' for series: '{labels}'.\n\
         Use a label filter to intentionally skip this error. (e.g | __error__!=\"{error}\").\n\
         To skip all potential errors you can match empty errors.(e.g __error__=\"\")\n\
         The label filter can also be specified after unwrap. (e.g | unwrap latency | __error__=\"\" )\n"
    )]
    Pipeline {
        /// Value of `__error__`.
        error: String,
        /// The series that carries it.
        labels: Labels,
    },
    /// The answer has too many series.
    #[error(
        "maximum number of series ({limit}) reached for a single query; consider reducing query cardinality by adding \
         more specific stream selectors, reducing the time range, or aggregating results with functions like sum(), \
         count() or topk()"
    )]
    SeriesLimit {
        /// Most series allowed.
        limit: usize,
    },
    /// Two sides of a binary operator do not pair up.
    #[error("{0}")]
    Matching(String),
    /// The caller broke a contract of this crate, or upstream answers this query with an internal error.
    #[error("{0}")]
    Internal(String),
}

/// What an error means to the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The query is at fault: HTTP 400.
    BadRequest,
    /// HTTP 500, as upstream answers.
    Internal,
}

impl EvalError {
    /// What upstream says of an aggregation that reads nothing.
    pub fn no_selector() -> Self {
        let message = "queries require at least one regexp or equality matcher that does not have an empty-compatible \
                       value. For instance, app=~\".*\" does not meet this requirement, but app=~\".+\" will";
        Self::Invalid(message.into())
    }

    /// Who is at fault.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Query(_)
            | Self::Stage { .. }
            | Self::Invalid(_)
            | Self::Pipeline { .. }
            | Self::SeriesLimit { .. } => ErrorKind::BadRequest,
            Self::Matching(_) | Self::Internal(_) => ErrorKind::Internal,
        }
    }
}
