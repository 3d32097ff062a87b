//! When files were used and changed, by calls and by hand, and what statx(2) tells.

use libc::{
    AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, O_PATH, O_RDONLY, O_RDWR, UTIME_NOW,
    UTIME_OMIT,
};
use linux_programs::calls::{in_folder, make, opened, put, take, text};
use linux_programs::family::{run, sleep_ms};
use linux_programs::made;

/// Which of a file's times (access, modification, change) something moved.
fn moved(path: &str, work: impl FnOnce()) -> String {
    let times = || {
        // SAFETY: the structure is numbers, and the call's to fill.
        unsafe {
            let mut data: libc::stat = std::mem::zeroed();
            assert_eq!(libc::fstatat(AT_FDCWD, text(path).as_ptr(), &raw mut data, AT_SYMLINK_NOFOLLOW), 0, "{path}");
            [(data.st_atime, data.st_atime_nsec), (data.st_mtime, data.st_mtime_nsec), (data.st_ctime, data.st_ctime_nsec)]
        }
    };
    let before = times();
    // Linux's clock of files moves with its tick.
    sleep_ms(25);
    work();
    let after = times();
    let names: Vec<&str> = ["accessed", "modified", "changed"]
        .into_iter()
        .zip(before.iter().zip(&after))
        .filter(|(_, (one, other))| one != other)
        .map(|(name, _)| name)
        .collect();
    if names.is_empty() { "-".into() } else { names.join("+") }
}

fn rename_twice() {
    for (from, to) in [("file", "other"), ("other", "file")] {
        assert_eq!(made!(libc::rename(text(from).as_ptr(), text(to).as_ptr())), "0");
    }
}

fn times_of_files() {
    make("file", "0123456789");
    let fd = opened("file", O_RDWR);
    println!("a read: {}", moved("file", || drop(take(fd, 3))));
    println!("a second: {}", moved("file", || drop(take(fd, 3))));
    println!("a write: {}", moved("file", || drop(put(fd, b"x"))));
    println!("of nothing: {}", moved("file", || drop(put(fd, b""))));
    println!("a cut: {}", moved("file", || drop(made!(libc::ftruncate(fd, 4)))));
    println!("no cut: {}", moved("file", || drop(made!(libc::ftruncate(fd, 4)))));
    println!("no cut by name: {}", moved("file", || drop(made!(libc::truncate(text("file").as_ptr(), 4)))));
    println!("a mode: {}", moved("file", || drop(made!(libc::fchmod(fd, 0o600)))));
    println!("an owner: {}", moved("file", || drop(made!(libc::fchown(fd, 0, 0)))));
    println!("no owner: {}", moved("file", || drop(made!(libc::fchown(fd, u32::MAX, u32::MAX)))));
    println!("a name: {}", moved("file", || drop(made!(libc::link(text("file").as_ptr(), text("name").as_ptr())))));
    println!("less a name: {}", moved("file", || drop(made!(libc::unlink(text("name").as_ptr())))));
    println!("a new name: {}", moved("file", rename_twice));
    println!("a hole: {}", moved("file", || drop(made!(libc::fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 0, 2)))));
    println!("room: {}", moved("file", || drop(made!(libc::fallocate(fd, 0, 0, 100)))));
    println!("no room: {}", moved("file", || drop(made!(libc::fallocate(fd, 0, 0, 100)))));
    println!("opened: {}", moved("file", || assert!(opened("file", O_RDWR) > 0)));
    println!("emptied: {}", moved("file", || assert!(opened("file", O_RDWR | libc::O_TRUNC) > 0)));
    println!("emptied again: {}", moved("file", || assert!(opened("file", O_RDWR | libc::O_TRUNC) > 0)));
}

fn times_of_directories() {
    println!("{}", made!(libc::mkdir(text("folder").as_ptr(), 0o755)));
    println!("a file: {}", moved("folder", || make("folder/file", "x")));
    println!("its contents: {}", moved("folder", || make("folder/file", "y")));
    println!("a name: {}", moved("folder", || drop(made!(libc::link(text("folder/file").as_ptr(), text("folder/name").as_ptr())))));
    println!("within: {}", moved("folder", || drop(made!(libc::rename(text("folder/name").as_ptr(), text("folder/other").as_ptr())))));
    println!("out: {}", moved("folder", || drop(made!(libc::rename(text("folder/other").as_ptr(), text("other").as_ptr())))));
    println!("less: {}", moved("folder", || drop(made!(libc::unlink(text("folder/file").as_ptr())))));
    println!("a directory: {}", moved("folder", || drop(made!(libc::mkdir(text("folder/inner").as_ptr(), 0o755)))));
    println!("a link: {}", moved("folder", || drop(made!(libc::symlink(text("x").as_ptr(), text("folder/link").as_ptr())))));
    println!("its times: {}", moved("folder/link", || drop(std::fs::read_link("folder/link"))));
    println!("listed: {}", moved("folder", || drop(std::fs::read_dir("folder").map(Iterator::count))));
    println!("in vain: {}", moved("folder", || drop(made!(libc::rmdir(text("folder").as_ptr())))));
}

