//! Level 3: the root file system that a person finds, and what comes out of it.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use exo::command::CommandFlags;

use super::Test;
use super::compare::tail;
use super::keys::Screen;
use crate::build;
use crate::entry::{Entry, Flavour};
use crate::fetch::Fetch;
use crate::initramfs::{Files, Node};
use crate::isa::Isa;
use crate::qemu::{End, Machine, Outcome, Scratch, boot_captured};
use crate::rootfs::{self, standard_files};
use crate::run::{DEFAULT_COMMAND, Guest};
use crate::tree;

/// The memory that a person's shell must do with.
const SMALL: &str = "64M";
const TIMEOUT: Duration = Duration::from_secs(120);
/// Instructions to a shell that has greeted and run a program: a fiftieth of what the distribution's Linux takes to its init, measured in the
/// same machine.
const BOOT_MOST: [(Isa, u64); 2] = [(Isa::X86_64, 1_510_000_000 / 50), (Isa::Aarch64, 860_000_000 / 50)];

type Work = fn(Isa) -> Result<()>;

/// All tests.
pub fn tests(isa: Isa) -> Vec<Test> {
    let works: [(&str, Work); 6] = [
        ("world/greeting", greeting),
        ("world/boot", boot),
        ("world/prompt", prompt),
        ("world/fetch", fetch),
        ("world/rootfs", folder_for_root),
        ("world/missing", missing),
    ];
    works
        .into_iter()
        .map(|(name, work)| Test {
            name: name.into(),
            level: 3,
            isa: Some(isa),
            work: Box::new(move || work(isa).map_err(|error| format!("{error:#}"))),
        })
        .collect()
}

fn guest(files: Files, command: &[&str], flags: CommandFlags) -> Guest {
    let environment = ["PATH=/bin:/usr/bin", "HOME=/root", "TERM=dumb"].map(str::to_owned).into();
    Guest { files, arguments: command.iter().map(|&word| word.to_owned()).collect(), environment, flags, ..Guest::default() }
}

/// What the shell that greets asks with, on a terminal that knows no colours.
const PROMPT: &str = "chitin:~# ";

/// A machine with little memory, and what it boots where nothing is named.
fn person(isa: Isa) -> Result<(Machine, Vec<u8>)> {
    let entry = Entry::default();
    let machine = Machine { memory: SMALL.into(), ..Machine::default_for(isa) };
    let guest = guest(standard_files(&machine, entry)?, &DEFAULT_COMMAND, entry.flags());
    let image = guest.image_on_terminal(isa, 1, Some([24, 80]))?;
    Ok((machine, image))
}

/// The shell that runs where nothing is named: it greets, and what it proposes works, with little memory.
fn greeting(isa: Isa) -> Result<()> {
    let (machine, image) = person(isa)?;
    let mut screen = Screen::boot(&machine, &build::kernel(isa), &image)?;
    screen.await_line(PROMPT)?;
    screen.await_text("Welcome to Chitin")?;
    for (command, shows) in [
        ("lua primes.lua 1000", "168 primes up to 1000".to_owned()),
        ("tcc -o hello hello.c && ./hello", format!("on {isa}.")),
        ("sqlite3 /tmp/a.db 'create table t(a); insert into t values(42), (43); select sum(a) from t'", "\n85\n".into()),
        ("printf 'all:\\n\\t@echo made\\n' | make -f -", "\nmade\n".into()),
        ("cp -r /usr/src/lua /tmp && ls /tmp/lua | wc -l; df -h / | wc -l", "\n2\n".into()),
    ] {
        screen.keys(&format!("{command}\r"))?;
        screen.await_text(&shows).with_context(|| command.to_owned())?;
        screen.await_line(PROMPT)?;
    }
    screen.keys("exit 5\r")?;
    let end = screen.await_end()?;
    ensure!(end == End::Exit(5), "the shell's end: {end}");
    Ok(())
}

