//! Threads: one kernel context runs them all, one at a time.
//!
//! ```text
//!   a call that must wait ─► Process::rest ─► run ─► Kernel::switch ─► another thread, in a call of its own or in the program
//!   its slice ended ─► in the program: Process::preempt; in the library: on the way out of the call
//! ```
//!
//! In the library nothing is preempted: between two blocks a thread has all of the process's state to itself. No lock is held across a block.
#![forbid(unsafe_code)]

mod block;
mod end;
mod fork;
pub mod futex;
pub mod futexes;
mod locks;
mod record;
mod signals;
pub mod table;
mod turns;
mod waits;
pub mod watches;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU8, Ordering};

use abi::Registers;
use spin::Mutex;

use crate::errno::{Errno, Result};
use crate::kernel::Kernel;
use crate::process::Process;
use crate::signal::Own;
pub use fork::Birth;
pub use locks::OWNER;
pub use record::{Outcome, Scheduling, Thread, Waits};
pub use table::Table;
pub use watches::Watches;

/// The threads of a process.
pub struct Threads<M: 'static> {
    table: Mutex<Table<M>>,
    /// An [`Outcome`]: what ended the wait of the thread that runs, where its turn came after one.
    outcome: AtomicU8,
    /// What rings they wait for.
    pub watches: Mutex<Watches>,
}

impl<M> Threads<M> {
    /// With the first thread, which runs since `now`, in ticks that the process has run.
    #[must_use]
    pub fn new(id: u32, machine: &'static M, now: u64) -> Threads<M> {
        let table = Table::new(Thread::new(id, machine, None, Vec::new()), now);
        Threads { table: Mutex::new(table), outcome: AtomicU8::new(Outcome::Woken as u8), watches: Mutex::default() }
    }

    /// What ended the wait of the thread that runs, just after another has left the CPU to it.
    #[inline(always)]
    fn outcome(&self) -> Outcome {
        const TIMED_OUT: u8 = Outcome::TimedOut as u8;
        const WOKEN: u8 = Outcome::Woken as u8;
        match self.outcome.load(Ordering::Relaxed) {
            WOKEN => Outcome::Woken,
            TIMED_OUT => Outcome::TimedOut,
            _ => Outcome::Interrupted,
        }
    }

    /// Work on the table.
    pub fn with<T>(&self, work: impl FnOnce(&mut Table<M>) -> T) -> T {
        work(&mut self.table.lock())
    }
}

/// What a new thread is made with, beside what it has from the one that makes it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Beginning {
    /// Its stack pointer; 0 for that of the one that makes it.
    pub sp: u64,
    /// Its thread pointer, if it is to have another.
    pub thread_pointer: Option<u64>,
    /// Where a 0 is written when it ends; none if 0.
    pub clear_at_end: usize,
}

impl<K: Kernel> Process<K> {
    /// The id of the thread that runs.
    #[must_use]
    pub fn thread_id(&self) -> u32 {
        self.threads.with(|table| table.current().id)
    }

    /// Whether an id names a thread of this process; 0 names the one that runs.
    ///
    /// # Errors
    /// `ESRCH`: it does not.
    pub fn find_thread(&self, id: u32) -> Result<usize> {
        self.threads.with(|table| if id == 0 { Ok(table.current_slot()) } else { table.find(id).ok_or(Errno::ESRCH) })
    }

    /// A new thread, which returns from the call that is being served with 0; gives its id.
    ///
    /// # Errors
    /// `EAGAIN`: there is no memory for it.
    pub fn begin_thread(&self, beginning: Beginning) -> Result<u32> {
        let mut registers: Registers = self.kernel.registers();
        crate::signal::frame::set_result(&mut registers, 0);
        if beginning.sp != 0 {
            registers.sp = beginning.sp;
        }
        registers.tls = beginning.thread_pointer.unwrap_or(registers.tls);
        let machine = self.kernel.new_machine(&registers).map_err(|_| Errno::EAGAIN)?;
        let blocked = self.signals.with(|state| state.own.blocked);
        let id = self.new_thread_id()?;
        self.threads.with(|table| {
            let name = table.current().name.clone();
            let mut thread = Thread::new(id, machine, Some(Box::new(Own::new(blocked))), name);
            thread.clear_at_end = beginning.clear_at_end;
            thread.scheduling = table.current().scheduling.inherited();
            table.add(thread);
        });
        Ok(id)
    }

    /// Make another thread, which is not in the schedule, the one that runs, the machine's state excepted; gives the machines of both.
    fn change_thread(&self, next: usize) -> Machines<K> {
        let machines = self.threads.with(|table| self.exchange_threads(table, next));
        self.follow_threads();
        machines
    }

    /// [`Process::change_thread`], to be followed by [`Process::follow_threads`] where the table is not held.
    #[inline(always)]
    fn exchange_threads(&self, table: &mut Table<K::Machine>, next: usize) -> Machines<K> {
        let (before, thread) = table.set_current(next, self.kernel.ran());
        let Some(before) = before else { return (None, self.enter(&mut None, thread)) };
        let (from, to) = self.exchange(before, thread);
        (Some(from), to)
    }

    /// What makes another thread the one that runs, beside the table; gives the machines of both.
    #[inline(always)]
    fn exchange(&self, before: &mut Thread<K::Machine>, thread: &mut Thread<K::Machine>) -> (&'static K::Machine, &'static K::Machine) {
        (before.machine, self.enter(&mut before.signals, thread))
    }

    /// Let a thread's own be at hand, and what was so before go to `place`, where nothing is; gives the thread's machine.
    #[inline(always)]
    fn enter(&self, place: &mut Option<Box<Own>>, thread: &mut Thread<K::Machine>) -> &'static K::Machine {
        core::mem::swap(place, &mut thread.signals);
        let own = place.as_mut().expect("a thread that does not run keeps its own");
        self.threads.outcome.store(thread.outcome as u8, Ordering::Relaxed);
        self.kernel.identity().set(crate::identity::Word::Thread, thread.id);
        self.signals.turn_to(own, thread.ends);
        thread.machine
    }

    /// Timers that go by a thread's clock run, or stand, as their threads do.
    #[inline(always)]
    fn follow_threads(&self) {
        if self.timers.follow_threads() {
            self.arm_timers();
        }
    }
}

/// The machine of the thread that ran, if it has not ended, and that of the one that runs.
type Machines<K> = (Option<&'static <K as Kernel>::Machine>, &'static <K as Kernel>::Machine);
