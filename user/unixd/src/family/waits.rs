//! Waiting for children: wait4(2), waitid(2).

use libos::errno::Errno;
use libos::signal::SIGCHLD;
use unix::{WaitOptions, Whom, wait_status};

use super::{Effect, Family, Life, Member, Result, Usage};
use crate::ids::Ids;

/// What a wait is for.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// Which children.
    pub whom: Whom,
    /// What of them, and how.
    pub options: WaitOptions,
    /// The thread that asks.
    pub thread: u32,
}

impl Asked {
    /// Those of these children that may be meant.
    fn among<'a>(&self, children: &'a Ids) -> &'a [u32] {
        let all = children.as_slice();
        match self.whom {
            Whom::Process(id) => children.place(id).map_or(&[], |place| &all[place..=place]),
            _ => all,
        }
    }
}

/// A child about which there is something to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its id.
    pub id: u32,
    /// Its real user's id.
    pub user: u32,
    /// The wait status.
    pub status: u32,
    /// What it and its children used, if it has ended.
    pub usage: Usage,
}

impl Family {
    /// The first child about which there is something to tell. Unless `KEEP` is among the options, it is told once.
    ///
    /// # Errors
    /// `EAGAIN`: there may be something later. `ECHILD`: there never will be.
    pub fn wait(&mut self, waiter: u32, asked: &Asked) -> Result<Found> {
        let waiting = self.member_mut(waiter)?;
        let own_group = waiting.group;
        let children = core::mem::take(&mut waiting.children);
        let mut refusal = Errno::ECHILD;
        let mut found = None;
        let mut silent = None;
        for id in asked.among(&children) {
            let Some(child) = self.members.get_mut(id).filter(|child| is_meant(child, asked, own_group)) else { continue };
            if let Some(status) = report(child, asked.options) {
                let usage = child.usage.and(child.children_usage);
                found = Some(Found { id: child.id, user: child.credentials.user.real, status, usage });
                break;
            }
            if !child.is_dead() {
                refusal = Errno::EAGAIN;
                silent = Some(child.id);
            }
        }
        self.member_mut(waiter)?.children = children;
        let Some(found) = found else {
            if let Some(child) = silent {
                self.look_for_quiet(waiter, child);
            }
            return Err(refusal);
        };
        if !asked.options.contains(WaitOptions::KEEP) && self.member(found.id)?.is_dead() {
            self.forget(found.id);
            let own = self.member_mut(waiter)?;
            own.children_usage = own.children_usage.and(found.usage);
            if let Some(&next) = own.children.as_slice().first() {
                self.look_for_quiet(waiter, next);
            }
        }
        Ok(found)
    }

    /// If none of a process's children has news, let it know that a wait for this one is in vain so far.
    fn look_for_quiet(&mut self, id: u32, child: u32) {
        /// Of more children nobody looks at all for this alone.
        const FEW: usize = 16;
        let Some(member) = self.members.get(&id).filter(|member| member.children.as_slice().len() <= FEW) else { return };
        let is_usual = self.members.get(&child).is_some_and(|child| child.exit_signal == SIGCHLD);
        let has_news = |child| self.members.get(child).is_some_and(|child| child.has_news());
        if is_usual && (member.quiet_child != 0 || !member.children.as_slice().iter().any(has_news)) {
            self.set_quiet_child(id, child);
        }
    }

    /// Let a process know of which child it can tell by itself that a wait for it is in vain; 0: of none.
    pub(super) fn set_quiet_child(&mut self, id: u32, child: u32) {
        if let Some(member) = self.members.get_mut(&id)
            && member.quiet_child != child
        {
            member.quiet_child = child;
            self.effects.push_back(Effect::Publish(id));
        }
    }
}

/// Whether a child is one of those that a wait is for.
fn is_meant(child: &Member, asked: &Asked, own_group: u32) -> bool {
    let options = asked.options;
    let of_kind = options.contains(WaitOptions::ALL) || (child.exit_signal != SIGCHLD) == options.contains(WaitOptions::CLONES);
    let of_thread = !options.contains(WaitOptions::OWN_THREAD) || child.parent_thread == asked.thread;
    let named = match asked.whom {
        Whom::All => true,
        Whom::Process(id) => child.id == id,
        Whom::Group(0) => child.group == own_group,
        Whom::Group(group) => child.group == group,
    };
    of_kind && of_thread && named
}

/// What there is to tell of a child: a wait status.
fn report(child: &mut Member, options: WaitOptions) -> Option<u32> {
    if let Life::Zombie(status) = child.life {
        return options.contains(WaitOptions::EXITED).then_some(status);
    }
    let keep = options.contains(WaitOptions::KEEP);
    if options.contains(WaitOptions::STOPPED)
        && let Some(signal) = child.unseen_stop
    {
        child.unseen_stop = child.unseen_stop.filter(|_| keep);
        return Some(wait_status::stopped(signal));
    }
    if options.contains(WaitOptions::CONTINUED) && child.unseen_continue {
        child.unseen_continue = keep;
        return Some(wait_status::CONTINUED);
    }
    None
}
