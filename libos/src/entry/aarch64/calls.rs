//! The three entries of syscalls: reflected, linked and rewritten.
//!
//! A call that answers a word of the upcall page is answered on the spot: no stack, no frame, and no flag changed. Every other call
//! saves pc, sp and flags in the upcall page as the kernel does for a foreign syscall, builds a [`Frame`] and takes one path, so that
//! what is behind it (signals, sigreturn) sees one kind of call. Of a linked call the frame has the arguments alone at first: it is made whole for
//! those that need registers (`syscall::table`), and where something asks for attention behind one.

use core::arch::{global_asm, naked_asm};
use core::mem::offset_of;

use abi::{Registers, UpcallPage};
use rewrite::aarch64::SPARED_BYTES;

use crate::entry::{dispatch, words};
use crate::syscall::Arguments;
use crate::syscall::table::{BARRIER, NUMBERS};

/// The program's registers at a syscall, at the top of the syscall stack. x16, x17, the stack pointer, the program counter and the flags
/// are in the upcall page.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Frame {
    /// x0 to x5.
    pub arguments: Arguments,
    /// x6 to x15.
    pub temporaries: [u64; 10],
    /// Of a rewritten call: where its trampoline goes on.
    pub trampoline: u64,
    /// Keeps pairs aligned.
    pub reserved: u64,
    /// x18 to x30.
    pub preserved: [u64; 13],
    /// The code that goes back to the program.
    pub leave: u64,
}

unsafe extern "C" {
    /// `__chitin_syscall`.
    #[link_name = "chitin_linked"]
    static LINKED: u8;
}

const _: () = assert!(size_of::<Frame>() == 256);
const _: () = assert!(offset_of!(Frame, preserved) == 144 && offset_of!(Frame, leave) == 248 && offset_of!(Frame, trampoline) == 128);
// Two words that are loaded and stored as a pair.
const _: () = assert!(offset_of!(UpcallPage, syscall.sp) == offset_of!(UpcallPage, syscall.pc) + 8);

/// Bytes of an instruction: of `svc #0`, of the `blr` that calls the linked entry, of the branch that a rewritten `svc #0` became.
const CALL_BYTES: u64 = 4;

impl Frame {
    /// All of the program's registers, the thread pointer excepted.
    #[must_use]
    pub fn registers(&self, page: &UpcallPage) -> Registers {
        let mut x = [0; 31];
        x[..6].copy_from_slice(&self.arguments.0);
        x[6..16].copy_from_slice(&self.temporaries);
        x[16..18].copy_from_slice(&page.syscall.scratch);
        if self.leave == leave_linked as *const () as u64 {
            // The call changes both, and one of them holds this when the call is made again.
            x[16..18].fill(&raw const LINKED as u64);
        }
        x[18..].copy_from_slice(&self.preserved);
        Registers { x, sp: page.syscall.sp, pc: page.syscall.pc, flags: page.syscall.flags, tls: 0, reserved: 0 }
    }

    /// Where the program made the call: from there it is made again.
    #[must_use]
    pub fn site(&self, page: &UpcallPage) -> u64 {
        page.syscall.pc - CALL_BYTES
    }
}

/// Entry of foreign syscalls. x16 and x17 are free.
///
/// 1. A number below 256 whose byte is not 0: answer its word; the kernel gives back what it saved.
/// 2. Else to the syscall stack.
///
/// # Safety
/// Entered by the kernel only.
#[unsafe(naked)]
pub unsafe extern "C" fn foreign() -> ! {
    naked_asm!(
        "mrs x16, tpidrro_el0",
        "lsr x17, x8, #8",
        "cbnz x17, 1f",
        "add x17, x16, x8",
        "ldrb w17, [x17, #{quick}]",
        "cbz w17, 1f",
        "ldr w0, [x16, x17, lsl #2]",
        "svc #{back}",
        "1: adr x17, {leave}",
        "b {serve}",
        quick = const words::QUICK,
        back = const abi::Call::Return as u16,
        leave = sym leave_foreign,
        serve = sym serve,
    )
}

