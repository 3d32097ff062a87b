//! The threads of a process: which there are, which of them runs, and what the others wait for.
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use crate::errno::Result;
use crate::signal::Own;
use crate::thread::futex::{Expected, SharedWait, Word};
use crate::thread::futexes::{Futexes, Key, Kind, Waiter};
use crate::thread::schedule::{ByPriority, Schedule};

/// What a thread that does not run waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// Nothing: it runs, or would.
    No,
    /// A signal.
    Signal,
    /// Something that another thread does to a file.
    Change,
    /// That a child lets go of the process's memory. Signals do not end it.
    Release,
    /// Input at the console, or such a change.
    Console,
    /// A wake on this futex.
    Futex(Key),
    /// A wake on one of several: `Thread::several`.
    AnyFutex,
    /// A lock that knows its owner, at this address.
    Lock {
        /// The futex.
        word: Word,
        /// Who owned it when this was last known: a thread's id.
        owner: u32,
    },
    /// That a lock changes whose owner is of another process.
    ForeignLock,
    /// A wake on this futex that hands over a lock.
    Transfer {
        /// The futex.
        from: Key,
        /// The lock.
        to: Word,
    },
}

/// How a thread is scheduled: sched_setattr(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Scheduling {
    /// `SCHED_*`
    pub policy: u32,
    /// 1 to 99 with a real-time policy, else 0.
    pub priority: u8,
    /// The nice value: -20 to 19. Told, and without effect: all threads of no real-time policy take turns.
    pub nice: i8,
    /// Whether what it makes begins with the default.
    pub resets_on_fork: bool,
    /// With `SCHED_DEADLINE`: runtime, deadline and period, in nanoseconds.
    pub times: [u64; 3],
}

impl Scheduling {
    /// `SCHED_FIFO`
    pub const FIFO: u32 = 1;
    /// `SCHED_RR`
    pub const ROUND_ROBIN: u32 = 2;

    /// What a thread or process begins with that one with this makes.
    #[must_use]
    pub fn inherited(self) -> Scheduling {
        match (self.resets_on_fork, self.policy) {
            (false, _) => self,
            (true, Self::FIFO | Self::ROUND_ROBIN) => Scheduling::default(),
            (true, _) => Scheduling { nice: self.nice.max(0), resets_on_fork: false, ..self },
        }
    }
}

/// What ended a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// What it was for.
    Woken,
    /// Its deadline.
    TimedOut,
    /// A signal.
    Interrupted,
}

/// A thread.
pub struct Thread<M: 'static> {
    /// Its id.
    pub id: u32,
    /// Its machine state while it does not run.
    pub machine: &'static M,
    /// Its share of the signals; none while it runs.
    pub signals: Option<Box<Own>>,
    /// Where a 0 is written, and a waiter woken, when it ends; none if 0.
    pub clear_at_end: usize,
    /// What is unmapped when it ends, first address and bytes: the stack that it stands on.
    pub unmap_at_end: Option<(usize, usize)>,
    /// The address that set_robust_list(2) gave.
    pub robust_list: u64,
    /// Whether it is to end where it would leave the call that it is in.
    pub ends: bool,
    /// Its name: at most 15 bytes.
    pub name: Vec<u8>,
    /// Ticks of the counter that it ran, up to when it last began to.
    pub used: u64,
    /// How it is scheduled.
    pub scheduling: Scheduling,
    /// Which of several futexes it was woken on.
    pub woken_on: u32,
    waits: Waits,
    /// The futexes that it waits on, if there are several.
    several: Vec<Key>,
    deadline: Option<u64>,
    outcome: Outcome,
}

impl<M> Thread<M> {
    /// What it waits for.
    #[must_use]
    pub fn waits(&self) -> Waits {
        self.waits
    }

    /// A thread that waits for nothing.
    #[must_use]
    pub fn new(id: u32, machine: &'static M, signals: Option<Box<Own>>, name: Vec<u8>) -> Thread<M> {
        Thread {
            id,
            machine,
            signals,
            clear_at_end: 0,
            unmap_at_end: None,
            robust_list: 0,
            ends: false,
            name,
            used: 0,
            scheduling: Scheduling::default(),
            woken_on: 0,
            waits: Waits::No,
            several: Vec::new(),
            deadline: None,
            outcome: Outcome::Woken,
        }
    }
}

/// All threads.
pub struct Table<M: 'static> {
    slots: Vec<Option<Thread<M>>>,
    current: usize,
    schedule: Box<dyn Schedule>,
    /// Ends of waits, in ticks of the counter, and whose.
    deadlines: BTreeSet<(u64, usize)>,
    futexes: Futexes,
    /// Who waits on words that other processes may change.
    shared: Vec<SharedWait>,
    /// Whether a thread became ready that goes before the one that runs.
    preempts: bool,
    /// When the current thread began to run, in ticks that the process has run.
    since: u64,
}

