//! Copies from and to the program, which may fault.
//!
//! A fault that no region explains, at an instruction between `chitin_copy_begin` and `chitin_copy_end`, goes on at `chitin_copy_fixup`: the
//! copy that made it answers 1.

use core::arch::{asm, global_asm};

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
}

global_asm!(
    ".pushsection .text.copies, \"ax\"",
    ".irp name, chitin_copy, chitin_load, chitin_load_long, chitin_exchange, chitin_copy_begin, chitin_copy_end, chitin_copy_fixup",
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
    "chitin_copy_end:",
    "xor eax, eax",
    "ret",
    "chitin_copy_fixup:",
    "mov eax, 1",
    "ret",
    ".popsection",
);
