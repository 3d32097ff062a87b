//! `cargo x bench --flames`: a flame graph for each operation and column, of the instructions of one round.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::column::Column;
use super::operation::Operation;
use super::sections::{self, Stacks};
use crate::isa::Isa;
use crate::profile;

/// Look into operations on a column, and draw each into a folder: a picture, and beside it the stacks, a line for each, that other programs read.
/// Gives the pictures.
pub fn draw(folder: &Path, isa: Isa, column: Column, known: &[Operation], names: &[&str]) -> Result<Vec<PathBuf>> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut drawn = Vec::new();
    for (name, stacks) in sections::measure(isa, column, known, names, 1)? {
        let total: f64 = stacks.values().sum();
        let lines = lines(&stacks);
        let path = |end: &str| folder.join(format!("{name}-{isa}-{}.{end}", column.name()));
        let (picture, text) = (path("svg"), path("stacks"));
        std::fs::write(&text, lines.join("\n") + "\n").with_context(|| format!("cannot write {}", text.display()))?;
        profile::draw_lines(&format!("{name}: {total:.0} instructions a round, {isa}, {}", column.name()), &lines, &picture)?;
        drawn.push(picture);
    }
    Ok(drawn)
}

/// Stacks as flame graphs are drawn from, whole instructions each; the dearest first.
fn lines(stacks: &Stacks) -> Vec<String> {
    let mut counts: Vec<(&String, u64)> = stacks.iter().map(|(stack, count)| (stack, count.round() as u64)).collect();
    counts.retain(|&(_, count)| count > 0);
    counts.sort_by_key(|&(stack, count)| (std::cmp::Reverse(count), stack));
    counts.into_iter().map(|(stack, count)| format!("{stack} {count}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dearest_stands_first_and_nothing_is_left_out() {
        let stacks = [("kernel;a", 3.2), ("libos;b", 10.6), ("libos;c", 0.2)].map(|(stack, count)| (stack.to_owned(), count));
        assert_eq!(lines(&stacks.into()), ["libos;b 11", "kernel;a 3"]);
    }
}
