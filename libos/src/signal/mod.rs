//! Signals: actions, masks, what is pending, and what a fault becomes.
//!
//! A signal reaches a program in two places only: on the way out of a call, and at a fault. Both have all registers of the program
//! at hand (`deliver`), and write the frame that Linux writes (`frame`).

mod deliver;
#[cfg(target_arch = "aarch64")]
#[path = "frame_aarch64.rs"]
pub mod frame;
#[cfg(target_arch = "x86_64")]
#[path = "frame_x86_64.rs"]
pub mod frame;
pub mod pending;
#[cfg(test)]
mod tests;
mod trap;

use alloc::boxed::Box;
use core::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use spin::Mutex;

use crate::errno::{Errno, Result};
use crate::user::Plain;
pub use deliver::{Ending, Returned, set_alternate};
pub use pending::Pending;
pub use trap::Trap;

/// Signals are numbered 1 to this.
pub const SIGNALS: u32 = 64;
/// The first real-time signal.
pub const FIRST_REAL_TIME: u32 = 32;
/// A set of signals: signal n is bit n-1.
pub type Set = u64;

macro_rules! signals {
    ($($name:ident $number:literal,)*) => {
        #[expect(missing_docs, reason = "signal(7) documents each")]
        mod numbers {
            $(pub const $name: u32 = $number;)*
        }
        pub use numbers::*;

        const NAMES: &[&str] = &[$(stringify!($name)),*];
    };
}

signals! {
    SIGHUP 1, SIGINT 2, SIGQUIT 3, SIGILL 4, SIGTRAP 5, SIGABRT 6, SIGBUS 7, SIGFPE 8, SIGKILL 9, SIGUSR1 10, SIGSEGV 11, SIGUSR2 12,
    SIGPIPE 13, SIGALRM 14, SIGTERM 15, SIGSTKFLT 16, SIGCHLD 17, SIGCONT 18, SIGSTOP 19, SIGTSTP 20, SIGTTIN 21, SIGTTOU 22, SIGURG 23,
    SIGXCPU 24, SIGXFSZ 25, SIGVTALRM 26, SIGPROF 27, SIGWINCH 28, SIGIO 29, SIGPWR 30, SIGSYS 31,
}

/// A signal's name; empty for a real-time signal.
#[must_use]
pub fn name(signal: u32) -> &'static str {
    NAMES.get((signal as usize).wrapping_sub(1)).copied().unwrap_or("")
}

/// The set that holds one signal.
#[must_use]
pub const fn bit(signal: u32) -> Set {
    1 << (signal - 1)
}

/// Signals that can be neither caught, ignored nor blocked.
pub const UNSTOPPABLE: Set = bit(SIGKILL) | bit(SIGSTOP);

/// Signals whose default action stops the process.
pub const STOPS: Set = bit(SIGSTOP) | bit(SIGTSTP) | bit(SIGTTIN) | bit(SIGTTOU);

/// Handler value: the default action.
pub const DEFAULT: u64 = 0;
/// Handler value: ignore.
pub const IGNORE: u64 = 1;

/// `struct sigaction`, as the kernel has it on both ISAs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Action {
    /// The handler's address, [`DEFAULT`] or [`IGNORE`].
    pub handler: u64,
    /// `SA_*`
    pub flags: u64,
    /// Where the handler returns to, with [`Action::RESTORER`].
    pub restorer: u64,
    /// Signals blocked while the handler runs.
    pub mask: Set,
}
// SAFETY: four words, no padding.
unsafe impl Plain for Action {}

impl Action {
    /// `SA_NOCLDSTOP`
    pub const NO_CHILD_STOP: u64 = 1;
    /// `SA_NOCLDWAIT`
    pub const NO_CHILD_WAIT: u64 = 2;
    /// `SA_ONSTACK`
    pub const ON_STACK: u64 = 0x0800_0000;
    /// `SA_RESTART`
    pub const RESTART: u64 = 0x1000_0000;
    /// `SA_NODEFER`
    pub const NO_DEFER: u64 = 0x4000_0000;
    /// `SA_RESETHAND`
    pub const RESET: u64 = 0x8000_0000;
    /// `SA_RESTORER`
    pub const RESTORER: u64 = 0x0400_0000;
}

/// `siginfo_t`: three numbers and what depends on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Information {
    /// The signal.
    pub signal: i32,
    /// An errno; 0.
    pub errno: i32,
    /// `SI_*`, or a fault's own code.
    pub code: i32,
    /// Zero.
    pub reserved: i32,
    /// The sender (process id, user id << 32) and value, or a fault's address.
    pub payload: [u64; 14],
}
// SAFETY: four 32-bit words and 64-bit words at offset 16, no padding.
unsafe impl Plain for Information {}

impl Information {
    /// Sent by kill(2).
    pub const USER: i32 = 0;
    /// Sent by tkill(2) and tgkill(2).
    pub const TKILL: i32 = -6;
    /// Sent by a timer.
    pub const TIMER: i32 = -2;
    /// Sent by the kernel.
    pub const KERNEL: i32 = 128;

