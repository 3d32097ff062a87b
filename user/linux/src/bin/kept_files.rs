//! Files that are opened again and again while their names, contents, owners and readers change.

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt, symlink};

use linux_programs::descriptors::{child, outcome, read, run, show};

/// What is in a file, read anew; its size by the open file is what was read.
fn look(path: &str) -> String {
    let mut text = String::new();
    let outcome = File::open(path).and_then(|mut file| {
        file.read_to_string(&mut text)?;
        file.metadata()
    });
    match outcome {
        Ok(state) if state.len() == text.len() as u64 => text,
        Ok(state) => format!("{} bytes, read {text:?}", state.len()),
        Err(error) => linux_programs::error_name(error.raw_os_error().unwrap_or_default()),
    }
}

/// The same, three times: from the second on the library may have it at hand.
fn looks(path: &str) -> String {
    let found = [look(path), look(path), look(path)];
    if found.iter().all(|other| *other == found[0]) { found[0].clone() } else { format!("{found:?}") }
}

fn put(path: &str, text: &str) {
    fs::write(path, text).expect("a file");
}

/// A directory of a case's own.
fn directory(name: &str) -> String {
    let place = format!("/tmp/kept-files-{}-{name}", std::process::id());
    let _ = fs::remove_dir_all(&place);
    fs::create_dir_all(&place).expect("a directory");
    place
}

fn offsets() {
    let place = directory("offsets");
    let path = format!("{place}/file");
    put(&path, "0123456789");
    looks(&path);
    let (mut one, mut other) = (File::open(&path).expect("a file"), File::open(&path).expect("a file"));
    println!("seek {:?}", one.seek(SeekFrom::Start(4)).ok());
    let mut bytes = [0; 3];
    println!("one {:?} {}", one.read_exact(&mut bytes).is_ok(), String::from_utf8_lossy(&bytes));
    println!("other {:?} {}", other.read_exact(&mut bytes).is_ok(), String::from_utf8_lossy(&bytes));
    println!("inherited: {}", child(|| i32::from(one.seek(SeekFrom::Current(2)).ok() != Some(9))).end());
    println!("moved by the child to {:?}, the other at {:?}", one.stream_position().ok(), other.stream_position().ok());
    println!("write {:?}", one.write(b"x").map_err(|error| error.raw_os_error()));
    println!("at 8 {:?}", other.read_at(&mut bytes, 8).ok());
    drop(one);
    println!("after the first is closed: {:?}", other.read_at(&mut bytes, 0).ok());
}

fn contents() {
    let place = directory("contents");
    let path = format!("{place}/file");
    put(&path, "first");
    println!("{}", looks(&path));
    put(&path, "second and longer");
    println!("{}", looks(&path));
    let held = File::open(&path).expect("a file");
    OpenOptions::new().append(true).open(&path).and_then(|mut file| file.write_all(b", appended")).expect("a file");
    println!("{} held {:?}", looks(&path), held.metadata().map(|state| state.len()).ok());
    let writer = format!("{place}/file");
    println!("child {}", child(move || fs::write(&writer, "by a child").map_or(1, |()| 0)).end());
    println!("{}", looks(&path));
    let _ = OpenOptions::new().write(true).open(&path).and_then(|file| file.set_len(2));
    println!("{} held {:?}", looks(&path), held.metadata().map(|state| state.len()).ok());
    put(&path, "");
    println!("empty {:?}", looks(&path));
    put(&path, &"page ".repeat(5000));
    println!("long {}", looks(&path).len());
}

