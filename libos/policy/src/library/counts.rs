//! How often which call was made, and what faults brought in: one line when the process ends.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use core::fmt::Write;

use crate::tracing::{Call, Profile, Tracing};
use crate::{Make, Policy};

/// The policy.
pub static POLICY: Policy = Policy {
    name: "counts",
    summary: "prints how often which call was made, and what faults brought in, when the process ends",
    parameters: &[],
    make: Make::Tracing(|_| Box::new(Counts::default())),
};

/// Calls by name, and how many of them failed.
#[derive(Default)]
struct Counts {
    calls: BTreeMap<&'static str, u64>,
    errors: u64,
}

impl Tracing for Counts {
    fn called(&mut self, call: &Call) {
        *self.calls.entry(if call.name.is_empty() { "unknown" } else { call.name }).or_default() += 1;
    }

    fn answered(&mut self, _: &Call, outcome: Result<usize, u32>) {
        self.errors += u64::from(outcome.is_err());
    }

    fn forked(&mut self) {
        *self = Counts::default();
    }

    fn ended(&mut self, profile: &Profile) -> Option<String> {
        let Profile { faults, pages, misses, switches, most_resident } = profile;
        let (calls, errors) = (self.calls.values().sum::<u64>(), self.errors);
        let mut line = alloc::format!(
            "faults={faults} pages={pages} resident={most_resident} misses={misses} switches={switches} calls={calls} errors={errors}"
        );
        for (name, count) in &self.calls {
            let _ = write!(line, " {name}={count}");
        }
        Some(line)
    }
}
