//! Between kernel and user mode: the vectors, `enter_user`, kernel calls, and the three paths that never reach Rust.
//!
//! Reasons: `SP_EL1` points at the loaded [`Context`] while user mode runs, so a trap has somewhere to put two registers without
//! touching the kernel's stack. A foreign `svc #0`, its `Return` and a load or store that a page refused are told from all else with those two, and answered
//! on the spot.

use core::arch::{asm, global_asm};
use core::cell::UnsafeCell;
use core::mem::offset_of;

use abi::{Call, UpcallPage};

use super::context::{BRANCH_TYPE, Context};
use crate::{FOREIGN, Handlers, LEFT, aarch64::trap};

global_asm!(
    r#"
.section .text.vectors, "ax"

// Speculation stops here: the barriers are never reached otherwise.
.macro return_to_user
    eret
    dsb nsh
    isb
.endm

// With .altmacro, `%` computes an argument.
.altmacro
.macro four operation, first, last
    \operation {{v\first\().2d-v\last\().2d}}, [x2], #64
.endm
// Load or store each two of these registers, in the context that sp points at.
.macro pairs operation, first, second, others:vararg
    \operation x\first, x\second, [sp, #{X} + 8 * \first]
    .ifnb \others
    pairs \operation, \others
    .endif
.endm
.macro each_vector operation
    add x2, x0, #{VECTORS}
    .irp first, 0, 4, 8, 12, 16, 20, 24, 28
    four \operation, \first, %\first + 3
    .endr
.endm

// extern "C" fn vectors(); the table that VBAR_EL1 points at (Arm ARM D1.3.1)
.balign 2048
.global vectors
vectors:
    // Eight from EL1: the kernel is broken. Four from EL0 in AArch64 state: synchronous, IRQ, FIQ, SError (which has its syndrome in
    // ESR_EL1 too). Four from EL0 in AArch32 state, which no context can be in.
.irp target, halt, halt, halt, halt, halt, halt, halt, halt, synchronous, interrupt, interrupt, synchronous, halt, halt, halt, halt
    .balign 128
    b \target
.endr

// 1. Take a stack that no one needs any more. 2. Report, which does not return.
halt:
    mrs x9, tpidr_el1
    mov sp, x9
    b {report}

// Entered with all of user mode's registers; sp = the context.
// 1. Make two registers free. 2. Foreign syscall, `Return`, or a page that refused: the short paths. 3. No kernel call: leave with the syndrome.
// 4. A number that no call has is 0, which none has.
synchronous:
    stp x16, x17, [sp, #{X} + 16 * 8]
    mrs x16, esr_el1
    movz x17, #({SVC} >> 16), lsl #16
    sub x17, x16, x17
    cbz x17, foreign
    cmp x17, #{RETURN}; b.eq return_call
    tbnz x16, #31, abort
    cmp x17, #{FOREIGN}; b.lo call
    cmp x17, #16, lsl #12; b.hs leave_user
    mov x17, xzr

// Entered with x17 = number. 1. Store what a function may change, but for x0 and x1; elr_el1 and spsr_el1 stay as they are. 2. Call the handler:
// the arguments are where they are. 3. If the caller goes on, load that again; x0 and x1 are the answer. 4. If it is left, store the rest. Go on with
// the next context, if there is one (`go_on`), or with the kernel, as `leave_user` does.
call:
    pairs stp, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 18, 19
    mrs x16, sp_el0; stp x30, x16, [sp, #{X} + 30 * 8]
    ldr x16, [sp, #{KERNEL_STACK}]; mov sp, x16
    ldp x6, x16, [sp, #32]
    ldr x16, [x16, x17, lsl #3]; blr x16
    ldr x16, [sp, #24]; mov x17, sp; mov sp, x16
    cmp x0, #{LEFT}; b.ge 1f
    ldr x30, [sp, #{X} + 30 * 8]
    pairs ldp, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19
    dsb ishst
    return_to_user
1:  mov x16, #{CALL}; b.ne 3f
    pairs stp, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29
    cbz x1, 2f
    mrs x18, elr_el1; mrs x19, spsr_el1; stp x18, x19, [sp, #{PC}]
    str x1, [x17, #24]; str x17, [x1, #{KERNEL_STACK}]
    mov sp, x1
go_on:
    ldp x18, x19, [sp, #{PC}]; msr elr_el1, x18; msr spsr_el1, x19
    ldp x30, x17, [sp, #{X} + 30 * 8]; msr sp_el0, x17
    pairs ldp, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29
    dsb ishst
    return_to_user

// 1. Store what user mode had, except x16 and x17, which are stored. 2. Back to the kernel's stack. 3. Return the syndrome (x16) out of
// `enter_user`.
leave_user:
    pairs stp, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29
    mrs x17, sp_el0; stp x30, x17, [sp, #{X} + 30 * 8]
2:  mrs x18, elr_el1; mrs x19, spsr_el1; stp x18, x19, [sp, #{PC}]
3:  mov x0, x16
    ldr x17, [sp, #{KERNEL_STACK}]; mov sp, x17
    ldp x19, x1, [sp, #16]
    ldp x29, x30, [sp], #48
    ret

interrupt:
    stp x16, x17, [sp, #{X} + 16 * 8]
    mov x16, #{INTERRUPT}
    b leave_user

// Entered with x16 = syndrome, x17 free. 1. Save pc, sp, flags, x16 and x17 in the upcall page. 2. Continue at the entry, whatever branch
// came before. No address of the kernel's stays in x16 or x17: they hold what was in x17 and the upcall page's user address. Without an entry
// it is a kernel call that is none: see `Handler`.
foreign:
    ldr x17, [sp, #{ENTRY}]; cbz x17, 2f
    mrs x16, elr_el1; msr elr_el1, x17
    ldr x17, [sp, #{UPCALL_PAGE}]
reflect:
    str x16, [x17, #{SAVED_PC}]
    mrs x16, sp_el0; str x16, [x17, #{SAVED_SP}]
    mrs x16, spsr_el1; str x16, [x17, #{SAVED_FLAGS}]
    and x16, x16, #~{BRANCH_TYPE}; msr spsr_el1, x16
    ldr x16, [sp, #{X} + 16 * 8]; str x16, [x17, #{SAVED_SCRATCH}]
    ldr x16, [sp, #{X} + 17 * 8]; str x16, [x17, #{SAVED_SCRATCH} + 8]
    mrs x17, tpidrro_el0
    return_to_user
2:  mov x17, #{FOREIGN}; b call

// Entered with x16 = syndrome, x17 free. 1. Is it a data abort? Did a page refuse a load or store (the status code says so by two bits; CM, cache maintenance, is
// unset), and does the library, which has an entry for faults, handle none? 2. Tell it in the upcall page, as `trap::decode` has it; WnR
// says which it was. 3. On as for a foreign syscall, with the state in the other place.
abort:
    lsr x17, x16, #26; cmp x17, #{DATA_ABORT}; b.ne leave_user
    tst x16, #{NO_MATTER_OF_RIGHTS}; b.ne leave_user; tbnz x16, #{MAINTENANCE}, leave_user
    ldr x17, [sp, #{FAULT_ENTRY}]; cbz x17, leave_user
    ldr x17, [sp, #{UPCALL_PAGE}]
    ldr x16, [x17, #{FAULT_ACTIVE}]; cbnz x16, 3f
    mov x16, #1; str x16, [x17, #{FAULT_ACTIVE}]
    mrs x16, esr_el1; str x16, [x17, #{CODE}]
    ubfx x16, x16, #{WRITE}, #1; add x16, x16, #1; str x16, [x17, #{KIND}]
    mrs x16, far_el1; sbfx x16, x16, #0, #56; str x16, [x17, #{ADDRESS}]
    mrs x16, elr_el1
    ldr x17, [sp, #{FAULT_ENTRY}]; msr elr_el1, x17
    ldr x17, [sp, #{UPCALL_PAGE}]; add x17, x17, #{FAULT}
    b reflect
3:  mrs x16, esr_el1; b leave_user

// Entered with x16 = syndrome, x17 free. 1. From a fault, which then is over, or from a foreign syscall? 2. Take pc, sp, flags, x16 and x17
// from the upcall page. 3. Reduce the flags, which user mode wrote, to those that are its own (USER_FLAGS: three runs of zeros to
// clear). 4. Continue. Without a page it is call 0, which there is not either.
return_call:
    ldr x17, [sp, #{UPCALL_PAGE}]; cbz x17, call
    ldr x16, [x17, #{FAULT_ACTIVE}]; cbz x16, 2f
    str xzr, [x17, #{FAULT_ACTIVE}]; add x17, x17, #{FAULT}
2:  ldr x16, [x17, #{SAVED_PC}]; msr elr_el1, x16
    ldr x16, [x17, #{SAVED_SP}]; msr sp_el0, x16
    ldr x16, [x17, #{SAVED_FLAGS}]
    and x16, x16, #0x00000000fffffc00
    and x16, x16, #~0x0e000000
    and x16, x16, #~0x00ffe000
    msr spsr_el1, x16
    ldp x16, x17, [x17, #{SAVED_SCRATCH}]
    return_to_user

// extern "C" fn enter_user(context: *mut Context, kernel: *mut K, calls: &Handlers<K>) -> (u64, *mut Context); returns the syndrome of the trap and
// whose it is, clobbers everything but sp, x19, x29.
// 1. Leave a return path on the kernel's stack, what kernel calls need behind it, and that stack in the context. 2. At `go_on`, load user mode's registers.
// 3. Page-table entries written since the last trap are seen by the walker (dsb) before user mode may need them; eret does the rest (it is a context
// synchronisation event).
.global enter_user
enter_user:
    stp x29, x30, [sp, #-48]!; stp x19, x0, [sp, #16]; stp x1, x2, [sp, #32]
    mov x1, sp; str x1, [x0, #{KERNEL_STACK}]
    mov sp, x0
    b go_on

.arch_extension simd
// extern "C" fn store_vectors(context: *mut Context)
.global store_vectors
store_vectors:
    each_vector st1
    mrs x2, fpcr; mrs x3, fpsr; stp x2, x3, [x0, #{FLOATING}]
    ret

// extern "C" fn load_vectors(context: *const Context)
.global load_vectors
load_vectors:
    each_vector ld1
    ldp x2, x3, [x0, #{FLOATING}]; msr fpcr, x2; msr fpsr, x3
    ret
.arch_extension nofp
"#,
    X = const offset_of!(Context, registers.x), PC = const offset_of!(Context, registers.pc),
    KERNEL_STACK = const offset_of!(Context, kernel_stack), ENTRY = const offset_of!(Context, syscall_entry),
    UPCALL_PAGE = const offset_of!(Context, upcall_page),
    VECTORS = const offset_of!(Context, vectors), FLOATING = const offset_of!(Context, floating_control),
    FAULT_ENTRY = const offset_of!(Context, fault_entry), FAULT_ACTIVE = const offset_of!(UpcallPage, fault_active),
    KIND = const offset_of!(UpcallPage, kind), ADDRESS = const offset_of!(UpcallPage, address), CODE = const offset_of!(UpcallPage, code),
    DATA_ABORT = const trap::DATA_ABORT, WRITE = const 6, MAINTENANCE = const 8, NO_MATTER_OF_RIGHTS = const 0x30,
    FAULT = const offset_of!(UpcallPage, fault) - offset_of!(UpcallPage, syscall),
    SAVED_PC = const offset_of!(UpcallPage, syscall.pc), SAVED_SP = const offset_of!(UpcallPage, syscall.sp),
    SAVED_FLAGS = const offset_of!(UpcallPage, syscall.flags), SAVED_SCRATCH = const offset_of!(UpcallPage, syscall.scratch),
    SVC = const trap::SVC, INTERRUPT = const trap::INTERRUPT, RETURN = const Call::Return as u16, BRANCH_TYPE = const BRANCH_TYPE,
    CALL = const trap::CALL, LEFT = const LEFT, FOREIGN = const FOREIGN, report = sym super::board::report_broken,
);

unsafe extern "C" {
    /// Store q0 to q31, FPCR and FPSR in a context.
    pub(super) fn store_vectors(context: *mut Context);
    /// Load them from there.
    pub(super) fn load_vectors(context: *const Context);
}

/// Run the loaded context until it, or one that its calls turned to, traps, and have their kernel calls answered; gives the syndrome, and the one that trapped.
///
/// # Safety
/// The context's address space is the loaded one, and what it maps for user mode is nothing that the kernel relies on.
#[inline(always)]
pub(super) unsafe fn enter_user<K>(context: &UnsafeCell<Context>, kernel: &mut K, calls: &Handlers<K>) -> (u64, *mut Context) {
    let (syndrome, stopped);
    // SAFETY: `enter_user` restores sp, x19 and x29; everything else is declared as clobbered, so that the compiler keeps what it needs and
    // no more. The context is the only memory that is written, apart from user memory, the kernel's stack below sp, and what `calls` write, which
    // have the kernel for itself.
    unsafe {
        asm!(
            "bl enter_user",
            inlateout("x0") context.get() => syndrome, inlateout("x1") core::ptr::from_mut(kernel) => stopped, in("x2") calls,
            out("x20") _, out("x21") _, out("x22") _, out("x23") _, out("x24") _, out("x25") _, out("x26") _, out("x27") _, out("x28") _,
            clobber_abi("C"),
        );
    }
    (syndrome, stopped)
}
