//! Signals about open files: `F_SETOWN`, `F_SETSIG`, `O_ASYNC` and their kin, on pipes, sockets, terminals and inotify, for a process, a group or a
//! thread.
#![expect(
    clippy::undocumented_unsafe_blocks,
    reason = "each block is a plain call, on numbers and on strings and memory of the program's own"
)]

use std::ffi::CString;

use linux_programs::called;
use linux_programs::calls::in_folder;
use linux_programs::descriptors::{child, close, control, outcome, pipe, read, show, write};
use linux_programs::family::{await_number, block, end_of, run, shared, sleep_ms};

/// What libc does not have of every target.
const F_SETSIG: i32 = 10;
const F_GETSIG: i32 = 11;
const F_SETOWN_EX: i32 = 15;
const F_GETOWN_EX: i32 = 16;
const THREAD: i32 = 0;
const PROCESS: i32 = 1;
const GROUP: i32 = 2;
/// A real-time signal that no C library takes for itself.
const REAL_TIME: i32 = 40;

fn own_id() -> i64 {
    unsafe { libc::getpid() }.into()
}

fn own_thread() -> i64 {
    unsafe { libc::syscall(libc::SYS_gettid) as i64 }
}

/// fcntl(2) past the C library, which asks otherwise.
fn ask(fd: i32, command: i32, argument: i64) -> Result<i64, String> {
    unsafe { linux_programs::call(libc::SYS_fcntl, &[fd as usize, command as usize, argument as usize]) }
}

fn owner(fd: i32) -> String {
    let mut words = [-7i32; 2];
    match ask(fd, F_GETOWN_EX, words.as_mut_ptr() as i64) {
        Ok(_) => format!("kind {} {}", words[0], named(i64::from(words[1]))),
        Err(error) => error,
    }
}

fn named(id: i64) -> String {
    match id {
        id if id == own_id() => "this one".into(),
        id if id == -own_id() => "this group".into(),
        id => id.to_string(),
    }
}

fn set_owner(fd: i32, kind: i32, id: i64) -> String {
    let words = [kind, id as i32];
    show(ask(fd, F_SETOWN_EX, words.as_ptr() as i64))
}

/// Let a process be told of a file from now on, by a signal.
fn listen(fd: i32, id: i64, signal: i32) {
    assert_eq!(control(fd, libc::F_SETOWN, id), Ok(0));
    assert_eq!(control(fd, F_SETSIG, signal.into()), Ok(0));
    let flags = control(fd, libc::F_GETFL, 0).expect("flags");
    assert_eq!(control(fd, libc::F_SETFL, flags | i64::from(libc::O_ASYNC)), Ok(0));
}

fn is_async(fd: i32) -> String {
    control(fd, libc::F_GETFL, 0).map_or_else(|error| error, |flags| (flags & i64::from(libc::O_ASYNC) != 0).to_string())
}

/// The signals that came: each with its code, its events and its descriptor.
fn came(fd: i32) -> String {
    let set = linux_programs::family::signal_set(&[libc::SIGIO, libc::SIGUSR1, libc::SIGCHLD, REAL_TIME, libc::SIGURG]);
    let mut all = Vec::new();
    loop {
        let wait = libc::timespec { tv_sec: 0, tv_nsec: if all.is_empty() { 60_000_000 } else { 0 } };
        let mut information = [0u64; 16];
        let signal = unsafe { libc::sigtimedwait(&raw const set, information.as_mut_ptr().cast(), &raw const wait) };
        if signal < 0 {
            break;
        }
        let code = information[1] as i32;
        // A child's end is no news.
        if signal == libc::SIGCHLD && code > 0 {
            continue;
        }
        let about = match information[3] as i32 {
            _ if code == 128 => String::new(),
            number if number == fd => " its".into(),
            number => format!(" {number}"),
        };
        all.push(format!("{signal}: {code} {:#x}{about}", information[2]));
    }
    if all.is_empty() { "nothing".into() } else { all.join(", ") }
}

fn block_all() {
    block(&[libc::SIGIO, libc::SIGUSR1, libc::SIGCHLD, REAL_TIME, libc::SIGURG]);
}

