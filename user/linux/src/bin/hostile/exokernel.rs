//! The exokernel's calls, by number, as a program that is not supposed to may make them.

use std::arch::asm;

/// The server's environment: the second that is made.
pub const SERVER: u64 = 1 << 16 | 1;
/// Bytes of a page.
pub const PAGE: usize = 4096;

/// Call numbers.
pub mod number {
    pub const IDENTIFY: u16 = 1;
    pub const PAGE_ALLOC: u16 = 2;
    pub const PAGE_MAP: u16 = 3;
    pub const PAGE_UNMAP: u16 = 4;
    pub const PAGE_PROTECT: u16 = 5;
    pub const PAGE_QUERY: u16 = 8;
    pub const ENV_CREATE: u16 = 10;
    pub const ENV_DESTROY: u16 = 11;
    pub const ENV_REAP: u16 = 12;
    pub const ENV_HAND: u16 = 13;
    pub const ENV_QUOTA: u16 = 14;
    pub const ENV_WINDOW: u16 = 15;
    pub const CONTEXT_CREATE: u16 = 16;
    pub const CONTEXT_SET: u16 = 17;
    pub const CONTEXT_GET: u16 = 18;
    pub const YIELD: u16 = 20;
    pub const WAKE: u16 = 22;
    pub const SLICE_SET: u16 = 23;
    pub const UPCALL_SET: u16 = 24;
    pub const IRQ_BIND: u16 = 25;
    pub const IRQ_ACK: u16 = 26;
    pub const TRANSFER_CALL: u16 = 27;
}

/// "No such environment".
pub const NO_ENV: i64 = -8;

/// Make a call; gives its status and value.
pub fn call<const NUMBER: u16>(arguments: [u64; 6]) -> (i64, u64) {
    let (status, value);
    #[cfg(target_arch = "x86_64")]
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") 0x8000_0000u64 | NUMBER as u64 => status,
            inlateout("rdi") arguments[0] => _,
            in("rsi") arguments[1],
            inlateout("rdx") arguments[2] => value,
            inlateout("r10") arguments[3] => _,
            inlateout("r8") arguments[4] => _,
            inlateout("r9") arguments[5] => _,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    #[cfg(target_arch = "aarch64")]
    unsafe {
        asm!(
            "svc #{number}",
            number = const NUMBER,
            inlateout("x0") arguments[0] => status,
            inlateout("x1") arguments[1] => value,
            inlateout("x2") arguments[2] => _,
            inlateout("x3") arguments[3] => _,
            inlateout("x4") arguments[4] => _,
            inlateout("x5") arguments[5] => _,
            options(nostack),
        );
    }
    (status, value)
}

/// Whether a page of one's own is mapped.
pub fn is_mapped(address: usize) -> bool {
    call::<{ number::PAGE_QUERY }>([0, address as u64, 0, 0, 0, 0]).0 >= 0
}

/// Make a page of one's own writable, if it may ever be.
pub fn make_writable(address: usize) -> bool {
    const READ_WRITE: u64 = 3;
    call::<{ number::PAGE_PROTECT }>([0, address as u64, 1, READ_WRITE, 0, 0]).0 >= 0
}
