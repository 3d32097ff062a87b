//! The threads of a process: which there are, which of them runs, and who is next.
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use policy::scheduling::Schedule;

use crate::thread::futex::SharedWait;
use crate::thread::futexes::Futexes;
use crate::thread::record::{Outcome, Scheduling, Thread, Waits};
use crate::thread::turns::Turns;

/// All threads.
pub struct Table<M: 'static> {
    pub(super) slots: Vec<Option<Thread<M>>>,
    /// How many slots are taken.
    taken: usize,
    pub(super) current: usize,
    pub(super) turns: Turns,
    /// Ends of waits, in ticks of the counter, and whose.
    pub(super) deadlines: BTreeSet<(u64, usize)>,
    pub(super) futexes: Futexes,
    /// Who waits on words that other processes may change.
    pub(super) shared: Vec<SharedWait>,
    /// Whether it was seen that no thread is ready, and none became so since.
    pub(super) nobody_is_ready: bool,
    /// Whether a thread became ready that goes before the one that runs.
    preempts: bool,
    /// When the current thread began to run, in ticks that the process has run.
    pub(super) since: u64,
}

/// As many threads as most processes ever have at a time.
const FEW: usize = 4;

impl<M> Table<M> {
    /// With the first thread, which runs.
    #[must_use]
    pub fn new(first: Thread<M>, now: u64) -> Table<M> {
        // Room for a few from the start: a table that moves leaves the pages that forks copy at once.
        let mut slots = Vec::with_capacity(FEW);
        slots.push(Some(first));
        Table {
            slots,
            taken: 1,
            current: 0,
            turns: Turns::default(),
            deadlines: BTreeSet::new(),
            futexes: Futexes::default(),
            shared: Vec::new(),
            nobody_is_ready: true,
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
        self.taken == 1
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
        let priority = thread.scheduling.priority;
        self.slots[slot] = Some(thread);
        self.taken += 1;
        self.ready(slot, priority);
    }

    /// Let another policy say which thread runs next, one that somebody chose or the usual one. None is ready.
    pub fn set_schedule(&mut self, schedule: Box<dyn Schedule>, is_chosen: bool) {
        self.turns.follow(schedule, is_chosen);
    }

    /// In a new process: the thread that runs is the only one, with this id, and has not run before `now`.
    pub fn keep_only_current(&mut self, id: u32, now: u64) {
        let current = self.slots[self.current].take();
        if self.slots.iter().any(Option::is_some) {
            // Those that wait are others.
            self.futexes.clear();
        }
        self.slots.clear();
        (self.current, self.taken) = (0, 1);
        self.turns.clear();
        self.deadlines.clear();
        self.shared.clear();
        self.since = now;
        self.slots.push(current.map(|thread| Thread { id, used: 0, robust_list: 0, unmap_at_end: None, ..thread }));
    }

    /// Take the thread that runs out of the table.
    pub fn remove_current(&mut self) -> Option<Thread<M>> {
        self.taken -= 1;
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
        self.turns.remove(slot);
        self.taken -= 1;
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

    /// Make another thread, which is not in the schedule, the one that runs at `now`; gives the one before, unless it has ended, and the other.
    #[inline(always)]
    pub fn set_current(&mut self, slot: usize, now: u64) -> (Option<&mut Thread<M>>, &mut Thread<M>) {
        let before = core::mem::replace(&mut self.current, slot);
        let used = now.saturating_sub(core::mem::replace(&mut self.since, now));
        let [before, thread] = self.slots.get_disjoint_mut([before, slot]).expect("the slots of two threads");
        if let Some(before) = before {
            before.used += used;
        }
        (before.as_mut(), thread.as_mut().expect("the slot of a thread"))
    }

    /// Ticks that the thread in a slot has run at `now`.
    #[must_use]
    pub fn used(&self, slot: usize, now: u64) -> u64 {
        let running = if slot == self.current { now.saturating_sub(self.since) } else { 0 };
        self.slots[slot].as_ref().map_or(0, |thread| thread.used) + running
    }

    /// Let a thread of this priority wait for its turn.
    #[inline(always)]
    pub(super) fn ready(&mut self, slot: usize, priority: u8) {
        if priority > 0 {
            let running = self.slots[self.current].as_ref().map_or(0, |thread| thread.scheduling.priority);
            self.preempts |= priority > running;
        }
        self.nobody_is_ready = false;
        self.turns.ready(slot, priority);
    }

    /// Let a thread of this priority, whose wait is over, wait for its turn.
    #[inline(always)]
    pub(super) fn woke(&mut self, slot: usize, priority: u8) {
        if priority > 0 {
            let running = self.slots[self.current].as_ref().map_or(0, |thread| thread.scheduling.priority);
            self.preempts |= priority > running;
        }
        self.nobody_is_ready = false;
        self.turns.woke(slot, priority);
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
            self.preempts |= self.turns.highest().is_some_and(|highest| highest > scheduling.priority);
        } else if self.at(slot).waits == Waits::No {
            self.turns.remove(slot);
            self.ready(slot, scheduling.priority);
        }
    }

    /// If a thread's turn has come when the one that runs has had its own, let that one wait for its next; gives the other. `yields`: the one
    /// that runs wants that.
    pub fn take_turn(&mut self, yields: bool) -> Option<usize> {
        let mine = self.current().scheduling;
        let Some(highest) = self.turns.highest() else {
            self.nobody_is_ready = true;
            return None;
        };
        if highest < mine.priority || highest == mine.priority && !yields && mine.policy == Scheduling::FIFO {
            return None;
        }
        let next = self.turns.next();
        if highest > mine.priority && mine.priority > 0 {
            self.turns.ready_first(self.current, mine.priority);
        } else {
            self.turns.ready(self.current, mine.priority);
        }
        next
    }

    /// Whether no thread is ready, as far as that was seen, or waits for a time.
    #[must_use]
    #[inline(always)]
    pub fn is_turn_kept(&self) -> bool {
        self.deadlines.is_empty() && self.nobody_is_ready
    }

    /// The thread to run, which is then not ready any more.
    pub fn take_next(&mut self) -> Option<usize> {
        self.turns.next()
    }
}
