//! Copies from and to the program, which may fault.
//!
//! A fault that no region explains, at an instruction between `chitin_copy_begin` and `chitin_copy_end`, goes on at `chitin_copy_fixup`: the
//! copy that made it answers 1.

use core::arch::global_asm;

unsafe extern "C" {
    /// Copy `length` bytes; gives 0, or 1 if a fault broke it off.
    ///
    /// # Safety
    /// The side that is not the program's is valid for `length` bytes.
    #[link_name = "chitin_copy"]
    pub fn copy(to: *mut u8, from: *const u8, length: usize) -> usize;

    /// Load a word; stores what it is. 0, or 1 if a fault broke it off.
    ///
    /// # Safety
    /// `word` is in the program's half; `found` is valid.
    #[link_name = "chitin_load"]
    pub fn load(word: *const u32, found: *mut u32) -> usize;

    /// Replace a word, if it is `old`, as one step; stores what it was. 0, or 1 if a fault broke it off.
    ///
    /// # Safety
    /// `word` is in the program's half, a multiple of 4; `found` is valid.
    #[link_name = "chitin_exchange"]
    pub fn exchange(word: *mut u32, old: u32, new: u32, found: *mut u32) -> usize;
}

global_asm!(
    ".pushsection .text.copies, \"ax\"",
    ".irp name, chitin_copy, chitin_load, chitin_exchange, chitin_copy_begin, chitin_copy_end, chitin_copy_fixup",
    ".globl \\name",
    ".hidden \\name",
    ".endr",
    "chitin_copy_begin:",
    "chitin_copy:",
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
    "ldr w2, [x0]",
    "str w2, [x1]",
    "b chitin_copy_end",
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
    "chitin_copy_fixup:",
    "mov x0, #1",
    "ret",
    ".popsection",
);
