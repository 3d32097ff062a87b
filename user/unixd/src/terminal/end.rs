//! An opening of a terminal, or of a pair's master.
//!
//! Reads, writes and ioctl(2) are served by `serve`, which knows the families; what is here is what poll(2) asks, and closing.

use alloc::sync::Arc;
use alloc::vec::Vec;

use libos::file::{Edges, File, Readiness, Watchers};
use libos::vfs::world::World;
use spin::Mutex;

use super::Terminal;

/// Which end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The terminal itself.
    Terminal,
    /// A pair's master.
    Master,
}

/// Pairs whose master was closed: their slaves are to be hung up.
static CLOSED: Mutex<Vec<Arc<Terminal>>> = Mutex::new(Vec::new());

/// Take the pairs whose master was closed since this was last asked.
#[must_use]
pub fn take_closed() -> Vec<Arc<Terminal>> {
    core::mem::take(&mut CLOSED.lock())
}

/// See the module.
pub struct End {
    /// The terminal.
    pub terminal: Arc<Terminal>,
    /// Which end of it.
    pub side: Side,
    /// How often it had been hung up when it was opened.
    hang_ups: u32,
}

impl End {
    /// Open the terminal once more.
    #[must_use]
    pub fn of_terminal(terminal: Arc<Terminal>) -> End {
        let hang_ups = terminal.change(|state| {
            state.openings += 1;
            if let Some(pair) = &mut state.pair {
                pair.is_closed = false;
            }
            state.hang_ups
        });
        End { terminal, side: Side::Terminal, hang_ups }
    }

    /// The master of a pair that was just made.
    #[must_use]
    pub fn of_master(terminal: Arc<Terminal>) -> End {
        End { terminal, side: Side::Master, hang_ups: 0 }
    }

    /// Whether the terminal was hung up since.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.side == Side::Terminal && self.terminal.with(|state| state.hang_ups != self.hang_ups)
    }
}

impl Drop for End {
    fn drop(&mut self) {
        match self.side {
            Side::Master => {
                self.terminal.with(|state| state.pair.as_mut().map(|pair| pair.is_open = false));
                CLOSED.lock().push(self.terminal.clone());
            }
            Side::Terminal if self.is_dead() => {}
            Side::Terminal => self.terminal.change(|state| {
                state.openings -= 1;
                if state.openings == 0 {
                    state.is_exclusive = false;
                    if let Some(pair) = &mut state.pair {
                        pair.note_closed();
                    }
                }
            }),
        }
    }
}

impl File for End {
    fn is_pollable(&self) -> bool {
        true
    }

    fn watchers(&self) -> Option<&Watchers> {
        Some(if self.side == Side::Master { &self.terminal.master_watchers } else { &self.terminal.watchers })
    }

    fn readiness(&self, _: &dyn World) -> Readiness {
        if self.is_dead() {
            return Readiness::ALWAYS | Readiness::ERROR | Readiness::HANG_UP;
        }
        self.terminal.with(|state| {
            if self.side == Side::Terminal {
                return state.readiness();
            }
            let mut ready = Readiness::empty();
            if let Some(pair) = &state.pair {
                ready.set(Readiness::READABLE, pair.waiting() > 0 || pair.has_news());
                ready.set(Readiness::PRIORITY, pair.has_news());
                ready.set(Readiness::WRITABLE, pair.input_room() > 0);
                ready.set(Readiness::HANG_UP, pair.is_closed);
            }
            ready
        })
    }

    fn news(&self, world: &dyn World) -> Edges {
        // Of room nobody is told.
        match self.side {
            Side::Master => Edges { output: 0, ..self.edges(world) },
            Side::Terminal => self.terminal.with(|state| state.news),
        }
    }

    fn edges(&self, _: &dyn World) -> Edges {
        self.terminal.with(|state| match (&state.pair, self.side) {
            (Some(pair), Side::Master) => pair.edges,
            _ => state.edges,
        })
    }
}
