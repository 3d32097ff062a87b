//! The first instructions: the Linux image header, the first page tables, the MMU.
//!
//! The image is loaded at any 2 MiB boundary with the MMU off and x0 = the device tree (Linux, Documentation/arch/arm64/booting.rst).
//! Everything before the jump into the high half is position independent and uses addresses relative to the pc.

use core::arch::global_asm;

use aarch64_cpu::registers::TCR_EL1;

use super::memory::{IDENTITY, IMAGE_LARGE, IMAGE_SMALL, ROOT};
use crate::aarch64::paging::{ATTRIBUTE_NORMAL, MAIR, TABLE, encode_kernel};

/// 39 bits of addresses, which saves a level, walked in inner shareable write-back memory: the fields of one half.
const HALF: u64 = TCR_EL1::T0SZ.val(25).value
    | TCR_EL1::SH0::Inner.value
    | TCR_EL1::IRGN0::WriteBack_ReadAlloc_WriteAlloc_Cacheable.value
    | TCR_EL1::ORGN0::WriteBack_ReadAlloc_WriteAlloc_Cacheable.value;

/// Both halves have 4 KiB pages (TG0 is 0); their other fields are 16 bits apart. User mode's half gets its 48 bits when the identity map
/// is gone; its top byte is ignored, as Linux has it. The physical size is the CPU's, added
/// at boot; what is more than 48 bits means 48 with 4 KiB pages.
const TCR: u64 = HALF | HALF << 16 | TCR_EL1::TG1::KiB_4.value | TCR_EL1::TBI0::Ignored.value | TCR_EL1::AS::ASID16Bits.value;

/// Bits that are 1 wherever their feature is missing: LSMAOE, nTLSMD, SPAN, EIS, TSCXT, EOS.
const SCTLR_ONES: u64 = 1 << 29 | 1 << 28 | 1 << 23 | 1 << 22 | 1 << 20 | 1 << 11;

/// MMU, caches (I, C) and stack alignment checks (SA0, SA) on; SETEND and IT, which are AArch32's, disabled. User mode may maintain caches
/// (UCI), wait (nTWE, nTWI), read CTR_EL0 (UCT) and zero cache lines (DZE).
const SCTLR: u64 = SCTLR_ONES | 1 << 26 | 1 << 18 | 1 << 16 | 1 << 15 | 1 << 14 | 1 << 12 | 1 << 8 | 1 << 7 | 1 << 4 | 1 << 3 | 1 << 2 | 1;

global_asm!(
    r#"
.section .head, "ax"

// The header: a branch, an offset of 0 from a 2 MiB boundary, the size in memory, "little-endian, 4 KiB pages, any 2 MiB boundary".
.global _head
_head:
    b boot
    nop
    .quad 0, __image_size, 0b1010, 0, 0, 0
    .ascii "ARM\x64\0\0\0\0"

.macro set register, value
    ldr x3, =\value
    msr \register, x3
.endm

// Map the pages from x1 up to `end`, with entries from x5 on.
.macro pages end, word
    adrp x6, \end
    ldr x7, =\word
4:  orr x8, x7, x1
    str x8, [x5], #8
    add x1, x1, #4096
    cmp x1, x6
    b.lo 4b
.endm

// x0 = physical address of the device tree, kept for `start`; MMU off, interrupts off, EL1 or EL2.
// 1. From EL2 drop to EL1, with nothing trapped. 2. Zero .bss, tables and stack, their stale cache lines gone first. 3. Identity
// blocks for the image and the device tree. 4. The image's pages, each with the rights of its segment; none for the stack's guard.
// 5. Translation on. 6. Into the high half, with a stack and vectors.
boot:
    set sctlr_el1, {SCTLR_ONES}
    mrs x1, currentel
    cmp x1, #2 << 2
    b.ne 2f
    set hcr_el2, 1 << 31
    mrs x1, midr_el1; msr vpidr_el2, x1
    mrs x1, mpidr_el1; msr vmpidr_el2, x1
    set cnthctl_el2, 0b11
    msr cntvoff_el2, xzr
    set cptr_el2, 0x33ff
    msr hstr_el2, xzr
    mrs x1, id_aa64pfr0_el1; ubfx x1, x1, #24, #4
    cbz x1, 1f
    set icc_sre_el2, 0b1111
1:  set spsr_el2, 0x3c5
    adr x1, 2f; msr elr_el2, x1
    eret

2:  isb
    adrp x1, __bss_start
    adrp x2, __image_end
3:  dc ivac, x1; stp xzr, xzr, [x1], #16
    cmp x1, x2; b.lo 3b

    adrp x1, _head
    adrp x2, {IDENTITY}; msr ttbr0_el1, x2
    ldr x3, ={IDENTITY_BLOCK}
    .irp address, x0, x1
    ubfx x4, \address, #30, #9
    orr x5, x3, x4, lsl #30
    str x5, [x2, x4, lsl #3]
    .endr

    adrp x2, {ROOT}; msr ttbr1_el1, x2
    adrp x4, {IMAGE_LARGE}; orr x6, x4, #{TABLE}; str x6, [x2, #511 * 8]
    adrp x5, {IMAGE_SMALL}; orr x6, x5, #{TABLE}; str x6, [x4]
    pages __text_end, {TEXT_PAGE}
    pages __rodata_end, {RODATA_PAGE}
    pages __stack_guard, {DATA_PAGE}
    pages __stack, 0
    pages __window_end, {DATA_PAGE}

    set mair_el1, {MAIR}
    ldr x2, ={TCR}
    mrs x3, id_aa64mmfr0_el1; bfi x2, x3, #32, #3
    msr tcr_el1, x2
    dsb sy; tlbi vmalle1; ic iallu; dsb sy; isb
    set sctlr_el1, {SCTLR}
    isb

    // What each CPU has of its own: the top of its kernel stack.
    set tpidr_el1, __stack_top
    mov sp, x3
    set vbar_el1, vectors
    ldr x2, ={start}
    br x2
.ltorg
"#,
    SCTLR_ONES = const SCTLR_ONES, SCTLR = const SCTLR, TCR = const TCR, MAIR = const MAIR, TABLE = const TABLE,
    IDENTITY_BLOCK = const encode_kernel(0, ATTRIBUTE_NORMAL, true, true, true),
    TEXT_PAGE = const encode_kernel(0, ATTRIBUTE_NORMAL, false, true, false),
    RODATA_PAGE = const encode_kernel(0, ATTRIBUTE_NORMAL, false, false, false),
    DATA_PAGE = const encode_kernel(0, ATTRIBUTE_NORMAL, true, false, false),
    ROOT = sym ROOT, IDENTITY = sym IDENTITY, IMAGE_LARGE = sym IMAGE_LARGE, IMAGE_SMALL = sym IMAGE_SMALL,
    start = sym super::board::start,
);
