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
