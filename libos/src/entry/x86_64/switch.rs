//! From one stack of the library to another.

use core::arch::asm;

/// What the upcall page has of a call that a thread is left in: pc, sp and flags. The scratch registers are those that `syscall` changes.
pub type CallState = [u64; 3];

/// A copy of it.
#[inline(always)]
pub fn copied(state: &CallState) -> CallState {
    *state
}

/// Keep what C preserves on the stack, store the stack pointer, and go on at `next` with `to`, below. Returns by [`proceed`].
///
/// Registers that the compiler may be told of it keeps itself, where it has something in them: in most places it has done so already.
///
/// # Safety
/// `sp` can be written; `next` leaves this stack alone.
#[inline(always)]
pub unsafe fn suspend(sp: *mut u64, to: usize, next: unsafe extern "C" fn(usize) -> !) {
    // SAFETY: 1. The caller's promise. 2. All registers are named or given back. 3. `next` finds the stack as a call would leave it.
    unsafe {
        asm!(
            "push rbp",
            "push rbx",
            "lea rax, [rip + 2f]",
            "push rax",
            "mov [rcx], rsp",
            "jmp rdx",
            "2: pop rbx",
            "pop rbp",
            in("rdi") to,
            in("rcx") sp,
            in("rdx") next,
            out("r12") _,
            out("r13") _,
            out("r14") _,
            out("r15") _,
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
    unsafe { asm!("mov rsp, {}", "ret", in(reg) sp, options(noreturn)) }
}
