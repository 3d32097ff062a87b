//! Timers: alarm(2) and setitimer(2), timer_create(2), and those behind descriptors.
//!
//! ```text
//!   a call sets one ─► arm_timers: the first that comes is the deadline of the upcall page, and of the process's sleep
//!   it passes ─► an upcall, or the end of the sleep ─► run_timers ─► signals; who waits for a change looks again ─► arm_timers
//! ```
//!
//! A time of a CPU clock is turned into one of the counter as if the thread that runs went on for ever. It comes early if that was wrong, is
//! found not to have expired, and is turned anew.
#![forbid(unsafe_code)]

pub mod interval;
mod run;
mod set;
#[cfg(test)]
mod tests;

use alloc::collections::BTreeMap;
use alloc::sync::Weak;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use spin::Mutex;

use crate::file::timer::Timer as TimerFile;
use crate::signal::{SIGALRM, SIGPROF, SIGVTALRM};
use crate::time::Clock;
pub use interval::{Interval, Setting};
pub use set::{Notify, base_clock};

/// "No deadline", in ticks.
const NEVER: u64 = u64::MAX;

/// The timers of setitimer(2): their signals and clocks. All time that a process uses is counted as its own, and none as the system's for
/// it.
const CLASSIC: [(u32, Clock); 3] = [(SIGALRM, Clock::Monotonic), (SIGVTALRM, Clock::Process(0)), (SIGPROF, Clock::Process(0))];

/// A timer of timer_create(2).
#[derive(Clone, Copy, Debug)]
struct Posix {
    /// The clock that it was made for. A relative time of day is kept on the monotonic clock.
    clock: Clock,
    interval: Interval,
    notify: Notify,
    /// Whether its signal waits to be delivered. Until it is, expirations are not looked at.
    is_queued: bool,
    /// Expirations that the last signal stood for beside its own.
    overrun: i32,
}

/// What is under the lock.
struct State {
    classic: [Interval; 3],
    posix: BTreeMap<i32, Posix>,
    /// The id of the next one.
    next_id: i32,
    files: Vec<Weak<TimerFile>>,
}

impl State {
    const fn new() -> State {
        State { classic: [Interval::IDLE; 3], posix: BTreeMap::new(), next_id: 0, files: Vec::new() }
    }
}

/// A process's timers.
pub struct Timers {
    state: Mutex<State>,
    /// The first time that one may expire, in ticks of the counter.
    due: AtomicU64,
    /// The same, of those that expire though no thread runs.
    due_asleep: AtomicU64,
    /// How many are armed on a thread's clock.
    on_threads: AtomicU64,
    /// Whether a thread that sleeps is woken when its time comes, though another runs.
    on_time: AtomicBool,
    /// How long the process computes before others have their turn, in ticks of the counter, as its policy says and as others ask; 0: to the end of
    /// its slice.
    turn: AtomicU64,
    asked_turn: AtomicU64,
    /// Where its turn ends; `NEVER`: it has not begun.
    turn_end: AtomicU64,
}

impl Default for Timers {
    fn default() -> Self {
        Self::new()
    }
}

impl Timers {
    /// None.
    #[must_use]
    pub const fn new() -> Timers {
        Timers {
            state: Mutex::new(State::new()),
            due: AtomicU64::new(NEVER),
            due_asleep: AtomicU64::new(NEVER),
            on_threads: AtomicU64::new(0),
            on_time: AtomicBool::new(false),
            turn: AtomicU64::new(0),
            asked_turn: AtomicU64::new(0),
            turn_end: AtomicU64::new(NEVER),
        }
    }

    /// Let a thread that sleeps be woken when its time comes, though another runs; or when that one's slice ends. And let others have their turn when
    /// the process has computed for so many ticks; 0: when its slice ends.
    pub fn follow(&self, on_time: bool, turn: u64) {
        self.on_time.store(on_time, Ordering::Relaxed);
        self.turn.store(turn, Ordering::Relaxed);
        self.turn_end.store(NEVER, Ordering::Relaxed);
        // Until a timer is armed: so that the next switch does.
        self.on_threads.store(u64::from(on_time), Ordering::Relaxed);
        self.forget_turn();
    }

    /// Let others have their turn after so many ticks, whatever the policy says: they ask for that. 0: they do not any more.
    pub fn follow_others(&self, turn: u64) {
        if self.asked_turn.swap(turn, Ordering::Relaxed) != turn {
            self.turn_end.store(NEVER, Ordering::Relaxed);
            // So that the next look at timers arms, or does not arm any more.
            self.due.store(0, Ordering::Relaxed);
        }
    }

    /// How long the process computes before others have their turn, in ticks; 0: to the end of its slice.
    fn turn(&self) -> u64 {
        let (own, asked) = (self.turn.load(Ordering::Relaxed), self.asked_turn.load(Ordering::Relaxed));
        if own == 0 || asked == 0 { own.max(asked) } else { own.min(asked) }
    }

    /// The process rests, or is a new one: its turn begins with the next look at timers. Whether there are such turns.
    pub fn forget_turn(&self) -> bool {
        let has_turns = self.turn() > 0;
        if has_turns {
            self.turn_end.store(NEVER, Ordering::Relaxed);
            self.due.store(0, Ordering::Relaxed);
        }
        has_turns
    }

    /// Whether one may have expired where the counter is `ticks`.
    #[must_use]
    #[inline]
    pub fn is_due(&self, ticks: u64) -> bool {
        self.due.load(Ordering::Relaxed) <= ticks
    }

    /// The first time, in ticks, that one expires though no thread runs.
    #[must_use]
    pub fn due_asleep(&self) -> Option<u64> {
        Some(self.due_asleep.load(Ordering::Relaxed)).filter(|&ticks| ticks != NEVER)
    }

    /// Whether one goes by a thread's clock, so that it must be armed anew when another thread runs.
    #[must_use]
    #[inline]
    pub fn follow_threads(&self) -> bool {
        self.on_threads.load(Ordering::Relaxed) > 0
    }
}
