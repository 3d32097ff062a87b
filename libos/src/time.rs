//! Clocks: what clock_gettime(2) and its like read, from the counter and the first info page.
#![forbid(unsafe_code)]

use core::mem::offset_of;
use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering};

use abi::InfoPage;

use crate::errno::{Errno, Result};
use crate::kernel::Kernel;
use crate::process::Process;
use crate::thread::Waits;

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
    /// One of these at the beginning of its tick: [`coarse_tick`].
    Coarse(Linear),
    /// What the threads of the process with this id had of the CPU; 0 for the one that asks.
    Process(u32),
    /// What the thread with this id had of it; 0 for the one that asks.
    Thread(u32),
}

impl Clock {
    /// By `CLOCK_*` number.
    ///
    /// # Errors
    /// `EINVAL`: no such clock.
    pub fn from_number(number: i32) -> Result<Clock> {
        match number {
            // REALTIME, REALTIME_ALARM, TAI.
            0 | 8 | 11 => Ok(Clock::Realtime),
            // MONOTONIC, MONOTONIC_RAW, BOOTTIME, BOOTTIME_ALARM.
            1 | 4 | 7 | 9 => Ok(Clock::Monotonic),
            5 => Ok(Clock::Coarse(Linear::Realtime)),
            6 => Ok(Clock::Coarse(Linear::Monotonic)),
            2 => Ok(Clock::Process(0)),
            3 => Ok(Clock::Thread(0)),
            // What clock_getcpuclockid(3) and pthread_getcpuclockid(3) make of an id: its complement, and which clock in the low three bits.
            0.. => Err(Errno::EINVAL),
            _ => match (!(number >> 3) as u32, number & 7) {
                (id, 2) => Ok(Clock::Process(id)),
                (id, 6) => Ok(Clock::Thread(id)),
                _ => Err(Errno::EINVAL),
            },
        }
    }
}

/// The linear clocks: their index in [`Clocks`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
pub enum Linear {
    /// Time of day: `CLOCK_REALTIME`'s number.
    Realtime = 0,
    /// Since boot: `CLOCK_MONOTONIC`'s number.
    Monotonic = 1,
}

/// What makes times of the counter: one block, read by calls and by the vDSO's functions alike, so that the two never disagree.
///
/// A time is `ticks * scale + offset`, modulo 2^128, in seconds with 64 fraction bits. Products and sums are exact, so that no clock goes back
/// and none loses what was added. `scale` is `2^64 / clock_hz` rounded up: a clock is fast by at most one part in `2^64 / clock_hz`
/// (at 1 GHz 1.7 ms a year), and never slow. Nanoseconds are rounded down.
#[derive(Default, Debug)]
#[repr(C)]
pub struct Clocks {
    /// Seconds a tick, with 64 fraction bits.
    scale: AtomicU64,
    /// Fraction and seconds of each [`Linear`] clock where the counter was 0. Only the process itself sets them, between its calls.
    offsets: [[AtomicU64; 2]; 2],
}

/// Seconds with 64 fraction bits that are at least so many nanoseconds, by less than one.
fn fixed(ns: u64) -> u128 {
    let fraction = (u128::from(ns % SECOND) << 64).div_ceil(u128::from(SECOND));
    (u128::from(ns / SECOND) << 64) + fraction
}

/// A fraction of a second of 64 bits, in units of which a second has so many.
#[inline(always)]
fn part(time: u128, units: u64) -> u64 {
    ((u128::from(time as u64) * u128::from(units)) >> 64) as u64
}

impl Clocks {
    /// Where the vDSO's assembly finds the scale.
    pub const SCALE: usize = offset_of!(Clocks, scale);
    /// Where it finds the offsets, two words a clock.
    pub const OFFSETS: usize = offset_of!(Clocks, offsets);

    /// Those of a machine as the first info page describes it.
    #[must_use]
    pub fn new(info: &InfoPage) -> Clocks {
        let clocks = Clocks::default();
        clocks.scale.store(scale(info), Ordering::Relaxed);
        let monotonic = 0u128.wrapping_sub(clocks.scaled(info.boot_ticks));
        clocks.set(Linear::Monotonic, monotonic);
        clocks.set(Linear::Realtime, monotonic.wrapping_add(fixed(info.boot_unix_ns)));
        clocks
    }

    #[inline(always)]
    fn scaled(&self, ticks: u64) -> u128 {
        u128::from(ticks) * u128::from(self.scale.load(Ordering::Relaxed))
    }

