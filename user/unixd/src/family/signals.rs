//! Signals between processes: kill(2), sigqueue(3) and what they may do.

use alloc::vec::Vec;

use libos::errno::Errno;
use libos::limits;
use libos::signal::{Information, SIGCONT, SIGKILL, SIGNALS, SIGSTOP, STOPS, bit};

use super::member::Sent;
use super::{Effect, Family, Result};

/// Who a signal is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A process.
    Process(u32),
    /// A thread of a process.
    Thread(u32, u32),
    /// All of a process group.
    Group(u32),
    /// All that the sender may signal, `unixd` and itself excepted.
    All,
}

/// The first real-time signal.
const FIRST_REAL_TIME: u32 = 32;

impl Family {
    /// What kill(2) means by an id.
    ///
    /// # Errors
    /// `ESRCH`: nothing, and never.
    pub fn target(&self, sender: u32, id: i32) -> Result<Target> {
        match id {
            i32::MIN => Err(Errno::ESRCH),
            -1 => Ok(Target::All),
            0 => Ok(Target::Group(self.member(sender)?.group)),
            id if id < 0 => Ok(Target::Group(id.unsigned_abs())),
            _ => self.process_of(id as u32).map(Target::Process),
        }
    }

    /// The process that an id means, be it a thread's.
    ///
    /// # Errors
    /// `ESRCH`: none.
    pub fn process_of(&self, id: u32) -> Result<u32> {
        if self.members.contains_key(&id) {
            return Ok(id);
        }
        self.members.values().find(|member| !member.is_dead() && member.has_thread(id)).map(|member| member.id).ok_or(Errno::ESRCH)
    }

    /// Send a signal (0: only ask whether one could) on behalf of a process. Whether the sender is among those meant: it is left out, to do
    /// its part itself before its call returns.
    ///
    /// # Errors
    /// `ESRCH`: there is nobody. `EINVAL`: no such signal. `EPERM`: the sender may not signal any of them. `EAGAIN`: too many signals wait.
    pub fn kill(&mut self, sender: u32, target: Target, signal: u32, information: Information) -> Result<bool> {
        let (ids, thread): (Vec<u32>, u32) = match target {
            Target::Process(id) => (alloc::vec![id], 0),
            Target::Thread(id, thread) => (alloc::vec![id], thread),
            Target::Group(group) => (self.ids(|member| member.group == group), 0),
            Target::All => (self.ids(|member| member.id != unix::SERVER_ID && member.id != sender), 0),
        };
        let mut outcome = Err(Errno::ESRCH);
        let mut with_sender = false;
        for id in ids {
            let one = self.check(sender, id, signal, thread).and_then(|()| {
                with_sender |= id == sender;
                if signal == 0 || id == sender { Ok(()) } else { self.send(id, thread, information) }
            });
            // A broadcast that reaches nobody for want of permission is none that failed.
            let one = if target == Target::All && one == Err(Errno::EPERM) { Ok(()) } else { one };
            outcome = if outcome.is_ok() { outcome } else { one };
        }
        outcome.map(|()| with_sender)
    }

    /// Whether a process may send another a signal.
    fn check(&self, sender: u32, id: u32, signal: u32, thread: u32) -> Result<()> {
        let (sender, target) = (self.member(sender)?, self.member(id)?);
        if thread != 0 && (target.is_dead() || thread != id && !target.has_thread(thread)) {
            return Err(Errno::ESRCH);
        }
        let (own, others) = (&sender.credentials.user, &target.credentials.user);
        let same = [own.effective, own.real].iter().any(|user| [others.real, others.saved].contains(user));
        let in_session = signal == SIGCONT && sender.session == target.session;
        if signal > SIGNALS {
            return Err(Errno::EINVAL);
        }
        if sender.id == id || sender.credentials.is_privileged() || same || in_session { Ok(()) } else { Err(Errno::EPERM) }
    }

    /// Let a signal be on its way to a process. A zombie takes no notice, nor does `unixd`.
    ///
    /// # Errors
    /// `EAGAIN`: a real-time signal that was not sent by kill(2), and so many wait already.
    pub fn send(&mut self, id: u32, thread: u32, information: Information) -> Result<()> {
        let signal = information.signal as u32;
        let Some(member) = self.members.get_mut(&id).filter(|member| member.takes_signals()) else {
            return Ok(());
        };
        if signal == SIGKILL {
            self.kill_member(id);
            return Ok(());
        }
        if signal == SIGCONT {
            member.queue.retain(|(_, other)| bit(other.signal as u32) & STOPS == 0);
            self.go_on(id);
        } else if bit(signal) & STOPS != 0 {
            member.queue.retain(|(_, other)| other.signal as u32 != SIGCONT);
            // What SIGCONT would take back when it comes.
            if member.is_stopped() {
                return Ok(());
            }
        }
        let member = self.member_mut(id)?;
        let waits = |(to, other): &Sent| *to == thread && other.signal as u32 == signal;
        if signal < FIRST_REAL_TIME && member.queue.iter().any(waits) {
            return Ok(());
        }
        if signal >= FIRST_REAL_TIME && member.queue.len() as u64 >= member.limits.get(limits::SIGNALS)?[0] {
            return if information.code == Information::USER { Ok(()) } else { Err(Errno::EAGAIN) };
        }
        member.queue.push_back((thread, information));
        self.is_due_changed |= signal == SIGSTOP;
        self.tell(id);
        Ok(())
    }

    /// A process was sent `SIGSTOP`: it has from `now` until a grace is over to stop by itself.
    pub(super) fn expect_stops(&mut self, now: u64) {
        let grace = self.grace;
        for member in self.members.values_mut().filter(|member| member.stop_by.is_none() && member.takes_signals() && !member.is_stopped())
        {
            if member.queue.iter().any(|(_, information)| information.signal as u32 == SIGSTOP) {
                member.stop_by = Some(now + grace);
            }
        }
    }

    /// A signal is nothing to a process: it does not wait for it any more.
    ///
    /// # Errors
    /// `ESRCH`: there is no such process.
    pub fn drop_signal(&mut self, id: u32, signal: u32) -> Result<()> {
        self.member_mut(id)?.queue.retain(|(_, information)| information.signal as u32 != signal);
        self.effects.push_back(Effect::Publish(id));
        Ok(())
    }

    /// Take at most `most` signals that are on their way to a process; and how often it was sent `SIGCONT`.
    ///
    /// # Errors
    /// `ESRCH`: there is no such process.
    pub fn take_signals(&mut self, id: u32, most: usize) -> Result<(Vec<Sent>, u32)> {
        let member = self.member_mut(id)?;
        let count = member.queue.len().min(most);
        let taken = member.queue.drain(..count).collect();
        let continues = member.continues;
        self.effects.push_back(Effect::Publish(id));
        Ok((taken, continues))
    }
}
