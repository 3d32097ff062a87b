//! What the server has left for itself, and what it refuses when that is little.
//!
//! What processes hold here is this environment's memory, which the kernel charges to nobody else; an allocation that fails ends the run. So
//! a request is looked at before it is served: one that makes something to be held is refused first, one that uses what is held later,
//! and one that only gives back, waits or ends, never. What a single request allocates stays far below the steps between them.

use core::alloc::{GlobalAlloc, Layout};
use core::sync::atomic::{AtomicUsize, Ordering};

use abi::PAGE_SIZE;
use libos::errno::{Errno, Result};
use libos::signal::SIGKILL;
use unix::{Operation, Request};

use crate::machine;

/// Frames that nobody else is granted.
pub const OWN_FRAMES: usize = 1024;
/// Frames that files leave to processes, at most; and the part of all frames that they leave where that is less.
const FILES_LEAVE: usize = 4096;
const PART_LEFT: usize = 8;
/// Bytes that there must be for a request that makes something.
const TO_MAKE: usize = 2 << 20;
/// Bytes that there must be for one that uses something.
const TO_USE: usize = 1 << 20;

/// Bytes that are allocated.
static ALLOCATED: AtomicUsize = AtomicUsize::new(0);

/// An allocator that counts what is in use.
pub struct Counted<A>(pub A);

// SAFETY: everything is the other allocator's; counting touches no memory of its.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Counted<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { self.0.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { self.0.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATED.fetch_add(size.wrapping_sub(layout.size()), Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { self.0.realloc(place, layout, size) }
    }
}

/// Frames that this environment could be charged for.
#[must_use]
pub fn frames() -> usize {
    let (quota, used) = machine::charges(machine::own());
    quota - used
}

/// Frames that could be granted to processes.
#[must_use]
pub fn available() -> usize {
    frames().saturating_sub(OWN_FRAMES)
}

/// Frames that files may take, and frames in all.
#[must_use]
pub fn frames_for_files() -> (usize, usize) {
    let (all, used) = machine::charges(machine::own());
    ((all - used).saturating_sub(OWN_FRAMES).saturating_sub(FILES_LEAVE.min(all / PART_LEFT)), all)
}

/// The part of all memory that what processes hold here may be: the heap gives nothing back to them.
const SHARE: usize = 4;

/// Bytes that can be allocated: what is free in the heap may be in pieces, of which half is counted.
fn room() -> usize {
    #[cfg(target_os = "none")]
    let heap = libos::entry::heap::range().len();
    #[cfg(not(target_os = "none"))]
    let heap = 0usize;
    let (quota, used) = machine::charges(machine::own());
    let allocated = ALLOCATED.load(Ordering::Relaxed);
    let in_heap = (quota - used) * PAGE_SIZE + heap.saturating_sub(allocated) / 2;
    in_heap.min((quota * PAGE_SIZE / SHARE).saturating_sub(allocated))
}

/// Whether there is memory to serve a request.
///
/// # Errors
/// `ENOMEM`: not for this one. `EAGAIN`: it is a signal.
pub fn check(request: &Request) -> Result<()> {
    let room = room();
    if room >= TO_MAKE || room >= needed(request) {
        return Ok(());
    }
    Err(if request.operation == Operation::Kill { Errno::EAGAIN } else { Errno::ENOMEM })
}

/// Bytes that there must be for a request.
fn needed(request: &Request) -> usize {
    use Operation::*;
    match request.operation {
        Exit | MoreFrames | GiveBack | Turn | Look | ForkFailed | AwaitRelease | AwaitCall | Spare | Release | Unstage | Wait
        | TakeSignals | Stop | Children | Executed | Birth | HasEnded | GetGroup | ChildrenUsage | Priority | Setting | NoteRead
        | Moved | IsPresent | Overlay | QueueLeave | SemaphoresLeave | SegmentDetach | QueueUnlink | UnlockAll | Shutdown | Sync
        | Unlink | Attributes | Standing | Processes | Person | TakeQuestion | Census | SetName => 0,
        Kill if u32::from(request.small) == SIGKILL => 0,
        Read | Write | Send | Receive | Readiness | Control | Kill | Lock | LockWhole | QueueSend | QueueReceive | MessageSend
        | MessageReceive | SemaphoresOperate | PipePeers | Describe | MapFile | MapOverlay | Walk | Path | Target | List | Statistics
        | Seek | Limit | SetGroup | SetSession | SetIds | Connect | TerminalRead | TerminalWrite | TerminalControl | TerminalClaim
        | Inspect => TO_USE,
        _ => TO_MAKE,
    }
}
