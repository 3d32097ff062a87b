//! The file system in memory: tmpfs(5). The root, `/dev` and `/tmp` are of this kind.

pub mod contents;
pub mod counts;
pub mod directory;
mod inode;
mod names;
mod options;
#[cfg(test)]
mod tests;
pub mod usage;

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use spin::Mutex;

use crate::errno::{Errno, Result};
use crate::pool::Pool;
use crate::vfs::attributes::{Kind, Time};
pub use contents::Contents;
pub use inode::Inode;
pub use options::Options;
pub use usage::{InUse, Use};

/// A file system in memory.
pub struct Tmpfs {
    /// Its device number.
    pub device: u64,
    inodes: AtomicU64,
    /// How many inodes there may be, names beyond an inode's first counted too as Linux does, and how many there are.
    inodes_most: AtomicU64,
    inodes_used: AtomicU64,
    read_only: AtomicBool,
    /// Where its files' pages come from.
    pub(crate) pool: Arc<Pool>,
    /// Held while names move between directories, so that two moves cannot make a loop.
    moving: Mutex<()>,
}

impl Tmpfs {
    /// An empty file system; gives its root directory.
    #[must_use]
    pub fn create(device: u64, pool: &Arc<Pool>, permissions: u32, now: Time) -> Arc<Inode> {
        let system = Arc::new(Tmpfs {
            device,
            inodes: AtomicU64::new(1),
            inodes_most: AtomicU64::new(u64::MAX),
            inodes_used: AtomicU64::new(0),
            read_only: AtomicBool::new(false),
            pool: pool.beside(),
            moving: Mutex::new(()),
        });
        Inode::new(&system, Kind::Directory, permissions, 0, &[], now).expect("a file system without limits")
    }

    fn next_inode(&self) -> u64 {
        self.inodes.fetch_add(1, Ordering::Relaxed)
    }

    /// Hold it to options from now on.
    pub fn set_options(&self, options: &Options) {
        self.pool.limit(options.pages.unwrap_or(usize::MAX));
        self.inodes_most.store(options.inodes.unwrap_or(u64::MAX), Ordering::Relaxed);
        self.read_only.store(options.read_only, Ordering::Relaxed);
    }

    /// What it is held to.
    fn options(&self) -> Options {
        let (pages, inodes) = (self.pool.counts().0, self.inode_counts().0);
        Options { pages, inodes, read_only: self.is_read_only(), ..Options::default() }
    }

    /// Check that it may be changed.
    ///
    /// # Errors
    /// `EROFS`: it is read-only.
    pub fn check_writable(&self) -> Result<()> {
        if self.is_read_only() { Err(Errno::EROFS) } else { Ok(()) }
    }

    /// Whether it may not be changed.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.read_only.load(Ordering::Relaxed)
    }

    /// Count an inode, or a name beyond an inode's first.
    ///
    /// # Errors
    /// `ENOSPC`: there are as many as there may be.
    fn take_inode(&self) -> Result<()> {
        if self.inodes_used.load(Ordering::Relaxed) >= self.inodes_most.load(Ordering::Relaxed) {
            return Err(Errno::ENOSPC);
        }
        self.inodes_used.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn give_inode(&self) {
        self.inodes_used.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many inodes there may be, if that is limited, and how many there are.
    fn inode_counts(&self) -> (Option<u64>, u64) {
        let most = self.inodes_most.load(Ordering::Relaxed);
        ((most != u64::MAX).then_some(most), self.inodes_used.load(Ordering::Relaxed))
    }
}
