//! The calls of Linux: a table of rows and the modules that serve them.
//!
//! A handler parses its arguments, calls the part of the process that knows, and answers a value or an errno. It never
//! crashes: a pointer goes through `user`, a number is checked.
#![forbid(unsafe_code)]

pub mod address;
pub mod capability;
pub mod descriptor;
pub mod directory;
pub mod epoll;
pub mod exec;
pub mod family;
pub mod futex;
pub mod identity;
pub mod inotify;
pub mod lock;
pub mod memory;
pub mod message;
pub mod mount;
pub mod notice;
#[cfg(test)]
mod numbers;
pub mod open;
pub mod owner;
pub mod path;
pub mod pidfd;
pub mod poll;
pub mod process;
pub mod queue;
pub mod resolve;
pub mod schedule;
pub mod signal;
pub mod socket;
pub mod splice;
pub mod stat;
pub mod stream;
pub mod system_v;
pub mod table;
pub mod thread;
pub mod time;
pub mod timer;
pub mod times;
pub mod wait;

use crate::errno::Result;
use crate::process::Process;

/// A call's six argument registers, in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct Arguments(pub [u64; 6]);

impl Arguments {
    /// An argument as a word: an address or a size.
    #[must_use]
    pub fn word(&self, index: usize) -> usize {
        self.0[index] as usize
    }

    /// An argument as C's `int`: the low half of the register.
    #[must_use]
    pub fn int(&self, index: usize) -> i32 {
        self.0[index] as i32
    }

    /// An argument as C's `unsigned int`.
    #[must_use]
    pub fn unsigned(&self, index: usize) -> u32 {
        self.0[index] as u32
    }

    /// An argument as a signed 64-bit number: an `off_t`.
    #[must_use]
    pub fn signed(&self, index: usize) -> i64 {
        self.0[index] as i64
    }
}

/// What serves a call.
pub type Handler<K> = fn(&Process<K>, &Arguments) -> Result<usize>;
