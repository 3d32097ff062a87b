//! The end of a process: what becomes of its children, who is told.

use libos::signal::{Information, SIGCHLD, SIGCONT, SIGHUP};
use unix::{ChildActions, wait_status};

use super::{Effect, Family, Life, Usage};

impl Family {
    /// A process has ended: its children go to the next subreaper above, its parent is told, its record stays for that one to wait for.
    pub fn end(&mut self, id: u32, status: u32, usage: Usage) {
        let Some(member) = self.members.get_mut(&id).filter(|member| !member.is_dead()) else { return };
        self.stopped -= usize::from(member.is_stopped());
        (member.life, member.usage) = (Life::Zombie(status), usage);
        member.queue.clear();
        member.end_by = None;
        (member.stop_by, member.look_at_cpu, member.unseen_stop, member.unseen_continue) = (None, None, None, false);
        let (watchers, watched) = (core::mem::take(&mut member.watchers), core::mem::take(&mut member.watched));
        for watcher in watchers {
            self.tell(watcher);
            self.members.get_mut(&watcher).map(|watcher| watcher.watched.remove(id));
        }
        for other in watched {
            self.members.get_mut(&other).map(|other| other.watchers.remove(id));
        }
        self.orphan_children(id);
        self.check_own_group(id);
        self.tell_parent_of_end(id);
    }

    /// Another process goes on as the one with this record, which has ended.
    pub fn revive(&mut self, id: u32) {
        if let Some(member) = self.members.get_mut(&id) {
            (member.end_by, member.stop_by, member.is_suspended, member.has_will) = (None, None, false, false);
        }
        self.tell(id);
    }

    /// End a process by `SIGKILL`. One with a will gets a while for it.
    pub(super) fn kill_member(&mut self, id: u32) {
        let Some(member) = self.members.get_mut(&id) else { return };
        if !member.has_will {
            self.effects.push_back(Effect::Destroy(id));
            return;
        }
        if member.end_by.is_none() {
            (member.end_by, member.stop_by) = (Some(None), None);
            self.is_due_changed = true;
            if core::mem::take(&mut member.is_suspended) {
                self.effects.push_back(Effect::Resume(id));
            }
            self.tell(id);
        }
    }

    /// A process was told to end: it has from `now` until a while is over to do that by itself.
    pub(super) fn expect_ends(&mut self, now: u64) {
        /// Of a second.
        const WHILE: u64 = 4;
        let end_by = now + self.hz / WHILE;
        self.members.values_mut().for_each(|member| member.end_by = member.end_by.map(|time| time.or(Some(end_by))));
    }

    /// End those by force who were told to end and did not.
    pub fn enforce_ends(&mut self, now: u64) {
        for id in self.ids(|member| member.end_by.flatten().is_some_and(|time| time <= now)) {
            self.effects.push_back(Effect::Destroy(id));
        }
    }

    /// The process that takes over the children of one that ended.
    fn heir(&self, id: u32) -> u32 {
        let mut heir = self.members[&id].parent;
        while let Some(member) = self.members.get(&heir) {
            if heir == unix::SERVER_ID || member.is_subreaper && !member.is_dead() {
                break;
            }
            heir = member.parent;
        }
        heir.max(unix::SERVER_ID)
    }

    fn orphan_children(&mut self, id: u32) {
        let heir = self.heir(id);
        let (group, session) = (self.members[&id].group, self.members[&id].session);
        let Some(children) = self.members.get_mut(&id).map(|member| core::mem::take(&mut member.children)) else { return };
        for &child in children.as_slice() {
            let Some(member) = self.members.get_mut(&child) else { continue };
            (member.parent, member.parent_thread, member.exit_signal) = (heir, 0, SIGCHLD);
            let death_signal = member.death_signal;
            self.members.get_mut(&heir).map(|heir| heir.children.insert(child));
            // It may have stopped, of which its parent is told once.
            self.set_quiet_child(heir, 0);
            self.tell(child);
            if death_signal != 0 {
                let _ = self.send(child, 0, Information::new(death_signal, Information::USER, 0));
            }
        }
        for child in children {
            let Some(member) = self.members.get(&child) else { continue };
            let (childs_group, is_ours) = (member.group, member.session == session && member.group != group);
            if member.is_dead() {
                self.tell_parent_of_end(child);
            }
            if is_ours {
                self.wake_orphaned_group(childs_group, 0);
            }
        }
    }

    /// If the process was the last tie of its group to the rest of its session, let those who are stopped in it go on.
    fn check_own_group(&mut self, id: u32) {
        let member = &self.members[&id];
        let is_tie =
            self.members.get(&member.parent).is_some_and(|parent| parent.group != member.group && parent.session == member.session);
        if is_tie {
            self.wake_orphaned_group(member.group, id);
        }
    }

    /// Whether nobody in a group, `ignored` aside, has a parent in the session but outside the group.
    #[must_use]
    pub fn is_orphaned(&self, group: u32, ignored: u32) -> bool {
        let mut others = self.members.values().filter(|member| member.group == group && member.id != ignored && !member.is_dead());
        !others.any(|member| {
            member.parent != unix::SERVER_ID
                && self.members.get(&member.parent).is_some_and(|parent| parent.group != group && parent.session == member.session)
        })
    }

    fn wake_orphaned_group(&mut self, group: u32, ignored: u32) {
        let has_stopped = || self.members.values().any(|member| member.group == group && member.is_stopped());
        if self.stopped > 0 && has_stopped() && self.is_orphaned(group, ignored) {
            for signal in [SIGHUP, SIGCONT] {
                self.send_to_group(group, signal);
            }
        }
    }

    /// Send a signal that is nobody's to a group.
    pub fn send_to_group(&mut self, group: u32, signal: u32) {
        for id in self.ids(|member| member.group == group && !member.is_dead()) {
            let _ = self.send(id, 0, Information::new(signal, Information::KERNEL, 0));
        }
    }

    /// Tell the parent of a zombie, and do without the record if it does not care.
    fn tell_parent_of_end(&mut self, id: u32) {
        let member = &self.members[&id];
        let (parent, signal) = (member.parent, member.exit_signal);
        let actions = self.expect_news(parent);
        let is_ignored = signal == SIGCHLD && actions.contains(ChildActions::IGNORED);
        let is_unwanted = signal == SIGCHLD && actions.intersects(ChildActions::IGNORED | ChildActions::NO_WAIT);
        if signal != 0 && !is_ignored && parent != unix::SERVER_ID {
            let _ = self.send(parent, 0, self.about_child(id, signal));
        }
        if is_unwanted {
            self.forget(id);
        }
        self.tell(parent);
    }

    /// What the signal that tells of a child's end or stop says.
    pub(super) fn about_child(&self, id: u32, signal: u32) -> Information {
        const TICKS: u64 = 100;
        let member = &self.members[&id];
        let status = match member.life {
            Life::Zombie(status) => status,
            Life::Stopped(signal) => wait_status::stopped(signal),
            Life::Running => wait_status::CONTINUED,
        };
        let (code, value) = wait_status::explain(status);
        let mut information = Information::new(signal, code, u64::from(id) | u64::from(member.credentials.user.real) << 32);
        information.payload[1] = u64::from(value);
        information.payload[2] = member.usage.cpu_ns / (1_000_000_000 / TICKS);
        information
    }
}
