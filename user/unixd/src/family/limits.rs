//! Resource limits across processes: prlimit(2), and the one on time of the CPU.

use alloc::vec::Vec;

use libos::errno::Errno;
use libos::limits::{CPU, Limit, UNLIMITED};
use libos::signal::{Information, SIGKILL, SIGXCPU};

use super::{Family, Result};

impl Family {
    /// prlimit(2) on `id`, with 0 for the caller: gives the limit before.
    ///
    /// # Errors
    /// `EINVAL`: no such resource, or a soft limit above the hard one. `ESRCH`: no such process. `EPERM`: it is another user's, or a hard limit
    /// would go up, and the caller is not root's.
    pub fn limit(&mut self, caller: u32, id: u32, resource: usize, new: Option<Limit>) -> Result<Limit> {
        let id = if id == 0 { caller } else { self.process_of(id)? };
        let own = &self.member(caller)?.credentials;
        let (user, group, is_privileged) = (own.user.real, own.group.real, own.is_privileged());
        let member = self.member_mut(id)?;
        let theirs = &member.credentials;
        let same = |real: u32, ids: &super::credentials::Ids| [ids.real, ids.effective, ids.saved].iter().all(|&id| id == real);
        if id != caller && !is_privileged && !(same(user, &theirs.user) && same(group, &theirs.group)) {
            return Err(Errno::EPERM);
        }
        let old = member.limits.get(resource)?;
        let Some(new) = new else { return Ok(old) };
        member.limits.set(resource, new, is_privileged)?;
        if resource == CPU {
            member.cpu_warning = new[0];
            member.look_at_cpu = (new != [UNLIMITED; 2]).then_some(0);
            self.is_due_changed = true;
        }
        let member = self.member_mut(id)?;
        if id != caller {
            member.limit_changes = member.limit_changes.wrapping_add(1);
            self.tell(id);
        }
        Ok(old)
    }

    /// Those whose time of the CPU is to be looked at.
    #[must_use]
    pub fn cpu_suspects(&self, now: u64) -> Vec<u32> {
        self.ids(|member| member.look_at_cpu.is_some_and(|time| time <= now))
    }

    /// A process has used so many nanoseconds of the CPU at `now`: setrlimit(2), `RLIMIT_CPU`.
    pub fn check_cpu(&mut self, id: u32, used_ns: u64, now: u64) {
        const SECOND: u64 = 1_000_000_000;
        let hz = self.hz;
        let Some(member) = self.members.get_mut(&id) else { return };
        let [_, hard] = member.limits.get(CPU).unwrap_or([UNLIMITED; 2]);
        let used = used_ns / SECOND;
        let signal = if used >= hard {
            Some(SIGKILL)
        } else if used >= member.cpu_warning {
            member.cpu_warning = used + 1;
            Some(SIGXCPU)
        } else {
            None
        };
        // It cannot use time faster than time passes.
        let next_ns = member.cpu_warning.min(hard).saturating_mul(SECOND).saturating_sub(used_ns);
        let next = u64::try_from(u128::from(next_ns) * u128::from(hz) / u128::from(SECOND)).unwrap_or(u64::MAX);
        member.look_at_cpu = Some(now.saturating_add(next).saturating_add(1));
        if let Some(signal) = signal {
            let _ = self.send(id, 0, Information::new(signal, Information::KERNEL, 0));
        }
    }

    /// When something is due that no process says, in ticks.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        self.members.values().flat_map(|member| [member.stop_by, member.end_by.flatten(), member.look_at_cpu]).flatten().min()
    }
}
