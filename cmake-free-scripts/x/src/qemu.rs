//! The emulator: how a machine is asked for, and how its end is read.

use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::isa::Isa;
use crate::trace::Tracer;

/// A kind of machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Kind {
    /// x86_64: a PC with PCI Express.
    Q35,
    /// x86_64: virtio-mmio and little else.
    Microvm,
    /// aarch64: QEMU's own board.
    Virt,
}

/// A machine to boot.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Its instruction set.
    pub isa: Isa,
    /// Its kind.
    pub kind: Kind,
    /// Its CPU model, by QEMU's name.
    pub cpu: String,
    /// Its memory, as QEMU's `-m` takes it.
    pub memory: String,
    /// aarch64: its interrupt controller's version, 2 or 3.
    pub gic: u8,
    /// Count instructions: one tick of the clock each.
    pub icount: bool,
    /// Run on the host's CPU instead of an emulated one.
    pub kvm: bool,
    /// The kernel's command line, where it takes one.
    pub append: String,
    /// The file of the host's that the machine's memory is, if it is to be one.
    pub memory_file: Option<PathBuf>,
    /// A plugin of the translator's, as `-plugin` takes it.
    pub plugin: Option<String>,
}

impl Machine {
    /// The machine that is used where none is asked for.
    pub fn default_for(isa: Isa) -> Machine {
        let kind = match isa {
            Isa::Aarch64 => Kind::Virt,
            Isa::X86_64 => Kind::Q35,
        };
        Machine {
            isa,
            kind,
            cpu: "max".into(),
            memory: "512M".into(),
            gic: 3,
            icount: false,
            kvm: false,
            append: String::new(),
            memory_file: None,
            plugin: None,
        }
    }

    /// Whether its memory has no gap: a PC has one below 4 GiB, and goes on above.
    pub fn memory_is_contiguous(&self) -> bool {
        self.isa == Isa::Aarch64 || self.mebibytes().is_some_and(|mebibytes| mebibytes <= 2048)
    }

    /// Its memory, if that is said in MiB or GiB.
    pub fn mebibytes(&self) -> Option<u64> {
        let (digits, unit) = self.memory.split_at(self.memory.trim_end_matches(|unit: char| unit.is_ascii_alphabetic()).len());
        match (digits.parse::<u64>(), unit) {
            (Ok(number), "G" | "g") => number.checked_mul(1024),
            (Ok(number), "M" | "m" | "") => Some(number),
            _ => None,
        }
    }

    /// The command that boots it, without its console. `exit_codes`: the file for the byte that the guest exits with (x86_64).
    pub fn command(&self, kernel: &Path, image: &Path, exit_codes: &Path) -> Command {
        let mut command = Command::new(format!("qemu-system-{}", self.isa));
        let mut kind = match self.kind {
            // Nothing is attached to its disk controller, which the firmware would search for ten million instructions.
            Kind::Q35 => "q35,sata=off".to_owned(),
            Kind::Microvm => "microvm,rtc=on".to_owned(),
            Kind::Virt => format!("virt,gic-version={}", self.gic),
        };
        if let Some(file) = &self.memory_file {
            let (size, path) = (&self.memory, file.display());
            command.args(["-object", &format!("memory-backend-file,id=memory,size={size},mem-path={path},share=on")]);
            kind += ",memory-backend=memory";
        }
        command.args(["-M", &kind, "-m", &self.memory, "-nodefaults", "-display", "none", "-monitor", "none", "-no-reboot"]);
        match (self.kvm, self.icount) {
            (true, _) => command.args(["-accel", "kvm", "-cpu", "host"]),
            // An erms copy counts one instruction per byte, which no processor takes.
            (false, true) if self.isa == Isa::X86_64 && self.cpu == "max" => {
                command.args(["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off", "-cpu", "max,-erms,-fsrm"])
            }
            (false, true) => command.args(["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off", "-cpu", &self.cpu]),
            (false, false) => command.args(["-accel", "tcg", "-cpu", &self.cpu]),
        };
        if self.icount && !self.kvm {
            // What a machine draws at random and what date it has are the same each time, too.
            command.args(["-seed", "1", "-rtc", "base=2026-01-01T00:00:00,clock=vm"]);
        }
        match self.isa {
            Isa::Aarch64 => {
                command.args(["-semihosting-config", "enable=on,target=native"]);
            }
            Isa::X86_64 => {
                command.args(["-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-debugcon"]);
                command.arg(format!("file:{}", exit_codes.display()));
            }
        }
        command.arg("-kernel").arg(kernel).arg("-initrd").arg(image);
        if !self.append.is_empty() {
            command.args(["-append", &self.append]);
        }
        if let Some(plugin) = &self.plugin {
            command.args(["-plugin", plugin]);
        }
        command
    }
}

