//! Environments that run a function of the program.

use abi::{CloneMode, CloneRange, EnvEntry, EnvId, EnvState, FaultKind, IMAGE_BASE, Privileges, Registers, Rights, RunState, WaitWord};

use crate::{
    info,
    place::{INFO, SCRATCH, SHARED, STACK_PAGES, page, stack, stack_top},
};

/// What a child runs: its argument, and the status that the child ends itself with.
pub type Function = fn(u64) -> u64;

/// Quota of a child that needs no more than any.
pub const QUOTA: usize = 512;

/// How an environment ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// It ended itself with this status.
    Exited(u64),
    /// An ancestor ended it with this status.
    Killed(u64),
    /// A fault that it could not take.
    Fault(FaultKind),
    /// A foreign syscall that it had no entry for.
    Foreign,
    /// It still runs.
    Alive,
}

impl End {
    /// Whether `entry` says that an environment ended so.
    #[must_use]
    pub fn is(self, entry: &EnvEntry) -> bool {
        if entry.state != EnvState::Dead as u32 {
            return self == End::Alive;
        }
        match self {
            End::Exited(status) => entry.reason == EnvEntry::EXITED && entry.status == status,
            End::Killed(status) => entry.reason == EnvEntry::KILLED && entry.status == status,
            End::Fault(kind) => entry.reason == EnvEntry::FAULTED + kind as u32,
            End::Foreign => entry.reason == EnvEntry::FAULTED + EnvEntry::FOREIGN,
            End::Alive => false,
        }
    }
}

/// A child.
#[derive(Clone, Copy, Debug)]
pub struct Child {
    /// Its name.
    pub id: EnvId,
}

/// The program's segments that are mapped here: pages, and whether they are written.
fn segments() -> impl Iterator<Item = (usize, usize, bool)> {
    exo::image::header().segments.into_iter().filter_map(|segment| {
        let rights = Rights::from_bits_truncate(segment.rights);
        let shown = segment.pages > 0 && rights.contains(Rights::READ);
        shown.then(|| (page(IMAGE_BASE as usize, segment.page as usize), segment.pages as usize, rights.contains(Rights::WRITE)))
    })
}

impl Child {
    /// An environment with the program's image, the info pages and the shared page, and nothing that runs.
    #[must_use]
    pub fn new(quota: usize, privileges: Privileges) -> Child {
        let id = exo::env_create(quota, privileges).expect("a child");
        for (address, pages, written) in segments() {
            let (source, pages) = (address as u64, pages as u64);
            let mode = if written { CloneMode::Copy } else { CloneMode::Share } as u64;
            exo::page_clone(id, &[CloneRange { source, target: source, pages, mode }]).expect("the program's image");
        }
        exo::page_map(id, IMAGE_BASE as usize, IMAGE_BASE as usize, 1, Rights::READ_ONLY).expect("the image's header");
        exo::page_map(id, SHARED, SHARED, 1, Rights::READ_WRITE - Rights::MAY_EXECUTE).expect("the shared page");
        exo::info_map(id, INFO, 0, info::FIRST_PAGES).expect("the info pages");
        Child { id }
    }

    /// A child with one context that runs `function`, given a slice.
    #[must_use]
    pub fn run(function: Function, argument: u64) -> Child {
        let child = Child::new(QUOTA, crate::NONE);
        child.start(function, argument);
        child
    }

    /// One more context on a stack of its own, stopped.
    #[must_use]
    pub fn context(self, function: Function, argument: u64) -> usize {
        let index = exo::context_create(self.id).expect("a context");
        exo::page_alloc(SCRATCH, STACK_PAGES, Rights::READ_WRITE, None).expect("frames for a stack");
        exo::page_map(self.id, stack(index), SCRATCH, STACK_PAGES, Rights::READ_WRITE).expect("a stack");
        // SAFETY: the pages were mapped just above, for the child alone.
        unsafe { exo::page_unmap(EnvId::SELF, SCRATCH, STACK_PAGES) }.expect("they were mapped");
        let registers = crate::isa::start(run_function as *const () as u64, stack_top(index) as u64, [function as usize as u64, argument]);
        exo::context_set(self.id, index, Some(&registers), RunState::Stopped).expect("it is stopped");
        index
    }

