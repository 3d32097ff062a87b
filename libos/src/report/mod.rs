//! What the process tells its files: the time, the console, and the texts of `/proc`.
//!
//! | file | what it does |
//! |---|---|
//! | `process` | the texts about the process |
//! | `stat` | how what is known of a process is laid out |
//! | `machine` | the texts about the machine |
//! | `questions` | asks other processes for their texts, and tells them the own |
#![forbid(unsafe_code)]

mod machine;
mod process;
mod questions;
pub mod stat;

pub use machine::Census;
pub use process::INPUT_OUTPUT;

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::ops::Range;

use unix::Operation;

use crate::errno::{Errno, Result};
use crate::file::pipe::End;
use crate::file::ring::Wish;
use crate::file::terminal::TerminalFile;
use crate::file::{Access, File, Files};
use crate::kernel::Kernel;
use crate::process::Process;
use crate::signal::{Information, Set, Signals};
use crate::thread::Waits;
use crate::time::{Clock, Linear};
use crate::user::UserMemory;
use crate::vfs::attributes::Time;
use crate::vfs::node::Target;
use crate::vfs::world::{Person, Report, Table, World};

impl<K: Kernel> World for Process<K> {
    fn now(&self) -> Time {
        Time::from_nanoseconds(self.clock_ns(Clock::Coarse(Linear::Realtime)))
    }

    fn monotonic_ns(&self) -> u64 {
        self.now_ns()
    }

    fn clock_ns(&self, clock: Clock) -> u64 {
        Process::clock_ns(self, clock)
    }

    fn timers_changed(&self) {
        self.arm_timers();
    }

    fn random(&self, into: &mut [u8]) {
        self.random.fill(into);
    }

    fn console_put(&self, bytes: &[u8]) {
        self.kernel.put(bytes);
    }

    fn sleep(&self, deadline_ns: Option<u64>) -> Result<()> {
        self.block(Waits::Signal, deadline_ns)
    }

    fn await_change(&self) -> Result<()> {
        self.block(Waits::Change, None)
    }

    fn await_change_until(&self, deadline_ns: Option<u64>) -> Result<()> {
        self.block(Waits::Change, deadline_ns)
    }

    fn watch(&self, end: &Weak<End>, wish: Wish, value: u32) -> bool {
        let thread = self.threads.with(|table| table.current_slot());
        self.threads.watches.lock().add(thread, end, wish, value)
    }

    fn note_change(&self) {
        // The thread that runs waits for nothing itself.
        if !self.threads.with(|table| table.is_alone()) {
            Process::note_change(self);
        }
    }

    fn signal(&self, number: u32) {
        self.signals.send_own(&Information::new(number, Information::KERNEL, 0));
    }

    fn signals(&self) -> &Signals {
        &self.signals
    }

    fn take_signal(&self, set: Set) -> Option<Information> {
        Process::take_signal(self, set)
    }

    fn file_size_limit(&self) -> u64 {
        self.family.file_size_limit()
    }

    fn frames(&self) -> (usize, usize) {
        let (quota, used) = self.kernel.quota();
        (quota.saturating_sub(used), quota)
    }

    fn mounts(&self, details: bool) -> Vec<u8> {
        self.files.shared_tree().map_or_else(Vec::new, |tree| tree.mount_lines(&self.files.root(), details))
    }

    fn report(&self, report: Report) -> Vec<u8> {
        self.machine_text(report).or_else(|| self.own_text(report, 0).ok()).unwrap_or_default()
    }

    fn report_on(&self, person: &Person, report: Report, number: u32) -> Result<Vec<u8>> {
        if person.process == self.id() { self.own_text(report, number) } else { self.inspect(person, report, number) }
    }

    fn processes(&self) -> Vec<u32> {
        self.all_processes()
    }

    fn person(&self, id: u32) -> Result<Person> {
        self.find_person(id)
    }

    fn set_name(&self, person: &Person, name: &[u8]) -> Result<()> {
        if person.process != self.id() {
            return Err(Errno::EINVAL);
        }
        let thread = if person.thread == 0 { person.process } else { person.thread };
        self.name_thread(thread, name)
    }

    fn table_word(&self, table: Table, index: u64) -> Option<u64> {
        match table {
            Table::Pages => self.page_word(index),
            Table::FrameCounts => self.kernel.frame_uses(index).map(u64::from),
        }
    }

    fn has_ended(&self, id: u32, birth: u64) -> bool {
        !matches!(self.ask(Operation::HasEnded, 0, id, [birth, 0, 0]), Ok([0, ..]))
    }

    fn id(&self) -> u32 {
        Process::id(self)
    }

    fn thread(&self) -> u32 {
        self.threads.with(|table| table.current_id())
    }

    fn executable(&self) -> Target {
        let running = self.running.lock();
        let entry = running.program.as_ref().and_then(|program| program.backing.entry());
        entry.map_or_else(|| Target::Path(running.path.to_vec()), Target::Entry)
    }

    fn files(&self) -> Option<&Files> {
        Some(&self.files)
    }

    fn open_terminal(&self, special: u64, access: Access) -> Result<Arc<dyn File>> {
        TerminalFile::open(self.kernel.server().ok_or(Errno::ENXIO)?, special, access)
    }

    fn contents_moved(&self, file: (u64, u64), pages: Range<u64>, cut: bool) {
        self.memory.lock().forget(&self.kernel, file, pages, cut);
    }

    fn memory(&self) -> &dyn UserMemory {
        self
    }
}
