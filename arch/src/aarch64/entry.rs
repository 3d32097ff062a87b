//! Between kernel and user mode: the vectors, `enter_user`, and the two paths that never reach Rust.
//!
//! Reasons: `SP_EL1` points at the loaded [`Context`] while user mode runs, so a trap has somewhere to put two registers without
//! touching the kernel's stack. A foreign `svc #0` and its `Return` are told from all else with those two, and answered on the spot.

use core::arch::{asm, global_asm};
use core::mem::offset_of;

use abi::{Call, UpcallPage};

use super::context::{BRANCH_TYPE, Context};
use super::cpu::PerCpu;
use super::trap;

global_asm!(
    r#"
.section .text.vectors, "ax"

// Speculation stops here: the barriers are never reached otherwise.
.macro return_to_user
    eret
    dsb nsh
    isb
.endm

// x0 to x29 without x16 and x17, which are stored first and loaded last.
.macro each_pair operation
    \operation x0, x1, [sp, #{X}]
    \operation x2, x3, [sp, #{X} + 2 * 8]
    \operation x4, x5, [sp, #{X} + 4 * 8]
    \operation x6, x7, [sp, #{X} + 6 * 8]
    \operation x8, x9, [sp, #{X} + 8 * 8]
    \operation x10, x11, [sp, #{X} + 10 * 8]
    \operation x12, x13, [sp, #{X} + 12 * 8]
    \operation x14, x15, [sp, #{X} + 14 * 8]
    \operation x18, x19, [sp, #{X} + 18 * 8]
    \operation x20, x21, [sp, #{X} + 20 * 8]
    \operation x22, x23, [sp, #{X} + 22 * 8]
    \operation x24, x25, [sp, #{X} + 24 * 8]
    \operation x26, x27, [sp, #{X} + 26 * 8]
    \operation x28, x29, [sp, #{X} + 28 * 8]
.endm

// extern "C" fn vectors(); the table that VBAR_EL1 points at (Arm ARM D1.3.1)
.balign 2048
.global vectors
vectors:
.macro vector target
    .balign 128
    b \target
.endm
    // From EL1: the kernel is broken.
    .rept 8
    vector broken
    .endr
    // From EL0 in AArch64 state: synchronous, IRQ, FIQ, SError. An SError has its syndrome in ESR_EL1 too.
    vector synchronous
    vector interrupt
    vector interrupt
    vector synchronous
    // From EL0 in AArch32 state, which no context can be in.
    .rept 4
    vector broken
    .endr

// 1. Take a stack that no one needs any more. 2. Report, which does not return.
broken:
    mrs x9, tpidr_el1
    ldr x9, [x9, #{CPU_STACK_TOP}]
    mov sp, x9
    b {report}

// Entered with all of user mode's registers; sp = the context.
// 1. Make two registers free. 2. Foreign syscall or `Return`: the short paths. 3. Else leave with the syndrome.
synchronous:
    stp x16, x17, [sp, #{X} + 16 * 8]
    mrs x16, esr_el1
    movz x17, #({SVC} >> 16), lsl #16
    sub x17, x16, x17
    cbz x17, foreign
    cmp x17, #{RETURN}
    b.eq return_call

// 1. Store what user mode had, except x16 and x17, which are stored. 2. Back to the kernel's stack. 3. Return the syndrome (x16) out of
// `enter_user`.
leave_user:
    each_pair stp
    mrs x17, sp_el0
    mrs x18, elr_el1
    mrs x19, spsr_el1
    stp x30, x17, [sp, #{X} + 30 * 8]
    stp x18, x19, [sp, #{PC}]
    mov x0, x16
    ldr x17, [sp, #{KERNEL_STACK}]
    mov sp, x17
    ldr x19, [sp, #16]
    ldp x29, x30, [sp], #32
    ret

interrupt:
    stp x16, x17, [sp, #{X} + 16 * 8]
    mov x16, #{INTERRUPT}
    b leave_user

// Entered with x16 = syndrome, x17 free. 1. Save pc, sp, flags, x16 and x17 in the upcall page. 2. Continue at the entry, whatever branch came
// before. No address of the kernel's stays in x16 or x17: they hold the upcall page's user address and the entry.
foreign:
    ldr x17, [sp, #{ENTRY}]
    cbz x17, leave_user
    ldr x16, [sp, #{UPCALL_PAGE}]
    mrs x17, elr_el1
    str x17, [x16, #{SAVED_PC}]
    mrs x17, sp_el0
    str x17, [x16, #{SAVED_SP}]
    mrs x17, spsr_el1
    str x17, [x16, #{SAVED_FLAGS}]
    and x17, x17, #~{BRANCH_TYPE}
    msr spsr_el1, x17
    ldr x17, [sp, #{X} + 16 * 8]
    str x17, [x16, #{SAVED_SCRATCH}]
    ldr x17, [sp, #{X} + 17 * 8]
    str x17, [x16, #{SAVED_SCRATCH} + 8]
    ldr x17, [sp, #{ENTRY}]
    msr elr_el1, x17
    mrs x16, tpidrro_el0
    return_to_user

// Entered with x16 = syndrome, x17 free. 1. Take pc, sp, flags, x16 and x17 from the upcall page. 2. Reduce the flags, which user mode
// wrote, to those that are its own (USER_FLAGS: three runs of zeros to clear). 3. Continue.
return_call:
    ldr x17, [sp, #{UPCALL_PAGE}]
    cbz x17, leave_user
    mov x16, x17
    ldr x17, [x16, #{SAVED_PC}]
    msr elr_el1, x17
    ldr x17, [x16, #{SAVED_SP}]
    msr sp_el0, x17
    ldr x17, [x16, #{SAVED_FLAGS}]
    and x17, x17, #0x00000000fffffc00
    and x17, x17, #~0x0e000000
    and x17, x17, #~0x00ffe000
    msr spsr_el1, x17
    ldp x16, x17, [x16, #{SAVED_SCRATCH}]
    return_to_user

// extern "C" fn enter_user(context: *mut Context) -> u64; returns the syndrome of the trap, clobbers everything but sp, x19, x29.
// 1. Leave a return path on the kernel's stack and that stack in the context. 2. Load user mode's registers. 3. Page-table entries written
// since the last trap are seen by the walker (dsb) before user mode may need them; eret does the rest (it is a context
// synchronisation event).
.global enter_user
enter_user:
    stp x29, x30, [sp, #-32]!
    str x19, [sp, #16]
    mov x1, sp
    str x1, [x0, #{KERNEL_STACK}]
    mov sp, x0
    ldp x18, x19, [sp, #{PC}]
    ldp x30, x17, [sp, #{X} + 30 * 8]
    msr elr_el1, x18
    msr spsr_el1, x19
    msr sp_el0, x17
    each_pair ldp
    ldp x16, x17, [sp, #{X} + 16 * 8]
    dsb ishst
    return_to_user

.arch_extension fp
.arch_extension simd
.macro each_vector operation
    add x1, x0, #{VECTORS}
    \operation {{v0.2d-v3.2d}}, [x1], #64
    \operation {{v4.2d-v7.2d}}, [x1], #64
    \operation {{v8.2d-v11.2d}}, [x1], #64
    \operation {{v12.2d-v15.2d}}, [x1], #64
    \operation {{v16.2d-v19.2d}}, [x1], #64
    \operation {{v20.2d-v23.2d}}, [x1], #64
    \operation {{v24.2d-v27.2d}}, [x1], #64
    \operation {{v28.2d-v31.2d}}, [x1], #64
.endm

// extern "C" fn save_vectors(context: *mut Context)
.global save_vectors
save_vectors:
    each_vector st1
    mrs x2, fpcr
    mrs x3, fpsr
    stp x2, x3, [x0, #{FLOATING}]
    ret

// extern "C" fn load_vectors(context: *const Context)
.global load_vectors
load_vectors:
    each_vector ld1
    ldp x2, x3, [x0, #{FLOATING}]
    msr fpcr, x2
    msr fpsr, x3
    ret
.arch_extension nosimd
.arch_extension nofp
"#,
    X = const offset_of!(Context, registers.x),
    PC = const offset_of!(Context, registers.pc),
    KERNEL_STACK = const offset_of!(Context, kernel_stack),
    ENTRY = const offset_of!(Context, syscall_entry),
    UPCALL_PAGE = const offset_of!(Context, upcall_page),
    VECTORS = const offset_of!(Context, vectors),
    FLOATING = const offset_of!(Context, floating_control),
    SAVED_PC = const offset_of!(UpcallPage, syscall.pc),
    SAVED_SP = const offset_of!(UpcallPage, syscall.sp),
    SAVED_FLAGS = const offset_of!(UpcallPage, syscall.flags),
    SAVED_SCRATCH = const offset_of!(UpcallPage, syscall.scratch),
    CPU_STACK_TOP = const offset_of!(PerCpu, stack_top),
    SVC = const trap::SVC,
    INTERRUPT = const trap::INTERRUPT,
    RETURN = const Call::Return as u16,
    BRANCH_TYPE = const BRANCH_TYPE,
    report = sym super::board::report_broken,
);

unsafe extern "C" {
    /// Store q0 to q31, FPCR and FPSR in a context.
    pub(super) fn save_vectors(context: *mut Context);
    /// Load q0 to q31, FPCR and FPSR from a context.
    pub(super) fn load_vectors(context: *const Context);
}

/// Run the loaded context until it traps; gives the syndrome.
///
/// # Safety
/// The context's address space is the loaded one, and what it maps for user mode is nothing that the kernel relies on.
#[inline(always)]
pub(super) unsafe fn enter_user(context: &mut Context) -> u64 {
    let syndrome;
    // SAFETY: `enter_user` restores sp, x19 and x29; everything else is declared as clobbered, so that the compiler keeps what it needs and
    // no more. The context is the only memory that is written, apart from user memory and the kernel's stack below sp.
    unsafe {
        asm!(
            "bl enter_user",
            inlateout("x0") core::ptr::from_mut(context) => syndrome,
            out("x1") _, out("x2") _, out("x3") _, out("x4") _, out("x5") _, out("x6") _, out("x7") _, out("x8") _, out("x9") _,
            out("x10") _, out("x11") _, out("x12") _, out("x13") _, out("x14") _, out("x15") _, out("x16") _, out("x17") _,
            out("x18") _, out("x20") _, out("x21") _, out("x22") _, out("x23") _, out("x24") _, out("x25") _, out("x26") _,
            out("x27") _, out("x28") _, out("x30") _,
        );
    }
    syndrome
}
