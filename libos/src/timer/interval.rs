//! A time to come, and those that follow it.
#![forbid(unsafe_code)]

use crate::errno::Result;
use crate::time::{Clock, Timespec};

/// When a timer expires next, on a clock, and how often after that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// The clock that it goes by.
    pub clock: Clock,
    /// The next expiration, in nanoseconds of the clock; none if it is not armed.
    pub expires_ns: Option<u64>,
    /// From one expiration to the next, in nanoseconds; 0 if there is only one.
    pub period_ns: u64,
}

impl Interval {
    /// Not armed.
    pub const IDLE: Interval = Interval { clock: Clock::Monotonic, expires_ns: None, period_ns: 0 };

    /// As a `struct itimerspec` asks for it: on `clock`, which is at `now_ns`, or absolute.
    #[must_use]
    pub fn new(clock: Clock, now_ns: u64, setting: Setting, absolute: bool) -> Interval {
        let start = if absolute { 0 } else { now_ns };
        let expires_ns = (setting.value_ns > 0).then(|| start.saturating_add(setting.value_ns));
        Interval { clock, expires_ns, period_ns: setting.period_ns }
    }

    /// Whether it has expired where its clock is at `now_ns`.
    #[must_use]
    pub fn is_due(&self, now_ns: u64) -> bool {
        self.expires_ns.is_some_and(|expires| expires <= now_ns)
    }

    /// Go past all expirations up to `now_ns`; gives how many they were.
    pub fn pass(&mut self, now_ns: u64) -> u64 {
        let Some(expires) = self.expires_ns.filter(|&expires| expires <= now_ns) else { return 0 };
        if self.period_ns == 0 {
            self.expires_ns = None;
            return 1;
        }
        let count = (now_ns - expires) / self.period_ns + 1;
        self.expires_ns = Some(expires.saturating_add(count.saturating_mul(self.period_ns)));
        count
    }

    /// What is left and what follows. Nothing is left of one that is not armed.
    #[must_use]
    pub fn left(&self, now_ns: u64) -> Setting {
        Setting { value_ns: self.expires_ns.map_or(0, |expires| expires.saturating_sub(now_ns)), period_ns: self.period_ns }
    }
}

/// What `struct itimerspec` and `struct itimerval` hold, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Setting {
    /// To or at the next expiration; 0 for none.
    pub value_ns: u64,
    /// From one to the next; 0 for none.
    pub period_ns: u64,
}

impl Setting {
    /// From a `struct itimerspec`: period, value.
    ///
    /// # Errors
    /// `EINVAL`: one of the times is none.
    pub fn from_timespecs([period, value]: [[i64; 2]; 2]) -> Result<Setting> {
        let period_ns = Timespec(period).ns()?;
        Ok(Setting { value_ns: Timespec(value).ns()?, period_ns })
    }

    /// As a `struct itimerspec`.
    #[must_use]
    pub fn timespecs(self) -> [[i64; 2]; 2] {
        [self.period_ns, self.value_ns].map(|ns| Timespec::from_ns(ns).0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SETTING: Setting = Setting { value_ns: 100, period_ns: 30 };

    #[test]
    fn a_single_expiration_passes_once() {
        let mut interval = Interval::new(Clock::Monotonic, 1000, Setting { period_ns: 0, ..SETTING }, false);
        assert_eq!((interval.pass(1099), interval.left(1099).value_ns), (0, 1));
        assert_eq!((interval.pass(1100), interval.left(1100).value_ns), (1, 0));
        assert_eq!(interval.pass(9999), 0);
    }

    #[test]
    fn an_absolute_time_that_has_passed_is_due_with_all_that_followed_it() {
        let mut interval = Interval::new(Clock::Realtime, 1000, SETTING, true);
        assert!(interval.is_due(1000));
        assert_eq!(interval.pass(1000), 31);
        assert_eq!(interval.expires_ns, Some(1030));
    }

    #[test]
    fn nothing_is_never_due() {
        let mut interval = Interval::new(Clock::Monotonic, 1000, Setting { value_ns: 0, period_ns: 5 }, false);
        assert_eq!((interval.pass(u64::MAX), interval.left(0)), (0, Setting { value_ns: 0, period_ns: 5 }));
    }

    proptest! {
        #[test]
        fn as_many_pass_at_once_as_one_by_one(value in 1u64..1000, period in 1u64..1000, steps in prop::collection::vec(0u64..5000, 1..20)) {
            let setting = Setting { value_ns: value, period_ns: period };
            let mut often = Interval::new(Clock::Monotonic, 0, setting, false);
            let mut once = often;
            let (mut now, mut count) = (0, 0);
            for step in steps {
                now += step;
                count += often.pass(now);
            }
            prop_assert_eq!(once.pass(now), count);
            prop_assert_eq!(once, often);
        }
    }
}
