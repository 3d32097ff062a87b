//! The threads of a process: which there are, which of them runs, and what the others wait for.
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use crate::signal::Own;
use crate::thread::futexes::Futexes;
use crate::thread::schedule::{RoundRobin, Schedule};

/// What a thread that does not run waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// Nothing: it runs, or would.
    No,
    /// A signal.
    Signal,
    /// Something that another thread does to a file.
    Change,
    /// Input at the console, or such a change.
    Console,
    /// A wake on a futex at this address.
    Futex(usize),
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
    waits: Waits,
    deadline: Option<u64>,
    outcome: Outcome,
}

impl<M> Thread<M> {
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
            waits: Waits::No,
            deadline: None,
            outcome: Outcome::Woken,
        }
    }
}

/// All threads.
pub struct Table<M: 'static> {
    slots: Vec<Option<Thread<M>>>,
    current: usize,
    last_id: u32,
    schedule: Box<dyn Schedule>,
    /// Ends of waits, in ticks of the counter, and whose.
    deadlines: BTreeSet<(u64, usize)>,
    futexes: Futexes,
    /// When the current thread began to run, in ticks.
    since: u64,
    /// Ticks in which nobody ran.
    pub idle: u64,
}

/// Ids are below this (`/proc/sys/kernel/pid_max`).
const IDS: u32 = 4 << 20;

impl<M> Table<M> {
    /// With the first thread, which runs.
    #[must_use]
    pub fn new(first: Thread<M>, now: u64) -> Table<M> {
        Table {
            last_id: first.id,
            slots: alloc::vec![Some(first)],
            current: 0,
            schedule: Box::new(RoundRobin::default()),
            deadlines: BTreeSet::new(),
            futexes: Futexes::default(),
            since: now,
            idle: 0,
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

    /// An id that no thread has.
    pub fn new_id(&mut self) -> u32 {
        loop {
            self.last_id = if self.last_id + 1 < IDS { self.last_id + 1 } else { 2 };
            if self.find(self.last_id).is_none() {
                return self.last_id;
            }
        }
    }

    /// Add a thread that is ready.
    pub fn add(&mut self, thread: Thread<M>) {
        let free = self.slots.iter().position(Option::is_none);
        let slot = free.unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        self.slots[slot] = Some(thread);
        self.schedule.ready(slot);
    }

    /// In a new process: the thread that runs is the only one, with this id, and has not run before `now`.
    pub fn keep_only_current(&mut self, id: u32, now: u64) {
        let current = self.slots[self.current].take();
        self.slots.clear();
        self.current = 0;
        self.schedule.clear();
        self.deadlines.clear();
        self.futexes = Futexes::default();
        (self.since, self.idle, self.last_id) = (now, 0, id);
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
        self.schedule.forget(slot);
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

    /// Note that nobody ran for so many ticks until `now`.
    pub fn note_idle(&mut self, ticks: u64) {
        self.idle += ticks;
        self.since += ticks;
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
        if let Waits::Futex(address) = waits {
            self.futexes.push(address, bits, current);
        }
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
        if let Waits::Futex(address) = waits
            && outcome != Outcome::Woken
        {
            self.futexes.remove(address, slot);
        }
        self.schedule.ready(slot);
    }

    /// Wake at most `most` who wait on a futex for one of these kinds; gives how many.
    pub fn wake_futex(&mut self, address: usize, bits: u32, most: usize) -> usize {
        let mut woken = 0;
        while woken < most
            && let Some(slot) = self.futexes.pop(address, bits)
        {
            self.wake(slot, Outcome::Woken);
            woken += 1;
        }
        woken
    }

    /// Move at most `most` who wait on a futex to another; gives how many.
    pub fn requeue(&mut self, from: usize, to: usize, most: usize) -> usize {
        if from == to {
            return self.slots.iter().flatten().filter(|thread| thread.waits == Waits::Futex(from)).count().min(most);
        }
        let mut moved = 0;
        while moved < most
            && let Some(slot) = self.futexes.requeue(from, to)
        {
            self.at(slot).waits = Waits::Futex(to);
            moved += 1;
        }
        moved
    }

    /// Wake all who wait for a change or for the console.
    pub fn wake_watchers(&mut self) {
        for slot in 0..self.slots.len() {
            if self.slots[slot].as_ref().is_some_and(|thread| matches!(thread.waits, Waits::Change | Waits::Console)) {
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

    /// Let the thread that runs wait for its next turn.
    pub fn ready_current(&mut self) {
        self.schedule.ready(self.current);
    }

    /// Whether a thread is ready.
    #[must_use]
    pub fn has_ready(&self) -> bool {
        !self.schedule.is_empty()
    }

    /// Threads that want a signal and wait: the first one's slot.
    #[must_use]
    pub fn waiting_for_signal(&self, set: crate::signal::Set) -> Option<usize> {
        let wants = |thread: &Thread<M>| thread.waits != Waits::No && thread.signals.as_ref().is_some_and(|own| own.wants() & set != 0);
        self.slots.iter().position(|slot| slot.as_ref().is_some_and(wants))
    }
}
