//! Copies from and to the program, which may fault.
//!
//! A fault that no region explains, at an instruction between `chitin_copy_begin` and `chitin_copy_end`, goes on at `chitin_copy_fixup`: the
//! copy that made it answers 1. Between `chitin_wide_begin` and `chitin_wide_end` it goes on at `chitin_wide_fixup`.
//!
//! Long copies go through AVX's registers where there are such, which are the program's: they are kept on the stack meanwhile, and given back in
//! either case.

use core::arch::{asm, global_asm};
use core::sync::atomic::{AtomicBool, Ordering};

/// Bytes from which on a copy is long: those that are kept and given back cost less than what it saves.
const LONG: usize = 768;

/// Whether AVX's registers may be used.
static HAS_WIDE: AtomicBool = AtomicBool::new(false);

/// The kernel has these parts of the vector state enabled (`XCR0`).
pub fn note_features(features: u64) {
    const SSE_AND_AVX: u64 = 0b110;
    // Wider registers, whose upper halves a load of the lower ones clears.
    const AVX_512: u64 = 0b1110_0000;
    HAS_WIDE.store(features & (SSE_AND_AVX | AVX_512) == SSE_AND_AVX, Ordering::Relaxed);
}

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
    ".pushsection .text.copies, \"ax\"",
    ".irp name, chitin_copy, chitin_load, chitin_load_long, chitin_exchange, chitin_copy_begin, chitin_copy_end, chitin_copy_fixup, chitin_wide_begin, chitin_wide_end, chitin_wide_fixup",
    ".globl \\name",
    ".hidden \\name",
    ".endr",
    // 1. Long ones: 256 bytes at a time, and what is left as below.
    // 2. 8 at a time; 1.
    "chitin_copy:",
    "cmp rdx, {long}",
    "jb chitin_copy_begin",
    "cmp byte ptr [rip + {has_wide}], 0",
    "je chitin_copy_begin",
    "sub rsp, 256",
    ".irp number, 0, 1, 2, 3, 4, 5, 6, 7",
    "vmovups [rsp + 32 * \\number], ymm\\number",
    ".endr",
    "mov rcx, rdx",
    "and rcx, -256",
    "add rdi, rcx",
    "add rsi, rcx",
    "neg rcx",
    "chitin_wide_begin:",
    ".irp number, 0, 1, 2, 3, 4, 5, 6, 7",
    "vmovups ymm\\number, [rsi + rcx + 32 * \\number]",
    ".endr",
    ".irp number, 0, 1, 2, 3, 4, 5, 6, 7",
    "vmovups [rdi + rcx + 32 * \\number], ymm\\number",
    ".endr",
    "add rcx, 256",
    "jnz chitin_wide_begin",
    "chitin_wide_end:",
    ".irp number, 0, 1, 2, 3, 4, 5, 6, 7",
    "vmovups ymm\\number, [rsp + 32 * \\number]",
    ".endr",
    "add rsp, 256",
    "and edx, 255",
    "chitin_copy_begin:",
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
    "chitin_wide_fixup:",
    ".irp number, 0, 1, 2, 3, 4, 5, 6, 7",
    "vmovups ymm\\number, [rsp + 32 * \\number]",
    ".endr",
    "add rsp, 256",
    "chitin_copy_fixup:",
    "mov eax, 1",
    "ret",
    ".popsection",
    long = const LONG,
    has_wide = sym HAS_WIDE,
);
