//! The exokernel's calls with any arguments, as a program that is not supposed to may make them.

use abi::{Call, Error, Rights};

/// The server's environment: the second that is made.
pub const SERVER: u64 = 1 << 16 | 1;
/// Bytes of a page.
pub const PAGE: usize = abi::PAGE_SIZE;
/// "No such environment".
pub const NO_ENV: i64 = Error::NoEnv as i64;

/// Make a call; gives its status and value.
pub fn call<const NUMBER: u16>(arguments: [u64; 6]) -> (i64, u64) {
    let (status, value, _) = call_for_words::<NUMBER>(arguments);
    (status, value)
}

/// The same, and a message's words.
pub fn call_for_words<const NUMBER: u16>(arguments: [u64; 6]) -> (i64, u64, [u64; 4]) {
    let mut message = [0; 4];
    let (status, value) = unsafe { exo::raw_call::<NUMBER>(arguments, &mut message) };
    (status, value, message)
}

/// Whether a page of one's own is mapped.
pub fn is_mapped(address: usize) -> bool {
    call::<{ Call::PageQuery as u16 }>([0, address as u64, 0, 0, 0, 0]).0 >= 0
}

/// Make a page of one's own writable, if it may ever be.
pub fn make_writable(address: usize) -> bool {
    let rights = Rights::READ | Rights::WRITE;
    call::<{ Call::PageProtect as u16 }>([0, address as u64, 1, rights.bits(), 0, 0]).0 >= 0
}
