//! `cargo x bench`: what things cost, in instructions of the guest.
//!
//! | benchmark | file |
//! |---|---|
//! | `entry` | a null call and the clock through libc, by each of the three entries; what the rewriter and the shim leave |
//! | `process` | threads, signals, memory and processes, against Linux |
//!
//! `counts` runs a program where a tick is an instruction.

mod counts;
pub mod entry;
pub mod process;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::isa::Isa;

/// Which benchmark, and how to show it.
#[derive(Args, Clone, Debug)]
pub struct Options {
    #[command(subcommand)]
    benchmark: Benchmark,
}

#[derive(Subcommand, Clone, Debug)]
enum Benchmark {
    /// getppid and clock_gettime through libc by each entry, against their limits; call sites and text frames
    Entry(Common),
    /// Threads, signals, memory and processes, against Linux in the same virtual machine and against their limits
    Process(Common),
}

/// What all benchmarks take.
#[derive(Args, Clone, Debug)]
pub struct Common {
    /// On this instruction set only
    #[arg(long)]
    arch: Option<Isa>,
    /// Write the figures to standard output as JSON
    #[arg(long)]
    json: bool,
}

impl Common {
    fn isas(&self) -> Vec<Isa> {
        self.arch.map_or(Isa::ALL.to_vec(), |isa| vec![isa])
    }
}

/// Set up, build, measure, report. A failure status says that a limit was passed.
pub fn bench(options: &Options) -> Result<ExitCode> {
    match &options.benchmark {
        Benchmark::Entry(common) => entry::bench(common),
        Benchmark::Process(common) => process::bench(common),
    }
}
