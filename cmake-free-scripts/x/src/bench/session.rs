//! A column's measurement: a boot, and after a machine that an operation took with it another one for the operations that are left.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use exo::command::CommandFlags;
use indicatif::ProgressBar;

use super::column::Column;
use super::kept;
use super::operation::Operation;
use super::own::Own;
use super::transcript::{Measured, Transcript};
use crate::isa::Isa;
use crate::progress;
use crate::qemu::{Machine, boot_watched};

/// A machine that has printed nothing for so long is stuck.
const SILENCE: Duration = Duration::from_secs(300);
/// What the program measures first: a loop of this many instructions a round.
const LOOP: (&str, f64) = ("loop", 2.0);
/// How far a figure of the loop may be from it: entering and leaving it, and a tick of the system's own clock.
const LOOP_TOLERANCE: f64 = 0.02;

/// What a column cost, by operation.
pub type Figures = BTreeMap<String, Measured>;

/// What is measured.
pub struct Work<'a> {
    /// The operations, or the user's program.
    pub names: Vec<&'a str>,
    /// What rounds are divided by.
    pub divisor: usize,
    /// A program of the user's, in place of the operations.
    pub own: Option<&'a Own>,
    /// The policies of the process that measures, on Chitin.
    pub settings: &'a [String],
    /// Whether what is kept of Linux is measured again.
    pub anew: bool,
}

impl<'a> Work<'a> {
    /// These operations, nothing special about them.
    pub fn of(names: Vec<&'a str>) -> Work<'a> {
        Work { names, divisor: 1, own: None, settings: &[], anew: false }
    }

    /// What the program in the guest is told, with these operations left.
    pub fn words(&self, left: &VecDeque<&str>) -> Vec<String> {
        match self.own {
            Some(own) => own.words(),
            None => ["--divide", &self.divisor.to_string()].into_iter().chain(left.iter().copied()).map(str::to_owned).collect(),
        }
    }
}

/// The figures of each of the jobs.
pub fn measure_all(jobs: &[(Isa, Column)], work: &Work, at_a_time: usize, bar: &ProgressBar) -> Result<BTreeMap<(Isa, Column), Figures>> {
    let (left, found) = (Mutex::new(jobs.iter().copied().collect::<VecDeque<_>>()), Mutex::new(BTreeMap::new()));
    let worker = || -> Result<()> {
        loop {
            let next = left.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some((isa, column)) = next else { return Ok(()) };
            let measured = || measure(isa, column, work, bar);
            let figures = kept::or_measured(isa, column, work, bar, measured).with_context(|| format!("{} on {isa}", column.name()))?;
            found.lock().unwrap_or_else(PoisonError::into_inner).insert((isa, column), figures);
        }
    };
    std::thread::scope(|scope| -> Result<()> {
        let workers: Vec<_> = (0..at_a_time.clamp(1, jobs.len())).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("a worker does not panic"))
    })?;
    Ok(found.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// The figures of one column.
pub fn measure(isa: Isa, column: Column, work: &Work, bar: &ProgressBar) -> Result<Figures> {
    progress::stage(&format!("measuring {} on {isa}", column.name()));
    let (roomy, usual) = work.names.iter().partition(|name| work.own.is_none() && Operation::needs_room(name));
    let mut figures = measure_in(&column.roomy_machine(isa), column, roomy, work, bar)?;
    // What each boot measures is that of the usual one.
    figures.extend(measure_in(&column.machine(isa), column, usual, work, bar)?);
    Ok(figures)
}

/// The figures of these operations, in one kind of machine.
fn measure_in(machine: &Machine, column: Column, mut left: VecDeque<&str>, work: &Work, bar: &ProgressBar) -> Result<Figures> {
    let mut figures = Figures::new();
    while !left.is_empty() {
        let transcript = boot(machine, column, &left, work, bar)?;
        prove(&transcript)?;
        for (name, measured) in transcript.measured {
            left.retain(|&other| other != name);
            figures.entry(name).or_insert(measured);
        }
        if transcript.ended {
            break;
        }
    }
    for name in left {
        figures.insert(name.into(), Measured::Missing { reason: "the program does not know it".into() });
    }
    Ok(figures)
}

/// One boot with a plugin, whose transcript must be whole.
pub fn boot_profiled(isa: Isa, column: Column, work: &Work, plugin: String) -> Result<Transcript> {
    let names = work.names.iter().copied().collect();
    let machine = Machine { plugin: Some(plugin), ..column.machine(isa) };
    let image = column.image(isa, &work.words(&names), None, work.settings)?;
    let outcome = boot_watched(&machine, &column.kernel(isa), &image, SILENCE, |_| {})?;
    let transcript = Transcript::read(&outcome.output);
    ensure!(transcript.ended, "{}; it printed:\n{}", outcome.end, String::from_utf8_lossy(&outcome.output));
    prove(&transcript)?;
    Ok(transcript)
}

/// One boot of Chitin that tells of itself as `flags` ask; gives what it printed, which must be whole.
pub fn boot_telling(isa: Isa, column: Column, work: &Work, flags: CommandFlags) -> Result<Vec<u8>> {
    let names = work.names.iter().copied().collect();
    let image = column.image_telling(isa, &work.words(&names), None, work.settings, flags)?;
    let outcome = boot_watched(&column.machine(isa), &column.kernel(isa), &image, SILENCE, |_| {})?;
    let transcript = Transcript::read(&outcome.output);
    ensure!(transcript.ended, "{}; it printed:\n{}", outcome.end, String::from_utf8_lossy(&outcome.output));
    Ok(outcome.output)
}

/// One boot. Where the machine does not reach the end, the operation that ran gets the blame for a figure.
fn boot(machine: &Machine, column: Column, names: &VecDeque<&str>, work: &Work, bar: &ProgressBar) -> Result<Transcript> {
    let isa = machine.isa;
    let image = column.image(isa, &work.words(names), work.own, work.settings)?;
    let mut shown = 0;
    let watch = |output: &[u8]| {
        let transcript = Transcript::read(output);
        let done = names.iter().filter(|&&name| transcript.measured.contains_key(name)).count();
        bar.inc((done - shown) as u64);
        shown = done;
        if let Some(name) = transcript.running {
            bar.set_message(format!("{isa} {}: {name}", column.name()));
        }
    };
    let outcome = boot_watched(machine, &column.kernel(isa), &image, SILENCE, watch)?;
    let mut transcript = Transcript::read(&outcome.output);
    let printed = || String::from_utf8_lossy(&outcome.output[outcome.output.len().saturating_sub(2000)..]).into_owned();
    if !transcript.ended {
        let blamed = transcript.running.take().with_context(|| format!("{}; it printed:\n{}", outcome.end, printed()))?;
        ensure!(blamed != LOOP.0, "{} while the clock was proved; it printed:\n{}", outcome.end, printed());
        transcript.measured.insert(blamed, Measured::Missing { reason: format!("the machine ended: {}", outcome.end) });
    }
    Ok(transcript)
}

/// A tick is an instruction, or nothing of this counts.
fn prove(transcript: &Transcript) -> Result<()> {
    let (name, expected) = LOOP;
    let found = transcript.measured.get(name).and_then(Measured::median).context("the clock was not proved")?;
    ensure!(
        (found - expected).abs() < LOOP_TOLERANCE,
        "a loop of {expected} instructions takes {found} ticks: the clock counts something else"
    );
    Ok(())
}
