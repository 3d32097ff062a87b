//! Who is ready, and whose turn is next.
#![forbid(unsafe_code)]

use alloc::boxed::Box;

use policy::scheduling::{ByPriority, Schedule};

/// Where the threads are that are ready.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ready {
    /// There are none.
    Nobody,
    /// One of no real-time policy is, alone: there is nothing to ask a schedule.
    One(usize),
    /// The schedule has them, if there are any.
    Scheduled,
}

/// The threads that are ready, in the order of a schedule. Most that wake are alone, and run before another does: where nobody chose the schedule,
/// which would do as much with one thread, they do not come to it.
pub(super) struct Turns {
    ready: Ready,
    schedule: Box<dyn Schedule>,
    is_chosen: bool,
}

impl Default for Turns {
    fn default() -> Turns {
        Turns { ready: Ready::Nobody, schedule: Box::new(ByPriority::default()), is_chosen: false }
    }
}

impl Turns {
    /// Go by another schedule: one that somebody chose, which is told all, or the usual one.
    pub(super) fn follow(&mut self, schedule: Box<dyn Schedule>, is_chosen: bool) {
        debug_assert!(self.is_empty(), "a ready thread would be forgotten");
        (self.schedule, self.is_chosen) = (schedule, is_chosen);
        self.clear();
    }

    /// A thread became ready, or its slice ended.
    #[inline(always)]
    pub(super) fn ready(&mut self, thread: usize, priority: u8) {
        if !self.is_first(thread, priority) {
            self.scheduled().ready(thread, priority);
        }
    }

    /// A thread's wait is over.
    #[inline(always)]
    pub(super) fn woke(&mut self, thread: usize, priority: u8) {
        if !self.is_first(thread, priority) {
            self.scheduled().woke(thread, priority);
        }
    }

    /// A thread of a real-time policy is to run again before all others of its priority.
    pub(super) fn ready_first(&mut self, thread: usize, priority: u8) {
        self.scheduled().ready_first(thread, priority);
    }

    /// Whether a thread that is ready is that alone, and is noted so.
    #[inline(always)]
    fn is_first(&mut self, thread: usize, priority: u8) -> bool {
        let is_first = self.ready == Ready::Nobody && priority == 0;
        if is_first {
            self.ready = Ready::One(thread);
        }
        is_first
    }

    /// The schedule, which has all that are ready.
    #[inline(never)]
    fn scheduled(&mut self) -> &mut dyn Schedule {
        if let Ready::One(thread) = core::mem::replace(&mut self.ready, Ready::Scheduled) {
            self.schedule.ready(thread, 0);
        }
        &mut *self.schedule
    }

    /// The thread that is ready, alone and of no real-time policy; none if that cannot be said without the schedule.
    #[inline(always)]
    pub(super) fn only(&self) -> Option<usize> {
        match self.ready {
            Ready::One(thread) => Some(thread),
            _ => None,
        }
    }

    /// Let the thread that is ready alone be another one, or none, where there is nothing to ask the schedule before and after.
    #[inline(always)]
    pub(super) fn set_only(&mut self, thread: Option<usize>) {
        debug_assert!(self.ready != Ready::Scheduled, "the schedule is to be told");
        self.ready = thread.map_or(Ready::Nobody, Ready::One);
    }

    /// Whether nobody is ready, and who is next would be so alone.
    #[inline(always)]
    pub(super) fn has_nobody(&self) -> bool {
        self.ready == Ready::Nobody
    }

    /// The thread to run, which is then not ready any more.
    #[inline(always)]
    pub(super) fn next(&mut self) -> Option<usize> {
        match self.ready {
            Ready::One(thread) => {
                self.ready = Ready::Nobody;
                Some(thread)
            }
            Ready::Nobody => None,
            Ready::Scheduled => self.next_scheduled(),
        }
    }

    #[inline(never)]
    fn next_scheduled(&mut self) -> Option<usize> {
        let next = self.schedule.next();
        if next.is_none() && !self.is_chosen {
            self.ready = Ready::Nobody;
        }
        next
    }

    /// The highest priority of a ready thread.
    #[inline(always)]
    pub(super) fn highest(&self) -> Option<u8> {
        match self.ready {
            Ready::One(_) => Some(0),
            Ready::Nobody => None,
            Ready::Scheduled => self.schedule.highest(),
        }
    }

    fn is_empty(&self) -> bool {
        self.ready == Ready::Nobody || self.ready == Ready::Scheduled && self.schedule.is_empty()
    }

    /// A thread is not ready any more.
    pub(super) fn remove(&mut self, thread: usize) {
        if self.ready == Ready::One(thread) {
            self.ready = Ready::Nobody;
        }
        self.schedule.remove(thread);
    }

    /// No thread is ready any more.
    pub(super) fn clear(&mut self) {
        self.schedule.clear();
        self.ready = if self.is_chosen { Ready::Scheduled } else { Ready::Nobody };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_ready_alone_goes_before_those_that_come_later_but_for_a_higher_priority() {
        let mut turns = Turns::default();
        turns.woke(1, 0);
        assert_eq!((turns.highest(), turns.next(), turns.next()), (Some(0), Some(1), None));
        turns.woke(1, 0);
        turns.ready(2, 0);
        turns.ready(3, 5);
        assert_eq!([turns.next(), turns.next(), turns.next(), turns.next()], [Some(3), Some(1), Some(2), None]);
        turns.ready(4, 0);
        turns.remove(4);
        assert!(turns.is_empty() && turns.highest().is_none());
    }

    #[test]
    fn a_schedule_that_was_chosen_is_told_of_all() {
        let mut turns = Turns::default();
        turns.follow(Box::new(ByPriority::default()), true);
        turns.woke(1, 0);
        assert_eq!(turns.schedule.highest(), Some(0));
        assert_eq!((turns.next(), turns.next()), (Some(1), None));
        turns.ready(2, 0);
        assert_eq!(turns.schedule.highest(), Some(0));
    }
}
