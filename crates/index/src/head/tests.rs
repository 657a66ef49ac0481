use proptest::prelude::*;

use super::*;
use crate::model_of_index::{accepts, labels, predicates, with_predicates};

fn stream(pairs: &[(&str, &str)]) -> Labels {
    Labels::from_pairs(pairs.iter().copied())
}

#[test]
fn streams_are_added_once_and_found() {
    let mut head = IndexHead::new();
    let (a, b) = (stream(&[("app", "a")]), stream(&[("app", "b"), ("env", "x")]));
    let id = head.add(&a, a.fingerprint());
    assert_eq!(head.add(&a, a.fingerprint()), id);
    let other = head.add(&b, b.fingerprint());
    assert_ne!(id, other);
    assert_eq!((head.len(), head.find(&b, b.fingerprint())), (2, Some(other)));
    assert_eq!(head.labels(other).collect::<Vec<_>>(), [("app", "b"), ("env", "x")]);
    assert_eq!(head.label_values("app", &[Predicate { name: "env", test: Test::OneOf(&["x"]) }]), ["b"]);
    assert_eq!(head.label_names(&[Predicate { name: "app", test: Test::OneOf(&["a"]) }]), ["app"]);
}

#[test]
fn removal_frees_numbers_and_strings() {
    let mut head = IndexHead::new();
    let (a, b) = (stream(&[("app", "a"), ("pod", "1")]), stream(&[("app", "a")]));
    let first = head.add(&a, a.fingerprint());
    head.add(&b, b.fingerprint());
    assert!(head.remove(first) && !head.remove(first) && !head.remove(99));
    assert_eq!((head.label_names(&[]), head.label_values("app", &[])), (vec!["app"], vec!["a"]));
    assert_eq!(head.add(&a, a.fingerprint()), first);
    assert_eq!(head.label_names(&[]), ["app", "pod"]);
}

#[test]
fn colliding_fingerprints_stay_apart() {
    let mut head = IndexHead::new();
    let all: Vec<Labels> = (0..4).map(|n| stream(&[("n", &n.to_string())])).collect();
    let ids: Vec<u32> = all.iter().map(|labels| head.add(labels, Fingerprint(1))).collect();
    for remove in [1, 3, 0, 2] {
        assert!(head.remove(ids[remove]));
        assert_eq!(head.find(&all[remove], Fingerprint(1)), None);
    }
    assert!(head.is_empty());
}

proptest! {
    #[test]
    fn selects_what_a_scan_selects(
        steps in proptest::collection::vec((labels(), any::<bool>(), any::<u64>()), 0..60),
        asked in predicates(),
    ) {
        let (mut head, mut model) = (IndexHead::new(), std::collections::BTreeMap::new());
        for (labels, remove, fingerprint) in steps {
            let fingerprint = Fingerprint(if fingerprint % 4 == 0 { 1 } else { labels.fingerprint().0 });
            let id = head.add(&labels, fingerprint);
            if let Some(before) = model.insert(id, (labels.clone(), fingerprint)) {
                prop_assert_eq!(before, (labels, fingerprint));
            }
            if remove {
                prop_assert!(head.remove(id));
                model.remove(&id);
            }
        }
        let shard = Shard::of(1, 2).expect("half");
        with_predicates(&asked, |asked| {
            let accepted: Vec<_> = model.iter().filter(|(_, (labels, _))| accepts(asked, labels)).collect();
            let ids: RoaringBitmap = accepted.iter().map(|(id, _)| **id).collect();
            prop_assert_eq!(head.select(asked, None), ids);
            let inside = accepted.iter().filter(|(_, (_, fingerprint))| shard.contains(*fingerprint));
            prop_assert_eq!(head.select(asked, Some(shard)), inside.map(|(id, _)| **id).collect::<RoaringBitmap>());
            let pairs = || accepted.iter().flat_map(|(_, (labels, _))| labels.iter());
            let names: BTreeSet<&str> = pairs().map(|(name, _)| name).collect();
            prop_assert_eq!(head.label_names(asked), names.into_iter().collect::<Vec<_>>());
            let values: BTreeSet<&str> = pairs().filter(|(name, _)| *name == "a").map(|(_, value)| value).collect();
            prop_assert_eq!(head.label_values("a", asked), values.into_iter().collect::<Vec<_>>());
            Ok(())
        })?;
    }
}
