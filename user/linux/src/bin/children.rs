//! A thousand children whose output comes through pipes, several at a time, each checked byte by byte; and what else the standard library does
//! with processes.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::{env, thread};

/// Children in all.
const CHILDREN: usize = 1000;
/// Children at once.
const AT_ONCE: usize = 12;
/// Children that several threads make.
const OF_THREADS: usize = 8;

/// What a child with a number prints: mostly a few lines, sometimes more than a pipe holds.
fn text(number: usize) -> Vec<u8> {
    let lines = if number.is_multiple_of(100) { 4000 } else { number % 7 };
    let mut text = format!("child {number}\n").into_bytes();
    for line in 0..lines {
        text.extend_from_slice(format!("{number}: line {line} of {lines}\n").as_bytes());
    }
    text
}

fn code(number: usize) -> i32 {
    (number * 37 % 256) as i32
}

/// This program, as another process, in a role.
fn role(name: &str, argument: impl ToString) -> Command {
    let mut command = Command::new(env::current_exe().expect("one's own path"));
    command.arg(name).arg(argument.to_string());
    command
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("code {code}"),
        (None, signal) => format!("signal {signal:?}"),
    }
}

fn check(number: usize, mut child: Child) -> usize {
    let mut output = Vec::new();
    child.stdout.take().expect("a pipe").read_to_end(&mut output).expect("readable");
    let status = child.wait().expect("one's own child");
    assert_eq!(status.code(), Some(code(number)), "child {number}");
    assert!(output == text(number), "child {number}: {} bytes", output.len());
    output.len()
}

fn many() {
    let mut running = VecDeque::new();
    let mut bytes = 0;
    for number in 0..CHILDREN {
        if running.len() == AT_ONCE {
            let (number, child) = running.pop_front().expect("just counted");
            bytes += check(number, child);
        }
        running.push_back((number, role("print", number).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("a child")));
    }
    bytes += running.into_iter().map(|(number, child)| check(number, child)).sum::<usize>();
    println!("{CHILDREN} children printed {bytes} bytes");
}

fn by_threads() {
    let sums: Vec<usize> = thread::scope(|scope| {
        let threads: Vec<_> = (0..OF_THREADS)
            .map(|thread| {
                scope.spawn(move || {
                    let spawn = |number| role("print", number).stdout(Stdio::piped()).spawn().expect("a child");
                    (0..10).map(|index| thread * 1000 + index + 1).map(|number| check(number, spawn(number))).sum()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    println!("of threads: {sums:?}");
}

fn show(label: &str, output: &Output) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    println!("{label}: {}, {:?}, {:?}", describe(output.status), text(&output.stdout), text(&output.stderr));
}

fn both_ways() {
    let mut child = role("count", "").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a child");
    let mut input = child.stdin.take().expect("a pipe");
    let writer = thread::spawn(move || (0..30_000).try_for_each(|line| writeln!(input, "line {line}")));
    let output = child.wait_with_output().expect("one's own child");
    writer.join().expect("no panic").expect("a reader");
    show("counted", &output);

    let mut child = role("echo", "").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a child");
    let (mut input, mut output) = (child.stdin.take().expect("a pipe"), BufReader::new(child.stdout.take().expect("a pipe")));
    let mut rounds = 0;
    for round in 0..200 {
        writeln!(input, "round {round}").expect("a reader");
        let mut line = String::new();
        output.read_line(&mut line).expect("a writer");
        rounds += usize::from(line == format!("echo round {round}\n"));
    }
    drop(input);
    println!("rounds: {rounds}, {}", describe(child.wait().expect("one's own child")));
}

fn chain() {
    let mut first = role("print", 700).stdout(Stdio::piped()).spawn().expect("a child");
    let mut second = role("echo", "").stdin(first.stdout.take().expect("a pipe")).stdout(Stdio::piped()).spawn().expect("a child");
    let third = role("count", "").stdin(second.stdout.take().expect("a pipe")).output().expect("a child");
    show("at the end of the chain", &third);
    println!("before it: {}, {}", describe(first.wait().expect("a child")), describe(second.wait().expect("a child")));
}

fn endings() {
    show("both streams", &role("streams", "").output().expect("a child"));
    show(
        "its environment",
        &role("tell", "").env_clear().env("GIVEN", "a value").current_dir("/").arg0("zeroth").output().expect("a child"),
    );
    println!("aborted: {}", describe(role("abort", "").status().expect("a child")));
    let mut child = role("sleep", "").spawn().expect("a child");
    println!("not yet: {:?}", child.try_wait().expect("one's own child").map(describe));
    child.kill().expect("one's own child");
    println!("killed: {}", describe(child.wait().expect("one's own child")));
    println!("after that: {:?}", child.kill().is_ok());
    for path in ["missing", "/dev/null", "/"] {
        println!("{path}: {:?}", Command::new(path).spawn().map(drop).map_err(|error| error.kind()));
    }
    let mut before = role("tell", "");
    // SAFETY: nothing is allocated between fork and exec; setting an action is allowed there.
    unsafe {
        before.pre_exec(|| {
            libc::alarm(1000);
            Ok(())
        });
    }
    show("after pre_exec", &before.env_clear().current_dir("/").arg0("zeroth").output().expect("a child"));
    // The write end is gone when the reader ends: EPIPE, since Rust ignores SIGPIPE.
    let mut child = role("leave", "").stdin(Stdio::piped()).spawn().expect("a child");
    let mut input = child.stdin.take().expect("a pipe");
    println!("it left: {}", describe(child.wait().expect("one's own child")));
    println!("writing to nobody: {:?}", input.write(b"x").map_err(|error| error.kind()));
}

fn play(name: &str, argument: &str) {
    let number = || argument.parse::<usize>().expect("a number");
    match name {
        "print" => {
            std::io::stdout().write_all(&text(number())).expect("a reader");
            std::process::exit(code(number()));
        }
        "count" => {
            let mut bytes = Vec::new();
            std::io::stdin().read_to_end(&mut bytes).expect("readable");
            println!("{} lines, {} bytes", bytes.iter().filter(|&&byte| byte == b'\n').count(), bytes.len());
        }
        "echo" => {
            for line in std::io::stdin().lock().lines() {
                println!("echo {}", line.expect("readable"));
            }
        }
        "streams" => {
            print!("to output");
            eprint!("to error");
            std::process::exit(3);
        }
        "tell" => {
            let variables: Vec<String> = env::vars().map(|(name, value)| format!("{name}={value}")).collect();
            // SAFETY: it only asks.
            let alarm = unsafe { libc::alarm(0) } > 0;
            print!("{:?} {variables:?} {:?} {alarm}", env::args().next(), env::current_dir().ok());
        }
        "abort" => std::process::abort(),
        "sleep" => thread::sleep(std::time::Duration::from_secs(1000)),
        "leave" => {}
        other => panic!("no role {other:?}"),
    }
}

fn main() {
    let arguments: Vec<String> = env::args().collect();
    if let [_, name, argument] = arguments.as_slice() {
        return play(name, argument);
    }
    many();
    by_threads();
    both_ways();
    chain();
    endings();
}
