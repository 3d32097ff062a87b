//! epoll(7): what is told, when, and what is refused.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use libc::{
    EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD, EPOLLERR, EPOLLET, EPOLLEXCLUSIVE, EPOLLHUP, EPOLLIN, EPOLLONESHOT, EPOLLOUT, EPOLLRDNORM,
};
use linux_programs::call;

type Outcome = Result<i64, String>;

/// Bits that are `c_int`s in the bindings.
const EDGE: u32 = EPOLLET as u32;
const INPUT: u32 = EPOLLIN as u32;
const OUTPUT: u32 = EPOLLOUT as u32;
const ONE_SHOT: u32 = EPOLLONESHOT as u32;
const EXCLUSIVE: u32 = EPOLLEXCLUSIVE as u32;

/// The result, or the error's name.
fn show(outcome: Outcome) -> String {
    outcome.map_or_else(|error| error, |value| value.to_string())
}

fn names(events: u32) -> String {
    let known = [(INPUT, "in"), (OUTPUT, "out"), (EPOLLERR as u32, "err"), (EPOLLHUP as u32, "hup"), (EPOLLRDNORM as u32, "rdnorm")];
    let rest = events & !known.iter().fold(0, |all, (bit, _)| all | bit);
    let mut names: Vec<String> = known.iter().filter(|(bit, _)| events & bit != 0).map(|(_, name)| (*name).to_owned()).collect();
    if rest != 0 {
        names.push(format!("{rest:#x}"));
    }
    names.join("+")
}

/// A descriptor, closed at the end.
struct Fd(i32);

impl Drop for Fd {
    fn drop(&mut self) {
        // SAFETY: the descriptor is this one's.
        unsafe { libc::close(self.0) };
    }
}

fn epoll() -> Fd {
    // SAFETY: the call takes no memory.
    Fd(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })
}

fn pipe() -> (Fd, Fd) {
    let mut ends = [0; 2];
    // SAFETY: the array is the call's to fill.
    unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_NONBLOCK) };
    (Fd(ends[0]), Fd(ends[1]))
}

fn event(count: u32, flags: i32) -> Fd {
    // SAFETY: the call takes no memory.
    Fd(unsafe { libc::eventfd(count, flags | libc::EFD_NONBLOCK) })
}

fn write(fd: &Fd, bytes: &[u8]) {
    // SAFETY: the slice is valid.
    let count = unsafe { libc::write(fd.0, bytes.as_ptr().cast(), bytes.len()) };
    assert_eq!(count, bytes.len() as isize);
}

fn read(fd: &Fd, most: usize) -> isize {
    let mut bytes = vec![0u8; most];
    // SAFETY: the buffer is the call's to fill.
    unsafe { libc::read(fd.0, bytes.as_mut_ptr().cast(), most) }
}

fn control(epoll: &Fd, operation: i32, fd: i32, events: u32, data: u64) -> Outcome {
    let mut event = libc::epoll_event { events, u64: data };
    // SAFETY: the struct outlives the call.
    unsafe { call(libc::SYS_epoll_ctl, &[epoll.0 as usize, operation as usize, fd as usize, &raw mut event as usize]) }
}

fn add(epoll: &Fd, fd: &Fd, events: u32, data: u64) {
    control(epoll, EPOLL_CTL_ADD, fd.0, events, data).expect("added");
}

/// What is told: data and events, or the error.
fn wait_for(epoll: &Fd, most: usize, milliseconds: i32) -> String {
    let mut events = vec![libc::epoll_event { events: 0, u64: 0 }; most];
    // SAFETY: the events are the call's to fill.
    let count = unsafe { libc::epoll_wait(epoll.0, events.as_mut_ptr(), most as i32, milliseconds) };
    if count < 0 {
        return linux_programs::error_name(std::io::Error::last_os_error().raw_os_error().unwrap_or(0));
    }
    let told: Vec<String> = events[..count as usize]
        .iter()
        .map(|event| {
            let (events, data) = (event.events, event.u64);
            format!("{data}:{}", names(events))
        })
        .collect();
    format!("[{}]", told.join(" "))
}

fn wait(epoll: &Fd) -> String {
    wait_for(epoll, 8, 0)
}

