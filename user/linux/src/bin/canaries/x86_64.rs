//! The probes of x86_64.

use std::arch::naked_asm;

use crate::{FLAGS, GENERAL, Probe, Promise, RED_ZONE, State, VECTORS};

/// CF, PF, AF, ZF, SF, DF, OF.
pub const FLAGS_MASK: u64 = 0xcd5;

/// Numbers of registers, as the ISA encodes them.
const RAX: usize = 0;
const RCX: usize = 1;
const RDX: usize = 2;
const RSP: usize = 4;
const RSI: usize = 6;
const RDI: usize = 7;
const R11: usize = 11;
/// What a callee preserves: rbx, rbp, r12 to r15.
const PRESERVED: [usize; 6] = [3, 5, 12, 13, 14, 15];

/// The instruction as a function.
///
/// # Safety
/// As the call that the registers name.
#[unsafe(naked)]
pub unsafe extern "C" fn instruction() {
    naked_asm!("syscall", "ret")
}

/// Load and store of sixteen vector registers.
macro_rules! vectors {
    ($load:literal, $instruction:literal, $register:literal) => {
        concat!(".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n", $instruction, $load, "\n.endr")
    };
}

/// A probe: `$first` loads rdi, the last register to be loaded, right before `$enter`.
///
/// 1. What the caller needs back, and the two pointers, on the stack.
/// 2. Vectors, flags, then (by moves alone, which leave the flags) the red zone and the general registers.
/// 3. Enter.
/// 4. Everything to `after`, by moves alone until the flags are stored too.
macro_rules! probe {
    ($name:ident, $load_vectors:expr, $store_vectors:expr, $first:literal, $enter:literal) => {
        #[unsafe(naked)]
        unsafe extern "C" fn $name(before: &State, after: &mut State, target: usize) {
            naked_asm!(
                "push rbx",
                "push rbp",
                "push r12",
                "push r13",
                "push r14",
                "push r15",
                "sub rsp, 24",
                "mov [rsp], rdx",
                "mov [rsp + 8], rsi",
                $load_vectors,
                "push qword ptr [rdi + {flags}]",
                "popfq",
                ".set i, 0",
                ".rept 16",
                "mov rax, [rdi + {red} + 8 * i]",
                "mov [rsp - 8 - 8 * i], rax",
                ".set i, i + 1",
                ".endr",
                "mov rax, [rdi + {general} + 8 * 0]",
                "mov rcx, [rdi + {general} + 8 * 1]",
                "mov rdx, [rdi + {general} + 8 * 2]",
                "mov rbx, [rdi + {general} + 8 * 3]",
                "mov rbp, [rdi + {general} + 8 * 5]",
                "mov rsi, [rdi + {general} + 8 * 6]",
                "mov r8, [rdi + {general} + 8 * 8]",
                "mov r9, [rdi + {general} + 8 * 9]",
                "mov r10, [rdi + {general} + 8 * 10]",
                "mov r11, [rdi + {general} + 8 * 11]",
                "mov r12, [rdi + {general} + 8 * 12]",
                "mov r13, [rdi + {general} + 8 * 13]",
                "mov r14, [rdi + {general} + 8 * 14]",
                "mov r15, [rdi + {general} + 8 * 15]",
                $first,
                $enter,
                "2:",
                "mov [rsp + 16], rax",
                "mov rax, [rsp + 8]",
                "mov [rax + {general} + 8 * 1], rcx",
                "mov [rax + {general} + 8 * 2], rdx",
                "mov [rax + {general} + 8 * 3], rbx",
                "mov [rax + {general} + 8 * 5], rbp",
                "mov [rax + {general} + 8 * 6], rsi",
                "mov [rax + {general} + 8 * 7], rdi",
                "mov [rax + {general} + 8 * 8], r8",
                "mov [rax + {general} + 8 * 9], r9",
                "mov [rax + {general} + 8 * 10], r10",
                "mov [rax + {general} + 8 * 11], r11",
                "mov [rax + {general} + 8 * 12], r12",
                "mov [rax + {general} + 8 * 13], r13",
                "mov [rax + {general} + 8 * 14], r14",
                "mov [rax + {general} + 8 * 15], r15",
                "mov rbx, [rsp + 16]",
                "mov [rax + {general}], rbx",
                ".set i, 0",
                ".rept 16",
                "mov rbx, [rsp - 8 - 8 * i]",
                "mov [rax + {red} + 8 * i], rbx",
                ".set i, i + 1",
                ".endr",
                "pushfq",
                "pop qword ptr [rax + {flags}]",
                "cld",
                // Where a syscall instruction leaves its successor's address, in the slot of rsp.
                "lea rbx, [rip + 2b]",
                "mov [rax + {general} + 8 * 4], rbx",
                $store_vectors,
                "add rsp, 24",
                "pop r15",
                "pop r14",
                "pop r13",
                "pop r12",
                "pop rbp",
                "pop rbx",
                "ret",
                flags = const FLAGS,
                red = const RED_ZONE,
                general = const GENERAL,
                vectors = const VECTORS,
            )
        }
    };
}

