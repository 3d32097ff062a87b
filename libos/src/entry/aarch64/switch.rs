//! From one stack of the library to another.

use core::arch::naked_asm;

/// Keep what C preserves on the stack, store the stack pointer, and call `next` with `to`, below. Returns by [`proceed`].
///
/// # Safety
/// `sp` can be written; `next` leaves this stack alone.
#[unsafe(naked)]
pub unsafe extern "C" fn suspend(sp: *mut u64, to: usize, next: unsafe extern "C" fn(usize) -> !) {
    naked_asm!(
        "stp x29, x30, [sp, #-96]!",
        "stp x19, x20, [sp, #16]",
        "stp x21, x22, [sp, #32]",
        "stp x23, x24, [sp, #48]",
        "stp x25, x26, [sp, #64]",
        "stp x27, x28, [sp, #80]",
        "mov x9, sp",
        "str x9, [x0]",
        "mov x0, x1",
        "blr x2",
        "brk #0",
    )
}

/// Return from the [`suspend`] that stored this stack pointer.
///
/// # Safety
/// One did, and its stack is as it was.
#[unsafe(naked)]
pub unsafe extern "C" fn proceed(sp: u64) -> ! {
    naked_asm!(
        "mov sp, x0",
        "ldp x19, x20, [sp, #16]",
        "ldp x21, x22, [sp, #32]",
        "ldp x23, x24, [sp, #48]",
        "ldp x25, x26, [sp, #64]",
        "ldp x27, x28, [sp, #80]",
        "ldp x29, x30, [sp], #96",
        "ret",
    )
}
