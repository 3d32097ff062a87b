//! Builds what boots: the kernel, the library OS, the first environment's programs, Linux programs; and checks each link.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context, Result, bail, ensure};
use goblin::elf::Elf;
use goblin::elf::program_header::PT_LOAD;

use crate::elf::{Rules, verify};
use crate::entry::Flavour;
use crate::isa::Isa;
use crate::{c_programs, libos_image, policies, tree};

/// The package of Linux programs.
pub const LINUX_PACKAGE: &str = "linux-programs";
/// Bytes of code that a real kernel has at the least.
const KERNEL_TEXT_FLOOR: u64 = 8 << 10;
/// The same for the library OS.
const LIBOS_TEXT_FLOOR: u64 = 8 << 10;
/// The same for a native program.
const NATIVE_TEXT_FLOOR: u64 = 64;

/// The kernel in the form that boots.
pub fn kernel(isa: Isa) -> PathBuf {
    tree::output(isa).join("kernel")
}

/// The kernel with its symbols.
pub fn kernel_symbols(isa: Isa) -> PathBuf {
    tree::bare_release(isa).join("chitin")
}

/// The library OS with its symbols.
pub fn libos_symbols(isa: Isa) -> PathBuf {
    tree::bare_release(isa).join("libos")
}

/// The library OS's module.
pub fn libos_module(isa: Isa) -> PathBuf {
    tree::output(isa).join("libos")
}

/// An image of the library OS with policies of its own, by their names.
pub fn own_module(isa: Isa, policies: &[String]) -> PathBuf {
    tree::output(isa).join(format!("libos-{}", policies.join("-")))
}

/// `unixd` with its symbols.
pub fn unixd_symbols(isa: Isa) -> PathBuf {
    tree::bare_release(isa).join("unixd")
}

/// `unixd`'s module.
pub fn unixd_module(isa: Isa) -> PathBuf {
    tree::output(isa).join("unixd")
}

/// A native program.
pub fn native(isa: Isa, name: &str) -> PathBuf {
    tree::bare_release(isa).join(name)
}

/// A Linux program of ours, stripped.
pub fn linux(isa: Isa, flavour: Flavour, name: &str) -> PathBuf {
    linux_folder(isa, flavour).join(name)
}

fn linux_folder(isa: Isa, flavour: Flavour) -> PathBuf {
    tree::output(isa).join(match flavour {
        Flavour::Stock => "linux",
        Flavour::Shim => "linux-shim",
    })
}

/// Build everything for an ISA.
pub fn build(isa: Isa) -> Result<()> {
    build_kernel(isa)?;
    build_native(isa)?;
    build_personality(isa)
}

/// Build the kernel for an ISA.
pub fn build_kernel(isa: Isa) -> Result<()> {
    cargo_build(isa.bare_target(), &["exokernel"], &["--bins".into()])?;
    std::fs::create_dir_all(tree::output(isa))?;
    derive(&kernel_symbols(isa), &kernel(isa), |from, to| boot_form(isa, from, to))
}

/// Build the programs that stand straight on the kernel for an ISA.
pub fn build_native(isa: Isa) -> Result<()> {
    cargo_build(isa.bare_target(), &["native"], &["--bins".into()])?;
    std::fs::create_dir_all(tree::output(isa))?;
    tree::programs_of("user/exo").iter().try_for_each(|name| check_native(isa, name))
}

/// Build what Linux programs need beyond the kernel, and ours of them, for an ISA.
pub fn build_personality(isa: Isa) -> Result<()> {
    build_library(isa)?;
    build_linux(isa)
}

/// Build what Linux programs need beyond the kernel.
pub fn build_library(isa: Isa) -> Result<()> {
    cargo_build(isa.bare_target(), &["libos", "unixd", "init"], &["--bins".into()])?;
    std::fs::create_dir_all(tree::output(isa))?;
    derive(&libos_symbols(isa), &libos_module(isa), |from, to| {
        let linked = checked(from, Rules { isa, text_floor: LIBOS_TEXT_FLOOR })?;
        Ok(std::fs::write(to, libos_image::lay_out(&linked, isa)?)?)
    })?;
    derive(&unixd_symbols(isa), &unixd_module(isa), |from, to| {
        let linked = checked(from, Rules { isa, text_floor: LIBOS_TEXT_FLOOR })?;
        Ok(std::fs::write(to, libos_image::lay_out_server(&linked, isa)?)?)
    })?;
    check_native(isa, "init")
}

