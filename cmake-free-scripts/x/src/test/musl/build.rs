//! How musl is built and staged: when it is built again, what becomes of a bad source, what the compiler wrappers and `musl.pc` are good for.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use goblin::elf::Elf;
use goblin::elf::header::{ET_DYN, ET_EXEC, ET_REL};

use super::Named;
use crate::entry::Flavour;
use crate::isa::Isa;
use crate::qemu::Scratch;
use crate::{setup, tree};

pub const TESTS: &[Named] = &[
    ("second-setup", second_setup),
    ("rebuilt-on-change", rebuilt_on_change),
    ("wrong-hash", wrong_hash),
    ("broken-download", broken_download),
    ("patch-that-does-not-apply", bad_patch),
    ("musl.pc", package_description),
    ("wrapper", wrapper),
    ("configure", configure),
];

/// A second run's limit.
const NO_OP: Duration = Duration::from_secs(2);

fn script(folder: &Path, cache: &Path) -> Command {
    let mut command = Command::new(folder.join("musl.sh"));
    command.arg("--cache").arg(cache).env_remove("CHITIN_SOURCES").current_dir(tree::root());
    command
}

fn scripts() -> PathBuf {
    tree::root().join("cmake-free-scripts")
}

fn second_setup(isa: Isa) -> Result<()> {
    let files: Vec<PathBuf> = Flavour::ALL.iter().map(|&flavour| tree::musl(isa, flavour).join("lib/libc.so")).collect();
    let times = || files.iter().map(|file| file.metadata()?.modified()).collect::<Result<Vec<_>, _>>();
    let before = times()?;
    // Other tests have the processors too: the quickest of three is what it takes.
    let mut quickest = Duration::MAX;
    for _ in 0..3 {
        let start = Instant::now();
        setup::ensure(&[isa])?;
        quickest = quickest.min(start.elapsed());
    }
    ensure!(quickest < NO_OP, "a setup with nothing to do took {quickest:?}");
    ensure!(times()? == before, "a setup with nothing to do built musl again");
    Ok(())
}

/// The scripts, copied so that they can be changed.
fn copied_scripts(scratch: &Scratch) -> Result<PathBuf> {
    let folder = scratch.path("scripts");
    fs::create_dir(&folder)?;
    let sources = ["musl.sh", "source.sh", "apt-view.sh", "musl"].map(|name| scripts().join(name));
    let status = Command::new("cp").arg("-R").args(&sources).arg(&folder).status()?;
    ensure!(status.success(), "the scripts cannot be copied");
    Ok(folder)
}

fn append(file: &Path, text: &str) -> Result<()> {
    let contents = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(fs::write(file, contents + text)?)
}

/// A program of this name goes before the system's.
fn impostor(scratch: &Scratch, name: &str, lines: &str) -> Result<std::ffi::OsString> {
    let folder = scratch.path("impostors");
    fs::create_dir_all(&folder)?;
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{lines}\n"))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    let system = std::env::var_os("PATH").unwrap_or_default();
    Ok(std::env::join_paths(std::iter::once(folder).chain(std::env::split_paths(&system)))?)
}

fn rebuilt_on_change(isa: Isa) -> Result<()> {
    let scratch = Scratch::new()?;
    let folder = copied_scripts(&scratch)?;
    let cache = tree::cache();
    let done = |flavour: Flavour, path: Option<&OsStr>| -> Result<bool> {
        let mut command = script(&folder, &cache);
        command.arg("--check").arg(format!("{isa}/{}", flavour.name())).envs(path.map(|path| ("PATH", path)));
        Ok(command.status()?.success())
    };
    ensure!(done(Flavour::Stock, None)? && done(Flavour::Shim, None)?, "what setup has staged is not what it would stage");

    let compiler = if isa == Isa::host() { "gcc".to_owned() } else { format!("{isa}-linux-gnu-gcc") };
    let path = impostor(&scratch, &compiler, "echo another compiler 1.0")?;
    ensure!(!done(Flavour::Stock, Some(&path))?, "another compiler makes no new build");

    append(&folder.join("musl/shim/src/internal").join(isa.name()).join("chitin_entry.s"), "/* changed */\n")?;
    ensure!(!done(Flavour::Shim, None)?, "a changed file of the shim makes no new build");
    ensure!(done(Flavour::Stock, None)?, "a changed file of the shim makes a new build of the stock flavour");
    append(&folder.join("musl/iconv.patch"), "\n")?;
    ensure!(!done(Flavour::Stock, None)?, "a changed patch makes no new build");
    Ok(())
}

/// The script must have failed with these words on its error stream, and staged nothing.
fn failed(output: &Output, cache: &Path, isa: Isa, words: &[&str]) -> Result<()> {
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(!output.status.success(), "it did not fail");
    for word in words {
        ensure!(errors.contains(word), "{word:?} is not in its message: {errors}");
    }
    let staged: Vec<PathBuf> =
        fs::read_dir(cache.join("musl").join(isa.name())).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    ensure!(staged.is_empty(), "it left {staged:?}");
    Ok(())
}

