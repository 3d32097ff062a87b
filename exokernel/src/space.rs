//! Address spaces: page tables made of frames that their environment pays for.
//!
//! A page table comes with the first entry that needs it and goes with its last, so no call manages tables: an environment sees them
//! only in what it is charged.

use abi::{EnvId, Error, FrameKind, PAGE_SIZE, Rights, USER_BOTTOM, USER_TOP};
use arch::{Cpu, LEVELS, Leaf, Machine, Paging, TABLE_ENTRIES};

use crate::frame::ENTRY_GROUP;
use crate::{Kernel, Result};

/// Where an address leads: the deepest word on its way, at the level asked for or above it.
pub(crate) struct Slot {
    pub(crate) table: u64,
    pub(crate) word: *mut u64,
    pub(crate) level: usize,
}

/// More single pages than this are forgotten by forgetting the whole space.
const FLUSH_PAGES: u64 = 16;

/// Pages that an entry of a level covers.
pub(crate) const fn leaf_pages(level: usize) -> u64 {
    1 << (9 * level)
}

/// Check that `pages` pages from `address` on are user space.
pub(crate) fn check_range(address: u64, pages: u64) -> Result<()> {
    let is_user = address.is_multiple_of(PAGE_SIZE as u64) && (USER_BOTTOM..=USER_TOP).contains(&address);
    if is_user && pages <= (USER_TOP - address) / PAGE_SIZE as u64 { Ok(()) } else { Err(Error::BadAddress) }
}

/// Do the steps of a call over `pages` pages, from page 0 on, until its work is done. A step gets how many were passed so far and answers how
/// many it passed, and its work. An error of the first is the call's; a later one ends it there. Answers how many pages were passed.
#[inline(always)]
pub(crate) fn batch(pages: u64, mut step: impl FnMut(u64) -> Result<[u64; 2]>) -> Result<u64> {
    let (mut done, mut work) = (0, 0);
    while done < pages && work < abi::BATCH_PAGES as u64 {
        match step(done) {
            Err(error) if done == 0 => return Err(error),
            Err(_) => break,
            Ok([passed, worked]) => (done, work) = (done + passed, work + worked),
        }
    }
    Ok(done)
}

pub(crate) fn index(address: u64, level: usize) -> usize {
    (address >> (12 + 9 * level)) as usize % TABLE_ENTRIES
}

/// What a page table of level 0 is remembered by, its root and its 2 MiB, and in which place.
fn near_key(root: u64, address: u64) -> (u64, usize) {
    let key = root << 26 | address >> 21;
    (key, (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 61) as usize)
}

/// The number of the first word of a table, from `at` on and before `end`, that is not 0; `end` if none is. `groups`: which were used.
#[inline(always)]
fn next_used(words: *const u64, groups: u64, mut at: usize, end: usize) -> usize {
    while at < end {
        let group = at / ENTRY_GROUP;
        at = at.max((group + (groups >> group).trailing_zeros() as usize) * ENTRY_GROUP);
        let behind = (at / ENTRY_GROUP + 1) * ENTRY_GROUP;
        // SAFETY: callers name the words of a table, and `at` is below `end`.
        if let Some(used) = (at..behind.min(end)).find(|&at| unsafe { words.add(at).read() } != 0) {
            return used;
        }
        at = behind;
    }
    end
}

impl<M: Machine> Kernel<M> {
    /// Follow `address` from `root` down to `level`.
    #[inline(always)]
    pub(crate) fn find(&self, root: u64, address: u64, level: usize) -> Slot {
        let (key, place) = near_key(root, address);
        match self.near[place].get() {
            (near, table) if near == key && level == 0 => self.slot(table, address, 0),
            _ => self.walk(root, address, level),
        }
    }

    fn walk(&self, root: u64, address: u64, level: usize) -> Slot {
        let (mut table, mut at) = (root, LEVELS - 1);
        while at > level
            // SAFETY: `table` is a root or came out of a `Table` entry.
            && let Some(next) = <M as Cpu>::Paging::next(unsafe { self.word(table, address, at).read() })
        {
            (table, at) = (next, at - 1);
        }
        if at == 0 {
            let (key, place) = near_key(root, address);
            self.near[place].set((key, table));
        }
        self.slot(table, address, at)
    }

    /// The word for `address` in a page table of `level`: a frame of 512 words.
    #[inline(always)]
    fn word(&self, table: u64, address: u64, level: usize) -> *mut u64 {
        self.machine.frame(table).cast::<u64>().wrapping_add(index(address, level))
    }

    /// The slot for `address` in a page table of `level`.
    #[inline(always)]
    fn slot(&self, table: u64, address: u64, level: usize) -> Slot {
        Slot { table, word: self.word(table, address, level), level }
    }

    /// The leaf in a slot that `find` gave for level 0, which has no table.
    pub(crate) fn leaf_in(&self, slot: &Slot) -> Option<Leaf> {
        // SAFETY: the slot came from `find` in this call, and no table was freed in between.
        let word = unsafe { slot.word.read() };
        (word != 0).then(|| <M as Cpu>::Paging::leaf(word))
    }

