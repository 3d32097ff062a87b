//! Handles: how a process names what `unixd` keeps for it.
//!
//! A table is one process's. fork copies it (what is in it is shared), and it goes with the process. Numbers are the client's to choose
//! from: whatever it says, it reaches only what its own table holds.

use alloc::sync::Arc;
use alloc::vec::Vec;

use libos::errno::{Errno, Result};
use libos::file::{Access, File};
use libos::vfs::node::Entry;

use crate::tree::shown::Shown;

/// The most handles of a process: more than descriptors (`RLIMIT_NOFILE`'s hard limit), mappings and directories make.
const MOST: usize = 1 << 16;

/// What a handle names.
#[derive(Clone)]
pub enum Held {
    /// A place in the tree: where a walk came to.
    Entry(Arc<Entry>),
    /// An open file description.
    Open(Arc<Opened>),
}

/// The server's side of an open file description.
pub struct Opened {
    /// What it was opened by.
    pub entry: Arc<Entry>,
    /// The file.
    pub file: Arc<dyn File>,
    /// What it was opened for.
    pub access: Access,
    /// What processes see of it, if it is a regular file.
    pub shown: Option<Arc<Shown>>,
}

/// The handles of a process.
#[derive(Clone, Default)]
pub struct Handles {
    table: Vec<Option<Held>>,
    free: Vec<u32>,
}

impl Handles {
    /// Give something a handle.
    ///
    /// # Errors
    /// `EMFILE`: the process has too many.
    pub fn insert(&mut self, held: Held) -> Result<u32> {
        if let Some(handle) = self.free.pop() {
            self.table[handle as usize] = Some(held);
            return Ok(handle);
        }
        if self.table.len() == MOST {
            return Err(Errno::EMFILE);
        }
        self.table.push(Some(held));
        Ok(self.table.len() as u32 - 1)
    }

    /// What a handle names.
    ///
    /// # Errors
    /// `EBADF`: nothing.
    pub fn get(&self, handle: u32) -> Result<&Held> {
        self.table.get(handle as usize).and_then(Option::as_ref).ok_or(Errno::EBADF)
    }

    /// The entry that a handle names, or that what it names was opened by.
    ///
    /// # Errors
    /// `EBADF`: as [`Handles::get`].
    pub fn entry(&self, handle: u32) -> Result<&Arc<Entry>> {
        Ok(match self.get(handle)? {
            Held::Entry(entry) => entry,
            Held::Open(opened) => &opened.entry,
        })
    }

    /// The open file description that a handle names.
    ///
    /// # Errors
    /// `EBADF`: it names none.
    pub fn opened(&self, handle: u32) -> Result<&Arc<Opened>> {
        match self.get(handle)? {
            Held::Open(opened) => Ok(opened),
            Held::Entry(_) => Err(Errno::EBADF),
        }
    }

    /// Take a handle away; gives what it named.
    pub fn release(&mut self, handle: u32) -> Option<Held> {
        let held = self.table.get_mut(handle as usize)?.take()?;
        self.free.push(handle);
        Some(held)
    }

    /// All that there are.
    pub fn iter(&self) -> impl Iterator<Item = &Held> {
        self.table.iter().flatten()
    }
}