// `__chitin_syscall`: called, with x8 = number and x0 to x5 = arguments. Changes x0 to x17, x30 and the flags.
//
// 1. A quick call: answer it.
// 2. Else to the syscall stack, the arguments and the number where a frame has them, and to what the table has for the number (those above share
//    the last place), `extern "C" fn(x0 to x5) -> result`.
// 3. Back, if nothing asks for attention.
global_asm!(
    ".pushsection .text.vdso, \"ax\"",
    ".globl __chitin_syscall",
    ".type __chitin_syscall, @function",
    ".globl chitin_linked",
    ".hidden chitin_linked",
    "__chitin_syscall:",
    "chitin_linked:",
    "mrs x16, tpidrro_el0",
    "lsr x17, x8, #8",
    "cbnz x17, 1f",
    "add x17, x16, x8",
    "ldrb w17, [x17, #{quick}]",
    "cbz w17, 2f",
    "ldr w0, [x16, x17, lsl #2]",
    "ret",
    "1: mov w9, #{numbers}",
    "cmp w8, w9",
    "csel w9, w8, w9, lo",
    "ldr x17, [x16, #{linked}]",
    "ldr x17, [x17, x9, lsl #3]",
    "b 4f",
    "2: ldr x17, [x16, #{linked}]",
    "ldr x17, [x17, x8, lsl #3]",
    "4:",
    "mov x9, sp",
    "stp x30, x9, [x16, #{pc}]",
    "ldr x16, [x16, #{stack}]",
    "sub sp, x16, #{preserved}",
    "stp x0, x1, [sp]",
    "stp x2, x3, [sp, #16]",
    "stp x4, x5, [sp, #32]",
    "str x8, [sp, #64]",
    "str x18, [sp, #144]",
    "blr x17",
    "mrs x16, tpidrro_el0",
    "ldrb w9, [x16, #{attention}]",
    "cbnz w9, 3f",
    "ldr x18, [sp, #144]",
    "ldp x30, x17, [x16, #{pc}]",
    "mov sp, x17",
    "ret",
    "3: b {attended}",
    ".size __chitin_syscall, . - __chitin_syscall",
    ".popsection",
    quick = const words::QUICK,
    linked = const words::LINKED,
    numbers = const NUMBERS,
    attention = const words::ATTENTION,
    stack = const words::SYSCALL_STACK,
    preserved = const offset_of!(Frame, preserved),
    pc = const offset_of!(UpcallPage, syscall.pc),
    attended = sym attended,
);

/// A linked call was served, with the result in x0, and something asks for attention.
#[unsafe(naked)]
unsafe extern "C" fn attended() -> ! {
    naked_asm!(
        "bl {complete}",
        "bl {deliver}",
        "mrs x16, tpidrro_el0",
        "b {leave}",
        complete = sym complete,
        deliver = sym dispatch::deliver,
        leave = sym leave_linked,
    )
}

/// A linked call that needs its arguments and the number alone, which is below 256: to its thunk.
#[unsafe(naked)]
pub extern "C" fn by_arguments(_: u64, _: u64, _: u64, _: u64, _: u64, _: u64) -> i64 {
    naked_asm!(
        "mrs x16, tpidrro_el0",
        "ldr x9, [x16, #{thunks}]",
        "mov w1, w8",
        "ldr x9, [x9, x1, lsl #3]",
        "mov x0, sp",
        "br x9",
        thunks = const words::THUNKS,
    )
}

/// A linked call that needs the program's registers, or that comes by a policy: its frame is made whole, and it goes on as those of the other
/// entries. Does not return here.
#[unsafe(naked)]
pub extern "C" fn by_frame(_: u64, _: u64, _: u64, _: u64, _: u64, _: u64) -> i64 {
    naked_asm!("bl {complete}", "b chitin_in_frame", complete = sym complete)
}

/// The number of rt_sigreturn(2).
pub const SIGRETURN: u32 = 139;

/// A linked rt_sigreturn(2). Of the registers it has, the program wants none: the straight way needs no frame. As [`by_frame`] if that is not gone.
#[unsafe(naked)]
pub extern "C" fn return_by_frame(_: u64, _: u64, _: u64, _: u64, _: u64, _: u64) -> i64 {
    naked_asm!(
        "mrs x16, tpidrro_el0",
        "ldr x0, [x16, #{sp}]",
        "bl {straight}",
        "mov x8, x0",
        "b {by_frame}",
        sp = const offset_of!(UpcallPage, syscall.sp),
        straight = sym dispatch::return_straight,
        by_frame = sym by_frame,
    )
}

