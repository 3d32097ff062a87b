//! What is known of a process, dead or alive.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::ops::Range;

use libos::limits::Limits;
use libos::signal::{Information, SIGCHLD};
use unix::ChildActions;

use super::credentials::Credentials;
use crate::ids::Ids;

/// Whether it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It does, or would.
    Running,
    /// A signal stopped it.
    Stopped(u32),
    /// It ended, with this wait status, and nobody has waited for it.
    Zombie(u32),
}

/// What a process used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Time of the CPU, in nanoseconds.
    pub cpu_ns: u64,
    /// The most pages that were resident at a time.
    pub most_resident: u32,
    /// Page faults.
    pub faults: u32,
}

impl Usage {
    /// What two processes used together.
    #[must_use]
    pub fn and(self, other: Usage) -> Usage {
        Usage {
            cpu_ns: self.cpu_ns + other.cpu_ns,
            most_resident: self.most_resident.max(other.most_resident),
            faults: self.faults.saturating_add(other.faults),
        }
    }
}

/// A signal on its way: which thread it is for (0: any) and what comes with it.
pub type Sent = (u32, Information);

/// See the module.
#[derive(Debug)]
pub struct Member {
    /// Its id.
    pub id: u32,
    /// A number that no other process ever has.
    pub birth: u64,
    /// What it is called.
    pub name: [u64; 2],
    /// When it began, in nanoseconds of the monotonic clock.
    pub began_ns: u64,
    /// Its parent's id.
    pub parent: u32,
    /// The thread of the parent that made it.
    pub parent_thread: u32,
    /// Its process group.
    pub group: u32,
    /// Its session.
    pub session: u32,
    /// The signal that its end sends to its parent; 0: none.
    pub exit_signal: u32,
    /// Whether it runs.
    pub life: Life,
    /// What it used, once it has ended.
    pub usage: Usage,
    /// What its children used that it waited for, and theirs.
    pub children_usage: Usage,
    /// Whose it is.
    pub credentials: Credentials,
    /// Its limits.
    pub limits: Limits,
    /// How often somebody else changed them.
    pub limit_changes: u32,
    /// Its nice value, -20 to 19.
    pub nice: i32,
    /// Whether orphans below it become its children.
    pub is_subreaper: bool,
    /// The signal that its parent's end sends to it; 0: none.
    pub death_signal: u32,
    /// Whether it runs another program than it was made with.
    pub has_executed: bool,
    /// What it does about `SIGCHLD`.
    pub child_actions: ChildActions,
    /// Signals that it has not taken yet, in order.
    pub queue: VecDeque<Sent>,
    /// How often it was sent `SIGCONT`.
    pub continues: u32,
    /// When it must have stopped, in ticks, if it was told to.
    pub stop_by: Option<u64>,
    /// Whether it has something to do at its end.
    pub has_will: bool,
    /// Whether it was told to end by itself, and when it must have, in ticks.
    pub end_by: Option<Option<u64>>,
    /// Whether it stopped by force.
    pub is_suspended: bool,
    /// A stop that its parent has not waited for.
    pub unseen_stop: Option<u32>,
    /// Whether its parent has not waited for its going on.
    pub unseen_continue: bool,
    /// When the time of the CPU that it used is to be looked at, in ticks.
    pub look_at_cpu: Option<u64>,
    /// Seconds of the CPU at which it is told next that it used too many.
    pub cpu_warning: u64,
    /// Its children that have not been waited for.
    pub children: Ids,
    /// A child whose end sends `SIGCHLD`, if none of all the children has news. 0: some may have, or there is no such child.
    pub quiet_child: u32,
    /// Who wants to know of its end: readers of pidfds.
    pub watchers: Ids,
    /// Those of whose end it wants to know.
    pub watched: Ids,
    /// Ids of its threads but the first.
    pub threads: Vec<Range<u32>>,
    /// Whether it gave up its session's terminal for itself alone.
    pub has_left_terminal: bool,
    /// The foreground group of the terminal that its session lost, which is to hear of its end; 0: none.
    pub last_foreground: u32,
}

impl Member {
    /// Root's, in a group and session of its own.
    #[must_use]
    pub fn new(id: u32, parent: u32, birth: u64) -> Member {
        Member {
            id,
            birth,
            name: [0; 2],
            began_ns: 0,
            parent,
            parent_thread: 0,
            group: id,
            session: id,
            exit_signal: SIGCHLD,
            life: Life::Running,
            usage: Usage::default(),
            children_usage: Usage::default(),
            credentials: Credentials::default(),
            limits: Limits::new(),
            limit_changes: 0,
            nice: 0,
            is_subreaper: false,
            death_signal: 0,
            has_executed: true,
            child_actions: if id == unix::SERVER_ID { ChildActions::IGNORED } else { ChildActions::empty() },
            queue: VecDeque::new(),
            continues: 0,
            stop_by: None,
            has_will: false,
            end_by: None,
            is_suspended: false,
            unseen_stop: None,
            unseen_continue: false,
            look_at_cpu: None,
            cpu_warning: 0,
            children: Ids::new(),
            quiet_child: 0,
            watchers: Ids::new(),
            watched: Ids::new(),
            threads: Vec::new(),
            has_left_terminal: false,
            last_foreground: 0,
        }
    }

    /// Whether an id means this process, its group or session, or a thread of it.
    #[must_use]
    pub fn uses(&self, id: u32) -> bool {
        [self.id, self.group, self.session].contains(&id) || self.has_thread(id)
    }

    /// How many ids its further threads may have.
    #[must_use]
    pub fn thread_ids(&self) -> usize {
        self.threads.iter().map(ExactSizeIterator::len).sum()
    }

    /// Let its further threads have these ids too.
    pub fn add_threads(&mut self, ids: Range<u32>) {
        match self.threads.last_mut() {
            Some(last) if last.end == ids.start => last.end = ids.end,
            _ => self.threads.push(ids),
        }
    }

    /// Whether an id is one of its further threads'.
    #[must_use]
    pub fn has_thread(&self, id: u32) -> bool {
        self.threads.iter().any(|ids| ids.contains(&id))
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        matches!(self.life, Life::Zombie(_))
    }

    /// Whether there is something that its parent could be told by a wait.
    #[must_use]
    pub fn has_news(&self) -> bool {
        self.is_dead() || self.unseen_stop.is_some() || self.unseen_continue
    }

    /// Whether signals are any good to it: not to `unixd`, nor to who has ended or is to end at once.
    #[must_use]
    pub fn takes_signals(&self) -> bool {
        !self.is_dead() && self.end_by.is_none() && self.id != unix::SERVER_ID
    }

    /// Whether it is stopped.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        matches!(self.life, Life::Stopped(_))
    }
}
