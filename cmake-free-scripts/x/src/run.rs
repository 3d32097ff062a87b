//! `cargo x run`: a program on Chitin, a shell if none is named, its console this terminal. There every key is the program's, ^C too; Ctrl-A x
//! ends the machine.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use exo::command::{CommandFlags, HEADER};

use crate::entry::Entry;
use crate::fetch::Fetch;
use crate::image::{Content, lay_out};
use crate::initramfs::{Files, Node};
use crate::isa::Isa;
use crate::manifest::Manifest;
use crate::profile::Profile;
use crate::qemu::{Kind, Machine, Scratch, boot_on_terminal};
use crate::rootfs::{self, add_pair, standard_files};
use crate::{build, manifest, policies, rewrite, setup, symbols, trace};

/// What runs where nothing is named: a shell that greets.
pub const DEFAULT_COMMAND: [&str; 2] = ["/bin/sh", "-l"];
/// Which programs have which policies, for who runs them in the guest.
pub const APPS: &str = "/etc/chitin/apps";
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
    /// Run what a manifest says: a name in user/apps or a path (repeatable: side by side). The command line goes before the manifest
    #[arg(long, value_name = "NAME|FILE")]
    pub app: Vec<String>,
    /// Have an app's files in the guest, and its policies for whoever runs its program there: a line of /etc/chitin/apps (repeatable)
    #[arg(long, value_name = "NAME|FILE")]
    pub install: Vec<String>,
    /// Let the program have a policy: KIND=NAME,PARAMETER=VALUE,... (repeatable; `cargo x policies` lists them)
    #[arg(long, value_name = "SETTING", value_parser = parse_setting)]
    pub policy: Vec<String>,
    /// Run so many processes of the program at once, each with its number in CHITIN_COPY
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub copies: u32,
    /// What of it is traced.
    #[command(flatten)]
    pub trace: trace::Options,
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
    #[arg(long, value_name = "NAME", conflicts_with_all = ["entry", "app", "install", "policy", "strace", "strace_summary", "add", "rootfs", "get", "environment", "command"])]
    pub native: Option<String>,
    /// Run this program of user/exo in an environment of its own, beside the Linux processes; the machine ends when both have
    #[arg(long, value_name = "NAME", conflicts_with = "native")]
    pub beside: Option<String>,
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
#[derive(Clone, Default)]
pub struct Guest {
    /// The guest's files.
    pub files: Files,
    /// The program's path in the guest and its arguments.
    pub arguments: Vec<String>,
    /// The program's environment.
    pub environment: Vec<String>,
    /// How to run it.
    pub flags: CommandFlags,
    /// Which policies it has: `KIND=NAME,PARAMETER=VALUE`.
    pub settings: Vec<String>,
    /// The most frames that each of its processes may have; 0: as many as there are.
    pub quota: u32,
    /// Slices that it has in a round; 0: one.
    pub slices: u32,
    /// The program's input, where it is no terminal.
    pub input: Vec<u8>,
    /// What runs beside it, on the same files.
    pub beside: Vec<Guest>,
}

impl Guest {
    /// The boot image, for one process.
    pub fn image(&self, isa: Isa) -> Result<Vec<u8>> {
        self.image_of_copies(isa, 1)
    }

    /// The boot image, for several processes of the same program.
    pub fn image_of_copies(&self, isa: Isa, copies: u32) -> Result<Vec<u8>> {
        self.image_on_terminal(isa, copies, None)
    }

    /// The same, on a terminal of so many rows and columns.
    pub fn image_on_terminal(&self, isa: Isa, copies: u32, window: Option<[u16; 2]>) -> Result<Vec<u8>> {
        self.image_beside(isa, copies, window, None, None)
    }

