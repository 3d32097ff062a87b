//! A file system that is read-only: every call that would change it fails with `EROFS`, or with what comes before that, and changes nothing;
//! what only reads goes on.
//!
//! To be run in one that has `ground/file`, `ground/script` and `ground/folder/inner`.
#![expect(clippy::undocumented_unsafe_blocks, reason = "each block is a plain call, on numbers and on memory of the program's own")]

use std::ffi::CString;
use std::ptr;

use linux_programs::called;
use linux_programs::family::{child, end_of};
use linux_programs::ground::{at, bind, open, opened};

fn refused(label: &str, call: impl FnOnce() -> i64) -> i64 {
    linux_programs::ground::refused(label, true, call)
}

fn opening() {
    for (label, name, flags) in [
        ("to read", "file", libc::O_RDONLY),
        ("to write", "file", libc::O_WRONLY),
        ("for both", "file", libc::O_RDWR),
        ("to append", "file", libc::O_WRONLY | libc::O_APPEND),
        ("to cut", "file", libc::O_RDONLY | libc::O_TRUNC),
        ("with O_CREAT, to read", "file", libc::O_RDONLY | libc::O_CREAT),
        ("with O_CREAT, to write", "file", libc::O_WRONLY | libc::O_CREAT),
        ("exclusively", "file", libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL),
        ("anew", "new", libc::O_WRONLY | libc::O_CREAT),
        ("anew, to read", "new", libc::O_RDONLY | libc::O_CREAT),
        ("anew, exclusively", "new", libc::O_RDWR | libc::O_CREAT | libc::O_EXCL),
        ("what is not there", "new", libc::O_WRONLY),
        ("below a file", "file/new", libc::O_WRONLY | libc::O_CREAT),
        ("below what is not there", "none/new", libc::O_WRONLY | libc::O_CREAT),
        ("a directory to write", "folder", libc::O_WRONLY),
        ("a directory", "folder", libc::O_RDONLY | libc::O_DIRECTORY),
        ("without a name", "folder", libc::O_RDWR | libc::O_TMPFILE),
        ("as a place", "file", libc::O_PATH),
    ] {
        refused(&format!("open {label}"), || open(&at(name), flags));
    }
}

fn names() {
    unsafe {
        refused("mkdir", || libc::mkdir(at("new").as_ptr(), 0o755).into());
        refused("mkdir of what is there", || libc::mkdir(at("folder").as_ptr(), 0o755).into());
        refused("mkdir below what is not there", || libc::mkdir(at("none/new").as_ptr(), 0o755).into());
        refused("rmdir", || libc::rmdir(at("folder").as_ptr()).into());
        refused("rmdir of what is not there", || libc::rmdir(at("none").as_ptr()).into());
        refused("unlink", || libc::unlink(at("file").as_ptr()).into());
        refused("unlink of what is not there", || libc::unlink(at("none").as_ptr()).into());
        refused("unlink of a directory", || libc::unlink(at("folder").as_ptr()).into());
        refused("unlink below what is not there", || libc::unlink(at("none/none").as_ptr()).into());
        refused("rename", || libc::rename(at("file").as_ptr(), at("new").as_ptr()).into());
        refused("rename over another", || libc::rename(at("file").as_ptr(), at("script").as_ptr()).into());
        refused("rename of what is not there", || libc::rename(at("none").as_ptr(), at("new").as_ptr()).into());
        refused("rename out of it", || libc::rename(at("file").as_ptr(), c"/dev/null-too".as_ptr()).into());
        refused("link", || libc::link(at("file").as_ptr(), at("new").as_ptr()).into());
        refused("link of what is not there", || libc::link(at("none").as_ptr(), at("new").as_ptr()).into());
        refused("link over another", || libc::link(at("file").as_ptr(), at("script").as_ptr()).into());
        refused("symlink", || libc::symlink(c"file".as_ptr(), at("new").as_ptr()).into());
        refused("symlink over another", || libc::symlink(c"file".as_ptr(), at("script").as_ptr()).into());
        refused("mkfifo", || libc::mkfifo(at("new").as_ptr(), 0o644).into());
        refused("mknod", || libc::mknod(at("new").as_ptr(), libc::S_IFREG | 0o644, 0).into());
        refused("bind", || bind(&at("new")));
        refused("bind over another", || bind(&at("file")));
    }
}

