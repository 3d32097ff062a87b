//! The figures of a whole run, as JSON has them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::calls::AllCalls;
use super::column::Column;
use super::cycles::AllCycles;
use super::history::History;
use super::operation::Operation;
use super::parts::Parts;
use super::session::Figures;
use super::transcript::Measured;
use super::{baseline, csv, report};
use crate::isa::Isa;
use crate::tree;

/// A run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Results {
    /// What is counted.
    pub unit: String,
    /// What counts it.
    pub clock: String,
    /// The emulator's version.
    pub qemu: String,
    /// The commit, with a + where the tree differs from it.
    pub commit: String,
    /// The commit's time, seconds since 1970.
    pub committed: u64,
    /// Fewer rounds.
    pub quick: bool,
    /// What was measured, in order.
    pub operations: Vec<Operation>,
    /// By ISA, then by column.
    pub isas: BTreeMap<String, BTreeMap<String, OnColumn>>,
    /// Where instructions go.
    #[serde(default)]
    pub parts: AllParts,
    /// What whole programs call.
    #[serde(default)]
    pub calls: AllCalls,
    /// By the second clock.
    #[serde(default)]
    pub cycles: AllCycles,
}

/// By ISA, by column, by operation.
pub type AllParts = BTreeMap<String, BTreeMap<String, BTreeMap<String, Parts>>>;

/// A column's part.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OnColumn {
    /// The kernel.
    pub kernel: String,
    /// Its command line.
    pub command_line: String,
    /// The CPU model, by QEMU's name.
    pub cpu: String,
    /// By operation.
    pub figures: Figures,
}

impl Results {
    /// Put together what was measured.
    pub fn new(operations: Vec<Operation>, measured: BTreeMap<(Isa, Column), Figures>, quick: bool) -> Result<Results> {
        let mut isas: BTreeMap<String, BTreeMap<String, OnColumn>> = BTreeMap::new();
        for ((isa, column), figures) in measured {
            let (kernel, command_line) = (column.version(isa)?, column.command_line(isa));
            let cpu = if isa == Isa::X86_64 { "max,-erms,-fsrm" } else { "max" }.to_owned();
            isas.entry(isa.name().into()).or_default().insert(column.name().into(), OnColumn { kernel, command_line, cpu, figures });
        }
        let dirty = !said("git", &["status", "--porcelain", "--untracked-files=no"]).is_empty();
        Ok(Results {
            unit: "guest instructions a round, its loop included; median of three passes".into(),
            clock: "-icount shift=0,sleep=off".into(),
            qemu: said("qemu-system-x86_64", &["--version"]).lines().next().unwrap_or_default().into(),
            commit: said("git", &["rev-parse", "--short=10", "HEAD"]) + if dirty { "+" } else { "" },
            committed: said("git", &["log", "-1", "--format=%ct"]).parse().unwrap_or_default(),
            quick,
            operations,
            isas,
            parts: AllParts::new(),
            calls: AllCalls::new(),
            cycles: AllCycles::new(),
        })
    }

    /// What an operation cost on a column, if it was measured there.
    pub fn measured(&self, isa: Isa, column: Column, name: &str) -> Option<&Measured> {
        self.isas.get(isa.name())?.get(column.name())?.figures.get(name)
    }

    /// The figure, if there is one.
    pub fn figure(&self, isa: Isa, column: Column, name: &str) -> Option<f64> {
        self.measured(isa, column, name)?.median()
    }

    /// The columns that an ISA was measured on, in order.
    pub fn columns(&self, isa: Isa) -> Vec<Column> {
        let measured = self.isas.get(isa.name());
        Column::ALL.into_iter().filter(|column| measured.is_some_and(|columns| columns.contains_key(column.name()))).collect()
    }

    /// A line for each figure of Linux that is far from what was seen before, and nobody has said why. Short passes say little.
    pub fn far_from_baseline(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for isa in Isa::ALL.into_iter().filter(|_| !self.quick) {
            for column in self.columns(isa) {
                for (name, measured) in &self.isas[isa.name()][column.name()].figures {
                    let (Some(seen), Some(found)) = (baseline::seen(isa, column, name), measured.median()) else { continue };
                    if (found / seen - 1.0).abs() > baseline::TOLERANCE && baseline::why_different(name).is_none() {
                        lines.push(format!(
                            "{name} on {isa}, {}: {found}, seen before: {seen} ({:+.0} %)",
                            column.name(),
                            100.0 * (found / seen - 1.0)
                        ));
                    }
                }
            }
        }
        lines
    }

    /// As JSON.
    pub fn json(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(self)?)
    }

    /// Where the files of a run are.
    pub fn folder() -> PathBuf {
        tree::target().join("chitin/bench")
    }

    /// Those of the last run.
    pub fn read() -> Result<Results> {
        let path = Results::folder().join("results.json");
        let bytes = std::fs::read(&path).with_context(|| format!("{}: nothing was measured yet", path.display()))?;
        Ok(serde_json::from_slice(&bytes)?)
    }

    /// Write all files; gives their paths.
    pub fn write(&self) -> Result<Vec<PathBuf>> {
        let folder = Results::folder();
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let page = report::write(self, &History::with(self)?);
        let files = [("results.json", self.json()?), ("results.csv", csv::write(self)), ("report.html", page)];
        files
            .into_iter()
            .map(|(name, text)| {
                let path = folder.join(name);
                std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
                Ok(path)
            })
            .collect()
    }
}

/// What a command says, without the space around it; nothing where it cannot be started.
fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(tree::root()).output();
    output.map_or(String::new(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
