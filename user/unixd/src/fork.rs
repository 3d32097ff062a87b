//! A process makes another of itself: what `unixd` has to do with it.
//!
//! The process makes the environment and all of its memory; it is the only one that knows what is where. `unixd` gives it the frames and an
//! id before, and adds the channel and a share of the time afterwards, when the environment has been handed to it. Between the two it
//! keeps nothing but a [`Fork`]; a process that dies there leaves an environment that nobody knows any more, which is ended with it.

use abi::{EnvId, EnvState, MAX_ENVS};
use alloc::boxed::Box;
use libos::errno::Errno;
use libos::signal::SIGNALS;
use unix::{Kin, Request};

use crate::admission::{Admission, Asking};
use crate::machine;
use crate::memory;
use crate::process::Process;
use crate::requests::KILLED;
use crate::rings;
use crate::server::{Answer, Server, value};

/// Frames that new processes leave to those that there are.
const FORKS_LEAVE: usize = 2048;

/// A child that is being made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fork {
    /// The id that it will have.
    pub id: u32,
    /// The environment that it will be.
    pub env: EnvId,
    /// The slot of the slice vector that it will run in.
    pub slot: usize,
    /// Frames that its parent's quota was raised by.
    pub frames: usize,
    /// How it is related to the process that makes it.
    pub kin: Kin,
}

/// Whether a process has let go of the memory that it began with, by ending or by running another program, and who waits for that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// Not yet, and nobody does.
    Nobody,
    /// Not yet; the process with this id does.
    Awaited(u32),
    /// It has.
    Done,
}

impl Server {
    /// A process is about to make a child of an environment, with so many frames.
    pub(crate) fn fork(&mut self, id: u32, request: &Request) -> Answer {
        let (frames, child) = (request.words[0] as usize, EnvId(request.words[1]));
        let kin = Kin::unpack(request.small, request.large);
        // A second request in place of the first: that one came to nothing.
        let _ = self.fork_failed(id);
        if kin.exit_signal > SIGNALS {
            return Err(Errno::EINVAL);
        }
        let on_the_way = self.processes.iter().filter(|process| process.fork.is_some()).map(|process| process.id);
        self.family.may_fork(id, on_the_way)?;
        let process = self.processes.get(id).ok_or(Errno::ESRCH)?;
        let (env, (_, used)) = (process.env, process.frames());
        // Nobody makes a child of what another process makes.
        if !is_child_of(child, env) {
            return Err(Errno::EINVAL);
        }
        if process.share.left(0) < frames {
            return Err(Errno::ENOMEM);
        }
        let granted = |server: &Server| {
            let available = memory::available().saturating_sub(FORKS_LEAVE);
            server.admission.grant(Asking { wanted: frames, used, available })
        };
        if granted(self) < frames {
            // What quotas have that nobody uses is there for it: others' and its own.
            self.take_all_slack(id);
            self.take_slack(id);
            if granted(self) < frames {
                return Err(Errno::ENOMEM);
            }
        }
        let (quota, _) = self.process(id)?.frames();
        let slot = self.processes.take_slot().ok_or(Errno::EAGAIN)?;
        if self.process(id)?.grant.set(quota + frames).is_err() {
            self.processes.give_slot(slot);
            return Err(Errno::ENOMEM);
        }
        let fork = Fork { id: self.family.new_id(), env: child, slot, frames, kin };
        self.processes.get_mut(id).ok_or(Errno::ESRCH)?.fork = Some(fork);
        value(u64::from(fork.id))
    }

    /// It came to nothing.
    pub(crate) fn fork_failed(&mut self, id: u32) -> Answer {
        let process = self.processes.get_mut(id).ok_or(Errno::ESRCH)?;
        let Some(fork) = process.fork.take() else { return value(0) };
        let (quota, used) = process.frames();
        // What it has used of them meanwhile it may keep.
        let _ = process.grant.set(quota.saturating_sub(fork.frames).max(used));
        self.processes.give_slot(fork.slot);
        value(0)
    }

