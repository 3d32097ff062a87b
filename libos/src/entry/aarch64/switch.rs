//! From one stack of the library to another.

use core::arch::asm;

/// What the upcall page has of a call that a thread is left in.
pub type CallState = abi::SavedState;

/// A copy of it, word by word: one of all at once is a call of `memmove`.
#[inline(always)]
pub fn copied(state: &CallState) -> CallState {
    let &CallState { pc, sp, flags, scratch: [first, second] } = state;
    CallState { pc, sp, flags, scratch: [first, second] }
}

/// Keep what C preserves on the stack, store the stack pointer, and go on at `next` with `to`, below. Returns by [`proceed`].
///
/// Registers that the compiler may be told of it keeps itself, where it has something in them: in most places it has done so already.
///
/// # Safety
/// `sp` can be written; `next` leaves this stack alone.
#[inline(always)]
pub unsafe fn suspend(sp: *mut u64, to: usize, next: unsafe extern "C" fn(usize) -> !) {
    // SAFETY: 1. The caller's promise. 2. All registers are named or given back.
    unsafe {
        asm!(
            "adr x9, 2f",
            "stp x29, x19, [sp, #-32]!",
            "str x9, [sp, #16]",
            "mov x9, sp",
            "str x9, [x1]",
            "br x2",
            "2: ldp x29, x19, [sp], #32",
            in("x0") to,
            in("x1") sp,
            in("x2") next,
            out("x20") _,
            out("x21") _,
            out("x22") _,
            out("x23") _,
            out("x24") _,
            out("x25") _,
            out("x26") _,
            out("x27") _,
            out("x28") _,
            clobber_abi("C"),
        );
    }
}

/// Return from the [`suspend`] that stored this stack pointer.
///
/// # Safety
/// One did, and its stack is as it was.
#[inline(always)]
pub unsafe fn proceed(sp: u64) -> ! {
    // SAFETY: the caller's promise.
    unsafe { asm!("mov sp, {sp}", "ldr x30, [sp, #16]", "ret", sp = in(reg) sp, options(noreturn)) }
}
