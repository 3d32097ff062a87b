//! Record locks and whole-file locks: fcntl(2)'s, flock(2)'s. A pure core: who holds what of one file.
//!
//! A record lock belongs to a process (`F_SETLK`) or to an open file description (`F_OFD_SETLK`), a whole-file lock to a description. What
//! one owner holds of a file never overlaps: a new lock takes the place of its older ones where it is.
#![forbid(unsafe_code)]

use alloc::vec::Vec;
use core::ops::Range;

use crate::errno::{Errno, Result};

/// Whose a lock is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Owner {
    /// A process's, by its id.
    Process(u32),
    /// An open file description's, by a number that no other has.
    Description(u64),
}

/// A record lock.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// Whose it is.
    pub owner: Owner,
    /// Whether nobody else may have any lock there; else nobody may have such a one.
    pub exclusive: bool,
    /// Which bytes; `u64::MAX` is behind every end.
    pub bytes: Range<u64>,
}

/// The most records of one file: what they cost is the server's memory.
const RECORDS_MOST: usize = 4096;

/// The locks of one file.
#[derive(Default, Debug)]
pub struct Locks {
    records: Vec<Record>,
    whole: Vec<(u64, bool)>,
}

impl Locks {
    /// Whether nothing is locked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.whole.is_empty()
    }

    /// How many locks there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len() + self.whole.len()
    }

    /// The first record that keeps another from being made.
    #[must_use]
    pub fn conflict(&self, wanted: &Record) -> Option<&Record> {
        let overlaps = |record: &&Record| record.bytes.start < wanted.bytes.end && wanted.bytes.start < record.bytes.end;
        let conflicts = |record: &&Record| record.owner != wanted.owner && (record.exclusive || wanted.exclusive);
        self.records.iter().filter(overlaps).filter(conflicts).min_by_key(|record| record.bytes.start)
    }

    /// Take what an owner holds out of a range.
    ///
    /// # Errors
    /// `ENOLCK`: there would be too many records.
    pub fn release(&mut self, owner: Owner, bytes: &Range<u64>) -> Result<()> {
        let is_split = |record: &Record| record.owner == owner && record.bytes.start < bytes.start && bytes.end < record.bytes.end;
        if self.records.len() >= RECORDS_MOST && self.records.iter().any(is_split) {
            return Err(Errno::ENOLCK);
        }
        let mut kept = Vec::with_capacity(self.records.len() + 1);
        for record in self.records.drain(..) {
            if record.owner != owner || record.bytes.end <= bytes.start || bytes.end <= record.bytes.start {
                kept.push(record);
                continue;
            }
            for rest in [record.bytes.start..bytes.start, bytes.end..record.bytes.end] {
                if rest.start < rest.end {
                    kept.push(Record { bytes: rest, ..record.clone() });
                }
            }
        }
        self.records = kept;
        Ok(())
    }

    /// Make a record; neighbours of the same kind become one with it.
    ///
    /// # Errors
    /// `EAGAIN`: somebody holds what keeps it from being made. `ENOLCK`: there are too many.
    pub fn lock(&mut self, wanted: Record) -> Result<()> {
        if self.conflict(&wanted).is_some() {
            return Err(Errno::EAGAIN);
        }
        if self.records.len() + 1 >= RECORDS_MOST {
            return Err(Errno::ENOLCK);
        }
        self.release(wanted.owner, &wanted.bytes)?;
        let mut record = wanted;
        self.records.retain(|other| {
            let is_same = other.owner == record.owner && other.exclusive == record.exclusive;
            let touches = other.bytes.end == record.bytes.start || record.bytes.end == other.bytes.start;
            if is_same && touches {
                record.bytes = record.bytes.start.min(other.bytes.start)..record.bytes.end.max(other.bytes.end);
            }
            !(is_same && touches)
        });
        self.records.push(record);
        Ok(())
    }

    /// Take away all that an owner holds; whether that was anything.
    pub fn forget(&mut self, owner: Owner) -> bool {
        let before = self.len();
        self.records.retain(|record| record.owner != owner);
        self.whole.retain(|(description, _)| Owner::Description(*description) != owner);
        self.len() < before
    }

    /// Lock the whole file for a description. An older lock of it is given up first, even if the new one is refused.
    ///
    /// # Errors
    /// `EAGAIN`: another's lock keeps it from that.
    pub fn lock_whole(&mut self, description: u64, exclusive: bool) -> Result<()> {
        if self.whole.contains(&(description, exclusive)) {
            return Ok(());
        }
        self.unlock_whole(description);
        if self.whole.iter().any(|(_, other)| exclusive || *other) {
            return Err(Errno::EAGAIN);
        }
        self.whole.push((description, exclusive));
        Ok(())
    }

    /// Give up the lock of the whole file.
    pub fn unlock_whole(&mut self, description: u64) {
        self.whole.retain(|(other, _)| *other != description);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(owner: u32, exclusive: bool, bytes: Range<u64>) -> Record {
        Record { owner: Owner::Process(owner), exclusive, bytes }
    }

    fn held(locks: &Locks) -> Vec<(u64, u64, bool)> {
        let mut held: Vec<_> = locks.records.iter().map(|record| (record.bytes.start, record.bytes.end, record.exclusive)).collect();
        held.sort_unstable();
        held
    }

    #[test]
    fn a_lock_inside_another_splits_it() {
        let mut locks = Locks::default();
        locks.lock(record(1, true, 0..100)).unwrap();
        locks.lock(record(1, false, 40..60)).unwrap();
        assert_eq!(held(&locks), [(0, 40, true), (40, 60, false), (60, 100, true)]);
        locks.release(Owner::Process(1), &(50..70)).unwrap();
        assert_eq!(held(&locks), [(0, 40, true), (40, 50, false), (70, 100, true)]);
    }

    #[test]
    fn neighbours_of_one_kind_are_one() {
        let mut locks = Locks::default();
        for bytes in [0..10, 20..30, 10..20] {
            locks.lock(record(1, false, bytes)).unwrap();
        }
        assert_eq!(held(&locks), [(0, 30, false)]);
    }

    #[test]
    fn only_readers_share() {
        let mut locks = Locks::default();
        locks.lock(record(1, false, 0..10)).unwrap();
        locks.lock(record(2, false, 5..15)).unwrap();
        assert_eq!(locks.lock(record(2, true, 9..11)), Err(Errno::EAGAIN));
        locks.lock(record(2, true, 10..11)).unwrap();
        assert_eq!(locks.conflict(&record(1, false, 0..u64::MAX)).map(|record| record.bytes.clone()), Some(10..11));
        assert!(locks.forget(Owner::Process(2)));
        assert_eq!(held(&locks), [(0, 10, false)]);
    }

    #[test]
    fn a_whole_lock_that_cannot_be_changed_is_lost() {
        let mut locks = Locks::default();
        locks.lock_whole(1, false).unwrap();
        locks.lock_whole(2, false).unwrap();
        assert_eq!(locks.lock_whole(1, true), Err(Errno::EAGAIN));
        locks.lock_whole(2, true).unwrap();
        assert_eq!(locks.lock_whole(1, false), Err(Errno::EAGAIN));
    }
}
