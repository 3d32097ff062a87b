//! Level 3: each entry under stress, with dynamic programs, and against the limits of what it may cost.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use exo::command::CommandFlags;

use super::Test;
use super::compare::tail;
use crate::bench;
use crate::c_programs::{self, Form, c_program};
use crate::entry::{Entry, Flavour};
use crate::initramfs::Files;
use crate::isa::Isa;
use crate::qemu::{End, Machine, boot_captured};
use crate::run::Guest;
use crate::{build, setup, tree};

/// Processes that do the same side by side, so that slices end while calls are made.
const COPIES: u32 = 2;
const TIMEOUT: Duration = Duration::from_secs(300);

/// What a test does.
type Work = fn(Isa, Entry) -> Result<()>;

/// The tests.
pub fn tests(isa: Isa) -> Vec<Test> {
    let kinds: [(&str, Work); 4] =
        [("canaries", canaries), ("canaries-threads", canaries_of_threads), ("dlopen", dlopen), ("counts", bench::gate::check)];
    let mut tests = Vec::new();
    for entry in Entry::ALL {
        for (kind, work) in kinds {
            tests.push(Test {
                name: format!("entries/{}/{kind}", entry.name()),
                level: 3,
                isa: Some(isa),
                work: Box::new(move || work(isa, entry).map_err(|error| format!("{error:#}"))),
            });
        }
    }
    tests
}

/// Run in the guest; gives what was printed, the library's own lines left out.
fn in_guest(isa: Isa, entry: Entry, files: Files, arguments: &[&str], copies: u32) -> Result<String> {
    let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
    let flags = CommandFlags::BATCH | entry.flags();
    let guest = Guest { files, arguments, environment: Vec::new(), flags, input: Vec::new(), ..Guest::default() };
    let outcome = boot_captured(&Machine::default_for(isa), &build::kernel(isa), &guest.image_of_copies(isa, copies)?, TIMEOUT)?;
    ensure!(outcome.end == End::Exit(0), "{}; it printed:\n{}", outcome.end, tail(&outcome.output));
    let output = String::from_utf8(outcome.output).context("the program prints text")?;
    Ok(output.split_inclusive('\n').filter(|line| !line.starts_with("chitin: ")).collect())
}

/// Run on the host; gives what was printed.
fn on_linux(isa: Isa, words: &[&Path]) -> Result<String> {
    let mut command = Command::new("timeout");
    command.arg("120");
    if isa != Isa::host() {
        command.arg(setup::user_emulator(isa));
    }
    let output = command.args(words).output().context("cannot start timeout")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "on Linux: {}; it printed:\n{text}", output.status);
    Ok(text)
}

/// A million calls of all kinds in each of two processes: no canary is lost in any register, nor in the red zone.
fn canaries(isa: Isa, entry: Entry) -> Result<()> {
    keep(isa, entry, &["1000000"], COPIES)
}

/// A million calls by eight threads of one process, to all of which signals are sent.
fn canaries_of_threads(isa: Isa, entry: Entry) -> Result<()> {
    keep(isa, entry, &["125000", "8"], 1)
}

/// All canaries are there after so many calls, on Linux and here.
fn keep(isa: Isa, entry: Entry, how_many: &[&str], copies: u32) -> Result<()> {
    let way = if entry == Entry::Linked { "linked" } else { "raw" };
    let program = build::linux(isa, Flavour::Stock, "canaries");
    let words: Vec<&Path> = std::iter::once(way).chain(how_many.iter().copied()).map(Path::new).collect();
    let truth = on_linux(isa, &[&[program.as_path()], &words[..]].concat())?;
    let mut files = Files::new();
    files.add_program("/bin/canaries", fs::read(&program)?);
    let arguments = [&["/bin/canaries", way], how_many].concat();
    let found = in_guest(isa, entry, files, &arguments, copies)?;
    ensure!(found == truth.repeat(copies as usize), "it printed:\n{found}\non Linux:\n{truth}");
    Ok(())
}

/// Shared objects opened at run time, with thread-local data in them, from the flavour of libc.so that the entry is about.
fn dlopen(isa: Isa, entry: Entry) -> Result<()> {
    let flavour = entry.flavour();
    let (program, folder) = (c_program(isa, flavour, "dlopen", Form::Dynamic), c_programs::folder(isa, flavour));
    let loader = tree::musl(isa, flavour).join("lib").join(format!("ld-musl-{isa}.so.1"));
    let truth = on_linux(isa, &[&loader, &program, &folder])?;
    let mut files = Files::new();
    files.add_program(&format!("/lib/ld-musl-{isa}.so.1"), fs::read(&loader)?);
    files.add_program("/bin/dlopen", fs::read(&program)?);
    let guest_folder = folder.display().to_string();
    for object in ["first.so", "second.so"] {
        files.add_program(&format!("{guest_folder}/{object}"), fs::read(folder.join(object))?);
    }
    let found = in_guest(isa, entry, files, &["/bin/dlopen", &guest_folder], 1)?;
    ensure!(found == truth, "it printed:\n{found}\non Linux:\n{truth}");
    Ok(())
}