    /// The leaf around `address`, as if it were of one page.
    #[inline(always)]
    pub(crate) fn leaf(&self, root: u64, address: u64) -> Option<(Leaf, usize)> {
        let slot = self.find(root, address, 0);
        let mut leaf = self.leaf_in(&slot)?;
        if slot.level > 0 {
            leaf.frame += index(address, 0) as u64;
        }
        Some((leaf, slot.level))
    }

    /// Change what an entry says, not how often frames are held. A leaf that was there is to be flushed.
    pub(crate) fn write(&mut self, slot: &Slot, word: u64) {
        // SAFETY: the slot came from `find` in this call, and no table was freed in between.
        unsafe { slot.word.write(word) };
    }

    /// Add a leaf at `level` to an environment's space, with the tables that it needs. The frames are held once more.
    ///
    /// `Occupied`: something is mapped there. `Quota`: for the pages or the tables.
    #[inline(always)]
    pub(crate) fn insert(&mut self, id: EnvId, address: u64, level: usize, leaf: Leaf) -> Result<()> {
        let slot = self.open(id, address, level)?;
        self.write(&slot, <M as Cpu>::Paging::encode(leaf, level));
        self.hold_entries(&slot, index(address, level), 1);
        self.frames.hold_leaf(leaf.frame, level);
        Ok(())
    }

    /// The slot where a leaf is about to be added: the tables are there, and the charge is accepted. The same errors.
    #[inline(always)]
    pub(crate) fn open(&mut self, id: EnvId, address: u64, level: usize) -> Result<Slot> {
        let mut slot = self.find(self.env(id.slot()).root.get(), address, level);
        // SAFETY: as for `leaf_in`.
        if unsafe { slot.word.read() } != 0 {
            return Err(Error::Occupied);
        }
        self.charge(id.slot(), (slot.level - level) as u64 + leaf_pages(level))?;
        while slot.level > level {
            slot = self.add_table(&slot, address);
        }
        Ok(slot)
    }

    /// A page table in an empty slot, which was charged; gives the slot of the address in it.
    fn add_table(&mut self, slot: &Slot, address: u64) -> Slot {
        let table = self.take_charged(FrameKind::Table, true);
        self.write(slot, <M as Cpu>::Paging::table(table));
        self.hold_entries(slot, index(address, slot.level), 1);
        self.slot(table, address, slot.level - 1)
    }

    /// So many more entries of a table, from a number on.
    #[inline(always)]
    pub(crate) fn hold_entries(&mut self, slot: &Slot, first: usize, count: usize) {
        self.frames.known(slot.table).expect("tables are made of memory").count += count as u32;
        let [from, to] = [first, first + count - 1].map(|number| number.min(TABLE_ENTRIES - 1) / ENTRY_GROUP);
        *self.frames.entry_groups(slot.table) |= u64::MAX << from & u64::MAX >> (63 - to);
    }

    /// So many entries less in a table: one that is empty goes, and with it those above that it leaves empty.
    fn let_entries_go(&mut self, id: EnvId, mut slot: Slot, address: u64, mut entries: u32) {
        let mut credit = u64::from(entries) * leaf_pages(slot.level);
        while let Some(table) = self.frames.known(slot.table) {
            table.count -= entries;
            if table.count > 0 || slot.level == LEVELS - 1 {
                break;
            }
            self.free_table(slot.table, true);
            slot = self.find(self.env(id.slot()).root.get(), address, slot.level + 1);
            self.write(&slot, 0);
            (entries, credit) = (1, credit + 1);
        }
        self.credit(id.slot(), credit);
    }

    /// A mapping or pin of a frame less, charges aside: who sleeps on the frame's count is woken.
    #[inline(always)]
    pub(crate) fn let_go(&mut self, frame: u64) {
        if let Some(count) = self.frames.release(frame) {
            self.wake_word(count, usize::MAX);
        }
    }

    /// Free a page table that is empty, or a root.
    pub(crate) fn free_table(&mut self, table: u64, is_empty: bool) {
        self.near = Default::default();
        self.frames.free(table, is_empty);
    }

    /// Take away a leaf, and of 4 KiB those right behind it; answers how many of these. The last of 2 MiB lets go of all frames.
    #[inline(never)]
    pub(crate) fn let_leaves_go(&mut self, word: *mut u64, level: usize, behind: usize) -> usize {
        let mut gone = 0;
        loop {
            // SAFETY: a word of a table, with `behind` others behind it.
            let first = <M as Cpu>::Paging::frame(unsafe { word.add(gone).replace(0) });
            if level == 0 {
                self.let_go(first);
            } else if self.frames.release_run(first) {
                (first..first + leaf_pages(level)).for_each(|frame| self.let_go(frame));
            }
            gone += 1;
            // SAFETY: likewise.
            if gone > behind || unsafe { word.add(gone).read() } == 0 {
                return gone - 1;
            }
        }
    }

