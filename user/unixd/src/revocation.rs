//! Memory pressure: who is asked for frames when there are none to grant, who waits for them, and what is taken when nobody answers.
//!
//! ```text
//!   MoreFrames ─► admission refuses ─► what nobody uses of a quota is taken at once ─► still too little:
//!        ▲                              a policy says who is asked, for how many; their bulletins say so, and until when
//!        │ EAGAIN                                       │
//!        └─ doorbell ◄── all have answered (GiveBack), or died; or the deadline passed, and from who did not answer
//!                        pages are taken by force, which the kernel writes into its ledger
//! ```
//!
//! Who answers, be it with nothing, is not taken from: what a process says it needs it keeps, and who asked is refused. A deadline is there
//! for those that do not listen. Who gave less than it was asked for is left alone for a while; who gave all may have more, and can be asked
//! again at once. What it gave the kernel's count of its frames says, not the process.

use alloc::vec::Vec;

use libos::errno::Errno;

use crate::machine;
use crate::seizure;
use crate::server::{Answer, Server, value};

/// Who could be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The process.
    pub id: u32,
    /// Frames that it is charged for.
    pub used: usize,
    /// Whether it was asked within the last second and did not give all, and is not to be bothered again so soon.
    pub was_asked: bool,
}

/// Who is asked, how long for, and what is taken by force: a policy.
pub trait Revocation {
    /// Who is asked for how many frames when `short` are missing.
    fn ask(&self, short: usize, holders: &[Holder]) -> Vec<(u32, usize)>;
    /// How long they have, in milliseconds.
    fn patience_ms(&self) -> u64;
    /// How many frames are taken by force from one who used so many and did not answer a request for `asked`.
    fn take(&self, asked: usize, used: usize) -> usize;
}

/// The largest first, each for at most half of what it has, and nobody who has little.
#[derive(Debug, Default)]
pub struct LargestFirst;

/// The least that somebody is asked for, in frames: who asks for some will mostly ask for more.
const AT_LEAST: usize = 1024;

/// The most that is taken by force at once, in frames: the ledger is to have all of it still when who lost it looks, and some of others.
const AT_ONCE: usize = abi::LEDGER_ENTRIES / 4 * 3;
/// What "little" is, in frames.
const LITTLE: usize = 512;

impl Revocation for LargestFirst {
    fn ask(&self, short: usize, holders: &[Holder]) -> Vec<(u32, usize)> {
        let mut holders: Vec<Holder> = holders.iter().copied().filter(|holder| holder.used > LITTLE && !holder.was_asked).collect();
        holders.sort_by_key(|holder| core::cmp::Reverse(holder.used));
        let mut left = short;
        let mut asked = Vec::new();
        for holder in holders {
            if left == 0 {
                break;
            }
            let frames = left.max(AT_LEAST).min(holder.used / 2);
            // Whether it has as much to spare, only it knows: the next one is asked too if all is not covered twice.
            left = left.saturating_sub(frames / 2);
            asked.push((holder.id, frames));
        }
        asked
    }

    fn patience_ms(&self) -> u64 {
        2000
    }

    fn take(&self, asked: usize, used: usize) -> usize {
        asked.min(used / 2).min(AT_ONCE)
    }
}

/// A process that waits for frames.
#[derive(Debug)]
struct Round {
    /// The process.
    asker: u32,
    /// Who has not answered, and how many frames each was asked for.
    unanswered: Vec<(u32, usize)>,
    /// Until when, in ticks.
    until: u64,
}

/// A request for frames, until its time is long over or all of them were given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Asked {
    /// The process.
    id: u32,
    /// When, in ticks.
    when: u64,
    /// For how many.
    frames: usize,
    /// How many it was charged for then.
    used: usize,
}

/// Those who wait, and those who were asked.
#[derive(Debug, Default)]
pub struct Rounds {
    waiting: Vec<Round>,
    asked: Vec<Asked>,
    /// Those for whom a round is over: they are refused what still is not there.
    over: Vec<u32>,
}

