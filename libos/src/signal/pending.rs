//! What was sent and waits to be delivered.
#![forbid(unsafe_code)]

use alloc::collections::VecDeque;
use core::mem::MaybeUninit;

use crate::signal::{FIRST_REAL_TIME, Information, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP, Set, bit};

/// Signals that what the thread itself did leads to: they go before all others, as on Linux.
const SYNCHRONOUS: Set = bit(SIGSEGV) | bit(SIGBUS) | bit(SIGILL) | bit(SIGTRAP) | bit(SIGFPE) | bit(SIGSYS);

/// Signals that wait, in the order in which they were sent.
#[derive(Debug, Default)]
pub struct Pending {
    /// Which there are. One that had no room is here alone.
    set: Set,
    queue: VecDeque<Information>,
}

/// The signal of a set that is delivered first.
#[must_use]
pub fn first(set: Set) -> Option<u32> {
    let chosen = if set & SYNCHRONOUS != 0 { set & SYNCHRONOUS } else { set };
    (chosen != 0).then(|| chosen.trailing_zeros() + 1)
}

impl Pending {
    /// Forget all; the room stays, so that a copy of a process need not give it back.
    pub fn clear(&mut self) {
        self.set = 0;
        self.queue.clear();
    }

    /// Nothing.
    #[must_use]
    pub const fn new() -> Pending {
        Pending { set: 0, queue: VecDeque::new() }
    }

    /// Which signals there are.
    #[must_use]
    #[inline(always)]
    pub fn set(&self) -> Set {
        self.set
    }

    /// How many wait.
    #[must_use]
    pub fn count(&self) -> usize {
        self.queue.len()
    }

    /// Let a signal wait: once for a standard signal, as often as it is sent for a real-time one. A timer's has its own place in the queue.
    pub fn push(&mut self, information: &Information) {
        let signal = information.signal as u32;
        if signal >= FIRST_REAL_TIME || information.code == Information::TIMER || self.set & bit(signal) == 0 {
            self.set |= bit(signal);
            self.queue.push_back(*information);
        }
    }

    /// Let a signal wait of which no more is known than its number.
    pub fn push_bare(&mut self, signal: u32) {
        self.set |= bit(signal);
    }

    /// Take the signal of a set that is delivered first, to a place: what is known of a signal is copied no more often than it must be.
    pub fn take<'place>(&mut self, set: Set, place: &'place mut MaybeUninit<Information>) -> Option<&'place mut Information> {
        let signal = first(self.set & set)?;
        if let ([only], []) = self.queue.as_slices()
            && only.signal as u32 == signal
        {
            self.set &= !bit(signal);
            let information = place.write(*only);
            self.queue.pop_front();
            return Some(information);
        }
        let mut same = self.queue.iter().enumerate().filter(|(_, information)| information.signal as u32 == signal);
        let index = same.next().map(|(index, _)| index);
        if same.next().is_none() {
            self.set &= !bit(signal);
        }
        let Some(index) = index else { return Some(place.write(Information::new(signal, Information::USER, 0))) };
        let information = place.write(self.queue[index]);
        if index == 0 {
            self.queue.pop_front();
        } else {
            self.queue.remove(index);
        }
        Some(information)
    }

    /// Forget what is so.
    pub fn forget(&mut self, is_so: impl Fn(&Information) -> bool) {
        let queued = |queue: &VecDeque<Information>| queue.iter().fold(0, |set, information| set | bit(information.signal as u32));
        let before = queued(&self.queue);
        self.queue.retain(|information| !is_so(information));
        self.set &= !(before & !queued(&self.queue));
    }

    /// Forget the signals of a set.
    pub fn discard(&mut self, set: Set) {
        if self.set & set != 0 {
            self.set &= !set;
            self.queue.retain(|information| set & bit(information.signal as u32) == 0);
        }
    }
}
