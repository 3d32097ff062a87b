//! What a page fault means: a frame to be had, or a signal.

use core::ops::Range;

use abi::{PAGE_SIZE, Rights};
use policy::image;
pub use policy::paging::Access;
use policy::paging::{Contents as Start, Fault, Paging};

use crate::kernel::Kernel;
use crate::memory::backing::Frames;
use crate::memory::source::{Source, Wanted, shown};
use crate::memory::{Contents, FileMapping, Label, Memory, Protection, rights};

/// Why it may not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// No region is there: `SIGSEGV`, `SEGV_MAPERR`.
    Unmapped,
    /// The region does not allow it: `SIGSEGV`, `SEGV_ACCERR`.
    Denied,
    /// A file's mapping, past the file's end: `SIGBUS`, `BUS_ADRERR`.
    PastEnd,
    /// The file could not be read: `SIGBUS`, `BUS_ADRERR`.
    Unreadable,
    /// The frame was taken by force, and what was in it is nowhere else: `SIGBUS`, `BUS_MCEERR_AR`, until the page is mapped or discarded
    /// anew.
    Taken,
    /// The quota is used up: `SIGKILL`, as Linux ends what it has no memory for.
    NoMemory,
}

impl Memory {
    /// Make an address accessible, if its region allows the access.
    ///
    /// # Errors
    /// The [`Refusal`] that becomes a signal.
    #[inline(always)]
    pub fn resolve<K: Kernel>(&mut self, kernel: &K, address: usize, access: Access) -> Result<(), Refusal> {
        let page = address & !(PAGE_SIZE - 1);
        match self.regions.find_recent(page) {
            Some((protection, _)) if !allows(protection, access) => Err(Refusal::Denied),
            Some((protection, region)) => self.resolve_recent(kernel, page, access, region, protection),
            None => self.resolve_anywhere(kernel, page, access),
        }
    }

    /// [`Memory::resolve`], in the region that the last fault was in, which allows the access.
    #[inline(never)]
    fn resolve_recent<K: Kernel>(
        &mut self,
        kernel: &K,
        page: usize,
        access: Access,
        region: Range<usize>,
        protection: Protection,
    ) -> Result<(), Refusal> {
        let fault = self.fault(page, access, region, Start::Zeros);
        self.resolve_zeros(kernel, &fault, protection, |memory, fault| memory.own_paging.bring(fault))
    }

    /// [`Memory::resolve`], but for the region that the last fault was in.
    #[cold]
    fn resolve_anywhere<K: Kernel>(&mut self, kernel: &K, page: usize, access: Access) -> Result<(), Refusal> {
        let (start, region) = match self.regions.find(page) {
            Some(found) => found,
            None => {
                self.grow_stack(page).ok_or(Refusal::Unmapped)?;
                self.regions.find(page).ok_or(Refusal::Unmapped)?
            }
        };
        let (protection, range) = (region.protection, start..region.end);
        let Contents::File(file) = &region.contents else {
            if let Some(card) = self.card_of(page) {
                return self.resolve_with_card(kernel, page, access, protection, card);
            }
            let is_stack = region.label == Label::Stack;
            // A chosen policy is asked here, where those that did not choose do not come each time.
            let is_asked = self.paging.as_deref().is_some_and(|chosen| !image::is_brought_by_own(chosen));
            if !is_asked && self.placement.is_none() && self.barriers.is_empty() {
                self.regions.note_recent(range.clone(), protection);
            }
            if !allows(protection, access) {
                return Err(Refusal::Denied);
            }
            let fault = self.fault(page, access, range, Start::Zeros);
            if self.placement.is_some() && !self.resident.contains(page) {
                // What a child gets of a stack may be a copy at once, which there is none of a large page.
                return self.resolve_placed(kernel, &fault, rights_for(protection, access), !is_stack);
            }
            return self.resolve_zeros(kernel, &fault, protection, Memory::bring);
        };
        if !allows(protection, access) {
            return Err(Refusal::Denied);
        }
        let (file, shared) = (file.clone(), region.shared);
        let is_shown = self.shown.contains(page);
        if self.resident.contains(page) && self.is_taken(kernel, page) {
            if !is_shown {
                return Err(Refusal::Taken);
            }
            // The file has it still.
            self.discard(kernel, page..page + PAGE_SIZE);
        }
        if self.resident.contains(page) {
            if !is_shown || access != Access::Write {
                if access == Access::Write && kernel.page_break(page) {
                    self.note_broken(page);
                    return Ok(());
                }
                let rights = if is_shown && !shared { shown(protection) } else { rights_for(protection, access) };
                return kernel.page_protect(page, 1, rights).map_err(|_| Refusal::Denied);
            }
            // A store to what is shown: this mapping gets a frame that it may store to.
            self.discard(kernel, page..page + PAGE_SIZE);
        }
        let offset = file.offset + (page - start) as u64;
        let contents = if access == Access::Write && !shared { Start::Copy } else { Start::File };
        let fault = self.fault(page, access, range, contents);
        let wanted = self.bring(&fault);
        let most = (self.missing(&fault, page..wanted.end).end - page) / PAGE_SIZE;
        self.bring_file(kernel, page, &Wanted { file: &file, offset, most, shared, protection, access })
    }

