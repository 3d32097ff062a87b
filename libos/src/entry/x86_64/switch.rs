//! From one stack of the library to another.

use core::arch::naked_asm;

/// Keep what C preserves on the stack, store the stack pointer, and call `next` with `to`, below. Returns by [`proceed`].
///
/// # Safety
/// `sp` can be written; `next` leaves this stack alone.
#[unsafe(naked)]
pub unsafe extern "C" fn suspend(sp: *mut u64, to: usize, next: unsafe extern "C" fn(usize) -> !) {
    naked_asm!(
        "push rbx",
        "push rbp",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "mov [rdi], rsp",
        "mov rdi, rsi",
        "sub rsp, 8",
        "call rdx",
        "ud2",
    )
}

/// Return from the [`suspend`] that stored this stack pointer.
///
/// # Safety
/// One did, and its stack is as it was.
#[unsafe(naked)]
pub unsafe extern "C" fn proceed(sp: u64) -> ! {
    naked_asm!("mov rsp, rdi", "pop r15", "pop r14", "pop r13", "pop r12", "pop rbp", "pop rbx", "ret")
}