/// How a machine ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum End {
    /// By the guest's wish, with its code.
    Exit(u8),
    /// Without the guest's wish: reset by a triple fault, or powered off.
    Reset,
    /// Still running when its time was over.
    Timeout,
    /// The emulator failed.
    Emulator(String),
}

impl std::fmt::Display for End {
    fn fmt(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            End::Exit(code) => write!(formatter, "exit {code}"),
            End::Reset => formatter.write_str("reset"),
            End::Timeout => formatter.write_str("timeout"),
            End::Emulator(message) => write!(formatter, "emulator: {message}"),
        }
    }
}

impl End {
    /// The status that the tool itself ends with.
    pub fn status(&self) -> u8 {
        match self {
            End::Exit(code) => *code,
            End::Timeout => 124,
            End::Reset | End::Emulator(_) => 125,
        }
    }
}

/// Read the end off the emulator's exit status. On aarch64 it is the guest's code. On x86_64 the exit device gives an odd status whose
/// other seven bits are the code's low ones, and the whole byte is the last in `exit_codes`; 0 is a reset.
fn end(isa: Isa, status: ExitStatus, errors: &str, exit_codes: &[u8]) -> End {
    let Some(code) = status.code() else { return End::Emulator(format!("{status} {errors}")) };
    let complained = errors.lines().find(|line| line.starts_with("qemu-system") && !line.contains("warning:"));
    match (isa, complained) {
        (_, Some(complaint)) if code == 1 => End::Emulator(complaint.to_owned()),
        (Isa::Aarch64, _) => End::Exit(code as u8),
        (Isa::X86_64, _) if code == 0 => End::Reset,
        (Isa::X86_64, _) => match exit_codes.last() {
            Some(byte) if (byte & 0x7f) << 1 | 1 == code as u8 => End::Exit(*byte),
            _ => End::Emulator(format!("status {code} without an exit code {errors}")),
        },
    }
}

/// A folder for one boot's files, gone when dropped.
pub struct Scratch(PathBuf);

