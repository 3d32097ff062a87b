//! The program's memory used in place, by ordinary loads and stores, until one is refused.
//!
//! Who does not come back either way has no use for what C preserves, and names a [`Way`] instead of making an attempt.

use core::arch::naked_asm;

use crate::entry::words;

/// Where an attempt that was refused and is not come back to goes on: what [`attempt_refused`] takes for that attempt's stack.
#[repr(C)]
pub struct Way {
    preserved: [u64; 6],
    next: unsafe extern "C" fn() -> !,
    last: extern "C" fn() -> !,
}

impl Way {
    /// To this function, on the syscall stack.
    #[must_use]
    pub const fn to(last: extern "C" fn() -> !) -> Way {
        Way { preserved: [0; 6], next: on_syscall_stack, last }
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
        "push rbx",
        "push rbp",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "mov gs:[{recovery}], rsp",
        "mov rax, rdi",
        "mov rdi, rsi",
        "sub rsp, 8",
        "call rax",
        "mov qword ptr gs:[{recovery}], 0",
        "add rsp, 56",
        "xor eax, eax",
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
        "mov rsp, gs:[{recovery}]",
        "mov qword ptr gs:[{recovery}], 0",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbp",
        "pop rbx",
        "mov eax, 1",
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
        "pop rax",
        "mov rsp, gs:[{stack}]",
        "and rsp, -16",
        "call rax",
        "ud2",
        stack = const words::SYSCALL_STACK,
    )
}
