//! The program's memory used in place, by ordinary loads and stores, until one is refused.
//!
//! Who does not come back either way has no use for what C preserves, and names a [`Way`] instead of making an attempt.

use core::arch::naked_asm;

use crate::entry::words;

/// Where an attempt that was refused and is not come back to goes on: what [`attempt_refused`] takes for that attempt's stack.
#[repr(C, align(16))]
pub struct Way {
    frame: u64,
    next: unsafe extern "C" fn() -> !,
    preserved: [u64; 10],
    last: extern "C" fn() -> !,
}

impl Way {
    /// To this function, on the syscall stack.
    #[must_use]
    pub const fn to(last: extern "C" fn() -> !) -> Way {
        Way { frame: 0, next: on_syscall_stack, preserved: [0; 10], last }
    }
}

/// Call `extern "C" fn work(argument)`: 0, or 1 if it was broken off because the program's memory refused it. Not to be nested.
///
/// 1. What C preserves, on the stack; where that is, in the upcall page. 2. The call. 3. Nothing to recover to any more.
///
/// # Safety
/// `work` is such a function, and may be broken off at any of its accesses to the program's memory.
#[unsafe(naked)]
pub unsafe extern "C" fn attempt(work: *const (), argument: *mut ()) -> usize {
    naked_asm!(
        "stp x29, x30, [sp, #-96]!",
        "stp x19, x20, [sp, #16]",
        "stp x21, x22, [sp, #32]",
        "stp x23, x24, [sp, #48]",
        "stp x25, x26, [sp, #64]",
        "stp x27, x28, [sp, #80]",
        "mrs x16, tpidrro_el0",
        "mov x17, sp",
        "str x17, [x16, #{recovery}]",
        "mov x9, x0",
        "mov x0, x1",
        "blr x9",
        "mrs x16, tpidrro_el0",
        "str xzr, [x16, #{recovery}]",
        "ldp x29, x30, [sp], #96",
        "mov x0, #0",
        "ret",
        recovery = const words::RECOVERY,
    )
}

/// Where an attempt that was refused goes on: it returns 1.
///
/// # Safety
/// Jumped to while there is something to recover to.
#[unsafe(naked)]
pub unsafe extern "C" fn attempt_refused() -> ! {
    naked_asm!(
        "mrs x16, tpidrro_el0",
        "ldr x17, [x16, #{recovery}]",
        "str xzr, [x16, #{recovery}]",
        "mov sp, x17",
        "ldp x19, x20, [sp, #16]",
        "ldp x21, x22, [sp, #32]",
        "ldp x23, x24, [sp, #48]",
        "ldp x25, x26, [sp, #64]",
        "ldp x27, x28, [sp, #80]",
        "ldp x29, x30, [sp], #96",
        "mov x0, #1",
        "ret",
        recovery = const words::RECOVERY,
    )
}

/// Call what a [`Way`] names, on the syscall stack, which nobody else needs any more.
///
/// # Safety
/// Gone on to by [`attempt_refused`] only, with the stack pointer behind what it took.
#[unsafe(naked)]
unsafe extern "C" fn on_syscall_stack() -> ! {
    naked_asm!(
        "ldr x9, [sp]",
        "mrs x16, tpidrro_el0",
        "ldr x17, [x16, #{stack}]",
        "and sp, x17, #-16",
        "blr x9",
        "brk #0",
        stack = const words::SYSCALL_STACK,
    )
}
