//! `cargo x test`: all levels, on both ISAs, one table.
//!
//! | level | file | proves |
//! |---|---|---|
//! | 0, 1 | `host` | the codecs of both ISAs; the kernel's and the library OS's logic against fakes |
//! | 2 | `native` | programs straight on the exokernel end as their table says |
//! | 3 | `entries` | each entry keeps all registers, runs dynamic programs and is as cheap as it must be |
//! | 3 | `keys` | a person at the console finds what they expect: keys are typed, and the screen is read |
//! | 3 | `policies` | an app has the policies that it chose, and they do what they should |
//! | 3 | `seeing` | a run tells of itself: calls, what they cost, what a process was doing when a signal ended it |
//! | 3 | `musl` | the C library is built as it should be, and the shim leaves no system call instruction |
//! | 3 | `suite` | tests of a public suite that pass on Linux pass on Chitin |
//! | 3 | `world` | the root file system that a person finds is there, in little memory, soon; files come out of it |
//! | 3 | `programs`, `processes`, `dynamic`, `registry`, `matrix`, `corpus` (through `compare`) | the same binary gives the same on Linux and on Chitin |

mod beside;
mod compare;
mod copies;
mod corpus;
mod dynamic;
mod entries;
mod host;
mod keys;
mod matrix;
mod musl;
mod native;
mod package;
mod policies;
mod processes;
mod programs;
mod registry;
mod report;
mod sandbox;
mod seeing;
mod suite;
pub mod text;
mod world;

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;

use crate::isa::Isa;
use crate::{build, go_programs, progress, setup, signals};

/// Which tests, and how.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// On this instruction set only
    #[arg(long)]
    pub arch: Option<Isa>,
    /// Only tests whose name contains this
    #[arg(long, value_name = "TEXT")]
    pub filter: Option<String>,
    /// Only this level: 1 (on the host, level 0 included), 2 or 3
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=3))]
    pub level: Option<u8>,
    /// Machines that run at the same time
    #[arg(long, default_value_t = 2)]
    pub jobs: usize,
    /// Only list the tests
    #[arg(long)]
    pub list: bool,
    /// Write the results to standard output as JSON
    #[arg(long)]
    pub json: bool,
}

/// A test on one ISA (or on the host).
pub struct Test {
    /// What it is called; a path of words.
    pub name: String,
    /// Its level.
    pub level: u8,
    /// Where it runs; none for the host.
    pub isa: Option<Isa>,
    /// What it does; an error says what was wrong.
    pub work: Box<dyn Fn() -> Result<(), String> + Send + Sync>,
}

/// What became of a test.
pub struct Verdict {
    /// The test's name.
    pub name: String,
    /// Its level.
    pub level: u8,
    /// Where it ran.
    pub isa: Option<Isa>,
    /// What was wrong, if anything.
    pub failure: Option<String>,
    /// Whether it passed on its second run only: programs of several processes on a busy host, Linux's own included, now and then meet an order
    /// of events that they do not expect. The report names each.
    pub again: bool,
    /// How long it took.
    pub took: Duration,
}

/// Set up, build, test, report.
pub fn test(options: &Options) -> Result<ExitCode> {
    let isas = options.arch.map_or(Isa::ALL.to_vec(), |isa| vec![isa]);
    let wanted = |level: u8| options.level.is_none_or(|only| only.max(1) == level);
    let mut verdicts = Vec::new();
    // Where a program's output is the same on both, the host's own run is the truth.
    let needed: Vec<Isa> = Isa::ALL.into_iter().filter(|isa| isas.contains(isa) || *isa == Isa::host()).collect();
    setup::ensure(&needed)?;
    signals::begin_anew()?;
    if wanted(1) && !options.list {
        verdicts.extend(host::run(options.filter.as_deref())?);
    }
    if wanted(2) || wanted(3) {
        let mut tests = Vec::new();
        for &isa in isas.iter().filter(|_| wanted(2)) {
            build::build_kernel(isa)?;
            build::build_native(isa)?;
            tests.extend(native::tests(isa)?);
        }
        if wanted(3) {
            setup::ensure_packages(&needed)?;
            // Our Linux programs' truth is the host's own run of them, so they are built for the host's ISA too.
            build::build_linux(Isa::host())?;
            go_programs::build(Isa::host())?;
        }
        for &isa in isas.iter().filter(|_| wanted(3)) {
            build::build_kernel(isa)?;
            build::build_personality(isa)?;
            build::build_native(isa)?;
            go_programs::build(isa)?;
            tests.extend(programs::tests(isa));
            tests.extend(processes::tests(isa));
            tests.extend(matrix::tests(isa));
            tests.extend(corpus::tests(isa));
            tests.extend(dynamic::tests(isa));
            tests.extend(musl::tests(isa));
            tests.extend(entries::tests(isa));
            tests.extend(copies::tests(isa));
            tests.extend(beside::tests(isa));
            tests.extend(suite::tests(isa));
            tests.extend(keys::tests(isa));
            tests.extend(world::tests(isa));
            tests.extend(registry::tests(isa));
            tests.extend(policies::tests(isa));
            tests.extend(sandbox::tests(isa));
            tests.extend(seeing::tests(isa));
        }
        tests.retain(|test| options.filter.as_deref().is_none_or(|filter| test.name.contains(filter)));
        if options.list {
            tests.iter().for_each(|test| println!("{} {:?} {}", test.level, test.isa, test.name));
            return Ok(ExitCode::SUCCESS);
        }
        verdicts.extend(run_all(tests, options.jobs.max(1)));
    }
    report::print(&verdicts, &isas, options.json);
    Ok(if verdicts.iter().all(|verdict| verdict.failure.is_none()) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Tests of which nothing depends on how busy the host is: they pass at once, or not at all.
const EXACT: [&str; 1] = ["policies/"];

impl Test {
    fn is_exact(&self) -> bool {
        EXACT.iter().any(|prefix| self.name.starts_with(prefix))
    }
}

/// Run the tests, `jobs` at a time, in their order.
fn run_all(tests: Vec<Test>, jobs: usize) -> Vec<Verdict> {
    let bar = progress::bar(tests.len());
    let next = AtomicUsize::new(0);
    let verdicts = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while let Some(test) = tests.get(next.fetch_add(1, Ordering::Relaxed)) {
                    bar.set_message(format!("{} {}", test.isa.map_or("host", Isa::name), test.name));
                    let start = Instant::now();
                    let say = |word: &str, failure: &str| {
                        bar.suspend(|| eprintln!("{word} {} {}\n{failure}", test.isa.map_or("host", Isa::name), test.name));
                    };
                    let first = (test.work)().err();
                    let failure = match first.clone() {
                        Some(first) if !test.is_exact() => {
                            say("AGAIN", &first);
                            (test.work)().err()
                        }
                        first => first,
                    };
                    if let Some(failure) = &failure {
                        say("FAILED", failure);
                    }
                    let again = first.is_some() && failure.is_none();
                    let verdict =
                        Verdict { name: test.name.clone(), level: test.level, isa: test.isa, failure, again, took: start.elapsed() };
                    verdicts.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(verdict);
                    bar.inc(1);
                }
            });
        }
    });
    bar.finish_and_clear();
    verdicts.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}
