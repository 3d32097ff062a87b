//! Nothing is given back: for a program that would rather have others refused than read its files again.

use alloc::boxed::Box;
use core::ops::Range;

use crate::paging::{Fault, InOrder, Paging, Spare};
use crate::{Make, Policy};

/// The policy.
pub static POLICY: Policy = Policy {
    name: "keep",
    summary: "asked for frames by others, it keeps the pages of files that it has",
    parameters: &[],
    make: Make::Paging(|_| Box::new(Keep(InOrder))),
};

struct Keep(InOrder);

impl Paging for Keep {
    fn bring(&mut self, fault: &Fault) -> Range<usize> {
        self.0.bring(fault)
    }

    fn brings_in_order(&self) -> bool {
        true
    }

    fn give_back(&mut self, _: usize) -> &'static [Spare] {
        &[]
    }
}
