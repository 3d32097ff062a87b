//! What files ask of the process that they live in.
//!
//! Time, randomness, the console and the texts of `/proc` are arguments, so that everything in `vfs` and `file` runs on a host against
//! a world that a test makes up, and none of it knows the exokernel.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::ops::Range;

use crate::errno::{Errno, Result};
use crate::file::pipe::End;
use crate::file::ring::Wish;
use crate::file::{Access, File, Files};
use crate::signal::{Information, Set, Signals};
use crate::time::Clock;
use crate::user::UserMemory;
use crate::vfs::attributes::Time;
use crate::vfs::node::{Entry, Node, Target};
use crate::vfs::permission::{Actor, Subject, Wanted};

/// A text that the process writes about itself or its machine, as proc(5) lays it out. The numbers of those about a process travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Report {
    /// `/proc/self/maps`
    Maps = 0,
    /// `/proc/self/stat`
    Stat,
    /// `/proc/self/status`
    Status,
    /// `/proc/self/statm`
    Statm,
    /// `/proc/self/cmdline`
    CommandLine,
    /// `/proc/self/environ`
    Environment,
    /// `/proc/self/auxv`
    AuxiliaryVector,
    /// `/proc/self/comm`
    Command,
    /// `/proc/self/limits`
    Limits,
    /// `/proc/self/io`
    InputOutput,
    /// `/proc/self/ledger`
    Ledger,
    /// `/proc/self/smaps`
    DetailedMaps,
    /// `/proc/self/smaps_rollup`
    SummedMaps,
    /// `/proc/self/schedstat`
    Schedule,
    /// The ids of its threads, a line each.
    Threads,
    /// The numbers of its descriptors, a line each.
    Descriptors,
    /// `/proc/self/fdinfo/N`
    DescriptorText,
    /// Where `/proc/self/fd/N` leads.
    DescriptorPath,
    /// Where `/proc/self/exe` leads.
    Executable,
    /// Where `/proc/self/cwd` leads.
    CurrentDirectory,
    /// Where `/proc/self/root` leads.
    RootDirectory,
    /// `/proc/meminfo`
    MemoryInfo,
    /// `/proc/cpuinfo`
    CpuInfo,
    /// `/proc/uptime`
    Uptime,
    /// `/proc/loadavg`
    LoadAverage,
    /// `/proc/stat`
    SystemStat,
    /// `/proc/version`
    Version,
    /// `/proc/sys/kernel/osrelease`
    Release,
    /// `/proc/sys/kernel/hostname`
    HostName,
    /// `/proc/sys/kernel/random/boot_id`
    BootId,
    /// `/proc/sys/kernel/random/uuid`
    Uuid,
    /// `/sys/devices/system/cpu/online` and its like: `0` or `0-3`.
    Cpus,
}

impl Report {
    /// Those about a process, by their numbers.
    const OF_PROCESSES: [Report; 21] = [
        Report::Maps,
        Report::Stat,
        Report::Status,
        Report::Statm,
        Report::CommandLine,
        Report::Environment,
        Report::AuxiliaryVector,
        Report::Command,
        Report::Limits,
        Report::InputOutput,
        Report::Ledger,
        Report::DetailedMaps,
        Report::SummedMaps,
        Report::Schedule,
        Report::Threads,
        Report::Descriptors,
        Report::DescriptorText,
        Report::DescriptorPath,
        Report::Executable,
        Report::CurrentDirectory,
        Report::RootDirectory,
    ];

    /// The one about a process that has a number.
    #[must_use]
    pub fn from_number(number: u16) -> Option<Report> {
        Report::OF_PROCESSES.get(usize::from(number)).copied()
    }

    /// Whether only those see it who may trace the process: ptrace(2), `PTRACE_MODE_READ_FSCREDS`.
    #[must_use]
    pub fn is_private(self) -> bool {
        use Report::*;
        matches!(
            self,
            Maps | DetailedMaps
                | SummedMaps
                | Environment
                | AuxiliaryVector
                | InputOutput
                | Ledger
                | Descriptors
                | DescriptorText
                | DescriptorPath
                | Executable
                | CurrentDirectory
                | RootDirectory
        )
    }

    /// The permission bits of its file.
    #[must_use]
    pub fn permissions(self) -> u32 {
        match self {
            Report::Environment | Report::AuxiliaryVector | Report::InputOutput => 0o400,
            Report::Command => 0o644,
            _ => 0o444,
        }
    }
}

const _: () = {
    let mut number = 0;
    while number < Report::OF_PROCESSES.len() {
        assert!(Report::OF_PROCESSES[number] as usize == number, "each stands at its number");
        number += 1;
    }
};

/// A process that has an id, or a thread of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Person {
    /// The process's id.
    pub process: u32,
    /// The number that no other process ever has; 0: not known, and of no interest.
    pub birth: u64,
    /// The thread's id; 0: the process as a whole.
    pub thread: u32,
    /// Its user and group.
    pub owner: (u32, u32),
}

/// A table of 64-bit words about memory, as the kernel's Documentation/admin-guide/mm/pagemap.rst lays it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// `/proc/self/pagemap`: by page of the address space.
    Pages,
    /// `/proc/kpagecount`: by frame number.
    FrameCounts,
}