    /// The child is made: let it run.
    pub(crate) fn forked(&mut self, id: u32, context: usize) -> Answer {
        let parent = self.processes.get_mut(id).ok_or(Errno::ESRCH)?;
        let fork = parent.fork.take().ok_or(Errno::EINVAL)?;
        let admitted = if self.is_unknown_child(fork.env) { self.admit(id, fork, context) } else { Err(Errno::EINVAL) };
        let child = admitted.inspect_err(|_| {
            self.processes.give_slot(fork.slot);
            self.end_strays();
        })?;
        self.process(id)?.grant.part_with(&child.grant);
        self.processes.insert(child);
        self.tree.clone_mappings(id, fork.id);
        rings::clone_mappings(id, fork.id);
        self.system_v.copy(id, fork.id);
        let Kin { exit_signal, thread, is_sibling } = fork.kin;
        self.family.copy(id, fork.id, exit_signal, thread, is_sibling)?;
        self.note_beginning(fork.id);
        if self.watch.is_on() {
            self.tell_turns();
        }
        // What the bulletin says of it stands there before it runs.
        self.settle();
        if exo::slice_set(0, fork.slot, fork.env, context).is_err() {
            machine::end(fork.env, 0);
            self.bury(fork.id, KILLED, 0);
            return Err(Errno::EINVAL);
        }
        value(u64::from(fork.id))
    }

    /// A process waits until a process that it made has let go of the memory that it began with.
    pub(crate) fn await_release(&mut self, id: u32, child: u32) -> Answer {
        match self.processes.get_mut(child) {
            Some(child) if child.maker == id && child.release != Release::Done => {
                child.release = Release::Awaited(id);
                Err(Errno::EAGAIN)
            }
            _ => value(0),
        }
    }

    /// A process has let go of the memory that it began with.
    pub(crate) fn release(&mut self, before: Release) {
        if let Release::Awaited(id) = before
            && let Some(process) = self.processes.get(id)
        {
            process.channel.ring();
        }
    }

    /// What a child needs before it can run.
    fn admit(&mut self, id: u32, fork: Fork, context: usize) -> Result<Box<Process>, Errno> {
        let handles = self.handles(id).map(|handles| handles.clone())?;
        let parent = self.processes.get(id).ok_or(Errno::ESRCH)?;
        let channel = self.channels.take().map_err(|_| Errno::EAGAIN)?;
        if channel.show(fork.env).is_err() {
            self.channels.give(channel);
            return Err(Errno::EAGAIN);
        }
        Ok(Box::new(Process::child_of(parent, fork, context, channel, handles)))
    }

    /// Whether an environment is alive, a child of this one and no process.
    fn is_unknown_child(&self, env: EnvId) -> bool {
        is_child_of(env, machine::own()) && self.processes.id_of(env).is_none()
    }

    /// End environments that came to this one because who made them died, and that nobody will make a process of.
    pub(crate) fn end_strays(&self) {
        let own = machine::own().slot() as u32;
        let mut slot = 0;
        while slot < MAX_ENVS {
            let entry = machine::entry(EnvId::new(slot, 0));
            // The kernel takes the first free slot: those behind one that never was in use were not either.
            if entry.generation == 0 {
                break;
            }
            let env = EnvId::new(slot, entry.generation);
            let is_child = entry.parent == own && entry.state != EnvState::Free as u32;
            slot += 1;
            if is_child && self.processes.id_of(env).is_none() && !self.is_being_made(env) {
                machine::end(env, 0);
                let _ = exo::env_reap(env);
                // Its own children came here now.
                slot = 0;
            }
        }
    }

    fn is_being_made(&self, env: EnvId) -> bool {
        self.processes.iter().any(|process| process.fork.is_some_and(|fork| fork.env == env))
    }
}

/// Whether an environment that a process names is alive, and a child of another.
fn is_child_of(env: EnvId, parent: EnvId) -> bool {
    if env.slot() >= MAX_ENVS {
        return false;
    }
    let entry = machine::entry(env);
    let is_alive = entry.generation == env.generation() && entry.state == EnvState::Alive as u32;
    is_alive && entry.parent as usize == parent.slot()
}
