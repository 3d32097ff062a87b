//! Reads and writes of buffers of which a part is not mapped: what counts, and what stays where it was.
#![expect(
    clippy::undocumented_unsafe_blocks,
    reason = "each block is a plain call; what is given to it is mapped as far as the case wants"
)]

use std::ptr::null_mut;

use libc::{MAP_ANONYMOUS, MAP_PRIVATE, O_APPEND, O_CREAT, O_RDONLY, O_RDWR, O_WRONLY, PROT_NONE, PROT_READ, PROT_WRITE, SEEK_CUR, iovec};
use linux_programs::calls::{in_folder, opened};
use linux_programs::family::run;
use linux_programs::made;

const PAGE: usize = 4096;
/// Pages that are mapped, before one that is not.
const PAGES: usize = 4;

/// Where memory ends that holds letters: what is behind it nobody may use, nor have instead.
fn edge() -> *mut u8 {
    unsafe {
        let start = libc::mmap(null_mut(), (PAGES + 1) * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0).cast::<u8>();
        for index in 0..PAGES * PAGE {
            *start.add(index) = b'a' + (index % 23) as u8;
        }
        let edge = start.add(PAGES * PAGE);
        libc::mprotect(edge.cast(), PAGE, PROT_NONE);
        edge
    }
}

/// The memory that ends at an edge, as one number.
fn sum(edge: *mut u8) -> u64 {
    let bytes = unsafe { std::slice::from_raw_parts(edge.sub(PAGES * PAGE), PAGES * PAGE) };
    sum_of(bytes)
}

fn sum_of(bytes: &[u8]) -> u64 {
    bytes.iter().fold(7, |sum, &byte| sum * 31 % 1_000_003 + u64::from(byte))
}

fn write(fd: i32, edge: *mut u8, before: usize, length: usize) -> String {
    made!(libc::write(fd, edge.sub(before).cast(), length))
}

fn read(fd: i32, edge: *mut u8, before: usize, length: usize) -> String {
    made!(libc::read(fd, edge.sub(before).cast(), length))
}

fn contents(path: &str) -> String {
    let bytes = std::fs::read(path).expect("a file");
    format!("{} bytes, {}", bytes.len(), sum_of(&bytes))
}

fn offset(fd: i32) -> String {
    made!(libc::lseek(fd, 0, SEEK_CUR))
}

fn vector(edge: *mut u8, parts: &[(usize, usize)]) -> Vec<iovec> {
    parts.iter().map(|&(before, length)| iovec { iov_base: edge.wrapping_sub(before).cast(), iov_len: length }).collect()
}

fn writes() {
    let (fd, edge) = (opened("file", O_RDWR | O_CREAT), edge());
    println!("{} {}", write(fd, edge, 6000, 10000), offset(fd));
    println!("{} {} {}", write(fd, edge, 10, 20), write(fd, edge, 0, 20), contents("file"));
    println!("{} {}", write(fd, edge, PAGES * PAGE, PAGES * PAGE + 1), contents("file"));
    println!("{}", made!(libc::pwrite(fd, edge.sub(3000).cast(), 5000, 50)));
    println!("{}", made!(libc::pwrite(fd, edge.sub(3000).cast(), 5000, 60_000)));
    println!("{} {}", contents("file"), offset(fd));
    println!("{} {}", write(fd, edge.wrapping_add(PAGE - 8), 0, 4), made!(libc::write(fd, 8 as *const _, 4)));
    let append = opened("file", O_WRONLY | O_APPEND);
    println!("{} {}", write(append, edge, 5, 10), contents("file"));
}

fn writes_over() {
    let (fd, edge) = (opened("file", O_RDWR | O_CREAT), edge());
    println!("{}", write(fd, edge, PAGES * PAGE, PAGES * PAGE));
    for (before, at) in [(1, 0), (4000, 2000), (5000, 5000), (PAGE, 0), (1, 8000), (0, 3)] {
        println!("{} {}", made!(libc::pwrite(fd, edge.sub(before).cast(), 6000, at)), contents("file"));
    }
}

fn vectors() {
    let (fd, edge) = (opened("file", O_RDWR | O_CREAT), edge());
    let write = |parts: &[(usize, usize)]| {
        let parts = vector(edge, parts);
        made!(libc::writev(fd, parts.as_ptr(), parts.len() as i32))
    };
    println!("{}", write(&[(100, 10), (20, 30), (100, 10)]));
    println!("{}", write(&[(100, 10), (0, 30), (100, 10)]));
    println!("{} {}", write(&[(0, 1), (100, 10)]), write(&[(0, 0), (100, 10)]));
    println!("{} {}", contents("file"), offset(fd));
    let read = |parts: &[(usize, usize)], at: i64| {
        let parts = vector(edge, parts);
        made!(libc::preadv(fd, parts.as_ptr(), parts.len() as i32, at))
    };
    println!("{} {}", read(&[(3, 5), (100, 10)], 0), sum(edge));
    println!("{} {}", read(&[(9, 4), (0, 5), (100, 10)], 2), sum(edge));
    println!("{}", read(&[(0, 4), (9, 4)], 2));
}