    /// The same, beside a program of user/exo, and with files to be fetched at the end.
    pub fn image_beside(
        &self,
        isa: Isa,
        copies: u32,
        window: Option<[u16; 2]>,
        beside: Option<&str>,
        fetch: Option<&Fetch>,
    ) -> Result<Vec<u8>> {
        let read = |path: PathBuf| std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()));
        let images = self.images();
        let mut modules = vec![
            Content { name: "libos", bytes: read(build::libos_module(isa))? },
            Content { name: "unixd", bytes: read(build::unixd_module(isa))? },
            Content { name: "initramfs", bytes: self.archive(isa)? },
            Content { name: "command", bytes: self.command_blocks(&images) },
            Content { name: "stdin", bytes: self.input.clone() },
            Content { name: "copies", bytes: copies.to_le_bytes().to_vec() },
            Content { name: "beside", bytes: beside.map(|name| native_image(isa, name)).transpose()?.unwrap_or_default() },
            Content { name: "window", bytes: window.iter().flatten().flat_map(|size| size.to_le_bytes()).collect() },
            Content { name: exo::results::MODULE, bytes: fetch.map_or_else(Vec::new, Fetch::module) },
        ];
        ensure!(images.len() < exo::command::IMAGES_MOST, "apps with more than {} images of the library OS", exo::command::IMAGES_MOST);
        for (names, number) in images.iter().zip(1..) {
            modules.push(Content { name: exo::command::image_name(number), bytes: read(build::own_module(isa, names))? });
        }
        lay_out(&read(build::native(isa, "init"))?, &modules)
    }

    /// The images of the library OS that it needs beside the stock one: names of policies that are compiled into each.
    pub fn images(&self) -> Vec<Vec<String>> {
        let all = [self].into_iter().chain(&self.beside).map(|guest| policies::own(&guest.settings)).filter(|names| !names.is_empty());
        all.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The guest's files, with the rewritten text of its programs if that is used.
    fn archive(&self, isa: Isa) -> Result<Vec<u8>> {
        let rewrites = |guest: &Guest| guest.flags.contains(CommandFlags::REWRITE);
        if !rewrites(self) && !self.beside.iter().any(rewrites) {
            return Ok(self.files.archive());
        }
        let mut files = self.files.clone();
        rewrite::add_overlays(&mut files, isa)?;
        Ok(files.archive())
    }

    /// The command block, and those of the programs beside it, which use one of `images`.
    fn command_blocks(&self, images: &[Vec<String>]) -> Vec<u8> {
        let own = policies::own(&self.settings);
        let image = images.iter().position(|names| *names == own).map_or(0, |index| index as u32 + 1);
        let lists = [&self.arguments, &self.settings, &self.environment];
        let strings: Vec<u8> = lists.into_iter().flatten().flat_map(|string| string.bytes().chain([0])).collect();
        let bytes = (HEADER + strings.len()) as u32;
        let words =
            [bytes].into_iter().chain(lists.map(|list| list.len() as u32)).chain([self.flags.bits(), image, self.quota, self.slices]);
        let mut blocks: Vec<u8> = words.flat_map(u32::to_le_bytes).chain(strings).collect();
        self.beside.iter().for_each(|guest| blocks.extend(guest.command_blocks(images)));
        blocks
    }
}

