//! What one process is told of names and files when another changes them, or when it becomes another itself: every question is asked before the
//! change, more than once, and again right after it.
#![expect(clippy::undocumented_unsafe_blocks, reason = "each block is a plain call, on numbers and on strings of the program's own")]

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use linux_programs::family::{await_number, child, end_of, run, shared};
use linux_programs::{called, error_name};

/// A folder of this process's own, which everybody may search.
fn folder() -> PathBuf {
    let path = PathBuf::from(format!("/tmp/coherence-{}", std::process::id()));
    let _ = fs::remove_dir_all(&path);
    fs::create_dir(&path).expect("a folder");
    mode(&path, 0o755);
    path
}

fn text(path: impl AsRef<Path>) -> CString {
    CString::new(path.as_ref().to_str().expect("a path of letters")).expect("no NUL")
}

fn mode(path: impl AsRef<Path>, bits: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(bits)).expect("one's own");
}

fn write(path: impl AsRef<Path>, bytes: &str) {
    fs::write(path, bytes).expect("a file");
}

fn errno(error: &std::io::Error) -> String {
    error.raw_os_error().map_or_else(|| error.to_string(), error_name)
}

fn told(metadata: std::io::Result<fs::Metadata>) -> String {
    match metadata {
        Err(error) => errno(&error),
        Ok(found) if found.is_dir() => format!("directory {:o}", found.mode() & 0o7777),
        Ok(found) => format!("{} bytes, {:o}, {} links", found.len(), found.mode(), found.nlink()),
    }
}

/// stat(2), and open(2) with fstat(2) and what is read.
fn look(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    let stated = told(fs::metadata(path));
    let opened = match File::open(path) {
        Err(error) => errno(&error),
        Ok(mut file) => {
            let of_file = told(file.metadata());
            let mut bytes = String::new();
            match file.read_to_string(&mut bytes) {
                Ok(_) if of_file == stated => format!("{bytes:?}"),
                Ok(_) => format!("{of_file}, {bytes:?}"),
                Err(error) => errno(&error),
            }
        }
    };
    format!("{stated}; {opened}")
}

/// The same, until it is well known.
fn look_often(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    for _ in 0..3 {
        look(path);
    }
    look(path)
}

/// A process that looks at paths when it is asked.
struct Other {
    to: File,
    from: BufReader<File>,
    id: i32,
}

fn ends() -> (File, File) {
    let mut ends = [0; 2];
    assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0);
    let [read, write] = ends.map(|fd| unsafe { File::from_raw_fd(fd) });
    (read, write)
}

impl Other {
    fn begin(prepare: impl FnOnce()) -> Other {
        let (questions, to) = ends();
        let (from, mut answers) = ends();
        let (to_fd, from_fd) = (to.as_raw_fd(), from.as_raw_fd());
        let id = child(|| {
            unsafe { (libc::close(to_fd), libc::close(from_fd)) };
            prepare();
            for path in BufReader::new(questions).lines().map_while(Result::ok) {
                writeln!(answers, "{}", look_often(path)).expect("somebody reads");
            }
            0
        });
        Other { to, from: BufReader::new(from), id }
    }

    fn look(&mut self, path: impl AsRef<Path>) -> String {
        writeln!(self.to, "{}", path.as_ref().display()).expect("it reads");
        let mut answer = String::new();
        self.from.read_line(&mut answer).expect("it answers");
        answer.trim_end().into()
    }

    fn end(self) {
        drop((self.to, self.from));
        assert_eq!(end_of(self.id), "exit 0");
    }
}

/// Ask the other and oneself, and say what both answer.
fn both(what: &str, other: &mut Other, path: impl AsRef<Path>) {
    let path = path.as_ref();
    let (own, others) = (look_often(path), other.look(path));
    println!("{what}: {own}{}", if own == others { String::new() } else { format!(" | other: {others}") });
}

