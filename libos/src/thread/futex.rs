//! Waiting on futexes and waking: futex(2) without its parsing.
//!
//! Between processes a futex in a shared mapping is its frame and the place in it. A process whose threads all sleep sleeps in the kernel on the
//! words of its shared futexes too, each with the value that its waiter expects, and a wake is the kernel's wake beside the library's own. Nobody
//! counts the waiters of another process: a process that is woken, or that finds a word changed when its turn comes, lets all who wait
//! on that word look again, as futex(2) allows. So a wake after a change of the word is never lost; one that leaves the word as it
//! was is for those of other processes that sleep. `FUTEX_WAKE` counts such a process once.
#![forbid(unsafe_code)]

use abi::WaitWord;

use crate::errno::{Errno, Result};
use crate::kernel::Kernel;
use crate::memory::Protection;
use crate::memory::fault::Access;
use crate::process::Process;
use crate::signal::attention;
use crate::thread::futexes::Key;
use crate::thread::record::{Outcome, Waits};
use crate::thread::table::Table;
use crate::time::ticks_at;
use crate::user::{PROGRAM_TOP, UserMemory};

/// What all wakes and waits are for that name no kinds.
pub const ALL: u32 = u32::MAX;

/// A futex word and its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    /// Where it is.
    pub address: usize,
    /// What it is.
    pub key: Key,
}

/// A thread that waits on a word that other processes may change.
#[derive(Clone, Copy, Debug)]
pub struct SharedWait {
    /// Its slot.
    pub thread: usize,
    /// The word.
    pub address: usize,
    /// What it expects there.
    pub value: u32,
}

/// What one of a futex_waitv(2)'s futexes is expected to hold.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    /// The futex.
    pub word: Word,
    /// The value.
    pub value: u32,
}

impl<K: Kernel> Process<K> {
    /// The futex at an address.
    ///
    /// # Errors
    /// `EINVAL`: misaligned. `EFAULT`: not the program's, not mapped, or not writable where that is needed. A private one need not be mapped.
    #[inline(always)]
    pub fn futex_word(&self, address: usize, is_private: bool, access: Access) -> Result<Word> {
        if !address.is_multiple_of(4) {
            return Err(Errno::EINVAL);
        }
        if address >= PROGRAM_TOP {
            return Err(Errno::EFAULT);
        }
        let key = if is_private { Key::private(address) } else { self.shared_key(address, access)? };
        Ok(Word { address, key })
    }

    #[cold]
    fn shared_key(&self, address: usize, access: Access) -> Result<Key> {
        self.read_value::<u32>(address)?;
        let mut memory = self.memory.lock();
        let (_, region) = memory.regions.find(address).ok_or(Errno::EFAULT)?;
        let (is_shared, is_writable) = (region.shared, region.protection.contains(Protection::WRITE));
        if !is_writable && (access == Access::Write || !is_shared) {
            return Err(Errno::EFAULT);
        }
        if !is_shared {
            return Ok(Key::own(address));
        }
        let page = address & !(abi::PAGE_SIZE - 1);
        // The frame that a store would go to: before the first, another may be shown.
        if is_writable && !self.kernel.page_query(page).is_ok_and(|info| info.rights.contains(abi::Rights::WRITE)) {
            memory.resolve(&self.kernel, page, Access::Write).map_err(|_| Errno::EFAULT)?;
        }
        self.kernel.page_query(page).map(|info| Key::shared(info.frame, address)).map_err(|_| Errno::EFAULT)
    }

    /// Wait for a wake of these kinds, if the word holds `value`.
    ///
    /// # Errors
    /// `EAGAIN`: it does not. `ETIMEDOUT`, `EINTR`: as [`Process::block`]. `EFAULT`: it cannot be read.
    pub fn wait_on(&self, word: Word, value: u32, bits: u32, deadline_ns: Option<u64>) -> Result<()> {
        let deadline = deadline_ns.map(|ns| ticks_at(self.kernel.info(), ns));
        loop {
            if self.read_word(word.address)? != value {
                return Err(Errno::EAGAIN);
            }
            let outcome = self.rest(|table| {
                table.block(Waits::Futex(word.key), bits, deadline);
                if word.key.is_shared() {
                    table.note_shared(word.address, value);
                }
            })?;
            match outcome {
                Outcome::Woken => return Ok(()),
                Outcome::TimedOut => return Err(Errno::ETIMEDOUT),
                // Another thread took the signal. A wake meanwhile was not for this one, which did not wait: look again.
                Outcome::Interrupted => {}
            }
        }
    }

    /// [`Process::wait_on`] the private futex at an address, of any kind and without end, if the word can be read and holds `value`. Whether a
    /// wake came. If not, what there is to say is [`Process::wait_on`]'s to find out, as it does whenever something else ended a wait.
    #[inline(always)]
    pub fn wait_until_woken(&self, address: usize, value: u32) -> bool {
        if !address.is_multiple_of(4) || self.signals.is_wait_over() {
            return false;
        }
        match self.read_word(address) {
            Ok(found) if found == value => {}
            _ => return false,
        }
        let key = Key::private(address);
        let mut table = self.threads.table.lock();
        let Some((before, after)) = table.hand_over(key, || self.kernel.ran()) else {
            drop(table);
            return self.wait_for_turn(key);
        };
        let (from, to) = self.exchange(before, after);
        drop(table);
        self.follow_threads();
        self.kernel.switch(from, to);
        self.threads.outcome() == Outcome::Woken
    }

