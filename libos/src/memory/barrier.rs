//! Write barriers: which pages were stored to since the program last asked, without a signal for each.
//!
//! A generational garbage collector wants to know which old pages may point to young objects (Appel, Ellis, Li, "Real-time concurrent collection on
//! stock multiprocessors", 1988; Appel, Li, "Virtual memory primitives for user programs", 1991). On Linux it makes them read-only and takes
//! a `SIGSEGV` for each, whose handler calls mprotect(2). Here the fault comes to the process's own library anyway, so that the library marks
//! the page's *card*, a byte of the program's, lets the page be stored to, and goes back: no signal, no second call.
//!
//! The function is `__chitin_barrier` of the vDSO (see `user/c/barrier.h`). Who never calls it pays nothing: a region with a barrier is only not
//! among those that faults take the short way for.

use alloc::vec::Vec;
use core::ops::Range;

use abi::{PAGE_SIZE, Rights};

use policy::paging::Paging;

use crate::errno::{Errno, Result};
use crate::kernel::Kernel;
use crate::memory::fault::{Access, Refusal, allows, bring_zeros, rights_for};
use crate::memory::{Contents, Memory, Protection, Region};

/// The most barriers of a process.
const MOST: usize = 64;
/// The most pages that a store opens.
const MOST_OPENED: usize = 64;
/// What their cards become.
const MARKS: [u8; MOST_OPENED] = [1; MOST_OPENED];
/// What the program's own data allows.
const DATA: Protection = Protection::READ.union(Protection::WRITE);
/// What a page may that has not been stored to yet.
const BEFORE: Rights = Rights::READ.union(Rights::MAY_ALL);

/// A range of pages whose first stores are noted.
#[derive(Debug)]
pub(super) struct Barrier {
    range: Range<usize>,
    /// Address of the first page's card.
    cards: usize,
}

/// Whether a region is memory of the program's own that it loads and stores.
fn is_data(region: &Region) -> bool {
    !region.shared && matches!(region.contents, Contents::Anonymous) && region.protection == DATA
}

impl Memory {
    /// From now on the first store to each page of `range` sets that page's byte of those from `cards` on to 1. The same range once more: all begins
    /// anew, the bytes are the program's to clear before. Until [`Memory::lift_barrier`], range and cards are to stay mapped as they are.
    ///
    /// # Errors
    /// `ENOMEM`: not all of the range is private anonymous memory that may be loaded and stored, or there is none left for the cards.
    /// `EFAULT`: the cards are not in such memory. `EINVAL`: a part of the range, and not the same one, has a barrier. `ENOSPC`: too many.
    pub fn set_barrier<K: Kernel>(&mut self, kernel: &K, range: Range<usize>, cards: usize) -> Result<()> {
        let all =
            |range: Range<usize>| self.regions.covers(range.clone()) && self.regions.overlapping(range).all(|(_, region)| is_data(region));
        let last_card = cards.checked_add(range.len() / PAGE_SIZE).ok_or(Errno::EFAULT)?;
        let card_pages = cards & !(PAGE_SIZE - 1)..last_card.checked_next_multiple_of(PAGE_SIZE).ok_or(Errno::EFAULT)?;
        if range.is_empty() || !all(range.clone()) {
            return Err(Errno::ENOMEM);
        }
        if !all(card_pages.clone()) || card_pages.start < range.end && range.start < card_pages.end {
            return Err(Errno::EFAULT);
        }
        let known = self.barriers.iter().position(|barrier| barrier.range == range);
        let overlaps = |barrier: &Barrier| barrier.range.start < range.end && range.start < barrier.range.end;
        if known.is_none() && self.barriers.iter().any(overlaps) {
            return Err(Errno::EINVAL);
        }
        if known.is_none() && self.barriers.len() == MOST {
            return Err(Errno::ENOSPC);
        }
        self.populate(kernel, card_pages).map_err(|_| Errno::ENOMEM)?;
        let barrier = Barrier { range: range.clone(), cards };
        match known {
            Some(place) => self.barriers[place] = barrier,
            None => self.barriers.push(barrier),
        }
        self.regions.forget_recent();
        self.resident.for_runs(range, |run| {
            // Every page of such memory was mapped with all rights to come.
            let _ = kernel.page_protect(run.start, run.len() / PAGE_SIZE, BEFORE);
        });
        Ok(())
    }

    /// Stores to the range that begins there are not noted any more.
    ///
    /// # Errors
    /// `EINVAL`: there is no barrier.
    pub fn lift_barrier(&mut self, start: usize) -> Result<()> {
        let place = self.barriers.iter().position(|barrier| barrier.range.start == start).ok_or(Errno::EINVAL)?;
        self.barriers.swap_remove(place);
        Ok(())
    }