fn names() {
    let at = folder();
    let mut other = Other::begin(|| ());
    let (one, two) = (at.join("one"), at.join("two"));
    both("nothing", &mut other, &one);
    write(&one, "first");
    both("made", &mut other, &one);
    write(&two, "the second");
    fs::rename(&two, &one).expect("rename");
    both("replaced", &mut other, &one);
    both("gone", &mut other, &two);
    fs::rename(&one, &two).expect("rename");
    both("moved away", &mut other, &one);
    both("moved there", &mut other, &two);
    fs::remove_file(&two).expect("unlink");
    both("removed", &mut other, &two);
    write(&two, "again");
    both("made again", &mut other, &two);
    fs::hard_link(&two, &one).expect("link");
    both("linked", &mut other, &two);
    fs::remove_file(&two).expect("unlink");
    both("the other link", &mut other, &one);
    other.end();
}

fn directories() {
    let at = folder();
    let mut other = Other::begin(|| ());
    for (name, bytes) in [("a", "in a"), ("b", "in the b")] {
        fs::create_dir_all(at.join(name).join("deep/down")).expect("folders");
        write(at.join(name).join("deep/down/file"), bytes);
    }
    let file = at.join("a/deep/down/file");
    both("a", &mut other, &file);
    let exchange = |from: &Path, to: &Path| unsafe {
        libc::syscall(libc::SYS_renameat2, libc::AT_FDCWD, text(from).as_ptr(), libc::AT_FDCWD, text(to).as_ptr(), 2)
    };
    assert_eq!(exchange(&at.join("a"), &at.join("b")), 0);
    both("exchanged", &mut other, &file);
    fs::rename(at.join("a/deep"), at.join("a/elsewhere")).expect("rename");
    both("moved above it", &mut other, &file);
    fs::create_dir_all(at.join("a/deep/down")).expect("folders");
    both("an empty one there", &mut other, &file);
    fs::rename(at.join("a/elsewhere/down/file"), &file).expect("rename");
    both("brought back", &mut other, &file);
    let down = at.join("a/deep/down");
    both("directory", &mut other, &down);
    mode(&down, 0o700);
    both("its mode", &mut other, &down);
    fs::remove_file(&file).expect("unlink");
    fs::remove_dir(&down).expect("rmdir");
    both("no directory", &mut other, &down);
    write(&down, "a file now");
    both("a file instead", &mut other, &down);
    both("below a file", &mut other, &file);
    both("with a slash", &mut other, at.join("a/deep/down/"));
    other.end();
}

fn links() {
    let at = folder();
    let mut other = Other::begin(|| ());
    let (link, way) = (at.join("link"), at.join("way"));
    fs::create_dir_all(at.join("left")).expect("a folder");
    fs::create_dir_all(at.join("right")).expect("a folder");
    write(at.join("left/file"), "left");
    write(at.join("right/file"), "on the right");
    symlink("left/file", &link).expect("symlink");
    symlink(at.join("left"), &way).expect("symlink");
    both("link", &mut other, &link);
    both("way", &mut other, at.join("way/file"));
    let turn = |place: &Path, target: &Path| {
        fs::remove_file(place).expect("unlink");
        symlink(target, place).expect("symlink");
    };
    turn(&link, Path::new("right/file"));
    turn(&way, &at.join("right"));
    both("link turned", &mut other, &link);
    both("way turned", &mut other, at.join("way/file"));
    turn(&link, Path::new("nowhere"));
    both("dangling", &mut other, &link);
    write(at.join("nowhere"), "somewhere");
    both("no longer", &mut other, &link);
    turn(&way, &way);
    both("in circles", &mut other, at.join("way/file"));
    println!(
        "itself: {}",
        fs::symlink_metadata(&link).map_or_else(|error| errno(&error), |found| found.file_type().is_symlink().to_string())
    );
    other.end();
}

