//! From several index files of a table to one per tenant, as compaction needs it.

use std::collections::BTreeSet;

use loptr_model::TenantId;

use crate::build::IndexBuilder;
use crate::error::IndexError;
use crate::file::IndexFile;
use crate::toc::Version;
use crate::view::TENANT_LABEL;

/// Tenants that have series in any of these multi-tenant files.
pub fn tenants<'a>(common: impl IntoIterator<Item = &'a IndexFile>) -> Result<BTreeSet<&'a str>, IndexError> {
    let mut tenants = BTreeSet::new();
    for file in common {
        tenants.extend(file.view().label_values(TENANT_LABEL, &[])?);
    }
    Ok(tenants)
}

/// All that `tenant` has in the multi-tenant files `common` and in its own files: the union of the series, the chunks
/// of each without doubles, the tenant's label gone. Apply retention with [`IndexBuilder::retain`], then build.
pub fn merge<'a>(
    version: Version,
    tenant: &'a TenantId,
    common: impl IntoIterator<Item = &'a IndexFile>,
    own: impl IntoIterator<Item = &'a IndexFile>,
) -> Result<IndexBuilder, IndexError> {
    let mut merged = IndexBuilder::new(version);
    for file in common {
        merged.add_view(&file.tenant_view(tenant), &[])?;
    }
    for file in own {
        // A tenant label in a tenant's own file is dropped, too, whatever it says.
        merged.add_view(&file.own_view(), &[])?;
    }
    Ok(merged)
}