fn files() -> Vec<(&'static str, i32)> {
    let (reading, writing) = pipe(libc::O_NONBLOCK);
    let mut sockets = [0; 2];
    assert_eq!(unsafe { libc::socketpair(libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_NONBLOCK, 0, sockets.as_mut_ptr()) }, 0);
    let open = |path: &str, flags| linux_programs::calls::opened(path, flags);
    vec![
        ("a pipe's reader", reading),
        ("a pipe's writer", writing),
        ("a socket", sockets[0]),
        ("a regular file", open("/proc/self/exe", libc::O_RDONLY)),
        ("a directory", open("/", libc::O_RDONLY)),
        ("an event's", unsafe { libc::eventfd(0, 0) }),
        ("an epoll's", unsafe { libc::epoll_create1(0) }),
        ("a timer's", unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, 0) }),
        ("a device", open("/dev/null", libc::O_RDWR)),
        ("a place", open("/", libc::O_PATH)),
    ]
}

fn owners() {
    for (name, fd) in files() {
        println!("{name}: {} {}", owner(fd), show(ask(fd, libc::F_GETOWN, 0)));
        println!("  a process: {} {}", show(ask(fd, libc::F_SETOWN, own_id())), owner(fd));
        println!("  a group: {} {}", show(ask(fd, libc::F_SETOWN, -own_id())), owner(fd));
        println!("  a thread: {} {}", set_owner(fd, THREAD, own_thread()), owner(fd));
        println!("  nobody there: {} {}", show(ask(fd, libc::F_SETOWN, 4_000_000)), set_owner(fd, GROUP, 4_000_000));
        println!("  no kind: {} {} {}", set_owner(fd, 3, own_id()), set_owner(fd, -1, own_id()), set_owner(fd, PROCESS, -5));
        println!("  as it was: {}", owner(fd));
        println!("  nobody: {} {}", show(ask(fd, libc::F_SETOWN, 0)), owner(fd));
        println!("  no group: {}", show(ask(fd, libc::F_SETOWN, i32::MIN.into())));
        println!("  nowhere: {} {}", show(ask(fd, F_SETOWN_EX, 16)), show(ask(fd, F_GETOWN_EX, 16)));
        println!("  the signal: {} {}", show(ask(fd, F_GETSIG, 0)), show(ask(fd, F_SETSIG, 10)));
        println!("  then: {} {} {}", show(ask(fd, F_GETSIG, 0)), show(ask(fd, F_SETSIG, 65)), show(ask(fd, F_SETSIG, 64)));
        println!("  none: {} {}", show(ask(fd, F_SETSIG, 0)), show(ask(fd, F_GETSIG, 0)));
    }
}

fn flags() {
    for (name, fd) in files() {
        let flags = |flag: i32| {
            let known = control(fd, libc::F_GETFL, 0).unwrap_or(0);
            show(control(fd, libc::F_SETFL, known & !i64::from(libc::O_ASYNC) | i64::from(flag)))
        };
        println!("{name}: {} {} {} {}", flags(libc::O_ASYNC), is_async(fd), flags(0), is_async(fd));
        let switch = |on: i32| show(outcome(unsafe { libc::ioctl(fd, 0x5452, &raw const on) }));
        println!("  by ioctl: {} {} {} {} {}", switch(1), is_async(fd), switch(1), switch(0), is_async(fd));
    }
    let (reading, _) = pipe(0);
    println!("nowhere: {}", called(unsafe { libc::ioctl(reading, 0x5452, 16) }));
    let id = own_id() as i32;
    println!("FIOSETOWN of a pipe: {}", called(unsafe { libc::ioctl(reading, 0x8901, &raw const id) }));
    let socket = files()[2].1;
    let mut told = 0i32;
    println!("of a socket: {}", called(unsafe { libc::ioctl(socket, 0x8901, &raw const id) }));
    println!("FIOGETOWN: {} {}", called(unsafe { libc::ioctl(socket, 0x8903, &raw mut told) }), named(told.into()));
    println!("SIOCSPGRP: {}", called(unsafe { libc::ioctl(socket, 0x8902, &raw const told) }));
    println!("SIOCGPGRP: {} {}", called(unsafe { libc::ioctl(socket, 0x8904, &raw mut told) }), named(told.into()));
}

