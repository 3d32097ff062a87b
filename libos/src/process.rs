//! The process: what its calls work on.
//!
//! Every part has a lock of its own, so that a page-fault upcall in the middle of a call's user copy needs the lock of `memory`
//! alone. Calls get `&Process`.
#![forbid(unsafe_code)]

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::mem::MaybeUninit;
use core::sync::atomic::AtomicU32;

use abi::Registers;
use linux_raw_sys::general::AT_FDCWD;
use spin::Mutex;

use crate::errno::{Errno, Result};
use crate::family::Family;
use crate::file::Files;
use crate::giving::Giving;
use crate::identity::Word;
use crate::kernel::Kernel;
use crate::limits::Limits;
use crate::load::Executable;
use crate::load::auxiliary::Entry as VectorEntry;
use crate::load::owners::Owners;
use crate::load::strings::Strings;
use crate::memory::Memory;
use crate::policies::Policies;
use crate::random::Random;
use crate::recovery::Points;
use crate::signal::{Ending, Signals, Trap};
use crate::strace::Trace;
use crate::syscall::table::{self, Row, Support};
use crate::thread::Threads;
use crate::time::{Linear, Times};
use crate::timer::Timers;
use crate::user::{Plain, UserMemory};
use crate::vfs::attributes::Kind;
use crate::vfs::node::{Contents, Entry, Role, Runnable};
use crate::vfs::permission::{Subject, Wanted};
use crate::vfs::walk::{Journey, Last, PATH_MAX, Start, relative, walk, walk_on};

/// What runs, as `/proc/self` tells it.
#[derive(Default)]
pub struct Running {
    /// The executable's absolute path.
    pub path: Arc<[u8]>,
    /// The executable, which others do not write to as long as it is here.
    pub program: Option<Executable>,
    /// What it is called, its environment and its arguments.
    pub strings: Strings,
    /// The auxiliary vector.
    pub vector: Vec<VectorEntry>,
}

/// A process.
pub struct Process<K: Kernel> {
    /// The exokernel.
    pub kernel: K,
    /// Which of its calls are printed and counted.
    pub trace: Trace,
    /// The address space.
    pub memory: Mutex<Memory>,
    /// Signals.
    pub signals: Signals,
    /// Descriptors, directories and what is mounted.
    pub files: Files,
    /// Resource limits.
    pub limits: Mutex<Limits>,
    /// The random generator.
    pub random: Random,
    /// Clocks.
    pub times: Times,
    /// Timers.
    pub timers: Timers,
    /// What runs.
    pub running: Mutex<Running>,
    /// Threads.
    pub threads: Threads<K::Machine>,
    /// What the first thread ended with, if others go on.
    pub leader_code: Mutex<Option<u8>>,
    /// What the app decides for itself about its calls, and what other programs do.
    pub policies: Policies,
    /// Where it goes on from when a signal has ended it.
    pub points: Mutex<Points>,
    /// The process among others.
    pub family: Family,
    /// What it was asked to give back.
    pub giving: Giving,
    /// How far the doorbell had been counted when it was last heard.
    pub heard: AtomicU32,
}

