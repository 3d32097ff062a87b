//! The three entries of syscalls: reflected, linked and rewritten.
//!
//! A call that answers a word of the upcall page is answered on the spot: no stack, no frame, and no flag changed (`jrcxz` and byte moves
//! stand where a comparison would). Every other call saves pc, sp and flags in the upcall page as the kernel does for a foreign syscall,
//! builds a [`Frame`] and takes one path, so that what is behind it (signals, sigreturn) sees one kind of call. Of a linked call the frame has the
//! arguments alone at first: it is made whole for those that need registers (`syscall::table`), and where something asks for attention behind one.

use core::arch::{global_asm, naked_asm};
use core::mem::offset_of;

use abi::{Registers, UpcallPage};

use crate::entry::{dispatch, words};
use crate::syscall::Arguments;
use crate::syscall::table::{BARRIER, NUMBERS};

/// The program's registers at a syscall, at the top of the syscall stack. rcx, r11, the stack pointer, the program counter and the flags are
/// in the upcall page.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Frame {
    /// rdi, rsi, rdx, r10, r8, r9.
    pub arguments: Arguments,
    /// rax: the call's number.
    pub number: u64,
    /// rbx, rbp, r12 to r15.
    pub preserved: [u64; 6],
    /// The code that goes back to the program.
    pub leave: u64,
}
// After the frame's pushes the stack is aligned for a call.
const _: () = assert!(size_of::<Frame>().is_multiple_of(16));

/// Bytes of `syscall`, and of a jump whose place a rewritten one took.
const SYSCALL_BYTES: u64 = 2;
/// Bytes of `call *address(%rip)`, by which the linked entry is called.
const CALL_BYTES: u64 = 6;

impl Frame {
    /// All of the program's registers, the thread pointer excepted.
    #[must_use]
    pub fn registers(&self, page: &UpcallPage) -> Registers {
        let [rdi, rsi, rdx, r10, r8, r9] = self.arguments.0;
        let [rbx, rbp, r12, r13, r14, r15] = self.preserved;
        let (pc, flags) = (page.syscall.pc, page.syscall.flags);
        let r = [r8, r9, r10, flags, r12, r13, r14, r15];
        let sp = page.syscall.sp;
        Registers { rax: self.number, rbx, rcx: pc, rdx, rsi, rdi, rbp, r, sp, pc, flags, tls: 0, reserved: 0 }
    }

    /// Where the program made the call: from there it is made again.
    #[must_use]
    pub fn site(&self, page: &UpcallPage) -> u64 {
        let is_linked = self.leave == leave_linked as *const () as u64;
        page.syscall.pc - if is_linked { CALL_BYTES } else { SYSCALL_BYTES }
    }
}

/// Entry of foreign syscalls. rcx and r11 are free.
///
/// 1. A number below 256 whose byte is not 0: answer its word, rcx and r11 as `syscall` leaves them, to the program without the kernel.
/// 2. Else to the syscall stack; the kernel has saved the rest.
///
/// # Safety
/// Entered by the kernel only.
#[unsafe(naked)]
pub unsafe extern "C" fn foreign() -> ! {
    naked_asm!(
        "mov rcx, rax",
        "mov cl, 0",
        "jrcxz 2f",
        "1: mov rsp, gs:[{stack}]",
        "lea rcx, [rip + {leave}]",
        "jmp {serve}",
        "2: movzx ecx, byte ptr gs:[rax + {quick}]",
        "jrcxz 1b",
        "mov eax, gs:[rcx * 4]",
        "mov rcx, gs:[{pc}]",
        "mov r11, gs:[{flags}]",
        "jmp rcx",
        stack = const words::SYSCALL_STACK,
        quick = const words::QUICK,
        pc = const offset_of!(UpcallPage, syscall.pc),
        flags = const offset_of!(UpcallPage, syscall.flags),
        leave = sym leave_all,
        serve = sym serve,
    )
}

