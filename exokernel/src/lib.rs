//! The exokernel: it multiplexes pages, the CPU and traps, securely, and knows nothing else.
//!
//! User mode is a call that says why it stopped: [`Kernel::step`] picks a context, runs it, and matches on the [`arch::Trap`]. Kernel calls
//! do not stop it: they are answered where they come, and it goes on, in the caller or in the context that the call turned to. The whole
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
//! | `ledger` | what was taken by force |
//! | `boot` | from a machine to the first environment |
//! | `calls/` | one function per kernel call: decode, check, commit |
//!
//! # Taking memory back
//! Frames are taken back in the open, and the kernel's part in it is small: who asks, whom, how much and until when is policy.
//! 1. *Ask.* Whoever pays is the parent: what a child is charged for is part of the parent's quota, and `env_quota` takes at once
//!    what the child does not use. For more the parent asks, by words of its own that the child reads: how many frames, until when.
//!    (`unixd` has them in the bulletin of each process.)
//! 2. *Give.* The child knows what it can do without: it unmaps that, and the parent lowers the quota by as much.
//! 3. *Take.* Past the deadline the parent unmaps pages of the child itself: `page_unmap` of an environment below one's own. `page_skip`
//!    and `page_query` show where the child has pages, and which. The child is not stopped and not asked.
//! 4. *Tell.* The kernel writes each mapping that one environment takes from another into the ledger, which all can map and none can
//!    write: who had it, where, which frame, who took it, when. The child's next access there is a page fault of its own, and its
//!    library tells a page that was taken from one that was never there. A ring of [`abi::LEDGER_ENTRIES`]: who is later than that
//!    sees by the count that entries are gone, and finds with `page_skip` what is left to it.
//!
//! An environment that dies is not taken from: nobody reads on. What it had is free when it is reaped.
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
mod ledger;
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
    /// Page tables of level 0 that were walked to lately, by [`space`]'s keys for them; zeros: none.
    near: [Cell<(u64, u64)>; 8],
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
    /// Run one context, and those that its calls turn to, until one traps, and do what the trap asks for.
    pub fn step(&mut self) {
        let first = self.schedule.current.unwrap_or_else(|| self.pick());
        if first != self.schedule.loaded {
            self.load(first);
        }
        let trap = M::run(self, |kernel| &mut kernel.machine, &self.context(first).machine, &Self::HANDLERS);
        let context = self.schedule.loaded;
        self.info_page().traps += u64::from(trap != Trap::Call);
        match trap {
            Trap::Call => {}
            Trap::Interrupt => self.interrupt(),
            Trap::Fault(fault) if self.send(context, fault) => {}
            // One that the library has no entry for, or that it takes while it handles another.
            Trap::Fault(fault) => self.fatal(context, fault.kind as u32, fault.address),
        }
    }

    fn info_page(&mut self) -> &mut InfoPage {
        // SAFETY: the first info page is the kernel's, and user mode can only read it.
        unsafe { &mut *self.frames.info }
    }
}
