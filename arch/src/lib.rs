//! The machine border: what the exokernel asks of a machine, and nothing more.
//!
//! Four small traits stand between the kernel's logic and a machine. [`Paging`] is a pure codec, so that both ISAs' page-table formats
//! are tested on any host. [`Context`] is the state of a stopped thread of control. [`Cpu`] runs a context until it traps and
//! keeps time, [`Board`] holds the devices that a kernel cannot do without. [`Machine`] is the four together; `Native` is the one
//! that this build is for, and `fake` the one that a test scripts.
//!
//! | file or folder | what is in it |
//! |---|---|
//! | `paging.rs` | what the ISAs' page-table formats have in common |
//! | `aarch64/` | boot by the Linux image protocol, vectors, GIC, generic timer, PL011 |
//! | `x86_64/` | boot by PVH, descriptor tables, `syscall`, APICs, TSC, 16550 |
//! | `fake/` | memory in a `Vec`, traps off a list |
#![cfg_attr(target_os = "none", no_std)]

use core::cell::UnsafeCell;

use abi::{FaultKind, Registers, UpcallEntries, UpcallPage};
use arrayvec::ArrayVec;

pub mod aarch64;
#[cfg(not(target_os = "none"))]
pub mod fake;
mod paging;
pub mod x86_64;

pub use paging::{Leaf, Paging};

#[cfg(all(target_os = "none", target_arch = "aarch64"))]
pub use aarch64::Native;
#[cfg(all(target_os = "none", target_arch = "x86_64"))]
pub use x86_64::Native;

/// Levels of a page-table tree, on both ISAs: 3 is the root, 0 holds 4 KiB leaves.
pub const LEVELS: usize = 4;
/// Entries of a page table, on both ISAs.
pub const TABLE_ENTRIES: usize = 512;

/// Why user mode stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trap {
    /// A kernel call, after which no context simply goes on: see [`Answer`].
    Call,
    /// A fault. (Where the library has an entry for faults, the entry assembly reflects loads and stores that a page refused by itself.)
    Fault(Fault),
    /// An interrupt is waiting: ask [`Board::interrupt`].
    Interrupt,
}

/// A fault, as far as ISAs agree about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    /// What happened.
    pub kind: FaultKind,
    /// Where, for Read, Write and Execute.
    pub address: u64,
    /// See [`UpcallPage::code`].
    pub code: u64,
}

/// What the entry assembly calls for the kernel calls of the context that runs, by number: with the arguments and the kernel. They may not
/// look at that context's registers, nor set any but with [`SET`]. The first is for numbers that no call has, the last for a syscall that is not
/// the kernel's, when no upcall page is set (else the entry assembly reflects it itself).
///
/// Most callers go on at once. What the C ABI has a function preserve is theirs all the while, and is stored only when it is not so.
pub type Handlers<K> = [extern "C" fn(u64, u64, u64, u64, u64, u64, &mut K) -> Answer; FOREIGN + 1];
/// The last of them.
pub const FOREIGN: usize = abi::Call::PageSkip as usize + 1;

/// How a kernel call ends.
#[repr(C)]
pub struct Answer {
    /// The status word, 0 or below: the caller goes on with it, and with the value. Else [`LEFT`] or [`SET`].
    pub status: i64,
    /// The value word.
    pub value: u64,
}
/// The caller does not go on now. Its status and value words are set already, or will be. The value is the address of the context that goes on in
/// its place, and is loaded; 0: none yet.
pub const LEFT: i64 = 1;
/// It goes on with other registers: [`Context::set_registers`].
pub const SET: i64 = 2;

/// The state of a stopped thread of control: registers, TLS base, vector state, address space and upcall page. Lives in a zeroed
/// frame of the kernel's; [`Context::init`] makes it valid.
pub trait Context {
    /// Make a zeroed context valid: initial vector state, interrupts on in user mode.
    fn init(&mut self, root: u64, asid: u16);
    /// Set the status and value words.
    fn set_result(&mut self, status: i64, value: u64);
    /// Set the words that a transfer brings (x2–x5; rdi, r10, r8, r9).
    fn set_message(&mut self, words: [u64; 4]);
    /// All registers. The TLS base of a context that is loaded on a CPU may be stale; the status and value of one that is in a call are.
    fn registers(&self) -> Registers;
    /// Set all registers, after reducing `pc`, `tls` and flags to what user mode may have.
    fn set_registers(&mut self, registers: &Registers);
    /// Set the upcall page, by its frame's direct-map address and its user address (for GS base or TPIDRRO_EL0), and the entries for
    /// foreign syscalls and for faults. Where one is 0, they come to the kernel each time.
    fn set_upcall(&mut self, page: *mut UpcallPage, address: u64, entries: UpcallEntries);
    /// Save pc, sp, flags and scratch registers in `page.fault` and continue at `entry`.
    fn enter_fault(&mut self, page: &mut UpcallPage, entry: u64);
}

