//! What host tests check the kernel's books against.

use arch::Machine;

use crate::Kernel;

impl<M: Machine> Kernel<M> {
    /// The root tables of all environments, by slot.
    #[must_use]
    pub fn roots(&self) -> impl IntoIterator<Item = (usize, u64)> {
        let slots = (0..abi::MAX_ENVS).filter(|&slot| self.records[slot] != 0);
        slots.map(|slot| (slot, self.env(slot).root.get())).collect::<arrayvec::ArrayVec<_, { abi::MAX_ENVS }>>()
    }

    /// How many contexts an environment has, and the frames of their upcall pages.
    #[must_use]
    pub fn contexts_and_pins(&self, slot: usize) -> (u64, arrayvec::ArrayVec<u64, { abi::MAX_CONTEXTS }>) {
        let contexts = self.env(slot).contexts.iter().filter_map(core::cell::Cell::get);
        let pins = contexts.clone().filter_map(|context| self.context(context).upcall.get());
        (contexts.count() as u64, pins.collect())
    }
}