fn refusals() {
    let (set, other, (reader, writer)) = (epoll(), event(0, 0), pipe());
    let file = std::fs::File::open("/proc/self/maps").expect("a file");
    // SAFETY: the calls refuse what they are given.
    unsafe {
        println!("flags of create1: {}", show(call(libc::SYS_epoll_create1, &[1])));
        let memory = libc::memfd_create(c"memory".as_ptr(), 0);
        println!("a regular file: {}", show(control(&set, EPOLL_CTL_ADD, memory, INPUT, 0)));
        libc::close(memory);
        let directory = libc::open(c"/".as_ptr(), libc::O_RDONLY);
        println!("a directory: {}", show(control(&set, EPOLL_CTL_ADD, directory, INPUT, 0)));
        libc::close(directory);
        let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR);
        println!("/dev/null: {}", show(control(&set, EPOLL_CTL_ADD, null, INPUT, 0)));
        libc::close(null);
        let place = libc::open(c"/".as_ptr(), libc::O_PATH);
        println!("a place: {}", show(control(&set, EPOLL_CTL_ADD, place, INPUT, 0)));
        libc::close(place);
        println!("no event: {}", show(call(libc::SYS_epoll_ctl, &[set.0 as usize, 1, reader.0 as usize, 0])));
        println!("no event to delete: {}", show(call(libc::SYS_epoll_ctl, &[set.0 as usize, 2, reader.0 as usize, 0])));
    }
    drop(file);
    println!("not open: {}", show(control(&set, EPOLL_CTL_ADD, 999, INPUT, 0)));
    println!("no set: {}", show(control(&Fd(-1), EPOLL_CTL_ADD, reader.0, INPUT, 0)));
    println!("another kind of set: {}", show(control(&other, EPOLL_CTL_ADD, reader.0, INPUT, 0)));
    println!("itself: {}", show(control(&set, EPOLL_CTL_ADD, set.0, INPUT, 0)));
    println!("no such operation: {}", show(control(&set, 9, reader.0, INPUT, 0)));
    println!("not watched: {}", show(control(&set, EPOLL_CTL_MOD, reader.0, INPUT, 0)));
    add(&set, &reader, INPUT, 1);
    println!("twice: {}", show(control(&set, EPOLL_CTL_ADD, reader.0, INPUT, 0)));
    println!("removed: {}", show(control(&set, EPOLL_CTL_DEL, reader.0, 0, 0)));
    println!("removed twice: {}", show(control(&set, EPOLL_CTL_DEL, reader.0, 0, 0)));
    println!("exclusive, once: {}", show(control(&set, EPOLL_CTL_ADD, reader.0, INPUT | EXCLUSIVE | ONE_SHOT, 0)));
    println!("exclusive: {}", show(control(&set, EPOLL_CTL_ADD, reader.0, INPUT | EXCLUSIVE | EDGE, 0)));
    println!("exclusive, changed: {}", show(control(&set, EPOLL_CTL_MOD, reader.0, INPUT, 0)));
    add(&set, &writer, OUTPUT, 2);
    println!("changed to exclusive: {}", show(control(&set, EPOLL_CTL_MOD, writer.0, OUTPUT | EXCLUSIVE, 0)));
    println!("an exclusive set: {}", show(control(&set, EPOLL_CTL_ADD, epoll().0, INPUT | EXCLUSIVE, 0)));
    let mut events = [libc::epoll_event { events: 0, u64: 0 }; 2];
    let address = events.as_mut_ptr() as usize;
    let pwait = |fd: i32, address: usize, most: i32| {
        // SAFETY: the events are the call's to fill, and it refuses other addresses.
        show(unsafe { call(libc::SYS_epoll_pwait, &[fd as usize, address, most as usize, 0, 0, 8]) })
    };
    println!("wait for none: {} {}", pwait(set.0, address, 0), pwait(set.0, address, -1));
    println!("wait for too many: {}", pwait(set.0, address, i32::MAX));
    println!("wait on no set: {} {}", pwait(other.0, address, 2), pwait(-1, address, 2));
    println!("wait with nowhere to tell: {} {}", pwait(set.0, 8, 2), pwait(set.0, usize::MAX - 100, 2));
    println!("told all the same: {}", wait(&set));
    // SAFETY: the calls refuse what they are given.
    unsafe {
        let bad = [0i64, 1_000_000_000];
        let arguments = [set.0 as usize, address, 2, bad.as_ptr() as usize, 0, 8];
        println!("bad time: {}", show(call(libc::SYS_epoll_pwait2, &arguments)));
        println!("a mask's size: {}", show(call(libc::SYS_epoll_pwait, &[set.0 as usize, address, 2, 0, address, 4])));
        println!("read: {}", show(call(libc::SYS_read, &[set.0 as usize, address, 8])));
        println!("write: {}", show(call(libc::SYS_write, &[set.0 as usize, address, 8])));
    }
}

