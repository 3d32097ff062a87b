//! The pages that show what the kernel knows, mapped read-only wherever an environment asks (`info_map`).
//!
//! Page 0 is [`InfoPage`]; pages from [`INFO_ENVS_PAGE`] hold the environment table ([`EnvEntry`] by slot), those from
//! [`INFO_LEDGER_PAGE`] the ledger ([`LedgerEntry`]), those from [`INFO_SLICES_PAGE`] the slice vectors ([`SliceEntry`],
//! [`INFO_SLICES_PAGES`] pages per CPU), and from `frames_page` on the frame table ([`FrameEntry`] by frame number less `first_frame`). Words here can be waited on: an
//! environment's death changes its `state` and its parent's `deaths`, an interrupt its count, a page's unmapping its frame's `count`, a page taken
//! by force the ledger's `taken`.

use static_assertions::const_assert_eq;

use crate::{MAX_ENVS, MAX_IRQS, MAX_SLICES, PAGE_SIZE};

/// First info page of the environment table.
pub const INFO_ENVS_PAGE: usize = 1;
/// First info page of the ledger.
pub const INFO_LEDGER_PAGE: usize = INFO_ENVS_PAGE + MAX_ENVS * size_of::<EnvEntry>() / PAGE_SIZE;
/// First info page of the slice vectors.
pub const INFO_SLICES_PAGE: usize = INFO_LEDGER_PAGE + LEDGER_ENTRIES * size_of::<LedgerEntry>() / PAGE_SIZE;
/// Info pages of one CPU's slice vector.
pub const INFO_SLICES_PAGES: usize = MAX_SLICES * size_of::<SliceEntry>() / PAGE_SIZE;
/// Entries of the ledger: number `n` is at `n % LEDGER_ENTRIES`, until as many more are written.
pub const LEDGER_ENTRIES: usize = 512;

/// The first info page.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct InfoPage {
    /// Offset 0: ticks per second of the counter that `wait` deadlines count in: the TSC, or CNTVCT_EL0.
    pub clock_hz: u64,
    /// Offset 8: nanoseconds per tick, as a fixed-point number with 32 fraction bits.
    pub clock_mult: u64,
    /// Offset 16: the counter's value when `boot_unix_ns` was read.
    pub boot_ticks: u64,
    /// Offset 24: nanoseconds since 1970-01-01 UTC at `boot_ticks`; whole seconds off the machine's clock chip.
    pub boot_unix_ns: u64,
    /// Offset 32: length of a slice, in ticks.
    pub slice_ticks: u64,
    /// Offset 40: frames that no one holds.
    pub free_frames: u64,
    /// Offset 48: the lowest frame number that the frame table covers.
    pub first_frame: u64,
    /// Offset 56: how many frame numbers it covers.
    pub frame_count: u64,
    /// Offset 64: first info page of the frame table.
    pub frames_page: u64,
    /// Offset 72: all info pages.
    pub pages: u64,
    /// Offset 80: frames that were free when the first environment started, its own included.
    pub usable_frames: u64,
    /// Offset 88: CPUs that run.
    pub cpus: u64,
    /// Offset 96: what the CPU has: [`InfoPage::FSGSBASE`] and its like.
    pub features: u64,
    /// Offset 104: the interrupt number of the console's input.
    pub console_irq: u64,
    /// Offset 112: traps handled since boot, by way of the kernel's loop (a reflected syscall or page fault is not one).
    pub traps: u64,
    /// Offset 120: how many entries of the ledger were ever written; the newest is number `taken - 1`. Counts up, wakes, and wraps.
    pub taken: u32,
    /// Offset 124: zero.
    pub reserved: [u32; 33],
    /// Offset 256: how often each interrupt came; wait on it, then `irq_ack`.
    pub irqs: [u32; MAX_IRQS],
}
const_assert_eq!(core::mem::offset_of!(InfoPage, irqs), 256);

impl InfoPage {
    /// x86_64: user mode may write FS base itself (`wrfsbase`).
    pub const FSGSBASE: u64 = 1 << 0;
}

/// The life of an environment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum EnvState {
    /// The slot is free.
    Free = 0,
    /// Alive.
    Alive = 1,
    /// Dead, its status kept and its frames held until an ancestor reaps it.
    Dead = 2,
}