/// From reset to a program that the greeting shell has started.
fn boot(isa: Isa) -> Result<()> {
    let entry = Entry::default();
    let command = [&DEFAULT_COMMAND[..], &["-c", "/usr/lib/chitin/bench/bench boot"]].concat();
    let machine = Machine { memory: SMALL.into(), icount: true, ..Machine::default_for(isa) };
    let guest = guest(standard_files(&machine, entry)?, &command, CommandFlags::BATCH | entry.flags());
    let outcome = boot_captured(&machine, &build::kernel(isa), &guest.image(isa)?, TIMEOUT)?;
    let output = String::from_utf8_lossy(&outcome.output);
    let said = output.lines().find_map(|line| line.strip_prefix("boot ")?.split(' ').next()?.parse::<u64>().ok());
    let took = said.with_context(|| format!("{}; it printed:\n{}", outcome.end, tail(&outcome.output)))?;
    let most = BOOT_MOST.iter().find(|(of, _)| *of == isa).map_or(0, |(_, most)| *most);
    ensure!(took <= most, "{took} instructions to the shell's first program, of {most} at most");
    Ok(())
}

/// From the emulator's start to a shell that asks: what that takes of the host's processors, which is what a person waits for on a host that does
/// nothing else. That nothing is slept for on the way is seen in [`boot`], whose clock goes on while a machine sleeps.
fn prompt(isa: Isa) -> Result<()> {
    const MOST: Duration = Duration::from_secs(2);
    const TRIES: usize = 3;
    let (machine, image) = person(isa)?;
    let mut times = Vec::new();
    for _ in 0..TRIES {
        let mut screen = Screen::boot(&machine, &build::kernel(isa), &image)?;
        screen.await_line(PROMPT)?;
        times.push(screen.processor_time()?);
        if times.last().is_some_and(|&time| time < MOST) {
            return Ok(());
        }
    }
    anyhow::bail!("{times:?} of the host's processors to the shell's prompt, of {MOST:?} at most");
}

/// A program of the distribution's alone in a guest, and a file system for it.
fn shell_with(isa: Isa, mut files: Files) -> Result<Files> {
    files.add_program("/bin/busybox", fs::read(tree::distribution_program(isa, Flavour::Stock, "busybox"))?);
    Ok(files)
}

fn run_script(isa: Isa, files: Files, script: &str, machine: &Machine, fetch: Option<&Fetch>) -> Result<Outcome> {
    let guest = guest(files, &["/bin/busybox", "sh", "-c", script], CommandFlags::BATCH);
    let image = guest.image_beside(isa, 1, None, None, fetch)?;
    boot_captured(machine, &build::kernel(isa), &image, TIMEOUT)
}

/// What a run leaves comes out as it is: written, with holes, never touched, by a link; and what there is not is told.
fn fetch(isa: Isa) -> Result<()> {
    let scratch = Scratch::new()?;
    let path = |name: &str| scratch.path(name).display().to_string();
    let given: Vec<u8> = (0..3 * 4096 + 77u32).map(|index| ((index * 7) >> 3) as u8).collect();
    let mut files = shell_with(isa, Files::new())?;
    files.add("/given", Node::File(0o600, given.clone()));
    let wanted =
        [("/tmp/written", "written"), ("/given", "given"), ("/tmp/link", "link"), ("/tmp/holes", "holes"), ("/tmp/empty", "empty")];
    let options: Vec<String> = wanted.iter().map(|(guest, host)| format!("{guest}:{}", path(host))).collect();
    let all = Fetch::new(&options)?.context("there are options")?;
    let script = "cd /tmp; busybox seq 1 300000 > written; busybox ln -s written link; : > empty; \
                  echo end | busybox dd of=holes bs=1 seek=100000 2>/dev/null; exit 9";
    let machine = Machine { memory_file: Some(scratch.path("memory")), ..Machine::default_for(isa) };
    let outcome = run_script(isa, files.clone(), script, &machine, Some(&all))?;
    ensure!(outcome.end == End::Exit(9), "{}; it printed:\n{}", outcome.end, tail(&outcome.output));
    ensure!(all.collect(&machine), "not all was fetched");
    let numbers: String = (1..=300_000).map(|number| format!("{number}\n")).collect();
    let holes = [vec![0; 100_000], b"end\n".to_vec()].concat();
    for (name, contents) in
        [("written", numbers.as_bytes()), ("given", &given), ("link", numbers.as_bytes()), ("holes", &holes), ("empty", b"")]
    {
        ensure!(fs::read(scratch.path(name))? == contents, "{name} is not what it was in the guest");
    }

    let options = ["/nowhere", "/tmp", "/dev/null", "/proc/version", "/given/x"].map(|guest| format!("{guest}:{}", path("none")));
    for option in &options {
        let one = Fetch::new(std::slice::from_ref(option))?.context("there is an option")?;
        run_script(isa, files.clone(), "exit 0", &machine, Some(&one))?;
        ensure!(!one.collect(&machine) && !scratch.path("none").exists(), "{option} was fetched");
    }
    Ok(())
}

