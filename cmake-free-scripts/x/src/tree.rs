//! Where things are: the source tree and the folders of what is made from it.

use std::path::PathBuf;

use crate::entry::Flavour;
use crate::isa::Isa;

/// Cargo's profile for Linux programs, and the name of its folder.
pub const LINUX_PROFILE: &str = "program";

/// The source tree's top.
pub fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .canonicalize()
        .expect("the source tree that this tool was built from exists")
}

/// What `setup` keeps: source archives, compilers, programs.
pub fn cache() -> PathBuf {
    root().join(".cache")
}

/// Cargo's output.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |path| root().join(path))
}

/// This tool's own output for an ISA: kernel and boot images, stripped programs.
pub fn output(isa: Isa) -> PathBuf {
    target().join("chitin").join(isa.name())
}

/// Cargo's release folder for bare programs.
pub fn bare_release(isa: Isa) -> PathBuf {
    target().join(isa.bare_target()).join("release")
}

/// Cargo's target folder for Linux programs: each flavour has its own, since cargo builds anew where the flags change.
pub fn linux_target(flavour: Flavour) -> PathBuf {
    match flavour {
        Flavour::Stock => target(),
        Flavour::Shim => target().join("shim"),
    }
}

/// Cargo's output folder for Linux programs.
pub fn linux_release(isa: Isa, flavour: Flavour) -> PathBuf {
    linux_target(flavour).join(isa.linux_target()).join(LINUX_PROFILE)
}

/// A program that `setup` got from the distribution. One of another C library's is the same in each flavour.
pub fn distribution_program(isa: Isa, flavour: Flavour, name: &str) -> PathBuf {
    let programs = cache().join("programs").join(isa.name());
    match flavour {
        Flavour::Shim if !name.ends_with("-glibc") => programs.join(flavour.name()).join(name),
        _ => programs.join(name),
    }
}

/// A folder like a root that has what programs are built with: a C compiler, its C library, sources.
pub fn system(isa: Isa, flavour: Flavour) -> PathBuf {
    distribution_program(isa, flavour, "system")
}

/// What is ours in the guest's root file system: settings and things to try.
pub fn skeleton() -> PathBuf {
    root().join("user/rootfs")
}

/// A build of musl that `setup` staged: headers, libraries, settings.
pub fn musl(isa: Isa, flavour: Flavour) -> PathBuf {
    cache().join("musl").join(isa.name()).join(flavour.name())
}

/// The C compiler for a build of musl.
pub fn c_compiler(isa: Isa, flavour: Flavour) -> PathBuf {
    let name = match flavour {
        Flavour::Stock => format!("chitin-{isa}-cc"),
        Flavour::Shim => format!("chitin-{isa}-shim-cc"),
    };
    cache().join("musl/bin").join(name)
}

/// The folder of the packages that `setup` unpacked.
pub fn packages(isa: Isa) -> PathBuf {
    cache().join("packages").join(isa.name())
}

/// An unpacked package: a root folder.
pub fn package(isa: Isa, name: &str) -> PathBuf {
    packages(isa).join(name)
}

/// The names of a package's programs: the files (and folders) under its `src/bin`.
pub fn programs_of(package: &str) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(root().join(package).join("src/bin")) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.flatten().filter_map(|entry| entry.path().file_stem().map(|stem| stem.to_string_lossy().into_owned())).collect();
    names.sort();
    names
}
