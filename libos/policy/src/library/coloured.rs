//! Page colouring: neighbours in memory are neighbours in a cache that is indexed by physical addresses (Kessler and Hill, "Page placement
//! algorithms for large real-indexed caches", 1992), or a program keeps to a part of such a cache and leaves the rest to others.

use alloc::boxed::Box;
use core::ops::Range;

use abi::PAGE_SIZE;

use crate::placement::{Frames, Placement, Table};
use crate::{Domain, Make, Parameter, Policy};

/// The policy.
pub static POLICY: Policy = Policy {
    name: "coloured",
    summary: "frames whose colours, their numbers modulo that of all colours, follow the pages'",
    parameters: &[
        Parameter {
            name: "colours",
            summary: "a cache's size by its associativity, in pages",
            domain: Domain::Number { unit: "colours", least: 2, most: 1024, default: 16 },
        },
        Parameter {
            name: "kept",
            summary: "how many of them are used, from the first on; 0: all",
            domain: Domain::Number { unit: "colours", least: 0, most: 1024, default: 0 },
        },
    ],
    make: Make::Placement(|values| Box::new(Coloured::new(values.number("colours"), values.number("kept")))),
};

struct Coloured {
    colours: u64,
    kept: u64,
    /// Where frames are looked for: behind the last that were found.
    next: u64,
}

impl Coloured {
    fn new(colours: u64, kept: u64) -> Coloured {
        Coloured { colours, kept: if kept == 0 { colours } else { kept.min(colours) }, next: 0 }
    }
}

impl Placement for Coloured {
    fn frames(&mut self, pages: &Range<usize>, table: &dyn Table) -> Frames {
        let colour = (pages.start / PAGE_SIZE) as u64 % self.kept;
        let count = pages.len() / PAGE_SIZE;
        if colour + count as u64 > self.kept {
            // They cannot be in a row and of their colours: one by one they can.
            return Frames::Apart;
        }
        let from = self.next - self.next % self.colours + colour;
        let found = table.free_run(from, self.colours, count).or_else(|| table.free_run(colour, self.colours, count));
        self.next = found.unwrap_or(0);
        found.map_or(Frames::Any, Frames::From)
    }
}
