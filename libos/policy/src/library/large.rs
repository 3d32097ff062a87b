//! Large pages, for who brings in so many at once: one entry in place of 512, and one in the translation buffer.

use alloc::boxed::Box;
use core::ops::Range;

use abi::PAGE_SIZE;

use crate::placement::{Frames, LARGE_PAGES, Placement, Table};
use crate::{Make, Policy};

/// The policy.
pub static POLICY: Policy = Policy {
    name: "large",
    summary: "a large page where all of its 512 pages come at once, as paging=prefault,pages=512 has them",
    parameters: &[],
    make: Make::Placement(|_| Box::new(Large::default())),
};

/// Large pages of the first frames that there are for them.
#[derive(Default)]
pub(super) struct Large {
    /// Where frames are looked for: behind the last that were found.
    next: u64,
}

impl Placement for Large {
    fn frames(&mut self, pages: &Range<usize>, table: &dyn Table) -> Frames {
        const BYTES: usize = LARGE_PAGES * PAGE_SIZE;
        const STEP: u64 = LARGE_PAGES as u64;
        if pages.len() != BYTES || !pages.start.is_multiple_of(BYTES) {
            return Frames::Any;
        }
        let found = table.free_run(self.next, STEP, LARGE_PAGES).or_else(|| table.free_run(0, STEP, LARGE_PAGES));
        self.next = found.map_or(0, |frame| frame + STEP);
        found.map_or(Frames::Any, Frames::Large)
    }
}
