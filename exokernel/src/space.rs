//! Address spaces: page tables made of frames that their environment pays for.
//!
//! A page table comes with the first entry that needs it and goes with its last, so no call manages tables: an environment sees them
//! only in what it is charged.

use core::cell::Cell;

use abi::{EnvId, Error, FrameKind, LARGE_PAGES, PAGE_SIZE, Rights, USER_BOTTOM, USER_TOP};
use arch::{Cpu, Entry, LEVELS, Leaf, Machine, Paging, TABLE_ENTRIES};

use crate::{Kernel, Result};

/// Where an address leads: the deepest entry on its way, at the level asked for or above it.
pub(crate) struct Slot {
    pub(crate) table: u64,
    pub(crate) word: *mut u64,
    pub(crate) level: usize,
    pub(crate) entry: Entry,
}

impl Slot {
    /// Words of the table from this one on.
    pub(crate) fn left(&self) -> usize {
        TABLE_ENTRIES - self.word.addr() / 8 % TABLE_ENTRIES
    }
}

/// More single pages than this are forgotten by forgetting the whole space.
const FLUSH_PAGES: u64 = 16;

/// Pages that a leaf of a level covers.
pub(crate) const fn leaf_pages(level: usize) -> u64 {
    if level == 0 { 1 } else { LARGE_PAGES as u64 }
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

fn index(address: u64, level: usize) -> usize {
    (address >> (12 + 9 * level)) as usize % TABLE_ENTRIES
}

/// Which word of a table, of `left` from `word` on, is the first from number `at` on that is not 0; `left` if none is.
fn zeros(word: *mut u64, mut at: usize, left: usize) -> usize {
    // SAFETY: the table has as many words.
    let any = |from, count| (from..from + count).fold(0, |any, at| any | unsafe { word.add(at).read() });
    while at + 16 <= left && any(at, 16) == 0 {
        at += 16;
    }
    while at < left && any(at, 1) == 0 {
        at += 1;
    }
    at
}

impl<M: Machine> Kernel<M> {
    /// Follow `address` from `root` down to `level`.
    pub(crate) fn find(&self, root: u64, address: u64, level: usize) -> Slot {
        let (mut table, mut at) = (root, LEVELS - 1);
        let is_near = |near: &(u64, u64, u64)| (near.0, near.1, level) == (root, address >> 21, 0);
        if let Some(near) = self.near.iter().map(Cell::get).find(is_near) {
            return self.slot(near.2, address, 0);
        }
        while at > level
            // SAFETY: `table` is a root or came out of a `Table` entry.
            && let Some(next) = <M as Cpu>::Paging::next(unsafe { self.word(table, address, at).read() })
        {
            (table, at) = (next, at - 1);
        }
        if at == 0 {
            self.near[1].set(self.near[0].replace((root, address >> 21, table)));
        }
        self.slot(table, address, at)
    }

    /// The word for `address` in a page table of `level`: a frame of 512 words.
    #[inline(always)]
    fn word(&self, table: u64, address: u64, level: usize) -> *mut u64 {
        self.machine.frame(table).cast::<u64>().wrapping_add(index(address, level))
    }

    /// What `address` leads to in a page table of `level`.
    #[inline(always)]
    fn slot(&self, table: u64, address: u64, level: usize) -> Slot {
        let word = self.word(table, address, level);
        // SAFETY: the table is one that `find` came to.
        let entry = <M as Cpu>::Paging::decode(unsafe { word.read() });
        Slot { table, word, level, entry }
    }

    /// The leaf around `address`, as if it were of one page.
    pub(crate) fn leaf(&self, root: u64, address: u64) -> Option<(Leaf, usize)> {
        let slot = self.find(root, address, 0);
        let Entry::Leaf(mut leaf) = slot.entry else { return None };
        if slot.level > 0 {
            leaf.frame += index(address, 0) as u64;
        }
        Some((leaf, slot.level))
    }

    /// Change what an entry says, not how often frames are held. A leaf that was there is to be flushed.
    pub(crate) fn write(&mut self, slot: &Slot, entry: Entry) {
        // SAFETY: the slot came from `find` in this call, and no table was freed in between.
        unsafe { slot.word.write(<M as Cpu>::Paging::encode(entry, slot.level)) };
    }

    /// Add a leaf at `level` to an environment's space, with the tables that it needs. The frames are held once more.
    ///
    /// `Occupied`: something is mapped there. `Quota`: for the pages or the tables.
    pub(crate) fn insert(&mut self, id: EnvId, address: u64, level: usize, leaf: Leaf) -> Result<()> {
        let mut slot = self.find(self.env(id.slot()).root.get(), address, level);
        if slot.entry != Entry::Absent {
            return Err(Error::Occupied);
        }
        self.charge(id.slot(), (slot.level - level) as u64 + leaf_pages(level))?;
        while slot.level > level {
            let table = self.take_zeroed(FrameKind::Table);
            self.write(&slot, Entry::Table(table));
            self.frames.hold(slot.table);
            slot = self.slot(table, address, slot.level - 1);
        }
        self.write(&slot, Entry::Leaf(leaf));
        self.frames.hold(slot.table);
        self.frames.hold_leaf(leaf.frame, level);
        Ok(())
    }

    /// Take a leaf away, with tables that it leaves empty. To be flushed.
    pub(crate) fn clear(&mut self, id: EnvId, slot: Slot, leaf: Leaf, address: u64) {
        let root = self.env(id.slot()).root.get();
        self.write(&slot, Entry::Absent);
        self.let_leaf_go(leaf.frame, slot.level);
        let mut credit = leaf_pages(slot.level);
        let mut slot = slot;
        while self.frames.release(slot.table) && slot.level < LEVELS - 1 {
            let empty = slot.table;
            slot = self.find(root, address, slot.level + 1);
            self.write(&slot, Entry::Absent);
            self.free_table(empty);
            credit += 1;
        }
        self.credit(id.slot(), credit);
    }

    /// Take the leaves away that are behind one in its page table; answers how many words were looked at.
    pub(crate) fn clear_behind(&mut self, id: EnvId, slot: &Slot) -> u64 {
        let left = slot.left();
        let (mut at, mut cleared) = (0, 0);
        while slot.level == 0 && self.frames.known(slot.table).is_some_and(|table| table.count > 1) && {
            at = zeros(slot.word, at + 1, left);
            at < left
        } {
            // SAFETY: a word of the table.
            let word = unsafe { slot.word.add(at).replace(0) };
            self.let_go((word & <M as Cpu>::Paging::ADDRESS) >> 12);
            self.frames.release(slot.table);
            cleared += 1;
        }
        self.credit(id.slot(), cleared);
        at as u64
    }

    /// A mapping or pin of a frame less, charges aside: who sleeps on the frame's count is woken.
    pub(crate) fn let_go(&mut self, frame: u64) {
        let Some(entry) = self.frames.known(frame) else { return };
        let count = &raw const entry.count;
        self.frames.release(frame);
        self.wake_word(count, usize::MAX);
    }

    /// Free a page table, or a root.
    pub(crate) fn free_table(&mut self, table: u64) {
        self.near = Default::default();
        self.frames.free(table);
    }

    /// A leaf less; the last of 2 MiB lets go of all frames.
    #[inline(always)]
    fn let_leaf_go(&mut self, first: u64, level: usize) {
        if level == 0 || self.frames.release_run(first) {
            (first..first + leaf_pages(level)).for_each(|frame| self.let_go(frame));
        }
    }

    /// Do `step`, which answers how many pages it passed beyond its own and its work for them, for the leaves of a range, in order: see [`batch`]. A 2 MiB leaf that the range covers in part is `Occupied`.
    pub(crate) fn for_leaves(
        &mut self,
        root: u64,
        address: u64,
        pages: u64,
        mut step: impl FnMut(&mut Self, Slot, Leaf, u64) -> Result<[u64; 2]>,
    ) -> Result<u64> {
        batch(pages, |done| {
            let at = address + done * PAGE_SIZE as u64;
            let slot = self.find(root, at, 0);
            let span = 1u64 << (9 * slot.level);
            let offset = (at >> 12) % span;
            let passed = (span - offset).min(pages - done);
            let Entry::Leaf(leaf) = slot.entry else {
                // So are its neighbours in the table often: they are looked at without a walk each.
                let run = zeros(slot.word, 1, slot.left());
                return Ok([(span * run as u64 - offset).min(pages - done), 1 + run as u64 / 8]);
            };
            if offset > 0 || pages - done < span {
                return Err(Error::Occupied);
            }
            let [further, work] = step(self, slot, leaf, at)?;
            Ok([passed + further, 1 + span + work])
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

    /// Split a 2 MiB leaf into 512 small ones.
    pub(crate) fn split(&mut self, id: EnvId, address: u64) -> Result<u64> {
        let slot = self.find(self.env(id.slot()).root.get(), address, 0);
        let Entry::Leaf(leaf) = slot.entry else { return Err(Error::NotMapped) };
        if slot.level == 0 {
            return Ok(0);
        }
        self.charge(id.slot(), 1)?;
        let table = self.take_zeroed(FrameKind::Table);
        let words = self.machine.frame(table).cast::<u64>();
        for small in 0..LARGE_PAGES {
            let leaf = Leaf { frame: leaf.frame + small as u64, ..leaf };
            // SAFETY: a table has 512 words.
            unsafe { words.add(small).write(<M as Cpu>::Paging::encode(Entry::Leaf(leaf), 0)) };
            self.frames.hold(table);
            self.frames.hold(leaf.frame);
        }
        self.let_leaf_go(leaf.frame, 1);
        // Break before make: the old translation is gone before the new one stands (Arm ARM, D8.16).
        self.write(&slot, Entry::Absent);
        self.flush(id, address & !(LARGE_PAGES as u64 * PAGE_SIZE as u64 - 1), 1);
        self.write(&slot, Entry::Table(table));
        Ok(0)
    }

    /// A frame for the kernel's own use or a page table, zeroed, for which a charge was accepted.
    pub(crate) fn take_zeroed(&mut self, kind: FrameKind) -> u64 {
        let frame = self.frames.take(None, kind).expect("an accepted charge finds a frame");
        // SAFETY: the frame was just taken: nobody else has it.
        unsafe { self.machine.zero_frame(frame) };
        frame
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
