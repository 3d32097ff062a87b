//! The one place where a call waits, and the two where a thread that could go on does not.
#![forbid(unsafe_code)]

use core::sync::atomic::Ordering;

use abi::{Registers, WaitWord};
use alloc::vec::Vec;

use crate::errno::{Errno, Result};
use crate::kernel::Kernel;
use crate::process::Process;
use crate::signal::{SIGCHLD, attention, bit};
use crate::thread::Table;
use crate::thread::record::{Outcome, Waits};
use crate::time::ticks_at;

impl<K: Kernel> Process<K> {
    /// Wait, while others run, up to where the monotonic clock passes `deadline_ns`.
    ///
    /// # Errors
    /// `ETIMEDOUT`: the deadline passed. `EINTR`: a signal came that the thread does not block, or was there already.
    pub fn block(&self, waits: Waits, deadline_ns: Option<u64>) -> Result<()> {
        if self.trace.is_on {
            let since = crate::strace::waits(self);
            let outcome = self.block_untraced(waits, deadline_ns);
            crate::strace::waited(self, since);
            return outcome;
        }
        self.block_untraced(waits, deadline_ns)
    }

    #[inline(always)]
    fn block_untraced(&self, waits: Waits, deadline_ns: Option<u64>) -> Result<()> {
        if !matches!(waits, Waits::Change | Waits::Child) {
            return self.block_with_others(waits, deadline_ns);
        }
        if self.threads.with(|table| table.is_alone()) {
            return self.block_alone(waits, deadline_ns);
        }
        let outcome = self.block_with_others(Waits::Change, deadline_ns);
        let thread = self.threads.with(|table| table.current_slot());
        self.threads.watches.lock().forget(thread);
        outcome
    }

    /// The only thread waits for a change: there is nobody else to run.
    fn block_alone(&self, waits: Waits, deadline_ns: Option<u64>) -> Result<()> {
        if self.signals.is_wait_over() {
            return if self.is_interrupted() || self.signals.is_end_due() { Err(Errno::EINTR) } else { Ok(()) };
        }
        let end = deadline_ns.map(|ns| ticks_at(self.kernel.info(), ns));
        let earliest = [end, self.timers.due_asleep()].into_iter().flatten().min();
        self.rest_turn();
        self.wait_for_rings(self.unheard(), earliest);
        self.threads.watches.lock().clear();
        self.run_timers();
        self.family.sleeps.store(true, Ordering::Relaxed);
        // What tells of a child's end, and is dropped, is left to the wait that is asked for next.
        self.hear_doorbell(if waits == Waits::Child && self.drops_child_signals() { bit(SIGCHLD) } else { 0 });
        self.family.sleeps.store(false, Ordering::Relaxed);
        match deadline_ns {
            Some(deadline) if self.now_ns() >= deadline => Err(Errno::ETIMEDOUT),
            _ => Ok(()),
        }
    }

    fn block_with_others(&self, waits: Waits, deadline_ns: Option<u64>) -> Result<()> {
        let end_ticks = deadline_ns.map(|ns| ticks_at(self.kernel.info(), ns));
        loop {
            if waits != Waits::Release && self.signals.is_pending() {
                if self.is_interrupted() {
                    return Err(Errno::EINTR);
                }
                // What was heard while the process was stopped may be what the caller waits for.
                if waits == Waits::Change {
                    return Ok(());
                }
            }
            let enter = |table: &mut Table<K::Machine>| table.block(waits, u32::MAX, end_ticks);
            if waits == Waits::Release && self.signals.is_end_due() {
                return Err(Errno::EINTR);
            }
            match if waits == Waits::Release { self.rest_whatever(enter) } else { self.rest(enter)? } {
                Outcome::Woken => return Ok(()),
                Outcome::TimedOut => return Err(Errno::ETIMEDOUT),
                Outcome::Interrupted if waits == Waits::Signal && self.is_awaited_here() => return Ok(()),
                // If another thread took the signal, this one goes on to wait.
                Outcome::Interrupted => {}
            }
        }
    }