// `__chitin_syscall`: called, with rax = number and the arguments as `syscall` has them. Changes rax, rcx, rdx, rsi, rdi, r8 to r11 and the
// flags.
//
// 1. A quick call: answer it.
// 2. Else to the syscall stack, the arguments and the number where a frame has them, and to what the table has for the number (those above share
//    the last place), `extern "C" fn(rdi, rsi, rdx, r10, r8, r9) -> result`.
// 3. Back, if nothing asks for attention.
global_asm!(
    ".pushsection .text.vdso, \"ax\"",
    ".globl __chitin_syscall",
    ".type __chitin_syscall, @function",
    "__chitin_syscall:",
    "cmp rax, 255",
    "ja 1f",
    "movzx ecx, byte ptr gs:[rax + {quick}]",
    "jrcxz 2f",
    "mov eax, gs:[rcx * 4]",
    "ret",
    "1: mov ecx, {numbers}",
    "cmp eax, ecx",
    "cmovb ecx, eax",
    "mov r11, gs:[{linked}]",
    "mov r11, [r11 + rcx * 8]",
    "jmp 3f",
    "2: mov r11, gs:[{linked}]",
    "mov r11, [r11 + rax * 8]",
    "3:",
    "mov gs:[{sp}], rsp",
    "mov rsp, gs:[{stack}]",
    "push rax",
    "push r9",
    "push r8",
    "push r10",
    "push rdx",
    "push rsi",
    "push rdi",
    "mov rcx, r10",
    "cld",
    "call r11",
    "cmp byte ptr gs:[{attention}], 0",
    "jne {attended}",
    "mov rsp, gs:[{sp}]",
    "ret",
    ".size __chitin_syscall, . - __chitin_syscall",
    ".popsection",
    stack = const words::SYSCALL_STACK,
    quick = const words::QUICK,
    linked = const words::LINKED,
    numbers = const NUMBERS,
    attention = const words::ATTENTION,
    sp = const offset_of!(UpcallPage, syscall.sp),
    attended = sym attended,
);

/// A linked call was served, with the result in rax, and something asks for attention.
#[unsafe(naked)]
unsafe extern "C" fn attended() -> ! {
    naked_asm!(
        "call {complete}",
        "mov rdi, rax",
        "call {deliver}",
        "jmp {leave_linked}",
        complete = sym complete,
        deliver = sym dispatch::deliver,
        leave_linked = sym leave_linked,
    )
}

/// A linked call that needs its arguments and the number alone, which is below 256: to its thunk.
#[unsafe(naked)]
pub extern "C" fn by_arguments(_: u64, _: u64, _: u64, _: u64, _: u64, _: u64) -> i64 {
    naked_asm!(
        "mov r11, gs:[{thunks}]",
        "mov esi, eax",
        "lea rdi, [rsp + 8]",
        "jmp [r11 + rsi * 8]",
        thunks = const words::THUNKS,
    )
}

/// A linked call that needs the program's registers, or that comes by a policy: its frame is made whole, and it goes on as those of the other
/// entries. Does not return here.
#[unsafe(naked)]
pub extern "C" fn by_frame(_: u64, _: u64, _: u64, _: u64, _: u64, _: u64) -> i64 {
    naked_asm!("add rsp, 8", "call {complete}", "jmp chitin_in_frame", complete = sym complete)
}

/// The number of rt_sigreturn(2).
pub const SIGRETURN: u32 = 15;

/// A linked rt_sigreturn(2). Of the registers it has, the program wants none: the straight way needs no frame. As [`by_frame`] if that is not gone.
#[unsafe(naked)]
pub extern "C" fn return_by_frame(_: u64, _: u64, _: u64, _: u64, _: u64, _: u64) -> i64 {
    naked_asm!(
        "mov rdi, gs:[{sp}]",
        "add rdi, 8",
        "sub rsp, 8",
        "call {straight}",
        "add rsp, 8",
        "jmp {by_frame}",
        sp = const offset_of!(UpcallPage, syscall.sp),
        straight = sym dispatch::return_straight,
        by_frame = sym by_frame,
    )
}

/// Make the frame of a linked call whole, and what the upcall page has of a call: what C preserves is the program's still. Called with the frame above
/// the return address; changes rcx, rdx, r11 and the flags.
#[unsafe(naked)]
unsafe extern "C" fn complete() {
    naked_asm!(
        "mov [rsp + 8 + {preserved}], rbx",
        "mov [rsp + 8 + {preserved} + 8], rbp",
        "mov [rsp + 8 + {preserved} + 16], r12",
        "mov [rsp + 8 + {preserved} + 24], r13",
        "mov [rsp + 8 + {preserved} + 32], r14",
        "mov [rsp + 8 + {preserved} + 40], r15",
        "lea rcx, [rip + {leave_linked}]",
        "mov [rsp + 8 + {leave}], rcx",
        "pushfq",
        "pop gs:[{flags}]",
        "pop rdx",
        "mov r11, rsp",
        "mov rsp, gs:[{sp}]",
        "pop gs:[{pc}]",
        "mov gs:[{sp}], rsp",
        "mov rsp, r11",
        "jmp rdx",
        preserved = const offset_of!(Frame, preserved),
        leave = const offset_of!(Frame, leave),
        leave_linked = sym leave_linked,
        flags = const offset_of!(UpcallPage, syscall.flags),
        sp = const offset_of!(UpcallPage, syscall.sp),
        pc = const offset_of!(UpcallPage, syscall.pc),
    )
}

// `__chitin_barrier(address, length, cards)`: 0, or a negative errno. A call like the others, by a number that Linux does not have.
global_asm!(
    ".pushsection .text.vdso, \"ax\"",
    ".globl __chitin_barrier",
    ".type __chitin_barrier, @function",
    "__chitin_barrier:",
    "mov eax, {number}",
    "jmp __chitin_syscall",
    ".size __chitin_barrier, . - __chitin_barrier",
    ".popsection",
    number = const BARRIER,
);

