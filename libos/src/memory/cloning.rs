//! What a new process gets of an address space.
//!
//! What is shared stays shared: files' frames, and shared anonymous memory, every page of which is made before, since a page that only came
//! later would be one of each process's own. The rest is copied on write, or, for vfork(2), shared as well: the one who waits sees what the
//! other stored. Pages that come after a vfork(2) are those of the process that they came in.

use alloc::vec::Vec;

use abi::{CloneMode, CloneRange, PAGE_SIZE};

use crate::errno::{Errno, Result};
use crate::kernel::Kernel;
use crate::memory::fault::Access;
use crate::memory::{Contents, Memory, Protection, Region};

impl Memory {
    /// The ranges, with everything shared if `shares_all`.
    ///
    /// # Errors
    /// `ENOMEM`: not all pages of shared anonymous memory are to be had.
    pub fn clone_ranges<K: Kernel>(&mut self, kernel: &K, shares_all: bool) -> Result<Vec<CloneRange>> {
        self.complete_shared(kernel)?;
        if !shares_all {
            self.may_have_copies = true;
        } else if core::mem::take(&mut self.may_have_copies) {
            self.end_copies(kernel);
        }
        let mut ranges = Vec::new();
        for (start, region) in self.regions.iter() {
            let mode = if shares_all || region.shared { CloneMode::Share } else { CloneMode::CopyOnWrite };
            self.resident.for_runs(start..region.end, |run| {
                let (address, pages) = (run.start as u64, (run.len() / PAGE_SIZE) as u64);
                ranges.push(CloneRange { source: address, target: address, pages, mode: mode as u64 });
            });
        }
        Ok(ranges)
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
