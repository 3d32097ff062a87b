//! `/proc` and `/sys`, as far as programs ask: proc(5), sysfs(5).

use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::errno::{Errno, Result};
use crate::vfs::attributes::{Time, device_number};
use crate::vfs::node::{Entry, Target};
use crate::vfs::text::{Body, Item, mount};
use crate::vfs::world::{Report, Table, World};

const fn fixed(name: &'static str, text: &'static str) -> Item {
    Item { name, body: Body::Fixed(text) }
}

const fn text(name: &'static str, text: fn(&dyn World) -> Vec<u8>) -> Item {
    Item { name, body: Body::Text(text) }
}

const fn report(name: &'static str, report: Report) -> Item {
    Item { name, body: Body::Report(report) }
}

const fn table(name: &'static str, table: Table) -> Item {
    Item { name, body: Body::Table(table) }
}

const fn directory(name: &'static str, items: &'static [Item]) -> Item {
    Item { name, body: Body::Directory(items) }
}

const fn place(name: &'static str, own: fn(&dyn World) -> Result<Target>, of_others: Report) -> Item {
    Item { name, body: Body::Place(own, of_others) }
}

const fn link(name: &'static str, target: fn(&dyn World) -> Result<Target>) -> Item {
    Item { name, body: Body::Link(target) }
}

fn to_self(world: &dyn World) -> Result<Target> {
    Ok(Target::Path(format!("{}", world.id()).into_bytes()))
}

fn to_thread(world: &dyn World) -> Result<Target> {
    Ok(Target::Path(format!("{}/task/{}", world.id(), world.thread()).into_bytes()))
}

fn to_mounts(_: &dyn World) -> Result<Target> {
    Ok(Target::Path(b"self/mounts".to_vec()))
}

fn to_executable(world: &dyn World) -> Result<Target> {
    Ok(world.executable())
}

fn to_current(world: &dyn World) -> Result<Target> {
    Ok(Target::Entry(world.files().ok_or(Errno::ENOENT)?.current_directory()))
}

fn to_root(world: &dyn World) -> Result<Target> {
    Ok(Target::Entry(world.files().ok_or(Errno::ENOENT)?.root()))
}

/// The mounts, as fstab(5) lays them out.
fn mounts(world: &dyn World) -> Vec<u8> {
    world.mounts(false)
}

/// The terminals' drivers, as procps(3)'s `ps` looks for their names.
const TERMINAL_DRIVERS: &str = "/dev/tty             /dev/tty        5       0 system:/dev/tty\n\
     /dev/console         /dev/console    5       1 system:console\n\
     /dev/ptmx            /dev/ptmx       5       2 system\n\
     serial               /dev/ttyS       4 64-95 serial\n\
     pty_slave            /dev/pts      136 0-1048575 pty:slave\n\
     pty_master           /dev/ptm      128 0-1048575 pty:master\n";

/// The mounts, as `/proc/self/mountinfo` has them.
fn mount_info(world: &dyn World) -> Vec<u8> {
    world.mounts(true)
}

/// What a thread's directory and its process's have in common.
macro_rules! thread_items {
    ($($more:expr),*) => {
        &[
            report("maps", Report::Maps),
            report("stat", Report::Stat),
            report("status", Report::Status),
            report("statm", Report::Statm),
            report("cmdline", Report::CommandLine),
            report("environ", Report::Environment),
            report("auxv", Report::AuxiliaryVector),
            report("comm", Report::Command),
            report("limits", Report::Limits),
            table("pagemap", Table::Pages),
            report("io", Report::InputOutput),
            report("ledger", Report::Ledger),
            text("mounts", mounts),
            text("mountinfo", mount_info),
            fixed("cgroup", "0::/\n"),
            fixed("oom_score", "0\n"),
            fixed("oom_score_adj", "0\n"),
            fixed("personality", "00000000\n"),
            fixed("uid_map", "         0          0 4294967295\n"),
            fixed("gid_map", "         0          0 4294967295\n"),
            report("smaps", Report::DetailedMaps),
            report("smaps_rollup", Report::SummedMaps),
            report("schedstat", Report::Schedule),
            fixed("wchan", "0"),
            fixed("loginuid", "4294967295"),
            fixed("sessionid", "4294967295"),
            fixed("oom_adj", "0\n"),
            fixed("setgroups", "allow\n"),
            fixed("coredump_filter", "00000033\n"),
            place("exe", to_executable, Report::Executable),
            place("cwd", to_current, Report::CurrentDirectory),
            place("root", to_root, Report::RootDirectory),
            Item { name: "fd", body: Body::Descriptors },
            Item { name: "fdinfo", body: Body::DescriptorTexts },
            $($more),*
        ]
    };
}

