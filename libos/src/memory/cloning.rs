//! What a new process gets of an address space.
//!
//! What is shared stays shared: files' frames, and shared anonymous memory, every page of which is made before, since a page that only came
//! later would be one of each process's own. The rest is copied on write, or, for vfork(2), shared as well: the one who waits sees what the
//! other stored. Pages that come after a vfork(2) are those of the process that they came in.
//!
//! Pages that were stored to after the last forks, as the stack's top is, are copied at once: that costs less than a fault on each side.

use alloc::vec::Vec;
use core::ops::Range;

use abi::{CloneMode, CloneRange, PAGE_SIZE};
use smallvec::SmallVec;

use crate::errno::{Errno, Result};
use crate::kernel::Kernel;
use crate::memory::fault::Access;
use crate::memory::{Contents, Memory, Protection, Region};

/// Pages that forks copy at once are all forgotten after so many forks: of one that is copied at once nobody sees whether it is stored to.
pub const FORKS_REMEMBERED: usize = 64;

/// The pages that were stored to after forks, while they were copied on write: the last few of them; 0s for less.
pub struct Broken {
    pages: [usize; Broken::MOST],
    /// Those that the kernel knows of.
    told: [usize; Broken::MOST],
    next: usize,
    forks: usize,
}

impl Broken {
    const MOST: usize = 8;

    /// None were.
    pub const fn new() -> Broken {
        Broken { pages: [0; Broken::MOST], told: [0; Broken::MOST], next: 0, forks: 0 }
    }

    /// One was.
    pub fn note(&mut self, page: usize) {
        if !self.pages.contains(&page) {
            self.pages[self.next % Broken::MOST] = page;
            self.next += 1;
        } else if let Some(told) = self.told.iter_mut().find(|told| **told == page) {
            // Its rights were set since.
            *told = 0;
        }
    }

    /// A fork: those are to be copied, and others no longer.
    fn begin_fork(&mut self, mut tell: impl FnMut(usize, bool)) {
        self.forks += 1;
        if self.forks.is_multiple_of(FORKS_REMEMBERED) {
            self.pages = [0; Broken::MOST];
        }
        // By words: whole arrays would be compared by bytes.
        if self.pages.iter().zip(&self.told).any(|(page, told)| page != told) {
            self.told.iter().filter(|page| **page != 0 && !self.pages.contains(page)).for_each(|page| tell(*page, false));
            self.pages.iter().filter(|page| **page != 0 && !self.told.contains(page)).for_each(|page| tell(*page, true));
            self.told = self.pages;
        }
    }
}

/// A list of what is cloned. That of a usual process is on the stack: both sides of a fork let go of it, and would both write to a heap.
pub type CloneRanges = SmallVec<[CloneRange; 24]>;

/// Ranges in the making, in order. Those of one mode that are in one page table become one, since nothing is mapped between them.
struct Ranges<'a>(&'a mut CloneRanges);

impl Ranges<'_> {
    /// What a page table covers, in bytes.
    const NEAR: usize = abi::LARGE_PAGES * PAGE_SIZE;

    fn add(&mut self, range: Range<usize>, mode: CloneMode) {
        if let Some(last) = self.0.last_mut().filter(|last| last.mode == mode as u64)
            && range.start - (last.source as usize + last.pages as usize * PAGE_SIZE) < Self::NEAR
        {
            last.pages = ((range.end - last.source as usize) / PAGE_SIZE) as u64;
        } else if !range.is_empty() {
            let (address, pages) = (range.start as u64, (range.len() / PAGE_SIZE) as u64);
            self.0.push(CloneRange { source: address, target: address, pages, mode: mode as u64 });
        }
    }
}

