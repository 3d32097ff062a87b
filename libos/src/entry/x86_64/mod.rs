//! Entries of x86_64.

mod attempt;
mod calls;
mod clock;
mod copies;
mod faults;
mod machine;
mod resume;
mod switch;
mod vectors;

use core::arch::naked_asm;

pub use attempt::{Way, attempt, attempt_refused};
pub use calls::{Frame, SIGRETURN, by_arguments, by_frame, foreign, return_by_frame, rewritten};
pub use copies::{copy, exchange, fixup, load, load_long};
pub use faults::fault;
pub use machine::{capabilities, clock, entropy, read_thread_pointer, signal_return, write_thread_pointer};
pub use resume::{CONTEXT_BYTES, can_resume, resume, resume_context, start};
pub use switch::{CallState, copied, proceed, suspend};
pub use vectors::{Area, clear_vectors, frame_vector_bytes, known_area, load_frame_vectors, pop_vectors, reload_vectors};
pub use vectors::{save_vectors, signal_frame_bytes, store_frame_area, store_frame_vectors};

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
        "xor ebp, ebp",
        "and rsp, -16",
        "call {start}",
        "ud2",
        start = sym start::start,
    )
}
