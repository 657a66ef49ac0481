//! Labels of single lines and the sets made of them.

use super::*;

fn line(stream: &[(&str, &str)], metadata: &[(&str, &str)]) -> LineLabels {
    let mut labels = LineLabels::new(&Labels::from_pairs(stream.iter().copied()), &[], &Hints::none());
    labels.start();
    labels.add_metadata(metadata);
    labels
}

fn set_of(labels: &mut LineLabels) -> ResultLabels {
    let id = labels.result();
    labels.labels(id).clone()
}

#[test]
fn metadata_that_collides_is_renamed() {
    let mut labels = line(&[("t", "x")], &[("t", "v"), ("u", "w")]);
    let set = set_of(&mut labels);
    assert_eq!(set.all.to_string(), r#"{t="x", t_extracted="v", u="w"}"#);
    assert_eq!(set.metadata.to_string(), r#"{t_extracted="v", u="w"}"#);
    assert_eq!((set.stream.len(), set.parsed.len()), (1, 0));
}

#[test]
fn a_parsed_label_hides_stream_and_metadata() {
    let mut labels = line(&[("a", "1"), ("b", "2")], &[("m", "3")]);
    for name in ["a", "m"] {
        let id = labels.name(name);
        labels.set_parsed(id, b"new");
    }
    let set = set_of(&mut labels);
    assert_eq!(set.all.to_string(), r#"{a="new", b="2", m="new"}"#);
    assert_eq!((set.stream.to_string(), set.parsed.len()), (r#"{b="2"}"#.into(), 2));
    let a = labels.name("a");
    labels.delete(a);
    assert_eq!(labels.get(a), None);
    assert_eq!(set_of(&mut labels).all.to_string(), r#"{b="2", m="new"}"#);
}

#[test]
fn metadata_errors_are_the_error_state_and_details_alone_vanish() {
    let mut labels = line(&[("a", "1")], &[("__error__", "boom")]);
    assert_eq!(labels.error(), b"boom");
    assert_eq!(set_of(&mut labels).parsed.to_string(), r#"{__error__="boom"}"#);
    let mut labels = line(&[("a", "1")], &[("__error_details__", "why")]);
    assert_eq!(labels.result(), LabelsId(0));
    let mut labels = line(&[("a", "1")], &[("__error_details__", "why"), ("m", "1")]);
    assert_eq!(set_of(&mut labels).all.to_string(), r#"{__error_details__="why", a="1", m="1"}"#);
}

#[test]
fn equal_sets_have_one_number() {
    let mut labels = line(&[("a", "1")], &[("m", "1"), ("n", "2")]);
    let first = labels.result();
    labels.start();
    for (name, value) in [("n", "2"), ("m", "1")] {
        labels.add_metadata(&[(name, value)]);
    }
    assert_eq!(labels.result(), first);
    labels.start();
    assert_eq!(labels.result(), LabelsId(0));
}

#[test]
fn grouping_picks_and_removes() {
    let mut labels = line(&[("a", "1"), ("b", "2")], &[("m", "3")]);
    let names = vec![labels.name("b"), labels.name("m"), labels.name("nope")];
    let by = labels.grouped(&GroupBy { names: names.clone(), without: false, none: false });
    assert_eq!(labels.labels(by).all.to_string(), r#"{b="2", m="3"}"#);
    let without = labels.grouped(&GroupBy { names, without: true, none: false });
    assert_eq!(labels.labels(without).all.to_string(), r#"{a="1"}"#);
    let none = labels.grouped(&GroupBy { none: true, ..GroupBy::default() });
    assert!(labels.labels(none).all.is_empty());
}

#[test]
fn odd_names_do_not_pile_up() {
    let mut labels = line(&[("a", "1")], &[]);
    for at in 0..40_000 {
        labels.start();
        labels.name(&format!("n{at}"));
    }
    assert!(labels.names.len() <= MAX_NAMES + 3 && labels.generation() > 1);
}
