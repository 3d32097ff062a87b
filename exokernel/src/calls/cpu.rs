//! Calls on the CPU: contexts, time, sleeping and waking.

use abi::{Error, MAX_SLICES, MAX_WAIT_WORDS, NO_DEADLINE, PAGE_SIZE, Registers, Rights, RunState, WaitWord};
use arch::{Answer, Context, Machine, SET};

use super::Caller;
use crate::context::{Run, TIMER_NODE};
use crate::queue::{TIMED, bucket};
use crate::schedule::UNUSED;
use crate::{Kernel, Result};

impl<M: Machine> Kernel<M> {
    /// A new context, stopped. `Full`: the environment has all it can have. `Quota`: the environment's.
    pub(super) fn context_create(&mut self, caller: Caller, env: u64) -> Result<u64> {
        let id = self.under(caller.id, env)?;
        self.new_context(id).map(|index| index as u64)
    }

    /// Load a context's registers, and set how it runs. The caller itself has its page's deadline looked at anew.
    ///
    /// - `BadArgument`: a state that is none; registers for the caller itself (that is `resume`).
    /// - `BadAddress`, `NotMapped`: the registers are not aligned in one readable page.
    pub(super) fn context_set(&mut self, caller: Caller, env: u64, index: u64, registers: u64, state: u64) -> Result<u64> {
        let id = self.under(caller.id, env)?;
        let context = self.context_of(id, index)?;
        let own = context == caller.context;
        if state > RunState::Unchanged as u64 || own && registers != 0 {
            return Err(Error::BadArgument);
        }
        let registers = if registers == 0 { None } else { Some(self.read_user::<Registers>(caller.root, registers)?) };
        let record = self.context(context);
        let stops = state == RunState::Stopped as u64;
        if own {
            self.set_timer();
            self.schedule.current = (!stops).then_some(context);
        }
        if state != RunState::Unchanged as u64 {
            self.give_up(context, Error::Interrupted);
            record.run.set(if stops { Run::Stopped } else { Run::Runnable });
        }
        if let Some(registers) = registers {
            record.machine().set_registers(registers);
        }
        Ok(0)
    }

    /// Store a context's registers. `BadArgument`: it is the caller. `BadAddress`, `NotMapped`: not aligned in one writable page.
    pub(super) fn context_get(&mut self, caller: Caller, env: u64, index: u64, registers: u64) -> Result<u64> {
        let id = self.under(caller.id, env)?;
        let context = self.context_of(id, index)?;
        if context == caller.context {
            return Err(Error::BadArgument);
        }
        let place = self.user_value::<Registers>(caller.root, registers, Rights::WRITE)?;
        // SAFETY: the bytes are in one frame, aligned, and the mapping allows writing.
        unsafe { place.write(self.context(context).machine().registers()) };
        Ok(0)
    }

    /// Continue with a full register frame. `BadAddress`, `NotMapped`: it is not aligned in one readable page.
    pub(super) fn resume(&mut self, caller: Caller, registers: u64) -> Result<Answer> {
        let registers = self.read_user::<Registers>(caller.root, registers)?;
        let machine = self.context(caller.context).machine();
        machine.set_registers(registers);
        self.machine.reload(machine, true);
        Ok(Answer { status: SET, value: 0 })
    }

    /// Give the rest of the slice away. `Busy`: the context cannot run.
    pub(super) fn yield_to(&mut self, caller: Caller, env: u64, index: u64) -> Result<u64> {
        self.schedule.current = if env == 0 { None } else { Some(self.in_state(caller, env, index, Run::Runnable)?) };
        Ok(0)
    }

    /// Sleep on words, until a time.
    ///
    /// - `BadArgument`: too many words. `BadAddress`: a list or word that is not aligned. `NotMapped`: one that is not readable.
    /// - `TimedOut`: the deadline passed, or had. `Interrupted`: the context was set runnable.
    pub(super) fn wait(&mut self, caller: Caller, words: u64, count: u64, deadline: u64) -> Result<u64> {
        if count > MAX_WAIT_WORDS as u64 {
            return Err(Error::BadArgument);
        }
        let record = self.context(caller.context);
        let mut list = core::ptr::null::<WaitWord>();
        for index in 0..count {
            let address = words.wrapping_add(index * size_of::<WaitWord>() as u64);
            // A page of the list is looked up once.
            let is_near = index > 0 && !address.is_multiple_of(PAGE_SIZE as u64);
            list = if is_near { list.wrapping_add(1) } else { self.read_user(caller.root, address)? };
            // SAFETY: it is in the page that was looked up, aligned; any bytes are valid in it.
            let word = unsafe { list.read() };
            let place = self.user_value::<u32>(caller.root, word.address, Rights::READ)?;
            // SAFETY: the word is in a mapped frame, aligned.
            if unsafe { place.read() } != word.value {
                return Ok(index);
            }
            // Nobody looks at it before the node is in a list.
            record.nodes[index as usize].key.set(place.addr() as u64);
        }
        if deadline != NO_DEADLINE && deadline <= self.machine.clock() {
            return Err(Error::TimedOut);
        }
        for word in record.nodes.iter().take(count as usize) {
            self.enqueue(bucket(word.key.get()), word);
        }
        record.words.set(count as usize);
        record.run.set(Run::Waiting);
        record.nodes[TIMER_NODE].key.set(deadline);
        if deadline != NO_DEADLINE {
            self.enqueue(TIMED, &record.nodes[TIMER_NODE]);
        }
        self.schedule.current = None;
        Ok(0)
    }

    /// Wake those who sleep on a word. `BadAddress`, `NotMapped`: it is not aligned in a readable page.
    pub(super) fn wake(&mut self, caller: Caller, address: u64, most: u64) -> Result<u64> {
        let word = self.user_value(caller.root, address, Rights::READ)?;
        Ok(self.wake_word(word, usize::try_from(most).unwrap_or(usize::MAX)) as u64)
    }

    /// Give a slot of a slice vector to a context (index `u32::MAX`: leave it unused).
    ///
    /// - `BadArgument`: no such CPU or slot. `Denied`: the caller is not over the slot's owner.
    pub(super) fn slice_set(&mut self, caller: Caller, cpu: u64, slot: u64, env: u64, index: u64) -> Result<u64> {
        if cpu >= self.info_page().cpus || slot >= MAX_SLICES as u64 {
            return Err(Error::BadArgument);
        }
        let id = self.living(caller.id, env)?;
        let context = if index == u64::from(UNUSED) { None } else { Some(self.context_of(id, index)?) };
        let owner = abi::EnvId(self.slice(slot as usize).owner);
        self.check_over(caller.id, owner)?;
        self.set_slice(slot as usize, id, context);
        Ok(0)
    }
}
