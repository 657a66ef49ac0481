//! A naive index to compare the real ones with, and strategies that fill both. Tests only.

use loptr_model::{Fingerprint, Labels, Millis};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::{ChunkMeta, Predicate, Test};

/// One series: fingerprint, labels, chunks.
pub(crate) type Row = (Fingerprint, Labels, Vec<ChunkMeta>);

/// Labels from few names and values, so that predicates meet some of each.
pub(crate) fn labels() -> impl Strategy<Value = Labels> {
    let values = prop_oneof![Just(""), Just("x"), Just("y"), Just("yy"), Just("é"), Just("z\n\"")];
    proptest::collection::btree_map("[a-d]", values, 0..4).prop_map(Labels::from_pairs)
}

pub(crate) fn chunk() -> impl Strategy<Value = ChunkMeta> {
    (-50..2000i64, 0..300i64, 0..3u32).prop_map(|(min, span, checksum)| {
        // Sizes follow from the key, so that it does not matter which of two equals stays.
        let seed = (min as u32).wrapping_mul(31).wrapping_add(span as u32).wrapping_add(checksum);
        ChunkMeta { min: Millis(min), max: Millis(min + span), checksum, kb: seed % 977, entries: seed % 1009 }
    })
}

/// Series with up to `chunks` chunks each; fingerprints are spread and some collide.
pub(crate) fn rows(series: usize, chunks: usize) -> impl Strategy<Value = Vec<Row>> {
    let fingerprint = prop_oneof![any::<u64>(), Just(7), Just(u64::MAX)].prop_map(Fingerprint);
    vec((fingerprint, labels(), vec(chunk(), 0..chunks)), 0..series)
}

/// A predicate that owns what [`Predicate`] borrows.
#[derive(Debug, Clone)]
pub(crate) struct OwnedPredicate {
    name: String,
    values: Vec<&'static str>,
    /// 0: one of, 1: none of, 2: longer than a limit, 3: not so.
    kind: u8,
}

pub(crate) fn predicates() -> impl Strategy<Value = Vec<OwnedPredicate>> {
    let value = prop_oneof![Just(""), Just("x"), Just("y"), Just("yy"), Just("é"), Just("absent")];
    let one = ("[a-e]", vec(value, 0..3), 0..4u8);
    vec(one.prop_map(|(name, values, kind)| OwnedPredicate { name, values, kind }), 0..4)
}

/// Calls `with` with borrowed forms of `owned`.
pub(crate) fn with_predicates<R>(owned: &[OwnedPredicate], with: impl FnOnce(&[Predicate<'_>]) -> R) -> R {
    let tests: Vec<_> = owned
        .iter()
        .map(|one| {
            let limit = one.values.len();
            let negated = one.kind == 3;
            move |value: &str| (value.len() >= limit) != negated
        })
        .collect();
    let borrowed: Vec<Predicate<'_>> = std::iter::zip(owned, &tests)
        .map(|(one, test)| {
            let test = match one.kind {
                0 => Test::OneOf(&one.values),
                1 => Test::NoneOf(&one.values),
                _ => Test::Accepts(test),
            };
            Predicate { name: &one.name, test }
        })
        .collect();
    with(&borrowed)
}

/// Whether every predicate accepts these labels.
pub(crate) fn accepts(predicates: &[Predicate<'_>], labels: &Labels) -> bool {
    predicates.iter().all(|predicate| predicate.accepts(labels.get(predicate.name).unwrap_or_default()))
}

/// The rows as an index file holds them: sorted, equal series one, chunks sorted and each once.
pub(crate) fn normal(rows: &[Row]) -> Vec<Row> {
    let mut merged = std::collections::BTreeMap::<(Fingerprint, Labels), Vec<ChunkMeta>>::new();
    for (fingerprint, labels, chunks) in rows {
        merged.entry((*fingerprint, labels.clone())).or_default().extend(chunks);
    }
    let row = |((fingerprint, labels), mut chunks): ((Fingerprint, Labels), Vec<ChunkMeta>)| {
        chunks.sort_by_key(|chunk| (chunk.min, chunk.max, chunk.checksum));
        chunks.dedup();
        (fingerprint, labels, chunks)
    };
    merged.into_iter().map(row).collect()
}
