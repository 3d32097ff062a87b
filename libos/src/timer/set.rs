//! Setting and reading timers; what becomes of them at fork(2) and execve(2).
#![forbid(unsafe_code)]

use alloc::sync::{Arc, Weak};

use crate::errno::{Errno, Result};
use crate::file::timer::Timer as TimerFile;
use crate::kernel::Kernel;
use crate::process::Process;
use crate::signal::Information;
use crate::time::Clock;
use crate::timer::{CLASSIC, Interval, Posix, Setting, State};

/// Whom a timer of timer_create(2) tells of its expirations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notify {
    /// Nobody (`SIGEV_NONE`).
    Nobody,
    /// By this signal, with this value, the thread with this id (`SIGEV_THREAD_ID`) or the process.
    Signal {
        /// The signal.
        signal: u32,
        /// `si_value`; none for the timer's id.
        value: Option<u64>,
        /// The thread.
        thread: Option<u32>,
    },
}

impl Notify {
    /// The signal of the timer with an id, and the thread that it is for.
    pub(super) fn signal(self, id: i32) -> Option<(Information, Option<u32>)> {
        let Notify::Signal { signal, value, thread } = self else { return None };
        let mut information = Information::new(signal, Information::TIMER, u64::from(id as u32));
        information.payload[1] = value.unwrap_or(u64::from(id as u32));
        Some((information, thread))
    }
}

/// The clock that a time is kept on: one that is relative does not move when the time of day is set.
#[must_use]
pub fn base_clock(clock: Clock, absolute: bool) -> Clock {
    if clock == Clock::Realtime && !absolute { Clock::Monotonic } else { clock }
}

impl<K: Kernel> Process<K> {
    /// setitimer(2), the timer by its `ITIMER_*` number; gives what it was.
    ///
    /// # Errors
    /// `EINVAL`: no such timer.
    pub fn set_classic_timer(&self, which: usize, setting: Setting) -> Result<Setting> {
        let old = self.classic_timer(which)?;
        let clock = CLASSIC[which].1;
        // The timer of real time forgets the period of a setting that disarms it.
        let period_ns = if setting.value_ns == 0 && clock == Clock::Monotonic { 0 } else { setting.period_ns };
        let interval = Interval::new(clock, self.clock_ns(clock), Setting { period_ns, ..setting }, false);
        self.timers.state.lock().classic[which] = interval;
        self.arm_timers();
        Ok(old)
    }

    /// getitimer(2)
    ///
    /// # Errors
    /// As [`Process::set_classic_timer`].
    pub fn classic_timer(&self, which: usize) -> Result<Setting> {
        self.run_timers();
        let interval = *self.timers.state.lock().classic.get(which).ok_or(Errno::EINVAL)?;
        Ok(interval.left(self.clock_ns(interval.clock)))
    }

    /// timer_create(2); gives its id.
    ///
    /// # Errors
    /// `EAGAIN`: there are as many as there may be signals that wait (`RLIMIT_SIGPENDING`).
    pub fn make_timer(&self, clock: Clock, notify: Notify) -> Result<i32> {
        const SIGNALS_PENDING: usize = 11;
        let most = self.limits.lock().get(SIGNALS_PENDING)?[0];
        let mut state = self.timers.state.lock();
        if state.posix.len() as u64 >= most {
            return Err(Errno::EAGAIN);
        }
        let id = state.next_id;
        state.next_id = if id == i32::MAX { 0 } else { id + 1 };
        let interval = Interval { clock, ..Interval::IDLE };
        state.posix.insert(id, Posix { clock, interval, notify, is_queued: false, overrun: 0 });
        Ok(id)
    }

    /// timer_settime(2); gives what it was. A signal of its earlier setting that waits is forgotten.
    ///
    /// # Errors
    /// `EINVAL`: no such timer.
    pub fn set_timer(&self, id: i32, setting: Setting, absolute: bool) -> Result<Setting> {
        let old = self.timer(id)?;
        self.forget_signals_of(id);
        {
            let mut state = self.timers.state.lock();
            let posix = state.posix.get_mut(&id).ok_or(Errno::EINVAL)?;
            let clock = base_clock(posix.clock, absolute);
            let period_ns = if setting.value_ns == 0 { 0 } else { setting.period_ns };
            posix.interval = Interval::new(clock, self.clock_ns(clock), Setting { period_ns, ..setting }, absolute);
            (posix.is_queued, posix.overrun) = (false, 0);
        }
        self.arm_timers();
        Ok(old)
    }

