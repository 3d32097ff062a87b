//! Who is whose child, in which group and session, who waits for whom, and what signals are on the way.
//!
//! Pure: nothing here asks the exokernel. What is to be done about a change to processes (a doorbell, a death) is an [`Effect`], for
//! `Server` to carry out, so that all rules are tested on a host. Times are ticks of the counter and arguments.
//!
//! A process that ended stays a [`Member`] until its parent has waited for it: a record without an environment.

pub mod control;
pub mod credentials;
pub mod ends;
pub mod groups;
pub mod limits;
pub mod member;
pub mod notices;
#[cfg(test)]
mod quiet_tests;
pub mod signals;
pub mod stops;
#[cfg(test)]
mod tests;
pub mod waits;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};

use libos::errno::Errno;

pub use member::{Life, Member, Usage};

/// What an operation can answer.
pub type Result<T> = core::result::Result<T, Errno>;

/// Ids are below this (`/proc/sys/kernel/pid_max`).
const IDS: u32 = 4 << 20;
/// The most ids that a process's threads can have: twice as many as it can have threads.
const THREADS_MOST: usize = 1 << 16;
/// The most ids that all processes' threads can have, so that a free one is found soon.
const RESERVED_MOST: usize = IDS as usize / 2;
/// The first id after the ids have been used up once (`RESERVED_PIDS`).
const AGAIN_FROM: u32 = 300;

/// What is to be done to a process that a change is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Its bulletin is to say what its record says.
    Publish(u32),
    /// Its doorbell is to ring.
    Ring(u32),
    /// It is to end, by `SIGKILL`.
    Destroy(u32),
    /// It is to have no time any more, and no environment below it.
    Suspend(u32),
    /// It is to have its time again.
    Resume(u32),
}

/// All records.
#[derive(Debug)]
pub struct Family {
    members: BTreeMap<u32, Box<Member>>,
    effects: VecDeque<Effect>,
    last_id: u32,
    /// Whether ids have been used up once.
    is_second_round: bool,
    births: u64,
    /// How many are stopped.
    stopped: usize,
    /// How long a process may take to stop by itself, in ticks.
    grace: u64,
    /// Ticks a second.
    hz: u64,
    /// Whether something is due at another time than when this was last asked.
    is_due_changed: bool,
}

impl Family {
    /// With `unixd` alone, on a counter of `hz` ticks a second.
    #[must_use]
    pub fn new(hz: u64) -> Family {
        /// Of a second.
        const GRACE: u64 = 20;
        let server = Member::new(unix::SERVER_ID, 0, 0);
        Family {
            members: BTreeMap::from([(unix::SERVER_ID, Box::new(server))]),
            effects: VecDeque::new(),
            last_id: unix::SERVER_ID,
            is_second_round: false,
            births: 0,
            stopped: 0,
            grace: hz / GRACE,
            hz,
            is_due_changed: false,
        }
    }

    /// The next thing to do.
    pub fn next_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When something is due that no process says, in ticks at `now`, if that may have changed since this was last asked.
    pub fn new_deadline(&mut self, now: impl FnOnce() -> u64) -> Option<Option<u64>> {
        core::mem::take(&mut self.is_due_changed).then(|| {
            let now = now();
            self.expect_stops(now);
            self.expect_ends(now);
            self.deadline()
        })
    }

    /// The id that was given last.
    #[must_use]
    pub fn last_id(&self) -> u32 {
        self.last_id
    }

    /// An id that nobody has.
    pub fn new_id(&mut self) -> u32 {
        loop {
            self.last_id += 1;
            if self.last_id >= IDS {
                (self.last_id, self.is_second_round) = (AGAIN_FROM, true);
            }
            let id = self.last_id;
            if !self.is_second_round || !self.members.values().any(|member| member.uses(id)) {
                return id;
            }
        }
    }

    /// The first of `count` ids in a row that nobody has, for a process's threads.
    ///
    /// # Errors
    /// `EINVAL`: none, or more than are given at a time. `EAGAIN`: there would be too many.
    pub fn reserve_ids(&mut self, id: u32, count: u32) -> Result<u32> {
        const MOST: u32 = 256;
        if count == 0 || count > MOST {
            return Err(Errno::EINVAL);
        }
        let all: usize = self.members.values().map(|member| member.thread_ids()).sum();
        if self.member(id)?.thread_ids() + count as usize > THREADS_MOST || all + count as usize > RESERVED_MOST {
            return Err(Errno::EAGAIN);
        }
        let mut first = self.new_id();
        let mut last = first;
        while last - first + 1 < count {
            let next = self.new_id();
            if next != last + 1 {
                first = next;
            }
            last = next;
        }
        self.member_mut(id)?.add_threads(first..last + 1);
        Ok(first)
    }

    /// A first program: it leads a group and a session of its own.
    pub fn begin(&mut self, id: u32) {
        self.births += 1;
        self.add(Box::new(Member::new(id, unix::SERVER_ID, self.births)));
        self.effects.push_back(Effect::Publish(id));
    }

