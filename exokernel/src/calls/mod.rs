//! The kernel calls. Each is *decode, check, commit*: a check changes nothing, a commit has nothing left to refuse; each lists its errors.
//!
//! `NoCall` for an unknown number; `NoEnv` for an `env` that never was or is gone, and `Denied` for one that the caller is not
//! over, are given by every call that takes an `env` and not repeated there.

use abi::{Call, EnvEntry, EnvId, Error, MAX_ENVS};
use arch::{Answer, Context, FOREIGN, Handlers, LEFT, Machine};

use crate::context::{ContextRef, Run};
use crate::{Kernel, Result};

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

/// A handler for each of these numbers.
macro_rules! handlers {
    ($($number:literal)*) => { [$(Self::answer::<$number>),*] };
}

impl<M: Machine> Kernel<M> {
    /// What answers each call: a function for each number, so that each has a call of its own to do and no other's registers to keep.
    pub(crate) const HANDLERS: Handlers<Self> =
        handlers!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34);

    /// Do the call that the context that runs is in.
    extern "C" fn answer<const NUMBER: u16>(a: u64, b: u64, c: u64, d: u64, e: u64, f: u64, kernel: &mut Self) -> Answer {
        kernel.info_page().traps += 1;
        let context = kernel.schedule.current.expect("who calls runs");
        let record = kernel.context(context);
        let caller = Caller { context, id: record.env, root: record.root };
        kernel.dispatch(caller, NUMBER, [a, b, c, d, e, f]).unwrap_or_else(|error| Answer { status: error as i64, value: 0 })
    }

    /// The answer where the caller sleeps, gave its time away, or is no more. If it goes on with another value, others set it.
    #[inline(never)]
    fn leave(&mut self, value: u64) -> Answer {
        let caller = self.schedule.loaded;
        self.context(caller).machine().set_result(0, value);
        // The caller's own next slice begins where it has been left: all of its registers are in its record then.
        let next = self.schedule.current.or_else(|| {
            let slot = self.next_slot().filter(|&slot| self.schedule.runners[slot] != Some(caller))?;
            Some(self.begin_slice(slot))
        });
        next.map_or(Answer { status: LEFT, value: 0 }, |next| self.turn_to(next))
    }

    /// The answer where another context than the caller's goes on in its place.
    #[inline(always)]
    fn turn_to(&mut self, next: ContextRef) -> Answer {
        self.schedule.current = Some(next);
        self.load(next);
        Answer { status: LEFT, value: self.context(next).machine.get().expose_provenance() as u64 }
    }

    #[inline(always)]
    fn dispatch(&mut self, caller: Caller, number: u16, [a, b, c, d, e, f]: [u64; 6]) -> Result<Answer> {
        if usize::from(number) == FOREIGN {
            self.fatal(caller.context, EnvEntry::FOREIGN, 0);
            return Ok(self.leave(0));
        }
        let value = match Call::try_from(number).map_err(|_| Error::NoCall)? {
            Call::Identify => caller.id.0,
            Call::PageAlloc => self.page_alloc(caller, a, b, c, d)?,
            Call::PageMap => self.page_map(caller, a, b, c, d, e)?,
            Call::PageUnmap => self.page_unmap(caller, a, b, c)?,
            Call::PageProtect => self.page_protect(caller, a, b, c, d)?,
            Call::PageClone => self.page_clone(caller, a, b, c, d)?,
            Call::PageBreak => self.page_break(caller, a)?,
            Call::PageQuery => self.page_query(caller, a, b)?,
            Call::EnvCreate => self.env_create(caller, a, b)?,
            Call::EnvDestroy => self.env_destroy(caller, a, b)?,
            Call::EnvReap => self.env_reap(caller, a)?,
            Call::EnvHand => self.env_hand(caller, a, b)?,
            Call::EnvQuota => self.env_quota(caller, a, b)?,
            Call::EnvWindow => self.env_window(caller, a, b, c)?,
            Call::ContextCreate => self.context_create(caller, a)?,
            Call::ContextSet => self.context_set(caller, a, b, c, d)?,
            Call::ContextGet => self.context_get(caller, a, b, c)?,
            Call::Resume => return self.resume(caller, a),
            Call::Yield => self.yield_to(caller, a, b)?,
            Call::Wait => self.wait(caller, a, b, c)?,
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
        // Who is refused goes on: nothing was changed.
        let goes_on = self.schedule.current == Some(caller.context);
        Ok(if goes_on { Answer { status: 0, value } } else { self.leave(value) })
    }

    /// The context `index` of the living environment that `env` names, which does what `run` says, and is not stopped. `Busy`: it does something else.
    #[inline(always)]
    pub(crate) fn in_state(&mut self, caller: Caller, env: u64, index: u64, run: Run) -> Result<ContextRef> {
        let id = if env == 0 { caller.id } else { EnvId(env) };
        // Contexts of the dead are stopped, and each says itself whose it is: only a refusal is to be looked into.
        let is_meant = |context: &ContextRef| self.context(*context).env == id && self.context(*context).run.get() == run;
        self.context_of(id, index).ok().filter(is_meant).ok_or_else(|| self.refusal(id, index))
    }

    #[cold]
    fn refusal(&mut self, id: EnvId, index: u64) -> Error {
        self.living(id, id.0).and_then(|id| self.context_of(id, index)).err().unwrap_or(Error::Busy)
    }

    /// The context `index` of an environment. `NoEnv`: there is none.
    pub(crate) fn context_of(&self, env: EnvId, index: u64) -> Result<ContextRef> {
        let slot = env.slot() % MAX_ENVS;
        let contexts = if self.records[slot] == 0 { &[] } else { self.env(slot).contexts.as_slice() };
        usize::try_from(index).ok().and_then(|index| contexts.get(index)?.get()).ok_or(Error::NoEnv)
    }
}