fn pipes() {
    block_all();
    let (reading, writing) = pipe(libc::O_NONBLOCK);
    listen(reading, own_id(), REAL_TIME);
    println!("at first: {}", came(reading));
    let _ = write(writing, b"a");
    println!("a write: {}", came(reading));
    let _ = write(writing, b"b");
    let _ = write(writing, b"c");
    println!("two more: {}", came(reading));
    let _ = read(reading, 10);
    println!("a read: {}", came(reading));
    listen(writing, own_id(), REAL_TIME);
    let _ = write(writing, b"d");
    println!("a write, with both: {}", came(reading));
    let _ = read(reading, 10);
    println!("a read, with both: {}", came(writing));
    let other = child(|| i32::from(write(writing, b"child") != Ok(5)));
    println!("a child: {}", other.end());
    println!("it wrote: {}", came(reading));
    let _ = read(reading, 10);
    let _ = came(writing);
    let _ = close(writing);
    println!("the writer is closed: {}", came(reading));
    let (reading, writing) = pipe(libc::O_NONBLOCK);
    listen(writing, own_id(), REAL_TIME);
    let _ = close(reading);
    println!("the reader is closed: {}", came(writing));
}

/// What was a process's own pipe before, with bytes in it.
fn full_pipes() {
    block_all();
    let (reading, writing) = pipe(libc::O_NONBLOCK);
    while write(writing, &[b'x'; 4096]).is_ok() {}
    listen(writing, own_id(), REAL_TIME);
    println!("full: {} {}", show(write(writing, b"y")), came(writing));
    println!("read: {}", read(reading, 8192).map_or_else(|error| error, |bytes| bytes.len().to_string()));
    println!("then: {}", came(writing));
    assert_eq!(control(writing, libc::F_SETFL, libc::O_NONBLOCK.into()), Ok(0));
    let _ = read(reading, 8192);
    println!("off again: {}", came(writing));
    println!("all that is left: {}", read(reading, 100_000).map_or_else(|error| error, |bytes| bytes.len().to_string()));
}

fn signals() {
    block_all();
    let (reading, writing) = pipe(libc::O_NONBLOCK);
    for signal in [0, libc::SIGIO, libc::SIGUSR1, libc::SIGCHLD, libc::SIGURG, REAL_TIME] {
        listen(reading, own_id(), signal);
        let _ = write(writing, b"a");
        let _ = write(writing, b"b");
        println!("{signal}: {}", came(reading));
    }
    let other = unsafe { libc::dup(reading) };
    let _ = close(reading);
    let _ = write(writing, b"a");
    println!("by a descriptor that is closed: {}", came(reading));
    assert_eq!(control(other, libc::F_SETFL, i64::from(libc::O_ASYNC)), Ok(0));
    let _ = write(writing, b"a");
    println!("said again: {}", came(reading));
    assert_eq!(control(other, libc::F_SETOWN, 0), Ok(0));
    let _ = write(writing, b"a");
    println!("nobody: {}", came(other));
    assert_eq!(control(other, libc::F_SETOWN, own_id()), Ok(0));
    let _ = write(writing, b"a");
    println!("somebody: {}", came(reading));
    let _ = close(other);
    println!("closed: {}", came(other));
}

fn sockets() {
    block_all();
    for (name, kind) in [("stream", libc::SOCK_STREAM), ("datagrams", libc::SOCK_DGRAM), ("sequence", libc::SOCK_SEQPACKET)] {
        let mut pair = [0; 2];
        assert_eq!(unsafe { libc::socketpair(libc::AF_UNIX, kind | libc::SOCK_NONBLOCK, 0, pair.as_mut_ptr()) }, 0);
        let [own, other] = pair;
        listen(own, own_id(), REAL_TIME);
        println!("{name}: {}", came(own));
        let _ = write(other, b"a");
        let _ = write(other, b"b");
        println!("two writes: {}", came(own));
        let _ = read(own, 10);
        let _ = write(own, b"c");
        let _ = read(other, 10);
        println!("reads, and one's own write: {}", came(own));
        if kind != libc::SOCK_DGRAM {
            while write(own, &[b'x'; 1000]).is_ok() {}
            println!("full: {}", came(own));
            while read(other, 5000).is_ok() {}
            println!("read: {}", came(own));
            unsafe { libc::shutdown(other, libc::SHUT_WR) };
            println!("shut down: {}", came(own));
        }
        let _ = close(other);
        println!("closed: {}", came(own));
    }
}

