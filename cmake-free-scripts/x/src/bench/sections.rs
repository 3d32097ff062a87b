//! Where operations' instructions go: each of them, by the profile's plugin (`crate::profile`), in the program's passes only.
//!
//! The program marks its passes for the plugin. A pass's instructions make up the figure that the same pass is measured at.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};

use super::column::Column;
use super::operation::Operation;
use super::session::{self, Work};
use super::transcript::Measured;
use crate::isa::Isa;
use crate::profile::Profile;

/// Passes of an operation; the first one warms.
const PASSES: usize = 4;
/// How far what the plugin counts may be from what the clock does, as a part of it: an instruction that faults is counted each time.
const TOLERANCE: f64 = 0.02;

/// Instructions a round, by stack.
pub type Stacks = BTreeMap<String, f64>;

/// By operation, of those that are named. `known` has how many rounds each has.
pub fn measure(isa: Isa, column: Column, known: &[Operation], names: &[&str], divisor: usize) -> Result<BTreeMap<String, Stacks>> {
    let profile = Profile::new()?;
    let work = Work { divisor, ..Work::of(names.to_vec()) };
    let transcript = session::boot_profiled(isa, column, &work, profile.option())?;
    let is_ours = matches!(column, Column::Chitin(_));
    let sections = profile.sections(isa, is_ours)?;
    // In the program's order, which is that of the passes.
    let figure = |operation: &&Operation| transcript.measured.get(&operation.name).and_then(Measured::median);
    let measured: Vec<(&Operation, f64)> = known
        .iter()
        .filter(|operation| operation.name == "loop" || names.contains(&operation.name.as_str()))
        .filter_map(|operation| Some((operation, figure(&operation)?)))
        .collect();
    ensure!(sections.len() == PASSES * measured.len(), "{} passes of {} operations were marked", sections.len(), measured.len());
    let mut all = BTreeMap::new();
    for ((operation, figure), passes) in measured.into_iter().zip(sections.chunks(PASSES)) {
        let counts = passes[1..].iter().flatten();
        let total: u64 = counts.clone().map(|(_, count)| count).sum();
        let (name, rounds) = (&operation.name, operation.rounds(divisor));
        let counted = total as f64 / (PASSES - 1) as f64 / rounds as f64;
        ensure!((counted / figure - 1.0).abs() < TOLERANCE, "{name}: the clock says {figure} instructions, the profile {counted:.1}");
        let mut stacks = Stacks::new();
        for (stack, &count) in counts {
            *stacks.entry(stack.clone()).or_default() += count as f64 / total as f64 * figure;
        }
        all.insert(name.clone(), stacks);
    }
    all.remove("loop").context("the loop was not marked")?;
    Ok(all)
}
