//! Binary operators (specification 6.6).

use std::collections::HashMap;

use foldhash::fast::FixedState;
use loptr_logql::ast::{BinaryExpr, BinaryOp, VectorMatching};
use loptr_model::Labels;

use super::{Node, by_step, without_empty};
use crate::EvalError;
use crate::range::{SeriesSteps, Steps};

pub(super) fn binary(expr: &BinaryExpr, left: Node, right: Node, steps: Steps) -> Result<Node, EvalError> {
    let (op, filters) = (expr.op, !expr.return_bool);
    Ok(match (left, right) {
        (Node::Scalar(a), Node::Scalar(b)) => Node::Scalar(arithmetic(op, a, b)),
        (Node::Scalar(a), Node::Series(series)) => Node::Series(each(series, |b| apply(op, a, b, b, filters))),
        (Node::Series(series), Node::Scalar(b)) => Node::Series(each(series, |a| apply(op, a, b, a, filters))),
        (Node::Series(left), Node::Series(right)) => Node::Series(match op {
            BinaryOp::And | BinaryOp::Or | BinaryOp::Unless => set(expr, &left, &right, steps),
            _ => pair(expr, &left, &right, steps)?,
        }),
    })
}

fn each(series: Vec<SeriesSteps>, value: impl Fn(f64) -> Option<f64>) -> Vec<SeriesSteps> {
    let mapped = series.into_iter().map(|SeriesSteps { labels, points }| SeriesSteps {
        labels,
        points: points.into_iter().filter_map(|(step, old)| Some((step, value(old)?))).collect(),
    });
    mapped.filter(|one| !one.points.is_empty()).collect()
}

/// The value of `a op b`; a comparison that filters gives `kept` or nothing.
fn apply(op: BinaryOp, a: f64, b: f64, kept: f64, filters: bool) -> Option<f64> {
    let value = arithmetic(op, a, b);
    if !filters || !is_comparison(op) {
        return Some(value);
    }
    (value == 1.0).then_some(kept)
}

fn is_comparison(op: BinaryOp) -> bool {
    matches!(op, BinaryOp::Eq | BinaryOp::Ne | BinaryOp::Gt | BinaryOp::Ge | BinaryOp::Lt | BinaryOp::Le)
}

/// `a op b`; comparisons give 0 or 1. By zero nothing can be divided.
pub(crate) fn arithmetic(op: BinaryOp, a: f64, b: f64) -> f64 {
    let truth = |holds: bool| f64::from(u8::from(holds));
    match op {
        BinaryOp::Add => a + b,
        BinaryOp::Sub => a - b,
        BinaryOp::Mul => a * b,
        BinaryOp::Div | BinaryOp::Mod if b == 0.0 => f64::NAN,
        BinaryOp::Div => a / b,
        BinaryOp::Mod => a % b,
        BinaryOp::Pow => pow(a, b),
        BinaryOp::Eq => truth(a == b),
        BinaryOp::Ne => truth(a != b),
        BinaryOp::Gt => truth(a > b),
        BinaryOp::Ge => truth(a >= b),
        BinaryOp::Lt => truth(a < b),
        BinaryOp::Le => truth(a <= b),
        BinaryOp::And | BinaryOp::Or | BinaryOp::Unless => f64::NAN,
    }
}

/// `math.Pow`, which is C's but for this: -1 to an infinite power is 1 in both.
fn pow(a: f64, b: f64) -> f64 {
    a.powf(b)
}

/// Numbers the label sets that two sides are matched by.
struct Signatures<'a> {
    matching: Option<&'a VectorMatching>,
    known: HashMap<Labels, usize, FixedState>,
}

impl<'a> Signatures<'a> {
    fn new(matching: Option<&'a VectorMatching>) -> Self {
        Self { matching, known: HashMap::default() }
    }

    fn of(&mut self, series: &[SeriesSteps]) -> Vec<usize> {
        series.iter().map(|one| self.signature(&one.labels)).collect()
    }

    fn signature(&mut self, labels: &Labels) -> usize {
        let listed = |m: &VectorMatching, name: &str| m.labels.iter().any(|label| label == name);
        // An empty label is none.
        let part = match self.matching {
            None => without_empty(labels.clone()),
            Some(m) => {
                Labels::from_pairs(labels.iter().filter(|(name, value)| !value.is_empty() && listed(m, name) == m.on))
            }
        };
        let next = self.known.len();
        *self.known.entry(part).or_insert(next)
    }
}

/// `and`, `or`, `unless`.
fn set(expr: &BinaryExpr, left: &[SeriesSteps], right: &[SeriesSteps], steps: Steps) -> Vec<SeriesSteps> {
    let mut signatures = Signatures::new(expr.matching.as_ref());
    let (of_left, of_right) = (signatures.of(left), signatures.of(right));
    let empty = |series: &[SeriesSteps]| -> Vec<SeriesSteps> {
        series.iter().map(|one| SeriesSteps { labels: one.labels.clone(), points: Vec::new() }).collect()
    };
    let (mut out_left, mut out_right) = (empty(left), empty(right));
    let (left_steps, right_steps) = (by_step(left, steps), by_step(right, steps));
    // Step (plus one) at which a signature was seen last on the other side.
    let mut seen = vec![0u32; signatures.known.len()];
    for (step, (lefts, rights)) in left_steps.iter().zip(&right_steps).enumerate() {
        let now = step as u32 + 1;
        if expr.op == BinaryOp::Or {
            for &(at, value) in lefts {
                seen[of_left[at as usize]] = now;
                out_left[at as usize].points.push((step as u32, value));
            }
            for &(at, value) in rights.iter().filter(|(at, _)| seen[of_right[*at as usize]] != now) {
                out_right[at as usize].points.push((step as u32, value));
            }
            continue;
        }
        for &(at, _) in rights {
            seen[of_right[at as usize]] = now;
        }
        for &(at, value) in lefts {
            if (seen[of_left[at as usize]] == now) == (expr.op == BinaryOp::And) {
                out_left[at as usize].points.push((step as u32, value));
            }
        }
    }
    out_left.into_iter().chain(out_right).filter(|one| !one.points.is_empty()).collect()
}

