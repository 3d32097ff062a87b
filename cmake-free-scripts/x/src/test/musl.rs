//! Level 3: the musl that `setup` stages: how it is made and remade, that the shim leaves no system call instruction, that configure
//! scripts and cargo build against it, and that programs of either flavour do the same on the host.

mod build;
mod guard;
mod programs;

use anyhow::Result;

use super::Test;
use crate::isa::Isa;

/// A test's name and work.
type Named = (&'static str, fn(Isa) -> Result<()>);

/// All tests of an ISA's musl.
pub fn tests(isa: Isa) -> Vec<Test> {
    [guard::TESTS, build::TESTS, programs::TESTS]
        .concat()
        .into_iter()
        .map(|(name, work)| Test {
            name: format!("musl/{name}"),
            level: 3,
            isa: Some(isa),
            work: Box::new(move || work(isa).map_err(|error| format!("{error:#}"))),
        })
        .collect()
}
