//! `cargo x gdb`: the machine stopped at its first instruction, and a debugger that knows the kernel, the library OS and the program.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result};
use exo::libos_image::LIBOS_BASE;
use goblin::elf::Elf;

use crate::isa::Isa;
use crate::qemu::Scratch;
use crate::{build, run, setup, tree};

/// Set up, build, start QEMU with its stub, and gdb on it; without gdb, print what it would be given.
pub fn gdb(options: &run::Options) -> Result<ExitCode> {
    let machine = options.machine.machine()?;
    let isa = machine.isa;
    let image = run::prepare(options, &machine, None)?;
    let scratch = Scratch::new()?;
    std::fs::write(scratch.path("image"), image)?;
    // A port that was free a moment ago: the stub cannot say which one it took.
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let mut emulator = machine.command(&build::kernel(isa), &scratch.path("image"), &scratch.path("exit"));
    emulator.args(["-S", "-gdb", &format!("tcp:127.0.0.1:{port}")]);
    emulator.arg("-serial").arg(format!("file:{}", scratch.path("console").display()));

    let arguments = debugger_arguments(options, isa, port)?;
    let program = ["gdb-multiarch", "gdb"]
        .into_iter()
        .find(|program| setup::installed(program) && (isa == Isa::host() || *program == "gdb-multiarch"));
    eprintln!("the console's output goes to {}", scratch.path("console").display());
    let Some(program) = program else {
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

/// The kernel's symbols, the library OS's at its base, the program's at its own or, if it is position-independent, where it is loaded.
fn debugger_arguments(options: &run::Options, isa: Isa, port: u16) -> Result<Vec<String>> {
    let mut commands = vec![format!("file {}", build::kernel_symbols(isa).display())];
    match &options.native {
        Some(name) => commands.push(format!("add-symbol-file {}", build::native(isa, name).display())),
        None => {
            commands.push(format!("add-symbol-file {}", build::native(isa, "init").display()));
            commands.push(format!("add-symbol-file {} -o {LIBOS_BASE:#x}", build::libos_symbols(isa).display()));
            if let Some(program) = program_symbols(options, isa) {
                let bytes = std::fs::read(&program)?;
                let fixed = Elf::parse(&bytes).is_ok_and(|elf| !elf.is_lib);
                let note = "# position-independent: add-symbol-file with -o and the address that /proc/self/maps shows:";
                let command = format!("add-symbol-file {}", program.display());
                if fixed { commands.push(command) } else { eprintln!("{note}\n#   {command} -o ADDRESS") }
            }
        }
    }
    commands.push(format!("target remote 127.0.0.1:{port}"));
    Ok(commands.into_iter().flat_map(|command| ["-ex".to_owned(), command]).collect())
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
