//! A process that is a copy of this one.
//!
//! ```text
//!   fork ─► suspend ─► divide ─► env_create, page_clone, env_hand, Forked ─► proceed ─┐
//!     ▲ ▲                            the copy: born ─► enter ─► proceed ─┐           │
//!     │ └──────────────── in the copy, on its copy of the stack ◄────────┘           │
//!     └────────────────── here ◄─────────────────────────────────────────────────────┘
//! ```
//!
//! The call comes back twice, as fork(2) itself does. Nothing runs in the library while a thread is in here but what is called here, and no
//! lock is held across a block: whatever the other threads are in, in the copy no lock is taken.
//!
//! **The library's own pages.** Most are copied on write. What resolves a fault must not have one of its own while the kernel holds the first
//! one's state in the upcall page, so that page, the fault stack and the process's record, which that way writes to, are copied at once; and
//! all other work on faults is done after that state was taken (`dispatch`), from the first fork on. The pages that both sides write to at
//! once are copied too, since that is cheaper than two faults. The kernel is told of these pages once, so that the list of ranges is short. Of
//! stacks only what is in use is cloned; the rest comes where it is touched, of the fault stack ahead of that.

use core::cell::UnsafeCell;
use core::ops::Range;

use abi::{CloneMode, CloneRange, EnvId, Error, MAX_CLONE_RANGES, PAGE_SIZE, Privileges, Registers, RunState, UpcallEntries};
use unix::{Kin, Operation, Request};

use crate::entry::native::{self, Native};
use crate::entry::thread::{self, Machine};
use crate::entry::{channel, descriptions, dispatch, heap, isa, place, placed};
use crate::errno::{Errno, Result};
use crate::kernel::{Kernel, Side};
use crate::memory::CloneRanges;
use crate::process::Process;

/// Frames that a copy may use beside those that its original does.
const SLACK: usize = 64;
/// The most ranges that the library's own part makes.
const LIBRARY_MOST: usize = 7;
/// What is written to below the stack pointer on the way back.
const STACK_MARGIN: usize = 1024;

unsafe extern "C" {
    /// The image's data.
    #[link_name = "chitin_data"]
    static DATA: u8;
    /// One past it.
    #[link_name = "chitin_data_end"]
    static DATA_END: u8;
}

/// A fork on its way.
struct Attempt<'a> {
    machine: &'static Machine,
    ranges: &'a [CloneRange],
    kin: Kin,
    outcome: UnsafeCell<Result<Side>>,
}

/// See [`Kernel::fork`].
pub fn fork(machine: &'static Machine, ranges: &mut CloneRanges, kin: Kin) -> Result<Side> {
    if dispatch::note_fork() {
        tell_copied();
    }
    dispatch::tell_stored();
    placed::part_ends(ranges).map_err(errno)?;
    add_library(ranges, machine);
    let attempt = Attempt { machine, ranges, kin, outcome: UnsafeCell::new(Err(Errno::EAGAIN)) };
    // SAFETY: 1. The machine is that of the thread that runs. 2. `divide` and `born` come back by the stack pointer that is stored, with this
    // stack as it is now; `attempt` is on it until then.
    unsafe {
        thread::keep(machine);
        isa::suspend(machine.stopped_at(), core::ptr::from_ref(&attempt).addr(), divide);
        attempt.outcome.get().read_volatile()
    }
}

fn range(pages: Range<usize>, mode: CloneMode) -> CloneRange {
    let start = pages.start & !(PAGE_SIZE - 1);
    let pages = (pages.end - start).div_ceil(PAGE_SIZE) as u64;
    CloneRange { source: start as u64, target: start as u64, pages, mode: mode as u64 }
}

/// Before the first fork: tell the kernel what forks copy at once.
#[cold]
fn tell_copied() {
    let process = core::ptr::from_ref(dispatch::process()).addr();
    let copied = [
        (&raw const DATA).addr()..(&raw const DATA_END).addr(),
        // The upcall page is above the fault stack.
        place::UPCALL_PAGE - place::FAULT_STACK_READY..place::UPCALL_PAGE + PAGE_SIZE,
        place::SYSCALL_STACK_TOP - PAGE_SIZE..place::SYSCALL_STACK_TOP,
        // What the allocator keeps in its first page.
        place::HEAP..place::HEAP + 1,
        process..process + size_of::<Process<Native>>(),
    ];
    for part in copied {
        (part.start & !(PAGE_SIZE - 1)..part.end).step_by(PAGE_SIZE).for_each(|page| native::set_copied(page, true));
    }
}

