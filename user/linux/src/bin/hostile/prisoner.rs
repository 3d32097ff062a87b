//! What a sandbox holds: a program that tries to get out of it, by calls, by requests past its library, and with what it leaves of that.

use std::ffi::CString;

use abi::Call;
use linux_programs::called;

use crate::exokernel::{PAGE, SERVER, call, call_for_words, is_mapped};
use crate::fuzzer::{MAILBOX, MAILBOX_BYTES, WINDOWS, request};
use crate::warden::SECRET;
use crate::{Random, scribbler};

/// What the prisoner is called.
pub const PATH: &str = "/bin/prisoner";
/// What it may do anything in.
pub const CELL: &str = "/tmp/cell";
/// What it may read.
const BOOK: &str = "/data/book";
/// What is in the file that it is not to read.
const CANARY: &[u8] = b"a canary that nobody";
/// Exit status of a prisoner that found it.
pub const FOUND: i32 = 42;
/// What it tries.
pub const ATTACKS: [&str; 6] = ["calls", "requests", "many requests", "garbage", "garbage in the heap", "frames"];

/// See the module.
pub fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("calls") => calls(),
        Some("requests") => requests(),
        Some("many requests") => many_requests(),
        Some("garbage") => scribbler::scribble(scribbler::PARTS - 1, use_library),
        Some("garbage in the heap") => scribbler::scribble(4, use_library),
        Some("frames") => frames(),
        _ => std::process::exit(1),
    }
}

fn found() -> ! {
    unsafe { libc::_exit(FOUND) }
}

fn say(what: &str, value: i32) -> i32 {
    println!("{what}: {}", if value < 0 { called(-1) } else { "allowed".into() });
    value
}

fn path(text: &str) -> CString {
    CString::new(text).expect("no NUL")
}

fn open(text: &str, flags: i32) -> i32 {
    unsafe { libc::open(path(text).as_ptr(), flags, 0o644) }
}

/// A call of two paths.
fn two(function: unsafe extern "C" fn(*const libc::c_char, *const libc::c_char) -> i32, first: &str, second: &str) -> i32 {
    unsafe { function(path(first).as_ptr(), path(second).as_ptr()) }
}

/// Calls of a program that knows nothing of the sandbox.
fn calls() {
    places();
    names();
    others();
    unsafe {
        let mine = open("/tmp/cell/mine", libc::O_RDWR | libc::O_CREAT);
        say("write what is not too long", libc::pwrite(mine, [0u8; 100].as_ptr().cast(), 100, 0) as i32);
        say("write what is", libc::pwrite(mine, [0u8; 101].as_ptr().cast(), 101, 0) as i32);
        say("a call that is denied", libc::fsync(mine));
        libc::syscall(libc::SYS_ptrace, 0, 0, 0, 0);
    }
    println!("after a call that ends it");
}

/// What may be opened.
fn places() {
    let book = say("read the book", open(BOOK, libc::O_RDONLY));
    say("write the book", open(BOOK, libc::O_RDWR));
    say("cut the book", open(BOOK, libc::O_RDONLY | libc::O_TRUNC));
    say("open it again to write", open(&format!("/proc/self/fd/{book}"), libc::O_WRONLY));
    say("read the key", open(SECRET, libc::O_RDONLY));
    say("read it by another way", open("/tmp/cell/../../secret/key", libc::O_RDONLY));
    say("a link to it", two(libc::symlink, SECRET, "/tmp/cell/link"));
    say("read by the link", open("/tmp/cell/link", libc::O_RDONLY));
    say("a link to what is not", two(libc::symlink, "/secret/new", "/tmp/cell/dangling"));
    say("make by the link", open("/tmp/cell/dangling", libc::O_WRONLY | libc::O_CREAT));
    say("make outside", open("/data/new", libc::O_WRONLY | libc::O_CREAT));
    say("make without a name", open("/data", libc::O_WRONLY | libc::O_TMPFILE));
    say("list the root", open("/", libc::O_RDONLY | libc::O_DIRECTORY));
    say("list the cell", open(CELL, libc::O_RDONLY | libc::O_DIRECTORY));
    say("a device", open("/dev/null", libc::O_RDONLY));
    say("what is its own", open("/proc/self/status", libc::O_RDONLY));
}

