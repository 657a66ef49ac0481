//! Limits by tenant: what `limits_config` says, and the overrides of single tenants, which may change while running.

use std::collections::HashMap;
use std::sync::Arc;

use loptr_compact::{Policies, TenantPolicy};
use loptr_config::{Limits, Runtime};
use loptr_ingest::{LabelCacheFigures, LabelCaches, PushLimits};
use loptr_model::{Nanos, TenantId};
use loptr_query::QueryLimits;
use parking_lot::RwLock;

use crate::patterns::PatternLimits;
use crate::settings::{LimitsError, Settings, lifetime, pattern_limits, query_limits, write_limits};

/// One set of limits, prepared for those who read them.
#[derive(Debug)]
struct Prepared {
    /// As configured: two equal sets share what was learnt under them.
    limits: Option<Limits>,
    push: Arc<PushLimits>,
    query: Arc<QueryLimits>,
    patterns: Arc<PatternLimits>,
    lifetime: Arc<TenantPolicy>,
}

impl Prepared {
    fn new(limits: Limits, caches: &Arc<LabelCaches>) -> Result<Self, LimitsError> {
        let (push, query) = (write_limits(&limits)?, query_limits(&limits)?);
        Ok(Self {
            push: Arc::new(PushLimits::sharing(push, caches)),
            query: Arc::new(query),
            patterns: Arc::new(pattern_limits(&limits)),
            lifetime: Arc::new(lifetime(&limits)?),
            limits: Some(limits),
        })
    }
}

/// The limits of every tenant.
#[derive(Debug)]
pub(crate) struct TenantLimits {
    default: Prepared,
    own: RwLock<Arc<HashMap<String, Arc<Prepared>>>>,
    caches: Arc<LabelCaches>,
}

impl TenantLimits {
    /// Everybody has the limits of `settings`.
    pub(crate) fn new(settings: &Settings) -> Self {
        let caches = LabelCaches::new(settings.label_cache_bytes);
        let default = Prepared {
            limits: None,
            push: Arc::new(PushLimits::sharing(settings.limits.clone(), &caches)),
            query: Arc::new(settings.query_limits.clone()),
            patterns: Arc::new(settings.pattern_limits),
            lifetime: Arc::new(settings.lifetime.clone()),
        };
        Self { default, own: RwLock::default(), caches }
    }

    /// Takes over the tenants of `runtime`, or leaves everything as it was. Limits that did not change keep what was
    /// learnt under them.
    pub(crate) fn replace(&self, runtime: &Runtime) -> Result<(), LimitsError> {
        let before = self.own.read().clone();
        let mut own = HashMap::with_capacity(runtime.overrides.len());
        for (tenant, limits) in &runtime.overrides {
            let same = before.get(tenant).filter(|known| known.limits.as_ref() == Some(limits));
            let prepared = match same {
                Some(known) => known.clone(),
                None => Arc::new(Prepared::new(limits.clone(), &self.caches).map_err(|error| error.of_tenant(tenant))?),
            };
            own.insert(tenant.clone(), prepared);
        }
        *self.own.write() = Arc::new(own);
        Ok(())
    }

    /// What is remembered of label texts.
    pub(crate) fn label_caches(&self) -> LabelCacheFigures {
        self.caches.figures()
    }

    /// How fast streams come that are pushed now: bytes a second, and into how many shards each is split.
    pub(crate) fn stream_rates(&self, now: Nanos) -> Vec<(f64, usize)> {
        self.caches.stream_rates(now)
    }

    fn part<T>(&self, tenant: &TenantId, part: impl Fn(&Prepared) -> &Arc<T>) -> Arc<T> {
        match self.own.read().get(tenant.as_str()) {
            Some(own) => part(own).clone(),
            None => part(&self.default).clone(),
        }
    }

    /// Limits of a tenant's pushes.
    pub(crate) fn push(&self, tenant: &TenantId) -> Arc<PushLimits> {
        self.part(tenant, |prepared| &prepared.push)
    }

    /// How long a tenant's lines live.
    pub(crate) fn lifetime(&self, tenant: &TenantId) -> Arc<TenantPolicy> {
        self.part(tenant, |prepared| &prepared.lifetime)
    }

    /// What is stored of a tenant's patterns.
    pub(crate) fn patterns(&self, tenant: &TenantId) -> Arc<PatternLimits> {
        self.part(tenant, |prepared| &prepared.patterns)
    }

    /// Limits of a tenant's queries.
    pub(crate) fn query(&self, tenant: &TenantId) -> Arc<QueryLimits> {
        self.part(tenant, |prepared| &prepared.query)
    }
}

impl Policies for TenantLimits {
    fn of(&self, tenant: &TenantId) -> Arc<TenantPolicy> {
        self.lifetime(tenant)
    }
}
