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
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use policy::Set;
use policy::admission::{Admission, Verdict};
use policy::scheduling::{ByPriority, Counted};
use policy::tracing::{Call, Profile, Tracing};
use spin::Mutex;
use unix::{Operation, Request};

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
    /// Whether the next program is not to have what the table says of it: it was told what it is to have.
    is_told: AtomicBool,
    /// Frames of zeros that are to be ready after a fork, and whether they are to be made.
    ahead: AtomicUsize,
    is_to_zero: AtomicBool,
    /// How long others may compute before the process has its turn, in microseconds, as the server was told; 0: to the end of their slices.
    others_us: AtomicU32,
}

/// Who is asked about calls, or told of them.
#[derive(Default)]
struct Watch {
    /// All have to admit a call.
    admission: Vec<Box<dyn Admission>>,
    /// Rules that the server is to be told before the program begins.
    pledge: Option<String>,
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
    /// What is in the file that its admission policy reads: once that is in force it may not be there to be read.
    rules: Option<String>,
}

impl<K: Kernel> Process<K> {
    /// Take on the policies of settings for the first program, whatever the table says of it.
    ///
    /// # Errors
    /// A setting makes no sense, or a file that it names; the text says why.
    pub fn choose<'a>(&self, settings: impl Iterator<Item = &'a str>) -> core::result::Result<(), String> {
        let mut set = Set::parse(settings)?;
        let rules = self.rules_of(&set)?;
        instruct(&mut set, rules.as_deref())?;
        self.policies.is_told.store(true, Ordering::Relaxed);
        self.take_on(set);
        Ok(())
    }

    /// What is in the file that an admission policy reads, if it reads one.
    fn rules_of(&self, set: &Set) -> core::result::Result<Option<String>, String> {
        let Some(file) = set.admission.as_ref().and_then(|admission| admission.file()) else { return Ok(None) };
        let text = self.read_file(file.as_bytes()).map_err(|errno| format!("{file}: {} ({})", errno.name(), errno.text()))?;
        String::from_utf8(text).map(Some).map_err(|_| format!("{file}: no UTF-8"))
    }

    /// Take on policies in place of those that there are. An admission policy stays once it is there, and others come beside it.
    fn take_on(&self, set: Set) {
        let Set { paging, own_paging, placement, scheduling, caching, names, admission, tracing, recovery } = set;
        let ahead = paging.as_ref().map_or(0, |paging| paging.zero_ahead());
        self.policies.ahead.store(ahead, Ordering::Relaxed);
        self.policies.is_to_zero.store(ahead > 0, Ordering::Relaxed);
        let mut memory = self.memory.lock();
        memory.set_paging(paging, own_paging);
        memory.set_placement(placement);
        drop(memory);
        self.files.set_policies(caching, names);
        let mut watch = self.policies.watch.lock();
        let counted = tracing.is_some();
        let is_chosen = scheduling.is_some() || counted;
        let schedule = scheduling.unwrap_or_else(|| Box::new(ByPriority::default()));
        self.timers.follow(schedule.is_on_time(), self.ticks_of_us(schedule.turn_us().unwrap_or(0)));
        self.want_turns(schedule.others_us().unwrap_or(0));
        let schedule = if counted { Box::new(Counted::new(schedule, Arc::clone(&watch.turns))) } else { schedule };
        self.threads.with(|table| table.set_schedule(schedule, is_chosen));
        watch.pledge = admission.as_ref().and_then(|admission| admission.pledge()).map(String::from);
        watch.admission.extend(admission);
        watch.tracing = tracing;
        let mut points = self.points.lock();
        points.set_policy(recovery);
        self.kernel.watch_calls(self.trace.is_on || !watch.admission.is_empty() || watch.tracing.is_some() || points.are_wanted());
    }

    /// Have others let the process have its turn after so many microseconds. One that is held to rules may not be allowed to ask for that, and does
    /// without.
    fn want_turns(&self, us: u32) {
        if self.policies.others_us.swap(us, Ordering::Relaxed) != us && self.ask(Operation::Turn, 0, us, [0; 3]).is_err() {
            self.policies.others_us.store(0, Ordering::Relaxed);
        }
    }

    /// Read which programs are to have which policies. One whose line makes no sense, which is reported, does not begin.
    pub fn read_apps(&self) {
        let Ok(text) = self.read_file(APPS) else { return };
        for (index, line) in text.split(|&byte| byte == b'\n').enumerate() {
            let Some(mut app) = App::parse(line) else { continue };
            let checked = self.rules_of_app(&app).and_then(|rules| {
                app.rules = rules;
                app.set().map(|_| ())
            });
            if let Err(what) = checked {
                self.report(&format!("{}:{}: {what}", String::from_utf8_lossy(APPS), index + 1));
            }
            self.policies.apps.lock().push(app);
        }
    }

    fn rules_of_app(&self, app: &App) -> core::result::Result<Option<String>, String> {
        self.rules_of(&Set::parse(app.settings.iter().map(String::as_str))?)
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

    /// The program of a path begins, and all that it is made of is open: take on what it is to have, and tell the server what it is to be held to.
    ///
    /// # Errors
    /// It cannot be held to that: it is not to begin.
    pub fn choose_for(&self, path: &[u8]) -> core::result::Result<(), String> {
        if !self.policies.is_told.swap(false, Ordering::Relaxed) {
            let apps = self.policies.apps.lock();
            if let Some(app) = apps.iter().rev().find(|app| app.path == path) {
                self.take_on(app.set()?);
            }
        }
        let pledge = self.policies.watch.lock().pledge.take();
        pledge.map_or(Ok(()), |rules| self.pledge(&rules))
    }

    /// Have the server hold the process to rules from now on.
    fn pledge(&self, rules: &str) -> core::result::Result<(), String> {
        let server = self.kernel.server().ok_or("nobody is there to hold it to its rules")?;
        self.files.forget_names();
        self.files.flush();
        if server.post(0, rules.as_bytes()) < rules.len() {
            return Err(format!("rules of more than {} bytes", unix::MAILBOX_BYTES));
        }
        let request = Request { large: rules.len() as u32, ..Request::new(Operation::Pledge, [0; 3]) };
        server.call(request).map(|_| ()).map_err(|errno| format!("its rules: {} ({})", errno.name(), errno.text()))
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

    /// The process has nothing to do: zero frames for those who will fault, once after each fork.
    pub fn zero_ahead(&self) {
        if self.policies.is_to_zero.swap(false, Ordering::Relaxed) {
            self.kernel.zero_ahead(self.policies.ahead.load(Ordering::Relaxed));
        }
    }

    /// The process has made another, which takes fresh frames.
    pub fn note_birth(&self) {
        if self.policies.ahead.load(Ordering::Relaxed) > 0 {
            self.policies.is_to_zero.store(true, Ordering::Relaxed);
        }
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
        let mut verdicts = self.admission.iter_mut().map(|admission| admission.admit(call));
        verdicts.find(|&verdict| verdict != Verdict::Allow).unwrap_or(Verdict::Allow)
    }
}

/// Let an admission policy read its rules.
fn instruct(set: &mut Set, rules: Option<&str>) -> core::result::Result<(), String> {
    let Some(admission) = &mut set.admission else { return Ok(()) };
    if let Some(file) = admission.file().map(String::from) {
        let rules = rules.ok_or_else(|| format!("{file} was not read"))?;
        admission.read(rules).map_err(|what| format!("{file}: {what}"))?;
    }
    match admission.names().into_iter().find(|&name| table::ROWS.iter().all(|row| row.name != name)) {
        Some(name) => Err(format!("no call is named {name}")),
        None => Ok(()),
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
    fn parse(line: &[u8]) -> Option<App> {
        let line = String::from_utf8_lossy(line);
        let mut words = line.split('#').next().unwrap_or("").split_ascii_whitespace();
        let path = words.next()?.as_bytes().to_vec();
        Some(App { path, settings: words.map(String::from).collect(), rules: None })
    }

    /// The policies, made anew.
    fn set(&self) -> core::result::Result<Set, String> {
        let mut set = Set::parse(self.settings.iter().map(String::as_str))?;
        instruct(&mut set, self.rules.as_deref())?;
        Ok(set)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_table_is_a_path_and_settings() {
        let parse = |line: &[u8]| App::parse(line);
        let app = parse(b"/bin/lua  paging=prefault,pages=8 tracing=counts # why").expect("an app");
        assert_eq!((app.path.as_slice(), app.settings.len()), (&b"/bin/lua"[..], 2));
        assert!(app.set().is_ok());
        assert!(parse(b"  # nothing").is_none());
        assert!(parse(b"/bin/lua paging=none").is_some_and(|app| app.set().is_err()), "it is known, and does not begin");
    }

    #[test]
    fn a_program_begins_with_the_rules_that_it_is_to_have_or_not_at_all() {
        let mut app = App::parse(b"/bin/lua admission=sandbox,rules=/rules").expect("an app");
        let mut set = |rules: Option<&str>| {
            app.rules = rules.map(String::from);
            app.set()
        };
        let good = set(Some("allow read /a\nend unknown\n")).expect("rules");
        assert_eq!(good.admission.and_then(|admission| admission.pledge().map(str::len)), Some(26));
        let fault = |set: core::result::Result<Set, String>| set.err().expect("a fault");
        assert!(fault(set(Some("deny conect\n"))).contains("conect"));
        assert!(fault(set(Some("allow all\n"))).starts_with("/rules: line 1"));
        assert!(fault(set(None)).contains("was not read"));
    }
}
