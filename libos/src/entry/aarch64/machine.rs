//! What else the CPU has for user mode: thread pointer, counter.

use core::arch::naked_asm;

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
