//! Signals: actions, masks, what is pending, and what a fault becomes.
//!
//! A signal reaches a program in two places only: on the way out of a call, and at a fault. Both have all registers of the program
//! at hand (`deliver`), and write the frame that Linux writes (`frame`).

mod action;
mod deliver;
#[cfg(target_arch = "aarch64")]
#[path = "frame_aarch64.rs"]
pub mod frame;
#[cfg(target_arch = "x86_64")]
#[path = "frame_x86_64.rs"]
pub mod frame;
mod information;
mod number;
pub mod pending;
mod state;
#[cfg(test)]
mod tests;
mod trap;

use alloc::boxed::Box;
use core::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use spin::{Mutex, Once};

pub use action::{Action, AlternateStack, DEFAULT, IGNORE};
pub use deliver::{Ending, Returned, set_alternate};
pub use information::{Information, Told};
use number::is_ignored_by_default;
pub use number::*;
pub use pending::Pending;
pub use state::{Own, State};
pub use trap::Trap;

/// Why a call's way out is not the straight one: bits of the byte that [`Signals`] asks for attention by.
pub mod attention {
    /// A signal is pending and not blocked.
    pub const SIGNAL: u8 = 1;
    /// Another thread's turn has come.
    pub const TURN: u8 = 2;
    /// The kernel is to set all registers: the thread pointer, which the library cannot, or what stands where others may have stored.
    pub const REGISTERS: u8 = 4;
    /// The thread is to end.
    pub const END: u8 = 8;
}

/// A process's signals, those of the thread that runs at hand.
pub struct Signals {
    /// What every call asks on its way out: [`attention`]. The entries' assembly looks at it.
    attention: &'static AtomicU8,
    /// Signals that descriptors were ever made for.
    watched: AtomicU64,
    /// The last edge of such a signal's arrival.
    last_arrival: AtomicU64,
    state: Mutex<State>,
}

impl Signals {
    /// No handlers, nothing blocked, nothing pending; what asks for attention does so there.
    #[must_use]
    pub fn new(attention: &'static AtomicU8) -> Signals {
        let state = State {
            actions: [Action { handler: DEFAULT, flags: 0, restorer: 0, mask: 0 }; SIGNALS as usize],
            set: 0,
            own: Box::new(Own::new(0)),
            shared: Pending::new(),
        };
        attention.store(0, Ordering::Relaxed);
        Signals { attention, watched: AtomicU64::new(0), last_arrival: AtomicU64::new(0), state: Mutex::new(state) }
    }