impl Scratch {
    /// A fresh one.
    pub fn new() -> Result<Scratch> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("chitin-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Scratch(path))
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A folder that cannot be removed is in the system's temporary place and goes with it.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What a boot left behind.
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// What came out of the console; empty where the console was the terminal.
    pub output: Vec<u8>,
    /// How long it took.
    pub took: Duration,
}

/// Boot with the console on this process's own streams, but for what is the tracer's. Where they are a terminal every key is the guest's, ^C too, but for the emulator's
/// escape, ^A.
pub fn boot_on_terminal(machine: &Machine, kernel: &Path, image: &Path, timeout: Option<Duration>, tracer: Tracer) -> Result<Outcome> {
    let scratch = Scratch::new()?;
    let mut command = machine.command(kernel, image, &scratch.path("exit"));
    let console = if std::io::stdin().is_terminal() {
        eprintln!("Ctrl-A x ends the machine, Ctrl-A h helps; all other keys are the program's.");
        "stdio,id=console,signal=off,mux=on"
    } else {
        "stdio,id=console"
    };
    command.args(["-chardev", console, "-serial", "chardev:console"]).stderr(std::fs::File::create(scratch.path("errors"))?);
    let (mut console, writer) = std::io::pipe().context("no pipe")?;
    command.stdout(writer);
    let start = Instant::now();
    std::thread::scope(|scope| {
        // It ends when the emulator, which alone has the other end then, has.
        let reading = scope.spawn(move || -> Result<Tracer> {
            let (mut tracer, mut bytes) = (tracer, [0; 4096]);
            loop {
                match console.read(&mut bytes)? {
                    0 => return Ok(tracer),
                    count => tracer.take(&bytes[..count], &mut std::io::stdout().lock())?,
                }
            }
        });
        let outcome = finish(machine, command, &scratch, || timeout.is_some_and(|timeout| start.elapsed() > timeout));
        let tracer = reading.join().map_err(|_| anyhow::anyhow!("the console's reader failed"))??;
        tracer.end(&mut std::io::stdout().lock())?;
        outcome
    })
}

/// A machine whose console's other end is this process: what is typed there, and what it shows.
pub struct Session {
    child: Child,
    machine: Machine,
    scratch: Scratch,
    /// What the console shows, until somebody takes it to read it.
    pub output: Option<ChildStdout>,
    input: ChildStdin,
}

impl Session {
    /// Boot.
    pub fn boot(machine: &Machine, kernel: &Path, image: &[u8]) -> Result<Session> {
        let scratch = Scratch::new()?;
        std::fs::write(scratch.path("image"), image)?;
        let mut command = machine.command(kernel, &scratch.path("image"), &scratch.path("exit"));
        command.args(["-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(std::fs::File::create(scratch.path("errors"))?);
        let mut child = command.spawn().context("cannot start the emulator: run `cargo x setup`")?;
        let (input, output) = (child.stdin.take().context("a pipe")?, child.stdout.take().context("a pipe")?);
        Ok(Session { child, machine: machine.clone(), scratch, output: Some(output), input })
    }

    /// Type keys.
    pub fn keys(&mut self, keys: &[u8]) -> Result<()> {
        self.input.write_all(keys)?;
        self.input.flush().context("the emulator takes no keys")
    }

    /// How much of the host's processors the emulator has used so far, whatever else the host does.
    pub fn processor_time(&self) -> Result<Duration> {
        /// `USER_HZ`: what the kernel counts in for proc_pid_stat(5), everywhere.
        const TICKS_PER_SECOND: u32 = 100;
        /// Fields behind the name, which is in brackets: user and system time.
        const TIMES: [usize; 2] = [11, 12];
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = TIMES.iter().filter_map(|&index| fields.get(index)?.parse::<u32>().ok()).sum::<u32>();
        Ok(Duration::from_secs(1) * ticks / TICKS_PER_SECOND)
    }

    /// How it ended, if it has.
    pub fn end(&mut self) -> Result<Option<End>> {
        let Some(status) = self.child.try_wait()? else { return Ok(None) };
        let errors = std::fs::read_to_string(self.scratch.path("errors")).unwrap_or_default();
        let exit_codes = std::fs::read(self.scratch.path("exit")).unwrap_or_default();
        Ok(Some(end(self.machine.isa, status, &errors, &exit_codes)))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // One that has ended cannot be ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Boot with the console's output kept and no input.
pub fn boot_captured(machine: &Machine, kernel: &Path, image: &[u8], timeout: Duration) -> Result<Outcome> {
    boot_with_input(machine, kernel, image, &[], timeout)
}

/// Boot with the console's output kept and `input` waiting at its serial port, which takes it as fast as the guest reads.
pub fn boot_with_input(machine: &Machine, kernel: &Path, image: &[u8], input: &[u8], timeout: Duration) -> Result<Outcome> {
    let start = Instant::now();
    boot_to_file(machine, kernel, image, input, |_| start.elapsed() > timeout)
}

/// Boot with the console's output kept, and end the machine when it has printed nothing for as long as `silence`.
pub fn boot_while_it_talks(machine: &Machine, kernel: &Path, image: &[u8], silence: Duration) -> Result<Outcome> {
    boot_watched(machine, kernel, image, silence, |_| {})
}

/// The same; `watch` is shown all that was printed so far whenever that grows.
pub fn boot_watched(machine: &Machine, kernel: &Path, image: &[u8], silence: Duration, mut watch: impl FnMut(&[u8])) -> Result<Outcome> {
    let mut last = (0, Instant::now());
    boot_to_file(machine, kernel, image, &[], |output| {
        let printed = output.metadata().map_or(0, |metadata| metadata.len());
        if printed != last.0 {
            last = (printed, Instant::now());
            watch(&std::fs::read(output).unwrap_or_default());
        }
        last.1.elapsed() > silence
    })
}

/// Boot with the console's output in a file. `over` is asked with its path, often, whether the machine is to be ended.
fn boot_to_file(machine: &Machine, kernel: &Path, image: &[u8], input: &[u8], mut over: impl FnMut(&Path) -> bool) -> Result<Outcome> {
    let scratch = Scratch::new()?;
    std::fs::write(scratch.path("image"), image)?;
    std::fs::write(scratch.path("input"), input)?;
    let mut command = machine.command(kernel, &scratch.path("image"), &scratch.path("exit"));
    let output = scratch.path("console");
    let mut console = format!("file,id=console,path={}", output.display());
    if !input.is_empty() {
        console += &format!(",input-path={}", scratch.path("input").display());
    }
    command.args(["-chardev", &console, "-serial", "chardev:console"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(std::fs::File::create(scratch.path("errors"))?);
    let mut outcome = finish(machine, command, &scratch, || over(&output))?;
    outcome.output = std::fs::read(&output).unwrap_or_default();
    Ok(outcome)
}

fn finish(machine: &Machine, mut command: Command, scratch: &Scratch, mut over: impl FnMut() -> bool) -> Result<Outcome> {
    let start = Instant::now();
    let program = command.get_program().to_owned();
    let mut child = command.spawn().with_context(|| format!("cannot start {}: run `cargo x setup`", program.display()))?;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break Some(status);
        }
        if over() {
            end_gently(&mut child)?;
            break None;
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let errors = std::fs::read_to_string(scratch.path("errors")).unwrap_or_default();
    let exit_codes = std::fs::read(scratch.path("exit")).unwrap_or_default();
    let end = status.map_or(End::Timeout, |status| end(machine.isa, status, &errors, &exit_codes));
    Ok(Outcome { end, output: Vec::new(), took: start.elapsed() })
}

/// Ask the emulator to end, so that it gives the terminal back as it was; after a second, end it.
fn end_gently(child: &mut Child) -> Result<()> {
    Command::new("kill").arg(child.id().to_string()).status().context("cannot start kill")?;
    for _ in 0..100 {
        if child.try_wait()?.is_some() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill()?;
    child.wait()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    fn exited(code: i32) -> ExitStatus {
        ExitStatus::from_raw(code << 8)
    }

    #[test]
    fn an_x86_64_code_above_127_is_read_whole() {
        let status = (255 << 1 | 1) & 0xff;
        assert_eq!(end(Isa::X86_64, exited(status), "", &[255]), End::Exit(255));
        assert_eq!(end(Isa::X86_64, exited(1), "", &[128]), End::Exit(128));
    }

    #[test]
    fn a_triple_fault_is_not_success() {
        assert_eq!(end(Isa::X86_64, exited(0), "", &[]), End::Reset);
        assert_eq!(End::Reset.status(), 125);
    }

    #[test]
    fn an_exit_that_the_guest_did_not_ask_for_is_the_emulators() {
        assert!(matches!(end(Isa::X86_64, exited(1), "", &[]), End::Emulator(_)));
        assert!(matches!(end(Isa::Aarch64, exited(1), "qemu-system-aarch64: no such CPU", &[]), End::Emulator(_)));
        assert_eq!(end(Isa::Aarch64, exited(1), "", &[]), End::Exit(1));
    }
}
