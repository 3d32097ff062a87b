//! The first instructions: the Linux image header, the first page tables, the MMU.
//!
//! The image is loaded at any 2 MiB boundary with the MMU off and x0 = the device tree (Linux, Documentation/arch/arm64/booting.rst).
//! Everything before the jump into the high half is position independent and uses addresses relative to the pc.

use core::arch::global_asm;

use aarch64_cpu::registers::TCR_EL1;

use super::memory::{IDENTITY, IDENTITY_LARGE, IMAGE_LARGE, IMAGE_SMALL, ROOT, TABLE};
use super::paging::{ATTRIBUTE_NORMAL, MAIR, encode_kernel};

/// Inner shareable, write-back walks of the user half.
const WALKS: u64 = TCR_EL1::SH0::Inner.value
    | TCR_EL1::IRGN0::WriteBack_ReadAlloc_WriteAlloc_Cacheable.value
    | TCR_EL1::ORGN0::WriteBack_ReadAlloc_WriteAlloc_Cacheable.value;

/// Both halves have 4 KiB pages (TG0 is 0) and the same walks, whose fields are 16 bits apart. The user half has 48 bits, the kernel's 39,
/// which saves a level. User mode's top byte is ignored, as Linux has it. The physical size is
/// added at boot.
const TCR: u64 = TCR_EL1::T0SZ.val(16).value
    | TCR_EL1::T1SZ.val(25).value
    | TCR_EL1::TG1::KiB_4.value
    | TCR_EL1::TBI0::Ignored.value
    | TCR_EL1::AS::ASID16Bits.value
    | WALKS
    | WALKS << 16;

/// Bits that are 1 wherever their feature is missing: LSMAOE, nTLSMD, SPAN, EIS, TSCXT, EOS.
const SCTLR_ONES: u64 = 1 << 29 | 1 << 28 | 1 << 23 | 1 << 22 | 1 << 20 | 1 << 11;

/// MMU, caches (I, C) and stack alignment checks (SA0, SA) on; SETEND and IT, which are AArch32's, disabled.
const SCTLR_KERNEL: u64 = SCTLR_ONES | 1 << 12 | 1 << 8 | 1 << 7 | 1 << 4 | 1 << 3 | 1 << 2 | 1;

/// User mode may maintain caches (UCI), wait (nTWE, nTWI), read CTR_EL0 (UCT) and zero cache lines (DZE).
const SCTLR: u64 = SCTLR_KERNEL | 1 << 26 | 1 << 18 | 1 << 16 | 1 << 15 | 1 << 14;