/// Entry of rewritten syscalls: jumped to, with rcx = the address after the syscall and all else as at the syscall. r11 is free.
///
/// 1. A quick call: answer it; rcx and r11 (by way of the syscall stack: below the program's lies its red zone) as `syscall` leaves them.
/// 2. Else save the program's state, and to the syscall stack.
///
/// # Safety
/// Entered by the program's trampolines only.
#[unsafe(naked)]
pub unsafe extern "C" fn rewritten() -> ! {
    naked_asm!(
        "mov gs:[{pc}], rcx",
        "mov gs:[{sp}], rsp",
        "mov rcx, rax",
        "mov cl, 0",
        "jrcxz 2f",
        "1: mov rsp, gs:[{stack}]",
        "pushfq",
        "pop gs:[{flags}]",
        "lea rcx, [rip + {leave}]",
        "jmp {serve}",
        "2: movzx ecx, byte ptr gs:[rax + {quick}]",
        "jrcxz 1b",
        "mov eax, gs:[rcx * 4]",
        "mov rsp, gs:[{stack}]",
        "pushfq",
        "pop r11",
        "mov rsp, gs:[{sp}]",
        "mov rcx, gs:[{pc}]",
        "jmp rcx",
        stack = const words::SYSCALL_STACK,
        quick = const words::QUICK,
        pc = const offset_of!(UpcallPage, syscall.pc),
        sp = const offset_of!(UpcallPage, syscall.sp),
        flags = const offset_of!(UpcallPage, syscall.flags),
        leave = sym leave_all,
        serve = sym serve,
    )
}

/// Serves a call. On the syscall stack; rcx = the code that leaves, r11 free, all else the program's.
///
/// 1. The program's registers below, as a [`Frame`].
/// 2. The number's thunk: `extern "C" fn(&Arguments, number) -> result`. Linux looks at the number's low half.
/// 3. If a signal waits: `extern "C" fn deliver(result) -> result`.
/// 4. Leave, with the result in rax.
#[unsafe(naked)]
unsafe extern "C" fn serve() -> ! {
    naked_asm!(
        "push rax",
        "push r9",
        "push r8",
        "push r10",
        "push rdx",
        "push rsi",
        "push rdi",
        "mov [rsp + {preserved}], rbx",
        "mov [rsp + {preserved} + 8], rbp",
        "mov [rsp + {preserved} + 16], r12",
        "mov [rsp + {preserved} + 24], r13",
        "mov [rsp + {preserved} + 32], r14",
        "mov [rsp + {preserved} + 40], r15",
        "mov [rsp + {leave}], rcx",
        "cld",
        ".globl chitin_in_frame",
        ".hidden chitin_in_frame",
        "chitin_in_frame:",
        "mov r11, gs:[{thunks}]",
        "mov esi, eax",
        "mov ecx, {numbers}",
        "cmp eax, ecx",
        "cmovb ecx, eax",
        "mov rdi, rsp",
        "call [r11 + rcx * 8]",
        "cmp byte ptr gs:[{attention}], 0",
        "jne 2f",
        "1: jmp [rsp + {leave}]",
        "2: mov rdi, rax",
        "call {deliver}",
        "jmp 1b",
        preserved = const offset_of!(Frame, preserved),
        thunks = const words::THUNKS,
        numbers = const NUMBERS,
        attention = const words::ATTENTION,
        leave = const offset_of!(Frame, leave),
        deliver = sym dispatch::deliver,
    )
}

/// To the program, all registers but rax as they were; rcx and r11 as `syscall` leaves them.
#[unsafe(naked)]
unsafe extern "C" fn leave_all() -> ! {
    naked_asm!(
        "pop rdi",
        "pop rsi",
        "pop rdx",
        "pop r10",
        "pop r8",
        "pop r9",
        "mov rcx, gs:[{pc}]",
        "mov r11, gs:[{flags}]",
        "push r11",
        "popfq",
        "mov rsp, gs:[{sp}]",
        "jmp rcx",
        pc = const offset_of!(UpcallPage, syscall.pc),
        sp = const offset_of!(UpcallPage, syscall.sp),
        flags = const offset_of!(UpcallPage, syscall.flags),
    )
}

/// To the program, as a function returns: what C preserves, Rust has preserved. By `ret`, which the CPU has predicted.
#[unsafe(naked)]
unsafe extern "C" fn leave_linked() -> ! {
    naked_asm!(
        "mov rsp, gs:[{sp}]",
        "push gs:[{pc}]",
        "ret",
        pc = const offset_of!(UpcallPage, syscall.pc),
        sp = const offset_of!(UpcallPage, syscall.sp),
    )
}
