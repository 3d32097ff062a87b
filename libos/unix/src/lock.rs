//! How locks of files are asked for.

use bitflags::bitflags;

/// The kinds of locks, as a word.
pub const SHARED: u64 = 0;
/// A lock that nobody shares.
pub const EXCLUSIVE: u64 = 1;
/// No lock.
pub const UNLOCK: u64 = 2;

bitflags! {
    /// What is asked of record locks.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct LockFlags: u16 {
        /// If it is refused, tell when it is worth to try again, and look whether that would be for ever.
        const WAIT = 1;
        /// The lock is the open file description's.
        const DESCRIPTION = 2;
        /// Tell what keeps it from being made.
        const GET = 4;
        /// It is not waited for any more.
        const CANCEL = 8;
    }
}