    /// [`Process::wait_until_woken`], where it is not yet said who runs meanwhile.
    #[inline(never)]
    fn wait_for_turn(&self, key: Key) -> bool {
        self.rest_whatever(|table| table.block(Waits::Futex(key), ALL, None)) == Outcome::Woken
    }

    /// Wait for a wake on any of several futexes that all hold what is expected; gives the index of one that was woken.
    ///
    /// # Errors
    /// As [`Process::wait_on`].
    pub fn wait_on_any(&self, expected: &[Expected], deadline_ns: Option<u64>) -> Result<usize> {
        let deadline = deadline_ns.map(|ns| ticks_at(self.kernel.info(), ns));
        loop {
            for Expected { word, value } in expected {
                if self.read_value::<u32>(word.address)? != *value {
                    return Err(Errno::EAGAIN);
                }
            }
            match self.rest(|table| table.block_on_any(expected, deadline))? {
                Outcome::Woken => return Ok(self.threads.with(|table| usize::from(table.current().woken_on))),
                Outcome::TimedOut => return Err(Errno::ETIMEDOUT),
                Outcome::Interrupted => {}
            }
        }
    }

    /// Wake the longest waiter of a private futex; gives whether there is one, and nothing, with nothing done, if that one waits for a lock.
    #[inline(always)]
    pub fn wake_first_on(&self, key: Key) -> Option<usize> {
        let woken = self.threads.table.lock().wake_only(key);
        match woken {
            Some(woken) => Some(usize::from(woken)),
            None => self.wake_first_of_several(key),
        }
    }

    /// [`Process::wake_first_on`], where others wait too, or are ready.
    #[inline(never)]
    fn wake_first_of_several(&self, key: Key) -> Option<usize> {
        let mut table = self.threads.table.lock();
        let woken = table.wake_first(key, ALL).ok()?;
        let preempts = table.take_preempts();
        drop(table);
        if preempts {
            self.signals.attend(attention::TURN);
        }
        Some(usize::from(woken))
    }

    /// Wake at most `most` who wait on a futex for one of these kinds; gives how many.
    ///
    /// # Errors
    /// `EINVAL`: one of them waits for a lock.
    pub fn wake_on(&self, word: Word, bits: u32, most: usize) -> Result<usize> {
        let (woken, preempts) = self.threads.with(|table| (table.wake_futex(word.key, bits, most), table.take_preempts()));
        if preempts {
            self.signals.attend(attention::TURN);
        }
        let woken = woken?;
        if !word.key.is_shared() || woken == most {
            return Ok(woken);
        }
        Ok(woken + self.kernel.wake(word.address, most - woken))
    }

    /// Wake who waits on a futex that was said to be nobody's alone: a thread's last words.
    pub(super) fn wake_last(&self, address: usize) {
        if let Ok(word) = self.futex_word(address, false, Access::Read) {
            let _ = self.wake_on(word, ALL, 1);
        }
    }

    /// Wake `wakes` who wait on a futex and let `moves` others wait on another one instead; gives how many woke and moved.
    ///
    /// # Errors
    /// `EINVAL`: one of them waits for a lock.
    pub fn requeue(&self, from: Word, to: Word, wakes: usize, moves: usize) -> Result<usize> {
        let value = if to.key.is_shared() { self.read_value(to.address)? } else { 0 };
        let (woken, moved) = self.threads.with(|table| {
            let woken = table.wake_futex(from.key, ALL, wakes)?;
            Ok::<_, Errno>((woken, table.requeue(from, to, value, moves)?))
        })?;
        if !from.key.is_shared() {
            return Ok(woken + moved);
        }
        // Those of other processes cannot be moved: they look again, and wait where they then have to.
        let most = (wakes - woken).saturating_add(moves - moved);
        Ok(woken + moved + self.kernel.wake(from.address, most))
    }

    /// The words that a process that sleeps waits for beside its doorbell.
    pub(super) fn shared_words(&self) -> impl Iterator<Item = WaitWord> {
        let waits = self.threads.with(|table| table.shared_waits().to_vec());
        waits.into_iter().map(|wait| WaitWord { address: wait.address as u64, value: wait.value, reserved: 0 })
    }

    /// Let those look again who wait on a word of other processes' that has changed, or that a wake was for. A word that cannot be read any more
    /// is nobody's.
    pub(crate) fn look_at_shared(&self, woken: Option<u64>) {
        if self.threads.with(|table: &mut Table<K::Machine>| table.shared_waits().is_empty()) {
            return;
        }
        for wait in self.threads.with(|table| table.shared_waits().to_vec()) {
            let value: Result<u32> = self.read_value(wait.address);
            self.threads.with(|table| match value {
                Err(_) => table.forget_shared(wait.thread),
                Ok(value) if value != wait.value || woken == Some(wait.address as u64) => table.wake(wait.thread, Outcome::Woken),
                Ok(_) => {}
            });
        }
    }
}
