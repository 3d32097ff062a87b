//! Giving frames back when somebody else needs them, and what becomes of those that are taken by force.
//!
//! A page that was taken stays in the set of resident pages, like one that is there: whoever maps something else there, or discards it, makes
//! it a fresh one. An access to it faults, and then the kernel's ledger tells a page that was taken from one that only lacks a
//! right. A file's own frame is mapped again; what was in a frame of the process's own is lost.

use alloc::vec::Vec;
use core::ops::Range;

use abi::{LedgerEntry, PAGE_SIZE};
use policy::paging::{Paging, Spare};

use crate::kernel::Kernel;
use crate::memory::{Contents, Memory, Protection};
use crate::user::PROGRAM_TOP;

/// What is known of the ledger.
#[derive(Clone, Copy, Debug)]
pub(super) struct Losses {
    /// How much of it was read.
    seen: u32,
    /// Whether something may have been taken of this process.
    any: bool,
}

impl Losses {
    /// Nothing.
    pub(super) const NONE: Losses = Losses { seen: 0, any: false };
}

impl Memory {
    /// What was taken before was not taken of this process.
    pub fn forget_losses<K: Kernel>(&mut self, kernel: &K) {
        self.losses = Losses { seen: kernel.taken(), any: false };
    }

    /// Read what the ledger got since it was read last. Who is about to make a child reads it for all of them: what it had not read, each would.
    pub(super) fn read_losses<K: Kernel>(&mut self, kernel: &K) {
        let taken = kernel.taken();
        if taken != self.losses.seen {
            let (own, all): (Vec<LedgerEntry>, bool) = kernel.losses(self.losses.seen);
            self.losses = Losses { seen: taken, any: self.losses.any || !own.is_empty() || !all };
        }
    }

    /// Whether a resident page was taken by force.
    pub(super) fn is_taken<K: Kernel>(&mut self, kernel: &K, page: usize) -> bool {
        self.read_losses(kernel);
        self.losses.any && kernel.page_query(page).is_err()
    }

    /// What the paging policy gives back when so many frames are wanted.
    pub fn spare(&mut self, wanted: usize) -> &'static [Spare] {
        match &mut self.paging {
            Some(chosen) => chosen.give_back(wanted),
            None => self.own_paging.give_back(wanted),
        }
    }

    /// Give back pages of private memory that hold nothing but zeros, at least `wanted` if there are so many: they are zeros again with the next
    /// access.
    pub fn give_back_zeros<K: Kernel>(&mut self, kernel: &K, wanted: usize) {
        self.give_back_zeros_of(kernel, 0..PROGRAM_TOP, wanted);
    }

    fn give_back_zeros_of<K: Kernel>(&mut self, kernel: &K, range: Range<usize>, wanted: usize) {
        let spare = |region: &super::Region| {
            matches!(region.contents, Contents::Anonymous)
                && !region.shared
                && !region.locked
                && region.protection.contains(Protection::READ)
        };
        let mut zeros: Vec<Range<usize>> = Vec::new();
        let mut found = 0;
        for (part, _) in self.regions.overlapping(range).filter(|(_, region)| spare(region)) {
            self.resident.for_runs(part, |run| {
                for page in run.step_by(PAGE_SIZE) {
                    if found < wanted && is_sole(kernel, page) && is_zeros(kernel, page) {
                        found += 1;
                        match zeros.last_mut() {
                            Some(last) if last.end == page => last.end += PAGE_SIZE,
                            _ => zeros.push(page..page + PAGE_SIZE),
                        }
                    }
                }
            });
        }
        zeros.into_iter().for_each(|range| self.discard(kernel, range));
    }

    /// Give back frames that show files, `wanted` if there are so many: they come again with the next access. Gives how many.
    pub fn give_back_shown<K: Kernel>(&mut self, kernel: &K, wanted: usize) -> usize {
        self.give_back_shown_of(kernel, 0..PROGRAM_TOP, wanted)
    }

    /// Give back what comes again by itself of a range, since its program will not need it soon (`MADV_PAGEOUT`).
    pub fn page_out<K: Kernel>(&mut self, kernel: &K, range: Range<usize>) {
        self.give_back_shown_of(kernel, range.clone(), usize::MAX);
        self.give_back_zeros_of(kernel, range, usize::MAX);
    }

    fn give_back_shown_of<K: Kernel>(&mut self, kernel: &K, range: Range<usize>, wanted: usize) -> usize {
        // What is executed is used all the time, and locked memory is not to be touched.
        let spare = |region: &super::Region| {
            matches!(region.contents, Contents::File(_)) && !region.locked && !region.protection.contains(Protection::EXECUTE)
        };
        let ranges: Vec<Range<usize>> = self.regions.overlapping(range).filter(|(_, region)| spare(region)).map(|(part, _)| part).collect();
        let mut given = 0;
        for range in ranges {
            while let Some(run) = self.shown.first_run(range.clone()).filter(|_| given < wanted) {
                let part = run.start..run.end.min(run.start.saturating_add((wanted - given).saturating_mul(PAGE_SIZE)));
                given += part.len() / PAGE_SIZE;
                self.discard_shown(kernel, part);
            }
        }
        given
    }
}

/// Whether nobody else has a page's frame: one that a child has of vfork(2) is to stay the same.
fn is_sole<K: Kernel>(kernel: &K, page: usize) -> bool {
    kernel.page_query(page).is_ok_and(|page| kernel.frame_uses(page.frame) == Some(1))
}

/// Whether a page can be read and holds nothing but zeros.
fn is_zeros<K: Kernel>(kernel: &K, page: usize) -> bool {
    const PIECE: usize = 512;
    let mut bytes = [0; PIECE];
    let piece = |at| kernel.read(at, &mut bytes).is_ok() && bytes == [0; PIECE];
    (page..page + PAGE_SIZE).step_by(PIECE).all(piece)
}
