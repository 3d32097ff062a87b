//! Where things are: the source tree and the folders of what is made from it.

use std::path::PathBuf;

use crate::isa::Isa;

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

/// Cargo's release folder for Linux programs.
pub fn linux_release(isa: Isa) -> PathBuf {
    target().join(isa.linux_target()).join("release")
}

/// A program that `setup` built from distribution sources.
pub fn distribution_program(isa: Isa, name: &str) -> PathBuf {
    cache().join("programs").join(isa.name()).join(name)
}

/// The folder of the packages that `setup` unpacked.
pub fn packages(isa: Isa) -> PathBuf {
    cache().join("packages").join(isa.name())
}

/// An unpacked package: a root folder.
pub fn package(isa: Isa, name: &str) -> PathBuf {
    packages(isa).join(name)
}

/// The dynamic loader of the staged musl, which is its C library too.
pub fn musl_loader(isa: Isa) -> PathBuf {
    cache().join("musl").join(isa.name()).join("stock/lib").join(format!("ld-musl-{isa}.so.1"))
}

/// The names of a package's programs: the files (and folders) under its `src/bin`.
pub fn programs_of(package: &str) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(root().join(package).join("src/bin")) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.flatten().filter_map(|entry| entry.path().file_stem().map(|stem| stem.to_string_lossy().into_owned())).collect();
    names.sort();
    names
}
