//! `cargo x bench`: what operations cost on Chitin and on a stock Linux, in instructions of the guest.
//!
//! One static program, `user/c/bench`, runs in the same virtual machine on each *column*: Chitin by each of its three entries, and the
//! distribution's Linux kernel as it is shipped and with all that can be turned off turned off.
//!
//! | file | what it does |
//! |---|---|
//! | `column` | the columns, and what boots for each |
//! | `own` | a user's own program |
//! | `calls` | what whole programs ask of Linux, and what each call costs |
//! | `sections` | where an operation's instructions go, by the profile |
//! | `parts`, `flames` | shows it: as stacked bars of the report, as flame graphs |
//! | `cycles` | the second clock: cycles, where the host gives them |
//! | `primitives` | what the exokernel's own primitives cost |
//! | `operation` | what the program can measure, as it says itself |
//! | `session` | a column's measurement, boot by boot |
//! | `kept` | Linux's figures, kept from the last time |
//! | `transcript` | reads what the program prints |
//! | `repeat` | whether a second run gives the same |
//! | `results` | the figures of a whole run, as JSON has them |
//! | `aims` | what the project aims at, and whether it is met |
//! | `baseline` | what Linux was seen to cost before |
//! | `table`, `csv`, `report` | shows them |
//! | `history` | what was measured at earlier commits |
//! | `policy` | what an app's policies change |
//! | `gate` | holds Chitin's counts to the checked-in table |

mod aims;
mod baseline;
mod calls;
mod column;
mod csv;
mod cycles;
mod flames;
pub mod gate;
mod history;
mod kept;
mod operation;
mod own;
mod parts;
pub mod policy;
mod primitives;
mod repeat;
mod report;
mod results;
mod sections;
mod session;
mod table;
mod transcript;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::Args;

use crate::entry::Entry;
use crate::isa::Isa;
use crate::{build, c_programs, progress, setup};
use column::Column;
use operation::Operation;
use own::Own;
use results::Results;
use session::{Figures, Work};

/// How far curves go where it is to be quick.
const QUICK_MOST: f64 = 1024.0;

/// What to measure, and how to show it.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// On this instruction set only
    #[arg(long)]
    arch: Option<Isa>,
    /// Only operations whose name, title or group has this in it (repeatable)
    #[arg(long, value_name = "TEXT")]
    filter: Vec<String>,
    /// By this entry of Chitin only (repeatable)
    #[arg(long, value_name = "ENTRY")]
    entry: Vec<Entry>,
    /// On Chitin only
    #[arg(long)]
    no_linux: bool,
    /// Fewer rounds, fewer points of curves
    #[arg(long)]
    quick: bool,
    /// Look into where instructions go, though only some operations are wanted
    #[arg(long)]
    parts: bool,
    /// Draw a flame graph of each of these operations, on each column, into a folder, and measure nothing else
    #[arg(long, value_name = "FOLDER", requires = "filter")]
    flames: Option<PathBuf>,
    /// Measure by the second clock too, though only some operations are wanted: cycles of the host's processor
    #[arg(long)]
    cycles: bool,
    /// Measure Linux again, though its figures are kept from the last time that the same booted
    #[arg(long)]
    fresh: bool,
    /// Measure all twice, Linux too, and fail if a figure differs by more than one part in a thousand
    #[arg(long)]
    repeat: bool,
    /// Machines at a time [default: one for each processor]
    #[arg(long)]
    jobs: Option<usize>,
    /// Draw the report of the last run again, and measure nothing
    #[arg(long)]
    redraw: bool,
    /// Say what can be measured, and end
    #[arg(long)]
    list: bool,
    /// Write the figures to standard output as JSON
    #[arg(long)]
    json: bool,
    /// Measure what is in the checked-in table of Chitin's counts, and write it anew
    #[arg(long, conflicts_with_all = ["filter", "quick", "entry"])]
    update_counts: bool,
    /// Measure a program of your own instead: a C file, the folder of a Rust package, a static program; and its arguments
    #[arg(last = true, value_name = "PROGRAM ARGUMENTS", conflicts_with_all = ["filter", "update_counts"])]
    own: Vec<String>,
}

