//! Pages of an open inode, as far as they are mapped in the process.
//!
//! `unixd` maps them into windows, stretches of the library's part of the address space, and says by a count when frames that may be
//! mapped are not the file's any more: then the windows are emptied. What is mapped of a file for the program is mapped once more from the
//! window, and is told of by [`Pages::refresh`], which runs whenever another process may have run.

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::mem::take;
use core::ops::Range;

use abi::PAGE_SIZE;
use spin::Mutex;
use unix::Operation;
use unix::place::{WINDOWS, WINDOWS_BYTES};

use super::cache::WindowName;
use super::{Handle, Tree};
use crate::errno::{Errno, Result};
use crate::file::Output;
use crate::memory::backing::{Frames, Purpose};
use crate::vfs::node::PAGES_TO_RUN;
use crate::vfs::world::World;

/// Pages of a window: as many as a word has bits.
pub(super) const WINDOW_PAGES: u64 = 64;
const WINDOW_BYTES: usize = WINDOW_PAGES as usize * PAGE_SIZE;
const PAGE: u64 = PAGE_SIZE as u64;
/// What pages are mapped for, besides a [`Purpose`]: to be read. Holes then get no frames.
const TO_READ: u16 = 3;
/// [`Purpose::Stored`]
const TO_STORE: u16 = 2;

/// Addresses for windows.
pub(super) struct Windows {
    fresh: usize,
    free: Vec<usize>,
}

impl Windows {
    pub(super) const fn new() -> Windows {
        Windows { fresh: WINDOWS, free: Vec::new() }
    }

    /// Addresses that were ever taken.
    pub(super) fn used(&self) -> Range<usize> {
        WINDOWS..self.fresh
    }

    /// Whether none of them is taken now.
    pub(super) fn are_free(&self) -> bool {
        self.free.len() * WINDOW_BYTES == self.fresh - WINDOWS
    }

    fn take(&mut self) -> Result<usize> {
        if let Some(address) = self.free.pop() {
            return Ok(address);
        }
        if self.fresh == WINDOWS + WINDOWS_BYTES {
            return Err(Errno::ENOMEM);
        }
        self.fresh += WINDOW_BYTES;
        Ok(self.fresh - WINDOW_BYTES)
    }
}

/// Pages of a file from a multiple of [`WINDOW_PAGES`] on, a bit for each.
#[derive(Clone, Copy)]
struct Window {
    address: usize,
    mapped: u64,
    /// Those that may be stored to.
    writable: u64,
}

/// Room for the first pages of a file that is about to be opened; given back, unless it is used.
pub(super) struct WindowAhead<'a> {
    tree: &'a Tree,
    /// None: there is no room, or a policy says what is mapped.
    address: Option<usize>,
}

impl<'a> WindowAhead<'a> {
    pub(super) fn new(tree: &'a Tree) -> WindowAhead<'a> {
        let address = if tree.chooses_pages() { None } else { tree.windows.lock().take().ok() };
        WindowAhead { tree, address }
    }

    /// As a word of a request.
    pub(super) fn word(&self) -> u64 {
        self.address.map_or(0, |address| address as u64 | PAGES_TO_RUN)
    }
}

impl Drop for WindowAhead<'_> {
    fn drop(&mut self) {
        if let Some(address) = self.address {
            self.tree.windows.lock().free.push(address);
        }
    }
}

/// What is known of an open inode.
pub(super) struct Pages {
    tree: Weak<Tree>,
    /// Its place among the words that `unixd` shows.
    place: u32,
    /// Device and inode.
    pub(super) identity: (u64, u64),
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The generation that the windows show.
    shown: u32,
    /// The generation at which the program's mappings last let go of all that they show.
    shed: u32,
    windows: BTreeMap<u64, Window>,
    /// Windows of an older generation, out of which somebody may still copy.
    retired: Vec<Window>,
    /// How many copy out of windows or into them: more than one where a copy faults.
    readers: usize,
    /// One past the number of the window that was last written to.
    stored: u64,
    /// The pages that were last copied out of, and those last stored to, as long as windows show what they did.
    recent: Recent,
    recent_stored: Recent,
}

/// Bytes of a file, and where they are.
type Recent = (Range<u64>, usize);

/// Where bytes are, if they are among those.
fn within((bytes, address): &Recent, offset: u64, length: usize) -> Option<usize> {
    let is_inside = offset >= bytes.start && offset + length as u64 <= bytes.end;
    is_inside.then(|| address + (offset - bytes.start) as usize)
}

