//! A process, as the others see it.

use abi::EnvId;

use crate::channel::Channel;
use crate::machine;

/// See the module.
#[derive(Debug)]
pub struct Process {
    /// Its id.
    pub id: u32,
    /// Its environment.
    pub env: EnvId,
    /// The context that runs its threads.
    pub context: usize,
    /// The slot of the slice vector that it runs in.
    pub slot: usize,
    /// Its bulletin and mailbox.
    pub channel: Channel,
    /// Its parent's id.
    pub parent: u32,
    /// Its process group.
    pub group: u32,
    /// Its session.
    pub session: u32,
    /// The name of its program, zeros behind it.
    pub name: [u8; 16],
    /// Whether it ever began a program of its own: setpgid(2) of it is its parent's no more.
    pub executed: bool,
}

impl Process {
    /// Frames that it may be charged for, and frames that it is charged for.
    #[must_use]
    pub fn frames(&self) -> (usize, usize) {
        let entry = machine::entry(self.env);
        (entry.quota as usize, entry.used as usize)
    }
}
