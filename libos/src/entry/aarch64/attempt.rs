//! The program's memory used in place, by ordinary loads and stores, until one is refused.

use core::arch::naked_asm;

use crate::entry::words;

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
