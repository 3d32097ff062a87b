//! Calls on traps: upcalls, interrupts, protected control transfer.

use abi::{EnvId, Error, FrameKind, MAX_IRQS, PAGE_SIZE, Privileges, Rights, TransferFlags, USER_TOP, UpcallEntries};
use arch::{Answer, Context, Leaf, Machine};

use super::Caller;
use crate::context::{ContextRef, Run};
use crate::{Kernel, Result};

impl<M: Machine> Kernel<M> {
    /// Set a context's upcall page and entries. The page is pinned, and the pin charged.
    ///
    /// - `BadAddress`: the page's address, an entry beyond user space, entries not aligned. `Quota`: for the pin.
    /// - `NotMapped`: the entries are not readable, or the page is not memory mapped writable and not copy-on-write.
    pub(super) fn upcall_set(&mut self, caller: Caller, env: u64, index: u64, page: u64, entries: u64) -> Result<u64> {
        let id = self.under(caller.id, env)?;
        let context = self.context_of(id, index)?;
        let entries: UpcallEntries = *self.read_user(caller.root, entries)?;
        if !page.is_multiple_of(PAGE_SIZE as u64) || [page, entries.syscall, entries.fault].iter().any(|&address| address >= USER_TOP) {
            return Err(Error::BadAddress);
        }
        let (Leaf { frame, rights }, _) = self.leaf(self.env(id.slot()).root.get(), page).ok_or(Error::NotMapped)?;
        if !rights.contains(Rights::WRITE) || self.frames.kind(frame) != FrameKind::User as u32 {
            return Err(Error::NotMapped);
        }
        let record = self.context(context);
        if record.upcall.get().is_none() {
            self.charge(id.slot(), 1)?;
        }
        self.frames.hold_leaf(frame, 0);
        record.upcall.replace(Some(frame)).into_iter().for_each(|before| self.let_go(before));
        record.entries.set(entries);
        let address = self.machine.frame(frame).cast();
        record.machine().set_upcall(address, page, entries);
        if self.schedule.loaded == context {
            self.machine.reload(record.machine(), false);
        }
        Ok(0)
    }

    /// Take an interrupt that nobody has, or hand one on.
    ///
    /// - `BadArgument`: no such interrupt. `Busy`: another has it. `Denied`: nobody has it, but the caller lacks the privilege.
    pub(super) fn irq_bind(&mut self, caller: Caller, irq: u64, env: u64) -> Result<u64> {
        let irq = irq_index(irq)?;
        let id = self.under(caller.id, env)?;
        let owner = self.irqs[irq];
        if owner != caller.id && owner != EnvId::SELF {
            return Err(Error::Busy);
        }
        if owner == EnvId::SELF {
            self.check_privilege(caller.id, Privileges::DEVICES)?;
        }
        self.irqs[irq] = id;
        self.pass_claim(owner, id);
        Ok(0)
    }

    /// Let the next interrupt come. `BadArgument`: no such interrupt. `Denied`: the caller does not have it.
    pub(super) fn irq_ack(&mut self, caller: Caller, irq: u64) -> Result<u64> {
        let irq = irq_index(irq)?;
        if self.irqs[irq] != caller.id {
            return Err(Error::Denied);
        }
        self.machine.open(irq, true);
        Ok(0)
    }

    /// Call: the receiver goes on in the caller's slice, the caller sleeps until it answers.
    ///
    /// - `Busy`: the receiver does not accept calls. `Dead`: it died before it answered. `Interrupted`: the caller was set runnable.
    pub(super) fn transfer_call(&mut self, caller: Caller, env: u64, index: u64, words: [u64; 4]) -> Result<Answer> {
        let receiver = self.in_state(caller, env, index, Run::Accepting)?;
        self.context(caller.context).run.set(Run::Calling(receiver));
        self.deliver(caller.context, receiver, words);
        Ok(self.turn_to(receiver))
    }

    /// Answer a call, and accept the next.
    ///
    /// - `BadArgument`: flags that are none, or neither. `NoEnv`, `Busy`: the context to answer is gone, or does not wait for this.
    /// - `Interrupted`: the caller was set runnable while it accepted.
    pub(super) fn transfer_reply(&mut self, caller: Caller, env: u64, index: u64, words: [u64; 4]) -> Result<Answer> {
        let flags = TransferFlags::from_bits(index >> 32).filter(|flags| !flags.is_empty()).ok_or(Error::BadArgument)?;
        let [replies, accepts] = [TransferFlags::REPLY, TransferFlags::ACCEPT].map(|flag| flags.contains(flag));
        let to = if replies { Some(self.in_state(caller, env, index & u64::from(u32::MAX), Run::Calling(caller.context))?) } else { None };
        to.inspect(|&to| self.deliver(caller.context, to, words));
        if !accepts {
            return Ok(Answer { status: 0, value: 0 });
        }
        self.context(caller.context).run.set(Run::Accepting);
        self.schedule.current = None;
        Ok(if let Some(to) = to { self.turn_to(to) } else { self.leave(0) })
    }

    /// Give a message to a context, which then can run.
    fn deliver(&self, from: ContextRef, to: ContextRef, words: [u64; 4]) {
        let [from, record] = [from, to].map(|context| self.context(context));
        record.machine().set_result(0, from.name);
        record.machine().set_message(words);
        record.run.set(Run::Runnable);
    }
}

fn irq_index(irq: u64) -> Result<usize> {
    usize::try_from(irq).ok().filter(|&irq| irq < MAX_IRQS).ok_or(Error::BadArgument)
}