    fn set(&self, clock: Linear, offset: u128) {
        let [fraction, seconds] = &self.offsets[clock as usize];
        fraction.store(offset as u64, Ordering::Relaxed);
        seconds.store((offset >> 64) as u64, Ordering::Relaxed);
    }

    #[inline(always)]
    fn at(&self, clock: Linear, ticks: u64) -> u128 {
        let [fraction, seconds] = &self.offsets[clock as usize];
        let offset = u128::from(fraction.load(Ordering::Relaxed)) | u128::from(seconds.load(Ordering::Relaxed)) << 64;
        self.scaled(ticks).wrapping_add(offset)
    }

    /// A clock where the counter is `ticks`: seconds, and `units` of which a second has so many.
    #[must_use]
    #[inline(always)]
    pub fn split(&self, clock: Linear, ticks: u64, units: u64) -> [u64; 2] {
        let time = self.at(clock, ticks);
        [(time >> 64) as u64, part(time, units)]
    }

    /// A clock where the counter is `ticks`, in nanoseconds.
    #[must_use]
    pub fn ns(&self, clock: Linear, ticks: u64) -> u64 {
        let [seconds, ns] = self.split(clock, ticks, SECOND);
        seconds.wrapping_mul(SECOND).wrapping_add(ns)
    }

    /// Let the time of day be `ns` where the counter is `ticks`.
    pub fn set_realtime(&self, ticks: u64, ns: u64) {
        self.set(Linear::Realtime, fixed(ns).wrapping_sub(self.scaled(ticks)));
    }
}

/// Seconds a tick, with 64 fraction bits, rounded up.
fn scale(info: &InfoPage) -> u64 {
    (1u128 << 64).div_ceil(u128::from(info.clock_hz.max(2))) as u64
}

/// Ticks a second of the coarse clocks, and of the times that files have: those of Linux where `HZ` is 250.
pub const COARSE_HZ: u64 = 250;

/// The tick of the coarse clocks in which the counter is at `now`: where it began, and where the next one begins.
#[must_use]
pub fn coarse_tick(info: &InfoPage, now: u64) -> Range<u64> {
    let length = (info.clock_hz / COARSE_HZ).max(1);
    let begin = now - now.saturating_sub(info.boot_ticks) % length;
    begin..begin + length
}

/// What a process knows of time beside the counter.
#[derive(Default)]
pub struct Times {
    /// The clocks.
    pub clocks: Clocks,
    /// The monotonic clock when the process began.
    pub began_ns: u64,
    /// The barriers that membarrier(2) was told will be used.
    pub barriers: core::sync::atomic::AtomicU32,
}

impl Times {
    /// Of a process that begins where the counter is `ticks`.
    #[must_use]
    pub fn beginning(info: &InfoPage, ticks: u64) -> Times {
        let clocks = Clocks::new(info);
        Times { began_ns: clocks.ns(Linear::Monotonic, ticks), clocks, ..Times::default() }
    }
}

/// The counter's first value at which the monotonic clock is at `ns`.
#[must_use]
pub fn ticks_at(info: &InfoPage, ns: u64) -> u64 {
    let ticks = (u128::from(ns) << 64).div_ceil(u128::from(scale(info)) * u128::from(SECOND));
    u64::try_from(ticks).unwrap_or(u64::MAX).saturating_add(info.boot_ticks)
}

impl<K: Kernel> Process<K> {
    /// Nanoseconds since boot.
    #[must_use]
    pub fn now_ns(&self) -> u64 {
        self.times.clocks.ns(Linear::Monotonic, self.kernel.clock())
    }

    /// So many ticks in nanoseconds.
    pub fn span_ns(&self, ticks: u64) -> u64 {
        self.times.clocks.ns(Linear::Monotonic, self.kernel.info().boot_ticks + ticks)
    }

    /// The clock that a `CLOCK_*` number names.
    ///
    /// # Errors
    /// `EINVAL`: no such clock, or no such thread.
    pub fn clock(&self, number: i32) -> Result<Clock> {
        let clock = Clock::from_number(number)?;
        match clock {
            Clock::Thread(id) => self.find_thread(id).map(drop).map_err(|_| Errno::EINVAL)?,
            Clock::Process(id) if id != 0 && id != self.id() => return Err(Errno::EINVAL),
            _ => {}
        }
        Ok(clock)
    }

