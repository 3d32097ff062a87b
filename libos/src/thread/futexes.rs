//! Who waits on which futex, longest waiter first.
#![forbid(unsafe_code)]

use alloc::collections::VecDeque;

use abi::PAGE_SIZE;

use crate::errno::{Errno, Result};

/// What a futex is: who names the same waits on the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// [`PRIVATE`], [`OWN`], or [`FRAMES`] and the frame's number.
    space: u64,
    /// The address, or what of it is in the page.
    place: usize,
}

/// An address, with `FUTEX_PRIVATE_FLAG`.
const PRIVATE: u64 = 0;
/// An address in memory that only this process has, without that flag: Linux tells the two apart.
const OWN: u64 = 1;
/// The first frame's.
const FRAMES: u64 = 2;

impl Key {
    /// Of an address, with `FUTEX_PRIVATE_FLAG`.
    #[must_use]
    pub fn private(address: usize) -> Key {
        Key { space: PRIVATE, place: address }
    }

    /// Of an address in private memory, without that flag.
    #[must_use]
    pub fn own(address: usize) -> Key {
        Key { space: OWN, place: address }
    }

    /// Of an address in memory that may be others' too: the same wherever the frame is mapped.
    #[must_use]
    pub fn shared(frame: u64, address: usize) -> Key {
        Key { space: FRAMES + frame, place: address % PAGE_SIZE }
    }

    /// Whether other processes may wait on it.
    #[must_use]
    pub fn is_shared(self) -> bool {
        self.space >= FRAMES
    }
}

/// How a thread waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// For a wake.
    Plain,
    /// To own the futex, which is a lock that knows its owner (`FUTEX_LOCK_PI`).
    Lock,
    /// To be moved to a lock (`FUTEX_WAIT_REQUEUE_PI`): which, its thread knows.
    Transfer,
}

/// A thread that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiter {
    /// On what.
    pub key: Key,
    /// Of what kinds a wake must be one to be for it.
    pub bits: u32,
    /// Which of the futexes that it waits on this is.
    pub index: u16,
    /// How.
    pub kind: Kind,
    /// Its slot.
    pub thread: usize,
}

impl Waiter {
    /// Whether a wake of these kinds on a futex is for it.
    #[inline(always)]
    fn is_for(&self, key: Key, bits: u32) -> bool {
        self.key == key && self.bits & bits != 0
    }
}

// Two words and two: what is copied at each wait.
const _: () = assert!(size_of::<Waiter>() == 4 * size_of::<usize>());

/// Queues: futexes with the same hash share one.
const QUEUES: usize = 32;

/// Those who wait on futexes with one hash.
#[derive(Debug, Default)]
struct Queue {
    /// The longest waiter: mostly the only one.
    first: Option<Waiter>,
    others: VecDeque<Waiter>,
}

impl Queue {
    #[inline(always)]
    fn push(&mut self, waiter: Waiter) {
        if self.first.is_none() {
            self.first = Some(waiter);
        } else {
            let Waiter { key, bits, index, kind, thread } = waiter;
            self.push_behind(key, bits, index, kind, thread);
        }
    }

    // By its parts, which are in registers: as a whole it would be put on the stack in any case.
    #[cold]
    fn push_behind(&mut self, key: Key, bits: u32, index: u16, kind: Kind, thread: usize) {
        self.others.push_back(Waiter { key, bits, index, kind, thread });
    }

    /// Take the longest waiter.
    #[inline(always)]
    fn pop(&mut self) {
        if self.others.is_empty() {
            self.first = None;
        } else {
            self.advance();
        }
    }

    #[cold]
    fn advance(&mut self) {
        self.first = self.others.pop_front();
    }

    /// Take the longest waiter that is meant.
    fn take(&mut self, is_meant: impl Fn(&Waiter) -> bool) -> Option<Waiter> {
        if let Some(first) = self.first
            && is_meant(&first)
        {
            self.pop();
            return Some(first);
        }
        let index = self.others.iter().position(is_meant)?;
        self.others.remove(index)
    }

    fn remove(&mut self, thread: usize) {
        self.others.retain(|waiter| waiter.thread != thread);
        if self.first.is_some_and(|first| first.thread == thread) {
            self.pop();
        }
    }

    fn iter(&self) -> impl Iterator<Item = &Waiter> {
        self.first.iter().chain(&self.others)
    }
}

/// The waiters of all futexes.
#[derive(Debug)]
pub struct Futexes([Queue; QUEUES]);

impl Default for Futexes {
    fn default() -> Self {
        Futexes([const { Queue { first: None, others: VecDeque::new() } }; QUEUES])
    }
}

