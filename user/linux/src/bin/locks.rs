//! Locks of files between processes: fcntl(2)'s records, those of open file descriptions, flock(2).

use std::ffi::CString;
use std::mem::zeroed;

use linux_programs::descriptors::{Outcome, child, close, outcome, pause, pipe, read, run, show, write};

const READ: i32 = libc::F_RDLCK;
const WRITE: i32 = libc::F_WRLCK;
const NONE: i32 = libc::F_UNLCK;
const FILE: &str = "locked-file";

fn open() -> i32 {
    open_for(libc::O_RDWR | libc::O_CREAT)
}

fn open_for(flags: i32) -> i32 {
    let path = CString::new(FILE).expect("no NUL");
    // SAFETY: a string with its NUL.
    outcome(unsafe { libc::open(path.as_ptr(), flags, 0o644) }).expect("a file") as i32
}

fn record(kind: i32, start: i64, length: i64) -> libc::flock {
    // SAFETY: zeros are a value.
    let mut record: libc::flock = unsafe { zeroed() };
    record.l_type = kind as _;
    record.l_whence = libc::SEEK_SET as _;
    (record.l_start, record.l_len) = (start, length);
    record
}

fn ask(fd: i32, command: i32, record: &mut libc::flock) -> Outcome {
    // SAFETY: the struct is the call's to read and fill.
    outcome(unsafe { libc::fcntl(fd, command, &raw mut *record) })
}

fn set(fd: i32, kind: i32, start: i64, length: i64) -> String {
    show(ask(fd, libc::F_SETLK, &mut record(kind, start, length)))
}

fn wait_for(fd: i32, kind: i32, start: i64, length: i64) -> String {
    show(ask(fd, libc::F_SETLKW, &mut record(kind, start, length)))
}

/// What is in the way of a lock, as another process sees it.
fn seen(kind: i32, start: i64, length: i64) -> String {
    let (reader, writer) = pipe(0);
    let me = std::process::id() as i32;
    let looker = child(|| {
        let fd = open();
        let mut found = record(kind, start, length);
        let told = match ask(fd, libc::F_GETLK, &mut found) {
            Err(error) => error,
            Ok(_) if i32::from(found.l_type) == NONE => "free".into(),
            Ok(_) => {
                let kind = if i32::from(found.l_type) == WRITE { "write" } else { "read" };
                let whose = if found.l_pid == me { "the parent's".into() } else { found.l_pid.to_string() };
                format!("{kind} {}+{} {whose}", found.l_start, found.l_len)
            }
        };
        let _ = write(writer, told.as_bytes());
        0
    });
    let _ = looker.end();
    let told = read(reader, 100).unwrap_or_default();
    let _ = (close(reader), close(writer));
    String::from_utf8_lossy(&told).into_owned()
}

fn flock(fd: i32, operation: i32) -> String {
    // SAFETY: the call takes no memory.
    show(outcome(unsafe { libc::flock(fd, operation) }))
}

fn refusals() {
    let fd = open();
    println!("no kind: {}", set(fd, 7, 0, 1));
    println!("before the start: {} {}", set(fd, WRITE, -1, 1), set(fd, WRITE, 1, -2));
    println!("too far: {}", set(fd, WRITE, i64::MAX, 2));
    println!("get of none: {}", show(ask(fd, libc::F_GETLK, &mut record(NONE, 0, 1))));
    let (reading, writing) = (open_for(libc::O_RDONLY), open_for(libc::O_WRONLY));
    println!("without the right: {} {}", set(reading, WRITE, 0, 1), set(writing, READ, 0, 1));
    println!("not open: {} {}", set(99, WRITE, 0, 1), flock(99, libc::LOCK_EX));
    let mut named = record(WRITE, 0, 1);
    named.l_pid = 1;
    println!("a description's with a process: {}", show(ask(fd, libc::F_OFD_SETLK, &mut named)));
    println!("no operation: {} {}", flock(fd, 0), flock(fd, 3));
    for fd in [fd, reading, writing] {
        let _ = close(fd);
    }
}

fn ranges() {
    let fd = open();
    println!("{} {}", set(fd, WRITE, 10, 20), seen(READ, 0, 0));
    println!("split: {} {} {}", set(fd, NONE, 15, 5), seen(WRITE, 15, 5), seen(WRITE, 18, 10));
    println!("changed: {} {} {}", set(fd, READ, 10, 2), seen(READ, 10, 2), seen(WRITE, 10, 2));
    println!("joined: {} {}", set(fd, WRITE, 10, 20), seen(WRITE, 0, 100));
    println!("to the end: {} {}", set(fd, WRITE, 50, 0), seen(WRITE, 1 << 40, 1));
    println!("backwards: {} {}", set(fd, WRITE, 200, -10), seen(WRITE, 0, 10));
    println!("own: {}", set(fd, READ, 0, 0));
    println!("all: {} {}", set(fd, NONE, 0, 0), seen(WRITE, 0, 0));
    let _ = close(fd);
}

fn from_elsewhere() {
    let fd = open();
    let _ = write(fd, &[0; 100]);
    let mut record = record(WRITE, -10, 5);
    record.l_whence = libc::SEEK_CUR as _;
    println!("from here: {} {}", show(ask(fd, libc::F_SETLK, &mut record)), seen(WRITE, 0, 0));
    record.l_whence = libc::SEEK_END as _;
    record.l_start = -1;
    record.l_len = 0;
    println!("from the end: {} {}", show(ask(fd, libc::F_SETLK, &mut record)), seen(WRITE, 99, 1));
    record.l_whence = 9;
    println!("from nowhere: {}", show(ask(fd, libc::F_SETLK, &mut record)));
    let _ = close(fd);
}

