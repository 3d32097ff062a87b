//! `cargo x gdb`: the machine stopped at its first instruction, and a debugger that knows the kernel, the library OS and the program.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result};
use clap::Args;
use exo::libos_image::LIBOS_BASE;
use goblin::elf::Elf;
use goblin::elf::header::ET_DYN;

use crate::isa::Isa;
use crate::qemu::{Machine, Scratch};
use crate::{build, run, setup, tree};

/// What to run, and what the debugger is told.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// What to run.
    #[command(flatten)]
    pub run: run::Options,
    /// A command for gdb once it is attached (repeatable)
    #[arg(long, value_name = "COMMAND")]
    pub execute: Vec<String>,
    /// End when these commands are done
    #[arg(long)]
    pub batch: bool,
}

/// Set up, build, start QEMU with its stub, and gdb on it; without gdb, print what it would be given.
pub fn gdb(options: &Options) -> Result<ExitCode> {
    let machine = options.run.machine.machine()?;
    let isa = machine.isa;
    let image = run::prepare(&options.run, &machine, None)?;
    let scratch = Scratch::new()?;
    std::fs::write(scratch.path("image"), image)?;
    let (mut emulator, port) = emulator(&machine, &scratch)?;
    let mut arguments = debugger_arguments(&options.run, isa, port)?;
    arguments.extend(options.execute.iter().flat_map(|command| ["-ex".to_owned(), command.clone()]));
    if options.batch {
        arguments.insert(0, "-batch".into());
    }
    eprintln!("the console's output goes to {}", scratch.path("console").display());
    let Some(program) = debugger(isa) else {
        let quoted: Vec<String> =
            arguments.iter().map(|argument| if argument.contains(' ') { format!("'{argument}'") } else { argument.clone() }).collect();
        println!(
            "there is no gdb for {isa} (apt-get install gdb-multiarch); with one, while this runs:\n  gdb-multiarch {}",
            quoted.join(" ")
        );
        emulator.stdin(Stdio::null()).status().context("cannot start the emulator")?;
        return Ok(ExitCode::SUCCESS);
    };
    let mut emulator = emulator.stdin(Stdio::null()).spawn().context("cannot start the emulator")?;
    let status = Command::new(program).args(&arguments).status().context("cannot start gdb");
    // It may have ended already, by gdb's own `kill`.
    let _ = emulator.kill();
    emulator.wait()?;
    Ok(ExitCode::from(status?.code().unwrap_or(1) as u8))
}

/// A debugger for an ISA, if one is installed.
pub fn debugger(isa: Isa) -> Option<&'static str> {
    let fits = |program: &&str| setup::installed(program) && (isa == Isa::host() || *program == "gdb-multiarch");
    ["gdb-multiarch", "gdb"].into_iter().find(fits)
}

/// The command of a machine that is stopped at its first instruction, and the port that its stub listens at.
pub fn emulator(machine: &Machine, scratch: &Scratch) -> Result<(Command, u16)> {
    // A port that was free a moment ago: the stub cannot say which one it took.
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let mut emulator = machine.command(&build::kernel(machine.isa), &scratch.path("image"), &scratch.path("exit"));
    emulator.args(["-S", "-gdb", &format!("tcp:127.0.0.1:{port}")]);
    emulator.arg("-serial").arg(format!("file:{}", scratch.path("console").display()));
    Ok((emulator, port))
}

/// The kernel's symbols, the library OS's at its base, the program's at its own or, if it is position-independent, where it is loaded.
fn debugger_arguments(options: &run::Options, isa: Isa, port: u16) -> Result<Vec<String>> {
    let mut files = Vec::new();
    match &options.native {
        Some(name) => files.push((build::native(isa, name), 0)),
        None => {
            files.push((build::native(isa, "init"), 0));
            files.push((build::libos_symbols(isa), LIBOS_BASE));
            files.extend(program_symbols(options, isa).and_then(|program| with_base(isa, program)));
        }
    }
    Ok(attach(isa, port, &files))
}

/// What makes gdb know files (at what is added to their addresses) and the environments, and stops it at the machine.
pub fn attach(isa: Isa, port: u16, files: &[(PathBuf, u64)]) -> Vec<String> {
    let mut commands = vec!["set pagination off".to_owned(), "set confirm off".to_owned()];
    commands.push(format!("file {}", build::kernel_symbols(isa).display()));
    commands.extend(files.iter().map(|(path, base)| {
        let place = if *base == 0 { String::new() } else { format!(" -o {base:#x}") };
        format!("add-symbol-file {}{place}", path.display())
    }));
    commands.push(format!("target remote 127.0.0.1:{port}"));
    commands.push(format!("python CHITIN = {}", layout(isa)));
    commands.push(format!("source {}", tree::root().join("cmake-free-scripts/gdb/environments.py").display()));
    commands.into_iter().flat_map(|command| ["-ex".to_owned(), command]).collect()
}

/// Where `info environments` looks, and what it finds there, as Python has it. RAM is searched from where the kernel's own pages mostly are.
fn layout(isa: Isa) -> String {
    let (ram, images) = match isa {
        Isa::Aarch64 => (0x4000_0000u64, 0x4800_0000u64),
        Isa::X86_64 => (0, 0x10_0000),
    };
    format!(
        "dict(ram=[({images:#x}, {ram:#x} + (8 << 30)), ({ram:#x}, {images:#x})], envs_page={}, frames_page={}, max_envs={}, identity={:#x})",
        abi::INFO_ENVS_PAGE,
        abi::INFO_SLICES_PAGE + abi::INFO_SLICES_PAGES,
        abi::MAX_ENVS,
        exo::start::IDENTITY_ADDRESS,
    )
}

/// A program and what is added to its addresses where it is loaded (`libos::load::image`); none if it cannot be known before.
pub fn with_base(isa: Isa, program: PathBuf) -> Option<(PathBuf, u64)> {
    let base = match isa {
        Isa::Aarch64 => 0x5555_5555_0000,
        Isa::X86_64 => 0x5555_5555_4000,
    };
    let bytes = std::fs::read(&program).ok()?;
    let elf = Elf::parse(&bytes).ok()?;
    let most = elf.program_headers.iter().map(|header| header.p_align).max()?;
    let bias = if elf.header.e_type == ET_DYN { u64::next_multiple_of(base, most.max(1)) } else { 0 };
    Some((program, bias))
}

/// The unstripped form of the program that runs, as far as it is known here.
fn program_symbols(options: &run::Options, isa: Isa) -> Option<PathBuf> {
    let program = options.command.first().map_or(run::DEFAULT_COMMAND[0], String::as_str);
    let name = program.rsplit('/').next()?;
    let flavour = options.entry.unwrap_or_default().flavour();
    [PathBuf::from(program), tree::linux_release(isa, flavour).join(name), tree::distribution_program(isa, flavour, name)]
        .into_iter()
        .find(|path| path.is_file())
}