fn reads() {
    let text: Vec<u8> = (0..20_000u32).map(|index| b'A' + (index % 26) as u8).collect();
    std::fs::write("file", text).expect("a file");
    let (fd, edge) = (opened("file", O_RDONLY), edge());
    println!("{} {} {}", read(fd, edge, 5000, 8000), offset(fd), sum(edge));
    println!("{} {} {}", read(fd, edge, 7, 8), offset(fd), sum(edge));
    println!("{} {}", read(fd, edge, 0, 8), offset(fd));
    println!("{} {}", made!(libc::pread(fd, edge.sub(PAGE).cast(), 10_000, 19_990)), sum(edge));
    println!("{} {}", made!(libc::pread(fd, edge.sub(6000).cast(), 10_000, 11)), sum(edge));
    println!("{}", made!(libc::pread(fd, edge.cast(), 10, 30_000)));
    unsafe { libc::mprotect(edge.sub(PAGE).cast(), PAGE, PROT_READ) };
    println!("{} {}", made!(libc::pread(fd, edge.sub(6000).cast(), 6000, 100)), sum(edge));
    unsafe { libc::mprotect(edge.sub(2 * PAGE).cast(), PAGE, PROT_NONE) };
    let copy = opened("copy", O_RDWR | O_CREAT);
    println!("{} {}", write(copy, edge, 3 * PAGE, 3 * PAGE), contents("copy"));
    let hole = opened("hole", O_RDWR | O_CREAT);
    println!("{}", made!(libc::ftruncate(hole, 100_000)));
    println!("{}", read(hole, edge, 2 * PAGE + 100, 5000));
}

fn pipe() -> [i32; 2] {
    let mut ends = [0; 2];
    unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_NONBLOCK) };
    ends
}

/// Bytes that a pipe or a socket holds.
fn waiting(fd: i32) -> i32 {
    let mut count = 0;
    unsafe { libc::ioctl(fd, libc::FIONREAD, &raw mut count) };
    count
}

fn pipes() {
    let ([reader, writer], edge) = (pipe(), edge());
    println!("{} {}", write(writer, edge, 10, 20), waiting(reader));
    println!("{} {}", write(writer, edge, 5000, 9000), waiting(reader));
    println!("{}", write(writer, edge, PAGE, PAGE));
    println!("{} {}", read(reader, edge, 10, 20), waiting(reader));
    println!("{} {}", read(reader, edge, PAGE, 3 * PAGE), waiting(reader));
    println!("{} {}", read(reader, edge, 2 * PAGE, 3 * PAGE), waiting(reader));
    println!("{} {}", read(reader, edge, 10, 20), write(writer, edge, 0, 1));
    let parts = vector(edge, &[(10, 10), (0, 5)]);
    println!("{} {}", made!(libc::writev(writer, parts.as_ptr(), 2)), waiting(reader));
}

fn sockets() {
    let edge = edge();
    for kind in [libc::SOCK_STREAM, libc::SOCK_DGRAM, libc::SOCK_SEQPACKET] {
        let mut ends = [0; 2];
        unsafe { libc::socketpair(libc::AF_UNIX, kind | libc::SOCK_NONBLOCK, 0, ends.as_mut_ptr()) };
        println!("{} {}", write(ends[0], edge, 10, 20), waiting(ends[1]));
        println!("{} {}", write(ends[0], edge, 10, 10), waiting(ends[1]));
    }
}

fn devices() {
    let edge = edge();
    let open = |name: &str| opened(name, O_RDWR);
    println!("{} {}", read(open("/dev/zero"), edge, 5000, 9000), sum(edge));
    println!("{} {}", read(open("/dev/zero"), edge, 0, 9000), read(open("/dev/zero"), edge, 3, 4));
    println!("{} {}", read(open("/dev/urandom"), edge, 5000, 9000), read(open("/dev/urandom"), edge, 0, 1));
    println!("{} {}", made!(libc::getrandom(edge.sub(100).cast(), 200, 0)), made!(libc::getrandom(edge.cast(), 200, 0)));
    println!("{} {}", write(open("/dev/null"), edge, 5, 10), write(open("/dev/zero"), edge, 5, 10));
    println!("{} {}", read(open("/dev/null"), edge, 5, 10), write(open("/dev/full"), edge, 5, 10));
    println!("{}", read(open("/dev/full"), edge, 5, 10));
}

fn between_processes() {
    let (fd, edge) = (opened("file", O_RDWR | O_CREAT), edge());
    let ends = pipe();
    let inner = linux_programs::family::child(|| {
        println!("{} {}", write(fd, edge, 6000, 10000), write(ends[1], edge, 5000, 9000));
        println!("{} {}", write(ends[1], edge, 10, 11), write(ends[1], edge, PAGE, PAGE));
        0
    });
    println!("{}", linux_programs::family::end_of(inner));
    println!("{} {}", offset(fd), contents("file"));
    println!("{} {}", waiting(ends[0]), read(ends[0], edge, 100, 200));
    println!("{} {}", read(ends[0], edge, PAGE, 2 * PAGE), waiting(ends[0]));
}

fn main() {
    in_folder("half", || {
        run(&[
            ("writes", || in_folder("a", writes)),
            ("writes over", || in_folder("b", writes_over)),
            ("vectors", || in_folder("c", vectors)),
            ("reads", || in_folder("d", reads)),
            ("pipes", || in_folder("e", pipes)),
            ("sockets", || in_folder("f", sockets)),
            ("devices", || in_folder("g", devices)),
            ("between processes", || in_folder("h", between_processes)),
        ]);
    });
}