/// The process, as files see it.
pub trait World: UserMemory {
    /// The time that files get: of the coarse clock, so that one that was told of is good for the rest of its tick.
    fn now(&self) -> Time;
    /// Nanoseconds of the monotonic clock.
    fn monotonic_ns(&self) -> u64;
    /// A clock's time, in nanoseconds.
    fn clock_ns(&self, clock: Clock) -> u64;
    /// A timer that the process looks at expires at another time than it did.
    fn timers_changed(&self);
    /// Fill with random bytes.
    fn random(&self, into: &mut [u8]);
    /// Write to the console.
    fn console_put(&self, bytes: &[u8]);
    /// Sleep until the monotonic clock passes `deadline_ns`; with `None`, until a signal comes.
    ///
    /// # Errors
    /// `ETIMEDOUT`: the deadline passed. `EINTR`: a signal came.
    fn sleep(&self, deadline_ns: Option<u64>) -> Result<()>;
    /// Sleep until another thread has changed a file; it may be another file.
    ///
    /// # Errors
    /// `EINTR`: a signal came.
    fn await_change(&self) -> Result<()>;
    /// The same, until the monotonic clock passes `deadline_ns` at the latest.
    ///
    /// # Errors
    /// `ETIMEDOUT`: the deadline passed. `EINTR`: a signal came.
    fn await_change_until(&self, deadline_ns: Option<u64>) -> Result<()> {
        let _ = deadline_ns;
        self.await_change()
    }
    /// Let the next wait of the thread that runs end, too, when the ring of a pipe's end changes; whether it can be waited for.
    fn watch(&self, end: &Weak<End>, wish: Wish, value: u32) -> bool {
        let _ = (end, wish, value);
        false
    }
    /// Say that a file was changed that another thread may wait for.
    fn note_change(&self);
    /// Send the thread a signal, such as `SIGPIPE`.
    fn signal(&self, number: u32);
    /// The process's signals, those of the thread that runs at hand.
    fn signals(&self) -> &Signals;
    /// Take a pending signal that is in `set`, if there is one.
    fn take_signal(&self, set: Set) -> Option<Information>;
    /// The most bytes that a file may be made to have (`RLIMIT_FSIZE`).
    fn file_size_limit(&self) -> u64 {
        u64::MAX
    }
    /// Frames of memory free and in all.
    fn frames(&self) -> (usize, usize);
    /// What was mounted on an entry last, if anything was.
    fn mounted_on(&self, entry: &Arc<Entry>) -> Option<Arc<Entry>> {
        let _ = entry;
        None
    }
    /// The mounts that the process sees, as `/proc/mounts` has them; with `details` as `/proc/self/mountinfo` does.
    fn mounts(&self, details: bool) -> Vec<u8> {
        let _ = details;
        Vec::new()
    }
    /// A text about the process or the machine.
    fn report(&self, report: Report) -> Vec<u8>;
    /// A text about a process, of a thread or descriptor of it with a number; 0: as a whole.
    ///
    /// # Errors
    /// `ESRCH`: it is not there any more. `ENOENT`: there is no such thing. `EACCES`: it may not be seen.
    fn report_on(&self, person: &Person, report: Report, number: u32) -> Result<Vec<u8>> {
        let _ = (person, report, number);
        Err(Errno::ENOENT)
    }
    /// The ids of all processes, in order.
    fn processes(&self) -> Vec<u32> {
        Vec::from([self.id()])
    }
    /// Who has an id.
    ///
    /// # Errors
    /// `ENOENT`: nobody.
    fn person(&self, id: u32) -> Result<Person> {
        if id == self.id() { Ok(Person { process: id, ..Person::default() }) } else { Err(Errno::ENOENT) }
    }
    /// Give a thread of the process another name; 0: the first.
    ///
    /// # Errors
    /// `EINVAL`: it is another process's.
    fn set_name(&self, person: &Person, name: &[u8]) -> Result<()> {
        let _ = (person, name);
        Err(Errno::EINVAL)
    }
    /// A word of a table; `None` behind its end.
    fn table_word(&self, table: Table, index: u64) -> Option<u64>;
    /// Whether a process, named by its id and by the number that no other ever has, has ended. If not, its end is a change.
    fn has_ended(&self, id: u32, birth: u64) -> bool;
    /// The process's id.
    fn id(&self) -> u32;
    /// The id of the thread that looks.
    fn thread(&self) -> u32 {
        self.id()
    }
    /// The program that it runs.
    fn executable(&self) -> Target;
    /// The process's own files, if it is a process: what `/proc/self/fd` lists.
    fn files(&self) -> Option<&Files>;
    /// Open a terminal by its device's number.
    ///
    /// # Errors
    /// `ENXIO`: there is none; `EIO`: not any more. Others are those of `unixd`.
    fn open_terminal(&self, special: u64, access: Access) -> Result<Arc<dyn File>> {
        let _ = (special, access);
        Err(Errno::ENXIO)
    }
    /// Who is to be told when something changes that cannot be waited for here: a process that this is the server of.
    fn subscriber(&self) -> Option<u32> {
        None
    }
    /// A walk went through a directory: where it leads rests on that one too.
    fn passed(&self, directory: &dyn Node) {
        let _ = directory;
    }
    /// With whose rights files are used: root's, where somebody else checks that.
    fn subject(&self) -> Subject<'_> {
        Subject::ROOT
    }
    /// Whether an entry may be used so, whatever its permissions say: or, with a name, what has it in that directory, or is to have it. With
    /// nothing wanted: whether it may be known of.
    ///
    /// # Errors
    /// `EACCES`: no.
    fn may_use(&self, entry: &Arc<Entry>, name: &[u8], wanted: Wanted) -> Result<()> {
        let _ = (entry, name, wanted);
        Ok(())
    }
    /// Who changes files, and when.
    fn actor(&self) -> Actor<'_> {
        Actor { subject: self.subject(), now: self.now() }
    }
    /// Let mappings go of pages of a file (its device and inode): the frames that they show are not the file's any more. With `cut`, private
    /// copies of the pages go too.
    fn contents_moved(&self, file: (u64, u64), pages: Range<u64>, cut: bool);
    /// The process's memory, as what buffers point into.
    fn memory(&self) -> &dyn UserMemory;
}
