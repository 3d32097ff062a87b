//! A directory's names, with listing positions that stay true while names come and go.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry::{Occupied, Vacant};
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::errno::{Errno, Result};
use crate::vfs::node::{Entry, Listed, Visitor};

/// The first position that is not `.` or `..`.
pub const FIRST: u64 = 2;

/// The names of a directory. Each has a position that no other name ever had, so that a listing that goes on after one that was
/// removed meanwhile neither repeats nor misses any that stayed.
///
/// Names are found by their hash, since comparing numbers on the way down a tree costs a fraction of comparing strings.
#[derive(Default)]
pub struct Names {
    by_hash: BTreeMap<u64, Bucket>,
    by_position: BTreeMap<u64, Arc<Entry>>,
    given: u64,
    /// The directory was removed: nothing can be made in it.
    pub dead: bool,
}

/// The names that have a hash: nearly always one.
struct Bucket {
    first: Named,
    more: Vec<Named>,
}

struct Named {
    name: Box<[u8]>,
    position: u64,
    entry: Arc<Entry>,
}

/// FNV-1a.
fn hash(name: &[u8]) -> u64 {
    name.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

impl Bucket {
    fn find(&self, name: &[u8]) -> Option<&Named> {
        if *self.first.name == *name { Some(&self.first) } else { self.more.iter().find(|named| *named.name == *name) }
    }
}

impl Names {
    /// What has a name.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<&Arc<Entry>> {
        self.by_hash.get(&hash(name))?.find(name).map(|named| &named.entry)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_position.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_position.len()
    }

    /// The position that the next name gets.
    #[must_use]
    pub fn next_position(&self) -> u64 {
        FIRST + self.given
    }

    /// Whether a name can be made here.
    ///
    /// # Errors
    /// `ENOENT`: the directory is gone. `EEXIST`: the name is taken.
    pub fn check_free(&self, name: &[u8]) -> Result<()> {
        match () {
            () if self.dead => Err(Errno::ENOENT),
            () if self.get(name).is_some() => Err(Errno::EEXIST),
            () => Ok(()),
        }
    }

    /// Add a name that is not there.
    pub fn insert(&mut self, name: &[u8], entry: Arc<Entry>) {
        let position = self.next_position();
        self.given += 1;
        self.by_position.insert(position, entry.clone());
        let named = Named { name: name.into(), position, entry };
        match self.by_hash.entry(hash(name)) {
            Vacant(place) => {
                place.insert(Bucket { first: named, more: Vec::new() });
            }
            Occupied(mut place) => place.get_mut().more.push(named),
        }
    }

    /// Put another entry in a name's place; gives what was there.
    pub fn replace(&mut self, name: &[u8], entry: Arc<Entry>) -> Option<Arc<Entry>> {
        let old = self.remove(name);
        self.insert(name, entry);
        old
    }

    /// Take a name away.
    pub fn remove(&mut self, name: &[u8]) -> Option<Arc<Entry>> {
        let Occupied(mut place) = self.by_hash.entry(hash(name)) else { return None };
        let bucket = place.get_mut();
        let named = if *bucket.first.name != *name {
            let index = bucket.more.iter().position(|named| *named.name == *name)?;
            bucket.more.swap_remove(index)
        } else if let Some(next) = bucket.more.pop() {
            core::mem::replace(&mut bucket.first, next)
        } else {
            place.remove().first
        };
        self.by_position.remove(&named.position);
        Some(named.entry)
    }

    /// Take all names away, for good.
    pub fn take_all(&mut self) -> Vec<Arc<Entry>> {
        self.dead = true;
        self.by_hash.clear();
        core::mem::take(&mut self.by_position).into_values().collect()
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
