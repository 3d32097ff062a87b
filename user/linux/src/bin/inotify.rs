//! What happens to files, told: inotify(7).

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{PermissionsExt, symlink};

use linux_programs::descriptors::{Outcome, child, close, control, outcome, pause, poll, read, run, show};

/// The bits of a mask, by the names that inotify(7) has.
const NAMES: [(u32, &str); 16] = [
    (libc::IN_ACCESS, "ACCESS"),
    (libc::IN_MODIFY, "MODIFY"),
    (libc::IN_ATTRIB, "ATTRIB"),
    (libc::IN_CLOSE_WRITE, "CLOSE_WRITE"),
    (libc::IN_CLOSE_NOWRITE, "CLOSE_NOWRITE"),
    (libc::IN_OPEN, "OPEN"),
    (libc::IN_MOVED_FROM, "MOVED_FROM"),
    (libc::IN_MOVED_TO, "MOVED_TO"),
    (libc::IN_CREATE, "CREATE"),
    (libc::IN_DELETE, "DELETE"),
    (libc::IN_DELETE_SELF, "DELETE_SELF"),
    (libc::IN_MOVE_SELF, "MOVE_SELF"),
    (libc::IN_UNMOUNT, "UNMOUNT"),
    (libc::IN_Q_OVERFLOW, "Q_OVERFLOW"),
    (libc::IN_IGNORED, "IGNORED"),
    (libc::IN_ISDIR, "ISDIR"),
];

fn instance(flags: i32) -> i32 {
    // SAFETY: the call takes no memory.
    outcome(unsafe { libc::inotify_init1(flags) }).expect("an instance") as i32
}

fn watch(fd: i32, path: &str, mask: u32) -> Outcome {
    let path = CString::new(path).expect("no NUL");
    // SAFETY: the path is a string.
    outcome(unsafe { libc::inotify_add_watch(fd, path.as_ptr(), mask) })
}

fn unwatch(fd: i32, watch: i32) -> Outcome {
    // SAFETY: the call takes no memory.
    outcome(unsafe { libc::inotify_rm_watch(fd, watch) })
}

/// Records as a line each; cookies by the order in which they first came.
fn shown(bytes: &[u8]) -> String {
    let word = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    let (mut lines, mut cookies, mut at) = (String::new(), vec![0], 0);
    while at < bytes.len() {
        let (mask, cookie, length) = (word(at + 4), word(at + 8), word(at + 12) as usize);
        let named: Vec<&str> = NAMES.iter().filter(|(bit, _)| mask & bit != 0).map(|(_, name)| *name).collect();
        let place = cookies.iter().position(|&known| known == cookie).unwrap_or(cookies.len());
        if place == cookies.len() {
            cookies.push(cookie);
        }
        let name = &bytes[at + 16..at + 16 + length];
        let text = String::from_utf8_lossy(name.split(|&byte| byte == 0).next().unwrap_or_default()).into_owned();
        lines += &format!("  {} {} cookie {place} {length} {text:?}\n", word(at) as i32, named.join("|"));
        at += 16 + length;
    }
    lines
}

/// What has been told so far.
fn told(fd: i32) {
    match read(fd, 1 << 16) {
        Ok(bytes) => print!("{}", shown(&bytes)),
        Err(error) => println!("  {error}"),
    }
}

/// A directory of a case's own, which the program is in.
fn directory(name: &str) {
    let place = format!("/tmp/inotify-{}-{name}", std::process::id());
    let _ = fs::remove_dir_all(&place);
    fs::create_dir_all(&place).expect("a directory");
    std::env::set_current_dir(&place).expect("a directory");
}

/// The case's directory is gone.
fn leave() {
    let place = std::env::current_dir().expect("a directory");
    std::env::set_current_dir("/").expect("a root");
    fs::remove_dir_all(place).expect("a directory");
}

