//! Threads that wake run before those that compute.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use crate::scheduling::{ByPriority, Schedule};
use crate::{Domain, Make, Parameter, Policy};

/// The policy.
pub static POLICY: Policy = Policy {
    name: "deadline",
    summary: "a thread that sleeps runs when its time comes, before those that compute: for latency beside load",
    parameters: &[
        Parameter {
            name: "turns",
            summary: "how often in a row such threads go before those that compute",
            domain: Domain::Number { unit: "turns", least: 1, most: 1 << 20, default: 64 },
        },
        Parameter {
            name: "slice",
            summary: "how long the process computes before other processes have their turn; 0: as long as the kernel's slice",
            domain: Domain::Number { unit: "microseconds", least: 0, most: 1_000_000, default: 0 },
        },
        Parameter {
            name: "others",
            summary: "how long others compute, whatever their policy, before this one has its turn, from 50 on; 0: to the end of their slices",
            domain: Domain::Number { unit: "microseconds", least: 0, most: 1_000_000, default: 0 },
        },
    ],
    make: Make::Scheduling(|values| {
        let (most, slice_us, others_us) = (values.number("turns"), values.number("slice"), values.number("others") as u32);
        Box::new(Deadline { most, slice_us, others_us, ..Deadline::default() })
    }),
};

/// Those who woke in the order in which they did, then the others by their priority.
#[derive(Default)]
struct Deadline {
    woken: VecDeque<usize>,
    others: ByPriority,
    /// Turns of those who woke while others were ready, and the most of them.
    turns: u64,
    most: u64,
    /// What it lets others have their turn after; 0: nothing.
    slice_us: u64,
    /// What it has others let it have its turn after; 0: nothing.
    others_us: u32,
}

impl Schedule for Deadline {
    fn ready(&mut self, thread: usize, priority: u8) {
        self.others.ready(thread, priority);
    }

    fn woke(&mut self, thread: usize, priority: u8) {
        if priority == 0 { self.woken.push_back(thread) } else { self.others.ready(thread, priority) }
    }

    fn is_on_time(&self) -> bool {
        true
    }

    fn turn_us(&self) -> Option<u64> {
        (self.slice_us > 0).then_some(self.slice_us)
    }

    fn others_us(&self) -> Option<u32> {
        (self.others_us > 0).then_some(self.others_us)
    }

    fn ready_first(&mut self, thread: usize, priority: u8) {
        self.others.ready_first(thread, priority);
    }

    fn next(&mut self) -> Option<usize> {
        let others = self.others.highest();
        let is_patient = others.is_none() || others == Some(0) && self.turns < self.most;
        if is_patient && let Some(thread) = self.woken.pop_front() {
            self.turns = if others.is_some() { self.turns + 1 } else { 0 };
            return Some(thread);
        }
        self.turns = 0;
        self.others.next()
    }

    fn highest(&self) -> Option<u8> {
        self.others.highest().or((!self.woken.is_empty()).then_some(0))
    }

    fn remove(&mut self, thread: usize) {
        self.woken.retain(|&woken| woken != thread);
        self.others.remove(thread);
    }

    fn clear(&mut self) {
        self.woken.clear();
        self.others.clear();
        self.turns = 0;
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn who_wakes_goes_first_but_not_for_ever() {
        let mut schedule = Deadline { most: 2, ..Deadline::default() };
        schedule.ready(1, 0);
        schedule.ready(2, 0);
        (3..7).for_each(|thread| schedule.woke(thread, 0));
        schedule.woke(7, 9);
        let order: Vec<usize> = core::iter::from_fn(|| schedule.next()).collect();
        assert_eq!(order, [7, 3, 4, 1, 5, 6, 2]);
        assert!(schedule.is_empty() && schedule.is_on_time());
    }

    #[test]
    fn a_thread_that_is_removed_is_forgotten() {
        let mut schedule = Deadline { most: 2, ..Deadline::default() };
        schedule.woke(1, 0);
        schedule.ready(2, 0);
        schedule.remove(1);
        assert_eq!((schedule.next(), schedule.next()), (Some(2), None));
    }
}
