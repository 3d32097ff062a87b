//! Copies from and to the program, which may fault.
//!
//! A fault that no region explains, at an instruction between `chitin_copy_begin` and `chitin_copy_end`, goes on at `chitin_copy_fixup`: the
//! copy that made it answers 1.

use core::arch::global_asm;

use super::vectors::{HEADER, LEGACY_BYTES, MAGIC_2, SOFTWARE};

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

    /// Write the extended vector state to the program as a signal frame has it. `mark`: the first word for software. 0, or 1 if a fault broke
    /// it off.
    ///
    /// # Safety
    /// `area` is a multiple of 64 in the program's half, `bytes + 4` before its end at least; XSAVE has these features, in so many bytes.
    #[link_name = "chitin_push_vectors"]
    pub fn push_vectors(area: usize, features: u64, mark: u64, bytes: usize) -> usize;

    /// Load it, if its markers are those that [`push_vectors`] writes. 0, or 1 if they are not, or a fault broke it off: the CPU's word that it
    /// is malformed is a fault too. In either case nothing was loaded.
    ///
    /// # Safety
    /// As [`push_vectors`]. The library uses no vector register.
    #[link_name = "chitin_pop_vectors"]
    pub fn pop_vectors(area: usize, features: u64, mark: u64, bytes: usize) -> usize;

    /// Write the vector state of a CPU without XSAVE. 0, or 1 if a fault broke it off.
    ///
    /// # Safety
    /// `area` is a multiple of 16 in the program's half, 512 bytes before its end at least.
    #[link_name = "chitin_push_legacy"]
    pub fn push_legacy(area: usize) -> usize;
}

global_asm!(
    ".pushsection .text.copies, \"ax\"",
    ".irp name, chitin_copy, chitin_load, chitin_exchange, chitin_push_vectors, chitin_pop_vectors, chitin_push_legacy, chitin_copy_begin, chitin_copy_end, chitin_copy_fixup",
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
    "jmp chitin_copy_end",
    // XSAVE leaves the words for software and most of the header as they are.
    "chitin_push_vectors:",
    "xor eax, eax",
    "mov [rdi + {software}], rdx",
    "mov [rdi + {software} + 8], rsi",
    "mov [rdi + {software} + 16], rcx",
    "mov [rdi + {software} + 24], rax",
    "mov [rdi + {software} + 32], rax",
    "mov [rdi + {software} + 40], rax",
    "mov [rdi + {header}], rax",
    "mov [rdi + {header} + 8], rax",
    "mov [rdi + {header} + 16], rax",
    "mov [rdi + {header} + 24], rax",
    "mov [rdi + {header} + 32], rax",
    "mov [rdi + {header} + 40], rax",
    "mov [rdi + {header} + 48], rax",
    "mov [rdi + {header} + 56], rax",
    "mov dword ptr [rdi + rcx], {magic}",
    "mov eax, esi",
    "mov rdx, rsi",
    "shr rdx, 32",
    "xsave64 [rdi]",
    "jmp chitin_copy_end",
    "chitin_pop_vectors:",
    "cmp [rdi + {software}], rdx",
    "jne chitin_copy_fixup",
    "cmp [rdi + {software} + 8], rsi",
    "jne chitin_copy_fixup",
    "cmp [rdi + {software} + 16], rcx",
    "jne chitin_copy_fixup",
    "cmp dword ptr [rdi + rcx], {magic}",
    "jne chitin_copy_fixup",
    "mov eax, esi",
    "mov rdx, rsi",
    "shr rdx, 32",
    "xrstor64 [rdi]",
    "jmp chitin_copy_end",
    "chitin_push_legacy:",
    "fxsave64 [rdi]",
    "chitin_copy_end:",
    "xor eax, eax",
    "ret",
    "chitin_copy_fixup:",
    "mov eax, 1",
    "ret",
    ".popsection",
    software = const SOFTWARE,
    header = const HEADER,
    magic = const MAGIC_2,
);
const _: () = assert!(HEADER == LEGACY_BYTES);
