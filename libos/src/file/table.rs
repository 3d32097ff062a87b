//! The table of descriptors.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::errno::{Errno, Result};
use crate::file::Description;

/// A descriptor: what it refers to, and whether execve(2) closes it.
#[derive(Clone)]
pub struct Slot {
    /// What it refers to.
    pub description: Arc<Description>,
    /// `FD_CLOEXEC`
    pub close_on_exec: bool,
}

/// `RLIMIT_NOFILE` at first.
pub const LIMIT: usize = 1024;

/// The descriptors of a process.
pub struct Table {
    slots: Vec<Option<Slot>>,
    lowest_free: usize,
    /// One past the highest number that a new descriptor may have (`RLIMIT_NOFILE`).
    pub limit: usize,
}

impl Default for Table {
    fn default() -> Self {
        Self::new()
    }
}

impl Table {
    /// No descriptors.
    #[must_use]
    pub const fn new() -> Self {
        Table { slots: Vec::new(), lowest_free: 0, limit: LIMIT }
    }

    /// A descriptor's slot.
    ///
    /// # Errors
    /// `EBADF`: it is not open.
    #[inline]
    pub fn get(&self, fd: i32) -> Result<&Slot> {
        self.slots.get(fd as usize).and_then(Option::as_ref).ok_or(Errno::EBADF)
    }

    /// A descriptor's slot, to change.
    ///
    /// # Errors
    /// `EBADF`: it is not open.
    pub fn get_mut(&mut self, fd: i32) -> Result<&mut Slot> {
        self.slots.get_mut(fd as usize).and_then(Option::as_mut).ok_or(Errno::EBADF)
    }

    /// Give a description the lowest free number from `from` on.
    ///
    /// # Errors
    /// `EMFILE`: there is none below the limit.
    pub fn insert(&mut self, slot: Slot, from: usize) -> Result<i32> {
        let mut number = from.max(self.lowest_free);
        while self.slots.get(number).is_some_and(Option::is_some) {
            number += 1;
        }
        if number >= self.limit {
            return Err(Errno::EMFILE);
        }
        if from <= self.lowest_free {
            self.lowest_free = number + 1;
        }
        self.put(number, slot);
        Ok(number as i32)
    }

    /// Whether there is a number for one more.
    ///
    /// # Errors
    /// `EMFILE`: there is none.
    pub fn check_room(&self) -> Result<()> {
        let free = self.slots.iter().skip(self.lowest_free).position(Option::is_none);
        let number = free.map_or(self.slots.len().max(self.lowest_free), |distance| self.lowest_free + distance);
        if number < self.limit { Ok(()) } else { Err(Errno::EMFILE) }
    }

    /// Give a description this number; gives what had it.
    ///
    /// # Errors
    /// `EBADF`: the number is negative or at the limit or above.
    pub fn replace(&mut self, fd: i32, slot: Slot) -> Result<Option<Slot>> {
        let number = usize::try_from(fd).ok().filter(|&number| number < self.limit).ok_or(Errno::EBADF)?;
        Ok(self.put(number, slot))
    }

    fn put(&mut self, number: usize, slot: Slot) -> Option<Slot> {
        if number >= self.slots.len() {
            self.slots.resize(number + 1, None);
        }
        self.slots[number].replace(slot)
    }

    /// Close a descriptor; what it referred to is the caller's to drop, outside the lock.
    ///
    /// # Errors
    /// `EBADF`: it is not open.
    pub fn remove(&mut self, fd: i32) -> Result<Slot> {
        let slot = self.slots.get_mut(fd as usize).and_then(Option::take).ok_or(Errno::EBADF)?;
        self.lowest_free = self.lowest_free.min(fd as usize);
        Ok(slot)
    }

    /// Take out what execve(2) closes, to be dropped outside the lock.
    pub fn close_on_exec(&mut self) -> Vec<Slot> {
        let mut closed = Vec::new();
        for (number, place) in self.slots.iter_mut().enumerate() {
            if let Some(slot) = place.take_if(|slot| slot.close_on_exec) {
                self.lowest_free = self.lowest_free.min(number);
                closed.push(slot);
            }
        }
        closed
    }

    /// The numbers in use, from `from` on.
    pub fn numbers(&self, from: usize) -> impl Iterator<Item = i32> + '_ {
        self.slots.iter().enumerate().skip(from).filter(|(_, slot)| slot.is_some()).map(|(number, _)| number as i32)
    }

    /// One past the highest number that was ever in use.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether no descriptor was ever in use.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}
