//! Locks of files, by inode: who holds them, who waits, and who would wait for himself.

use alloc::collections::BTreeMap;
use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering};

use libos::errno::Errno;
use libos::file::Watchers;
use libos::file::locks::{Locks, Owner, Record};
use spin::Mutex;
use unix::Request;
use unix::lock::{EXCLUSIVE, LockFlags, UNLOCK};

use crate::server::{Answer, Server, value};

/// The most locks of all files together: what they cost is the server's memory, and everybody's time.
const LOCKS_MOST: usize = 1 << 14;

/// Device and number of an inode.
type Inode = (u64, u64);

/// What is locked of a file, and who waits for it.
#[derive(Default)]
struct File {
    locks: Locks,
    watchers: Watchers,
}

/// All locks. Not a part of the server, since an open file gives its own up wherever it is dropped.
static TABLE: Mutex<Table> = Mutex::new(Table { files: BTreeMap::new(), waits: BTreeMap::new() });
static DESCRIPTIONS: AtomicU64 = AtomicU64::new(0);

struct Table {
    files: BTreeMap<Inode, File>,
    /// Processes that wait for a record lock, and for whose.
    waits: BTreeMap<u32, u32>,
}

/// A number for an open file that no other has.
pub fn next_description() -> u64 {
    DESCRIPTIONS.fetch_add(1, Ordering::Relaxed) + 1
}

/// Somebody who may have locks is gone.
pub fn forget(owner: Owner) {
    let mut table = TABLE.lock();
    if let Owner::Process(id) = owner {
        table.waits.remove(&id);
    }
    table.files.retain(|_, file| {
        if file.locks.forget(owner) {
            file.watchers.tell();
        }
        !file.locks.is_empty()
    });
}

impl Table {
    /// Whether a process would wait for itself if it waited for another.
    fn is_deadlock(&self, id: u32, holder: u32) -> bool {
        let mut at = holder;
        // No chain is longer than there are waits.
        for _ in 0..=self.waits.len() {
            if at == id {
                return true;
            }
            match self.waits.get(&at) {
                Some(&next) => at = next,
                None => return false,
            }
        }
        false
    }

    /// Check that there may be one lock more.
    fn check_room(&self) -> Result<(), Errno> {
        let count: usize = self.files.values().map(|file| file.locks.len()).sum();
        if count < LOCKS_MOST { Ok(()) } else { Err(Errno::ENOLCK) }
    }

    fn lock(&mut self, id: u32, inode: Inode, wanted: Record, flags: LockFlags) -> Result<(), Errno> {
        self.waits.remove(&id);
        self.check_room()?;
        let file = self.files.entry(inode).or_default();
        let holder = file.locks.conflict(&wanted).map(|record| record.owner);
        let Some(holder) = holder else {
            file.locks.lock(wanted)?;
            // What it held there before may have been more.
            file.watchers.tell();
            return Ok(());
        };
        if !flags.contains(LockFlags::WAIT) {
            return Err(Errno::EAGAIN);
        }
        if let (Owner::Process(holder), Owner::Process(_)) = (holder, wanted.owner) {
            if self.is_deadlock(id, holder) {
                return Err(Errno::EDEADLK);
            }
            self.waits.insert(id, holder);
        }
        if let Some(file) = self.files.get(&inode) {
            file.watchers.subscribe(id);
        }
        Err(Errno::EAGAIN)
    }

    fn unlock(&mut self, inode: Inode, owner: Owner, bytes: &Range<u64>) -> Result<(), Errno> {
        let Some(file) = self.files.get_mut(&inode) else { return Ok(()) };
        file.locks.release(owner, bytes)?;
        file.watchers.tell();
        if file.locks.is_empty() {
            self.files.remove(&inode);
        }
        Ok(())
    }
}

impl Server {
    fn inode(&mut self, id: u32, handle: u32) -> Result<(Inode, u64), Errno> {
        let opened = self.handles(id)?.opened(handle)?;
        opened.may_have_locks.store(true, Ordering::Relaxed);
        let attributes = opened.entry.node.attributes();
        Ok(((attributes.device, attributes.inode), opened.id))
    }

    /// `F_SETLK`, `F_GETLK` and their kin.
    pub(crate) fn lock(&mut self, id: u32, request: &Request) -> Answer {
        let (inode, description) = self.inode(id, request.large)?;
        let flags = LockFlags::from_bits(request.small).ok_or(Errno::EINVAL)?;
        let [kind, start, end] = request.words;
        if start >= end {
            return Err(Errno::EINVAL);
        }
        let owner = if flags.contains(LockFlags::DESCRIPTION) { Owner::Description(description) } else { Owner::Process(id) };
        let wanted = Record { owner, exclusive: kind == EXCLUSIVE, bytes: start..end };
        let mut table = TABLE.lock();
        if flags.contains(LockFlags::CANCEL) {
            table.waits.remove(&id);
            return value(0);
        }
        if flags.contains(LockFlags::GET) {
            let found = table.files.get(&inode).and_then(|file| file.locks.conflict(&wanted));
            return Ok(found.map_or([UNLOCK, 0, 0, 0], |record| {
                let holder = if let Owner::Process(id) = record.owner { u64::from(id) } else { u64::MAX };
                [u64::from(record.exclusive), record.bytes.start, record.bytes.end, holder]
            }));
        }
        match kind {
            UNLOCK => table.unlock(inode, owner, &wanted.bytes)?,
            _ => table.lock(id, inode, wanted, flags)?,
        }
        value(0)
    }

    /// flock(2)
    pub(crate) fn lock_whole(&mut self, id: u32, request: &Request) -> Answer {
        let (inode, description) = self.inode(id, request.large)?;
        let [kind, ..] = request.words;
        let mut table = TABLE.lock();
        if kind != UNLOCK {
            table.check_room()?;
        }
        let file = table.files.entry(inode).or_default();
        let outcome = if kind == UNLOCK {
            file.locks.unlock_whole(description);
            Ok(())
        } else {
            file.locks.lock_whole(description, kind == EXCLUSIVE)
        };
        // Even one that is refused may have given an older one up.
        file.watchers.tell();
        match outcome {
            Err(Errno::EAGAIN) => file.watchers.subscribe(id),
            _ if file.locks.is_empty() => drop(table.files.remove(&inode)),
            _ => {}
        }
        outcome.and(value(0))
    }

    /// A process has closed a descriptor of a file: its record locks there are gone.
    pub(crate) fn unlock_all(&mut self, id: u32, request: &Request) -> Answer {
        let (inode, _) = self.inode(id, request.large)?;
        TABLE.lock().unlock(inode, Owner::Process(id), &(0..u64::MAX)).and(value(0))
    }
}