    /// Set a context running in a slice slot of its own.
    pub fn give_slice(self, index: usize) -> usize {
        let slot = info::unused_slice().expect("an unused slice slot");
        exo::context_set(self.id, index, None, RunState::Runnable).expect("the context exists");
        exo::slice_set(0, slot, self.id, index).expect("an own slot");
        slot
    }

    /// Run `function` in a new context, in a slice slot of its own. Gives the context's index.
    pub fn start(self, function: Function, argument: u64) -> usize {
        let index = self.context(function, argument);
        self.give_slice(index);
        index
    }

    /// Give the child `count` unused slice slots.
    pub fn give_unused_slices(self, count: usize) {
        for _ in 0..count {
            let slot = info::unused_slice().expect("an unused slice slot");
            exo::slice_set(0, slot, self.id, u32::MAX as usize).expect("an own slot");
        }
    }

    /// Its public entry.
    #[must_use]
    pub fn entry(self) -> EnvEntry {
        info::environment(self.id)
    }

    /// The registers of one of its contexts.
    #[must_use]
    pub fn registers(self, index: usize) -> Registers {
        exo::context_get(self.id, index).expect("the context exists")
    }

    /// Sleep until it is dead, for so long at most. Gives its entry.
    #[must_use]
    pub fn await_death(self, milliseconds: u64) -> EnvEntry {
        let deadline = info::deadline(milliseconds);
        let state = info::environment_address(self.id.slot()) as u64 + core::mem::offset_of!(EnvEntry, state) as u64;
        let alive = WaitWord { address: state, value: EnvState::Alive as u32, reserved: 0 };
        while self.entry().state == EnvState::Alive as u32 {
            if exo::wait(&[alive], Some(deadline)) == Err(abi::Error::TimedOut) {
                break;
            }
        }
        self.entry()
    }

    /// Sleep until it has ended as `end` says, and reap it.
    pub fn expect(self, what: &str, end: End) {
        let entry = self.await_death(PATIENCE);
        assert!(
            end.is(&entry),
            "{what}: expected {end:?}, but reason {:#x}, status {:#x}, pc {:#x}, state {}",
            entry.reason,
            entry.status,
            entry.pc,
            entry.state
        );
        self.reap();
    }

    /// End it, if it lives, and reap it.
    pub fn end(self) {
        if self.entry().state == EnvState::Alive as u32 {
            exo::env_destroy(self.id, 0).expect("it lives");
        }
        self.reap();
    }

    /// Give its frames back.
    pub fn reap(self) {
        exo::env_reap(self.id).expect("it is dead, and ours");
    }

    /// Put a page of ours there, with rights. Ours goes, so that the child is its only holder.
    pub fn hand_page(self, target: usize, source: usize, rights: Rights) {
        exo::page_map(self.id, target, source, 1, rights).expect("a page for the child");
        // SAFETY: the caller names a page that it has done with.
        unsafe { exo::page_unmap(EnvId::SELF, source, 1) }.expect("it was mapped");
    }
}

/// How long an end is waited for, in milliseconds: far more than any takes, on a slow host too.
pub const PATIENCE: u64 = 10_000;

/// Where a child's context starts.
#[expect(improper_ctypes_definitions, reason = "the address of a Rust function is what goes through, in a register")]
extern "C" fn run_function(function: Function, argument: u64) -> ! {
    let status = function(argument);
    loop {
        let _ = exo::env_destroy(EnvId::SELF, status);
    }
}

/// Read a word that the kernel, the machine or another may have changed.
#[must_use]
pub fn peek(address: usize) -> u64 {
    // SAFETY: an attempt to read is all that is wanted; where nothing is mapped it faults.
    unsafe { (address as *const u64).read_volatile() }
}

/// Write a word.
pub fn poke(address: usize, value: u64) {
    // SAFETY: an attempt to write to a page that the program mapped, or that is expected to fault.
    unsafe { (address as *mut u64).write_volatile(value) }
}
