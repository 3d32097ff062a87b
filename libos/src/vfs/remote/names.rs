//! What paths led to, as the process was told: to be believed as long as nothing on the way has changed.
//!
//! ```text
//!   stat(path) ─► Names::find ─► the counts of the directories on the way, the count of the inode: as they were? ─► what it said then
//!                              else ─► unixd ─► Names::learn
//!   open(path) ─► Names::open ─► the same, and rights of the inode itself ─► the file as it was opened before
//! ```
//!
//! The answers are those that `unixd` gave to this process, with its rights: nothing is known here that it was not told. When it changes its
//! ids everything is forgotten. After fork(2) the child goes on with what its parent knew, which is the same for both.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::mem::take;
use core::sync::atomic::Ordering;

use unix::Changes;

use super::regular::RegularFile;
use crate::file::{Access, File};
use crate::vfs::attributes::Attributes;
use crate::vfs::node::Entry;
use crate::vfs::status::Status;
use crate::vfs::walk::Last;
use crate::vfs::way::Way;

/// Paths that are remembered at a time; one that comes to the same place takes it over.
const PLACES: usize = 128;
/// Regular files that are kept at a time: as many as one request gives up.
const KEPT_MOST: usize = 7;
/// The most bytes of a path that is remembered.
const PATH_MOST: usize = 160;

/// A question: where a path leads from somewhere.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The number that no other directory ever has, of the one that it begins in.
    pub from: u64,
    /// The same of the process's root.
    pub root: u64,
    /// The path.
    pub path: &'a [u8],
    /// What to do at its last component.
    pub last: Last,
}

/// What was told of an inode, and the count of its changes then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stated {
    /// Where the count is.
    place: u16,
    count: u32,
    /// What was told.
    pub attributes: Attributes,
    /// The same as stat(2) tells it.
    pub status: Status,
}

impl Stated {
    /// Attributes that were told when the count of their changes was this.
    #[must_use]
    pub fn new(count: u32, attributes: Attributes) -> Stated {
        Stated { place: Changes::place(attributes.device, attributes.inode), count, attributes, status: Status::of(&attributes) }
    }

    /// Whether they still hold.
    #[must_use]
    #[inline(always)]
    pub fn is_as_it_was(&self, changes: &Changes) -> bool {
        changes.at(self.place).state() == self.count
    }
}

/// What is remembered.
#[derive(Default)]
pub struct Names {
    known: Vec<Option<Box<Known>>>,
    /// Places at which regular files are kept, or were, the oldest first.
    kept: VecDeque<usize>,
}

struct Known {
    from: u64,
    root: u64,
    last: Last,
    path: Box<[u8]>,
    stated: Option<(Way, Stated)>,
    opened: Option<Again>,
}

/// What is to be had again: the way to it, its end included, and what it was opened for.
struct Again {
    way: Way,
    access: Access,
    kept: Kept,
}

/// A file that is kept to be opened again.
///
/// An open file description of `unixd`'s is that of one opening at a time: a regular file is given out again when nobody has it any more, neither
/// by a descriptor nor in a mapping, and never after it was passed on, inherited or locked. `unixd` does not hear of it while nobody watches files:
/// to it the file stays open. So that the space of removed files is free soon, all that is kept is given up when a file has lost its last name
/// that the process had opened.
pub struct Kept {
    entry: Arc<Entry>,
    file: KeptFile,
}

enum KeptFile {
    Regular(Arc<RegularFile>),
    /// One for all.
    Stateless(Arc<dyn File>),
}

impl Kept {
    /// A regular file, which has just been opened.
    #[must_use]
    pub fn regular(entry: &Arc<Entry>, file: &Arc<RegularFile>) -> Kept {
        file.is_kept.store(true, Ordering::Relaxed);
        Kept { entry: entry.clone(), file: KeptFile::Regular(file.clone()) }
    }

    /// A file that remembers nothing.
    #[must_use]
    pub fn stateless(entry: &Arc<Entry>, file: &Arc<dyn File>) -> Kept {
        Kept { entry: entry.clone(), file: KeptFile::Stateless(file.clone()) }
    }

    /// Whether it is closed, of a regular file.
    fn is_closed(&self) -> bool {
        match &self.file {
            KeptFile::Regular(file) => Arc::strong_count(file) == 1 && Arc::strong_count(&self.entry) == 1,
            KeptFile::Stateless(_) => false,
        }
    }