/// A slot of the environment table.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct EnvEntry {
    /// Offset 0: an [`EnvState`]. Changes, and wakes, at birth, death and reaping.
    pub state: u32,
    /// Offset 4: generation of the current or last environment in the slot.
    pub generation: u32,
    /// Offset 8: slot of the parent.
    pub parent: u32,
    /// Offset 12: why it died: see [`EnvEntry::KILLED`].
    pub reason: u32,
    /// Offset 16: the status that `env_destroy` gave, or the address that a fatal fault was at.
    pub status: u64,
    /// Offset 24: frames that it may be charged for.
    pub quota: u64,
    /// Offset 32: frames that it is charged for.
    pub used: u64,
    /// Offset 40: program counter of a fatal fault.
    pub pc: u64,
    /// Offset 48: [`crate::Privileges`], whose bits fit.
    pub privileges: u32,
    /// Offset 52: how many children of it have died so far. Counts up, and wakes, at each death, after the child's `state`
    /// has changed and the child's own children have become its: one wait covers any number of children.
    pub deaths: u32,
    /// Offset 56: ticks that its contexts have run, the kernel's work for them included. While one of them is on a CPU, the
    /// counter's value when that began is subtracted, so that the word is negative (as an `i64`), and the word and the counter
    /// together are the time up to now: who reads both for itself reads the word again, and begins anew if it changed.
    pub ran: u64,
}
const_assert_eq!(size_of::<EnvEntry>(), 64);

impl EnvEntry {
    /// `reason`: it ended itself.
    pub const EXITED: u32 = 1;
    /// `reason`: an ancestor ended it.
    pub const KILLED: u32 = 2;
    /// `reason` above this: a trap that it had no entry for, or a double fault: this plus the [`crate::FaultKind`].
    pub const FAULTED: u32 = 0x100;
    /// `FaultKind` stand-in for a foreign syscall without an entry.
    pub const FOREIGN: u32 = 0;
}

/// A mapping that was taken by force: by `page_unmap` of another environment than its holder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct LedgerEntry {
    /// Offset 0: who had it, an [`crate::EnvId`]'s word.
    pub holder: u64,
    /// Offset 8: where it was mapped, and in bit 0 whether it was one of 2 MiB.
    pub address: u64,
    /// Offset 16: the counter's value then.
    pub ticks: u64,
    /// Offset 24: number of the frame, the first of a large page.
    pub frame: u32,
    /// Offset 28: slot of the environment that took it: the holder's parent, or one above.
    pub taker: u32,
}
const_assert_eq!(LEDGER_ENTRIES * size_of::<LedgerEntry>() % PAGE_SIZE, 0);

/// A slot of a CPU's slice vector: a share of time.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct SliceEntry {
    /// The environment that owns the slot, an [`crate::EnvId`]'s word; 0: nobody.
    pub owner: u64,
    /// Which of its contexts runs.
    pub context: u32,
    /// How often the slot's slice ended by force.
    pub expired: u32,
}

/// What a frame is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum FrameKind {
    /// Not memory, or firmware's.
    Absent = 0,
    /// Nobody's.
    Free = 1,
    /// Memory that environments hold by mapping it.
    User = 2,
    /// A page table; `count` is its live entries.
    Table = 3,
    /// The kernel's own, or an environment's or context's record.
    Kernel = 4,
    /// Device memory.
    Device = 5,
}

/// One frame, as the frame table has it.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(8))]
pub struct FrameEntry {
    /// A [`FrameKind`].
    pub kind: u32,
    /// Mappings (and the kernel's own pins) of a `User` frame, all of 2 MiB together as one; live entries of a `Table`. Whatever lowers it for a `User` frame
    /// (`page_unmap`, `page_break`, `upcall_set`, `env_reap`) wakes who sleeps on it, at 0 too, where the frame is free and may soon be
    /// another's; what raises it does not wake. So a holder can wait until it is the last: the dead hold until they are reaped. Of a `Free` one: 1 if it
    /// is known to hold zeros.
    pub count: u32,
    /// The next free frame, less `first_frame`, if the frame is free. Of a `User` frame: 2 MiB mappings of the run that begins with it.
    /// Of a `Table`, with `previous` as a number of 64 bits: a bit for each 8 of its entries, set if one of them was ever used.
    pub next: u32,
    /// The free frame before it, likewise.
    pub previous: u32,
}
const_assert_eq!(size_of::<FrameEntry>(), 16);
