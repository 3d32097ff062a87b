//! Frames in a row for pages in a row: for who hands memory to a device, or measures what a cache does.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use core::ops::Range;

use abi::PAGE_SIZE;

use crate::placement::{Frames, Placement, Table};
use crate::{Domain, Make, Parameter, Policy};

/// The policy.
pub static POLICY: Policy = Policy {
    name: "contiguous",
    summary: "frames in a row for pages in a row, where there are so many",
    parameters: &[Parameter {
        name: "pages",
        summary: "how many are to be in a row",
        domain: Domain::Number { unit: "pages", least: 2, most: 1 << 16, default: 512 },
    }],
    make: Make::Placement(|values| Box::new(Contiguous { pages: values.count("pages"), next: 0, blocks: BTreeMap::new() })),
};

/// Blocks of addresses, each at a multiple of its size. The first page that comes of one chooses frames for all, and reserves none.
struct Contiguous {
    pages: usize,
    /// Where the next block's frames are looked for: behind those of the last.
    next: u64,
    /// The frames of the first pages of those that were begun, by the blocks' numbers.
    blocks: BTreeMap<usize, u64>,
}

impl Placement for Contiguous {
    fn frames(&mut self, pages: &Range<usize>, table: &dyn Table) -> Frames {
        let first = pages.start / PAGE_SIZE;
        let (block, offset) = (first / self.pages, (first % self.pages) as u64);
        if let Some(frame) = self.blocks.get(&block) {
            return Frames::From(frame + offset);
        }
        let found = table.free_run(self.next, 1, self.pages).or_else(|| table.free_run(0, 1, self.pages));
        let Some(frame) = found else { return Frames::Any };
        self.next = frame + self.pages as u64;
        self.blocks.insert(block, frame);
        Frames::From(frame + offset)
    }
}
