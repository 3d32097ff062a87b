//! What paths led to, as the process was told: to be believed as long as nothing on the way has changed.
//!
//! ```text
//!   stat(path) ─► Names::find ─► the counts of the directories on the way, the count of the inode: as they were? ─► what it said then
//!                              else ─► unixd ─► Names::learn
//! ```
//!
//! The answers are those that `unixd` gave to this process, with its rights: nothing is known here that it was not told. When it changes its
//! ids everything is forgotten. After fork(2) the child goes on with what its parent knew, which is the same for both.

use alloc::boxed::Box;
use alloc::vec::Vec;

use unix::Changes;

use crate::vfs::attributes::Attributes;
use crate::vfs::walk::Last;
use crate::vfs::way::Way;

/// Paths that are remembered at a time; one that comes to the same place takes it over.
const PLACES: usize = 128;
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
pub type Stated = (u32, Attributes);

/// What is remembered.
#[derive(Default)]
pub struct Names {
    known: Vec<Option<Box<Known>>>,
}

struct Known {
    from: u64,
    root: u64,
    last: Last,
    path: Box<[u8]>,
    way: Way,
    stated: Stated,
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
    pub fn find(&self, question: &Question, changes: &Changes) -> Option<&Attributes> {
        let known = self.known.get(question.place()?)?.as_deref()?;
        if !question.is(known) || !known.way.is_as_it_was(changes) {
            return None;
        }
        let (state, attributes) = &known.stated;
        (changes.of(attributes.device, attributes.inode).state() == *state).then_some(attributes)
    }

    /// Remember what was told.
    pub fn learn(&mut self, question: &Question, way: Way, stated: Stated) {
        let Some(place) = question.place() else { return };
        if self.known.is_empty() {
            self.known.resize_with(PLACES, || None);
        }
        match &mut self.known[place] {
            Some(known) if question.is(known) => (known.way, known.stated) = (way, stated),
            other => {
                let &Question { from, root, path, last } = question;
                *other = Some(Box::new(Known { from, root, last, path: path.into(), way, stated }));
            }
        }
    }

    /// Forget everything.
    pub fn clear(&mut self) {
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
        let learn =
            |names: &mut Names| names.learn(&question("/a/file"), way(&changes, &[1, 2]), (changes.of(1, 3).state(), attributes(3)));
        learn(&mut names);
        assert_eq!(names.find(&question("/a/file"), &changes), Some(&attributes(3)));
        changes.of(1, 2).note_state();
        assert!(names.find(&question("/a/file"), &changes).is_some(), "a name more is no change of this one");
        changes.of(1, 2).note_ways();
        assert_eq!(names.find(&question("/a/file"), &changes), None);
        learn(&mut names);
        changes.of(1, 3).note_state();
        assert_eq!(names.find(&question("/a/file"), &changes), None);
    }

    #[test]
    fn another_question_has_another_answer() {
        let (changes, mut names) = (Changes::default(), Names::default());
        names.learn(&question("file"), way(&changes, &[1]), (0, attributes(3)));
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
            names.learn(&question(path), way(&changes, &[1]), (0, attributes(number as u64)));
            assert_eq!(names.find(&question(path), &changes), Some(&attributes(number as u64)));
        }
        let known = paths.iter().filter(|path| names.find(&question(path), &changes).is_some()).count();
        assert!((PLACES / 2..=PLACES).contains(&known), "{known}");
    }
}