    /// A page that was copied on write was stored to. Of large pages no child gets copies at once.
    fn note_broken(&mut self, page: usize) {
        if self.placement.is_none() {
            self.broken.note(page);
        }
    }

    #[inline(always)]
    fn fault(&self, page: usize, access: Access, region: Range<usize>, contents: Start) -> Fault {
        Fault { page, access, region, contents, in_order: self.sequential == page }
    }

    /// What the paging policy wants: the chosen one, or the image's own.
    pub(super) fn bring(&mut self, fault: &Fault) -> Range<usize> {
        match &mut self.paging {
            Some(chosen) => chosen.bring(fault),
            None => self.own_paging.bring(fault),
        }
    }

    /// A fault in an anonymous region that allows the access, for which a policy says what to bring.
    #[inline(always)]
    fn resolve_zeros<K: Kernel>(
        &mut self,
        kernel: &K,
        fault: &Fault,
        protection: Protection,
        bring: impl FnOnce(&mut Memory, &Fault) -> Range<usize>,
    ) -> Result<(), Refusal> {
        let &Fault { page, access, .. } = fault;
        let rights = rights_for(protection, access);
        if self.resident.contains(page) {
            // A frame that is shared since a fork: rights alone would not make it writable.
            if access == Access::Write && kernel.page_break(page) {
                self.note_broken(page);
                return Ok(());
            }
            if self.is_taken(kernel, page) {
                return Err(Refusal::Taken);
            }
            return kernel.page_protect(page, 1, rights).map_err(|_| Refusal::Denied);
        }
        let wanted = bring(self, fault);
        let run = bring_zeros(kernel, page, self.missing(fault, wanted), rights)?;
        self.note_resident(run);
        Ok(())
    }

    #[inline(always)]
    pub(super) fn note_resident(&mut self, run: Range<usize>) {
        self.sequential = run.end;
        self.resident.insert(run);
        self.most_resident = self.most_resident.max(self.resident.pages());
        self.faults += 1;
    }

    /// Map what a file's pages are to be.
    fn bring_file<K: Kernel>(&mut self, kernel: &K, page: usize, wanted: &Wanted) -> Result<(), Refusal> {
        let pages = match wanted.source()? {
            Source::Shown(frames, rights) => {
                if !frames.moved.is_empty() {
                    self.forget(kernel, wanted.file.backing.identity(), frames.moved.clone(), false);
                }
                let pages = show(kernel, page, &frames, rights)?;
                self.shown.insert(page..page + pages * PAGE_SIZE);
                pages
            }
            Source::Copied(frames) => {
                let pages = bring_zeros(kernel, page, page..page + frames.pages * PAGE_SIZE, Rights::READ_WRITE)?.len() / PAGE_SIZE;
                kernel.copy_pages(page, frames.address, pages);
                settle(kernel, page, pages, rights_for(wanted.protection, wanted.access))?;
                pages
            }
            Source::Read(pages) => {
                let pages = bring_zeros(kernel, page, page..page + pages * PAGE_SIZE, Rights::READ_WRITE)?.len() / PAGE_SIZE;
                let mut outcome = Ok(0);
                kernel.with_pages(page, pages, &mut |bytes| outcome = read_fully(wanted.file, wanted.offset, bytes));
                if outcome.is_err() {
                    kernel.page_unmap(page, pages);
                    return Err(Refusal::Unreadable);
                }
                settle(kernel, page, pages, rights_for(wanted.protection, wanted.access))?;
                pages
            }
        };
        self.note_resident(page..page + pages * PAGE_SIZE);
        Ok(())
    }