    /// Have it once more, if that can be.
    fn open(&self) -> Option<(Arc<Entry>, Arc<dyn File>)> {
        let file: Arc<dyn File> = match &self.file {
            KeptFile::Regular(_) if !self.is_closed() => return None,
            KeptFile::Regular(file) => file.clone(),
            KeptFile::Stateless(file) => file.clone(),
        };
        Some((self.entry.clone(), file))
    }

    /// It was closed in the moment, and that is to be told.
    fn close(self) {
        if let KeptFile::Regular(file) = &self.file {
            file.is_kept.store(false, Ordering::Relaxed);
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let KeptFile::Regular(file) = &self.file
            && file.is_kept.swap(false, Ordering::Relaxed)
            && self.is_closed()
        {
            file.handle.was_closed.store(true, Ordering::Relaxed);
        }
    }
}

/// Words of eight bytes at a time: the last are told apart from shorter ones by the length.
fn hash(path: &[u8], from: u64) -> usize {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |hash: u64, word: u64| (hash.rotate_left(5) ^ word).wrapping_mul(FACTOR);
    let (words, rest) = path.as_chunks::<8>();
    let hash = words.iter().fold(from ^ path.len() as u64, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    let hash = mix(hash, rest.iter().fold(0, |word, &byte| word << 8 | u64::from(byte)));
    (hash >> 32) as usize % PLACES
}

impl Question<'_> {
    fn place(&self) -> Option<usize> {
        (self.path.len() <= PATH_MOST).then(|| hash(self.path, self.from))
    }

    fn is(&self, known: &Known) -> bool {
        self.from == known.from && self.root == known.root && self.last == known.last && *self.path == *known.path
    }
}

impl Names {
    /// What the inode at the end of a path says of itself, if that is known and still true.
    #[must_use]
    pub fn find(&self, question: &Question, changes: &Changes) -> Option<&Stated> {
        let known = self.known.get(question.place()?)?.as_deref().filter(|known| question.is(known))?;
        let (way, stated) = known.stated.as_ref()?;
        (way.is_as_it_was(changes) && stated.is_as_it_was(changes)).then_some(stated)
    }

    /// Remember what was told.
    pub fn learn(&mut self, question: &Question, way: Way, stated: Stated) {
        if let Some(known) = question.place().map(|place| self.known(place, question)) {
            known.stated = Some((way, stated));
        }
    }

    /// What is remembered of a question from now on.
    fn known(&mut self, place: usize, question: &Question) -> &mut Known {
        if self.known.is_empty() {
            self.known.resize_with(PLACES, || None);
        }
        let known = &mut self.known[place];
        let is_same = known.as_deref().is_some_and(|known| question.is(known));
        let old = if is_same { known.take() } else { None };
        known.insert(old.unwrap_or_else(|| {
            let &Question { from, root, path, last } = question;
            Box::new(Known { from, root, last, path: path.into(), stated: None, opened: None })
        }))
    }

    /// Open what a path led to once more, if that is known and nothing has changed.
    #[must_use]
    pub fn open(&self, question: &Question, access: Access, changes: &Changes) -> Option<(Arc<Entry>, Arc<dyn File>)> {
        let known = self.known.get(question.place()?)?.as_deref().filter(|known| question.is(known))?;
        let again = known.opened.as_ref().filter(|again| again.access == access && again.way.is_as_it_was(changes))?;
        again.kept.open()
    }

    /// Keep what a path led to, to open it again.
    pub fn keep(&mut self, question: &Question, way: Way, access: Access, kept: Kept) {
        let Some(place) = question.place() else { return };
        if matches!(kept.file, KeptFile::Regular(_)) {
            self.kept.retain(|&other| other != place);
            self.kept.push_back(place);
        }
        self.known(place, question).opened = Some(Again { way, access, kept });
        if self.kept.len() > KEPT_MOST
            && let Some(oldest) = self.kept.pop_front()
        {
            self.take_regular(oldest, |_| true);
        }
    }

    /// What is kept of a regular file at a place, out of there.
    fn take_regular(&mut self, place: usize, wanted: impl Fn(&Kept) -> bool) -> Option<Kept> {
        let opened = &mut self.known.get_mut(place)?.as_mut()?.opened;
        let again = opened.take_if(|again| matches!(again.kept.file, KeptFile::Regular(_)) && wanted(&again.kept))?;
        Some(again.kept)
    }

