//! What an app's policies change: its program with them, without them, and on Linux.

use std::fmt::Write;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::column::Column;
use super::own::Own;
use super::session::{self, Figures, Work};
use super::table::amount;
use super::transcript::Measured;
use crate::isa::Isa;
use crate::manifest::Manifest;
use crate::{build, c_programs, progress, setup, tree};

/// Width of the longest bar, in characters.
const BAR: f64 = 40.0;

/// An app's figures on an ISA.
pub struct Comparison {
    /// The app.
    pub name: String,
    isa: Isa,
    settings: Vec<String>,
    /// What was measured, by column: without policies, with them, on Linux.
    columns: Vec<(&'static str, Figures)>,
}

/// Set up and build what a comparison needs.
///
/// # Errors
/// Something does not build, or Linux's kernel cannot be had.
pub fn prepare(isa: Isa, manifest: &Manifest, linux: bool) -> Result<()> {
    setup::ensure(&[isa])?;
    if linux {
        setup::ensure_linux(&[isa])?;
    }
    build::build_kernel(isa)?;
    build::build_personality(isa)?;
    c_programs::build(isa)?;
    let own = crate::policies::own(&manifest.settings);
    if own.is_empty() { Ok(()) } else { build::build_own_library(isa, &own) }
}

/// Measure an app's program without its policies, with them and, if that is wanted, on a tuned Linux.
///
/// # Errors
/// A machine does not reach its end, or does not count instructions.
pub fn compare(name: &str, manifest: &Manifest, isa: Isa, linux: bool) -> Result<Comparison> {
    let against = manifest.measure.as_ref().map_or(&[][..], |measure| &measure.against);
    let ours = Column::Chitin(manifest.entry.unwrap_or_default());
    let jobs = [("default", ours, against), ("policy", ours, &manifest.settings[..]), ("linux", Column::TRUTH, &[])];
    let bar = progress::bar(jobs.len());
    let mut columns = Vec::new();
    for (title, column, settings) in jobs.into_iter().filter(|(_, column, _)| linux || *column == ours) {
        bar.set_message(format!("{isa} {name}: {title}"));
        let own = Own::of_app(manifest, settings);
        columns.push((title, session::measure(isa, column, &Work { names: vec![&own.name], divisor: 1, own: Some(&own) }, &bar)?));
    }
    bar.finish_and_clear();
    Ok(Comparison { name: name.to_owned(), isa, settings: manifest.settings.clone(), columns })
}

impl Comparison {
    /// A figure of a column.
    fn figure(&self, column: &str, row: &str) -> Option<f64> {
        self.columns.iter().find(|(title, _)| *title == column)?.1.get(row).and_then(Measured::median)
    }

    /// How many times less a figure is with the policies than on another column.
    ///
    /// # Errors
    /// It was not measured on both.
    pub fn times(&self, column: &str, row: &str) -> Result<f64> {
        let figure =
            |column| self.figure(column, row).with_context(|| format!("{} on {}: no figure {row} of {column}", self.name, self.isa));
        let (other, ours) = (figure(column)?, figure("policy")?);
        ensure!(ours > 0.0, "{row} is {ours}");
        Ok(other / ours)
    }

    /// The rows, the program's own figures first.
    fn rows(&self) -> Vec<&str> {
        let all = self.columns.first().map(|(_, figures)| figures.keys()).into_iter().flatten();
        all.map(String::as_str).filter(|name| !["boot", "loop"].contains(name)).collect()
    }

    /// The table and a chart, for a terminal.
    pub fn text(&self) -> String {
        let mut text = format!("{} on {}: {}\n", self.name, self.isa, self.settings.join(" "));
        for row in self.rows() {
            let most = self.columns.iter().filter_map(|(title, _)| self.figure(title, row)).fold(1.0, f64::max);
            let _ = writeln!(text, "  {row}, in instructions");
            for (title, _) in &self.columns {
                let Some(figure) = self.figure(title, row) else { continue };
                let bar = "#".repeat((figure / most * BAR).ceil() as usize);
                let times = self.times(title, row).ok().filter(|_| *title != "policy");
                let times = times.map_or(String::new(), |times| format!("  {times:.2} times the policy's"));
                let _ = writeln!(text, "    {title:<8}{:>14}  {bar}{times}", amount(figure));
            }
        }
        text
    }

    /// As JSON.
    pub fn json(&self) -> serde_json::Value {
        let column = |(title, figures): &(&str, Figures)| ((*title).to_owned(), json!(figures));
        let columns: serde_json::Map<_, _> = self.columns.iter().map(column).collect();
        json!({ "app": self.name, "isa": self.isa.name(), "settings": self.settings, "columns": columns })
    }

    /// Write the figures and a drawing of them; gives the paths.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn write(&self) -> Result<Vec<PathBuf>> {
        let folder = tree::target().join("chitin/policies");
        std::fs::create_dir_all(&folder)?;
        let files = [("json", format!("{:#}", self.json())), ("svg", self.drawing())];
        let write = |(extension, text): (&str, String)| {
            let path = folder.join(format!("{}-{}.{extension}", self.name, self.isa));
            std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
            Ok(path)
        };
        files.into_iter().map(write).collect()
    }

    /// Bars, a group for each row.
    fn drawing(&self) -> String {
        const LINE: usize = 22;
        const LABEL: usize = 150;
        const WIDTH: f64 = 420.0;
        let mut bars = String::new();
        let mut y = 30;
        for row in self.rows() {
            let most = self.columns.iter().filter_map(|(title, _)| self.figure(title, row)).fold(1.0, f64::max);
            let _ = write!(bars, "<text x=\"8\" y=\"{y}\" font-weight=\"bold\">{row}</text>");
            for (title, _) in &self.columns {
                let Some(figure) = self.figure(title, row) else { continue };
                y += LINE;
                let (top, colour, long) = (y - 13, if *title == "policy" { "#0b7a75" } else { "#9aa5b1" }, figure / most * WIDTH);
                let _ = write!(
                    bars,
                    "<text x=\"24\" y=\"{y}\">{title}</text><rect x=\"{LABEL}\" y=\"{top}\" width=\"{long:.1}\" height=\"16\" fill=\"{colour}\"/>\
                     <text x=\"{:.1}\" y=\"{y}\">{}</text>",
                    LABEL as f64 + long + 6.0,
                    amount(figure)
                );
            }
            y += LINE + 8;
        }
        let title = format!("{}, {}: guest instructions", self.name, self.isa);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 680 {y}\" font-family=\"sans-serif\" font-size=\"13\">\
             <title>{title}</title><rect width=\"680\" height=\"{y}\" fill=\"white\"/>{bars}</svg>\n"
        )
    }
}
