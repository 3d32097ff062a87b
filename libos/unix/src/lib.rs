//! What a process's library OS and `unixd` say to each other.
//!
//! `unixd` is the only writer of what needs one point of order: process ids, groups, sessions, wait statuses, signals between
//! processes, the file tree, the terminal, quotas. A process asks it by protected control transfer:
//!
//! ```text
//!   word 0   operation in bits 0-15, a small argument in bits 16-31, a larger one in bits 32-63     answer: value or -errno
//!   words 1-3  arguments                                                                            answer: more values
//!   the mailbox  bytes, both ways
//! ```
//!
//! The server never lets a caller wait: it answers `EAGAIN`, remembers that the process is interested, and *rings its doorbell* when
//! something has changed: a word of the process's [`Bulletin`], counted up and woken. Who read the doorbell before asking loses no ring.
#![no_std]

mod bulletin;
mod changes;
mod family;
mod inode;
pub mod lock;
pub mod message;
pub mod notify;
mod operation;
pub mod place;
pub mod ring;
pub mod system_v;
mod terminal;

pub use bulletin::Bulletin;
pub use changes::{ChangeCounts, Changes};
pub use family::{ChildActions, Kin, SIGNAL_BYTES, SetIds, Setting, WaitOptions, Whom, wait_status};
pub use inode::InodeWords;
pub use message::Object;
pub use operation::{BY_PLACE, GIVES_IDS, OpenPurpose, Operation, PAGES_AHEAD, PATH_AT, PATH_LENGTH, QUIETLY, REAL_IDS, Request};
pub use ring::RingWords;
pub use terminal::TerminalFlags;

/// Pages of a mailbox.
pub const MAILBOX_PAGES: usize = 2;
/// Bytes of a mailbox.
pub const MAILBOX_BYTES: usize = MAILBOX_PAGES * abi::PAGE_SIZE;
/// Bytes of what is told of each file that many are asked about: poll(2)'s bits and two stamps, eight each.
pub const STATE_BYTES: usize = 24;
/// Bytes of a process's name, the NUL behind it included (`TASK_COMM_LEN`).
pub const NAME_BYTES: usize = 16;
/// The most bytes of a text that a process tells others.
pub const TEXT_MOST: usize = 256 << 10;
/// The id of `unixd` as a process: the one that orphans become children of.
pub const SERVER_ID: u32 = 1;
/// The id of the first program.
pub const FIRST_ID: u32 = 2;
/// The context of `unixd` that takes calls.
pub const SERVER_CONTEXT: usize = 0;

/// A process's name as two words; what is too long is cut.
#[must_use]
pub fn name_words(name: &[u8]) -> [u64; 2] {
    let mut bytes = [0; NAME_BYTES];
    let length = name.len().min(NAME_BYTES - 1);
    bytes[..length].copy_from_slice(&name[..length]);
    let [first, second] = [0, 8].map(|at| u64::from_le_bytes(core::array::from_fn(|index| bytes[at + index])));
    [first, second]
}

/// A name from two words, and its length.
#[must_use]
pub fn name_of([first, second]: [u64; 2]) -> ([u8; NAME_BYTES], usize) {
    let mut bytes = [0; NAME_BYTES];
    bytes[..8].copy_from_slice(&first.to_le_bytes());
    bytes[8..].copy_from_slice(&second.to_le_bytes());
    let length = bytes[..NAME_BYTES - 1].iter().position(|&byte| byte == 0).unwrap_or(NAME_BYTES - 1);
    (bytes, length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_survives_its_words_and_a_long_one_is_cut() {
        let there_and_back = |name: &[u8]| {
            let (bytes, length) = name_of(name_words(name));
            bytes[..length] == name[..length] && length == name.len().min(NAME_BYTES - 1)
        };
        assert!([&b""[..], b"sh", b"fifteen letters", b"sixteen letters!", b"seventeen letters"].into_iter().all(there_and_back));
    }
}
