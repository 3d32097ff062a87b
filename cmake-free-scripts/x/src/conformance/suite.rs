//! A suite: programs, built by `suites.sh`, that say by their status whether they passed.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use goblin::elf::Elf;

use crate::entry::Flavour;
use crate::isa::Isa;
use crate::{setup, tree};

/// A public suite.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum SuiteKind {
    /// The Open POSIX Test Suite's interface tests, from a distribution source package.
    Posix,
    /// musl's libc-test, from a copy that the user has.
    LibcTest,
}

impl SuiteKind {
    /// Both.
    pub const ALL: [SuiteKind; 2] = [SuiteKind::Posix, SuiteKind::LibcTest];

    /// Its name, as `suites.sh` has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            SuiteKind::Posix => "posix",
            SuiteKind::LibcTest => "libc-test",
        }
    }

    /// The stack's limit that its own runner sets, in bytes.
    #[must_use]
    pub fn stack_bytes(self) -> Option<u64> {
        (self == SuiteKind::LibcTest).then_some(100 << 10)
    }

    /// What a program is counted under in the table: a family of interfaces, or the folder.
    #[must_use]
    pub fn family(self, name: &str) -> &str {
        let folder = name.split('/').next().unwrap_or(name);
        if self == SuiteKind::LibcTest {
            return folder;
        }
        let families: [(&str, &[&str]); 10] = [
            ("asynchronous files", &["aio_", "lio_"]),
            ("message queues", &["mq_"]),
            ("semaphores", &["sem_"]),
            ("scheduling", &["sched_"]),
            ("timers", &["timer_"]),
            ("memory", &["mmap", "munmap", "mlock", "munlock", "shm_"]),
            ("signals", &["sig", "raise", "kill"]),
            ("threads", &["pthread_"]),
            ("processes", &["fork", "getpid"]),
            ("clocks", &["clock", "nanosleep", "time", "asctime", "ctime", "difftime", "gmtime", "localtime", "mktime", "strftime"]),
        ];
        let of_prefix = |(_, prefixes): &&(&str, &[&str])| prefixes.iter().any(|prefix| folder.starts_with(prefix));
        families.iter().find(of_prefix).map_or(folder, |(family, _)| family)
    }
}

/// A program of a suite.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Program {
    /// What the test is called.
    pub name: String,
    /// Its path in the suite's folder, which it is run in.
    pub path: String,
    /// Whether it needs a loader.
    pub dynamic: bool,
}

/// A suite's programs for an ISA.
#[derive(Clone, Debug)]
pub struct Suite {
    /// Which one.
    pub kind: SuiteKind,
    /// What they are built for.
    pub isa: Isa,
    /// Where they are.
    pub folder: PathBuf,
    /// The programs.
    pub programs: Vec<Program>,
    /// Other files that programs need, by their paths in the folder: shared objects, programs that are executed.
    pub others: Vec<String>,
    /// What was not built, and why.
    pub not_built: Vec<(String, String)>,
    /// Another one where a program is another.
    pub stamp: String,
}

impl Suite {
    /// The Open POSIX Test Suite's tests of `core.list`, built unless they are.
    pub fn core(isa: Isa) -> Result<Suite> {
        let flavour = Flavour::Stock;
        let name = "posix-core";
        let folder = folder(name, isa);
        let list = tree::root().join("cmake-free-scripts/x/src/conformance/core.list");
        let salt = musl_version(isa)? + CORE;
        setup::suite(name, isa, flavour, &salt, &folder, &[list.display().to_string()])?;
        Suite::built(SuiteKind::Posix, isa, folder)
    }

    /// Build it, unless it is built. `source` is the copy of libc-test.
    pub fn build(kind: SuiteKind, isa: Isa, source: Option<&Path>) -> Result<Suite> {
        let folder = folder(kind.name(), isa);
        let mut arguments = Vec::new();
        let mut salt = musl_version(isa)?;
        if kind == SuiteKind::LibcTest {
            let source = source.context("libc-test needs --libc-test PATH")?;
            let source = source.canonicalize().with_context(|| format!("there is no {}", source.display()))?;
            salt += &digest(&source)?;
            arguments.push(source.display().to_string());
        }
        setup::suite(kind.name(), isa, Flavour::Stock, &salt, &folder, &arguments)?;
        Suite::built(kind, isa, folder)
    }