fn names() {
    let place = directory("names");
    let at = |name: &str| format!("{place}/{name}");
    put(&at("a"), "a");
    put(&at("b"), "b");
    println!("{} {} {}", looks(&at("a")), looks(&at("b")), looks(&at("c")));
    fs::rename(at("a"), at("c")).expect("a file");
    println!("moved: {} {} {}", looks(&at("a")), looks(&at("b")), looks(&at("c")));
    fs::rename(at("c"), at("b")).expect("a file");
    println!("over another: {} {} {}", looks(&at("a")), looks(&at("b")), looks(&at("c")));
    let held = File::open(at("b")).expect("a file");
    fs::remove_file(at("b")).expect("a file");
    println!("removed: {}, held with {:?} names", looks(&at("b")), held.metadata().map(|state| state.nlink()).ok());
    put(&at("b"), "another b");
    println!("made again: {}", looks(&at("b")));
    fs::hard_link(at("b"), at("d")).expect("a link");
    println!("linked: {} names {:?}", looks(&at("d")), fs::metadata(at("d")).map(|state| state.nlink()).ok());
    let gone = at("b");
    println!("child {}", child(move || fs::remove_file(&gone).map_or(1, |()| 0)).end());
    println!("removed by a child: {} {}", looks(&at("b")), looks(&at("d")));
    for number in 0..200 {
        put(&at(&format!("many-{number}")), &number.to_string());
    }
    let sum = |_| (0..200).map(|number| looks(&at(&format!("many-{number}"))).parse::<u32>().unwrap_or(0)).sum::<u32>();
    println!("many: {:?}", [0, 1].map(sum));
    println!("as a directory: {} {}", looks(&at("d/")), looks(&at("d/x")));
    println!("the directory: {}", looks(&place));
    println!("by a detour: {}", looks(&at("../names-that-are-not/../d")));
    println!("by a dot: {} {}", looks(&at("./d")), looks(&at(".//d")));
    let other = format!("{place}-moved");
    let _ = fs::remove_dir_all(&other);
    fs::rename(&place, &other).expect("a directory");
    println!("directory moved: {} {}", looks(&at("d")), looks(&format!("{other}/d")));
    fs::create_dir(&place).expect("a directory");
    put(&at("d"), "in another directory");
    println!("another directory: {} {}", looks(&at("d")), looks(&format!("{other}/d")));
}

fn links() {
    let place = directory("links");
    let at = |name: &str| format!("{place}/{name}");
    put(&at("one"), "one");
    put(&at("two"), "two");
    symlink("one", at("link")).expect("a link");
    println!("{}", looks(&at("link")));
    let unfollowed = || OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(at("link")).map_err(|error| error.raw_os_error());
    println!("not followed: {:?}", unfollowed().map(drop) == Err(Some(libc::ELOOP)));
    fs::remove_file(at("link")).expect("a link");
    symlink("two", at("link")).expect("a link");
    println!("to another: {}", looks(&at("link")));
    fs::create_dir(at("below")).expect("a directory");
    put(&at("below/file"), "below");
    symlink("below", at("way")).expect("a link");
    println!("on the way: {}", looks(&at("way/file")));
    fs::create_dir(at("beside")).expect("a directory");
    put(&at("beside/file"), "beside");
    fs::remove_file(at("way")).expect("a link");
    symlink("beside", at("way")).expect("a link");
    println!("on another way: {}", looks(&at("way/file")));
    let open = |flags: i32| {
        let path = CString::new(at("one")).expect("no NUL");
        // SAFETY: the path is a string.
        outcome(unsafe { libc::open(path.as_ptr(), flags) }).map(drop)
    };
    for (name, flags) in [("directory", libc::O_DIRECTORY), ("exclusive", libc::O_CREAT | libc::O_EXCL), ("write", libc::O_RDWR)] {
        println!("{name}: {:?}", open(flags));
    }
    println!("cut: {:?} {:?}", open(libc::O_TRUNC | libc::O_RDWR), looks(&at("one")));
}

/// As somebody who may do less, if the program may do everything; what it is told is the same.
fn rights() {
    let place = directory("rights");
    let path = format!("{place}/file");
    put(&path, "for all");
    fs::set_permissions(&place, fs::Permissions::from_mode(0o755)).expect("a directory");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("a file");
    println!("{}", looks(&path));
    // SAFETY: the calls take no memory.
    let is_root = unsafe { libc::geteuid() } == 0;
    let limited = |what: &str, mode: u32, of: &str| {
        fs::set_permissions(of, fs::Permissions::from_mode(mode)).expect("it is there");
        let path = path.clone();
        let status = child(move || {
            // SAFETY: the calls take no memory.
            if is_root
                // SAFETY: the calls take no memory.
                && unsafe {
                    libc::setgroups(0, std::ptr::null()) | libc::setresgid(65534, 65534, 65534) | libc::setresuid(65534, 65534, 65534)
                } != 0
            {
                return 2;
            }
            i32::from(looks(&path) != "for all")
        });
        println!("{what}: {}", status.end());
    };
    limited("all may read", 0o644, &path);
    limited("nobody may", 0, &path);
    limited("all may again", 0o644, &path);
    limited("nobody may pass", 0, &place);
    limited("all may pass", 0o755, &place);
    println!("{}", looks(&path));
}

