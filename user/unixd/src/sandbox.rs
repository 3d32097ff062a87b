//! What a process is held to, whatever it does to its own library: the rules that it pledged, and those that it comes from.
//!
//! A pledge is for good. Each adds rules to those that there are, and what all of them allow is allowed; a child has its maker's. What a process
//! held when it pledged stays in its hands: open files can be used as they were opened, but not opened again. A place is looked at when it is
//! found, its links followed, by the copy of the path that the walk itself uses: nobody changes it in between.
//!
//! A refused place is `EACCES`, any other refusal `EPERM`.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use libos::errno::{Errno, Result};
use libos::vfs::node::Entry;
use libos::vfs::permission::Wanted;
use policy::rules::{Family, Rules, Uses};
use unix::notify::Notify;
use unix::{Kin, Operation, Request};

use crate::processes::Processes;
use crate::server::{Answer, Server, value};

/// The most pledges of a process, one after the other.
const PLEDGES_MOST: usize = 16;
/// The bit of [`Operation::Limit`]'s small argument that says that the limit is to be set.
const SET_LIMIT: u16 = 0x100;

/// See the module.
#[derive(Clone, Default)]
pub struct Sandbox(Vec<Arc<Rules>>);

/// Without rules.
pub static OPEN: Sandbox = Sandbox(Vec::new());

impl Sandbox {
    /// Whether there are no rules.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether what is done to another process stays in the sandbox: that one is held to all that this one is.
    fn holds(&self, other: &Sandbox) -> bool {
        other.0.len() >= self.0.len() && self.0.iter().zip(&other.0).all(|(own, other)| Arc::ptr_eq(own, other))
    }

    /// Check whether operations of a family are allowed.
    ///
    /// # Errors
    /// `EPERM`: no.
    pub fn may(&self, family: Family) -> Result<()> {
        if self.0.iter().all(|rules| rules.allows(family)) { Ok(()) } else { Err(Errno::EPERM) }
    }

    /// Check whether an entry may be used so: or, with a name, what has it in that directory, or is to have it.
    ///
    /// # Errors
    /// `EACCES`: no.
    pub fn may_use(&self, entry: &Arc<Entry>, name: &[u8], wanted: Wanted) -> Result<()> {
        if self.is_open() {
            return Ok(());
        }
        let path = path(entry, name);
        let uses = Uses { read: wanted.intersects(Wanted::READ | Wanted::EXECUTE), write: wanted.contains(Wanted::WRITE) };
        let is_allowed = |rules: &Rules| if wanted.is_empty() { rules.shows(&path) } else { rules.uses(&path).contain(uses) };
        if self.0.iter().all(|rules| is_allowed(rules)) { Ok(()) } else { Err(Errno::EACCES) }
    }

    /// Check whether what is at one place may come to be at another too: to be changed at both, and allowed nothing there that it is not here.
    ///
    /// # Errors
    /// `EACCES`: no.
    pub fn may_move(&self, from: (&Arc<Entry>, &[u8]), to: (&Arc<Entry>, &[u8])) -> Result<()> {
        self.may_use(from.0, from.1, Wanted::WRITE)?;
        self.may_use(to.0, to.1, Wanted::WRITE)?;
        if self.is_open() {
            return Ok(());
        }
        let (from, to) = (path(from.0, from.1), path(to.0, to.1));
        if self.0.iter().any(|rules| rules.gives_more(&to, rules.uses(&from))) { Err(Errno::EACCES) } else { Ok(()) }
    }

    /// How many frames the process may be granted beyond its quota.
    #[must_use]
    pub fn room(&self, quota: usize) -> usize {
        self.frames().saturating_sub(quota)
    }

    fn frames(&self) -> usize {
        self.0.iter().filter_map(|rules| rules.frames()).min().map_or(usize::MAX, |most| most as usize)
    }

    fn may_fork(&self, processes: &Processes, quota: usize, frames: usize) -> Result<()> {
        self.may(Family::Processes)?;
        for (index, rules) in self.0.iter().enumerate() {
            let layers = Sandbox(self.0[..=index].to_vec());
            let count = processes.iter().filter(|process| layers.holds(&process.sandbox)).count() as u64;
            if rules.processes().is_some_and(|most| count >= most) {
                return Err(Errno::EAGAIN);
            }
        }
        if quota.saturating_add(frames) > self.frames().saturating_mul(2) { Err(Errno::ENOMEM) } else { Ok(()) }
    }
}

/// The path of an entry, or of a name in it.
fn path(entry: &Arc<Entry>, name: &[u8]) -> Vec<u8> {
    let mut path = entry.path();
    if !name.is_empty() {
        if path.last() != Some(&b'/') {
            path.push(b'/');
        }
        path.extend_from_slice(name);
    }
    path
}

impl Server {
    /// A process pledges to keep to rules that are in the mailbox.
    ///
    /// # Errors
    /// `EINVAL`: they make no sense. `E2BIG`: it has pledged too often.
    pub(crate) fn pledge(&mut self, id: u32, length: usize) -> Answer {
        let process = self.process_mut(id)?;
        let letter = process.channel.letter(length).ok_or(Errno::EINVAL)?;
        let text = String::from_utf8(letter).map_err(|_| Errno::EINVAL)?;
        let rules = Rules::parse(&text).map_err(|_| Errno::EINVAL)?;
        if process.sandbox.0.len() >= PLEDGES_MOST {
            return Err(Errno::E2BIG);
        }
        process.sandbox.0.push(Arc::new(rules));
        self.processes.are_pledged = true;
        value(0)
    }

