//! aarch64.

use core::arch::{asm, naked_asm};

use abi::{FaultKind, Registers};

use super::{Instruction, Vector};

/// The counter that `wait` deadlines count in.
#[must_use]
#[inline(always)]
pub fn ticks() -> u64 {
    let count;
    // SAFETY: reading the counter changes nothing.
    unsafe { asm!("isb", "mrs {}, cntvct_el0", out(reg) count, options(nomem, nostack)) };
    count
}

/// Registers with which a function that takes two words starts on a stack that ends at `top`.
#[must_use]
pub fn start(function: u64, top: u64, arguments: [u64; 2]) -> Registers {
    let mut registers = Registers { pc: function, sp: top, ..Registers::default() };
    registers.x[..2].copy_from_slice(&arguments);
    registers
}

/// Set the word that a function that has just been called will have answered.
pub fn set_answer(registers: &mut Registers, value: u64) {
    registers.x[0] = value;
}

/// Length of the instruction of [`foreign`]: what its pc is beyond its own address.
pub const FOREIGN_LENGTH: u64 = 4;

/// A foreign syscall: `number` in x8, one argument. Gives x0.
#[must_use]
pub fn foreign(number: u64, argument: u64) -> u64 {
    let answer;
    // SAFETY: it reaches the upcall entry of this context or ends it; the entry keeps all registers but x0.
    unsafe { asm!("svc #0", inlateout("x0") argument => answer, in("x8") number) };
    answer
}

/// A foreign syscall and no more.
#[inline(always)]
pub fn foreign_call() {
    // SAFETY: as in `foreign`.
    unsafe { asm!("svc #0", out("x0") _, in("x8") 172u64) };
}

/// The ticks that a loop of two instructions takes, `count` times.
#[must_use]
pub fn known_loop(count: u64) -> u64 {
    let start = ticks();
    // SAFETY: the loop changes its own register only.
    unsafe { asm!("2: subs {0}, {0}, #1", "b.ne 2b", inout(reg) count => _, options(nomem, nostack)) };
    ticks() - start
}

/// A syscall with any stack pointer: a null call of the kernel if `number` is [`call_number`]'s, else foreign; gives x0.
///
/// # Safety
/// The syscall is one that may be made.
#[unsafe(naked)]
pub unsafe extern "C" fn syscall_with_stack(stack: u64, number: u64) -> u64 {
    // 1. The stack pointer is kept in a register that neither the kernel nor the upcall entry touches.
    // 2. The syscall is made with the one that was asked for.
    naked_asm!("mov x9, sp", "mov sp, x0", "mov x8, x1", "cbz x1, 2f", "svc #1", "b 3f", "2: svc #0", "3: mov sp, x9", "ret")
}

/// An undefined instruction with any stack pointer, for the sake of the fault.
#[unsafe(naked)]
pub extern "C" fn fault_with_stack(stack: u64) {
    naked_asm!("mov sp, x0", "udf #0")
}

/// Count down from 2^25, more than a slice takes, with any stack pointer.
#[unsafe(naked)]
pub extern "C" fn spin_with_stack(stack: u64) {
    naked_asm!("mov x9, sp", "mov sp, x0", "mov w10, #0x2000000", "2: subs w10, w10, #1", "b.ne 2b", "mov sp, x9", "ret")
}

/// A kernel call with condition flags of the program's making; gives x0. The call is `page_alloc`.
///
/// # Safety
/// The call is one that may be made.
#[unsafe(naked)]
pub unsafe extern "C" fn call_with_flags(arguments: &[u64; 4], number: u64, flags: u64) -> u64 {
    // 1. The flags are set, and the arguments go to where the kernel looks for them.
    // 2. The call is made.
    naked_asm!(
        "msr nzcv, x2",
        "ldp x2, x3, [x0, #16]",
        "ldp x0, x1, [x0]",
        "svc #{alloc}",
        "ret",
        alloc = const abi::Call::PageAlloc as u16
    )
}

/// Flags that a program may set.
pub const TROUBLESOME_FLAGS: [u64; 2] = [0xf000_0000, 0];

/// What tells [`syscall_with_stack`] to make a kernel call: the null call is the one it makes.
#[must_use]
pub fn call_number(call: abi::Call) -> u64 {
    call as u64
}

/// Go to an address.
pub fn jump(address: u64) {
    // SAFETY: an attempt that is expected to fault at the address.
    unsafe { asm!("blr {}", in(reg) address, clobber_abi("C")) };
}

/// Set the thread's base register.
pub fn set_tls(value: u64) -> bool {
    // SAFETY: nothing here uses thread-local storage.
    unsafe { asm!("msr tpidr_el0, {}", in(reg) value, options(nostack)) };
    true
}

/// The thread's base register.
#[must_use]
pub fn tls() -> u64 {
    let value;
    // SAFETY: reading the register changes nothing.
    unsafe { asm!("mrs {}, tpidr_el0", out(reg) value, options(nostack)) };
    value
}

