//! The page of words that all of a program's environments share.

use core::sync::atomic::{AtomicU32, Ordering};

use abi::{Error, WaitWord};

use crate::place::SHARED;

/// Words by name. Programs use those from [`FREE`] on.
pub const PING: usize = 0;
/// The second player's word.
pub const PONG: usize = 1;
/// The counting neighbour's word.
pub const COUNT: usize = 2;
/// The first word that a program may use as it likes.
pub const FREE: usize = 16;

/// A word.
#[must_use]
pub fn word(index: usize) -> &'static AtomicU32 {
    assert!(index < abi::PAGE_SIZE / 4);
    // SAFETY: the page is mapped before any child starts and stays mapped; all use it as atomics.
    unsafe { &(*(SHARED as *const [AtomicU32; abi::PAGE_SIZE / 4]))[index] }
}

/// A word's value.
#[must_use]
pub fn get(index: usize) -> u32 {
    word(index).load(Ordering::Acquire)
}

/// Set a word and wake all who sleep on it.
pub fn set(index: usize, value: u32) {
    word(index).store(value, Ordering::Release);
    exo::wake(word(index).as_ptr(), usize::MAX).expect("the shared page is mapped");
}

/// A word as `wait` takes it.
#[must_use]
pub fn while_is(index: usize, value: u32) -> WaitWord {
    WaitWord { address: word(index).as_ptr() as u64, value, reserved: 0 }
}

/// Sleep until a word is `value`; false if that takes longer than `milliseconds`.
#[must_use]
pub fn await_value(index: usize, value: u32, milliseconds: u64) -> bool {
    let deadline = crate::info::deadline(milliseconds);
    loop {
        let now = get(index);
        if now == value {
            return true;
        }
        if exo::wait(&[while_is(index, now)], Some(deadline)) == Err(Error::TimedOut) {
            return get(index) == value;
        }
    }
}
