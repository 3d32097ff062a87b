//! A thread, as the table has it.
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::signal::Own;
use crate::thread::futex::Word;
use crate::thread::futexes::Key;

/// What a thread that does not run waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// Nothing: it runs, or would.
    No,
    /// A signal.
    Signal,
    /// Something that another thread does to a file.
    Change,
    /// News of a child.
    Child,
    /// That a child lets go of the process's memory. Signals do not end it.
    Release,
    /// A wake on this futex.
    Futex(Key),
    /// A wake on one of several: `Thread::several`.
    AnyFutex,
    /// A lock that knows its owner, at this address.
    Lock {
        /// The futex.
        word: Word,
        /// Who owned it when this was last known: a thread's id.
        owner: u32,
    },
    /// That a lock changes whose owner is of another process.
    ForeignLock,
    /// A wake on this futex that hands over a lock: `Thread::lock`.
    Transfer(Key),
}

/// How a thread is scheduled: sched_setattr(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Scheduling {
    /// `SCHED_*`
    pub policy: u32,
    /// 1 to 99 with a real-time policy, else 0.
    pub priority: u8,
    /// The nice value: -20 to 19. Told, and without effect: all threads of no real-time policy take turns.
    pub nice: i8,
    /// Whether what it makes begins with the default.
    pub resets_on_fork: bool,
    /// With `SCHED_DEADLINE`: runtime, deadline and period, in nanoseconds.
    pub times: [u64; 3],
}

impl Scheduling {
    /// `SCHED_FIFO`
    pub const FIFO: u32 = 1;
    /// `SCHED_RR`
    pub const ROUND_ROBIN: u32 = 2;

    /// What a thread or process begins with that one with this makes.
    #[must_use]
    pub fn inherited(self) -> Scheduling {
        match (self.resets_on_fork, self.policy) {
            (false, _) => self,
            (true, Self::FIFO | Self::ROUND_ROBIN) => Scheduling::default(),
            (true, _) => Scheduling { nice: self.nice.max(0), resets_on_fork: false, ..self },
        }
    }
}

/// What ended a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Outcome {
    /// What it was for.
    Woken,
    /// Its deadline.
    TimedOut,
    /// A signal.
    Interrupted,
}

/// A thread.
pub struct Thread<M: 'static> {
    /// Its id.
    pub id: u32,
    /// Its machine state while it does not run.
    pub machine: &'static M,
    /// Its share of the signals; none while it runs.
    pub signals: Option<Box<Own>>,
    /// Where a 0 is written, and a waiter woken, when it ends; none if 0.
    pub clear_at_end: usize,
    /// What is unmapped when it ends, first address and bytes: the stack that it stands on.
    pub unmap_at_end: Option<(usize, usize)>,
    /// The address that set_robust_list(2) gave.
    pub robust_list: u64,
    /// Whether it is to end where it would leave the call that it is in.
    pub ends: bool,
    /// Its name: at most 15 bytes.
    pub name: Vec<u8>,
    /// Ticks of the counter that it ran, up to when it last began to.
    pub used: u64,
    /// How it is scheduled.
    pub scheduling: Scheduling,
    /// Which of several futexes it was woken on.
    pub woken_on: u16,
    /// The lock that it waits to be handed.
    pub lock: Option<Key>,
    pub(super) waits: Waits,
    /// The futexes that it waits on, if there are several.
    pub(super) several: Vec<Key>,
    pub(super) deadline: Option<u64>,
    pub(super) outcome: Outcome,
}

impl<M> Thread<M> {
    /// What it waits for.
    #[must_use]
    pub fn waits(&self) -> Waits {
        self.waits
    }

    /// A thread that waits for nothing.
    #[must_use]
    pub fn new(id: u32, machine: &'static M, signals: Option<Box<Own>>, name: Vec<u8>) -> Thread<M> {
        Thread {
            id,
            machine,
            signals,
            clear_at_end: 0,
            unmap_at_end: None,
            robust_list: 0,
            ends: false,
            name,
            used: 0,
            scheduling: Scheduling::default(),
            woken_on: 0,
            lock: None,
            waits: Waits::No,
            several: Vec::new(),
            deadline: None,
            outcome: Outcome::Woken,
        }
    }
}