impl Rounds {
    /// When the next deadline is, in ticks.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        self.waiting.iter().map(|round| round.until).min()
    }

    /// Somebody answered, or is gone. Gives those whose rounds are over by that.
    fn strike(&mut self, id: u32) -> Vec<u32> {
        for round in &mut self.waiting {
            round.unanswered.retain(|&(asked, _)| asked != id);
        }
        let over = |round: &mut Round| round.unanswered.is_empty();
        let over: Vec<u32> = self.waiting.extract_if(.., over).map(|round| round.asker).collect();
        self.over.extend(&over);
        over
    }

    /// Somebody answered, and is charged for so many frames now: who gave all of what it was asked for can be asked for more.
    fn note_given(&mut self, id: u32, used: usize) {
        let (frames, before) = self
            .asked
            .iter()
            .filter(|asked| asked.id == id)
            .fold((0usize, 0), |(frames, before), asked| (frames.saturating_add(asked.frames), asked.used.max(before)));
        if before.saturating_sub(used) >= frames {
            self.asked.retain(|asked| asked.id != id);
        }
    }

    /// How many frames somebody is asked for, by all together, and until when.
    fn asked_of(&self, id: u32) -> (usize, u64) {
        let mut all = (0usize, u64::MAX);
        for round in &self.waiting {
            for (_, frames) in round.unanswered.iter().filter(|&&(asked, _)| asked == id) {
                all = (all.0.saturating_add(*frames), all.1.min(round.until));
            }
        }
        all
    }
}

/// What a process keeps of its quota that it does not use: a fault's pages, and their tables.
const SLACK: usize = 64;
/// How long nobody is asked again who did not give all, in seconds.
const REST_S: u64 = 1;

impl Server {
    /// Let a process wait for `short` frames, which others are asked for.
    ///
    /// # Errors
    /// `EAGAIN`: they are. `ENOMEM`: nobody is, or that has been tried.
    pub(crate) fn ask_others(&mut self, id: u32, short: usize) -> Answer {
        if self.rounds.waiting.iter().any(|round| round.asker == id) {
            return Err(Errno::EAGAIN);
        }
        if let Some(place) = self.rounds.over.iter().position(|&over| over == id) {
            self.rounds.over.swap_remove(place);
            return Err(Errno::ENOMEM);
        }
        // Who waits does not listen, and needs what it has.
        self.answered(id);
        let (now, second) = (machine::clock(), machine::info().clock_hz);
        self.rounds.asked.retain(|asked| now.saturating_sub(asked.when) < REST_S * second);
        let is_waiting = |id| self.rounds.waiting.iter().any(|round| round.asker == id);
        let holders: Vec<Holder> = self
            .processes
            .iter()
            .filter(|process| process.id != id && !is_waiting(process.id))
            .filter(|process| self.family.member(process.id).is_ok_and(|member| !member.is_stopped()))
            .map(|process| Holder {
                id: process.id,
                used: process.frames().1,
                was_asked: self.rounds.asked.iter().any(|asked| asked.id == process.id),
            })
            .collect();
        let unanswered = self.revocation.ask(short, &holders);
        if unanswered.is_empty() {
            return Err(Errno::ENOMEM);
        }
        let until = now + self.revocation.patience_ms() * second / 1000;
        for &(id, frames) in &unanswered {
            let used = holders.iter().find(|holder| holder.id == id).map_or(0, |holder| holder.used);
            self.rounds.asked.push(Asked { id, when: now, frames, used });
        }
        self.rounds.waiting.push(Round { asker: id, unanswered: unanswered.clone(), until });
        for (asked, _) in unanswered {
            self.tell_asked(asked);
        }
        self.set_alarm(self.family.deadline());
        Err(Errno::EAGAIN)
    }

    /// A process has what it asked for.
    pub(crate) fn end_round(&mut self, id: u32) {
        self.rounds.over.retain(|&over| over != id);
    }

    /// Let a process's bulletin say what it is asked for.
    fn tell_asked(&self, id: u32) {
        let Some(process) = self.processes.get(id) else { return };
        let (asked, until) = self.rounds.asked_of(id);
        process.channel.tell_asked(u32::try_from(asked).unwrap_or(u32::MAX), until);
        if asked > 0 {
            process.channel.ring();
        }
    }

    /// A process has done what it could about the frames that it is asked for.
    ///
    /// # Errors
    /// `ESRCH`: it is gone.
    pub(crate) fn given_back(&mut self, id: u32) -> Answer {
        let (_, used) = self.process(id)?.frames();
        self.rounds.note_given(id, used);
        let taken = self.take_slack(id);
        self.answered(id);
        value(taken as u64)
    }

    /// A process has answered, or never will: it is not asked any more, and who waited for it alone goes on.
    pub(crate) fn answered(&mut self, id: u32) {
        let over = self.rounds.strike(id);
        self.tell_asked(id);
        for asker in over {
            if let Some(process) = self.processes.get(asker) {
                process.channel.ring();
            }
        }
    }

