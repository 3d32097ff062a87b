//! The file system in memory: tmpfs(5). The root, `/dev` and `/tmp` are of this kind.

pub mod contents;
pub mod counts;
pub mod directory;
mod inode;
mod names;
#[cfg(test)]
mod tests;

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};

use spin::Mutex;

use crate::pool::Pool;
use crate::vfs::attributes::{Kind, Time};
pub use contents::Contents;
pub use inode::Inode;

/// A file system in memory.
pub struct Tmpfs {
    /// Its device number.
    pub device: u64,
    inodes: AtomicU64,
    /// Where its files' pages come from.
    pub(crate) pool: Arc<Pool>,
    /// Held while names move between directories, so that two moves cannot make a loop.
    moving: Mutex<()>,
}

impl Tmpfs {
    /// An empty file system; gives its root directory.
    #[must_use]
    pub fn create(device: u64, pool: &Arc<Pool>, permissions: u32, now: Time) -> Arc<Inode> {
        let system = Arc::new(Tmpfs { device, inodes: AtomicU64::new(1), pool: pool.clone(), moving: Mutex::new(()) });
        Inode::new(&system, Kind::Directory, permissions, 0, &[], now)
    }

    fn next_inode(&self) -> u64 {
        self.inodes.fetch_add(1, Ordering::Relaxed)
    }
}
