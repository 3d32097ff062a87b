//! `cargo x`: everything that one does with Chitin, by one command.
//!
//! | file | what it does |
//! |---|---|
//! | `setup` | checks for and installs what is missing |
//! | `build`, `c_programs`, `elf`, `image`, `libos_image`, `vdso`, `initramfs` | builds, verifies, lays out what boots |
//! | `rootfs` | what the guest has for a root file system |
//! | `run`, `gdb`, `qemu` | boots it |
//! | `fetch` | brings files out of the guest |
//! | `trace` | what a run tells of itself: calls as strace(1) prints them |
//! | `entry`, `manifest`, `policies` | what is chosen for a program |
//! | `test` | runs the tests of all levels |
//! | `conformance` | runs public test suites, against Linux |
//! | `signals` | lets programs on Linux begin with the default actions |
//! | `rewrite` | the rewriter's reports, and overlays |
//! | `bench`, `profile`, `symbols` | measures |
//! | `check`, `size`, `lines` | hold it to its standards and budgets |

mod bench;
mod build;
mod c_programs;
mod check;
mod conformance;
mod elf;
mod entry;
mod fetch;
mod gdb;
mod go_programs;
mod image;
mod initramfs;
mod isa;
mod libos_image;
mod lines;
mod manifest;
mod policies;
mod profile;
mod progress;
mod qemu;
mod rewrite;
mod rootfs;
mod run;
mod setup;
mod signals;
mod size;
mod symbols;
mod test;
mod trace;
mod tree;
mod vdso;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::isa::Isa;

/// Set up, build, run, test, check and measure Chitin.
#[derive(Parser)]
#[command(name = "cargo x", bin_name = "cargo x", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Check for and install what is missing: Rust targets, QEMU, compilers, musl, real programs
    Setup {
        /// And what only the benchmarks need: the distribution's Linux kernels
        #[arg(long)]
        bench: bool,
    },
    /// Build the kernel, the library OS, the native and the Linux programs, and check each link
    Build {
        /// For this instruction set only
        #[arg(long)]
        arch: Option<Isa>,
    },
    /// Boot a machine and run a program on it, its console this terminal, where Ctrl-A x ends it (implies setup and build)
    Run(run::Options),
    /// Run the tests of all levels on both instruction sets (implies setup and build)
    Test(test::Options),
    /// Run public test suites on Linux and on Chitin and compare (implies setup and build)
    Conformance(conformance::Options),
    /// Check format, lints, documentation, scripts and sizes; warnings are errors
    Check,
    /// Measure what operations cost on Chitin and on Linux, in instructions of the guest (implies setup and build)
    Bench(bench::Options),
    /// Count the kernel's lines of code and its images' bytes against their budgets
    Size(size::Options),
    /// List the policies that an app may choose and their parameters, or measure what they change
    Policies(policies::Options),
    /// Say what the rewriter makes of programs, site by site, and write overlays
    Rewrite(rewrite::Options),
    /// As run, but stopped at the first instruction with gdb attached, which knows kernel, library OS and program
    Gdb(gdb::Options),
}

fn main() -> ExitCode {
    match perform(Arguments::parse().verb) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("cargo x: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn perform(verb: Verb) -> Result<ExitCode> {
    match verb {
        Verb::Setup { bench } => {
            setup::ensure(&Isa::ALL)?;
            if bench {
                setup::ensure_linux(&Isa::ALL)?;
            }
        }
        Verb::Build { arch } => {
            for isa in arch.map_or(Isa::ALL.to_vec(), |isa| vec![isa]) {
                build::build(isa)?;
            }
        }
        Verb::Run(options) => return run::run(&options),
        Verb::Test(options) => return test::test(&options),
        Verb::Conformance(options) => return conformance::conformance(&options),
        Verb::Check => check::check()?,
        Verb::Bench(options) => return bench::bench(&options),
        Verb::Size(options) => size::size(&options)?,
        Verb::Policies(options) => policies::policies(&options)?,
        Verb::Rewrite(options) => return rewrite::rewrite(&options),
        Verb::Gdb(options) => return gdb::gdb(&options),
    }
    Ok(ExitCode::SUCCESS)
}