fn set_times(directory: i32, path: Option<&str>, times: Option<[(i64, i64); 2]>, flags: i32) -> String {
    let times = times.map(|times| times.map(|(tv_sec, tv_nsec)| libc::timespec { tv_sec, tv_nsec }));
    let path = path.map(text);
    let path = path.as_ref().map_or(std::ptr::null(), |path| path.as_ptr());
    made!(libc::syscall(libc::SYS_utimensat, directory, path, times.as_ref().map_or(std::ptr::null(), |times| times.as_ptr()), flags))
}

fn times_that_are_set() {
    make("file", "x");
    println!("{}", made!(libc::symlink(text("file").as_ptr(), text("link").as_ptr())));
    let shown = |path: &str| {
        // SAFETY: the structure is numbers, and the call's to fill.
        let data = unsafe {
            let mut data: libc::stat = std::mem::zeroed();
            libc::fstatat(AT_FDCWD, text(path).as_ptr(), &raw mut data, AT_SYMLINK_NOFOLLOW);
            data
        };
        let of = |seconds: i64, nanoseconds: i64| if seconds > 1_600_000_000 { "now".into() } else { format!("{seconds}.{nanoseconds}") };
        format!("{} {}", of(data.st_atime, data.st_atime_nsec), of(data.st_mtime, data.st_mtime_nsec))
    };
    let (now, omit) = ((0, UTIME_NOW), (0, UTIME_OMIT));
    for times in [
        [(1, 2), (3, 4)],
        [omit, (5, 6)],
        [(7, 999_999_999), omit],
        [now, omit],
        [(-5, 1), now],
        [omit, omit],
        [(9, UTIME_NOW), (9, UTIME_OMIT)],
    ] {
        println!("{times:?}: {} {}", set_times(AT_FDCWD, Some("file"), Some(times), 0), shown("file"));
    }
    println!("{} {}", set_times(AT_FDCWD, Some("file"), None, 0), shown("file"));
    println!("{} {}", set_times(AT_FDCWD, Some("link"), Some([(1, 0), (2, 0)]), AT_SYMLINK_NOFOLLOW), shown("link"));
    println!("{} {}", set_times(AT_FDCWD, Some("link"), Some([(3, 0), (4, 0)]), 0), shown("file"));
    println!("neither: {}", moved("file", || drop(set_times(AT_FDCWD, Some("file"), Some([omit, omit]), 0))));
    println!("one: {}", moved("file", || drop(set_times(AT_FDCWD, Some("file"), Some([omit, (1, 1)]), 0))));
    for bad in [1_000_000_000, -1, UTIME_NOW + 5] {
        println!("{bad}: {}", set_times(AT_FDCWD, Some("file"), Some([(0, bad), (0, 0)]), 0));
    }
    let fd = opened("file", O_RDONLY);
    println!("{} {}", set_times(fd, None, Some([(8, 0), (9, 0)]), 0), shown("file"));
    println!("{} {}", set_times(fd, None, None, AT_SYMLINK_NOFOLLOW), set_times(AT_FDCWD, None, None, 0));
    println!("{} {}", set_times(fd, Some(""), None, AT_EMPTY_PATH), set_times(fd, Some(""), None, 0));
    println!("{} {}", set_times(AT_FDCWD, Some("missing"), None, 0), set_times(AT_FDCWD, Some("missing"), Some([omit, omit]), 0));
    println!("{}", set_times(AT_FDCWD, Some("file"), None, 0x10));
    println!("{}", set_times(opened("file", O_PATH), None, None, 0));
}

