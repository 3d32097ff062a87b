//! A tree that `unixd` keeps, as the process sees it: nodes and files that are handles.
//!
//! ```text
//!   walk ─► Node ─► Tree ─► unixd      a path in one request, as far as the tree goes; /proc and /sys are entered here
//!   stat, open ─► Names, Node          what was told before, if it is still true; asks nobody then
//!   read ─► RegularFile ─► Pages       pages of files, mapped read-only by unixd; a read of what is mapped asks nobody
//! ```
//!
//! A handle that is not needed any more is given up with the next request.

mod cache;
mod mounting;
mod names;
mod node;
mod pages;
mod regular;
mod shelf;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::ops::Range;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use policy::caching::{AHEAD_PAGES, Caching};
use policy::names::Names as Naming;
use spin::{Mutex, Once};
use unix::{InodeWords, Operation, QUIETLY, Request, place};

use crate::errno::{Errno, Result};
use crate::file::{Access, File};
use crate::server::Server;
use crate::vfs::attributes::Kind;
use crate::vfs::node::Entry;
use crate::vfs::walk::{Ahead, Journey, Last};
use crate::vfs::world::World;
use cache::Cache;
pub use mounting::Mounting;
use names::Names;
use node::RemoteNode;
pub use node::handle_of;
use pages::{Pages, Windows};
use regular::RegularFile;
use shelf::Shelf;

/// The handle of the root: every process's table begins with it.
const ROOT: u32 = 0;
/// No handle.
const NONE: u32 = u32::MAX;
/// Handles given up beyond which they are not kept for the next requests: what a request takes besides one.
const RELEASED_MOST: usize = 6;
/// In the number of a handle that is not needed any more: others wait for that, and hear of it before the program goes on ([`Tree::settle_programs`]).
const URGENT: u32 = 1 << 30;

/// The process's view of the tree.
pub struct Tree {
    server: &'static dyn Server,
    /// Handles that nobody needs any more.
    released: Mutex<Vec<u32>>,
    /// How many of them are urgent.
    urgent: AtomicUsize,
    /// What is mounted in the tree and kept here, by number.
    mounts: Mutex<Vec<Arc<Entry>>>,
    /// Where pages of files may be mapped.
    windows: Mutex<Windows>,
    /// What is known of open inodes, by their places among the words that `unixd` shows.
    inodes: Mutex<BTreeMap<u32, Known>>,
    /// One past the highest of these places so far.
    places: AtomicU32,
    /// What was prepared for executable mappings, by device and inode.
    overlays: Mutex<BTreeMap<(u64, u64), &'static [u8]>>,
    /// What paths led to.
    names: Mutex<Names>,
    /// Handles that there ever were.
    handles: AtomicU64,
    /// What says which pages stay mapped, and whether anything does.
    cache: Mutex<Option<Cache>>,
    has_cache: AtomicBool,
    /// How often pages were asked for.
    missed: AtomicU64,
    /// Files that a policy keeps open, and whether there is one.
    shelf: Mutex<Option<Shelf>>,
    has_shelf: AtomicBool,
    /// How often files were removed, as far as that was heard.
    removals: AtomicU32,
    /// Whether files are watched, as far as that was heard.
    is_watched: AtomicBool,
}

/// What is known of an open inode. What every look at all of them needs is in the map itself: to hold the pages is to write to them, which after
/// a fork costs more than the look.
struct Known {
    pages: Weak<Pages>,
    /// The generation up to which the program's mappings were told what happened.
    told: u32,
}

/// A handle, given up when it is dropped: with the next request.
struct Handle {
    tree: Arc<Tree>,
    number: u32,
    /// A number that no other handle of the process ever has.
    birth: u64,
    /// Whether the file was closed already, when nobody watched.
    was_closed: AtomicBool,
    haste: Haste,
}

/// When a handle is given up.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Haste {
    /// With a request of later.
    Later,
    /// Before the program goes on: others may write to what was run.
    Soon,
    /// At once: others may run what was written to, or seal what was mapped.
    AtOnce,
}

impl Handle {
    fn new(tree: &Arc<Tree>, number: u32) -> Arc<Handle> {
        Handle::with_haste(tree, number, Haste::Later)
    }

    /// The handle of what was opened so.
    fn opened_for(tree: &Arc<Tree>, number: u32, access: Access) -> Arc<Handle> {
        Handle::with_haste(tree, number, if access.contains(Access::WRITE) { Haste::AtOnce } else { Haste::Later })
    }