    /// Check a request against what its process pledged; what is asked of the tree of files is checked there.
    ///
    /// # Errors
    /// `EPERM`: it may not ask this. `EAGAIN`, `ENOMEM`: not so much.
    pub(crate) fn check_pledges(&self, id: u32, request: &Request) -> Result<()> {
        let process = self.process(id)?;
        let sandbox = &process.sandbox;
        if sandbox.is_open() {
            return Ok(());
        }
        match request.operation {
            Operation::Fork if Kin::unpack(request.small, request.large).is_sibling => sandbox.may(Family::Signals),
            Operation::Fork => sandbox.may_fork(&self.processes, process.frames().0, request.words[0] as usize),
            Operation::Kill | Operation::Queue => self.may_touch(id, sandbox, self.signalled(request)),
            Operation::Notify if request.small == Notify::SetOwner as u16 => self.may_touch(id, sandbox, self.told(request)),
            Operation::Inspect => self.may_touch(id, sandbox, request.large),
            Operation::Limit if request.small & SET_LIMIT != 0 => self.may_touch(id, sandbox, request.large),
            Operation::SetPriority if request.small == 0 => self.may_touch(id, sandbox, request.large),
            Operation::SetPriority => sandbox.may(Family::Signals),
            // What it wants of all others.
            Operation::Turn if request.large != 0 => sandbox.may(Family::Signals),
            Operation::MakeSocket | Operation::Bind | Operation::Listen | Operation::Connect => sandbox.may(Family::Sockets),
            Operation::Send if request.words[0] >> 32 != 0 => sandbox.may(Family::Sockets),
            Operation::QueueOpen | Operation::QueueUnlink => sandbox.may(Family::Ipc),
            Operation::SegmentDetach | Operation::SemaphoresLeave => Ok(()),
            operation if operation.is_of_system_v() => sandbox.may(Family::Ipc),
            Operation::TerminalOpen | Operation::TerminalClaim => sandbox.may(Family::Terminals),
            _ => Ok(()),
        }
    }

    /// The process that a signal is for; 0: more than one.
    fn signalled(&self, request: &Request) -> u32 {
        let (id, thread) = (request.large, request.words[0] as u32);
        let named = if thread != 0 || (id as i32) > 0 { id } else { return 0 };
        self.family.process_of(named).unwrap_or(0)
    }

    /// The process that signals about an open file are to go to; 0: more than one.
    fn told(&self, request: &Request) -> u32 {
        let [kind, id, _] = request.words.map(|word| word as u32);
        if kind == unix::notify::GROUP { 0 } else { self.family.process_of(id).unwrap_or(id) }
    }

    /// Check whether a process may do something to another: to itself (0 is that too, but for signals, where it is none), and to those that it holds.
    fn may_touch(&self, id: u32, sandbox: &Sandbox, other: u32) -> Result<()> {
        let is_within = other == id || self.processes.get(other).is_some_and(|other| sandbox.holds(&other.sandbox));
        if is_within { Ok(()) } else { sandbox.may(Family::Signals) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sandbox(texts: &[&str]) -> Sandbox {
        Sandbox(texts.iter().map(|text| Arc::new(Rules::parse(text).expect("rules"))).collect())
    }

    #[test]
    fn what_all_pledges_allow_is_allowed() {
        let both = sandbox(&["allow sockets\nallow ipc\nlimit frames 100", "allow ipc\nallow processes\nlimit frames 60"]);
        assert_eq!(both.may(Family::Ipc), Ok(()));
        for family in [Family::Sockets, Family::Processes, Family::Signals] {
            assert_eq!(both.may(family), Err(Errno::EPERM));
        }
        assert_eq!((both.room(50), both.room(70), OPEN.room(5) > 1 << 40), (10, 0, true));
        assert!(OPEN.is_open() && OPEN.may(Family::Signals).is_ok() && !both.is_open());
    }

    #[test]
    fn who_is_held_to_more_is_within() {
        let outer = sandbox(&["allow processes"]);
        let mut inner = outer.clone();
        inner.0.push(Arc::new(Rules::default()));
        assert!(outer.holds(&outer.clone()) && outer.holds(&inner) && OPEN.holds(&outer));
        assert!(!inner.holds(&outer) && !outer.holds(&OPEN));
        assert!(!outer.holds(&sandbox(&["allow processes"])), "the same rules are not the same pledge");
    }

    #[test]
    fn forks_are_counted_in_frames_too() {
        let processes = Processes::new(0..4);
        let limited = sandbox(&["allow processes\nlimit processes 1\nlimit frames 100"]);
        assert_eq!(limited.may_fork(&processes, 100, 100), Ok(()));
        assert_eq!(limited.may_fork(&processes, 100, 101), Err(Errno::ENOMEM));
        assert_eq!(sandbox(&["limit processes 1"]).may_fork(&processes, 0, 0), Err(Errno::EPERM));
    }
}
