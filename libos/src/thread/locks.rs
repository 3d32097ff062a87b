//! Futexes that know their owner: `FUTEX_LOCK_PI` and its like (Documentation/locking/pi-futex.rst).
//!
//! The word holds the owner's thread id, and that somebody waits. A lock goes to the longest waiter: all threads have one priority, and there is
//! nothing to inherit.
//!
//! Whose owner is a thread of another process is waited for as a plain futex is: who is woken tries again. An owner that ends by force leaves a
//! word that nobody changes any more: who waits looks now and then whether it is there.
#![forbid(unsafe_code)]

use unix::Operation;

use crate::errno::{Errno, Result};
use crate::kernel::Kernel;
use crate::process::Process;
use crate::thread::futex::{ALL, Word};
use crate::thread::futexes::{Key, Kind};
use crate::thread::record::{Outcome, Waits};
use crate::time::ticks_at;
use crate::user::UserMemory;

/// `FUTEX_WAITERS`
pub const WAITERS: u32 = 1 << 31;
/// `FUTEX_OWNER_DIED`
pub const OWNER_DIED: u32 = 1 << 30;
/// `FUTEX_TID_MASK`
pub const OWNER: u32 = (1 << 30) - 1;

impl<K: Kernel> Process<K> {
    /// Own a lock, or wait for it up to a deadline; `patient` false: or give up.
    ///
    /// # Errors
    /// `EDEADLK`: the thread owns it, or its owner waits for the thread. `ESRCH`: its owner is no thread. `EINVAL`: the word and those who wait
    /// disagree. `EAGAIN`: it is owned, and the thread is not patient. `ETIMEDOUT`, `EINTR`: as [`Process::block`].
    pub fn lock(&self, word: Word, patient: bool, deadline_ns: Option<u64>) -> Result<()> {
        let deadline = deadline_ns.map(|ns| ticks_at(self.kernel.info(), ns));
        let mut others = 0;
        loop {
            let Some(owner) = self.try_lock(word, self.thread_id() | others)? else { return Ok(()) };
            if !patient {
                return Err(Errno::EAGAIN);
            }
            if self.is_foreign(word, owner) {
                if self.await_foreign(word, owner, deadline_ns)? {
                    return Ok(());
                }
                // Others of this and other processes may wait too, and are not known.
                others = WAITERS;
                continue;
            }
            match self.rest(|table| table.block(Waits::Lock { word, owner }, ALL, deadline))? {
                Outcome::Woken => return Ok(()),
                Outcome::TimedOut => return Err(Errno::ETIMEDOUT),
                Outcome::Interrupted => {}
            }
        }
    }

    /// Whether a lock's owner is a thread of another process.
    fn is_foreign(&self, word: Word, owner: u32) -> bool {
        word.key.is_shared() && self.threads.with(|table| table.find(owner)).is_none()
    }

    /// Wait until a lock of another process's thread changes. True: that thread is not there any more, and the lock is the caller's.
    ///
    /// # Errors
    /// `ETIMEDOUT`, `EINTR`: as [`Process::block`].
    fn await_foreign(&self, word: Word, owner: u32, deadline_ns: Option<u64>) -> Result<bool> {
        /// How soon it is looked again whether the owner is there, in nanoseconds.
        const LOOK_NS: u64 = 50_000_000;
        let now = self.now_ns();
        if deadline_ns.is_some_and(|deadline| deadline <= now) {
            return Err(Errno::ETIMEDOUT);
        }
        let value: u32 = self.read_value(word.address)?;
        if value & OWNER != owner {
            return Ok(false);
        }
        let is_gone = self.ask(Operation::Kill, 0, owner, [u64::from(owner), 0, 0]) == Err(Errno::ESRCH);
        if is_gone {
            let new = WAITERS | OWNER_DIED | self.thread_id();
            return self.compare_exchange(word.address, value, new).map(|found| found == value);
        }
        let end = deadline_ns.unwrap_or(u64::MAX).min(now + LOOK_NS);
        let end = ticks_at(self.kernel.info(), end);
        self.rest(|table| {
            table.block(Waits::ForeignLock, ALL, Some(end));
            table.note_shared(word.address, value);
        })?;
        Ok(false)
    }

    /// Give a lock to the thread with this id, if nobody owns it; else say so in the word that somebody waits, and give its owner. The id may
    /// come with [`WAITERS`].
    fn try_lock(&self, word: Word, new_owner: u32) -> Result<Option<u32>> {
        let id = new_owner & OWNER;
        loop {
            let value: u32 = self.read_value(word.address)?;
            let owner = value & OWNER;
            if owner == id {
                return Err(Errno::EDEADLK);
            }
            let waiter = self.threads.with(|table| table.first_waiter(word.key));
            if waiter.is_some_and(|waiter| waiter.kind != Kind::Lock) {
                return Err(Errno::EINVAL);
            }
            let new = if owner != 0 {
                value | WAITERS
            } else if waiter.is_some() {
                // Those who wait were left without an owner.
                return Err(Errno::EINVAL);
            } else {
                value & OWNER_DIED | new_owner
            };
            if self.compare_exchange(word.address, value, new)? != value {
                continue;
            }
            if owner == 0 {
                return Ok(None);
            }
            if !self.is_foreign(word, owner) {
                self.check_owner(owner, id)?;
            }
            return Ok(Some(owner));
        }
    }

