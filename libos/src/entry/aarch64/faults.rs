//! The entry of faults.

use core::arch::naked_asm;
use core::mem::offset_of;

use abi::{Registers, UpcallPage};

use crate::entry::{dispatch, place, words};

/// Room for [`Registers`] on the fault stack, a power of two so that a frame never crosses a page.
const FRAME_ROOM: usize = 512;
const _: () = assert!(size_of::<Registers>() <= FRAME_ROOM);
const _: () = assert!(offset_of!(Registers, x) == 0);
// Two words that are loaded as a pair.
const _: () = assert!(offset_of!(UpcallPage, address) == offset_of!(UpcallPage, kind) + 8);

/// Entry of faults.
///
/// 1. To the fault stack, or further down it if the fault was on it; room there for [`Registers`], and in it what Rust may change.
/// 2. `extern "C" fn resolve(kind, address) -> outcome`, with `fault_active` set. If that was all: the registers back, and `Return`,
///    which ends the fault and gives back pc, stack pointer, flags, x16 and x17.
/// 3. Else the rest of the registers; x16 and x17 come from the page. All is copied then: the kernel may send the next fault.
///    `extern "C" fn trapped(&mut Registers, kind, address, code, outcome) -> !`.
///
/// # Safety
/// Entered by the kernel only.
#[unsafe(naked)]
pub unsafe extern "C" fn fault() -> ! {
    naked_asm!(
        "mrs x16, tpidrro_el0",
        "ldr x17, [x16, #{stack}]",
        "mov x16, sp",
        "sub x16, x17, x16",
        "cmp x16, #{stack_bytes_high}, lsl #12",
        "b.hs 1f",
        "mov x17, sp",
        "1:",
        "and x17, x17, #-{room}",
        "sub sp, x17, #{room}",
        "stp x0, x1, [sp]",
        "stp x2, x3, [sp, #16]",
        "stp x4, x5, [sp, #32]",
        "stp x6, x7, [sp, #48]",
        "stp x8, x9, [sp, #64]",
        "stp x10, x11, [sp, #80]",
        "stp x12, x13, [sp, #96]",
        "stp x14, x15, [sp, #112]",
        "str x18, [sp, #144]",
        "str x30, [sp, #240]",
        "mrs x16, tpidrro_el0",
        "ldp x0, x1, [x16, #{kind}]",
        "bl {resolve}",
        "cbnz x0, 2f",
        "ldp x0, x1, [sp]",
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
        "2: str x19, [sp, #152]",
        "stp x20, x21, [sp, #160]",
        "stp x22, x23, [sp, #176]",
        "stp x24, x25, [sp, #192]",
        "stp x26, x27, [sp, #208]",
        "stp x28, x29, [sp, #224]",
        "mov x4, x0",
        "mrs x16, tpidrro_el0",
        "ldp x0, x1, [x16, #{scratch}]",
        "stp x0, x1, [sp, #128]",
        "ldp x0, x1, [x16, #{from_pc}]",
        "ldr x2, [x16, #{from_flags}]",
        "mrs x3, tpidr_el0",
        "str x1, [sp, #{sp}]",
        "str x0, [sp, #{pc}]",
        "str x2, [sp, #{flags}]",
        "str x3, [sp, #{tls}]",
        "str xzr, [sp, #{reserved}]",
        "mov x0, sp",
        "ldr x1, [x16, #{kind}]",
        "ldr x2, [x16, #{address}]",
        "ldr x3, [x16, #{code}]",
        "str xzr, [x16, #{active}]",
        "bl {trapped}",
        "brk #0",
        stack = const words::FAULT_STACK,
        stack_bytes_high = const place::FAULT_STACK_BYTES >> 12,
        room = const FRAME_ROOM,
        back = const abi::Call::Return as u16,
        sp = const offset_of!(Registers, sp),
        pc = const offset_of!(Registers, pc),
        flags = const offset_of!(Registers, flags),
        tls = const offset_of!(Registers, tls),
        reserved = const offset_of!(Registers, reserved),
        from_pc = const offset_of!(UpcallPage, fault.pc),
        from_flags = const offset_of!(UpcallPage, fault.flags),
        scratch = const offset_of!(UpcallPage, fault.scratch),
        kind = const offset_of!(UpcallPage, kind),
        address = const offset_of!(UpcallPage, address),
        code = const offset_of!(UpcallPage, code),
        active = const offset_of!(UpcallPage, fault_active),
        resolve = sym dispatch::resolve,
        trapped = sym dispatch::trapped,
    )
}