fn refusals() {
    directory("refusals");
    // SAFETY: the call takes no memory.
    println!("flags: {}", show(outcome(unsafe { libc::inotify_init1(1) })));
    let fd = instance(libc::IN_NONBLOCK | libc::IN_CLOEXEC);
    println!("{} {}", show(control(fd, libc::F_GETFD, 0)), show(control(fd, libc::F_GETFL, 0).map(|flags| flags & 0o4003)));
    File::create("file").expect("a file");
    println!("no descriptor: {}", show(watch(-1, "file", libc::IN_OPEN)));
    println!("no instance: {}", show(watch(0, "file", libc::IN_OPEN)));
    println!("no file: {}", show(watch(fd, "nothing", libc::IN_OPEN)));
    println!("no name: {}", show(watch(fd, "", libc::IN_OPEN)));
    println!("nothing to tell: {} {}", show(watch(fd, "file", 0)), show(watch(fd, "file", libc::IN_ONESHOT)));
    println!("directories only: {}", show(watch(fd, "file", libc::IN_OPEN | libc::IN_ONLYDIR)));
    println!("add and create: {}", show(watch(fd, "file", libc::IN_OPEN | libc::IN_MASK_ADD | libc::IN_MASK_CREATE)));
    // SAFETY: the call refuses what it is given.
    println!("a bad address: {}", show(outcome(unsafe { libc::inotify_add_watch(fd, std::ptr::without_provenance(8), libc::IN_OPEN) })));
    println!("watched: {}", show(watch(fd, "file", libc::IN_OPEN | libc::IN_MASK_CREATE)));
    println!("already: {}", show(watch(fd, "file", libc::IN_OPEN | libc::IN_MASK_CREATE)));
    println!("no such watch: {} {} {}", show(unwatch(fd, 9)), show(unwatch(0, 1)), show(unwatch(-1, 1)));
    println!("nothing yet: {} {}", poll(fd, libc::POLLIN | libc::POLLOUT, 0), show(read(fd, 100).map(|_| 0)));
    // SAFETY: the bytes are readable.
    println!("write: {}", show(outcome(unsafe { libc::write(fd, [0u8].as_ptr().cast(), 1) } as i64)));
    // SAFETY: the calls take no memory.
    println!("seek: {}", show(outcome(unsafe { libc::lseek(fd, 0, libc::SEEK_SET) })));
    let _ = close(fd);
    leave();
}

fn in_a_directory() {
    directory("within");
    let fd = instance(libc::IN_NONBLOCK);
    println!("{}", show(watch(fd, ".", libc::IN_ALL_EVENTS)));
    let mut file = File::create("file").expect("a file");
    told(fd);
    file.write_all(b"one").and_then(|()| file.write_all(b"two")).expect("written");
    drop(file);
    told(fd);
    println!("{}", fs::read_to_string("file").expect("a file"));
    told(fd);
    fs::set_permissions("file", fs::Permissions::from_mode(0o600)).expect("changed");
    told(fd);
    OpenOptions::new().write(true).truncate(true).open("file").expect("a file");
    told(fd);
    File::options().write(true).open("file").and_then(|file| file.set_len(100)).expect("stretched");
    told(fd);
    fs::hard_link("file", "a second name").expect("a link");
    told(fd);
    symlink("file", "link").expect("a link");
    told(fd);
    fs::create_dir("below").expect("a directory");
    told(fd);
    println!("{}", fs::read_dir("below").expect("a directory").count());
    told(fd);
    fs::remove_file("file").expect("removed");
    told(fd);
    fs::remove_dir("below").expect("removed");
    told(fd);
    fs::remove_file("link").expect("removed");
    told(fd);
    let _ = close(fd);
    leave();
}

