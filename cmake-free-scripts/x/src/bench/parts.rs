//! Where an operation's instructions go, in parts: whose they are, and whether they copy.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::column::{Column, Tuning};
use super::operation::Operation;
use super::sections;
use crate::entry::Entry;
use crate::isa::Isa;
use crate::profile;

/// What is looked into.
pub const OPERATIONS: [&str; 16] = [
    "null_call",
    "read_zero",
    "lseek",
    "fstat",
    "stat",
    "open_close",
    "pread_4k",
    "page_fault",
    "mmap_touch_munmap",
    "signal_to_self",
    "trap",
    "futex_ping_pong",
    "pthread_create_join",
    "pipe_round_trip",
    "fork",
    "fork_exec",
];

/// Columns that are looked into.
pub const COLUMNS: [Column; 3] = [Column::Chitin(Entry::Linked), Column::Chitin(Entry::Reflected), Column::Linux(Tuning::Tuned)];

/// Whose instruction it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// The program's and its C library's.
    Program,
    /// Of the library OS, on the way in and out.
    Entry,
    /// Of the library OS: what Linux has in its kernel.
    Library,
    /// Of the server that processes share.
    Server,
    /// The kernel's.
    Kernel,
    /// Memory copied and zeroed, by whomever.
    Copies,
}

impl Part {
    /// All, in the order of every drawing.
    pub const ALL: [Part; 6] = [Part::Program, Part::Entry, Part::Library, Part::Server, Part::Kernel, Part::Copies];

    /// What it is called.
    pub fn title(self) -> &'static str {
        match self {
            Part::Program => "program, libc",
            Part::Entry => "entry",
            Part::Library => "library OS",
            Part::Server => "unixd",
            Part::Kernel => "kernel",
            Part::Copies => "copying, zeroing",
        }
    }

    /// Its name in the style sheet.
    pub fn class(self) -> &'static str {
        match self {
            Part::Program => "program",
            Part::Entry => "entry",
            Part::Library => "library",
            Part::Server => "server",
            Part::Kernel => "kernel",
            Part::Copies => "copies",
        }
    }

    /// Of a stack in the profile.
    fn of(stack: &str) -> Part {
        let (image, path) = stack.split_once(';').unwrap_or((stack, ""));
        let symbol = path.rsplit(';').next().unwrap_or(path);
        let copies = ["memcpy", "memmove", "memset", "chitin_copy", "take_zeroed"];
        let is_copy = copies.iter().any(|name| symbol.starts_with(name));
        match image {
            _ if is_copy => Part::Copies,
            profile::KERNEL => Part::Kernel,
            profile::SERVER => Part::Server,
            // Assembly has names without a path.
            profile::LIBRARY if symbol == path || path.starts_with("libos;entry;") => Part::Entry,
            profile::LIBRARY => Part::Library,
            _ => Part::Program,
        }
    }
}

/// A figure's parts.
pub type Parts = BTreeMap<Part, f64>;

/// By operation. `known` has how many rounds each has.
pub fn measure(isa: Isa, column: Column, known: &[Operation], divisor: usize) -> Result<BTreeMap<String, Parts>> {
    let stacks = sections::measure(isa, column, known, &OPERATIONS, divisor)?;
    let parts = stacks.into_iter().map(|(name, stacks)| {
        let mut parts = Parts::new();
        for (stack, count) in stacks {
            *parts.entry(Part::of(&stack)).or_default() += count;
        }
        (name, parts)
    });
    Ok(parts.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_is_of_one_part() {
        let parts = [
            ("kernel;exokernel;calls;page;map", Part::Kernel),
            ("kernel;exokernel;space;take_zeroed", Part::Copies),
            ("libos;chitin_syscall", Part::Entry),
            ("libos;libos;entry;frame;enter", Part::Entry),
            ("libos;libos;syscall;file;read", Part::Library),
            ("libos;memcpy", Part::Copies),
            ("unixd;unixd;server;Server;answer", Part::Server),
            ("program", Part::Program),
        ];
        for (stack, part) in parts {
            assert_eq!(Part::of(stack), part, "{stack}");
        }
    }
}
