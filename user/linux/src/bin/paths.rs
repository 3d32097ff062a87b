//! How paths are resolved at the edges: slashes at the end, dots, links in the way, names that move, directories that are gone.

use std::ffi::CString;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};

use linux_programs::{call, report};

const HERE: usize = libc::AT_FDCWD as usize;

/// An `*at` call on a path and two more numbers.
fn one(number: libc::c_long, path: &str, more: [usize; 2]) -> Result<i64, String> {
    let path = CString::new(path).unwrap();
    // SAFETY: none of the calls here writes to memory.
    unsafe { call(number, &[HERE, path.as_ptr() as usize, more[0], more[1]]) }
}

/// An `*at` call on two paths and flags.
fn two(number: libc::c_long, from: &str, to: &str, flags: usize) -> Result<i64, String> {
    let (from, to) = (CString::new(from).unwrap(), CString::new(to).unwrap());
    // SAFETY: none of the calls here writes to memory.
    unsafe { call(number, &[HERE, from.as_ptr() as usize, HERE, to.as_ptr() as usize, flags]) }
}

fn open(path: &str, how: &str, flags: i32) {
    let outcome = one(libc::SYS_openat, path, [flags as usize, 0o644]);
    println!("open {path:.40} {how}: {:?}", outcome.map(|fd| close(fd as i32)));
}

fn close(fd: i32) {
    // SAFETY: the descriptor is this program's own, and nothing else refers to it.
    unsafe { libc::close(fd) };
}

fn main() -> std::io::Result<()> {
    fs::create_dir("paths")?;
    std::env::set_current_dir("paths")?;
    fs::create_dir_all("dir/inner")?;
    fs::write("file", "contents")?;
    for (target, name) in [("file", "link"), ("dir", "dirlink"), ("nowhere", "dangling"), ("loop", "loop")] {
        symlink(target, name)?;
    }
    resolution();
    making();
    removing();
    moving()?;
    exchanging()?;
    gone()?;
    std::env::set_current_dir("..")?;
    fs::remove_dir_all("paths")
}

fn resolution() {
    let long = "n".repeat(256);
    let deep = "./".repeat(2048);
    let paths = ["file", "file/", "file/.", "file/..", "dir/", "dir/.", "dir/inner/../..", "dirlink", "dirlink/", "dirlink/inner", "link/"];
    for path in
        paths.into_iter().chain(["dangling", "dangling/", "loop", "loop/x", "", "//", "nowhere/x", &long, &long[1..], &deep, &deep[2..]])
    {
        open(path, "to read", libc::O_RDONLY);
    }
    for path in ["link", "dirlink", "dirlink/", "loop", "dir"] {
        open(path, "itself", libc::O_RDONLY | libc::O_NOFOLLOW);
        open(path, "itself, a directory", libc::O_RDONLY | libc::O_NOFOLLOW | libc::O_DIRECTORY);
        open(path, "as a place", libc::O_PATH | libc::O_NOFOLLOW);
    }
    for path in ["dir", "dir/", "file/", "new/", "..", "loop", "dangling/", "nowhere/new"] {
        open(path, "or make it", libc::O_CREAT | libc::O_WRONLY);
    }
    open("dangling", "if it is new", libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY);
    open("dangling", "or make it", libc::O_CREAT | libc::O_WRONLY);
    report("made through the link", fs::metadata("nowhere").map(|metadata| metadata.len()));
    report("a file behind a slash", fs::symlink_metadata("dirlink/").map(|metadata| metadata.is_dir()));
}

fn making() {
    for path in ["dir", "dir/", "dir/new///", "dir/.", "dir/..", "/", "", "file/x", "dangling", "loop", "a/b"] {
        println!("mkdir {path}: {:?}", one(libc::SYS_mkdirat, path, [0o755, 0]));
    }
    for (from, to) in [
        ("file", "second"),
        ("file", "second"),
        ("file", "dir"),
        ("dir", "third"),
        ("none", "third"),
        ("file", "third/"),
        ("link", "third"),
    ] {
        println!("link {from} {to}: {:?}", two(libc::SYS_linkat, from, to, 0));
    }
    report("names of the file", fs::metadata("file").map(|metadata| metadata.nlink()));
    report("a link to a link", fs::read_link("third"));
    println!("mknod of a directory: {:?}", one(libc::SYS_mknodat, "node", [(libc::S_IFDIR | 0o644) as usize, 0]));
    println!("mknod of a pipe: {:?}", one(libc::SYS_mknodat, "node", [(libc::S_IFIFO | 0o644) as usize, 0]));
}

fn removing() {
    for path in ["dir", "dir/", ".", "dir/..", "file/", "none", "none/", "dirlink/", "/"] {
        println!("unlink {path}: {:?}", one(libc::SYS_unlinkat, path, [0, 0]));
    }
    for path in ["file", "file/", "dir", "dir/.", "dir/inner/..", "dirlink", "dirlink/", "none", "/"] {
        println!("rmdir {path}: {:?}", one(libc::SYS_unlinkat, path, [libc::AT_REMOVEDIR as usize, 0]));
    }
}

fn moving() -> std::io::Result<()> {
    fs::create_dir_all("x/y")?;
    fs::create_dir("w")?;
    let pairs = [
        ("x", "x/y/z"),
        ("x", "x"),
        ("x/y", "x"),
        ("x", "file"),
        ("file", "x"),
        ("file", "second"),
        ("file/", "b"),
        ("file", "b/"),
        ("w", "v/"),
        ("v", "x"),
        ("v", "x/y"),
        (".", "q"),
        ("x", ".."),
        ("none", "q"),
        ("third", "moved"),
        ("x", "none/q"),
    ];
    for (from, to) in pairs {
        println!("rename {from} {to}: {:?}", two(libc::SYS_renameat2, from, to, 0));
    }
    report("a link moves as a link", fs::read_link("moved"));
    Ok(())
}

fn exchanging() -> std::io::Result<()> {
    const KEEP: usize = libc::RENAME_NOREPLACE as usize;
    const EXCHANGE: usize = libc::RENAME_EXCHANGE as usize;
    let rows = [
        ("file", "moved", KEEP),
        ("file", "free", KEEP),
        ("free", "none", EXCHANGE),
        ("free", "x", EXCHANGE),
        ("x", "free/deep", EXCHANGE),
        ("free", "x", KEEP | EXCHANGE),
        ("free", "free/y", EXCHANGE),
        ("free", "x", 0x80),
    ];
    for (from, to, flags) in rows {
        println!("renameat2 {from} {to} {flags}: {:?}", two(libc::SYS_renameat2, from, to, flags));
    }
    report("after the exchange", fs::metadata("x").map(|metadata| metadata.is_file()));
    report("and the other", fs::metadata("free").map(|metadata| (metadata.is_dir(), metadata.nlink())));
    Ok(())
}

/// A directory that was removed while it is the current one.
fn gone() -> std::io::Result<()> {
    let back = std::env::current_dir()?;
    fs::create_dir("gone")?;
    std::env::set_current_dir("gone")?;
    fs::remove_dir("../gone")?;
    open("new", "or make it", libc::O_CREAT | libc::O_WRONLY);
    open("none", "to read", libc::O_RDONLY);
    println!("mkdir: {:?}", one(libc::SYS_mkdirat, "new", [0o755, 0]));
    report("the current directory", std::env::current_dir());
    report("names left", fs::metadata(".").map(|metadata| metadata.nlink()));
    report("listing", fs::read_dir(".").map(|mut entries| entries.next().is_none()));
    std::env::set_current_dir(back)
}