impl<K: Kernel> Process<K> {
    /// The process's id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.kernel.identity().get(Word::Process)
    }

    /// A process with an empty address space, the id that the kernel's identity words have, the files that `unixd` keeps (without one,
    /// those of `initramfs`), and the console as its first three descriptors.
    #[must_use]
    pub fn new(kernel: K, initramfs: &'static [u8], trace: Trace) -> Process<K> {
        let ticks = kernel.clock();
        let times = Times::beginning(kernel.info(), ticks);
        let now_ns = times.clocks.ns(Linear::Realtime, ticks);
        let id = kernel.identity().get(Word::Process);
        let files = match kernel.server() {
            Some(server) => Files::remote(server, now_ns),
            None => Files::new(initramfs, &kernel.pool(), now_ns),
        };
        files.begin_inodes(id);
        let mut memory = Memory::new();
        memory.forget_losses(&kernel);
        Process {
            trace,
            memory: Mutex::new(memory),
            signals: Signals::new(kernel.attention()),
            files,
            limits: Mutex::new(Limits::new()),
            random: Random::new(&kernel),
            times,
            timers: Timers::new(),
            running: Mutex::new(Running::default()),
            threads: Threads::new(id, kernel.first_machine(), kernel.ran()),
            leader_code: Mutex::new(None),
            policies: Policies::default(),
            points: Mutex::default(),
            family: Family::default(),
            giving: Giving::default(),
            heard: AtomicU32::new(0),
            kernel,
        }
    }

    /// The file of a path that execve(2) is to run.
    ///
    /// # Errors
    /// Those of [`Process::open_to_run`].
    pub fn open_executable(&self, path: &[u8]) -> Result<Executable> {
        self.open_to_run(AT_FDCWD, path, Last::Follow, Role::Program)
    }

    /// The file of a path that is to load what execve(2) runs.
    ///
    /// # Errors
    /// Those of [`Process::open_to_run`].
    pub fn open_interpreter(&self, path: &[u8]) -> Result<Executable> {
        self.open_to_run(AT_FDCWD, path, Last::Follow, Role::Interpreter)
    }

    /// The file of a path from a directory that is to be run.
    ///
    /// # Errors
    /// Those of the walk and of [`executable`].
    pub fn open_to_run(&self, directory: i32, path: &[u8], last: Last, as_what: Role) -> Result<Executable> {
        let start = self.files.start(directory, path)?;
        let at = if path.first() == Some(&b'/') { &start.root } else { &start.from };
        if path.len() >= PATH_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        let found = match at.node.run_on(&Journey { root: &start.root, path, last, links: 0 }, as_what) {
            None => walk(self, &start, path, last)?,
            Some(outcome) => match outcome? {
                Runnable::Contents(contents) => return Ok(Executable::of(contents, None)),
                Runnable::On(from, rest, links) => walk_on(self, &Start { root: start.root.clone(), from }, relative(&rest), last, links)?,
            },
        };
        executable(&found.existing()?, as_what)
    }

    /// Note what runs now: the executable, what it is called, and what it was given.
    pub fn note_program(&self, program: Executable, strings: Strings, vector: Vec<VectorEntry>) {
        self.threads.with(|table| table.current().name = short_name(strings.name()).to_vec());
        *self.running.lock() = Running { path: program.path.clone(), program: Some(program), strings, vector };
    }

    /// The first thread's name, which is the process's; the thread's that runs, if the first has ended.
    #[must_use]
    pub fn leader_name(&self) -> Vec<u8> {
        self.threads.with(|table| match table.find(self.id()) {
            Some(slot) => table.at(slot).name.clone(),
            None => table.current().name.clone(),
        })
    }

    /// End the process.
    pub fn end(&self, ending: Ending) -> ! {
        if self.trace.is_on {
            crate::strace::ended(self, ending);
        }
        self.report_profile();
        self.leave_all_futexes();
        self.files.look_at_watch();
        let (most_resident, faults) = {
            let memory = self.memory.lock();
            (memory.most_resident as u64, memory.faults)
        };
        self.kernel.exit(ending.status(), most_resident | faults << 32)
    }

    /// Write a line to the console that is Chitin's, not the program's.
    pub fn report(&self, text: &str) {
        let mut line = Vec::from(*b"chitin: ");
        line.extend_from_slice(text.as_bytes());
        line.push(b'\n');
        self.kernel.put(&line);
    }

    /// Report a call that does not exist, unless that is as it should be.
    pub fn report_absent(&self, number: usize) {
        let name = match table::row(number) {
            Some(Row { support: Support::Declined(_), .. }) => return,
            Some(row) => row.name.into(),
            None => alloc::format!("{number}"),
        };
        self.report(&alloc::format!("[ENOSYS] {name}"));
        self.trace.note_absent(name);
    }

    /// Report the fault that ends the process.
    pub fn report_fault(&self, registers: &Registers, trap: &Trap, signal: u32) {
        let name = crate::signal::name(signal);
        self.report(&alloc::format!("{name} at pc {:#x}, address {:#x}, sp {:#x}", registers.pc, trap.address, registers.sp));
    }
}

/// What an entry has to be run.
///
/// # Errors
/// `ELOOP`: it is a symbolic link. `EACCES`: it is no regular file, or it may not be executed. `ETXTBSY`: it is open for writing.
pub fn executable(entry: &Arc<Entry>, as_what: Role) -> Result<Executable> {
    match entry.node.kind() {
        Kind::Link => return Err(Errno::ELOOP),
        // A tree that is kept elsewhere looks whether that is allowed when the file is opened.
        Kind::Regular if entry.node.elsewhere().is_some() => {}
        Kind::Regular => Subject::ROOT.may(&entry.node.attributes(), Wanted::EXECUTE)?,
        _ => return Err(Errno::EACCES),
    }
    Ok(Executable::of(Arc::clone(&entry.node).run(as_what)?, Some(entry)))
}

impl Executable {
    /// What was opened to be run, at an entry; none: the one that it tells itself.
    fn of((backing, path): Contents, entry: Option<&Arc<Entry>>) -> Executable {
        let entry = || entry.cloned().or_else(|| backing.entry());
        let owners = if backing.gives_ids() { entry().map(|entry| Owners::of(&entry.node.attributes())) } else { None };
        let path = path.or_else(|| entry().map(|entry| entry.path())).unwrap_or_default();
        Executable { path: Arc::from(path), owners: owners.unwrap_or_default(), backing }
    }
}

/// What a process is called that runs a program of this name.
#[must_use]
pub fn short_name(name: &[u8]) -> &[u8] {
    let name = name.rsplit(|&byte| byte == b'/').next().unwrap_or(name);
    &name[..name.len().min(unix::NAME_BYTES - 1)]
}

impl<K: Kernel> UserMemory for Process<K> {
    fn read(&self, address: usize, into: &mut [u8]) -> Result<()> {
        self.kernel.read(address, into)
    }

    #[inline(always)]
    fn read_fresh(&self, address: usize, into: &mut [MaybeUninit<u8>]) -> Result<()> {
        self.kernel.read_fresh(address, into)
    }

    fn write(&self, address: usize, from: &[u8]) -> Result<()> {
        self.kernel.write(address, from)
    }

    #[inline(always)]
    fn read_word(&self, address: usize) -> Result<u32> {
        self.kernel.read_word(address)
    }

    #[inline(always)]
    fn read_long(&self, address: usize) -> Result<u64> {
        self.kernel.read_long(address)
    }

    #[inline(always)]
    fn read_with<T: Plain, R: Copy>(&self, address: usize, look: impl FnOnce(&T) -> R) -> Result<R> {
        self.kernel.read_with(address, look)
    }

    fn compare_exchange(&self, address: usize, old: u32, new: u32) -> Result<u32> {
        self.kernel.compare_exchange(address, old, new)
    }
}
