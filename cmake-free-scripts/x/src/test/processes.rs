//! Level 3: real programs that make processes: shells, make, and what is done with many of them.

use std::time::Duration;

use super::Test;
use super::compare::{Case, Program};
use super::text::prose;
use crate::isa::Isa;
use crate::qemu::Machine;

/// They wait for each other, and the emulator is slow.
const TIMEOUT: Duration = Duration::from_secs(240);

/// One test for each case.
pub fn tests(isa: Isa) -> Vec<Test> {
    let cases = [shells(), vec![make(), seen()]].concat();
    let rewritten: Vec<Case> = cases.iter().cloned().map(Case::rewritten).collect();
    cases
        .into_iter()
        .chain(rewritten)
        .chain([thousand_files(), write_ahead_log(), compiler(), loopback()])
        .map(|case| {
            let machine = Machine::default_for(isa);
            let name = case.name.clone();
            let work = move || case.run(&machine).map_err(|error| format!("{error:#}"));
            Test { name, level: 3, isa: Some(isa), work: Box::new(work) }
        })
        .collect()
}

/// A case that may start `companions` and what every system has.
fn starting(name: &str, program: &'static str, arguments: &[&str], companions: &[&'static str], files: &[(&str, &[u8])]) -> Case {
    Case {
        name: name.into(),
        companions: Some(companions.to_vec()),
        files: files.iter().map(|&(name, contents)| (name.to_owned(), contents.to_vec())).collect(),
        timeout: TIMEOUT,
        ..Case::new(Program::Distribution(program), arguments)
    }
}

/// One script, by three shells.
fn shells() -> Vec<Case> {
    let script: &[(&str, &[u8])] = &[("shell.sh", include_bytes!("scripts/shell.sh"))];
    vec![
        starting("processes/dash", "dash", &["shell.sh"], &[], script),
        starting("processes/ash", "busybox", &["ash", "shell.sh"], &[], script),
        starting("processes/ash-glibc", "busybox-glibc", &["ash", "shell.sh"], &[], script),
    ]
}

/// What busybox's `ps`, `top`, `pgrep` and their like tell of processes.
fn seen() -> Case {
    let script: &[(&str, &[u8])] = &[("seen.sh", include_bytes!("scripts/seen.sh"))];
    Case { seen_by_host: true, ..starting("processes/seen", "busybox", &["sh", "seen.sh"], &["busybox"], script) }
}

fn make() -> Case {
    let files: &[(&str, &[u8])] = &[
        ("run.sh", include_bytes!("scripts/project/run.sh")),
        ("Makefile", include_bytes!("scripts/project/Makefile")),
        ("sub.mk", include_bytes!("scripts/project/sub.mk")),
    ];
    starting("processes/make", "busybox", &["sh", "run.sh"], &["make"], files)
}

/// Busybox's applets over a tree of a thousand files.
fn thousand_files() -> Case {
    let script: &[(&str, &[u8])] = &[("thousand.sh", include_bytes!("scripts/thousand.sh"))];
    starting("world/thousand-files", "busybox", &["sh", "thousand.sh"], &["busybox"], script)
}

/// A database that several processes have open, one of which is killed in the middle of a transaction.
fn write_ahead_log() -> Case {
    let script: &[(&str, &[u8])] = &[("wal.sh", include_bytes!("scripts/wal.sh"))];
    starting("world/write-ahead-log", "busybox", &["sh", "wal.sh"], &["sqlite3"], script)
}

/// Servers and clients, over the loopback.
fn loopback() -> Case {
    let script: &[(&str, &[u8])] = &[("loopback.sh", include_bytes!("scripts/loopback.sh"))];
    let case = starting("world/loopback", "busybox", &["sh", "loopback.sh"], &["busybox"], script);
    Case { networked: true, seen_by_host: true, ..case }
}

/// A C compiler compiles programs and itself; make builds Lua with it.
fn compiler() -> Case {
    let text = prose(20_000);
    let files: &[(&str, &[u8])] = &[
        ("tcc.sh", include_bytes!("scripts/tcc.sh")),
        ("sort.c", include_bytes!("scripts/c/sort.c")),
        ("threads.c", include_bytes!("scripts/c/threads.c")),
        ("classics.lua", include_bytes!("scripts/classics.lua")),
        ("text", &text),
    ];
    let case = starting("world/compiler", "busybox", &["sh", "tcc.sh"], &["make", "busybox"], files);
    Case { has_system: true, seen_by_host: true, ..case }
}
