//! `cargo x run`: a program on Chitin, a shell if none is named, its console this terminal. There every key is the program's, ^C too; Ctrl-A x
//! ends the machine.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use exo::command::CommandFlags;

use crate::entry::Entry;
use crate::fetch::Fetch;
use crate::image::{Content, lay_out};
use crate::initramfs::Files;
use crate::isa::Isa;
use crate::profile::Profile;
use crate::qemu::{Kind, Machine, Scratch, boot_on_terminal};
use crate::rootfs::{self, add_tree, standard_files};
use crate::{build, manifest, rewrite, setup};

/// What runs where nothing is named: a shell that greets.
pub const DEFAULT_COMMAND: [&str; 2] = ["/bin/sh", "-l"];
/// The tool's status where the program's is 0 but a file was not fetched.
const NOT_FETCHED: u8 = 1;
/// What a shell asks with that does not greet.
const PROMPT: &str = "PS1=\\w \\$ ";

/// What machine to boot.
#[derive(Args, Clone, Debug)]
pub struct MachineOptions {
    /// Instruction set of the machine [default: the host's]
    #[arg(long)]
    pub arch: Option<Isa>,
    /// CPU model, by QEMU's name
    #[arg(long, value_name = "MODEL", default_value = "max")]
    pub cpu: String,
    /// Memory
    #[arg(long, value_name = "SIZE", default_value = "512M")]
    pub mem: String,
    /// Kind of machine [default: q35 or virt]
    #[arg(long)]
    pub machine: Option<Kind>,
    /// Version of the interrupt controller (aarch64)
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(2..=3))]
    pub gic: u8,
    /// Count instructions: one tick of the guest's clock each
    #[arg(long)]
    pub icount: bool,
    /// Use the host's CPU (a host of the same instruction set, with KVM)
    #[arg(long)]
    pub kvm: bool,
}

impl MachineOptions {
    /// The machine that the options describe.
    pub fn machine(&self) -> Result<Machine> {
        let isa = self.arch.unwrap_or_else(Isa::host);
        let default = Machine::default_for(isa);
        let kind = self.machine.unwrap_or(default.kind);
        if (kind == Kind::Virt) != (isa == Isa::Aarch64) {
            bail!("{kind:?} is no machine of {isa}: aarch64 has virt, x86_64 has q35 and microvm");
        }
        let (cpu, memory) = (self.cpu.clone(), self.mem.clone());
        Ok(Machine { kind, cpu, memory, gic: self.gic, icount: self.icount, kvm: self.kvm, ..default })
    }
}

/// What to run and with what.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// The machine.
    #[command(flatten)]
    pub machine: MachineOptions,
    /// How the program's calls reach the library OS [default: linked]
    #[arg(long, value_name = "ENTRY")]
    pub entry: Option<Entry>,
    /// Run what a manifest says: a name in user/apps or a path. The command line goes before the manifest
    #[arg(long, value_name = "NAME|FILE")]
    pub app: Option<String>,
    /// Run so many processes of the program at once, each with its number in CHITIN_COPY
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub copies: u32,
    /// Print each Linux call that the program makes
    #[arg(long)]
    pub strace: bool,
    /// Put a host file or folder into the guest (repeatable)
    #[arg(long = "add", value_name = "HOST:GUEST")]
    pub add: Vec<String>,
    /// Have this host folder for the guest's root file system, in place of the usual one
    #[arg(long, value_name = "FOLDER")]
    pub rootfs: Option<PathBuf>,
    /// When the run has ended, bring a file of the guest's out to the host (repeatable)
    #[arg(long = "get", value_name = "GUEST:HOST")]
    pub get: Vec<String>,
    /// Set a variable of the program's environment (repeatable)
    #[arg(long = "env", value_name = "NAME=VALUE")]
    pub environment: Vec<String>,
    /// Boot this program of user/exo straight on the exokernel instead
    #[arg(long, value_name = "NAME", conflicts_with_all = ["entry", "app", "strace", "add", "rootfs", "get", "environment", "command"])]
    pub native: Option<String>,
    /// Count every instruction of the guest, by symbol, and draw them as a flame graph
    #[arg(long, value_name = "FILE.svg", conflicts_with = "kvm")]
    pub profile: Option<PathBuf>,
    /// Stop the machine after this many seconds, with status 124
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<u64>,
    /// The program and its arguments: a path in the guest or a program of the host's, which is put into the guest's /bin
    /// [default: a shell]
    #[arg(last = true, value_name = "PROGRAM ARGUMENTS")]
    pub command: Vec<String>,
}