fn wrong_hash(isa: Isa) -> Result<()> {
    let scratch = Scratch::new()?;
    let (cache, sources) = (scratch.path("cache"), scratch.path("sources"));
    fs::create_dir(&sources)?;
    let archive = sources.join("musl-1.2.5.tar.gz");
    fs::write(&archive, "no archive")?;
    let words = ["is not musl 1.2.5", "SHA-256"];
    let output = script(&scripts(), &cache).arg("--source").arg(&archive).arg(isa.name()).output()?;
    failed(&output, &cache, isa, &words)?;
    let output = script(&scripts(), &cache).env("CHITIN_SOURCES", &sources).arg(isa.name()).output()?;
    failed(&output, &cache, isa, &words)?;
    let output = script(&scripts(), &cache).arg("--source").arg(scratch.path("nowhere")).arg(isa.name()).output()?;
    failed(&output, &cache, isa, &["cannot read", "nowhere"])
}

/// A package client that fails, then one that brings half an archive: the next run fetches again.
fn broken_download(isa: Isa) -> Result<()> {
    let scratch = Scratch::new()?;
    let cache = scratch.path("cache");
    let run = |path: &OsStr| script(&scripts(), &cache).env("PATH", path).arg(isa.name()).output();
    let path = impostor(&scratch, "apt-get", "echo no network >&2; exit 100")?;
    failed(&run(&path)?, &cache, isa, &["the download of musl's source failed", "no network"])?;
    let path = impostor(&scratch, "apt-get", "case \"$*\" in *--download-only*) printf half > musl_1.2.5.orig.tar.gz ;; esac")?;
    for _ in 0..2 {
        failed(&run(&path)?, &cache, isa, &["the download is not musl 1.2.5", "SHA-256"])?;
        ensure!(!cache.join("sources/musl_1.2.5.orig.tar.gz").exists(), "the broken archive was kept under its name");
    }
    Ok(())
}

fn bad_patch(isa: Isa) -> Result<()> {
    let scratch = Scratch::new()?;
    let (folder, cache) = (copied_scripts(&scratch)?, scratch.path("cache"));
    let patch = folder.join("musl/iconv.patch");
    let contents = fs::read_to_string(&patch)?;
    fs::write(&patch, contents.replace("0xc6-0x81", "0xc7-0x81"))?;
    let output =
        script(&folder, &cache).arg("--source").arg(tree::cache().join("sources/musl_1.2.5.orig.tar.gz")).arg(isa.name()).output()?;
    ensure!(!output.status.success(), "it did not fail");
    failed(&output, &cache, isa, &[])
}

/// Each folder of `musl.pc` is there, with what it promises; its version is the stamp's.
fn package_description(isa: Isa) -> Result<()> {
    for flavour in Flavour::ALL {
        let root = tree::musl(isa, flavour);
        let text = fs::read_to_string(root.join("lib/pkgconfig/musl.pc"))?;
        let mut values: Vec<(String, String)> = vec![("pcfiledir".into(), root.join("lib/pkgconfig").display().to_string())];
        for line in text.lines() {
            let Some(at) = line.find(['=', ':']) else { continue };
            let mut value = line[at + 1..].trim().to_owned();
            for (name, known) in &values {
                value = value.replace(&format!("${{{name}}}"), known);
            }
            values.push((line[..at].to_owned(), value));
        }
        let field = |name: &str| values.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str());
        let stamp = fs::read_to_string(root.join("VERSION"))?;
        ensure!(stamp.starts_with(&format!("musl {} {isa} {}\n", field("Version"), flavour.name())), "version {}", field("Version"));
        ensure!(field("Libs") == format!("-L{} -lc", field("libdir")), "Libs: {}", field("Libs"));
        ensure!(field("Cflags") == format!("-isystem {}", field("includedir")), "Cflags: {}", field("Cflags"));
        for file in [format!("{}/libc.so", field("libdir")), format!("{}/stdio.h", field("includedir"))] {
            ensure!(Path::new(&file).is_file(), "musl.pc leads to {file}, which is not there");
        }
    }
    Ok(())
}

/// What comes out of a link, as `file` would say.
#[derive(PartialEq, Eq, Debug)]
struct Linked {
    kind: u16,
    interpreter: Option<String>,
    needed: Vec<String>,
    entry: bool,
}

fn linked(file: &Path, isa: Isa) -> Result<Linked> {
    let bytes = fs::read(file)?;
    let elf = Elf::parse(&bytes)?;
    ensure!(elf.header.e_machine == isa.elf_machine(), "for machine {}", elf.header.e_machine);
    Ok(Linked {
        kind: elf.header.e_type,
        interpreter: elf.interpreter.map(str::to_owned),
        needed: elf.libraries.iter().map(|&name| name.to_owned()).collect(),
        entry: elf.entry != 0,
    })
}

