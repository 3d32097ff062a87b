//! The other end of a terminal that is no device of the machine.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use libos::file::edge::Edges;

use super::Signals;
use super::State;

/// The most bytes that are on their way in either direction (the kernel's `TTYB_DEFAULT_MEM_LIMIT`).
const MOST: usize = 65_536;

/// A pair's master.
#[derive(Debug)]
pub struct Pair {
    /// Bytes to the master.
    output: VecDeque<u8>,
    /// Bytes from the master for which the line discipline has no room yet.
    input: VecDeque<u8>,
    /// Whether the slave must not be opened (`TIOCSPTLCK`).
    pub is_locked: bool,
    /// Whether the master is open.
    pub is_open: bool,
    /// Whether the slave was open, and is not any more.
    pub is_closed: bool,
    /// The master's edges.
    pub edges: Edges,
}

impl Pair {
    /// An open master of a locked slave.
    #[must_use]
    pub fn new() -> Pair {
        Pair { output: VecDeque::new(), input: VecDeque::new(), is_locked: true, is_open: true, is_closed: false, edges: Edges::default() }
    }

    /// How many bytes can be written to the slave.
    pub fn room(&self) -> usize {
        MOST.saturating_sub(self.output.len())
    }

    /// Bytes from the slave.
    pub fn put(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.output.extend(bytes);
            self.edges.note_input();
        }
    }

    /// Echo, for which there may be no room: then it is lost, as it is on Linux.
    pub fn put_echo(&mut self, bytes: &[u8]) {
        self.put(&bytes[..bytes.len().min(self.room())]);
    }

    /// How many bytes the master can read.
    pub fn waiting(&self) -> usize {
        self.output.len()
    }

    /// Take bytes for the master.
    pub fn take(&mut self, most: usize) -> Vec<u8> {
        let count = self.output.len().min(most);
        self.output.drain(..count).collect()
    }

    /// Forget what the master has not read.
    pub fn flush_output(&mut self) {
        self.output.clear();
    }

    /// How many bytes the master can write.
    pub fn input_room(&self) -> usize {
        MOST - self.input.len()
    }

    /// The slave is not open any more.
    pub fn note_closed(&mut self) {
        self.is_closed = true;
        self.edges.note_both();
    }
}

impl State {
    /// The master writes; gives how many bytes there was room for.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> usize {
        let Some(pair) = &mut self.pair else { return 0 };
        let count = bytes.len().min(pair.input_room());
        pair.input.extend(&bytes[..count]);
        count
    }

    /// Let bytes of the master go on to the line discipline as long as there is room; gives the signals that they send.
    pub(super) fn pump(&mut self) -> Signals {
        let Some(pair) = &mut self.pair else { return Vec::new() };
        if pair.input.is_empty() {
            return Vec::new();
        }
        let mut waiting = core::mem::take(&mut pair.input);
        let (count, signals) = self.type_in(waiting.make_contiguous());
        waiting.drain(..count);
        if let Some(pair) = &mut self.pair {
            pair.input = waiting;
            pair.edges.note_output();
        }
        signals
    }

    /// Forget what was typed.
    pub(super) fn flush_input(&mut self) {
        self.line.flush();
        if let Some(pair) = &mut self.pair {
            pair.input.clear();
            pair.edges.note_output();
        }
    }
}