/// Make the frame of a linked call whole, and what the upcall page has of a call: what C preserves is the program's still; x18 is in it. What the
/// call changes anyway, x6, x7 and x9 to x15, stays as the frame before had it. Changes x9, x16, x17 and the flags.
#[unsafe(naked)]
unsafe extern "C" fn complete() {
    naked_asm!(
        "mrs x16, tpidrro_el0",
        "mrs x9, nzcv",
        "str x9, [x16, #{flags}]",
        "ldr x9, [x16, #{pc}]",
        "adr x17, {leave}",
        "str x19, [sp, #152]",
        "stp x20, x21, [sp, #160]",
        "stp x22, x23, [sp, #176]",
        "stp x24, x25, [sp, #192]",
        "stp x26, x27, [sp, #208]",
        "stp x28, x29, [sp, #224]",
        "stp x9, x17, [sp, #240]",
        "ret",
        flags = const offset_of!(UpcallPage, syscall.flags),
        pc = const offset_of!(UpcallPage, syscall.pc),
        leave = sym leave_linked,
    )
}

// `__chitin_barrier(address, length, cards)`: 0, or a negative errno. A call like the others, by a number that Linux does not have.
global_asm!(
    ".pushsection .text.vdso, \"ax\"",
    ".globl __chitin_barrier",
    ".type __chitin_barrier, @function",
    "__chitin_barrier:",
    "mov x8, #{number}",
    "b chitin_linked",
    ".size __chitin_barrier, . - __chitin_barrier",
    ".popsection",
    number = const BARRIER,
);

/// Entry of rewritten syscalls, called by a trampoline that has put x16 and x30, which are free now, on the program's stack. Everything else is
/// as at the syscall. The trampoline goes on with a load of the two and a branch to after the syscall.
///
/// 1. A quick call: answer it; its result's register is free too.
/// 2. Else save the program's state as it is to be after the syscall, its address taken from the trampoline's branch, and to the syscall
///    stack.
///
/// # Safety
/// Entered by the program's trampolines only.
#[unsafe(naked)]
pub unsafe extern "C" fn rewritten() -> ! {
    naked_asm!(
        "lsr x16, x8, #8",
        "cbnz x16, 1f",
        "mrs x16, tpidrro_el0",
        "add x16, x16, x8",
        "ldrb w16, [x16, #{quick}]",
        "cbz w16, 1f",
        "mrs x0, tpidrro_el0",
        "ldr w0, [x0, x16, lsl #2]",
        "ret",
        "1: mrs x16, tpidrro_el0",
        "str x17, [x16, #{scratch} + 8]",
        "mrs x17, nzcv",
        "str x17, [x16, #{flags}]",
        "ldr x17, [sp]",
        "str x17, [x16, #{scratch}]",
        "add x17, sp, #{spared}",
        "str x17, [x16, #{sp}]",
        "ldr w17, [x30, #4]",
        "sbfx x17, x17, #0, #26",
        "add x17, x30, x17, lsl #2",
        "add x17, x17, #4",
        "str x17, [x16, #{pc}]",
        "ldr x17, [x16, #{stack}]",
        "str x30, [x17, #{trampoline} - {preserved}]",
        "ldr x30, [sp, #8]",
        "adr x17, {leave}",
        "b {serve}",
        quick = const words::QUICK,
        scratch = const offset_of!(UpcallPage, syscall.scratch),
        flags = const offset_of!(UpcallPage, syscall.flags),
        sp = const offset_of!(UpcallPage, syscall.sp),
        pc = const offset_of!(UpcallPage, syscall.pc),
        stack = const words::SYSCALL_STACK,
        spared = const SPARED_BYTES,
        trampoline = const offset_of!(Frame, trampoline),
        preserved = const offset_of!(Frame, preserved),
        leave = sym leave_rewritten,
        serve = sym serve,
    )
}

