//! timerfd_create(2): a timer whose expirations are read.

use alloc::sync::Arc;

use spin::Mutex;

use crate::errno::{Errno, Result};
use crate::file::{Blocking, Edges, File, Output, Readiness, Seeking};
use crate::time::Clock;
use crate::timer::{Interval, Setting};
use crate::vfs::world::World;

struct State {
    interval: Interval,
    /// Expirations that nobody has read.
    ticks: u64,
    /// Whether it has expired since it was last set, read or asked. Only the first expiration wakes who waits.
    has_expired: bool,
    /// Whether it is to say so when the time of day is set (`TFD_TIMER_CANCEL_ON_SET`).
    follows_settings: bool,
    was_set_behind: bool,
    edges: Edges,
}

impl State {
    /// Note whether it has expired; whether that is news.
    fn expire(&mut self, now_ns: u64) -> bool {
        let news = !self.has_expired && self.interval.is_due(now_ns);
        if news {
            self.has_expired = true;
            self.ticks += 1;
            self.edges.note_input();
        }
        news
    }

    /// Count all expirations up to now.
    fn count(&mut self, now_ns: u64) {
        if self.interval.is_due(now_ns) {
            let counted = u64::from(core::mem::replace(&mut self.has_expired, false));
            self.ticks += self.interval.pass(now_ns) - counted;
        }
    }

    fn take_cancelled(&mut self) -> bool {
        core::mem::replace(&mut self.was_set_behind, false)
    }
}

/// A timer.
pub struct Timer {
    /// The clock that it was made for.
    pub clock: Clock,
    state: Mutex<State>,
}

impl Timer {
    /// A timer of a clock that is not armed.
    #[must_use]
    pub fn new(clock: Clock) -> Arc<Timer> {
        let state = State {
            interval: Interval { clock, ..Interval::IDLE },
            ticks: 0,
            has_expired: false,
            follows_settings: false,
            was_set_behind: false,
            edges: Edges::default(),
        };
        Arc::new(Timer { clock, state: Mutex::new(state) })
    }

    /// The clock that its time is kept on.
    #[must_use]
    pub fn base_clock(&self) -> Clock {
        self.state.lock().interval.clock
    }

    /// Note whether it has expired, its clock being at `now_ns`; whether who waits for it is to be told.
    pub fn expire(&self, now_ns: u64) -> bool {
        self.state.lock().expire(now_ns)
    }

    /// The expiration that who waits for it is to be told of.
    #[must_use]
    pub fn awaited(&self) -> Option<Interval> {
        let state = self.state.lock();
        (!state.has_expired && state.interval.expires_ns.is_some()).then_some(state.interval)
    }

    /// The time of day was set.
    pub fn note_clock_set(&self) {
        let mut state = self.state.lock();
        if state.follows_settings {
            state.was_set_behind = true;
            state.ticks += 1;
            state.edges.note_input();
        }
    }

    /// Set it; gives what it was.
    ///
    /// # Errors
    /// `ECANCELED`: the time of day was set since it was last set or read, and it was to say so. It is set all the same.
    pub fn set(&self, world: &dyn World, interval: Interval, follows_settings: bool) -> Result<Setting> {
        let old = self.left(world);
        let mut state = self.state.lock();
        let is_armed = interval.expires_ns.is_some();
        (state.interval, state.ticks, state.has_expired) = (interval, 0, false);
        state.follows_settings = follows_settings;
        let cancelled = state.take_cancelled();
        drop(state);
        world.timers_changed();
        if cancelled && follows_settings && is_armed { Err(Errno::ECANCELED) } else { Ok(old) }
    }

    /// What is left and what follows.
    #[must_use]
    pub fn left(&self, world: &dyn World) -> Setting {
        let mut state = self.state.lock();
        let now_ns = world.clock_ns(state.interval.clock);
        state.count(now_ns);
        let left = state.interval.left(now_ns);
        drop(state);
        world.timers_changed();
        left
    }

    /// The expirations since the last read, which are read now; 0 for none.
    fn take(&self, world: &dyn World) -> Result<u64> {
        let mut state = self.state.lock();
        let now_ns = world.clock_ns(state.interval.clock);
        state.count(now_ns);
        let ticks = core::mem::take(&mut state.ticks);
        if state.take_cancelled() { Err(Errno::ECANCELED) } else { Ok(ticks) }
    }
}

impl File for Timer {
    fn read(&self, world: &dyn World, output: &mut Output, _: u64, blocking: Blocking) -> Result<usize> {
        if output.room() < 8 {
            return Err(Errno::EINVAL);
        }
        loop {
            let ticks = self.take(world)?;
            if ticks > 0 {
                world.timers_changed();
                return output.put(&ticks.to_ne_bytes());
            }
            if blocking == Blocking::Refused {
                return Err(Errno::EAGAIN);
            }
            world.await_change()?;
        }
    }

    fn seeking(&self) -> Seeking {
        Seeking::Pointless
    }

    fn is_pollable(&self) -> bool {
        true
    }

    fn edges(&self, world: &dyn World) -> Edges {
        let mut state = self.state.lock();
        let now_ns = world.clock_ns(state.interval.clock);
        state.expire(now_ns);
        state.edges
    }

    fn readiness(&self, world: &dyn World) -> Readiness {
        let mut state = self.state.lock();
        let now_ns = world.clock_ns(state.interval.clock);
        state.expire(now_ns);
        if state.ticks > 0 { Readiness::IN } else { Readiness::empty() }
    }
}
