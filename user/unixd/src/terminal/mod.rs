//! Terminals: the machine's console, and pairs of a master and a slave.
//!
//! ```text
//!   process ─► libos::file::terminal ─► serve, control ─► Terminal ─► line, screen      pure
//!                                           │                 ▲
//!                                         jobs             console: bytes of the serial port
//! ```
//!
//! A [`Terminal`] is what all openings share; an [`End`] is an opening, of the terminal or of a pair's master. Job control (whose terminal it
//! is, which group is in the foreground) is in `jobs`, because it needs the families.

pub mod console;
mod control;
pub mod devpts;
pub mod end;
mod jobs;
mod line;
#[cfg(test)]
mod line_tests;
mod pair;
mod screen;
mod serve;
pub mod termios;

use alloc::sync::Arc;
use alloc::vec::Vec;

use libos::file::edge::Edges;
use libos::file::{Readiness, Watchers};
use libos::vfs::attributes::device_number;
use linux_raw_sys::general as linux;
use spin::Mutex;

pub use devpts::Pairs;
pub use end::{End, Side};
use line::Line;
use pair::{Happened, Pair};
pub use serve::Terminals;
use termios::Termios;

/// `/dev/tty`: the controlling terminal.
pub const TTY: u64 = device_number(5, 0);
/// `/dev/console`
pub const CONSOLE: u64 = device_number(5, 1);
/// `/dev/ptmx`: a new pair.
pub const PTMX: u64 = device_number(5, 2);
/// `/dev/ttyS0`
pub const SERIAL: u64 = device_number(4, 64);
/// The major number of pairs' slaves.
pub const PTS_MAJOR: u32 = 136;

/// A terminal.
pub struct Terminal {
    /// The number of its device.
    pub device: u64,
    state: Mutex<State>,
    /// Who waits for the terminal.
    pub(super) watchers: Watchers,
    /// Who waits for its master.
    pub(super) master_watchers: Watchers,
}

/// What changes of a terminal.
pub struct State {
    /// The line discipline.
    line: Line,
    /// `struct winsize`: rows, columns, and two sizes in pixels.
    window: [u16; 4],
    /// The session whose controlling terminal it is; 0: none.
    session: u32,
    /// The foreground process group; 0: none.
    group: u32,
    /// How often it was hung up. Openings from before are dead.
    hang_ups: u32,
    /// How often it is open.
    openings: usize,
    /// Only root may open it (`TIOCEXCL`).
    is_exclusive: bool,
    edges: Edges,
    /// When there was last something new to read: a line that is typed is none before its end, whatever waits before it.
    news: Edges,
    /// The other end, if it is not the machine's.
    pair: Option<Pair>,
}

impl Terminal {
    /// A terminal with a device's number.
    #[must_use]
    fn new(device: u64, termios: Termios, window: [u16; 4], pair: Option<Pair>) -> Terminal {
        let state = State {
            line: Line::new(termios),
            window,
            session: 0,
            group: 0,
            hang_ups: 0,
            openings: 0,
            is_exclusive: false,
            edges: Edges::default(),
            news: Edges::default(),
            pair,
        };
        Terminal { device, state: Mutex::new(state), watchers: Watchers::new(), master_watchers: Watchers::new() }
    }

    /// The machine's console, with a window of so many rows and columns.
    #[must_use]
    pub fn console(window: [u16; 4]) -> Arc<Terminal> {
        let mut termios = Termios::default();
        termios.input |= linux::IUTF8;
        Arc::new(Terminal::new(SERIAL, termios, window, None))
    }

    /// The foreground process group; 0: none.
    #[must_use]
    pub fn foreground(&self) -> u32 {
        self.with(|state| state.group)
    }

    /// Work on what changes.
    pub fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock())
    }

    /// The same, and let those be told who wait for either end.
    pub(super) fn change<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        let result = self.with(work);
        self.watchers.tell();
        self.master_watchers.tell();
        result
    }
}

/// What is to be sent to the foreground group.
pub type Signals = Vec<u32>;

impl State {
    /// Take in bytes that are typed, as many as there is room for; gives how many, and the signals that they send.
    pub fn type_in(&mut self, bytes: &[u8]) -> (usize, Signals) {
        let (mut echo, mut signals, mut count) = (Vec::new(), Vec::new(), 0);
        let (before, was_readable) = (self.line.available(), self.line.is_readable());
        for &byte in bytes {
            if !self.line.has_room() {
                break;
            }
            count += 1;
            let signal = self.with_flow(|state| state.line.receive(byte, &mut echo));
            let flushes = signal.is_some() && !self.line.termios().has(linux::NOFLSH);
            if let Some(pair) = self.pair.as_mut().filter(|_| flushes) {
                pair.note(Happened::INPUT_FLUSHED | Happened::OUTPUT_FLUSHED, Happened::empty());
            }
            signals.extend(signal);
        }
        if count > 0 && (self.line.available() != before || self.line.is_readable()) {
            self.edges.note_input();
        }
        if self.line.available() != before || !was_readable && self.line.is_readable() {
            self.news.note_input();
        }
        self.put_out(&echo);
        (count, signals)
    }

    /// Send bytes to the screen, or to the master.
    fn put_out(&mut self, bytes: &[u8]) {
        match &mut self.pair {
            Some(pair) => pair.put_echo(bytes),
            None => console::put(bytes),
        }
    }

    /// Let output go on that was stopped.
    fn start_output(&mut self) {
        let mut echo = Vec::new();
        self.line.start(&mut echo);
        self.edges.note_output();
        self.put_out(&echo);
    }

    /// What a program writes; gives how many bytes there was room for.
    fn write(&mut self, bytes: &[u8]) -> usize {
        if self.line.is_stopped() {
            return 0;
        }
        let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 8);
        match &mut self.pair {
            Some(pair) => {
                let count = bytes.len().min(pair.room());
                self.line.write(&bytes[..count], &mut out);
                pair.put(&out);
                count
            }
            None => {
                self.line.write(bytes, &mut out);
                console::put(&out);
                bytes.len()
            }
        }
    }

    /// What poll(2) tells of the terminal.
    fn readiness(&self) -> Readiness {
        let mut ready = Readiness::empty();
        ready.set(Readiness::READABLE, self.line.is_readable());
        let has_room = self.pair.as_ref().is_none_or(|pair| pair.room() > 0);
        ready.set(Readiness::WRITABLE, has_room && !self.line.is_stopped());
        ready
    }

    /// It is hung up: nobody has it open any more, and it is nobody's.
    fn hang_up(&mut self) {
        self.hang_ups += 1;
        (self.session, self.group, self.openings) = (0, 0, 0);
        self.line.flush();
        self.start_output();
        self.edges.note_both();
        if let Some(pair) = &mut self.pair {
            pair.note_closed();
        }
    }
}
