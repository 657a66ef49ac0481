use std::time::Duration;

use loptr_model::{Entry, Labels};

use super::*;
use crate::policy::{DeletionMode, Policies, TenantPolicy};
use crate::retention::Retention;
use crate::testing::tenant;

const MINUTE: i64 = 60_000;

fn part(owner: &str, id: &str, part: u32, start: i64, query: &str) -> Part {
    Part {
        tenant: owner.to_owned(),
        id: id.to_owned(),
        part,
        created: Millis(0),
        start: Millis(start),
        end: Millis(start + 10),
        query: query.to_owned(),
        processed: false,
    }
}

fn of_parts(parts: impl IntoIterator<Item = Part>) -> Requests {
    let mut requests = Requests::default();
    parts.into_iter().for_each(|part| requests.insert(part));
    requests
}

#[test]
fn a_request_is_as_far_as_its_parts() {
    let mut requests = of_parts((0..3).map(|number| part("t", "a", number, i64::from(number) * 10, "{a=\"b\"}")));
    requests.insert(part("tt", "b", 0, 5, "{a=\"b\"}"));
    let status =
        |requests: &Requests| requests.of("t").iter().map(|request| request.status.clone()).collect::<Vec<_>>();
    assert_eq!(status(&requests), ["received"]);
    let done = |number: u32| ("t".to_owned(), "a".to_owned(), number);
    requests.processed(&[done(1)]);
    assert_eq!(status(&requests), ["33% Complete"]);
    requests.processed(&[done(0), done(2)]);
    assert_eq!(status(&requests), ["processed"]);
    let one = &requests.of("t")[0];
    assert_eq!((one.start, one.end, requests.parts.len()), (Millis(0), Millis(30), 2), "its parts became one");
    assert_eq!(requests.of("tt").len(), 1);
}

#[test]
fn two_copies_know_what_either_knows() {
    let mut left = of_parts([part("t", "a", 0, 0, "x"), part("t", "b", 0, 0, "x")]);
    left.processed(&[("t".to_owned(), "a".to_owned(), 0)]);
    left.generations.insert("t".to_owned(), "5".to_owned());
    let mut right = of_parts([part("t", "a", 0, 0, "x"), part("u", "c", 0, 0, "x")]);
    right.generations.insert("t".to_owned(), "7".to_owned());
    let both = left.clone().union(right.clone());
    assert_eq!(both, right.union(left));
    assert_eq!((both.parts.len(), both.of("t")[0].status.as_str()), (3, "processed"));
    assert_eq!(both.generations["t"], "7");
}

#[test]
fn parts_meet_at_multiples_of_their_length() {
    let cut = |start, end, length| -> Vec<(i64, i64)> {
        super::cut(Millis(start), Millis(end), length).into_iter().map(|(start, end)| (start.0, end.0)).collect()
    };
    assert_eq!(cut(15, 42, 10), [(15, 20), (20, 30), (30, 40), (40, 42)]);
    assert_eq!(cut(10, 30, 10), [(10, 20), (20, 30)]);
    assert_eq!(cut(15, 24, 10), [(15, 24)]);
    assert_eq!(cut(15, 42, 0), [(15, 42)]);
}

#[test]
fn both_ends_are_in_and_a_filter_chooses_lines() {
    let covers = |query: &str, ts: i64, line: &str| {
        let deletion = deletion(&part("t", "a", 0, 5, query), Nanos(0)).expect("a query");
        let labels = Labels::from_pairs([("app", "a")]);
        let mut bound = loptr_eval::source::Tombstones::of_stream(&labels, [&deletion]).for_stream(&labels);
        bound.covers(&Entry { ts: Nanos(ts), line: line.as_bytes(), metadata: &[] })
    };
    let all = r#"{app="a"}"#;
    assert!(covers(all, 5_000_000, "x") && covers(all, 15_000_000, "x"));
    assert!(!covers(all, 4_999_999, "x") && !covers(all, 15_000_001, "x"));
    assert!(!covers(r#"{app="b"}"#, 5_000_000, "x"));
    let some = r#"{app="a"} |= "secret""#;
    assert!(covers(some, 5_000_000, "a secret") && !covers(some, 5_000_000, "x"));
    assert!(covers(r#"{app="a"} | logfmt | user="7""#, 5_000_000, "user=7"));
    assert!(deletion(&part("t", "a", 0, 0, "rate({a=\"b\"}[1m])"), Nanos(0)).is_err());
}

#[test]
fn one_request_that_cannot_be_read_keeps_its_tenant_from_reading() {
    let requests =
        of_parts([part("t", "a", 0, 0, "{"), part("t", "b", 0, 0, "{a=\"b\"}"), part("u", "c", 0, 0, "{a=\"b\"}")]);
    let deletions = requests.deletions(Nanos(0));
    assert_eq!(deletions["t"].as_ref().expect_err("no query"), "delete request a: invalid query expression");
    assert_eq!(deletions["u"].as_ref().expect("a query").len(), 1);
}

/// Sixty minutes of retention; `off` only filters.
struct Test;

impl Policies for Test {
    fn of(&self, tenant: &TenantId) -> Arc<TenantPolicy> {
        let deletion = if tenant.as_str() == "off" { DeletionMode::FilterOnly } else { DeletionMode::FilterAndDelete };
        let retention = Retention { period: Duration::from_secs(3600), streams: Vec::new() };
        Arc::new(TenantPolicy { retention, deletion })
    }
}

#[test]
fn a_round_carries_out_what_is_ready_earliest_logs_first() {
    let query = "{a=\"b\"}";
    let late = |owner: &str, id: &str, start| Part { created: Millis(30 * MINUTE), ..part(owner, id, 0, start, query) };
    let requests = of_parts([
        part("t", "second", 0, 110 * MINUTE, query),
        part("t", "first", 0, 100 * MINUTE, query),
        part("t", "third", 0, 120 * MINUTE, query),
        late("t", "again", 100 * MINUTE),
        part("t", "past", 0, MINUTE, query),
        part("off", "never", 0, 100 * MINUTE, query),
        Part { created: Millis(110 * MINUTE), ..part("t", "young", 0, 100 * MINUTE, query) },
    ]);
    let now = Nanos(120 * MINUTE * Nanos::PER_MILLI);
    let batch = batch(&requests, &Test, 10 * MINUTE, 2, now).expect("all are queries");
    let ids = |keys: &[PartKey]| keys.iter().map(|key| key.1.clone()).collect::<Vec<_>>();
    assert_eq!(
        (ids(&batch.parts), ids(&batch.past)),
        (vec!["again".into(), "first".into(), "second".into()], vec!["past".into()])
    );
    assert_eq!(batch.deletions[&tenant("t")].len(), 2, "a repeat is carried out once");
    assert_eq!((batch.waiting.ready, batch.waiting.oldest), (5, Some(Millis(0))));
}
