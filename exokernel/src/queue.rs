//! The lists that sleeping contexts stand in: by word, and by time.
//!
//! Nodes are in the contexts' records, so a list needs no memory. Words hash into buckets; a bucket's order is the order of
//! arrival, and a key that is not the one looked for is passed over.

use core::cell::Cell;

use arch::Machine;

use crate::{Kernel, context::ContextRef};

const BUCKETS: usize = 64;
/// The list of contexts that have a deadline.
pub(crate) const TIMED: usize = BUCKETS;

/// A node's name: the record's frame and the node's index in it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct NodeRef {
    pub(crate) context: ContextRef,
    pub(crate) index: usize,
}

/// A place in a list.
#[derive(Default)]
pub(crate) struct Node {
    /// A word's address in the direct map, or a deadline.
    pub(crate) key: Cell<u64>,
    next: Cell<Option<NodeRef>>,
    previous: Cell<Option<NodeRef>>,
}

/// A list.
#[derive(Clone, Copy)]
pub(crate) struct Ends {
    first: Option<NodeRef>,
    last: Option<NodeRef>,
}

/// All lists.
pub(crate) type Queues = [Ends; BUCKETS + 1];
pub(crate) const EMPTY: Queues = [Ends { first: None, last: None }; BUCKETS + 1];

/// The list for a key.
pub(crate) fn bucket(key: u64) -> usize {
    ((key >> 2).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58) as usize
}

impl<M: Machine> Kernel<M> {
    fn node<'a>(&self, node: NodeRef) -> &'a Node {
        &self.context(node.context).nodes[node.index]
    }

    /// Put a node at the end of a list.
    pub(crate) fn enqueue(&mut self, list: usize, node: NodeRef, key: u64) {
        let last = self.queues[list].last.replace(node);
        let this = self.node(node);
        this.key.set(key);
        this.next.set(None);
        this.previous.set(last);
        match last {
            Some(last) => self.node(last).next.set(Some(node)),
            None => self.queues[list].first = Some(node),
        }
    }

    /// Take a node out of the list that it is in.
    pub(crate) fn dequeue(&mut self, list: usize, node: NodeRef) {
        let this = self.node(node);
        let (next, previous) = (this.next.take(), this.previous.take());
        match previous {
            Some(previous) => self.node(previous).next.set(next),
            None => self.queues[list].first = next,
        }
        match next {
            Some(next) => self.node(next).previous.set(previous),
            None => self.queues[list].last = previous,
        }
    }

    fn nodes(&self, list: usize) -> impl Iterator<Item = NodeRef> {
        core::iter::successors(self.queues[list].first, |&node| self.node(node).next.get())
    }

    /// The first node whose key `matches`.
    pub(crate) fn find_node(&self, list: usize, matches: impl Fn(u64) -> bool) -> Option<NodeRef> {
        self.nodes(list).find(|&node| matches(self.node(node).key.get()))
    }

    /// The smallest key of a list.
    pub(crate) fn least_key(&self, list: usize) -> Option<u64> {
        self.nodes(list).map(|node| self.node(node).key.get()).min()
    }
}
