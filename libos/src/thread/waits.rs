//! Who waits, and what ends that.
#![forbid(unsafe_code)]

use crate::errno::Result;
use crate::thread::futex::{Expected, SharedWait, Word};
use crate::thread::futexes::{Key, Kind, Waiter};
use crate::thread::record::{Outcome, Thread, Waits};
use crate::thread::table::Table;

impl<M> Table<M> {
    /// Let the thread that runs wait, up to `deadline` in ticks.
    #[inline(always)]
    pub fn block(&mut self, waits: Waits, bits: u32, deadline: Option<u64>) {
        let current = self.current;
        let thread = self.current();
        (thread.waits, thread.deadline) = (waits, deadline);
        if let Some(deadline) = deadline {
            self.note_deadline(deadline);
        }
        let (key, kind) = match waits {
            Waits::Futex(key) => (key, Kind::Plain),
            Waits::Lock { word, .. } => (word.key, Kind::Lock),
            Waits::Transfer(from) => (from, Kind::Transfer),
            _ => return,
        };
        self.futexes.push(Waiter { key, bits, index: 0, thread: current, kind });
    }

    /// Let the thread that runs wait without end for a wake on a futex, and the one that is ready run from `now` on: gives both. None, with nothing
    /// done, if it is not ready alone.
    #[inline(always)]
    pub fn hand_over(&mut self, key: Key, now: impl FnOnce() -> u64) -> Option<(&mut Thread<M>, &mut Thread<M>)> {
        let (thread, next) = (self.current, self.turns.only()?);
        let [Some(before), Some(after)] = self.slots.get_disjoint_mut([thread, next]).ok()? else { return None };
        (before.waits, before.deadline) = (Waits::Futex(key), None);
        self.futexes.push(Waiter { key, bits: u32::MAX, index: 0, thread, kind: Kind::Plain });
        self.turns.set_only(None);
        self.current = next;
        let now = now();
        before.used += now.saturating_sub(core::mem::replace(&mut self.since, now));
        Some((before, after))
    }

    #[inline(never)]
    fn note_deadline(&mut self, deadline: u64) {
        self.deadlines.insert((deadline, self.current));
    }

    /// Let the thread that runs wait for a wake on one of several futexes.
    pub fn block_on_any(&mut self, expected: &[Expected], deadline: Option<u64>) {
        self.block(Waits::AnyFutex, 0, deadline);
        let current = self.current;
        self.current().several = expected.iter().map(|expected| expected.word.key).collect();
        for (index, Expected { word, value }) in (0..).zip(expected) {
            self.futexes.push(Waiter { key: word.key, bits: u32::MAX, index, thread: current, kind: Kind::Plain });
            if word.key.is_shared() {
                self.note_shared(word.address, *value);
            }
        }
    }

    /// Note that the thread that runs waits on a word that other processes may change.
    pub fn note_shared(&mut self, address: usize, value: u32) {
        self.shared.push(SharedWait { thread: self.current, address, value });
    }

    /// Who waits on such words.
    #[must_use]
    pub fn shared_waits(&self) -> &[SharedWait] {
        &self.shared
    }

    /// Look no more at the words that a thread waits on.
    pub fn forget_shared(&mut self, slot: usize) {
        self.shared.retain(|wait| wait.thread != slot);
    }

    /// What ended the last wait of the thread that runs.
    pub fn outcome(&mut self) -> Outcome {
        self.current().outcome
    }

    /// End a thread's wait, if it does wait.
    pub fn wake(&mut self, slot: usize, outcome: Outcome) {
        let Some(thread) = self.slots.get_mut(slot).and_then(Option::as_mut) else { return };
        match core::mem::replace(&mut thread.waits, Waits::No) {
            Waits::No => return,
            // Whoever woke it took it out.
            Waits::Futex(_) | Waits::Lock { .. } | Waits::Transfer(_) if outcome == Outcome::Woken && self.shared.is_empty() => {}
            Waits::Futex(key) | Waits::Lock { word: Word { key, .. }, .. } | Waits::Transfer(key) => {
                self.futexes.remove(key, slot);
                self.forget_shared(slot);
            }
            Waits::AnyFutex => {
                for key in core::mem::take(&mut self.at(slot).several) {
                    self.futexes.remove(key, slot);
                }
                self.forget_shared(slot);
            }
            Waits::ForeignLock => self.forget_shared(slot),
            _ => {}
        }
        self.go_on(slot, outcome);
    }

    /// A wait is over, and its thread in no queue any more.
    fn go_on(&mut self, slot: usize, outcome: Outcome) {
        let thread = self.at(slot);
        thread.outcome = outcome;
        let (deadline, priority) = (thread.deadline.take(), thread.scheduling.priority);
        if let Some(deadline) = deadline {
            self.forget_deadline(deadline, slot);
        }
        self.woke(slot, priority);
    }

    #[inline(never)]
    fn forget_deadline(&mut self, deadline: u64, slot: usize) {
        self.deadlines.remove(&(deadline, slot));
    }

    /// Wake at most `most` who wait on a futex for one of these kinds; gives how many.
    ///
    /// # Errors
    /// `EINVAL`: the next one waits for a lock.
    pub fn wake_futex(&mut self, key: Key, bits: u32, most: usize) -> Result<usize> {
        let mut woken = 0;
        while woken < most && self.wake_first(key, bits)? {
            woken += 1;
        }
        Ok(woken)
    }