    /// Let the thread that runs wait as `enter` notes in the table, and others run; gives what ended it.
    ///
    /// # Errors
    /// `EINTR`: a signal was there already.
    pub(super) fn rest(&self, enter: impl FnOnce(&mut Table<K::Machine>)) -> Result<Outcome> {
        if self.signals.is_wait_over() {
            return Err(Errno::EINTR);
        }
        Ok(self.rest_whatever(enter))
    }

    /// [`Process::rest`], whatever signals there are.
    pub(super) fn rest_whatever(&self, enter: impl FnOnce(&mut Table<K::Machine>)) -> Outcome {
        let turn = self.threads.with(|table| {
            enter(table);
            let next = table.take_next()?;
            Some((next != table.current_slot()).then(|| self.exchange_threads(table, next)))
        });
        let has_waited = match turn {
            Some(Some(machines)) => {
                self.follow_threads();
                self.switch(machines);
                true
            }
            Some(None) => false,
            None => self.run(self.await_next()),
        };
        if has_waited { self.threads.outcome() } else { self.threads.with(Table::outcome) }
    }

    /// Whether a signal is pending that the thread waits for by name.
    fn is_awaited_here(&self) -> bool {
        self.signals.with(|state| state.pending_set() & state.own.awaited != 0)
    }

    /// Something that another thread may wait for has been done to a file.
    pub fn note_change(&self) {
        self.threads.with(Table::wake_watchers);
    }

    /// Run a thread that is not in the schedule, until the one that calls this is ready and its turn has come. Whether it is another one.
    #[inline(never)]
    fn run(&self, next: usize) -> bool {
        let is_another = next != self.threads.with(|table| table.current_slot());
        if is_another {
            self.switch(self.change_thread(next));
        }
        is_another
    }

    #[inline(always)]
    fn switch(&self, (from, to): super::Machines<K>) {
        if let Some(from) = from {
            self.kernel.switch(from, to);
        }
    }

    /// The next thread to run, which is then not ready any more; sleeps until there is one.
    pub(super) fn await_next(&self) -> usize {
        loop {
            self.run_timers();
            let (next, earliest) = self.threads.with(|table| {
                if table.earliest().is_some() {
                    table.expire(self.kernel.clock());
                }
                (table.take_next(), table.earliest())
            });
            if let Some(next) = next {
                return next;
            }
            self.idle(earliest);
        }
    }

    /// Sleep up to the first deadline, in ticks.
    fn idle(&self, earliest: Option<u64>) {
        let earliest = [earliest, self.timers.due_asleep()].into_iter().flatten().min();
        self.rest_turn();
        self.wait_for_others(earliest);
        self.hear();
    }

    /// Sleep until another process does something: rings the doorbell, or wakes or changes the word of a shared futex.
    fn wait_for_others(&self, earliest: Option<u64>) {
        /// How soon the words are looked at again for which the kernel has no room, in nanoseconds.
        const SOON_NS: u64 = 1_000_000;
        let doorbell = self.unheard();
        if self.threads.with(|table| table.shared_waits().is_empty()) {
            self.wait_for_rings(doorbell, earliest);
            return;
        }
        let mut words: Vec<WaitWord> = core::iter::once(doorbell).chain(self.shared_words()).collect();
        words.extend(self.threads.watches.lock().words());
        let soon = (words.len() > abi::MAX_WAIT_WORDS).then(|| ticks_at(self.kernel.info(), self.now_ns() + SOON_NS));
        let end = [earliest, soon].into_iter().flatten().min();
        let woken = self.kernel.wait(&words[..words.len().min(abi::MAX_WAIT_WORDS)], end);
        self.look_at_shared(woken.ok().filter(|&index| index > 0).map(|index| words[index].address));
    }

