//! Calls on environments.

use abi::{EnvEntry, EnvId, EnvState, Error, PAGE_SIZE, Privileges};
use arch::Machine;

use super::Caller;
use crate::{Kernel, Result, environment::Window, space::check_range};

/// Frames that an environment is charged for from the start: its record and its root table.
const FIRST_CHARGE: u64 = 2;

impl<M: Machine> Kernel<M> {
    /// A child with an empty address space.
    ///
    /// - `BadArgument`: a quota under 2 frames, a privilege that is none. `Denied`: a privilege that the caller lacks.
    /// - `Quota`: the caller's. `Full`: no slot is free.
    pub(super) fn env_create(&mut self, caller: Caller, quota: u64, privileges: u64) -> Result<u64> {
        let privileges = Privileges::from_bits(privileges).ok_or(Error::BadArgument)?;
        if quota < FIRST_CHARGE {
            return Err(Error::BadArgument);
        }
        self.check_privilege(caller.id, privileges)?;
        let slot = caller.id.slot();
        self.charge(slot, quota)?;
        self.new_env(Some(slot), quota, privileges).inspect_err(|_| self.credit(slot, quota)).map(|id| id.0)
    }

    /// End an environment. `NoEnv`: it is dead already.
    pub(super) fn env_destroy(&mut self, caller: Caller, env: u64, status: u64) -> Result<u64> {
        let id = self.under(caller.id, env)?;
        self.kill(id, if id == caller.id { EnvEntry::EXITED } else { EnvEntry::KILLED }, status, 0);
        Ok(0)
    }

    /// Give a dead environment's frames back, a piece a call. `Busy`: it lives.
    pub(super) fn env_reap(&mut self, caller: Caller, env: u64) -> Result<u64> {
        let (id, state) = self.known(caller.id, env)?;
        self.check_over(caller.id, id)?;
        if state == EnvState::Dead as u32 { self.reap(id).map(u64::from) } else { Err(Error::Busy) }
    }

    /// Hand a child to another parent. One below the caller is charged the child's quota; the caller's own parent is not, since the
    /// quota is part of the caller's, which shrinks by it.
    ///
    /// - `Denied`: it is not the caller's child, or the caller is neither over the new parent nor its child.
    /// - `BadArgument`: the new parent is the child, or below it. `Quota`: the new parent's, if that is below the caller.
    pub(super) fn env_hand(&mut self, caller: Caller, env: u64, parent: u64) -> Result<u64> {
        let child = self.own_child(caller.id, env)?;
        let heir = self.living(caller.id, parent)?;
        let own_parent = self.entry(caller.id.slot()).parent as usize;
        if !self.is_over(caller.id.slot(), heir.slot()) && heir.slot() != own_parent {
            return Err(Error::Denied);
        }
        if self.is_over(child.slot(), heir.slot()) {
            return Err(Error::BadArgument);
        }
        if heir == caller.id {
            return Ok(0);
        }
        let quota = self.entry(child.slot()).quota;
        if heir.slot() == own_parent {
            self.entry(caller.id.slot()).quota -= quota;
        } else {
            self.charge(heir.slot(), quota)?;
        }
        self.credit(caller.id.slot(), quota);
        self.entry(child.slot()).parent = heir.slot() as u32;
        Ok(0)
    }

    /// Change a child's quota. `Denied`: not the caller's child. `Quota`: the caller's, or under what the child is charged.
    pub(super) fn env_quota(&mut self, caller: Caller, env: u64, quota: u64) -> Result<u64> {
        let child = self.own_child(caller.id, env)?;
        let entry = self.entry(child.slot());
        let old = entry.quota;
        if quota < entry.used {
            return Err(Error::Quota);
        }
        match quota.checked_sub(old) {
            Some(more) => self.charge(caller.id.slot(), more)?,
            None => self.credit(caller.id.slot(), old - quota),
        }
        self.entry(child.slot()).quota = quota;
        Ok(0)
    }

    /// Let a peer map pages into a window of the caller. `BadAddress`: the range is not pages of user space.
    pub(super) fn env_window(&mut self, caller: Caller, peer: u64, address: u64, pages: u64) -> Result<u64> {
        let peer = self.living(caller.id, peer)?;
        if pages > 0 {
            check_range(address, pages)?;
        } else if !address.is_multiple_of(PAGE_SIZE as u64) {
            return Err(Error::BadAddress);
        }
        self.env(caller.id.slot()).window.set(Window { peer: peer.0, address, pages });
        Ok(0)
    }

    fn own_child(&mut self, caller: EnvId, env: u64) -> Result<EnvId> {
        let child = self.under(caller, env)?;
        if self.entry(child.slot()).parent as usize == caller.slot() { Ok(child) } else { Err(Error::Denied) }
    }
}
