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
pub use operation::{OpenPurpose, Operation, QUIETLY, REAL_IDS, Request};
pub use ring::RingWords;
pub use terminal::TerminalFlags;

/// Pages of a mailbox.
pub const MAILBOX_PAGES: usize = 2;
/// Bytes of a mailbox.
pub const MAILBOX_BYTES: usize = MAILBOX_PAGES * abi::PAGE_SIZE;
/// Bytes of what is told of each file that many are asked about: poll(2)'s bits and two stamps, eight each.
pub const STATE_BYTES: usize = 24;
/// The id of `unixd` as a process: the one that orphans become children of.
pub const SERVER_ID: u32 = 1;
/// The id of the first program.
pub const FIRST_ID: u32 = 2;
/// The context of `unixd` that takes calls.
pub const SERVER_CONTEXT: usize = 0;
