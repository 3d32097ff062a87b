//! Many pages at each fault: for a program that will use what it maps.

use alloc::boxed::Box;
use core::ops::Range;

use abi::PAGE_SIZE;

use super::large::Large;
use crate::paging::{Contents, Fault, Paging};
use crate::placement::{LARGE_PAGES, Placement};
use crate::{Domain, Make, Parameter, Policy};

/// The policy.
pub static POLICY: Policy = Policy {
    name: "prefault",
    summary: "the whole stretch of memory around a fault, of 512 pages a large one: for programs that use what they map",
    parameters: &[Parameter {
        name: "pages",
        summary: "how many come in at a fault",
        domain: Domain::Number { unit: "pages", least: 1, most: 1 << 18, default: 64 },
    }],
    make: Make::Paging(|values| Box::new(Prefault { bytes: values.count("pages") * PAGE_SIZE })),
};

/// Stretches of so many bytes, each at a multiple of them.
struct Prefault {
    bytes: usize,
}

impl Paging for Prefault {
    fn bring(&mut self, fault: &Fault) -> Range<usize> {
        if fault.contents == Contents::Copy {
            return fault.page..fault.page + PAGE_SIZE;
        }
        let start = fault.page - fault.page % self.bytes;
        start..start + self.bytes
    }

    fn placement(&self) -> Option<Box<dyn Placement>> {
        // As many as that are one entry, one zeroing and one call.
        (self.bytes == LARGE_PAGES * PAGE_SIZE).then(|| Box::new(Large::default()) as Box<dyn Placement>)
    }
}
