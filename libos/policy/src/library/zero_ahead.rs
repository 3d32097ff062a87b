//! Zeroed frames ahead of their use: for a shell, which waits for somebody who types, and then has programs run that want fresh memory at once.

use alloc::boxed::Box;
use core::ops::Range;

use crate::paging::{Fault, InOrder, Paging};
use crate::{Domain, Make, Parameter, Policy};

/// The policy.
pub static POLICY: Policy = Policy {
    name: "zero-ahead",
    summary: "frames are zeroed while the process sleeps or polls, so that those who fault next need not wait for that",
    parameters: &[Parameter {
        name: "frames",
        summary: "how many are made ready after each fork",
        domain: Domain::Number { unit: "frames", least: 1, most: 512, default: 128 },
    }],
    make: Make::Paging(|values| Box::new(Ahead { usual: InOrder, frames: values.count("frames") })),
};

struct Ahead {
    usual: InOrder,
    frames: usize,
}

impl Paging for Ahead {
    fn bring(&mut self, fault: &Fault) -> Range<usize> {
        self.usual.bring(fault)
    }

    fn brings_in_order(&self) -> bool {
        true
    }

    fn zero_ahead(&self) -> usize {
        self.frames
    }
}
