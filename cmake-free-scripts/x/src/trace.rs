//! What a run tells of itself, taken out of the console's bytes (`exo::trace`): the calls as strace(1) prints them, and a table of them.
//!
//! | file | what it does |
//! |---|---|
//! | `stream` | takes records out of the console's bytes |
//! | `lines` | lays calls out as strace(1) does, several processes' at a time |
//! | `filter` | which calls are wanted |
//! | `crash`, `unwind` | what a process was doing when a signal ended it |
//! | `summary` | adds up what processes counted |

mod crash;
mod filter;
mod lines;
mod stream;
mod summary;
mod unwind;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use exo::command::CommandFlags;
use exo::trace::Kind;

pub use crash::{Crash, Lookup};
pub use filter::Filter;
pub use lines::Lines;
pub use stream::{Piece, Stream};
pub use summary::{Count, Summary};

/// What of a run is traced.
#[derive(Args, Clone, Debug, Default)]
#[group(id = "trace")]
pub struct Options {
    /// Print each Linux call that the program and its children make, on standard error; or those of a filter as strace(1) has it, such as
    /// open,read or %file or !%memory
    #[arg(long, value_name = "FILTER", num_args = 0..=1, require_equals = true, default_missing_value = "all")]
    pub strace: Option<Filter>,
    /// Print the calls to a file instead
    #[arg(long, value_name = "FILE", requires = "strace")]
    pub strace_output: Option<PathBuf>,
    /// At the end, print a table of all calls: how often, how many failed, instructions (implies --icount)
    #[arg(long)]
    pub strace_summary: bool,
    /// Print that table, and what is told of a crash, as JSON
    #[arg(long)]
    pub json: bool,
}

impl Options {
    /// What the guest is told to do.
    pub fn flags(&self) -> CommandFlags {
        let mut flags = CommandFlags::POST_MORTEM;
        flags.set(CommandFlags::STRACE, self.strace.is_some());
        flags.set(CommandFlags::TALLY, self.strace_summary);
        flags
    }

    /// What takes it in. `lookup` gives files of the guest's.
    pub fn tracer(&self, lookup: Lookup) -> Result<Tracer> {
        let to: Box<dyn Write + Send> = match &self.strace_output {
            Some(path) => {
                Box::new(io::BufWriter::new(std::fs::File::create(path).with_context(|| format!("cannot write {}", path.display()))?))
            }
            None => Box::new(io::stderr()),
        };
        let filter = self.strace.clone().unwrap_or_default();
        let lines = Lines::new(to, filter, self.strace_output.is_some());
        Ok(Tracer { stream: Stream::default(), lines, summary: Summary::default(), crashes: BTreeMap::new(), lookup, json: self.json })
    }
}

/// What takes a run's records in.
pub struct Tracer {
    stream: Stream,
    lines: Lines<Box<dyn Write + Send>>,
    summary: Summary,
    crashes: BTreeMap<u32, Crash>,
    lookup: Lookup,
    json: bool,
}

impl Tracer {
    /// Take bytes of the console; what is the program's goes to `output`.
    pub fn take(&mut self, bytes: &[u8], output: &mut dyn Write) -> io::Result<()> {
        for piece in self.stream.take(bytes) {
            match piece {
                Piece::Output(bytes) => output.write_all(&bytes)?,
                Piece::Record(record) => match record.kind {
                    Kind::Tally => self.summary.add(&record.text),
                    Kind::Absent => self.summary.note_absent(&record.text),
                    Kind::Crash => {
                        output.flush()?;
                        self.take_crash(record.process, &record.text)?;
                    }
                    _ => {
                        // What the program wrote before it is to be seen before it.
                        output.flush()?;
                        self.lines.print(&record)?;
                    }
                },
            }
        }
        output.flush()
    }

    fn take_crash(&mut self, process: u32, text: &str) -> io::Result<()> {
        if !self.crashes.entry(process).or_default().add(text) {
            return Ok(());
        }
        let Some(crash) = self.crashes.remove(&process) else { return Ok(()) };
        let mut errors = io::stderr().lock();
        if self.json {
            writeln!(errors, "{:#}", crash.json(process, &mut self.lookup))
        } else {
            write!(errors, "{}", crash.report(process, &mut self.lookup))
        }
    }

    /// The run is over.
    pub fn end(mut self, output: &mut dyn Write) -> Result<()> {
        output.write_all(&self.stream.rest())?;
        output.flush()?;
        self.lines.end()?;
        let mut errors = io::stderr().lock();
        if self.json && !self.summary.is_empty() {
            writeln!(errors, "{}", self.summary.json()?)?;
        } else {
            write!(errors, "{}", self.summary)?;
        }
        Ok(())
    }
}
