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

    /// Write the vector record of a signal frame to the program: its header, FPSR, FPCR, q0 to q31. 0, or 1 if a fault broke it off.
    ///
    /// # Safety
    /// The address is in the program's half, 528 bytes before its end at least.
    #[link_name = "chitin_push_vectors"]
    pub fn push_vectors(record: usize) -> usize;

    /// Load FPSR, FPCR and q0 to q31 from such a record. 0, or 1 if a fault broke it off.
    ///
    /// # Safety
    /// As [`push_vectors`]. The library uses no vector register.
    #[link_name = "chitin_pop_vectors"]
    pub fn pop_vectors(record: usize) -> usize;
}

global_asm!(
    ".arch_extension fp",
    ".arch_extension simd",
    ".pushsection .text.copies, \"ax\"",
    ".irp name, chitin_copy, chitin_load, chitin_exchange, chitin_push_vectors, chitin_pop_vectors, chitin_copy_begin, chitin_copy_end, chitin_copy_fixup",
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
    "b chitin_copy_end",
    "chitin_push_vectors:",
    "mov w1, #{magic_low}",
    "movk w1, #{magic_high}, lsl #16",
    "mov w2, #{bytes}",
    "stp w1, w2, [x0]",
    "mrs x1, fpsr",
    "mrs x2, fpcr",
    "stp w1, w2, [x0, #8]",
    "stp q0, q1, [x0, #16]",
    "stp q2, q3, [x0, #48]",
    "stp q4, q5, [x0, #80]",
    "stp q6, q7, [x0, #112]",
    "stp q8, q9, [x0, #144]",
    "stp q10, q11, [x0, #176]",
    "stp q12, q13, [x0, #208]",
    "stp q14, q15, [x0, #240]",
    "stp q16, q17, [x0, #272]",
    "stp q18, q19, [x0, #304]",
    "stp q20, q21, [x0, #336]",
    "stp q22, q23, [x0, #368]",
    "stp q24, q25, [x0, #400]",
    "stp q26, q27, [x0, #432]",
    "stp q28, q29, [x0, #464]",
    "stp q30, q31, [x0, #496]",
    "b chitin_copy_end",
    "chitin_pop_vectors:",
    "ldp w1, w2, [x0, #8]",
    "ldp q0, q1, [x0, #16]",
    "ldp q2, q3, [x0, #48]",
    "ldp q4, q5, [x0, #80]",
    "ldp q6, q7, [x0, #112]",
    "ldp q8, q9, [x0, #144]",
    "ldp q10, q11, [x0, #176]",
    "ldp q12, q13, [x0, #208]",
    "ldp q14, q15, [x0, #240]",
    "ldp q16, q17, [x0, #272]",
    "ldp q18, q19, [x0, #304]",
    "ldp q20, q21, [x0, #336]",
    "ldp q22, q23, [x0, #368]",
    "ldp q24, q25, [x0, #400]",
    "ldp q26, q27, [x0, #432]",
    "ldp q28, q29, [x0, #464]",
    "ldp q30, q31, [x0, #496]",
    "msr fpsr, x1",
    "msr fpcr, x2",
    "chitin_copy_end:",
    "mov x0, #0",
    "ret",
    "chitin_copy_fixup:",
    "mov x0, #1",
    "ret",
    ".popsection",
    magic_low = const crate::signal::frame::VECTOR_MAGIC & 0xffff,
    magic_high = const crate::signal::frame::VECTOR_MAGIC >> 16,
    bytes = const crate::signal::frame::VECTOR_BYTES,
);
