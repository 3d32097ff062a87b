//! Clocks: what clock_gettime(2) and its like read, from the counter and the first info page.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use abi::{InfoPage, WaitWord};

use crate::errno::{Errno, Result};
use crate::kernel::Kernel;
use crate::process::Process;

/// Nanoseconds in a second.
pub const SECOND: u64 = 1_000_000_000;

/// `struct timespec`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct Timespec(pub [i64; 2]);

impl Timespec {
    /// From nanoseconds.
    #[must_use]
    pub fn from_ns(ns: u64) -> Timespec {
        Timespec([(ns / SECOND) as i64, (ns % SECOND) as i64])
    }

    /// In nanoseconds, as much as there is room for.
    ///
    /// # Errors
    /// `EINVAL`: negative seconds, or nanoseconds that are no fraction of a second.
    pub fn ns(self) -> Result<u64> {
        let [seconds, ns] = self.0;
        if seconds < 0 || !(0..SECOND as i64).contains(&ns) {
            return Err(Errno::EINVAL);
        }
        Ok((seconds as u64).saturating_mul(SECOND).saturating_add(ns as u64))
    }
}

/// A clock that clock_gettime(2) names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Clock {
    /// Time of day.
    Realtime,
    /// Since boot.
    Monotonic,
    /// Since the process began: it is the only one, and has the CPU when it wants it.
    Process,
}

impl Clock {
    /// By `CLOCK_*` number.
    ///
    /// # Errors
    /// `EINVAL`: no such clock.
    pub fn from_number(number: i32) -> Result<Clock> {
        match number {
            // REALTIME, REALTIME_COARSE, REALTIME_ALARM, TAI.
            0 | 5 | 8 | 11 => Ok(Clock::Realtime),
            // MONOTONIC, MONOTONIC_RAW, MONOTONIC_COARSE, BOOTTIME, BOOTTIME_ALARM.
            1 | 4 | 6 | 7 | 9 => Ok(Clock::Monotonic),
            // PROCESS_CPUTIME_ID, THREAD_CPUTIME_ID, and what clock_getcpuclockid(3) makes of process 0 (itself).
            2 | 3 | -6 | -2 => Ok(Clock::Process),
            _ => Err(Errno::EINVAL),
        }
    }
}

/// What a process knows of time beside the clocks.
#[derive(Default)]
pub struct Times {
    /// What clock_settime(2) added to the time of day, in nanoseconds.
    offset_ns: AtomicI64,
    /// The monotonic clock when the process began.
    pub began_ns: u64,
    /// A word that nobody changes: what a sleep waits on.
    idle: AtomicU32,
}

impl Times {
    /// Of a process that begins at a point of the monotonic clock.
    #[must_use]
    pub fn beginning(began_ns: u64) -> Times {
        Times { began_ns, ..Times::default() }
    }
}

/// Nanoseconds since the counter's value `boot_ticks`.
#[must_use]
pub fn ns_since_boot(info: &InfoPage, ticks: u64) -> u64 {
    let elapsed = ticks.saturating_sub(info.boot_ticks);
    ((u128::from(elapsed) * u128::from(info.clock_mult)) >> 32) as u64
}

/// The counter's value at a point of the monotonic clock, rounded up.
#[must_use]
pub fn ticks_at(info: &InfoPage, ns: u64) -> u64 {
    let ticks = (u128::from(ns) << 32).div_ceil(u128::from(info.clock_mult.max(1)));
    u64::try_from(ticks).unwrap_or(u64::MAX).saturating_add(info.boot_ticks)
}

impl<K: Kernel> Process<K> {
    /// Nanoseconds since boot.
    #[must_use]
    pub fn now_ns(&self) -> u64 {
        ns_since_boot(self.kernel.info(), self.kernel.clock())
    }

    /// A clock's time, in nanoseconds.
    #[must_use]
    pub fn clock_ns(&self, clock: Clock) -> u64 {
        let now = self.now_ns();
        match clock {
            Clock::Monotonic => now,
            Clock::Process => now.saturating_sub(self.times.began_ns),
            Clock::Realtime => {
                let unset = self.kernel.info().boot_unix_ns.wrapping_add(now);
                unset.wrapping_add_signed(self.times.offset_ns.load(Ordering::Relaxed))
            }
        }
    }

    /// Set the time of day, for this process: there is no one point of order for it.
    pub fn set_realtime(&self, ns: u64) {
        let unset = self.kernel.info().boot_unix_ns.wrapping_add(self.now_ns());
        self.times.offset_ns.store(ns.wrapping_sub(unset) as i64, Ordering::Relaxed);
    }

    /// Sleep until the monotonic clock passes `deadline_ns`; with `None`, until a signal comes.
    ///
    /// # Errors
    /// `ETIMEDOUT`: the deadline passed. `EINTR`: a signal came.
    pub fn sleep_until(&self, deadline_ns: Option<u64>) -> Result<()> {
        if self.signals.is_pending() {
            return Err(Errno::EINTR);
        }
        let deadline = deadline_ns.map(|ns| ticks_at(self.kernel.info(), ns));
        let word = WaitWord { address: self.times.idle.as_ptr() as u64, value: 0, reserved: 0 };
        loop {
            match self.kernel.wait(&[word], deadline) {
                Err(abi::Error::TimedOut) => return Err(Errno::ETIMEDOUT),
                Err(abi::Error::Interrupted) => return Err(Errno::EINTR),
                Err(error) => return Err(error.into()),
                Ok(_) if self.signals.is_pending() => return Err(Errno::EINTR),
                Ok(_) => {}
            }
        }
    }
}

/// `struct timeval`.
#[must_use]
pub fn timeval(ns: u64) -> [i64; 2] {
    [(ns / SECOND) as i64, (ns % SECOND / 1000) as i64]
}

// Copied from and to programs as two words.
impl From<[i64; 2]> for Timespec {
    fn from(words: [i64; 2]) -> Timespec {
        Timespec(words)
    }
}