fn contents() {
    let at = folder();
    let path = at.join("file");
    write(&path, "");
    let mut other = Other::begin(|| ());
    both("empty", &mut other, &path);
    let mut file = OpenOptions::new().append(true).open(&path).expect("open");
    file.write_all(b"some").expect("write");
    both("written", &mut other, &path);
    file.write_all(b" more").expect("write");
    both("appended", &mut other, &path);
    file.set_len(2).expect("ftruncate");
    both("cut", &mut other, &path);
    file.set_len(4).expect("ftruncate");
    both("stretched", &mut other, &path);
    let stated = fs::metadata(&path).expect("stat");
    let third = std::time::UNIX_EPOCH + std::time::Duration::new(3, 7);
    file.set_modified(third).expect("one's own");
    let later = fs::metadata(&path).expect("stat");
    println!("time set: {} {} {}", later.mtime(), later.mtime_nsec(), later.ctime() >= stated.ctime());
    println!("as fstat has it: {}", file.metadata().expect("fstat").mtime());
    let reader = OpenOptions::new().read(true).write(true).open(&path).expect("open");
    let blocks = fs::metadata(&path).expect("stat").blocks();
    reader.set_len(1 << 20).expect("ftruncate");
    (&reader).seek(SeekFrom::Start(1 << 19)).expect("lseek");
    (&reader).write_all(b"in the middle").expect("write");
    println!("blocks grow: {}", fs::metadata(&path).expect("stat").blocks() > blocks);
    let memory =
        unsafe { libc::mmap(std::ptr::null_mut(), 4096, libc::PROT_WRITE | libc::PROT_READ, libc::MAP_SHARED, reader.as_raw_fd(), 0) };
    file.set_modified(third).expect("one's own");
    println!("before a store: {}", fs::metadata(&path).expect("stat").mtime());
    unsafe { memory.cast::<u8>().write_volatile(b'X') };
    unsafe { libc::msync(memory, 4096, libc::MS_SYNC) };
    println!("after a store: {}", fs::metadata(&path).expect("stat").mtime() > 3);
    other.end();
}

/// A process's own changes of where it is and who it is.
fn selves() {
    let at = folder();
    for (name, bytes) in [("a", "in a"), ("b", "in the b")] {
        fs::create_dir(at.join(name)).expect("a folder");
        write(at.join(name).join("file"), bytes);
    }
    write(at.join("file"), "above");
    let here = |path: &Path| std::env::set_current_dir(path).expect("chdir");
    here(&at.join("a"));
    println!("a: {}, {}", look_often("file"), look_often("../file"));
    here(&at.join("b"));
    println!("b: {}, {}", look_often("file"), look_often("../file"));
    let id = child(|| {
        println!("child: {}", look("file"));
        std::env::set_current_dir(at.join("a")).expect("chdir");
        println!("child elsewhere: {}", look_often("file"));
        0
    });
    assert_eq!(end_of(id), "exit 0");
    println!("parent stays: {}", look("file"));
    fs::create_dir(at.join("c")).expect("a folder");
    write(at.join("c/file"), "beside");
    fs::rename(at.join("b"), at.join("c/b")).expect("rename");
    println!("moved with it: {}, {}", look_often("file"), look_often("../file"));
    fs::remove_file("file").expect("unlink");
    fs::remove_dir(at.join("c/b")).expect("rmdir");
    println!("removed below it: {}, {}", look_often("."), look_often("file"));

    // The number of a directory's descriptor means another one.
    let directory = |name: &str| OpenOptions::new().read(true).custom_flags(libc::O_DIRECTORY).open(at.join(name)).expect("open");
    write(at.join("c/name"), "in c");
    write(at.join("a/name"), "from a");
    let size = |fd: i32| {
        let mut found = unsafe { std::mem::zeroed::<libc::stat>() };
        let name = text("name");
        let outcomes = [(); 3].map(|()| unsafe { libc::fstatat(fd, name.as_ptr(), &raw mut found, 0) });
        format!("{outcomes:?} {}", found.st_size)
    };
    let first = directory("c");
    let number = first.as_raw_fd();
    println!("at c: {}", size(number));
    drop(first);
    let second = directory("a");
    println!("at a: {} {}", second.as_raw_fd() == number, size(number));

    if unsafe { libc::geteuid() } != 0 {
        return;
    }
    let id = child(|| {
        write(at.join("only"), "roots");
        mode(at.join("only"), 0o600);
        mode(at.join("a"), 0o700);
        let places = [at.join("only"), at.join("a/name"), at.join("file")];
        let say = |who: &str| places.iter().for_each(|place| println!("{who}: {}", look_often(place)));
        say("root");
        assert_eq!(unsafe { libc::seteuid(54321) }, 0);
        say("user");
        assert_eq!(unsafe { libc::seteuid(0) }, 0);
        say("root again");
        assert_eq!(unsafe { libc::chroot(text(at.join("c")).as_ptr()) }, 0);
        println!("chroot: {}, {}", look_often("/name"), look_often("/../name"));
        0
    });
    assert_eq!(end_of(id), "exit 0");
}

