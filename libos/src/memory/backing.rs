//! What a mapping of a file asks of the file.

use crate::errno::Result;

/// Contents that pages are filled from: a regular file's.
pub trait Backing: Send + Sync {
    /// Copy contents from `offset` on; gives how many bytes there were, fewer than asked for at the end only. Takes no lock that
    /// is ever held while user memory is touched (see `user`).
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize>;
    /// Bytes of contents now.
    fn size(&self) -> u64;
    /// Number of the device and of the inode, as `/proc/self/maps` shows them.
    fn identity(&self) -> (u64, u64);
}
