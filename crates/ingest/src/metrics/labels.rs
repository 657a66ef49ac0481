//! Label sets of the write path's metrics, each of one tenant.

use prometheus_client::encoding::EncodeLabelSet;

use super::family::OfTenant;

/// One tenant.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct TenantLabel {
    /// Tenant id.
    pub tenant: String,
}

/// What was discarded and why.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct DiscardLabels {
    /// Upstream's word.
    pub reason: String,
    /// Tenant id.
    pub tenant: String,
    /// Hours the line would have been kept; 0 without retention.
    pub retention_hours: String,
    /// Ingestion policy; empty when there is none.
    pub policy: String,
    /// Push format.
    pub format: String,
}

/// What was received.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReceivedLabels {
    /// Tenant id.
    pub tenant: String,
    /// Hours the line will be kept; empty without retention.
    pub retention_hours: String,
    /// Whether the stream is one of the store's own.
    pub is_internal_stream: String,
    /// Ingestion policy; empty when there is none.
    pub policy: String,
    /// Push format.
    pub format: String,
}

/// The same of lines, which upstream does not tell apart by retention.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReceivedLinesLabels {
    /// Tenant id.
    pub tenant: String,
    /// Whether the stream is one of the store's own.
    pub is_internal_stream: String,
    /// Ingestion policy; empty when there is none.
    pub policy: String,
    /// Push format.
    pub format: String,
}

impl ReceivedLabels {
    pub(crate) fn of_lines(&self) -> ReceivedLinesLabels {
        ReceivedLinesLabels {
            tenant: self.tenant.clone(),
            is_internal_stream: self.is_internal_stream.clone(),
            policy: self.policy.clone(),
            format: self.format.clone(),
        }
    }
}

/// What was changed on its way in.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct MutatedLabels {
    /// Upstream's word.
    pub reason: &'static str,
    /// Tenant id.
    pub truncated: String,
}

/// Why a chunk was flushed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReasonLabel {
    /// Upstream's word.
    pub reason: &'static str,
}

macro_rules! of_tenant {
    ($($labels:ty => $field:ident),+) => {
        $(impl OfTenant for $labels {
            fn tenant(&self) -> &str {
                &self.$field
            }
        })+
    };
}

of_tenant!(
    TenantLabel => tenant,
    DiscardLabels => tenant,
    ReceivedLabels => tenant,
    ReceivedLinesLabels => tenant,
    MutatedLabels => truncated
);
