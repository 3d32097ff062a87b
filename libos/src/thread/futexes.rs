//! Who waits on which futex, longest waiter first.
#![forbid(unsafe_code)]

use alloc::collections::VecDeque;

/// A thread that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Waiter {
    address: usize,
    /// Of what kinds a wake must be one to be for it.
    bits: u32,
    /// Its slot.
    thread: usize,
}

/// Queues: addresses with the same hash share one.
const QUEUES: usize = 64;

/// The waiters of all futexes.
#[derive(Debug)]
pub struct Futexes([VecDeque<Waiter>; QUEUES]);

impl Default for Futexes {
    fn default() -> Self {
        Futexes([const { VecDeque::new() }; QUEUES])
    }
}

fn queue(address: usize) -> usize {
    // A golden-ratio hash: neighbours, and words at the same place of different pages, come apart.
    (address as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_shr(58) as usize % QUEUES
}

impl Futexes {
    /// Let a thread wait, behind all others.
    pub fn push(&mut self, address: usize, bits: u32, thread: usize) {
        self.0[queue(address)].push_back(Waiter { address, bits, thread });
    }

    /// Take the longest waiter of a futex that a wake of these kinds is for.
    pub fn pop(&mut self, address: usize, bits: u32) -> Option<usize> {
        let queue = &mut self.0[queue(address)];
        let index = queue.iter().position(|waiter| waiter.address == address && waiter.bits & bits != 0)?;
        queue.remove(index).map(|waiter| waiter.thread)
    }

    /// Let a thread wait no more.
    pub fn remove(&mut self, address: usize, thread: usize) {
        self.0[queue(address)].retain(|waiter| waiter.thread != thread);
    }

    /// Move the longest waiter of a futex to another one, behind those who wait there; gives which thread it is.
    pub fn requeue(&mut self, from: usize, to: usize) -> Option<usize> {
        let source = &mut self.0[queue(from)];
        let index = source.iter().position(|waiter| waiter.address == from)?;
        let waiter = source.remove(index)?;
        self.push(to, waiter.bits, waiter.thread);
        Some(waiter.thread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_waiter_that_a_wake_is_for_is_taken() {
        let mut futexes = Futexes::default();
        futexes.push(0x1000, 1, 1);
        futexes.push(0x1000, 2, 2);
        futexes.push(0x2000, !0, 3);
        futexes.push(0x1000, !0, 4);
        assert_eq!(futexes.pop(0x1000, 2), Some(2));
        assert_eq!(futexes.pop(0x1000, 2), Some(4));
        assert_eq!(futexes.pop(0x1000, 2), None);
        assert_eq!(futexes.pop(0x1000, !0), Some(1));
        assert_eq!(futexes.pop(0x2000, 1), Some(3));
    }

    #[test]
    fn a_moved_waiter_waits_behind_those_who_were_there() {
        let mut futexes = Futexes::default();
        futexes.push(0x1000, !0, 1);
        futexes.push(0x2000, !0, 2);
        assert_eq!(futexes.requeue(0x1000, 0x2000), Some(1));
        assert_eq!(futexes.requeue(0x1000, 0x2000), None);
        assert_eq!((futexes.pop(0x2000, !0), futexes.pop(0x2000, !0)), (Some(2), Some(1)));
    }

    #[test]
    fn who_left_is_not_woken() {
        let mut futexes = Futexes::default();
        futexes.push(0x1000, !0, 1);
        futexes.remove(0x1000, 1);
        assert_eq!(futexes.pop(0x1000, !0), None);
    }
}
