//! Level 3: tests of the Open POSIX Test Suite that take no time, a family each. `cargo x conformance` runs all of it.

use super::Test;
use crate::conformance;
use crate::isa::Isa;

/// The tests.
pub fn tests(isa: Isa) -> Vec<Test> {
    let test = |family: &'static str| Test {
        name: format!("posix/{}", family.replace(' ', "-")),
        level: 3,
        isa: Some(isa),
        work: Box::new(move || conformance::core(isa, family).map_err(|error| format!("{error:#}"))),
    };
    conformance::core_families().into_keys().map(test).collect()
}
