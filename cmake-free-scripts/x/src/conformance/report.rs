//! What a run of a suite found: counts by family, differences, JSON.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::exceptions::{self, Exception};
use super::outcome::{Outcome, Results};
use super::suite::{Suite, SuiteKind};
use crate::isa::Isa;

/// Of what passes on Linux, what must pass here of each family of the Open POSIX Test Suite, in percent.
const POSIX_FLOOR_PERCENT: usize = 95;
/// Programs of libc-test that may fail, or may not have been built.
const LIBC_TEST_CEILING: usize = 10;

/// A program's fate on both sides.
struct Row {
    name: String,
    family: String,
    linux: Outcome,
    chitin: Outcome,
    reason: Option<String>,
}

impl Row {
    /// Whether it passes on Linux and not here.
    fn lost(&self) -> bool {
        self.linux.passed() && !self.chitin.passed()
    }
}

/// A suite on an ISA.
pub struct Report {
    kind: SuiteKind,
    isa: Isa,
    rows: Vec<Row>,
    not_built: Vec<(String, String)>,
}

#[derive(Default)]
struct Counts {
    built: usize,
    on_linux: usize,
    here: usize,
    both: usize,
}

impl Counts {
    fn add(&mut self, row: &Row) {
        self.built += 1;
        self.on_linux += usize::from(row.linux.passed());
        self.here += usize::from(row.chitin.passed());
        self.both += usize::from(row.linux.passed() && row.chitin.passed());
    }

    fn as_json(&self) -> Value {
        json!({ "built": self.built, "passed_on_linux": self.on_linux, "passed_here": self.here, "passed_on_both": self.both })
    }
}

impl Report {
    /// Put both sides' results together.
    pub fn new(suite: &Suite, linux: &Results, chitin: &Results) -> Result<Report> {
        let exceptions = exceptions::read()?;
        let row = |name: &str| -> Result<Row> {
            let of = |results: &Results, place: &str| results.get(name).cloned().with_context(|| format!("{name} has no result {place}"));
            let excepted = |exception: &&Exception| exception.covers(suite.kind, suite.isa, name);
            Ok(Row {
                name: name.to_owned(),
                family: suite.kind.family(name).to_owned(),
                linux: of(linux, "on Linux")?,
                chitin: of(chitin, "here")?,
                reason: exceptions.iter().find(excepted).map(|exception| exception.reason.clone()),
            })
        };
        let rows = suite.programs.iter().map(|program| row(&program.name)).collect::<Result<_>>()?;
        Ok(Report { kind: suite.kind, isa: suite.isa, rows, not_built: suite.not_built.clone() })
    }

    fn counts(&self) -> (Counts, BTreeMap<&str, Counts>) {
        let (mut all, mut families) = (Counts::default(), BTreeMap::<&str, Counts>::new());
        for row in &self.rows {
            all.add(row);
            families.entry(&row.family).or_default().add(row);
        }
        (all, families)
    }

    /// Whether enough passes.
    #[must_use]
    pub fn good(&self) -> bool {
        let (all, families) = self.counts();
        let enough = |counts: &Counts| counts.both * 100 >= counts.on_linux * POSIX_FLOOR_PERCENT;
        match self.kind {
            SuiteKind::Posix => enough(&all) && families.values().all(enough),
            SuiteKind::LibcTest => all.built - all.here + self.not_built.len() <= LIBC_TEST_CEILING,
        }
    }

    /// All of it.
    #[must_use]
    pub fn as_json(&self) -> Value {
        let (all, families) = self.counts();
        let side = |outcome: &Outcome| json!({ "end": outcome.end.to_string(), "took_ms": outcome.took_ms, "output": outcome.output });
        let row = |row: &Row| {
            json!({ "name": row.name, "family": row.family, "lost": row.lost(), "reason": row.reason,
                "linux": side(&row.linux), "chitin": side(&row.chitin) })
        };
        json!({
            "suite": self.kind.name(),
            "isa": self.isa.name(),
            "good": self.good(),
            "counts": all.as_json(),
            "families": families.iter().map(|(name, counts)| ((*name).to_owned(), counts.as_json())).collect::<BTreeMap<_, _>>(),
            "not_built": self.not_built.iter().map(|(name, why)| json!({ "name": name, "why": why })).collect::<Vec<_>>(),
            "results": self.rows.iter().map(row).collect::<Vec<_>>(),
        })
    }

    fn print(&self) {
        let (all, families) = self.counts();
        println!("{} on {}", self.kind.name(), self.isa);
        println!("  {:<20} {:>6} {:>9} {:>7} {:>6} {:>8}", "family", "built", "on Linux", "here", "both", "of those");
        for (name, counts) in families.iter().map(|(name, counts)| (*name, counts)).chain([("all", &all)]) {
            let share = if counts.on_linux == 0 { 100.0 } else { counts.both as f64 * 100.0 / counts.on_linux as f64 };
            println!("  {name:<20} {:>6} {:>9} {:>7} {:>6} {share:>7.1}%", counts.built, counts.on_linux, counts.here, counts.both);
        }
        for (name, why) in &self.not_built {
            println!("  not built  {name:<40} {why}");
        }
        for row in self.rows.iter().filter(|row| row.lost()) {
            let reason = row
                .reason
                .as_deref()
                .map_or_else(|| row.chitin.output.first().cloned().unwrap_or_default(), |reason| format!("({reason})"));
            println!("  lost       {:<40} {} {}", row.name, row.chitin.end, reason.trim());
        }
        for row in self.rows.iter().filter(|row| row.chitin.passed() && !row.linux.passed()) {
            println!("  gained     {:<40} on Linux: {}", row.name, row.linux.end);
        }
    }
}

/// Print the tables, or JSON.
pub fn print(reports: &[Report], as_json: bool) -> Result<()> {
    if as_json {
        let values: Vec<Value> = reports.iter().map(Report::as_json).collect();
        println!("{:#}", Value::from(values));
        return Ok(());
    }
    reports.iter().for_each(Report::print);
    for report in reports {
        let (all, _) = report.counts();
        let verdict = if report.good() { "enough" } else { "too few" };
        println!("{} on {}: {} of {} that pass on Linux: {verdict}", report.kind.name(), report.isa, all.both, all.on_linux);
    }
    Ok(())
}