fn wrapper(isa: Isa) -> Result<()> {
    let scratch = Scratch::new()?;
    fs::write(scratch.path("main.c"), "#include <stdio.h>\nint main(void) { return puts(\"hello\") < 0; }\n")?;
    fs::write(scratch.path("bare.c"), "void _start(void) { for (;;) ; }\n")?;
    let loader = || Some(format!("/lib/ld-musl-{isa}.so.1"));
    let one = |kind, interpreter: Option<String>, entry| {
        let needed = if interpreter.is_some() { vec!["libc.so".to_owned()] } else { Vec::new() };
        Linked { kind, interpreter, needed, entry }
    };
    let links = [
        ("main.c", "", "", one(ET_EXEC, None, true)),
        ("main.c", "-static", "dynamic", one(ET_EXEC, None, true)),
        ("main.c", "-static-pie", "", one(ET_DYN, None, true)),
        ("main.c", "-pie", "", one(ET_DYN, None, true)),
        ("main.c", "", "static-pie", one(ET_DYN, None, true)),
        ("main.c", "-dynamic", "", one(ET_DYN, loader(), true)),
        ("main.c", "", "dynamic", one(ET_DYN, loader(), true)),
        ("main.c", "-dynamic -no-pie", "", one(ET_EXEC, loader(), true)),
        ("main.c", "-shared", "", Linked { kind: ET_DYN, interpreter: None, needed: vec!["libc.so".into()], entry: false }),
        ("main.c", "-c", "", one(ET_REL, None, false)),
        ("main.c", "-r -nostdlib", "", one(ET_REL, None, false)),
        ("bare.c", "-nostdlib", "", one(ET_EXEC, None, true)),
    ];
    for flavour in Flavour::ALL {
        for (source, options, default, expected) in &links {
            let output = scratch.path("output");
            let mut command = Command::new(tree::c_compiler(isa, flavour));
            command.args(options.split_whitespace()).arg(scratch.path(source)).arg("-o").arg(&output).env_remove("CHITIN_LINK");
            command.envs((!default.is_empty()).then_some(("CHITIN_LINK", default)));
            let result = command.output()?;
            ensure!(result.status.success(), "{command:?}: {}", String::from_utf8_lossy(&result.stderr));
            let found = linked(&output, isa)?;
            ensure!(found == *expected, "{command:?}: {found:?}, not {expected:?}");
        }
        // The host's headers and libraries are out of sight.
        let mut probe = Command::new(tree::c_compiler(isa, flavour));
        let output = probe.args(["-E", "-v"]).arg(scratch.path("main.c")).output()?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let (_, folders) = text.split_once("search starts here:").context("no list of header folders")?;
        ensure!(output.status.success() && !folders.contains("\n /usr/include"), "the host's headers are in sight: {folders}");
    }
    Ok(())
}

/// The configure script of a distribution's source, with libtool, as for a cross compilation.
fn configure(isa: Isa) -> Result<()> {
    let scratch = Scratch::new()?;
    let archive = fs::read_dir(tree::cache().join("sources"))?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("sqlite3_") && name.to_string_lossy().ends_with(".orig.tar.xz"))
        })
        .context("setup has left no source of sqlite3")?;
    let source = scratch.path("source");
    fs::create_dir(&source)?;
    let status = Command::new("tar").arg("-xf").arg(&archive).arg("-C").arg(&source).arg("--strip-components=1").status()?;
    ensure!(status.success(), "{} cannot be unpacked", archive.display());
    let build = scratch.path("build");
    fs::create_dir(&build)?;
    let bin = tree::cache().join("musl/bin");
    let variable = |name: &str, path: PathBuf| format!("{name}={}", path.display());
    let output = Command::new(source.join("configure"))
        .args(["--disable-tcl", "--disable-readline", &format!("--host={isa}-linux-musl"), "--build=none-unknown-linux-gnu"])
        .arg(variable("CC", tree::c_compiler(isa, Flavour::Shim)))
        .arg(variable("AR", bin.join(format!("chitin-{isa}-ar"))))
        .arg("BUILD_CC=gcc")
        .current_dir(&build)
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    let answers = [
        "checking whether the C compiler works... yes",
        "checking whether we are cross compiling... yes",
        "static flag -static works... yes",
        "supports shared libraries... yes",
        "checking for zlib.h... no",
        "checking for usleep... yes",
        "checking for library containing dlopen... none required",
        "checking for library containing pthread_create... none required",
    ];
    for answer in answers {
        ensure!(text.contains(answer), "configure did not answer {answer:?}:\n{text}");
    }
    Ok(())
}
