//! Rows put together as series: a TSDB index in memory.

use std::borrow::Cow;
use std::collections::HashMap;

use foldhash::fast::RandomState;
use loptr_model::{ChunkRef, Fingerprint, TenantId};

use super::INDEX_BUCKET;
use super::read::BoltFile;
use super::rows::Row;
use crate::build::IndexBuilder;
use crate::chunks::ChunkMeta;
use crate::error::IndexError;
use crate::file::IndexFile;
use crate::toc::Version;

/// What a file has and no query finds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Chunks of series whose labels no row names.
    pub chunks: u64,
}

#[derive(Default)]
struct Series<'a> {
    labels: Vec<(&'a str, Cow<'a, str>)>,
    chunks: Vec<ChunkRef>,
}

/// The index that the rows of `file` make: of all tenants, each series with its tenant's label, or of `tenant` alone,
/// whose folder the file lies in.
pub fn to_index(file: &BoltFile, tenant: Option<&TenantId>) -> Result<(IndexFile, LeftOut), IndexError> {
    let mut series: HashMap<(&str, &[u8]), Series<'_>, RandomState> = HashMap::default();
    file.rows(|raw| {
        let row = Row::parse(raw.key, raw.value)?;
        let (owner, id) = match row {
            Row::Label { tenant, series, .. } | Row::Chunk { tenant, series, .. } => (tenant, series),
            Row::Repeated => return Ok(()),
        };
        let is_seen = raw.bucket == INDEX_BUCKET || raw.bucket == owner.as_bytes();
        if !is_seen || tenant.is_some_and(|tenant| tenant.as_str() != owner) {
            return Ok(());
        }
        let found = series.entry((owner, id)).or_default();
        match row {
            Row::Label { name, value, .. } => found.labels.push((name, String::from_utf8_lossy(value))),
            Row::Chunk { chunk, .. } => found.chunks.push(chunk),
            Row::Repeated => {}
        }
        Ok(())
    })?;
    let mut builder = IndexBuilder::new(Version::V3);
    let mut left_out = LeftOut::default();
    for ((owner, _), Series { labels, mut chunks }) in series {
        if labels.is_empty() {
            left_out.chunks += chunks.len() as u64;
            continue;
        }
        // No request can be of a tenant with an illegal name.
        let Ok(owner) = TenantId::parse(owner) else { continue };
        // A stream's chunks have one fingerprint, but for those that two ingesters gave another one after a collision.
        chunks.sort_unstable_by_key(|chunk| chunk.fingerprint);
        for of_one in chunks.chunk_by(|one, other| one.fingerprint == other.fingerprint) {
            let fingerprint = of_one.first().map_or(Fingerprint::default(), |chunk| chunk.fingerprint);
            let labels = labels.iter().map(|(name, value)| (*name, &**value));
            let metas = of_one.iter().map(ChunkMeta::unsized_of);
            match tenant {
                Some(_) => builder.add_series(labels, fingerprint, metas),
                None => builder.add_tenant_series(&owner, labels, fingerprint, metas),
            }
        }
    }
    Ok((IndexFile::open(builder.build()?.into())?, left_out))
}