impl State {
    fn forget_recent(&mut self) {
        (self.recent, self.recent_stored) = Default::default();
    }
}

/// What stands at an offset.
pub(super) enum Piece {
    /// Bytes, mapped here.
    Mapped(usize, usize),
    /// Zeros.
    Hole(usize),
}

impl Pages {
    pub(super) fn new(tree: &Arc<Tree>, place: u32, identity: (u64, u64), generation: u32) -> Arc<Pages> {
        let state = State { shown: generation, shed: generation, ..State::default() };
        Arc::new(Pages { tree: Arc::downgrade(tree), place, identity, state: Mutex::new(state) })
    }

    /// Tell the program's mappings what happened to pages that they may show.
    pub(super) fn refresh(&self, tree: &Tree, world: &dyn World) {
        let words = tree.server.inode(self.place);
        while let Some(told) = tree.told(self.place).filter(|&told| told != words.generation()) {
            let Ok(answer) = tree.ask(Operation::Moved, 0, [u64::from(self.place), u64::from(told), 0]) else { return };
            tree.note_told(self.place, answer[0] as u32);
            world.contents_moved(self.identity, answer[1]..answer[2], answer[3] != 0);
        }
    }

    /// Put what there is of `length` bytes from `offset` on, which are inside the contents, up to where another stretch of pages begins.
    pub(super) fn put(&self, handle: &Handle, output: &mut Output, offset: u64, length: usize) -> Result<usize> {
        match self.piece(handle, offset, length)? {
            Piece::Hole(count) => output.put_zeros(count),
            Piece::Mapped(address, count) => {
                self.state.lock().readers += 1;
                let outcome = handle.tree.server.put(output, address, count);
                self.state.lock().readers -= 1;
                outcome
            }
        }
    }

    /// Where `length` bytes from `offset` on are mapped, if they are those last copied out of and nothing happened to the file since; to be
    /// followed by [`Pages::end_plain`].
    pub(super) fn begin_plain(&self, generation: u32, offset: u64, length: usize) -> Option<usize> {
        let mut state = self.state.lock();
        let from = within(&state.recent, offset, length).filter(|_| generation == state.shown)?;
        state.readers += 1;
        Some(from)
    }

    /// [`Pages::begin_plain`], of pages that were last stored to.
    pub(super) fn begin_plain_store(&self, generation: u32, offset: u64, length: usize) -> Option<usize> {
        let mut state = self.state.lock();
        let to = within(&state.recent_stored, offset, length).filter(|_| generation == state.shown)?;
        state.readers += 1;
        Some(to)
    }

    /// Where `length` bytes from `offset` on may be stored to, and at which generation; to be followed by [`Pages::end_plain`]. `None`: `unixd` is to
    /// do it. That who writes to a window for the first time asks so keeps those that are written to once from being mapped.
    ///
    /// # Errors
    /// Those of mapping the pages. `EBADF`: the handle was not opened for reading too.
    pub(super) fn begin_store(&self, handle: &Handle, offset: u64, length: usize) -> Result<Option<(usize, u32)>> {
        let (page, within) = (offset / PAGE, (offset % PAGE) as usize);
        let (first, bit) = (page / WINDOW_PAGES, page % WINDOW_PAGES);
        let pages = (within + length).div_ceil(PAGE_SIZE) as u64;
        if pages == 0 || bit + pages > WINDOW_PAGES || handle.tree.chooses_pages() {
            return Ok(None);
        }
        let wanted = (u64::MAX >> (WINDOW_PAGES - pages)) << bit;
        let mut state = self.state.lock();
        self.settle(&mut state, handle);
        let is_first = core::mem::replace(&mut state.stored, first + 1) != first + 1;
        loop {
            let window = state.windows.get(&first).copied();
            let missing = wanted & !window.map_or(0, |window| window.writable);
            if let (0, Some(window)) = (missing, window) {
                // What was mapped now may have moved others.
                if handle.tree.server.inode(self.place).generation() != state.shown {
                    return Ok(None);
                }
                let run = u64::from((!(window.writable >> bit)).trailing_zeros()).min(WINDOW_PAGES - bit);
                let address = window.address + bit as usize * PAGE_SIZE;
                state.recent_stored = (page * PAGE..(page + run) * PAGE, address);
                state.readers += 1;
                return Ok(Some((address + within, state.shown)));
            }
            if is_first || state.readers > 0 {
                return Ok(None);
            }
            let at = u64::from(missing.trailing_zeros());
            let read_only = window.map_or(0, |window| window.mapped & !window.writable) & (u64::MAX << at);
            if read_only != 0 {
                make_way(&mut state, &handle.tree, (self.place, first), read_only);
            }
            let brought = self.bring(&mut state, handle, first * WINDOW_PAGES + at, WINDOW_PAGES - at, TO_STORE)?;
            if brought.is_ok_and(|window| window.writable >> at & 1 == 0) {
                return Ok(None);
            }
        }
    }

