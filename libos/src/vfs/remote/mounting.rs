//! What a process asks of mounts.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use unix::{MAILBOX_BYTES, Operation};

use super::node::remote;
use super::{NONE, Tree};
use crate::errno::{Errno, Result};
use crate::vfs::node::Entry;

/// What is to be mounted.
pub struct Mounting<'a> {
    /// mount(2)'s flags.
    pub flags: u32,
    /// The type of a file system.
    pub kind: &'a [u8],
    /// What it is said to be mounted from.
    pub source: &'a [u8],
    /// Its options.
    pub options: &'a [u8],
    /// The place that is to be seen elsewhere.
    pub from: Option<&'a Arc<Entry>>,
}

impl Tree {
    /// Which of the file systems that are kept here begins at an entry.
    #[must_use]
    pub fn portal(&self, entry: &Arc<Entry>) -> Option<u16> {
        let is = |mount: &Arc<Entry>| Arc::ptr_eq(&mount.node, &entry.node);
        self.mounts.lock().iter().position(is).map(|number| number as u16)
    }

    /// mount(2)
    ///
    /// # Errors
    /// Its own. `EBUSY`, `EINVAL`: the place is in a file system that is kept here, which nothing is mounted on.
    pub fn mount(&self, target: &Arc<Entry>, what: &Mounting) -> Result<()> {
        let target = self.place(target)?;
        let (portal, from) = match what.from {
            None => (0, u64::from(NONE)),
            Some(entry) => match self.portal(entry) {
                Some(portal) => (portal + 1, u64::from(NONE)),
                None => (0, remote(&entry.node).map_err(|_| Errno::EINVAL)?.number()),
            },
        };
        let (mut at, mut lengths) = (0, 0);
        for (index, text) in [what.kind, what.source, what.options].into_iter().enumerate() {
            let length = text.len().min(MAILBOX_BYTES - at).min(usize::from(u16::MAX));
            self.server.post(at, &text[..length]);
            (at, lengths) = (at + length, lengths | (length as u64) << (16 * index));
        }
        self.ask(Operation::Mount, portal, [target | from << 32, u64::from(what.flags), lengths]).map(drop)
    }

    /// umount2(2) of what is seen at a place; or, with a name, at that in a directory.
    ///
    /// # Errors
    /// As [`Tree::mount`].
    pub fn unmount(&self, target: &Arc<Entry>, name: &[u8], flags: u32) -> Result<()> {
        let target = self.place(target)?;
        self.let_go();
        self.flush();
        self.server.post(0, name);
        self.ask(Operation::Unmount, 0, [target, u64::from(flags), name.len() as u64]).map(drop)
    }

    /// The mounts below a root, as `/proc/mounts` has them, or `/proc/self/mountinfo`.
    #[must_use]
    pub fn mount_lines(&self, root: &Arc<Entry>, details: bool) -> Vec<u8> {
        let Ok(root) = remote(&root.node) else { return Vec::new() };
        let mut text = Vec::new();
        loop {
            let answer = self.ask(Operation::Mounts, u16::from(details), [root.number(), text.len() as u64, 0]);
            let count = answer.map_or(0, |answer| answer[0] as usize).min(MAILBOX_BYTES);
            if count == 0 {
                return text;
            }
            let mut part = vec![0; count];
            self.server.fetch(0, &mut part);
            text.extend_from_slice(&part);
        }
    }

    fn place(&self, entry: &Arc<Entry>) -> Result<u64> {
        let inside = if self.portal(entry).is_some() { Errno::EBUSY } else { Errno::EINVAL };
        remote(&entry.node).map(|node| node.number()).map_err(|_| inside)
    }
}
