//! Which frames pages get, and where mappings are.
//!
//! Frames have numbers here, and the kernel's table of them can be read by everybody: which of them are free, a library finds out for itself, and
//! it asks for those that it wants by name (the exokernel's `page_alloc`). Who gets there first has them: a policy whose frames are not to be
//! had gets any.

use core::ops::Range;

use abi::PAGE_SIZE;

/// Pages of a large page, which is one entry of the page tables.
pub const LARGE_PAGES: usize = 512;

/// The frames that pages get.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Frames {
    /// Those that are next in the kernel's list.
    Any,
    /// Each page its own: asked for one by one.
    Apart,
    /// This one and those behind it.
    From(u64),
    /// The same, as one large page: for [`LARGE_PAGES`] pages, and from a frame on, whose numbers are multiples of that.
    Large(u64),
}

/// The kernel's table of frames, as far as it matters here.
pub trait Table {
    /// The first frame at `from` or a multiple of `step` behind it with which so many free ones begin; none if there are none such up to the last one.
    fn free_run(&self, from: u64, step: u64, frames: usize) -> Option<u64>;
}

/// Which frames, and where.
pub trait Placement: Send {
    /// What the address of a mapping of so many bytes that may be anywhere is a multiple of, if there is room: a power of two, whole pages.
    fn alignment(&mut self, bytes: usize) -> usize {
        // So that it may have large pages.
        if bytes >= 2 * LARGE_PAGES * PAGE_SIZE { LARGE_PAGES * PAGE_SIZE } else { PAGE_SIZE }
    }

    /// The frames of pages that a fault brings in: addresses in memory of the program's own.
    fn frames(&mut self, pages: &Range<usize>, table: &dyn Table) -> Frames {
        let _ = (pages, table);
        Frames::Any
    }
}

/// The kernel's next, and mappings of 4 MiB and more where large pages could be.
#[derive(Clone, Copy, Debug, Default)]
pub struct Anywhere;

impl Placement for Anywhere {}