    /// Whether a thread may wait for what another owns.
    fn check_owner(&self, owner: u32, id: u32) -> Result<()> {
        self.threads.with(|table| {
            let mut owner = owner;
            // Each step is another thread, or the end of the chain.
            for _ in 0..=table.iter().count() {
                let slot = table.find(owner).ok_or(Errno::ESRCH)?;
                match table.at(slot).waits() {
                    Waits::Lock { owner: next, .. } if next == id => return Err(Errno::EDEADLK),
                    Waits::Lock { owner: next, .. } => owner = next,
                    _ => return Ok(()),
                }
            }
            Ok(())
        })
    }

    /// Give up a lock: the longest waiter owns it then.
    ///
    /// # Errors
    /// `EPERM`: the thread does not own it. `EINVAL`: somebody waits on the word for something else.
    pub fn unlock(&self, word: Word) -> Result<()> {
        loop {
            let value: u32 = self.read_value(word.address)?;
            if value & OWNER != self.thread_id() {
                return Err(Errno::EPERM);
            }
            let Some(waiter) = self.threads.with(|table| table.first_waiter(word.key)) else {
                if self.compare_exchange(word.address, value, 0)? == value {
                    self.wake_foreign(word, value);
                    return Ok(());
                }
                continue;
            };
            if waiter.kind != Kind::Lock {
                return Err(Errno::EINVAL);
            }
            let heir = self.threads.with(|table| table.at(waiter.thread).id);
            if self.compare_exchange(word.address, value, WAITERS | heir)? == value {
                self.hand_over(word.key, heir);
                return Ok(());
            }
        }
    }

    /// Let one try again who waits in another process for a lock that is free and held `value` before.
    pub(super) fn wake_foreign(&self, word: Word, value: u32) {
        if word.key.is_shared() && value & WAITERS != 0 {
            self.kernel.wake(word.address, 1);
        }
    }

    /// Wake the longest waiter of a lock, whose id its word already has.
    fn hand_over(&self, key: Key, heir: u32) {
        self.threads.with(|table| {
            if let Some(waiter) = table.take_waiter(key) {
                table.wake(waiter.thread, Outcome::Woken);
                table.note_owner(key, heir);
            }
        });
        self.heed_priorities();
    }

    /// Hand on the locks that a thread owned that has ended, and for which others wait.
    pub(super) fn leave_locks(&self, id: u32) {
        loop {
            let awaited = self.threads.with(|table| {
                table.iter().find_map(|thread| match thread.waits() {
                    Waits::Lock { word, owner } if owner == id => Some(word),
                    _ => None,
                })
            });
            let Some(word) = awaited else { return };
            let Some(heir) = self.threads.with(|table| table.first_waiter(word.key).map(|waiter| table.at(waiter.thread).id)) else {
                return;
            };
            // A word that cannot be written is its owner's loss.
            let _ = self.write_value(word.address, &(WAITERS | OWNER_DIED | heir));
            self.hand_over(word.key, heir);
        }
    }

    /// Wait on a futex to be handed a lock (`FUTEX_WAIT_REQUEUE_PI`).
    ///
    /// # Errors
    /// `EAGAIN`: the word does not hold `value`, or a signal came before there was a lock. `ETIMEDOUT`: the deadline passed.
    pub fn wait_for_lock(&self, from: Word, value: u32, to: Word, bits: u32, deadline_ns: Option<u64>) -> Result<()> {
        if self.read_value::<u32>(from.address)? != value {
            return Err(Errno::EAGAIN);
        }
        let deadline = deadline_ns.map(|ns| ticks_at(self.kernel.info(), ns));
        let outcome = self.rest(|table| {
            table.current().lock = Some(to.key);
            table.block(Waits::Transfer(from.key), bits, deadline);
        });
        match outcome {
            Ok(Outcome::Woken) => Ok(()),
            Ok(Outcome::TimedOut) => Err(Errno::ETIMEDOUT),
            Ok(Outcome::Interrupted) | Err(_) => Err(Errno::EAGAIN),
        }
    }

    /// Give a lock to the longest of those who wait on a futex for it, and let at most `moves` more wait for it (`FUTEX_CMP_REQUEUE_PI`); gives
    /// how many have it or wait for it.
    ///
    /// # Errors
    /// `EINVAL`: one of them waits for something else. As [`Process::lock`].
    pub fn requeue_to_lock(&self, from: Word, to: Word, moves: usize) -> Result<usize> {
        let mut done = 0;
        while done <= moves
            && let Some(waiter) = self.threads.with(|table| table.first_waiter(from.key))
        {
            let (id, lock) = self.threads.with(|table| (table.at(waiter.thread).id, table.at(waiter.thread).lock));
            if waiter.kind != Kind::Transfer || lock != Some(to.key) {
                return Err(Errno::EINVAL);
            }
            let owner = self.try_lock(to, id)?;
            self.threads.with(|table| {
                table.take_waiter(from.key);
                match owner {
                    None => table.wake(waiter.thread, Outcome::Woken),
                    Some(owner) => table.await_lock(waiter.thread, to, owner),
                }
            });
            done += 1;
        }
        Ok(done)
    }
}