    /// Take what regular files are kept, if they are wanted.
    fn take_all(&mut self, wanted: impl Fn(&Kept) -> bool) -> Vec<Kept> {
        let places = take(&mut self.kept);
        let taken = places.iter().filter_map(|&place| self.take_regular(place, &wanted)).collect();
        self.kept = places.into_iter().filter(|&place| self.has_regular(place)).collect();
        taken
    }

    fn has_regular(&self, place: usize) -> bool {
        let known = self.known.get(place).and_then(Option::as_deref);
        known.and_then(|known| known.opened.as_ref()).is_some_and(|again| matches!(again.kept.file, KeptFile::Regular(_)))
    }

    /// Give up the regular files that are kept; whether there were any that were closed.
    #[must_use]
    pub fn let_go(&mut self) -> bool {
        !self.kept.is_empty() && self.take_all(|_| true).iter().any(Kept::is_closed)
    }

    /// Regular files were closed in the moment, which is to be told.
    pub fn close(&mut self) {
        self.take_all(Kept::is_closed).into_iter().for_each(Kept::close);
    }

    /// Keep a file no longer.
    pub fn part_with(&mut self, file: &RegularFile) {
        self.take_all(|kept| matches!(&kept.file, KeptFile::Regular(kept) if core::ptr::eq(&**kept, file)));
    }

    /// Forget everything.
    pub fn clear(&mut self) {
        self.kept.clear();
        self.known.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vfs::attributes::{Kind, Time};

    fn question(path: &str) -> Question<'_> {
        Question { from: 1, root: 0, path: path.as_bytes(), last: Last::Follow }
    }

    fn attributes(inode: u64) -> Attributes {
        Attributes::new(1, inode, Kind::Regular, 0o644, Time::default())
    }

    fn found(names: &Names, path: &str, changes: &Changes) -> Option<Attributes> {
        names.find(&question(path), changes).map(|stated| stated.attributes)
    }

    fn way(changes: &Changes, inodes: &[u64]) -> Way {
        let mut way = Way::default();
        for &inode in inodes {
            way.pass(Some((Changes::place(1, inode), changes.of(1, inode))));
        }
        way
    }

    #[test]
    fn an_answer_holds_until_something_on_its_way_changes() {
        let (changes, mut names) = (Changes::default(), Names::default());
        let learn = |names: &mut Names| {
            names.learn(&question("/a/file"), way(&changes, &[1, 2]), Stated::new(changes.of(1, 3).state(), attributes(3)))
        };
        learn(&mut names);
        assert_eq!(found(&names, "/a/file", &changes), Some(attributes(3)));
        changes.of(1, 2).note_state();
        assert!(names.find(&question("/a/file"), &changes).is_some(), "a name more is no change of this one");
        changes.of(1, 2).note_ways();
        assert_eq!(found(&names, "/a/file", &changes), None);
        learn(&mut names);
        changes.of(1, 3).note_state();
        assert_eq!(found(&names, "/a/file", &changes), None);
    }

    #[test]
    fn another_question_has_another_answer() {
        let (changes, mut names) = (Changes::default(), Names::default());
        names.learn(&question("file"), way(&changes, &[1]), Stated::new(0, attributes(3)));
        assert!(names.find(&question("file"), &changes).is_some());
        assert!(names.find(&Question { from: 2, ..question("file") }, &changes).is_none());
        assert!(names.find(&Question { root: 5, ..question("file") }, &changes).is_none());
        assert!(names.find(&Question { last: Last::Keep, ..question("file") }, &changes).is_none());
        assert!(names.find(&question("fil"), &changes).is_none());
        names.clear();
        assert!(names.find(&question("file"), &changes).is_none());
    }

    #[test]
    fn paths_at_one_place_take_turns() {
        let (changes, mut names) = (Changes::default(), Names::default());
        let paths: Vec<_> = (0..4 * PLACES).map(|number| alloc::format!("/directory/{number}")).collect();
        for (number, path) in paths.iter().enumerate() {
            names.learn(&question(path), way(&changes, &[1]), Stated::new(0, attributes(number as u64)));
            assert_eq!(found(&names, path, &changes), Some(attributes(number as u64)));
        }
        let known = paths.iter().filter(|path| names.find(&question(path), &changes).is_some()).count();
        assert!((PLACES / 2..=PLACES).contains(&known), "{known}");
    }
}
