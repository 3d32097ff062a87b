//! `cargo x conformance`: public test suites, the same programs on Linux first and then on Chitin.
//!
//! | file | what it does |
//! |---|---|
//! | `suite` | builds a suite's programs, and knows what one of them is |
//! | `outcome` | how a program ended, read off the lines that `user/linux/src/bin/suite.rs` prints |
//! | `linux`, `chitin` | run all of them there |
//! | `exceptions` | what is known to differ, with the reason |
//! | `report` | the counts, the differences, JSON |
//! | `core.list` | the tests that `cargo x test` runs too |

mod chitin;
mod exceptions;
mod linux;
mod outcome;
mod report;
mod suite;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::isa::Isa;
use crate::{build, setup, signals, tree};
use outcome::{Outcome, Results};
use report::Report;
pub use suite::core_families;
use suite::{Program, Suite, SuiteKind};

/// How long a program may take on either side. The longest sleep for half a minute.
const PROGRAM_LIMIT: Duration = Duration::from_secs(60);
/// The program that runs the others.
const RUNNER: &str = "suite";
/// The user that the programs run as: root's would set clocks, and be refused nothing.
const NOBODY: u32 = 65534;

/// Which suites, and how.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// On this instruction set only
    #[arg(long)]
    arch: Option<Isa>,
    /// This suite only
    #[arg(long)]
    suite: Option<SuiteKind>,
    /// A folder with a copy of musl's libc-test, which this tree does not bring; without it that suite is left out
    #[arg(long, value_name = "PATH", env = "CHITIN_LIBC_TEST")]
    libc_test: Option<PathBuf>,
    /// Only programs whose name contains this (repeatable: or this)
    #[arg(long, value_name = "TEXT")]
    filter: Vec<String>,
    /// Machines that run at the same time
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..))]
    jobs: u8,
    /// Programs that a machine runs, one after the other, before the next is booted. With 1, it is the machine's first program
    #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..))]
    batch: u16,
    /// Run on Linux again, though its results for these programs are known
    #[arg(long)]
    again: bool,
    /// Write the results to standard output as JSON
    #[arg(long)]
    json: bool,
}

/// Set up, build, run on both, compare. A failure status says that too much of what passes on Linux does not pass here.
pub fn conformance(options: &Options) -> Result<ExitCode> {
    let isas = options.arch.map_or(Isa::ALL.to_vec(), |isa| vec![isa]);
    setup::ensure(&isas)?;
    signals::begin_anew()?;
    build::build_linux_program(Isa::host(), RUNNER)?;
    let mut reports = Vec::new();
    for &isa in &isas {
        build::build_kernel(isa)?;
        build::build_library(isa)?;
        build::build_linux_program(isa, RUNNER)?;
        for suite in suites(options, isa)? {
            reports.push(compare(options, &suite)?);
        }
    }
    ensure!(!reports.is_empty(), "no suite to run: libc-test needs --libc-test PATH");
    report::print(&reports, options.json)?;
    let good = !options.filter.is_empty() || reports.iter().all(Report::good);
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn suites(options: &Options, isa: Isa) -> Result<Vec<Suite>> {
    let mut suites = Vec::new();
    for kind in SuiteKind::ALL.into_iter().filter(|&kind| options.suite.is_none_or(|only| only == kind)) {
        if kind == SuiteKind::LibcTest && options.libc_test.is_none() {
            eprintln!("conformance: no --libc-test PATH, so that suite is left out");
            continue;
        }
        let mut suite = Suite::build(kind, isa, options.libc_test.as_deref())?;
        let wanted = |program: &Program| options.filter.iter().any(|filter| program.name.contains(filter));
        suite.programs.retain(|program| options.filter.is_empty() || wanted(program));
        suites.push(suite);
    }
    Ok(suites)
}

/// Run the tests of a family of the core on Linux and here; an error says which ones do not pass.
pub fn core(isa: Isa, family: &str) -> Result<()> {
    let mut suite = Suite::core(isa)?;
    suite.programs.retain(|program| suite.kind.family(&program.name) == family);
    ensure!(!suite.programs.is_empty(), "none of the tests of {family} was built: {:?}", suite.not_built);
    let linux = {
        // The host is one machine with one set of queues, semaphores and limits, whichever ISA's turn it is.
        static HOST: Mutex<()> = Mutex::new(());
        let _turn = HOST.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        linux::run(&suite, 1)?
    };
    let all = suite.programs.len();
    // What fails on Linux says nothing: a host refuses some, or is too busy, and user-mode QEMU has no message queue's notice.
    suite.programs.retain(|program| linux.get(&program.name).is_some_and(Outcome::passed));
    let count = suite.programs.len();
    ensure!(count * 2 > all, "on Linux only {count} of {all} pass");
    let chitin = chitin::run(&suite, 1, count)?;
    let failing = |results: &Results| -> Vec<String> {
        let of = |program: &Program| results.get(&program.name).filter(|outcome| !outcome.passed());
        let failed = suite.programs.iter().filter_map(|program| of(program).map(|outcome| (program, outcome)));
        failed.map(|(program, outcome)| format!("{}: {} {}", program.name, outcome.end, outcome.output.join(" | "))).collect()
    };
    ensure!(chitin.len() == count && failing(&chitin).is_empty(), "{} of {count}: {}", chitin.len(), failing(&chitin).join("\n"));
    Ok(())
}

fn compare(options: &Options, suite: &Suite) -> Result<Report> {
    let folder = tree::target().join("chitin/conformance");
    std::fs::create_dir_all(&folder)?;
    let linux = on_linux(options, suite, &folder.join(format!("{}-{}-linux.json", suite.kind.name(), suite.isa)))?;
    let chitin = chitin::run(suite, options.jobs.into(), options.batch.into())?;
    let report = Report::new(suite, &linux, &chitin)?;
    let file = folder.join(format!("{}-{}.json", suite.kind.name(), suite.isa));
    std::fs::write(&file, format!("{:#}\n", report.as_json())).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(report)
}

/// Linux's results: those that are known of the same programs, or fresh ones, which are kept.
fn on_linux(options: &Options, suite: &Suite, kept: &std::path::Path) -> Result<Results> {
    let known: Option<(String, Results)> = std::fs::read_to_string(kept).ok().and_then(|text| serde_json::from_str(&text).ok());
    let mut results = known.filter(|(stamp, _)| *stamp == suite.stamp).map(|(_, results)| results).unwrap_or_default();
    if options.again || !suite.programs.iter().all(|program| results.contains_key(&program.name)) {
        results.extend(linux::run(suite, 2 * usize::from(options.jobs))?);
        std::fs::write(kept, serde_json::to_string(&(&suite.stamp, &results))?)?;
    }
    Ok(results)
}
