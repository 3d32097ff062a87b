//! The kernel's calls as functions.
//!
//! What the library OS, `init` and the exokernel-native programs share: one thin function for each [`abi::Call`], nothing hidden in
//! between. Batches are finished here: a call that answers "so far" is made again.
#![no_std]

#[cfg(target_arch = "aarch64")]
#[path = "aarch64.rs"]
mod isa;
#[cfg(target_arch = "x86_64")]
#[path = "x86_64.rs"]
mod isa;

mod calls;
pub mod command;
mod console;
pub mod image;
pub mod libos_image;
pub mod results;
mod runtime;
pub mod start;
pub mod trace;

pub use calls::*;
pub use console::{Console, print_to_console};
pub use isa::raw_call;
pub use runtime::{ended, panicked};