fn levels() {
    let (set, (reader, writer)) = (epoll(), pipe());
    add(&set, &reader, INPUT, 7);
    println!("nothing: {}", wait(&set));
    write(&writer, b"ab");
    println!("level: {} {}", wait(&set), wait(&set));
    read(&reader, 1);
    println!("less: {}", wait(&set));
    read(&reader, 1);
    println!("empty: {}", wait(&set));
    control(&set, EPOLL_CTL_MOD, reader.0, INPUT | EPOLLRDNORM as u32, u64::MAX).expect("changed");
    write(&writer, b"c");
    println!("two names, another word: {}", wait(&set));
    drop(writer);
    println!("writer gone: {}", wait(&set));
    read(&reader, 1);
    println!("and read: {}", wait(&set));
    let (reader, writer) = pipe();
    add(&set, &writer, OUTPUT, 8);
    drop(reader);
    println!("reader gone: {}", wait_for(&set, 1, 0).contains("err"));
    let (_reader, writer) = pipe();
    let set = epoll();
    add(&set, &writer, 0, 9);
    println!("nothing asked: {}", wait(&set));
    drop(_reader);
    println!("told all the same: {}", wait(&set));
}

fn edges() {
    let (set, (reader, writer)) = (epoll(), pipe());
    write(&writer, b"a");
    add(&set, &reader, INPUT | EDGE, 1);
    println!("ready when added: {} {}", wait(&set), wait(&set));
    write(&writer, b"b");
    println!("more: {} {}", wait(&set), wait(&set));
    read(&reader, 1);
    println!("some read: {}", wait(&set));
    read(&reader, 1);
    write(&writer, b"c");
    println!("read and written: {} {}", wait(&set), wait(&set));
    write(&writer, b"d");
    write(&writer, b"e");
    println!("two at once: {} {}", wait(&set), wait(&set));
    control(&set, EPOLL_CTL_MOD, reader.0, INPUT | EDGE, 2).expect("changed");
    println!("set again: {} {}", wait(&set), wait(&set));
    write(&writer, b"f");
    read(&reader, 100);
    println!("written and read: {}", wait(&set));
    drop(writer);
    println!("writer gone: {} {}", wait(&set), wait(&set));

    let (set, (reader, writer)) = (epoll(), pipe());
    add(&set, &writer, OUTPUT | EDGE, 3);
    println!("room: {} {}", wait(&set), wait(&set));
    write(&writer, b"x");
    read(&reader, 1);
    println!("room that was there: {}", wait(&set));
    let full = [0u8; 65536];
    write(&writer, &full);
    println!("full: {}", wait(&set));
    read(&reader, 65536);
    println!("room again: {} {}", wait(&set), wait(&set));

    let (set, counter) = (epoll(), event(0, 0));
    add(&set, &counter, INPUT | OUTPUT | EDGE, 4);
    println!("counter: {} {}", wait(&set), wait(&set));
    for _ in 0..2 {
        write(&counter, &1u64.to_ne_bytes());
        println!("counted: {} {}", wait(&set), wait(&set));
    }
    read(&counter, 8);
    println!("read: {} {}", wait(&set), wait(&set));
    println!("read in vain: {} {}", read(&counter, 8), wait(&set));
}

