//! The exokernel: it multiplexes pages, the CPU and traps, securely, and knows nothing else.
//!
//! User mode is a call that says why it stopped: [`Kernel::step`] picks a context, runs it, and matches on the [`arch::Trap`]. The whole
//! kernel is a value over a [`Machine`], so the same code runs on hardware and, with `arch::fake`, inside a host test.
//!
//! | file | what it holds |
//! |---|---|
//! | `frame` | the frame table and the free list |
//! | `space` | page tables: find, insert, clear; who pays |
//! | `environment` | the tree of environments, quotas, death and reaping |
//! | `context` | the record of a stopped thread of control |
//! | `queue` | the lists that sleepers stand in |
//! | `schedule` | slices, directed yield, sleeping and waking |
//! | `upcall` | traps sent back to their own library |
//! | `user` | reading and writing user memory |
//! | `boot` | from a machine to the first environment |
//! | `calls/` | one function per kernel call: decode, check, commit |
//!
//! # What keeps it sound
//! 1. A frame is reached by user mode only through mappings that `space` inserted, with rights that `calls/page` checked against the
//!    mapping that they come from. Tables and records are in frames of other kinds, which are never mapped writable.
//! 2. The kernel never touches a user address: user memory is looked up in the page tables and reached through the direct
//!    map, so that no pointer from user mode can make the kernel fault.
//! 3. Records in frames are reached by shared references to `Cell`s, so two paths to one record are harmless.
//! 4. Every frame in use is charged to somebody (`abi`'s "who pays"), so a charge that was accepted always finds a frame.
#![cfg_attr(target_os = "none", no_std)]

use core::cell::Cell;

use abi::{EnvEntry, EnvId, InfoPage};
use arch::{Machine, Trap};

mod boot;
mod calls;
mod context;
mod environment;
mod frame;
#[cfg(not(target_os = "none"))]
#[path = "../tests/world/inspect.rs"]
mod inspect;
mod queue;
mod schedule;
mod space;
mod upcall;
mod user;

use frame::Frames;
use queue::Queues;
use schedule::Schedule;

/// What a kernel call gives.
pub type Result<T> = core::result::Result<T, abi::Error>;

/// The kernel, on one machine.
pub struct Kernel<M: Machine> {
    /// The machine: public, so that a test can look at its own.
    pub machine: M,
    frames: Frames,
    queues: Queues,
    /// The page tables of level 0 that were walked to last, and before that, by [`space`]'s keys for them; zeros: none.
    near: [Cell<(u64, u64)>; 2],
    schedule: Schedule,
    /// First frame of the info pages.
    info: u64,
    /// The environment table, in the info pages.
    entries: *mut EnvEntry,
    /// Address of each slot's environment record in the direct map; 0: none.
    records: [usize; abi::MAX_ENVS],
    /// One past the last slot that is in use.
    top: usize,
    /// Who has each interrupt.
    irqs: [EnvId; abi::MAX_IRQS],
}

impl<M: Machine> Kernel<M> {
    /// Run the machine for good.
    pub fn run(&mut self) -> ! {
        loop {
            self.step();
        }
    }

    /// Run one context until it traps, and do what the trap asks for.
    pub fn step(&mut self) {
        let context = self.next_context();
        let record = self.context(context);
        // SAFETY: the machine state is reached here and in `context::Record::machine` only, never by two at once (one CPU per
        // loaded context).
        let trap = self.machine.run(unsafe { &mut *record.machine.get() });
        self.info_page().traps += 1;
        match trap {
            Trap::Call(number) => self.call(context, number),
            Trap::Interrupt => self.interrupt(),
            Trap::Fault(fault) => self.fault(context, fault),
            // One that has no entry: else the entry assembly would have reflected it.
            Trap::Foreign => self.fatal(context, EnvEntry::FOREIGN, 0),
        }
    }

    fn info_page(&mut self) -> &mut InfoPage {
        // SAFETY: the first info page is the kernel's, and user mode can only read it.
        unsafe { &mut *self.frames.info }
    }
}
