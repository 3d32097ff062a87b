//! A process, as the others see it.

use abi::EnvId;
use alloc::vec::Vec;

use crate::channel::Channel;
use crate::fork::{Fork, Release};
use crate::grant::Grant;
use crate::handles::Handles;
use crate::machine;
use crate::questions::Questions;
use crate::sandbox::Sandbox;
use crate::share::Share;
use crate::spares::Standing;
use crate::turns::Turns;

/// See the module.
pub struct Process {
    /// Its id.
    pub id: u32,
    /// Its environment.
    pub env: EnvId,
    /// The context that runs its threads.
    pub context: usize,
    /// What it is allowed.
    pub share: Share,
    /// Its bulletin and mailbox.
    pub channel: Channel,
    /// What it holds.
    pub handles: Handles,
    /// Pages of open inodes' words that it has mapped.
    pub words_pages: usize,
    /// A message that is longer than the mailbox, on its way in or out.
    pub staged: Vec<u8>,
    /// The child that it is making.
    pub fork: Option<Fork>,
    /// The process that made it; 0: none did.
    pub maker: u32,
    /// Who waits until it lets go of the memory that it began with.
    pub release: Release,
    /// What it is to the others.
    pub standing: Standing,
    /// The id of its spare, if it has one.
    pub spare: Option<u32>,
    /// What it is held to.
    pub sandbox: Sandbox,
    /// What others ask about it.
    pub questions: Questions,
    /// What it wants of others' use of the CPU, and how it uses it itself.
    pub turns: Turns,
    /// Its quota.
    pub grant: Grant,
}

impl Process {
    /// The child that a process has made, which holds what that does.
    #[must_use]
    #[inline(always)]
    pub fn child_of(parent: &Process, fork: Fork, context: usize, channel: Channel, handles: Handles) -> Process {
        Process {
            id: fork.id,
            env: fork.env,
            context,
            share: parent.share.of_child(fork.slot),
            channel,
            handles,
            words_pages: parent.words_pages,
            staged: Vec::new(),
            fork: None,
            maker: parent.id,
            release: Release::Nobody,
            standing: Standing::Member,
            spare: None,
            sandbox: parent.sandbox.clone(),
            questions: Questions::default(),
            turns: parent.turns.of_child(),
            grant: Grant::of(fork.env),
        }
    }

    /// Say whether there are other processes.
    pub(crate) fn tell_company(&self, is_there: bool) {
        self.channel.tell(|bulletin| &bulletin.company, u32::from(is_there));
    }

    /// Frames that it may be charged for, and frames that it is charged for.
    #[must_use]
    pub fn frames(&self) -> (usize, usize) {
        machine::charges(self.env)
    }
}