    /// Bring in every page of a range, for reading: `MAP_POPULATE`, mlock(2). Stops at the first that cannot be had.
    pub fn populate<K: Kernel>(&mut self, kernel: &K, range: core::ops::Range<usize>) -> Result<(), Refusal> {
        let mut at = range.start;
        while at < range.end {
            if !self.resident.contains(at) {
                self.resolve(kernel, at, Access::Read)?;
            }
            at += PAGE_SIZE;
        }
        Ok(())
    }

    /// The run of pages around that of a fault which are wanted, in its region, and not resident.
    #[inline(always)]
    pub(super) fn missing(&self, fault: &Fault, wanted: Range<usize>) -> Range<usize> {
        let next = fault.page + PAGE_SIZE;
        let start = wanted.start.clamp(fault.region.start, fault.page) & !(PAGE_SIZE - 1);
        let end = (wanted.end & !(PAGE_SIZE - 1)).clamp(next, fault.region.end);
        let is_there = |&at: &usize| self.resident.contains(at);
        let start = (start..fault.page).step_by(PAGE_SIZE).rev().find(is_there).map_or(start, |before| before + PAGE_SIZE);
        let end = if end == next { end } else { self.resident.first_run(next..end).map_or(end, |run| run.start) };
        start..end
    }

    /// Let the main stack reach down to `page`, if the address is near enough above its end and below its limit.
    fn grow_stack(&mut self, page: usize) -> Option<()> {
        let (start, region) = self.regions.next_above(page)?;
        if region.label != Label::Stack || region.end - page > self.stack_limit {
            return None;
        }
        self.regions.grow_down(start, page);
        Some(())
    }
}

/// Whether a region allows an access.
#[inline(always)]
pub(super) fn allows(protection: Protection, access: Access) -> bool {
    let enough = match access {
        // Neither ISA can map a page for stores or fetches that does not allow loads.
        Access::Read => Protection::all(),
        Access::Write => Protection::WRITE,
        Access::Execute => Protection::EXECUTE,
    };
    protection.intersects(enough)
}

/// The rights that serve an access: of a page that may be both written and executed, the half that is asked for.
pub(super) fn rights_for(protection: Protection, access: Access) -> Rights {
    let both = Protection::WRITE | Protection::EXECUTE;
    if protection.contains(both) && access == Access::Execute { rights(protection - Protection::WRITE) } else { rights(protection) }
}

/// Map zeroed frames: for all of a run around a page, or for that page alone if there are not so many.
#[inline(always)]
pub(super) fn bring_zeros<K: Kernel>(kernel: &K, page: usize, run: Range<usize>, rights: Rights) -> Result<Range<usize>, Refusal> {
    if kernel.page_alloc(run.start, run.len() / PAGE_SIZE, rights).is_ok() {
        return Ok(run);
    }
    if run.len() > PAGE_SIZE && kernel.page_alloc(page, 1, rights).is_ok() {
        return Ok(page..page + PAGE_SIZE);
    }
    Err(Refusal::NoMemory)
}

/// Map frames that the library has once more: as many as there is quota for, at least one.
fn show<K: Kernel>(kernel: &K, page: usize, frames: &Frames, rights: Rights) -> Result<usize, Refusal> {
    match kernel.page_map(page, frames.address, frames.pages, rights) {
        Ok(()) => Ok(frames.pages),
        Err(abi::Error::Quota) => {
            kernel.page_unmap(page, frames.pages);
            kernel.page_map(page, frames.address, 1, rights).map(|()| 1).map_err(|_| Refusal::NoMemory)
        }
        Err(_) => Err(Refusal::Unreadable),
    }
}

/// Give pages that were just filled the rights that they are to have.
fn settle<K: Kernel>(kernel: &K, page: usize, pages: usize, rights: Rights) -> Result<(), Refusal> {
    if rights == Rights::READ_WRITE { Ok(()) } else { kernel.page_protect(page, pages, rights).map_err(|_| Refusal::Denied) }
}

fn read_fully(file: &FileMapping, offset: u64, bytes: &mut [u8]) -> crate::errno::Result<usize> {
    let mut done = 0;
    while done < bytes.len() {
        match file.backing.read_at(offset + done as u64, &mut bytes[done..])? {
            0 => break,
            count => done += count,
        }
    }
    Ok(done)
}
