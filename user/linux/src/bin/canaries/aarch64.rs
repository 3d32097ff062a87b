//! The probes of aarch64.

use std::arch::naked_asm;

use crate::{FLAGS, GENERAL, Probe, Promise, State, VECTORS};

/// N, Z, C, V.
pub const FLAGS_MASK: u64 = 0xf000_0000;

/// The register that a call's number is in.
const NUMBER: usize = 8;

/// The instruction as a function.
///
/// # Safety
/// As the call that the registers name.
#[unsafe(naked)]
pub unsafe extern "C" fn instruction() {
    naked_asm!("svc #0", "ret")
}

/// A probe.
///
/// 1. What the caller needs back, and the two pointers, on the stack.
/// 2. Vectors, flags, general registers; x0, which points at them, last.
/// 3. Enter.
/// 4. Everything to `after`.
macro_rules! probe {
    ($name:ident, $enter:literal) => {
        #[unsafe(naked)]
        unsafe extern "C" fn $name(before: &State, after: &mut State, target: usize) {
            naked_asm!(
                "sub sp, sp, #192",
                "stp x19, x20, [sp]",
                "stp x21, x22, [sp, #16]",
                "stp x23, x24, [sp, #32]",
                "stp x25, x26, [sp, #48]",
                "stp x27, x28, [sp, #64]",
                "stp x29, x30, [sp, #80]",
                "stp d8, d9, [sp, #96]",
                "stp d10, d11, [sp, #112]",
                "stp d12, d13, [sp, #128]",
                "stp d14, d15, [sp, #144]",
                "stp x1, x2, [sp, #160]",
                "add x1, x0, #{vectors}",
                ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31",
                "ldr q\\n, [x1, #32 * \\n]",
                ".endr",
                "ldr x1, [x0, #{flags}]",
                "msr nzcv, x1",
                ".irp n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30",
                "ldr x\\n, [x0, #{general} + 8 * \\n]",
                ".endr",
                "ldr x0, [x0, #{general}]",
                $enter,
                "str x0, [sp, #176]",
                "ldr x0, [sp, #160]",
                ".irp n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30",
                "str x\\n, [x0, #{general} + 8 * \\n]",
                ".endr",
                "mrs x1, nzcv",
                "str x1, [x0, #{flags}]",
                "ldr x1, [sp, #176]",
                "str x1, [x0, #{general}]",
                "add x1, x0, #{vectors}",
                ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31",
                "str q\\n, [x1, #32 * \\n]",
                ".endr",
                "ldp x19, x20, [sp]",
                "ldp x21, x22, [sp, #16]",
                "ldp x23, x24, [sp, #32]",
                "ldp x25, x26, [sp, #48]",
                "ldp x27, x28, [sp, #64]",
                "ldp x29, x30, [sp, #80]",
                "ldp d8, d9, [sp, #96]",
                "ldp d10, d11, [sp, #112]",
                "ldp d12, d13, [sp, #128]",
                "ldp d14, d15, [sp, #144]",
                "add sp, sp, #192",
                "ret",
                vectors = const VECTORS,
                flags = const FLAGS,
                general = const GENERAL,
            )
        }
    };
}

probe!(raw, "svc #0");
probe!(linked, "ldr x16, [sp, #168]\nblr x16");

/// The probes that hold to a promise.
pub fn probes(promise: Promise) -> Vec<Probe> {
    match promise {
        Promise::Instruction => vec![raw],
        Promise::Function => vec![linked],
    }
}

/// Put a call where the convention wants it.
pub fn set_call(state: &mut State, number: i64, arguments: &[usize; 6]) {
    state.general[NUMBER] = number as u64;
    for (register, &argument) in arguments.iter().enumerate() {
        state.general[register] = argument as u64;
    }
}

/// The call's result.
pub fn result(after: &State) -> i64 {
    after.general[0] as i64
}

/// Compare.
pub fn check(promise: Promise, before: &State, after: &State, lost: &mut dyn FnMut(&str)) {
    let kept = match promise {
        Promise::Instruction => 1..31,
        // x30 is the link register.
        Promise::Function => 18..30,
    };
    for register in kept {
        if after.general[register] != before.general[register] {
            lost(&format!("general register {register}"));
        }
    }
    if promise == Promise::Instruction && (after.flags ^ before.flags) & FLAGS_MASK != 0 {
        lost("flags");
    }
    for register in 0..32 {
        if after.vectors[register][..2] != before.vectors[register][..2] {
            lost(&format!("vector register {register}"));
        }
    }
}