    pub(super) fn end_plain(&self) {
        self.state.lock().readers -= 1;
    }

    /// Empty the windows, unless somebody copies out of one; gives how many pages were in them.
    pub(super) fn give_back(&self, tree: &Tree) -> usize {
        let mut state = self.state.lock();
        if state.readers > 0 {
            return 0;
        }
        self.retire(&mut state, tree);
        let pages = state.retired.iter().map(|window| window.mapped.count_ones() as usize).sum();
        discard(tree, state.retired.drain(..));
        pages
    }

    /// Empty the windows, if nothing was read out of them or stored to them since this was done last.
    pub(super) fn give_back_unread(&self, tree: &Tree) {
        let is_unread = {
            let mut state = self.state.lock();
            let recent = (take(&mut state.recent), take(&mut state.recent_stored));
            recent.0.0.is_empty() && recent.1.0.is_empty() && !state.windows.is_empty()
        };
        if is_unread {
            self.give_back(tree);
        }
    }

    fn piece(&self, handle: &Handle, offset: u64, length: usize) -> Result<Piece> {
        let (page, within) = (offset / PAGE, (offset % PAGE) as usize);
        let mut state = self.state.lock();
        self.settle(&mut state, handle);
        let (first, bit) = (page / WINDOW_PAGES, page % WINDOW_PAGES);
        let found = state.windows.get(&first).copied().filter(|window| window.mapped >> bit & 1 != 0);
        let window = match found {
            Some(window) => window,
            None => {
                let wanted = handle.tree.together((within + length).div_ceil(PAGE_SIZE) as u64);
                match self.bring(&mut state, handle, page, wanted, TO_READ)? {
                    Ok(window) => window,
                    Err(hole) => {
                        let bytes = usize::try_from(hole.saturating_mul(PAGE)).unwrap_or(usize::MAX) - within;
                        return Ok(Piece::Hole(bytes.min(length)));
                    }
                }
            }
        };
        let run = (!(window.mapped >> bit)).trailing_zeros().min((WINDOW_PAGES - bit) as u32) as usize;
        let page_address = window.address + bit as usize * PAGE_SIZE;
        let count = length.min(run * PAGE_SIZE - within);
        let mut known = page + run as u64;
        if handle.tree.chooses_pages() {
            known = page + (within + count).div_ceil(PAGE_SIZE) as u64;
            handle.tree.with_cache(|cache| cache.note_used(self.place, page..known));
        }
        state.recent = (page * PAGE..known * PAGE, page_address);
        Ok(Piece::Mapped(page_address + within, count))
    }

    /// Empty windows that show what is not the file's any more.
    fn settle(&self, state: &mut State, handle: &Handle) {
        let generation = handle.tree.server.inode(self.place).generation();
        if state.shown != generation {
            state.shown = generation;
            self.retire(state, &handle.tree);
        }
        if state.readers == 0 && !state.retired.is_empty() {
            discard(&handle.tree, state.retired.drain(..));
        }
    }

    /// Let no window be used any more.
    fn retire(&self, state: &mut State, tree: &Tree) {
        state.forget_recent();
        let old = take(&mut state.windows);
        if tree.chooses_pages() {
            tree.with_cache(|cache| old.iter().for_each(|(&first, window)| cache.note_gone((self.place, first), window.mapped)));
        }
        state.retired.extend(old.into_values());
    }

    /// Begin anew: another policy says what is kept.
    pub(super) fn empty(&self, tree: &Tree) {
        let mut state = self.state.lock();
        self.retire(&mut state, tree);
        if state.readers == 0 {
            discard(tree, state.retired.drain(..));
        }
    }

