//! The lists that sleeping contexts stand in: by word, and by time.
//!
//! Nodes are in the contexts' records, so a list needs no memory. Words hash into buckets; a bucket's order is the order of
//! arrival, and a key that is not the one looked for is passed over.

use core::cell::Cell;

use arch::Machine;

use crate::Kernel;

const BUCKETS: usize = 64;
/// The list of contexts that have a deadline.
pub(crate) const TIMED: usize = BUCKETS;

/// A place in a list.
#[derive(Default)]
pub(crate) struct Node {
    /// A word's address in the direct map, or a deadline: set before the node is put into a list.
    pub(crate) key: Cell<u64>,
    next: Cell<Option<&'static Node>>,
    previous: Cell<Option<&'static Node>>,
}

/// A list.
#[derive(Clone, Copy)]
pub(crate) struct Ends {
    first: Option<&'static Node>,
    last: Option<&'static Node>,
}

/// All lists.
pub(crate) type Queues = [Ends; BUCKETS + 1];
pub(crate) const EMPTY: Queues = [Ends { first: None, last: None }; BUCKETS + 1];

/// The list for a key.
pub(crate) fn bucket(key: u64) -> usize {
    ((key >> 2).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58) as usize
}

impl<M: Machine> Kernel<M> {
    /// Put a node at the end of a list.
    pub(crate) fn enqueue(&mut self, list: usize, node: &'static Node) {
        let last = self.queues[list].last.replace(node);
        node.next.set(None);
        node.previous.set(last);
        match last {
            Some(last) => last.next.set(Some(node)),
            None => self.queues[list].first = Some(node),
        }
    }

    /// Take a node out of the list that it is in.
    pub(crate) fn dequeue(&mut self, list: usize, node: &Node) {
        let (next, previous) = (node.next.get(), node.previous.get());
        match previous {
            Some(previous) => previous.next.set(next),
            None => self.queues[list].first = next,
        }
        match next {
            Some(next) => next.previous.set(previous),
            None => self.queues[list].last = previous,
        }
    }

    pub(crate) fn nodes(&self, list: usize) -> impl Iterator<Item = &'static Node> {
        core::iter::successors(self.queues[list].first, |node| node.next.get())
    }

    /// The first node whose key `matches`.
    pub(crate) fn find_node(&self, list: usize, matches: impl Fn(u64) -> bool) -> Option<&'static Node> {
        self.nodes(list).find(|node| matches(node.key.get()))
    }
}