/// Set up, build, measure, report. A failure status says that something was not measured as it must be.
pub fn bench(options: &Options) -> Result<ExitCode> {
    if options.redraw {
        return show(&Results::read()?, options);
    }
    let isas = options.arch.map_or(Isa::ALL.to_vec(), |isa| vec![isa]);
    prepare(&isas, !options.no_linux && !options.update_counts)?;
    if options.update_counts {
        gate::update(&isas)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(own) = Own::new(&options.own)? {
        return bench_own(&own, &isas, options);
    }
    let operations = operation::all()?;
    if options.list {
        operations.iter().for_each(|operation| println!("{:<12}{:<28}{}", operation.group, operation.name, operation.title));
        return Ok(ExitCode::SUCCESS);
    }
    let operations: Vec<Operation> = operations.into_iter().filter(|operation| is_wanted(operation, options)).collect();
    let primitives = options.filter.iter().any(|text| primitives::GROUP.contains(text.as_str()));
    ensure!(primitives || !operations.is_empty(), "no operation has that in it: `cargo x bench --list` shows all");
    if let Some(folder) = &options.flames {
        return draw_flames(folder, &isas, &operations, options);
    }
    if options.fresh {
        kept::forget()?;
    }
    let names = operations.iter().map(|operation| operation.name.as_str()).collect();
    let work = Work { divisor: if options.quick { 3 } else { 1 }, anew: options.repeat, ..Work::of(names) };
    let run = || -> Result<_> {
        let mut measured = measure(&isas, &work, options)?;
        let primitives = add_primitives(&isas, &mut measured, options)?;
        Ok((measured, primitives))
    };
    let (measured, primitives) = run()?;
    let differences = if options.repeat { repeat::differences(&measured, &run()?.0) } else { Vec::new() };
    let parts = if options.filter.is_empty() || options.parts { parts(&isas, &operation::all()?, options) } else { BTreeMap::new() };
    let calls = if wants_programs(options) { calls(&isas, &operation::all()?) } else { BTreeMap::new() };
    let cycles = if options.filter.is_empty() && !options.quick || options.cycles { cycles(&isas, options) } else { BTreeMap::new() };
    let results = Results::new([operations, primitives].concat(), measured, options.quick)?;
    let shown = show(&Results { parts, calls, cycles, ..results }, options)?;
    if differences.is_empty() {
        return Ok(shown);
    }
    eprintln!("cargo x bench: a second run differs:\n  {}", differences.join("\n  "));
    Ok(ExitCode::FAILURE)
}

/// Measure the exokernel's own primitives; they stand in the first of Chitin's columns, since no entry has to do with them.
fn add_primitives(isas: &[Isa], measured: &mut BTreeMap<(Isa, Column), Figures>, options: &Options) -> Result<Vec<Operation>> {
    let mut known = Vec::new();
    for &isa in isas {
        let first = Column::ALL.into_iter().find(|&column| measured.contains_key(&(isa, column)));
        let Some(figures) = first.filter(|column| matches!(column, Column::Chitin(_))).and_then(|column| measured.get_mut(&(isa, column)))
        else {
            continue;
        };
        let spinner = progress::spinner(&format!("{isa}: the exokernel's primitives"));
        let (operations, found) = primitives::measure(isa)?;
        spinner.finish_and_clear();
        figures.extend(found);
        known = operations.into_iter().filter(|operation| is_wanted(operation, options)).collect();
    }
    Ok(known)
}

/// Where the instructions of some operations go, on each ISA.
fn parts(isas: &[Isa], known: &[Operation], options: &Options) -> results::AllParts {
    let columns = columns(options);
    let mut all = results::AllParts::new();
    for &isa in isas {
        // Linux's boot is long.
        let is_wanted = |column: &Column| columns.contains(column) && !(options.quick && matches!(column, Column::Linux(_)));
        for column in parts::COLUMNS.into_iter().filter(is_wanted) {
            let spinner = progress::spinner(&format!("{isa} {}: where instructions go", column.name()));
            let divisor = if matches!(column, Column::Chitin(_)) { 1 } else { 4 };
            let parts = parts::measure(isa, column, known, divisor);
            spinner.finish_and_clear();
            match parts {
                Ok(parts) => {
                    all.entry(isa.name().into()).or_default().insert(column.name().into(), parts);
                }
                // The figures are there without.
                Err(error) => eprintln!("cargo x bench: {isa} {}, where instructions go: {error:#}", column.name()),
            }
        }
    }
    all
}

/// A flame graph of each operation, on each ISA and column.
fn draw_flames(folder: &Path, isas: &[Isa], operations: &[Operation], options: &Options) -> Result<ExitCode> {
    let known = operation::all()?;
    let names: Vec<&str> = operations.iter().map(|operation| operation.name.as_str()).collect();
    for &isa in isas {
        for column in columns(options) {
            let spinner = progress::spinner(&format!("{isa} {}: where instructions go", column.name()));
            let drawn = flames::draw(folder, isa, column, &known, &names);
            spinner.finish_and_clear();
            drawn?.iter().for_each(|path| println!("{}", path.display()));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether whole programs are looked into: where all is measured, or the entry that they are looked at by and programs are asked for.
fn wants_programs(options: &Options) -> bool {
    let is_named = options.parts || options.filter.iter().any(|text| calls::GROUP.contains(text.as_str()));
    (options.filter.is_empty() || is_named) && columns(options).contains(&calls::COLUMN)
}

/// What whole programs call, on each ISA.
fn calls(isas: &[Isa], known: &[Operation]) -> calls::AllCalls {
    let mut all = calls::AllCalls::new();
    for &isa in isas {
        let spinner = progress::spinner(&format!("{isa}: what whole programs call"));
        let calls = calls::measure(isa, known);
        spinner.finish_and_clear();
        match calls {
            Ok(calls) => {
                all.insert(isa.name().into(), calls);
            }
            // The figures are there without.
            Err(error) => eprintln!("cargo x bench: {isa}, what whole programs call: {error:#}"),
        }
    }
    all
}

/// Cycles, where the host's own instruction set and all columns are wanted.
fn cycles(isas: &[Isa], options: &Options) -> cycles::AllCycles {
    if !isas.contains(&Isa::host()) || options.no_linux {
        return BTreeMap::new();
    }
    let spinner = progress::spinner("cycles, by the host's processor");
    let cycles = cycles::measure();
    spinner.finish_and_clear();
    for (column, on_clock) in &cycles {
        if let cycles::OnClock::Missing { reason } = on_clock {
            eprintln!("cargo x bench: no cycles of {column}: {reason}");
        }
    }
    cycles
}

/// A user's own program, as a whole and by the figures that it prints.
fn bench_own(own: &Own, isas: &[Isa], options: &Options) -> Result<ExitCode> {
    let isas: Vec<Isa> = isas.iter().copied().filter(|&isa| own.runs_on(isa)).collect();
    isas.iter().try_for_each(|&isa| own.build(isa))?;
    let measured = measure(&isas, &Work { own: Some(own), ..Work::of(vec![&own.name]) }, options)?;
    let mut names: Vec<&String> = vec![&own.name];
    for name in measured.values().flat_map(BTreeMap::keys) {
        if !names.contains(&name) && name != "boot" && name != "loop" {
            names.push(name);
        }
    }
    let title = |name: &String| if *name == own.name { "the whole program, from fork to wait".to_owned() } else { name.clone() };
    let operation =
        |name: &String| Operation { group: "own".into(), name: name.clone(), title: title(name), kin: String::new(), rounds: 0 };
    show(&Results::new(names.into_iter().map(operation).collect(), measured, false)?, options)
}

/// Write the files, print the table.
fn show(results: &Results, options: &Options) -> Result<ExitCode> {
    let written = results.write()?;
    if options.json {
        println!("{}", results.json()?);
    } else {
        for isa in Isa::ALL.into_iter().filter(|isa| results.isas.contains_key(isa.name())) {
            table::print(results, isa);
            table::print_aims(&aims::stands(results, isa));
        }
        written.iter().for_each(|path| println!("{}", path.display()));
    }
    let far = results.far_from_baseline();
    if !far.is_empty() {
        eprintln!("cargo x bench: Linux is not what it was:\n  {}", far.join("\n  "));
    }
    Ok(ExitCode::SUCCESS)
}

/// Set up and build what the columns need.
fn prepare(isas: &[Isa], linux: bool) -> Result<()> {
    setup::ensure(isas)?;
    if linux {
        setup::ensure_linux(isas)?;
    }
    let spinner = progress::spinner("building");
    for &isa in isas {
        build::build_kernel(isa)?;
        build::build_library(isa)?;
        c_programs::build(isa)?;
    }
    if !isas.contains(&Isa::host()) {
        c_programs::build(Isa::host())?;
    }
    spinner.finish_and_clear();
    Ok(())
}

fn columns(options: &Options) -> Vec<Column> {
    let entries = if options.entry.is_empty() { &Entry::ALL[..] } else { &options.entry };
    Column::ALL
        .into_iter()
        .filter(|column| match column {
            Column::Chitin(entry) => entries.contains(entry),
            Column::Linux(_) => !options.no_linux,
        })
        .collect()
}

fn is_wanted(operation: &Operation, options: &Options) -> bool {
    let has = |text: &String| [&operation.name, &operation.title, &operation.group].iter().any(|field| field.contains(text.as_str()));
    let large = operation.point().is_some_and(|(_, at)| at > QUICK_MOST);
    (options.filter.is_empty() || options.filter.iter().any(has)) && !(options.quick && large)
}

/// Measure all columns of all ISAs, as many at a time as there are jobs.
fn measure(isas: &[Isa], work: &Work, options: &Options) -> Result<BTreeMap<(Isa, Column), Figures>> {
    let columns = columns(options);
    let jobs: Vec<(Isa, Column)> = isas.iter().flat_map(|&isa| columns.iter().map(move |&column| (isa, column))).collect();
    let processors = std::thread::available_parallelism().map_or(1, |count| count.get());
    let bar = progress::bar(jobs.len() * work.names.len());
    let measured = session::measure_all(&jobs, work, options.jobs.unwrap_or(processors), &bar)?;
    bar.finish_and_clear();
    Ok(measured)
}
