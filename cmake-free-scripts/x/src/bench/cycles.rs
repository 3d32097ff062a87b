//! The second clock: cycles, on the host's own processor, beside the figures of instructions and never among them.
//!
//! Chitin and Linux run in a machine of KVM's where the host has that; the same program runs on the host itself too, whose Linux nobody
//! chose. Where there is no such clock the reason stands in place of figures.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use super::column::{Column, Tuning};
use crate::c_programs::{BENCH, Form, c_program};
use crate::entry::{Entry, Flavour};
use crate::isa::Isa;
use crate::qemu::{Machine, boot_while_it_talks};

/// What is measured: none of it leaves anything on the host.
pub const OPERATIONS: [&str; 12] = [
    "loop",
    "memcpy_4k",
    "null_call_instruction",
    "read_zero",
    "sigprocmask",
    "mutex",
    "page_fault",
    "mmap_munmap",
    "signal_to_self",
    "trap",
    "pipe_round_trip",
    "fork",
];
/// The host's own column.
pub const HOST: &str = "this host";
/// Cycles that a round of the loop of two instructions may take, by a clock that may tick at another rate than the core.
const LOOP: std::ops::RangeInclusive<f64> = 0.2..=4.0;
/// A machine on a processor of the host's that has said nothing for so long is none.
const SILENCE: Duration = Duration::from_secs(30);

/// Cycles of an operation, a round.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Cycles {
    /// The median of passes.
    pub hot: f64,
    /// The median of single rounds after the caches held something else.
    pub cold: f64,
    /// The tenth part of the hot ones is not above it.
    pub least: f64,
    /// The tenth part of the hot ones is not below it.
    pub most: f64,
}

/// A column's cycles, or why there are none.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum OnClock {
    /// There are some.
    Measured {
        /// The instruction or register that is read.
        clock: String,
        /// By operation.
        figures: BTreeMap<String, Cycles>,
    },
    /// There are none.
    Missing {
        /// Why.
        reason: String,
    },
}

/// By column.
pub type AllCycles = BTreeMap<String, OnClock>;

/// All columns: two in machines of KVM's, and the host itself.
pub fn measure() -> AllCycles {
    let columns = [Column::Chitin(Entry::Linked), Column::Linux(Tuning::Tuned)];
    let machines = columns.map(|column| (column.name().to_owned(), on_clock(in_machine(column))));
    machines.into_iter().chain([(HOST.to_owned(), on_clock(on_host()))]).collect()
}

fn on_clock(transcript: Result<String>) -> OnClock {
    transcript.and_then(|text| read(&text)).unwrap_or_else(|error| OnClock::Missing { reason: format!("{error:#}") })
}

fn words() -> Vec<String> {
    ["--cycles", "1"].into_iter().chain(OPERATIONS).map(str::to_owned).collect()
}

fn in_machine(column: Column) -> Result<String> {
    let isa = Isa::host();
    OpenOptions::new().read(true).write(true).open("/dev/kvm").context("no KVM here: /dev/kvm")?;
    let machine = Machine { icount: false, kvm: true, ..column.machine(isa) };
    let outcome = boot_while_it_talks(&machine, &column.kernel(isa), &column.image(isa, &words(), None, &[])?, SILENCE)?;
    let text = String::from_utf8_lossy(&outcome.output).into_owned();
    if !text.lines().any(|line| line.trim() == "end") {
        bail!("KVM is here, but a machine of it does not get through: {}", outcome.end);
    }
    Ok(text)
}

fn on_host() -> Result<String> {
    let program = c_program(Isa::host(), Flavour::Stock, BENCH, Form::Static);
    let output = Command::new("timeout").arg("60").arg(&program).args(words()).output().context("cannot start timeout")?;
    ensure!(output.status.success(), "{}: {}", program.display(), output.status);
    Ok(String::from_utf8(output.stdout)?)
}

/// What the program printed.
fn read(text: &str) -> Result<OnClock> {
    let (mut clock, mut figures) = (None, BTreeMap::new());
    for line in text.lines() {
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["clock", name] => clock = Some(name).filter(|name| *name != "-"),
            [name, hot, cold, least, most] if OPERATIONS.contains(&name) => {
                let [Ok(hot), Ok(cold), Ok(least), Ok(most)] = [hot, cold, least, most].map(str::parse) else { continue };
                figures.insert(name.to_owned(), Cycles { hot, cold, least, most });
            }
            _ => {}
        }
    }
    let clock = clock.context("user mode has no counter of cycles there")?.to_owned();
    let round = figures.get("loop").context("the clock was not proved")?.hot;
    ensure!(LOOP.contains(&round), "two instructions take {round} cycles: that is no processor's clock");
    Ok(OnClock::Measured { clock, figures })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_hot_cold_and_a_spread() {
        let OnClock::Measured { clock, figures } = read("clock rdtsc\nloop 0.62 1196.00 0.61 0.64\nfork - no\nend\n").unwrap() else {
            panic!("there are figures");
        };
        assert_eq!((clock.as_str(), figures.len()), ("rdtsc", 1));
        assert_eq!(figures["loop"], Cycles { hot: 0.62, cold: 1196.0, least: 0.61, most: 0.64 });
    }

    #[test]
    fn an_emulators_clock_is_none() {
        assert!(read("clock rdtsc\nloop 57.00 1196.00 50.00 60.00\nend\n").is_err());
        assert!(read("clock -\nend\n").is_err());
        assert!(read("boot 1 1 1\n").is_err());
    }
}
