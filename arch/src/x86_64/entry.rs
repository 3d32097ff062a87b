//! All ways into and out of user mode.
//!
//! Nothing here touches memory but the per-CPU block (through GS), the loaded context, its upcall page and the kernel stack. No
//! instruction that leaves the kernel can fault: `pc` and the reflection's entry are below the canonical hole, the selectors are constants,
//! and the flags are such as user mode may have.

use core::arch::{asm, global_asm};
use core::mem::offset_of;

use abi::{Registers, SavedState, UpcallPage};

use super::context::{FIRST_INTERRUPT, SYSCALL, UserContext};
use super::cpu::PerCpu;

/// Vectors that have a gate.
pub(super) const VECTORS: usize = 96;
/// NMI, double fault and machine check: taken on a stack of their own, and always the end. NMIs and machine checks can come in the few
/// instructions where the kernel runs on a user's stack pointer.
pub(super) const LAST_WORDS: u32 = 1 << 2 | 1 << 8 | 1 << 18;
/// Exceptions with which the CPU stores an error code (Intel SDM volume 3, table 7-1; AMD's 29 and 30).
const WITH_ERROR: u32 = 1 << 8 | 0x1f << 10 | 1 << 17 | 1 << 21 | 1 << 29 | 1 << 30;

unsafe extern "C" {
    /// Entry of the `syscall` instruction.
    pub(super) fn chitin_syscall();
    /// Addresses of the gates' entries, by vector.
    pub(super) static chitin_gates: [u64; VECTORS];
}

// unsafe extern "C" fn chitin_enter(context: *mut UserContext)
//   1. Remember where to return to, for whatever trap comes next.
//   2. Load all registers but rcx, r11, rdi and rsp.
//   3. If the context is in a `syscall`, leave by `sysret`: pc is in rcx and flags are in r11.
//   4. Else leave by `iret`, through the frame that lies in the context.
//   Comes back through chitin_syscall or chitin_trap, with no register preserved but rsp.
//
// chitin_syscall: rcx = pc, r11 = flags, all else the user's; interrupts, trap flag and direction flag are off.
//   1. Put the stack pointer aside; sort out foreign syscalls by bit 31 of eax.
//   2. Kernel call: store all registers in the context and return from chitin_enter.
//   3. Foreign, with an upcall page: store pc, sp and flags there and continue at its entry with the trap flag off. This is the
//      reflection's whole path. rcx is the entry then, r11 the flags.
//   4. Foreign, without one: as 2.
//
// chitin_trap: stack = vector, error code, pc, cs, flags, sp, ss
//   1. From user mode the stack is the end of the loaded context: store the registers below, and return from chitin_enter, with flags
//      that the user did not choose (interrupt gates leave AC and DF).
//   2. From kernel mode, an interrupt: only `idle` lets one come, once. Note its vector and go on there, interrupts off.
//   3. From kernel mode, an exception, and from anywhere the vectors of LAST_WORDS:
//      extern "C" fn chitin_broken(frame: &[u64; 7]) -> !
//
// Gate n: push an error code of 0 if the CPU pushed none, push n, go on at 1. or 3.
global_asm!(
    ".macro general_registers op:req, store=0",
    ".irp pair, rax/{rax}, rbx/{rbx}, rdx/{rdx}, rsi/{rsi}, rbp/{rbp}, r8/{r8}, r9/{r9}, r10/{r10}, r12/{r12}, r13/{r13}, r14/{r14}, r15/{r15}",
    ".endr",
    ".endm",
    "",
    rax = const offset_of!(UserContext, general.rax),
    rbx = const offset_of!(UserContext, general.rbx),
    rdx = const offset_of!(UserContext, general.rdx),
    rsi = const offset_of!(UserContext, general.rsi),
    rbp = const offset_of!(UserContext, general.rbp),
    r8 = const R8,
    r9 = const R8 + 8,
    r10 = const R8 + 16,
    r12 = const R8 + 32,
    r13 = const R8 + 40,
    r14 = const R8 + 48,
    r15 = const R8 + 56,
);
