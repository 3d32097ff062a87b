//! The registers of a stopped thread of control, and what can be done with it.

use bitflags::bitflags;
use static_assertions::const_assert;

/// A full register frame of x86_64: what `resume` loads and `context_get` reads. Vector state stays where it is.
#[cfg(target_arch = "x86_64")]
#[expect(missing_docs, reason = "most are named as the architecture names them")]
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
#[repr(C, align(16))]
pub struct Registers {
    pub rax: u64,
    pub rbx: u64,
    pub rcx: u64,
    pub rdx: u64,
    pub rsi: u64,
    pub rdi: u64,
    pub rbp: u64,
    /// r8 to r15.
    pub r: [u64; 8],
    /// The stack pointer, rsp.
    pub sp: u64,
    /// The program counter, rip. Below [`crate::USER_TOP`].
    pub pc: u64,
    /// rflags. Only the flags that user mode may change are taken.
    pub flags: u64,
    /// FS base. Below [`crate::USER_TOP`].
    pub tls: u64,
    /// Zero.
    pub reserved: u64,
}

/// A full register frame of aarch64: what `resume` loads and `context_get` reads. Vector state stays where it is.
#[cfg(target_arch = "aarch64")]
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
#[repr(C, align(16))]
pub struct Registers {
    /// x0 to x30.
    pub x: [u64; 31],
    /// The stack pointer, SP_EL0.
    pub sp: u64,
    /// The program counter.
    pub pc: u64,
    /// SPSR_EL1. Only NZCV, BTYPE, SSBS and DIT are taken.
    pub flags: u64,
    /// TPIDR_EL0.
    pub tls: u64,
    /// Zero.
    pub reserved: u64,
}
// A frame is read from one page, with one check.
const_assert!(size_of::<Registers>() <= 288 && align_of::<Registers>() == 16);

/// What `context_set` makes of a context.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum RunState {
    /// It runs when it next has time. A wait or a call that it was in is given up (`Error::Interrupted`).
    Runnable = 0,
    /// It does not run until it is set runnable, whatever wakes it.
    Stopped = 1,
    /// As it was: only registers are set.
    Unchanged = 2,
}

bitflags! {
    /// How `transfer_reply` goes on.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct TransferFlags: u64 {
        /// Give the message to the caller that is waiting for it, and its slice back.
        const REPLY = 1 << 0;
        /// Then accept the next call: the caller sleeps until one comes.
        const ACCEPT = 1 << 1;
    }
}
