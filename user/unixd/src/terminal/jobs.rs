//! Job control: whose terminal it is, which group is in the foreground, who hears when it goes away.
//!
//! The controlling terminal is the session's; a process that gave it up for itself alone (`TIOCNOTTY`) says so in its record.

use alloc::sync::Arc;

use libos::errno::Errno;
use libos::signal::{Information, SIGCONT, SIGHUP, SIGTTIN};

use super::end::take_closed;
use super::{SERIAL, Terminal};
use crate::server::Server;

/// What an operation can answer.
type Result<T> = core::result::Result<T, Errno>;

impl Server {
    /// The controlling terminal of a process.
    pub(crate) fn controlling(&self, id: u32) -> Option<Arc<Terminal>> {
        let member = self.family.member(id).ok()?;
        if member.has_left_terminal { None } else { self.terminal_of_session(member.session) }
    }

    fn terminal_of_session(&self, session: u32) -> Option<Arc<Terminal>> {
        self.terminals.all().find(|terminal| terminal.with(|state| state.session == session))
    }

    /// Whether a terminal is a process's controlling one.
    pub(super) fn controls(&self, terminal: &Arc<Terminal>, id: u32) -> bool {
        self.controlling(id).is_some_and(|own| Arc::ptr_eq(&own, terminal))
    }

    /// Send signals to the foreground group.
    pub(super) fn send_to_foreground(&mut self, terminal: &Terminal, signals: &[u32]) {
        let group = terminal.with(|state| state.group);
        for &signal in signals.iter().filter(|_| group != 0) {
            self.family.send_to_group(group, signal);
        }
    }

    /// Whether a process may do what the foreground may: as Linux's `__tty_check_change`. `is_ignored`: it ignores or blocks the signal.
    ///
    /// # Errors
    /// `EINTR`: its group was sent the signal. `EIO`: it would stop for ever, or would hear nothing and must not go on.
    pub(super) fn check_foreground(&mut self, id: u32, terminal: &Arc<Terminal>, signal: u32, is_ignored: bool) -> Result<()> {
        if !self.controls(terminal, id) {
            return Ok(());
        }
        let (own, foreground) = (self.family.member(id)?.group, terminal.with(|state| state.group));
        if foreground == 0 || own == foreground {
            return Ok(());
        }
        if is_ignored {
            return if signal == SIGTTIN { Err(Errno::EIO) } else { Ok(()) };
        }
        if self.family.is_orphaned(own, 0) {
            return Err(Errno::EIO);
        }
        self.family.send_to_group(own, signal);
        Err(Errno::EINTR)
    }

    /// A terminal was opened by a process that does not say that it is not to control it: it does, if the process leads a session without one
    /// and the terminal has none.
    pub(super) fn claim(&mut self, id: u32, terminal: &Arc<Terminal>) -> Result<()> {
        let member = self.family.member(id)?;
        if member.session == id && self.controlling(id).is_none() && terminal.with(|state| state.session == 0) {
            self.set_controlling(id, terminal)?;
        }
        Ok(())
    }

    /// `TIOCSCTTY`. `steal`: even if it is another session's.
    ///
    /// # Errors
    /// `EPERM`: the process leads no session, or has another terminal, or this is another session's.
    pub(super) fn set_terminal(&mut self, id: u32, terminal: &Arc<Terminal>, steal: bool, is_readable: bool) -> Result<()> {
        let member = self.family.member(id)?;
        let (session, is_root) = (member.session, member.credentials.is_privileged());
        let owner = terminal.with(|state| state.session);
        if session == id && owner == session {
            return Ok(());
        }
        let is_taken = owner != 0 && !(steal && is_root);
        if session != id || self.controlling(id).is_some() || is_taken || !is_readable && !is_root {
            return Err(Errno::EPERM);
        }
        self.set_controlling(id, terminal)
    }

    fn set_controlling(&mut self, id: u32, terminal: &Arc<Terminal>) -> Result<()> {
        let member = self.family.member_mut(id)?;
        (member.has_left_terminal, member.last_foreground) = (false, 0);
        let (session, group) = (member.session, member.group);
        terminal.with(|state| (state.session, state.group) = (session, group));
        Ok(())
    }

    /// `TIOCNOTTY`
    ///
    /// # Errors
    /// `ENOTTY`: it is not the process's.
    pub(super) fn leave_terminal(&mut self, id: u32, terminal: &Arc<Terminal>) -> Result<()> {
        if !self.controls(terminal, id) {
            return Err(Errno::ENOTTY);
        }
        let member = self.family.member_mut(id)?;
        if member.session != id {
            member.has_left_terminal = true;
            return Ok(());
        }
        self.send_to_foreground(terminal, &[SIGHUP, SIGCONT]);
        terminal.change(|state| (state.session, state.group) = (0, 0));
        Ok(())
    }

    /// `TIOCSPGRP`
    ///
    /// # Errors
    /// `ENOTTY`: it is not the process's terminal. `EINVAL`: no group's id. `ESRCH`: there is no such group. `EPERM`: it is in another session.
    pub(super) fn set_foreground(&mut self, id: u32, terminal: &Arc<Terminal>, group: i32) -> Result<()> {
        let group = u32::try_from(group).map_err(|_| Errno::EINVAL)?;
        if !self.controls(terminal, id) {
            return Err(Errno::ENOTTY);
        }
        let session = self.family.member(id)?.session;
        let of_group = self.family.members().find(|member| member.group == group).ok_or(Errno::ESRCH)?;
        if of_group.session != session {
            return Err(Errno::EPERM);
        }
        terminal.with(|state| state.group = group);
        Ok(())
    }

    /// Hang up: nobody has the terminal any more. Its session's leader hears of it; if that is what ends, the foreground group does.
    fn hang_up(&mut self, terminal: &Arc<Terminal>, is_end_of_leader: bool) {
        let (session, group) = terminal.with(|state| (state.session, state.group));
        if session != 0 {
            for signal in [SIGHUP, SIGCONT] {
                let _ = self.family.send(session, 0, Information::new(signal, Information::KERNEL, 0));
            }
            if let Ok(leader) = self.family.member_mut(session) {
                leader.last_foreground = group;
            }
        }
        if is_end_of_leader && group != 0 {
            self.family.send_to_group(group, SIGHUP);
        }
        terminal.change(super::State::hang_up);
    }

    /// A process is about to end: if it leads a session, that has no terminal any more.
    pub(crate) fn end_session(&mut self, id: u32) {
        let Ok(member) = self.family.member(id) else { return };
        if member.session != id {
            return;
        }
        let last_foreground = member.last_foreground;
        match self.terminal_of_session(id) {
            Some(terminal) if terminal.device == SERIAL => self.hang_up(&terminal, true),
            Some(terminal) => {
                self.send_to_foreground(&terminal, &[SIGHUP]);
                terminal.change(|state| (state.session, state.group) = (0, 0));
            }
            None if last_foreground != 0 => {
                for signal in [SIGHUP, SIGCONT] {
                    self.family.send_to_group(last_foreground, signal);
                }
            }
            None => {}
        }
    }

    /// Hang up terminals whose masters were closed.
    pub(crate) fn settle_terminals(&mut self) {
        for terminal in take_closed() {
            self.terminals.pairs.forget(&terminal);
            self.hang_up(&terminal, false);
        }
    }
}