    /// Whether a process may have one child more, while others are making some.
    ///
    /// # Errors
    /// `EAGAIN`: its user has as many processes as `RLIMIT_NPROC` allows.
    pub fn may_fork(&self, id: u32, on_the_way: impl Iterator<Item = u32>) -> Result<()> {
        let member = self.member(id)?;
        if member.credentials.user.effective == 0 {
            return Ok(());
        }
        let user = member.credentials.user.real;
        let most = member.limits.get(libos::limits::PROCESSES)?[0];
        // However many of all there are its user's: who makes one is there already.
        if (2 * self.members.len() as u64) < most {
            return Ok(());
        }
        let made = self.members.values().filter(|other| other.id != unix::SERVER_ID && other.credentials.user.real == user).count();
        let made_soon = on_the_way.filter_map(|id| self.members.get(&id)).filter(|maker| maker.credentials.user.real == user).count();
        if (made + made_soon) as u64 >= most { Err(Errno::EAGAIN) } else { Ok(()) }
    }

    /// `id` is a copy of `from`, whose thread `thread` made it, and sends its parent `exit_signal` at its end. With `as_sibling`, its parent is
    /// that of `from`.
    ///
    /// # Errors
    /// `ESRCH`: there is no `from`.
    pub fn copy(&mut self, from: u32, id: u32, exit_signal: u32, thread: u32, as_sibling: bool) -> Result<()> {
        self.births += 1;
        let copied = self.members.get(&from).ok_or(Errno::ESRCH)?;
        let mut child = Box::new(Member::new(id, if as_sibling { copied.parent } else { from }, self.births));
        (child.group, child.session) = (copied.group, copied.session);
        child.credentials = copied.credentials.clone();
        child.limits.clone_from(&copied.limits);
        child.nice = copied.nice;
        child.name = copied.name;
        child.child_actions = copied.child_actions;
        (child.continues, child.limit_changes) = (copied.continues, copied.limit_changes);
        child.exit_signal = if as_sibling { copied.exit_signal } else { exit_signal };
        child.parent_thread = thread;
        child.has_executed = false;
        child.has_left_terminal = copied.has_left_terminal;
        let limit = child.limits.get(libos::limits::CPU)?;
        if limit != [libos::limits::UNLIMITED; 2] {
            (child.cpu_warning, child.look_at_cpu, self.is_due_changed) = (limit[0], Some(0), true);
        }
        let (parent, is_usual) = (child.parent, child.exit_signal == libos::signal::SIGCHLD);
        self.add(child);
        self.effects.push_back(Effect::Publish(id));
        if is_usual && self.members.get(&parent).is_some_and(|parent| parent.quiet_child != 0 || parent.children.as_slice() == [id]) {
            self.set_quiet_child(parent, id);
        }
        Ok(())
    }

    /// One record more, a child of its parent's.
    fn add(&mut self, member: Box<Member>) {
        let id = member.id;
        self.members.get_mut(&member.parent).map(|parent| parent.children.insert(id));
        self.members.insert(id, member);
    }

    /// A record is not needed any more: nobody waits for it.
    pub fn forget(&mut self, id: u32) {
        let Some(member) = self.members.remove(&id) else { return };
        self.stopped -= usize::from(member.is_stopped());
        let Some(parent) = self.members.get_mut(&member.parent) else { return };
        parent.children.remove(id);
        if parent.quiet_child == id {
            self.set_quiet_child(member.parent, 0);
        }
    }

    /// A process runs another program, of this name: execve(2).
    ///
    /// # Errors
    /// `ESRCH`: there is no such process.
    pub fn note_execution(&mut self, id: u32, name: [u64; 2]) -> Result<()> {
        let member = self.member_mut(id)?;
        member.name = name;
        member.has_executed = true;
        member.exit_signal = libos::signal::SIGCHLD;
        member.threads.clear();
        member.has_will = false;
        for ids in [&mut member.credentials.user, &mut member.credentials.group] {
            (ids.saved, ids.file) = (ids.effective, ids.effective);
        }
        // What was caught is not any more, and what was ignored still is (execve(2)); the flags go.
        member.child_actions &= unix::ChildActions::IGNORED;
        Ok(())
    }

    /// A record.
    ///
    /// # Errors
    /// `ESRCH`: there is none.
    pub fn member(&self, id: u32) -> Result<&Member> {
        self.members.get(&id).map(Box::as_ref).ok_or(Errno::ESRCH)
    }

    /// A record, to change.
    ///
    /// # Errors
    /// `ESRCH`: there is none.
    pub fn member_mut(&mut self, id: u32) -> Result<&mut Member> {
        self.members.get_mut(&id).map(Box::as_mut).ok_or(Errno::ESRCH)
    }

    /// All records, by id.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values().map(Box::as_ref)
    }

    /// The ids of those that are so.
    fn ids(&self, is_so: impl Fn(&Member) -> bool) -> alloc::vec::Vec<u32> {
        self.members.values().filter(|member| is_so(member)).map(|member| member.id).collect()
    }

    /// Let a process know that something changed.
    fn tell(&mut self, id: u32) {
        if self.members.get(&id).is_some_and(|member| !member.is_dead()) && id != unix::SERVER_ID {
            // What was told just now is told with the rest.
            if self.effects.back() != Some(&Effect::Ring(id)) {
                self.effects.push_back(Effect::Publish(id));
                self.effects.push_back(Effect::Ring(id));
            }
        }
    }
}
