//! The policies of a process: how they are chosen, and how its calls come by them.
//!
//! Which there are and what they decide is the crate [`policy`]'s. Those about memory and threads are asked where these are; admission and tracing
//! are asked here, by calls that enter through a table of handlers of their own ([`Kernel::watch_calls`]): a process without them never
//! comes here.
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use policy::Set;
use policy::admission::{Admission, Verdict};
use policy::scheduling::{ByPriority, Counted};
use policy::tracing::{Call, Profile, Tracing};
use spin::Mutex;

use crate::errno::{Errno, Result};
use crate::file::Access;
use crate::kernel::Kernel;
use crate::process::Process;
use crate::signal::{Ending, SIGSYS};
use crate::syscall::table;
use crate::syscall::{Arguments, Handler};

/// Where the guest keeps which program has which policies: a line each, its path and then settings. What is behind a `#` is a comment.
pub const APPS: &[u8] = b"/etc/chitin/apps";

/// What calls come by, and what other programs are to have.
#[derive(Default)]
pub struct Policies {
    watch: Mutex<Watch>,
    apps: Mutex<Vec<App>>,
}

/// Who is asked about calls, or told of them.
#[derive(Default)]
struct Watch {
    admission: Option<Box<dyn Admission>>,
    tracing: Option<Box<dyn Tracing>>,
    /// How often a thread's turn came, where that is counted.
    turns: Arc<AtomicU64>,
    /// What had been counted when the process began.
    before: Profile,
}

/// A line of [`APPS`].
struct App {
    path: Vec<u8>,
    settings: Vec<String>,
}

impl<K: Kernel> Process<K> {
    /// Take on the policies of settings, in place of those that there are. An admission policy stays once it is there.
    ///
    /// # Errors
    /// A setting makes no sense; the text says why.
    pub fn choose<'a>(&self, settings: impl Iterator<Item = &'a str>) -> core::result::Result<(), String> {
        let Set { paging, own_paging, scheduling, caching, names, admission, tracing, recovery } = Set::parse(settings)?;
        self.memory.lock().set_paging(paging, own_paging);
        self.files.set_policies(caching, names);
        let mut watch = self.policies.watch.lock();
        let schedule = scheduling.unwrap_or_else(|| Box::new(ByPriority::default()));
        let counted = tracing.is_some();
        let turns = Arc::clone(&watch.turns);
        self.threads.with(|table| table.set_schedule(if counted { Box::new(Counted::new(schedule, turns)) } else { schedule }));
        watch.admission = admission.or(watch.admission.take());
        watch.tracing = tracing;
        let mut points = self.points.lock();
        points.set_policy(recovery);
        self.kernel.watch_calls(self.trace.is_on || watch.admission.is_some() || watch.tracing.is_some() || points.are_wanted());
        Ok(())
    }

    /// Read which programs are to have which policies. What makes no sense is reported, and left out.
    pub fn read_apps(&self) {
        let Ok(text) = self.read_file(APPS) else { return };
        for (index, line) in text.split(|&byte| byte == b'\n').enumerate() {
            match App::parse(line) {
                Ok(app) => self.policies.apps.lock().extend(app),
                Err(what) => self.report(&format!("{}:{}: {what}", String::from_utf8_lossy(APPS), index + 1)),
            }
        }
    }

    /// All of a file.
    fn read_file(&self, path: &[u8]) -> Result<Vec<u8>> {
        let entry = self.files.find(self, path)?;
        let backing = Arc::clone(&entry.node).open(&entry, Access::READ, self)?.backing().ok_or(Errno::EISDIR)?;
        let mut text = alloc::vec![0; usize::try_from(backing.size()).map_err(|_| Errno::EFBIG)?];
        let read = backing.read_at(0, &mut text)?;
        text.truncate(read);
        Ok(text)
    }

    /// The program of a path begins: take on what it is to have.
    pub fn choose_for(&self, path: &[u8]) {
        let apps = self.policies.apps.lock();
        if let Some(app) = apps.iter().rev().find(|app| app.path == path) {
            // It made sense when the line was read.
            let _ = self.choose(app.settings.iter().map(String::as_str));
        }
    }

    /// A call of a process whose calls are asked about, told of or printed.
    ///
    /// # Errors
    /// The call's, or what the admission policy refuses it with.
    pub fn watched(&self, number: usize, arguments: &Arguments, handler: Handler<K>) -> Result<usize> {
        let call = Call { name: table::row(number).map_or("", |row| row.name), number, arguments: arguments.0 };
        let verdict = self.policies.watch.lock().ask(&call);
        match verdict {
            Verdict::Allow => {}
            Verdict::Refuse(errno) => return Err(Errno(errno as usize)),
            Verdict::End => self.end(Ending::Signal(SIGSYS)),
        }
        let outcome = if self.trace.is_on { crate::strace::traced(self, number, arguments, handler) } else { handler(self, arguments) };
        if let Some(tracing) = &mut self.policies.watch.lock().tracing {
            tracing.answered(&call, outcome.map_err(|Errno(number)| number as u32));
        }
        self.pass_point();
        outcome
    }

    /// The process is a copy of another.
    pub fn policies_after_fork(&self) {
        self.points.lock().begin_anew(self.kernel.ran());
        let now = self.profile();
        let mut watch = self.policies.watch.lock();
        watch.before = now;
        if let Some(tracing) = &mut watch.tracing {
            tracing.forked();
        }
    }

    /// The process ends: what its tracing policy has to say of it.
    pub fn report_profile(&self) {
        let now = self.profile();
        let line = {
            let mut watch = self.policies.watch.lock();
            let profile = since(&watch.before, now);
            watch.tracing.as_mut().and_then(|tracing| tracing.ended(&profile))
        };
        if let Some(line) = line {
            let name = self.leader_name();
            self.report(&format!("profile pid={} program={} {line}", self.id(), String::from_utf8_lossy(&name)));
        }
    }

    /// What was counted so far, of the process that this one is a copy of too.
    fn profile(&self) -> Profile {
        let switches = self.policies.watch.lock().turns.load(Ordering::Relaxed);
        let memory = self.memory.lock();
        Profile {
            faults: memory.faults,
            pages: memory.brought(),
            switches,
            most_resident: memory.most_resident as u64,
            misses: self.files.missed(),
        }
    }
}

