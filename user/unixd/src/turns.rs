//! Turns: processes that are to run when their time comes, and what the others do about that.
//!
//! The kernel takes the CPU from nobody before a slice ends. So who wants to be on time (the scheduling policy `deadline`, by its parameter
//! `others`) says how long others may compute before they let it have its turn; their bulletins say so, and their libraries keep to it:
//!
//! ```text
//!   Turn ─► the least of what others want stands in each bulletin ─► the library lets go of the CPU so often
//!                                       │
//!       slices that ended by force, as the kernel counts them in its slice vector: a program does not let its library
//!       ─► again and again: its slots are taken away for a while, and again for each slice more that ends so
//! ```
//!
//! Who does not listen computes for a slice in each of its rests, whatever it does, and makes others late in that part of the time alone.

use core::sync::atomic::Ordering;

use alloc::vec::Vec;
use libos::errno::Errno;

use crate::machine;
use crate::server::{Answer, Server, value};

/// The least that others can be asked for, in microseconds: what a turn's end costs them stays a few parts in a hundred.
const LEAST_US: u32 = 50;
/// The most: longer than this nobody computes anyway.
const MOST_US: u32 = 1_000_000;
/// How often the slice vector is looked at while somebody wants to be on time, in milliseconds.
const LOOK_MS: u64 = 10;
/// How many looks in a row may find that slices of a process ended by force: a call takes as long as it takes, and the news has to be heard.
const PATIENCE: u32 = 4;
/// How many looks without that make good for one with it.
const GOOD: u32 = 50;
/// How long a process has no time that does not listen, in milliseconds.
const REST_MS: u64 = 100;

/// What a process wants of others, and how it does what they want.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turns {
    /// How long others may compute before it has its turn, in microseconds; 0: to the end of their slices.
    pub wanted_us: u32,
    /// How often slices of its slots had ended by force at the last look.
    expired: u32,
    /// How many looks found more of them, and how many since then did not.
    found: u32,
    good: u32,
    /// Until when it has no time, in ticks.
    rests_until: Option<u64>,
}

impl Turns {
    /// What a child begins with: it wants what its parent does.
    #[must_use]
    pub fn of_child(&self) -> Turns {
        Turns { wanted_us: self.wanted_us, ..Turns::default() }
    }

    /// Whether it has no time.
    #[must_use]
    pub fn rests(&self) -> bool {
        self.rests_until.is_some()
    }

    /// Slices of it ended by force so often in all. Whether it is to rest, since it does not listen.
    fn look(&mut self, expired: u32) -> bool {
        if core::mem::replace(&mut self.expired, expired) == expired {
            self.good += 1;
            if self.good >= GOOD {
                (self.good, self.found) = (0, self.found.saturating_sub(1));
            }
            return false;
        }
        self.good = 0;
        self.found = (self.found + 1).min(PATIENCE + 1);
        self.found > PATIENCE
    }
}

/// When the slice vector is looked at next, and for how many processes.
#[derive(Debug, Default)]
pub struct Watch {
    /// How many want to be on time.
    wanting: usize,
    /// In ticks; none: nobody does.
    next: Option<u64>,
}

impl Watch {
    /// When the next look is due, in ticks.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        self.next
    }

    /// Whether anybody wants to be on time.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.wanting > 0
    }
}

/// What each of these processes is asked for, in microseconds, by all others: the least of it.
fn asked(wanted: &[u32]) -> Vec<u32> {
    let least = |but: usize| wanted.iter().enumerate().filter(|&(index, &us)| index != but && us > 0).map(|(_, &us)| us).min();
    (0..wanted.len()).map(|index| least(index).unwrap_or(0)).collect()
}

impl Server {
    /// A process wants others to compute for no longer than so many microseconds before it has its turn; 0: it does not any more.
    ///
    /// # Errors
    /// `EINVAL`: so short is no turn, or so long.
    pub(crate) fn want_turns(&mut self, id: u32, us: u32) -> Answer {
        if us != 0 && !(LEAST_US..=MOST_US).contains(&us) {
            return Err(Errno::EINVAL);
        }
        self.process_mut(id)?.turns.wanted_us = us;
        self.tell_turns();
        value(0)
    }