/// The CPU: runs contexts, translates addresses, keeps time.
pub trait Cpu {
    /// This ISA's context.
    type Context: Context + 'static;
    /// This ISA's page-table format.
    type Paging: Paging;

    /// Make `next` the context that `run` runs: save the vector state and TLS base of `previous`, load those of `next`, its address
    /// space and its upcall page.
    ///
    /// # Safety
    /// `previous` is what was loaded before, if anything was; `next` stays where it is until the next switch, and its root is a page table whose
    /// user half the kernel keeps sound.
    unsafe fn switch(&mut self, previous: &mut Self::Context, next: &mut Self::Context);
    /// Load again what `set_upcall` or, if `registers` says so, `set_registers` changed in the loaded context and the CPU holds: upcall
    /// registers, TLS base.
    fn reload(&mut self, context: &Self::Context, registers: bool);
    /// Run the loaded context until it, or one that its calls turned to, traps. `own` gives the machine that a kernel is on.
    fn run<K>(kernel: &mut K, own: fn(&mut K) -> &mut Self, context: &UnsafeCell<Self::Context>, calls: &Handlers<K>) -> Trap;
    /// Write what a new root table needs besides user entries (x86_64: the kernel's half). The frame is zeroed.
    fn init_root(&mut self, root: u64);
    /// Forget the translation of one page.
    fn flush_page(&mut self, asid: u16, address: u64);
    /// Forget all translations of an address space.
    fn flush_space(&mut self, asid: u16);
    /// Make what was written to a frame visible to instruction fetch.
    fn sync_icache(&mut self, frame: u64);
    /// The counter, in ticks.
    fn clock(&self) -> u64;
    /// Ask for an interrupt when the counter reaches `deadline` (`u64::MAX`: none).
    fn set_timer(&mut self, deadline: u64);
    /// Sleep until an interrupt is waiting.
    fn idle(&mut self);
}

/// What [`Board::interrupt`] found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Interrupt {
    /// The timer that `set_timer` set.
    Timer,
    /// A device's, by number; now masked.
    Device(usize),
}

/// The devices that a kernel cannot do without: memory, the interrupt controller, a console, a way to stop.
pub trait Board {
    /// A frame's bytes, in the kernel's direct map.
    fn frame(&self, frame: u64) -> *mut u8;
    /// Fill a frame with zeros.
    ///
    /// # Safety
    /// It is RAM, and nobody else's.
    unsafe fn zero_frame(&self, frame: u64);
    /// Copy a frame to another.
    ///
    /// # Safety
    /// Both are RAM, and `to` is nobody else's.
    unsafe fn copy_frame(&self, from: u64, to: u64);
    /// Take the interrupt that is waiting, if one is: acknowledged, and masked if a device's.
    fn interrupt(&mut self) -> Option<Interrupt>;
    /// Let a device's interrupt come, or not.
    fn open(&mut self, irq: usize, open: bool);
    /// Write a byte to the console.
    fn put(&mut self, byte: u8);
    /// The byte that the console has, if any.
    fn get(&mut self) -> Option<u8>;
    /// Stop the machine with a code, which reaches the emulator's caller.
    fn exit(&mut self, code: u8) -> !;
}

/// A whole machine.
pub trait Machine: Cpu + Board {}
impl<M: Cpu + Board> Machine for M {}

/// The machine's code after a kernel panic, by Rust's custom.
pub const EXIT_PANIC: u8 = 101;
/// The machine's code when the first environment took a fault that it had no entry for.
pub const EXIT_FAULT: u8 = 102;

/// A run of frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FrameRange {
    /// First frame number.
    pub first: u64,
    /// How many.
    pub count: u64,
}

/// What a machine knows when it has started.
#[derive(Clone, Debug, Default)]
pub struct Boot {
    /// RAM, all of it in the direct map.
    pub memory: ArrayVec<FrameRange, 16>,
    /// Parts of it that are taken: the kernel and its tables, the device tree.
    pub reserved: ArrayVec<FrameRange, 16>,
    /// Device memory that software may ask for by number; not in `memory`.
    pub devices: ArrayVec<FrameRange, 16>,
    /// The boot image, inside `memory`; its first frame holds the header.
    pub image: FrameRange,
    /// Counter ticks per second.
    pub clock_hz: u64,
    /// Nanoseconds since 1970 by the machine's clock chip; 0 if it has none.
    pub unix_ns: u64,
    /// Interrupt number of the console's input.
    pub console_irq: usize,
    /// [`abi::InfoPage::features`].
    pub features: u64,
}
