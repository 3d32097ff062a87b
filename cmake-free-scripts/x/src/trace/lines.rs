//! Calls laid out as strace(1) does: one line each, and if another thread's comes in between, the rest in a line of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use exo::trace::{FIELD, Kind};

use super::filter::Filter;
use super::stream::Record;

/// Where the result's equals sign stands.
const RESULT_COLUMN: usize = 39;

/// See the module.
pub struct Lines<W: Write> {
    to: W,
    filter: Filter,
    /// Whether every line says whose it is, as in strace's files.
    is_file: bool,
    /// Threads by process.
    threads: BTreeMap<u32, BTreeSet<u32>>,
    /// The thread whose call's line is not ended, and how long the line is.
    open: Option<(u32, usize)>,
    /// The calls that have begun, by thread.
    begun: BTreeMap<u32, String>,
}

impl<W: Write> Lines<W> {
    /// Of the calls that a filter wants.
    pub fn new(to: W, filter: Filter, is_file: bool) -> Lines<W> {
        Lines { to, filter, is_file, threads: BTreeMap::new(), open: None, begun: BTreeMap::new() }
    }

    /// Print a record.
    pub fn print(&mut self, record: &Record) -> io::Result<()> {
        self.meet(record)?;
        let thread = record.thread;
        let name = record.text.split('(').next().unwrap_or_default();
        match record.kind {
            Kind::Whole if self.filter.wants(name) => {
                let (call, result) = record.text.split_once(FIELD).unwrap_or((&record.text, "?"));
                let column = self.begin_line(thread, call)?;
                self.result(column, result)?;
            }
            Kind::Entry => {
                self.begun.insert(thread, name.to_owned());
                if self.filter.wants(name) {
                    let column = self.begin_line(thread, &record.text)?;
                    self.open = Some((thread, column));
                }
            }
            Kind::Exit => {
                let name = self.begun.remove(&thread).unwrap_or_default();
                let (rest, result) = record.text.split_once(FIELD).unwrap_or((&record.text, "?"));
                match self.open {
                    _ if !self.filter.wants(&name) => {}
                    Some((open, column)) if open == thread => {
                        write!(self.to, "{rest}")?;
                        self.result(column + rest.chars().count(), result)?;
                    }
                    _ => {
                        let column = self.begin_line(thread, &format!("<... {name} resumed>{rest}"))?;
                        self.result(column, result)?;
                    }
                }
            }
            Kind::Signal | Kind::Ended => {
                self.begin_line(thread, &record.text)?;
                writeln!(self.to)?;
                if record.kind == Kind::Ended {
                    self.threads.remove(&record.process);
                }
            }
            _ => {}
        }
        self.to.flush()
    }

    /// The run is over: what did not return stands there as unfinished.
    pub fn end(&mut self) -> io::Result<()> {
        self.break_line()?;
        self.to.flush()
    }

    /// What it printed to.
    pub fn into_inner(self) -> W {
        self.to
    }

    /// Note who a record is of; say so of one who is new.
    fn meet(&mut self, record: &Record) -> io::Result<()> {
        let is_first = self.threads.is_empty();
        let is_new = self.threads.entry(record.process).or_default().insert(record.thread);
        if is_new && !is_first && !self.is_file {
            self.break_line()?;
            writeln!(self.to, "strace: Process {} attached", record.thread)?;
        }
        Ok(())
    }

    fn break_line(&mut self) -> io::Result<()> {
        if self.open.take().is_some() {
            writeln!(self.to, " <unfinished ...>")?;
        }
        Ok(())
    }

    /// Begin a line of a thread's; gives its length so far.
    fn begin_line(&mut self, thread: u32, text: &str) -> io::Result<usize> {
        self.break_line()?;
        let alone = self.threads.values().map(BTreeSet::len).sum::<usize>() <= 1;
        let leader = match (self.is_file, alone) {
            (true, _) => format!("{thread:<5} "),
            (false, true) => String::new(),
            (false, false) => format!("[pid {thread:>5}] "),
        };
        write!(self.to, "{leader}{text}")?;
        Ok(leader.len() + text.chars().count())
    }

    fn result(&mut self, column: usize, result: &str) -> io::Result<()> {
        self.open = None;
        writeln!(self.to, "{:padding$} = {result}", "", padding = RESULT_COLUMN.saturating_sub(column))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(filter: &str, is_file: bool, records: &[(Kind, u32, &str)]) -> String {
        let mut lines = Lines::new(Vec::new(), filter.parse().unwrap(), is_file);
        for &(kind, process, text) in records {
            lines.print(&Record { kind, process, thread: process, text: text.into() }).unwrap();
        }
        lines.end().unwrap();
        String::from_utf8(lines.to).unwrap()
    }

    const FORK: &[(Kind, u32, &str)] = &[
        (Kind::Whole, 2, "getpid()\u{1f}2"),
        (Kind::Entry, 2, "fork("),
        (Kind::Exit, 2, ")\u{1f}3"),
        (Kind::Entry, 2, "wait4(-1, "),
        (Kind::Whole, 3, "exit_group(0)\u{1f}?"),
        (Kind::Ended, 3, "+++ exited with 0 +++"),
        (Kind::Exit, 2, "NULL, 0, NULL)\u{1f}3"),
    ];

    #[test]
    fn a_call_that_another_process_comes_into_is_unfinished_and_resumed() {
        let expected = "getpid()                                = 2\n\
                        fork()                                  = 3\n\
                        wait4(-1,  <unfinished ...>\n\
                        strace: Process 3 attached\n\
                        [pid     3] exit_group(0)               = ?\n\
                        [pid     3] +++ exited with 0 +++\n\
                        <... wait4 resumed>NULL, 0, NULL)       = 3\n";
        assert_eq!(printed("all", false, FORK), expected);
    }

    #[test]
    fn in_a_file_each_line_says_whose_it_is() {
        let text = printed("all", true, FORK);
        assert!(text.lines().all(|line| line.starts_with("2     ") || line.starts_with("3     ")), "{text}");
    }

    #[test]
    fn what_is_not_wanted_is_not_printed_but_ends_are() {
        assert_eq!(
            printed("getpid", false, FORK),
            "getpid()                                = 2\nstrace: Process 3 attached\n[pid     3] +++ exited with 0 +++\n"
        );
        assert!(!printed("!wait4", false, FORK).contains("wait4"));
    }

    #[test]
    fn what_never_returns_is_unfinished() {
        assert_eq!(printed("all", false, &[(Kind::Entry, 2, "pause(")]), "pause( <unfinished ...>\n");
    }
}
