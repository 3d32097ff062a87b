//! Programs of both flavours on the host's Linux, where the shim finds no library OS and uses the real instruction.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::Named;
use crate::c_programs::{Form, c_program, folder};
use crate::entry::Flavour;
use crate::isa::Isa;
use crate::{build, setup, tree};

pub const TESTS: &[Named] = &[
    ("threads-on-linux", |isa| same(isa, "threads", &[])),
    ("changed-registers-on-linux", |isa| same(isa, "threads", &["changed-registers"])),
    ("iconv-on-linux", iconv),
    ("dlopen-on-linux", dlopen),
    ("rust-on-linux", rust),
];

/// Run a program of an ISA on the host. Gives what it prints on both streams.
fn run(isa: Isa, program: &Path, arguments: &[&str]) -> Result<String> {
    let mut words: Vec<&std::ffi::OsStr> = vec![program.as_os_str()];
    words.extend(arguments.iter().map(std::ffi::OsStr::new));
    let emulator = setup::user_emulator(isa);
    if isa != Isa::host() {
        words.insert(0, emulator.as_ref());
    }
    let output = Command::new("timeout").arg("60").args(&words).output().context("cannot start timeout")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{words:?}: {}; it printed:\n{text}", output.status);
    Ok(text)
}

/// A dynamic program is started by its loader's path, since the host has none of that name.
fn run_dynamic(isa: Isa, flavour: Flavour, name: &str, arguments: &[&str]) -> Result<String> {
    let program = c_program(isa, flavour, name, Form::Dynamic).display().to_string();
    let loader = tree::musl(isa, flavour).join("lib").join(format!("ld-musl-{isa}.so.1"));
    run(isa, &loader, &[&[program.as_str()], arguments].concat())
}

/// Static and dynamic programs of both flavours print the same.
fn same(isa: Isa, name: &str, arguments: &[&str]) -> Result<()> {
    let truth = run(isa, &c_program(isa, Flavour::Stock, name, Form::Static), arguments)?;
    for flavour in Flavour::ALL {
        let of_static = run(isa, &c_program(isa, flavour, name, Form::Static), arguments)?;
        ensure!(of_static == truth, "{flavour:?}, static, printed:\n{of_static}\nnot:\n{truth}");
        let of_dynamic = run_dynamic(isa, flavour, name, arguments)?;
        ensure!(of_dynamic == truth, "{flavour:?}, dynamic, printed:\n{of_dynamic}\nnot:\n{truth}");
    }
    Ok(())
}

/// The lead byte c8 is none before the trail byte 41.
fn iconv(isa: Isa) -> Result<()> {
    let text = run(isa, &c_program(isa, Flavour::Stock, "iconv", Form::Static), &[])?;
    ensure!(text.contains("c841: Illegal byte sequence, 2 left, 0 made:\n"), "{text}");
    ensure!(text.contains("c8fe: converted, 0 left, 3 made: ed 9e 9d\n"), "{text}");
    same(isa, "iconv", &[])
}

fn dlopen(isa: Isa) -> Result<()> {
    let print = |flavour| run_dynamic(isa, flavour, "dlopen", &[&folder(isa, flavour).display().to_string(), "threads"]);
    let (stock, shim) = (print(Flavour::Stock)?, print(Flavour::Shim)?);
    for line in ["relro: a fault for want of rights\n", "step: 362\n", "thread: 155\n", "closed: 0\n"] {
        ensure!(stock.contains(line), "{line:?} is not in:\n{stock}");
    }
    ensure!(stock == shim, "the shim printed:\n{shim}\nnot:\n{stock}");
    Ok(())
}

/// A Rust program that is linked by the staged setting does what one of Rust's own musl does.
fn rust(isa: Isa) -> Result<()> {
    for name in ["numbers", "errors"] {
        let print = |flavour| run(isa, &build::linux(isa, flavour, name), &[]);
        let (stock, shim) = (print(Flavour::Stock)?, print(Flavour::Shim)?);
        ensure!(stock == shim && !stock.is_empty(), "the shim printed:\n{shim}\nnot:\n{stock}");
    }
    Ok(())
}