macro_rules! probes {
    ($($name:ident, $avx:ident: $first:literal, $enter:literal;)*) => { $(
        probe!(
            $name,
            vectors!(" xmm\\n, [rdi + {vectors} + 32 * \\n]", "movups", "xmm"),
            vectors!(" [rax + {vectors} + 32 * \\n], xmm\\n", "movups", "xmm"),
            $first,
            $enter
        );
        probe!(
            $avx,
            vectors!(" ymm\\n, [rdi + {vectors} + 32 * \\n]", "vmovdqu", "ymm"),
            vectors!(" [rax + {vectors} + 32 * \\n], ymm\\n", "vmovdqu", "ymm"),
            $first,
            $enter
        );
    )* };
}

probes! {
    // The instruction before is three, four, seven bytes long: what a rewriter finds to move differs.
    raw_after_three, raw_after_three_avx: "mov rdi, [rdi]", "syscall";
    raw_after_four, raw_after_four_avx: "mov rdi, [rdi + {general} + 8 * 7]", "syscall";
    raw_after_seven, raw_after_seven_avx: "mov rdi, [rdi + {flags} - 8]", "syscall";
    linked, linked_avx: "mov rdi, [rdi + {flags} - 8]", "call qword ptr [rsp]";
}

/// The probes that hold to a promise.
pub fn probes(promise: Promise) -> Vec<Probe> {
    match (promise, has_avx()) {
        (Promise::Instruction, false) => vec![raw_after_three, raw_after_four, raw_after_seven],
        (Promise::Instruction, true) => vec![raw_after_three_avx, raw_after_four_avx, raw_after_seven_avx],
        (Promise::Function, false) => vec![linked],
        (Promise::Function, true) => vec![linked_avx],
    }
}

fn has_avx() -> bool {
    std::is_x86_feature_detected!("avx")
}

/// Put a call where the convention wants it.
pub fn set_call(state: &mut State, number: i64, arguments: &[usize; 6]) {
    state.general[RAX] = number as u64;
    for (register, &argument) in [RDI, RSI, RDX, 10, 8, 9].into_iter().zip(arguments) {
        state.general[register] = argument as u64;
    }
    state.first = arguments[0] as u64;
    state.first_far = arguments[0] as u64;
}

/// The call's result.
pub fn result(after: &State) -> i64 {
    after.general[RAX] as i64
}

/// Compare.
pub fn check(promise: Promise, before: &State, after: &State, lost: &mut dyn FnMut(&str)) {
    let mut general = |register: usize, right: u64| {
        if after.general[register] != right {
            lost(&format!("general register {register}"));
        }
    };
    match promise {
        Promise::Function => PRESERVED.into_iter().for_each(|register| general(register, before.general[register])),
        Promise::Instruction => {
            let others = (0..16).filter(|register| ![RAX, RCX, RSP, R11].contains(register));
            others.for_each(|register| general(register, before.general[register]));
            general(RCX, after.general[RSP]);
            if (after.general[R11] ^ before.flags) & FLAGS_MASK != 0 {
                lost("r11, the flags' copy,");
            }
            if (after.flags ^ before.flags) & FLAGS_MASK != 0 {
                lost("flags");
            }
            if after.red_zone != before.red_zone {
                lost("red zone");
            }
        }
    }
    let words = if has_avx() { 4 } else { 2 };
    for register in 0..16 {
        if after.vectors[register][..words] != before.vectors[register][..words] {
            lost(&format!("vector register {register}"));
        }
    }
}