    fn with_haste(tree: &Arc<Tree>, number: u32, haste: Haste) -> Arc<Handle> {
        let birth = tree.handles.fetch_add(1, Ordering::Relaxed);
        Arc::new(Handle { tree: tree.clone(), number, birth, was_closed: AtomicBool::new(false), haste })
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.number != ROOT {
            let mut released = self.tree.released.lock();
            let quietly = if *self.was_closed.get_mut() { QUIETLY } else { 0 };
            let urgent = if self.haste == Haste::Soon { URGENT } else { 0 };
            self.tree.urgent.fetch_add(usize::from(urgent != 0), Ordering::Relaxed);
            released.push(self.number | quietly | urgent);
            if self.haste == Haste::AtOnce || self.tree.server.is_watched() {
                self.tree.release(&mut released);
            }
        }
    }
}

/// An answer's small numbers.
fn low(word: u64) -> u32 {
    word as u32
}

fn high(word: u64) -> u32 {
    (word >> 32) as u32
}

impl Tree {
    /// The tree that a server keeps, with file systems of the process's own mounted in it.
    pub fn new(server: &'static dyn Server, mounts: impl FnOnce(&Arc<Entry>) -> Vec<Arc<Entry>>) -> (Arc<Tree>, Arc<Entry>) {
        let tree = Arc::new(Tree {
            server,
            released: Mutex::default(),
            urgent: AtomicUsize::new(0),
            mounts: Mutex::default(),
            windows: Mutex::new(Windows::new()),
            inodes: Mutex::default(),
            places: AtomicU32::new(0),
            overlays: Mutex::default(),
            names: Mutex::default(),
            handles: AtomicU64::new(0),
            cache: Mutex::new(None),
            has_cache: AtomicBool::new(false),
            missed: AtomicU64::new(0),
            shelf: Mutex::new(None),
            has_shelf: AtomicBool::new(false),
            removals: AtomicU32::new(0),
            is_watched: AtomicBool::new(false),
        });
        let root = tree.entry(ROOT, Kind::Directory, 0, true);
        *tree.mounts.lock() = mounts(&root);
        (tree, root)
    }

    /// The entry of a path from the root; `None` if there is none.
    #[must_use]
    pub fn find(&self, root: &Arc<Entry>, path: &[u8]) -> Option<Arc<Entry>> {
        match root.node.walk_on(&Journey { root, path, last: Last::Follow, links: 0 })? {
            Ok(Ahead::Found(found)) => found.entry,
            _ => None,
        }
    }

    /// What standard input reads in a batch run.
    ///
    /// # Errors
    /// `ENOENT`: nothing.
    pub fn input(self: &Arc<Tree>) -> Result<(Arc<Entry>, Arc<dyn File>)> {
        let answer = self.ask(Operation::OpenInput, 0, [0; 3])?;
        self.opened(&answer, Access::READ)
    }

    /// An open file that came from elsewhere, by the handle that it came with.
    ///
    /// # Errors
    /// `EBADF`: it is no file of the tree.
    pub fn adopt(self: &Arc<Tree>, handle: u32) -> Result<(Arc<Entry>, Arc<dyn File>)> {
        let answer = self.ask(Operation::Adopt, 0, [u64::from(handle), 0, 0])?;
        self.opened(&answer, Access::all())
    }

    /// Look what happened to files since that was last asked.
    pub fn hear(&self, world: &dyn World) {
        let removals = self.server.removals();
        if self.removals.swap(removals, Ordering::Relaxed) != removals {
            let _ = self.names.lock().let_go();
            self.note_name_changed();
            self.flush();
        }
        let is_stale = |(place, known): &(&u32, &Known)| self.server.inode(**place).generation() != known.told;
        let stale: Vec<Arc<Pages>> = self.inodes.lock().iter().filter(is_stale).filter_map(|(_, known)| known.pages.upgrade()).collect();
        for pages in stale {
            pages.refresh(self, world);
        }
    }

    /// Empty windows, at least so many pages of them if there are so many; what is read again comes again.
    pub fn give_back(&self, wanted: usize) {
        let mut given = 0;
        for pages in self.all_known() {
            if given >= wanted {
                break;
            }
            given += pages.give_back(self);
        }
    }

    /// Empty the windows of files that nobody read since this was done last: who is about to make a child, which gets all windows, does it.
    pub fn give_back_unread(&self) {
        if !self.windows.lock().are_free() {
            self.all_known().iter().for_each(|pages| pages.give_back_unread(self));
        }
    }

