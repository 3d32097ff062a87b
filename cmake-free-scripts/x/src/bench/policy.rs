//! What an app's policies change: its program with them, without them, and on Linux.

mod page;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};

use super::column::Column;
use super::kept;
use super::own::Own;
use super::session::{self, Figures, Work};
use super::table::amount;
use super::transcript::Measured;
use crate::entry::Entry;
use crate::isa::Isa;
use crate::manifest::Manifest;
use crate::{build, c_programs, setup, tree};

/// Width of the longest bar, in characters.
const BAR: f64 = 40.0;

/// What is measured, in the order of every table.
const COLUMNS: [&str; 3] = [DEFAULT, POLICY, LINUX];
/// Without the policies, or with those that the manifest names in their place.
pub const DEFAULT: &str = "default";
/// With them.
const POLICY: &str = "policy";
/// On a tuned Linux.
pub const LINUX: &str = "linux";

/// An app's figures on an ISA.
#[derive(Serialize, Deserialize)]
pub struct Comparison {
    app: String,
    /// The program's name, which is that of the row for the whole of it.
    program: String,
    isa: String,
    /// What it is about.
    about: String,
    settings: Vec<String>,
    /// What the program has in their place; none: the defaults.
    against: Vec<String>,
    /// The figure that the app is about.
    row: String,
    /// What Linux does instead of the policies.
    instead: String,
    /// The figures, in instructions, by column.
    columns: BTreeMap<String, Figures>,
}

/// Set up and build what comparisons of these apps need.
///
/// # Errors
/// Something does not build, or Linux's kernel cannot be had.
pub fn prepare<'a>(isa: Isa, mut apps: impl Iterator<Item = &'a Manifest>, linux: bool) -> Result<()> {
    setup::ensure(&[isa])?;
    if linux {
        setup::ensure_linux(&[isa])?;
    }
    build::build_kernel(isa)?;
    build::build_personality(isa)?;
    c_programs::build(isa)?;
    apps.try_for_each(|manifest| {
        let own = crate::policies::own(&manifest.settings);
        if own.is_empty() { Ok(()) } else { build::build_own_library(isa, &own) }
    })
}

/// How many columns a comparison has.
#[must_use]
pub fn columns(linux: bool) -> usize {
    COLUMNS.len() - usize::from(!linux)
}

/// Measure an app's program without its policies, with them and, if that is wanted, on a tuned Linux, whose figures are kept. The bar goes on by a
/// step for each.
///
/// # Errors
/// A machine does not reach its end, or does not count instructions.
pub fn compare(name: &str, manifest: &Manifest, isa: Isa, linux: bool, bar: &ProgressBar) -> Result<Comparison> {
    let measure = manifest.measure.as_ref();
    let against = measure.map_or(&[][..], |measure| &measure.against);
    let without = measure.and_then(|measure| measure.without.as_ref()).unwrap_or(&manifest.arguments);
    let ours = Column::Chitin(manifest.entry.unwrap_or_default());
    let jobs = [
        (DEFAULT, ours, without, against),
        (POLICY, ours, &manifest.arguments, &manifest.settings[..]),
        (LINUX, Column::TRUTH, without, &[]),
    ];
    let mut columns = BTreeMap::new();
    for (title, column, arguments, settings) in jobs.into_iter().filter(|(_, column, ..)| linux || *column == ours) {
        bar.set_message(format!("{isa} {name}: {title}"));
        let own = Own::of_app(manifest, arguments);
        let work = Work { own: Some(&own), settings, ..Work::of(vec![&own.name]) };
        let figures = kept::or_measured(isa, column, &work, bar, || session::measure(isa, column, &work, bar));
        columns.insert(title.to_owned(), figures.with_context(|| format!("{name} on {isa}: {title}"))?);
    }
    Ok(Comparison {
        app: name.to_owned(),
        program: Own::of_app(manifest, without).name,
        isa: isa.name().to_owned(),
        about: manifest.about.clone(),
        settings: manifest.settings.clone(),
        against: against.to_vec(),
        row: measure.map_or_else(String::new, |measure| measure.row.clone()),
        instead: measure.map_or_else(String::new, |measure| measure.linux.clone()),
        columns,
    })
}

