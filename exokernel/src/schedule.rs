//! Time: slices, directed yield, sleeping and waking.
//!
//! A CPU's time is a vector of slots, walked round and round; a slot's context runs for one slice unless it sleeps or gives the rest
//! away. Who owns which slot is the environments' business.

use abi::{EnvId, Error, INFO_SLICES_PAGE, MAX_SLICES, NO_DEADLINE, SliceEntry};
use arch::{Context, Interrupt, Machine};

use crate::Kernel;
use crate::context::{ContextRef, INDEX_SHIFT, NOBODY, Run, TIMER_NODE};
use crate::queue::{TIMED, bucket};
use crate::upcall::SLICE;

/// `SliceEntry::context` of a slot that its owner leaves unused.
pub(crate) const UNUSED: u32 = u32::MAX;

/// What one CPU is doing.
pub(crate) struct Schedule {
    /// Who runs; none: whoever `pick` finds.
    pub(crate) current: Option<ContextRef>,
    /// Whose state is on the CPU. One that died stays there until another is loaded, and so before it is reaped.
    pub(crate) loaded: ContextRef,
    slot: usize,
    slice_end: u64,
    /// When the timer goes off: not after what it is wanted for.
    timer: u64,
    /// Who runs in each slot.
    pub(crate) runners: [Option<ContextRef>; MAX_SLICES],
    /// One past the last slot that is in use.
    end: usize,
}

impl Schedule {
    pub(crate) fn new() -> Self {
        Schedule { current: None, loaded: NOBODY, slot: 0, slice_end: 0, timer: NO_DEADLINE, runners: [None; MAX_SLICES], end: 0 }
    }
}

impl<M: Machine> Kernel<M> {
    /// Make a context that is not loaded the one that runs.
    #[inline(always)]
    pub(crate) fn load(&mut self, context: ContextRef) {
        let previous = core::mem::replace(&mut self.schedule.loaded, context);
        debug_assert_ne!(previous, context);
        let now = self.machine.clock();
        self.account(context, now.wrapping_neg());
        self.account(previous, now);
        let (previous, next) = (self.context(previous).machine(), self.context(context).machine());
        // SAFETY: the context's root stays a sound table until its environment is reaped, by another, which then is loaded.
        unsafe { self.machine.switch(previous, next) };
    }

    /// Add ticks to what a context's environment has run: the clock where its time ends, and less the clock where it begins.
    pub(crate) fn account(&self, context: ContextRef, ticks: u64) {
        let ran = self.context(context).ran;
        // SAFETY: the word is in the environment table, which is the kernel's for good.
        unsafe { *ran = (*ran).wrapping_add(ticks) };
    }

    /// Begin the next slice that somebody can use; sleep while nobody can.
    pub(crate) fn pick(&mut self) -> ContextRef {
        loop {
            if let Some(slot) = self.next_slot() {
                return self.begin_slice(slot);
            }
            self.schedule.slice_end = NO_DEADLINE;
            self.set_timer();
            // What is loaded does not run meanwhile.
            let before = self.machine.clock();
            self.machine.idle();
            self.account(self.schedule.loaded, before.wrapping_sub(self.machine.clock()));
            self.interrupt();
        }
    }

    /// Begin the slice of a slot whose context can run.
    pub(crate) fn begin_slice(&mut self, slot: usize) -> ContextRef {
        let context = self.schedule.runners[slot].expect("a used slot has a context");
        self.schedule.slot = slot;
        self.schedule.slice_end = self.machine.clock() + self.info_page().slice_ticks;
        self.schedule.current = Some(context);
        self.set_timer();
        self.tell_slice(context);
        context
    }

    /// The next slot, round from the last, whose context can run.
    pub(crate) fn next_slot(&self) -> Option<usize> {
        let runnable = |slot: &usize| {
            let context = self.schedule.runners[*slot];
            context.is_some_and(|context| self.context(context).run.get() == Run::Runnable)
        };
        let next = (self.schedule.slot + 1).min(self.schedule.end);
        (next..self.schedule.end).chain(0..next).find(runnable)
    }

    /// Set the timer for what comes first: the slice's end, a sleeper's deadline or that of the context that runs. One that goes off before is
    /// left as it is, and set anew when it has: most slices are given away long before their end.
    pub(crate) fn set_timer(&mut self) {
        let own = self.schedule.current.and_then(|context| self.deadline(context)).map_or(NO_DEADLINE, |deadline| *deadline);
        let deadline = self.nodes(TIMED).map(|node| node.key.get()).fold(self.schedule.slice_end.min(own), u64::min);
        if deadline < self.schedule.timer {
            self.schedule.timer = deadline;
            self.machine.set_timer(deadline);
        }
    }

    /// Take what interrupts are waiting.
    pub(crate) fn interrupt(&mut self) {
        while let Some(interrupt) = self.machine.interrupt() {
            match interrupt {
                Interrupt::Timer => self.tick(),
                Interrupt::Device(irq) => {
                    let count = &raw mut self.info_page().irqs[irq];
                    self.count_up(count);
                }
            }
        }
    }