/// What the first environment is given.
pub struct Guest {
    /// The guest's files.
    pub files: Files,
    /// The program's path in the guest and its arguments.
    pub arguments: Vec<String>,
    /// The program's environment.
    pub environment: Vec<String>,
    /// How to run it.
    pub flags: CommandFlags,
    /// The program's input, where it is no terminal.
    pub input: Vec<u8>,
}

impl Guest {
    /// The boot image, for one process.
    pub fn image(&self, isa: Isa) -> Result<Vec<u8>> {
        self.image_of_copies(isa, 1)
    }

    /// The boot image, for several processes of the same program.
    pub fn image_of_copies(&self, isa: Isa, copies: u32) -> Result<Vec<u8>> {
        self.image_on_terminal(isa, copies, None, None)
    }

    /// The same, on a terminal of so many rows and columns, and with files to be fetched at the end.
    pub fn image_on_terminal(&self, isa: Isa, copies: u32, window: Option<[u16; 2]>, fetch: Option<&Fetch>) -> Result<Vec<u8>> {
        let read = |path: PathBuf| std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()));
        let modules = [
            Content { name: "libos", bytes: read(build::libos_module(isa))? },
            Content { name: "unixd", bytes: read(build::unixd_module(isa))? },
            Content { name: "initramfs", bytes: self.archive(isa)? },
            Content { name: "command", bytes: self.command_block() },
            Content { name: "stdin", bytes: self.input.clone() },
            Content { name: "copies", bytes: copies.to_le_bytes().to_vec() },
            Content { name: "window", bytes: window.iter().flatten().flat_map(|size| size.to_le_bytes()).collect() },
            Content { name: exo::results::MODULE, bytes: fetch.map_or_else(Vec::new, Fetch::module) },
        ];
        lay_out(&read(build::native(isa, "init"))?, &modules)
    }

    /// The guest's files, with the rewritten text of its programs if that is used.
    fn archive(&self, isa: Isa) -> Result<Vec<u8>> {
        if !self.flags.contains(CommandFlags::REWRITE) {
            return Ok(self.files.archive());
        }
        let mut files = self.files.clone();
        rewrite::add_overlays(&mut files, isa)?;
        Ok(files.archive())
    }

    fn command_block(&self) -> Vec<u8> {
        let counts = [self.arguments.len() as u32, self.environment.len() as u32, self.flags.bits()];
        let mut block: Vec<u8> = counts.iter().flat_map(|count| count.to_le_bytes()).collect();
        for string in self.arguments.iter().chain(&self.environment) {
            block.extend_from_slice(string.as_bytes());
            block.push(0);
        }
        block
    }
}

/// Set up, build and run. The program's status is the tool's.
pub fn run(options: &Options) -> Result<ExitCode> {
    let profile = options.profile.as_ref().map(|_| Profile::new()).transpose()?;
    let machine = options.machine.machine()?;
    let machine = Machine { icount: machine.icount || profile.is_some(), plugin: profile.as_ref().map(Profile::option), ..machine };
    let scratch = Scratch::new()?;
    let fetch = Fetch::new(&options.get)?;
    ensure!(fetch.is_none() || machine.memory_is_contiguous(), "--get needs memory in one piece: --mem 2G at most on x86_64");
    let memory_file = fetch.as_ref().map(|_| scratch.path("memory"));
    let machine = Machine { memory_file, ..machine };
    let image = prepare(options, &machine, fetch.as_ref())?;
    std::fs::write(scratch.path("image"), image)?;
    let timeout = options.timeout.map(Duration::from_secs);
    let outcome = boot_on_terminal(&machine, &build::kernel(machine.isa), &scratch.path("image"), timeout)?;
    if !matches!(outcome.end, crate::qemu::End::Exit(_)) {
        eprintln!("cargo x run: {}", outcome.end);
    }
    if let (Some(profile), Some(output)) = (profile, &options.profile) {
        let guest = if options.native.is_none() { Some(guest(options, &machine)?) } else { None };
        profile.draw(machine.isa, guest.as_ref(), options.native.as_deref(), output)?;
    }
    let status = outcome.end.status();
    let fetched = fetch.is_none_or(|fetch| fetch.collect(&machine));
    Ok(ExitCode::from(if status == 0 && !fetched { NOT_FETCHED } else { status }))
}