    /// Those of who has none: of a world that is no process.
    pub fn none() -> &'static Signals {
        static ATTENTION: AtomicU8 = AtomicU8::new(0);
        static NONE: Once<Signals> = Once::new();
        NONE.call_once(|| Signals::new(&ATTENTION))
    }

    /// Whether a signal waits to be delivered to the thread that runs.
    #[must_use]
    #[inline(always)]
    pub fn is_pending(&self) -> bool {
        self.attention.load(Ordering::Relaxed) & attention::SIGNAL != 0
    }

    /// Whether a call that waits is to come to its end: for a signal, or because the thread is to end.
    #[must_use]
    pub fn is_wait_over(&self) -> bool {
        self.attention.load(Ordering::Relaxed) & (attention::SIGNAL | attention::END) != 0
    }

    /// Whether the thread that runs is to end where it would leave the call that it is in.
    #[must_use]
    pub fn is_end_due(&self) -> bool {
        self.attention.load(Ordering::Relaxed) & attention::END != 0
    }

    /// Ask for attention on the way out.
    pub fn attend(&self, why: u8) {
        self.attention.fetch_or(why, Ordering::Relaxed);
    }

    /// Whether attention was asked for, which it is not any more.
    #[must_use]
    pub fn take_attention(&self, why: u8) -> bool {
        self.attention.fetch_and(!why, Ordering::Relaxed) & why != 0
    }

    /// Work on the state; what is ready is found anew afterwards.
    pub fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock();
        let result = work(&mut state);
        let is_due = state.pending_set() & !state.own.blocked != 0;
        if is_due != self.is_pending() {
            // It changes seldom, and to change it is dear.
            self.attention.fetch_xor(attention::SIGNAL, Ordering::Relaxed);
        }
        result
    }

    /// What the thread that runs blocks.
    #[must_use]
    pub fn mask(&self) -> Set {
        self.state.lock().own.blocked
    }

    /// Set the mask to what `mask` makes of it, if nothing is pending: nothing else comes of it then. Whether that was done.
    #[inline(always)]
    pub fn set_mask_quietly(&self, mask: impl FnOnce(Set) -> Option<Set>) -> bool {
        let mut state = self.state.lock();
        if state.pending_set() != 0 {
            return false;
        }
        let new = mask(state.own.blocked);
        if let Some(new) = new {
            state.set_blocked(new);
        }
        new.is_some()
    }

    /// A handler is over: set the mask that its frame has, if the alternate stack is as that has it, nothing is pending that comes then, and
    /// nothing asks for attention. Whether that was done.
    #[inline(always)]
    pub fn return_quietly(&self, mask: Set, alternate: &AlternateStack) -> bool {
        let Some(mut state) = self.state.try_lock() else { return false };
        let is_quiet = self.attention.load(Ordering::Relaxed) == 0
            && state.pending_set() & !(mask & !UNSTOPPABLE) == 0
            && state.own.alternate.is_recorded_as(alternate);
        if is_quiet {
            state.set_blocked(mask);
        }
        is_quiet
    }

    /// Let the handler of a fault's signal begin, if there is one and the signal is not blocked.
    #[inline(always)]
    fn enter_of_fault(&self, signal: u32) -> Option<(Action, state::Entering)> {
        let enter = |state: &mut State| {
            let action = state.action(signal);
            let is_handled = state.is_taken_at_once(signal, &action) && signal != SIGKILL;
            is_handled.then(|| (action, state.enter_handler(signal, &action)))
        };
        // The mask only grows: what was not pending before is not now.
        if self.is_pending() { self.with(enter) } else { enter(&mut self.state.lock()) }
    }

    /// [`Signals::enter_of_fault`], if nothing is pending and `look` finds a use for its action and the alternate stack. Else none, and nothing is changed.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    fn enter_straight<T>(
        &self,
        signal: u32,
        look: impl FnOnce(&Action, &AlternateStack) -> Option<T>,
    ) -> Option<(Action, state::Entering, T)> {
        if self.is_pending() {
            return None;
        }
        let mut state = self.state.try_lock()?;
        let action = state.action(signal);
        if !state.is_taken_at_once(signal, &action) {
            return None;
        }
        let found = look(&action, &state.own.alternate)?;
        Some((action, state.enter_handler(signal, &action), found))
    }

    /// Let the handler of a signal begin that nothing stands before: it is not blocked, nothing is pending or asks for attention, nobody reads it from a
    /// descriptor, and it takes nothing back. Else none.
    #[inline(always)]
    fn enter_at_once(&self, signal: u32) -> Option<(Action, state::Entering)> {
        let mut state = self.state.lock();
        let action = state.action(signal);
        let is_plain = self.attention.load(Ordering::Relaxed) == 0
            && self.watched.load(Ordering::Relaxed) & bit(signal) == 0
            && (STOPS | bit(SIGCONT) | state.own.blocked) & bit(signal) == 0
            && state.pending_set() == 0
            && !matches!(action.handler, DEFAULT | IGNORE);
        is_plain.then(|| (action, state.enter_handler(signal, &action)))
    }

    /// Send a signal to the process: pending, unless it is ignored. Whether it is, and whether the thread that runs wants it.
    pub fn send(&self, information: &Information) -> (bool, bool) {
        let signal = information.signal as u32;
        self.with(|state| {
            if state.is_dropped(signal, state.own.blocked) {
                return (false, false);
            }
            state.shared.push(information);
            (true, state.own.wants() & bit(signal) != 0)
        })
    }

    /// Send a signal to the thread that runs.
    pub fn send_own(&self, information: &Information) {
        self.with(|state| {
            if !state.is_dropped(information.signal as u32, state.own.blocked) {
                state.own.pending.push(information);
            }
        });
    }

    /// Whether a signal would be dropped that is sent to the process.
    #[must_use]
    pub fn is_dropped(&self, signal: u32) -> bool {
        self.with(|state| state.is_dropped(signal, state.own.blocked))
    }

    /// A descriptor is there to read these.
    pub fn watch(&self, set: Set) {
        self.watched.fetch_or(set, Ordering::Relaxed);
    }

    /// A signal was sent; whether a descriptor is there to read it.
    #[must_use]
    pub fn note_arrival(&self, signal: u32) -> bool {
        let is_watched = self.watched.load(Ordering::Relaxed) & bit(signal) != 0;
        if is_watched {
            self.last_arrival.store(crate::file::edge::stamp(), Ordering::Relaxed);
        }
        is_watched
    }

    /// The last edge of a signal's arrival that a descriptor is there to read.
    #[must_use]
    pub fn last_arrival(&self) -> u64 {
        self.last_arrival.load(Ordering::Relaxed)
    }

    /// Send a signal to a thread that does not run.
    pub fn send_to(&self, thread: &mut Own, information: &Information) {
        if !self.state.lock().is_dropped(information.signal as u32, thread.blocked) {
            thread.pending.push(information);
        }
    }

    /// What a signal takes back by being sent: `SIGCONT` the stops, a stop `SIGCONT`. What other threads than the one that runs were sent is
    /// the caller's to drop: the set says what.
    #[must_use]
    pub fn take_back(&self, signal: u32) -> Set {
        let set = match signal {
            SIGCONT => STOPS,
            _ if STOPS & bit(signal) != 0 => bit(SIGCONT),
            _ => 0,
        };
        if set != 0 {
            self.with(|state| {
                state.own.pending.discard(set);
                state.shared.discard(set);
            });
        }
        set
    }

    /// The turn is another thread's, which `ends` or not: let its own be at hand, and what it has to attend to; `own` then is what was so.
    #[inline(always)]
    pub fn turn_to(&self, own: &mut Box<Own>, ends: bool) {
        let mut state = self.state.lock();
        core::mem::swap(&mut state.own, own);
        let signal = if state.pending_set() & !state.own.blocked != 0 { attention::SIGNAL } else { 0 };
        // The turn that was asked for is this one. How the thread pointer is set is found anew where the machine goes on.
        self.attention.store(signal | if ends { attention::END } else { 0 }, Ordering::Relaxed);
    }
}