/// Serves a call. x16 = upcall page, x17 = the code that leaves, all else the program's.
///
/// 1. To the syscall stack; the program's registers there, as a [`Frame`].
/// 2. The number's thunk: `extern "C" fn(&Arguments, number) -> result`. Linux looks at the number's low half.
/// 3. If a signal waits: `extern "C" fn deliver(result) -> result`.
/// 4. Leave, with the result in x0.
#[unsafe(naked)]
unsafe extern "C" fn serve() -> ! {
    naked_asm!(
        "ldr x16, [x16, #{stack}]",
        "sub sp, x16, #{preserved}",
        "stp x0, x1, [sp]",
        "stp x2, x3, [sp, #16]",
        "stp x4, x5, [sp, #32]",
        "stp x6, x7, [sp, #48]",
        "stp x8, x9, [sp, #64]",
        "stp x10, x11, [sp, #80]",
        "stp x12, x13, [sp, #96]",
        "stp x14, x15, [sp, #112]",
        "stp x18, x19, [sp, #144]",
        "stp x20, x21, [sp, #160]",
        "stp x22, x23, [sp, #176]",
        "stp x24, x25, [sp, #192]",
        "stp x26, x27, [sp, #208]",
        "stp x28, x29, [sp, #224]",
        "stp x30, x17, [sp, #240]",
        ".globl chitin_in_frame",
        ".hidden chitin_in_frame",
        "chitin_in_frame:",
        "mrs x16, tpidrro_el0",
        "ldr x9, [x16, #{thunks}]",
        "mov w10, #{numbers}",
        "cmp w8, w10",
        "csel w10, w8, w10, lo",
        "ldr x9, [x9, x10, lsl #3]",
        "mov x0, sp",
        "mov w1, w8",
        "blr x9",
        "mrs x16, tpidrro_el0",
        "ldrb w9, [x16, #{attention}]",
        "cbnz w9, 2f",
        "1: ldr x17, [sp, #{leave}]",
        "br x17",
        "2: bl {deliver}",
        "mrs x16, tpidrro_el0",
        "b 1b",
        stack = const words::SYSCALL_STACK,
        preserved = const offset_of!(Frame, preserved),
        thunks = const words::THUNKS,
        numbers = const NUMBERS,
        attention = const words::ATTENTION,
        leave = const offset_of!(Frame, leave),
        deliver = sym dispatch::deliver,
    )
}

/// To the program, all that Rust may have changed as it was, but x0; the kernel gives back the stack pointer, x16, x17 and the flags.
#[unsafe(naked)]
unsafe extern "C" fn leave_foreign() -> ! {
    naked_asm!(
        "ldr x1, [sp, #8]",
        "ldp x2, x3, [sp, #16]",
        "ldp x4, x5, [sp, #32]",
        "ldp x6, x7, [sp, #48]",
        "ldp x8, x9, [sp, #64]",
        "ldp x10, x11, [sp, #80]",
        "ldp x12, x13, [sp, #96]",
        "ldp x14, x15, [sp, #112]",
        "ldr x18, [sp, #144]",
        "ldr x30, [sp, #240]",
        "svc #{back}",
        "brk #0",
        back = const abi::Call::Return as u16,
    )
}

/// To the program, as a function returns: what C preserves, Rust has preserved, but for x18. x16 = upcall page.
#[unsafe(naked)]
unsafe extern "C" fn leave_linked() -> ! {
    naked_asm!(
        "ldr x18, [sp, #144]",
        "ldp x30, x17, [x16, #{pc}]",
        "mov sp, x17",
        "ret",
        pc = const offset_of!(UpcallPage, syscall.pc),
    )
}

/// To the trampoline, which gives back x16 and x30; all else as it was, but x0. x16 = upcall page.
#[unsafe(naked)]
unsafe extern "C" fn leave_rewritten() -> ! {
    naked_asm!(
        "ldr x17, [x16, #{flags}]",
        "msr nzcv, x17",
        "ldr x1, [sp, #8]",
        "ldp x2, x3, [sp, #16]",
        "ldp x4, x5, [sp, #32]",
        "ldp x6, x7, [sp, #48]",
        "ldp x8, x9, [sp, #64]",
        "ldp x10, x11, [sp, #80]",
        "ldp x12, x13, [sp, #96]",
        "ldp x14, x15, [sp, #112]",
        "ldr x18, [sp, #144]",
        "ldr x30, [sp, #{trampoline}]",
        "ldr x17, [x16, #{sp}]",
        "sub sp, x17, #{spared}",
        "ldr x17, [x16, #{scratch} + 8]",
        "ret",
        flags = const offset_of!(UpcallPage, syscall.flags),
        sp = const offset_of!(UpcallPage, syscall.sp),
        scratch = const offset_of!(UpcallPage, syscall.scratch),
        trampoline = const offset_of!(Frame, trampoline),
        spared = const SPARED_BYTES,
    )
}
