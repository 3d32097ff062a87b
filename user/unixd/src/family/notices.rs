//! Whom signals about open files go to, and what they say.

use alloc::vec::Vec;

use libos::errno::Errno;
use libos::signal::Information;
use unix::notify::{GROUP, PROCESS, THREAD};

use super::{Family, Result};

const SIGIO: u32 = 29;

/// Who is told of an open file, and with whose rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// A thread, a process, or a group.
    kind: u32,
    id: u32,
    /// That of the process; 0 for a group.
    birth: u64,
    /// The real and the effective user of who asked for it.
    users: [u32; 2],
}

/// What there is to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct News {
    /// The signal that was asked for; 0: `SIGIO`, and nothing about it.
    pub signal: u32,
    /// The file's descriptor.
    pub descriptor: u32,
    /// `POLL_IN` and so on.
    pub reason: i32,
}

impl News {
    /// `POLL_IN`
    pub const INPUT: i32 = 1;
    /// `POLL_OUT`
    pub const OUTPUT: i32 = 2;
    /// `POLL_HUP`
    pub const HANG_UP: i32 = 6;

    /// What comes with the signal that was asked for, of who asked for one (`send_sigio_to_task` in Linux's `fs/fcntl.c`).
    fn information(&self) -> Option<Information> {
        /// Signals whose codes mean something else.
        const OTHERS: [u32; 8] = [4, 5, 7, 8, 11, 17, SIGIO, 31];
        const SI_SIGIO: i32 = -5;
        let band: u64 = match self.reason {
            Self::INPUT => 0x41,
            Self::OUTPUT => 0x304,
            _ => 0x18,
        };
        let code = if self.signal != SIGIO && OTHERS.contains(&self.signal) { SI_SIGIO } else { self.reason };
        let payload = [band, u64::from(self.descriptor), 0, 0];
        (self.signal != 0).then_some(Information { signal: self.signal as i32, errno: 0, code, reserved: 0, payload })
    }
}

impl Family {
    /// Who is meant by a kind and an id, on behalf of a process.
    ///
    /// # Errors
    /// `ESRCH`: nobody. `EINVAL`: no such kind.
    pub fn owner(&self, asking: u32, kind: u32, id: u32) -> Result<Owner> {
        let user = self.member(asking)?.credentials.user;
        let users = [user.real, user.effective];
        match kind {
            THREAD | PROCESS => {
                let process = self.process_of(id).ok();
                let is_known = process.is_some() || self.members.values().any(|member| member.uses(id));
                let birth = process.map_or(Ok(0), |process| self.birth(process))?;
                if is_known { Ok(Owner { kind, id, birth, users }) } else { Err(Errno::ESRCH) }
            }
            GROUP if self.members.values().any(|member| member.uses(id)) => Ok(Owner { kind, id, birth: 0, users }),
            GROUP => Err(Errno::ESRCH),
            _ => Err(Errno::EINVAL),
        }
    }

    /// The id that somebody is meant by; 0 if they are not there any more.
    #[must_use]
    pub fn named(&self, owner: &Owner) -> u32 {
        let is_there = match owner.kind {
            GROUP => self.members.values().any(|member| member.group == owner.id),
            _ => !self.targets(owner).is_empty(),
        };
        if is_there { owner.id } else { 0 }
    }

    /// Processes, with the thread that is meant or 0.
    fn targets(&self, owner: &Owner) -> Vec<(u32, u32)> {
        match owner.kind {
            GROUP => self.ids(|member| member.group == owner.id).into_iter().map(|id| (id, 0)).collect(),
            PROCESS => self.born(owner.id, owner.birth).map_or_else(|_| Vec::new(), |member| Vec::from([(member.id, 0)])),
            _ => {
                let process = self.process_of(owner.id).and_then(|process| self.born(process, owner.birth));
                process.map_or_else(|_| Vec::new(), |member| Vec::from([(member.id, owner.id)]))
            }
        }
    }

    /// Tell somebody of an open file.
    pub fn notify(&mut self, owner: &Owner, news: &News) {
        for (id, thread) in self.targets(owner) {
            if !self.may_notify(owner, id) {
                continue;
            }
            // Where no more can wait, it is at least known that there was something.
            if news.information().is_none_or(|information| self.send(id, thread, information).is_err()) {
                let _ = self.send(id, thread, Information::new(SIGIO, Information::KERNEL, 0));
            }
        }
    }

    /// Whether who asked for it may signal a process (`sigio_perm`).
    fn may_notify(&self, owner: &Owner, id: u32) -> bool {
        let [real, effective] = owner.users;
        self.member(id).is_ok_and(|member| {
            let others = &member.credentials.user;
            effective == 0 || [others.real, others.saved].iter().any(|user| [real, effective].contains(user))
        })
    }
}
