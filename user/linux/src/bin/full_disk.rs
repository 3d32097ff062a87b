//! A file system that is full: of bytes, then of inodes. Every call that takes some fails with the right error, and leaves nothing behind.
//!
//! To be run in a tmpfs of 1 MiB and 64 inodes that holds nothing else.
#![expect(clippy::undocumented_unsafe_blocks, reason = "each block is a plain call, on numbers and on memory of the program's own")]

use std::ffi::CString;
use std::ptr;

use linux_programs::called;
use linux_programs::family::{child, end_of};
use linux_programs::ground::{GROUND, at, bind, open, opened};

const PAGE: usize = 4096;
static BYTES: [u8; 4 * PAGE] = [7; 4 * PAGE];

fn refused(label: &str, call: impl FnOnce() -> i64) -> i64 {
    linux_programs::ground::refused(label, false, call)
}

fn write(fd: i32, count: usize) -> i64 {
    unsafe { libc::write(fd, BYTES.as_ptr().cast(), count) as i64 }
}

fn part(count: usize) -> libc::iovec {
    libc::iovec { iov_base: BYTES.as_ptr().cast_mut().cast(), iov_len: count }
}

/// Write until nothing fits any more; how many bytes did.
fn fill(fd: i32) -> i64 {
    let mut total = 0;
    loop {
        match write(fd, BYTES.len()) {
            -1 => return total,
            count => total += count,
        }
    }
}

/// Blocks and inodes free.
fn free() -> (u64, u64) {
    unsafe {
        let mut found: libc::statvfs = std::mem::zeroed();
        assert_eq!(libc::statvfs(c"ground".as_ptr(), &raw mut found), 0);
        (found.f_bfree as u64, found.f_ffree as u64)
    }
}

fn truncate(fd: i32, size: i64) -> i64 {
    unsafe { libc::ftruncate(fd, size).into() }
}

/// A store to a page of a file through a shared mapping, in a child.
fn store(fd: i32, page: i64) -> String {
    end_of(child(|| unsafe {
        let both = libc::PROT_READ | libc::PROT_WRITE;
        let place = libc::mmap(ptr::null_mut(), PAGE, both, libc::MAP_SHARED, fd, page * PAGE as i64);
        assert_ne!(place, libc::MAP_FAILED);
        place.cast::<u8>().write_volatile(9);
        0
    }))
}

fn bytes_at_files() -> i32 {
    let full = opened(&at("full"), libc::O_RDWR | libc::O_CREAT);
    let old = opened(&at("old"), libc::O_RDWR | libc::O_CREAT);
    assert_eq!(write(old, PAGE), PAGE as i64);
    // What runs from there takes some itself.
    let before = free().0;
    println!("filled: {}", fill(full) as u64 == before * PAGE as u64);
    println!("free blocks: {}", free().0);
    let new = opened(&at("new"), libc::O_RDWR | libc::O_CREAT | libc::O_EXCL);
    refused("write", || write(new, 1));
    refused("write of nothing", || write(new, 0));
    refused("pwrite", || unsafe { libc::pwrite(new, BYTES.as_ptr().cast(), 10, 100) as i64 });
    refused("writev", || unsafe { libc::writev(new, [part(5), part(PAGE)].as_ptr(), 2) as i64 });
    refused("pwritev", || unsafe { libc::pwritev(new, [part(5), part(PAGE)].as_ptr(), 2, 3 * PAGE as i64) as i64 });
    let end = opened(&at("old"), libc::O_WRONLY | libc::O_APPEND);
    refused("append", || write(end, 1));
    refused("write over what is there", || unsafe { libc::pwrite(old, BYTES.as_ptr().cast(), 100, 50) as i64 });
    refused("fallocate", || unsafe { libc::fallocate(new, 0, 0, PAGE as i64).into() });
    refused("fallocate, keeping the size", || unsafe { libc::fallocate(old, libc::FALLOC_FL_KEEP_SIZE, PAGE as i64, 1).into() });
    refused("fallocate of what is there", || unsafe { libc::fallocate(old, 0, 0, 10).into() });
    refused("growing", || truncate(new, 5 * PAGE as i64));
    refused("write into the hole", || unsafe { libc::pwrite(new, BYTES.as_ptr().cast(), 10, PAGE as i64) as i64 });
    refused("write at its end", || unsafe { libc::pwrite(new, BYTES.as_ptr().cast(), 10, 5 * PAGE as i64) as i64 });
    println!("store into the hole: {}", store(new, 1));
    println!("store to what is there: {}", store(old, 0));
    refused("cutting", || truncate(new, 0));
    refused("opening to cut", || open(&at("new"), libc::O_WRONLY | libc::O_TRUNC));
    unsafe { libc::close(end) };
    full
}