    /// Addresses at which `unixd` has mapped pages for the process: windows, and the words of inodes.
    #[must_use]
    pub fn shown_pages(&self) -> [Range<usize>; 2] {
        let words = place::INODES..place::INODES + self.places.load(Ordering::Relaxed) as usize * size_of::<InodeWords>();
        [self.windows.lock().used(), words]
    }

    fn entry(self: &Arc<Tree>, handle: u32, kind: Kind, special: u64, mount: bool) -> Arc<Entry> {
        let handle = Handle::new(self, handle);
        Entry::elsewhere(Arc::new(RemoteNode::new(handle, kind, special)), mount)
    }

    /// The entry and the file that an answer tells of: `unixd`'s `tree::Answered`.
    fn opened(self: &Arc<Tree>, answer: &[u64; 4], access: Access) -> Result<(Arc<Entry>, Arc<dyn File>)> {
        let kind = Kind::from_number((answer[0] >> 16) as u8 as u16).ok_or(Errno::EIO)?;
        let handle = Handle::opened_for(self, high(answer[0]), access);
        let node = Arc::new(RemoteNode::new(handle.clone(), kind, 0));
        let file = self.file(handle, kind, answer);
        Ok((Entry::elsewhere(node, false), file))
    }

    /// The file of a handle that was just opened.
    fn file(self: &Arc<Tree>, handle: Arc<Handle>, kind: Kind, answer: &[u64; 4]) -> Arc<dyn File> {
        if kind == Kind::Directory {
            return Arc::new(node::RemoteDirectory { handle });
        }
        self.regular_file(handle, answer)
    }

    fn regular_file(self: &Arc<Tree>, handle: Arc<Handle>, answer: &[u64; 4]) -> Arc<RegularFile> {
        let (place, identity) = self.shown(answer);
        Arc::new(RegularFile {
            handle,
            place,
            words: self.server.inode(place),
            identity,
            pages: Once::new(),
            gives_ids: answer[1] & unix::GIVES_IDS != 0,
            lent: None,
            is_kept: AtomicBool::new(false),
            is_sent: AtomicBool::new(false),
        })
    }

    /// Where the words are of an inode that was just opened, and which it is.
    fn shown(&self, answer: &[u64; 4]) -> (u32, (u64, u64)) {
        let place = low(answer[1]);
        self.places.fetch_max(place + 1, Ordering::Relaxed);
        (place, (answer[2], answer[3]))
    }

    /// What is known of an open inode.
    fn pages(self: &Arc<Tree>, place: u32, identity: (u64, u64)) -> Arc<Pages> {
        let mut inodes = self.inodes.lock();
        if let Some(pages) = inodes.get(&place).and_then(|known| known.pages.upgrade()) {
            return pages;
        }
        let generation = self.server.inode(place).generation();
        let pages = Pages::new(self, place, identity, generation);
        inodes.insert(place, Known { pages: Arc::downgrade(&pages), told: generation });
        pages
    }

    /// The same, if anything is known yet.
    fn known(&self, place: u32) -> Option<Arc<Pages>> {
        self.inodes.lock().get(&place)?.pages.upgrade()
    }

    /// What is known of all open inodes.
    fn all_known(&self) -> Vec<Arc<Pages>> {
        self.inodes.lock().values().filter_map(|known| known.pages.upgrade()).collect()
    }

    /// The generation of an inode up to which the program's mappings were told what happened.
    fn told(&self, place: u32) -> Option<u32> {
        Some(self.inodes.lock().get(&place)?.told)
    }

    fn note_told(&self, place: u32, generation: u32) {
        self.inodes.lock().get_mut(&place).into_iter().for_each(|known| known.told = generation);
    }

    /// Let a policy say which pages of files stay mapped; none: all do.
    pub fn set_caching(&self, policy: Option<Box<dyn Caching>>) {
        if policy.is_none() && !self.chooses_pages() {
            return;
        }
        self.all_known().iter().for_each(|pages| pages.empty(self));
        self.has_cache.store(policy.is_some(), Ordering::Relaxed);
        *self.cache.lock() = policy.map(Cache::new);
    }

    /// Let a policy say which files are looked up here; none: all are asked for.
    pub fn set_names(&self, policy: Option<Box<dyn Naming>>) {
        self.has_shelf.store(policy.is_some(), Ordering::Relaxed);
        *self.shelf.lock() = policy.map(Shelf::new);
    }

    fn with_shelf<T>(&self, work: impl FnOnce(&mut Shelf) -> T) -> Option<T> {
        self.shelf.lock().as_mut().map(work)
    }

    /// A name was removed, or leads elsewhere.
    fn note_name_changed(&self) {
        if self.looks_up() {
            self.with_shelf(|shelf| shelf.note_change(self.server.changes()));
        }
    }

