//! The call instruction of aarch64.

use core::arch::asm;

/// Make call `NUMBER` with `arguments`; gives status and value, and in `message` the words that a transfer brought.
///
/// # Safety
/// The call may change the address space: the caller answers for what it unmaps, maps and resumes.
#[inline(always)]
pub unsafe fn raw_call<const NUMBER: u16>(arguments: [u64; 6], message: &mut [u64; 4]) -> (i64, u64) {
    let (status, value);
    // SAFETY: the kernel changes x0 to x5 only, all declared; memory is clobbered by default.
    unsafe {
        asm!(
            "svc #{number}",
            number = const NUMBER,
            inlateout("x0") arguments[0] => status,
            inlateout("x1") arguments[1] => value,
            inlateout("x2") arguments[2] => message[0],
            inlateout("x3") arguments[3] => message[1],
            inlateout("x4") arguments[4] => message[2],
            inlateout("x5") arguments[5] => message[3],
            options(nostack),
        );
    }
    (status, value)
}
