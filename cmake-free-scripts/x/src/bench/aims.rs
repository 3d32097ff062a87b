//! What the project aims at, and whether a run's figures are there: parts of what a tuned Linux costs, and instructions.

use Entry::{Linked, Reflected, Rewritten};
use Most::{Instructions, Part};

use super::column::Column;
use super::results::Results;
use crate::entry::Entry;
use crate::isa::Isa;

/// The most that an operation is to cost.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Most {
    /// A part of what the tuned Linux takes: one divided by this.
    Part(f64),
    /// So many instructions.
    Instructions(f64),
}

/// An aim: an operation, by an entry.
type Aim = (&'static str, Entry, Most);

const AIMS: [Aim; 27] = [
    ("null_call", Linked, Part(15.0)),
    ("null_call", Rewritten, Part(8.0)),
    ("null_call", Reflected, Part(2.0)),
    ("read_zero", Linked, Part(4.0)),
    ("write_null", Linked, Part(4.0)),
    ("lseek", Linked, Part(4.0)),
    ("pread_1", Linked, Part(4.0)),
    ("pread_4k", Linked, Part(4.0)),
    ("pwrite_4k", Linked, Part(4.0)),
    ("stat", Linked, Part(3.0)),
    ("open_close", Linked, Part(3.0)),
    ("page_fault", Linked, Part(2.5)),
    ("mmap_munmap", Linked, Part(8.0)),
    ("trap", Linked, Part(8.0)),
    ("appel1", Linked, Part(8.0)),
    ("signal_to_self", Linked, Part(5.0)),
    ("pipe_round_trip", Linked, Part(3.0)),
    ("fork", Linked, Part(3.0)),
    ("fork_exec", Linked, Part(3.0)),
    ("pthread_create_join", Linked, Part(10.0)),
    ("futex_ping_pong", Linked, Part(10.0)),
    ("boot", Linked, Part(100.0)),
    ("exo.null_call", Linked, Instructions(80.0)),
    // There and back.
    ("exo.transfer_call", Linked, Instructions(2.0 * 150.0)),
    ("exo.yield_and_back", Linked, Instructions(2.0 * 200.0)),
    ("exo.reflection", Linked, Instructions(180.0)),
    ("exo.fault", Linked, Instructions(700.0)),
];
/// The operations of this table are to be no dearer than on Linux.
const PROGRAMS: &str = "programs";

/// How it stands with an aim.
#[derive(Clone, PartialEq, Debug)]
pub struct Stand {
    /// The operation.
    pub name: String,
    /// By which entry.
    pub entry: Entry,
    /// The aim.
    pub most: Most,
    /// What it costs, in instructions.
    pub cost: f64,
    /// What it may cost, in instructions.
    pub limit: f64,
}

impl Stand {
    /// Whether it is met.
    pub fn is_met(&self) -> bool {
        self.cost <= self.limit
    }
}

/// How it stands with all aims that a run measured what they are about.
pub fn stands(results: &Results, isa: Isa) -> Vec<Stand> {
    let programs = results.operations.iter().filter(|operation| operation.group == PROGRAMS);
    let programs = programs.map(|operation| (operation.name.clone(), Linked, Part(1.0)));
    let all = AIMS.iter().map(|&(name, entry, most)| (name.to_owned(), entry, most)).chain(programs);
    all.filter_map(|(name, entry, most)| {
        let cost = results.figure(isa, Column::Chitin(entry), &name)?;
        let limit = match most {
            Instructions(count) => count,
            Part(divisor) => results.figure(isa, Column::TRUTH, &name)? / divisor,
        };
        Some(Stand { name, entry, most, cost, limit })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aim_is_met_where_the_cost_is_its_limit_or_less() {
        let stand = |cost| Stand { name: "fork".into(), entry: Linked, most: Part(3.0), cost, limit: 100.0 };
        assert_eq!([99.0, 100.0, 100.5].map(|cost| stand(cost).is_met()), [true, true, false]);
    }
}
