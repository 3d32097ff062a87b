//! The program's memory used in place, by ordinary loads and stores, until one is refused.
//!
//! Who does not come back either way has no use for what C preserves, and names a [`Way`] instead of making an attempt.

use core::arch::naked_asm;

use crate::entry::{dispatch, words};

/// Where an attempt that was refused and is not come back to goes on: what [`attempt_refused`] takes for that attempt's stack.
#[repr(C)]
pub struct Way {
    preserved: [u64; 6],
    next: unsafe extern "C" fn() -> !,
}

impl Way {
    /// To this function, which finds no stack.
    #[must_use]
    pub const fn to(next: unsafe extern "C" fn() -> !) -> Way {
        Way { preserved: [0; 6], next }
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

/// On the syscall stack, which nobody else needs any more, call `next`.
macro_rules! on_syscall_stack {
    ($(#[$doc:meta])* $name:ident, $next:path) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// Gone on to by [`attempt_refused`] only.
        #[unsafe(naked)]
        unsafe extern "C" fn $name() -> ! {
            naked_asm!(
                "mov rsp, gs:[{stack}]",
                "and rsp, -16",
                "call {next}",
                "ud2",
                stack = const words::SYSCALL_STACK,
                next = sym $next,
            )
        }
    };
}

on_syscall_stack!(
    /// A handler's frame cannot be written.
    frame_refused,
    dispatch::frame_refused
);
on_syscall_stack!(
    /// The frame of a handler that returns is not as the library wrote it, or not there.
    return_refused,
    dispatch::return_refused
);

/// Where who writes a handler's frame goes on if that is refused.
pub static FRAME_REFUSED: Way = Way::to(frame_refused);
/// Where who returns by one goes on.
pub static RETURN_REFUSED: Way = Way::to(return_refused);