    /// A signal with a code and the first word of its payload.
    #[must_use]
    pub fn new(signal: u32, code: i32, word: u64) -> Information {
        let mut payload = [0; 14];
        payload[0] = word;
        Information { signal: signal as i32, errno: 0, code, reserved: 0, payload }
    }

    /// As it lies in memory.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; size_of::<Information>()] {
        // SAFETY: a `Plain` type has no padding.
        unsafe { core::mem::transmute(*self) }
    }

    /// From what lay in memory.
    #[must_use]
    pub fn from_bytes(bytes: [u8; size_of::<Information>()]) -> Information {
        // SAFETY: every bit pattern of a `Plain` type is a value.
        unsafe { core::mem::transmute(bytes) }
    }
}

/// `stack_t`: the alternate stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct AlternateStack {
    /// Its lowest address.
    pub address: u64,
    /// `SS_*`
    pub flags: u32,
    /// Zero.
    pub reserved: u32,
    /// Bytes.
    pub size: u64,
}
// SAFETY: words that fill the struct, no padding.
unsafe impl Plain for AlternateStack {}

impl AlternateStack {
    /// `SS_ONSTACK`
    pub const ON_STACK: u32 = 1;
    /// `SS_DISABLE`
    pub const DISABLED: u32 = 2;
    /// `SS_AUTODISARM`
    pub const AUTODISARM: u32 = 1 << 31;
    /// The least size that is taken (`MINSIGSTKSZ`).
    pub const LEAST: u64 = if cfg!(target_arch = "x86_64") { 2048 } else { 5120 };
    /// No alternate stack.
    pub const NONE: AlternateStack = AlternateStack { address: 0, flags: Self::DISABLED, reserved: 0, size: 0 };

    /// Whether a stack pointer is on it.
    #[must_use]
    pub fn holds(&self, sp: u64) -> bool {
        self.flags & Self::AUTODISARM == 0 && sp > self.address && sp - self.address <= self.size
    }
}

/// What of signals is a thread's own.
#[derive(Debug)]
pub struct Own {
    /// What is held back.
    pub blocked: Set,
    /// The mask to restore after the handler that ends a sigsuspend(2).
    pub suspended: Option<Set>,
    /// The alternate stack.
    pub alternate: AlternateStack,
    /// What sigtimedwait(2) waits for, blocked or not.
    pub awaited: Set,
    /// What was sent to the thread and waits to be delivered.
    pub pending: Pending,
}

impl Own {
    /// Of a thread that begins with this mask.
    #[must_use]
    pub const fn new(blocked: Set) -> Own {
        Own { blocked, suspended: None, alternate: AlternateStack::NONE, awaited: 0, pending: Pending::new() }
    }

    /// The signals that end the thread's waits.
    #[must_use]
    pub fn wants(&self) -> Set {
        !self.blocked | self.awaited
    }
}

/// What is under the lock.
pub struct State {
    /// What to do at each signal.
    pub actions: [Action; SIGNALS as usize],
    /// What is the own of the thread that runs.
    pub own: Box<Own>,
    /// What was sent to the process and waits for a thread to take it.
    pub shared: Pending,
}

/// Why a call's way out is not the straight one: bits of [`Signals::attention`].
pub mod attention {
    /// A signal is pending and not blocked.
    pub const SIGNAL: u8 = 1;
    /// Another thread's turn has come.
    pub const TURN: u8 = 2;
    /// The thread pointer is to be set by the kernel.
    pub const POINTER: u8 = 4;
    /// The thread is to end.
    pub const END: u8 = 8;
}

/// A process's signals, those of the thread that runs at hand.
pub struct Signals {
    /// What every call asks on its way out: [`attention`].
    attention: AtomicU8,
    /// Signals that descriptors were ever made for.
    watched: AtomicU64,
    /// The last edge of such a signal's arrival.
    last_arrival: AtomicU64,
    state: Mutex<State>,
}

impl Default for Signals {
    fn default() -> Self {
        Self::new()
    }
}