    fn built(kind: SuiteKind, isa: Isa, folder: PathBuf) -> Result<Suite> {
        let list = |name: &str| -> Result<Vec<(String, String)>> {
            let text = std::fs::read_to_string(folder.join(name)).with_context(|| format!("{} has no list {name}", folder.display()))?;
            Ok(text.lines().filter_map(|line| line.split_once(' ')).map(|(name, rest)| (name.to_owned(), rest.to_owned())).collect())
        };
        let programs: Vec<Program> = list("built")?
            .into_iter()
            .map(|(name, path)| Ok(Program { dynamic: is_dynamic(&folder.join(&path))?, name, path }))
            .collect::<Result<_>>()?;
        let not_built = list("not-built")?;
        let others = other_files(&folder, &programs)?;
        let stamp = digest(&folder)?;
        Ok(Suite { kind, isa, folder, programs, others, not_built, stamp })
    }
}

/// Names of the tests that `cargo x test` runs: a few of each family, those that take no time, a line each.
const CORE: &str = include_str!("core.list");

/// The families that they are of, each with its tests.
#[must_use]
pub fn core_families() -> BTreeMap<&'static str, Vec<&'static str>> {
    let mut families = BTreeMap::<_, Vec<_>>::new();
    for name in CORE.lines().filter(|line| !line.starts_with('#')) {
        families.entry(SuiteKind::Posix.family(name)).or_default().push(name);
    }
    families
}

fn folder(name: &str, isa: Isa) -> PathBuf {
    tree::cache().join("suites").join(isa.name()).join(Flavour::Stock.name()).join(name)
}

fn musl_version(isa: Isa) -> Result<String> {
    Ok(std::fs::read_to_string(tree::musl(isa, Flavour::Stock).join("VERSION"))?)
}

/// Files in folders of the suite's folder that are none of its programs.
fn other_files(folder: &Path, programs: &[Program]) -> Result<Vec<String>> {
    let mut others = Vec::new();
    for file in files(folder)? {
        let path = file.strip_prefix(folder)?.display().to_string();
        if path.contains('/') && programs.iter().all(|program| program.path != path) {
            others.push(path);
        }
    }
    Ok(others)
}

fn is_dynamic(path: &Path) -> Result<bool> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let elf = Elf::parse(&bytes).with_context(|| format!("{} is no program", path.display()))?;
    Ok(elf.interpreter.is_some())
}

/// The files of a folder and below, in the order of their names.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
            let entry = entry?;
            let kind = entry.file_type()?;
            match (kind.is_dir(), kind.is_file()) {
                (true, _) if entry.file_name() == ".git" => {}
                (true, _) => folders.push(entry.path()),
                (_, true) => found.push(entry.path()),
                _ => bail!("{} is neither file nor folder", entry.path().display()),
            }
        }
    }
    found.sort();
    Ok(found)
}

/// A number that tells one folder's contents from another's, in hexadecimal digits.
fn digest(folder: &Path) -> Result<String> {
    let mut hasher = DefaultHasher::new();
    for file in files(folder)? {
        file.strip_prefix(folder)?.hash(&mut hasher);
        std::fs::read(&file)?.hash(&mut hasher);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_is_counted_with_its_kin() {
        let family = |name| SuiteKind::Posix.family(name);
        assert_eq!(family("timer_settime/1-1"), "timers");
        assert_eq!(family("time/1-1"), "clocks");
        assert_eq!(family("sigqueue/4-1"), "signals");
        assert_eq!(family("killpg/1-1"), "signals");
        assert_eq!(family("shm_open/1-1"), "memory");
        assert_eq!(family("fsync/5-1"), "fsync");
        assert_eq!(SuiteKind::LibcTest.family("regression/malloc-0"), "regression");
    }
}
