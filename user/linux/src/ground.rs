//! Calls that fail on a file system that is full or read-only: that nothing has changed when they did.
#![expect(clippy::undocumented_unsafe_blocks, reason = "each block is a plain call, on numbers and on strings of the program's own")]

use std::ffi::CString;
use std::fmt::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::called;

/// The folder that the cases work in, below the working directory.
pub const GROUND: &str = "ground";

/// A path below the ground.
#[must_use]
pub fn at(name: &str) -> CString {
    CString::new(format!("{GROUND}/{name}")).expect("no NUL")
}

fn describe(path: &Path, with_times: bool, text: &mut String) {
    let data = path.symlink_metadata().expect("what a directory lists is there");
    let _ = write!(text, "{} {:o} {} {} {}", path.display(), data.mode(), data.nlink(), data.size(), data.blocks());
    if with_times {
        let _ = write!(text, " {}.{} {}.{}", data.mtime(), data.mtime_nsec(), data.ctime(), data.ctime_nsec());
    }
    if data.is_file() {
        let sum = std::fs::read(path).map(|bytes| bytes.iter().fold(5381u32, |sum, &byte| sum.wrapping_mul(33) ^ u32::from(byte)));
        let _ = write!(text, " {sum:?}");
    }
    text.push('\n');
    if data.is_dir() {
        let mut names: Vec<_> = std::fs::read_dir(path).expect("a directory").map(|entry| entry.expect("an entry").path()).collect();
        names.sort();
        names.iter().for_each(|name| describe(name, with_times, text));
    }
}

/// All that there is in the ground, the descriptors that are open, and their offsets.
#[must_use]
pub fn state(with_times: bool) -> String {
    let mut text = String::new();
    describe(Path::new(GROUND), with_times, &mut text);
    for fd in 3..64 {
        let offset = unsafe { libc::lseek(fd, 0, libc::SEEK_CUR) };
        if offset >= 0 || std::io::Error::last_os_error().raw_os_error() != Some(libc::EBADF) {
            let _ = writeln!(text, "{fd} at {offset}");
        }
    }
    text
}

/// Make a call, and print what it gave; and, if it failed, whether it has changed something nevertheless.
pub fn refused(label: &str, with_times: bool, call: impl FnOnce() -> i64) -> i64 {
    let before = state(with_times);
    let value = call();
    let text = called(value as i32);
    let after = state(with_times);
    if value < 0 && before != after {
        println!("{label}: {text}, and has changed something:\n{before}it is:\n{after}");
    } else {
        println!("{label}: {text}");
    }
    value
}

/// Open, and close again if that succeeded: 0.
#[must_use]
pub fn open(path: &CString, flags: i32) -> i64 {
    let fd = unsafe { libc::open(path.as_ptr(), flags, 0o644) };
    if fd >= 0 { unsafe { libc::close(fd) }.into() } else { -1 }
}

/// A descriptor that stays.
///
/// # Panics
/// If it cannot be had.
#[must_use]
pub fn opened(path: &CString, flags: i32) -> i32 {
    let fd = unsafe { libc::open(path.as_ptr(), flags, 0o644) };
    assert!(fd >= 0, "{path:?}: {}", called(-1));
    fd
}

/// Bind a fresh socket to a path; tells what it is called then.
#[must_use]
pub fn bind(path: &CString) -> i64 {
    unsafe {
        let socket = libc::socket(libc::AF_UNIX, libc::SOCK_STREAM, 0);
        let mut address: libc::sockaddr_un = std::mem::zeroed();
        address.sun_family = libc::AF_UNIX as _;
        for (to, from) in address.sun_path.iter_mut().zip(path.as_bytes()) {
            *to = *from as _;
        }
        let length = (2 + path.as_bytes_with_nul().len()) as u32;
        let outcome = libc::bind(socket, (&raw const address).cast(), length);
        let error = called(outcome);
        let mut room = size_of::<libc::sockaddr_un>() as u32;
        assert_eq!(libc::getsockname(socket, (&raw mut address).cast(), &raw mut room), 0);
        println!("  bound: {error}, a name of {room} bytes");
        libc::close(socket);
        outcome.into()
    }
}
