//! The guest's root file system: the one that every guest of `cargo x run` has, or a folder of one's own.
//!
//! | path | what |
//! |---|---|
//! | `/bin`, `/sbin`, `/usr/bin`, `/usr/sbin` | busybox under the names of its applets; dash, lua, make, sqlite3, tcc |
//! | `/usr/include`, `/usr/lib` | our musl and tcc's own, so that `tcc` and `make` build programs in the guest |
//! | `/usr/src` | sources to build: Lua's, tcc's own |
//! | `/usr/lib/chitin/tests`, `bench` | our Linux programs (not in a machine of little memory), and the benchmark's |
//! | `/etc`, `/root` | `user/rootfs`, as it is there |

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::c_programs::{self, BENCH, Form, c_program};
use crate::entry::Entry;
use crate::initramfs::{Files, Node};
use crate::qemu::Machine;
use crate::{build, manifest, setup, tree};

/// Where our tests are in the guest.
const TESTS: &str = "/usr/lib/chitin/tests";
/// The least MiB of memory of a machine that they are put into: they are large, and QEMU has room for half of the memory as a boot image.
const ROOM_FOR_TESTS: u64 = 128;
/// Where the benchmark is.
const BENCHMARK: &str = "/usr/lib/chitin/bench";
/// The program that README begins with.
const FIRST_PROGRAM: &str = "hello";

/// What every guest of `cargo x run` has that names no root file system of its own.
pub fn standard_files(machine: &Machine, entry: Entry) -> Result<Files> {
    let (isa, flavour) = (machine.isa, entry.flavour());
    let mut files = Files::new();
    add_tree(&mut files, &tree::system(isa, flavour), "")?;
    add_tree(&mut files, &tree::skeleton(), "")?;
    for name in ["busybox", "lua", "sqlite3"].iter().chain(&setup::TOOLS) {
        files.add_program(&format!("/bin/{name}"), read(tree::distribution_program(isa, flavour, name))?);
    }
    files.add_program(&format!("/lib/ld-musl-{isa}.so.1"), read(tree::musl(isa, flavour).join("lib/libc.so"))?);
    for path in setup::busybox_applets(isa)? {
        if !files.contains(&path) {
            files.add(&path, Node::Link("/bin/busybox".into()));
        }
    }
    // What the manifests of `user/apps` run is where they say.
    let apps: Vec<String> = manifest::all()?.into_iter().map(|(_, manifest)| manifest.program).collect();
    let has_room = machine.mebibytes().is_none_or(|mebibytes| mebibytes >= ROOM_FOR_TESTS);
    for name in tree::programs_of("user/linux").into_iter().filter(|name| has_room || name == FIRST_PROGRAM) {
        let folder = if name == FIRST_PROGRAM || apps.contains(&format!("/bin/{name}")) { "/bin" } else { TESTS };
        files.add_program(&format!("{folder}/{name}"), read(build::linux(isa, flavour, &name))?);
    }
    for name in c_programs::static_programs()? {
        let path = format!("/bin/{name}");
        if has_room && apps.contains(&path) && !files.contains(&path) {
            files.add_program(&path, read(c_program(isa, flavour, &name, Form::Static))?);
        }
    }
    files.add_program(&format!("{BENCHMARK}/{BENCH}"), read(c_program(isa, flavour, BENCH, Form::Static))?);
    add_tree(&mut files, &c_programs::bench_data(), BENCHMARK)?;
    Ok(files)
}

/// A folder of the host's as the guest's root, with what every system has: places for `/dev`, `/proc`, `/sys` and `/tmp`.
pub fn folder(host: &Path) -> Result<Files> {
    ensure!(host.is_dir(), "--rootfs {}: that is no folder", host.display());
    let mut files = Files::bare();
    add_tree(&mut files, host, "")?;
    Ok(files)
}

fn read(path: PathBuf) -> Result<Vec<u8>> {
    fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// Put a host's file or folder into the guest: `HOST:GUEST`.
///
/// # Errors
/// It is none such, or cannot be read.
pub fn add_pair(files: &mut Files, pair: &str) -> Result<()> {
    let (host, guest) = pair.split_once(':').with_context(|| format!("--add {pair}: HOST:GUEST is wanted"))?;
    add_tree(files, Path::new(host), guest)
}

/// A host file, folder or link with all that is below it. Devices, sockets and FIFOs are left out: their contents are not the host's to give.
pub fn add_tree(files: &mut Files, host: &Path, guest: &str) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = fs::symlink_metadata(host).with_context(|| format!("cannot read {}", host.display()))?;
    if metadata.is_dir() {
        if !guest.is_empty() {
            files.add(guest, Node::Directory);
        }
        let entries = fs::read_dir(host).with_context(|| format!("cannot list {}", host.display()))?;
        for entry in entries {
            let entry = entry?;
            add_tree(files, &entry.path(), &format!("{guest}/{}", entry.file_name().to_string_lossy()))?;
        }
    } else if metadata.is_symlink() {
        files.add(guest, Node::Link(fs::read_link(host)?.to_string_lossy().into_owned()));
    } else if metadata.is_file() {
        files.add(guest, Node::File(metadata.permissions().mode() & 0o7777, read(host.to_owned())?));
    } else {
        eprintln!("cargo x: {} is neither file, folder nor link: left out", host.display());
    }
    Ok(())
}
