//! Address spaces: page tables made of frames that their environment pays for.
//!
//! A page table comes with the first entry that needs it and goes with its last, so no call manages tables: an environment sees them
//! only in what it is charged.

use abi::{EnvId, Error, FrameKind, LARGE_PAGES, PAGE_SIZE, Rights, USER_BOTTOM, USER_TOP};
use arch::{Cpu, Entry, LEVELS, Leaf, Machine, Paging, TABLE_ENTRIES};

use crate::{Kernel, Result};

/// Where an address leads: the deepest entry on its way, at the level asked for or above it.
pub(crate) struct Slot {
    table: u64,
    word: *mut u64,
    pub(crate) level: usize,
    pub(crate) entry: Entry,
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

impl<M: Machine> Kernel<M> {
    /// Follow `address` from `root` down to `level`.
    pub(crate) fn find(&self, root: u64, address: u64, level: usize) -> Slot {
        let (mut table, mut at) = (root, LEVELS - 1);
        loop {
            let place = self.machine.frame(table).cast::<u64>().wrapping_add(index(address, at));
            // SAFETY: `table` is a root or came out of a `Table` entry: a page-table frame, of 512 words.
            let word = unsafe { place.read() };
            match <M as Cpu>::Paging::next(word) {
                Some(next) if at > level => (table, at) = (next, at - 1),
                _ => return Slot { table, word: place, level: at, entry: <M as Cpu>::Paging::decode(word) },
            }
        }
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

    fn write(&mut self, slot: &Slot, entry: Entry) {
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
            let word = self.machine.frame(table).cast::<u64>().wrapping_add(index(address, slot.level - 1));
            slot = Slot { table, word, level: slot.level - 1, entry: Entry::Absent };
        }
        self.write(&slot, Entry::Leaf(leaf));
        self.frames.hold(slot.table);
        match level {
            0 => self.frames.hold(leaf.frame),
            _ => (leaf.frame..leaf.frame + LARGE_PAGES as u64).for_each(|frame| self.frames.hold(frame)),
        }
        Ok(())
    }

    /// Give other rights to a leaf, or break it: change what its entry says, not how often frames are held. To be flushed.
    pub(crate) fn change(&mut self, slot: &Slot, leaf: Leaf) {
        self.write(slot, Entry::Leaf(leaf));
    }

    /// Take a leaf away, with tables that it leaves empty. To be flushed.
    pub(crate) fn clear(&mut self, id: EnvId, slot: Slot, leaf: Leaf, address: u64) {
        let root = self.env(id.slot()).root.get();
        self.write(&slot, Entry::Absent);
        for frame in leaf.frame..leaf.frame + leaf_pages(slot.level) {
            self.let_go(frame);
        }
        let mut credit = leaf_pages(slot.level);
        let mut slot = slot;
        while self.frames.release(slot.table) && slot.level < LEVELS - 1 {
            let empty = slot.table;
            slot = self.find(root, address, slot.level + 1);
            self.write(&slot, Entry::Absent);
            self.frames.free(empty);
            credit += 1;
        }
        self.credit(id.slot(), credit);
    }

    /// A mapping or pin of a frame less, charges aside: who sleeps on the frame's count is woken.
    pub(crate) fn let_go(&mut self, frame: u64) {
        let Some(entry) = self.frames.known(frame) else { return };
        let count = &raw const entry.count;
        self.frames.release(frame);
        self.wake_word(count, usize::MAX);
    }

    /// Do `step` for the leaves of a range, in order: see [`batch`]. A 2 MiB leaf that the range covers in part is `Occupied`.
    pub(crate) fn for_leaves(
        &mut self,
        root: u64,
        address: u64,
        pages: u64,
        mut step: impl FnMut(&mut Self, Slot, Leaf, u64) -> Result<()>,
    ) -> Result<u64> {
        batch(pages, |done| {
            let at = address + done * PAGE_SIZE as u64;
            let slot = self.find(root, at, 0);
            let span = 1u64 << (9 * slot.level);
            let offset = (at >> 12) % span;
            let passed = (span - offset).min(pages - done);
            let Entry::Leaf(leaf) = slot.entry else {
                // So are its neighbours in the table often: they are looked at without a walk each.
                let (first, mut run) = (index(at, slot.level), 1);
                // SAFETY: a table has as many words.
                while first + run < TABLE_ENTRIES && unsafe { slot.word.add(run).read() } == 0 {
                    run += 1;
                }
                return Ok([(span * run as u64 - offset).min(pages - done), 1 + run as u64 / 8]);
            };
            if offset > 0 || pages - done < span {
                return Err(Error::Occupied);
            }
            step(self, slot, leaf, at)?;
            Ok([passed, span + 1])
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
    pub(crate) fn split(&mut self, id: EnvId, address: u64) -> Result<()> {
        let slot = self.find(self.env(id.slot()).root.get(), address, 0);
        let Entry::Leaf(leaf) = slot.entry else { return Err(Error::NotMapped) };
        if slot.level == 0 {
            return Ok(());
        }
        self.charge(id.slot(), 1)?;
        let table = self.take_zeroed(FrameKind::Table);
        let words = self.machine.frame(table).cast::<u64>();
        for small in 0..LARGE_PAGES {
            let leaf = Leaf { frame: leaf.frame + small as u64, ..leaf };
            // SAFETY: a table has 512 words.
            unsafe { words.add(small).write(<M as Cpu>::Paging::encode(Entry::Leaf(leaf), 0)) };
            self.frames.hold(table);
        }
        // Break before make: the old translation is gone before the new one stands (Arm ARM, D8.16).
        self.write(&slot, Entry::Absent);
        let asid = self.env(id.slot()).asid();
        self.machine.flush_page(asid, address & !(LARGE_PAGES as u64 * PAGE_SIZE as u64 - 1));
        self.write(&slot, Entry::Table(table));
        Ok(())
    }

    /// A frame for the kernel's own use or a page table, zeroed, for which a charge was accepted.
    pub(crate) fn take_zeroed(&mut self, kind: FrameKind) -> u64 {
        let frame = self.frames.take(None, kind).expect("an accepted charge finds a frame");
        self.zero(frame);
        frame
    }

    pub(crate) fn zero(&mut self, frame: u64) {
        // SAFETY: the frame was just taken: nobody else has it.
        unsafe { self.machine.zero_frame(frame) };
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
