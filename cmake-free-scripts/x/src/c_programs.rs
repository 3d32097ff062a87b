//! Builds the C programs of `user/c`, which is where libc itself is under test: static and dynamic, in both flavours of musl. The folder
//! `bench` is one program, static.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context, Result, ensure};

use crate::entry::Flavour;
use crate::isa::Isa;
use crate::tree;

/// What is made of a source file. The folder that it lies in says which of them are made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// A static executable.
    Static,
    /// An executable for the loader.
    Dynamic,
    /// A shared object.
    Shared,
}

impl Form {
    fn file_name(self, name: &str) -> String {
        match self {
            Form::Static => name.to_owned(),
            Form::Dynamic => format!("{name}.dynamic"),
            Form::Shared => format!("{name}.so"),
        }
    }

    fn options(self) -> &'static [&'static str] {
        match self {
            Form::Static => &["-static"],
            // Shared objects use symbols of the program that loads them.
            Form::Dynamic => &["-dynamic", "-rdynamic"],
            Form::Shared => &["-shared", "-fPIC"],
        }
    }
}

/// The folder whose files are one program, and that program.
pub const BENCH: &str = "bench";

/// What the benchmark's programs read.
pub fn bench_data() -> PathBuf {
    tree::root().join("user/c").join(BENCH).join("data")
}

/// What was made of a source file.
pub fn c_program(isa: Isa, flavour: Flavour, name: &str, form: Form) -> PathBuf {
    folder(isa, flavour).join(form.file_name(name))
}

/// Where the C programs of a flavour are.
pub fn folder(isa: Isa, flavour: Flavour) -> PathBuf {
    tree::output(isa).join("c").join(flavour.name())
}

/// The names of those that are static executables, a file each.
pub fn static_programs() -> Result<Vec<String>> {
    Ok(files(&tree::root().join("user/c"), "c")?.iter().map(|source| stem(source)).collect())
}

/// Build all of them for an ISA, as far as they are older than what they are made of.
pub fn build(isa: Isa) -> Result<()> {
    let sources = tree::root().join("user/c");
    let headers = newest(&files(&sources, "h")?)?;
    let folders: [(&str, &[Form]); 3] =
        [(".", &[Form::Static, Form::Dynamic]), ("dynamic", &[Form::Dynamic]), ("plugins", &[Form::Shared])];
    for flavour in Flavour::ALL {
        std::fs::create_dir_all(folder(isa, flavour))?;
        let compiler = tree::c_compiler(isa, flavour);
        let musl = newest(&[compiler.clone(), tree::musl(isa, flavour).join("VERSION")])?;
        let bench = files(&sources.join(BENCH), "c")?;
        let made_of = newest(&bench)?.max(newest(&files(&sources.join(BENCH), "h")?)?).max(headers).max(musl);
        compile(&compiler, &bench, &c_program(isa, flavour, BENCH, Form::Static), Form::Static, made_of)?;
        for (name, forms) in folders {
            for source in files(&sources.join(name), "c")? {
                let made_of = newest(std::slice::from_ref(&source))?.max(headers).max(musl);
                for &form in forms {
                    compile(&compiler, std::slice::from_ref(&source), &c_program(isa, flavour, &stem(&source), form), form, made_of)?;
                }
            }
        }
    }
    Ok(())
}

fn compile(compiler: &Path, sources: &[PathBuf], output: &Path, form: Form, made_of: Option<SystemTime>) -> Result<()> {
    if output.metadata().and_then(|metadata| metadata.modified()).ok() > made_of {
        return Ok(());
    }
    let fresh = output.with_added_extension("new");
    let status = Command::new(compiler)
        .args(["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-Wno-unused-result", "-o"])
        .arg(&fresh)
        .args(form.options())
        .args(sources)
        .status()
        .with_context(|| format!("cannot start {}", compiler.display()))?;
    ensure!(status.success(), "{} does not compile", output.display());
    Ok(std::fs::rename(fresh, output)?)
}

fn stem(source: &Path) -> String {
    source.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|found| found == extension)).collect();
    files.sort();
    Ok(files)
}

fn newest(files: &[PathBuf]) -> Result<Option<SystemTime>> {
    let times: Vec<SystemTime> =
        files.iter().map(|file| file.metadata().and_then(|metadata| metadata.modified())).collect::<Result<_, _>>()?;
    Ok(times.into_iter().max())
}