/// What may be done with names.
fn names() {
    let mut attributes = unsafe { std::mem::zeroed() };
    say("make", open("/tmp/cell/mine", libc::O_RDWR | libc::O_CREAT));
    say("move", two(libc::rename, "/tmp/cell/mine", "/tmp/cell/own"));
    say("move out", two(libc::rename, "/tmp/cell/own", "/data/own"));
    say("move in", two(libc::rename, BOOK, "/tmp/cell/book"));
    say("link in", two(libc::link, BOOK, "/tmp/cell/book"));
    say("link the key in", two(libc::link, SECRET, "/tmp/cell/key"));
    unsafe {
        say("remove the book", libc::unlink(path(BOOK).as_ptr()));
        say("change its mode", libc::chmod(path(BOOK).as_ptr(), 0o777));
        say("shorten it", libc::truncate(path(BOOK).as_ptr(), 0));
        say("a folder outside", libc::mkdir(path("/tmp/other").as_ptr(), 0o777));
        say("ask about the root", libc::stat(path("/").as_ptr(), &raw mut attributes));
        say("ask about the key", libc::stat(path(SECRET).as_ptr(), &raw mut attributes));
        say("go there", libc::chdir(path("/secret").as_ptr()));
        let program = path(crate::warden::PATH);
        say("run another program", libc::execv(program.as_ptr(), [program.as_ptr(), std::ptr::null()].as_ptr()));
    }
}

/// What may be done to others.
fn others() {
    let mut ends = [0; 2];
    let limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    unsafe {
        let parent = libc::getppid();
        say("a socket", libc::socket(libc::AF_UNIX, libc::SOCK_STREAM, 0));
        say("two of them", libc::socketpair(libc::AF_UNIX, libc::SOCK_STREAM, 0, ends.as_mut_ptr()));
        say("a pipe", libc::pipe(ends.as_mut_ptr()));
        say("a process", libc::fork());
        say("a signal to the parent", libc::kill(parent, libc::SIGKILL));
        say("a signal to all", libc::kill(-1, libc::SIGKILL));
        say("a signal to itself", libc::kill(libc::getpid(), 0));
        say("the parent's priority", libc::setpriority(libc::PRIO_PROCESS, parent as _, 19));
        say("the parent's limits", libc::prlimit(parent, libc::RLIMIT_NOFILE, &raw const limit, std::ptr::null_mut()));
        say("a queue", libc::mq_open(path("/prisoner").as_ptr(), libc::O_RDWR | libc::O_CREAT, 0o600, std::ptr::null::<libc::mq_attr>()));
        say("another queue", libc::msgget(libc::IPC_PRIVATE, 0o600));
        say("shared memory", libc::shmget(libc::IPC_PRIVATE, PAGE, 0o600));
        say("a terminal", open("/dev/ptmx", libc::O_RDWR));
    }
    say("a thread", std::thread::spawn(|| 0).join().unwrap_or(-1));
}

/// Numbers of operations (`unix::Operation`).
const MORE_FRAMES: u16 = 0x02;
const PLEDGE: u16 = 0x2c;
const WALK: u16 = 0x40;
const OPEN: u16 = 0x41;
const LIST: u16 = 0x44;
const CREATE: u16 = 0x45;
const UNLINK: u16 = 0x48;
const RENAME: u16 = 0x49;
const CHANGE: u16 = 0x4b;
const RESIZE: u16 = 0x4c;
const OPEN_ENTRY: u16 = 0x4e;
const MAP_FILE: u16 = 0x50;
const WRITE_FILE: u16 = 0x51;
const READ: u16 = 0x80;
/// No handle.
const NONE: u64 = u32::MAX as u64;

