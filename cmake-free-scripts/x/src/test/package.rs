//! Dynamic programs that others have built, as `packages.sh` unpacked them.
//!
//! A program and what it reads are named by paths relative to the working directory, which are the same on Linux and in the guest: there
//! the folders stand in the guest's root, here they are links in a scratch folder. On Linux the package's own loader starts the program, by
//! name, so that the machine's C library is not mixed in; in the guest `PT_INTERP` finds it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use goblin::elf::Elf;

use crate::entry::Flavour;
use crate::initramfs::{Files, Node};
use crate::isa::Isa;
use crate::{setup, tree};

/// The C library that a program is linked with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Library {
    /// The distribution's glibc. The program is in `usr`.
    Glibc,
    /// The project's own musl, of a flavour. The program is in `opt/PACKAGE`.
    Musl(Flavour),
    /// None that is dynamic: the program is static. It is in `opt/PACKAGE`, too.
    Static,
}

/// A program out of a package.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Packaged {
    /// What it is linked with.
    pub library: Library,
    /// Its path, relative to the root.
    pub path: String,
    /// Files and folders beside the libraries that it needs, relative to the root.
    pub data: Vec<String>,
}

impl Library {
    /// The folder of the root that the packages' files are in, and where that is on the host.
    fn folder(self, isa: Isa) -> (&'static str, PathBuf) {
        match self {
            Library::Glibc => ("usr", tree::package(isa, "glibc").join("usr")),
            Library::Musl(_) | Library::Static => ("opt", tree::packages(isa)),
        }
    }

    /// The loader on the host.
    fn loader(self, isa: Isa, interpreter: &str) -> PathBuf {
        match self {
            Library::Static => PathBuf::new(),
            Library::Glibc => tree::package(isa, "glibc").join(interpreter.trim_start_matches('/')),
            Library::Musl(flavour) => tree::musl(isa, flavour).join(format!("lib/ld-musl-{isa}.so.1")),
        }
    }
}

impl Packaged {
    /// A file of the root on the host.
    fn host(&self, isa: Isa, path: &str) -> Result<PathBuf> {
        let (name, folder) = self.library.folder(isa);
        let inside = path.strip_prefix(name).and_then(|path| path.strip_prefix('/'));
        Ok(folder.join(inside.with_context(|| format!("{path} is not in {name}"))?))
    }

    /// The program on the host.
    pub fn binary(&self, isa: Isa) -> Result<PathBuf> {
        self.host(isa, &self.path)
    }

    fn interpreter(&self, isa: Isa) -> Result<String> {
        let bytes = read(&self.binary(isa)?)?;
        let elf = Elf::parse(&bytes)?;
        Ok(elf.interpreter.with_context(|| format!("{} is not dynamic", self.path))?.to_owned())
    }

    /// Put the program, its loader, its libraries and its data into the guest.
    pub fn place(&self, isa: Isa, files: &mut Files) -> Result<()> {
        if self.library != Library::Static {
            let interpreter = self.interpreter(isa)?;
            files.add_program(&interpreter, read(&self.library.loader(isa, &interpreter))?);
        }
        for path in &self.data {
            add_tree(files, &self.host(isa, path)?, path)?;
        }
        self.add_with_libraries(isa, files, &self.path)
    }

    /// Add an ELF file and, for glibc, the libraries that it needs, and so on. Musl's packages bring theirs in a folder that the program's
    /// run path names: it is in `data`.
    fn add_with_libraries(&self, isa: Isa, files: &mut Files, path: &str) -> Result<()> {
        let bytes = read(&self.host(isa, path)?)?;
        let elf = Elf::parse(&bytes).with_context(|| format!("{path} is no ELF file"))?;
        if self.library == Library::Glibc {
            for name in &elf.libraries {
                let library = format!("usr/lib/{isa}-linux-gnu/{name}");
                if !files.contains(&library) {
                    self.add_with_libraries(isa, files, &library)?;
                }
            }
        }
        files.add_program(path, bytes.clone());
        Ok(())
    }

    /// How Linux runs it in `directory`, which is to hold the link to the packages' files.
    pub fn command(&self, isa: Isa, directory: &Path) -> Result<Command> {
        let (name, folder) = self.library.folder(isa);
        symlink(folder, directory.join(name))?;
        if self.library == Library::Static {
            if isa == Isa::host() {
                return Ok(Command::new(directory.join(&self.path)));
            }
            let mut command = Command::new(setup::user_emulator(isa));
            command.arg(&self.path);
            return Ok(command);
        }
        let loader = self.library.loader(isa, &self.interpreter(isa)?);
        let mut command = if isa == Isa::host() {
            Command::new(loader)
        } else {
            let mut command = Command::new(setup::user_emulator(isa));
            command.arg(loader);
            command
        };
        if self.library == Library::Glibc {
            command.arg("--library-path").arg(format!("usr/lib/{isa}-linux-gnu"));
        }
        command.arg(&self.path);
        Ok(command)
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// A host file, or all of a folder, links followed.
fn add_tree(files: &mut Files, host: &Path, guest: &str) -> Result<()> {
    if !host.is_dir() {
        files.add(guest, Node::File(0o644, read(host)?));
        return Ok(());
    }
    for entry in fs::read_dir(host)? {
        let entry = entry?;
        add_tree(files, &entry.path(), &format!("{guest}/{}", entry.file_name().to_string_lossy()))?;
    }
    Ok(())
}