/// Set up, build and run. The program's status is the tool's.
pub fn run(options: &Options) -> Result<ExitCode> {
    let profile = options.profile.as_ref().map(|_| Profile::new()).transpose()?;
    let machine = options.machine.machine()?;
    let counts = profile.is_some() || options.trace.strace_summary;
    let machine = Machine { icount: machine.icount || counts, plugin: profile.as_ref().map(Profile::option), ..machine };
    let scratch = Scratch::new()?;
    let fetch = Fetch::new(&options.get)?;
    ensure!(fetch.is_none() || machine.memory_is_contiguous(), "--get needs memory in one piece: --mem 2G at most on x86_64");
    let memory_file = fetch.as_ref().map(|_| scratch.path("memory"));
    let machine = Machine { memory_file, ..machine };
    let image = prepare(options, &machine, fetch.as_ref())?;
    std::fs::write(scratch.path("image"), image)?;
    let timeout = options.timeout.map(Duration::from_secs);
    let tracer = options.trace.tracer(guests_files(options, &machine))?;
    let outcome = boot_on_terminal(&machine, &build::kernel(machine.isa), &scratch.path("image"), timeout, tracer)?;
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

/// Files of the guest's by their paths, which are gathered when the first is wanted.
fn guests_files(options: &Options, machine: &Machine) -> trace::Lookup {
    let (options, machine, mut files) = (options.clone(), machine.clone(), None);
    Box::new(move |path| {
        let files = files.get_or_insert_with(|| guest(&options, &machine).map(|guest| guest.files).unwrap_or_else(|_| Files::new()));
        let found = files.regular().find(|(known, _)| known.trim_start_matches('/') == path.trim_start_matches('/'));
        found.map(|(_, bytes)| symbols::with_symbols(machine.isa, path, bytes))
    })
}

/// Set up and build what the options need. Gives the boot image.
pub fn prepare(options: &Options, machine: &Machine, fetch: Option<&Fetch>) -> Result<Vec<u8>> {
    let isa = machine.isa;
    setup::ensure(&[isa])?;
    build::build_kernel(isa)?;
    if options.native.is_some() || options.beside.is_some() {
        build::build_native(isa)?;
    }
    if let Some(name) = &options.native {
        return native_image(isa, name);
    }
    build::build_personality(isa)?;
    let guest = guest(options, machine)?;
    guest.images().iter().try_for_each(|names| build::build_own_library(isa, names))?;
    guest.image_beside(isa, options.copies, window(), options.beside.as_deref(), fetch)
}

/// The boot image of a program of user/exo.
fn native_image(isa: Isa, name: &str) -> Result<Vec<u8>> {
    lay_out(&std::fs::read(build::native(isa, name)).with_context(|| format!("{name} is no program of user/exo"))?, &[])
}

/// Rows and columns of the terminal that this runs on, if it does.
fn window() -> Option<[u16; 2]> {
    terminal_size::terminal_size().map(|(columns, rows)| [rows.0, columns.0])
}

/// The guest that the options describe.
fn guest(options: &Options, machine: &Machine) -> Result<Guest> {
    let manifests = options.app.iter().map(|name| manifest::read(name)).collect::<Result<Vec<_>>>()?;
    let entries: Vec<Entry> = manifests.iter().map(|manifest| options.entry.or(manifest.entry).unwrap_or_default()).collect();
    let entry = entries.first().copied().or(options.entry).unwrap_or_default();
    if entries.iter().any(|other| other.flavour() != entry.flavour()) {
        bail!("apps that run side by side have one C library: all linked, or none (--entry)");
    }
    let mut files = match &options.rootfs {
        Some(folder) => rootfs::folder(folder)?,
        None => standard_files(machine, entry)?,
    };
    let installed = options.install.iter().map(|name| manifest::read(name)).collect::<Result<Vec<_>>>()?;
    for pair in manifests.iter().chain(&installed).flat_map(|manifest| &manifest.add).chain(&options.add) {
        add_pair(&mut files, pair)?;
    }
    let mut apps = String::new();
    for manifest in &installed {
        apps += &format!("{} {}\n", place(&mut files, &manifest.program)?, manifest.settings.join(" "));
    }
    if !apps.is_empty() {
        files.add(APPS, Node::File(0o644, apps.into_bytes()));
    }
    let mut guests = Vec::new();
    for (manifest, entry) in manifests.iter().zip(entries) {
        let mut manifest = manifest.clone();
        if !options.command.is_empty() {
            manifest.arguments.clone_from(&options.command);
        }
        guests.push(started(&mut files, options, &manifest, entry)?);
    }
    if guests.is_empty() {
        let greeting = DEFAULT_COMMAND.map(str::to_owned);
        let command = if options.command.is_empty() { &greeting[..] } else { &options.command };
        let manifest = Manifest { program: command[0].clone(), arguments: command[1..].to_vec(), ..Manifest::default() };
        guests.push(started(&mut files, options, &manifest, entry)?);
    }
    let beside = guests.split_off(1);
    let first = guests.remove(0);
    Ok(Guest { files, beside, ..first })
}

/// A program that is started, but for the files.
fn started(files: &mut Files, options: &Options, manifest: &Manifest, entry: Entry) -> Result<Guest> {
    let arguments = [vec![place(files, &manifest.program)?], manifest.arguments.clone()].concat();
    let terminal = std::env::var("TERM").unwrap_or_else(|_| "dumb".into());
    let mut environment: Vec<String> = ["PATH=/bin:/usr/bin:/sbin:/usr/sbin", "HOME=/root", PROMPT].map(str::to_owned).into();
    environment.push(format!("TERM={terminal}"));
    environment.extend(manifest.environment.iter().map(|(name, value)| format!("{name}={value}")));
    environment.extend(options.environment.iter().cloned());
    let mut flags = entry.flags();
    flags |= options.trace.flags();
    let settings = [manifest.settings.clone(), options.policy.clone()].concat();
    let (quota, slices) = (manifest.quota.map_or(0, |quota| quota.frames), manifest.slices.unwrap_or(1));
    Ok(Guest { arguments, environment, settings, flags, quota, slices, ..Guest::default() })
}

/// A policy's setting, as it was given.
fn parse_setting(text: &str) -> Result<String, String> {
    if !policies::own(&[text.to_owned()]).is_empty() {
        return Ok(text.to_owned());
    }
    policy::setting::Setting::parse(text).map(|_| text.to_owned()).map_err(|mistake| mistake.to_string())
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
