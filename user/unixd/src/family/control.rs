//! What else a process is asked about, and asks about others: prctl(2), getpriority(2), pidfd_open(2).

use libos::errno::Errno;
use libos::signal::SIGNALS;
use unix::Setting;

use super::{Family, Member, Result};

/// Whose priorities: getpriority(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// A process's.
    Process,
    /// Those of a group's.
    Group,
    /// Those of a user's.
    User,
}

/// Nice values are above minus this and below it.
const NICE: i32 = 20;

impl Family {
    /// Read a setting, and change it if `new` is given.
    ///
    /// # Errors
    /// `EINVAL`: a value that it cannot have.
    pub fn setting(&mut self, id: u32, setting: Setting, new: Option<u32>) -> Result<u32> {
        let member = self.member_mut(id)?;
        match setting {
            Setting::Subreaper => {
                let old = u32::from(member.is_subreaper);
                member.is_subreaper = new.map_or(member.is_subreaper, |new| new != 0);
                Ok(old)
            }
            Setting::Will => {
                let old = u32::from(member.has_will);
                member.has_will = new.map_or(member.has_will, |new| new != 0);
                Ok(old)
            }
            Setting::DeathSignal if new.is_some_and(|new| new > SIGNALS) => Err(Errno::EINVAL),
            Setting::DeathSignal => {
                let old = member.death_signal;
                member.death_signal = new.unwrap_or(old);
                Ok(old)
            }
        }
    }

    fn meant(&self, caller: u32, whose: Whose, who: u32) -> Result<alloc::vec::Vec<u32>> {
        let own = self.member(caller)?;
        let (group, user) = (if who == 0 { own.group } else { who }, if who == 0 { own.credentials.user.real } else { who });
        let process = if who == 0 { caller } else { self.process_of(who).unwrap_or(0) };
        let ids = self.ids(|member: &Member| match whose {
            Whose::Process => member.id == process,
            Whose::Group => member.group == group,
            Whose::User => member.credentials.user.real == user,
        });
        if ids.is_empty() { Err(Errno::ESRCH) } else { Ok(ids) }
    }

    /// getpriority(2): 20 less the lowest nice value.
    ///
    /// # Errors
    /// `ESRCH`: nobody is meant.
    pub fn priority(&self, caller: u32, whose: Whose, who: u32) -> Result<u32> {
        let ids = self.meant(caller, whose, who)?;
        let least = ids.iter().filter_map(|id| self.members.get(id)).map(|member| member.nice).min().ok_or(Errno::ESRCH)?;
        Ok((NICE - least) as u32)
    }

    /// setpriority(2)
    ///
    /// # Errors
    /// `ESRCH`: nobody is meant. `EPERM`: another user's process. `EACCES`: it would go up, and the caller is not root's.
    pub fn set_priority(&mut self, caller: u32, whose: Whose, who: u32, nice: i32) -> Result<()> {
        let ids = self.meant(caller, whose, who)?;
        let own = &self.member(caller)?.credentials;
        let (user, is_privileged) = (own.user, own.is_privileged());
        let nice = nice.clamp(-NICE, NICE - 1);
        let mut outcome = Ok(());
        for id in ids {
            let member = self.member_mut(id)?;
            let theirs = member.credentials.user;
            if !is_privileged && ![theirs.real, theirs.effective].contains(&user.effective) {
                outcome = Err(Errno::EPERM);
            } else if !is_privileged && nice < member.nice {
                outcome = Err(Errno::EACCES);
            } else {
                member.nice = nice;
            }
        }
        outcome
    }

    /// The number that a process has and no other ever has: what a pidfd remembers.
    ///
    /// # Errors
    /// `ESRCH`: there is no such process. `EINVAL`: the id is that of a thread that does not lead its process.
    pub fn birth(&self, id: u32) -> Result<u64> {
        let process = self.process_of(id)?;
        if process == id { Ok(self.member(id)?.birth) } else { Err(Errno::EINVAL) }
    }

    /// Whether the process that a pidfd means has ended; if not, `watcher` will hear of it.
    #[must_use]
    pub fn has_ended(&mut self, watcher: u32, id: u32, birth: u64) -> bool {
        let Some(member) = self.members.get_mut(&id).filter(|member| member.birth == birth && !member.is_dead()) else { return true };
        member.watchers.insert(watcher);
        if let Some(watcher) = self.members.get_mut(&watcher) {
            watcher.watched.insert(id);
        }
        false
    }

    /// The process that a pidfd means.
    ///
    /// # Errors
    /// `ESRCH`: it has been waited for.
    pub fn born(&self, id: u32, birth: u64) -> Result<&Member> {
        self.member(id).ok().filter(|member| member.birth == birth).ok_or(Errno::ESRCH)
    }
}