    /// Wake the only waiter of a futex, which then is ready alone; gives whether there is one. None, with nothing done, if there is more to it.
    #[inline(always)]
    pub fn wake_only(&mut self, key: Key) -> Option<bool> {
        let place = self.futexes.only(key)?;
        let Some(waiter) = place else { return Some(false) };
        let thread = self.slots.get_mut(waiter.thread)?.as_mut()?;
        let is_plain = matches!(thread.waits, Waits::Futex(_)) && thread.deadline.is_none() && thread.scheduling.priority == 0;
        if !is_plain || !self.shared.is_empty() || !self.turns.has_nobody() {
            return None;
        }
        (thread.waits, thread.outcome, thread.woken_on) = (Waits::No, Outcome::Woken, waiter.index);
        self.turns.set_only(Some(waiter.thread));
        self.nobody_is_ready = false;
        *place = None;
        Some(true)
    }

    /// Wake the longest waiter of a futex for one of these kinds; gives whether there is one.
    ///
    /// # Errors
    /// `EINVAL`: it waits for a lock.
    #[inline(always)]
    pub fn wake_first(&mut self, key: Key, bits: u32) -> Result<bool> {
        let Some((slot, index)) = self.futexes.pop(key, bits)? else { return Ok(false) };
        let is_alone = self.shared.is_empty();
        let thread = self.at(slot);
        thread.woken_on = index;
        if is_alone && matches!(thread.waits, Waits::Futex(_)) && thread.deadline.is_none() {
            thread.waits = Waits::No;
            thread.outcome = Outcome::Woken;
            let priority = thread.scheduling.priority;
            self.woke(slot, priority);
        } else {
            self.wake(slot, Outcome::Woken);
        }
        Ok(true)
    }

    /// Move at most `most` who wait on a futex to another, whose word holds `to_value`; gives how many.
    ///
    /// # Errors
    /// `EINVAL`: the next one waits for a lock.
    pub fn requeue(&mut self, from: Word, to: Word, to_value: u32, most: usize) -> Result<usize> {
        if from.key == to.key {
            return Ok(self.futexes.count(from.key).min(most));
        }
        let mut moved = 0;
        while moved < most
            && let Some(waiter) = self.first_waiter(from.key)
        {
            let (slot, index) = self.futexes.pop(from.key, u32::MAX)?.expect("the first that waits");
            self.futexes.push(Waiter { key: to.key, ..waiter });
            let thread = self.at(slot);
            match thread.waits {
                Waits::AnyFutex => thread.several[usize::from(index)] = to.key,
                _ => thread.waits = Waits::Futex(to.key),
            }
            for wait in &mut self.shared {
                if wait.thread == slot && wait.address == from.address {
                    (wait.address, wait.value) = (to.address, to_value);
                }
            }
            moved += 1;
        }
        Ok(moved)
    }

    /// The longest waiter of a futex, however it waits.
    #[must_use]
    pub fn first_waiter(&self, key: Key) -> Option<Waiter> {
        self.futexes.first(key, u32::MAX).copied()
    }

    /// Take the longest waiter of a futex out of its queue; it still waits.
    pub fn take_waiter(&mut self, key: Key) -> Option<Waiter> {
        self.futexes.pop_any(key)
    }

    /// Let a thread that waits, and is in no queue, wait for a lock.
    pub fn await_lock(&mut self, slot: usize, word: Word, owner: u32) {
        self.futexes.push(Waiter { key: word.key, bits: u32::MAX, index: 0, thread: slot, kind: Kind::Lock });
        self.at(slot).waits = Waits::Lock { word, owner };
    }

    /// Note the new owner of a lock with all who wait for it.
    pub fn note_owner(&mut self, key: Key, new: u32) {
        for thread in self.slots.iter_mut().flatten() {
            if let Waits::Lock { word, owner } = &mut thread.waits
                && word.key == key
            {
                *owner = new;
            }
        }
    }

    /// Wake all who wait for a change.
    pub fn wake_watchers(&mut self) {
        for slot in 0..self.slots.len() {
            if self.slots[slot].as_ref().is_some_and(|thread| matches!(thread.waits, Waits::Change | Waits::Release)) {
                self.wake(slot, Outcome::Woken);
            }
        }
    }

    /// Wake those whose deadline has passed at `now`.
    pub fn expire(&mut self, now: u64) {
        while let Some(&(deadline, slot)) = self.deadlines.first()
            && deadline <= now
        {
            self.wake(slot, Outcome::TimedOut);
        }
    }

    /// The first deadline, in ticks.
    #[must_use]
    pub fn earliest(&self) -> Option<u64> {
        self.deadlines.first().map(|&(deadline, _)| deadline)
    }

    /// Threads that want a signal and wait: the first one's slot.
    #[must_use]
    pub fn waiting_for_signal(&self, set: crate::signal::Set) -> Option<usize> {
        let wants = |thread: &Thread<M>| thread.waits != Waits::No && thread.signals.as_ref().is_some_and(|own| own.wants() & set != 0);
        self.slots.iter().position(|slot| slot.as_ref().is_some_and(wants))
    }
}
