//! Copies from and to the program, which may fault.
//!
//! A fault that no region explains, at an instruction between `chitin_copy_begin` and `chitin_copy_end`, goes on at `chitin_copy_fixup`: the
//! copy that made it answers 1.

use core::arch::{asm, global_asm};

use super::vectors::{HEADER, LEGACY_BYTES, MAGIC_2, SOFTWARE};

/// Copy `length` bytes; gives 0, or 1 if a fault broke it off.
///
/// # Safety
/// The side that is not the program's is valid for `length` bytes.
#[inline(always)]
pub unsafe fn copy(to: *mut u8, from: *const u8, length: usize) -> usize {
    let refused: usize;
    // SAFETY: the caller's promise. A call that changes few registers, so that its callers, most of them short, need not keep theirs.
    unsafe {
        asm!(
            "call chitin_copy",
            inout("rdi") to => _,
            inout("rsi") from => _,
            inout("rdx") length => _,
            out("rcx") _,
            out("rax") refused,
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
    unsafe { asm!("call chitin_load", in("rdi") word, out("rax") refused, out("rdx") found, options(readonly)) };
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
    unsafe { asm!("call chitin_load_long", in("rdi") word, out("rax") refused, out("rdx") found, options(readonly)) };
    (refused == 0).then_some(found)
}

/// Where the library goes on whose access to the program's memory at `pc` is refused.
#[must_use]
pub fn fixup(pc: u64) -> Option<u64> {
    let [begin, end, fixup] = [&raw const COPY_BEGIN, &raw const COPY_END, &raw const COPY_FIXUP].map(|place| place as u64);
    (begin..end).contains(&pc).then_some(fixup)
}

unsafe extern "C" {
    #[link_name = "chitin_copy_begin"]
    static COPY_BEGIN: u8;
    #[link_name = "chitin_copy_end"]
    static COPY_END: u8;
    #[link_name = "chitin_copy_fixup"]
    static COPY_FIXUP: u8;

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
    ".irp name, chitin_copy, chitin_load, chitin_load_long, chitin_exchange, chitin_push_vectors, chitin_pop_vectors, chitin_push_legacy, chitin_copy_begin, chitin_copy_end, chitin_copy_fixup",
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
    "xor eax, eax",
    "ret",
    "chitin_load:",
    "mov edx, [rdi]",
    "xor eax, eax",
    "ret",
    "chitin_load_long:",
    "mov rdx, [rdi]",
    "xor eax, eax",
    "ret",
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
