//! What a tenant's limits say about how long its lines live.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use loptr_model::TenantId;

use crate::retention::Retention;

/// What a tenant's delete requests do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeletionMode {
    /// They are refused.
    Disabled,
    /// Queries leave the lines out, and they stay stored.
    FilterOnly,
    /// Queries leave the lines out until they are gone.
    #[default]
    FilterAndDelete,
}

impl FromStr for DeletionMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "disabled" => Ok(Self::Disabled),
            "filter-only" => Ok(Self::FilterOnly),
            "filter-and-delete" => Ok(Self::FilterAndDelete),
            _ => Err("unknown deletion mode: must be one of disabled|filter-only|filter-and-delete".to_owned()),
        }
    }
}

impl fmt::Display for DeletionMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disabled => "disabled",
            Self::FilterOnly => "filter-only",
            Self::FilterAndDelete => "filter-and-delete",
        })
    }
}

/// One tenant's.
#[derive(Clone, Debug, Default)]
pub struct TenantPolicy {
    /// How long chunks live.
    pub retention: Retention,
    /// What delete requests do.
    pub deletion: DeletionMode,
}

/// Everybody's, as they are now: limits change while the process runs.
pub trait Policies: Send + Sync {
    /// The tenant's.
    fn of(&self, tenant: &TenantId) -> Arc<TenantPolicy>;
}