/// Fill all vector registers: each with `seed` plus its number, in both halves.
pub fn fill_vectors(seed: u64) {
    let mut vectors: [Vector; 32] = [[0; 2]; 32];
    for (index, vector) in vectors.iter_mut().enumerate() {
        *vector = [seed + index as u64; 2];
    }
    macro_rules! load {
        ($($register:literal)*) => {
            // SAFETY: this program is compiled without vector registers, so nobody else uses them.
            unsafe {
                asm!(
                    ".arch_extension fp", ".arch_extension simd",
                    $(concat!("ldr q", $register, ", [{0}, #16 * ", $register, "]")),*,
                    ".arch_extension nosimd", ".arch_extension nofp",
                    in(reg) vectors.as_ptr(), options(nostack)
                )
            }
        };
    }
    load!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31);
}

/// Whether all vector registers still are as [`fill_vectors`] left them.
#[must_use]
pub fn vectors_are(seed: u64) -> bool {
    vectors().iter().enumerate().all(|(index, vector)| *vector == [seed + index as u64; 2])
}

/// Whether all vector registers are zero, as a new context's are.
#[must_use]
pub fn vectors_are_zero() -> bool {
    vectors() == [[0; 2]; 32]
}

fn vectors() -> [Vector; 32] {
    let mut vectors: [Vector; 32] = [[0; 2]; 32];
    macro_rules! store {
        ($($register:literal)*) => {
            // SAFETY: the array has room for all thirty-two.
            unsafe {
                asm!(
                    ".arch_extension fp", ".arch_extension simd",
                    $(concat!("str q", $register, ", [{0}, #16 * ", $register, "]")),*,
                    ".arch_extension nosimd", ".arch_extension nofp",
                    in(reg) vectors.as_mut_ptr(), options(nostack)
                )
            }
        };
    }
    store!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31);
    vectors
}

/// Code for `fn() -> u32` that answers `value`.
#[must_use]
pub fn answering_code(value: u16) -> [u8; 8] {
    // mov w0, #value; ret
    let words = [0x5280_0000 | u32::from(value) << 5, 0xd65f_03c0u32];
    let mut code = [0; 8];
    code[..4].copy_from_slice(&words[0].to_le_bytes());
    code[4..].copy_from_slice(&words[1].to_le_bytes());
    code
}

/// An undefined instruction, for who steps over it.
#[inline(always)]
pub fn undefined_instruction() {
    // SAFETY: it traps and changes nothing; a handler steps over it or ends the program.
    unsafe { core::arch::asm!("udf #0", options(nomem, nostack)) };
}

/// Go on after an undefined instruction, or that of [`registers_survive_undefined`].
pub fn skip_undefined(registers: &mut Registers) {
    registers.pc += 4;
}

/// Whether all general registers are the same after a fault that [`skip_undefined`] handles: each holds `seed` plus its number.
#[must_use]
pub fn registers_survive_undefined(seed: u64) -> bool {
    survive_undefined(seed) == 0
}

macro_rules! with_registers {
    ($($before:literal)* ; $($fill:literal)* ; $($check:literal)* ; $($after:literal)*) => {
        naked_asm!(
            $($before,)*
            $(concat!("add x", $fill, ", x0, #", $fill),)*
            "cmp x0, x0",
            "udf #0",
            "b.ne 2f",
            $(concat!("sub x", $check, ", x", $check, ", x0"), concat!("cmp x", $check, ", #", $check), "b.ne 2f",)*
            "mov x0, #0",
            "b 3f",
            "2: mov x0, #1",
            "3:",
            $($after),*
        )
    };
}

#[unsafe(naked)]
extern "C" fn survive_undefined(_: u64) -> u64 {
    // 1. Fill all registers but x0 and sp, and the flags. 2. Fault. 3. Subtract what they held from each and compare what is left.
    with_registers!(
        "stp x29, x30, [sp, #-96]!" "stp x19, x20, [sp, #16]" "stp x21, x22, [sp, #32]" "stp x23, x24, [sp, #48]"
        "stp x25, x26, [sp, #64]" "stp x27, x28, [sp, #80]" ;
        1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 ;
        1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 ;
        "ldp x19, x20, [sp, #16]" "ldp x21, x22, [sp, #32]" "ldp x23, x24, [sp, #48]" "ldp x25, x26, [sp, #64]"
        "ldp x27, x28, [sp, #80]" "ldp x29, x30, [sp], #96" "ret"
    )
}

macro_rules! instruction {
    ($name:ident, $($code:literal),+) => {
        #[unsafe(naked)]
        extern "C" fn $name(_: u64) {
            naked_asm!($($code),+, "ret")
        }
    };
}