fn once() {
    let (set, (reader, writer)) = (epoll(), pipe());
    add(&set, &reader, INPUT | ONE_SHOT, 1);
    write(&writer, b"a");
    println!("once: {} {}", wait(&set), wait(&set));
    write(&writer, b"b");
    println!("written more: {}", wait(&set));
    println!("still watched: {}", show(control(&set, EPOLL_CTL_ADD, reader.0, INPUT, 1)));
    control(&set, EPOLL_CTL_MOD, reader.0, INPUT | ONE_SHOT, 2).expect("changed");
    println!("set again: {} {}", wait(&set), wait(&set));
    drop(writer);
    println!("a hang-up is silent too: {}", wait(&set));
    control(&set, EPOLL_CTL_MOD, reader.0, ONE_SHOT, 3).expect("changed");
    println!("asked for nothing: {} {}", wait(&set), wait(&set));
}

fn turns() {
    let set = epoll();
    let events: Vec<Fd> = (0..4).map(|_| event(1, 0)).collect();
    for (index, event) in events.iter().enumerate() {
        add(&set, event, INPUT, index as u64);
    }
    let turns: Vec<String> = (0..6).map(|_| wait_for(&set, 3, 0)).collect();
    println!("three of four: {}", turns.join(" "));
    let single: Vec<String> = (0..5).map(|_| wait_for(&set, 1, 0)).collect();
    println!("one of four: {}", single.join(" "));
    let set = epoll();
    let events: Vec<Fd> = (0..3).map(|_| event(0, 0)).collect();
    for (index, event) in events.iter().enumerate() {
        add(&set, event, INPUT | EDGE, index as u64);
    }
    for index in [2, 0, 1] {
        write(&events[index], &1u64.to_ne_bytes());
    }
    println!("in the order of their edges: {} {}", wait_for(&set, 2, 0), wait(&set));
}

fn closings() {
    let (set, (reader, writer)) = (epoll(), pipe());
    write(&writer, b"a");
    add(&set, &reader, INPUT, 1);
    // SAFETY: descriptors that this function owns.
    let copy = Fd(unsafe { libc::dup(reader.0) });
    let number = reader.0;
    drop(reader);
    println!("closed, but not the copy: {}", wait(&set));
    println!("by a number that is closed: {}", show(control(&set, EPOLL_CTL_DEL, number, 0, 0)));
    println!("by the copy: {}", show(control(&set, EPOLL_CTL_DEL, copy.0, 0, 0)));
    println!("the copy too: {}", show(control(&set, EPOLL_CTL_ADD, copy.0, INPUT, 2)));
    println!("both: {}", wait(&set));
    drop(copy);
    println!("all closed: {}", wait(&set));
    let (reader, writer) = pipe();
    write(&writer, b"b");
    println!("the number anew: {} {}", reader.0 == number, show(control(&set, EPOLL_CTL_ADD, reader.0, INPUT, 3)));
    println!("told: {}", wait(&set));
    let other = event(1, 0);
    // SAFETY: descriptors that this function owns.
    unsafe { libc::dup2(other.0, reader.0) };
    println!("replaced: {}", wait(&set));
    println!("what replaced it: {}", show(control(&set, EPOLL_CTL_MOD, reader.0, INPUT, 4)));
}

fn nesting() {
    let (outer, inner, counter) = (epoll(), epoll(), event(0, 0));
    add(&outer, &inner, INPUT, 10);
    add(&inner, &counter, INPUT, 20);
    println!("nested, nothing: {}", wait(&outer));
    write(&counter, &1u64.to_ne_bytes());
    println!("nested: {} {}", wait(&outer), wait(&inner));
    let mut poll = libc::pollfd { fd: outer.0, events: libc::POLLIN | libc::POLLRDNORM | libc::POLLOUT, revents: 0 };
    // SAFETY: the struct is the call's to fill.
    let ready = unsafe { libc::poll(&raw mut poll, 1, 0) };
    println!("polled: {ready} {:#x}", poll.revents);
    println!("a circle: {}", show(control(&inner, EPOLL_CTL_ADD, outer.0, INPUT, 0)));
    read(&counter, 8);
    println!("nothing any more: {} {}", wait(&outer), wait(&inner));
    let sets: Vec<Fd> = (0..8).map(|_| epoll()).collect();
    let depth = (1..8).find(|&index| control(&sets[index], EPOLL_CTL_ADD, sets[index - 1].0, INPUT, 0) == Err("ELOOP".into()));
    println!("too many above each other are refused: {}", depth.is_some());

    let (outer, inner, first, second) = (epoll(), epoll(), event(0, 0), event(0, 0));
    add(&inner, &first, INPUT, 1);
    add(&inner, &second, INPUT, 2);
    add(&outer, &inner, INPUT | EDGE, 3);
    write(&first, &1u64.to_ne_bytes());
    println!("edge of a set: {} {}", wait(&outer), wait(&outer));
    write(&second, &1u64.to_ne_bytes());
    println!("another one in it: {} {} {}", wait(&outer), wait(&outer), wait(&inner));
}

