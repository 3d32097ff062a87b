//! Process groups and sessions: setpgid(2), setsid(2).

use libos::errno::Errno;

use super::{Family, Result};

impl Family {
    /// setpgid(2) on `id`, with 0 for the caller and for the id itself.
    ///
    /// # Errors
    /// `EINVAL`: a group that cannot be. `ESRCH`: neither the caller nor a child of it. `EACCES`: a child that has executed. `EPERM`: a session's
    /// leader, or one in another session, or a group that is not in the caller's.
    pub fn set_group(&mut self, caller: u32, id: i32, group: i32) -> Result<()> {
        let id = if id == 0 { caller } else { u32::try_from(id).map_err(|_| Errno::ESRCH)? };
        let group = if group == 0 { id } else { u32::try_from(group).map_err(|_| Errno::EINVAL)? };
        let session = self.member(caller)?.session;
        let member = self.member(id)?;
        if member.parent == caller {
            if member.session != session {
                return Err(Errno::EPERM);
            }
            if member.has_executed {
                return Err(Errno::EACCES);
            }
        } else if id != caller {
            return Err(Errno::ESRCH);
        }
        let is_leader = member.session == id;
        if is_leader || group != id && !self.members.values().any(|other| other.group == group && other.session == session) {
            return Err(Errno::EPERM);
        }
        self.member_mut(id)?.group = group;
        self.tell(id);
        Ok(())
    }

    /// setsid(2): the caller leads a new session and a new group.
    ///
    /// # Errors
    /// `EPERM`: there is a group with its id.
    pub fn set_session(&mut self, caller: u32) -> Result<()> {
        if self.members.values().any(|member| member.group == caller) {
            return Err(Errno::EPERM);
        }
        let member = self.member_mut(caller)?;
        (member.group, member.session, member.has_left_terminal) = (caller, caller, false);
        self.tell(caller);
        Ok(())
    }
}
