//! Coarser cards: a store behind a collector's write barrier opens its neighbours too, so that there are fewer faults, and more to look at.

use alloc::boxed::Box;
use core::ops::Range;

use abi::PAGE_SIZE;

use crate::paging::{Fault, InOrder, Paging};
use crate::{Domain, Make, Parameter, Policy};

/// The policy.
pub static POLICY: Policy = Policy {
    name: "barrier",
    summary: "a store behind a write barrier (__chitin_barrier) opens and marks its neighbours too",
    parameters: &[Parameter {
        name: "pages",
        summary: "how many a store opens",
        domain: Domain::Number { unit: "pages", least: 1, most: 64, default: 4 },
    }],
    make: Make::Paging(|values| Box::new(Coarse { usual: InOrder, bytes: values.count("pages") * PAGE_SIZE })),
};

struct Coarse {
    usual: InOrder,
    bytes: usize,
}

impl Paging for Coarse {
    fn bring(&mut self, fault: &Fault) -> Range<usize> {
        self.usual.bring(fault)
    }

    fn brings_in_order(&self) -> bool {
        true
    }

    fn open(&mut self, page: usize) -> Range<usize> {
        let start = page - page % self.bytes;
        start..start + self.bytes
    }
}
