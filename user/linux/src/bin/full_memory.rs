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

/// How a mapping went: 0, or the errno.
fn mapping(place: usize) -> i32 {
    if place == usize::MAX { error() } else { 0 }
}

fn shown(outcome: i32) -> String {
    if outcome == 0 { "done".into() } else { error_name(outcome) }
}

fn mapped(place: usize) -> String {
    shown(mapping(place))
}

fn limit(resource: libc::c_int, value: u64) {
    let limit = libc::rlimit { rlim_cur: value, rlim_max: libc::RLIM_INFINITY };
    assert_eq!(unsafe { libc::setrlimit(resource as _, &raw const limit) }, 0);
}

/// The mappings, as the process sees them: how many there are, and a hash of where and how protected. Nothing is allocated on the way, which could
/// make a mapping.
fn maps() -> (usize, u64) {
    /// The FNV-1a hash's parameters.
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x100_0000_01b3;
    let fd = unsafe { libc::open(c"/proc/self/maps".as_ptr(), libc::O_RDONLY) };
    assert!(fd >= 0, "no maps: {}", error());
    let (mut lines, mut hash, mut field) = (0, BASIS, 0);
    loop {
        let mut bytes = [0u8; 1024];
        let count = unsafe { libc::read(fd, bytes.as_mut_ptr().cast(), bytes.len()) };
        assert!(count >= 0, "the maps are not read: {}", error());
        if count == 0 {
            break;
        }
        for &byte in &bytes[..count as usize] {
            match byte {
                b'\n' => (lines, field) = (lines + 1, 0),
                b' ' => field += 1,
                _ if field < 2 => hash = (hash ^ u64::from(byte)).wrapping_mul(PRIME),
                _ => {}
            }
        }
    }
    unsafe { libc::close(fd) };
    (lines, hash)
}

/// Make a call that is to fail; whether the mappings are as before.
fn refused(label: &str, call: impl FnOnce() -> i32) {
    let before = maps();
    let outcome = call();
    let after = maps();
    println!("{label}: {}, {}", shown(outcome), if after == before { "nothing changed" } else { "something changed" });
}

fn brk(to: usize) -> usize {
    unsafe { libc::syscall(libc::SYS_brk, to) as usize }
}

/// Let the program's break be further on: 0, or ENOMEM where it stays.
fn grow(by: usize) -> i32 {
    let end = brk(0);
    match brk(end + by) {
        to if to == end + by => 0,
        to if to == end => libc::ENOMEM,
        _ => panic!("a break that is neither"),
    }
}

/// The limit of the address space.
fn by_limit() {
    const MUCH: usize = 256 << 20;
    let small = map(1 << 20, BOTH, PRIVATE);
    let reserved = map(1 << 20, libc::PROT_NONE, PRIVATE);
    limit(libc::RLIMIT_AS as _, 64 << 20);
    refused("mmap", || mapping(map(MUCH, BOTH, PRIVATE)));
    refused("mmap, shared", || mapping(map(MUCH, BOTH, libc::MAP_SHARED | libc::MAP_ANONYMOUS)));
    refused("mmap, reserved", || mapping(map(MUCH, libc::PROT_NONE, PRIVATE | libc::MAP_NORESERVE)));
    refused("mmap, there", || unsafe {
        let place = libc::mmap(ptr::without_provenance_mut(small), MUCH, BOTH, PRIVATE | libc::MAP_FIXED, -1, 0);
        mapping(place.addr())
    });
    refused("mremap", || unsafe { mapping(libc::mremap(ptr::without_provenance_mut(small), 1 << 20, MUCH, libc::MREMAP_MAYMOVE).addr()) });
    refused("mremap in place", || unsafe { mapping(libc::mremap(ptr::without_provenance_mut(small), 1 << 20, MUCH, 0).addr()) });
    refused("brk", || grow(MUCH));
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
    limit(libc::RLIMIT_DATA as _, 16 << 20);
    refused("mmap", || mapping(map(64 << 20, BOTH, PRIVATE)));
    println!("mmap to read: {}", mapped(map(64 << 20, libc::PROT_READ, PRIVATE)));
    println!("mmap, shared: {}", mapped(map(64 << 20, BOTH, libc::MAP_SHARED | libc::MAP_ANONYMOUS)));
    refused("mprotect", || outcome(unsafe { libc::mprotect(ptr::without_provenance_mut(reserved), 64 << 20, BOTH) }));
    refused("brk", || grow(64 << 20));
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
        ("mmap", || mapping(map(1 << 20, BOTH, PRIVATE)), &[libc::ENOMEM]),
        (
            "mmap, shared",
            || if map(1 << 20, BOTH, libc::MAP_SHARED | libc::MAP_ANONYMOUS) == usize::MAX { error() } else { 0 },
            &[libc::ENOMEM],
        ),
        ("brk", || grow(8 << 20), &[libc::ENOMEM]),
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
            let failing = calls.iter().enumerate().find_map(|(index, (_, call, _))| Some((index, call())).filter(|&(_, error)| error != 0));
            let (index, error) = failing.unwrap_or((calls.len(), 0));
            told[13].store(index as i32, Ordering::SeqCst);
            told[14].store(error, Ordering::SeqCst);
            unsafe { libc::_exit(0) }
        });
        let end = end_of(id);
        for (place, (label, _, allowed)) in told.iter().zip(&calls) {
            let value = place.load(Ordering::SeqCst) - 1;
            let is_good = value == 0 || allowed.contains(&value);
            println!("{label}: {}", if is_good { "done or refused".into() } else { error_name(value) });
        }
        let failing = calls.get(told[13].load(Ordering::SeqCst) as usize).map_or("none", |(label, ..)| label);
        println!("took some: {}, {end}", told[12].load(Ordering::SeqCst) > 10);
        println!("fails then: {failing}, {}", shown(told[14].load(Ordering::SeqCst)));
    } else {
        calls.iter().for_each(|(label, _, _)| println!("{label}: done or refused"));
        println!("took some: true, exit 0\nfails then: none, done");
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