instruction!(read_system_control, "mrs x1, sctlr_el1");
instruction!(write_system_control, "msr sctlr_el1, x0");
instruction!(read_table_base, "mrs x1, ttbr0_el1");
instruction!(write_table_base, "msr ttbr0_el1, x0");
instruction!(write_vectors, "msr vbar_el1, x0");
instruction!(read_syndrome, "mrs x1, esr_el1");
instruction!(write_return_address, "msr elr_el1, x0");
instruction!(write_saved_state, "msr spsr_el1, x0");
instruction!(write_user_stack, "msr sp_el0, x0");
instruction!(write_page_word, "msr tpidrro_el0, x0");
instruction!(write_kernel_word, "msr tpidr_el1, x0");
instruction!(mask_interrupts, "msr daifset, #15");
instruction!(unmask_interrupts, "msr daifclr, #15");
instruction!(allow_access, "msr s0_0_c4_c0_4, xzr");
instruction!(select_stack, "msr spsel, #1");
instruction!(set_physical_timer, "msr cntp_ctl_el0, xzr");
instruction!(set_virtual_timer, "msr cntv_ctl_el0, xzr");
instruction!(set_kernel_timer_access, "msr cntkctl_el1, xzr");
instruction!(invalidate_translations, "tlbi vmalle1");
instruction!(invalidate_instructions, "ic iallu");
instruction!(invalidate_line, "dc ivac, x0");
instruction!(translate, "at s1e1r, x0");
instruction!(exception_return, "eret");
instruction!(hypervisor_call, "hvc #0");
instruction!(monitor_call, "smc #0");
// The emulator's semihosting call for "exit": a child that could make it could stop the machine.
instruction!(semihosting, "mov w0, #0x18", "hlt #0xf000");
instruction!(debug_state, "dcps1");
instruction!(read_interrupt_controller, "mrs x1, s3_0_c12_c12_0");

/// Instructions that are not for user mode and leave no doubt about the fault.
pub const PRIVILEGED: [Instruction; 28] = [
    ("mrs sctlr_el1", read_system_control),
    ("msr sctlr_el1", write_system_control),
    ("mrs ttbr0_el1", read_table_base),
    ("msr ttbr0_el1", write_table_base),
    ("msr vbar_el1", write_vectors),
    ("mrs esr_el1", read_syndrome),
    ("msr elr_el1", write_return_address),
    ("msr spsr_el1", write_saved_state),
    ("msr sp_el0", write_user_stack),
    ("msr tpidrro_el0", write_page_word),
    ("msr tpidr_el1", write_kernel_word),
    ("msr daifset", mask_interrupts),
    ("msr daifclr", unmask_interrupts),
    ("msr pan", allow_access),
    ("msr spsel", select_stack),
    ("msr cntp_ctl_el0", set_physical_timer),
    ("msr cntv_ctl_el0", set_virtual_timer),
    ("msr cntkctl_el1", set_kernel_timer_access),
    ("tlbi", invalidate_translations),
    ("ic iallu", invalidate_instructions),
    ("dc ivac", invalidate_line),
    ("at s1e1r", translate),
    ("eret", exception_return),
    ("hvc", hypervisor_call),
    ("smc", monitor_call),
    ("semihosting hlt", semihosting),
    ("dcps1", debug_state),
    ("mrs icc_iar1_el1", read_interrupt_controller),
];

/// The kinds with which [`PRIVILEGED`] may be refused.
pub const PRIVILEGED_KINDS: [FaultKind; 1] = [FaultKind::IllegalInstruction];

/// There are no segments.
pub const SEGMENTS: [Instruction; 0] = [];

instruction!(undefined, "udf #0");
instruction!(software_breakpoint, "brk #7");
instruction!(misaligned_stack, "mov x1, sp", "add x2, x1, #4", "mov sp, x2", "ldr x3, [sp]", "mov sp, x1");
instruction!(misaligned_branch, "adr x1, 2f", "add x1, x1, #2", "br x1", "2:");

/// Instructions with the one kind of fault that each gives.
pub const FAULTS: [(Instruction, FaultKind); 3] = [
    (("udf", undefined), FaultKind::IllegalInstruction),
    (("brk", software_breakpoint), FaultKind::Breakpoint),
    (("a misaligned branch", misaligned_branch), FaultKind::Alignment),
];

instruction!(wait_for_interrupt, "wfi");
instruction!(wait_for_event, "wfe");
instruction!(clean_line, "mov x0, sp", "dc cvau, x0");
instruction!(zero_line, "mov x1, sp", "sub x1, x1, #1024", "dc zva, x1");

/// Instructions that may fault or do nothing, but no harm. (QEMU does not check the stack pointer's alignment.)
pub const HARMLESS: [Instruction; 5] = [
    ("wfi", wait_for_interrupt),
    ("wfe", wait_for_event),
    ("dc cvau", clean_line),
    ("dc zva", zero_line),
    ("a misaligned stack pointer", misaligned_stack),
];

/// What user mode must not set in its flags, in [`Registers::flags`]: EL1, masked interrupts, AArch32, an illegal state, single step.
pub const BAD_FLAGS: [u64; 6] = [0x5, 0x3c0, 0x10, 1 << 20, 1 << 21, !(0xf << 28)];

/// The condition flags that a program sees in itself; others cannot be read.
#[must_use]
pub fn flags() -> u64 {
    let flags;
    // SAFETY: reading the flags changes nothing.
    unsafe { asm!("mrs {}, nzcv", out(reg) flags, options(nostack)) };
    flags
}

/// Whether flags are those of user mode: EL0, AArch64, no mask bit.
#[must_use]
pub fn flags_are_ordinary(flags: u64) -> bool {
    flags & 0x3df == 0
}