/// A folder of the host's is the root, with its modes and links.
fn folder_for_root(isa: Isa) -> Result<()> {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let scratch = Scratch::new()?;
    let root = scratch.path("root");
    fs::create_dir_all(root.join("data/below"))?;
    fs::write(root.join("data/below/letter"), "from the host\n")?;
    fs::write(root.join("data/script"), "#!/bin/busybox sh\necho \"a script of $1\"\n")?;
    fs::set_permissions(root.join("data/script"), fs::Permissions::from_mode(0o750))?;
    symlink("below/letter", root.join("data/link"))?;
    let script = "cd /; busybox ls; busybox cat data/link; busybox stat -c %a data/script; data/script ours; exit 3";
    let outcome = run_script(isa, shell_with(isa, rootfs::folder(&root)?)?, script, &Machine::default_for(isa), None)?;
    let output = String::from_utf8_lossy(&outcome.output).into_owned();
    let expected = "bin\ndata\ndev\nproc\nsys\ntmp\nfrom the host\n750\na script of ours\n";
    ensure!(outcome.end == End::Exit(3) && output == expected, "{}; it printed:\n{output}", outcome.end);
    ensure!(rootfs::folder(&scratch.path("nowhere")).is_err(), "a folder that is not there");
    Ok(())
}

/// A root with nothing in it, or not what is asked for, is told, and how the run ends says which it was.
fn missing(isa: Isa) -> Result<()> {
    const NOT_FOUND: u8 = 127;
    const NOT_EXECUTABLE: u8 = 126;
    const FAILED: u8 = 125;
    let file = |path: &str, mode, contents: &[u8]| {
        let mut files = Files::new();
        files.add(path, Node::File(mode, contents.to_vec()));
        files
    };
    let absent = "chitin: /bin/sh: ENOENT (No such file or directory)\n";
    let cases = [
        ("nothing", Files::new(), "", NOT_FOUND, absent),
        ("no program", file("/etc/motd", 0o644, b"hello"), "", NOT_FOUND, absent),
        ("a file for a folder", file("/bin", 0o644, b"no folder"), "", NOT_EXECUTABLE, "chitin: /bin/sh: ENOTDIR (Not a directory)\n"),
        ("no interpreter", file("/bin/sh", 0o755, b"#!/bin/none\n"), "", NOT_FOUND, absent),
        ("nothing that runs", file("/bin/sh", 0o755, b"text"), "", NOT_EXECUTABLE, "chitin: /bin/sh: ENOEXEC (Exec format error)\n"),
        ("not to be run", file("/bin/sh", 0o644, b"text"), "", NOT_EXECUTABLE, "chitin: /bin/sh: EACCES (Permission denied)\n"),
        ("nothing, read-only", Files::new(), "ro", NOT_FOUND, absent),
        ("no options", Files::new(), "size=much", FAILED, "unixd: no options of a root file system: size=much\n"),
    ];
    for (name, files, options, status, says) in cases {
        let guest = Guest { root_options: options.into(), ..guest(files, &["/bin/sh"], CommandFlags::BATCH) };
        let outcome = boot_captured(&Machine::default_for(isa), &build::kernel(isa), &guest.image(isa)?, TIMEOUT)?;
        let output = String::from_utf8_lossy(&outcome.output).into_owned();
        ensure!(outcome.end == End::Exit(status) && output == says, "{name}: {}; it printed:\n{output}", outcome.end);
    }
    Ok(())
}
