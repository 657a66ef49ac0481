//! Go's `container/heap`, swap for swap.
//!
//! Where equals lie in a heap depends on how it moves them, and upstream's answers show it. `less` says which of two
//! belongs nearer the top.

/// Appends `item` and lets it rise.
pub(crate) fn push<T>(heap: &mut Vec<T>, item: T, less: impl Fn(&T, &T) -> bool) {
    heap.push(item);
    let last = heap.len() - 1;
    up(heap, last, less);
}

/// Removes the item on top.
pub(crate) fn pop<T>(heap: &mut Vec<T>, less: impl Fn(&T, &T) -> bool) -> Option<T> {
    let last = heap.len().checked_sub(1)?;
    heap.swap(0, last);
    down(&mut heap[..last], 0, less);
    heap.pop()
}

/// Makes a heap of any items.
pub(crate) fn init<T>(items: &mut [T], less: impl Fn(&T, &T) -> bool) {
    for place in (0..items.len() / 2).rev() {
        down(items, place, &less);
    }
}

/// Lets the item at `place` rise.
pub(crate) fn up<T>(heap: &mut [T], mut place: usize, less: impl Fn(&T, &T) -> bool) {
    while place > 0 && less(&heap[place], &heap[(place - 1) / 2]) {
        heap.swap(place, (place - 1) / 2);
        place = (place - 1) / 2;
    }
}

/// Lets the item at `place` sink.
pub(crate) fn down<T>(heap: &mut [T], mut place: usize, less: impl Fn(&T, &T) -> bool) {
    loop {
        let mut child = 2 * place + 1;
        if child >= heap.len() {
            return;
        }
        if child + 1 < heap.len() && less(&heap[child + 1], &heap[child]) {
            child += 1;
        }
        if !less(&heap[child], &heap[place]) {
            return;
        }
        heap.swap(place, child);
        place = child;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pops_in_order(values in prop::collection::vec(0u8..20, 0..60)) {
            let less = |a: &u8, b: &u8| a < b;
            let mut pushed = Vec::new();
            values.iter().for_each(|&value| push(&mut pushed, value, less));
            let mut made = values.clone();
            init(&mut made, less);
            let mut sorted = values;
            sorted.sort_unstable();
            for mut heap in [pushed, made] {
                let popped: Vec<u8> = std::iter::from_fn(|| pop(&mut heap, less)).collect();
                prop_assert_eq!(&popped, &sorted);
            }
        }
    }

    #[test]
    fn equals_lie_where_go_leaves_them() {
        // (value, number): the fourth to come replaces one of three equals, which one the heap decides.
        let less = |a: &(u8, u8), b: &(u8, u8)| a.0 < b.0;
        let mut heap = Vec::new();
        (0..3).for_each(|number| push(&mut heap, (1, number), less));
        assert_eq!(pop(&mut heap, less), Some((1, 0)));
        push(&mut heap, (2, 3), less);
        assert_eq!(heap, [(1, 2), (1, 1), (2, 3)]);
    }
}
