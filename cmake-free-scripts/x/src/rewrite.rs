//! `cargo x rewrite`: what the rewriter makes of a program, site by site; and the overlays of a guest's programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use goblin::elf::header::machine_to_str;
use rewrite::elf::Names;
use rewrite::{Refusal, Rewriting, Verdict, overlay};
use serde_json::json;

use crate::initramfs::{Files, Node};
use crate::isa::Isa;
use crate::{progress, tree};

/// What to rewrite and what to say about it.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Status: 0 if every program was looked at, whatever was left in it; 1 if one cannot be read or is no program.")]
pub struct Options {
    /// Write a line for each site: its address, its function, what was done and why not (- is the terminal)
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Report as JSON
    #[arg(long)]
    json: bool,
    /// Write the overlay of the one program that is named
    #[arg(long, value_name = "OVERLAY")]
    output: Option<PathBuf>,
    /// ELF programs and shared objects, of either instruction set
    #[arg(required = true, value_name = "PROGRAM")]
    programs: Vec<PathBuf>,
}

/// Rewrite the programs.
pub fn rewrite(options: &Options) -> Result<ExitCode> {
    if options.output.is_some() && options.programs.len() != 1 {
        bail!("--output takes the overlay of one program, but {} are named", options.programs.len());
    }
    let (mut lines, mut values, mut failed) = (String::new(), Vec::new(), false);
    for path in &options.programs {
        match one(options, path) {
            Ok((text, value)) => {
                lines += &text;
                values.push(value);
            }
            Err(error) => {
                eprintln!("cargo x rewrite: {error:#}");
                failed = true;
            }
        }
    }
    let report = if options.json { serde_json::to_string_pretty(&values)? + "\n" } else { lines };
    match options.report.as_deref() {
        Some(path) if path != Path::new("-") => std::fs::write(path, report).with_context(|| format!("cannot write {}", path.display()))?,
        None if !options.json => {}
        _ => std::io::stdout().write_all(report.as_bytes())?,
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Rewrite a program; gives its report.
fn one(options: &Options, path: &Path) -> Result<(String, serde_json::Value)> {
    let name = path.display();
    let spinner = progress::spinner(&format!("{name}: reading"));
    let file = std::fs::read(path).with_context(|| format!("cannot read {name}"))?;
    spinner.set_message(format!("{name}: {} MiB", file.len() >> 20));
    let began = std::time::Instant::now();
    let outcome = rewrite::rewrite(&file);
    spinner.finish_and_clear();
    let outcome = outcome.map_err(|refusal| anyhow::anyhow!("{name}: {}", describe(refusal)))?;
    if let Some(output) = &options.output {
        let bytes = overlay::encode(&outcome, file.len() as u64);
        std::fs::write(output, bytes).with_context(|| format!("cannot write {}", output.display()))?;
    }
    let totals = totals(&outcome);
    if !options.json {
        println!("{}", summary(path, &outcome, &totals, began.elapsed()));
    }
    let names = Names::read(&file);
    Ok((table(path, &outcome, &names), value(path, &outcome, &names, &totals)))
}

fn describe(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::NotAProgram => "no ELF program of 64 bits",
        Refusal::Machine => "for neither aarch64 nor x86_64",
        Refusal::TextRelocations => "left whole: its text has relocations",
        Refusal::SharedPages => "left whole: executable segments share pages of the file",
    }
}

/// How many sites were left, by reason.
fn totals(outcome: &Rewriting) -> BTreeMap<&'static str, usize> {
    let mut totals = BTreeMap::new();
    for site in &outcome.sites {
        if let Verdict::Left(reason) = site.verdict {
            *totals.entry(reason.name()).or_default() += 1;
        }
    }
    totals
}

fn summary(path: &Path, outcome: &Rewriting, totals: &BTreeMap<&str, usize>, took: std::time::Duration) -> String {
    let machine = machine_to_str(outcome.machine);
    let (sites, patched) = (outcome.sites.len(), outcome.patched());
    let pages = (outcome.text.len(), outcome.trampolines.len());
    let mut line =
        format!("{} ({machine}): {sites} sites, {patched} patched in {} pages, {} trampoline pages", path.display(), pages.0, pages.1);
    for (reason, count) in totals {
        let _ = write!(line, ", {reason} {count}");
    }
    let _ = write!(line, "; {} ms", took.as_millis());
    line
}

fn table(path: &Path, outcome: &Rewriting, names: &Names) -> String {
    let mut table = format!("{}\n", path.display());
    for site in &outcome.sites {
        let name = names.find(site.address).unwrap_or("-");
        let _ = writeln!(table, "{:#12x} {:#12x}  {name:32} {}", site.address, site.offset, site.verdict);
    }
    table
}

fn value(path: &Path, outcome: &Rewriting, names: &Names, totals: &BTreeMap<&str, usize>) -> serde_json::Value {
    let sites: Vec<serde_json::Value> = outcome
        .sites
        .iter()
        .map(|site| {
            let patched = matches!(site.verdict, Verdict::Patched(_));
            let (name, verdict) = (names.find(site.address), site.verdict.to_string());
            json!({ "address": site.address, "offset": site.offset, "function": name, "patched": patched, "verdict": verdict })
        })
        .collect();
    json!({
        "program": path.display().to_string(),
        "machine": machine_to_str(outcome.machine),
        "patched": outcome.patched(),
        "left": totals,
        "text_pages": outcome.text.len(),
        "trampoline_pages": outcome.trampolines.len(),
        "sites": sites,
    })
}

/// Add the overlays of a guest's programs to its files. They are kept by content, so that each program is rewritten once.
pub fn add_overlays(files: &mut Files, isa: Isa) -> Result<()> {
    let folder = tree::output(isa).join("overlays");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let is_program = |contents: &[u8]| contents.starts_with(goblin::elf::header::ELFMAG);
    let programs: Vec<(String, Vec<u8>)> = files
        .regular()
        .filter(|(_, contents)| is_program(contents))
        .map(|(path, contents)| Ok((path.to_owned(), kept(&folder, contents)?)))
        .collect::<Result<_>>()?;
    for (path, bytes) in programs.into_iter().filter(|(_, bytes)| !bytes.is_empty()) {
        files.add(&format!("/{}{path}", overlay::FOLDER), Node::File(0o444, bytes));
    }
    Ok(())
}

/// The overlay of a program: kept, or made and kept. Empty where there is nothing to patch.
fn kept(folder: &Path, program: &[u8]) -> Result<Vec<u8>> {
    let path = folder.join(format!("{:016x}-{}", fingerprint(program), program.len()));
    if let Ok(bytes) = std::fs::read(&path) {
        return Ok(bytes);
    }
    let bytes = match rewrite::rewrite(program) {
        Ok(outcome) if !outcome.is_empty() => overlay::encode(&outcome, program.len() as u64),
        _ => Vec::new(),
    };
    let unfinished = path.with_extension(format!("{}", std::process::id()));
    std::fs::write(&unfinished, &bytes).with_context(|| format!("cannot write {}", unfinished.display()))?;
    std::fs::rename(&unfinished, &path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(bytes)
}

/// A number of the program and of this tool, which has the rewriter in it.
fn fingerprint(program: &[u8]) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    program.hash(&mut hasher);
    let tool = std::env::current_exe().and_then(std::fs::metadata).and_then(|tool| tool.modified());
    tool.ok().hash(&mut hasher);
    hasher.finish()
}