fn copies(full: i32) {
    let old = opened(&at("old"), libc::O_RDWR);
    let new = opened(&at("new"), libc::O_RDWR);
    refused("sendfile", || unsafe { libc::sendfile(new, old, ptr::null_mut(), 100) as i64 });
    refused("sendfile from an offset", || unsafe {
        let mut offset = 7;
        let outcome = libc::sendfile(new, old, &raw mut offset, 100) as i64;
        println!("  the offset: {offset}");
        outcome
    });
    refused("copy_file_range", || unsafe { libc::copy_file_range(old, ptr::null_mut(), new, ptr::null_mut(), 100, 0) as i64 });
    let mut pipe = [0; 2];
    unsafe {
        assert_eq!(libc::pipe(pipe.as_mut_ptr()), 0);
        assert_eq!(write(pipe[1], 100), 100);
    }
    refused("splice", || unsafe { libc::splice(pipe[0], ptr::null_mut(), new, ptr::null_mut(), 100, 0) as i64 });
    let mut into = [0u8; 200];
    println!("  left in the pipe: {}", unsafe { libc::read(pipe[0], into.as_mut_ptr().cast(), 200) });
    // One page: what fits goes in, and is told.
    truncate(full, unsafe { libc::lseek(full, 0, libc::SEEK_END) } - PAGE as i64);
    println!("free blocks: {}", free().0);
    refused("fallocate of three pages", || unsafe { libc::fallocate(new, 0, 0, 3 * PAGE as i64).into() });
    println!("free blocks: {}", free().0);
    println!("short write: {}", called(write(new, 3 * PAGE) as i32));
    refused("the rest", || write(new, 2 * PAGE));
    refused("short vectors", || {
        truncate(new, 0);
        unsafe { libc::pwritev(new, [part(PAGE - 10), part(PAGE)].as_ptr(), 2, 0) as i64 }
    });
    refused("cutting", || truncate(new, 0));
    println!("short copy: {}", unsafe {
        let mut from = 0;
        let mut to = PAGE as i64 - 50;
        truncate(old, 3 * PAGE as i64);
        libc::copy_file_range(old, &raw mut from, new, &raw mut to, 2 * PAGE, 0)
    });
    for fd in [old, new, pipe[0], pipe[1]] {
        unsafe { libc::close(fd) };
    }
}

/// Names take no blocks, but long links do.
fn names_without_bytes() {
    let long = CString::new("l".repeat(200)).expect("no NUL");
    let short = CString::new("l".repeat(100)).expect("no NUL");
    unsafe {
        refused("mkdir", || libc::mkdir(at("folder").as_ptr(), 0o755).into());
        refused("a short symbolic link", || libc::symlink(short.as_ptr(), at("short").as_ptr()).into());
        refused("a long symbolic link", || libc::symlink(long.as_ptr(), at("long").as_ptr()).into());
        refused("link", || libc::link(at("old").as_ptr(), at("folder/linked").as_ptr()).into());
        refused("rename", || libc::rename(at("folder/linked").as_ptr(), at("folder/moved").as_ptr()).into());
        refused("mkfifo", || libc::mkfifo(at("fifo").as_ptr(), 0o600).into());
        refused("bind", || bind(&at("socket")));
        let memory = libc::memfd_create(c"apart".as_ptr(), 0);
        println!("a file without a name: {}", called(write(memory, BYTES.len()) as i32));
        libc::close(memory);
        for name in ["folder/moved", "short", "fifo", "socket"] {
            assert_eq!(libc::unlink(at(name).as_ptr()), 0, "{name}");
        }
        assert_eq!(libc::rmdir(at("folder").as_ptr()), 0);
    }
}

fn inodes() {
    let count = (0..1000).take_while(|index| open(&at(&format!("{index}")), libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL) == 0).count();
    println!("many: {}, free inodes: {}", (20..64).contains(&count), free().1);
    unsafe {
        refused("creat", || open(&at("another"), libc::O_WRONLY | libc::O_CREAT));
        refused("creat of what is there", || open(&at("1"), libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC));
        refused("creat, exclusively, of what is there", || open(&at("1"), libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL));
        refused("without a name", || open(&CString::from(c"ground"), libc::O_RDWR | libc::O_TMPFILE));
        refused("mkdir", || libc::mkdir(at("folder").as_ptr(), 0o755).into());
        refused("mkdir of what is there", || libc::mkdir(at("1").as_ptr(), 0o755).into());
        refused("symlink", || libc::symlink(c"x".as_ptr(), at("link").as_ptr()).into());
        refused("link", || libc::link(at("1").as_ptr(), at("linked").as_ptr()).into());
        refused("mkfifo", || libc::mkfifo(at("fifo").as_ptr(), 0o600).into());
        refused("mknod", || libc::mknod(at("node").as_ptr(), libc::S_IFREG | 0o600, 0).into());
        refused("bind", || bind(&at("socket")));
        refused("rename", || libc::rename(at("1").as_ptr(), at("moved").as_ptr()).into());
        refused("rename over another", || libc::rename(at("moved").as_ptr(), at("2").as_ptr()).into());
        println!("free inodes: {}", free().1);
        refused("link", || libc::link(at("2").as_ptr(), at("linked").as_ptr()).into());
        println!("free inodes: {}", free().1);
        refused("mkdir", || libc::mkdir(at("folder").as_ptr(), 0o755).into());
        refused("unlink", || libc::unlink(at("linked").as_ptr()).into());
        refused("mkdir", || libc::mkdir(at("folder").as_ptr(), 0o755).into());
        let held = opened(&at("3"), libc::O_RDWR);
        refused("unlink of what is open", || libc::unlink(at("3").as_ptr()).into());
        refused("mkfifo", || libc::mkfifo(at("fifo").as_ptr(), 0o600).into());
        libc::close(held);
        refused("mkfifo", || libc::mkfifo(at("fifo").as_ptr(), 0o600).into());
    }
}

fn main() {
    std::fs::create_dir(GROUND).expect("a folder");
    let full = bytes_at_files();
    copies(full);
    println!("filled: {}", fill(full));
    names_without_bytes();
    unsafe { libc::close(full) };
    std::fs::remove_file(format!("{GROUND}/full")).expect("it is there");
    println!("free again: {}", free().0 > 240);
    inodes();
}
