//! Entries of aarch64.

use core::arch::naked_asm;
use core::mem::offset_of;

use abi::{Registers, UpcallPage};

use crate::entry::{FAULT_STACK_WORD, SYSCALL_STACK_WORD, dispatch, place, start};
use crate::kernel::VectorState;
use crate::syscall::Arguments;

/// The program's registers at a syscall, at the top of the syscall stack. x16, x17, the stack pointer, the program counter and the flags
/// are in the upcall page.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Frame {
    /// x0 to x5.
    pub arguments: Arguments,
    /// x6 to x30; x16 and x17 are not stored.
    pub rest: [u64; 25],
    /// Keeps the stack aligned.
    pub reserved: u64,
}

/// What the syscall stack's word in the upcall page holds, less the stack's top.
pub const STACK_BIAS: usize = 0;
const FRAME_BYTES: usize = 256;
const _: () = assert!(size_of::<Frame>() == FRAME_BYTES);

impl Frame {
    /// The frame of the call that is being served.
    pub const ADDRESS: usize = place::SYSCALL_STACK_TOP - STACK_BIAS - size_of::<Frame>();

    /// All of the program's registers, the thread pointer excepted.
    #[must_use]
    pub fn registers(&self, page: &UpcallPage) -> Registers {
        let mut x = [0; 31];
        x[..6].copy_from_slice(&self.arguments.0);
        x[6..].copy_from_slice(&self.rest);
        x[16..18].copy_from_slice(&page.syscall.scratch);
        Registers { x, sp: page.syscall.sp, pc: page.syscall.pc, flags: page.syscall.flags, tls: 0, reserved: 0 }
    }
}

/// The image's first instruction.
///
/// # Safety
/// Entered once by the environment's creator, on the first stack.
#[unsafe(naked)]
#[unsafe(export_name = "_start")]
#[unsafe(link_section = ".text.start")]
pub unsafe extern "C" fn image_start() -> ! {
    naked_asm!(
        "mov x29, xzr",
        "mov x30, xzr",
        "bl {start}",
        "brk #0",
        start = sym start::start,
    )
}

/// Entry of foreign syscalls: `extern "C" fn dispatch(&Frame, number) -> result` on the syscall stack.
///
/// 1. To the syscall stack; the program's registers there, as a [`Frame`].
/// 2. Call.
/// 3. What Rust may have changed back, but x0; the kernel gives back the stack pointer, x16, x17 and the flags on the way to the program.
///
/// # Safety
/// Entered by the kernel only.
#[unsafe(naked)]
pub unsafe extern "C" fn foreign() -> ! {
    naked_asm!(
        "mrs x16, tpidrro_el0",
        "ldr x17, [x16, #{stack}]",
        "sub sp, x17, #{frame}",
        "stp x0, x1, [sp]",
        "stp x2, x3, [sp, #16]",
        "stp x4, x5, [sp, #32]",
        "stp x6, x7, [sp, #48]",
        "stp x8, x9, [sp, #64]",
        "stp x10, x11, [sp, #80]",
        "stp x12, x13, [sp, #96]",
        "stp x14, x15, [sp, #112]",
        "stp x18, x19, [sp, #144]",
        "stp x20, x21, [sp, #160]",
        "stp x22, x23, [sp, #176]",
        "stp x24, x25, [sp, #192]",
        "stp x26, x27, [sp, #208]",
        "stp x28, x29, [sp, #224]",
        "str x30, [sp, #240]",
        "mov x0, sp",
        "mov x1, x8",
        "bl {dispatch}",
        "ldr x1, [sp, #8]",
        "ldp x2, x3, [sp, #16]",
        "ldp x4, x5, [sp, #32]",
        "ldp x6, x7, [sp, #48]",
        "ldp x8, x9, [sp, #64]",
        "ldp x10, x11, [sp, #80]",
        "ldp x12, x13, [sp, #96]",
        "ldp x14, x15, [sp, #112]",
        "ldr x18, [sp, #144]",
        "ldr x30, [sp, #240]",
        "svc #{leave}",
        "brk #0",
        stack = const SYSCALL_STACK_WORD,
        frame = const FRAME_BYTES,
        leave = const abi::Call::Return as u16,
        dispatch = sym dispatch::dispatch,
    )
}

/// Room for [`Registers`] on the fault stack, a power of two so that a frame never crosses a page.
const FRAME_ROOM: usize = 512;
const _: () = assert!(size_of::<Registers>() <= FRAME_ROOM);
const _: () = assert!(offset_of!(Registers, x) == 0);