fn listeners() {
    block_all();
    let name = format!("\0async-{}", own_id());
    let mut address = libc::sockaddr_un { sun_family: libc::AF_UNIX as _, sun_path: [0; 108] };
    for (to, from) in address.sun_path.iter_mut().zip(name.bytes()) {
        *to = from as _;
    }
    let length = (2 + name.len()) as u32;
    let socket = || unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_STREAM, 0) };
    let (server, client) = (socket(), socket());
    assert_eq!(unsafe { libc::bind(server, (&raw const address).cast(), length) }, 0);
    assert_eq!(unsafe { libc::listen(server, 3) }, 0);
    listen(server, own_id(), REAL_TIME);
    assert_eq!(unsafe { libc::connect(client, (&raw const address).cast(), length) }, 0);
    println!("a connection: {}", came(server));
    let accepted = unsafe { libc::accept(server, std::ptr::null_mut(), std::ptr::null_mut()) };
    println!("accepted: {} {} {}", came(server), is_async(accepted), owner(accepted));
    listen(accepted, own_id(), REAL_TIME);
    let _ = write(client, b"hello");
    println!("what comes there: {}", came(accepted));
    let _ = close(client);
    println!("and its end: {}", came(accepted));
}

/// What is written to one end reaches the other one soon, and not at once.
fn type_in(fd: i32, bytes: &[u8]) {
    let _ = write(fd, bytes);
    sleep_ms(200);
}

fn terminals() {
    block_all();
    let master = linux_programs::calls::opened("/dev/ptmx", libc::O_RDWR | libc::O_NOCTTY);
    let (zero, mut number) = (0i32, 0i32);
    assert_eq!(unsafe { libc::ioctl(master, 0x4004_5431, &raw const zero) }, 0);
    assert_eq!(unsafe { libc::ioctl(master, 0x8004_5430u32 as _, &raw mut number) }, 0);
    let slave = linux_programs::calls::opened(&format!("/dev/pts/{number}"), libc::O_RDWR | libc::O_NOCTTY | libc::O_NONBLOCK);
    println!("nobody's: {}", owner(slave));
    assert_eq!(control(slave, libc::F_SETFL, i64::from(libc::O_ASYNC | libc::O_NONBLOCK)), Ok(0));
    println!("somebody's: {} {}", owner(slave), is_async(slave));
    type_in(master, b"line\n");
    println!("a line: {}", came(slave));
    assert_eq!(control(slave, F_SETSIG, REAL_TIME.into()), Ok(0));
    type_in(master, b"part");
    println!("a part: {}", came(slave));
    type_in(master, b" and the rest\n");
    println!("the rest: {}", came(slave));
    let _ = read(slave, 100);
    println!("read: {}", came(slave));
    assert_eq!(control(slave, libc::F_SETFL, libc::O_NONBLOCK.into()), Ok(0));
    listen(master, own_id(), REAL_TIME);
    let _ = came(master);
    type_in(slave, b"output");
    println!("what is written: {}", came(master));
}

fn inotify() {
    in_folder(&format!("async-{}", own_id()), || {
        block_all();
        let watch = unsafe { libc::inotify_init1(libc::IN_NONBLOCK) };
        let path = CString::new(".").expect("no NUL");
        assert!(unsafe { libc::inotify_add_watch(watch, path.as_ptr(), libc::IN_CREATE) } > 0);
        listen(watch, own_id(), REAL_TIME);
        std::fs::create_dir("one").expect("a directory");
        println!("a name: {}", came(watch));
        std::fs::remove_dir("one").expect("a directory");
        println!("what is not watched: {}", came(watch));
    });
}

