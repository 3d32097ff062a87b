//! What regular files are used for that keeps others from using them otherwise.

use alloc::sync::Arc;

use spin::Mutex;

use crate::errno::{Errno, Result};
use crate::vfs::node::Entry;
use crate::vfs::seals::Seals;
use crate::vfs::tmpfs::Inode;

/// What a file is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// It is open to be written to.
    Write,
    /// A process runs it: it is not to be opened for writing, nor cut, by a name.
    Run,
    /// It is mapped so that it can be stored to.
    Map,
}

/// How often a file is used for each.
#[derive(Debug, Default)]
pub struct Usage {
    counts: Mutex<[usize; 3]>,
}

impl Usage {
    fn begin(&self, what: Use) -> Result<()> {
        let mut counts = self.counts.lock();
        let obstacle = match what {
            Use::Write => Some(Use::Run),
            Use::Run => Some(Use::Write),
            Use::Map => None,
        };
        if obstacle.is_some_and(|obstacle| counts[obstacle as usize] > 0) {
            return Err(Errno::ETXTBSY);
        }
        counts[what as usize] += 1;
        Ok(())
    }

    fn end(&self, what: Use) {
        self.counts.lock()[what as usize] -= 1;
    }

    /// Whether it is used for that.
    #[must_use]
    pub fn is_used(&self, what: Use) -> bool {
        self.counts.lock()[what as usize] > 0
    }
}

/// A use of a regular file, until it is dropped.
pub struct InUse {
    entry: Arc<Entry>,
    what: Use,
}

impl InUse {
    /// Use the file of an entry.
    ///
    /// # Errors
    /// `ETXTBSY`: to be written to while it runs, or to be run while it is open for writing. `EPERM`: to be mapped while it is sealed against
    /// that. `EINVAL`: it is no inode of a tmpfs.
    pub fn begin(entry: &Arc<Entry>, what: Use) -> Result<InUse> {
        let inode = inode_of(entry)?;
        if what == Use::Map && inode.sealed()?.intersects(Seals::WRITES) {
            return Err(Errno::EPERM);
        }
        inode.usage.begin(what)?;
        Ok(InUse { entry: entry.clone(), what })
    }

    /// What it is used for.
    #[must_use]
    pub fn what(&self) -> Use {
        self.what
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        if let Ok(inode) = inode_of(&self.entry) {
            inode.usage.end(self.what);
        }
    }
}

fn inode_of(entry: &Arc<Entry>) -> Result<&Inode> {
    (&*entry.node as &dyn core::any::Any).downcast_ref().ok_or(Errno::EINVAL)
}
