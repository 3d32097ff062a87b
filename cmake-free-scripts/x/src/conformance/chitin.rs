//! A suite on Chitin: batches of programs, each batch a boot. A machine that ends early is followed by another with what is left.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use exo::command::CommandFlags;
use indicatif::ProgressBar;

use super::outcome::{End, Outcome, Results, Transcript};
use super::suite::{Program, Suite};
use super::{NOBODY, PROGRAM_LIMIT, RUNNER};
use crate::entry::Flavour;
use crate::initramfs::{Files, Node};
use crate::qemu::{self, Machine, boot_while_it_talks};
use crate::run::Guest;
use crate::{build, progress, setup, tree};

/// The machine's silence after which it is given up: the runner, which is to end a program before that, prints a line for each.
const SILENCE: Duration = PROGRAM_LIMIT.saturating_add(Duration::from_secs(20));
/// Where the list is in the guest.
const LIST: &str = "/suite.list";
/// The folder that the programs are run in: everybody may write there. Links lead from it to where they are.
const FOLDER: &str = "/tmp";
/// Users, for tests that look for another than their own.
const PASSWORDS: &[u8] = b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/tmp:/bin/sh\n";

/// Run all, `jobs` machines at a time, each with up to `batch` programs.
pub fn run(suite: &Suite, jobs: usize, batch: usize) -> Result<Results> {
    let bar = progress::bar(suite.programs.len());
    bar.set_message(format!("{} for {} on Chitin", suite.kind.name(), suite.isa));
    let batches: VecDeque<&[Program]> = suite.programs.chunks(batch).collect();
    let (batches, results) = (Mutex::new(batches), Mutex::new(Results::new()));
    std::thread::scope(|scope| -> Result<()> {
        let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(|| worker(suite, &batches, &results, &bar))).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("a worker does not panic"))
    })?;
    bar.finish_and_clear();
    Ok(results.into_inner().unwrap_or_else(PoisonError::into_inner))
}

fn worker(suite: &Suite, batches: &Mutex<VecDeque<&[Program]>>, results: &Mutex<Results>, bar: &ProgressBar) -> Result<()> {
    loop {
        let next = batches.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some(mut programs) = next else { return Ok(()) };
        while !programs.is_empty() {
            let found = if let [program] = programs { alone(suite, program)? } else { together(suite, programs)? };
            programs = &programs[found.len()..];
            bar.inc(found.len() as u64);
            results.lock().unwrap_or_else(PoisonError::into_inner).extend(found);
        }
    }
}

fn boot(suite: &Suite, files: Files, arguments: Vec<String>) -> Result<qemu::Outcome> {
    let environment = ["PATH=/usr/bin:/bin", "HOME=/tmp"].map(str::to_owned).into();
    let guest = Guest { files, arguments, environment, flags: CommandFlags::BATCH, input: Vec::new(), ..Guest::default() };
    let machine = Machine::default_for(suite.isa);
    boot_while_it_talks(&machine, &build::kernel(suite.isa), &guest.image(suite.isa)?, SILENCE)
}

/// A machine whose first program is the test.
fn alone(suite: &Suite, program: &Program) -> Result<Vec<(String, Outcome)>> {
    let path = format!("/{}", program.path);
    let outcome = boot(suite, files(suite, std::slice::from_ref(program))?, vec![path])?;
    let end = match outcome.end {
        // As a shell has it, and the suites' own statuses are below.
        qemu::End::Exit(code) if code > 128 && code <= 128 + 64 => End::Signal(code - 128),
        qemu::End::Exit(code) => End::Exit(code),
        qemu::End::Timeout => End::Timeout,
        other => End::Machine(other.to_string()),
    };
    let output = match end {
        End::Exit(0) => Vec::new(),
        _ => Transcript::read(&outcome.output).console,
    };
    Ok(vec![(program.name.clone(), Outcome { end, took_ms: outcome.took.as_millis() as u64, output })])
}

/// A machine whose first program is the runner. Gives the outcomes of the first programs, of one at least: the last is that of the one
/// which took the machine with it.
fn together(suite: &Suite, programs: &[Program]) -> Result<Vec<(String, Outcome)>> {
    let mut files = files(suite, programs)?;
    let list: Vec<String> =
        programs.iter().map(|program| format!("{} {} {}\n", PROGRAM_LIMIT.as_secs(), program.name, program.path)).collect();
    files.add(LIST, Node::File(0o644, list.concat().into_bytes()));
    files.add_program("/bin/suite", std::fs::read(build::linux(suite.isa, Flavour::Stock, RUNNER))?);
    let mut arguments: Vec<String> = ["/bin/suite", LIST, FOLDER].map(str::to_owned).into();
    arguments.push(format!("user={NOBODY}"));
    arguments.extend(suite.kind.stack_bytes().map(|bytes| format!("stack={bytes}")));
    let outcome = boot(suite, files, arguments)?;
    let mut transcript = Transcript::read(&outcome.output);
    let mut found = Vec::new();
    for program in programs {
        if let Some(result) = transcript.results.remove(&program.name) {
            found.push((program.name.clone(), result));
            continue;
        }
        // The first one is to blame for a machine that did not even come to the runner, so that every boot makes progress.
        if transcript.running.take().is_none_or(|running| running == program.name) {
            let end = End::Machine(outcome.end.to_string());
            let took_ms = outcome.took.as_millis() as u64;
            found.push((program.name.clone(), Outcome { end, took_ms, output: std::mem::take(&mut transcript.console) }));
        }
        break;
    }
    Ok(found)
}

/// The guest's files: the programs where the suite has them, its other files, a shell and its tools, the loader.
fn files(suite: &Suite, programs: &[Program]) -> Result<Files> {
    let mut files = Files::new();
    let read = |path: &std::path::Path| std::fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    for program in programs {
        files.add_program(&format!("/{}", program.path), read(&suite.folder.join(&program.path))?);
    }
    for path in &suite.others {
        files.add_program(&format!("/{path}"), read(&suite.folder.join(path))?);
    }
    if programs.iter().any(|program| program.dynamic) {
        let library = tree::musl(suite.isa, Flavour::Stock).join("lib/libc.so");
        files.add_program(&format!("/lib/ld-musl-{}.so.1", suite.isa), read(&library)?);
    }
    let folders = programs.iter().filter_map(|program| program.path.split_once('/'));
    for (folder, _) in folders.collect::<std::collections::BTreeMap<_, _>>() {
        files.add(&format!("{FOLDER}/{folder}"), Node::Link(format!("/{folder}")));
    }
    files.add("/etc/passwd", Node::File(0o644, PASSWORDS.to_vec()));
    files.add_program("/bin/busybox", read(&tree::distribution_program(suite.isa, Flavour::Stock, "busybox"))?);
    for path in setup::busybox_applets(suite.isa)? {
        files.add(&path, Node::Link("/bin/busybox".into()));
    }
    Ok(files)
}