fn of_a_file() {
    directory("itself");
    fs::write("file", "contents").expect("a file");
    let fd = instance(libc::IN_NONBLOCK);
    println!("{}", show(watch(fd, "file", libc::IN_ALL_EVENTS)));
    let mut file = OpenOptions::new().read(true).write(true).open("file").expect("a file");
    let mut bytes = [0; 4];
    for _ in 0..2 {
        file.read_exact(&mut bytes).expect("bytes");
        told(fd);
    }
    println!("at the end: {}", file.read(&mut bytes).expect("nothing"));
    told(fd);
    file.write_all(b"more").expect("written");
    told(fd);
    let times = fs::FileTimes::new().set_accessed(std::time::UNIX_EPOCH);
    file.set_times(times).expect("set");
    told(fd);
    fs::rename("file", "moved").expect("moved");
    told(fd);
    fs::remove_file("moved").expect("removed");
    told(fd);
    println!("still open");
    drop(file);
    told(fd);
    let _ = close(fd);
    leave();
}

fn moves() {
    directory("moves");
    for name in ["one", "other"] {
        fs::create_dir(name).expect("a directory");
    }
    let fd = instance(libc::IN_NONBLOCK);
    println!("{} {}", show(watch(fd, "one", libc::IN_ALL_EVENTS)), show(watch(fd, "other", libc::IN_ALL_EVENTS)));
    fs::write("one/a", "").expect("a file");
    fs::write("other/b", "").expect("a file");
    told(fd);
    println!("{}", show(watch(fd, "other/b", libc::IN_ALL_EVENTS)));
    fs::rename("one/a", "one/c").expect("moved");
    told(fd);
    fs::rename("one/c", "other/c").expect("moved");
    told(fd);
    println!("over another");
    fs::rename("other/c", "other/b").expect("moved");
    told(fd);
    fs::rename("other", "one/inside").expect("moved");
    told(fd);
    let _ = close(fd);
    leave();
}

fn removed_directory() {
    directory("removed");
    fs::create_dir("below").expect("a directory");
    let fd = instance(libc::IN_NONBLOCK);
    println!("{}", show(watch(fd, "below", libc::IN_ALL_EVENTS)));
    fs::remove_dir("below").expect("removed");
    told(fd);
    fs::create_dir("below").expect("a directory");
    println!("another: {}", show(watch(fd, "below", libc::IN_DELETE_SELF)));
    fs::remove_dir("below").expect("removed");
    told(fd);
    let _ = close(fd);
    leave();
}

fn masks() {
    directory("masks");
    fs::write("file", "x").expect("a file");
    fs::hard_link("file", "same").expect("a link");
    symlink("file", "link").expect("a link");
    let fd = instance(libc::IN_NONBLOCK);
    println!("one inode, one watch: {} {}", show(watch(fd, "file", libc::IN_OPEN)), show(watch(fd, "same", libc::IN_CLOSE)));
    File::open("file").expect("a file");
    told(fd);
    println!("more: {}", show(watch(fd, "link", libc::IN_OPEN | libc::IN_MASK_ADD)));
    File::open("file").expect("a file");
    told(fd);
    println!("the link itself: {}", show(watch(fd, "link", libc::IN_ATTRIB | libc::IN_DELETE_SELF | libc::IN_DONT_FOLLOW)));
    fs::remove_file("link").expect("removed");
    told(fd);
    println!("once: {}", show(watch(fd, "same", libc::IN_OPEN | libc::IN_ONESHOT)));
    File::open("file").expect("a file");
    File::open("file").expect("a file");
    told(fd);
    println!("again: {}", show(watch(fd, "file", libc::IN_OPEN)));
    println!("taken away: {}", show(unwatch(fd, 4)));
    println!("taken away: {}", show(unwatch(fd, 3)));
    File::open("file").expect("a file");
    told(fd);
    let _ = close(fd);
    leave();
}