/// Ask the server, past the library; gives the answer's first word.
fn ask(operation: u16, words: [u64; 3], letter: &[u8]) -> i64 {
    for (at, &byte) in letter.iter().enumerate() {
        unsafe { ((MAILBOX + at) as *mut u8).write_volatile(byte) };
    }
    let first = u64::from(operation) | if operation == PLEDGE { (letter.len() as u64) << 32 } else { 0 };
    let (status, _, answer) = call_for_words::<{ Call::TransferCall as u16 }>([SERVER, 0, first, words[0], words[1], words[2]]);
    if status < 0 { status } else { answer[0] as i64 }
}

/// Look for what is not to be found, in all that the server shows.
fn look() {
    let windows = (WINDOWS as usize..WINDOWS as usize + 0x10_0000).step_by(PAGE);
    let own = [MAILBOX, MAILBOX + PAGE];
    for page in windows.chain(own).filter(|&page| is_mapped(page)) {
        let bytes: Vec<u8> = (0..PAGE).map(|at| unsafe { ((page + at) as *const u8).read_volatile() }).collect();
        if bytes.windows(CANARY.len()).any(|window| window == CANARY) {
            found();
        }
    }
}

/// All that has a handle: asked to give what is behind it, to change it, to be opened.
fn try_handles() {
    for handle in 0..24 {
        for access in [1, 2, 3] {
            ask(OPEN_ENTRY, [handle, access, 0], b"");
        }
        ask(LIST, [handle, 0, 0], b"");
        ask(MAP_FILE, [handle, 1, WINDOWS + 0x8_0000 + handle * PAGE as u64], b"");
        ask(READ, [0, 100, 0], b"");
        ask(CREATE, [handle, 3 | 0o644 << 32, 0], b"new");
        ask(UNLINK, [handle, 4, 0], b"data");
        ask(UNLINK, [handle, 3, 0], b"key");
        ask(RENAME, [handle | handle << 32, 4 | 5 << 16, 0], b"datadatum");
        look();
    }
}

/// Requests that are made well, for what the rules do not allow.
fn requests() {
    const CREATE_FLAGS: u64 = 0o102;
    for round in 0..2 {
        for path in [SECRET, "/data/book", "/", "/secret", "/data", "/bin/warden", "/tmp/cell/../../secret/key", "../secret/key"] {
            let length = path.len() as u64;
            for last in 0..3 {
                ask(WALK, [NONE << 32, length | last << 16, 0], path.as_bytes());
                look();
            }
            for flags in [0, 1, 2, 0o1000, 0o1001, CREATE_FLAGS, CREATE_FLAGS | 0o1000] {
                let answer = ask(OPEN, [NONE << 32, length, flags], path.as_bytes());
                let is_book = path == "/data/book" && flags & !0o100 == 0;
                if answer >= 0 && !is_book && path != "/data" {
                    found();
                }
            }
        }
        try_handles();
        for path in ["/new", "/secret/new", "/data/new", "/bin/new"] {
            if ask(OPEN, [NONE << 32, path.len() as u64, CREATE_FLAGS], path.as_bytes()) >= 0 {
                found();
            }
        }
        // What is open to read is not open to be changed.
        if ask(OPEN, [NONE << 32, 10, 0], b"/data/book") < 0 {
            unsafe { libc::_exit(126) }
        }
        for handle in 0..24 {
            ask(WRITE_FILE, [handle, 0, 5], b"wrong");
            ask(RESIZE, [handle, 0, 0], b"");
            ask(CHANGE, [handle, 0, 0], &[0; 64]);
        }
        // Rules that allow all are no rules less.
        let rules = b"allow read write /**\nallow processes\nallow sockets\nallow signals\nallow ipc\n";
        if round == 0 && ask(PLEDGE, [0; 3], rules) != 0 {
            unsafe { libc::_exit(126) }
        }
    }
    others_by_requests();
}

