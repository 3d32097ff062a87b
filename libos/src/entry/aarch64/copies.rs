//! Copies from and to the program, which may fault.
//!
//! A fault that no region explains, at an instruction between `chitin_copy_begin` and `chitin_copy_end`, goes on at `chitin_copy_fixup`: the
//! copy that made it answers 1. Between `chitin_wide_begin` and `chitin_wide_end` it goes on at `chitin_wide_fixup`.
//!
//! Long copies go through vector registers, which are the program's: they are kept on the stack meanwhile, and given back in either case.

use core::arch::{asm, global_asm};

/// Copy `length` bytes; gives 0, or 1 if a fault broke it off.
///
/// # Safety
/// The side that is not the program's is valid for `length` bytes.
#[inline(always)]
pub unsafe fn copy(to: *mut u8, from: *const u8, length: usize) -> usize {
    let refused: usize;
    // SAFETY: the caller's promise. A call that changes few registers, so that its callers, most of them short, need not keep theirs. The vector
    // registers are as they were.
    unsafe {
        asm!(
            "bl chitin_copy",
            inout("x0") to => refused,
            inout("x1") from => _,
            inout("x2") length => _,
            out("x3") _,
            out("x4") _,
            out("x5") _,
            out("x6") _,
            out("x30") _,
        );
    }
    refused
}

/// Load a word of 32 bits; none if that was refused.
///
/// # Safety
/// It is in the program's half.
#[inline(always)]
pub unsafe fn load(word: *const u32) -> Option<u32> {
    let (refused, found): (usize, u64);
    // SAFETY: the caller's promise; as in `copy`.
    unsafe { asm!("bl chitin_load", inout("x0") word => refused, out("x1") found, out("x30") _, options(readonly)) };
    (refused == 0).then_some(found as u32)
}

/// Load one of 64.
///
/// # Safety
/// As [`load`].
#[inline(always)]
pub unsafe fn load_long(word: *const u64) -> Option<u64> {
    let (refused, found): (usize, u64);
    // SAFETY: the caller's promise; as in `copy`.
    unsafe { asm!("bl chitin_load_long", inout("x0") word => refused, out("x1") found, out("x30") _, options(readonly)) };
    (refused == 0).then_some(found)
}

/// Where the library goes on whose access to the program's memory at `pc` is refused.
#[must_use]
pub fn fixup(pc: u64) -> Option<u64> {
    let ranges = [
        [&raw const COPY_BEGIN, &raw const COPY_END, &raw const COPY_FIXUP],
        [&raw const WIDE_BEGIN, &raw const WIDE_END, &raw const WIDE_FIXUP],
    ];
    let found = ranges.map(|range| range.map(|place| place as u64)).into_iter().find(|&[begin, end, _]| (begin..end).contains(&pc));
    found.map(|[.., fixup]| fixup)
}

unsafe extern "C" {
    #[link_name = "chitin_copy_begin"]
    static COPY_BEGIN: u8;
    #[link_name = "chitin_copy_end"]
    static COPY_END: u8;
    #[link_name = "chitin_copy_fixup"]
    static COPY_FIXUP: u8;
    #[link_name = "chitin_wide_begin"]
    static WIDE_BEGIN: u8;
    #[link_name = "chitin_wide_end"]
    static WIDE_END: u8;
    #[link_name = "chitin_wide_fixup"]
    static WIDE_FIXUP: u8;

    /// Replace a word, if it is `old`, as one step; stores what it was. 0, or 1 if a fault broke it off.
    ///
    /// # Safety
    /// `word` is in the program's half, a multiple of 4; `found` is valid.
    #[link_name = "chitin_exchange"]
    pub fn exchange(word: *mut u32, old: u32, new: u32, found: *mut u32) -> usize;
}

global_asm!(
    ".arch_extension fp",
    ".arch_extension simd",
    ".pushsection .text.copies, \"ax\"",
    ".irp name, chitin_copy, chitin_load, chitin_load_long, chitin_exchange, chitin_copy_begin, chitin_copy_end, chitin_copy_fixup, chitin_wide_begin, chitin_wide_end, chitin_wide_fixup",
    ".globl \\name",
    ".hidden \\name",
    ".endr",
    // 1. 256 bytes or more: 128 at a time through q0 to q7, and what is left as below.
    // 2. 32 at a time; 16, 8, 4, 2, 1.
    "chitin_copy:",
    "cmp x2, #256",
    "b.lo chitin_copy_begin",
    "sub sp, sp, #128",
    "stp q0, q1, [sp]",
    "stp q2, q3, [sp, #32]",
    "stp q4, q5, [sp, #64]",
    "stp q6, q7, [sp, #96]",
    "sub x2, x2, #128",
    "chitin_wide_begin:",
    "0: ldp q2, q3, [x1, #32]",
    "ldp q4, q5, [x1, #64]",
    "ldp q6, q7, [x1, #96]",
    "ldp q0, q1, [x1], #128",
    "stp q2, q3, [x0, #32]",
    "stp q4, q5, [x0, #64]",
    "stp q6, q7, [x0, #96]",
    "stp q0, q1, [x0], #128",
    "subs x2, x2, #128",
    "b.hs 0b",
    "chitin_wide_end:",
    "add x2, x2, #128",
    "ldp q0, q1, [sp]",
    "ldp q2, q3, [sp, #32]",
    "ldp q4, q5, [sp, #64]",
    "ldp q6, q7, [sp, #96]",
    "add sp, sp, #128",
    "chitin_copy_begin:",
    "cmp x2, #32",
    "b.lo 2f",
    "1: ldp x3, x4, [x1], #16",
    "ldp x5, x6, [x1], #16",
    "sub x2, x2, #32",
    "stp x3, x4, [x0], #16",
    "stp x5, x6, [x0], #16",
    "cmp x2, #32",
    "b.hs 1b",
    "2: tbz x2, #4, 3f",
    "ldp x3, x4, [x1], #16",
    "stp x3, x4, [x0], #16",
    "3: tbz x2, #3, 4f",
    "ldr x3, [x1], #8",
    "str x3, [x0], #8",
    "4: tbz x2, #2, 5f",
    "ldr w3, [x1], #4",
    "str w3, [x0], #4",
    "5: tbz x2, #1, 6f",
    "ldrh w3, [x1], #2",
    "strh w3, [x0], #2",
    "6: tbz x2, #0, chitin_copy_end",
    "ldrb w3, [x1]",
    "strb w3, [x0]",
    "b chitin_copy_end",
    "chitin_load:",
    "ldr w1, [x0]",
    "mov x0, #0",
    "ret",
    "chitin_load_long:",
    "ldr x1, [x0]",
    "mov x0, #0",
    "ret",
    "chitin_exchange:",
    "ldaxr w4, [x0]",
    "cmp w4, w1",
    "b.ne 7f",
    "stlxr w5, w2, [x0]",
    "cbnz w5, chitin_exchange",
    "7: str w4, [x3]",
    "chitin_copy_end:",
    "mov x0, #0",
    "ret",
    "chitin_wide_fixup:",
    "ldp q0, q1, [sp]",
    "ldp q2, q3, [sp, #32]",
    "ldp q4, q5, [sp, #64]",
    "ldp q6, q7, [sp, #96]",
    "add sp, sp, #128",
    "chitin_copy_fixup:",
    "mov x0, #1",
    "ret",
    ".popsection",
);
