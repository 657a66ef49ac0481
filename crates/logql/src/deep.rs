//! Trees as deep as the longest query can make them.
//!
//! `a or b or …` is as deep as it is long: 30,000 levels fit a query. Whatever walks a tree calls itself for each of them
//! by way of [`with_stack`], and the links are [`Deep`], so that dropping, cloning, comparing and printing do too.

use std::fmt;
use std::ops::Deref;

/// Least stack a step of a walk begins with.
const RED_ZONE_BYTES: usize = 128 << 10;
/// What is added when there is less. It is given back when the step ends.
const SEGMENT_BYTES: usize = 4 << 20;

/// Runs one step of a recursive walk, on more stack if little is left.
///
/// ```
/// fn depth(left: u32) -> u32 {
///     if left == 0 { 0 } else { 1 + loptr_logql::with_stack(|| depth(left - 1)) }
/// }
/// assert_eq!(depth(1_000_000), 1_000_000);
/// ```
pub fn with_stack<R>(step: impl FnOnce() -> R) -> R {
    stacker::maybe_grow(RED_ZONE_BYTES, SEGMENT_BYTES, step)
}

/// An owned part of a node, as a `Box`, that any depth of others may follow.
pub struct Deep<T>(Option<Box<T>>);

impl<T> Deep<T> {
    /// Owns `part`.
    pub fn new(part: T) -> Self {
        Self(Some(Box::new(part)))
    }
}

impl<T> Deref for Deep<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("only dropping takes the part out")
    }
}

impl<T> Drop for Deep<T> {
    fn drop(&mut self) {
        let part = self.0.take();
        with_stack(|| drop(part));
    }
}

impl<T: Clone> Clone for Deep<T> {
    fn clone(&self) -> Self {
        with_stack(|| Self::new(T::clone(self)))
    }
}

impl<T: PartialEq> PartialEq for Deep<T> {
    fn eq(&self, other: &Self) -> bool {
        with_stack(|| T::eq(self, other))
    }
}

impl<T: Eq> Eq for Deep<T> {}

impl<T: fmt::Debug> fmt::Debug for Deep<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        with_stack(|| T::fmt(self, f))
    }
}

impl<T: fmt::Display> fmt::Display for Deep<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        with_stack(|| T::fmt(self, f))
    }
}