#[inline(always)]
fn queue(key: Key) -> usize {
    const BITS: u32 = QUEUES.ilog2();
    // A golden-ratio hash: neighbours, and words at the same place of different pages, come apart.
    (key.space ^ key.place as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_shr(u64::BITS - BITS) as usize % QUEUES
}

impl Futexes {
    /// Nobody waits any more.
    pub fn clear(&mut self) {
        for queue in &mut self.0 {
            queue.first = None;
            queue.others.clear();
        }
    }

    /// Let a thread wait, behind all others.
    #[inline(always)]
    pub fn push(&mut self, waiter: Waiter) {
        self.0[queue(waiter.key)].push(waiter);
    }

    /// Where the only waiter of a futex is, if there is one, which waits for a wake; none if there is more to see.
    #[inline(always)]
    pub fn only(&mut self, key: Key) -> Option<&mut Option<Waiter>> {
        let Queue { first, others } = &mut self.0[queue(key)];
        let is_only = first.is_none_or(|first| first.is_for(key, u32::MAX) && first.kind == Kind::Plain && others.is_empty());
        is_only.then_some(first)
    }

    /// The longest waiter of a futex that a wake of these kinds is for.
    #[must_use]
    pub fn first(&self, key: Key, bits: u32) -> Option<&Waiter> {
        self.0[queue(key)].iter().find(|waiter| waiter.is_for(key, bits))
    }

    /// Take that waiter: its slot, and which of its futexes this is.
    ///
    /// # Errors
    /// `EINVAL`: it does not wait for a wake, but for a lock.
    #[inline(always)]
    pub fn pop(&mut self, key: Key, bits: u32) -> Result<Option<(usize, u16)>> {
        let queue = &mut self.0[queue(key)];
        let Some(first) = &queue.first else { return Ok(None) };
        if first.is_for(key, bits) {
            if first.kind != Kind::Plain {
                return Err(Errno::EINVAL);
            }
            let taken = (first.thread, first.index);
            queue.pop();
            return Ok(Some(taken));
        }
        Self::pop_later(queue, key, bits)
    }

    #[cold]
    fn pop_later(queue: &mut Queue, key: Key, bits: u32) -> Result<Option<(usize, u16)>> {
        if queue.iter().find(|waiter| waiter.is_for(key, bits)).is_some_and(|waiter| waiter.kind != Kind::Plain) {
            return Err(Errno::EINVAL);
        }
        Ok(queue.take(|waiter| waiter.is_for(key, bits)).map(|waiter| (waiter.thread, waiter.index)))
    }

    /// Take the longest waiter of a futex, however it waits.
    pub fn pop_any(&mut self, key: Key) -> Option<Waiter> {
        self.0[queue(key)].take(|waiter| waiter.key == key)
    }

    /// Let a thread wait no more.
    pub fn remove(&mut self, key: Key, thread: usize) {
        self.0[queue(key)].remove(thread);
    }

    /// How many wait on a futex.
    #[must_use]
    pub fn count(&self, key: Key) -> usize {
        self.0[queue(key)].iter().filter(|waiter| waiter.key == key).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiter(address: usize, bits: u32, thread: usize) -> Waiter {
        Waiter { key: Key::private(address), bits, index: 0, thread, kind: Kind::Plain }
    }

    fn pop(futexes: &mut Futexes, address: usize, bits: u32) -> Option<usize> {
        futexes.pop(Key::private(address), bits).unwrap().map(|(thread, _)| thread)
    }

    #[test]
    fn the_longest_waiter_that_a_wake_is_for_is_taken() {
        let mut futexes = Futexes::default();
        for (address, bits, thread) in [(0x1000, 1, 1), (0x1000, 2, 2), (0x2000, !0, 3), (0x1000, !0, 4)] {
            futexes.push(waiter(address, bits, thread));
        }
        assert_eq!(futexes.count(Key::private(0x1000)), 3);
        assert_eq!(pop(&mut futexes, 0x1000, 2), Some(2));
        assert_eq!(pop(&mut futexes, 0x1000, 2), Some(4));
        assert_eq!(pop(&mut futexes, 0x1000, 2), None);
        assert_eq!(pop(&mut futexes, 0x1000, !0), Some(1));
        assert_eq!(pop(&mut futexes, 0x2000, 1), Some(3));
    }

    #[test]
    fn who_comes_when_the_first_was_taken_waits_behind_the_others() {
        let mut futexes = Futexes::default();
        for thread in 1..=3 {
            futexes.push(waiter(0x1000, !0, thread));
        }
        futexes.remove(Key::private(0x1000), 2);
        assert_eq!(pop(&mut futexes, 0x1000, !0), Some(1));
        futexes.push(waiter(0x1000, !0, 4));
        assert_eq!([(); 3].map(|()| pop(&mut futexes, 0x1000, !0)), [Some(3), Some(4), None]);
    }

    #[test]
    fn who_left_is_not_woken() {
        let mut futexes = Futexes::default();
        futexes.push(waiter(0x1000, !0, 1));
        futexes.remove(Key::private(0x1000), 1);
        assert_eq!(pop(&mut futexes, 0x1000, !0), None);
    }

    #[test]
    fn a_wake_is_for_nobody_who_wants_a_lock() {
        let mut futexes = Futexes::default();
        futexes.push(Waiter { kind: Kind::Lock, ..waiter(0x1000, !0, 1) });
        assert_eq!(futexes.pop(Key::private(0x1000), !0), Err(Errno::EINVAL));
        assert_eq!(futexes.pop_any(Key::private(0x1000)).map(|waiter| waiter.thread), Some(1));
    }

    #[test]
    fn the_same_address_is_another_futex_to_those_who_say_that_it_is_private() {
        assert_ne!(Key::private(0x1000), Key::own(0x1000));
        assert_eq!(Key::shared(7, 0x1010), Key::shared(7, 0x5010));
        assert!(Key::shared(0, 0).is_shared() && !Key::own(0).is_shared());
    }
}