const UNMATCHED: &str = "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)";
const UNGROUPED: &str = "multiple matches for labels: grouping labels must ensure unique matches";

/// Arithmetic and comparisons between two sides.
fn pair(
    expr: &BinaryExpr,
    left: &[SeriesSteps],
    right: &[SeriesSteps],
    steps: Steps,
) -> Result<Vec<SeriesSteps>, EvalError> {
    let group = expr.matching.as_ref().and_then(|matching| matching.group.as_ref());
    // `many` is walked, `one` is looked up; without a modifier both are one.
    let swapped = group.is_some_and(|group| !group.left);
    let (many, one) = if swapped { (right, left) } else { (left, right) };
    let mut signatures = Signatures::new(expr.matching.as_ref());
    let (of_many, of_one) = (signatures.of(many), signatures.of(one));
    let (many_steps, one_steps) = (by_step(many, steps), by_step(one, steps));
    let count = signatures.known.len();
    let mut found: Vec<(u32, u32, f64)> = vec![(0, 0, 0.0); count];
    let mut matched = vec![0u32; count];
    let mut results = Results::new(expr.matching.as_ref(), many, one);
    let mut inserted: std::collections::HashSet<(usize, usize), FixedState> = Default::default();
    for (step, (manys, ones)) in many_steps.iter().zip(&one_steps).enumerate() {
        let now = step as u32 + 1;
        inserted.clear();
        for &(at, value) in ones {
            let slot = &mut found[of_one[at as usize]];
            if slot.0 == now {
                let side = if swapped { "left" } else { "right" };
                return Err(EvalError::Matching(format!(
                    "found duplicate series on the {side} hand-side;many-to-many matching not allowed: matching labels \
                     must be unique on one side"
                )));
            }
            *slot = (now, at, value);
        }
        for &(at, value) in manys {
            let signature = of_many[at as usize];
            let (seen, other, other_value) = found[signature];
            if seen != now {
                continue;
            }
            let result = results.of(at, other);
            if group.is_none() {
                if matched[signature] == now {
                    return Err(EvalError::Matching(UNMATCHED.into()));
                }
                matched[signature] = now;
            } else if !inserted.insert((signature, results.labels_id(result))) {
                return Err(EvalError::Matching(UNGROUPED.into()));
            }
            let (a, b) = if swapped { (other_value, value) } else { (value, other_value) };
            if let Some(value) = apply(expr.op, a, b, a, !expr.return_bool) {
                results.series[result].points.push((step as u32, value));
            }
        }
    }
    Ok(results.series.into_iter().filter(|one| !one.points.is_empty()).collect())
}

/// Result series, one per pair of series matched.
struct Results<'a> {
    matching: Option<&'a VectorMatching>,
    many: &'a [SeriesSteps],
    one: &'a [SeriesSteps],
    by_pair: HashMap<(u32, u32), usize, FixedState>,
    by_labels: HashMap<Labels, usize, FixedState>,
    label_ids: Vec<usize>,
    series: Vec<SeriesSteps>,
}

impl<'a> Results<'a> {
    fn new(matching: Option<&'a VectorMatching>, many: &'a [SeriesSteps], one: &'a [SeriesSteps]) -> Self {
        Self {
            matching,
            many,
            one,
            by_pair: HashMap::default(),
            by_labels: HashMap::default(),
            label_ids: Vec::new(),
            series: Vec::new(),
        }
    }

    fn of(&mut self, many: u32, one: u32) -> usize {
        if let Some(&at) = self.by_pair.get(&(many, one)) {
            return at;
        }
        let labels = result_labels(&self.many[many as usize].labels, &self.one[one as usize].labels, self.matching);
        let labels = without_empty(labels);
        let next = self.by_labels.len();
        self.label_ids.push(*self.by_labels.entry(labels.clone()).or_insert(next));
        self.series.push(SeriesSteps { labels, points: Vec::new() });
        self.by_pair.insert((many, one), self.series.len() - 1);
        self.series.len() - 1
    }

    fn labels_id(&self, result: usize) -> usize {
        self.label_ids[result]
    }
}

fn result_labels(many: &Labels, one: &Labels, matching: Option<&VectorMatching>) -> Labels {
    let Some(matching) = matching else { return many.clone() };
    let listed = |name: &str| matching.labels.iter().any(|label| label == name);
    match &matching.group {
        None => Labels::from_pairs(many.iter().filter(|(name, _)| listed(name) == matching.on)),
        Some(group) => {
            let mut labels = many.clone();
            for name in &group.include {
                labels = match one.get(name).filter(|value| !value.is_empty()) {
                    Some(value) => labels.with(name, value),
                    None => labels.without(name),
                };
            }
            labels
        }
    }
}
