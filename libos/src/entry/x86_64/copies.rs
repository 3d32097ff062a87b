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
    "mov rcx, rdx",
    "shr rcx, 3",
    "and edx, 7",
    "rep movsq",
    "mov ecx, edx",
    "rep movsb",
    "jmp chitin_copy_end",
    "chitin_load:",
    "mov eax, [rdi]",
    "mov [rsi], eax",
    "jmp chitin_copy_end",
    "chitin_exchange:",
    "mov eax, esi",
    "lock cmpxchg [rdi], edx",
    "mov [rcx], eax",
    "chitin_copy_end:",
    "xor eax, eax",
    "ret",
    "chitin_copy_fixup:",
    "mov eax, 1",
    "ret",
    ".popsection",
);
