//! What processes see of open inodes without asking: size and generation, and what happened to pages that they may have mapped.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::ops::Range;
use core::sync::atomic::Ordering;

use abi::{PAGE_SIZE, Rights};
use libos::errno::{Errno, Result};
use libos::vfs::seals::Seals;
use spin::Mutex;
use unix::InodeWords;
use unix::place::INODES_PAGES;

use crate::ids::Ids;

/// Where the words are here.
pub const WORDS: usize = 0x7d70_0000_0000;
/// How much is remembered of what happened; older events are told together.
const HISTORY: usize = 16;

/// All open inodes.
#[derive(Default)]
pub struct Showcase {
    places: Mutex<Places>,
}

#[derive(Default)]
struct Places {
    /// Pages of words that there are.
    pages: usize,
    free: Vec<u32>,
    by_inode: BTreeMap<(u64, u64), Weak<Shown>>,
    /// The same by place, dead where nothing is shown.
    by_place: Vec<Weak<Shown>>,
    /// The places that each process may have pages of, or opened.
    of_processes: BTreeMap<u32, Ids>,
}

/// An open inode. Its place is free again when the last one who has it open lets go.
pub struct Shown {
    showcase: Arc<Showcase>,
    /// Its place among the words.
    pub place: u32,
    /// Device and inode.
    pub identity: (u64, u64),
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    history: VecDeque<Event>,
    /// Processes that may have pages mapped.
    mappers: Ids,
    /// Processes that opened it.
    openers: Ids,
}

/// Pages got other frames, or none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// The generation since.
    pub generation: u32,
    /// The pages: these and maybe some others.
    pub pages: Range<u64>,
    /// Whether they were cut off, so that not even private copies of them stay mapped.
    pub cut: bool,
}

impl Showcase {
    /// Show an inode, if it is not shown yet.
    ///
    /// # Errors
    /// `ENFILE`: too many are. `ENOMEM`: there is no frame for its words.
    pub fn show(self: &Arc<Showcase>, identity: (u64, u64)) -> Result<Arc<Shown>> {
        let mut places = self.places.lock();
        if let Some(shown) = places.by_inode.get(&identity).and_then(Weak::upgrade) {
            return Ok(shown);
        }
        if places.free.is_empty() {
            places.grow()?;
        }
        let place = places.free.pop().ok_or(Errno::ENFILE)?;
        let shown = Arc::new(Shown { showcase: self.clone(), place, identity, state: Mutex::default() });
        places.by_inode.insert(identity, Arc::downgrade(&shown));
        places.by_place[place as usize] = Arc::downgrade(&shown);
        Ok(shown)
    }

    /// The inode, if it is shown.
    #[must_use]
    pub fn find(&self, identity: (u64, u64)) -> Option<Arc<Shown>> {
        self.places.lock().by_inode.get(&identity).and_then(Weak::upgrade)
    }

    /// Let the next read and the next write of each be told of.
    pub fn ask(&self) {
        for shown in self.places.lock().by_inode.values().filter_map(Weak::upgrade) {
            shown.untell(0, 0);
        }
    }

    /// The inode at a place, if one is shown there that this process has mapped.
    #[must_use]
    pub fn mapped_at(&self, place: u32, process: u32) -> Option<Arc<Shown>> {
        let shown = self.places.lock().by_place.get(place as usize).and_then(Weak::upgrade)?;
        shown.is_mapper(process).then_some(shown)
    }

    /// A process's mappings are also those of a child that it forked.
    pub fn clone_mappings(&self, parent: u32, child: u32) {
        let all = self.places.lock().known_to(parent);
        for shown in all {
            if shown.is_mapper(parent) {
                shown.note_mapper(child);
            }
        }
    }

    /// A process is gone.
    pub fn forget_mappings(&self, process: u32) {
        let all = self.places.lock().known_to(process);
        for shown in all {
            let mut state = shown.state.lock();
            state.mappers.remove(process);
            state.openers.remove(process);
        }
        self.places.lock().of_processes.remove(&process);
    }
}

impl Places {
    /// What a process may have pages of, or opened.
    fn known_to(&self, process: u32) -> Vec<Arc<Shown>> {
        let places = self.of_processes.get(&process).map_or(&[][..], Ids::as_slice);
        places.iter().filter_map(|&place| self.by_place[place as usize].upgrade()).collect()
    }

