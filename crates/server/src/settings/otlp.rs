//! `otlp_config` → the rules that say what becomes of OTLP attributes.

use loptr_config::{AttributeAction, AttributeRule, OtlpConfig};
use loptr_regex::GoRegex;
use loptr_wire::push::otlp::{NamePattern, OtlpAction, OtlpNames, OtlpRule, OtlpRules};

use super::LimitsError;

/// The rules; a pattern that does not compile is refused, as upstream does while it reads them.
pub(super) fn otlp_rules(config: &OtlpConfig) -> Result<OtlpRules, LimitsError> {
    let rules = |rules: &[AttributeRule]| rules.iter().map(otlp_rule).collect::<Result<Vec<_>, _>>();
    Ok(OtlpRules {
        resource: rules(&config.resource_attributes)?,
        scope: rules(&config.scope_attributes)?,
        record: rules(&config.log_attributes)?,
        severity_text_as_label: config.severity_text_as_label,
    })
}

fn otlp_rule(rule: &AttributeRule) -> Result<OtlpRule, LimitsError> {
    let action = match rule.action {
        AttributeAction::IndexLabel => OtlpAction::Label,
        AttributeAction::StructuredMetadata => OtlpAction::Metadata,
        AttributeAction::Drop => OtlpAction::Drop,
    };
    let names = if rule.attributes.is_empty() {
        let regex = GoRegex::selector(&rule.regex).map_err(|error| LimitsError::Selector(error.to_string()))?;
        OtlpNames::Matching(NamePattern::new(&rule.regex, move |name| regex.is_match(name)))
    } else {
        OtlpNames::Listed(rule.attributes.clone())
    };
    Ok(OtlpRule { action, names })
}
