//! Stopping and going on.

use libos::signal::{SIGCHLD, SIGSTOP};
use unix::ChildActions;

use super::{Effect, Family, Life, Result};

impl Family {
    /// A process is about to stop because of a signal that it took when it had been sent `SIGCONT` so many times. False: it is not to.
    ///
    /// # Errors
    /// `ESRCH`: there is no such process.
    pub fn stop(&mut self, id: u32, signal: u32, continues: u32) -> Result<bool> {
        let member = self.member(id)?;
        let group = member.group;
        if member.life != Life::Running || member.continues != continues || signal != SIGSTOP && self.is_orphaned(group, 0) {
            return Ok(false);
        }
        self.note_stop(id, signal);
        Ok(true)
    }

    /// Stop those by force who were told to and did not.
    pub fn enforce_stops(&mut self, now: u64) {
        for id in self.ids(|member| member.stop_by.is_some_and(|time| time <= now)) {
            let member = self.members.get_mut(&id).expect("just listed");
            member.is_suspended = true;
            member.queue.retain(|(_, information)| information.signal as u32 != SIGSTOP);
            self.effects.push_back(Effect::Suspend(id));
            self.note_stop(id, SIGSTOP);
        }
    }

    fn note_stop(&mut self, id: u32, signal: u32) {
        let member = self.members.get_mut(&id).expect("the caller's promise");
        self.stopped += usize::from(!member.is_stopped());
        member.life = Life::Stopped(signal);
        (member.stop_by, member.unseen_stop, member.unseen_continue) = (None, Some(signal), false);
        self.effects.push_back(Effect::Publish(id));
        self.tell_parent_of_stop(id);
    }

    /// A process is to go on, if it is stopped.
    pub(super) fn go_on(&mut self, id: u32) {
        let member = self.members.get_mut(&id).expect("the caller's promise");
        member.continues = member.continues.wrapping_add(1);
        member.stop_by = None;
        if !member.is_stopped() {
            return;
        }
        member.life = Life::Running;
        self.stopped -= 1;
        (member.unseen_stop, member.unseen_continue) = (None, true);
        if core::mem::take(&mut member.is_suspended) {
            self.effects.push_back(Effect::Resume(id));
        }
        self.tell(id);
        self.tell_parent_of_stop(id);
    }

    /// A process is about to be told of a child of its, and what it does about that: from now on it is to ask.
    pub(super) fn expect_news(&mut self, id: u32) -> ChildActions {
        let Some(member) = self.members.get_mut(&id) else { return ChildActions::IGNORED };
        member.quiet_child = 0;
        member.child_actions
    }

    fn tell_parent_of_stop(&mut self, id: u32) {
        let parent = self.members[&id].parent;
        let actions = self.expect_news(parent);
        if parent != unix::SERVER_ID && !actions.intersects(ChildActions::IGNORED | ChildActions::NO_STOPS) {
            let _ = self.send(parent, 0, self.about_child(id, SIGCHLD));
        }
        self.tell(parent);
    }
}