/// Build an image of the library OS with policies of `user/policies`, by their names. The stock one is built.
pub fn build_own_library(isa: Isa, names: &[String]) -> Result<()> {
    let files: Vec<PathBuf> = names.iter().map(|name| policies::file(name)).collect();
    let image = own_module(isa, names);
    let modified = |path: &Path| -> Option<SystemTime> { path.metadata().ok()?.modified().ok() };
    // Images of several policies have one folder of cargo's, which builds anew where the names change: only if there is something new.
    let sources = files.iter().cloned().chain([libos_symbols(isa)]);
    if modified(&image).is_some_and(|made| sources.map(|source| modified(&source)).all(|source| source.is_some_and(|source| source < made)))
    {
        return Ok(());
    }
    let target = tree::target().join("own");
    let mut command = Command::new("cargo");
    command.args(["build", "--quiet", "--release", "--target", isa.bare_target(), "--package", "libos", "--bins", "--target-dir"]);
    command.arg(&target).env("CHITIN_POLICIES", std::env::join_paths(&files)?).current_dir(tree::root());
    ensure!(command.status().context("cannot start cargo")?.success(), "the library OS with {} does not build", names.join(", "));
    let linked = checked(&target.join(isa.bare_target()).join("release/libos"), Rules { isa, text_floor: LIBOS_TEXT_FLOOR })?;
    Ok(std::fs::write(image, libos_image::lay_out(&linked, isa)?)?)
}

/// Check a native program's link; an empty file beside the others says that it was good.
fn check_native(isa: Isa, name: &str) -> Result<()> {
    let mark = tree::output(isa).join(format!("{name}.checked"));
    derive(&native(isa, name), &mark, |from, to| {
        checked(from, Rules { isa, text_floor: NATIVE_TEXT_FLOOR })?;
        Ok(std::fs::write(to, "")?)
    })
}

/// Build one of our Linux programs in Rust's own musl, and put it where [`linux`] says.
pub fn build_linux_program(isa: Isa, name: &str) -> Result<()> {
    let target = tree::linux_target(Flavour::Stock).into_os_string();
    cargo_build(isa.linux_target(), &[LINUX_PACKAGE], &["--target-dir".into(), target, "--bin".into(), name.into()])?;
    std::fs::create_dir_all(linux_folder(isa, Flavour::Stock))?;
    derive(&tree::linux_release(isa, Flavour::Stock).join(name), &linux(isa, Flavour::Stock, name), strip)
}

/// Build our Linux programs for an ISA: Rust's in both flavours, then C's. The stock flavour of the Rust programs is Rust's own musl.
pub fn build_linux(isa: Isa) -> Result<()> {
    for flavour in Flavour::ALL {
        let mut options = vec!["--bins".into(), "--target-dir".into(), tree::linux_target(flavour).into_os_string()];
        if flavour == Flavour::Shim {
            options.extend(["--config".into(), tree::musl(isa, flavour).join("cargo.toml").into_os_string()]);
        }
        cargo_build(isa.linux_target(), &[LINUX_PACKAGE], &options)?;
        std::fs::create_dir_all(linux_folder(isa, flavour))?;
        for name in tree::programs_of("user/linux") {
            derive(&tree::linux_release(isa, flavour).join(&name), &linux(isa, flavour, &name), strip)?;
        }
    }
    c_programs::build(isa)
}