/// Rights that come and go: who had looked may look no more.
fn rights() {
    if unsafe { libc::geteuid() } != 0 {
        return;
    }
    let at = folder();
    fs::create_dir_all(at.join("a/b")).expect("folders");
    write(at.join("a/b/file"), "text");
    for place in ["a", "a/b"] {
        mode(at.join(place), 0o755);
    }
    mode(at.join("a/b/file"), 0o644);
    let mut user = Other::begin(|| unsafe {
        assert_eq!(libc::setgroups(0, std::ptr::null()), 0);
        assert_eq!(libc::setresgid(54321, 54321, 54321), 0);
        assert_eq!(libc::setresuid(54321, 54321, 54321), 0);
    });
    let file = at.join("a/b/file");
    both("all", &mut user, &file);
    for (what, place, bits) in [
        ("file closed", "a/b/file", 0o600),
        ("file open", "a/b/file", 0o644),
        ("folder closed", "a", 0o700),
        ("folder searched", "a", 0o711),
        ("inner closed", "a/b", 0o644),
        ("inner open", "a/b", 0o755),
    ] {
        mode(at.join(place), bits);
        both(what, &mut user, &file);
    }
    assert_eq!(unsafe { libc::chown(text(at.join("a")).as_ptr(), 54321, 54321) }, 0);
    mode(at.join("a"), 0o700);
    both("the user's own", &mut user, &file);
    assert_eq!(unsafe { libc::chown(text(at.join("a")).as_ptr(), 0, 0) }, 0);
    both("not any more", &mut user, &file);
    user.end();
}

/// A name that is always there, while another process puts one file after the other in its place.
fn races() {
    const ROUNDS: i32 = 400;
    let at = folder();
    let (name, next) = (at.join("name"), at.join("next"));
    write(&name, &"x".repeat(7));
    let progress = shared();
    let id = child(|| {
        for round in 0..ROUNDS {
            write(&next, &"x".repeat(7 + round as usize % 5));
            fs::rename(&next, &name).expect("rename");
            progress[0].fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            if round % 8 == 0 {
                unsafe { libc::sched_yield() };
            }
        }
        0
    });
    let (mut wrong, mut seen) = (0, 0);
    loop {
        let done = progress[0].load(std::sync::atomic::Ordering::Relaxed);
        let stated = fs::metadata(&name).map(|found| found.len());
        let read = File::open(&name).and_then(|mut file| {
            let mut bytes = Vec::new();
            let size = file.metadata()?.len();
            file.read_to_end(&mut bytes)?;
            Ok((size, bytes.len() as u64))
        });
        match (stated, read) {
            (Ok(stated), Ok((size, count))) if (7..12).contains(&stated) && size == count => seen += 1,
            _ => wrong += 1,
        }
        if done == ROUNDS {
            break;
        }
        unsafe { libc::sched_yield() };
    }
    await_number(&progress[0], ROUNDS);
    println!("wrong {wrong}, seen {}, last: {}", seen > 0, look(&name));
    assert_eq!(end_of(id), "exit 0");
}

fn flock(file: &File, how: i32) -> String {
    called(unsafe { libc::flock(file.as_raw_fd(), how) })
}

