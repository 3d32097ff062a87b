//! When timers expire.
#![forbid(unsafe_code)]

use alloc::sync::Weak;
use alloc::vec::Vec;
use core::mem::MaybeUninit;
use core::sync::atomic::Ordering;

use crate::kernel::Kernel;
use crate::process::Process;
use crate::signal::Information;
use crate::time::{Clock, ticks_at};
use crate::timer::{CLASSIC, NEVER, Notify, State};

/// A signal that is to be sent.
struct Signal {
    information: Information,
    /// The thread that it is for; the process if none.
    thread: Option<u32>,
    /// The timer that it is of, if it is one of timer_create(2)'s.
    timer: Option<i32>,
}

impl State {
    /// What has expired: signals, and whether a file's readiness has changed.
    fn expire(&mut self, now_ns: &impl Fn(Clock) -> u64) -> (Vec<Signal>, bool) {
        let mut signals = Vec::new();
        for (interval, (signal, _)) in self.classic.iter_mut().zip(CLASSIC) {
            if interval.expires_ns.is_some() && interval.pass(now_ns(interval.clock)) > 0 {
                signals.push(Signal { information: Information::new(signal, Information::KERNEL, 0), thread: None, timer: None });
            }
        }
        for (&id, posix) in self.posix.iter_mut().filter(|(_, posix)| posix.is_waiting()) {
            let count = posix.interval.pass(now_ns(posix.interval.clock));
            let Some((information, thread)) = posix.notify.signal(id).filter(|_| count > 0) else { continue };
            posix.overrun = overrun(count);
            signals.push(Signal { information, thread, timer: Some(id) });
        }
        let mut changed = false;
        self.files.retain(|file| {
            let Some(file) = file.upgrade() else { return false };
            changed |= file.expire(now_ns(file.base_clock()));
            true
        });
        (signals, changed)
    }

    /// The next times to look, in ticks from now: if the thread that runs goes on, and if none runs. And how many go by a thread's clock.
    fn next(&self, running: u32, ticks_of: &impl Fn(Clock, u64) -> u64) -> (u64, u64, u64) {
        let posix = self.posix.values().filter(|posix| posix.is_waiting()).map(|posix| posix.interval);
        let files = self.files.iter().filter_map(Weak::upgrade).filter_map(|file| file.awaited());
        let (mut due, mut due_asleep, mut on_threads) = (NEVER, NEVER, 0);
        for interval in self.classic.iter().copied().chain(posix).chain(files) {
            let Some(expires) = interval.expires_ns else { continue };
            let is_running = match interval.clock {
                Clock::Thread(id) => {
                    on_threads += 1;
                    id == running
                }
                _ => true,
            };
            if is_running {
                let ticks = ticks_of(interval.clock, expires);
                due = due.min(ticks);
                if matches!(interval.clock, Clock::Realtime | Clock::Monotonic) {
                    due_asleep = due_asleep.min(ticks);
                }
            }
        }
        (due, due_asleep, on_threads)
    }
}

/// Expirations beyond the one that a signal is for, as much as there is room for (`DELAYTIMER_MAX`).
pub(super) fn overrun(count: u64) -> i32 {
    i32::try_from(count - 1).unwrap_or(i32::MAX)
}

impl<K: Kernel> Process<K> {
    /// Do what timers are for that have expired.
    pub fn run_timers(&self) {
        if !self.timers.is_due(self.kernel.clock()) {
            return;
        }
        let (signals, changed) = self.timers.state.lock().expire(&|clock| self.clock_ns(clock));
        for signal in signals {
            self.send_timer_signal(signal);
        }
        if changed {
            self.note_change();
        }
        self.end_turn();
        self.arm_timers();
    }

    /// If the process has computed for as long as it wants to, let others run.
    fn end_turn(&self) {
        let end = self.timers.turn_end.load(Ordering::Relaxed);
        if end != NEVER && end <= self.kernel.clock() {
            self.timers.turn_end.store(NEVER, Ordering::Relaxed);
            self.kernel.yield_slice();
        }
    }

