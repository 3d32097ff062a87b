//! The map of regions: what the program has asked to be where. Pure: no page is touched here.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::ops::Range;

use bitflags::bitflags;

use crate::errno::{Errno, Result};
use crate::memory::backing::Backing;
use crate::memory::ordered::{Ordered, Place};

bitflags! {
    /// What a region allows, as mmap(2)'s `PROT_*`.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct Protection: u32 {
        /// `PROT_READ`
        const READ = 1;
        /// `PROT_WRITE`
        const WRITE = 2;
        /// `PROT_EXEC`
        const EXECUTE = 4;
    }
}

/// A file behind a region.
#[derive(Clone)]
pub struct FileMapping {
    /// The contents.
    pub backing: Arc<dyn Backing>,
    /// Offset in the file of the region's first byte.
    pub offset: u64,
    /// The path that it was opened by.
    pub path: Arc<[u8]>,
    /// Whether it was opened for writing too: a shared mapping may be stored through, now or later.
    pub may_write: bool,
}

/// What a region's pages start as.
#[derive(Clone)]
pub enum Contents {
    /// Zeros.
    Anonymous,
    /// A file's. Elsewhere, so that a region is small: most have no file, and the map moves them about.
    File(Box<FileMapping>),
}

/// What `/proc/self/maps` calls a region that has no file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Label {
    /// Nothing.
    #[default]
    None,
    /// `[heap]`: what brk(2) moves.
    Heap,
    /// `[stack]`: the main stack, which grows down by itself.
    Stack,
}

/// A stretch of the address space with the same attributes.
#[derive(Clone)]
pub struct Region {
    /// One past its last address.
    pub end: usize,
    /// What it allows.
    pub protection: Protection,
    /// `MAP_SHARED`.
    pub shared: bool,
    /// Whether it was locked by mlock(2): what may not be invalidated.
    pub locked: bool,
    /// What its pages start as.
    pub contents: Contents,
    /// Its name without a file.
    pub label: Label,
}

impl Region {
    /// A private anonymous region that ends at `end`.
    #[must_use]
    pub fn anonymous(end: usize, protection: Protection, label: Label) -> Region {
        Region { end, protection, shared: false, locked: false, contents: Contents::Anonymous, label }
    }

    /// Whether it may come to allow this: a file that was opened for reading is not stored to.
    #[must_use]
    pub fn may_become(&self, protection: Protection) -> bool {
        match &self.contents {
            Contents::File(file) if self.shared && !file.may_write => !protection.contains(Protection::WRITE),
            _ => true,
        }
    }

    /// The same region, starting `bytes` later.
    fn advanced(&self, bytes: usize) -> Region {
        let mut region = self.clone();
        if let Contents::File(file) = &mut region.contents {
            file.offset += bytes as u64;
        }
        region
    }

    /// Whether `next`, which starts where this region of `length` bytes ends, continues it.
    fn continues(&self, length: usize, next: &Region) -> bool {
        let same_contents = match (&self.contents, &next.contents) {
            (Contents::Anonymous, Contents::Anonymous) => true,
            (Contents::File(a), Contents::File(b)) => {
                Arc::ptr_eq(&a.backing, &b.backing)
                    && Arc::ptr_eq(&a.path, &b.path)
                    && a.may_write == b.may_write
                    && a.offset + length as u64 == b.offset
            }
            _ => false,
        };
        self.attributes() == next.attributes() && same_contents
    }

    #[inline(always)]
    fn attributes(&self) -> (Protection, bool, bool, Label) {
        (self.protection, self.shared, self.locked, self.label)
    }
}

/// What a search for room found out: between these addresses no gap has more bytes. Regions that come later only make gaps smaller.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Dense {
    range: Range<usize>,
    largest_gap: usize,
}

/// The regions of an address space, by first address. They never overlap and are never empty.
#[derive(Default)]
pub struct Regions {
    map: Ordered<Region>,
    /// Where the next search for room need not look: without it, a program with many mappings would pay for all of them at each new one.
    dense: Option<Dense>,
    /// The anonymous region that the last fault was in: most faults are where the one before was. Empty when the map changed since.
    recent: Option<(Range<usize>, Protection)>,
}

impl Regions {
    /// An empty address space.
    #[must_use]
    pub const fn new() -> Regions {
        Regions { map: Ordered::new(), dense: None, recent: None }
    }

    /// The region that holds an address, and where it starts.
    #[must_use]
    pub fn find(&self, address: usize) -> Option<(usize, &Region)> {
        let (start, region) = self.map.get(self.map.at_or_below(address)?);
        (address < region.end).then_some((start, region))
    }

