//! The upcall entries of aarch64. TPIDRRO_EL0 holds the upcall page's address.

use core::arch::naked_asm;
use core::mem::offset_of;

use abi::{Call, Registers, UpcallPage};

use super::{FRAME, OWN, handle};

/// Answers x8 + 1, and goes on as if nothing had been. No stack is used.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn foreign() {
    // x16 and x17 come back with the call; no register is free to branch with.
    naked_asm!("add x0, x8, #1", "svc #{number}", "brk #1", number = const Call::Return as u16)
}

/// Saves all registers that the kernel did not save, and goes to [`handle`] on the handler's stack.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn fault() {
    naked_asm!(
        "mrs x16, tpidrro_el0",
        "add x17, x16, #{frame}",
        "stp x0, x1, [x17]",
        "stp x2, x3, [x17, #16]",
        "stp x4, x5, [x17, #32]",
        "stp x6, x7, [x17, #48]",
        "stp x8, x9, [x17, #64]",
        "stp x10, x11, [x17, #80]",
        "stp x12, x13, [x17, #96]",
        "stp x14, x15, [x17, #112]",
        "stp x18, x19, [x17, #144]",
        "stp x20, x21, [x17, #160]",
        "stp x22, x23, [x17, #176]",
        "stp x24, x25, [x17, #192]",
        "stp x26, x27, [x17, #208]",
        "stp x28, x29, [x17, #224]",
        "str x30, [x17, #240]",
        "mov sp, x16",
        "mov x0, x16",
        "bl {handle}",
        "brk #1",
        frame = const FRAME,
        handle = sym handle,
    )
}

/// Page faults to [`map_page`]: what a Rust function may change is kept on the handler's stack, and `Return`, since a fault is being
/// handled, ends that and restores pc, flags, stack pointer, x16 and x17 at once.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn map_fault() {
    naked_asm!(
        "mrs x16, tpidrro_el0",
        "sub sp, x16, #160",
        "stp x0, x1, [sp]",
        "stp x2, x3, [sp, #16]",
        "stp x4, x5, [sp, #32]",
        "stp x6, x7, [sp, #48]",
        "stp x8, x9, [sp, #64]",
        "stp x10, x11, [sp, #80]",
        "stp x12, x13, [sp, #96]",
        "stp x14, x15, [sp, #112]",
        "stp x18, x30, [sp, #128]",
        "ldr x0, [x16, #{address}]",
        "bl {map_page}",
        "ldp x0, x1, [sp]",
        "ldp x2, x3, [sp, #16]",
        "ldp x4, x5, [sp, #32]",
        "ldp x6, x7, [sp, #48]",
        "ldp x8, x9, [sp, #64]",
        "ldp x10, x11, [sp, #80]",
        "ldp x12, x13, [sp, #96]",
        "ldp x14, x15, [sp, #112]",
        "ldp x18, x30, [sp, #128]",
        "svc #{leave}",
        "brk #1",
        address = const offset_of!(UpcallPage, address),
        leave = const Call::Return as u16,
        map_page = sym super::map_page,
    )
}

/// Put the two registers that the kernel saved into the frame.
pub(super) fn set_scratch(registers: &mut Registers, scratch: [u64; 2]) {
    registers.x[16..18].copy_from_slice(&scratch);
}

static mut GIVE_UP_STACK: u64 = 0;

/// Call a function so that `give_up` can leave it.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn try_call(function: extern "C" fn(u64), argument: u64) {
    // 1. What the callee saves goes to the stack, and the stack pointer to a static.
    // 2. The function is called; a fault in it continues at `after`, with that stack pointer.
    // 3. All that comes back.
    naked_asm!(
        "stp x29, x30, [sp, #-96]!",
        "stp x19, x20, [sp, #16]",
        "stp x21, x22, [sp, #32]",
        "stp x23, x24, [sp, #48]",
        "stp x25, x26, [sp, #64]",
        "stp x27, x28, [sp, #80]",
        "adrp x9, {stack}",
        "add x9, x9, :lo12:{stack}",
        "mov x10, sp",
        "str x10, [x9]",
        "mov x9, x0",
        "mov x0, x1",
        "blr x9",
        "b {after}",
        stack = sym GIVE_UP_STACK,
        after = sym after,
    )
}

#[unsafe(naked)]
unsafe extern "C" fn after() {
    naked_asm!(
        "ldp x19, x20, [sp, #16]",
        "ldp x21, x22, [sp, #32]",
        "ldp x23, x24, [sp, #48]",
        "ldp x25, x26, [sp, #64]",
        "ldp x27, x28, [sp, #80]",
        "ldp x29, x30, [sp], #96",
        "ret",
    )
}

/// Continue after `try_call`, with ordinary flags.
pub(super) fn give_up(registers: &mut Registers) {
    registers.pc = after as *const () as u64;
    // SAFETY: `try_call` wrote it before it called what faulted.
    registers.sp = unsafe { GIVE_UP_STACK };
    registers.flags = 0;
}

const _: () = assert!(offset_of!(Registers, x) == 0 && OWN + 8 <= FRAME && FRAME.is_multiple_of(16));
const _: () = assert!(offset_of!(UpcallPage, library) <= OWN);
