//! All processes, by id and by environment.

use core::ops::Range;

use abi::{EnvId, MAX_ENVS};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

use crate::process::Process;

/// See the module.
pub struct Processes {
    by_id: BTreeMap<u32, Box<Process>>,
    /// By slot of the environment table; 0: none.
    by_env: Vec<u32>,
    /// Slots of the slice vector that nobody has, the next one last.
    slots: Vec<usize>,
    /// Whether one of them ever pledged something.
    pub are_pledged: bool,
}

impl Processes {
    /// None yet, and slots to run them in.
    #[must_use]
    pub fn new(slots: Range<usize>) -> Processes {
        Processes { by_id: BTreeMap::new(), by_env: vec![0; MAX_ENVS], slots: slots.rev().collect(), are_pledged: false }
    }

    /// A slot of the slice vector, if one is left.
    pub fn take_slot(&mut self) -> Option<usize> {
        self.slots.pop()
    }

    /// Give a slot back.
    pub fn give_slot(&mut self, slot: usize) {
        // The first ones are taken first: the kernel walks the vector up to the last that is in use.
        let place = self.slots.partition_point(|&other| other > slot);
        self.slots.insert(place, slot);
    }

    /// Add a process.
    pub fn insert(&mut self, process: Box<Process>) {
        self.by_env[process.env.slot()] = process.id;
        if !self.by_id.is_empty() {
            process.tell_company(true);
        }
        if let (1, Some(other)) = (self.by_id.len(), self.by_id.values().next()) {
            other.tell_company(true);
        }
        self.by_id.insert(process.id, process);
    }

    /// Take a process out.
    pub fn remove(&mut self, id: u32) -> Option<Box<Process>> {
        let process = self.by_id.remove(&id)?;
        self.by_env[process.env.slot()] = 0;
        if let (1, Some(last)) = (self.by_id.len(), self.by_id.values().next()) {
            last.tell_company(false);
        }
        Some(process)
    }

    /// The process with an id.
    #[must_use]
    pub fn get(&self, id: u32) -> Option<&Process> {
        self.by_id.get(&id).map(Box::as_ref)
    }

    /// The same, to change.
    pub fn get_mut(&mut self, id: u32) -> Option<&mut Process> {
        self.by_id.get_mut(&id).map(Box::as_mut)
    }

    /// The id of the process that an environment is.
    #[must_use]
    pub fn id_of(&self, env: EnvId) -> Option<u32> {
        let id = *self.by_env.get(env.slot())?;
        self.by_id.get(&id).filter(|process| process.env == env).map(|process| process.id)
    }

    /// All of them, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Process> {
        self.by_id.values().map(Box::as_ref)
    }

    /// The same, to change.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Process> {
        self.by_id.values_mut().map(Box::as_mut)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }
}
