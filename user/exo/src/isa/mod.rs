//! Instructions that Rust has no words for, under the same names on both ISAs.

#[cfg(target_arch = "aarch64")]
#[path = "aarch64.rs"]
mod native;
#[cfg(target_arch = "x86_64")]
#[path = "x86_64.rs"]
mod native;

pub use native::*;

/// A named instruction, as a function: executes it and returns.
pub type Instruction = (&'static str, extern "C" fn(u64));

/// A 128-bit vector register's contents.
pub type Vector = [u64; 2];