/// Files that are opened again and again: each opening is one of its own.
fn openings() {
    let at = folder();
    let path = at.join("file");
    write(&path, "contents");
    look_often(&path);
    let [first, second] = [(); 2].map(|()| File::open(&path).expect("open"));
    let mut byte = [0; 4];
    (&first).read_exact(&mut byte).expect("read");
    println!("offsets: {:?} {:?}", (&first).stream_position().expect("lseek"), (&second).stream_position().expect("lseek"));
    println!("flock: {} {}", flock(&first, libc::LOCK_EX), flock(&second, libc::LOCK_EX | libc::LOCK_NB));
    drop(first);
    println!("let go: {}", flock(&second, libc::LOCK_EX | libc::LOCK_NB));
    let third = File::open(&path).expect("open");
    println!("another's: {}", flock(&third, libc::LOCK_SH | libc::LOCK_NB));
    let duplicate = second.try_clone().expect("dup");
    drop(second);
    println!("a duplicate holds it: {}", flock(&third, libc::LOCK_SH | libc::LOCK_NB));
    let id = child(|| {
        println!("so does a child: {}", flock(&duplicate, libc::LOCK_EX | libc::LOCK_NB));
        0
    });
    assert_eq!(end_of(id), "exit 0");
    drop(duplicate);
    println!("free: {}", flock(&third, libc::LOCK_SH | libc::LOCK_NB));
    drop(third);

    // What is open stays, whatever becomes of its name.
    look_often(&path);
    let mut kept = File::open(&path).expect("open");
    fs::remove_file(&path).expect("unlink");
    write(&path, "new");
    println!("kept: {}; new: {}", told(kept.metadata()), look_often(&path));
    let mut bytes = String::new();
    kept.read_to_string(&mut bytes).expect("read");
    println!("read: {bytes:?}");
    drop(kept);
    println!("still: {}", look_often(&path));

    // Once open for one thing, another is another matter.
    let open = |flags: i32| {
        let fd = unsafe { libc::open(text(&path).as_ptr(), flags) };
        if fd < 0 { called(fd) } else { format!("open {}", unsafe { libc::close(fd) }) }
    };
    println!(
        "as a directory: {}, to write: {}, made anew: {}",
        open(libc::O_DIRECTORY),
        open(libc::O_WRONLY),
        open(libc::O_CREAT | libc::O_EXCL)
    );
    println!("cut: {}, {}", open(libc::O_RDWR | libc::O_TRUNC), look_often(&path));
    for _ in 0..3 {
        assert_eq!(open(libc::O_RDONLY | libc::O_CLOEXEC), "open 0");
    }
    let plain = File::open(&path).expect("open").as_raw_fd();
    println!("flags: {}", unsafe { libc::fcntl(plain, libc::F_GETFD) } == -1);
    let fd = unsafe { libc::open(text(&path).as_ptr(), libc::O_RDONLY) };
    println!("no flag: {} {}", unsafe { libc::fcntl(fd, libc::F_GETFD) }, unsafe { libc::write(fd, b"x".as_ptr().cast(), 1) });
    let mapped = unsafe { libc::mmap(std::ptr::null_mut(), 4096, libc::PROT_READ, libc::MAP_PRIVATE, fd, 0) };
    write(&path, "mapped");
    unsafe { libc::close(fd) };
    fs::remove_file(&path).expect("unlink");
    let first = unsafe { mapped.cast::<[u8; 6]>().read_volatile() };
    println!("mapped: {:?}", String::from_utf8_lossy(&first));
}

/// Devices are found by their names too.
fn devices() {
    let look = |path: &str| {
        let mut answers = Vec::new();
        for _ in 0..3 {
            let mut bytes = [1; 3];
            let read = File::open(path).and_then(|mut file| file.read(&mut bytes));
            answers.push(format!("{:?} {bytes:?}", read.map_err(|error| errno(&error))));
        }
        answers.dedup();
        println!("{path}: {answers:?}");
    };
    look("/dev/null");
    look("/dev/zero");
    let [one, two] = [(); 2].map(|()| fs::metadata("/dev/null").expect("stat"));
    println!("same: {} {}", one.rdev() == two.rdev(), one.ino() == two.ino());
    let file = OpenOptions::new().write(true).open("/dev/null").expect("open");
    println!("written: {:?}", (&file).write(b"some bytes").map_err(|error| errno(&error)));
}

fn main() {
    run(&[
        ("names", names),
        ("directories", directories),
        ("links", links),
        ("contents", contents),
        ("selves", selves),
        ("rights", rights),
        ("races", races),
        ("openings", openings),
        ("devices", devices),
    ]);
}
