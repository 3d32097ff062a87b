//! The other end of a terminal that is no device of the machine.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use bitflags::bitflags;

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
    /// In packet mode (`TIOCPKT`), what happened since the master was last told.
    packets: Option<Happened>,
}

bitflags! {
    /// What a master in packet mode is told: `TIOCPKT_…`, ioctl_tty(2).
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Happened: u8 {
        /// What was typed was dropped.
        const INPUT_FLUSHED = 1;
        /// What was written was dropped.
        const OUTPUT_FLUSHED = 2;
        /// Output was stopped.
        const STOPPED = 4;
        /// It goes on.
        const STARTED = 8;
        /// `^S` and `^Q` do not stop and start it any more.
        const FLOW_IS_OFF = 16;
        /// They do.
        const FLOW_IS_ON = 32;
    }
}

impl Pair {
    /// An open master of a locked slave.
    #[must_use]
    pub fn new() -> Pair {
        Pair {
            output: VecDeque::new(),
            input: VecDeque::new(),
            is_locked: true,
            is_open: true,
            is_closed: false,
            edges: Edges::default(),
            packets: None,
        }
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

    /// Whether it is in packet mode.
    pub fn is_in_packets(&self) -> bool {
        self.packets.is_some()
    }

    /// Let packet mode begin or end.
    pub fn set_packets(&mut self, on: bool) {
        self.packets = on.then(|| self.packets.unwrap_or(Happened::empty()));
    }

    /// Whether the master is to be told that something happened.
    pub fn has_news(&self) -> bool {
        self.packets.is_some_and(|happened| !happened.is_empty())
    }

    /// Something happened, and takes back what happened before.
    pub fn note(&mut self, happened: Happened, back: Happened) {
        if let Some(known) = &mut self.packets {
            *known = known.difference(back) | happened;
            self.edges.note_input();
        }
    }

    /// Take what a read of the master gives: in packet mode what happened, or bytes behind a 0.
    pub fn read(&mut self, most: usize) -> Vec<u8> {
        let Some(happened) = &mut self.packets else { return self.take(most) };
        if !happened.is_empty() {
            return Vec::from([core::mem::replace(happened, Happened::empty()).bits()]);
        }
        if self.output.is_empty() { Vec::new() } else { [&[0][..], &self.take(most.saturating_sub(1))].concat() }
    }

    fn take(&mut self, most: usize) -> Vec<u8> {
        let count = self.output.len().min(most);
        self.output.drain(..count).collect()
    }

    /// Forget what the master has not read.
    pub fn flush_output(&mut self) {
        self.output.clear();
        self.note(Happened::OUTPUT_FLUSHED, Happened::empty());
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
            pair.note(Happened::INPUT_FLUSHED, Happened::empty());
        }
    }

    /// Do something, and let a master in packet mode know if output was stopped by it, or started.
    pub(super) fn with_flow<T>(&mut self, work: impl FnOnce(&mut State) -> T) -> T {
        let was_stopped = self.line.is_stopped();
        let done = work(self);
        let is_stopped = self.line.is_stopped();
        if let Some(pair) = self.pair.as_mut().filter(|_| was_stopped != is_stopped) {
            let both = [Happened::STARTED, Happened::STOPPED];
            pair.note(both[usize::from(is_stopped)], both[usize::from(was_stopped)]);
        }
        done
    }
}