impl Watch {
    fn ask(&mut self, call: &Call) -> Verdict {
        if let Some(tracing) = &mut self.tracing {
            tracing.called(call);
        }
        self.admission.as_mut().map_or(Verdict::Allow, |admission| admission.admit(call))
    }
}

/// What was counted after `before`.
fn since(before: &Profile, now: Profile) -> Profile {
    Profile {
        faults: now.faults - before.faults,
        pages: now.pages - before.pages,
        switches: now.switches - before.switches,
        most_resident: now.most_resident,
        misses: now.misses - before.misses,
    }
}

impl App {
    /// Take a line apart; none if there is nothing in it.
    fn parse(line: &[u8]) -> core::result::Result<Option<App>, String> {
        let line = core::str::from_utf8(line).map_err(|_| "no UTF-8")?;
        let mut words = line.split('#').next().unwrap_or("").split_ascii_whitespace();
        let Some(path) = words.next() else { return Ok(None) };
        let settings: Vec<String> = words.map(String::from).collect();
        Set::parse(settings.iter().map(String::as_str))?;
        Ok(Some(App { path: path.as_bytes().to_vec(), settings }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_table_is_a_path_and_settings() {
        let app = App::parse(b"/bin/lua  paging=prefault,pages=8 tracing=counts # why").expect("a line").expect("an app");
        assert_eq!((app.path.as_slice(), app.settings.len()), (&b"/bin/lua"[..], 2));
        assert!(App::parse(b"  # nothing").is_ok_and(|app| app.is_none()));
        assert!(App::parse(b"/bin/lua paging=none").is_err());
    }
}
