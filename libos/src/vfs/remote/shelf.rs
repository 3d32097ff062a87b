//! Files that a naming policy keeps open: open(2) of one of them asks nobody.
//!
//! ```text
//!   open(path) ─► Shelf::find ─► the counts of the directories on the way, and who may use the inode: as they were? ─► the file, a handle that is open
//!                            else ─► unixd: the way, the file, a handle to keep ─► Shelf::learn
//! ```
//!
//! The policy has the names; what they lead to is here. A file that is kept is open as far as `unixd` knows; each of its descriptions
//! has an offset of its own, and gets a handle of its own when that matters: for locks, or when another process is to have it
//! ([`RegularFile`](super::regular::RegularFile)). Where files are watched everything is opened as usual, so that it is told of.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::AtomicBool;

use policy::names::Names;
use spin::Once;
use unix::Changes;

use super::Handle;
use super::pages::Pages;
use super::regular::RegularFile;
use crate::file::File;
use crate::vfs::node::Entry;
use crate::vfs::way::Way;

/// Files that are kept.
pub(super) struct Shelf {
    policy: Box<dyn Names>,
    /// What stands before the names: the directory and a slash.
    before: Vec<u8>,
    /// The process's root, as the number that no other directory has, where the names were learned.
    root: u64,
    files: Vec<Option<Kept>>,
    /// How often names changed since the files were last looked through.
    changed: usize,
}

/// A file that is kept.
pub(super) struct Kept {
    /// What the policy was told it is called: what it finds by another name is not believed.
    pub(super) name: Box<[u8]>,
    /// What its path rests on.
    pub(super) way: Way,
    /// The counts of changes to who may use it, and to all that it says of itself.
    pub(super) counts: (u32, u32),
    pub(super) entry: Arc<Entry>,
    pub(super) handle: Arc<Handle>,
    pub(super) place: u32,
    pub(super) identity: (u64, u64),
    pub(super) pages: Arc<Pages>,
}

impl Kept {
    /// Open it.
    pub(super) fn lend(&self) -> (Arc<Entry>, Arc<dyn File>) {
        let file = RegularFile {
            handle: self.handle.clone(),
            place: self.place,
            words: self.handle.tree.server.inode(self.place),
            identity: self.identity,
            pages: Once::initialized(self.pages.clone()),
            gives_ids: false,
            is_kept: AtomicBool::new(false),
            is_sent: AtomicBool::new(false),
            lent: Some(Once::new()),
        };
        (self.entry.clone(), Arc::new(file))
    }

    /// Whether nothing changed who may use it.
    fn may_be_used(&self, changes: &Changes) -> bool {
        changes.of(self.identity.0, self.identity.1).ways() == self.counts.0
    }

    /// Whether any name leads to it.
    fn has_name(&mut self, changes: &Changes) -> bool {
        let state = changes.of(self.identity.0, self.identity.1).state();
        let is_known = core::mem::replace(&mut self.counts.1, state) == state;
        is_known || self.entry.node.attributes().links > 0
    }
}

impl Shelf {
    pub(super) fn new(policy: Box<dyn Names>) -> Shelf {
        let before = [policy.directory().as_bytes(), b"/"].concat();
        Shelf { policy, before, root: 0, files: Vec::new(), changed: 0 }
    }

    /// What is behind the directory in a path from a root.
    pub(super) fn name<'a>(&mut self, root: u64, path: &'a [u8]) -> Option<&'a [u8]> {
        if root != self.root {
            self.clear();
            self.root = root;
        }
        path.strip_prefix(&*self.before).filter(|name| !name.is_empty())
    }

    /// The file of a name, if it is kept and everything is as it was.
    pub(super) fn find(&mut self, name: &[u8], changes: &Changes) -> Option<&Kept> {
        let number = self.policy.find(name)?;
        if !self.files.get(number)?.as_ref()?.way.is_as_it_was(changes) {
            self.note_change(changes);
            return None;
        }
        self.files[number].as_ref().filter(|kept| *kept.name == *name && kept.may_be_used(changes))
    }

    /// A name leads to the file that it led to when the way was another.
    pub(super) fn find_again(&mut self, name: &[u8], identity: (u64, u64), way: &Way, changes: &Changes) -> Option<&Kept> {
        let kept = self.files.get_mut(self.policy.find(name)?)?.as_mut()?;
        if *kept.name != *name || kept.identity != identity || !kept.may_be_used(changes) {
            return None;
        }
        kept.way = *way;
        Some(kept)
    }

    /// Whether there is room for a name.
    pub(super) fn has_room(&self, name: &[u8]) -> bool {
        self.files.len() < self.policy.files() || self.policy.find(name).is_some()
    }

    /// Keep a file.
    pub(super) fn learn(&mut self, kept: Kept) {
        let count = self.files.len();
        let known = self.policy.find(&kept.name).filter(|&number| number < count);
        match known {
            Some(number) => {
                let file = &mut self.files[number];
                if file.as_ref().is_none_or(|other| other.name == kept.name) {
                    *file = Some(kept);
                }
            }
            None if count < self.policy.files() => {
                self.policy.add(&kept.name, count);
                self.files.push(Some(kept));
            }
            None => {}
        }
    }

    /// A name does not lead to what it led to.
    pub(super) fn forget(&mut self, name: &[u8]) {
        if let Some(kept) = self.policy.find(name).and_then(|number| self.files.get_mut(number)) {
            *kept = None;
        }
    }

    /// Let go of all files; gives whether there were any.
    pub(super) fn give_up(&mut self) -> bool {
        let any = self.files.iter().any(Option::is_some);
        self.clear();
        any
    }

    /// Forget everything.
    pub(super) fn clear(&mut self) {
        self.files.clear();
        self.policy.clear();
    }

    /// A name has changed, of a file that is kept or of another: when that happened often enough, let go of the files that have no name any more.
    /// So no more than a share of those that are kept are removed ones, and a change costs little.
    pub(super) fn note_change(&mut self, changes: &Changes) {
        const SHARE: usize = 16;
        self.changed += 1;
        if self.changed * SHARE <= self.files.len() {
            return;
        }
        self.changed = 0;
        for file in &mut self.files {
            if let Some(kept) = file
                && !kept.has_name(changes)
            {
                *file = None;
            }
        }
    }
}
