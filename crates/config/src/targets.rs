//! Upstream's modules: what `-list-targets` prints.
//!
//! A module brings along those it depends on, which `data/targets.tsv` lists; some dependencies hold only with other
//! targets or settings beside them.

use std::collections::{BTreeMap, BTreeSet};

use crate::value::Object;

static TEXT: &str = include_str!("../data/targets.tsv");

struct Module {
    is_visible: bool,
    needs: Vec<&'static str>,
}

fn modules() -> BTreeMap<&'static str, Module> {
    let rows = TEXT.lines().filter(|line| !line.starts_with('#'));
    let row = |line: &'static str| {
        let mut columns = line.split('\t');
        let mut column = || columns.next().unwrap_or("");
        let (name, visible, needs) = (column(), column(), column());
        (name, Module { is_visible: visible == "v", needs: needs.split(',').filter(|name| !name.is_empty()).collect() })
    };
    rows.map(row).collect()
}

/// Dependencies that hold under these settings only.
fn with_settings(modules: &mut BTreeMap<&'static str, Module>, values: &Object) {
    let targets = values.strs("target");
    let on = |names: &[&str]| names.iter().any(|name| targets.iter().any(|target| target == name));
    let scheduler = on(&["query-scheduler"]);
    let limiter = values.bool("querier.per_request_limits_enabled");
    let conditional: [(bool, &str, &[&'static str]); 9] = [
        (on(&["querier", "ruler", "read", "backend"]), "store", &["ingester-querier"]),
        (on(&["all"]) || (on(&["querier"]) && scheduler), "querier", &["query-scheduler"]),
        (on(&["all"]) || (on(&["query-frontend"]) && scheduler), "query-frontend", &["query-scheduler"]),
        (on(&["ingester", "write", "all"]), "server", &["ingester-grpc-interceptors"]),
        (
            values.bool("legacy_read_target"),
            "read",
            &[
                "query-scheduler",
                "ruler",
                "compactor",
                "index-gateway",
                "bloom-planner",
                "bloom-builder",
                "bloom-gateway",
            ],
        ),
        (values.bool("ingest_limits.enabled"), "all", &["ingest-limits", "ingest-limits-frontend"]),
        (limiter, "querier", &["query-limiter"]),
        (limiter, "query-frontend-tripperware", &["query-limiter"]),
        (limiter, "server", &["query-limits-interceptors"]),
    ];
    for (holds, module, adds) in conditional {
        if let (true, Some(module)) = (holds, modules.get_mut(module)) {
            module.needs.extend(adds);
        }
    }
}

/// Every module a target may be, each with what it brings along that may be one too, indented below it.
pub(crate) fn list(values: &Object) -> String {
    let mut modules = modules();
    with_settings(&mut modules, values);
    let is_visible = |name: &str| modules.get(name).is_some_and(|module| module.is_visible);
    let mut out = String::new();
    for name in modules.keys().filter(|name| is_visible(name)) {
        out.push_str(&format!("{name}\n"));
        let (mut found, mut open) = (BTreeSet::new(), vec![*name]);
        while let Some(next) = open.pop() {
            for needed in modules.get(next).map(|module| module.needs.as_slice()).unwrap_or_default() {
                if found.insert(*needed) {
                    open.push(needed);
                }
            }
        }
        for needed in found.into_iter().filter(|needed| is_visible(needed)) {
            out.push_str(&format!("  {needed}\n"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::KeyId;
    use crate::value::{Source, Value};

    fn below(text: &str, target: &str) -> Vec<String> {
        let lines = text.lines().skip_while(|line| *line != target).skip(1);
        lines.take_while(|line| line.starts_with("  ")).map(|line| line.trim().to_owned()).collect()
    }

    #[test]
    fn modules_and_what_they_bring_along() {
        let mut values = Object::defaults(KeyId::ROOT);
        let all = list(&values);
        assert_eq!(all.lines().filter(|line| !line.starts_with(' ')).count(), 31);
        assert_eq!(below(&all, "querier"), ["query-scheduler"]);
        assert_eq!(below(&all, "read"), ["querier", "query-frontend", "query-scheduler"]);
        assert_eq!(below(&all, "compactor"), [""; 0]);
        assert_eq!(below(&all, "all").len(), 11);
        values.set(values.id("target"), Value::Texts(vec!["read".to_owned()]), Source::Flag);
        assert_eq!(below(&list(&values), "read"), ["querier", "query-frontend"]);
        values.set(values.id("legacy_read_target"), Value::Bool(true), Source::Flag);
        assert!(below(&list(&values), "read").contains(&"compactor".to_owned()));
    }
}
