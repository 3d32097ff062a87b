//! A directory's names, with listing positions that stay true while names come and go.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use crate::errno::{Errno, Result};
use crate::vfs::node::{Entry, Listed, Visitor};

/// The first position that is not `.` or `..`.
pub const FIRST: u64 = 2;

/// The names of a directory. Each has a position that no other name ever had, so that a listing that goes on after one that was
/// removed meanwhile neither repeats nor misses any that stayed.
#[derive(Default)]
pub struct Names {
    by_name: BTreeMap<Box<[u8]>, (u64, Arc<Entry>)>,
    by_position: BTreeMap<u64, Arc<Entry>>,
    given: u64,
    /// The directory was removed: nothing can be made in it.
    pub dead: bool,
}

impl Names {
    /// What has a name.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<&Arc<Entry>> {
        self.by_name.get(name).map(|(_, entry)| entry)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether a name can be made here.
    ///
    /// # Errors
    /// `ENOENT`: the directory is gone. `EEXIST`: the name is taken.
    pub fn check_free(&self, name: &[u8]) -> Result<()> {
        match () {
            () if self.dead => Err(Errno::ENOENT),
            () if self.by_name.contains_key(name) => Err(Errno::EEXIST),
            () => Ok(()),
        }
    }

    /// Add a name that is not there.
    pub fn insert(&mut self, name: &[u8], entry: Arc<Entry>) {
        let position = FIRST + self.given;
        self.given += 1;
        self.by_position.insert(position, entry.clone());
        self.by_name.insert(name.into(), (position, entry));
    }

    /// Put another entry in a name's place; gives what was there.
    pub fn replace(&mut self, name: &[u8], entry: Arc<Entry>) -> Option<Arc<Entry>> {
        let old = self.remove(name);
        self.insert(name, entry);
        old
    }

    /// Take a name away.
    pub fn remove(&mut self, name: &[u8]) -> Option<Arc<Entry>> {
        let (position, entry) = self.by_name.remove(name)?;
        self.by_position.remove(&position);
        Some(entry)
    }

    /// The first entry at a position or after it.
    #[must_use]
    pub fn next(&self, from: u64) -> Option<(u64, Arc<Entry>)> {
        self.by_position.range(from..).next().map(|(&position, entry)| (position, entry.clone()))
    }
}

/// Tell the names from a position on; `next` gives the first at a position or after it.
pub fn visit_from(from: u64, next: impl Fn(u64) -> Option<(u64, Arc<Entry>)>, visit: &mut Visitor) {
    let mut from = from;
    while let Some((position, entry)) = next(from) {
        let attributes = entry.node.attributes();
        let name = entry.name();
        if !visit(&Listed { inode: attributes.inode, kind: attributes.kind, next: position + 1, name: &name }) {
            break;
        }
        from = position + 1;
    }
}
