//! `struct stat` of this ISA, as words: what stat(2) and fstat(2) leave in the program's memory.

use crate::errno::Result;
use crate::user::UserMemory;
use crate::vfs::attributes::{Attributes, Time};

/// Words of the structure.
const WORDS: usize = if cfg!(target_arch = "x86_64") { 18 } else { 16 };
/// What `st_blksize` says.
pub const BLOCK_BYTES: u64 = 4096;

/// A `struct stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status([u64; WORDS]);

impl Status {
    /// What attributes come to.
    #[must_use]
    pub fn of(attributes: &Attributes) -> Status {
        let time = |time: Time| [time.seconds as u64, u64::from(time.nanoseconds)];
        let owner = u64::from(attributes.user) | u64::from(attributes.group) << 32;
        let mode = u64::from(attributes.mode());
        let [accessed, modified, changed] = [time(attributes.accessed), time(attributes.modified), time(attributes.changed)];
        let times = [accessed[0], accessed[1], modified[0], modified[1], changed[0], changed[1]];
        let (links, special) = (u64::from(attributes.links), attributes.special);
        // x86_64: dev, ino, nlink, mode and uid, gid, rdev; else dev, ino, mode and nlink, uid and gid, rdev, pad. Then on both: size, blksize,
        // blocks, times, and words unused.
        let [third, fourth, fifth, sixth] = if cfg!(target_arch = "x86_64") {
            [links, mode | owner << 32, owner >> 32, special]
        } else {
            [mode | links << 32, owner, special, 0]
        };
        let mut words = [0; WORDS];
        words[..6].copy_from_slice(&[attributes.device, attributes.inode, third, fourth, fifth, sixth]);
        words[6..9].copy_from_slice(&[attributes.size, BLOCK_BYTES, attributes.blocks]);
        words[9..15].copy_from_slice(&times);
        Status(words)
    }

    /// Write it to the program.
    ///
    /// # Errors
    /// `EFAULT`.
    #[inline(always)]
    pub fn put<U: UserMemory>(&self, memory: &U, address: usize) -> Result<()> {
        memory.write_value(address, &self.0)
    }
}
