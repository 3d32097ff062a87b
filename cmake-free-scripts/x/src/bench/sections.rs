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
        let total = |pass: &&BTreeMap<String, u64>| pass.values().sum::<u64>();
        let mut passes: Vec<&BTreeMap<String, u64>> = passes[1..].iter().collect();
        passes.sort_by_key(total);
        // The figure is the median pass's too.
        let pass = passes[passes.len() / 2];
        let (name, rounds) = (&operation.name, operation.rounds(divisor));
        let counted = total(&pass) as f64 / rounds as f64;
        if (counted / figure - 1.0).abs() > TOLERANCE {
            eprintln!("cargo x bench: {isa} {}: {name} takes {figure} by the clock, {counted:.1} by the profile: left out", column.name());
            continue;
        }
        let stacks = pass.iter().map(|(stack, &count)| (stack.clone(), count as f64 / total(&pass) as f64 * figure)).collect();
        all.insert(name.clone(), stacks);
    }
    all.remove("loop").context("the loop was not marked")?;
    Ok(all)
}