    /// timer_gettime(2)
    ///
    /// # Errors
    /// As [`Process::set_timer`].
    pub fn timer(&self, id: i32) -> Result<Setting> {
        self.run_timers();
        let mut state = self.timers.state.lock();
        let posix = state.posix.get_mut(&id).ok_or(Errno::EINVAL)?;
        let now_ns = self.clock_ns(posix.interval.clock);
        // Expirations that nobody is told of, or not yet, are counted where they are.
        let mut ahead = posix.interval;
        ahead.pass(now_ns);
        Ok(ahead.left(now_ns))
    }

    /// timer_getoverrun(2)
    ///
    /// # Errors
    /// As [`Process::set_timer`].
    pub fn timer_overrun(&self, id: i32) -> Result<i32> {
        self.timers.state.lock().posix.get(&id).map(|posix| posix.overrun).ok_or(Errno::EINVAL)
    }

    /// timer_delete(2)
    ///
    /// # Errors
    /// As [`Process::set_timer`].
    pub fn delete_timer(&self, id: i32) -> Result<()> {
        self.timers.state.lock().posix.remove(&id).ok_or(Errno::EINVAL)?;
        self.forget_signals_of(id);
        self.arm_timers();
        Ok(())
    }

    /// Take back the signal of a timer that waits.
    fn forget_signals_of(&self, id: i32) {
        let is_its = |information: &Information| information.code == Information::TIMER && information.payload[0] as i32 == id;
        self.signals.with(|state| state.forget(is_its));
        self.threads.with(|table| table.iter_mut().filter_map(|thread| thread.signals.as_mut()).for_each(|own| own.pending.forget(is_its)));
    }

    /// Signals of a number that waited were dropped, since it is ignored: timers that waited for theirs to be delivered go on.
    pub fn note_dropped_signals(&self, signal: u32) {
        let is_its = |posix: &Posix| posix.is_queued && matches!(posix.notify, Notify::Signal { signal: its, .. } if its == signal);
        let mut any = false;
        for posix in self.timers.state.lock().posix.values_mut().filter(|posix| is_its(posix)) {
            posix.is_queued = false;
            any = true;
        }
        if any {
            self.arm_timers();
        }
    }

    /// Let a file's expirations be looked at.
    pub fn add_timer_file(&self, file: &Arc<TimerFile>) {
        let mut state = self.timers.state.lock();
        state.files.retain(|known| known.strong_count() > 0 && !core::ptr::eq(known.as_ptr(), Arc::as_ptr(file)));
        state.files.push(Arc::downgrade(file));
    }

    /// The time of day was set: files that are to say so do, and times on that clock come at others.
    pub fn timers_after_clock_set(&self) {
        let files: alloc::vec::Vec<_> = self.timers.state.lock().files.iter().filter_map(Weak::upgrade).collect();
        files.iter().for_each(|file| file.note_clock_set());
        self.note_change();
        self.arm_timers();
    }

    /// In the child of a fork(2): no timer but those behind descriptors is inherited (fork(2), timer_create(2)).
    pub fn timers_after_fork(&self) {
        {
            let mut state = self.timers.state.lock();
            let files = core::mem::take(&mut state.files);
            *state = State { files, ..State::new() };
        }
        self.arm_timers();
    }

    /// At execve(2): the timers of timer_create(2) are deleted, those of setitimer(2) and alarm(2) go on (execve(2)).
    pub fn timers_after_exec(&self) {
        let ids: alloc::vec::Vec<_> = self.timers.state.lock().posix.keys().copied().collect();
        for id in ids {
            self.forget_signals_of(id);
        }
        {
            let mut state = self.timers.state.lock();
            state.posix.clear();
            state.next_id = 0;
        }
        self.arm_timers();
    }
}
