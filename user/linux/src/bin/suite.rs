//! Runs the programs of a list, one after the other, and says how each ended: `suite LIST FOLDER [stack=BYTES] [user=ID]`.
//!
//! A line of the list: the seconds that the program may take, its name, its path and arguments. Each runs in FOLDER, in a process group of
//! its own, which is killed when the program has ended or its time is over. What is printed, a line each, all beginning with `@`:
//!
//! ```text
//! @begin NAME
//! @output NAME TEXT                        each of the first lines that a program wrote that did not end with status 0
//! @end NAME exit|signal NUMBER TIME_ms     or: timeout 0, missing ERRNO
//! @done
//! ```

use std::fs::File;
use std::io::{Error, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Bytes of a program's output that are shown.
const OUTPUT_SHOWN: u64 = 2000;
/// How long it is slept between two looks at a program.
const LOOK: Duration = Duration::from_millis(5);

/// What holds for all programs.
struct Rules {
    folder: String,
    stack: Option<u64>,
    user: Option<u32>,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [list, folder, options @ ..] = arguments.as_slice() else { panic!("suite LIST FOLDER [stack=BYTES] [user=ID]") };
    let option = |name: &str| {
        let value = options.iter().find_map(|option| option.strip_prefix(name)?.strip_prefix('='))?;
        Some(value.parse::<u64>().expect("an option's value is a number"))
    };
    let rules = Rules { folder: folder.clone(), stack: option("stack"), user: option("user").map(|user| user as u32) };
    // Each program would leave its memory in the working directory when it crashes.
    set_limit(libc::RLIMIT_CORE, 0).expect("no core files");
    for line in std::fs::read_to_string(list).expect("the list").lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [limit, name, command @ ..] = words.as_slice() else { panic!("in the list: {line}") };
        let limit = Duration::from_secs(limit.parse().expect("seconds"));
        say(&format!("@begin {name}"));
        let start = Instant::now();
        let (how, number) = run(command, limit, &rules);
        let took = start.elapsed().as_millis();
        if (how, number) != ("exit", 0) {
            show_output(name, &rules);
        }
        say(&format!("@end {name} {how} {number} {took}"));
    }
    say("@done");
}

/// A whole line at once, so that nothing comes between its parts; on a fresh line, whatever was written to the console before.
fn say(line: &str) {
    let mut output = std::io::stdout().lock();
    output.write_all(format!("\n{line}\n").as_bytes()).and_then(|()| output.flush()).expect("standard output takes lines");
}

fn output_file(rules: &Rules) -> std::path::PathBuf {
    Path::new(&rules.folder).join("suite-output")
}

/// Run a program; gives how it ended, and the status, the signal or the error.
fn run(command: &[&str], limit: Duration, rules: &Rules) -> (&'static str, i32) {
    let output = File::options().create(true).append(true).open(output_file(rules)).expect("the output's file");
    output.set_len(0).expect("an empty file");
    let mut started = Command::new(command[0]);
    started.args(&command[1..]).current_dir(&rules.folder).stdin(Stdio::null());
    started.stdout(output.try_clone().expect("a second descriptor")).stderr(output).process_group(0);
    if let Some(user) = rules.user {
        started.gid(user).uid(user);
    }
    let stack = rules.stack;
    // SAFETY: setrlimit is async-signal-safe, and nothing else is called.
    unsafe {
        started.pre_exec(move || stack.map_or(Ok(()), |bytes| set_limit(libc::RLIMIT_STACK, bytes)));
    }
    let mut child = match started.spawn() {
        Ok(child) => child,
        Err(error) => return ("missing", error.raw_os_error().unwrap_or(0)),
    };
    let status = wait(&mut child, limit);
    kill_group(&child);
    let Some(status) = status else {
        child.wait().expect("a killed program ends");
        return ("timeout", 0);
    };
    status.code().map_or(("signal", status.signal().unwrap_or(0)), |code| ("exit", code))
}

/// Wait for its end; nothing when its time is over.
fn wait(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("it is a child") {
            return Some(status);
        }
        if start.elapsed() > limit {
            return None;
        }
        std::thread::sleep(LOOK);
    }
}

/// Kill what is left of a program's group. That nothing is left is the usual case, and no error.
fn kill_group(child: &Child) {
    // SAFETY: kill touches no memory, and the number is that of a group which the child led: it is no group of this program's.
    unsafe {
        libc::kill(-(child.id() as i32), libc::SIGKILL);
    }
}

fn set_limit(resource: i32, bytes: u64) -> Result<(), Error> {
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
    // SAFETY: the call reads the structure, which lives until it returns.
    let result = unsafe { libc::setrlimit(resource, &limit) };
    if result == 0 { Ok(()) } else { Err(Error::last_os_error()) }
}

fn show_output(name: &str, rules: &Rules) {
    let mut bytes = Vec::new();
    File::open(output_file(rules)).and_then(|file| file.take(OUTPUT_SHOWN).read_to_end(&mut bytes)).expect("what it wrote");
    for line in String::from_utf8_lossy(&bytes).lines() {
        say(&format!("@output {name} {line}"));
    }
}
