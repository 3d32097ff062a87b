//! Chitin's counts in a checked-in table, `counts.toml`: one that grows past two parts in a hundred fails a test.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use indicatif::ProgressBar;

use super::column::Column;
use super::session::{self, Figures, Work};
use super::transcript::Measured;
use crate::entry::Entry;
use crate::isa::Isa;
use crate::{progress, tree};

/// How much a count may grow, as a part of it, and by how many instructions whatever it is: a loop's own do not come out even.
const TOLERANCE: (f64, f64) = (0.02, 0.5);

/// By ISA, by entry, by operation.
type Counts = BTreeMap<String, BTreeMap<String, BTreeMap<String, f64>>>;

fn path() -> PathBuf {
    tree::root().join("cmake-free-scripts/x/src/bench/counts.toml")
}

fn read() -> Result<Counts> {
    let text = std::fs::read_to_string(path()).context("cannot read the table of counts")?;
    toml::from_str(&text).context("the table of counts")
}

/// Measure what the table has of an ISA and an entry; fail if a count is over it.
pub fn check(isa: Isa, entry: Entry) -> Result<()> {
    let counts = read()?;
    let Some(expected) = counts.get(isa.name()).and_then(|entries| entries.get(entry.name())) else { return Ok(()) };
    let over = grown(expected, &measure(isa, Column::Chitin(entry), expected)?);
    ensure!(over.is_empty(), "{}; `cargo x bench --update-counts` writes the table anew", over.join("; "));
    Ok(())
}

fn measure(isa: Isa, column: Column, expected: &BTreeMap<String, f64>) -> Result<Figures> {
    let names: Vec<&str> = expected.keys().map(String::as_str).collect();
    session::measure(isa, column, &Work::of(names), &ProgressBar::hidden())
}

/// A line for each count that grew too much, or is not there any more.
fn grown(expected: &BTreeMap<String, f64>, figures: &Figures) -> Vec<String> {
    let judge = |(name, &limit): (&String, &f64)| match figures.get(name).and_then(Measured::median) {
        Some(count) if count <= limit * (1.0 + TOLERANCE.0) + TOLERANCE.1 => None,
        Some(count) => Some(format!("{name}: {count} instructions, the table has {limit}")),
        None => Some(format!("{name}: no count")),
    };
    expected.iter().filter_map(judge).collect()
}

/// Measure all that the table has of these ISAs, and write it anew.
pub fn update(isas: &[Isa]) -> Result<()> {
    let mut counts = read()?;
    let bar = progress::bar(counts.values().flat_map(BTreeMap::values).count());
    for &isa in isas {
        for (entry, expected) in counts.get_mut(isa.name()).into_iter().flatten() {
            bar.set_message(format!("{isa}: {entry}"));
            let column = Column::by_name(entry).with_context(|| format!("{entry} is no entry"))?;
            let figures = measure(isa, column, expected)?;
            for (name, count) in expected {
                *count = figures.get(name).and_then(Measured::median).with_context(|| format!("{name} cannot be measured"))?;
            }
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    let text = std::fs::read_to_string(path())?;
    let comment: String = text.lines().take_while(|line| line.starts_with('#')).map(|line| format!("{line}\n")).collect();
    std::fs::write(path(), format!("{comment}\n{}", toml::to_string(&counts)?)).context("cannot write the table of counts")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_parts_in_a_hundred_are_too_many_and_so_is_no_count() {
        let expected = BTreeMap::from([("a".to_owned(), 1000.0), ("b".to_owned(), 10.0), ("c".to_owned(), 1.0)]);
        let figure = |median| Measured::Figure { median, least: median, most: median };
        let figures = Figures::from([("a".to_owned(), figure(1030.0)), ("b".to_owned(), figure(10.6))]);
        let lines = grown(&expected, &figures);
        assert_eq!(lines, ["a: 1030 instructions, the table has 1000", "c: no count"]);
    }

    #[test]
    fn the_table_is_one_of_known_names() {
        for (isa, entries) in read().unwrap() {
            assert!(Isa::ALL.iter().any(|known| known.name() == isa), "{isa}");
            assert!(entries.keys().all(|entry| Column::by_name(entry).is_some()));
        }
    }
}
