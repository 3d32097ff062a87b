//! The texts of `/proc` and `/sys` about the machine.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use abi::PAGE_SIZE;
use unix::Operation;

use crate::kernel::Kernel;
use crate::load::auxiliary::TICKS_PER_SECOND;
use crate::process::Process;
use crate::syscall::process::{HOST_NAME, RELEASE, VERSION};
use crate::time::SECOND;
use crate::vfs::world::{Report, World};

/// What `unixd` counts.
pub struct Census {
    /// Processes, the dead that nobody waited for included.
    pub processes: u32,
    /// The id that was given last.
    pub last_id: u32,
    /// Load averages of 1, 5 and 15 minutes, in hundredths.
    pub loads: [u64; 3],
    /// Nanoseconds that processes ran, and that `unixd` did.
    pub ran_ns: [u64; 2],
}

impl<K: Kernel> Process<K> {
    /// What `unixd` counts; of a process that is alone, itself.
    #[must_use]
    pub fn census(&self) -> Census {
        let [counts, loads, processes_ns, server_ns] =
            self.ask(Operation::Census, 0, 0, [0; 3]).unwrap_or([1 | 1 << 32, 0, self.now_ns(), 0]);
        let loads = [0, 16, 32].map(|shift| loads >> shift & 0xffff);
        Census { processes: counts as u32, last_id: (counts >> 32) as u32, loads, ran_ns: [processes_ns, server_ns] }
    }

    /// A text about the machine; `None`: it is one about a process.
    pub(super) fn machine_text(&self, report: Report) -> Option<Vec<u8>> {
        Some(match report {
            Report::MemoryInfo => self.memory_text().into_bytes(),
            Report::CpuInfo => cpu_text().into_bytes(),
            Report::Uptime => self.uptime().into_bytes(),
            Report::LoadAverage => self.load_average().into_bytes(),
            Report::SystemStat => self.system_stat().into_bytes(),
            Report::Version => format!("Linux version {RELEASE} (chitin) {VERSION}\n").into_bytes(),
            Report::Release => format!("{RELEASE}\n").into_bytes(),
            Report::HostName => format!("{HOST_NAME}\n").into_bytes(),
            Report::BootId | Report::Uuid => self.uuid().into_bytes(),
            Report::Cpus => b"0\n".to_vec(),
            _ => return None,
        })
    }

    /// proc_meminfo(5). There is no cache: what files take is in use.
    fn memory_text(&self) -> String {
        let (free, total) = self.frames();
        let rows = [
            ("MemTotal", total),
            ("MemFree", free),
            ("MemAvailable", free),
            ("Buffers", 0),
            ("Cached", 0),
            ("SwapCached", 0),
            ("Active", total - free),
            ("Inactive", 0),
            ("SwapTotal", 0),
            ("SwapFree", 0),
            ("Dirty", 0),
            ("Writeback", 0),
            ("AnonPages", total - free),
            ("Mapped", 0),
            ("Shmem", 0),
            ("KReclaimable", 0),
            ("Slab", 0),
            ("SReclaimable", 0),
            ("SUnreclaim", 0),
            ("KernelStack", 0),
            ("PageTables", 0),
            ("CommitLimit", total),
            ("Committed_AS", total - free),
        ];
        rows.map(|(name, pages)| format!("{:<15} {:8} kB\n", format!("{name}:"), pages * PAGE_SIZE / 1024)).concat()
    }

    /// Nanoseconds for which nothing ran.
    fn idle_ns(&self, census: &Census) -> u64 {
        self.now_ns().saturating_sub(census.ran_ns[0] + census.ran_ns[1])
    }

    /// proc_uptime(5)
    fn uptime(&self) -> String {
        let show = |ns: u64| format!("{}.{:02}", ns / SECOND, ns % SECOND / (SECOND / 100));
        let idle = self.idle_ns(&self.census());
        format!("{} {}\n", show(self.now_ns()), show(idle))
    }

    /// proc_loadavg(5)
    fn load_average(&self) -> String {
        let Census { processes, last_id, loads, .. } = self.census();
        let [one, five, fifteen] = loads.map(|load| format!("{}.{:02}", load / 100, load % 100));
        format!("{one} {five} {fifteen} 1/{processes} {last_id}\n")
    }

    /// proc_stat(5): what processes do is user time, what `unixd` does for them system time.
    fn system_stat(&self) -> String {
        let census = self.census();
        let ticks = |ns: u64| ns * TICKS_PER_SECOND / SECOND;
        let [user, system] = census.ran_ns.map(ticks);
        let idle = ticks(self.idle_ns(&census));
        let booted = self.kernel.info().boot_unix_ns / SECOND;
        let (traps, made) = (self.kernel.info().traps, census.last_id);
        format!(
            "cpu  {user} 0 {system} {idle} 0 0 0 0 0 0\ncpu0 {user} 0 {system} {idle} 0 0 0 0 0 0\nintr {traps}\nctxt {traps}\nbtime {booted}\n\
             processes {made}\nprocs_running 1\nprocs_blocked 0\nsoftirq 0 0 0 0 0 0 0 0 0 0 0\n"
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
        String::from(
            "processor\t: 0\nvendor_id\t: unknown\ncpu family\t: 6\nmodel\t\t: 0\nmodel name\t: x86_64\nstepping\t: 0\nphysical id\t: 0\n\
             siblings\t: 1\ncore id\t\t: 0\ncpu cores\t: 1\nflags\t\t: fpu tsc cx8 cmov fxsr sse sse2\nbogomips\t: 2000.00\n\
             clflush size\t: 64\ncache_alignment\t: 64\naddress sizes\t: 46 bits physical, 48 bits virtual\n\n",
        )
    } else {
        String::from(
            "processor\t: 0\nBogoMIPS\t: 2000.00\nFeatures\t: fp asimd\nCPU implementer\t: 0x00\nCPU architecture: 8\nCPU variant\t: 0x0\n\
             CPU part\t: 0x000\nCPU revision\t: 0\n\n",
        )
    }
}
