//! The contract between the exokernel and everything above it.
//!
//! Nothing here does anything: call numbers, error codes and the layouts of the pages that both sides read. Every layout is
//! pinned by an assertion, since the two sides are linked apart.
//!
//! **How a call is made.** Up to six arguments go in registers; the answer is two words, a status and a value. A negative status is
//! an [`Error`]; otherwise the status is 0 and the value is the call's result.
//!
//! | | number | arguments | status, value | clobbered |
//! |---|---|---|---|---|
//! | aarch64 | the immediate of `svc #n`, n ≠ 0 | x0–x5 | x0, x1 | nothing else |
//! | x86_64 | `eax` = 0x8000_0000 + n with n < 0x1_0000, `syscall` | rdi rsi rdx r10 r8 r9 | rax, rdx | rcx, r11 |
//!
//! Everything else that user mode does to enter the kernel (`svc #0`, a `syscall` with any other `eax`, a fault) is not the kernel's
//! business: it is reflected to the entries in the context's [`UpcallPage`].
//!
//! **Batches.** Interrupts are off in the kernel, so every call is bounded: a call over many pages handles at most [`BATCH_PAGES`] of
//! them, answers how many it did, and is called again for the rest. An error is only reported when nothing was done.
//!
//! **Who pays.** Every holder of a page pays for it: an environment is charged one frame for each page it maps, for each page table
//! that its mappings need and for each context, against its quota. A quota is carved out of the parent's. Since every frame in
//! use has a payer and quotas never add up to more than the machine, a call that is within its quota cannot fail for lack of memory.
#![no_std]

mod call;
mod context;
mod image;
mod info;
mod rights;
mod upcall;

pub use call::{Call, Error};
pub use context::{Registers, RunState, TransferFlags};
pub use image::{IMAGE_BASE, IMAGE_MAGIC, IMAGE_MODULES, IMAGE_SEGMENTS, ImageHeader, Module, Segment};
pub use info::{EnvEntry, EnvState, FrameEntry, FrameKind, InfoPage, LedgerEntry, SliceEntry};
pub use info::{INFO_ENVS_PAGE, INFO_LEDGER_PAGE, INFO_SLICES_PAGE, INFO_SLICES_PAGES, LEDGER_ENTRIES};
pub use rights::{CloneMode, CloneRange, Privileges, Rights};
pub use upcall::{FaultKind, SavedState, UpcallEntries, UpcallPage, WaitWord};

/// Bytes in a frame and in a page.
pub const PAGE_SIZE: usize = 4096;
/// Pages in a large page (2 MiB).
pub const LARGE_PAGES: usize = 512;
/// The most pages that one call handles before it answers how far it got.
pub const BATCH_PAGES: usize = 512;
/// One past the highest address that user mode may map, on both ISAs. The last page below the x86_64 canonical hole stays unmapped: a
/// `syscall` in its last two bytes would make `sysret` fault in the kernel.
pub const USER_TOP: u64 = 0x0000_7fff_ffff_f000;
/// The lowest address that user mode may map: a NULL dereference must fault.
pub const USER_BOTTOM: u64 = PAGE_SIZE as u64;
/// Environments that can exist at once.
pub const MAX_ENVS: usize = 1024;
/// Contexts that one environment can have.
pub const MAX_CONTEXTS: usize = 8;
/// Words that one `wait` can name.
pub const MAX_WAIT_WORDS: usize = 8;
/// Slots in a CPU's slice vector.
pub const MAX_SLICES: usize = 1024;
/// Interrupt numbers that can be bound: aarch64 SPIs and PPIs by GIC number, x86_64 by IO APIC input.
pub const MAX_IRQS: usize = 256;
/// Ranges in one `page_clone` list.
pub const MAX_CLONE_RANGES: usize = 128;

/// "Any free frame", where a call takes a frame number.
pub const ANY_FRAME: u64 = u64::MAX;
/// "No deadline", where a call takes one.
pub const NO_DEADLINE: u64 = u64::MAX;

/// The name of an environment: its slot in the environment table and that slot's generation. A name is never reused: a stale one is
/// [`Error::NoEnv`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
#[repr(transparent)]
pub struct EnvId(pub u64);

impl EnvId {
    /// The calling environment, in every call that takes a name.
    pub const SELF: EnvId = EnvId(0);

    /// The name for a slot and its generation (≥ 1).
    #[must_use]
    pub const fn new(slot: usize, generation: u32) -> Self {
        EnvId((generation as u64) << 16 | slot as u64)
    }

    /// The slot in the environment table.
    #[must_use]
    pub const fn slot(self) -> usize {
        (self.0 & 0xffff) as usize
    }

    /// The generation of the slot that this name is for.
    #[must_use]
    pub const fn generation(self) -> u32 {
        (self.0 >> 16) as u32
    }
}