/// What the copy gets of the library. A frame of its own, below that of who forks: what is on the stack ends here.
#[inline(never)]
fn add_library(ranges: &mut CloneRanges, machine: &'static Machine) {
    // A list that is on the heap does not grow below, where the heap's end is known.
    ranges.reserve(LIBRARY_MOST);
    let stack = machine.stack();
    let in_use = (core::ptr::from_ref(&stack).addr() - STACK_MARGIN).max(stack.start)..stack.end;
    let [first, more] = descriptions::ranges();
    // The words of inodes are the last of what the program's part shows of files, and between the two is nothing else.
    match ranges.last_mut().filter(|last| !first.is_empty() && last.source as usize == unix::place::INODES) {
        Some(inodes) => *inodes = range(first.start..unix::place::INODES + inodes.pages as usize * PAGE_SIZE, CloneMode::Share),
        None => ranges.extend(Some(first).filter(|first| !first.is_empty()).map(|first| range(first, CloneMode::Share))),
    }
    let shared = [native::file_pages(), more];
    ranges.extend(shared.into_iter().filter(|part| !part.is_empty()).map(|part| range(part, CloneMode::Share)));
    let heap = heap::range();
    if in_use.end == heap.start {
        ranges.push(range(in_use.start..heap.end, CloneMode::CopyOnWrite));
    } else {
        // That of another thread, whose state is above it.
        ranges.extend([range(in_use, CloneMode::Copy), range(heap, CloneMode::CopyOnWrite)]);
    }
    // What is below of the stack for faults stays this process's: where there is no frame left it may need it again. What is only read, as the info
    // pages are, is shared. The last page may not be the copy's (`fill`).
    let ready = place::UPCALL_PAGE - place::FAULT_STACK_READY;
    let library = [exo::start::LIBOS_BASE..place::FAULT_STACK, ready..place::INFO + 2 * PAGE_SIZE];
    ranges.extend(library.map(|part| range(part, CloneMode::CopyOnWrite)));
}

/// Below the stack of the one that forks: make the copy, and go back.
///
/// # Safety
/// Called by [`fork`], with its attempt.
unsafe extern "C" fn divide(attempt: usize) -> ! {
    // SAFETY: the caller's promise; nobody else refers to the attempt while this runs.
    unsafe {
        let attempt = &*(attempt as *const Attempt);
        let outcome = make(attempt);
        attempt.outcome.get().write_volatile(outcome);
        isa::proceed(attempt.machine.stopped_at().read())
    }
}

fn make(attempt: &Attempt<'_>) -> Result<Side> {
    let process = dispatch::process();
    let frames = process.kernel.quota().1 + SLACK;
    let env = channel::with_quota(2, || exo::env_create(2, Privileges::CONSOLE)).map_err(errno)?;
    let (small, large) = attempt.kin.pack();
    let request = Request { small, large, ..Request::new(Operation::Fork, [frames as u64, env.0, 0]) };
    let made = channel::call(request).and_then(|[id, ..]| {
        // The copy reads who it is.
        // SAFETY: nobody else refers to the attempt.
        unsafe { attempt.outcome.get().write_volatile(Ok(Side::Child(id as u32))) };
        fill(env, frames, attempt).map_err(errno)
    });
    let context = made.inspect_err(|_| {
        let _ = exo::env_destroy(env, 0);
        let _ = exo::env_reap(env);
        let _ = channel::call(Request::new(Operation::ForkFailed, [0; 3]));
    })?;
    channel::call(Request::new(Operation::Forked, [context as u64, 0, 0])).map(|[id, ..]| Side::Parent(id as u32))
}

/// What the kernel's refusal means to who forks.
fn errno(error: Error) -> Errno {
    if error == Error::Quota { Errno::ENOMEM } else { Errno::EAGAIN }
}

/// Make an environment the copy, and hand it to `unixd`; gives its context.
fn fill(env: EnvId, frames: usize, attempt: &Attempt<'_>) -> exo::Result<usize> {
    exo::env_quota(env, frames)?;
    let context = exo::context_create(env)?;
    let (info, rest) = attempt.ranges.split_last().expect("it was added");
    let has_own_entry = native::shares_entry_page(env);
    for ranges in if has_own_entry { attempt.ranges } else { rest }.chunks(MAX_CLONE_RANGES) {
        exo::page_clone(env, ranges)?;
    }
    if !has_own_entry {
        exo::page_clone(env, &[CloneRange { pages: info.pages - 1, ..*info }])?;
        native::map_entry(env, env)?;
    }
    let registers = Beginning(beginning(attempt));
    exo::context_set(env, context, Some(&registers.0), RunState::Runnable)?;
    let entries = UpcallEntries { syscall: isa::foreign as *const () as u64, fault: isa::fault as *const () as u64 };
    exo::upcall_set(env, context, place::UPCALL_PAGE, &entries)?;
    exo::env_hand(env, channel::server())?;
    Ok(context)
}

/// Registers where `context_set` takes them: not across a page's end.
#[repr(align(512))]
struct Beginning(Registers);

/// A call of [`born`], below what [`isa::suspend`] kept.
fn beginning(attempt: &Attempt<'_>) -> Registers {
    // SAFETY: `suspend` stored it.
    let below = unsafe { attempt.machine.stopped_at().read() } & !15;
    let tls = dispatch::process().kernel.thread_pointer();
    let (pc, argument) = (born as *const () as u64, core::ptr::from_ref(attempt).addr() as u64);
    #[cfg(target_arch = "x86_64")]
    {
        // A function finds the stack as a call leaves it: one word below a multiple of 16.
        Registers { pc, sp: below - 8, rdi: argument, tls, ..Registers::default() }
    }
    #[cfg(target_arch = "aarch64")]
    {
        let mut registers = Registers { pc, sp: below, tls, ..Registers::default() };
        registers.x[0] = argument;
        registers
    }
}

/// The copy's first step.
///
/// # Safety
/// As [`beginning`] has it.
unsafe extern "C" fn born(attempt: usize) -> ! {
    // SAFETY: the stack, and the attempt on it, are copies of those of the one that forked.
    unsafe {
        let attempt = &*(attempt as *const Attempt);
        dispatch::process().kernel.become_copy();
        thread::enter(attempt.machine)
    }
}