    /// Let as many pages go as others need room that are to come; gives how many of `wanted` may come.
    fn make_room(&self, state: &mut State, tree: &Tree, wanted: u64) -> u64 {
        let room = tree.with_cache(|cache| {
            let pages = cache.limit(wanted);
            (pages, cache.make_room(pages))
        });
        let Some((pages, victims)) = room else { return wanted };
        for (name, mask) in victims {
            if name.0 == self.place {
                make_way(state, tree, name, mask);
            } else if let Some(other) = tree.known(name.0) {
                make_way(&mut other.state.lock(), tree, name, mask);
            }
        }
        pages
    }

    /// Let pages from `page` on be mapped, at least one of `wanted`. The error is how many pages of hole there are instead.
    fn bring(&self, state: &mut State, handle: &Handle, page: u64, wanted: u64, purpose: u16) -> Result<core::result::Result<Window, u64>> {
        let (first, bit) = (page / WINDOW_PAGES, page % WINDOW_PAGES);
        let tree = &handle.tree;
        let mapped = state.windows.get(&first).map_or(0, |window| window.mapped);
        let size = tree.server.inode(self.place).size();
        let behind = size.div_ceil(PAGE).saturating_sub(page).max(1);
        let free = u64::from((mapped >> bit).trailing_zeros()).min(WINDOW_PAGES - bit);
        let mut pages = wanted.min(behind).min(free).max(1);
        tree.note_missed();
        if tree.chooses_pages() {
            pages = self.make_room(state, tree, pages);
        }
        let mut window = match state.windows.get(&first) {
            Some(window) => *window,
            None => Window { address: tree.windows.lock().take()?, mapped: 0, writable: 0 },
        };
        let target = window.address + bit as usize * PAGE_SIZE;
        let what = page << 8 | pages;
        // Kept even if nothing comes of it: its address is then not lost.
        state.windows.insert(first, window);
        let answer = tree.ask(Operation::MapFile, purpose, [u64::from(handle.number), what, target as u64])?;
        let count = answer[0].min(pages) as u32;
        if count == 0 {
            return Ok(Err(answer[2].max(1)));
        }
        // If this gave pages other frames than windows show, the next access empties them.
        let mask = (u64::MAX >> (64 - count)) << bit;
        window.mapped |= mask;
        window.writable |= if answer[1] != 0 { mask } else { 0 };
        state.windows.insert(first, window);
        if tree.chooses_pages() {
            tree.with_cache(|cache| cache.note_mapped(self.place, self.identity.1, page..page + u64::from(count)));
        }
        Ok(Ok(window))
    }

    /// So many of the first pages were mapped into a window when the file was opened. If it has one already, or they may be others by now, they are
    /// given back.
    pub(super) fn take_window(&self, handle: &Handle, mut window: WindowAhead, pages: u32, generation: u32) {
        let Some(address) = window.address.take() else { return };
        let mut state = self.state.lock();
        self.settle(&mut state, handle);
        let taken = Window { address, mapped: u64::MAX >> (WINDOW_PAGES as u32 - pages.clamp(1, WINDOW_PAGES as u32)), writable: 0 };
        if generation == state.shown && !state.windows.contains_key(&0) {
            state.windows.insert(0, taken);
        } else {
            discard(&handle.tree, core::iter::once(taken));
        }
    }

    /// [`Backing::will_need`](crate::memory::backing::Backing::will_need). Who really needs them is told what is wrong.
    pub(super) fn will_need(&self, handle: &Handle, pages: u64) {
        let mut state = self.state.lock();
        self.settle(&mut state, handle);
        if !handle.tree.chooses_pages() && state.windows.get(&0).is_none_or(|window| window.mapped & 1 == 0) {
            let _ = self.bring(&mut state, handle, 0, pages.min(WINDOW_PAGES), TO_READ);
        }
    }

