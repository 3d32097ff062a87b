//! Level 3: what a run tells of itself: calls as strace(1) prints them, a table of them, and what a process was doing when a signal ended it.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use exo::command::CommandFlags;
use exo::libos_image::LIBOS_BASE;
use exo::trace::Kind;

use super::Test;
use super::compare::tail;
use crate::entry::Flavour;
use crate::initramfs::{Files, Node};
use crate::isa::Isa;
use crate::qemu::{Machine, Scratch, boot_captured};
use crate::run::Guest;
use crate::trace::{Crash, Filter, Lines, Lookup, Piece, Stream, Summary};
use crate::{build, gdb, symbols, tree};

const TIMEOUT: Duration = Duration::from_secs(120);

/// What a test does.
type Work = fn(Isa) -> Result<()>;

/// The tests.
pub fn tests(isa: Isa) -> Vec<Test> {
    let works: [(&str, Work); 6] = [
        ("seeing/strace", calls_of_a_tree),
        ("seeing/strace-unfinished", calls_that_others_come_into),
        ("seeing/summary", summary),
        ("seeing/post-mortem", post_mortem),
        ("seeing/post-mortem-abort", post_mortem_of_an_abort),
        ("seeing/gdb", debugger),
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

/// What a run told.
#[derive(Default)]
struct Told {
    /// The program's own output.
    output: String,
    /// The lines of calls.
    lines: String,
    summary: Summary,
    /// Reports of crashes.
    crashes: Vec<String>,
}

impl Told {
    fn has(&self, what: &str) -> Result<()> {
        ensure!(self.lines.contains(what), "no {what:?} in:\n{}", tail(self.lines.as_bytes()));
        Ok(())
    }
}

/// Run a program, with busybox beside it, traced so.
fn run(isa: Isa, program: &[&str], flags: CommandFlags, icount: bool) -> Result<Told> {
    let mut files = Files::new();
    let busybox = tree::distribution_program(isa, Flavour::Stock, "busybox");
    files.add_program("/bin/busybox", std::fs::read(&busybox).with_context(|| format!("{} is missing", busybox.display()))?);
    for name in ["sh", "cat", "true", "sleep"] {
        files.add(&format!("/bin/{name}"), Node::Link("/bin/busybox".into()));
    }
    files.add("/text", Node::File(0o644, b"some text\n".to_vec()));
    if !files.contains(program[0]) {
        let name = program[0].trim_start_matches("/bin/");
        files.add_program(program[0], std::fs::read(build::linux(isa, Flavour::Stock, name))?);
    }
    let guest = Guest {
        files: files.clone(),
        arguments: program.iter().map(|&argument| argument.to_owned()).collect(),
        environment: vec!["PATH=/bin".into()],
        flags: flags | CommandFlags::BATCH,
        input: Vec::new(),
        ..Guest::default()
    };
    let machine = Machine { icount, ..Machine::default_for(isa) };
    let outcome = boot_captured(&machine, &build::kernel(isa), &guest.image(isa)?, TIMEOUT)?;
    let mut lookup: Lookup = Box::new(move |path| {
        let found = files.regular().find(|(known, _)| known.trim_start_matches('/') == path.trim_start_matches('/'));
        found.map(|(_, bytes)| symbols::with_symbols(isa, path, bytes))
    });
    sort(&outcome.output, &mut lookup)
}

fn sort(bytes: &[u8], lookup: &mut Lookup) -> Result<Told> {
    let (mut told, mut stream, mut crash, mut output) = (Told::default(), Stream::default(), Crash::default(), Vec::new());
    let mut lines = Lines::new(Vec::new(), Filter::default(), false);
    for piece in stream.take(bytes) {
        match piece {
            Piece::Output(bytes) => output.extend(bytes),
            Piece::Record(record) => match record.kind {
                Kind::Tally => told.summary.add(&record.text),
                Kind::Absent => told.summary.note_absent(&record.text),
                Kind::Crash if crash.add(&record.text) => told.crashes.push(crash.report(record.process, lookup)),
                Kind::Crash => {}
                _ => lines.print(&record)?,
            },
        }
    }
    lines.end()?;
    told.output = String::from_utf8_lossy(&output).into_owned();
    told.lines = String::from_utf8(lines.into_inner())?;
    Ok(told)
}

/// Whether cat's execve is there with its value: in its own line, or in another of the same process, if a line of its parent's came in between.
fn has_executed(lines: &str) -> bool {
    const BEGIN: &str = "execve(\"/bin/cat\", [\"cat\", \"/text\", \"/none\"], 0x";
    let Some((before, rest)) = lines.split_once(BEGIN) else { return false };
    let whose = before.rsplit('\n').next().unwrap_or_default();
    let (line, later) = rest.split_once('\n').unwrap_or((rest, ""));
    let is_rest =
        |line: &str| line.strip_prefix(whose).is_some_and(|line| line.starts_with("<... execve resumed>)")) && line.ends_with(" = 0");
    line.ends_with(" vars */) = 0") || line.ends_with(" vars */ <unfinished ...>") && later.lines().any(is_rest)
}

fn calls_of_a_tree(isa: Isa) -> Result<()> {
    let told = run(isa, &["/bin/sh", "-c", "cat /text /none; true; kill -USR1 $$"], CommandFlags::STRACE, false)?;
    ensure!(told.output.contains("some text\n") && !told.output.contains("execve("), "the program's output: {:?}", told.output);
    let is_open = |line: &str| line.contains("\"/none\", O_RDONLY") && line.ends_with(" = -1 ENOENT (No such file or directory)");
    ensure!(told.lines.lines().any(is_open), "no failed open of /none in:\n{}", tail(told.lines.as_bytes()));
    ensure!(has_executed(&told.lines), "no execve of cat in:\n{}", tail(told.lines.as_bytes()));
    for what in [
        "strace: Process ",
        "--- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=",
        ", si_status=1, ",
        "+++ exited with 1 +++\n",
        "--- SIGUSR1 {si_signo=SIGUSR1, si_code=SI_USER, si_pid=2, si_uid=0} ---\n",
        "+++ killed by SIGUSR1 +++\n",
    ] {
        told.has(what)?;
    }
    Ok(())
}

fn calls_that_others_come_into(isa: Isa) -> Result<()> {
    let told = run(isa, &["/bin/sh", "-c", "sleep 0.2 | cat; exit 3"], CommandFlags::STRACE, false)?;
    for what in ["wait4(-1, ", " <unfinished ...>\n", "nanosleep({tv_sec=0, tv_nsec=200000000}, ", "<... wait4 resumed>", "[pid     "] {
        told.has(what)?;
    }
    ensure!(told.lines.ends_with("+++ exited with 3 +++\n"), "it ends so:\n{}", tail(told.lines.as_bytes()));
    Ok(())
}

fn summary(isa: Isa) -> Result<()> {
    let program = ["/bin/sh", "-c", "cat /text /text /none"];
    let told = run(isa, &program, CommandFlags::TALLY, true)?;
    ensure!(told.lines.is_empty(), "calls are not printed");
    let count = |name: &str| told.summary.count(name).with_context(|| format!("no {name} in\n{}", told.summary));
    let writes = count("write")?;
    ensure!(writes.calls >= 1 && writes.errors == 0, "{writes:?}");
    // busybox lets the kernel copy.
    let (opens, copies) = (count(if isa == Isa::X86_64 { "open" } else { "openat" })?, count("sendfile")?);
    ensure!(opens.calls >= 3 && opens.errors >= 1, "{opens:?}");
    ensure!((100..100_000).contains(&(opens.instructions / opens.calls)), "{opens:?}");
    ensure!(copies.calls >= 2 && copies.instructions > 0, "{copies:?}");
    // What waits is not counted as work.
    let waits = count("wait4").or_else(|_| count("waitid"));
    if let Ok(waits) = waits {
        ensure!(waits.instructions / waits.calls < 100_000, "{waits:?}");
    }
    let again = run(isa, &program, CommandFlags::TALLY, true)?;
    ensure!(again.summary.to_string() == told.summary.to_string(), "two runs differ:\n{}\n{}", told.summary, again.summary);
    Ok(())
}

fn post_mortem(isa: Isa) -> Result<()> {
    let told = run(isa, &["/bin/exits", "null"], CommandFlags::POST_MORTEM, false)?;
    let report = told.crashes.first().context("no report")?;
    let pc = if isa == Isa::X86_64 { "    rip 0" } else { "     pc 0" };
    let wanted =
        ["/bin/exits", "SIGSEGV {si_signo=SIGSEGV, si_code=SEGV_MAPERR, si_addr=", pc, "exits::main", "exits.rs:", "[stack]", "main"];
    for what in wanted {
        ensure!(report.contains(what), "no {what:?} in:\n{report}");
    }
    Ok(())
}

/// The abort is several frames of the C library and of Rust's runtime away. On x86_64 the C library that Rust brings has neither frame pointers nor
/// unwind tables, and the backtrace ends there.
fn post_mortem_of_an_abort(isa: Isa) -> Result<()> {
    let told = run(isa, &["/bin/exits", "abort"], CommandFlags::POST_MORTEM, false)?;
    let report = told.crashes.first().context("no report")?;
    let all = ["SIGABRT", "raise", "abort", "exits::main", "__libc_start_main"];
    for what in if isa == Isa::X86_64 { &all[..2] } else { &all[..] } {
        ensure!(report.contains(what), "no {what:?} in:\n{report}");
    }
    let quiet = run(isa, &["/bin/sh", "-c", "kill -TERM $$"], CommandFlags::POST_MORTEM, false)?;
    ensure!(quiet.crashes.is_empty(), "SIGTERM dumps no core");
    Ok(())
}

/// gdb stops in the kernel, in the library OS and in the program, knows where it is, and lists the environments.
fn debugger(isa: Isa) -> Result<()> {
    let Some(program) = gdb::debugger(isa) else {
        eprintln!("seeing/gdb on {isa} is not tested: there is no gdb-multiarch");
        return Ok(());
    };
    let hello = tree::linux_release(isa, Flavour::Stock).join("hello");
    let (_, base) = gdb::with_base(isa, hello.clone()).context("hello is no program")?;
    let address = |path: &std::path::Path, base: u64, name: &str| -> Result<String> {
        let bytes = std::fs::read(path)?;
        let found = symbols::function(&bytes, name).with_context(|| format!("{} has no {name}", path.display()))?;
        Ok(format!("*{:#x}", found + base))
    };
    let stops = [
        address(&build::kernel_symbols(isa), 0, "::new_env")?,
        address(&build::libos_symbols(isa), LIBOS_BASE, "libos::entry::start::start")?,
        address(&hello, base, "hello::main")?,
    ];
    let mut files = Files::new();
    files.add_program("/bin/hello", std::fs::read(build::linux(isa, Flavour::Stock, "hello"))?);
    let (arguments, flags) = (vec!["/bin/hello".to_owned()], CommandFlags::BATCH);
    let image = Guest { files, arguments, flags, ..Guest::default() }.image(isa)?;
    let scratch = Scratch::new()?;
    std::fs::write(scratch.path("image"), image)?;
    let (mut emulator, port) = gdb::emulator(&Machine::default_for(isa), &scratch)?;
    let mut emulator = emulator.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let known = [(build::libos_symbols(isa), LIBOS_BASE), (hello, base)];
    let mut command = Command::new("timeout");
    command.args(["120", program, "-nx", "-batch"]).args(gdb::attach(isa, port, &known));
    for stop in &stops {
        command.args(["-ex", &format!("tbreak {stop}"), "-ex", "continue", "-ex", "info symbol $pc"]);
    }
    let told = command.args(["-ex", "info environments", "-ex", "kill"]).stdin(Stdio::null()).output();
    // It may have ended by gdb's own `kill`.
    let _ = emulator.kill();
    emulator.wait()?;
    let output = told?;
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    for what in ["new_env", "libos::entry::start::start", "hello::main", " alive ", "  init\n", "  unixd\n", "  process 2\n"] {
        ensure!(text.contains(what), "no {what:?} in:\n{text}");
    }
    ensure!(text.lines().any(|line| line.starts_with('*') && line.ends_with("process 2")), "the process does not run:\n{text}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::has_executed;

    #[test]
    fn an_execve_that_another_line_comes_into_is_there_with_its_own_value() {
        const CALL: &str = "[pid     3] execve(\"/bin/cat\", [\"cat\", \"/text\", \"/none\"], 0x7ff0 /* 1 vars */";
        let resumed = |thread: u32, value: &str| {
            format!("{CALL} <unfinished ...>\n[pid     2] wait4(-1, \n[pid     {thread}] <... execve resumed>)      = {value}\n")
        };
        assert!(has_executed(&format!("[pid     2] getpid() = 2\n{CALL}) = 0\n")));
        assert!(has_executed(&resumed(3, "0")));
        let others = [
            format!("{CALL}) = -1 ENOENT\n"),
            resumed(4, "0"),
            resumed(3, "-1 ENOENT"),
            format!("{CALL} <unfinished ...>\n"),
            String::new(),
        ];
        assert!(others.iter().all(|lines| !has_executed(lines)));
    }
}
