//! Memory that is full: by a process's own limit, and, on Chitin, whose machine is nobody else's, by the machine's. Every call that takes some is
//! refused, or does without, and leaves things as they were; and when some is given back, all of them work again.
#![expect(clippy::undocumented_unsafe_blocks, reason = "each block is a plain call, on numbers and on memory of the program's own")]

use std::ptr;

use linux_programs::family::{child, end_of, run, shared};
use linux_programs::{called, error_name};
use std::sync::atomic::Ordering;

const BOTH: i32 = libc::PROT_READ | libc::PROT_WRITE;
const PRIVATE: i32 = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;

fn is_chitin() -> bool {
    std::fs::read_to_string("/proc/sys/kernel/osrelease").is_ok_and(|release| release.contains("chitin"))
}

fn error() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

fn map(bytes: usize, protection: i32, flags: i32) -> usize {
    unsafe { libc::mmap(ptr::null_mut(), bytes, protection, flags, -1, 0).addr() }
}

fn mapped(place: usize) -> String {
    if place == usize::MAX { called(-1) } else { "mapped".into() }
}

fn limit(resource: libc::c_int, value: u64) {
    let limit = libc::rlimit { rlim_cur: value, rlim_max: libc::RLIM_INFINITY };
    assert_eq!(unsafe { libc::setrlimit(resource as _, &raw const limit) }, 0);
}

/// The mappings, as the process sees them: where, and how protected.
fn maps() -> Vec<String> {
    let text = std::fs::read_to_string("/proc/self/maps").expect("the maps");
    text.lines().map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect()
}

/// Make a call that is to fail; whether the mappings are as before.
fn refused(label: &str, call: impl FnOnce() -> String) {
    let before = maps();
    let outcome = call();
    println!("{label}: {outcome}, {}", if maps() == before { "nothing changed" } else { "something changed" });
}

fn brk(to: usize) -> usize {
    unsafe { libc::syscall(libc::SYS_brk, to) as usize }
}

/// The limit of the address space.
fn by_limit() {
    const MUCH: usize = 256 << 20;
    let small = map(1 << 20, BOTH, PRIVATE);
    let reserved = map(1 << 20, libc::PROT_NONE, PRIVATE);
    // What the lines about mappings need.
    drop(maps());
    limit(libc::RLIMIT_AS as _, 64 << 20);
    refused("mmap", || mapped(map(MUCH, BOTH, PRIVATE)));
    refused("mmap, shared", || mapped(map(MUCH, BOTH, libc::MAP_SHARED | libc::MAP_ANONYMOUS)));
    refused("mmap, reserved", || mapped(map(MUCH, libc::PROT_NONE, PRIVATE | libc::MAP_NORESERVE)));
    refused("mmap, there", || unsafe {
        let place = libc::mmap(ptr::without_provenance_mut(small), MUCH, BOTH, PRIVATE | libc::MAP_FIXED, -1, 0);
        mapped(place.addr())
    });
    refused("mremap", || unsafe { mapped(libc::mremap(ptr::without_provenance_mut(small), 1 << 20, MUCH, libc::MREMAP_MAYMOVE).addr()) });
    refused("mremap in place", || unsafe { mapped(libc::mremap(ptr::without_provenance_mut(small), 1 << 20, MUCH, 0).addr()) });
    let end = brk(0);
    refused("brk", || format!("{}", brk(end + MUCH) == end));
    println!("mprotect: {}", called(unsafe { libc::mprotect(ptr::without_provenance_mut(reserved), 1 << 20, BOTH) }));
    println!("a thread: {}", {
        let builder = std::thread::Builder::new().stack_size(MUCH);
        match builder.spawn(|| {}) {
            Ok(_) => "made".into(),
            Err(error) => error_name(error.raw_os_error().unwrap_or(0)),
        }
    });
    println!("what fits: {}", mapped(map(1 << 20, BOTH, PRIVATE)));
    println!("a child: {}", end_of(child(|| i32::from(map(MUCH, BOTH, PRIVATE) != usize::MAX))));
    limit(libc::RLIMIT_AS as _, libc::RLIM_INFINITY);
    println!("without the limit: {}", mapped(map(MUCH, BOTH, PRIVATE | libc::MAP_NORESERVE)));
}

/// The limit of data: private memory that can be written.
fn by_data() {
    let reserved = map(64 << 20, libc::PROT_NONE, PRIVATE);
    drop(maps());
    limit(libc::RLIMIT_DATA as _, 16 << 20);
    refused("mmap", || mapped(map(64 << 20, BOTH, PRIVATE)));
    println!("mmap to read: {}", mapped(map(64 << 20, libc::PROT_READ, PRIVATE)));
    println!("mmap, shared: {}", mapped(map(64 << 20, BOTH, libc::MAP_SHARED | libc::MAP_ANONYMOUS)));
    refused("mprotect", || called(unsafe { libc::mprotect(ptr::without_provenance_mut(reserved), 64 << 20, BOTH) }));
    let end = brk(0);
    refused("brk", || format!("{}", brk(end + (64 << 20)) == end));
}

