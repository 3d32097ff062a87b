//! Level 3: a person at the console. Keys are typed, and the screen is read through a terminal's emulator.
//!
//! Each test is a conversation: keys, and what the screen must show before the next ones are typed. A shell's prompt is waited for, so that
//! nothing depends on how fast the machine is.

use std::io::Read;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::Test;
use crate::build;
use crate::entry::Entry;
use crate::isa::Isa;
use crate::qemu::{End, Machine, Session};
use crate::rootfs::standard_files;
use crate::run::Guest;

/// How long the screen may take to show something: the emulator is slow, and the host busy.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a key may do nothing before it is pressed again.
const PRESS_AGAIN: Duration = Duration::from_secs(2);
/// The screen's rows and columns.
const WINDOW: [u16; 2] = [24, 80];
/// What the shell asks with: nothing that it prints otherwise.
const PROMPT: &str = "ok> ";

type Talk = fn(&mut Screen) -> Result<()>;

/// All tests.
pub fn tests(isa: Isa) -> Vec<Test> {
    let talks: [(&str, Talk); 7] = [
        ("keys/editing", editing),
        ("keys/history", history),
        ("keys/interrupts", interrupts),
        ("keys/jobs", jobs),
        ("keys/full-screen", full_screen),
        ("keys/pager", pager),
        ("keys/window", window),
    ];
    talks
        .into_iter()
        .map(|(name, talk)| {
            let work = move || run(isa, talk).map_err(|error| format!("{error:#}"));
            Test { name: name.into(), level: 3, isa: Some(isa), work: Box::new(work) }
        })
        .collect()
}

/// Talk to a shell, then let it end.
fn run(isa: Isa, talk: Talk) -> Result<()> {
    let entry = Entry::default();
    let environment = ["PATH=/bin:/usr/bin", "HOME=/root", "TERM=vt100"].map(str::to_owned);
    let machine = Machine::default_for(isa);
    let guest = Guest {
        files: standard_files(&machine, entry)?,
        arguments: vec!["/bin/sh".into()],
        environment: [environment.as_slice(), &[format!("PS1={PROMPT}")]].concat(),
        flags: entry.flags(),
        input: Vec::new(),
        ..Guest::default()
    };
    let image = guest.image_on_terminal(isa, 1, Some(WINDOW))?;
    let mut screen = Screen::boot(&machine, &build::kernel(isa), &image)?;
    screen.await_prompt()?;
    talk(&mut screen)?;
    screen.keys("exit 7\r")?;
    let end = screen.await_end()?;
    ensure!(end == End::Exit(7), "the shell's end: {end}");
    Ok(())
}

/// A console, and what it shows.
pub struct Screen {
    session: Session,
    emulator: Arc<Mutex<vt100::Parser>>,
}