    /// Where the turn ends that the process has, from now on if it has not begun; [`NEVER`]: at the end of its slice.
    fn turn_end(&self) -> u64 {
        let (turn, end) = (self.timers.turn(), self.timers.turn_end.load(Ordering::Relaxed));
        if turn == 0 || end != NEVER {
            return end;
        }
        let end = self.kernel.clock() + turn;
        self.timers.turn_end.store(end, Ordering::Relaxed);
        end
    }

    /// The process has nothing to do: nobody waits for its turn's end.
    pub fn rest_turn(&self) {
        if self.timers.forget_turn() {
            self.kernel.set_deadline(None);
        }
    }

    fn send_timer_signal(&self, Signal { information, thread, timer }: Signal) {
        if self.signals.is_dropped(information.signal as u32) {
            return;
        }
        if let Some(id) = timer
            && let Some(posix) = self.timers.state.lock().posix.get_mut(&id)
        {
            posix.is_queued = true;
        }
        match thread.map(|id| self.find_thread(id)) {
            None => self.signal_process(&information),
            Some(Ok(slot)) => self.signal_thread(slot, &information),
            // The thread has ended: nobody is told.
            Some(Err(_)) => {}
        }
    }

    /// Have the kernel tell of the first timer that may expire.
    pub fn arm_timers(&self) {
        let timers = &self.timers;
        let ticks_of = |clock, expires_ns: u64| match clock {
            Clock::Monotonic => ticks_at(self.kernel.info(), expires_ns),
            _ => ticks_at(self.kernel.info(), self.now_ns().saturating_add(expires_ns.saturating_sub(self.clock_ns(clock)))),
        };
        let (running, sleeper) = self.threads.with(|table| (table.current_id(), table.earliest()));
        let (mut due, due_asleep, mut on_threads) = timers.state.lock().next(running, &ticks_of);
        if timers.on_time.load(Ordering::Relaxed) {
            on_threads += 1;
            // One whose time has come is seen now: the table is looked at behind the timers.
            due = sleeper.filter(|&sleeper| sleeper > self.kernel.clock()).map_or(due, |sleeper| due.min(sleeper));
        }
        due = due.min(self.turn_end());
        timers.due.store(due, Ordering::Relaxed);
        timers.due_asleep.store(due_asleep, Ordering::Relaxed);
        timers.on_threads.store(on_threads, Ordering::Relaxed);
        self.kernel.set_deadline((due != NEVER).then_some(due));
    }

    /// The deadline passed where the thread that runs could not hear of it: have it told again soon.
    pub fn postpone_timers(&self) {
        // In parts of a second: long enough for any of the library's short functions on the program's stack.
        const SOON: u64 = 20_000;
        let now = self.kernel.clock();
        if self.timers.is_due(now) {
            self.kernel.set_deadline(Some(now + self.kernel.info().clock_hz / SOON));
        }
    }

    /// Take a pending signal that is in `set`, if there is one.
    pub fn take_signal(&self, set: crate::signal::Set) -> Option<Information> {
        let mut place = MaybeUninit::uninit();
        let information = self.signals.with(|state| state.take(set, &mut place))?;
        self.count_expirations(information);
        Some(*information)
    }

    /// What a signal that was just taken says: a timer's, how many expirations it stands for; and the timer's next can come.
    #[inline]
    pub fn count_expirations(&self, information: &mut Information) {
        if information.code == Information::TIMER {
            self.count_expirations_of_timer(information);
        }
    }

    #[cold]
    fn count_expirations_of_timer(&self, information: &mut Information) {
        let id = information.payload[0] as i32;
        let is_periodic = {
            let mut state = self.timers.state.lock();
            let Some(posix) = state.posix.get_mut(&id).filter(|posix| posix.is_queued) else { return };
            posix.is_queued = false;
            let more = posix.interval.pass(self.clock_ns(posix.interval.clock));
            posix.overrun = overrun((posix.overrun as u64).saturating_add(more).saturating_add(1));
            information.payload[0] = u64::from(id as u32) | (posix.overrun as u64) << 32;
            posix.interval.expires_ns.is_some()
        };
        if is_periodic {
            self.arm_timers();
        }
    }
}

impl super::Posix {
    /// Whether its next expiration is to be looked at.
    fn is_waiting(&self) -> bool {
        !self.is_queued && !matches!(self.notify, Notify::Nobody) && self.interval.expires_ns.is_some()
    }
}