impl<M> Table<M> {
    /// With the first thread, which runs.
    #[must_use]
    pub fn new(first: Thread<M>, now: u64) -> Table<M> {
        Table {
            slots: alloc::vec![Some(first)],
            current: 0,
            schedule: Box::new(ByPriority::default()),
            deadlines: BTreeSet::new(),
            futexes: Futexes::default(),
            shared: Vec::new(),
            preempts: false,
            since: now,
        }
    }

    /// The slot of the thread that runs.
    #[must_use]
    pub fn current_slot(&self) -> usize {
        self.current
    }

    /// The id of the thread that runs; 0 once it has ended.
    #[must_use]
    pub fn current_id(&self) -> u32 {
        self.slots[self.current].as_ref().map_or(0, |thread| thread.id)
    }

    /// The thread that runs.
    pub fn current(&mut self) -> &mut Thread<M> {
        self.slots[self.current].as_mut().expect("the current thread is in the table until it is left for ever")
    }

    /// All threads, to change.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Thread<M>> {
        self.slots.iter_mut().flatten()
    }

    /// Whether the thread that runs is the only one.
    #[must_use]
    #[inline(always)]
    pub fn is_alone(&self) -> bool {
        self.slots.len() == 1
    }

    /// The slots of all threads.
    #[must_use]
    pub fn slots(&self) -> Vec<usize> {
        (0..self.slots.len()).filter(|&slot| self.slots[slot].is_some()).collect()
    }

    /// All threads.
    pub fn iter(&self) -> impl Iterator<Item = &Thread<M>> {
        self.slots.iter().flatten()
    }

    /// The thread with an id; its slot.
    #[must_use]
    pub fn find(&self, id: u32) -> Option<usize> {
        self.slots.iter().position(|slot| slot.as_ref().is_some_and(|thread| thread.id == id))
    }

    /// The thread in a slot that is taken.
    pub fn at(&mut self, slot: usize) -> &mut Thread<M> {
        self.slots[slot].as_mut().expect("the slot of a thread")
    }

    /// Add a thread that is ready.
    pub fn add(&mut self, thread: Thread<M>) {
        let free = self.slots.iter().position(Option::is_none);
        let slot = free.unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        self.slots[slot] = Some(thread);
        self.ready(slot);
    }

    /// In a new process: the thread that runs is the only one, with this id, and has not run before `now`.
    pub fn keep_only_current(&mut self, id: u32, now: u64) {
        let current = self.slots[self.current].take();
        self.slots.clear();
        self.current = 0;
        self.schedule.clear();
        self.deadlines.clear();
        self.futexes = Futexes::default();
        self.shared.clear();
        self.since = now;
        self.slots.push(current.map(|thread| Thread { id, used: 0, robust_list: 0, unmap_at_end: None, ..thread }));
    }

    /// Take the thread that runs out of the table.
    pub fn remove_current(&mut self) -> Option<Thread<M>> {
        self.slots[self.current].take()
    }

    /// A thread that does not run and of which this is true; its slot.
    #[must_use]
    pub fn other_where(&self, is_meant: impl Fn(&Thread<M>) -> bool) -> Option<usize> {
        let others = self.slots.iter().enumerate().filter(|&(slot, _)| slot != self.current);
        others.filter_map(|(slot, thread)| Some((slot, thread.as_ref()?))).find(|(_, thread)| is_meant(thread)).map(|(slot, _)| slot)
    }

    /// Take a thread that does not run out of the table, and out of the schedule.
    pub fn remove(&mut self, slot: usize) -> Thread<M> {
        self.wake(slot, Outcome::Interrupted);
        self.schedule.remove(slot);
        self.slots[slot].take().expect("the slot of a thread")
    }

    /// Let all threads but the one that runs come to their end.
    pub fn end_others(&mut self) {
        for slot in 0..self.slots.len() {
            if slot != self.current
                && let Some(thread) = &mut self.slots[slot]
            {
                thread.ends = true;
                self.wake(slot, Outcome::Interrupted);
            }
        }
    }

    /// Make another thread, which is not in the schedule, the one that runs at `now`; gives the one before, if it has not ended.
    pub fn set_current(&mut self, slot: usize, now: u64) -> Option<&mut Thread<M>> {
        let before = core::mem::replace(&mut self.current, slot);
        let used = now.saturating_sub(core::mem::replace(&mut self.since, now));
        let before = self.slots[before].as_mut()?;
        before.used += used;
        Some(before)
    }

    /// Ticks that the thread in a slot has run at `now`.
    #[must_use]
    pub fn used(&self, slot: usize, now: u64) -> u64 {
        let running = if slot == self.current { now.saturating_sub(self.since) } else { 0 };
        self.slots[slot].as_ref().map_or(0, |thread| thread.used) + running
    }

    /// Let the thread that runs wait, up to `deadline` in ticks.
    pub fn block(&mut self, waits: Waits, bits: u32, deadline: Option<u64>) {
        let current = self.current;
        let thread = self.current();
        (thread.waits, thread.deadline) = (waits, deadline);
        if let Some(deadline) = deadline {
            self.deadlines.insert((deadline, current));
        }
        let (key, kind) = match waits {
            Waits::Futex(key) => (key, Kind::Plain),
            Waits::Lock { word, .. } => (word.key, Kind::Lock),
            Waits::Transfer { from, to } => (from, Kind::Transfer(to.key)),
            _ => return,
        };
        self.futexes.push(Waiter { key, bits, index: 0, thread: current, kind });
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
        let waits = core::mem::replace(&mut thread.waits, Waits::No);
        if waits == Waits::No {
            return;
        }
        thread.outcome = outcome;
        if let Some(deadline) = thread.deadline.take() {
            self.deadlines.remove(&(deadline, slot));
        }
        match waits {
            // Whoever woke it took it out.
            Waits::Futex(_) | Waits::Lock { .. } | Waits::Transfer { .. } if outcome == Outcome::Woken && self.shared.is_empty() => {}
            Waits::Futex(key) | Waits::Lock { word: Word { key, .. }, .. } | Waits::Transfer { from: key, .. } => {
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
        self.ready(slot);
    }

    /// Let a thread wait for its turn.
    #[inline(always)]
    fn ready(&mut self, slot: usize) {
        let priority = self.priority(slot);
        self.preempts |= priority > 0 && priority > self.priority(self.current);
        self.schedule.ready(slot, priority);
    }

    #[inline(always)]
    fn priority(&self, slot: usize) -> u8 {
        self.slots[slot].as_ref().map_or(0, |thread| thread.scheduling.priority)
    }

    /// Whether a thread became ready that goes before the one that runs, since this was last asked.
    #[must_use]
    #[inline(always)]
    pub fn take_preempts(&mut self) -> bool {
        core::mem::take(&mut self.preempts)
    }

    /// Schedule a thread otherwise from now on.
    pub fn set_scheduling(&mut self, slot: usize, scheduling: Scheduling) {
        self.at(slot).scheduling = scheduling;
        if slot == self.current {
            self.preempts |= self.schedule.highest().is_some_and(|highest| highest > scheduling.priority);
        } else if self.at(slot).waits == Waits::No {
            self.schedule.remove(slot);
            self.ready(slot);
        }
    }

    /// If a thread's turn has come when the one that runs has had its own, let that one wait for its next; gives the other. `yields`: the one
    /// that runs wants that.
    pub fn take_turn(&mut self, yields: bool) -> Option<usize> {
        let mine = self.current().scheduling;
        let highest = self.schedule.highest()?;
        if highest < mine.priority || highest == mine.priority && !yields && mine.policy == Scheduling::FIFO {
            return None;
        }
        let next = self.schedule.next();
        if highest > mine.priority && mine.priority > 0 {
            self.schedule.ready_first(self.current, mine.priority);
        } else {
            self.schedule.ready(self.current, mine.priority);
        }
        next
    }

    /// Wake at most `most` who wait on a futex for one of these kinds; gives how many.
    ///
    /// # Errors
    /// `EINVAL`: the next one waits for a lock.
    pub fn wake_futex(&mut self, key: Key, bits: u32, most: usize) -> Result<usize> {
        let mut woken = 0;
        while woken < most
            && let Some(waiter) = self.futexes.pop(key, bits)?
        {
            self.at(waiter.thread).woken_on = waiter.index;
            self.wake(waiter.thread, Outcome::Woken);
            woken += 1;
        }
        Ok(woken)
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
            && let Some(waiter) = self.futexes.pop(from.key, u32::MAX)?
        {
            self.futexes.push(Waiter { key: to.key, ..waiter });
            let thread = self.at(waiter.thread);
            match thread.waits {
                Waits::AnyFutex => thread.several[waiter.index as usize] = to.key,
                _ => thread.waits = Waits::Futex(to.key),
            }
            for wait in &mut self.shared {
                if wait.thread == waiter.thread && wait.address == from.address {
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

    /// Wake all who wait for a change or for the console.
    pub fn wake_watchers(&mut self) {
        for slot in 0..self.slots.len() {
            if self.slots[slot].as_ref().is_some_and(|thread| matches!(thread.waits, Waits::Change | Waits::Console | Waits::Release)) {
                self.wake(slot, Outcome::Woken);
            }
        }
    }

    /// Whether somebody waits for the console.
    #[must_use]
    pub fn awaits_console(&self) -> bool {
        self.iter().any(|thread| thread.waits == Waits::Console)
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

    /// The thread to run, which is then not ready any more.
    pub fn take_next(&mut self) -> Option<usize> {
        self.schedule.next()
    }

    /// Threads that want a signal and wait: the first one's slot.
    #[must_use]
    pub fn waiting_for_signal(&self, set: crate::signal::Set) -> Option<usize> {
        let wants = |thread: &Thread<M>| thread.waits != Waits::No && thread.signals.as_ref().is_some_and(|own| own.wants() & set != 0);
        self.slots.iter().position(|slot| slot.as_ref().is_some_and(wants))
    }
}
