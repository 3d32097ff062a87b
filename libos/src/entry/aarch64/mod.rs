//! Entries of aarch64.

mod calls;
mod clock;
mod faults;
mod machine;
mod switch;
mod vectors;

use core::arch::naked_asm;

pub use calls::{Frame, foreign, rewritten};
pub use faults::{copy, fault};
pub use machine::{capabilities, clock, entropy, read_thread_pointer, signal_frame_bytes, signal_return, write_thread_pointer};
pub use switch::{proceed, suspend};
pub use vectors::{clear_vectors, restore_vectors, save_vectors};

use crate::entry::start;

/// The image's first instruction.
///
/// # Safety
/// Entered once by the environment's creator, on the first stack.
#[unsafe(naked)]
#[unsafe(export_name = "_start")]
#[unsafe(link_section = ".text.start")]
pub unsafe extern "C" fn image_start() -> ! {
    naked_asm!(
        "mov x29, xzr",
        "mov x30, xzr",
        "bl {start}",
        "brk #0",
        start = sym start::start,
    )
}
