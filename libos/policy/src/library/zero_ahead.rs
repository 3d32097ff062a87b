//! Zeroed frames ahead of their use: for a shell, which waits for somebody who types, and then has programs run that want fresh memory at once.

use alloc::boxed::Box;
use core::ops::Range;

use abi::PAGE_SIZE;

use crate::paging::{Contents, Fault, InOrder, Paging};
use crate::{Domain, Make, Parameter, Policy};

/// The policy.
pub static POLICY: Policy = Policy {
    name: "zero-ahead",
    summary: "frames are zeroed while the process sleeps or polls, so that those who fault next need not wait for that",
    parameters: &[
        Parameter {
            name: "frames",
            summary: "how many are made ready after each fork",
            domain: Domain::Number { unit: "frames", least: 1, most: 512, default: 128 },
        },
        Parameter {
            name: "pages",
            summary: "how many come in at a fault: what is zeroed already costs little",
            domain: Domain::Number { unit: "pages", least: 1, most: 512, default: 8 },
        },
    ],
    make: Make::Paging(|values| {
        Box::new(Ahead { usual: InOrder, frames: values.count("frames"), bytes: values.count("pages") * PAGE_SIZE })
    }),
};

struct Ahead {
    usual: InOrder,
    frames: usize,
    /// Stretches of so many, each at a multiple of them.
    bytes: usize,
}

impl Paging for Ahead {
    fn bring(&mut self, fault: &Fault) -> Range<usize> {
        if fault.contents != Contents::Zeros || fault.in_order {
            return self.usual.bring(fault);
        }
        let start = fault.page - fault.page % self.bytes;
        start..start + self.bytes
    }

    fn brings_in_order(&self) -> bool {
        self.bytes == PAGE_SIZE
    }

    fn zero_ahead(&self) -> usize {
        self.frames
    }
}