impl Memory {
    /// Add the ranges to a list, with everything shared if `shares_all`.
    ///
    /// # Errors
    /// `ENOMEM`: not all pages of shared anonymous memory are to be had.
    pub fn clone_ranges<K: Kernel>(&mut self, kernel: &K, shares_all: bool, list: &mut CloneRanges) -> Result<()> {
        self.complete_shared(kernel)?;
        self.read_losses(kernel);
        if !shares_all {
            self.may_have_copies = true;
        } else if core::mem::take(&mut self.may_have_copies) {
            self.end_copies(kernel);
        }
        let resident = &self.resident;
        self.broken.begin_fork(|page, is_copied| {
            if resident.contains(page) {
                kernel.page_copied(page, is_copied);
            }
        });
        let mut ranges = Ranges(list);
        for (start, region) in self.regions.iter() {
            let mode = if shares_all || region.shared { CloneMode::Share } else { CloneMode::CopyOnWrite };
            ranges.add(start..region.end, mode);
        }
        Ok(())
    }

    /// Let every page that is copied on write be this address space's own: who got it from here shared would copy it for itself.
    fn end_copies<K: Kernel>(&mut self, kernel: &K) {
        let private = self.regions.iter().filter(|(_, region)| !region.shared && region.protection.contains(Protection::WRITE));
        for (start, region) in private {
            self.resident.for_runs(start..region.end, |run| {
                run.step_by(PAGE_SIZE).for_each(|page| {
                    kernel.page_break(page);
                });
            });
        }
    }

    /// Bring in every page of shared anonymous memory.
    fn complete_shared<K: Kernel>(&mut self, kernel: &K) -> Result<()> {
        let is_shared = |region: &Region| region.shared && matches!(region.contents, Contents::Anonymous) && !region.protection.is_empty();
        let shared: Vec<_> = self.regions.iter().filter(|(_, region)| is_shared(region)).map(|(start, region)| start..region.end).collect();
        for range in shared {
            let mut at = range.start;
            while at < range.end {
                if !self.resident.contains(at) {
                    self.resolve(kernel, at, Access::Read).map_err(|_| Errno::ENOMEM)?;
                }
                at += PAGE_SIZE;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a fork tells the kernel.
    fn told(broken: &mut Broken) -> Vec<(usize, bool)> {
        let mut told = Vec::new();
        broken.begin_fork(|page, is_copied| told.push((page, is_copied)));
        told
    }

    #[test]
    fn what_was_stored_to_is_copied_at_once_for_some_forks() {
        let mut broken = Broken::new();
        [5, 3, 5].into_iter().for_each(|page| broken.note(page));
        assert_eq!(told(&mut broken), [(5, true), (3, true)]);
        assert_eq!(told(&mut broken), [], "the kernel knows");
        broken.note(3);
        assert_eq!(told(&mut broken), [(3, true)], "it was stored to nevertheless");
        (100..100 + Broken::MOST).for_each(|page| broken.note(page));
        let next = told(&mut broken);
        assert!(next.starts_with(&[(5, false), (3, false)]) && next.len() == 2 + Broken::MOST, "only the last are known: {next:?}");
        let forgotten: Vec<_> = (4..=FORKS_REMEMBERED).flat_map(|_| told(&mut broken)).collect();
        assert!(forgotten.len() == Broken::MOST && forgotten.iter().all(|(_, is_copied)| !is_copied), "{forgotten:?}");
    }

    #[test]
    fn neighbours_become_one_range() {
        const WRITE: u64 = CloneMode::CopyOnWrite as u64;
        let mut list = CloneRanges::new();
        let mut ranges = Ranges(&mut list);
        let mut add = |pages: Range<usize>, mode| ranges.add(pages.start * PAGE_SIZE..pages.end * PAGE_SIZE, mode);
        add(2..7, CloneMode::CopyOnWrite);
        add(7..9, CloneMode::CopyOnWrite);
        add(100..101, CloneMode::CopyOnWrite);
        add(101..103, CloneMode::Share);
        add(103..104, CloneMode::CopyOnWrite);
        add(4000..4001, CloneMode::CopyOnWrite);
        let page = |address: u64| address as usize / PAGE_SIZE;
        let told: Vec<_> = list.iter().map(|range| (page(range.source), page(range.source) + range.pages as usize, range.mode)).collect();
        assert_eq!(told, [(2, 101, WRITE), (101, 103, 0), (103, 104, WRITE), (4000, 4001, WRITE)]);
    }
}