fn locks() {
    let place = directory("locks");
    let path = format!("{place}/file");
    put(&path, "locked");
    looks(&path);
    let lock = |file: &File, how: i32| {
        // SAFETY: the call takes no memory.
        show(outcome(unsafe { libc::flock(file.as_raw_fd(), how | libc::LOCK_NB) }))
    };
    let (one, other) = (File::open(&path).expect("a file"), File::open(&path).expect("a file"));
    println!("one {} other {}", lock(&one, libc::LOCK_EX), lock(&other, libc::LOCK_EX));
    let second = path.clone();
    let tries = child(move || {
        let own = File::open(&second).expect("a file");
        i32::from(lock(&own, libc::LOCK_EX) != "EAGAIN") | i32::from(lock(&one, libc::LOCK_EX) != "0") << 1
    });
    println!("a child's own is refused, the inherited one is not: {}", tries.end());
    println!("the last of the first is closed: other {}", lock(&other, libc::LOCK_EX));
    let third = path.clone();
    println!(
        "a child is refused: {}",
        child(move || i32::from(lock(&File::open(&third).expect("a file"), libc::LOCK_SH) != "EAGAIN")).end()
    );
    drop(other);
    let again = File::open(&path).expect("a file");
    println!("free again: {}", lock(&again, libc::LOCK_SH));
}

fn watched() {
    let place = directory("watched");
    let path = format!("{place}/file");
    put(&path, "watched");
    looks(&path);
    let before = File::open(&path).expect("a file");
    // SAFETY: the call takes no memory.
    let notices = unsafe { libc::inotify_init1(libc::IN_NONBLOCK) };
    let name = CString::new(place.clone()).expect("no NUL");
    // SAFETY: the path is a string.
    let watch = unsafe { libc::inotify_add_watch(notices, name.as_ptr(), libc::IN_ALL_EVENTS) };
    println!("watched: {}", watch == 1);
    let told = || {
        let bytes = read(notices, 1 << 12).unwrap_or_default();
        let masks: Vec<u32> = bytes.chunks(32).map(|record| u32::from_ne_bytes(record[4..8].try_into().expect("four bytes"))).collect();
        println!("told {masks:x?}");
    };
    println!("{}", look(&path));
    told();
    println!("{}", look(&path));
    told();
    drop(before);
    told();
    // SAFETY: the descriptor is the program's.
    unsafe { libc::close(notices) };
    println!("{}", looks(&path));
}

fn shown() {
    let place = directory("shown");
    let path = format!("{place}/file");
    put(&path, "shown");
    looks(&path);
    let file = File::open(&path).expect("a file");
    let shown = |file: &File| {
        fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).map(|path| path.display().to_string().replace(&place, "")).ok()
    };
    println!("{:?}", shown(&file));
    fs::remove_file(&path).expect("a file");
    println!("{:?}", shown(&file));
    let state = file.metadata().expect("it is open");
    println!("{} bytes, {} names, mode {:o}", state.len(), state.nlink(), state.mode());
    let mut text = String::new();
    println!("{:?} {text}", (&file).read_to_string(&mut text).ok());
}

fn main() {
    run(&[
        ("offsets", offsets),
        ("contents", contents),
        ("names", names),
        ("links", links),
        ("rights", rights),
        ("locks", locks),
        ("watched", watched),
        ("shown", shown),
    ]);
    for name in ["offsets", "contents", "names", "names-moved", "links", "rights", "locks", "watched", "shown"] {
        let _ = fs::remove_dir_all(format!("/tmp/kept-files-{}-{name}", std::process::id()));
    }
}