fn conflicts() {
    let fd = open();
    println!("{}", set(fd, READ, 0, 10));
    let other = child(|| {
        let own = open();
        let shared = set(own, READ, 5, 10) == "0";
        let refused = set(own, WRITE, 9, 1) == "EAGAIN" && set(own, WRITE, 10, 1) == "0";
        i32::from(!(shared && refused))
    });
    println!("another: {}", other.end());
    println!("gone with it: {}", set(fd, WRITE, 0, 100));
    let heir = child(|| i32::from(set(fd, WRITE, 0, 1) != "EAGAIN"));
    println!("not inherited: {}", heir.end());
    println!("held: {}", seen(WRITE, 0, 1));
    let _ = close(fd);
}

fn closing() {
    let (fd, second) = (open(), open());
    let _ = set(fd, WRITE, 0, 10);
    println!("held: {}", seen(WRITE, 0, 1));
    let _ = close(second);
    println!("any close releases: {}", seen(WRITE, 0, 1));
    let _ = set(fd, WRITE, 0, 10);
    // SAFETY: the call takes no memory.
    let copy = unsafe { libc::dup(fd) };
    let _ = close(copy);
    println!("of a copy too: {}", seen(WRITE, 0, 1));
    let _ = close(fd);
}

fn waiting() {
    let fd = open();
    let _ = set(fd, WRITE, 0, 10);
    let waiter = child(|| {
        let own = open();
        i32::from(wait_for(own, WRITE, 5, 1) != "0")
    });
    pause(40);
    println!("released: {}", set(fd, NONE, 0, 10));
    println!("waiter: {}", waiter.end());
    let holder = child(|| {
        let own = open();
        let _ = set(own, WRITE, 0, 1);
        pause(1000);
        0
    });
    pause(40);
    let killer = child(|| {
        pause(40);
        i32::from(holder.kill(libc::SIGKILL) != Ok(0))
    });
    println!("the holder's death: {}", wait_for(fd, WRITE, 0, 1));
    println!("{} {}", killer.end(), holder.end());
    let _ = close(fd);
}

fn deadlock() {
    let fd = open();
    let _ = set(fd, WRITE, 0, 1);
    let other = child(|| {
        let own = open();
        let _ = set(own, WRITE, 1, 1);
        i32::from(wait_for(own, WRITE, 0, 1) != "0")
    });
    pause(60);
    println!("each for the other: {}", wait_for(fd, WRITE, 1, 1));
    let _ = set(fd, NONE, 0, 0);
    println!("other: {}", other.end());
    let _ = close(fd);
}

fn descriptions() {
    let (fd, second) = (open(), open());
    println!("{}", show(ask(fd, libc::F_OFD_SETLK, &mut record(WRITE, 0, 10))));
    println!("another of the same process: {}", show(ask(second, libc::F_OFD_SETLK, &mut record(READ, 0, 10))));
    println!("whose: {}", seen(WRITE, 0, 1));
    println!("against a process's: {}", set(second, WRITE, 0, 1));
    let heir = child(|| i32::from(ask(fd, libc::F_OFD_SETLK, &mut record(READ, 0, 5)) != Ok(0)));
    println!("inherited: {} {}", heir.end(), seen(WRITE, 0, 1));
    println!("still there: {}", seen(WRITE, 7, 1));
    let _ = close(second);
    println!("another's close: {}", seen(WRITE, 7, 1));
    let _ = close(fd);
    println!("its own: {}", seen(WRITE, 7, 1));
}

fn whole_files() {
    let (fd, second) = (open(), open());
    println!("{} {}", flock(fd, libc::LOCK_SH), flock(second, libc::LOCK_SH));
    println!("alone: {}", flock(fd, libc::LOCK_EX | libc::LOCK_NB));
    println!("released: {} {}", flock(second, libc::LOCK_UN), flock(fd, libc::LOCK_EX | libc::LOCK_NB));
    println!("another: {}", flock(second, libc::LOCK_SH | libc::LOCK_NB));
    println!("no record: {}", set(second, WRITE, 0, 1));
    let heir = child(|| i32::from(flock(fd, libc::LOCK_EX | libc::LOCK_NB) != "0"));
    println!("inherited: {}", heir.end());
    let waiter = child(|| {
        // What is inherited holds the lock, too.
        let _ = (close(fd), close(second));
        let own = open();
        i32::from(flock(own, libc::LOCK_EX) != "0")
    });
    pause(40);
    let _ = close(fd);
    println!("waiter: {}", waiter.end());
    println!("free again: {}", flock(second, libc::LOCK_EX | libc::LOCK_NB));
    let _ = close(second);
}

fn interrupted() {
    extern "C" fn nothing(_: i32) {}
    let fd = open();
    let _ = set(fd, WRITE, 0, 1);
    let waiter = child(|| {
        // SAFETY: the handler does nothing; zeros are an action without flags.
        unsafe {
            let mut action: libc::sigaction = zeroed();
            action.sa_sigaction = nothing as *const () as usize;
            libc::sigaction(libc::SIGALRM, &raw const action, std::ptr::null_mut());
            libc::alarm(1);
        }
        let own = open();
        i32::from(wait_for(own, WRITE, 0, 1) != "EINTR")
    });
    println!("{}", waiter.end());
    let _ = close(fd);
}

fn main() {
    run(&[
        ("refusals", refusals),
        ("ranges", ranges),
        ("from elsewhere", from_elsewhere),
        ("conflicts", conflicts),
        ("closing", closing),
        ("waiting", waiting),
        ("deadlock", deadlock),
        ("descriptions", descriptions),
        ("whole files", whole_files),
        ("interrupted", interrupted),
    ]);
    let _ = std::fs::remove_file(FILE);
}