const TASK: &[Item] = thread_items!();
const PROCESS: &[Item] = thread_items!(Item { name: "task", body: Body::Threads(TASK) });

fn processors(world: &dyn World) -> Vec<u8> {
    world.report(Report::Cpus)
}

/// `/proc`
const PROC: &[Item] = &[
    link("self", to_self),
    link("thread-self", to_thread),
    link("mounts", to_mounts),
    report("meminfo", Report::MemoryInfo),
    table("kpagecount", Table::FrameCounts),
    report("cpuinfo", Report::CpuInfo),
    report("uptime", Report::Uptime),
    report("loadavg", Report::LoadAverage),
    report("stat", Report::SystemStat),
    report("version", Report::Version),
    fixed("filesystems", "nodev\ttmpfs\nnodev\tdevtmpfs\nnodev\tproc\nnodev\tsysfs\nnodev\tdevpts\n"),
    fixed("cmdline", "\n"),
    fixed("swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"),
    fixed("partitions", "major minor  #blocks  name\n\n"),
    fixed("modules", ""),
    fixed("consoles", "ttyS0                -W- (EC   a)    4:64\n"),
    directory("tty", &[fixed("drivers", TERMINAL_DRIVERS)]),
    fixed("devices", "Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/console\n\nBlock devices:\n"),
    directory(
        "sys",
        &[
            directory(
                "kernel",
                &[
                    report("osrelease", Report::Release),
                    fixed("ostype", "Linux\n"),
                    report("version", Report::Version),
                    report("hostname", Report::HostName),
                    fixed("domainname", "(none)\n"),
                    fixed("pid_max", "4194304\n"),
                    fixed("threads-max", "32768\n"),
                    fixed("ngroups_max", "65536\n"),
                    fixed("cap_last_cap", "40\n"),
                    fixed("randomize_va_space", "0\n"),
                    fixed("core_pattern", "core\n"),
                    fixed("sched_rt_runtime_us", "950000\n"),
                    directory(
                        "random",
                        &[
                            report("boot_id", Report::BootId),
                            report("uuid", Report::Uuid),
                            fixed("entropy_avail", "256\n"),
                            fixed("poolsize", "256\n"),
                        ],
                    ),
                ],
            ),
            directory(
                "vm",
                &[
                    fixed("overcommit_memory", "0\n"),
                    fixed("overcommit_ratio", "50\n"),
                    fixed("max_map_count", "65530\n"),
                    fixed("mmap_min_addr", "65536\n"),
                    fixed("swappiness", "60\n"),
                ],
            ),
            directory("fs", &[fixed("file-max", "1048576\n"), fixed("nr_open", "1048576\n"), fixed("pipe-max-size", "1048576\n")]),
        ],
    ),
];

/// `/sys`
const SYS: &[Item] = &[
    directory(
        "devices",
        &[directory(
            "system",
            &[directory(
                "cpu",
                &[
                    Item { name: "online", body: Body::Text(processors) },
                    Item { name: "possible", body: Body::Text(processors) },
                    Item { name: "present", body: Body::Text(processors) },
                    fixed("offline", "\n"),
                    fixed("kernel_max", "0\n"),
                    fixed("isolated", "\n"),
                    directory(
                        "cpu0",
                        &[directory(
                            "topology",
                            &[
                                fixed("core_id", "0\n"),
                                fixed("physical_package_id", "0\n"),
                                fixed("core_siblings", "1\n"),
                                fixed("core_siblings_list", "0\n"),
                                fixed("thread_siblings", "1\n"),
                                fixed("thread_siblings_list", "0\n"),
                            ],
                        )],
                    ),
                ],
            )],
        )],
    ),
    directory("fs", &[directory("cgroup", &[])]),
    directory("kernel", &[directory("mm", &[directory("transparent_hugepage", &[fixed("enabled", "always madvise [never]\n")])])]),
];

/// Mount `/proc`.
#[must_use]
pub fn mount_proc(parent: &Arc<Entry>, now: Time) -> Arc<Entry> {
    mount(Body::Processes(PROC, PROCESS), parent, b"proc", device_number(0, 4), 0x9fa0, now)
}

/// Mount `/sys`.
#[must_use]
pub fn mount_sys(parent: &Arc<Entry>, now: Time) -> Arc<Entry> {
    mount(Body::Directory(SYS), parent, b"sys", device_number(0, 6), 0x6265_6572, now)
}
