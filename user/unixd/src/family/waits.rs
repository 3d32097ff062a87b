//! Waiting for children: wait4(2), waitid(2).

use libos::errno::Errno;
use libos::signal::SIGCHLD;
use unix::{WaitOptions, Whom, wait_status};

use super::{Family, Life, Member, Result, Usage};

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
        let own_group = self.member(waiter)?.group;
        let mut refusal = Errno::ECHILD;
        let mut found = None;
        for child in self.members.values_mut().filter(|member| member.parent == waiter && is_meant(member, asked, own_group)) {
            if let Some(status) = report(child, asked.options) {
                let usage = child.usage.and(child.children_usage);
                found = Some(Found { id: child.id, user: child.credentials.user.real, status, usage });
                break;
            }
            if !child.is_dead() {
                refusal = Errno::EAGAIN;
            }
        }
        let found = found.ok_or(refusal)?;
        if !asked.options.contains(WaitOptions::KEEP) && self.member(found.id)?.is_dead() {
            self.members.remove(&found.id);
            let waiter = self.member_mut(waiter)?;
            waiter.children_usage = waiter.children_usage.and(found.usage);
        }
        Ok(found)
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