    /// A clock's time, in nanoseconds.
    #[must_use]
    pub fn clock_ns(&self, clock: Clock) -> u64 {
        match clock {
            Clock::Monotonic => self.now_ns(),
            Clock::Process(_) => self.span_ns(self.kernel.ran()),
            Clock::Thread(id) => self.find_thread(id).map_or(0, |slot| {
                let now = self.kernel.ran();
                self.span_ns(self.threads.with(|table| table.used(slot, now)))
            }),
            Clock::Realtime => self.times.clocks.ns(Linear::Realtime, self.kernel.clock()),
            Clock::Coarse(clock) => self.times.clocks.ns(clock, coarse_tick(self.kernel.info(), self.kernel.clock()).start),
        }
    }

    /// Set the time of day, for this process: there is no one point of order for it.
    pub fn set_realtime(&self, ns: u64) {
        self.times.clocks.set_realtime(self.kernel.clock(), ns);
        self.timers_after_clock_set();
    }

    /// Sleep until the monotonic clock passes `deadline_ns`; with `None`, until a signal comes.
    ///
    /// # Errors
    /// `ETIMEDOUT`: the deadline passed. `EINTR`: a signal came.
    pub fn sleep_until(&self, deadline_ns: Option<u64>) -> Result<()> {
        self.block(Waits::Signal, deadline_ns)
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn info(clock_hz: u64, boot_ticks: u64) -> InfoPage {
        let fake = crate::fake::FakeKernel::new(0);
        InfoPage { clock_hz, boot_ticks, boot_unix_ns: 1_700_000_000_000_000_000, ..*fake.info() }
    }

    proptest! {
        #[test]
        fn a_clock_never_goes_back_and_is_never_slow(hz in 1_000_000u64..6_000_000_000, boot in 0u64..1 << 62, at in 0u64..1 << 61, step in 0u64..1 << 40) {
            let info = info(hz, boot);
            let clocks = Clocks::new(&info);
            let (one, two) = (clocks.ns(Linear::Monotonic, boot + at), clocks.ns(Linear::Monotonic, boot + at + step));
            prop_assert!(one <= two);
            let exact = u128::from(at) * u128::from(SECOND) / u128::from(hz);
            prop_assume!(exact < 1 << 63);
            // Fast by at most a tick's worth in 2^64 / hz.
            let most = exact + ((exact * u128::from(hz)) >> 64) + 1;
            prop_assert!((exact..=most).contains(&u128::from(one)), "{one} {exact}");
        }

        #[test]
        fn a_deadline_is_the_first_tick_at_its_time(hz in 1_000_000u64..6_000_000_000, boot in 0u64..1 << 62, ns in 1u64..1 << 55) {
            let info = info(hz, boot);
            let clocks = Clocks::new(&info);
            let ticks = ticks_at(&info, ns);
            prop_assert!(clocks.ns(Linear::Monotonic, ticks) >= ns);
            prop_assert!(clocks.ns(Linear::Monotonic, ticks - 1) < ns);
        }

        #[test]
        fn the_time_of_day_is_what_it_was_set_to(ticks in 0u64..1 << 62, ns in 0u64..u64::MAX) {
            let clocks = Clocks::new(&info(2_400_000_000, 77));
            clocks.set_realtime(ticks, ns);
            prop_assert_eq!(clocks.ns(Linear::Realtime, ticks), ns);
        }
    }

    #[test]
    fn a_coarse_clock_stands_still_for_a_tick() {
        let info = info(62_500_000, 12345);
        let length = 62_500_000 / COARSE_HZ;
        assert_eq!(coarse_tick(&info, 12345), 12345..12345 + length);
        assert_eq!(coarse_tick(&info, 12345 + length - 1), 12345..12345 + length);
        assert_eq!(coarse_tick(&info, 12345 + length), 12345 + length..12345 + 2 * length);
    }

    #[test]
    fn the_time_of_day_at_boot_is_the_machines() {
        let clocks = Clocks::new(&info(62_500_000, 12345));
        assert_eq!(clocks.split(Linear::Realtime, 12345, SECOND), [1_700_000_000, 0]);
        assert_eq!(clocks.split(Linear::Realtime, 12345 + 62_500_000 / 2, 1_000_000), [1_700_000_000, 500_000]);
        assert_eq!(clocks.ns(Linear::Monotonic, 12345), 0);
    }
}
