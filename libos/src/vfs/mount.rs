//! Mounts: file systems, or parts of them, that are seen at a place of the tree.
//!
//! An [`Entry`] below a mount is a view: an entry of the file system, seen through the mount. So one file system can be seen at several places, by
//! other flags and other ways up, while its own entries know nothing of that. The root's file system, and those that every tree begins
//! with, need no views: their entries are where they are seen.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering};

use linux_raw_sys::general::{MS_PRIVATE, MS_SHARED, MS_SLAVE, MS_UNBINDABLE};
use spin::Mutex;

use crate::vfs::node::Entry;
use crate::vfs::tmpfs::Inode;

/// `MS_RDONLY`
pub const READ_ONLY: u32 = 1;
/// `MS_NOSUID`
pub const NO_SET_IDS: u32 = 2;
/// `MS_NODEV`
pub const NO_DEVICES: u32 = 4;
/// `MS_NOEXEC`
pub const NO_PROGRAMS: u32 = 8;
/// The flags that are a mount's own.
pub const OWN_FLAGS: u32 = READ_ONLY | NO_SET_IDS | NO_DEVICES | NO_PROGRAMS;
/// The flags of mount(2) that say who sees what is mounted below.
pub const PROPAGATION: u32 = MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE;
/// `MNT_DETACH` of umount2(2): what is used goes when it is not any more.
pub const DETACH: u32 = 2;

/// A file system in memory that was made to be mounted. When nobody mounts or uses it any more it goes, with all that is in it.
pub struct Temporary(pub Arc<Inode>);

impl Drop for Temporary {
    fn drop(&mut self) {
        self.0.clear();
    }
}

/// A mount.
pub struct Mount {
    /// Its number in `/proc/self/mountinfo`.
    pub id: u32,
    /// What is seen: an entry of the file system.
    pub root: Arc<Entry>,
    /// The file system's type, as mount(8) names it.
    pub kind: &'static str,
    /// What it was said to be mounted from.
    pub source: Vec<u8>,
    /// What lives as long as it is mounted.
    pub system: Option<Arc<Temporary>>,
    flags: AtomicU32,
    /// Where it is seen; nowhere any more.
    point: Mutex<Option<Arc<Entry>>>,
}

impl Mount {
    /// A mount that is nowhere yet.
    #[must_use]
    pub fn new(id: u32, root: Arc<Entry>, kind: &'static str, source: &[u8], system: Option<Arc<Temporary>>, flags: u32) -> Arc<Mount> {
        Arc::new(Mount { id, root, kind, source: source.into(), system, flags: flags.into(), point: Mutex::new(None) })
    }

    /// Its flags, of [`OWN_FLAGS`].
    #[must_use]
    pub fn flags(&self) -> u32 {
        self.flags.load(Ordering::Relaxed)
    }

    /// Set them.
    pub fn set_flags(&self, flags: u32) {
        self.flags.store(flags & OWN_FLAGS, Ordering::Relaxed);
    }

    /// Where it is seen.
    #[must_use]
    pub fn point(&self) -> Option<Arc<Entry>> {
        self.point.lock().clone()
    }

    /// Let it be seen there, or nowhere. What was known of ways over both places is known no more.
    pub fn set_point(&self, point: Option<Arc<Entry>>) {
        let before = core::mem::replace(&mut *self.point.lock(), point.clone());
        for (place, by) in [(before, -1), (point, 1)] {
            let Some(place) = place else { continue };
            place.count_covers(by);
            note_ways(&place);
            place.parent().iter().for_each(note_ways);
        }
        note_ways(&self.root);
    }

    /// Its root, as it is seen.
    #[must_use]
    pub fn top(self: &Arc<Mount>) -> Arc<Entry> {
        Entry::seen(self, &self.root)
    }

    /// Whether an entry is seen through it.
    #[must_use]
    pub fn shows(self: &Arc<Mount>, entry: &Entry) -> bool {
        entry.through().is_some_and(|mount| Arc::ptr_eq(mount, self))
    }
}

fn note_ways(entry: &Arc<Entry>) {
    if let Some((_, counts)) = entry.node.counts() {
        counts.note_ways();
    }
}
