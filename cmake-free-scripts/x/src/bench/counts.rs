//! Exact counts: a program of `user/c` whose every line of output is a name and a number, run where one tick of the guest's clock is one
//! instruction (`-icount shift=0`). The same inputs give the same counts.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use exo::command::CommandFlags;

use crate::entry::Entry;
use crate::initramfs::Files;
use crate::isa::Isa;
use crate::qemu::{End, Machine, boot_captured};
use crate::run::Guest;
use crate::{build, c_programs};

/// Instructions a round, by the name of what was done in it.
pub type Counts = BTreeMap<String, f64>;

/// What every program counts first, to show that a tick is an instruction: a loop of this many instructions a round.
pub const LOOP: (&str, f64) = ("loop", 2.0);

/// Boot with exact counts and run a program.
pub fn measure(program: &str, isa: Isa, entry: Entry, timeout: Duration) -> Result<Counts> {
    let path = format!("/bin/{program}");
    let mut files = Files::new();
    files.add_program(&path, fs::read(c_programs::c_program(isa, entry.flavour(), program, c_programs::Form::Static))?);

    let guest =
        Guest { files, arguments: vec![path], environment: Vec::new(), flags: CommandFlags::BATCH | entry.flags(), input: Vec::new() };
    let machine = Machine { icount: true, ..Machine::default_for(isa) };
    let outcome = boot_captured(&machine, &build::kernel(isa), &guest.image(isa)?, timeout)?;
    let output = String::from_utf8_lossy(&outcome.output).into_owned();
    ensure!(outcome.end == End::Exit(0), "{program}: {}; it printed:\n{output}", outcome.end);
    let mut counts = Counts::new();
    for line in output.lines() {
        if let Some((name, count)) = line.split_once(' ') {
            counts.insert(name.to_owned(), count.trim().parse().with_context(|| format!("{line}: no count"))?);
        }
    }
    let (name, expected) = LOOP;
    let found = counts.get(name).copied().unwrap_or(f64::NAN);
    ensure!((found - expected).abs() < 0.1, "a loop of {expected} instructions takes {found} ticks: the clock counts something else");
    Ok(counts)
}
