//! A user's own benchmark: a C file, a Rust package or a static program, measured on every column.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use goblin::elf::Elf;

use super::results::Results;
use crate::c_programs::{Form, c_program};
use crate::entry::Flavour;
use crate::isa::Isa;
use crate::manifest::Manifest;
use crate::{build, tree};

/// What the user named.
enum Source {
    /// A C file, made for each ISA and column.
    C,
    /// The folder of a Rust package, made for each ISA and column.
    Rust,
    /// A static program, the same on all columns of its ISA.
    Program(u16),
    /// A program that every guest has, in the flavour of the column.
    Guests,
}

/// A user's program.
pub struct Own {
    path: PathBuf,
    source: Source,
    /// Its name in tables.
    pub name: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// What the guest has besides: `HOST:GUEST`.
    pub add: Vec<String>,
}

impl Own {
    /// Look at what the user named, and at its arguments.
    pub fn new(words: &[String]) -> Result<Option<Own>> {
        let Some((first, arguments)) = words.split_first() else { return Ok(None) };
        let path = fs::canonicalize(first).with_context(|| format!("{first} is not there"))?;
        let (source, name) = if path.is_dir() {
            (Source::Rust, package_name(&path)?)
        } else if path.extension().is_some_and(|extension| extension == "c") {
            (Source::C, path.file_stem().unwrap_or_default().to_string_lossy().into_owned())
        } else {
            let bytes = fs::read(&path)?;
            let elf = Elf::parse(&bytes).with_context(|| format!("{first} is no C file, no Rust package and no program"))?;
            ensure!(elf.interpreter.is_none(), "{first} is dynamic: a static program is wanted");
            (Source::Program(elf.header.e_machine), path.file_name().unwrap_or_default().to_string_lossy().into_owned())
        };
        ensure!(!name.contains(char::is_whitespace), "{name}: a name without spaces is wanted");
        Ok(Some(Own { path, source, name, arguments: arguments.to_vec(), add: Vec::new() }))
    }

    /// An app's program.
    pub fn of_app(manifest: &Manifest, arguments: &[String]) -> Own {
        let path = PathBuf::from(&manifest.program);
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (arguments, add) = (arguments.to_vec(), manifest.add.clone());
        Own { path, source: Source::Guests, name, arguments, add }
    }

    /// Whether there is one for an ISA.
    pub fn runs_on(&self, isa: Isa) -> bool {
        !matches!(self.source, Source::Program(machine) if machine != isa.elf_machine())
    }

    /// Where it is in the guest.
    pub fn guest_path(&self) -> String {
        format!("/bin/{}", self.name)
    }

    /// What the measuring program is told.
    pub fn words(&self) -> Vec<String> {
        [vec!["--program".to_owned(), self.guest_path()], self.arguments.clone()].concat()
    }

    /// Build it for an ISA in both flavours.
    pub fn build(&self, isa: Isa) -> Result<()> {
        for flavour in Flavour::ALL {
            let mut command = match self.source {
                Source::Program(_) | Source::Guests => return Ok(()),
                Source::C => self.compile(isa, flavour)?,
                Source::Rust => self.cargo(isa, flavour),
            };
            let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
            ensure!(status.success(), "{} cannot be built for {isa}", self.path.display());
        }
        Ok(())
    }

    /// The program.
    pub fn contents(&self, isa: Isa, flavour: Flavour) -> Result<Vec<u8>> {
        let path = match self.source {
            Source::Program(_) => self.path.clone(),
            Source::Guests if build::linux(isa, flavour, &self.name).is_file() => build::linux(isa, flavour, &self.name),
            Source::Guests if c_program(isa, flavour, &self.name, Form::Static).is_file() => {
                c_program(isa, flavour, &self.name, Form::Static)
            }
            Source::Guests => tree::distribution_program(isa, flavour, &self.name),
            Source::C => folder(flavour).join(isa.name()).join(&self.name),
            Source::Rust => folder(flavour).join(isa.linux_target()).join("release").join(&self.name),
        };
        fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
    }

    fn compile(&self, isa: Isa, flavour: Flavour) -> Result<Command> {
        let output = folder(flavour).join(isa.name());
        fs::create_dir_all(&output)?;
        let mut command = Command::new(tree::c_compiler(isa, flavour));
        command.args(["-O2", "-static", "-o"]).arg(output.join(&self.name)).arg(&self.path);
        Ok(command)
    }

    /// Run from the source tree, whose settings name a linker for both ISAs.
    fn cargo(&self, isa: Isa, flavour: Flavour) -> Command {
        let mut command = Command::new("cargo");
        command.args(["build", "--quiet", "--release", "--target", isa.linux_target(), "--manifest-path"]);
        command.arg(self.path.join("Cargo.toml")).arg("--target-dir").arg(folder(flavour)).current_dir(tree::root());
        if flavour == Flavour::Shim {
            command.arg("--config").arg(tree::musl(isa, flavour).join("cargo.toml"));
        }
        command
    }
}

fn folder(flavour: Flavour) -> PathBuf {
    Results::folder().join("own").join(flavour.name())
}

fn package_name(folder: &Path) -> Result<String> {
    let path = folder.join("Cargo.toml");
    let text = fs::read_to_string(&path).with_context(|| format!("{} is no Rust package", folder.display()))?;
    let manifest: toml::Table = toml::from_str(&text).with_context(|| path.display().to_string())?;
    match manifest.get("package").and_then(|package| package.get("name")).and_then(toml::Value::as_str) {
        Some(name) => Ok(name.to_owned()),
        None => bail!("{} names no package", path.display()),
    }
}