    /// [`Backing::frames`](crate::memory::backing::Backing::frames)
    pub(super) fn frames(&self, handle: &Handle, page: u64, most: usize, purpose: Purpose) -> Result<Frames> {
        let mut state = self.state.lock();
        self.settle(&mut state, handle);
        let (first, bit) = (page / WINDOW_PAGES, page % WINDOW_PAGES);
        let stored = purpose == Purpose::Stored;
        let known = state.windows.get(&first).copied().filter(|window| window.mapped >> bit & 1 != 0);
        let window = match known {
            Some(window) if !stored => window,
            Some(window) if window.writable >> bit & 1 != 0 => {
                handle.tree.ask(Operation::NoteStored, 0, [u64::from(handle.number), 0, 0])?;
                window
            }
            _ => {
                if known.is_some() {
                    make_way(&mut state, &handle.tree, (self.place, first), 1 << bit);
                }
                let number = match purpose {
                    Purpose::Private => 0,
                    Purpose::Shared => 1,
                    Purpose::Stored => 2,
                };
                let wanted = if known.is_some() { 1 } else { most as u64 };
                self.bring(&mut state, handle, page, wanted, number)?.map_err(|_| Errno::EIO)?
            }
        };
        let writable = window.writable >> bit & 1 != 0;
        let same = window.mapped & if writable { window.writable } else { !window.writable };
        let run = (!(same >> bit)).trailing_zeros().min((WINDOW_PAGES - bit) as u32) as usize;
        let generation = handle.tree.server.inode(self.place).generation();
        let moved = if state.shed == generation { 0..0 } else { 0..u64::MAX };
        state.shed = generation;
        Ok(Frames { address: window.address + bit as usize * PAGE_SIZE, pages: run.min(most), writable, moved })
    }

    /// What was prepared for executable mappings.
    pub(super) fn overlay(&self, handle: &Handle) -> Option<&'static [u8]> {
        let tree = &handle.tree;
        let length = tree.ask(Operation::Overlay, 0, [u64::from(handle.number), 0, 0]).ok()?[0] as usize;
        if length == 0 {
            return None;
        }
        if let Some(&known) = tree.overlays.lock().get(&self.identity) {
            return Some(known);
        }
        let pages = length.div_ceil(PAGE_SIZE);
        let address = tree.windows.lock().take_run(pages)?;
        tree.ask(Operation::MapOverlay, 0, [u64::from(handle.number), address as u64, 0]).ok()?;
        let bytes = tree.server.bytes(address, length);
        tree.overlays.lock().insert(self.identity, bytes);
        Some(bytes)
    }
}

impl Windows {
    /// Room for so many pages, never given back.
    fn take_run(&mut self, pages: usize) -> Option<usize> {
        let bytes = pages.checked_mul(PAGE_SIZE)?.checked_next_multiple_of(WINDOW_BYTES)?;
        let end = self.fresh.checked_add(bytes).filter(|&end| end <= WINDOWS + WINDOWS_BYTES)?;
        Some(core::mem::replace(&mut self.fresh, end))
    }
}

/// Let go of pages of a window: those with their bits set, or of all if somebody copies out of it.
fn make_way(state: &mut State, tree: &Tree, name: WindowName, mask: u64) {
    let Some(mut window) = state.windows.remove(&name.1) else { return };
    state.forget_recent();
    let gone = if state.readers > 0 { window.mapped } else { window.mapped & mask };
    if tree.chooses_pages() {
        tree.with_cache(|cache| cache.note_gone(name, gone));
    }
    if state.readers > 0 {
        state.retired.push(window);
        return;
    }
    unmap(tree, window.address, gone);
    window.mapped &= !gone;
    window.writable &= !gone;
    state.windows.insert(name.1, window);
}

/// Give back the pages of a window that have their bits set.
fn unmap(tree: &Tree, address: usize, mut pages: u64) {
    while pages != 0 {
        let first = pages.trailing_zeros();
        let count = (!(pages >> first)).trailing_zeros().min(64 - first);
        tree.server.unmap(address + first as usize * PAGE_SIZE, count as usize);
        pages &= !((u64::MAX >> (64 - count)) << first);
    }
}

/// Give windows back.
fn discard(tree: &Tree, windows: impl Iterator<Item = Window>) {
    for window in windows {
        unmap(tree, window.address, window.mapped);
        tree.windows.lock().free.push(window.address);
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        let Some(tree) = self.tree.upgrade() else { return };
        let state = self.state.get_mut();
        if tree.chooses_pages() {
            tree.with_cache(|cache| state.windows.iter().for_each(|(&first, window)| cache.note_gone((self.place, first), window.mapped)));
        }
        discard(&tree, take(&mut state.windows).into_values().chain(state.retired.drain(..)));
        let mut inodes = tree.inodes.lock();
        if inodes.get(&self.place).is_some_and(|known| known.pages.strong_count() == 0) {
            inodes.remove(&self.place);
        }
    }
}
