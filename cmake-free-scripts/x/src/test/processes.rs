//! Level 3: real programs that make processes: shells and make.

use std::time::Duration;

use super::Test;
use super::compare::{Case, Program};
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