    /// Wake those whose deadline passed; end the slice if its time is over, or tell who runs that its own deadline passed.
    fn tick(&mut self) {
        let now = self.machine.clock();
        while let Some(node) = self.find_node(TIMED, |deadline| deadline <= now) {
            self.give_up(self.owner(node).0, Error::TimedOut);
        }
        if now >= self.schedule.slice_end
            && let Some(context) = self.schedule.current.take()
        {
            self.context(context).preempted.set(true);
            self.slice(self.schedule.slot).expired += 1;
            if let Some(page) = self.page(context) {
                page.slices_lost = page.slices_lost.wrapping_add(1);
            }
        }
        // The timer fired: whatever it was set to is gone.
        self.schedule.timer = NO_DEADLINE;
        if let Some(context) = self.schedule.current {
            if let Some(deadline) = self.deadline(context).filter(|deadline| **deadline <= now) {
                *deadline = 0;
                self.send(context, SLICE);
            }
            self.set_timer();
        }
    }

    /// A slot of the slice vector.
    pub(crate) fn slice(&mut self, slot: usize) -> &mut SliceEntry {
        assert!(slot < MAX_SLICES);
        let first = self.machine.frame(self.info + INFO_SLICES_PAGE as u64).cast::<SliceEntry>();
        // SAFETY: the page holds MAX_SLICES entries, and user mode can only read it.
        unsafe { &mut *first.add(slot) }
    }

    /// Give a slot to an environment, and to one of its contexts or to none.
    pub(crate) fn set_slice(&mut self, slot: usize, owner: EnvId, context: Option<ContextRef>) {
        let index = context.map_or(UNUSED, |context| (self.context(context).name >> INDEX_SHIFT) as u32);
        let entry = self.slice(slot);
        entry.context = index;
        let before = EnvId(core::mem::replace(&mut entry.owner, owner.0));
        self.pass_claim(before, owner);
        let Schedule { runners, end, .. } = &mut self.schedule;
        runners[slot] = context;
        if context.is_some() {
            *end = (*end).max(slot + 1);
        }
        // Goes down only as far as it once went up: all slots of a vector together cost its length, not its square.
        while *end > 0 && runners[*end - 1].is_none() {
            *end -= 1;
        }
    }

    /// Give a dying environment's slots to its parent, unused.
    pub(crate) fn pass_slices_on(&mut self, dead: EnvId, parent: usize) {
        let heir = EnvId::new(parent, self.entry(parent).generation);
        let mut slot = 0;
        while self.env(dead.slot()).claims.get() > 0 && slot < MAX_SLICES {
            if self.slice(slot).owner == dead.0 {
                self.set_slice(slot, heir, None);
            }
            slot += 1;
        }
    }

    /// Wake up to `most` contexts that sleep on the word at a place in the direct map.
    ///
    /// A sleeper does not hold its word's frame: should the frame change hands, it may be woken for nothing, and never sees anything.
    pub(crate) fn wake_word(&mut self, word: *const u32, most: usize) -> usize {
        let word = word.addr() as u64;
        let wake_one = |_| {
            let (context, index) = self.owner(self.find_node(bucket(word), |key| key == word)?);
            self.rouse(context, 0, index as u64);
            Some(())
        };
        (0..most).map_while(wake_one).count()
    }

    /// Count a word of the info pages up, and wake all who sleep on it.
    pub(crate) fn count_up(&mut self, word: *mut u32) {
        // SAFETY: callers name a word of the info pages, which are the kernel's own for good.
        unsafe { *word = (*word).wrapping_add(1) };
        self.wake_word(word, usize::MAX);
    }

    /// End a context's sleep, whatever it sleeps on, with the words that its call gives.
    #[inline(never)]
    pub(crate) fn rouse(&mut self, context: ContextRef, status: i64, value: u64) {
        let record = self.context(context);
        if record.run.get() == Run::Waiting {
            for word in record.nodes.iter().take(record.words.take()) {
                self.dequeue(bucket(word.key.get()), word);
            }
            if record.nodes[TIMER_NODE].key.get() != NO_DEADLINE {
                self.dequeue(TIMED, &record.nodes[TIMER_NODE]);
            }
        }
        record.machine().set_result(status, value);
        record.run.set(Run::Runnable);
    }

    /// End a context's sleep with an error, if it sleeps.
    pub(crate) fn give_up(&mut self, context: ContextRef, error: Error) {
        if !matches!(self.context(context).run.get(), Run::Runnable | Run::Stopped) {
            self.rouse(context, error as i64, 0);
        }
    }

    /// Take a dying environment, whose contexts are all stopped, off the CPU, and tell those who wait for its answer.
    pub(crate) fn forget(&mut self, id: EnvId) {
        for slot in 0..self.top {
            let contexts = if self.records[slot] == 0 { &[] } else { self.env(slot).contexts.as_slice() };
            for caller in contexts.iter().filter_map(core::cell::Cell::get) {
                if matches!(self.context(caller).run.get(), Run::Calling(context) if self.context(context).env == id) {
                    self.give_up(caller, Error::Dead);
                }
            }
        }
        if self.context(self.schedule.loaded).env == id {
            self.schedule.current = None;
        }
    }
}
