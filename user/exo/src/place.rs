//! Where things are, in the first environment and its children alike.
//!
//! ```text
//!   0x7bf0_0000_0000  the program's own to map, up to the next
//!   0x7bfc_0000_0000  stacks, 1 MiB apart, by context
//!   0x7bfd_0000_0000  upcall pages, 1 MiB apart, by context; the handler's stack is right below each
//!   0x7bfe_0000_0000  info pages
//!   0x7bff_0000_0000  the page that all share
//!   0x7c00_0000_0000  the boot image
//! ```

use abi::PAGE_SIZE;

/// Where a program maps what it likes; a multiple of 2 MiB.
pub const FREE: usize = 0x7bf0_0000_0000;
/// Another such place, far enough not to share a table with the first.
pub const FREE_TOO: usize = 0x7bf8_0000_0000;
/// Where pages are made that a child gets.
pub const SCRATCH: usize = 0x7bfb_0000_0000;
/// The info pages.
pub const INFO: usize = 0x7bfe_0000_0000;
/// The page that all of a program's environments share.
pub const SHARED: usize = 0x7bff_0000_0000;
/// Pages of a stack.
pub const STACK_PAGES: usize = 8;

const APART: usize = 0x10_0000;

/// The lowest address of a context's stack.
#[must_use]
pub const fn stack(index: usize) -> usize {
    0x7bfc_0000_0000 + index * APART
}

/// One past the highest address of a context's stack.
#[must_use]
pub const fn stack_top(index: usize) -> usize {
    stack(index) + STACK_PAGES * PAGE_SIZE
}

/// A context's upcall page.
#[must_use]
pub const fn upcall_page(index: usize) -> usize {
    0x7bfd_0000_0000 + (index + 1) * APART
}

/// The page `count` pages after `address`.
#[must_use]
pub const fn page(address: usize, count: usize) -> usize {
    address + count * PAGE_SIZE
}