/// Operations of families that the rules do not allow: all are refused.
fn others_by_requests() {
    const FORK: u16 = 0x04;
    const KILL: u16 = 0x11;
    const MAKE_SOCKET: u16 = 0x90;
    const QUEUE_OPEN: u16 = 0xb0;
    const TERMINAL_OPEN: u16 = 0xc0;
    const OBJECT_GET: u16 = 0xe0;
    const EPERM: i64 = -1;
    let parent = unsafe { libc::getppid() } as u32;
    let env = call::<{ Call::EnvCreate as u16 }>([16, 0, 0, 0, 0, 0]).1;
    let refused = [
        (FORK, 17, 0, [64, env, 0]),
        (KILL, 9, parent, [0; 3]),
        (KILL, 9, u32::MAX, [0; 3]),
        (KILL, 9, parent, [u64::from(parent), 0, 0]),
        (MAKE_SOCKET, 0, 0, [1, 1, 0]),
        (QUEUE_OPEN, 4, 0o102, [0o600, 0, 0]),
        (TERMINAL_OPEN, 0, 0, [5 << 8 | 2, 3, 0]),
        (OBJECT_GET, 1, 0o1600, [0, PAGE as u64, 0]),
    ];
    for (operation, small, large, words) in refused {
        let first = u64::from(operation) | small << 16 | u64::from(large) << 32;
        let (_, _, answer) = call_for_words::<{ Call::TransferCall as u16 }>([SERVER, 0, first, words[0], words[1], words[2]]);
        if answer[0] as i64 != EPERM {
            found();
        }
    }
}

/// Requests that are made anyhow, with paths among them that lead out.
fn many_requests() {
    let random = Random::new(3);
    loop {
        for at in 0..MAILBOX_BYTES / 8 {
            let path = b"/secret/key\0/data/book\0/secret/";
            let start = [0, 1, 12, 23][random.below(4) as usize];
            let value = u64::from_ne_bytes(std::array::from_fn(|index| path[(start + at * 8 + index) % path.len()]));
            unsafe { ((MAILBOX as *mut u64).add(at)).write_volatile(value) };
        }
        for _ in 0..64 {
            let operation = [random.below(0x2d), 0x40 + random.below(0x20), 0x80 + random.below(0x70)][random.below(3) as usize] as u16;
            // Its own end, and what stops it, are not what is looked for.
            if [0x01, 0x14].contains(&operation) {
                continue;
            }
            let word = || {
                [0, 11, random.below(24), NONE << 32, random.below(24) | NONE << 32, random.below(40), random.next()]
                    [random.below(7) as usize]
            };
            request(operation, random.below(4) as u16, random.below(24) as u32, [word(), word(), word()]);
            request(OPEN, 0o644, 0, [random.below(24) | NONE << 32, 11, random.below(4) | random.below(2) << 6 | random.below(2) << 9]);
        }
        look();
    }
}

/// With what garbage leaves of the library.
fn use_library() {
    let mut bytes = [0u8; 64];
    for path in [c"/secret/key", c"/data/book"] {
        let file = unsafe { libc::open(path.as_ptr(), libc::O_RDWR | libc::O_CREAT, 0o666) };
        let file = if file < 0 { unsafe { libc::open(path.as_ptr(), libc::O_RDONLY) } } else { file };
        let count = unsafe { libc::read(file, bytes.as_mut_ptr().cast(), bytes.len()) };
        if count > 0 && bytes.windows(CANARY.len()).any(|window| window == CANARY) {
            found();
        }
        unsafe {
            libc::write(file, c"wrong".as_ptr().cast(), 5);
            libc::close(file);
            libc::unlink(path.as_ptr());
        }
    }
}

/// More memory than the rules allow.
fn frames() {
    let mut granted = 0;
    loop {
        match ask(MORE_FRAMES, [1000, 0, 0], b"") {
            answer if answer < 0 => break,
            _ => granted += 1,
        }
        if granted > 8 {
            found();
        }
        let address = 0x20_0000_0000 + granted * 1000 * PAGE as u64;
        call::<{ Call::PageAlloc as u16 }>([0, address, 1000, 3 | 3 << 3, 0, 0]);
    }
}
