//! What waits at a socket.

use alloc::sync::Weak;
use alloc::vec::Vec;

use crate::socket::flight::Luggage;
use crate::socket::{Name, Socket};

/// What a message counts as besides its bytes, so that small ones are bounded too.
const OVERHEAD: usize = 256;

/// Who sent something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Credentials {
    /// The process.
    pub process: u32,
    /// The user.
    pub user: u32,
    /// The group.
    pub group: u32,
}

/// A message, or part of a stream.
pub struct Message {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// How many of them were read.
    pub read: usize,
    /// What was sent along.
    pub rights: Luggage,
    /// Who sent it.
    pub credentials: Credentials,
    /// What the sender is called.
    pub from: Option<Name>,
    /// Who has room again when it is gone.
    pub sender: Weak<Socket>,
}

impl Message {
    /// What it counts as, in bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.bytes.len() + OVERHEAD
    }

    /// Bytes that were not read.
    #[must_use]
    pub fn rest(&self) -> &[u8] {
        &self.bytes[self.read..]
    }
}
