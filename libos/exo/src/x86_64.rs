//! The call instruction of x86_64.

use core::arch::asm;

/// Make call `NUMBER` with `arguments`; gives status and value, and in `message` the words that a transfer brought.
///
/// # Safety
/// The call may change the address space: the caller answers for what it unmaps, maps and resumes.
#[inline(always)]
pub unsafe fn raw_call<const NUMBER: u16>(arguments: [u64; 6], message: &mut [u64; 4]) -> (i64, u64) {
    let (status, value);
    // SAFETY: `syscall` clobbers rcx and r11 only, both declared; memory is clobbered by default.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") (0x8000_0000u64 | NUMBER as u64) => status,
            inlateout("rdi") arguments[0] => message[0],
            in("rsi") arguments[1],
            inlateout("rdx") arguments[2] => value,
            inlateout("r10") arguments[3] => message[1],
            inlateout("r8") arguments[4] => message[2],
            inlateout("r9") arguments[5] => message[3],
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    (status, value)
}
