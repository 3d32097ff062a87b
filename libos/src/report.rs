//! What the process tells its files: the time, the console, and the texts of `/proc`.
#![forbid(unsafe_code)]

use alloc::format;
use alloc::string::String;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::ops::Range;

use abi::PAGE_SIZE;

use unix::Operation;

use crate::errno::{Errno, Result};
use crate::file::pipe::End;
use crate::file::ring::Wish;
use crate::file::terminal::TerminalFile;
use crate::file::{Access, File, Files};
use crate::identity::Word;
use crate::kernel::Kernel;
use crate::limits::UNLIMITED;
use crate::load::auxiliary::TICKS_PER_SECOND;
use crate::memory::{Contents, Label, Protection};
use crate::process::Process;
use crate::signal::{Information, Set, Signals};
use crate::syscall::process::{HOST_NAME, RELEASE, VERSION};
use crate::thread::Waits;
use crate::time::{Clock, SECOND};
use crate::user::{PROGRAM_TOP, UserMemory};
use crate::vfs::attributes::Time;
use crate::vfs::world::{Report, Table, World};

impl<K: Kernel> World for Process<K> {
    fn now(&self) -> Time {
        Time::from_nanoseconds(self.clock_ns(Clock::Realtime))
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
        Process::note_change(self);
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

    fn report(&self, report: Report) -> Vec<u8> {
        match report {
            Report::Maps => self.memory.lock().maps(),
            Report::Stat => self.stat().into_bytes(),
            Report::Status => self.status().into_bytes(),
            Report::Statm => self.statm().into_bytes(),
            Report::CommandLine => self.running.lock().arguments.clone(),
            Report::Environment => self.running.lock().environment.clone(),
            Report::AuxiliaryVector => self.vector(),
            Report::Command => [self.leader_name().as_slice(), b"\n"].concat(),
            Report::Limits => self.limits_text().into_bytes(),
            Report::InputOutput => {
                b"rchar: 0\nwchar: 0\nsyscr: 0\nsyscw: 0\nread_bytes: 0\nwrite_bytes: 0\ncancelled_write_bytes: 0\n".to_vec()
            }
            Report::MemoryInfo => self.memory_text().into_bytes(),
            Report::Ledger => self.ledger_text().into_bytes(),
            Report::CpuInfo => cpu_text().into_bytes(),
            Report::Uptime => self.uptime().into_bytes(),
            Report::LoadAverage => b"0.00 0.00 0.00 1/1 1\n".to_vec(),
            Report::SystemStat => self.system_stat().into_bytes(),
            Report::Version => format!("Linux version {RELEASE} (chitin) {VERSION}\n").into_bytes(),
            Report::Release => format!("{RELEASE}\n").into_bytes(),
            Report::HostName => format!("{HOST_NAME}\n").into_bytes(),
            Report::BootId | Report::Uuid => self.uuid().into_bytes(),
            Report::Cpus => b"0\n".to_vec(),
        }
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

    fn executable(&self) -> Vec<u8> {
        self.running.lock().path.clone()
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

/// Sizes of an address space, in pages.
struct Sizes {
    total: usize,
    resident: usize,
    text: usize,
    data: usize,
    stack: usize,
    most_resident: usize,
    shown: usize,
}

impl<K: Kernel> Process<K> {
    fn sizes(&self) -> Sizes {
        let memory = self.memory.lock();
        let (mut text, mut data, mut stack) = (0, 0, 0);
        for (start, region) in memory.regions.iter() {
            let pages = (region.end - start) / PAGE_SIZE;
            if region.label == Label::Stack {
                stack += pages;
            } else if region.protection.contains(Protection::EXECUTE) && matches!(region.contents, Contents::File(_)) {
                text += pages;
            } else if region.protection.contains(Protection::WRITE) {
                data += pages;
            }
        }
        let resident = memory.resident.pages();
        Sizes {
            total: memory.size() / PAGE_SIZE,
            resident,
            text,
            data,
            stack,
            most_resident: memory.most_resident,
            shown: memory.shown.pages(),
        }
    }

    /// proc_pid_stat(5): 52 fields, those that nothing here counts 0.
    fn stat(&self) -> String {
        let sizes = self.sizes();
        let name = String::from_utf8_lossy(&self.leader_name()).into_owned();
        let used = self.clock_ns(Clock::Process(0)) * TICKS_PER_SECOND / SECOND;
        let began = self.times.began_ns * TICKS_PER_SECOND / SECOND;
        let faults = self.memory.lock().faults;
        let bytes = sizes.total * PAGE_SIZE;
        let limit = UNLIMITED;
        let id = self.id();
        let bulletin = self.kernel.bulletin();
        let [parent, group, session] =
            [&bulletin.parent, &bulletin.group, &bulletin.session].map(|word| word.load(core::sync::atomic::Ordering::Relaxed));
        format!(
            "{id} ({name}) R {parent} {group} {session} 1025 {id} 0 {faults} 0 0 0 {used} 0 0 0 20 0 1 0 {began} {bytes} {} {limit} \
             0 0 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
            sizes.resident
        )
    }

    /// proc_pid_statm(5)
    fn statm(&self) -> String {
        let sizes = self.sizes();
        format!("{} {} {} {} 0 {} 0\n", sizes.total, sizes.resident, sizes.shown, sizes.text, sizes.data + sizes.stack)
    }

    /// proc_pid_status(5)
    fn status(&self) -> String {
        let sizes = self.sizes();
        let kib = |pages: usize| pages * PAGE_SIZE / 1024;
        let id = self.id();
        let name = String::from_utf8_lossy(&self.leader_name()).into_owned();
        let threads = self.threads.with(|table| table.iter().count());
        let (pending, blocked) = self.signals.with(|state| (state.pending_set(), state.own.blocked));
        let identity = self.kernel.identity();
        let parent = identity.get(Word::Parent);
        let others = *self.family.other_ids.lock();
        let ids = |real: Word, effective: Word, [saved, file]: [u32; 2]| {
            format!("{}\t{}\t{saved}\t{file}", identity.get(real), identity.get(effective))
        };
        let user = ids(Word::User, Word::EffectiveUser, [others[0], others[1]]);
        let group = ids(Word::UserGroup, Word::EffectiveUserGroup, [others[2], others[3]]);
        let groups: Vec<String> = self.family.groups.lock().iter().map(|group| format!("{group}")).collect();
        let groups = groups.join(" ");
        format!(
            "Name:\t{name}\nState:\tR (running)\nTgid:\t{id}\nNgid:\t0\nPid:\t{id}\nPPid:\t{parent}\nTracerPid:\t0\n\
             Uid:\t{user}\nGid:\t{group}\nFDSize:\t64\nGroups:\t{groups} \n\
             VmPeak:\t{:8} kB\nVmSize:\t{:8} kB\nVmLck:\t{:8} kB\nVmHWM:\t{:8} kB\nVmRSS:\t{:8} kB\nVmData:\t{:8} kB\nVmStk:\t{:8} kB\n\
             VmExe:\t{:8} kB\nVmSwap:\t{:8} kB\nThreads:\t{threads}\nSigPnd:\t{pending:016x}\nSigBlk:\t{blocked:016x}\n\
             Cpus_allowed:\t1\nCpus_allowed_list:\t0\n",
            kib(sizes.total),
            kib(sizes.total),
            0,
            kib(sizes.most_resident),
            kib(sizes.resident),
            kib(sizes.data),
            kib(sizes.stack),
            kib(sizes.text),
            0,
        )
    }

    /// What `/proc/self/pagemap` says of a page.
    fn page_word(&self, page: u64) -> Option<u64> {
        const PRESENT: u64 = 1 << 63;
        const OF_FILE: u64 = 1 << 61;
        const EXCLUSIVE: u64 = 1 << 56;
        let address = usize::try_from(page).ok()?.checked_mul(PAGE_SIZE).filter(|&address| address < PROGRAM_TOP)?;
        let memory = self.memory.lock();
        if !memory.resident.contains(address) {
            return Some(0);
        }
        let Ok(found) = self.kernel.page_query(address) else { return Some(0) };
        let shown = if memory.shown.contains(address) { OF_FILE } else { 0 };
        let alone = if self.kernel.frame_uses(found.frame) == Some(1) { EXCLUSIVE } else { 0 };
        Some(PRESENT | shown | alone | found.frame)
    }

    fn vector(&self) -> Vec<u8> {
        let running = self.running.lock();
        running.vector.iter().copied().chain([(0, 0)]).flat_map(|(key, value)| [key, value]).flat_map(u64::to_le_bytes).collect()
    }

    fn limits_text(&self) -> String {
        const NAMES: [(&str, &str); 16] = [
            ("Max cpu time", "seconds"),
            ("Max file size", "bytes"),
            ("Max data size", "bytes"),
            ("Max stack size", "bytes"),
            ("Max core file size", "bytes"),
            ("Max resident set", "bytes"),
            ("Max processes", "processes"),
            ("Max open files", "files"),
            ("Max locked memory", "bytes"),
            ("Max address space", "bytes"),
            ("Max file locks", "locks"),
            ("Max pending signals", "signals"),
            ("Max msgqueue size", "bytes"),
            ("Max nice priority", ""),
            ("Max realtime priority", ""),
            ("Max realtime timeout", "us"),
        ];
        let limits = self.limits.lock();
        let show = |limit: u64| if limit == UNLIMITED { String::from("unlimited") } else { format!("{limit}") };
        let mut text = format!("{:<25} {:<20} {:<20} {:<10}\n", "Limit", "Soft Limit", "Hard Limit", "Units");
        for (resource, (name, unit)) in NAMES.iter().enumerate() {
            if let Ok([soft, hard]) = limits.get(resource) {
                text += &format!("{name:<25} {:<20} {:<20} {unit:<10}\n", show(soft), show(hard));
            }
        }
        text
    }

    fn memory_text(&self) -> String {
        let (free, total) = self.frames();
        let kib = |pages: usize| pages * PAGE_SIZE / 1024;
        format!(
            "MemTotal:       {:8} kB\nMemFree:        {:8} kB\nMemAvailable:   {:8} kB\nBuffers:        {:8} kB\nCached:         {:8} kB\n\
             SwapTotal:      {:8} kB\nSwapFree:       {:8} kB\n",
            kib(total),
            kib(free),
            kib(free),
            0,
            0,
            0,
            0
        )
    }

    fn uptime(&self) -> String {
        let hundredths = self.now_ns() / (SECOND / 100);
        format!("{}.{:02} 0.00\n", hundredths / 100, hundredths % 100)
    }

    fn system_stat(&self) -> String {
        let ticks = self.now_ns() * TICKS_PER_SECOND / SECOND;
        let booted = self.kernel.info().boot_unix_ns / SECOND;
        format!(
            "cpu  {ticks} 0 0 0 0 0 0 0 0 0\ncpu0 {ticks} 0 0 0 0 0 0 0 0 0\nbtime {booted}\nprocesses 1\nprocs_running 1\nprocs_blocked 0\n"
        )
    }

    /// A random UUID of version 4, as text.
    fn uuid(&self) -> String {
        let mut bytes = [0; 16];
        self.random.fill(&mut bytes);
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let hexadecimal: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let part = |from: usize, to: usize| &hexadecimal[from..to];
        format!("{}-{}-{}-{}-{}\n", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
    }
}

/// `/proc/cpuinfo`, as far as it can be known from user mode on any machine.
fn cpu_text() -> String {
    if cfg!(target_arch = "x86_64") {
        String::from("processor\t: 0\nvendor_id\t: unknown\nmodel name\t: x86_64\nflags\t\t: fpu tsc cx8 cmov fxsr sse sse2\n\n")
    } else {
        String::from("processor\t: 0\nFeatures\t: fp asimd\nCPU architecture: 8\n\n")
    }
}