    /// What the region that holds an address allows and where it is, if it is anonymous and the last one asked for.
    #[must_use]
    #[inline(always)]
    pub fn find_recent(&self, address: usize) -> Option<(Protection, Range<usize>)> {
        let (range, protection) = self.recent.as_ref()?;
        range.contains(&address).then(|| (*protection, range.clone()))
    }

    /// Let the next search be one through all regions.
    pub fn forget_recent(&mut self) {
        self.recent = None;
    }

    /// Remember where an anonymous region is and what it allows.
    pub fn note_recent(&mut self, range: Range<usize>, protection: Protection) {
        self.recent = Some((range, protection));
    }

    /// The first region that starts above an address.
    #[must_use]
    pub fn next_above(&self, address: usize) -> Option<(usize, &Region)> {
        self.map.above(self.map.at_or_below(address)).map(|place| self.map.get(place))
    }

    /// All regions, in order.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &Region)> {
        self.map.iter()
    }

    /// The parts of regions that lie in a range, in order.
    pub fn overlapping(&self, range: Range<usize>) -> impl Iterator<Item = (Range<usize>, &Region)> {
        let first = self.map.at_or_below(range.start).or_else(|| self.map.above(None));
        first
            .into_iter()
            .flat_map(|first| self.map.iter_from(first))
            .map(move |(start, region)| (start.max(range.start)..region.end.min(range.end), region))
            .take_while(move |(part, _)| part.start < range.end)
            .filter(|(part, _)| !part.is_empty())
    }

    /// Whether no region is in a range.
    #[must_use]
    pub fn is_free(&self, range: Range<usize>) -> bool {
        self.overlapping(range).next().is_none()
    }

    /// Whether every address of a range is in a region.
    #[must_use]
    pub fn covers(&self, range: Range<usize>) -> bool {
        let mut at = range.start;
        for (part, _) in self.overlapping(range.clone()) {
            if part.start != at {
                return false;
            }
            at = part.end;
        }
        at >= range.end
    }

    /// Put a region at `start`, in place of whatever was there, joined with neighbours that it continues.
    pub fn insert(&mut self, start: usize, region: Region) {
        self.remove(start..region.end);
        self.insert_free(start, region);
    }

    /// Put a region at `start`, where nothing is, joined with neighbours that it continues.
    pub fn insert_free(&mut self, start: usize, region: Region) {
        self.recent = None;
        let below = self.map.at_or_below(start);
        self.put(below, start, region);
    }

    /// Put a region at `start`, where nothing is, right after the region at a place, joined with neighbours that it continues.
    fn put(&mut self, below: Option<Place>, start: usize, region: Region) {
        let end = region.end;
        let joins_above = self.map.above(below).filter(|&above| {
            let (next, above) = self.map.get(above);
            next == end && region.continues(end - start, above)
        });
        let joins_below = below.filter(|&below| {
            let (before, below) = self.map.get(below);
            below.end == start && below.continues(start - before, &region)
        });
        match (joins_below, joins_above) {
            (Some(below), Some(above)) => {
                let end = self.map.remove(above).end;
                self.map.get_mut(below).1.end = end;
            }
            (Some(below), None) => self.map.get_mut(below).1.end = end,
            (None, Some(above)) => {
                let (next, above) = self.map.get_mut(above);
                let end = above.end;
                (*next, *above) = (start, Region { end, ..region });
            }
            (None, None) => {
                self.map.insert_above(below, start, region);
            }
        }
    }

    /// Take a range out: of the last region in it first.
    pub fn remove(&mut self, range: Range<usize>) {
        if range.is_empty() {
            return;
        }
        let mut next = self.map.at_or_below(range.end - 1);
        while let Some(place) = next {
            next = self.map.below(place);
            let (start, region) = self.map.get_mut(place);
            let start = *start;
            if region.end <= range.start {
                return;
            }
            self.recent = None;
            // The gap may reach beyond the range.
            if self.dense.as_ref().is_some_and(|dense| dense.range.start <= range.end && range.start <= dense.range.end) {
                self.dense = None;
            }
            let upper = (range.end < region.end).then(|| region.advanced(range.end - start));
            match upper {
                Some(upper) if start < range.start => {
                    region.end = range.start;
                    self.map.insert_above(Some(place), range.end, upper);
                }
                Some(upper) => {
                    let (start, region) = self.map.get_mut(place);
                    (*start, *region) = (range.end, upper);
                }
                None if start < range.start => region.end = range.start,
                None => drop(self.map.remove(place)),
            }
            // What is below is in no part of the range.
            if start <= range.start {
                return;
            }
        }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.map.count()
    }

    /// Set what a range allows as far as one region goes. Gives where that ends, and whether it is shared.
    ///
    /// # Errors
    /// `ENOMEM`: the range begins in no region. `EACCES`: in one that may not come to allow this.
    pub fn protect_first(&mut self, range: Range<usize>, protection: Protection) -> Result<(usize, bool)> {
        let mut is_shared = false;
        let end = self.change_first(range, |region| {
            is_shared = region.shared;
            region.protection = protection;
            if region.may_become(protection) { Ok(()) } else { Err(Errno::EACCES) }
        })?;
        Ok((end, is_shared))
    }

    /// Lock or unlock a range. As with mprotect(2), the part before a hole is changed even though the whole fails with `ENOMEM`.
    pub fn lock(&mut self, range: Range<usize>, locked: bool) -> Result<()> {
        let mut at = range.start;
        while at < range.end {
            at = self.change_first(at..range.end, |region| {
                region.locked = locked;
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Change attributes of a range as far as one region goes; gives where that ends.
    fn change_first(&mut self, range: Range<usize>, change: impl FnOnce(&mut Region) -> Result<()>) -> Result<usize> {
        let at = range.start;
        let place = self.map.at_or_below(at).ok_or(Errno::ENOMEM)?;
        let (&mut start, region) = self.map.get_mut(place);
        if region.end <= at {
            return Err(Errno::ENOMEM);
        }
        let end = region.end.min(range.end);
        let mut part = region.advanced(at - start);
        part.end = end;
        change(&mut part)?;
        if part.attributes() == region.attributes() {
            return Ok(end);
        }
        self.recent = None;
        // What is left of the region above the part, and below it; the part then takes the place between.
        let above = (end < region.end).then(|| region.advanced(end - start));
        let below = if start < at {
            region.end = at;
            match above {
                Some(above) => {
                    let above = self.map.insert_above(Some(place), end, above);
                    self.map.below(above)
                }
                None => Some(place),
            }
        } else if let Some(above) = above {
            let (start, region) = self.map.get_mut(place);
            (*start, *region) = (end, above);
            self.map.below(place)
        } else {
            return Ok(self.change_whole(place, part));
        };
        self.put(below, at, part);
        Ok(end)
    }

    /// Let a region be another one with the same addresses, joined with neighbours that it continues; gives where it ended.
    fn change_whole(&mut self, place: Place, changed: Region) -> usize {
        let end = changed.end;
        let below = self.map.below(place);
        let (start, region) = self.map.get(place);
        let joins = |below: Place| {
            let (before, below) = self.map.get(below);
            below.end == start && below.continues(start - before, &changed)
        };
        let joins_above = self.map.above(Some(place)).is_some_and(|above| {
            let (next, above) = self.map.get(above);
            next == end && changed.continues(end - start, above)
        });
        if joins_above || below.is_some_and(joins) {
            debug_assert_eq!(region.end, end, "all of it is changed");
            self.map.remove(place);
            self.put(below, start, changed);
        } else {
            *self.map.get_mut(place).1 = changed;
        }
        end
    }

    /// Lower the start of the region at `start`: a stack that grows.
    pub fn grow_down(&mut self, start: usize, new_start: usize) {
        self.recent = None;
        if let Some(place) = self.map.at_or_below(start)
            && self.map.get(place).0 == start
        {
            *self.map.get_mut(place).0 = new_start;
        }
    }

    /// The highest free range of `length` bytes inside `within`, at a multiple of `alignment` (a power of two).
    #[must_use]
    pub fn gap(&mut self, length: usize, alignment: usize, within: Range<usize>) -> Option<usize> {
        let known = self.dense.take().filter(|dense| dense.range.end == within.end && dense.largest_gap < length);
        let mut dense = known.unwrap_or(Dense { range: within.end..within.end, largest_gap: 0 });
        let fits = |low: usize, top: usize| {
            let start = top.checked_sub(length)? & !(alignment - 1);
            (start >= low).then_some(start)
        };
        let mut found = None;
        let mut next = dense.range.start.checked_sub(1).and_then(|last| self.map.at_or_below(last));
        while let Some(place) = next {
            next = self.map.below(place);
            let (start, region) = self.map.get(place);
            let low = region.end.max(within.start);
            found = fits(low, dense.range.start);
            if found.is_some() || dense.range.start <= within.start {
                break;
            }
            dense.largest_gap = dense.largest_gap.max(dense.range.start.saturating_sub(low));
            dense.range.start = dense.range.start.min(start);
        }
        let found = found.or_else(|| fits(within.start, dense.range.start));
        self.dense = Some(dense);
        found
    }

    /// Bytes in all regions.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.map.iter().map(|(start, region)| region.end - start).sum()
    }
}