fn attributes() {
    let file = opened(&at("file"), libc::O_RDONLY);
    let times = [libc::timespec { tv_sec: 1, tv_nsec: 2 }; 2];
    unsafe {
        refused("chmod", || libc::chmod(at("file").as_ptr(), 0o600).into());
        refused("chmod of what is not there", || libc::chmod(at("none").as_ptr(), 0o600).into());
        refused("fchmod", || libc::fchmod(file, 0o600).into());
        refused("chown", || libc::chown(at("file").as_ptr(), 0, 0).into());
        refused("fchown", || libc::fchown(file, 0, 0).into());
        refused("lchown", || libc::lchown(at("file").as_ptr(), 0, 0).into());
        refused("utimensat", || libc::utimensat(libc::AT_FDCWD, at("file").as_ptr(), times.as_ptr(), 0).into());
        refused("utimensat of now", || libc::utimensat(libc::AT_FDCWD, at("folder").as_ptr(), ptr::null(), 0).into());
        refused("utimensat of what is not there", || libc::utimensat(libc::AT_FDCWD, at("none").as_ptr(), times.as_ptr(), 0).into());
        refused("futimens", || libc::futimens(file, times.as_ptr()).into());
        refused("truncate", || libc::truncate(at("file").as_ptr(), 3).into());
        refused("truncate of a directory", || libc::truncate(at("folder").as_ptr(), 3).into());
        refused("truncate of what is not there", || libc::truncate(at("none").as_ptr(), 3).into());
        for (label, mode) in [("to write", libc::W_OK), ("to read", libc::R_OK), ("to be there", libc::F_OK)] {
            refused(&format!("access of a file {label}"), || libc::access(at("file").as_ptr(), mode).into());
            refused(&format!("access of a directory {label}"), || libc::access(at("folder").as_ptr(), mode).into());
        }
        refused("access of a device to write", || libc::access(c"/dev/null".as_ptr(), libc::W_OK).into());
        libc::close(file);
    }
}

/// What was opened to be read is no other there.
fn descriptors() {
    let file = opened(&at("file"), libc::O_RDONLY);
    let mut bytes = [0u8; 64];
    unsafe {
        refused("write", || libc::write(file, bytes.as_ptr().cast(), 1) as i64);
        refused("ftruncate", || libc::ftruncate(file, 1).into());
        refused("fallocate", || libc::fallocate(file, 0, 0, 10).into());
        refused("fsync", || libc::fsync(file).into());
        refused("flock", || libc::flock(file, libc::LOCK_EX).into());
        println!("read: {}", libc::read(file, bytes.as_mut_ptr().cast(), 64));
        println!("pread: {}", libc::pread(file, bytes.as_mut_ptr().cast(), 64, 3));
        let map = |protection, flags| {
            let place = libc::mmap(ptr::null_mut(), 4096, protection, flags, file, 0);
            if place == libc::MAP_FAILED {
                return called(-1);
            }
            if protection & libc::PROT_WRITE != 0 {
                place.cast::<u8>().write_volatile(b'X');
            }
            format!("{}", char::from(place.cast::<u8>().read_volatile()))
        };
        println!("mapped: {}", map(libc::PROT_READ, libc::MAP_SHARED));
        println!("mapped privately: {}", map(libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE));
        println!("mapped to be stored to: {}", map(libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED));
        libc::close(file);
        let mut found: libc::statvfs = std::mem::zeroed();
        assert_eq!(libc::statvfs(c"ground".as_ptr(), &raw mut found), 0);
        println!("read-only: {}", found.f_flag & libc::ST_RDONLY != 0);
    }
}

/// Other file systems are as ever, and so is what has no file.
fn others() {
    refused("a device", || open(&CString::from(c"/dev/null"), libc::O_WRONLY | libc::O_TRUNC));
    let null = opened(&CString::from(c"/dev/null"), libc::O_WRONLY);
    unsafe {
        println!("written: {}", libc::write(null, c"x".as_ptr().cast(), 1));
        libc::close(null);
        let memory = libc::memfd_create(c"apart".as_ptr(), 0);
        println!("without a name: {}", libc::write(memory, c"x".as_ptr().cast(), 1));
        libc::close(memory);
    }
    let mounts = std::fs::read_to_string("/proc/self/mounts").expect("the mounts");
    let own = mounts.lines().filter(|line| line.starts_with("tmpfs / ") || line.contains("/directory tmpfs "));
    own.for_each(|line| println!("mounted: {:?}", line.split(' ').nth(3).and_then(|options| options.split(',').next())));
    println!("another process: {}", end_of(child(|| if open(&at("new"), libc::O_WRONLY | libc::O_CREAT) == 0 { 1 } else { 0 })));
}

fn main() {
    opening();
    names();
    attributes();
    descriptors();
    others();
}
