//! To the program, or to where a fault found the library, with every register given: by the kernel's shortest call.

use core::arch::naked_asm;
use core::mem::offset_of;

use abi::{Registers, UpcallPage};

use crate::entry::words;

const _: () = assert!(offset_of!(Registers, x) == 0);
// Words that are loaded or stored as pairs.
const _: () = assert!(offset_of!(UpcallPage, syscall.sp) == offset_of!(UpcallPage, syscall.pc) + 8);
const _: () = assert!(offset_of!(UpcallPage, fault.sp) == offset_of!(UpcallPage, fault.pc) + 8);

/// Whether [`resume`] can.
#[must_use]
pub fn can_resume(_: &Registers) -> bool {
    true
}

/// Continue with these registers, the thread pointer excepted.
///
/// As if this were a fault's end, since a call may be in the middle of being served, whose state is in the upcall page:
/// 1. `fault_active`: now no slice's end comes. 2. What the kernel gives back goes to the upcall page. 3. All other registers. 4. `Return`.
///
/// # Safety
/// They are a state of the program, or of the library as a fault found it; no fault is being looked at.
#[unsafe(naked)]
pub unsafe extern "C" fn resume(registers: &Registers) -> ! {
    naked_asm!(
        "mrs x16, tpidrro_el0",
        "mov x1, #1",
        "str x1, [x16, #{active}]",
        "ldr x1, [x0, #{pc}]",
        "ldr x2, [x0, #{sp}]",
        "stp x1, x2, [x16, #{saved_pc}]",
        "ldr x1, [x0, #{flags}]",
        "str x1, [x16, #{saved_flags}]",
        "ldp x1, x2, [x0, #128]",
        "stp x1, x2, [x16, #{saved_scratch}]",
        "ldp x2, x3, [x0, #16]",
        "ldp x4, x5, [x0, #32]",
        "ldp x6, x7, [x0, #48]",
        "ldp x8, x9, [x0, #64]",
        "ldp x10, x11, [x0, #80]",
        "ldp x12, x13, [x0, #96]",
        "ldp x14, x15, [x0, #112]",
        "ldp x18, x19, [x0, #144]",
        "ldp x20, x21, [x0, #160]",
        "ldp x22, x23, [x0, #176]",
        "ldp x24, x25, [x0, #192]",
        "ldp x26, x27, [x0, #208]",
        "ldp x28, x29, [x0, #224]",
        "ldr x30, [x0, #240]",
        "ldp x0, x1, [x0]",
        "svc #{back}",
        "brk #0",
        pc = const offset_of!(Registers, pc),
        sp = const offset_of!(Registers, sp),
        flags = const offset_of!(Registers, flags),
        active = const offset_of!(UpcallPage, fault_active),
        saved_pc = const offset_of!(UpcallPage, fault.pc),
        saved_flags = const offset_of!(UpcallPage, fault.flags),
        saved_scratch = const offset_of!(UpcallPage, fault.scratch),
        back = const abi::Call::Return as u16,
    )
}

/// Bytes of a signal frame's registers: x0 to x30, sp, pc, flags (`struct sigcontext`).
pub const CONTEXT_BYTES: usize = 272;

/// Continue the program with the registers of a signal frame.
///
/// 1. What the kernel gives back goes to the upcall page, where it is for a call's return. 2. All other registers, and nothing to recover to.
/// 3. `Return`.
///
/// # Safety
/// Called in an attempt. The bytes are in the program's half, and the state is that of the program; the call that is served does not return.
#[unsafe(naked)]
pub unsafe extern "C" fn resume_context(context: usize) {
    naked_asm!(
        "mrs x16, tpidrro_el0",
        "ldp x2, x1, [x0, #248]",
        "stp x1, x2, [x16, #{saved_pc}]",
        "ldr x1, [x0, #264]",
        "str x1, [x16, #{saved_flags}]",
        "ldp x1, x2, [x0, #128]",
        "stp x1, x2, [x16, #{saved_scratch}]",
        "ldp x2, x3, [x0, #16]",
        "ldp x4, x5, [x0, #32]",
        "ldp x6, x7, [x0, #48]",
        "ldp x8, x9, [x0, #64]",
        "ldp x10, x11, [x0, #80]",
        "ldp x12, x13, [x0, #96]",
        "ldp x14, x15, [x0, #112]",
        "ldp x18, x19, [x0, #144]",
        "ldp x20, x21, [x0, #160]",
        "ldp x22, x23, [x0, #176]",
        "ldp x24, x25, [x0, #192]",
        "ldp x26, x27, [x0, #208]",
        "ldp x28, x29, [x0, #224]",
        "ldr x30, [x0, #240]",
        "ldp x0, x1, [x0]",
        "str xzr, [x16, #{recovery}]",
        "svc #{back}",
        "brk #0",
        recovery = const words::RECOVERY,
        saved_pc = const offset_of!(UpcallPage, syscall.pc),
        saved_flags = const offset_of!(UpcallPage, syscall.flags),
        saved_scratch = const offset_of!(UpcallPage, syscall.scratch),
        back = const abi::Call::Return as u16,
    )
}

/// Start a handler of the program with these registers, the thread pointer excepted: all but x16 and x17, which no function looks at. There is
/// nothing to recover to any more.
///
/// # Safety
/// They are a state of the program at the beginning of a function.
#[unsafe(naked)]
pub unsafe extern "C" fn start(registers: &Registers) -> ! {
    naked_asm!(
        "mrs x16, tpidrro_el0",
        "str xzr, [x16, #{recovery}]",
        "ldr x17, [x0, #{flags}]",
        "msr nzcv, x17",
        "ldr x17, [x0, #{sp}]",
        "ldr x16, [x0, #{pc}]",
        "ldp x2, x3, [x0, #16]",
        "ldp x4, x5, [x0, #32]",
        "ldp x6, x7, [x0, #48]",
        "ldp x8, x9, [x0, #64]",
        "ldp x10, x11, [x0, #80]",
        "ldp x12, x13, [x0, #96]",
        "ldp x14, x15, [x0, #112]",
        "ldp x18, x19, [x0, #144]",
        "ldp x20, x21, [x0, #160]",
        "ldp x22, x23, [x0, #176]",
        "ldp x24, x25, [x0, #192]",
        "ldp x26, x27, [x0, #208]",
        "ldp x28, x29, [x0, #224]",
        "ldr x30, [x0, #240]",
        "ldp x0, x1, [x0]",
        "mov sp, x17",
        "br x16",
        recovery = const words::RECOVERY,
        pc = const offset_of!(Registers, pc),
        sp = const offset_of!(Registers, sp),
        flags = const offset_of!(Registers, flags),
    )
}