impl Signals {
    /// No handlers, nothing blocked, nothing pending.
    #[must_use]
    pub fn new() -> Signals {
        let state = State {
            actions: [Action { handler: DEFAULT, flags: 0, restorer: 0, mask: 0 }; SIGNALS as usize],
            own: Box::new(Own::new(0)),
            shared: Pending::new(),
        };
        Signals { attention: AtomicU8::new(0), watched: AtomicU64::new(0), last_arrival: AtomicU64::new(0), state: Mutex::new(state) }
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

    /// The byte that is not 0 while the way out of a call is not the straight one, for the entries' assembly.
    #[must_use]
    pub fn attention(&self) -> &AtomicU8 {
        &self.attention
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
        if state.pending_set() & !state.own.blocked != 0 {
            self.attend(attention::SIGNAL);
        } else {
            let _ = self.take_attention(attention::SIGNAL);
        }
        result
    }

    /// Send a signal to the process: pending, unless it is ignored.
    pub fn send(&self, information: Information) {
        self.with(|state| {
            if !state.is_dropped(information.signal as u32, state.own.blocked) {
                state.shared.push(information);
            }
        });
    }

    /// Send a signal to the thread that runs.
    pub fn send_own(&self, information: Information) {
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
    pub fn send_to(&self, thread: &mut Own, information: Information) {
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

    /// Let another thread's own be at hand; gives what was.
    pub fn exchange(&self, own: Box<Own>) -> Box<Own> {
        self.with(|state| core::mem::replace(&mut state.own, own))
    }
}

/// What a signal does that has no handler.
fn is_ignored_by_default(signal: u32) -> bool {
    (bit(SIGCHLD) | bit(SIGURG) | bit(SIGWINCH) | bit(SIGCONT)) & bit(signal) != 0
}

impl State {
    /// The action of a signal.
    #[must_use]
    pub fn action(&self, signal: u32) -> Action {
        self.actions[signal as usize - 1]
    }

    /// sigaction(2): set an action, give the one before.
    ///
    /// # Errors
    /// `EINVAL`: no such signal, or one whose action cannot be set.
    pub fn set_action(&mut self, signal: u32, action: Option<Action>) -> Result<Action> {
        if signal == 0 || signal > SIGNALS || action.is_some() && UNSTOPPABLE & bit(signal) != 0 {
            return Err(Errno::EINVAL);
        }
        let old = self.action(signal);
        if let Some(action) = action {
            self.actions[signal as usize - 1] = Action { mask: action.mask & !UNSTOPPABLE, ..action };
            if self.is_ignored(signal) {
                self.own.pending.discard(bit(signal));
                self.shared.discard(bit(signal));
            }
        }
        Ok(old)
    }

    /// Whether a signal would be dropped.
    fn is_ignored(&self, signal: u32) -> bool {
        match self.action(signal).handler {
            DEFAULT => is_ignored_by_default(signal),
            handler => handler == IGNORE,
        }
    }

    /// The program goes: handlers with it, and what was its own of the thread that runs. What is ignored, blocked or pending stays.
    pub fn depart(&mut self) {
        for action in &mut self.actions {
            let handler = if action.handler == IGNORE { IGNORE } else { DEFAULT };
            *action = Action { handler, ..Action::default() };
        }
        self.own.suspended = None;
        self.own.alternate = AlternateStack::NONE;
        self.own.awaited = 0;
    }

    /// Set the mask; what cannot be blocked is not.
    pub fn set_blocked(&mut self, blocked: Set) {
        self.own.blocked = blocked & !UNSTOPPABLE;
    }

    /// Whether a signal that somebody who blocks these is sent is dropped at once.
    fn is_dropped(&self, signal: u32, blocked: Set) -> bool {
        blocked & bit(signal) == 0 && self.is_ignored(signal)
    }

    /// In a new process: nothing is pending.
    pub fn forget_pending(&mut self) {
        (self.own.pending, self.shared) = (Pending::new(), Pending::new());
    }

    /// What is pending.
    #[must_use]
    pub fn pending_set(&self) -> Set {
        self.own.pending.set() | self.shared.set()
    }

    /// Whether a call that is broken off now is made again: the signal that is next has no handler, or one with [`Action::RESTART`].
    #[must_use]
    pub fn restarts_calls(&self) -> bool {
        let unblocked = !self.own.blocked;
        let signal = pending::first(self.own.pending.set() & unblocked).or_else(|| pending::first(self.shared.set() & unblocked));
        signal.is_some_and(|signal| {
            let action = self.action(signal);
            matches!(action.handler, DEFAULT | IGNORE) || action.flags & Action::RESTART != 0
        })
    }

    /// Take what is to be delivered next, if it neither has a handler nor ends the process.
    fn next_quiet(&mut self) -> Option<u32> {
        let unblocked = !self.own.blocked;
        let signal = pending::first(self.own.pending.set() & unblocked).or_else(|| pending::first(self.shared.set() & unblocked))?;
        let is_quiet = match self.action(signal).handler {
            DEFAULT => is_ignored_by_default(signal) || STOPS & bit(signal) != 0,
            handler => handler == IGNORE,
        };
        if is_quiet { self.take(unblocked).map(|information| information.signal as u32) } else { None }
    }

    /// Take what is to be delivered next, and what is to be done about it.
    pub fn take_next(&mut self) -> Option<(Information, Action)> {
        let information = self.take(!self.own.blocked)?;
        Some((information, self.action(information.signal as u32)))
    }

    /// Drop what was sent to the thread that runs, or to the process, and is so.
    pub fn forget(&mut self, is_so: impl Fn(&Information) -> bool) {
        self.own.pending.forget(&is_so);
        self.shared.forget(&is_so);
    }

    /// Take a pending signal that is in `set`: of the thread's own, if there is one, else of the process's the lowest-numbered.
    pub fn take(&mut self, set: Set) -> Option<Information> {
        self.own.pending.take(set).or_else(|| self.shared.take(set))
    }
}
