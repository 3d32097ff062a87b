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
    let operations = profile.operations(isa, is_ours)?;
    let begun = &transcript.begun;
    ensure!(operations.len() == begun.len(), "{} operations of {} were marked", operations.len(), begun.len());
    let left_out = |name: &str, why: &str| eprintln!("cargo x bench: {isa} {}: {name} {why}: left out", column.name());
    let mut all = BTreeMap::new();
    for (name, passes) in begun.iter().zip(operations) {
        let figure = match transcript.measured.get(name) {
            Some(Measured::Figure { median, .. }) => *median,
            Some(Measured::Missing { reason }) => {
                left_out(name, &format!("gave up ({reason})"));
                continue;
            }
            None => continue,
        };
        ensure!(passes.len() == PASSES, "{} passes of {name} were marked", passes.len());
        let operation = known.iter().find(|operation| operation.name == *name).with_context(|| format!("{name} is unknown"))?;
        let total = |pass: &&BTreeMap<String, u64>| pass.values().sum::<u64>();
        let mut passes: Vec<&BTreeMap<String, u64>> = passes[1..].iter().collect();
        passes.sort_by_key(total);
        // The figure is the median pass's too.
        let pass = passes[passes.len() / 2];
        let counted = total(&pass) as f64 / operation.rounds(divisor) as f64;
        if (counted / figure - 1.0).abs() > TOLERANCE {
            left_out(name, &format!("takes {figure} by the clock, {counted:.1} by the profile"));
            continue;
        }
        let stacks = pass.iter().map(|(stack, &count)| (stack.clone(), count as f64 / total(&pass) as f64 * figure)).collect();
        all.insert(name.clone(), stacks);
    }
    all.remove("loop").context("the loop was not marked")?;
    Ok(all)
}
