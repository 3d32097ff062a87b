//! What the first environment finds.

use crate::IMAGE_BASE;

/// Address that the first environment is expected to put its upcall page at; nothing is mapped there at the start.
pub const ROOT_UPCALL_PAGE: u64 = IMAGE_BASE - 0x10_0000;