/// Entry of faults: `extern "C" fn trapped(&mut Registers, kind, address, code) -> !` on the fault stack.
///
/// 1. To the fault stack, or further down it if the fault was on it.
/// 2. The program's registers there, as [`Registers`]; x16 and x17 come from the page.
/// 3. All is copied: the kernel may send the next fault. Call.
///
/// # Safety
/// Entered by the kernel only.
#[unsafe(naked)]
pub unsafe extern "C" fn fault() -> ! {
    naked_asm!(
        "mrs x16, tpidrro_el0",
        "ldr x17, [x16, #{stack}]",
        "mov x16, sp",
        "sub x16, x17, x16",
        "cmp x16, #{stack_bytes_high}, lsl #12",
        "b.hs 1f",
        "mov x17, sp",
        "1:",
        "and x17, x17, #-{room}",
        "sub sp, x17, #{room}",
        "stp x0, x1, [sp]",
        "stp x2, x3, [sp, #16]",
        "stp x4, x5, [sp, #32]",
        "stp x6, x7, [sp, #48]",
        "stp x8, x9, [sp, #64]",
        "stp x10, x11, [sp, #80]",
        "stp x12, x13, [sp, #96]",
        "stp x14, x15, [sp, #112]",
        "stp x18, x19, [sp, #144]",
        "stp x20, x21, [sp, #160]",
        "stp x22, x23, [sp, #176]",
        "stp x24, x25, [sp, #192]",
        "stp x26, x27, [sp, #208]",
        "stp x28, x29, [sp, #224]",
        "str x30, [sp, #240]",
        "mrs x16, tpidrro_el0",
        "ldp x0, x1, [x16, #{scratch}]",
        "stp x0, x1, [sp, #128]",
        "ldp x0, x1, [x16, #{from_pc}]",
        "ldr x2, [x16, #{from_flags}]",
        "mrs x3, tpidr_el0",
        "str x1, [sp, #{sp}]",
        "str x0, [sp, #{pc}]",
        "str x2, [sp, #{flags}]",
        "str x3, [sp, #{tls}]",
        "str xzr, [sp, #{reserved}]",
        "mov x0, sp",
        "ldr x1, [x16, #{kind}]",
        "ldr x2, [x16, #{address}]",
        "ldr x3, [x16, #{code}]",
        "str xzr, [x16, #{active}]",
        "bl {trapped}",
        "brk #0",
        stack = const FAULT_STACK_WORD,
        stack_bytes_high = const place::FAULT_STACK_BYTES >> 12,
        room = const FRAME_ROOM,
        sp = const offset_of!(Registers, sp),
        pc = const offset_of!(Registers, pc),
        flags = const offset_of!(Registers, flags),
        tls = const offset_of!(Registers, tls),
        reserved = const offset_of!(Registers, reserved),
        from_pc = const offset_of!(UpcallPage, fault.pc),
        from_flags = const offset_of!(UpcallPage, fault.flags),
        scratch = const offset_of!(UpcallPage, fault.scratch),
        kind = const offset_of!(UpcallPage, kind),
        address = const offset_of!(UpcallPage, address),
        code = const offset_of!(UpcallPage, code),
        active = const offset_of!(UpcallPage, fault_active),
        trapped = sym dispatch::trapped,
    )
}

/// Copy `length` bytes; gives 0, or 1 if a fault broke it off. Its instructions before [`copy_end`] may fault on the program's memory.
///
/// # Safety
/// The side that is not the program's is valid for `length` bytes.
#[unsafe(naked)]
pub unsafe extern "C" fn copy(to: *mut u8, from: *const u8, length: usize) -> usize {
    naked_asm!(
        "cmp x2, #16",
        "b.lo 2f",
        "1:",
        "ldp x3, x4, [x1], #16",
        "stp x3, x4, [x0], #16",
        "sub x2, x2, #16",
        "cmp x2, #16",
        "b.hs 1b",
        "2:",
        "cbz x2, chitin_copy_end",
        "ldrb w3, [x1], #1",
        "strb w3, [x0], #1",
        "sub x2, x2, #1",
        "b 2b",
        ".globl chitin_copy_end",
        ".hidden chitin_copy_end",
        "chitin_copy_end:",
        "mov x0, #0",
        "ret",
        ".globl chitin_copy_fixup",
        ".hidden chitin_copy_fixup",
        "chitin_copy_fixup:",
        "mov x0, #1",
        "ret",
    )
}

/// TPIDR_EL0.
///
/// # Safety
/// None needed: the register is always readable. Unsafe as its x86_64 counterpart is.
#[must_use]
pub unsafe fn read_thread_pointer() -> u64 {
    let address;
    // SAFETY: reads a register that user mode owns.
    unsafe { core::arch::asm!("mrs {}, tpidr_el0", out(reg) address, options(nomem, nostack, preserves_flags)) };
    address
}

