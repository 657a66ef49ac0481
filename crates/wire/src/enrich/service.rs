//! The `service_name` label of streams that come without one.

use loptr_model::Labels;

/// The label added.
pub const SERVICE_NAME: &str = "service_name";
/// Its value when no label tells.
pub const UNKNOWN_SERVICE: &str = "unknown_service";
/// Label of streams that hold metrics upstream computes from logs.
pub const AGGREGATED_METRIC: &str = "__aggregated_metric__";
/// Label of streams that hold log patterns upstream finds.
pub const PATTERN: &str = "__pattern__";

/// Labels that tell the service, by preference (`limits_config.discover_service_name`).
pub const DEFAULT_SERVICE_LABELS: [&str; 13] = [
    "service",
    "app",
    "application",
    "app_name",
    "name",
    "app_kubernetes_io_name",
    "container",
    "container_name",
    "k8s_container_name",
    "component",
    "workload",
    "job",
    "k8s_job_name",
];

/// Whether a stream is upstream's own: it gets no service name and skips most validation.
pub fn is_internal(labels: &Labels) -> bool {
    labels.get(AGGREGATED_METRIC).is_some() || labels.get(PATTERN).is_some()
}

/// The service name to add to `labels`; None when they have one, the stream is internal or `from` is empty.
pub fn discover_service<'a>(labels: &'a Labels, from: &[impl AsRef<str>]) -> Option<&'a str> {
    if from.is_empty() || labels.get(SERVICE_NAME).is_some() || is_internal(labels) {
        return None;
    }
    let found = from.iter().find_map(|name| labels.get(name.as_ref()).filter(|value| !value.is_empty()));
    Some(found.unwrap_or(UNKNOWN_SERVICE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_label_of_the_list_names_the_service() {
        let service = |pairs: &[(&str, &str)]| {
            let labels = Labels::from_pairs(pairs.iter().copied());
            discover_service(&labels, &DEFAULT_SERVICE_LABELS).map(str::to_owned)
        };
        assert_eq!(service(&[("job", "j"), ("app", "a")]).as_deref(), Some("a"));
        assert_eq!(service(&[("env", "prod")]).as_deref(), Some("unknown_service"));
        assert_eq!(service(&[("service_name", "mine"), ("app", "a")]), None);
        assert_eq!(service(&[("__pattern__", "x"), ("app", "a")]), None);
        let labels = Labels::from_pairs([("app", "a")]);
        assert_eq!(discover_service(&labels, &[] as &[&str]), None);
    }
}
