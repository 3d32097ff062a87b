//! The kernel calls. Each is *decode, check, commit*: a check changes nothing, a commit has nothing left to refuse; each lists its errors.
//!
//! `NoCall` for an unknown number; `NoEnv` for an `env` that never was or is gone, and `Denied` for one that the caller is not
//! over, are given by every call that takes an `env` and not repeated there.

use abi::{Call, EnvId, Error};
use arch::{Context, Machine};

use crate::{Kernel, Result, context::ContextRef};

mod cpu;
mod environment;
mod info;
mod page;
mod trap;

/// Who calls.
#[derive(Clone, Copy)]
pub(crate) struct Caller {
    pub(crate) context: ContextRef,
    pub(crate) id: EnvId,
    pub(crate) root: u64,
}

/// How a call ends.
pub(crate) enum Reply {
    /// With this value.
    Now(u64),
    /// Its registers are, or will be, set by others: it sleeps, went on elsewhere, or is no more.
    Later,
}

impl<M: Machine> Kernel<M> {
    /// Do the kernel call that a context is in.
    #[inline(always)]
    pub(crate) fn call(&mut self, context: ContextRef, number: u16) {
        let record = self.context(context);
        let machine = record.machine();
        let Ok(call) = Call::try_from(number) else { return machine.set_result(Error::NoCall as i64, 0) };
        let caller = Caller { context, id: record.env.get(), root: record.root };
        match self.dispatch(caller, call, core::array::from_fn(|index| machine.argument(index))) {
            Ok(Reply::Now(value)) => record.machine().set_result(0, value),
            Ok(Reply::Later) => {}
            Err(error) => record.machine().set_result(error as i64, 0),
        }
    }

    #[inline(always)]
    fn dispatch(&mut self, caller: Caller, call: Call, [a, b, c, d, e, f]: [u64; 6]) -> Result<Reply> {
        let value = match call {
            Call::Identify => caller.id.0,
            Call::PageAlloc => self.page_alloc(caller, a, b, c, d)?,
            Call::PageMap => self.page_map(caller, a, b, c, d, e)?,
            Call::PageUnmap => self.page_unmap(caller, a, b, c)?,
            Call::PageProtect => self.page_protect(caller, a, b, c, d)?,
            Call::PageClone => self.page_clone(caller, a, b, c, d)?,
            Call::PageBreak => self.page_break(caller, a)?,
            Call::PageQuery => self.page_query(caller, a, b)?,
            Call::EnvCreate => self.env_create(caller, a, b)?,
            Call::EnvDestroy => return self.env_destroy(caller, a, b),
            Call::EnvReap => self.env_reap(caller, a)?,
            Call::EnvHand => self.env_hand(caller, a, b)?,
            Call::EnvQuota => self.env_quota(caller, a, b)?,
            Call::EnvWindow => self.env_window(caller, a, b, c)?,
            Call::ContextCreate => self.context_create(caller, a)?,
            Call::ContextSet => return self.context_set(caller, a, b, c, d),
            Call::ContextGet => self.context_get(caller, a, b, c)?,
            Call::Resume => return self.resume(caller, a),
            Call::Yield => return self.yield_to(caller, a, b),
            Call::Wait => return self.wait(caller, a, b, c),
            Call::Wake => self.wake(caller, a, b)?,
            Call::SliceSet => self.slice_set(caller, a, b, c, d)?,
            Call::UpcallSet => self.upcall_set(caller, a, b, c, d)?,
            Call::IrqBind => self.irq_bind(caller, a, b)?,
            Call::IrqAck => self.irq_ack(caller, a)?,
            Call::TransferCall => return self.transfer_call(caller, a, b, [c, d, e, f]),
            Call::TransferReply => return self.transfer_reply(caller, a, b, [c, d, e, f]),
            Call::InfoMap => self.info_map(caller, a, b, c, d)?,
            Call::DebugPut => self.debug_put(caller, a, b)?,
            Call::DebugGet => self.debug_get(caller, a, b)?,
            Call::MachineExit => self.machine_exit(caller, a)?,
            Call::PageSkip => self.page_skip(caller, a, b, c)?,
            // Where it means something, the entry assembly does it.
            Call::Return => return Err(Error::NotMapped),
        };
        Ok(Reply::Now(value))
    }

    /// The context `index` of an environment. `NoEnv`: there is none.
    pub(crate) fn context_of(&self, env: EnvId, index: u64) -> Result<ContextRef> {
        let contexts = &self.env(env.slot()).contexts;
        usize::try_from(index).ok().and_then(|index| contexts.get(index)).and_then(|context| context.get()).ok_or(Error::NoEnv)
    }
}