    /// Let go of the files that are kept for their names; gives whether there were any.
    fn give_kept_up(&self) -> bool {
        self.with_shelf(Shelf::give_up).unwrap_or(false)
    }

    /// Whether a policy says which files are looked up here.
    #[inline(always)]
    fn looks_up(&self) -> bool {
        self.has_shelf.load(Ordering::Relaxed)
    }

    /// How often pages of files were asked for.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }

    fn note_missed(&self) {
        self.missed.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether a policy says which pages stay mapped.
    #[inline(always)]
    fn chooses_pages(&self) -> bool {
        self.has_cache.load(Ordering::Relaxed)
    }

    fn with_cache<T>(&self, work: impl FnOnce(&mut Cache) -> T) -> Option<T> {
        self.cache.lock().as_mut().map(work)
    }

    /// How many pages are to come in together where so many are to be read.
    fn together(&self, wanted: u64) -> u64 {
        self.with_cache(|cache| cache.most(wanted)).unwrap_or(wanted.max(AHEAD_PAGES as u64))
    }

    /// Ask, and give up a handle on the way.
    fn ask(&self, operation: Operation, small: u16, words: [u64; 3]) -> Result<[u64; 4]> {
        let large = self.take_released();
        let outcome = self.server.call(Request { operation, small, large, words });
        if outcome == Err(Errno::ENOSPC) { self.ask_with_nothing_held(Request { operation, small, large: 0, words }) } else { outcome }
    }

    /// 1 + a handle that is given up with the next request, or 0.
    fn take_released(&self) -> u32 {
        let mut released = self.released.lock();
        if released.len() > RELEASED_MOST {
            self.release(&mut released);
        }
        released.pop().map_or(0, |handle| self.named(handle) + 1)
    }

    /// Ask again where there was no room: what the process does not need any more may take some.
    #[cold]
    fn ask_with_nothing_held(&self, request: Request) -> Result<[u64; 4]> {
        self.flush();
        self.server.call(request)
    }

    /// The process has other rights than it had.
    pub(crate) fn forget_names(&self) {
        self.names.lock().clear();
        self.with_shelf(Shelf::clear);
    }

    /// Give up what is kept of files that are closed.
    pub(crate) fn let_go(&self) {
        if self.names.lock().let_go() {
            self.flush();
        }
    }

    /// A file is about to be opened or closed. Where files are watched that is to be told: none is kept, and those that were closed when nobody
    /// watched are given up before.
    pub(crate) fn look_at_watch(&self) -> bool {
        let is_watched = self.server.is_watched();
        if is_watched && !self.is_watched.load(Ordering::Relaxed) {
            self.let_go();
        }
        self.is_watched.store(is_watched, Ordering::Relaxed);
        is_watched
    }

    /// Give up all handles that are not needed any more.
    pub(crate) fn flush(&self) {
        self.release(&mut self.released.lock());
    }

    /// The handle of what was run before, plus one, for who gives it up in some other way; 0: none.
    pub(crate) fn take_urgent(&self) -> u32 {
        if self.urgent.load(Ordering::Relaxed) == 0 {
            return 0;
        }
        let mut released = self.released.lock();
        let place = released.iter().rposition(|handle| handle & URGENT != 0);
        place.map_or(0, |place| self.named(released.swap_remove(place)) + 1)
    }

    /// A program was run, or could not be: what is not needed of it any more is given up, if that did not happen on the way.
    pub(crate) fn settle_programs(&self) {
        if self.urgent.load(Ordering::Relaxed) > 0 {
            self.flush();
        }
    }

    /// A handle that is being given up, as `unixd` knows it.
    fn named(&self, handle: u32) -> u32 {
        self.urgent.fetch_sub(usize::from(handle & URGENT != 0), Ordering::Relaxed);
        handle & !URGENT
    }

    #[cold]
    fn release(&self, released: &mut Vec<u32>) {
        while let Some(last) = released.pop() {
            let mut some: Vec<u32> = released.split_off(released.len().saturating_sub(RELEASED_MOST));
            some.iter_mut().for_each(|handle| *handle = self.named(*handle));
            let last = self.named(last);
            let at = |index: usize| u64::from(some.get(index).copied().unwrap_or(NONE));
            let words = [at(0) | at(1) << 32, at(2) | at(3) << 32, at(4) | at(5) << 32];
            // What it does not have it does not give up.
            let _ = self.server.call(Request { operation: Operation::Release, small: some.len() as u16, large: last, words });
        }
    }
}