/// Who is told: children, groups, threads.
fn whom() {
    block_all();
    let numbers = shared();
    let (reading, writing) = pipe(libc::O_NONBLOCK);
    let group = child(|| {
        unsafe { libc::setpgid(0, 0) };
        let members: Vec<_> = (0..2)
            .map(|index| {
                child(move || {
                    numbers[index].store(1, std::sync::atomic::Ordering::Relaxed);
                    await_number(&numbers[3], 1);
                    let what = came(reading);
                    sleep_ms(200 * (index as u64 + 1));
                    println!("a member: {what}");
                    0
                })
            })
            .collect();
        numbers[2].store(1, std::sync::atomic::Ordering::Relaxed);
        await_number(&numbers[3], 1);
        println!("the leader: {}", came(reading));
        members.into_iter().for_each(|member| println!("{}", member.end()));
        0
    });
    (0..3).for_each(|index| await_number(&numbers[index], 1));
    listen(reading, -i64::from(group.0), REAL_TIME);
    let _ = write(writing, b"a");
    numbers[3].store(1, std::sync::atomic::Ordering::Relaxed);
    println!("the group: {}", group.end());
    println!("not in it: {}", came(reading));
    println!("a group that is gone: {}", owner(reading));
    let other = child(|| {
        await_number(&numbers[5], 1);
        println!("the child: {}", came(reading));
        0
    });
    listen(reading, other.0.into(), REAL_TIME);
    let _ = write(writing, b"a");
    numbers[5].store(1, std::sync::atomic::Ordering::Relaxed);
    println!("a process: {}", other.end());
    println!("it is gone: {}", owner(reading));
    let _ = write(writing, b"a");
    let _ = came(reading);
    let (told, telling) = std::sync::mpsc::channel();
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        told.send(own_thread()).expect("somebody waits");
        gone.recv().expect("somebody says so");
        came(reading)
    });
    let id = telling.recv().expect("a thread");
    println!("a thread: {}", set_owner(reading, THREAD, id));
    assert_eq!(control(reading, F_SETSIG, libc::SIGIO.into()), Ok(0));
    let _ = write(writing, b"a");
    println!("the first: {}", came(reading));
    go.send(()).expect("it waits");
    println!("the other: {}", thread.join().expect("a thread"));
}

fn rights() {
    block_all();
    let numbers = shared();
    for (name, user) in [("another user", 1000), ("root", 0)] {
        let parent = own_id();
        let other = child(|| {
            unsafe { libc::setresuid(user, user, user) };
            let (reading, writing) = pipe(libc::O_NONBLOCK);
            listen(reading, parent, libc::SIGUSR1);
            let _ = write(writing, b"a");
            await_number(&numbers[0], user as i32 / 1000 + 1);
            0
        });
        println!("{name}: {}", came(-1).replace(" 3", " its").replace(" 5", " its").replace(" 4", " its"));
        numbers[0].store(user as i32 / 1000 + 1, std::sync::atomic::Ordering::Relaxed);
        println!("{}", other.end());
        let _ = came(-1);
    }
}

/// One open file description in two processes.
fn common() {
    block_all();
    let (reading, writing) = pipe(libc::O_NONBLOCK);
    listen(reading, own_id(), REAL_TIME);
    let parent = own_id();
    let other = child(|| {
        let mut words = [0i32; 2];
        let known = ask(reading, F_GETOWN_EX, words.as_mut_ptr() as i64).is_ok() && i64::from(words[1]) == parent;
        println!("in the child: {} {known} {}", is_async(reading), show(ask(reading, F_GETSIG, 0)));
        let _ = write(writing, b"a");
        println!("  it hears: {}", came(reading));
        println!("  off: {}", show(control(reading, libc::F_SETFL, 0)));
        0
    });
    println!("{}", other.end());
    println!("in the parent: {} {}", came(reading), is_async(reading));
    let _ = write(writing, b"a");
    println!("off: {}", came(reading));
    listen(reading, own_id(), libc::SIGUSR1);
    let (waiting, going) = pipe(0);
    let other = child(|| {
        let _ = close(going);
        let _ = read(waiting, 1);
        let _ = write(writing, b"a");
        0
    });
    let number = reading;
    let _ = close(reading);
    let _ = write(going, b"g");
    println!("the child has it still: {}", other.end());
    println!("it is told: {}", came(number));
}

fn default_action() {
    for signal in [0, libc::SIGIO, REAL_TIME, libc::SIGURG] {
        let id = child(|| {
            let (reading, writing) = pipe(0);
            listen(reading, own_id(), signal);
            let _ = write(writing, b"a");
            7
        });
        println!("{signal}: {}", end_of(id.0));
    }
}

fn main() {
    run(&[
        ("owners", owners),
        ("flags", flags),
        ("pipes", pipes),
        ("full pipes", full_pipes),
        ("signals", signals),
        ("sockets", sockets),
        ("listeners", listeners),
        ("terminals", terminals),
        ("inotify", inotify),
        ("whom", whom),
        ("rights", rights),
        ("common", common),
        ("default action", default_action),
    ]);
}