fn cargo_build(target: &str, packages: &[&str], options: &[OsString]) -> Result<()> {
    let profile = if packages == [LINUX_PACKAGE] { tree::LINUX_PROFILE } else { "release" };
    let mut command = Command::new("cargo");
    command.args(["build", "--quiet", "--profile", profile, "--target", target]).args(options).current_dir(tree::root());
    for package in packages {
        command.args(["--package", package]);
    }
    let status = command.status().context("cannot start cargo")?;
    ensure!(status.success(), "cargo build for {target} failed");
    Ok(())
}

/// Make `to` of `from` if it is older. A failure leaves nothing at `to`.
fn derive(from: &Path, to: &Path, make: impl Fn(&Path, &Path) -> Result<()>) -> Result<()> {
    let modified = |path: &Path| -> Option<SystemTime> { path.metadata().ok()?.modified().ok() };
    let source = modified(from).with_context(|| format!("{} was not built", from.display()))?;
    if modified(to).is_some_and(|made| made > source) && modified(to) > modified(&std::env::current_exe()?) {
        return Ok(());
    }
    let fresh = to.with_extension("new");
    make(from, &fresh).with_context(|| format!("making {}", to.display()))?;
    Ok(std::fs::rename(fresh, to)?)
}

/// A linked file's bytes, if it is as it must be.
fn checked(path: &Path, rules: Rules) -> Result<Vec<u8>> {
    let bytes = std::fs::read(path)?;
    match verify(&bytes, rules) {
        Ok(()) => Ok(bytes),
        Err(faults) => bail!("{} is badly linked:\n  {}", path.display(), faults.join("\n  ")),
    }
}

/// The kernel as its machine loads it: x86_64 by the PVH note of the ELF file, stripped; aarch64 as a flat Linux `Image`.
fn boot_form(isa: Isa, from: &Path, to: &Path) -> Result<()> {
    let linked = checked(from, Rules { isa, text_floor: KERNEL_TEXT_FLOOR })?;
    match isa {
        Isa::X86_64 => strip(from, to),
        Isa::Aarch64 => Ok(std::fs::write(to, flatten(&linked)?)?),
    }
}

/// The loaded bytes of an ELF file, by physical address from the lowest on.
fn flatten(linked: &[u8]) -> Result<Vec<u8>> {
    let elf = Elf::parse(linked)?;
    let loads = elf.program_headers.iter().filter(|load| load.p_type == PT_LOAD && load.p_filesz > 0);
    let base = loads.clone().map(|load| load.p_paddr).min().context("nothing to load")?;
    let mut flat = Vec::new();
    for load in loads {
        let start = usize::try_from(load.p_paddr - base)?;
        let bytes = linked.get(load.p_offset as usize..(load.p_offset + load.p_filesz) as usize).context("a segment is cut off")?;
        ensure!(start + bytes.len() < 1 << 28, "the segment at {:#x} is far from the others", load.p_paddr);
        flat.resize(flat.len().max(start + bytes.len()), 0);
        flat[start..start + bytes.len()].copy_from_slice(bytes);
    }
    const MAGIC: &[u8] = b"ARM\x64";
    ensure!(flat.get(56..60) == Some(MAGIC), "the kernel does not begin with the header of a Linux Image");
    Ok(flat)
}

/// Copy a program without symbols and debug sections.
fn strip(from: &Path, to: &Path) -> Result<()> {
    let tool = llvm_tool("llvm-objcopy")?;
    let status =
        Command::new(&tool).arg("--strip-all").arg(from).arg(to).status().with_context(|| format!("cannot start {}", tool.display()))?;
    ensure!(status.success(), "stripping {} failed", from.display());
    Ok(())
}

/// A program of rustup's `llvm-tools`.
pub fn llvm_tool(name: &str) -> Result<PathBuf> {
    let output = Command::new("rustc").args(["--print", "sysroot"]).current_dir(tree::root()).output().context("cannot start rustc")?;
    let libraries = PathBuf::from(String::from_utf8(output.stdout)?.trim()).join("lib/rustlib");
    std::fs::read_dir(&libraries)?
        .flatten()
        .map(|entry| entry.path().join("bin").join(name))
        .find(|path| path.exists())
        .with_context(|| format!("{name} is not in {}: rustup component add llvm-tools", libraries.display()))
}