fn extended_status() {
    make("file", "0123456789");
    println!("{}", made!(libc::symlink(text("file").as_ptr(), text("link").as_ptr())));
    let ask = |directory: i32, path: &str, flags: i32, mask: u32| {
        // SAFETY: the structure is numbers, and the call's to fill.
        let (outcome, data) = unsafe {
            let mut data: libc::statx = std::mem::zeroed();
            (libc::statx(directory, text(path).as_ptr(), flags, mask, &raw mut data), data)
        };
        // More than was asked for may be told.
        let wanted = mask & libc::STATX_BASIC_STATS;
        let basics = data.stx_mask & wanted == wanted;
        if outcome < 0 {
            return linux_programs::called(-1);
        }
        format!("{basics} {:o} {} {} {}", data.stx_mode, data.stx_nlink, data.stx_size, data.stx_blksize)
    };
    println!("{} {}", ask(AT_FDCWD, "file", 0, libc::STATX_BASIC_STATS), ask(AT_FDCWD, "file", 0, 0));
    println!("{} {}", ask(AT_FDCWD, "link", 0, libc::STATX_SIZE), ask(AT_FDCWD, "link", AT_SYMLINK_NOFOLLOW, libc::STATX_SIZE));
    println!("{}", ask(AT_FDCWD, "file", 0, 0x8000_0000));
    println!("{} {}", ask(AT_FDCWD, "file", libc::AT_STATX_FORCE_SYNC, 0xfff), ask(AT_FDCWD, "file", libc::AT_STATX_DONT_SYNC, 0xfff));
    println!("{}", ask(AT_FDCWD, "file", libc::AT_STATX_FORCE_SYNC | libc::AT_STATX_DONT_SYNC, 0xfff));
    println!("{} {}", ask(AT_FDCWD, "file", 0x10, 0xfff), ask(AT_FDCWD, "", 0, 0xfff));
    let fd = opened("file", O_RDONLY);
    println!("{} {}", ask(fd, "", AT_EMPTY_PATH, 0xfff), ask(fd, "x", AT_EMPTY_PATH, 0xfff));
    println!("{} {}", ask(99, "", AT_EMPTY_PATH, 0xfff), ask(99, "file", 0, 0xfff));
    println!("{}", made!(libc::statx(AT_FDCWD, text("file").as_ptr(), 0, 0xfff, std::ptr::without_provenance_mut(8))));
}

fn clock(number: libc::clockid_t) -> (i64, i64) {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the time is the call's to fill.
    assert_eq!(unsafe { libc::syscall(libc::SYS_clock_gettime, number, &raw mut time) }, 0);
    (time.tv_sec, time.tv_nsec)
}

/// Many writes go over the same bytes in one tick of the clock that files' times go by: what is seen besides is as exact as after one.
fn writes_over_contents() {
    const BYTES: usize = 8192;
    make("file", "x");
    let fd = opened("file", O_RDWR);
    let write = |byte: u8| {
        // SAFETY: the bytes are the array's.
        let count = unsafe { libc::pwrite(fd, [byte; BYTES].as_ptr().cast(), BYTES, 0) };
        assert_eq!(count, BYTES as isize);
    };
    let status = || {
        // SAFETY: the structure is numbers, and the call's to fill.
        unsafe {
            let mut data: libc::stat = std::mem::zeroed();
            assert_eq!(libc::fstat(fd, &raw mut data), 0);
            data
        }
    };
    let modified = || (status().st_mtime, status().st_mtime_nsec);
    let is_now = || {
        let before = clock(libc::CLOCK_REALTIME_COARSE);
        write(b'y');
        before <= modified() && modified() <= clock(libc::CLOCK_REALTIME)
    };
    println!("between the clocks: {}", (0..2000).all(|_| is_now()));
    println!("of two files: {}", {
        write(b'1');
        make("other", "2");
        write(b'3');
        let other = std::fs::metadata("other").expect("it was made");
        use std::os::unix::fs::MetadataExt;
        (other.mtime(), other.mtime_nsec()) <= modified()
    });
    println!("set back: {} {}", set_times(fd, None, Some([(8, 0), (9, 0)]), 0), modified().0 == 9);
    println!("and written: {}", is_now());
    write(b'z');
    println!("{} {:o}", made!(libc::fchmod(fd, 0o6755)), status().st_mode);
    // What root's writes take away depends on what root may here.
    println!("written by root: {} {}", is_now(), made!(libc::fchmod(fd, 0o6755)));
    let notices = made!(libc::inotify_init1(libc::IN_NONBLOCK)).parse().expect("a descriptor");
    write(b'a');
    println!("{}", made!(libc::inotify_add_watch(notices, text("file").as_ptr(), libc::IN_MODIFY)));
    for byte in b"bcd" {
        write(*byte);
        println!("told: {}", take(notices, 64).len());
    }
    println!("cut: {} {}", made!(libc::ftruncate(fd, 10)), status().st_size);
    write(b'e');
    println!("{} {:?}", status().st_size, std::fs::read("file").map(|bytes| bytes.iter().all(|&byte| byte == b'e')));
    let least = libc::rlimit { rlim_cur: 4096, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: the bytes are the array's, and the limit outlives the call.
    let (set, count) =
        unsafe { (libc::setrlimit(libc::RLIMIT_FSIZE, &raw const least), libc::pwrite(fd, [1u8; BYTES].as_ptr().cast(), BYTES, 0)) };
    println!("held to a limit: {set} {count}");
}

fn main() {
    in_folder("file_times", || {
        run(&[
            ("times of files", || in_folder("k", times_of_files)),
            ("times of directories", || in_folder("l", times_of_directories)),
            ("times that are set", || in_folder("m", times_that_are_set)),
            ("writes over contents", || in_folder("w", writes_over_contents)),
            ("extended status", || in_folder("n", extended_status)),
        ]);
    });
}