    /// Who wants what has changed, or who there is: let all bulletins say it.
    pub(crate) fn tell_turns(&mut self) {
        let wanted: Vec<u32> = self.processes.iter().map(|process| process.turns.wanted_us).collect();
        for (process, us) in self.processes.iter().zip(asked(&wanted)) {
            if process.channel.bulletin().turn_us.swap(us, Ordering::Relaxed) != us {
                process.channel.ring();
            }
        }
        let was_on = self.watch.is_on();
        self.watch.wanting = wanted.iter().filter(|&&us| us > 0).count();
        if self.watch.is_on() && !was_on {
            self.watch.next = Some(machine::clock());
            self.set_alarm(self.family.deadline());
        }
    }

    /// Look at who lets others have their turn.
    pub(crate) fn look_at_turns(&mut self, now: u64) {
        if self.watch.next.is_none_or(|next| next > now) {
            return;
        }
        let ticks = |ms| ms * machine::info().clock_hz / 1000;
        let (mut tired, mut rested, mut any_rests) = (Vec::new(), Vec::new(), false);
        for process in self.processes.iter_mut() {
            let bulletin = process.channel.bulletin();
            let expired = process.share.slots().iter().fold(0u32, |sum, &slot| sum.wrapping_add(machine::slices_expired(slot)));
            let is_late = !process.turns.rests() && process.turns.look(expired) && bulletin.turn_us.load(Ordering::Relaxed) > 0;
            match process.turns.rests_until {
                Some(until) if until <= now || !self.watch.is_on() => {
                    process.turns.rests_until = None;
                    rested.push(process.id);
                }
                None if is_late => {
                    process.turns.rests_until = Some(now + ticks(REST_MS));
                    bulletin.rests.fetch_add(1, Ordering::Relaxed);
                    tired.push(process.id);
                }
                _ => {}
            }
            any_rests |= process.turns.rests();
        }
        rested.into_iter().for_each(|id| self.give_time(id));
        tired.into_iter().for_each(|id| self.suspend(id));
        self.watch.next = (self.watch.is_on() || any_rests).then(|| now + ticks(LOOK_MS));
    }

    /// Let a process run in its slots, if nothing keeps it from that.
    pub(crate) fn give_time(&self, id: u32) {
        let Some(process) = self.processes.get(id).filter(|process| !process.turns.rests()) else { return };
        if self.family.member(id).is_ok_and(|member| member.is_suspended) {
            return;
        }
        for &slot in process.share.slots() {
            let _ = exo::slice_set(0, slot, process.env, process.context);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_asked_for_the_least_that_another_wants() {
        assert_eq!(asked(&[0, 200, 0, 100]), [100, 100, 100, 200]);
        assert_eq!(asked(&[0, 0, 300]), [300, 300, 0]);
        assert_eq!(asked(&[0, 0]), [0, 0]);
    }

    #[test]
    fn who_keeps_the_cpu_again_and_again_rests_and_who_did_once_does_not() {
        let mut turns = Turns::default();
        let mut looks = |expired: &[u32]| expired.iter().map(|&count| turns.look(count)).collect::<Vec<bool>>();
        assert_eq!(looks(&[7, 8, 9, 10]), [false; 4], "what was before counts once");
        assert_eq!(looks(&[10; GOOD as usize]), [false; GOOD as usize]);
        assert_eq!(looks(&[11, 12, 12, 13]), [false, true, false, true], "one was made good for");
    }

    #[test]
    fn a_child_wants_what_its_parent_does_and_begins_anew() {
        let parent = Turns { wanted_us: 200, found: 3, rests_until: Some(5), ..Turns::default() };
        assert_eq!(parent.of_child(), Turns { wanted_us: 200, ..Turns::default() });
        assert!(parent.rests() && !parent.of_child().rests());
    }
}