/// Set up and build what the options need. Gives the boot image.
pub fn prepare(options: &Options, machine: &Machine, fetch: Option<&Fetch>) -> Result<Vec<u8>> {
    let isa = machine.isa;
    setup::ensure(&[isa])?;
    build::build_kernel(isa)?;
    if let Some(name) = &options.native {
        build::build_native(isa)?;
        let path = build::native(isa, name);
        return lay_out(&std::fs::read(&path).with_context(|| format!("{name} is no program of user/exo"))?, &[]);
    }
    build::build_personality(isa)?;
    guest(options, machine)?.image_on_terminal(isa, options.copies, window(), fetch)
}

/// Rows and columns of the terminal that this runs on, if it does.
fn window() -> Option<[u16; 2]> {
    terminal_size::terminal_size().map(|(columns, rows)| [rows.0, columns.0])
}

/// The guest that the options describe.
fn guest(options: &Options, machine: &Machine) -> Result<Guest> {
    let manifest = options.app.as_deref().map(manifest::read).transpose()?.unwrap_or_default();
    let entry = options.entry.or(manifest.entry).unwrap_or_default();
    let mut files = match &options.rootfs {
        Some(folder) => rootfs::folder(folder)?,
        None => standard_files(machine, entry)?,
    };
    for pair in manifest.add.iter().chain(&options.add) {
        let (host, guest) = pair.split_once(':').with_context(|| format!("--add {pair}: HOST:GUEST is wanted"))?;
        add_tree(&mut files, Path::new(host), guest)?;
    }
    let (program, arguments) = match (&options.app, options.command.split_first()) {
        (Some(_), None) => (manifest.program.as_str(), manifest.arguments.clone()),
        (Some(_), Some(_)) => (manifest.program.as_str(), options.command.clone()),
        (None, None) => (DEFAULT_COMMAND[0], DEFAULT_COMMAND[1..].iter().map(|&word| word.to_owned()).collect()),
        (None, Some((program, arguments))) => (program.as_str(), arguments.to_vec()),
    };
    let arguments = [vec![place(&mut files, program)?], arguments].concat();
    let terminal = std::env::var("TERM").unwrap_or_else(|_| "dumb".into());
    let mut environment: Vec<String> = ["PATH=/bin:/usr/bin:/sbin:/usr/sbin", "HOME=/root", PROMPT].map(str::to_owned).into();
    environment.push(format!("TERM={terminal}"));
    environment.extend(manifest.environment.iter().map(|(name, value)| format!("{name}={value}")));
    environment.extend(options.environment.iter().cloned());
    let mut flags = entry.flags();
    flags.set(CommandFlags::STRACE, options.strace);
    Ok(Guest { files, arguments, environment, flags, input: Vec::new() })
}

/// The guest's path of a program: as it is, in the guest's `/bin`, or the host's file of that name, put there.
fn place(files: &mut Files, program: &str) -> Result<String> {
    if files.contains(program) && program.starts_with('/') {
        return Ok(program.into());
    }
    let host = Path::new(program);
    let name = host.file_name().with_context(|| format!("{program} names no program"))?.to_string_lossy();
    let guest = format!("/bin/{name}");
    if host.is_file() {
        files.add_program(&guest, std::fs::read(host)?);
    } else if program.contains('/') || !files.contains(&guest) {
        // The guest's own error is the right one for a program that is nowhere.
        return Ok(program.into());
    }
    Ok(guest)
}
