//! Lines read as strace(1) prints them.

use alloc::string::String;
use alloc::vec::Vec;

use abi::PAGE_SIZE;
use exo::command::CommandFlags;
use exo::trace::{BEGIN, END, FIELD, Kind};

use super::traced;
use crate::fake;
use crate::memory::{Label, Placement, Protection, Region};
use crate::process::Process;
use crate::signal::{Ending, Information};
use crate::syscall::table::{Handlers, ROWS};
use crate::syscall::{Arguments, Handler};
use crate::user::UserMemory;

const AT: usize = 0x10_0000;

fn process() -> &'static Process<fake::FakeKernel> {
    let process = fake::process_traced(64, b"", CommandFlags::STRACE | CommandFlags::TALLY);
    let region = Region::anonymous(0, Protection::READ | Protection::WRITE, Label::None);
    process.memory.lock().map(&process.kernel, Placement::Fixed(AT), 4 * PAGE_SIZE, region).unwrap();
    process
}

/// The line of a call by name.
fn line(process: &Process<fake::FakeKernel>, name: &str, arguments: [u64; 6]) -> String {
    let number = ROWS.iter().find(|row| row.name == name).expect("a row").number();
    process.kernel.output.lock().clear();
    let _ = traced(process, number.into(), &Arguments(arguments), Handlers::TABLE.get(number.into()));
    let records = records(&process.kernel.output.lock());
    let (_, text) = records.into_iter().find(|(kind, _)| matches!(kind, Kind::Whole | Kind::Exit)).expect("a call that returned");
    let (call, result) = text.split_once(FIELD).expect("a result");
    alloc::format!("{call:<39} = {result}\n")
}

/// The records in an output: kind and text.
fn records(output: &[u8]) -> Vec<(Kind, String)> {
    let output = core::str::from_utf8(output).unwrap();
    let [begin, end] = [BEGIN, END].map(|mark| core::str::from_utf8(mark).unwrap());
    output
        .split(begin)
        .skip(1)
        .map(|record| {
            let record = record.strip_suffix(end).and_then(|record| record.strip_suffix('\n')).expect("an end");
            let (_, text) = record.split_once(';').expect("who it is about");
            (Kind::from_byte(record.as_bytes()[0]).expect("a kind"), text.into())
        })
        .collect()
}

#[test]
fn names_flags_strings_and_errors_are_decoded() {
    let process = process();
    process.write(AT, b"/no/such\0").unwrap();
    let at = AT as u64;
    assert_eq!(
        line(process, "openat", [-100i64 as u64, at, 0o2000000, 0, 0, 0]),
        "openat(AT_FDCWD, \"/no/such\", O_RDONLY|O_CLOEXEC) = -1 ENOENT (No such file or directory)\n"
    );
    assert_eq!(line(process, "close", [77, 0, 0, 0, 0, 0]), "close(77)                               = -1 EBADF (Bad file descriptor)\n");
    assert_eq!(line(process, "getpid", [0; 6]), "getpid()                                = 1\n");
    assert_eq!(
        line(process, "mmap", [0, 4096, 3, 0x22, u64::MAX, 0]).split(" = ").next().unwrap(),
        "mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)"
    );
    assert_eq!(line(process, "mprotect", [at, 4096, 0, 0, 0, 0]), alloc::format!("mprotect({AT:#x}, 4096, PROT_NONE)     = 0\n"));
}

#[test]
fn buffers_are_quoted_and_cut() {
    let process = process();
    process.write(AT, b"tab\tnul\0\x011 and a longer text than is shown").unwrap();
    let text = line(process, "write", [99, AT as u64, 60, 0, 0, 0]);
    assert_eq!(text, "write(99, \"tab\\tnul\\0\\0011 and a longer text tha\"..., 60) = -1 EBADF (Bad file descriptor)\n");
}

#[test]
fn structs_are_decoded_and_bad_pointers_are_not() {
    let process = process();
    assert_eq!(
        line(process, "prlimit64", [0, 3, 0, AT as u64, 0, 0]).split(") = ").next().unwrap(),
        "prlimit64(0, RLIMIT_STACK, NULL, {rlim_cur=8192*1024, rlim_max=RLIM64_INFINITY}"
    );
    assert_eq!(line(process, "rt_sigprocmask", [0, 8, 0, 8, 0, 0]), "rt_sigprocmask(SIG_BLOCK, 0x8, NULL, 8) = -1 EFAULT (Bad address)\n");
    process.write_value(AT, &0xffff_ffff_ffff_fffeu64).unwrap();
    assert_eq!(line(process, "rt_sigprocmask", [2, AT as u64, 0, 8, 0, 0]), "rt_sigprocmask(SIG_SETMASK, ~[HUP], NULL, 8) = 0\n");
}

#[test]
fn what_a_call_fills_is_printed_when_it_has_returned() {
    let process = process();
    process.kernel.output.lock().clear();
    let number = ROWS.iter().find(|row| row.name == "getcwd").expect("a row").number();
    let arguments = Arguments([AT as u64, 64, 0, 0, 0, 0]);
    let waiting: Handler<fake::FakeKernel> = |process, arguments| {
        // As where it would block.
        let since = super::waits(process);
        process.write(arguments.word(0), b"/\0").unwrap();
        super::waited(process, since);
        Ok(2)
    };
    let _ = traced(process, number.into(), &arguments, waiting);
    let found = records(&process.kernel.output.lock());
    assert_eq!(found, [(Kind::Entry, "getcwd(".into()), (Kind::Exit, "\"/\\0\", 64)\u{1f}2".into())]);
}

#[test]
fn calls_and_errors_are_counted_and_told_at_the_end() {
    let process = process();
    line(process, "close", [77, 0, 0, 0, 0, 0]);
    line(process, "close", [78, 0, 0, 0, 0, 0]);
    line(process, "getpid", [0; 6]);
    process.kernel.output.lock().clear();
    super::ended(process, Ending::Code(3));
    let found = records(&process.kernel.output.lock());
    assert_eq!(found[0], (Kind::Ended, "+++ exited with 3 +++".into()));
    let tally = |name: &str, counts: &str| {
        let start = alloc::format!("{name}\u{1f}{counts}\u{1f}");
        found.iter().any(|(kind, text)| *kind == Kind::Tally && text.starts_with(&start))
    };
    assert!(tally("close", "2\u{1f}2") && tally("getpid", "1\u{1f}0"), "{found:?}");
}

#[test]
fn a_signal_is_told_as_strace_does() {
    let child = Information { signal: 17, errno: 0, code: 1, reserved: 0, payload: [3, 7, 2, 1] };
    assert_eq!(
        super::signals::text(&child),
        "SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=3, si_uid=0, si_status=7, si_utime=2, si_stime=1}"
    );
    assert_eq!(super::signals::text(&Information::new(11, 1, 0)), "SIGSEGV {si_signo=SIGSEGV, si_code=SEGV_MAPERR, si_addr=NULL}");
    assert_eq!(super::signals::text(&Information::new(15, 0, 5)), "SIGTERM {si_signo=SIGTERM, si_code=SI_USER, si_pid=5, si_uid=0}");
}
