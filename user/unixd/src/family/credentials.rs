//! Whose a process is: credentials(7).

use alloc::vec::Vec;

use libos::errno::Errno;
use libos::vfs::permission::Subject;
use unix::SetIds;

use super::{Family, Result};

/// The ids of a kind (users or groups) that a process has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ids {
    /// Whose it is.
    pub real: u32,
    /// With whose rights it acts.
    pub effective: u32,
    /// Whose rights it may take up again.
    pub saved: u32,
    /// With whose rights it uses files.
    pub file: u32,
}

/// See the module. What is zero is root's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// Users.
    pub user: Ids,
    /// Groups.
    pub group: Ids,
    /// Supplementary groups.
    pub groups: Vec<u32>,
}

/// "Leave it" in a call that sets several ids, and no id.
const NONE: u32 = u32::MAX;

impl Ids {
    /// Whether an id is one of those that it may act with.
    #[must_use]
    pub fn has(&self, id: u32) -> bool {
        [self.real, self.effective, self.saved].contains(&id)
    }

    /// setuid(2) and its like: what they make of these ids.
    ///
    /// # Errors
    /// `EINVAL`: an id that is none. `EPERM`: an id that the process does not have, and it is not `privileged`.
    pub fn set(self, how: SetIds, [first, second, third]: [u32; 3], privileged: bool) -> Result<Ids> {
        let or = |id: u32, old: u32| if id == NONE { old } else { id };
        let allowed = |id: u32, within: &[u32]| privileged || id == NONE || within.contains(&id);
        let Ids { real, effective, saved, .. } = self;
        match how {
            SetIds::One if first == NONE => Err(Errno::EINVAL),
            SetIds::One if privileged => Ok(Ids { real: first, effective: first, saved: first, file: first }),
            SetIds::One if [real, saved].contains(&first) => Ok(Ids { effective: first, file: first, ..self }),
            SetIds::Two if allowed(first, &[real, effective]) && allowed(second, &[real, effective, saved]) => {
                let effective = or(second, effective);
                let saved = if first != NONE || second != NONE && second != real { effective } else { saved };
                Ok(Ids { real: or(first, real), effective, saved, file: effective })
            }
            SetIds::Three if [first, second, third].iter().all(|&id| allowed(id, &[real, effective, saved])) => {
                let effective = or(second, effective);
                Ok(Ids { real: or(first, real), effective, saved: or(third, saved), file: effective })
            }
            SetIds::File if first != NONE && (privileged || self.has(first) || self.file == first) => Ok(Ids { file: first, ..self }),
            SetIds::File => Ok(self),
            SetIds::One | SetIds::Two | SetIds::Three => Err(Errno::EPERM),
        }
    }
}

impl Credentials {
    /// Whether root's rights are there.
    #[must_use]
    pub fn is_privileged(&self) -> bool {
        self.user.effective == 0
    }

    /// With whose rights files are used.
    #[must_use]
    pub fn for_files(&self) -> Subject<'_> {
        Subject { user: self.user.file, group: self.group.file, groups: &self.groups }
    }

    /// With whose rights access(2) asks.
    #[must_use]
    pub fn real(&self) -> Subject<'_> {
        Subject { user: self.user.real, group: self.group.real, groups: &self.groups }
    }
}

impl Family {
    /// setuid(2), setgid(2) and their like; gives the ids after.
    ///
    /// # Errors
    /// Those of [`Ids::set`].
    pub fn set_ids(&mut self, id: u32, how: SetIds, of_groups: bool, ids: [u32; 3]) -> Result<Ids> {
        let member = self.member_mut(id)?;
        let privileged = member.credentials.is_privileged();
        let place = if of_groups { &mut member.credentials.group } else { &mut member.credentials.user };
        let old = *place;
        *place = place.set(how, ids, privileged)?;
        let new = *place;
        if (old.effective, old.file) != (new.effective, new.file) {
            // prctl(2), PR_SET_PDEATHSIG: cleared where credentials change.
            member.death_signal = 0;
        }
        Ok(new)
    }

    /// setgroups(2)
    ///
    /// # Errors
    /// `EPERM`: the process is not root's.
    pub fn set_groups(&mut self, id: u32, groups: Vec<u32>) -> Result<()> {
        let member = self.member_mut(id)?;
        if !member.credentials.is_privileged() {
            return Err(Errno::EPERM);
        }
        member.credentials.groups = groups;
        Ok(())
    }
}
