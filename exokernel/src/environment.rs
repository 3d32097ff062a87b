//! The tree of environments: names, quotas, death and reaping.
//!
//! What everyone may see of an environment is its [`EnvEntry`] in the info pages; the rest is a record in a frame of its own. An
//! environment that dies keeps its slot and its frames until an ancestor reaps it, a bounded piece a call.

use core::cell::Cell;

use abi::{BATCH_PAGES, EnvEntry, EnvId, EnvState, Error, FrameKind, MAX_CONTEXTS, Privileges};
use arch::{EXIT_FAULT, LEVELS, Machine};

use crate::context::{ContextRef, Run};
use crate::{Kernel, Result};

/// Where a peer may map pages.
#[derive(Clone, Copy, Default)]
pub(crate) struct Window {
    pub(crate) peer: u64,
    pub(crate) address: u64,
    pub(crate) pages: u64,
}

/// An environment's record.
#[derive(Default)]
pub(crate) struct Env {
    /// The frame that the record is in.
    frame: u64,
    pub(crate) slot: Cell<usize>,
    /// Frame of the root page table.
    pub(crate) root: Cell<u64>,
    pub(crate) contexts: [Cell<Option<ContextRef>>; MAX_CONTEXTS],
    pub(crate) window: Cell<Window>,
    /// How many slots of the slice vector and interrupts it owns.
    pub(crate) claims: Cell<usize>,
}

impl Env {
    /// Its address space identifier.
    pub(crate) fn asid(&self) -> u16 {
        self.slot.get() as u16 + 1
    }
}

const NO_PARENT: u32 = u32::MAX;
const ALIVE: u32 = EnvState::Alive as u32;

impl<M: Machine> Kernel<M> {
    /// The record in a slot that is in use.
    pub(crate) fn env<'a>(&self, slot: usize) -> &'a Env {
        debug_assert!(self.records[slot] != 0);
        // SAFETY: the frame holds the record until `reap` zeroes the table's word; all fields are Cells.
        unsafe { &*core::ptr::with_exposed_provenance(self.records[slot]) }
    }

    /// A slot's public entry.
    pub(crate) fn entry(&mut self, slot: usize) -> &mut EnvEntry {
        assert!(slot < abi::MAX_ENVS);
        // SAFETY: the table has MAX_ENVS entries, and user mode can only read it.
        unsafe { &mut *self.entries.add(slot) }
    }

    /// The state of the environment that `name` names for `caller`.
    pub(crate) fn known(&mut self, caller: EnvId, name: u64) -> Result<(EnvId, u32)> {
        let id = if name == 0 { caller } else { EnvId(name) };
        let slot = id.slot() % abi::MAX_ENVS;
        let EnvEntry { generation, state, .. } = *self.entry(slot);
        let known = id == EnvId::new(slot, generation) && state != EnvState::Free as u32;
        if known { Ok((id, state)) } else { Err(Error::NoEnv) }
    }

    /// The living environment that `name` names for `caller`.
    pub(crate) fn living(&mut self, caller: EnvId, name: u64) -> Result<EnvId> {
        let (id, state) = self.known(caller, name)?;
        if state == ALIVE { Ok(id) } else { Err(Error::NoEnv) }
    }

    /// The same, which `caller` must be over.
    pub(crate) fn under(&mut self, caller: EnvId, name: u64) -> Result<EnvId> {
        let id = self.living(caller, name)?;
        self.check_over(caller, id).map(|()| id)
    }

    /// `Denied` if one environment is not another's ancestor, nor it.
    pub(crate) fn check_over(&mut self, over: EnvId, under: EnvId) -> Result<()> {
        if self.is_over(over.slot(), under.slot()) { Ok(()) } else { Err(Error::Denied) }
    }

    /// Whether one slot's environment is another's, or an ancestor of it.
    #[must_use]
    pub(crate) fn is_over(&mut self, over: usize, mut under: usize) -> bool {
        while under != over {
            match self.entry(under).parent {
                NO_PARENT => return false,
                parent => under = parent as usize,
            }
        }
        true
    }

    /// Charge frames to an environment.
    pub(crate) fn charge(&mut self, slot: usize, frames: u64) -> Result<()> {
        let entry = self.entry(slot);
        if frames > entry.quota - entry.used {
            return Err(Error::Quota);
        }
        entry.used += frames;
        Ok(())
    }

    /// Give a charge back.
    pub(crate) fn credit(&mut self, slot: usize, frames: u64) {
        self.entry(slot).used -= frames;
    }