    /// Take away all that a table of `level` maps, and the tables below it, but `work` leaves and tables at most; answers whether that was all.
    /// The table's count stays what it was.
    pub(crate) fn fell(&mut self, table: u64, level: usize, work: &mut usize) -> bool {
        let (words, groups) = (self.machine.frame(table).cast::<u64>(), *self.frames.entry_groups(table));
        let (end, mut at) = (index(USER_TOP, level) + 1, 0);
        let mut left = self.frames.known(table).map_or(0, |entry| entry.count as usize);
        loop {
            at = if left == 0 { end } else { next_used(words, groups, at, end) };
            if at == end || *work == 0 {
                return at == end;
            }
            let word = words.wrapping_add(at);
            // SAFETY: a word of the table, here and below.
            let (below, behind) = if level == 0 { (None, end - at - 1) } else { (<M as Cpu>::Paging::next(unsafe { word.read() }), 0) };
            let gone = match below {
                Some(below) if !self.fell(below, level - 1, work) => return false,
                Some(below) => {
                    // Nothing is looked for in this space any more.
                    self.frames.free(below, true);
                    // SAFETY: likewise.
                    unsafe { word.write(0) };
                    1
                }
                None => 1 + self.let_leaves_go(word, level, behind),
            };
            (*work, at, left) = (work.saturating_sub(gone), at + gone, left.saturating_sub(gone));
        }
    }

    /// Do `step` for the leaves of a range, in order: see [`batch`]. It gets a leaf's word, level and address, and how many words of leaves
    /// of 4 KiB are behind it; and answers how many leaves right behind it are done too. It may take leaves away: it writes 0 and lets go of the
    /// frames. A 2 MiB leaf that the range covers in part is `Occupied`.
    ///
    /// A table is walked to once for all of its leaves.
    #[inline(always)]
    pub(crate) fn for_leaves(
        &mut self,
        id: EnvId,
        address: u64,
        pages: u64,
        mut step: impl FnMut(&mut Self, *mut u64, usize, u64, usize) -> Result<usize>,
    ) -> Result<u64> {
        let end = (address >> 12) + pages;
        batch(pages, |done| {
            let start = (address >> 12) + done;
            let slot = self.find(self.env(id.slot()).root.get(), start << 12, 0);
            let span = leaf_pages(slot.level);
            // The page of the table's first entry.
            let base = start & !(span * TABLE_ENTRIES as u64 - 1);
            let (from, to) = (index(start << 12, slot.level), TABLE_ENTRIES.min((end - base).div_ceil(span) as usize));
            let (words, groups) = (slot.word.wrapping_sub(from), *self.frames.entry_groups(slot.table));
            let (mut at, mut used, mut gone) = (from, 0, 0);
            let ended = loop {
                at = next_used(words, groups, at, to);
                let (word, page) = (words.wrapping_add(at), base + at as u64 * span);
                // SAFETY: a word of the table, here and below.
                if at == to || slot.level > 0 && <M as Cpu>::Paging::next(unsafe { word.read() }).is_some() {
                    break Ok(());
                }
                if page < start || page + span > end {
                    break Err(Error::Occupied);
                }
                let behind = if slot.level == 0 { to - at - 1 } else { 0 };
                let done = match step(self, word, slot.level, page << 12, behind) {
                    Ok(more) => 1 + more,
                    Err(error) => break Err(error),
                };
                // SAFETY: likewise.
                gone += if unsafe { word.read() } == 0 { done as u32 } else { 0 };
                (at, used) = (at + done, used + done as u64 * span);
            };
            if gone > 0 {
                self.let_entries_go(id, slot, start << 12, gone);
            }
            let passed = (base + at as u64 * span).clamp(start, end) - start;
            if passed == 0 {
                ended?;
            }
            Ok([passed, 1 + used + (at - from) as u64 / 64])
        })
    }

    /// Forget the translations of a range that a call changed: once a call, at its end.
    pub(crate) fn flush(&mut self, id: EnvId, address: u64, pages: u64) {
        let asid = self.env(id.slot()).asid();
        if pages > FLUSH_PAGES {
            return self.machine.flush_space(asid);
        }
        for page in 0..pages {
            self.machine.flush_page(asid, address + page * PAGE_SIZE as u64);
        }
    }

    /// A free frame, zeroed or as it is.
    #[inline(always)]
    pub(crate) fn take(&mut self, kind: FrameKind, zeroed: bool) -> Option<u64> {
        let (frame, is_zero) = self.frames.take_any(kind, zeroed)?;
        if zeroed && !is_zero {
            // SAFETY: the frame was just taken: nobody else has it.
            unsafe { self.machine.zero_frame(frame) };
        }
        Some(frame)
    }

    /// The same, for which a charge was accepted.
    pub(crate) fn take_charged(&mut self, kind: FrameKind, zeroed: bool) -> u64 {
        self.take(kind, zeroed).expect("an accepted charge finds a frame")
    }

    /// Whether a new mapping makes a frame executable that the mapping it comes from did not.
    pub(crate) fn becomes_executable(&mut self, frame: u64, pages: u64, before: Rights, after: Rights) {
        if after.contains(Rights::EXECUTE) && !before.contains(Rights::EXECUTE) {
            for frame in frame..frame + pages {
                self.machine.sync_icache(frame);
            }
        }
    }
}
