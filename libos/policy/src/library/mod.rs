//! The policies there are, a file each. The first of a kind is its default.

mod barrier;
mod checkpoint;
mod coloured;
mod contiguous;
mod counts;
mod deadline;
mod defaults;
mod hash_table;
mod keep;
mod large;
mod lru;
mod mru;
mod prefault;
mod read_ahead;
mod sandbox;
mod zero_ahead;

use crate::Policy;
pub(crate) use defaults::IN_ORDER;

/// All of them.
pub const ALL: &[&Policy] = &[
    &defaults::IN_ORDER,
    &prefault::POLICY,
    &read_ahead::POLICY,
    &barrier::POLICY,
    &keep::POLICY,
    &zero_ahead::POLICY,
    &defaults::ANYWHERE,
    &contiguous::POLICY,
    &coloured::POLICY,
    &large::POLICY,
    &defaults::BY_PRIORITY,
    &deadline::POLICY,
    &defaults::EVERYTHING,
    &lru::POLICY,
    &mru::POLICY,
    &defaults::ASKED,
    &hash_table::POLICY,
    &defaults::ALL,
    &sandbox::POLICY,
    &defaults::NOTHING,
    &counts::POLICY,
    &defaults::NEVER,
    &checkpoint::POLICY,
];
