//! A Linux program, run on Linux and on Chitin: the output's bytes and the status must be the same.

use std::fs::{self, File};
use std::ops::RangeInclusive;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use exo::command::CommandFlags;

use super::package::Packaged;
use crate::entry::Flavour;
use crate::initramfs::{Files, Node};
use crate::isa::Isa;
use crate::qemu::{End, Machine, Outcome, Scratch, boot_captured};
use crate::run::Guest;
use crate::{build, c_programs, go_programs, rootfs, setup, tree};

/// Where a program comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Program {
    /// One of `user/linux`. Its output does not depend on the ISA, so the host's own run is the truth for both: user-mode QEMU answers
    /// some calls otherwise than Linux.
    Ours(&'static str),
    /// One that `setup` got from the distribution. The same binary runs on the host, through user-mode QEMU if need be.
    Distribution(&'static str),
    /// The same, built with the shim: on the host it finds no library OS, in the guest it does.
    Shim(&'static str),
    /// One of `user/c`, static, whose output does not depend on the ISA either: the host's own stock build is the truth for the flavour that
    /// runs in the guest.
    C(&'static str, Flavour),
    /// One of `user/go`. Its output does not depend on the ISA either.
    Go(&'static str),
    /// A dynamic one.
    Packaged(Packaged),
}

impl Program {
    fn name(&self) -> &str {
        match self {
            Program::Ours(name) | Program::Distribution(name) | Program::Shim(name) | Program::C(name, _) | Program::Go(name) => name,
            Program::Packaged(program) => &program.path,
        }
    }
}

/// A program with all that it is given.
#[derive(Clone, Debug)]
pub struct Case {
    /// What the test is called.
    pub name: String,
    /// The program.
    pub program: Program,
    /// Its arguments, without the zeroth.
    pub arguments: Vec<String>,
    /// Its environment beyond PATH and HOME.
    pub environment: Vec<String>,
    /// Its standard input.
    pub input: Vec<u8>,
    /// Files in its working directory.
    pub files: Vec<(String, Vec<u8>)>,
    /// If it starts other programs: which it has in `tools` beside those that every system has. In the guest these are busybox's.
    pub companions: Option<Vec<&'static str>>,
    /// The policies that it has in the guest.
    pub policies: Vec<&'static str>,
    /// Whether there is a C compiler in `usr`, with all that it needs to build programs.
    pub has_system: bool,
    /// Whether the host's own binary is the truth for both ISAs: what a process sees of itself in `/proc` is the emulator's in user-mode QEMU.
    pub seen_by_host: bool,
    /// Whether its text is rewritten in the guest.
    pub rewritten: bool,
    /// How long it may take in the guest.
    pub timeout: Duration,
    /// The machine's memory, if it is to have less than usual.
    pub memory: Option<&'static str>,
    /// Whether it is to find the loopback alone: on Linux, in a name space of its own.
    pub networked: bool,
    /// Mount options of the file system that it runs in: in the guest the root, on Linux a tmpfs of a name space of its own.
    pub mounted: Option<&'static str>,
    /// Whether it is to panic, or to be ended by a signal.
    pub crashes: bool,
}

impl Case {
    /// A program with arguments.
    pub fn new(program: Program, arguments: &[&str]) -> Case {
        Case {
            name: format!("linux/{}", program.name()),
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            environment: Vec::new(),
            companions: None,
            has_system: false,
            input: Vec::new(),
            files: Vec::new(),
            policies: Vec::new(),
            seen_by_host: false,
            rewritten: false,
            timeout: Duration::from_secs(60),
            memory: None,
            mounted: None,
            networked: false,
            crashes: false,
            program,
        }
    }

    /// The same with rewritten text, by a name of its own.
    pub fn rewritten(self) -> Case {
        Case { name: format!("rewritten/{}", self.name), rewritten: true, ..self }
    }

    /// The same with a policy in the guest, by a name of its own.
    pub fn with_policy(mut self, setting: &'static str) -> Case {
        self.name = format!("policies/{setting}/{}", self.name);
        self.policies.push(setting);
        self
    }

    /// Its path in the guest, and the name that it is started by.
    fn guest_path(&self) -> String {
        match &self.program {
            Program::Packaged(program) => program.path.clone(),
            program => format!("/bin/{}", program.name()),
        }
    }

    /// The ISA of what runs on Linux.
    fn truth_of(&self, isa: Isa) -> Isa {
        let is_same = matches!(self.program, Program::Ours(_) | Program::C(..) | Program::Go(_));
        if is_same || self.seen_by_host { Isa::host() } else { isa }
    }

    /// The program on the host.
    pub(super) fn binary(&self, isa: Isa) -> Result<PathBuf> {
        Ok(match &self.program {
            Program::Ours(name) => build::linux(isa, Flavour::Stock, name),
            Program::Distribution(name) => tree::distribution_program(isa, Flavour::Stock, name),
            Program::Shim(name) => tree::distribution_program(isa, Flavour::Shim, name),
            Program::C(name, flavour) => c_programs::c_program(isa, *flavour, name, c_programs::Form::Static),
            Program::Go(name) => go_programs::go_program(isa, name),
            Program::Packaged(program) => program.binary(isa)?,
        })
    }

    /// How Linux runs it.
    fn linux_command(&self, isa: Isa, directory: &Path) -> Result<Command> {
        if let Program::Packaged(program) = &self.program {
            return program.command(isa, directory);
        }
        if isa == Isa::host() {
            let binary = self.binary(isa)?;
            if let Some(options) = self.mounted {
                return Ok(mounted(&binary, directory, options));
            }
            if self.networked {
                const SCRIPT: &str = "ip link set lo up 2>&- || ifconfig lo up 2>&-; exec \"$@\"";
                let mut command = Command::new("unshare");
                command.args(["-Urn", "sh", "-c", SCRIPT, "sh"]).arg(binary);
                return Ok(command);
            }
            let mut command = Command::new(binary);
            command.arg0(self.guest_path());
            return Ok(command);
        }
        let mut command = Command::new(setup::user_emulator(isa));
        command.arg("-0").arg(self.guest_path()).arg(self.binary(isa)?);
        Ok(command)
    }

    /// Put the program and its files into the guest.
    fn place(&self, isa: Isa) -> Result<Files> {
        let mut files = Files::new();
        match &self.program {
            Program::Packaged(program) => program.place(isa, &mut files)?,
            _ => files.add_program(&self.guest_path(), fs::read(self.binary(isa)?)?),
        }
        for (name, contents) in &self.files {
            files.add(name, Node::File(0o644, contents.clone()));
        }
        if self.has_system {
            rootfs::add_tree(&mut files, &tree::system(isa, Flavour::Stock), "")?;
        }
        if let Some(companions) = &self.companions {
            let program = |name| Ok::<_, anyhow::Error>(fs::read(tree::distribution_program(isa, Flavour::Stock, name))?);
            files.add_program("/bin/busybox", program("busybox")?);
            for path in setup::busybox_applets(isa)?.into_iter().filter(|path| !path.ends_with("/busybox")) {
                files.add(&path, Node::Link("/bin/busybox".into()));
            }
            for name in companions {
                files.add_program(&format!("tools/{name}"), program(name)?);
            }
        }
        Ok(files)
    }

    /// The same on Linux, in `directory`.
    fn place_companions(&self, isa: Isa, directory: &Path) -> Result<()> {
        let (isa, tools) = (self.truth_of(isa), directory.join("tools"));
        for name in self.companions.iter().flatten() {
            let (binary, place) = (tree::distribution_program(isa, Flavour::Stock, name), tools.join(name));
            fs::create_dir_all(&tools)?;
            if isa == Isa::host() {
                symlink(binary, place)?;
            } else {
                let start = format!("#!/bin/sh\nexec {} -0 \"$0\" {} \"$@\"\n", setup::user_emulator(isa), binary.display());
                fs::write(&place, start)?;
                fs::set_permissions(&place, fs::Permissions::from_mode(0o755))?;
            }
        }
        Ok(())
    }

    fn environment(&self) -> Vec<String> {
        let fixed = ["PATH=/bin:/usr/bin", "HOME=/root", "TERM=dumb"].map(str::to_owned);
        fixed.into_iter().chain(self.environment.iter().cloned()).collect()
    }

    /// Run on both and compare.
    pub fn run(&self, machine: &Machine) -> Result<()> {
        let truth = self.on_linux(machine.isa).context("on Linux")?;
        // A program that fails everywhere in the same way shows nothing, unless it is to.
        let has_crashed = truth.status == PANICKED || SIGNALS.contains(&truth.status.saturating_sub(SIGNALLED));
        ensure!(self.crashes == has_crashed, "status {} on Linux; it printed:\n{}", truth.status, tail(&truth.output));
        let found = self.on_chitin(machine)?;
        let output = without_log(&found.output);
        let code = match found.end {
            End::Exit(code) => code,
            ref other => bail!("{other}; it printed:\n{}", tail(&found.output)),
        };
        if code == truth.status && output == truth.output {
            return Ok(());
        }
        let kept = self.keep(machine.isa, &truth.output, &found.output)?;
        ensure!(code == truth.status, "status {code}, on Linux {}; outputs in {kept}; it printed:\n{}", truth.status, tail(&found.output));
        bail!("{}\noutputs in {kept}", difference(&truth.output, &output))
    }

    fn keep(&self, isa: Isa, truth: &[u8], found: &[u8]) -> Result<String> {
        let folder = tree::target().join("chitin/failures");
        fs::create_dir_all(&folder)?;
        let base = folder.join(format!("{}-{isa}", self.name.replace('/', "-")));
        fs::write(base.with_extension("linux"), truth)?;
        fs::write(base.with_extension("chitin"), found)?;
        Ok(format!("{}.{{linux,chitin}}", base.display()))
    }

    fn on_chitin(&self, machine: &Machine) -> Result<Outcome> {
        let mut environment = self.environment();
        let mut flags = CommandFlags::BATCH;
        if self.rewritten {
            flags |= CommandFlags::REWRITE;
            environment.push("CHITIN_REWRITTEN=1".into());
        }
        let guest = Guest {
            files: self.place(machine.isa)?,
            arguments: std::iter::once(self.guest_path()).chain(self.arguments.iter().cloned()).collect(),
            environment,
            flags,
            input: self.input.clone(),
            root_options: self.mounted.unwrap_or_default().to_owned(),
            settings: self.policies.iter().map(|&setting| setting.to_owned()).collect(),
            ..Guest::default()
        };
        boot_captured(machine, &build::kernel(machine.isa), &guest.image(machine.isa)?, self.timeout)
    }

    /// Run on the host: a fresh working directory, both output streams into one file.
    fn on_linux(&self, isa: Isa) -> Result<Truth> {
        let scratch = Scratch::new()?;
        let directory = scratch.path("directory");
        fs::create_dir(&directory)?;
        for (name, contents) in &self.files {
            let path = directory.join(name);
            fs::create_dir_all(path.parent().context("a file's folder")?)?;
            fs::write(&path, contents)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644))?;
        }
        let isa = self.truth_of(isa);
        self.place_companions(isa, &directory)?;
        if self.has_system {
            symlink(tree::system(isa, Flavour::Stock).join("usr"), directory.join("usr"))?;
        }
        fs::write(scratch.path("input"), &self.input)?;
        let output = fs::OpenOptions::new().create(true).append(true).open(scratch.path("output"))?;
        let mut command = self.linux_command(isa, &directory)?;
        command.args(&self.arguments).env_clear().current_dir(&directory).stdin(File::open(scratch.path("input"))?);
        for variable in self.environment() {
            let (name, value) = variable.split_once('=').context("a variable without a value")?;
            command.env(name, value);
        }
        command.stdout(output.try_clone()?).stderr(output);
        let status = wait(&mut command, self.timeout)?;
        Ok(Truth { status: status_byte(status), output: fs::read(scratch.path("output"))? })
    }
}

/// A program in a copy of a directory, in a tmpfs that is mounted over it in a name space of its own.
fn mounted(binary: &Path, directory: &Path, options: &str) -> Command {
    /// Filled before it is read-only.
    const SCRIPT: &str = "program=$1 directory=$2 options=$3; shift 3; cd \"$directory\" && exec 3<. && \
        mount -t tmpfs -o mode=755 none \"$directory\" && cd \"$directory\" && cp -R /proc/self/fd/3/. . && exec 3<&- && \
        mount -o \"remount,$options\" \"$directory\" && exec \"$program\" \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["-Urm", "sh", "-c", SCRIPT, "sh"]).arg(binary).arg(directory).arg(options);
    command
}

/// The status of a Rust program that panicked.
const PANICKED: u8 = 101;
/// The signals that there are.
const SIGNALS: RangeInclusive<u8> = 1..=64;
/// What a shell adds to a signal's number.
const SIGNALLED: u8 = 128;

/// What Linux gave.
struct Truth {
    status: u8,
    output: Vec<u8>,
}

/// A status as a shell has it: the exit code, or 128 plus the signal.
pub fn status_byte(status: ExitStatus) -> u8 {
    status.code().unwrap_or_else(|| i32::from(SIGNALLED) + status.signal().unwrap_or(0)) as u8
}

fn wait(command: &mut Command, timeout: Duration) -> Result<ExitStatus> {
    let mut child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if start.elapsed() > timeout {
            child.kill()?;
            child.wait()?;
            bail!("it did not end in {} s", timeout.as_secs());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The program's own output: without the lines that the library OS writes about calls that it does not know.
fn without_log(output: &[u8]) -> Vec<u8> {
    output.split_inclusive(|&byte| byte == b'\n').filter(|line| !line.starts_with(b"chitin: ")).flatten().copied().collect()
}

/// The last lines of an output, for a message.
pub fn tail(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(&output[output.len().saturating_sub(2000)..]).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}

/// The first line in which two outputs differ.
fn difference(truth: &[u8], found: &[u8]) -> String {
    let lines = |bytes: &[u8]| -> Vec<String> {
        bytes.split(|&byte| byte == b'\n').map(|line| String::from_utf8_lossy(line).into_owned()).collect()
    };
    let (truth, found) = (lines(truth), lines(found));
    let at = truth.iter().zip(&found).position(|(one, other)| one != other).unwrap_or(truth.len().min(found.len()));
    let show = |lines: &[String]| lines.get(at).map_or_else(|| "(the end)".to_owned(), |line| line.chars().take(200).collect());
    format!("line {}:\n  Linux:  {}\n  Chitin: {}", at + 1, show(&truth), show(&found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_different_line_is_shown() {
        let message = difference(b"same\none\n", b"same\nother\n");
        assert!(message.contains("line 2") && message.contains("one") && message.contains("other"));
        assert!(difference(b"same", b"same\nmore").contains("(the end)"));
    }

    #[test]
    fn only_the_library_oss_own_lines_are_taken_out() {
        assert_eq!(without_log(b"a\nchitin: unknown call\nb chitin: \n"), b"a\nb chitin: \n");
    }
}