fn sleeps() {
    let (set, (reader, writer)) = (epoll(), pipe());
    add(&set, &reader, INPUT | EDGE, 1);
    let begin = Instant::now();
    println!("in time: {} {}", wait_for(&set, 1, 30), begin.elapsed() >= Duration::from_millis(30));
    let about = AtomicU32::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            while about.load(Ordering::SeqCst) == 0 {
                thread::yield_now();
            }
            thread::sleep(Duration::from_millis(20));
            write(&writer, b"a");
        });
        about.store(1, Ordering::SeqCst);
        println!("written meanwhile: {}", wait_for(&set, 1, -1));
    });
    let late = event(0, 0);
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(20));
            write(&late, &1u64.to_ne_bytes());
            add(&set, &late, INPUT, 2);
        });
        println!("added meanwhile: {}", wait_for(&set, 1, 5000));
    });
    let many = epoll();
    let (told, start) = (AtomicU32::new(0), event(0, 0));
    add(&many, &start, INPUT | EDGE, 3);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                if wait_for(&many, 1, 200) != "[]" {
                    told.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        thread::sleep(Duration::from_millis(50));
        write(&start, &1u64.to_ne_bytes());
    });
    println!("one of four threads has the edge: {}", told.load(Ordering::SeqCst));
}

/// Another process writes, once what is watched is shared with it.
fn processes() {
    let (set, (reader, writer), counter) = (epoll(), pipe(), event(0, 0));
    add(&set, &reader, INPUT | EDGE, 1);
    add(&set, &counter, INPUT | EDGE, 2);
    for _ in 0..20 {
        write(&writer, b"a");
        write(&counter, &1u64.to_ne_bytes());
    }
    println!("before there is another: {} {}", wait(&set), wait(&set));
    let mut status = 0;
    // SAFETY: the child makes system calls only, and ends.
    unsafe {
        let child = libc::fork();
        if child == 0 {
            libc::poll(std::ptr::null_mut(), 0, 50);
            let one = 1u64;
            libc::write(counter.0, (&raw const one).cast(), 8);
            libc::write(writer.0, c"b".as_ptr().cast(), 1);
            libc::_exit(7);
        }
        libc::waitpid(child, &raw mut status, 0);
    }
    println!("it ended: {}", libc::WEXITSTATUS(status));
    println!("it wrote: {} {}", wait_for(&set, 8, 5000), wait(&set));
    println!("read: {} {}", read(&reader, 100), read(&counter, 8));
    write(&counter, &1u64.to_ne_bytes());
    println!("alone again: {} {}", wait(&set), wait(&set));
}

/// As [`wait`], in the order of the words: which of several sockets came first is not told everywhere.
fn sorted(epoll: &Fd) -> String {
    let told = wait_for(epoll, 100, 0);
    let mut told: Vec<&str> = told.trim_matches(['[', ']']).split_whitespace().collect();
    told.sort_unstable();
    told.join(" ")
}

fn socket_pair() -> (Fd, Fd) {
    let mut ends = [0; 2];
    // SAFETY: the array is the call's to fill.
    unsafe { libc::socketpair(libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_NONBLOCK, 0, ends.as_mut_ptr()) };
    (Fd(ends[0]), Fd(ends[1]))
}