    /// The card of a page, if it has one.
    pub(super) fn card_of(&self, page: usize) -> Option<usize> {
        let barrier = self.barriers.iter().find(|barrier| barrier.range.contains(&page))?;
        Some(barrier.cards + (page - barrier.range.start) / PAGE_SIZE)
    }

    /// A fault on a page that has a card.
    pub(super) fn resolve_with_card<K: Kernel>(
        &mut self,
        kernel: &K,
        page: usize,
        access: Access,
        protection: Protection,
        card: usize,
    ) -> core::result::Result<(), Refusal> {
        if !allows(protection, access) {
            return Err(Refusal::Denied);
        }
        let is_there = self.resident.contains(page);
        if is_there && self.is_taken(kernel, page) {
            return Err(Refusal::Taken);
        }
        if access != Access::Write {
            // Without the right to store, so that the first store is seen.
            return self.come(kernel, page, is_there, BEFORE);
        }
        let run = self.opened(page, is_there);
        let first = card - (page - run.start) / PAGE_SIZE;
        self.mark(kernel, first..first + run.len() / PAGE_SIZE)?;
        let rights = rights_for(protection, access);
        if run.len() == PAGE_SIZE || self.may_have_copies {
            return run.step_by(PAGE_SIZE).try_for_each(|one| self.come(kernel, one, is_there, rights));
        }
        kernel.page_protect(run.start, run.len() / PAGE_SIZE, rights).map_err(|_| Refusal::Denied)
    }

    /// The pages in a row that a store to one of them opens: those that the paging policy wants, as far as they are there and behind the barrier.
    fn opened(&mut self, page: usize, is_there: bool) -> Range<usize> {
        let (wanted, alone) = (self.open(page), page..page + PAGE_SIZE);
        if !is_there || wanted.len() <= PAGE_SIZE {
            return alone;
        }
        let barrier = self.barriers.iter().find(|barrier| barrier.range.contains(&page));
        let (Some(barrier), Some((region, Region { end, .. }))) = (barrier, self.regions.find(page)) else { return alone };
        let start = wanted.start.max(barrier.range.start).max(region);
        let wanted = start..wanted.end.min(barrier.range.end).min(*end).min(start + MOST_OPENED * PAGE_SIZE);
        let is_apart = |at: &usize| !self.resident.contains(*at);
        let before = (wanted.start..page).step_by(PAGE_SIZE).rev().find(is_apart);
        let behind = (alone.end..wanted.end).step_by(PAGE_SIZE).find(is_apart);
        before.map_or(wanted.start, |apart| apart + PAGE_SIZE)..behind.unwrap_or(wanted.end.max(alone.end))
    }

    /// Let a page be there with rights.
    fn come<K: Kernel>(&mut self, kernel: &K, page: usize, is_there: bool, rights: Rights) -> core::result::Result<(), Refusal> {
        if !is_there {
            let run = bring_zeros(kernel, page, page..page + PAGE_SIZE, rights)?;
            self.note_resident(run);
            return Ok(());
        }
        let stores = rights.contains(Rights::WRITE);
        if stores && self.may_have_copies && kernel.page_break(page) {
            return Ok(());
        }
        kernel.page_protect(page, 1, rights).map_err(|_| Refusal::Denied)
    }

    /// The pages that the paging policy opens by a store to one.
    fn open(&mut self, page: usize) -> Range<usize> {
        match &mut self.paging {
            Some(chosen) => chosen.open(page),
            None => self.own_paging.open(page),
        }
    }

    /// Set cards. Where that cannot be done the store is refused: it would go unnoticed.
    fn mark<K: Kernel>(&mut self, kernel: &K, cards: Range<usize>) -> core::result::Result<(), Refusal> {
        if !self.regions.find(cards.start).is_some_and(|(_, region)| is_data(region) && cards.end <= region.end) {
            return Err(Refusal::Denied);
        }
        let first = cards.start & !(PAGE_SIZE - 1);
        for page in (first..cards.end).step_by(PAGE_SIZE) {
            // Nothing may fault while a fault is served.
            if self.may_have_copies || !self.resident.contains(page) {
                self.resolve(kernel, page, Access::Write)?;
            }
            if self.is_taken(kernel, page) {
                return Err(Refusal::Taken);
            }
        }
        kernel.write(cards.start, &MARKS[..cards.len()]).map_err(|_| Refusal::Denied)
    }
}

/// Barriers of a process that begins.
pub(super) const NONE: Vec<Barrier> = Vec::new();
