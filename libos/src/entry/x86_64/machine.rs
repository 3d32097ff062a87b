//! What else the CPU has for user mode: thread pointer, counter, random numbers.

use core::arch::naked_asm;

/// FS base, by its own instruction.
///
/// # Safety
/// The CPU and the kernel allow it: `InfoPage::FSGSBASE`.
#[must_use]
pub unsafe fn read_thread_pointer() -> u64 {
    let address;
    // SAFETY: the caller knows that the instruction exists; it reads a register.
    unsafe { core::arch::asm!("rdfsbase {}", out(reg) address, options(nomem, nostack, preserves_flags)) };
    address
}

/// Set FS base, by its own instruction.
///
/// # Safety
/// As [`read_thread_pointer`]. Nothing in the library uses FS.
pub unsafe fn write_thread_pointer(address: u64) {
    // SAFETY: the caller knows that the instruction exists, and FS is the program's alone.
    unsafe { core::arch::asm!("wrfsbase {}", in(reg) address, options(nomem, nostack, preserves_flags)) };
}

/// The time-stamp counter.
#[must_use]
#[inline(always)]
pub fn clock() -> u64 {
    // SAFETY: the kernel leaves the counter readable in user mode.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// A word off RDRAND, if the CPU has it and delivers.
#[must_use]
pub fn entropy() -> Option<u64> {
    let features = core::arch::x86_64::__cpuid(1);
    if features.ecx & 1 << 30 == 0 {
        return None;
    }
    for _ in 0..10 {
        let (word, delivered): (u64, u8);
        // SAFETY: the CPU has the instruction; it changes its register and the carry flag.
        unsafe { core::arch::asm!("rdrand {}", "setc {}", out(reg) word, out(reg_byte) delivered, options(nomem, nostack)) };
        if delivered == 1 {
            return Some(word);
        }
    }
    None
}

/// Code that calls rt_sigreturn(2). Programs of this ISA bring their own.
///
/// # Safety
/// Entered by the return of a signal handler.
#[unsafe(naked)]
pub unsafe extern "C" fn signal_return() -> ! {
    naked_asm!("mov eax, 15", "syscall", "ud2")
}

/// `AT_HWCAP` (cpuid leaf 1, edx) and `AT_HWCAP2` (bit 1: user mode may use FSGSBASE).
#[must_use]
pub fn capabilities(features: u64) -> (u64, u64) {
    let fsgsbase = if features & abi::InfoPage::FSGSBASE != 0 { 1 << 1 } else { 0 };
    (u64::from(core::arch::x86_64::__cpuid(1).edx), fsgsbase)
}