/// What these operations of the benchmark cost a process with these policies.
///
/// # Errors
/// A machine does not reach its end, or an operation is not measured.
pub fn costs(isa: Isa, names: &[&str], settings: &[String]) -> Result<Vec<f64>> {
    let work = Work { settings, ..Work::of(names.to_vec()) };
    let figures = session::measure(isa, Column::Chitin(Entry::Linked), &work, &ProgressBar::hidden())?;
    let figure = |name: &&str| figures.get(*name).and_then(Measured::median).with_context(|| format!("no figure of {name}"));
    names.iter().map(figure).collect()
}

impl Comparison {
    /// A figure of a column.
    fn figure(&self, column: &str, row: &str) -> Option<f64> {
        self.columns.get(column)?.get(row).and_then(Measured::median)
    }

    /// How many times less a figure is with the policies than on another column.
    ///
    /// # Errors
    /// It was not measured on both.
    pub fn times(&self, column: &str, row: &str) -> Result<f64> {
        let figure =
            |column| self.figure(column, row).with_context(|| format!("{} on {}: no figure {row} of {column}", self.app, self.isa));
        let (other, ours) = (figure(column)?, figure(POLICY)?);
        ensure!(ours > 0.0, "{row} is {ours}");
        Ok(other / ours)
    }

    /// The rows: the one that the app is about, the program's other figures, and the whole of it.
    fn rows(&self) -> Vec<&str> {
        let all = self.columns.values().next().into_iter().flat_map(Figures::keys);
        let mut rows: Vec<&str> = all.map(String::as_str).filter(|name| !["boot", "loop"].contains(name)).collect();
        rows.sort_by_key(|&row| (row != self.row, row == self.program));
        rows
    }

    /// The table and a chart, for a terminal.
    pub fn text(&self) -> String {
        let mut text = format!("{} on {}: {}; in instructions\n", self.app, self.isa, self.settings.join(" "));
        if !self.instead.is_empty() {
            let _ = writeln!(text, "  Linux instead: {}", self.instead);
        }
        for row in self.rows() {
            let figures = COLUMNS.map(|title| (title, self.figure(title, row)));
            let most = figures.iter().filter_map(|(_, figure)| *figure).fold(1.0, f64::max);
            let _ = writeln!(text, "  {row}");
            for (title, figure) in figures {
                let Some(figure) = figure else { continue };
                let bar = "#".repeat((figure / most * BAR).ceil() as usize);
                let times = self.times(title, row).ok().filter(|_| title != POLICY);
                let times = times.map_or(String::new(), |times| format!("  {times:.2} times the policy's"));
                let _ = writeln!(text, "    {title:<8}{:>14}  {bar}{times}", amount(figure));
            }
        }
        text
    }

    /// Write the figures where [`report`] finds them; gives the path.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn write(&self) -> Result<PathBuf> {
        fs::create_dir_all(folder())?;
        let path = folder().join(format!("{}-{}.json", self.app, self.isa));
        fs::write(&path, serde_json::to_string_pretty(self)? + "\n").with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }
}

fn folder() -> PathBuf {
    tree::target().join("chitin/policies")
}

/// Draw all that was measured, now and before, of apps that there still are; gives the path.
///
/// # Errors
/// The folder cannot be read or written to.
pub fn report(apps: &[(String, Manifest)]) -> Result<PathBuf> {
    let mut all: Vec<Comparison> = Vec::new();
    for entry in fs::read_dir(folder()).with_context(|| format!("cannot list {}", folder().display()))?.flatten() {
        if entry.path().extension().is_some_and(|extension| extension == "json") {
            // What an older tool wrote is measured again when it is wanted.
            all.extend(serde_json::from_str::<Comparison>(&fs::read_to_string(entry.path())?).ok());
        }
    }
    all.retain(|one| apps.iter().any(|(name, _)| *name == one.app));
    all.sort_by(|one, other| (&one.app, &one.isa).cmp(&(&other.app, &other.isa)));
    let path = folder().join("index.html");
    fs::write(&path, page::write(&all)).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}
