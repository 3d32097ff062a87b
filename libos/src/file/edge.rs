//! Edges: when a file last became readable or writable, or more so.
//!
//! A wait that is told of changes and not of states (`EPOLLET`) compares them with those that it saw last: another stamp is a new edge.
//! Stamps that are given in one process are of one sequence, by which edges of its files are put in order. A file that moves to `unixd` has
//! stamps of `unixd`'s sequence from then on.

use core::sync::atomic::{AtomicU64, Ordering};

/// The last stamp that was given.
static LAST: AtomicU64 = AtomicU64::new(0);

/// A stamp later than all before.
#[must_use]
pub fn stamp() -> u64 {
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}

/// The last edge of each direction; 0 for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Edges {
    /// Of reading.
    pub input: u64,
    /// Of writing.
    pub output: u64,
}

impl Edges {
    /// There is something new to read.
    pub fn note_input(&mut self) {
        self.input = stamp();
    }

    /// There is new room to write.
    pub fn note_output(&mut self) {
        self.output = stamp();
    }

    /// Something that concerns both: an end is gone.
    pub fn note_both(&mut self) {
        let now = stamp();
        (self.input, self.output) = (now, now);
    }
}
