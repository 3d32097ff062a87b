//! Which pages come in at a fault, and which go when somebody else needs frames.

use alloc::boxed::Box;
use core::ops::Range;

use abi::PAGE_SIZE;

use crate::Values;
use crate::placement::Placement;

/// What the program tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// A load.
    Read,
    /// A store.
    Write,
    /// An instruction fetch.
    Execute,
}

/// What a page starts as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Contents {
    /// Zeros.
    Zeros,
    /// A part of a file.
    File,
    /// A part of a file that this mapping alone is to have a copy of, since it is stored to.
    Copy,
}

/// A fault on a page that is not there, in a region that allows the access.
#[derive(Clone, Debug)]
pub struct Fault {
    /// The page's address.
    pub page: usize,
    /// What the program tried.
    pub access: Access,
    /// The region that the page is in.
    pub region: Range<usize>,
    /// What it starts as.
    pub contents: Contents,
    /// Whether the page is the one behind those of the last fault: the program walks through memory in order.
    pub in_order: bool,
}

/// Pages that a process has and that come again by themselves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Spare {
    /// Pages of files that the library keeps for reads.
    Cache,
    /// Pages of files that mappings show, but for what is executed or locked.
    Shown,
    /// Pages of private memory that hold nothing but zeros, as when they came: those that came ahead of their use, and what was cleared.
    Zeros,
}

/// Which pages come in, and which go.
pub trait Paging: Send {
    /// The range of addresses that is to be there after a fault. Of it those pages come in that are not there yet, in one run around the
    /// fault's own, which comes in in any case; nothing outside of the region, nothing of a file before the fault, and one page alone if there
    /// are not enough frames.
    fn bring(&mut self, fault: &Fault) -> Range<usize>;

    /// Whether `bring` answers as [`InOrder`] does, so that it need not be asked.
    fn brings_in_order(&self) -> bool {
        false
    }

    /// Which frames suit it, for who chose it and no placement.
    fn placement(&self) -> Option<Box<dyn Placement>> {
        None
    }

    /// What is given back, in this order, until it is so many frames: others need them. Who has nothing to spare says so; what is not
    /// answered in time is taken by force.
    fn give_back(&mut self, frames: usize) -> &'static [Spare] {
        let _ = frames;
        &[Spare::Cache, Spare::Shown, Spare::Zeros]
    }

    /// How many frames of zeros are to be ready for this process and others when it sleeps or polls after a fork: they are zeroed while nobody waits
    /// for that.
    fn zero_ahead(&self) -> usize {
        0
    }

    /// The range of addresses that a first store behind a write barrier opens: of those of its pages that are there all are marked.
    fn open(&mut self, page: usize) -> Range<usize> {
        page..page + PAGE_SIZE
    }
}

/// As many pages as one fault costs about as much as: when the program walks through memory in order, and always of a file (Linux's
/// fault-around), unless it stores to a copy here and there.
#[derive(Clone, Copy, Debug, Default)]
pub struct InOrder;

impl InOrder {
    /// Nothing can be set of it.
    #[must_use]
    pub const fn new(_: &Values) -> InOrder {
        InOrder
    }
}

/// One fault costs some hundred instructions; a page that is brought in for nothing costs a frame.
pub const AHEAD_PAGES: usize = 16;

impl Paging for InOrder {
    #[inline(always)]
    fn bring(&mut self, fault: &Fault) -> Range<usize> {
        let ahead = fault.in_order || fault.contents == Contents::File;
        fault.page..fault.page + if ahead { AHEAD_PAGES * PAGE_SIZE } else { PAGE_SIZE }
    }
}
