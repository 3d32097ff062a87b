//! An open directory, of any file system.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::errno::{Errno, Result};
use crate::file::{Blocking, File, Output, Seeking};
use crate::vfs::attributes::Kind;
use crate::vfs::node::{Entry, Listed, Visitor};
use crate::vfs::world::World;

/// An open directory. What gets a name after it was opened, or read again from the beginning, is not listed: a program that moves the names that
/// it reads would come to no end.
pub struct DirectoryFile {
    entry: Arc<Entry>,
    /// Names from this position on came later.
    end: AtomicU64,
}

impl DirectoryFile {
    /// Of an entry that is a directory.
    #[must_use]
    pub fn new(entry: Arc<Entry>) -> Self {
        let end = entry.node.next_position().into();
        DirectoryFile { entry, end }
    }
}

impl File for DirectoryFile {
    fn read(&self, _: &dyn World, _: &mut Output, _: u64, _: Blocking) -> Result<usize> {
        Err(Errno::EISDIR)
    }

    fn seeking(&self) -> Seeking {
        Seeking::Contents
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }

    fn list(&self, world: &dyn World, from: u64, visit: &mut Visitor) -> Result<()> {
        if from == 0 {
            self.end.store(self.entry.node.next_position(), Ordering::Relaxed);
        }
        let end = self.end.load(Ordering::Relaxed);
        let parent = self.entry.parent().unwrap_or_else(|| self.entry.clone());
        let own: [(&[u8], &Arc<Entry>); 2] = [(b".", &self.entry), (b"..", &parent)];
        for (position, (name, entry)) in own.into_iter().enumerate().skip(usize::try_from(from).unwrap_or(usize::MAX).min(2)) {
            let inode = entry.node.attributes().inode;
            if !visit(&Listed { inode, kind: Kind::Directory, next: position as u64 + 1, name }) {
                return Ok(());
            }
        }
        self.entry.node.list(&self.entry, from.max(2), world, &mut |listed| listed.next <= end && visit(listed))
    }
}
