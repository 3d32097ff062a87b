//! Calls on files by their paths, and what they gave, as text: for programs whose cases are a line of calls each.

use std::ffi::CString;
use std::fmt::Write;

use crate::called;

/// A path as calls take it.
#[must_use]
pub fn text(path: &str) -> CString {
    CString::new(path).expect("no NUL")
}

/// Work in a fresh directory, which goes again.
pub fn in_folder(name: &str, work: impl FnOnce()) {
    std::fs::create_dir(name).expect("a fresh directory");
    std::env::set_current_dir(name).expect("a directory");
    work();
    std::env::set_current_dir("..").expect("where it began");
    std::fs::remove_dir_all(name).expect("what was made can be removed");
}

/// Make a file that holds this.
pub fn make(path: &str, contents: &str) {
    std::fs::write(path, contents).expect("a file");
}

/// What a file holds.
#[must_use]
pub fn held(path: &str) -> String {
    std::fs::read(path)
        .map_or_else(|error| crate::error_name(error.raw_os_error().unwrap_or(0)), |bytes| format!("\"{}\"", bytes.escape_ascii()))
}

/// A call that may be made as a number.
#[macro_export]
macro_rules! made {
    ($($call:tt)*) => {{
        #[expect(clippy::macro_metavars_in_unsafe, reason = "what is made is one call, of the test's own")]
        // SAFETY: a plain call, on numbers and on strings and buffers of the caller's own.
        let outcome = unsafe { $($call)* };
        $crate::called(outcome as i32)
    }};
}

/// open(2); the descriptor, or what failed.
pub fn open(path: &str, flags: i32) -> Result<i32, String> {
    open_at(libc::AT_FDCWD, path, flags, 0o666)
}

/// openat(2)
pub fn open_at(directory: i32, path: &str, flags: i32, mode: u32) -> Result<i32, String> {
    let path = text(path);
    // SAFETY: a string that ends.
    let fd = unsafe { libc::openat(directory, path.as_ptr(), flags, mode) };
    if fd < 0 { Err(called(-1)) } else { Ok(fd) }
}

/// How an open(2) goes; what it opens is closed again.
#[must_use]
pub fn opens(path: &str, flags: i32) -> String {
    opens_at(libc::AT_FDCWD, path, flags)
}

/// How an openat(2) goes.
#[must_use]
pub fn opens_at(directory: i32, path: &str, flags: i32) -> String {
    match open_at(directory, path, flags, 0o666) {
        Ok(fd) => {
            // SAFETY: a plain call.
            unsafe { libc::close(fd) };
            "opened".into()
        }
        Err(error) => error,
    }
}

/// A descriptor of what must be there.
#[must_use]
pub fn opened(path: &str, flags: i32) -> i32 {
    open(path, flags).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// write(2)
#[must_use]
pub fn put(fd: i32, bytes: &[u8]) -> String {
    made!(libc::write(fd, bytes.as_ptr().cast(), bytes.len()))
}

/// read(2): the bytes, or what failed.
#[must_use]
pub fn take(fd: i32, most: usize) -> String {
    let mut bytes = vec![0u8; most];
    // SAFETY: the buffer is as long as is said.
    let count = unsafe { libc::read(fd, bytes.as_mut_ptr().cast(), most) };
    if count < 0 { called(-1) } else { format!("\"{}\"", bytes[..count as usize].escape_ascii()) }
}

/// fstatat(2), without following: kind and mode in octal, links, bytes.
#[must_use]
pub fn look(path: &str) -> String {
    look_at(libc::AT_FDCWD, path, libc::AT_SYMLINK_NOFOLLOW)
}

/// fstatat(2)
#[must_use]
pub fn look_at(directory: i32, path: &str, flags: i32) -> String {
    let path = text(path);
    // SAFETY: the structure is numbers, and the call's to fill.
    let (outcome, data) = unsafe {
        let mut data: libc::stat = std::mem::zeroed();
        (libc::fstatat(directory, path.as_ptr(), &raw mut data, flags), data)
    };
    if outcome < 0 {
        return called(-1);
    }
    // A directory's size is the file system's own.
    let is_directory = data.st_mode & libc::S_IFMT == libc::S_IFDIR;
    format!("{:o} {} {}", data.st_mode, data.st_nlink, if is_directory { 0 } else { data.st_size })
}

/// Names in a directory, sorted.
#[must_use]
pub fn names(path: &str) -> String {
    let mut names: Vec<String> = match std::fs::read_dir(path) {
        Ok(entries) => entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect(),
        Err(error) => return crate::error_name(error.raw_os_error().unwrap_or(0)),
    };
    names.sort();
    let mut all = String::new();
    for name in names {
        let _ = write!(all, "{name} ");
    }
    all.trim_end().to_owned()
}