    /// A new environment with an empty space; two frames are charged to itself. The parent's charge is the caller's business.
    pub(crate) fn new_env(&mut self, parent: Option<usize>, quota: u64, privileges: Privileges) -> Result<EnvId> {
        let slot = self.records.iter().position(|&record| record == 0).ok_or(Error::Full)?;
        let frame = self.take_charged(FrameKind::Kernel, false);
        let root = self.take_charged(FrameKind::Table, true);
        self.machine.init_root(root);
        let env = Env { frame, slot: Cell::new(slot), root: Cell::new(root), ..Env::default() };
        let place = self.machine.frame(frame).cast::<Env>();
        // SAFETY: the frame was just taken, and is page-aligned and large enough.
        unsafe { place.write(env) };
        self.records[slot] = place.expose_provenance();
        self.top = self.top.max(slot + 1);
        let entry = self.entry(slot);
        let generation = entry.generation + 1;
        let parent = parent.map_or(NO_PARENT, |parent| parent as u32);
        *entry = EnvEntry { generation, parent, quota, used: 2, privileges: privileges.bits() as u32, ..EnvEntry::default() };
        self.set_state(slot, EnvState::Alive);
        Ok(EnvId::new(slot, generation))
    }

    /// Change an environment's public state, and wake who waits for that.
    fn set_state(&mut self, slot: usize, state: EnvState) {
        self.entry(slot).state = state as u32;
        let word = &raw const self.entry(slot).state;
        self.wake_word(word, usize::MAX);
    }

    /// `Denied` if an environment lacks a privilege.
    pub(crate) fn check_privilege(&mut self, id: EnvId, privilege: Privileges) -> Result<()> {
        let held = Privileges::from_bits_truncate(self.entry(id.slot()).privileges.into());
        if held.contains(privilege) { Ok(()) } else { Err(Error::Denied) }
    }

    /// End an environment: nothing of it runs afterwards, its time and its children go to its parent. The first environment's end is the
    /// machine's.
    pub(crate) fn kill(&mut self, id: EnvId, reason: u32, status: u64, pc: u64) {
        let slot = id.slot();
        let entry = self.entry(slot);
        (entry.reason, entry.status, entry.pc) = (reason, status, pc);
        let parent = entry.parent;
        if parent == NO_PARENT {
            self.machine.exit(if reason < EnvEntry::FAULTED { status as u8 } else { EXIT_FAULT });
        }
        for context in self.env(slot).contexts.iter().filter_map(Cell::get) {
            self.give_up(context, Error::Dead);
            self.context(context).run.set(Run::Stopped);
        }
        self.forget(id);
        self.pass_slices_on(id, parent as usize);
        self.pass_children_on(slot, parent);
        while self.env(slot).claims.get() > 0
            && let Some(irq) = self.irqs.iter().position(|&owner| owner == id)
        {
            self.irqs[irq] = EnvId::SELF;
            self.machine.open(irq, false);
        }
        self.set_state(slot, EnvState::Dead);
        let deaths = &raw mut self.entry(parent as usize).deaths;
        self.count_up(deaths);
    }

    /// A slot of the slice vector or an interrupt goes from one to another.
    pub(crate) fn pass_claim(&self, from: EnvId, to: EnvId) {
        for (id, change) in [(from, usize::MAX), (to, 1)].into_iter().filter(|(id, _)| *id != EnvId::SELF) {
            self.env(id.slot()).claims.update(|claims| claims.wrapping_add(change));
        }
    }

    /// Make the children of a dying environment its parent's, quotas included: they were part of the dead one's, which was part of the
    /// parent's, so that the parent's charge stays what it was.
    fn pass_children_on(&mut self, slot: usize, parent: u32) {
        for child in 0..self.top {
            if self.records[child] != 0 && self.entry(child).parent == slot as u32 {
                let quota = self.entry(child).quota;
                self.entry(child).parent = parent;
                let dead = self.entry(slot);
                dead.used -= quota;
                dead.quota -= quota;
            }
        }
    }

    /// Give back a piece of what a dead environment holds; true when that was the last.
    pub(crate) fn reap(&mut self, id: EnvId) -> Result<bool> {
        let slot = id.slot();
        let env = self.env(slot);
        let mut work = BATCH_PAGES;
        if !self.fell(env.root.get(), LEVELS - 1, &mut work) {
            return Ok(false);
        }
        for context in env.contexts.iter().filter_map(Cell::take) {
            self.context(context).upcall.take().into_iter().for_each(|frame| self.let_go(frame));
            self.frames.free(self.context(context).frame, false);
        }
        self.machine.flush_space(env.asid());
        self.free_table(env.root.get(), false);
        self.frames.free(env.frame, false);
        self.records[slot] = 0;
        while self.records[..self.top].ends_with(&[0]) {
            self.top -= 1;
        }
        let (parent, quota) = (self.entry(slot).parent as usize, self.entry(slot).quota);
        self.credit(parent, quota);
        self.set_state(slot, EnvState::Free);
        Ok(true)
    }
}
