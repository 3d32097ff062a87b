//! How a program's calls reach the library OS: chosen for each run, by `--entry` or in the app's manifest.

use clap::ValueEnum;
use exo::command::CommandFlags;
use serde::Deserialize;

/// An entry.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Entry {
    /// The C library calls the library OS as a function: programs and libc.so built with the shim; all others as by `reflected`
    #[default]
    Linked,
    /// Unmodified binaries, their system call instructions turned into jumps; those that cannot be are as by `reflected`
    Rewritten,
    /// Unmodified binaries: a call traps, and the kernel sends it back
    Reflected,
}

impl Entry {
    /// All of them, the quickest first.
    pub const ALL: [Entry; 3] = [Entry::Linked, Entry::Rewritten, Entry::Reflected];

    /// Its name, as the command line has it.
    pub fn name(self) -> &'static str {
        match self {
            Entry::Linked => "linked",
            Entry::Rewritten => "rewritten",
            Entry::Reflected => "reflected",
        }
    }

    /// The C library that the guest's programs are built with and load.
    pub fn flavour(self) -> Flavour {
        if self == Entry::Linked { Flavour::Shim } else { Flavour::Stock }
    }

    /// What the library OS is told.
    pub fn flags(self) -> CommandFlags {
        if self == Entry::Rewritten { CommandFlags::REWRITE } else { CommandFlags::empty() }
    }
}

/// A build of musl.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Flavour {
    /// As it is published.
    Stock,
    /// With the shim: its calls look for the library OS first.
    Shim,
}

impl Flavour {
    /// Both.
    pub const ALL: [Flavour; 2] = [Flavour::Stock, Flavour::Shim];

    /// Its name, in paths too.
    pub fn name(self) -> &'static str {
        match self {
            Flavour::Stock => "stock",
            Flavour::Shim => "shim",
        }
    }
}