/// Sockets of the Unix domain that are read and written to again between two waits.
fn edges_of_sockets() {
    for kind in [libc::SOCK_STREAM, libc::SOCK_SEQPACKET, libc::SOCK_DGRAM] {
        let mut ends = [0; 2];
        // SAFETY: the array is the call's to fill.
        unsafe { libc::socketpair(libc::AF_UNIX, kind | libc::SOCK_NONBLOCK, 0, ends.as_mut_ptr()) };
        let (near, far) = (Fd(ends[0]), Fd(ends[1]));
        let (inputs, both) = (epoll(), epoll());
        add(&inputs, &near, INPUT | EDGE, 1);
        add(&both, &near, INPUT | OUTPUT | EDGE, 2);
        println!("nothing: {} {} {}", wait(&inputs), wait(&both), wait(&both));
        write(&far, b"ab");
        println!("written: {} {} {}", wait(&inputs), wait(&inputs), wait(&both));
        read(&near, 2);
        write(&far, b"cd");
        println!("read and written: {} {} {}", wait(&inputs), wait(&inputs), wait(&both));
        write(&far, b"e");
        println!("more: {} {} {}", wait(&inputs), wait(&inputs), wait(&both));
        read(&near, 1);
        println!("some read: {} {}", wait(&inputs), wait(&both));
        write(&near, b"x");
        println!("sent: {} {}", wait(&inputs), wait(&both));
        read(&far, 1);
        println!("taken: {} {} {}", wait(&inputs), wait(&both), wait(&both));
        let output = epoll();
        add(&output, &near, OUTPUT | EDGE, 3);
        println!("room: {} {}", wait(&output), wait(&output));
        write(&near, b"yz");
        println!("sent: {}", wait(&output));
        println!("taken: {} {} {}", read(&far, 2), wait(&output), wait(&output));
        drop(far);
        println!("the other is gone: {} {}", wait(&inputs), wait(&inputs));
    }
}

/// Many that are quiet, and some that are not, of this process and of another.
fn crowds() {
    let pairs: Vec<(Fd, Fd)> = (0..50).map(|_| socket_pair()).collect();
    let (level, edge) = (epoll(), epoll());
    for (index, (near, _)) in pairs.iter().enumerate() {
        add(&level, near, INPUT, 100 + index as u64);
        add(&edge, near, INPUT | EDGE, 100 + index as u64);
    }
    println!("a quiet crowd: {:?} {:?}", sorted(&level), sorted(&edge));
    for index in [31, 4, 17] {
        write(&pairs[index].1, b"a");
    }
    println!("three of fifty: {} | {} | {} | {:?}", sorted(&level), sorted(&level), sorted(&edge), sorted(&edge));
    read(&pairs[31].0, 8);
    println!("one was read: {} | {:?}", sorted(&level), sorted(&edge));
    read(&pairs[4].0, 8);
    println!("another was read: {} | {:?}", sorted(&level), sorted(&edge));
    for index in [31, 4] {
        write(&pairs[index].1, b"b");
    }
    println!("both written to again: {} | {}", sorted(&level), sorted(&edge));
    let mut status = 0;
    // SAFETY: the process has one thread; the child ends.
    unsafe {
        let child = libc::fork();
        if child == 0 {
            let mut byte = 0u8;
            libc::read(pairs[17].0.0, (&raw mut byte).cast(), 1);
            libc::write(pairs[20].1.0, (&raw const byte).cast(), 1);
            println!("the other finds: {}", sorted(&level));
            libc::_exit(0);
        }
        libc::waitpid(child, &raw mut status, 0);
    }
    println!("read and written by another: {} | {}", sorted(&level), sorted(&edge));
    read(&pairs[20].0, 8);
    println!("read again: {} | {:?}", sorted(&level), sorted(&edge));
    let counters: Vec<Fd> = (0..200).map(|_| event(0, 0)).collect();
    for (index, counter) in counters.iter().enumerate() {
        add(&level, counter, INPUT, 200 + index as u64);
    }
    for index in [150, 3, 150, 99] {
        write(&counters[index], &1u64.to_ne_bytes());
    }
    println!("counters too: {}", sorted(&level));
    read(&counters[150], 8);
    drop(counters);
    drop(pairs);
    println!("all closed: {:?} {:?}", sorted(&level), sorted(&edge));
}

fn main() {
    // SAFETY: the call takes no memory.
    println!("no size: {}", unsafe { libc::epoll_create(0) });
    refusals();
    levels();
    edges();
    once();
    turns();
    closings();
    nesting();
    sleeps();
    processes();
    edges_of_sockets();
    crowds();
}
