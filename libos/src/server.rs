//! What is asked of `unixd`: the seam between what a process keeps and what all processes share.

use unix::{InodeWords, Request};

use crate::errno::Result;
use crate::file::Output;

/// The way to `unixd`, and the pages that it shares with the process.
pub trait Server: Send + Sync {
    /// Ask; gives the answer's words.
    ///
    /// # Errors
    /// What it answers; `ENOSYS`: it is gone.
    fn call(&self, request: Request) -> Result<[u64; 4]>;

    /// Put bytes into the mailbox, from `at` on.
    fn post(&self, at: usize, bytes: &[u8]);

    /// Take bytes out of the mailbox, from `at` on.
    fn fetch(&self, at: usize, bytes: &mut [u8]);

    /// Work on the whole mailbox. The work may fault, and the fault make calls of words only.
    fn with_mailbox(&self, work: &mut dyn FnMut(&mut [u8]));

    /// The words of an open inode.
    fn inode(&self, index: u32) -> &InodeWords;

    /// Put bytes of pages that were mapped here for the process.
    ///
    /// # Errors
    /// `EFAULT`: as [`Output::put`].
    fn put(&self, output: &mut Output, address: usize, length: usize) -> Result<usize>;

    /// Bytes of pages that were mapped here for the process, to be kept for as long as it lives.
    fn bytes(&self, address: usize, length: usize) -> &'static [u8];

    /// Give pages back that were mapped here for the process.
    fn unmap(&self, address: usize, pages: usize);
}
