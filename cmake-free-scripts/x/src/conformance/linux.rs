//! A suite on the host's Linux; through user-mode QEMU where the host is of the other ISA.
//!
//! The programs run as an ordinary user: root's would set the machine's clock.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::outcome::{Results, Transcript};
use super::suite::{Program, Suite};
use super::{NOBODY, PROGRAM_LIMIT, RUNNER};
use crate::entry::Flavour;
use crate::isa::Isa;
use crate::qemu::Scratch;
use crate::{build, progress, setup, tree};

/// Run all, `jobs` at a time. The tests of an interface run one after the other: they share names.
pub fn run(suite: &Suite, jobs: usize) -> Result<Results> {
    let spinner = progress::spinner(&format!("conformance: {} for {} on Linux", suite.kind.name(), suite.isa));
    let scratch = Scratch::new()?;
    // The build's folder may be out of another user's sight.
    let copied = Command::new("cp").arg("-r").arg(&suite.folder).arg(scratch.path("suite")).status().context("cannot start cp")?;
    ensure!(copied.success(), "cannot copy {}", suite.folder.display());
    let loader = scratch.path("loader");
    fs::copy(tree::musl(suite.isa, Flavour::Stock).join("lib/libc.so"), &loader)?;
    fs::set_permissions(&loader, fs::Permissions::from_mode(0o755))?;
    let shares = shares(&suite.programs, jobs);
    let results = std::thread::scope(|scope| -> Result<Results> {
        let workers: Vec<_> = shares
            .iter()
            .enumerate()
            .map(|(index, share)| (index, share, &scratch))
            .map(|(index, share, scratch)| scope.spawn(move || worker(suite, share, scratch, index)))
            .collect();
        let mut results = Results::new();
        for worker in workers {
            results.extend(worker.join().expect("a worker does not panic")?);
        }
        Ok(results)
    });
    spinner.finish_and_clear();
    results
}

/// The programs in about equal shares, each folder's in one.
fn shares(programs: &[Program], count: usize) -> Vec<Vec<&Program>> {
    let mut folders: BTreeMap<&str, Vec<&Program>> = BTreeMap::new();
    for program in programs {
        folders.entry(program.name.split('/').next().unwrap_or("")).or_default().push(program);
    }
    let mut shares = vec![Vec::new(); count];
    for folder in folders.into_values() {
        let least = shares.iter_mut().min_by_key(|share| share.len()).expect("there is a share");
        least.extend(folder);
    }
    shares
}

fn worker(suite: &Suite, share: &[&Program], scratch: &Scratch, index: usize) -> Result<Results> {
    let folder = scratch.path(&format!("work-{index}"));
    fs::create_dir(&folder)?;
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777))?;
    for entry in fs::read_dir(scratch.path("suite"))?.flatten().filter(|entry| entry.path().is_dir()) {
        symlink(entry.path(), folder.join(entry.file_name()))?;
    }
    let list = scratch.path(&format!("list-{index}"));
    let lines: Vec<String> = share.iter().map(|program| line(suite, program, &scratch.path("loader"))).collect();
    fs::write(&list, lines.concat())?;
    let runner = build::linux(Isa::host(), Flavour::Stock, RUNNER);
    let as_root = runs_as_root()?;
    // Queues of its own, where the host lets it: those that a killed test leaves count against the user's limit as long as the host runs.
    let unshares = || Command::new("unshare").args(["--ipc", "true"]).output().is_ok_and(|output| output.status.success());
    let mut command = if as_root && unshares() { Command::new("unshare") } else { Command::new(&runner) };
    if command.get_program() == "unshare" {
        command.arg("--ipc").arg(&runner);
    }
    command.arg(&list).arg(&folder).stdin(Stdio::null()).env_clear().env("PATH", "/usr/bin:/bin").env("HOME", "/tmp");
    command.args(suite.kind.stack_bytes().map(|bytes| format!("stack={bytes}")));
    if as_root {
        command.arg(format!("user={NOBODY}"));
    }
    let output = command.output().context("cannot start the runner")?;
    ensure!(output.status.success(), "the runner: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    Ok(Transcript::read(&output.stdout).results)
}

fn line(suite: &Suite, program: &Program, loader: &Path) -> String {
    let mut words = vec![PROGRAM_LIMIT.as_secs().to_string(), program.name.clone()];
    if suite.isa != Isa::host() {
        words.push(setup::user_emulator(suite.isa));
    }
    if program.dynamic {
        words.push(loader.display().to_string());
    }
    words.push(program.path.clone());
    words.join(" ") + "\n"
}

fn runs_as_root() -> Result<bool> {
    let identity = Command::new("id").arg("-u").output().context("cannot start id")?;
    Ok(identity.stdout.trim_ascii() == b"0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folders_programs_are_in_one_share() {
        let program = |name: &str| Program { name: name.into(), path: name.into(), dynamic: false };
        let programs: Vec<Program> = ["a/1", "a/2", "b/1", "c/1"].map(program).into();
        let shares = shares(&programs, 2);
        let names = |index: usize| shares[index].iter().map(|program| program.name.as_str()).collect::<Vec<_>>();
        assert_eq!((names(0), names(1)), (vec!["a/1", "a/2"], vec!["b/1", "c/1"]));
    }
}