/// Set TPIDR_EL0.
///
/// # Safety
/// None needed beyond that nothing in the library uses the register.
pub unsafe fn write_thread_pointer(address: u64) {
    // SAFETY: the register is the program's alone.
    unsafe { core::arch::asm!("msr tpidr_el0, {}", in(reg) address, options(nomem, nostack, preserves_flags)) };
}

/// The virtual counter.
#[must_use]
#[inline(always)]
pub fn clock() -> u64 {
    let ticks;
    // SAFETY: the kernel leaves the counter readable in user mode.
    unsafe { core::arch::asm!("isb", "mrs {}, cntvct_el0", out(reg) ticks, options(nomem, nostack, preserves_flags)) };
    ticks
}

/// Nothing: whether RNDR exists cannot be asked from user mode.
#[must_use]
pub fn entropy() -> Option<u64> {
    None
}

/// Code that calls rt_sigreturn(2), for programs that bring none.
///
/// # Safety
/// Entered by the return of a signal handler.
#[unsafe(naked)]
pub unsafe extern "C" fn signal_return() -> ! {
    naked_asm!("mov x8, #139", "svc #0", "brk #0")
}

/// Bytes of the vector state: q0 to q31, FPSR and FPCR.
const VECTOR_BYTES: usize = 520;

/// Store q0 to q31, FPSR and FPCR.
///
/// # Safety
/// `state` has room for them.
#[unsafe(naked)]
unsafe extern "C" fn store_vectors(state: *mut u8) {
    naked_asm!(
        ".arch_extension fp",
        ".arch_extension simd",
        "stp q0, q1, [x0, #0]",
        "stp q2, q3, [x0, #32]",
        "stp q4, q5, [x0, #64]",
        "stp q6, q7, [x0, #96]",
        "stp q8, q9, [x0, #128]",
        "stp q10, q11, [x0, #160]",
        "stp q12, q13, [x0, #192]",
        "stp q14, q15, [x0, #224]",
        "stp q16, q17, [x0, #256]",
        "stp q18, q19, [x0, #288]",
        "stp q20, q21, [x0, #320]",
        "stp q22, q23, [x0, #352]",
        "stp q24, q25, [x0, #384]",
        "stp q26, q27, [x0, #416]",
        "stp q28, q29, [x0, #448]",
        "stp q30, q31, [x0, #480]",
        "mrs x1, fpsr",
        "mrs x2, fpcr",
        "str w1, [x0, #512]",
        "str w2, [x0, #516]",
        "ret",
    )
}

/// Load q0 to q31, FPSR and FPCR.
///
/// # Safety
/// `state` holds them. The library uses no vector register.
#[unsafe(naked)]
unsafe extern "C" fn load_vectors(state: *const u8) {
    naked_asm!(
        ".arch_extension fp",
        ".arch_extension simd",
        "ldp q0, q1, [x0, #0]",
        "ldp q2, q3, [x0, #32]",
        "ldp q4, q5, [x0, #64]",
        "ldp q6, q7, [x0, #96]",
        "ldp q8, q9, [x0, #128]",
        "ldp q10, q11, [x0, #160]",
        "ldp q12, q13, [x0, #192]",
        "ldp q14, q15, [x0, #224]",
        "ldp q16, q17, [x0, #256]",
        "ldp q18, q19, [x0, #288]",
        "ldp q20, q21, [x0, #320]",
        "ldp q22, q23, [x0, #352]",
        "ldp q24, q25, [x0, #384]",
        "ldp q26, q27, [x0, #416]",
        "ldp q28, q29, [x0, #448]",
        "ldp q30, q31, [x0, #480]",
        "ldr w1, [x0, #512]",
        "ldr w2, [x0, #516]",
        "msr fpsr, x1",
        "msr fpcr, x2",
        "ret",
    )
}

/// Store the vector state; gives its bytes.
pub fn save_vectors(state: &mut VectorState) -> usize {
    // SAFETY: the struct is larger than what is stored.
    unsafe { store_vectors(state.bytes.as_mut_ptr()) };
    VECTOR_BYTES
}

/// Load a vector state.
pub fn restore_vectors(state: &mut VectorState, _length: usize) {
    // SAFETY: any bits are a vector state; reserved ones of FPSR and FPCR are ignored.
    unsafe { load_vectors(state.bytes.as_ptr()) };
}

/// `AT_HWCAP` and `AT_HWCAP2`: floating point and SIMD, which every CPU that the kernel runs on has. What else it has cannot be asked
/// from user mode.
#[must_use]
pub fn capabilities(_features: u64) -> (u64, u64) {
    const FP: u64 = 1 << 0;
    const ASIMD: u64 = 1 << 1;
    (FP | ASIMD, 0)
}

/// The most bytes that a signal frame takes: the frame, its records and the frame record.
#[must_use]
pub fn signal_frame_bytes() -> usize {
    592 + 4096 + 16
}
