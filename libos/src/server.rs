//! What a process asks of `unixd`: the seam between the library's safe part and the channel.
#![forbid(unsafe_code)]

use unix::{Changes, InodeWords, Request};

use crate::errno::Result;
use crate::file::{Input, Output};
use crate::mapped_ring::MappedRing;
use crate::user::UserMemory;

/// The way to `unixd`: calls of words, and a mailbox of [`unix::MAILBOX_BYTES`] that carries bytes both ways.
///
/// What is in the mailbox belongs to one request: from the first [`Server::post`] for it up to the last [`Server::fetch`] of its answer the
/// thread does not wait, and a page fault in between asks nothing that uses the mailbox.
pub trait Server: Send + Sync {
    /// Ask; gives the answer's words, the first of them not negative.
    ///
    /// # Errors
    /// What `unixd` answers; `ENOSYS`: it is gone.
    fn call(&self, request: Request) -> Result<[u64; 4]>;

    /// Put bytes into the mailbox from `at` on; gives how many there was room for.
    fn post(&self, at: usize, bytes: &[u8]) -> usize;

    /// Take bytes out of the mailbox from `at` on; gives how many there were room for.
    fn fetch(&self, at: usize, bytes: &mut [u8]) -> usize;

    /// Work on the whole mailbox. The work may fault, and the fault make calls of words only.
    fn with_mailbox(&self, work: &mut dyn FnMut(&mut [u8]));

    /// The words of an open inode.
    fn inode(&self, index: u32) -> &InodeWords;

    /// The counter.
    fn clock(&self) -> u64;

    /// What is counted of files.
    fn changes(&self) -> &Changes;

    /// Whether somebody watches files, so that it matters when they are closed.
    fn is_watched(&self) -> bool;

    /// How often the process was told that something it had asked about changed.
    fn rings(&self) -> u32;

    /// How often files lost their last names that the process had opened.
    fn removals(&self) -> u32;

    /// The ring of a pipe that `unixd` mapped here; none if there is no such place.
    fn ring(&self, index: u32) -> Option<MappedRing>;

    /// Put bytes of pages that were mapped here for the process.
    ///
    /// # Errors
    /// `EFAULT`: as [`Output::put`].
    fn put(&self, output: &mut Output, address: usize, length: usize) -> Result<usize>;

    /// Take bytes into pages that were mapped here for the process to store to.
    ///
    /// # Errors
    /// `EFAULT`: not all of them could be taken; some may have been.
    fn take(&self, input: &mut Input, address: usize, length: usize) -> Result<()>;

    /// Copy bytes of pages that were mapped here for the process to the program.
    ///
    /// # Errors
    /// `EFAULT`: not all of them.
    fn copy_out(&self, memory: &dyn UserMemory, to: usize, address: usize, length: usize) -> Result<()>;

    /// Copy bytes of the program into pages that were mapped here for the process to store to.
    ///
    /// # Errors
    /// `EFAULT`: not all of them; some may have been.
    fn copy_in(&self, memory: &dyn UserMemory, from: usize, address: usize, length: usize) -> Result<()>;

    /// Bytes of pages that were mapped here for the process, to be kept for as long as it lives.
    fn bytes(&self, address: usize, length: usize) -> &'static [u8];

    /// Give pages back that were mapped here for the process.
    fn unmap(&self, address: usize, pages: usize);
}
