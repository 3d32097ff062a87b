//! The frame table and the free list.
//!
//! The table is an array of [`FrameEntry`] in the info pages, so every environment can read it: which frames are free, and which
//! runs of them, is for libraries to find out. Free frames form doubly linked lists through their entries, so that taking one by number
//! costs what taking any costs: one of those known to hold zeros, as page tables do when their last entry is gone, and one of all others.

use crate::space::leaf_pages;
use core::ops::Range;

use abi::{FrameEntry, FrameKind, InfoPage};
use arch::{Boot, FrameRange};
use arrayvec::ArrayVec;

const NONE: u32 = u32::MAX;
/// Entries of a page table that a bit stands for where empty ones are passed over.
pub(crate) const ENTRY_GROUP: usize = arch::TABLE_ENTRIES / 64;

/// All frames of the machine.
pub(crate) struct Frames {
    table: *mut FrameEntry,
    pub(crate) info: *mut InfoPage,
    first: u64,
    count: u64,
    /// The first free frame of each list: of others, of zeros.
    heads: [u32; 2],
    devices: ArrayVec<FrameRange, 16>,
}

impl Frames {
    /// A table of `count` absent frames from `first` on. `table` and `info` are the kernel's own memory for good, zeroed.
    pub(crate) fn new(table: *mut FrameEntry, info: *mut InfoPage, first: u64, count: u64, boot: &Boot) -> Self {
        Frames { table, info, first, count, heads: [NONE; 2], devices: boot.devices.clone() }
    }

    fn index(&self, frame: u64) -> Option<u32> {
        let index = frame.checked_sub(self.first)?;
        (index < self.count).then_some(index as u32)
    }

    fn entry(&mut self, index: u32) -> &mut FrameEntry {
        debug_assert!(u64::from(index) < self.count);
        // SAFETY: indices come from `index` or from the list, which holds only such; the table has `count` entries.
        unsafe { &mut *self.table.add(index as usize) }
    }

    /// The entry of a frame that the table knows: memory's, not a device's.
    pub(crate) fn known(&mut self, frame: u64) -> Option<&mut FrameEntry> {
        self.index(frame).map(|index| self.entry(index))
    }

    /// What a frame is. The table does not know device memory.
    pub(crate) fn kind(&mut self, frame: u64) -> u32 {
        match self.known(frame).map(|entry| entry.kind) {
            Some(kind) if kind != FrameKind::Absent as u32 => kind,
            _ if self.devices.iter().any(|range| frame.wrapping_sub(range.first) < range.count) => FrameKind::Device as u32,
            _ => FrameKind::Absent as u32,
        }
    }

    /// Make a frame that nobody has free: at boot, or when its last use ends.
    #[inline(always)]
    pub(crate) fn free(&mut self, frame: u64, is_zero: bool) {
        let Some(index) = self.index(frame) else { return };
        let next = core::mem::replace(&mut self.heads[usize::from(is_zero)], index);
        *self.entry(index) = FrameEntry { kind: FrameKind::Free as u32, count: is_zero.into(), next, previous: NONE };
        if next != NONE {
            self.entry(next).previous = index;
        }
        // SAFETY: the info page is the kernel's own for good.
        unsafe { (*self.info).free_frames += 1 };
    }

    /// Take any free frame for `kind`, with no uses yet: rather one that holds zeros, or rather not. Answers whether it does, too.
    #[inline(always)]
    pub(crate) fn take_any(&mut self, kind: FrameKind, zeros: bool) -> Option<(u64, bool)> {
        let [others, zeroed] = self.heads;
        let is_zero = if zeros { zeroed != NONE } else { others == NONE };
        let index = if is_zero { zeroed } else { others };
        if index == NONE { None } else { Some((self.take(index, kind)?, is_zero)) }
    }

    /// Take a free frame for `kind`, with no uses yet. Its contents are whatever they were.
    fn take(&mut self, index: u32, kind: FrameKind) -> Option<u64> {
        let FrameEntry { kind: FREE, count, next, previous } = *self.entry(index) else { return None };
        match previous {
            NONE => self.heads[count as usize] = next,
            previous => self.entry(previous).next = next,
        }
        if next != NONE {
            self.entry(next).previous = previous;
        }
        *self.entry(index) = FrameEntry { kind: kind as u32, ..FrameEntry::default() };
        // SAFETY: the info page is the kernel's own for good.
        unsafe { (*self.info).free_frames -= 1 };
        Some(self.first + u64::from(index))
    }

    /// Take this frame, if it is free, for `kind`.
    pub(crate) fn take_at(&mut self, frame: u64, kind: FrameKind) -> Option<u64> {
        self.index(frame).and_then(|index| self.take(index, kind))
    }

    /// Take these free frames for user memory, all or none.
    pub(crate) fn take_run(&mut self, first: u64, count: u64) -> Option<Range<u64>> {
        let frames = first..first.saturating_add(count);
        let free = frames.clone().all(|frame| self.kind(frame) == FREE);
        (free && frames.clone().all(|frame| self.take_at(frame, FrameKind::User).is_some())).then_some(frames)
    }

    /// Which groups of a page table's entries were in use since it was empty: a bit each, in two fields of its entry.
    #[inline(always)]
    pub(crate) fn entry_groups(&mut self, table: u64) -> &mut u64 {
        let entry = core::ptr::from_mut(self.known(table).expect("tables are made of memory"));
        // SAFETY: the entry's last eight bytes, which are aligned for a number.
        unsafe { &mut *entry.cast::<u64>().add(1) }
    }

    /// One leaf more of the frames from `first` on, or a pin of one. All leaves of 2 MiB together hold each of the frames once. Device and info
    /// frames are not counted: they are never freed.
    #[inline(always)]
    pub(crate) fn hold_leaf(&mut self, first: u64, level: usize) {
        let Some(entry) = self.known(first) else { return };
        *if level == 0 { &mut entry.count } else { &mut entry.next } += 1;
        if level > 0 && entry.next == 1 {
            (first..first + leaf_pages(level)).for_each(|frame| self.known(frame).into_iter().for_each(|entry| entry.count += 1));
        }
    }

    /// One leaf of 2 MiB less; true if that was the last: the frames are still held for it.
    pub(crate) fn release_run(&mut self, first: u64) -> bool {
        let entry = self.known(first).expect("a 2 MiB mapping is memory's");
        entry.next -= 1;
        entry.next == 0
    }

    /// One mapping or pin less of a frame; a user's without any is free. Answers where it is counted, if it is.
    #[inline(always)]
    pub(crate) fn release(&mut self, frame: u64) -> Option<*const u32> {
        let entry = self.known(frame)?;
        entry.count -= 1;
        let (is_free, count) = (entry.count == 0 && entry.kind == FrameKind::User as u32, &raw const entry.count);
        if is_free {
            self.free(frame, false);
        }
        Some(count)
    }
}

const FREE: u32 = FrameKind::Free as u32;
