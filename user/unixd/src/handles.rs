//! What a process holds here, by number: places in the tree, and open files.
//!
//! A number means something to its process only, and as little as a descriptor does: it is an index into the process's own table. A child
//! gets a copy of the table at fork, so that its numbers are its parent's; what is held is shared, and gone when the last table lets go.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use libos::errno::{Errno, Result};
use libos::file::locks::Owner;
use libos::file::{Access, File};
use libos::vfs::node::Entry;
use libos::vfs::tmpfs::InUse;
use unix::{Object, QUIETLY};

use crate::socket::{Socket, flight};
use crate::tree::mounts::Holding;
use crate::tree::shown::Shown;
use crate::tree::watches::Watches;
use crate::{locks, notices};

/// The most that one process can hold: what it costs is the server's memory.
const MOST: usize = 1 << 16;

/// The server's side of an open file description.
pub struct Opened {
    /// What it was opened by.
    pub entry: Arc<Entry>,
    /// The file.
    pub file: Arc<dyn File>,
    /// What it was opened for.
    pub access: Access,
    /// What it is, for who gets it from elsewhere.
    pub object: Object,
    /// The socket that it is.
    pub socket: Option<Arc<Socket>>,
    /// What processes see of it without asking, if it is a regular file of the tree.
    pub shown: Option<Arc<Shown>>,
    /// What it keeps others from doing with the file.
    pub in_use: Option<InUse>,
    /// Who is told when it is closed for good.
    pub watches: Option<Arc<Watches>>,
    /// Who is told of it by signals.
    pub notice: notices::Locked,
    /// A number that no other has.
    pub id: u64,
    /// Whether locks were ever asked for by it.
    pub may_have_locks: AtomicBool,
    /// Whether it was opened when files were watched: then its end is told, whatever its process says.
    pub is_watched: bool,
    /// Whether it was closed before it was released, when nobody watched.
    was_closed: AtomicBool,
}

impl Opened {
    /// An open file.
    #[must_use]
    pub fn new(entry: Arc<Entry>, file: Arc<dyn File>, access: Access, object: Object) -> Opened {
        Opened {
            entry,
            file,
            access,
            object,
            socket: None,
            shown: None,
            in_use: None,
            watches: None,
            notice: notices::Locked::default(),
            id: locks::next_description(),
            may_have_locks: false.into(),
            is_watched: false,
            was_closed: false.into(),
        }
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        if *self.may_have_locks.get_mut() {
            locks::forget(Owner::Description(self.id));
        }
        if let Some(watches) = &self.watches
            && (self.is_watched || !*self.was_closed.get_mut())
        {
            watches.tell_closed(&self.entry, self.access);
        }
        if self.socket.is_some() {
            flight::note_let_go();
        }
    }
}

/// What is held.
#[derive(Clone)]
pub enum Held {
    /// A place in the tree: what a walk found, a current directory, a root.
    Entry(Arc<Entry>),
    /// An open file.
    Open(Arc<Opened>),
}

/// All that a process holds.
#[derive(Clone, Default)]
pub struct Handles {
    slots: Vec<Option<Held>>,
    /// No slot below this is free.
    lowest_free: usize,
}

impl Handles {
    /// Hold something more; gives its number.
    ///
    /// # Errors
    /// `ENFILE`: too much is held.
    pub fn insert(&mut self, held: Held) -> Result<u32> {
        let mut number = self.lowest_free;
        while self.slots.get(number).is_some_and(Option::is_some) {
            number += 1;
        }
        if number >= MOST {
            return Err(Errno::ENFILE);
        }
        if number == self.slots.len() {
            self.slots.push(None);
        }
        self.lowest_free = number + 1;
        self.slots[number] = Some(held);
        Ok(number as u32)
    }

    /// What a number means.
    ///
    /// # Errors
    /// `EBADF`: nothing.
    pub fn get(&self, number: u32) -> Result<&Held> {
        self.slots.get(number as usize).and_then(Option::as_ref).ok_or(Errno::EBADF)
    }

    /// The place in the tree that a number means: an open file's is where it was opened.
    ///
    /// # Errors
    /// `EBADF`: none.
    pub fn entry(&self, number: u32) -> Result<Arc<Entry>> {
        Ok(match self.get(number)? {
            Held::Entry(entry) => entry.clone(),
            Held::Open(opened) => opened.entry.clone(),
        })
    }

    /// The open file that a number means.
    ///
    /// # Errors
    /// `EBADF`: none.
    pub fn opened(&self, number: u32) -> Result<Arc<Opened>> {
        match self.get(number)? {
            Held::Open(opened) => Ok(opened.clone()),
            Held::Entry(_) => Err(Errno::EBADF),
        }
    }

    /// The open file that a number means, if it was opened for that.
    ///
    /// # Errors
    /// `EBADF`: it was not.
    pub fn opened_for(&self, number: u32, access: Access) -> Result<Arc<Opened>> {
        self.opened(number).and_then(|opened| if opened.access.contains(access) { Ok(opened) } else { Err(Errno::EBADF) })
    }

    /// Let go of something, by its number as who held it releases it; gives it.
    ///
    /// # Errors
    /// `EBADF`: nothing is held by this number.
    pub fn release(&mut self, number: u32) -> Result<Held> {
        let (number, quietly) = (number & !QUIETLY, number & QUIETLY != 0);
        let held = self.slots.get_mut(number as usize).and_then(Option::take).ok_or(Errno::EBADF)?;
        self.lowest_free = self.lowest_free.min(number as usize);
        if let (Held::Open(opened), true) = (&held, quietly) {
            opened.was_closed.store(true, Ordering::Relaxed);
        }
        Ok(held)
    }

    /// What is held, as mounts are in the way of.
    pub fn uses(&self, process: u32) -> impl Iterator<Item = Holding> {
        (0..).zip(&self.slots).filter_map(move |(handle, held)| {
            let (entry, writes) = match held.as_ref()? {
                Held::Entry(entry) => (entry.clone(), false),
                Held::Open(opened) => (opened.entry.clone(), opened.access.contains(Access::WRITE)),
            };
            Some(Holding { process, handle, entry, writes })
        })
    }

    /// The open files that are held.
    pub fn files(&self) -> impl Iterator<Item = &Arc<Opened>> {
        self.slots.iter().flatten().filter_map(|held| match held {
            Held::Open(opened) => Some(opened),
            Held::Entry(_) => None,
        })
    }
}
