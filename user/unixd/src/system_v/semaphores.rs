//! Sets of semaphores: semop(2).

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use libos::errno::{Errno, Result};
use libos::file::watchers::Watchers;
use unix::system_v::{NO_WAIT, OPERATION_BYTES, UNDO, VALUE_MOST};

/// An operation on a semaphore: `struct sembuf`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which.
    pub semaphore: u16,
    /// What is added; 0: it must be 0.
    pub by: i16,
    /// `SEM_UNDO`, `IPC_NOWAIT`.
    pub flags: u16,
}

impl Change {
    /// As it comes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; OPERATION_BYTES]) -> Change {
        let word = |at: usize| u16::from_ne_bytes([bytes[at], bytes[at + 1]]);
        Change { semaphore: word(0), by: word(2) as i16, flags: word(4) }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Semaphore {
    value: u16,
    /// Who changed it last.
    process: u32,
}

/// A thread that waits: for a semaphore to be more, or to be 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Waiter {
    process: u32,
    thread: u32,
    semaphore: u16,
    for_zero: bool,
}

/// A set of semaphores.
#[derive(Debug)]
pub struct Set {
    semaphores: Vec<Semaphore>,
    waiters: Vec<Waiter>,
    /// What is added when a process ends, by process: for each semaphore.
    adjustments: BTreeMap<u32, Vec<i16>>,
    operated_s: u64,
    changed_s: u64,
    /// Who waits.
    pub watchers: Watchers,
}

impl Set {
    /// So many semaphores, all 0.
    #[must_use]
    pub fn new(count: usize, now_s: u64) -> Set {
        Set {
            semaphores: alloc::vec![Semaphore::default(); count],
            waiters: Vec::new(),
            adjustments: BTreeMap::new(),
            operated_s: 0,
            changed_s: now_s,
            watchers: Watchers::new(),
        }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.semaphores.len()
    }

    /// The words of its state.
    #[must_use]
    pub fn state(&self) -> [u64; 3] {
        [self.operated_s, self.changed_s, self.count() as u64]
    }

    /// Its owner has changed.
    pub fn note_changed(&mut self, now_s: u64) {
        self.changed_s = now_s;
    }

    /// Do all of these, or none; whether they are done: if not, the thread is one that waits from now on.
    ///
    /// # Errors
    /// `EFBIG`: there is no such semaphore. `ERANGE`: a value would be too high, or what is to be undone. `EAGAIN`: not now, and the
    /// operation that cannot be done is not to wait.
    pub fn operate(&mut self, changes: &[Change], process: u32, thread: u32, now_s: u64) -> Result<bool> {
        if changes.iter().any(|change| usize::from(change.semaphore) >= self.count()) {
            return Err(Errno::EFBIG);
        }
        self.leave(process, thread);
        let mut values: Vec<i32> = self.semaphores.iter().map(|semaphore| i32::from(semaphore.value)).collect();
        let mut adjustments = self.adjustments.get(&process).cloned().unwrap_or_default();
        for change in changes {
            let place = usize::from(change.semaphore);
            let value = values[place] + i32::from(change.by);
            if change.by == 0 && values[place] != 0 || value < 0 {
                if u32::from(change.flags) & NO_WAIT != 0 {
                    return Err(Errno::EAGAIN);
                }
                self.waiters.push(Waiter { process, thread, semaphore: change.semaphore, for_zero: change.by == 0 });
                self.watchers.subscribe(process);
                return Ok(false);
            }
            if value > VALUE_MOST {
                return Err(Errno::ERANGE);
            }
            if change.flags & UNDO != 0 && change.by != 0 {
                adjustments.resize(self.semaphores.len(), 0);
                adjustments[place] = adjustments[place].checked_sub(change.by).ok_or(Errno::ERANGE)?;
            }
            values[place] = value;
        }
        for change in changes {
            let place = usize::from(change.semaphore);
            self.semaphores[place] = Semaphore { value: values[place] as u16, process };
        }
        if !adjustments.is_empty() {
            self.adjustments.insert(process, adjustments);
        }
        self.operated_s = now_s;
        if changes.iter().any(|change| change.by != 0) {
            self.watchers.tell();
        }
        Ok(true)
    }

    /// A thread does not wait any more.
    pub fn leave(&mut self, process: u32, thread: u32) {
        self.waiters.retain(|waiter| (waiter.process, waiter.thread) != (process, thread));
    }

    /// A process has ended: what it wanted undone is.
    pub fn forget(&mut self, process: u32, now_s: u64) {
        self.waiters.retain(|waiter| waiter.process != process);
        let Some(adjustments) = self.adjustments.remove(&process) else { return };
        for (semaphore, by) in self.semaphores.iter_mut().zip(adjustments).filter(|&(_, by)| by != 0) {
            let value = (i32::from(semaphore.value) + i32::from(by)).clamp(0, VALUE_MOST);
            *semaphore = Semaphore { value: value as u16, process };
        }
        self.operated_s = now_s;
        self.watchers.tell();
    }

    /// The values.
    pub fn values(&self) -> impl Iterator<Item = u16> {
        self.semaphores.iter().map(|semaphore| semaphore.value)
    }

    /// A semaphore's value, and who changed it last.
    ///
    /// # Errors
    /// `EINVAL`: there is none of that number.
    pub fn value(&self, semaphore: u64) -> Result<(u16, u32)> {
        let place = usize::try_from(semaphore).map_err(|_| Errno::EINVAL)?;
        self.semaphores.get(place).map(|semaphore| (semaphore.value, semaphore.process)).ok_or(Errno::EINVAL)
    }

    /// How many threads wait for a semaphore to be more, or to be 0.
    ///
    /// # Errors
    /// `EINVAL`: there is none of that number.
    pub fn waiters(&self, semaphore: u64, for_zero: bool) -> Result<usize> {
        self.value(semaphore)?;
        let is_meant = |waiter: &&Waiter| u64::from(waiter.semaphore) == semaphore && waiter.for_zero == for_zero;
        Ok(self.waiters.iter().filter(is_meant).count())
    }

    /// Set values, from a semaphore on. Nothing is undone of them any more.
    ///
    /// # Errors
    /// `EINVAL`: there are fewer. `ERANGE`: a value is too high.
    pub fn set(&mut self, first: u64, values: &[u16], process: u32, now_s: u64) -> Result<()> {
        let first = usize::try_from(first).map_err(|_| Errno::EINVAL)?;
        let places = self.semaphores.get_mut(first..).and_then(|places| places.get_mut(..values.len())).ok_or(Errno::EINVAL)?;
        if values.iter().any(|&value| i32::from(value) > VALUE_MOST) {
            return Err(Errno::ERANGE);
        }
        for (place, &value) in places.iter_mut().zip(values) {
            *place = Semaphore { value, process };
        }
        for adjustments in self.adjustments.values_mut() {
            adjustments.iter_mut().skip(first).take(values.len()).for_each(|by| *by = 0);
        }
        self.changed_s = now_s;
        self.watchers.tell();
        Ok(())
    }
}
