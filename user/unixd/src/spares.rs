//! Spares: copies of processes that take their place when a signal has ended them.
//!
//! A spare is an environment with handles and a channel like any other's, and no record among the family: nobody can find it, send it anything or
//! wait for it, and it can ask for nothing but whether it is called.

use libos::errno::Errno;

use crate::family::Usage;
use crate::machine;
use crate::requests::KILLED;
use crate::rings;
use crate::server::{Answer, Server, value};

/// The part of a wait status that says which signal ended a process; 0: none did.
const SIGNALLED: u32 = 0x7f;

/// What a process is to the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// One of them.
    Member,
    /// The spare of the one with this id.
    SpareOf(u32),
    /// One of them that was a spare until this signal ended the one before, and does not know yet.
    Called(u32),
}

impl Server {
    /// A process's child becomes its spare; the one that it had goes.
    ///
    /// # Errors
    /// `ESRCH`: it is no child that the process made.
    pub(crate) fn keep_spare(&mut self, id: u32, child: u32) -> Answer {
        let process = self.processes.get_mut(child).filter(|child| child.maker == id && child.standing == Standing::Member);
        process.ok_or(Errno::ESRCH)?.standing = Standing::SpareOf(id);
        self.family.forget(child);
        let before = self.process_mut(id)?.spare.replace(child);
        self.drop_spare(before);
        value(0)
    }

    /// Whether a spare is called; the signal that ended the process before it.
    ///
    /// # Errors
    /// `EAGAIN`: not yet; its doorbell rings. `EINVAL`: it is none.
    pub(crate) fn await_call(&mut self, id: u32) -> Answer {
        let process = self.process_mut(id)?;
        match process.standing {
            Standing::Member => Err(Errno::EINVAL),
            Standing::SpareOf(_) => Err(Errno::EAGAIN),
            Standing::Called(signal) => {
                process.standing = Standing::Member;
                value(u64::from(signal))
            }
        }
    }

    /// End a spare that is not needed.
    pub(crate) fn drop_spare(&mut self, spare: Option<u32>) {
        if let Some(process) = spare.and_then(|spare| self.processes.get(spare)) {
            let (id, env) = (process.id, process.env);
            machine::end(env, KILLED);
            self.bury(id, KILLED, 0);
        }
    }

    /// A process has ended, and is no more: let its spare take its place, or its record say so.
    pub(crate) fn end_or_replace(&mut self, id: u32, maker: u32, spare: Option<u32>, status: u32, usage: Usage) -> bool {
        let signal = status & SIGNALLED;
        let Some(mut heir) = spare.filter(|_| signal != 0).and_then(|spare| self.processes.remove(spare)) else {
            self.drop_spare(spare);
            self.family.end(id, status, usage);
            return true;
        };
        let before = heir.id;
        self.tree.clone_mappings(before, id);
        self.tree.forget(before);
        rings::clone_mappings(before, id);
        rings::forget(before);
        self.system_v.copy(before, id);
        self.system_v.forget_attachments(before, machine::realtime_ns() / 1_000_000_000);
        (heir.id, heir.maker, heir.standing) = (id, maker, Standing::Called(signal));
        self.processes.insert(heir);
        self.family.revive(id);
        false
    }
}
