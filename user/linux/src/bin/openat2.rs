//! openat2(2): what it takes, and how a path may be resolved.
#![expect(clippy::undocumented_unsafe_blocks, reason = "each block is a plain call, on numbers and on strings of the program's own")]

use std::ffi::CString;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use linux_programs::called;

const NO_XDEV: u64 = 1;
const NO_MAGICLINKS: u64 = 2;
const NO_SYMLINKS: u64 = 4;
const BENEATH: u64 = 8;
const IN_ROOT: u64 = 16;
const CACHED: u64 = 32;

fn open_with(directory: i32, path: &str, how: &[u64], size: usize) -> String {
    let path = CString::new(path).expect("no NUL");
    let fd = unsafe { libc::syscall(libc::SYS_openat2, directory, path.as_ptr(), how.as_ptr(), size) as i32 };
    if fd < 0 {
        return called(fd);
    }
    let mut bytes = [0u8; 16];
    let count = unsafe { libc::read(fd, bytes.as_mut_ptr().cast(), 16) };
    unsafe { libc::close(fd) };
    if count < 0 { format!("opened, {}", called(-1)) } else { format!("opened: {:?}", String::from_utf8_lossy(&bytes[..count as usize])) }
}

fn open(directory: i32, path: &str, flags: i32, resolve: u64) -> String {
    open_with(directory, path, &[flags as u64, 0, resolve], 24)
}

fn main() {
    let base = PathBuf::from(format!("/tmp/openat2-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&base);
    std::fs::create_dir_all(base.join("root/below")).expect("folders");
    for (name, text) in [("outside", "out"), ("root/file", "in"), ("root/below/deep", "deep")] {
        std::fs::write(base.join(name), text).expect("a file");
    }
    for (name, target) in [
        ("root/link", "below/deep"),
        ("root/up", "../outside"),
        ("root/absolute", "/file"),
        ("root/below/sideways", "../file"),
        ("root/loop", "loop"),
        ("root/folder", "below"),
    ] {
        symlink(target, base.join(name)).expect("a link");
    }
    let root = CString::new(base.join("root").to_str().expect("letters")).expect("no NUL");
    let directory = unsafe { libc::open(root.as_ptr(), libc::O_RDONLY | libc::O_DIRECTORY) };
    let paths = [
        "file",
        "below/deep",
        "below/../file",
        "../outside",
        "below/../../outside",
        "link",
        "up",
        "absolute",
        "below/sideways",
        "loop",
        "folder/deep",
        "folder/",
        "file/",
        "./file",
        ".",
        "..",
        "none",
        "none/none",
        "/file",
        "//below//deep",
        "file/none",
    ];
    for (label, resolve) in [("any", 0), ("no links", NO_SYMLINKS), ("beneath", BENEATH), ("in root", IN_ROOT), ("cached", CACHED)] {
        // Whether everything is cached is nobody's business.
        let paths = if resolve == CACHED { &paths[..0] } else { &paths[..] };
        for path in paths {
            // What the machine's own root holds is not the test's.
            if !(resolve & IN_ROOT == 0 && path.starts_with('/') || resolve == 0 && *path == "absolute") {
                println!("{label} {path}: {}", open(directory, path, libc::O_RDONLY, resolve));
            }
        }
    }
    println!("out of the root: {}", open(directory, "../../../../../file", libc::O_RDONLY, IN_ROOT));
    println!("beneath, absolute: {}", open(directory, "/file", libc::O_RDONLY, BENEATH));
    println!(
        "other device: {} {}",
        open(libc::AT_FDCWD, "/proc/self/stat", libc::O_PATH, NO_XDEV),
        open(directory, "link", libc::O_RDONLY, NO_XDEV)
    );
    let magic = format!("/proc/self/fd/{directory}/file");
    println!("magic: {} {}", open(libc::AT_FDCWD, &magic, libc::O_RDONLY, NO_MAGICLINKS), open(libc::AT_FDCWD, &magic, libc::O_RDONLY, 0));
    println!("not followed: {}", open(directory, "link", libc::O_RDONLY | libc::O_NOFOLLOW, NO_SYMLINKS));
    println!("the link itself: {}", open(directory, "link", libc::O_PATH | libc::O_NOFOLLOW, NO_SYMLINKS));
    println!("made: {}", open_with(directory, "below/new", &[(libc::O_RDWR | libc::O_CREAT) as u64, 0o600, BENEATH], 24));
    println!("not made: {}", open_with(directory, "../new", &[(libc::O_RDWR | libc::O_CREAT) as u64, 0o600, BENEATH], 24));
    println!("exclusively: {}", open_with(directory, "link", &[(libc::O_RDWR | libc::O_CREAT | libc::O_EXCL) as u64, 0o600, BENEATH], 24));
    for (label, how, size) in [
        ("short", [0; 4], 16),
        ("long", [0; 4], 32),
        ("long, and more", [0, 0, 0, 1], 32),
        ("huge", [0; 4], 5000),
        ("unknown flags", [1 << 40, 0, 0, 0], 24),
        ("unknown flags below", [1 << 30, 0, 0, 0], 24),
        ("mode without making", [0, 0o600, 0, 0], 24),
        ("mode of too much", [libc::O_CREAT as u64 | 2, 0o10_600, 0, 0], 24),
        ("unknown resolve", [0, 0, 1 << 20, 0], 24),
        ("both", [0, 0, BENEATH | IN_ROOT, 0], 24),
        ("path and more", [(libc::O_PATH | libc::O_RDWR) as u64, 0, 0, 0], 24),
        ("cached, to cut", [(libc::O_WRONLY | libc::O_TRUNC) as u64, 0, CACHED, 0], 24),
    ] {
        let mut all = how.to_vec();
        all.resize(1000, 0);
        println!("{label}: {}", open_with(directory, "file", &all, size));
    }
    println!("no directory: {} {}", open(99, "file", libc::O_RDONLY, BENEATH), open(directory, "", libc::O_RDONLY, 0));
    let _ = std::fs::remove_dir_all(&base);
}
