//! clock_gettime(2) as a function, for the two clocks that programs read most.

use core::arch::global_asm;

use crate::entry::vdso;
use crate::time::{Clocks, SECOND};

// unsafe extern "C" fn __kernel_clock_gettime(clock: i32, time: *mut [u64; 2]) -> i32: 0, or a negative errno
//   1. Any clock but CLOCK_REALTIME (0) and CLOCK_MONOTONIC (1) goes to `other_gettime`.
//   2. Ticks times scale plus the clock's offset: seconds in x10, fraction in x9.
//   3. Fraction times nanoseconds in a second.
global_asm!(
    ".pushsection .text.vdso, \"ax\"",
    ".globl __kernel_clock_gettime",
    ".type __kernel_clock_gettime, @function",
    "__kernel_clock_gettime:",
    "cmp w0, #1",
    "b.hi {other}",
    "adrp x2, {clocks}",
    "ldr x2, [x2, :lo12:{clocks}]",
    "isb",
    "mrs x3, cntvct_el0",
    "ldr x4, [x2, #{scale}]",
    "add x5, x2, w0, uxtw #4",
    "ldp x6, x7, [x5, #{offsets}]",
    "mul x9, x3, x4",
    "umulh x10, x3, x4",
    "adds x9, x9, x6",
    "adc x10, x10, x7",
    "mov w11, #{second_low}",
    "movk w11, #{second_high}, lsl #16",
    "umulh x9, x9, x11",
    "stp x10, x9, [x1]",
    "mov w0, #0",
    "ret",
    ".size __kernel_clock_gettime, . - __kernel_clock_gettime",
    ".popsection",
    other = sym vdso::other_gettime,
    clocks = sym vdso::CLOCKS,
    scale = const Clocks::SCALE,
    offsets = const Clocks::OFFSETS,
    second_low = const SECOND & 0xffff,
    second_high = const SECOND >> 16,
);
