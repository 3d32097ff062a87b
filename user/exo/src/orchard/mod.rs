//! A second library operating system, as small as one can be: it knows no file, no process and no Linux call, and decides for itself what
//! memory and time are.
//!
//! | file | what it decides |
//! |---|---|
//! | `region` | memory is had piece by piece and given back all at once |
//! | `pager` | which pages come with a fault, and which go: some are not kept but made again |
//! | `task` | who runs next: who is asked to, in turn, until he says that he waits |
//!
//! It runs alone, or beside Linux processes on the same kernel (`cargo x run --beside orchard`): it is then another child of `init`,
//! with a quota and a share of time of its own, and neither knows of the other.
//!
//! What pages are made again instead of kept is after Appel and Li, "Virtual memory primitives for user programs", 1991: the library has the
//! fault itself, so that this costs no signal, and knows what is in the page, which no kernel does.

pub mod pager;
pub mod region;
pub mod task;

use core::cell::UnsafeCell;
use core::fmt::{self, Write};

/// What the one context of this library and its fault handler share.
struct Own<T>(UnsafeCell<T>);

// SAFETY: there is one context. Its fault handler runs while it stands still, and what both use is used by one short expression each (see
// `Own::with`).
unsafe impl<T> Sync for Own<T> {}

impl<T> Own<T> {
    const fn new(value: T) -> Own<T> {
        Own(UnsafeCell::new(value))
    }

    /// Use it. `work` runs no other `with` of the same, and touches no memory that may fault.
    fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: the caller's promise: the reference is the only one while it lives.
        work(unsafe { &mut *self.0.get() })
    }
}

/// A line that goes out as a whole: others print too.
#[repr(align(256))]
struct Line([u8; Line::MOST], usize);

impl Line {
    const MOST: usize = 240;
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.0.get_mut(self.1..self.1 + text.len()).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.1 += text.len();
        Ok(())
    }
}

/// Print a line.
///
/// # Panics
/// If it is too long.
pub fn say(text: fmt::Arguments) {
    let mut line = Line([0; Line::MOST], 0);
    writeln!(line, "orchard: {text}").expect("room for a line");
    let _ = exo::debug_put(&line.0[..line.1]);
}
