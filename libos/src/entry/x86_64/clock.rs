//! clock_gettime(2) as a function, for the two clocks that programs read most.

use core::arch::global_asm;

use crate::entry::vdso;
use crate::time::{Clocks, SECOND};

// unsafe extern "C" fn __vdso_clock_gettime(clock: i32, time: *mut [u64; 2]) -> i32: 0, or a negative errno
//   1. Any clock but CLOCK_REALTIME (0) and CLOCK_MONOTONIC (1) goes to `other_gettime`.
//   2. Ticks times scale plus the clock's offset: seconds in rdx, fraction in rax.
//   3. Fraction times nanoseconds in a second.
global_asm!(
    ".pushsection .text.vdso, \"ax\"",
    ".globl __vdso_clock_gettime",
    ".type __vdso_clock_gettime, @function",
    ".weak clock_gettime",
    ".type clock_gettime, @function",
    "__vdso_clock_gettime:",
    "clock_gettime:",
    "cmp edi, 1",
    "ja {other}",
    "mov r8, [rip + {clocks}]",
    "mov ecx, edi",
    "shl ecx, 4",
    "rdtsc",
    "shl rdx, 32",
    "or rax, rdx",
    "mul qword ptr [r8 + {scale}]",
    "add rax, [r8 + rcx + {offsets}]",
    "adc rdx, [r8 + rcx + {offsets} + 8]",
    "mov [rsi], rdx",
    "mov ecx, {second}",
    "mul rcx",
    "mov [rsi + 8], rdx",
    "xor eax, eax",
    "ret",
    ".size __vdso_clock_gettime, . - __vdso_clock_gettime",
    ".size clock_gettime, . - clock_gettime",
    ".popsection",
    other = sym vdso::other_gettime,
    clocks = sym vdso::CLOCKS,
    scale = const Clocks::SCALE,
    offsets = const Clocks::OFFSETS,
    second = const SECOND,
);