global_asm!(
    r#"
.section .head, "ax"

// The header: a branch, an offset of 0 from a 2 MiB boundary, the size in memory, "little-endian, 4 KiB pages, any 2 MiB boundary".
.global _head
_head:
    b boot
    nop
    .quad 0
    .quad __image_size
    .quad 0b1010
    .quad 0, 0, 0
    .ascii "ARM\x64"
    .long 0

// x0 = physical address of the device tree; MMU off, interrupts off, EL1 or EL2.
// 1. From EL2 drop to EL1, with nothing trapped. 2. Zero .bss, tables and stack, their stale cache lines gone first. 3. Identity
// blocks for the image and the device tree. 4. The image's pages, each with the rights of its segment; none for the stack's guard.
// 5. Translation on. 6. Into the high half, with a stack and vectors.
boot:
    msr daifset, #0xf
    ldr x1, ={SCTLR_ONES}
    msr sctlr_el1, x1
    mrs x1, currentel
    cmp x1, #2 << 2
    b.ne 2f
    mov x1, #1 << 31
    msr hcr_el2, x1
    mrs x1, midr_el1
    msr vpidr_el2, x1
    mrs x1, mpidr_el1
    msr vmpidr_el2, x1
    mov x1, #0b11
    msr cnthctl_el2, x1
    msr cntvoff_el2, xzr
    mov x1, #0x33ff
    msr cptr_el2, x1
    msr hstr_el2, xzr
    mrs x1, id_aa64pfr0_el1
    ubfx x1, x1, #24, #4
    cbz x1, 1f
    mov x1, #0b1111
    msr icc_sre_el2, x1
1:  mov x1, #0x3c5
    msr spsr_el2, x1
    adr x1, 2f
    msr elr_el2, x1
    eret

2:  isb
    adrp x1, __bss_start
    adrp x2, __image_end
3:  dc ivac, x1
    stp xzr, xzr, [x1], #16
    cmp x1, x2
    b.lo 3b

    adrp x1, _head
    adrp x2, {IDENTITY}
    adrp x3, {IDENTITY_LARGE}
    orr x4, x3, #{TABLE}
    str x4, [x2]
    ldr x5, ={IDENTITY_BLOCK}
    .irp address, x0, x1
    ubfx x6, \address, #30, #9
    orr x4, x5, x6, lsl #30
    str x4, [x3, x6, lsl #3]
    .endr

    adrp x3, {ROOT}
    adrp x4, {IMAGE_LARGE}
    adrp x5, {IMAGE_SMALL}
    orr x6, x4, #{TABLE}
    str x6, [x3, #511 * 8]
    orr x6, x5, #{TABLE}
    str x6, [x4]
    adrp x6, __text_end
    adrp x7, __rodata_end
    adrp x8, __stack_guard
    ldr x9, ={TEXT_PAGE}
    ldr x10, ={RODATA_PAGE}
    ldr x11, ={DATA_PAGE}
    mov x12, x1
    add x13, x1, #0x200000
4:  cmp x12, x6
    csel x14, x9, x10, lo
    cmp x12, x7
    csel x14, x14, x11, lo
    orr x14, x14, x12
    cmp x12, x8
    csel x14, xzr, x14, eq
    str x14, [x5], #8
    add x12, x12, #4096
    cmp x12, x13
    b.ne 4b

    msr ttbr0_el1, x2
    msr ttbr1_el1, x3
    ldr x2, ={MAIR}
    msr mair_el1, x2
    ldr x2, ={TCR}
    mrs x3, id_aa64mmfr0_el1
    and x4, x3, #0xf
    cmp x4, #5
    mov x5, #5
    csel x4, x4, x5, lo
    bfi x2, x4, #32, #3
    msr tcr_el1, x2
    dsb sy
    tlbi vmalle1
    ic iallu
    dsb sy
    isb
    ldr x2, ={SCTLR}
    msr sctlr_el1, x2
    isb

    ldr x2, ={per_cpu}
    msr tpidr_el1, x2
    ldr x2, =__stack_top
    mov sp, x2
    ldr x2, =vectors
    msr vbar_el1, x2
    ldr x2, ={start}
    br x2
.ltorg
"#,
    SCTLR_ONES = const SCTLR_ONES,
    SCTLR = const SCTLR,
    TCR = const TCR,
    MAIR = const MAIR,
    TABLE = const TABLE,
    IDENTITY_BLOCK = const encode_kernel(0, ATTRIBUTE_NORMAL, true, true, true),
    TEXT_PAGE = const encode_kernel(0, ATTRIBUTE_NORMAL, false, true, false),
    RODATA_PAGE = const encode_kernel(0, ATTRIBUTE_NORMAL, false, false, false),
    DATA_PAGE = const encode_kernel(0, ATTRIBUTE_NORMAL, true, false, false),
    ROOT = sym ROOT,
    IDENTITY = sym IDENTITY,
    IDENTITY_LARGE = sym IDENTITY_LARGE,
    IMAGE_LARGE = sym IMAGE_LARGE,
    IMAGE_SMALL = sym IMAGE_SMALL,
    per_cpu = sym super::cpu::FIRST_CPU,
    start = sym super::board::start,
);