    /// A process is gone.
    pub(crate) fn forget_rounds(&mut self, id: u32) {
        self.answered(id);
        self.rounds.over.retain(|&over| over != id);
        let given_up: Vec<Round> = self.rounds.waiting.extract_if(.., |round| round.asker == id).collect();
        for (asked, _) in given_up.into_iter().flat_map(|round| round.unanswered) {
            self.tell_asked(asked);
        }
    }

    /// Take from those by force whose deadline has passed.
    pub(crate) fn enforce_requests(&mut self, now: u64) {
        let due = |round: &Round| round.until <= now;
        let late: Vec<(u32, usize)> =
            self.rounds.waiting.iter().filter(|round| due(round)).flat_map(|round| round.unanswered.clone()).collect();
        for (id, asked) in late {
            // Who was stopped meanwhile could not answer.
            let listens = self.family.member(id).is_ok_and(|member| !member.is_stopped());
            if let Some(process) = self.processes.get(id).filter(|_| listens) {
                let wanted = self.revocation.take(asked, process.frames().1);
                seizure::seize(process.env, wanted);
                process.channel.ring();
            }
            self.take_slack(id);
            self.answered(id);
        }
    }

    /// Take what a process does not use of its quota, but for what it needs at once. Gives how many frames.
    pub(crate) fn take_slack(&self, id: u32) -> usize {
        // While it makes a child, it has what that needs.
        let Some(process) = self.processes.get(id).filter(|process| process.fork.is_none()) else { return 0 };
        let (quota, used) = process.frames();
        let slack = quota.saturating_sub(used + SLACK);
        if slack > 0 && process.grant.set(quota - slack).is_ok() { slack } else { 0 }
    }

    /// Take what others do not use of their quotas.
    pub(crate) fn take_all_slack(&self, but: u32) {
        self.processes.iter().filter(|process| process.id != but).for_each(|process| {
            self.take_slack(process.id);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(id: u32, used: usize) -> Holder {
        Holder { id, used, was_asked: false }
    }

    #[test]
    fn the_largest_is_asked_first_and_the_small_are_not() {
        let holders = [holder(2, 600), holder(3, 10_000), holder(4, LITTLE), holder(5, 4000)];
        let ids = |short| LargestFirst.ask(short, &holders).into_iter().map(|(id, _)| id).collect::<Vec<_>>();
        assert_eq!(ids(1), [3]);
        assert_eq!(ids(100_000), [3, 5, 2]);
        assert_eq!(LargestFirst.ask(100_000, &holders)[0], (3, 5000), "half of what it has");
        assert_eq!(LargestFirst.ask(1, &holders), [(3, AT_LEAST)], "not for each page anew");
    }

    #[test]
    fn who_was_just_asked_is_left_alone() {
        let holders = [Holder { was_asked: true, ..holder(2, 10_000) }, holder(3, 1000)];
        assert_eq!(LargestFirst.ask(10, &holders), [(3, 500)]);
    }

    #[test]
    fn who_gave_all_can_be_asked_again_and_who_gave_less_is_left_alone() {
        let asked = |id, frames, used| Asked { id, when: 0, frames, used };
        let mut rounds = Rounds { asked: Vec::from([asked(2, 100, 1000), asked(2, 50, 990), asked(3, 10, 500)]), ..Rounds::default() };
        rounds.note_given(2, 851);
        assert_eq!(rounds.asked.len(), 3, "one less than both requests were for");
        rounds.note_given(2, 850);
        assert_eq!(rounds.asked, [asked(3, 10, 500)]);
        rounds.note_given(3, 600);
        assert_eq!(rounds.asked, [asked(3, 10, 500)], "it took more meanwhile");
    }

    #[test]
    fn a_round_is_over_when_all_have_answered() {
        let mut rounds = Rounds::default();
        rounds.waiting.push(Round { asker: 2, unanswered: Vec::from([(3, 10), (4, 20)]), until: 100 });
        rounds.waiting.push(Round { asker: 5, unanswered: Vec::from([(3, 7)]), until: 50 });
        assert_eq!((rounds.deadline(), rounds.asked_of(3), rounds.asked_of(9).0), (Some(50), (17, 50), 0));
        assert_eq!(rounds.strike(3), [5]);
        assert_eq!(rounds.strike(3), []);
        assert_eq!((rounds.deadline(), rounds.asked_of(3).0), (Some(100), 0));
        assert_eq!(rounds.strike(4), [2]);
        assert_eq!((rounds.deadline(), rounds.over), (None, Vec::from([5, 2])));
    }
}