fn queue() {
    directory("queue");
    fs::write("file", "x").expect("a file");
    let fd = instance(libc::IN_NONBLOCK);
    println!("{} {}", show(watch(fd, ".", libc::IN_OPEN | libc::IN_CLOSE)), show(watch(fd, "file", libc::IN_CLOSE)));
    let unread = || {
        let mut bytes = 0i32;
        // SAFETY: the number is the call's to fill.
        outcome(unsafe { libc::ioctl(fd, libc::FIONREAD as _, &raw mut bytes) }).map(|_| i64::from(bytes))
    };
    File::open("file").expect("a file");
    println!("{} {}", show(unread()), poll(fd, libc::POLLIN | libc::POLLOUT, 0));
    println!("too small: {} {}", show(read(fd, 0).map(|_| 0)), show(read(fd, 31).map(|_| 0)));
    for room in [32, 64, 40] {
        print!("{room}:\n{}", read(fd, room).map_or_else(|error| format!("  {error}\n"), |bytes| shown(&bytes)));
        println!("{}", show(unread()));
    }
    fs::write(["a"; 40].concat(), "").expect("a file");
    told(fd);
    println!("the same twice is told once");
    println!("{}", show(watch(fd, "file", libc::IN_MODIFY | libc::IN_ATTRIB)));
    let mut file = OpenOptions::new().write(true).open("file").expect("a file");
    for _ in 0..3 {
        file.write_all(b"y").expect("written");
    }
    fs::set_permissions("file", fs::Permissions::from_mode(0o600)).expect("changed");
    file.write_all(b"y").expect("written");
    drop(file);
    told(fd);
    let _ = close(fd);
    leave();
}

fn between_processes() {
    directory("processes");
    let fd = instance(0);
    println!("{}", show(watch(fd, ".", libc::IN_CREATE | libc::IN_MODIFY | libc::IN_CLOSE_WRITE)));
    let writer = child(|| {
        pause(20);
        i32::from(fs::write("file", "contents").is_err())
    });
    println!("{}", poll(fd, libc::POLLIN, 10_000));
    println!("{}", writer.end());
    told(fd);
    println!("less: {}", show(watch(fd, ".", libc::IN_CREATE)));
    let reader = child(|| {
        let bytes = read(fd, 1 << 12);
        i32::from(!bytes.is_ok_and(|bytes| shown(&bytes).contains("CREATE cookie 0 16 \"another\"")))
    });
    pause(20);
    File::create("another").expect("a file");
    println!("one queue for both: {}", reader.end());
    let adder = child(|| watch(fd, "file", libc::IN_OPEN).map_or(9, |number| number as i32));
    println!("a child's watch is its parent's: {}", adder.end());
    let other = child(|| {
        let fd = File::open("file");
        i32::from(fd.is_err())
    });
    println!("{}", other.end());
    pause(20);
    told(fd);
    let _ = close(fd);
    leave();
}

fn descriptors() {
    directory("descriptors");
    fs::create_dir("below").expect("a directory");
    fs::write("below/file", "x").expect("a file");
    let fd = instance(libc::IN_NONBLOCK);
    println!("{}", show(watch(fd, "below", libc::IN_ALL_EVENTS)));
    println!("{}", show(watch(fd, "below/file", libc::IN_MODIFY)));
    let file = OpenOptions::new().write(true).open("below/file").expect("a file");
    // SAFETY: the calls take no memory but the bytes.
    unsafe {
        println!("{}", show(outcome(libc::pwrite(file.as_raw_fd(), b"ab".as_ptr().cast(), 2, 10) as i64)));
        println!("{}", show(outcome(libc::fchmod(file.as_raw_fd(), 0o640))));
        println!("{}", show(outcome(libc::ftruncate(file.as_raw_fd(), 3))));
        println!("{}", show(outcome(libc::fallocate(file.as_raw_fd(), 0, 0, 100))));
    }
    told(fd);
    println!("by another descriptor of it");
    let twin = file.try_clone().expect("a descriptor");
    drop(file);
    told(fd);
    drop(twin);
    told(fd);
    let _ = close(fd);
    leave();
}

fn main() {
    run(&[
        ("refusals", refusals),
        ("in a directory", in_a_directory),
        ("of a file", of_a_file),
        ("moves", moves),
        ("a removed directory", removed_directory),
        ("masks", masks),
        ("queue", queue),
        ("between processes", between_processes),
        ("descriptors", descriptors),
    ]);
}
