//! Points to go on from, every so many calls: for a long computation that something may end.

use alloc::boxed::Box;

use crate::recovery::{End, Progress, Recovery};
use crate::{Domain, Make, Parameter, Policy};

/// The policy.
pub static POLICY: Policy = Policy {
    name: "checkpoint",
    summary: "a process that a signal ends goes on from its last point, as if it had not ended",
    parameters: &[
        Parameter {
            name: "calls",
            summary: "how many calls lie between two points",
            domain: Domain::Number { unit: "calls", least: 1, most: u32::MAX as u64, default: 1000 },
        },
        Parameter {
            name: "times",
            summary: "how often it goes on from the same point",
            domain: Domain::Number { unit: "times", least: 1, most: u32::MAX as u64, default: 3 },
        },
    ],
    make: Make::Recovery(|values| Box::new(Checkpoint { calls: values.number("calls"), times: values.number("times") as u32 })),
};

/// What a user or a shell ends programs with: `SIGHUP`, `SIGINT`, `SIGQUIT`, `SIGTERM`.
const MEANT: [u32; 4] = [1, 2, 3, 15];

struct Checkpoint {
    calls: u64,
    times: u32,
}

impl Recovery for Checkpoint {
    fn is_due(&mut self, progress: &Progress) -> bool {
        progress.calls >= self.calls
    }

    fn goes_back(&mut self, end: &End) -> bool {
        !MEANT.contains(&end.signal) && end.times < self.times
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_lie_so_many_calls_apart_and_what_was_meant_is_an_end() {
        let mut policy = Checkpoint { calls: 10, times: 2 };
        assert!(!policy.is_due(&Progress { calls: 9, ticks: u64::MAX }) && policy.is_due(&Progress { calls: 10, ticks: 0 }));
        let ends = [(11, 0), (9, 1), (11, 2), (15, 0)].map(|(signal, times)| policy.goes_back(&End { signal, times }));
        assert_eq!(ends, [true, true, false, false]);
    }
}