impl Screen {
    /// Boot with a console of the usual size.
    pub fn boot(machine: &Machine, kernel: &std::path::Path, image: &[u8]) -> Result<Screen> {
        let mut session = Session::boot(machine, kernel, image)?;
        let emulator = Arc::new(Mutex::new(vt100::Parser::new(WINDOW[0], WINDOW[1], 0)));
        let (shown, mut output) = (emulator.clone(), session.output.take().context("an output")?);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count) = output.read(&mut bytes)
                && count > 0
            {
                shown.lock().expect("nobody panics with it").process(&bytes[..count]);
            }
        });
        Ok(Screen { session, emulator })
    }

    /// What [`Session::processor_time`] says.
    pub fn processor_time(&self) -> Result<Duration> {
        self.session.processor_time()
    }

    /// Type keys.
    pub fn keys(&mut self, keys: &str) -> Result<()> {
        self.session.keys(keys.as_bytes())
    }

    /// What the screen shows, without what is blank at the ends of lines and below.
    fn text(&self) -> String {
        let contents = self.emulator.lock().expect("nobody panics with it").screen().contents();
        contents.lines().map(str::trim_end).collect::<Vec<_>>().join("\n").trim_end().to_owned()
    }

    /// The line that the cursor is in, up to the cursor.
    fn line(&self) -> String {
        let emulator = self.emulator.lock().expect("nobody panics with it");
        let (row, column) = emulator.screen().cursor_position();
        emulator.screen().contents_between(row, 0, row, column)
    }

    /// Wait until the screen is so.
    fn wait(&mut self, what: &str, is_so: impl Fn(&Screen) -> bool) -> Result<()> {
        let start = Instant::now();
        while !is_so(self) {
            if let Some(end) = self.session.end()? {
                bail!("{end} before {what}; the screen shows:\n{}", self.text());
            }
            if start.elapsed() > PATIENCE {
                bail!("no {what}; the screen shows:\n{}\nand the cursor stands behind {:?}", self.text(), self.line());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Wait until the screen shows a text.
    pub fn await_text(&mut self, text: &str) -> Result<()> {
        self.wait(&format!("{text:?}"), |screen| screen.text().contains(text))
    }

    /// Wait until the cursor stands behind this, in its line.
    pub fn await_line(&mut self, line: &str) -> Result<()> {
        self.wait(&format!("cursor behind {line:?}"), |screen| screen.line() == line)
    }

    fn await_prompt(&mut self) -> Result<()> {
        self.await_line(PROMPT)
    }

    /// Run a program that does not end by itself.
    fn launch(&mut self, command: &str) -> Result<()> {
        self.clear()?;
        self.keys(command)?;
        self.keys("\r")?;
        self.wait("program", |screen| screen.line().is_empty())
    }

    /// Press a key until the screen is so. A key that comes before the shell has started its program goes astray, here as on Linux.
    fn press_until(&mut self, key: &str, what: &str, is_so: impl Fn(&Screen) -> bool) -> Result<()> {
        let mut last = Instant::now() - PRESS_AGAIN;
        let start = Instant::now();
        while !is_so(self) && start.elapsed() < PATIENCE {
            if last.elapsed() >= PRESS_AGAIN {
                self.keys(key)?;
                last = Instant::now();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.wait(what, is_so)
    }

    /// Press ^C until the shell asks again.
    fn interrupt(&mut self) -> Result<()> {
        self.press_until("\x03", "prompt after ^C", |screen| screen.line() == PROMPT)
    }

    /// Press ^Z until the shell says that something is stopped.
    fn suspend(&mut self) -> Result<()> {
        self.press_until("\x1a", "stop after ^Z", |screen| screen.text().contains("Stopped"))?;
        self.await_prompt_below()
    }

    /// Wait until the machine has ended.
    pub fn await_end(&mut self) -> Result<End> {
        let start = Instant::now();
        loop {
            if let Some(end) = self.session.end()? {
                return Ok(end);
            }
            ensure!(start.elapsed() < PATIENCE, "the machine does not end; the screen shows:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Clear the screen, type a command, and give what it shows before the shell asks again.
    fn command(&mut self, command: &str) -> Result<String> {
        self.clear()?;
        self.keys(command)?;
        self.await_line(&format!("{PROMPT}{command}"))?;
        self.keys("\r")?;
        self.await_prompt_below()?;
        let text = self.text();
        let shown = text.strip_prefix(&format!("{PROMPT}{command}")).context("the command stands first")?;
        Ok(shown.strip_suffix(PROMPT.trim_end()).unwrap_or(shown).trim_matches('\n').to_owned())
    }

    /// Wait until the shell asks again, below the first line.
    fn await_prompt_below(&mut self) -> Result<()> {
        let is_below = |screen: &Screen| screen.emulator.lock().expect("nobody panics with it").screen().cursor_position().0 > 0;
        self.wait("prompt", |screen| is_below(screen) && screen.line() == PROMPT)
    }

    /// Let the screen be empty, but for the prompt: ^L.
    fn clear(&mut self) -> Result<()> {
        self.await_prompt()?;
        if self.text() == PROMPT.trim_end() {
            return Ok(());
        }
        self.keys("\x0c")?;
        self.wait("empty screen", |screen| screen.text() == PROMPT.trim_end() && screen.line() == PROMPT)
    }
}

fn expect(found: &str, wanted: &str) -> Result<()> {
    ensure!(found == wanted, "{found:?} is shown, and {wanted:?} was to be");
    Ok(())
}

/// Cursor keys, erasing, words, and the line's begin and end.
fn editing(screen: &mut Screen) -> Result<()> {
    expect(&screen.command("echo hello")?, "hello")?;
    screen.clear()?;
    // Left and right, in the middle of a word; then a mistake at the begin.
    screen.keys("ecko wrld\x1b[D\x1b[D\x1b[Do")?;
    screen.await_line("ok> ecko wo")?;
    screen.keys("\x01\x1b[C\x1b[C\x04h\x05!")?;
    screen.await_line("ok> echo world!")?;
    screen.keys("\x7f\r")?;
    screen.await_prompt_below()?;
    screen.await_text("\nworld\n")?;
    screen.clear()?;
    screen.keys("echo one two\x17three\x15echo line\r")?;
    screen.await_prompt_below()?;
    screen.await_text("ok> echo line\nline\n")?;
    // What is completed with the tabulator's key.
    screen.clear()?;
    screen.keys("ls /etc/pass\t")?;
    screen.await_line("ok> ls /etc/passwd ")?;
    screen.keys("\r")?;
    screen.await_prompt_below()?;
    // Without the shell's own editing the terminal edits.
    screen.launch("cat")?;
    screen.keys("wrong\x15abx\x7fc\r")?;
    screen.await_text("abc\nabc")?;
    screen.keys("\x04")?;
    screen.await_prompt_below()
}

/// Earlier commands come back.
fn history(screen: &mut Screen) -> Result<()> {
    screen.command("echo first")?;
    screen.command("echo second")?;
    screen.clear()?;
    screen.keys("\x1b[A")?;
    screen.await_line("ok> echo second")?;
    screen.keys("\x1b[A")?;
    screen.await_line("ok> echo first")?;
    screen.keys("\x1b[B")?;
    screen.await_line("ok> echo second")?;
    screen.keys("\x1b[A again\r")?;
    screen.await_prompt_below()?;
    screen.await_text("\nfirst again\n")?;
    // Search backwards.
    screen.clear()?;
    screen.keys("\x12seco")?;
    screen.await_text("echo second")?;
    screen.keys("\r")?;
    screen.await_text("\nsecond\n")?;
    screen.await_prompt()
}

/// ^C ends a program, and not the shell.
fn interrupts(screen: &mut Screen) -> Result<()> {
    for program in ["sleep 1000", "cat", "while :; do :; done", "yes > /dev/null"] {
        screen.launch(program)?;
        screen.interrupt().with_context(|| format!("^C of {program}"))?;
        screen.await_text("^C")?;
        expect(&screen.command("echo $?")?, "130")?;
    }
    // ^C at the prompt drops the line; ^\ is ignored there.
    screen.clear()?;
    screen.keys("echo not this\x03")?;
    screen.await_prompt_below()?;
    screen.keys("\x1c")?;
    expect(&screen.command("trap 'echo trapped' INT; kill -INT $$")?, "trapped")?;
    screen.launch("sleep 1000")?;
    screen.press_until("\x1c", "prompt after ^\\", |screen| screen.line() == PROMPT)?;
    screen.await_text("Quit")
}

/// ^Z, jobs, bg, fg.
fn jobs(screen: &mut Screen) -> Result<()> {
    screen.launch("sleep 1000")?;
    screen.suspend()?;
    let listed = screen.command("jobs")?;
    ensure!(listed.contains("Stopped") && listed.contains("sleep 1000"), "jobs: {listed:?}");
    screen.command("bg")?;
    let listed = screen.command("jobs")?;
    ensure!(listed.contains("Running"), "jobs after bg: {listed:?}");
    screen.clear()?;
    screen.keys("fg\r")?;
    screen.await_text("\nsleep 1000")?;
    screen.interrupt()?;
    expect(&screen.command("jobs")?, "")?;
    // A job in the background that reads is stopped, and goes on where it is brought to the front.
    screen.command("cat &")?;
    screen.clear()?;
    screen.keys("\r")?;
    screen.await_text("Stopped")?;
    screen.clear()?;
    screen.keys("fg\r")?;
    screen.await_text("\ncat")?;
    screen.keys("typed\r")?;
    screen.await_text("typed\ntyped")?;
    screen.keys("\x04")?;
    screen.await_prompt_below()?;
    // A pipeline stops and goes on as one.
    screen.launch("sleep 1000 | cat")?;
    screen.suspend()?;
    screen.clear()?;
    screen.keys("fg\r")?;
    screen.await_text("\nsleep 1000 | cat")?;
    screen.interrupt()
}

/// An editor writes a file.
fn full_screen(screen: &mut Screen) -> Result<()> {
    screen.clear()?;
    screen.keys("vi /tmp/letter\r")?;
    screen.await_text("/tmp/letter")?;
    screen.await_text("~\n~\n~")?;
    screen.keys("iDear reader,\rthis is typed.\x1b")?;
    screen.await_text("Dear reader,\nthis is typed.\n~")?;
    // Up, and a word is changed; then it stops, and goes on.
    screen.keys("k0cwHello\x1b")?;
    screen.await_text("Hello reader,\nthis is typed.")?;
    screen.keys("\x1a")?;
    screen.await_text("Stopped")?;
    screen.await_line(PROMPT)?;
    screen.keys("fg\r")?;
    screen.wait("editor", |screen| screen.text().starts_with("Hello reader,\nthis is typed.\n~"))?;
    screen.keys(":wq\r")?;
    screen.await_line(PROMPT)?;
    expect(&screen.command("cat /tmp/letter")?, "Hello reader,\nthis is typed.")
}

/// A pager, and what shows the processes over and over.
fn pager(screen: &mut Screen) -> Result<()> {
    screen.command("i=0; while [ $i -lt 100 ]; do echo line $i; i=$((i+1)); done > /tmp/lines")?;
    screen.clear()?;
    screen.keys("less /tmp/lines\r")?;
    screen.wait("first page", |screen| screen.text().starts_with("line 0\n"))?;
    screen.keys(" ")?;
    screen.wait("second page", |screen| screen.text().starts_with("line 23\n"))?;
    screen.keys("/line 77\r")?;
    screen.wait("what is searched for", |screen| screen.text().starts_with("line 77\n"))?;
    screen.keys("q")?;
    screen.await_line(PROMPT)
}

/// The window's size: what the machine was started with, and a change of it.
fn window(screen: &mut Screen) -> Result<()> {
    expect(&screen.command("stty size")?, "24 80")?;
    expect(&screen.command("tty")?, "/dev/ttyS0")?;
    // Who hears of a change is the group in the foreground.
    expect(&screen.command("sh -c 'trap \"echo changed\" WINCH; stty rows 20 cols 70; :'")?, "changed")?;
    expect(&screen.command("stty size")?, "20 70")?;
    screen.command("stty rows 10")?;
    screen.clear()?;
    screen.keys("vi /tmp/small\r")?;
    screen.wait("small editor", |screen| screen.text().lines().count() == 10)?;
    screen.keys(":q\r")?;
    screen.await_prompt_below()?;
    // What has the screen hears of a change while it has it, and draws anew.
    screen.clear()?;
    screen.keys("(sleep 1; stty rows 12) & vi /tmp/small\r")?;
    screen.wait("larger editor", |screen| screen.text().lines().count() == 12)?;
    screen.keys(":q\r")?;
    screen.await_prompt_below()
}
