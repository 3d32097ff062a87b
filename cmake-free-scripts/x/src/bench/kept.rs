//! Linux's figures, kept: the same kernel with the same command line and programs in the same emulator costs the same each time, and its
//! boot is most of what a run of a few operations would wait for. `--fresh` forgets them.

use std::collections::VecDeque;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use indicatif::ProgressBar;

use super::column::Column;
use super::results::Results;
use super::session::{Figures, Work};
use crate::isa::Isa;

fn folder() -> PathBuf {
    Results::folder().join("linux")
}

/// Forget all of them.
pub fn forget() -> Result<()> {
    if folder().exists() {
        fs::remove_dir_all(folder())?;
    }
    Ok(())
}

/// What is kept for these operations, or else what `measure` finds, which is kept then. Chitin is always measured.
pub fn or_measured(isa: Isa, column: Column, work: &Work, bar: &ProgressBar, measure: impl FnOnce() -> Result<Figures>) -> Result<Figures> {
    if matches!(column, Column::Chitin(_)) {
        return measure();
    }
    let path = folder().join(format!("{isa}-{}-{:016x}.json", column.name(), key(isa, column, work)?));
    let mut kept: Figures = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    if !work.anew && work.names.iter().all(|&name| kept.contains_key(name)) {
        bar.inc(work.names.len() as u64);
        // A program's own rows are its.
        kept.retain(|name, _| work.own.is_some() || work.names.contains(&name.as_str()));
        return Ok(kept);
    }
    let measured = measure()?;
    kept.extend(measured.clone());
    fs::create_dir_all(folder())?;
    fs::write(&path, serde_json::to_vec_pretty(&kept)?)?;
    Ok(measured)
}

/// All that a figure depends on.
fn key(isa: Isa, column: Column, work: &Work) -> Result<u64> {
    let mut hasher = DefaultHasher::new();
    fs::read(column.kernel(isa))?.hash(&mut hasher);
    let words = if work.own.is_some() { work.words(&VecDeque::new()) } else { Vec::new() };
    column.image(isa, &words, work.own, &[])?.hash(&mut hasher);
    work.divisor.hash(&mut hasher);
    let machines = [column.machine(isa), column.roomy_machine(isa)];
    format!("{machines:?}").hash(&mut hasher);
    Command::new(format!("qemu-system-{isa}")).arg("--version").output()?.stdout.hash(&mut hasher);
    Ok(hasher.finish())
}