    fn grow(&mut self) -> Result<()> {
        if self.pages == INODES_PAGES {
            return Err(Errno::ENFILE);
        }
        let rights = Rights::READ | Rights::WRITE | Rights::MAY_READ | Rights::MAY_WRITE;
        exo::page_alloc(WORDS + self.pages * PAGE_SIZE, 1, rights, None).map_err(|_| Errno::ENOMEM)?;
        let first = (self.pages * InodeWords::PER_PAGE) as u32;
        self.free.extend((first..first + InodeWords::PER_PAGE as u32).rev());
        self.by_place.resize_with(first as usize + InodeWords::PER_PAGE, Weak::new);
        self.pages += 1;
        Ok(())
    }
}

impl Shown {
    /// The words.
    fn words(&self) -> &InodeWords {
        // SAFETY: the page of every place that was given is mapped, for ever; everything in it is atomic.
        unsafe { &*(WORDS as *const InodeWords).add(self.place as usize) }
    }

    /// How often pages were replaced.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.words().generation()
    }

    /// Set what is shown: the size, and how long reads and writes need not be told of.
    pub fn set(&self, size: u64, reads_untold: u64, writes_untold: u64) {
        self.words().size.store(size, Ordering::Release);
        self.untell(reads_untold, writes_untold);
    }

    fn untell(&self, reads: u64, writes: u64) {
        self.words().reads_untold.store(reads, Ordering::Relaxed);
        self.words().writes_untold.store(writes, Ordering::Relaxed);
    }

    /// Set what may not happen to it any more.
    pub fn set_seals(&self, seals: Seals) {
        self.words().seals.store(seals.bits(), Ordering::Release);
    }

    /// Note that a process opened it.
    pub fn note_opener(&self, process: u32) {
        if self.state.lock().openers.insert(process) {
            self.note_known(process);
        }
    }

    /// Who opened it, and may keep it though it is closed.
    #[must_use]
    pub fn openers(&self) -> Vec<u32> {
        self.state.lock().openers.as_slice().to_vec()
    }

    /// Whether a process may have pages mapped.
    #[must_use]
    pub fn is_mapper(&self, process: u32) -> bool {
        self.state.lock().mappers.contains(process)
    }

    /// Note that a process may have pages mapped.
    pub fn note_mapper(&self, process: u32) {
        if self.state.lock().mappers.insert(process) {
            self.note_known(process);
        }
    }

    fn note_known(&self, process: u32) {
        self.showcase.places.lock().of_processes.entry(process).or_default().insert(self.place);
    }

    /// Pages got other frames, or none; gives who is to hear of it.
    pub fn note_moved(&self, pages: Range<u64>, cut: bool) -> Vec<u32> {
        let mut state = self.state.lock();
        if state.mappers.as_slice().is_empty() {
            return Vec::new();
        }
        let generation = self.words().generation().wrapping_add(1);
        remember(&mut state.history, Event { generation, pages, cut });
        self.words().generation.store(generation, Ordering::Release);
        state.mappers.as_slice().to_vec()
    }

    /// The first thing that happened after a generation.
    #[must_use]
    pub fn next_event(&self, after: u32) -> Option<Event> {
        let state = self.state.lock();
        let next = state.history.iter().find(|event| event.generation.wrapping_sub(after) as i32 > 0);
        next.cloned()
    }
}

fn remember(history: &mut VecDeque<Event>, event: Event) {
    if history.len() == HISTORY
        && let (Some(first), Some(second)) = (history.pop_front(), history.front_mut())
    {
        second.pages = first.pages.start.min(second.pages.start)..first.pages.end.max(second.pages.end);
        second.cut |= first.cut;
    }
    history.push_back(event);
}

impl Drop for Shown {
    fn drop(&mut self) {
        let State { mappers, openers, .. } = self.state.get_mut();
        let mut places = self.showcase.places.lock();
        for process in mappers.as_slice().iter().chain(openers.as_slice()) {
            places.of_processes.get_mut(process).map(|known| known.remove(self.place));
        }
        places.by_inode.remove(&self.identity);
        places.by_place[self.place as usize] = Weak::new();
        places.free.push(self.place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_old_is_told_together() {
        let mut history = VecDeque::new();
        for generation in 1..=HISTORY as u32 + 1 {
            let page = u64::from(generation);
            remember(&mut history, Event { generation, pages: page..page + 1, cut: generation == 1 });
        }
        assert_eq!(history.len(), HISTORY);
        assert_eq!(history[0], Event { generation: 2, pages: 1..3, cut: true });
        assert_eq!(history[1], Event { generation: 3, pages: 3..4, cut: false });
    }
}
