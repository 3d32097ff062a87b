//! A process, as the others see it.

use abi::EnvId;

use crate::channel::Channel;
use crate::handles::Handles;
use crate::machine;

/// See the module.
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
    /// What it has handles for.
    pub handles: Handles,
    /// Pages of open inodes' words that it has mapped.
    pub words_pages: usize,
}

impl Process {
    /// Frames that it may be charged for, and frames that it is charged for.
    #[must_use]
    pub fn frames(&self) -> (usize, usize) {
        let entry = machine::entry(self.env);
        (entry.quota as usize, entry.used as usize)
    }
}
