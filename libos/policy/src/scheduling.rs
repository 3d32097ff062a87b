//! Which thread runs next.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};

/// Which of the ready threads runs. Threads are named by their slot in the table.
pub trait Schedule: Send {
    /// A thread became ready, or its slice ended: behind all of its priority, 0 for those of no real-time policy.
    fn ready(&mut self, thread: usize, priority: u8);
    /// A thread's wait is over, by its time or by somebody's doing.
    fn woke(&mut self, thread: usize, priority: u8) {
        self.ready(thread, priority);
    }
    /// Whether a thread that sleeps is to wake when its time comes, though another runs: else that is seen when the slice of that one ends.
    fn is_on_time(&self) -> bool {
        false
    }
    /// How long the process computes, in microseconds, before other processes have their turn; none: to the end of its slice.
    fn turn_us(&self) -> Option<u64> {
        None
    }
    /// How long other processes may compute, in microseconds, before this one has its turn, if it wants one; none: to the end of their slices. The
    /// server asks them, and takes time from who does not listen.
    fn others_us(&self) -> Option<u32> {
        None
    }
    /// A thread of a real-time policy is to run again before all others of its priority.
    fn ready_first(&mut self, thread: usize, priority: u8);
    /// The thread to run, which is then not ready any more.
    fn next(&mut self) -> Option<usize>;
    /// The highest priority of a ready thread.
    fn highest(&self) -> Option<u8>;
    /// Whether no thread is ready.
    fn is_empty(&self) -> bool {
        self.highest().is_none()
    }
    /// A thread is not ready any more.
    fn remove(&mut self, thread: usize);
    /// No thread is ready any more.
    fn clear(&mut self);
}

/// The highest priority first, and one after the other in each.
#[derive(Debug, Default)]
pub struct ByPriority {
    ordinary: VecDeque<usize>,
    /// Those of real-time policies and their priorities, the highest first.
    real_time: VecDeque<(u8, usize)>,
}

impl Schedule for ByPriority {
    fn ready(&mut self, thread: usize, priority: u8) {
        if priority == 0 {
            return self.ordinary.push_back(thread);
        }
        let place = self.real_time.partition_point(|&(other, _)| other >= priority);
        self.real_time.insert(place, (priority, thread));
    }

    fn ready_first(&mut self, thread: usize, priority: u8) {
        let place = self.real_time.partition_point(|&(other, _)| other > priority);
        self.real_time.insert(place, (priority, thread));
    }

    fn next(&mut self) -> Option<usize> {
        if self.real_time.is_empty() { self.ordinary.pop_front() } else { self.real_time.pop_front().map(|(_, thread)| thread) }
    }

    fn highest(&self) -> Option<u8> {
        let ordinary = (!self.ordinary.is_empty()).then_some(0);
        self.real_time.front().map(|&(priority, _)| priority).or(ordinary)
    }

    fn remove(&mut self, thread: usize) {
        self.ordinary.retain(|&ready| ready != thread);
        self.real_time.retain(|&(_, ready)| ready != thread);
    }

    fn clear(&mut self) {
        *self = ByPriority::default();
    }
}

/// A policy, and how often a thread's turn came by it.
pub struct Counted {
    inner: Box<dyn Schedule>,
    turns: Arc<AtomicU64>,
}

impl Counted {
    /// Count the turns of a policy.
    #[must_use]
    pub fn new(inner: Box<dyn Schedule>, turns: Arc<AtomicU64>) -> Counted {
        Counted { inner, turns }
    }
}

impl Schedule for Counted {
    fn ready(&mut self, thread: usize, priority: u8) {
        self.inner.ready(thread, priority);
    }

    fn woke(&mut self, thread: usize, priority: u8) {
        self.inner.woke(thread, priority);
    }

    fn is_on_time(&self) -> bool {
        self.inner.is_on_time()
    }

    fn turn_us(&self) -> Option<u64> {
        self.inner.turn_us()
    }

    fn others_us(&self) -> Option<u32> {
        self.inner.others_us()
    }

    fn ready_first(&mut self, thread: usize, priority: u8) {
        self.inner.ready_first(thread, priority);
    }

    fn next(&mut self) -> Option<usize> {
        self.inner.next().inspect(|_| {
            self.turns.fetch_add(1, Ordering::Relaxed);
        })
    }

    fn highest(&self) -> Option<u8> {
        self.inner.highest()
    }

    fn remove(&mut self, thread: usize) {
        self.inner.remove(thread);
    }

    fn clear(&mut self) {
        self.inner.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_higher_priority_goes_first_and_equals_take_turns() {
        let mut schedule = ByPriority::default();
        for (thread, priority) in [(1, 0), (2, 10), (3, 20), (4, 10), (5, 0)] {
            schedule.ready(thread, priority);
        }
        schedule.ready_first(6, 10);
        assert_eq!(schedule.highest(), Some(20));
        schedule.remove(4);
        let order: Vec<usize> = core::iter::from_fn(|| schedule.next()).collect();
        assert_eq!(order, [3, 6, 2, 1, 5]);
        assert!(schedule.is_empty());
    }
}
