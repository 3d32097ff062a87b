//! Where the machine meets the personality: the image's start, foreign syscalls, faults, and copies to and from the program.
//!
//! ```text
//!   program's syscall ─► kernel ─► foreign (assembly) ─► dispatch ─► handler ─┐
//!            ▲                                                                │
//!            └──────── a jump (x86_64), `svc #9` (aarch64) ◄─ assembly ◄─────┘
//!   fault ─► kernel ─► fault (assembly) ─► signal::trap ─► resume
//! ```
//!
//! All that is unsafe about running a program in one's own address space is here and in `native`. Nothing in the library is built
//! with vector instructions, so that the program's vector registers pass through untouched.

#[cfg(target_arch = "aarch64")]
#[path = "aarch64/mod.rs"]
mod isa;
#[cfg(target_arch = "x86_64")]
#[path = "x86_64/mod.rs"]
mod isa;

pub mod channel;
mod descriptions;
mod dispatch;
mod fork;
pub mod heap;
pub mod native;
mod placed;
mod start;
mod thread;
mod vdso;
mod words;

pub use isa::{Frame, clock, entropy, image_start};

/// Places in the part of Chitin's half that the library lays out itself. What every process has is close together, so that few page tables
/// are needed: they are what making and ending a process costs most.
pub mod place {
    /// The pages of files.
    pub const FILES: usize = 0x7d80_0000_0000;
    /// The most bytes of them.
    pub const FILES_BYTES: usize = 0x20_0000_0000;
    /// The stack that faults are handled on: its lowest address. The upcall page is above it: what is copied by every fork makes few ranges.
    pub const FAULT_STACK: usize = 0x7e00_0027_0000;
    /// Bytes of it. A fault in a fault (a signal frame for a lazy stack) goes on below.
    pub const FAULT_STACK_BYTES: usize = 0x1_0000;
    /// Bytes of it, at its top, that are always mapped: a fault that is no signal is resolved in them, with a fault of the library's own in it.
    pub const FAULT_STACK_READY: usize = 3 * abi::PAGE_SIZE;
    /// All of it.
    pub const FAULTS: core::ops::Range<usize> = FAULT_STACK..FAULT_STACK + FAULT_STACK_BYTES;
    /// The upcall page.
    pub const UPCALL_PAGE: usize = FAULT_STACK + FAULT_STACK_BYTES;
    /// The first info page, and behind it the one with the environment's own entry: the last of what a fork clones as one range.
    pub const INFO: usize = unix::place::CHANGES + abi::PAGE_SIZE;
    /// A page of the frame table, while it is looked at.
    pub const FRAME_TABLE: usize = 0x7e00_002d_0000;
    /// The kernel's ledger, while it is read.
    pub const LEDGER: usize = 0x7e00_002d_4000;
    /// The heap, above the first stack.
    pub const HEAP: usize = 0x7e00_0030_0000;
    /// The most that the heap may be.
    pub const HEAP_BYTES: usize = 0x1fd0_0000;

    /// What open file descriptions have in common with those of other processes, a page each: the first go down from here, where the words of
    /// inodes begin, which have a page table anyway.
    pub const DESCRIPTIONS_END: usize = unix::place::INODES;
    /// How many they are.
    pub const DESCRIPTIONS_FIRST: usize = 0x100;
    /// The others.
    pub const DESCRIPTIONS_MORE: usize = 0x7e00_2800_0000;
    // Around the words of inodes and below the rings, and touching neither.
    const _: () = assert!(DESCRIPTIONS_END - DESCRIPTIONS_FIRST * abi::PAGE_SIZE >= HEAP + HEAP_BYTES);
    const _: () = assert!(DESCRIPTIONS_MORE >= unix::place::INODES + unix::place::INODES_PAGES * abi::PAGE_SIZE);
    const _: () = assert!(DESCRIPTIONS_MORE < unix::place::RINGS);

    /// Where large pages are made small ones, at a multiple of their size.
    pub const PARTS: usize = 0x7e20_0000_0000;
    /// Where page tables are made to be given up: zeros.
    pub const ZEROS: usize = 0x7e20_4000_0000;

    /// What the library has of threads but the first: their syscall stacks and machine state.
    pub const THREADS: usize = 0x7e30_0000_0000;
    /// From one of them to the next: stack, state, and nothing mapped in between.
    pub const THREAD_STEP: usize = 0x2_0000;
    /// The most of them.
    pub const THREADS_MOST: usize = 0x8000;

    /// The stack that the first thread's syscalls are served on: the first stack, free once the program runs.
    pub const SYSCALL_STACK_TOP: usize = exo::start::STACK_BASE + exo::start::STACK_BYTES;
}
