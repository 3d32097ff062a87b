//! The map of regions: what the program has asked to be where. Pure: no page is touched here.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::ops::Range;

use bitflags::bitflags;

use crate::errno::{Errno, Result};
use crate::memory::backing::Backing;

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
    /// A file's.
    File(FileMapping),
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
        let attributes = |region: &Region| (region.protection, region.shared, region.locked, region.label);
        same_contents && attributes(self) == attributes(next)
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
    map: BTreeMap<usize, Region>,
    /// Where the next search for room need not look: without it, a program with many mappings would pay for all of them at each new one.
    dense: Option<Dense>,
    /// The anonymous region that the last fault was in: most faults are where the one before was. Empty when the map changed since.
    recent: Option<(Range<usize>, Protection)>,
}

impl Regions {
    /// An empty address space.
    #[must_use]
    pub const fn new() -> Regions {
        Regions { map: BTreeMap::new(), dense: None, recent: None }
    }

    /// The region that holds an address, and where it starts.
    #[must_use]
    pub fn find(&self, address: usize) -> Option<(usize, &Region)> {
        let (&start, region) = self.map.range(..=address).next_back()?;
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

    /// Remember the region that starts at `start`, if it is anonymous.
    pub fn note_recent(&mut self, start: usize) {
        self.recent = self.map.get(&start).and_then(|region| match region.contents {
            Contents::Anonymous => Some((start..region.end, region.protection)),
            Contents::File(_) => None,
        });
    }

    /// The first region that starts above an address.
    #[must_use]
    pub fn next_above(&self, address: usize) -> Option<(usize, &Region)> {
        self.map.range(address.checked_add(1)?..).next().map(|(&start, region)| (start, region))
    }

    /// All regions, in order.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &Region)> {
        self.map.iter().map(|(&start, region)| (start, region))
    }

    /// The parts of regions that lie in a range, in order.
    pub fn overlapping(&self, range: Range<usize>) -> impl Iterator<Item = (Range<usize>, &Region)> {
        let from = self.find(range.start).map_or(range.start, |(start, _)| start);
        self.map
            .range(from..range.end.max(from))
            .map(move |(&start, region)| (start.max(range.start)..region.end.min(range.end), region))
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
    pub fn insert_free(&mut self, start: usize, mut region: Region) {
        self.recent = None;
        if let Some((&before, previous)) = self.map.range_mut(..start).next_back()
            && previous.end == start
            && previous.continues(start - before, &region)
        {
            let middle = core::mem::replace(&mut previous.end, region.end);
            if let Some(next) = self.map.get(&region.end)
                && region.continues(region.end - middle, next)
            {
                let end = self.map.remove(&region.end).expect("just found").end;
                self.map.get_mut(&before).expect("just found").end = end;
            }
            return;
        }
        if let Some(next) = self.map.get(&region.end)
            && region.continues(region.end - start, next)
        {
            region.end = self.map.remove(&region.end).expect("just found").end;
        }
        self.map.insert(start, region);
    }

    /// Take a range out: of the last region in it first.
    pub fn remove(&mut self, range: Range<usize>) {
        while let Some((&start, region)) = self.map.range_mut(..range.end).next_back() {
            if region.end <= range.start {
                return;
            }
            self.recent = None;
            // The gap may reach beyond the range.
            if self.dense.as_ref().is_some_and(|dense| dense.range.start <= range.end && range.start <= dense.range.end) {
                self.dense = None;
            }
            let upper = (range.end < region.end).then(|| region.advanced(range.end - start));
            if start < range.start {
                region.end = range.start;
            } else {
                self.map.remove(&start);
            }
            if let Some(upper) = upper {
                self.map.insert(range.end, upper);
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
        self.map.len()
    }

    /// Set what a range allows, as `change`.
    pub fn protect(&mut self, range: Range<usize>, protection: Protection) -> Result<()> {
        self.change(range, |region| region.protection = protection)
    }

    /// Lock or unlock a range, as `change`.
    pub fn lock(&mut self, range: Range<usize>, locked: bool) -> Result<()> {
        self.change(range, |region| region.locked = locked)
    }

    /// Change attributes of a range. As mprotect(2), the part before a hole is changed even though the whole fails with `ENOMEM`.
    fn change(&mut self, range: Range<usize>, change: impl Fn(&mut Region)) -> Result<()> {
        let mut at = range.start;
        while at < range.end {
            let Some((start, region)) = self.find(at) else { return Err(Errno::ENOMEM) };
            let mut part = region.advanced(at - start);
            part.end = region.end.min(range.end);
            change(&mut part);
            let next = part.end;
            self.insert(at, part);
            at = next;
        }
        Ok(())
    }

    /// Lower the start of the region at `start`: a stack that grows.
    pub fn grow_down(&mut self, start: usize, new_start: usize) {
        self.recent = None;
        if let Some(region) = self.map.remove(&start) {
            self.map.insert(new_start, region);
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
        for (&start, region) in self.map.range(..dense.range.start).rev() {
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
