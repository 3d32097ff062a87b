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

impl FileMapping {
    /// The same file, from so many bytes later on. Most regions have no file: who asks does not make room for this.
    #[inline(never)]
    fn advanced(&self, bytes: usize) -> Box<FileMapping> {
        Box::new(FileMapping { offset: self.offset + bytes as u64, ..self.clone() })
    }
}

/// What a region's pages start as.
#[derive(Clone)]
pub enum Contents {
    /// Zeros.
    Anonymous,
    /// A file's. Elsewhere, so that a region is small: most have no file, and the map moves them about.
    File(Box<FileMapping>),
}

impl Contents {
    /// The same, from so many bytes later on.
    #[inline(always)]
    fn advanced(&self, bytes: usize) -> Contents {
        match self {
            Contents::Anonymous => Contents::Anonymous,
            Contents::File(file) => Contents::File(file.advanced(bytes)),
        }
    }

    /// Whether `next`, of a region that starts where one of `length` bytes with these ends, continues them.
    #[inline(always)]
    fn continue_in(&self, length: usize, next: &Contents) -> bool {
        match (self, next) {
            (Contents::Anonymous, Contents::Anonymous) => true,
            (Contents::File(a), Contents::File(b)) => {
                Arc::ptr_eq(&a.backing, &b.backing)
                    && Arc::ptr_eq(&a.path, &b.path)
                    && a.may_write == b.may_write
                    && a.offset + length as u64 == b.offset
            }
            _ => false,
        }
    }
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
    #[inline(always)]
    fn advanced(&self, bytes: usize) -> Region {
        let &Region { end, protection, shared, locked, label, .. } = self;
        Region { end, protection, shared, locked, contents: self.contents.advanced(bytes), label }
    }

    /// Whether `next`, which starts where this region of `length` bytes ends, continues it.
    #[inline(always)]
    fn continues(&self, length: usize, next: &Region) -> bool {
        self.attributes() == next.attributes() && self.contents.continue_in(length, &next.contents)
    }

    #[inline(always)]
    fn attributes(&self) -> Attributes {
        Attributes { protection: self.protection, shared: self.shared, locked: self.locked, label: self.label }
    }

    #[inline(always)]
    fn set_attributes(&mut self, Attributes { protection, shared, locked, label }: Attributes) {
        (self.protection, self.shared, self.locked, self.label) = (protection, shared, locked, label);
    }
}

/// What two neighbours have in common where one continues the other, beside contents that go on.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Attributes {
    protection: Protection,
    shared: bool,
    locked: bool,
    label: Label,
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
            let (start, region) = self.map.get(place);
            let region_end = region.end;
            if region_end <= range.start {
                return;
            }
            self.recent = None;
            if let Some(dense) = &mut self.dense
                && dense.range.start <= range.end
            {
                // The gap may reach beyond the range, up to the next region.
                let above = self.map.above(Some(place)).map_or(usize::MAX, |above| self.map.get(above).0);
                let next = if range.end < region_end { range.end } else { above };
                dense.range.start = next.clamp(dense.range.start, dense.range.end);
            }
            match (start < range.start, range.end < region_end) {
                (true, true) => {
                    let upper = self.split(place, range.start);
                    self.begin_later(upper, range.end);
                }
                (true, false) => self.map.get_mut(place).1.end = range.start,
                (false, true) => self.begin_later(place, range.end),
                (false, false) => drop(self.map.remove(place)),
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
    #[inline(always)]
    pub fn protect_first(&mut self, range: Range<usize>, protection: Protection) -> Result<(usize, bool)> {
        let mut is_shared = false;
        let end = self.change_first(range, |region| {
            is_shared = region.shared;
            let changed = Attributes { protection, ..region.attributes() };
            if region.may_become(protection) { Ok(changed) } else { Err(Errno::EACCES) }
        })?;
        Ok((end, is_shared))
    }

    /// Lock or unlock a range. As with mprotect(2), the part before a hole is changed even though the whole fails with `ENOMEM`.
    pub fn lock(&mut self, range: Range<usize>, locked: bool) -> Result<()> {
        let mut at = range.start;
        while at < range.end {
            at = self.change_first(at..range.end, |region| Ok(Attributes { locked, ..region.attributes() }))?;
        }
        Ok(())
    }

    /// Change attributes of a range as far as one region goes; gives where that ends.
    #[inline(always)]
    fn change_first(&mut self, range: Range<usize>, change: impl FnOnce(&Region) -> Result<Attributes>) -> Result<usize> {
        let place = self.map.at_or_below(range.start).ok_or(Errno::ENOMEM)?;
        let (_, region) = self.map.get(place);
        if region.end <= range.start {
            return Err(Errno::ENOMEM);
        }
        let part = range.start..region.end.min(range.end);
        let end = part.end;
        let changed = change(region)?;
        if changed != region.attributes() {
            self.recent = None;
            self.change_part(place, part, changed);
        }
        Ok(end)
    }

    /// Let a part of the region at a place have other attributes, joined with neighbours of the region that it then continues.
    #[inline(never)]
    fn change_part(&mut self, place: Place, part: Range<usize>, changed: Attributes) {
        let (start, region) = self.map.get(place);
        let (begins_later, ends_earlier) = (start < part.start, part.end < region.end);
        let joins_below = if begins_later { None } else { self.map.below(place) }.filter(|&below| {
            let (before, below) = self.map.get(below);
            below.end == start && below.attributes() == changed && below.contents.continue_in(start - before, &region.contents)
        });
        let joins_above = if ends_earlier { None } else { self.map.above(Some(place)) }.filter(|&above| {
            let (next, above) = self.map.get(above);
            next == part.end && above.attributes() == changed && region.contents.continue_in(next - start, &above.contents)
        });
        match (joins_below, joins_above) {
            (Some(below), _) => {
                let end = joins_above.map_or(part.end, |above| self.map.remove(above).end);
                if ends_earlier {
                    self.begin_later(place, part.end);
                } else {
                    self.map.remove(place);
                }
                self.map.get_mut(below).1.end = end;
            }
            (None, Some(above)) if begins_later => {
                let contents = region.contents.advanced(part.start - start);
                self.map.get_mut(place).1.end = part.start;
                let (next, above) = self.map.get_mut(above);
                (*next, above.contents) = (part.start, contents);
            }
            (None, Some(above)) => {
                let end = self.map.remove(above).end;
                let (_, region) = self.map.get_mut(place);
                region.end = end;
                region.set_attributes(changed);
            }
            (None, None) => {
                let mut place = place;
                if ends_earlier {
                    let above = self.split(place, part.end);
                    place = self.map.below(above).unwrap_or(place);
                }
                if begins_later {
                    place = self.split(place, part.start);
                }
                self.map.get_mut(place).1.set_attributes(changed);
            }
        }
    }

    /// Make two of the region at a place; gives the place of the upper one.
    #[inline(always)]
    fn split(&mut self, place: Place, at: usize) -> Place {
        let (start, region) = self.map.get_mut(place);
        let upper = region.advanced(at - *start);
        region.end = at;
        self.map.insert_above(Some(place), at, upper)
    }

    /// Take the lower part of the region at a place from it.
    #[inline(always)]
    fn begin_later(&mut self, place: Place, at: usize) {
        let (start, region) = self.map.get_mut(place);
        region.contents = region.contents.advanced(at - *start);
        *start = at;
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
