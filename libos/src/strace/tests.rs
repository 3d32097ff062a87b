//! Lines read as strace(1) prints them.

use alloc::string::String;

use abi::PAGE_SIZE;

use super::traced;
use crate::fake;
use crate::memory::{Label, Placement, Protection, Region};
use crate::process::Process;
use crate::syscall::Arguments;
use crate::syscall::table::{Handlers, ROWS};
use crate::user::UserMemory;

const AT: usize = 0x10_0000;

fn process() -> &'static Process<fake::FakeKernel> {
    let process = fake::process(64, b"");
    let region = Region::anonymous(0, Protection::READ | Protection::WRITE, Label::None);
    process.memory.lock().map(&process.kernel, Placement::Fixed(AT), 4 * PAGE_SIZE, region).unwrap();
    process
}

/// The line of a call by name.
fn line(process: &Process<fake::FakeKernel>, name: &str, arguments: [u64; 6]) -> String {
    let number = ROWS.iter().find(|row| row.name == name).expect("a row").number();
    process.kernel.output.lock().clear();
    let _ = traced(process, number.into(), &Arguments(arguments), Handlers::TABLE.get(number.into()));
    String::from_utf8(process.kernel.output.lock().clone()).unwrap()
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
