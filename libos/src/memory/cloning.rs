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
use crate::memory::{Contents, Memory, Protection, Region, Resident};

/// The pages that were stored to after forks, while they were copied on write: the last few of them.
pub struct Broken {
    pages: [usize; Broken::MOST],
    next: usize,
    forks: usize,
    is_sorted: bool,
}

impl Broken {
    const MOST: usize = 8;
    /// They are all forgotten after so many forks: of one that is copied at once nobody sees whether it is stored to.
    const FORKS: usize = 64;

    /// None were.
    pub const fn new() -> Broken {
        Broken { pages: [0; Broken::MOST], next: 0, forks: 0, is_sorted: true }
    }

    /// One was.
    pub fn note(&mut self, page: usize) {
        if !self.pages.contains(&page) {
            self.pages[self.next % Broken::MOST] = page;
            self.next += 1;
            self.is_sorted = false;
        }
    }

    /// A fork: gives those to be copied, in order, and 0s before them.
    fn begin_fork(&mut self) -> [usize; Broken::MOST] {
        self.forks += 1;
        if self.forks.is_multiple_of(Broken::FORKS) {
            self.pages = [0; Broken::MOST];
        }
        if !core::mem::replace(&mut self.is_sorted, true) {
            self.pages.sort_unstable();
        }
        self.pages
    }
}

/// A list of what is cloned. That of a usual process is on the stack: both sides of a fork let go of it, and would both write to a heap.
pub type CloneRanges = SmallVec<[CloneRange; 36]>;

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

    /// A range that is copied on write, but for those of `pages` that are resident in it: they are copied at once. The pages are in order, and
    /// those up to the range's end are taken away.
    fn add_private(&mut self, range: Range<usize>, pages: &mut &[usize], resident: &Resident) {
        let mut at = range.start;
        while let Some((&page, rest)) = pages.split_first()
            && page < range.end
        {
            *pages = rest;
            if page >= range.start && resident.contains(page) {
                self.add(at..page, CloneMode::CopyOnWrite);
                self.add(page..page + PAGE_SIZE, CloneMode::Copy);
                at = page + PAGE_SIZE;
            }
        }
        self.add(at..range.end, CloneMode::CopyOnWrite);
    }
}

impl Memory {
    /// Add the ranges to a list, with everything shared if `shares_all`.
    ///
    /// # Errors
    /// `ENOMEM`: not all pages of shared anonymous memory are to be had.
    pub fn clone_ranges<K: Kernel>(&mut self, kernel: &K, shares_all: bool, list: &mut CloneRanges) -> Result<()> {
        self.complete_shared(kernel)?;
        if !shares_all {
            self.may_have_copies = true;
        } else if core::mem::take(&mut self.may_have_copies) {
            self.end_copies(kernel);
        }
        let mut ranges = Ranges(list);
        let copied = self.broken.begin_fork();
        let mut copied = copied.as_slice();
        for (start, region) in self.regions.iter() {
            if shares_all || region.shared {
                ranges.add(start..region.end, CloneMode::Share);
            } else {
                ranges.add_private(start..region.end, &mut copied, &self.resident);
            }
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

    const COPY: u64 = CloneMode::Copy as u64;
    const WRITE: u64 = CloneMode::CopyOnWrite as u64;

    fn told(ranges: &Ranges) -> Vec<(usize, usize, u64)> {
        let page = |address: u64| address as usize / PAGE_SIZE;
        ranges.0.iter().map(|range| (page(range.source), page(range.source) + range.pages as usize, range.mode)).collect()
    }

    fn add(ranges: &mut Ranges, pages: Range<usize>, broken: &mut Broken, resident: &Resident) {
        ranges.add_private(pages.start * PAGE_SIZE..pages.end * PAGE_SIZE, &mut broken.begin_fork().as_slice(), resident);
    }

    #[test]
    fn what_was_stored_to_is_copied_at_once_and_the_rest_on_write() {
        let mut resident = Resident::new();
        resident.insert(2 * PAGE_SIZE..6 * PAGE_SIZE);
        let mut broken = Broken::new();
        [5, 3, 5, 6, 40].into_iter().for_each(|page| broken.note(page * PAGE_SIZE));
        let mut list = CloneRanges::new();
        let mut ranges = Ranges(&mut list);
        add(&mut ranges, 2..7, &mut broken, &resident);
        assert_eq!(told(&ranges), [(2, 3, WRITE), (3, 4, COPY), (4, 5, WRITE), (5, 6, COPY), (6, 7, WRITE)], "6 is not there");
        (100..100 + Broken::MOST).for_each(|page| broken.note(page * PAGE_SIZE));
        let mut list = CloneRanges::new();
        let mut ranges = Ranges(&mut list);
        add(&mut ranges, 2..7, &mut broken, &resident);
        assert_eq!(told(&ranges), [(2, 7, WRITE)], "only the last are known");
    }

    #[test]
    fn neighbours_become_one_range() {
        let (mut list, mut broken, resident) = (CloneRanges::new(), Broken::new(), Resident::new());
        let mut ranges = Ranges(&mut list);
        add(&mut ranges, 2..7, &mut broken, &resident);
        add(&mut ranges, 7..9, &mut broken, &resident);
        add(&mut ranges, 100..101, &mut broken, &resident);
        ranges.add(101 * PAGE_SIZE..103 * PAGE_SIZE, CloneMode::Share);
        add(&mut ranges, 103..104, &mut broken, &resident);
        add(&mut ranges, 4000..4001, &mut broken, &resident);
        assert_eq!(told(&ranges), [(2, 101, WRITE), (101, 103, 0), (103, 104, WRITE), (4000, 4001, WRITE)]);
    }
}