    /// The doorbell, as far as it was heard.
    fn unheard(&self) -> WaitWord {
        WaitWord { value: self.heard.load(Ordering::Relaxed), ..self.kernel.doorbell() }
    }

    /// Sleep until the doorbell rings or a ring changes.
    fn wait_for_rings(&self, doorbell: WaitWord, earliest: Option<u64>) {
        let watches = self.threads.watches.lock();
        // Mostly there is one.
        if !watches.are_many() {
            let ring = watches.words().next();
            drop(watches);
            let words = [doorbell, ring.unwrap_or(doorbell)];
            let _ = self.kernel.wait(&words[..1 + usize::from(ring.is_some())], earliest);
            return;
        }
        let words: Vec<WaitWord> = core::iter::once(doorbell).chain(watches.words()).collect();
        drop(watches);
        let _ = self.kernel.wait(&words[..words.len().min(abi::MAX_WAIT_WORDS)], earliest);
    }

    /// If a ring that a thread waits for has changed, let those look again who wait for changes.
    pub(crate) fn look_at_rings(&self) {
        let watches = self.threads.watches.lock();
        if !watches.is_empty() && watches.has_changed() {
            drop(watches);
            self.note_change();
        }
    }

    /// Whether the turn would come back at once if it were given away: nobody is ready, and nothing has expired that somebody waits for.
    #[must_use]
    #[inline(always)]
    pub fn is_turn_kept(&self) -> bool {
        !self.timers.is_due(self.kernel.clock()) && self.threads.with(|table| table.is_turn_kept())
    }

    /// Whether a yield lets other processes run first: `SCHED_FIFO` and `SCHED_RR` say so. A process of the usual policy keeps its slice, for
    /// one that yields with a lock held would hold it whenever others have the CPU.
    #[must_use]
    #[inline(always)]
    pub fn gives_way(&self) -> bool {
        let has_company = self.kernel.bulletin().company.load(core::sync::atomic::Ordering::Relaxed) != 0;
        has_company && self.threads.with(|table| table.current().scheduling.priority > 0)
    }

    /// Let the other threads run first; gives whether there was one.
    pub fn yield_turn(&self) -> bool {
        self.run_timers();
        let next = self.threads.with(|table| {
            if table.earliest().is_some() {
                table.expire(self.kernel.clock());
            }
            table.take_turn(true)
        });
        let is_another = next.is_some();
        if let Some(next) = next {
            self.run(next);
        }
        is_another
    }

    /// If a thread that goes before the one that runs was woken, let it run on the way out of the call.
    pub fn heed_priorities(&self) {
        if self.threads.with(Table::take_preempts) {
            self.signals.attend(attention::TURN);
        }
    }

    /// The slice of a thread ended in the program, where these are its registers, or a timer expired: another's turn. Returns if there is no
    /// other.
    pub fn preempt(&self, registers: &Registers) {
        self.run_timers();
        let next = self.threads.with(|table| {
            table.expire(self.kernel.clock());
            table.take_turn(false)
        });
        if let Some((Some(from), to)) = next.map(|next| self.change_thread(next)) {
            self.kernel.preempt(from, registers, to)
        }
    }

    /// What is to be done on the way out of a call that answers `result`, where attention was asked for. Returns if the call is to leave the
    /// straight way.
    pub fn leave_call(&self, result: u64) {
        // Another thread whose turn comes first has its own way.
        let is_diverted = self.signals.take_attention(attention::REGISTERS);
        if self.signals.take_attention(attention::TURN) {
            self.hear();
            self.yield_turn();
        }
        if self.signals.take_attention(attention::END) {
            self.end_thread(0)
        }
        if self.signals.is_pending() {
            self.deliver_after_call(result);
        }
        if self.signals.take_attention(attention::REGISTERS) || is_diverted {
            let mut registers = self.kernel.registers();
            crate::signal::frame::set_result(&mut registers, result);
            self.kernel.resume(&registers);
        }
    }
}