/// Take all memory that the machine gives, in pieces, each of which says where the one before is; gives the last, and how many.
fn take_all() -> (usize, usize) {
    let (mut first, mut count) = (0, 0);
    loop {
        let place = map(64 << 10, BOTH, PRIVATE);
        if place == usize::MAX {
            return (first, count);
        }
        for at in (0..64 << 10).step_by(4096) {
            unsafe { ptr::with_exposed_provenance_mut::<u8>(place + at).write_volatile(1) };
        }
        unsafe { ptr::with_exposed_provenance_mut::<usize>(place).write_volatile(first) };
        (first, count) = (place, count + 1);
    }
}

/// A call's name, the call, and the errors that it may end in.
type Expected = (&'static str, fn() -> i32, &'static [i32]);

/// Calls with all memory taken: each does what it is to, or is refused by one of these.
fn by_machine() {
    let told = shared();
    let calls: [Expected; 12] = [
        ("mmap", || if map(1 << 20, BOTH, PRIVATE) == usize::MAX { error() } else { 0 }, &[libc::ENOMEM]),
        (
            "mmap, shared",
            || if map(1 << 20, BOTH, libc::MAP_SHARED | libc::MAP_ANONYMOUS) == usize::MAX { error() } else { 0 },
            &[libc::ENOMEM],
        ),
        ("brk", || if brk(brk(0) + (8 << 20)) == brk(0) { 0 } else { libc::ENOMEM }, &[libc::ENOMEM]),
        ("fork", fork, &[libc::ENOMEM, libc::EAGAIN]),
        ("pipe", || outcome(unsafe { libc::pipe([0; 2].as_mut_ptr()) }), &[libc::ENOMEM, libc::ENFILE]),
        ("socket", || outcome(unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_STREAM, 0) }), &[libc::ENOMEM, libc::ENOBUFS, libc::ENFILE]),
        ("epoll", || outcome(unsafe { libc::epoll_create1(0) }), &[libc::ENOMEM]),
        ("eventfd", || outcome(unsafe { libc::eventfd(0, 0) }), &[libc::ENOMEM, libc::ENFILE]),
        ("timerfd", || outcome(unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, 0) }), &[libc::ENOMEM]),
        ("open", || outcome(unsafe { libc::open(c"/proc/self/stat".as_ptr(), libc::O_RDONLY) }), &[libc::ENOMEM, libc::ENFILE]),
        ("creat", creat, &[libc::ENOMEM, libc::ENFILE, libc::ENOSPC]),
        ("dup", || outcome(unsafe { libc::dup(0) }), &[libc::ENOMEM]),
    ];
    if is_chitin() {
        let id = child(|| {
            let (first, count) = take_all();
            told[12].store(count as i32, Ordering::SeqCst);
            for (place, (_, call, _)) in told.iter().zip(&calls) {
                place.store(call() + 1, Ordering::SeqCst);
            }
            // Given back, all of them work.
            let mut place = first;
            while place != 0 {
                let next = unsafe { ptr::with_exposed_provenance_mut::<usize>(place).read_volatile() };
                unsafe { libc::munmap(ptr::without_provenance_mut(place), 64 << 10) };
                place = next;
            }
            let failing = calls.iter().position(|(_, call, _)| call() != 0);
            told[13].store(failing.map_or(1, |index| 100 + index as i32), Ordering::SeqCst);
            unsafe { libc::_exit(0) }
        });
        let end = end_of(id);
        for (place, (label, _, allowed)) in told.iter().zip(&calls) {
            let value = place.load(Ordering::SeqCst) - 1;
            let is_good = value == 0 || allowed.contains(&value);
            println!("{label}: {}", if is_good { "done or refused".into() } else { error_name(value) });
        }
        println!("took some: {}, then all work: {}, {end}", told[12].load(Ordering::SeqCst) > 10, told[13].load(Ordering::SeqCst));
    } else {
        calls.iter().for_each(|(label, _, _)| println!("{label}: done or refused"));
        println!("took some: true, then all work: 1, exit 0");
    }
}

fn outcome(value: i32) -> i32 {
    if value == -1 { error() } else { 0 }
}

fn fork() -> i32 {
    match unsafe { libc::fork() } {
        -1 => error(),
        0 => unsafe { libc::_exit(3) },
        id if end_of(id) == "exit 3" => 0,
        // It may find no memory to run by.
        _ => libc::ENOMEM,
    }
}

fn creat() -> i32 {
    unsafe {
        let fd = libc::open(c"/tmp/full-memory".as_ptr(), libc::O_RDWR | libc::O_CREAT, 0o600);
        if fd < 0 {
            return error();
        }
        let written = libc::write(fd, [1u8; 100].as_ptr().cast(), 100);
        let outcome = if written == 100 { 0 } else { error() };
        libc::close(fd);
        libc::unlink(c"/tmp/full-memory".as_ptr());
        outcome
    }
}

fn main() {
    run(&[("by the limit", by_limit), ("by the limit of data", by_data), ("by the machine", by_machine)]);
}
