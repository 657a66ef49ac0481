//! Why a query has no answer, and whose fault it is. `server` turns the kind into a status.

use loptr_eval::source::SourceError;
use loptr_eval::{ErrorKind as EvalKind, EvalError};
use loptr_logql::ParseError;
use loptr_ports::{BudgetError, PoolError};
use loptr_storage::StorageError;

/// Why a query has no answer. Texts are upstream's where clients match on them.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The text is no query.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// The query cannot be evaluated.
    #[error(transparent)]
    Eval(#[from] EvalError),
    /// A limit of the tenant forbids it.
    #[error("{0}")]
    Limit(String),
    /// A volume has too many label sets. Upstream calls this its own fault.
    #[error("the query hit the max number of series limit (limit: {0} series)")]
    VolumeSeries(usize),
    /// The tenant may not query now.
    #[error("querying is disabled, please contact your Loki operator")]
    Disabled,
    /// The request does not fit the query.
    #[error("{0}")]
    BadRequest(String),
    /// The bucket failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Nobody can say what was deleted.
    #[error("delete requests cannot be read, and answers could hold deleted lines: {0}")]
    Deletes(String),
    /// A chunk cannot be read.
    #[error("{0}")]
    Source(SourceError),
    /// It used too much, took too long, or nobody waits.
    #[error(transparent)]
    Budget(#[from] BudgetError),
    /// The CPU pool gave no result.
    #[error(transparent)]
    Pool(#[from] PoolError),
}

/// Class of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request is at fault.
    Invalid,
    /// A limit was met.
    Limited,
    /// Nothing is answered now; ask less, or later.
    TooMany,
    /// Nobody waits for the answer.
    Cancelled,
    /// Time ran out.
    Timeout,
    /// A part is out of reach; try again.
    Unavailable,
    /// A defect, or damaged data.
    Internal,
}

impl From<SourceError> for QueryError {
    fn from(error: SourceError) -> Self {
        match error {
            SourceError::Budget(error) => Self::Budget(error),
            error => Self::Source(error),
        }
    }
}

impl QueryError {
    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Parse(_) | Self::BadRequest(_) => ErrorKind::Invalid,
            Self::Limit(_) => ErrorKind::Limited,
            Self::Disabled => ErrorKind::TooMany,
            Self::Eval(error) => match error.kind() {
                EvalKind::BadRequest => ErrorKind::Invalid,
                EvalKind::Internal => ErrorKind::Internal,
            },
            Self::Budget(BudgetError::Cancelled) => ErrorKind::Cancelled,
            Self::Budget(BudgetError::Deadline) => ErrorKind::Timeout,
            Self::Budget(_) => ErrorKind::Limited,
            Self::Storage(error) => match error.kind() {
                loptr_storage::ErrorKind::Unavailable => ErrorKind::Unavailable,
                _ => ErrorKind::Internal,
            },
            Self::Source(SourceError::Unavailable { .. }) | Self::Deletes(_) => ErrorKind::Unavailable,
            Self::Source(_) | Self::Pool(_) | Self::VolumeSeries(_) => ErrorKind::Internal,
        }
    }
}
