//! Calls on traps: upcalls, interrupts, protected control transfer.

use abi::{EnvId, Error, FrameKind, MAX_IRQS, PAGE_SIZE, Privileges, Rights, TransferFlags, USER_TOP, UpcallEntries};
use arch::{Context, Leaf, Machine};

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
        if self.schedule.loaded == Some(context) {
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
    pub(super) fn transfer_call(&mut self, caller: Caller, env: u64, index: u64, words: [u64; 4]) -> Result<u64> {
        let id = self.living(caller.id, env)?;
        let receiver = self.context_of(id, index)?;
        if self.context(receiver).run.get() != Run::Accepting {
            return Err(Error::Busy);
        }
        self.context(caller.context).run.set(Run::Calling(receiver));
        self.deliver(caller.context, receiver, words);
        self.schedule.current = Some(receiver);
        Ok(0)
    }

    /// Answer a call, and accept the next.
    ///
    /// - `BadArgument`: flags that are none, or neither. `NoEnv`, `Busy`: the context to answer is gone, or does not wait for this.
    /// - `Interrupted`: the caller was set runnable while it accepted.
    pub(super) fn transfer_reply(&mut self, caller: Caller, env: u64, index: u64, words: [u64; 4]) -> Result<u64> {
        let flags = TransferFlags::from_bits(index >> 32).filter(|flags| !flags.is_empty()).ok_or(Error::BadArgument)?;
        let mut answered = None;
        if flags.contains(TransferFlags::REPLY) {
            let id = self.living(caller.id, env)?;
            let to = self.context_of(id, index & u64::from(u32::MAX))?;
            if self.context(to).run.get() != Run::Calling(caller.context) {
                return Err(Error::Busy);
            }
            self.deliver(caller.context, to, words);
            answered = Some(to);
        }
        if flags.contains(TransferFlags::ACCEPT) {
            self.context(caller.context).run.set(Run::Accepting);
            self.schedule.current = answered;
        }
        Ok(0)
    }

    /// Give a message to a context, which then can run.
    fn deliver(&mut self, from: ContextRef, to: ContextRef, words: [u64; 4]) {
        let [from, record] = [from, to].map(|context| self.context(context));
        record.machine().set_result(0, from.env.get().0 | (from.index.get() as u64) << 56);
        record.machine().set_message(words);
        record.run.set(Run::Runnable);
    }
}

fn irq_index(irq: u64) -> Result<usize> {
    usize::try_from(irq).ok().filter(|&irq| irq < MAX_IRQS).ok_or(Error::BadArgument)
}
