//! open(2) in all its ways: what exists and what does not, links, directories, places without contents, files without names.

use libc::{
    AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_FOLLOW, AT_SYMLINK_NOFOLLOW, F_GETFD, F_GETFL, F_SETFL, O_APPEND, O_CLOEXEC, O_CREAT, O_DIRECTORY,
    O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_PATH, O_RDONLY, O_RDWR, O_TMPFILE, O_TRUNC, O_WRONLY,
};
use linux_programs::calls::{held, in_folder, look, look_at, make, names, open, open_at, opened, opens, opens_at, put, take, text};
use linux_programs::family::run;
use linux_programs::{error_name, made};

/// What a descriptor was opened for: the C library's `O_ACCMODE` has `O_PATH` in it.
const ACCESS: i32 = 3;

fn symlink(target: &str, path: &str) -> String {
    made!(libc::symlink(text(target).as_ptr(), text(path).as_ptr()))
}

fn mkdir(path: &str) -> String {
    made!(libc::mkdir(text(path).as_ptr(), 0o777))
}

fn close(fd: i32) -> String {
    made!(libc::close(fd))
}

fn exclusive() {
    make("file", "x");
    mkdir("folder");
    symlink("nothing", "dangling");
    symlink("file", "link");
    for path in ["file", "folder", "dangling", "link", "file/x", "missing/x", ".", "/", "new"] {
        println!("{path}: {}", opens(path, O_RDWR | O_CREAT | O_EXCL));
    }
    println!("without O_CREAT: {}", opens("file", O_RDWR | O_EXCL));
}

fn creation_through_links() {
    symlink("target", "link");
    println!("{} {}", opens("link", O_WRONLY | O_CREAT | O_NOFOLLOW), names("."));
    println!("{} {}", opens("link", O_WRONLY), opens("link", O_WRONLY | O_CREAT));
    println!("{} {}", names("."), look("target"));
    symlink("gone/target", "far");
    println!("{}", opens("far", O_WRONLY | O_CREAT));
    symlink("new/", "slashed");
    println!("{} {}", opens("slashed", O_WRONLY | O_CREAT), names("."));
}

fn directories() {
    make("file", "x");
    mkdir("folder");
    symlink("folder", "link");
    for (label, flags) in [
        ("read", O_RDONLY),
        ("write", O_WRONLY),
        ("both", O_RDWR),
        ("truncated", O_RDONLY | O_TRUNC),
        ("created", O_RDONLY | O_CREAT),
        ("a directory", O_RDONLY | O_DIRECTORY),
        ("a directory, not followed", O_RDONLY | O_DIRECTORY | O_NOFOLLOW),
        ("a directory to write", O_WRONLY | O_DIRECTORY),
    ] {
        println!("{label}: {} {} {}", opens("folder", flags), opens("link", flags), opens("file", flags));
    }
    let fd = opened("folder", O_RDONLY);
    println!("{} {} {}", take(fd, 9), put(fd, b"x"), made!(libc::ftruncate(fd, 0)));
    println!("{} {}", made!(libc::fsync(fd)), made!(libc::lseek(fd, 0, libc::SEEK_CUR)));
}

fn trailing_slashes() {
    make("file", "x");
    mkdir("folder");
    symlink("file", "link");
    symlink("folder", "to-folder");
    for path in ["file/", "folder/", "folder//", "link/", "to-folder/", "new/", "file/.", "folder/.", "folder/./", "folder/.."] {
        println!("{path}: {} {}", opens(path, O_RDONLY), opens(path, O_RDWR | O_CREAT));
    }
    println!("{} {}", look("to-folder/"), look("link/"));
}

fn links_not_followed() {
    make("file", "contents");
    symlink("file", "link");
    mkdir("folder");
    symlink("folder", "to-folder");
    make("folder/inner", "x");
    println!("{} {} {}", opens("link", O_NOFOLLOW), opens("file", O_NOFOLLOW), opens("to-folder/inner", O_NOFOLLOW));
    let place = opened("link", O_PATH | O_NOFOLLOW);
    let mut target = [0u8; 16];
    let empty = text("");
    println!("{}", made!(libc::readlinkat(place, empty.as_ptr(), target.as_mut_ptr().cast(), 16)));
    println!("{} {}", String::from_utf8_lossy(&target[..4]), look_at(place, "", AT_EMPTY_PATH));
    println!("{} {}", take(place, 4), opens_at(place, "x", O_RDONLY));
    println!("{}", opens(&format!("/proc/self/fd/{place}"), O_RDONLY));
}

fn only_places() {
    make("file", "contents");
    mkdir("folder");
    make("folder/inner", "inner");
    let (file, folder) = (opened("file", O_PATH), opened("folder", O_PATH));
    println!("{} {} {}", take(file, 4), put(file, b"x"), made!(libc::lseek(file, 0, libc::SEEK_SET)));
    println!("{} {}", made!(libc::ftruncate(file, 0)), made!(libc::fsync(file)));
    println!("{} {}", made!(libc::syscall(libc::SYS_fchmod, file, 0o600)), made!(libc::syscall(libc::SYS_fchown, file, 0, 0)));
    println!("{} {}", made!(libc::flock(file, libc::LOCK_SH)), made!(libc::ioctl(file, libc::FIONREAD as _, 0)));
    println!("{}", made!(libc::mmap(std::ptr::null_mut(), 4096, libc::PROT_READ, libc::MAP_PRIVATE, file, 0).addr() as isize));
    // SAFETY: a plain call, which gives the error itself.
    println!("{}", error_name(unsafe { libc::posix_fadvise(file, 0, 0, 0) }));
    println!("{} {}", look_at(file, "", AT_EMPTY_PATH), look_at(folder, "inner", 0));
    println!(
        "{} {}",
        made!(libc::fcntl(file, F_GETFL) & (O_PATH | ACCESS)) == O_PATH.to_string(),
        made!(libc::fcntl(file, F_SETFL, O_NONBLOCK))
    );
    println!("{} {}", made!(libc::fcntl(file, F_GETFD)), made!(libc::dup(file)) != "EBADF");
    println!("{} {}", opens_at(folder, "inner", O_RDONLY), opens_at(file, "inner", O_RDONLY));
    println!("{}", opens(&format!("/proc/self/fd/{file}"), O_RDWR));
    println!("{} {}", made!(libc::fchdir(file)), made!(libc::fchdir(folder)));
    println!("{}", held("inner"));
    let mut entry = [0u8; 256];
    println!("{}", made!(libc::syscall(libc::SYS_getdents64, folder, entry.as_mut_ptr(), 256)));
    println!("{}", made!(libc::fchdir(opened("..", O_PATH))));
    println!("{}", made!(libc::linkat(file, text("").as_ptr(), AT_FDCWD, text("second").as_ptr(), AT_EMPTY_PATH)));
    println!("{} {}", look("second"), opens("file", O_PATH | O_CREAT | O_EXCL));
    println!("{}", opens("file", O_PATH | O_DIRECTORY));
    let mut polled = libc::pollfd { fd: file, events: libc::POLLIN, revents: 0 };
    println!("{} {}", made!(libc::poll(&raw mut polled, 1, 0)), polled.revents == libc::POLLNVAL);
}

fn unnamed() {
    mkdir("folder");
    make("file", "x");
    for (label, path, flags) in [
        ("to read", "folder", O_TMPFILE | O_RDONLY),
        ("in a file", "file", O_TMPFILE | O_RDWR),
        ("nowhere", "missing", O_TMPFILE | O_RDWR),
        ("created", "folder", O_TMPFILE | O_RDWR | O_CREAT),
        ("to write", "folder", O_TMPFILE | O_WRONLY),
    ] {
        println!("{label}: {}", opens(path, flags));
    }
    let fd = opened("folder", O_TMPFILE | O_RDWR);
    println!("{} {} {}", look_at(fd, "", AT_EMPTY_PATH), put(fd, b"nameless"), names("folder"));
    let own = text(&format!("/proc/self/fd/{fd}"));
    let shown = std::fs::read_link(format!("/proc/self/fd/{fd}")).map(|path| path.to_string_lossy().ends_with(" (deleted)"));
    println!("{shown:?}");
    println!("{}", made!(libc::linkat(AT_FDCWD, own.as_ptr(), AT_FDCWD, text("file").as_ptr(), AT_SYMLINK_FOLLOW)));
    println!("{}", made!(libc::linkat(AT_FDCWD, own.as_ptr(), AT_FDCWD, text("named").as_ptr(), AT_SYMLINK_FOLLOW)));
    println!("{} {}", look("named"), held("named"));
    println!("{}", made!(libc::linkat(AT_FDCWD, own.as_ptr(), AT_FDCWD, text("again").as_ptr(), AT_SYMLINK_FOLLOW)));
    println!("{}", look("again"));
    let never = opened("folder", O_TMPFILE | O_RDWR | O_EXCL);
    let own = text(&format!("/proc/self/fd/{never}"));
    println!("{}", made!(libc::linkat(AT_FDCWD, own.as_ptr(), AT_FDCWD, text("third").as_ptr(), AT_SYMLINK_FOLLOW)));
    println!("{}", made!(libc::linkat(never, text("").as_ptr(), AT_FDCWD, text("third").as_ptr(), AT_EMPTY_PATH)));
    println!("{}", made!(libc::rmdir(text("folder").as_ptr())));
}

fn truncation() {
    for flags in [O_WRONLY | O_TRUNC, O_RDWR | O_TRUNC, O_RDONLY | O_TRUNC, O_WRONLY | O_TRUNC | O_APPEND] {
        make("file", "contents");
        println!("{} {}", opens("file", flags), look("file"));
    }
    make("file", "contents");
    println!("{} {}", opens("file", O_PATH | O_TRUNC), look("file"));
    println!("{} {}", opens("file", O_RDWR | O_TRUNC | O_CREAT | O_EXCL), look("file"));
}

fn appending() {
    make("file", "one");
    let fd = opened("file", O_RDWR | O_APPEND);
    println!("{} {}", made!(libc::lseek(fd, 0, libc::SEEK_CUR)), put(fd, b"two"));
    println!("{}", made!(libc::lseek(fd, 0, libc::SEEK_CUR)));
    println!("{} {}", made!(libc::lseek(fd, 0, libc::SEEK_SET)), take(fd, 3));
    println!("{} {}", made!(libc::pwrite(fd, b"end".as_ptr().cast(), 3, 0)), held("file"));
    println!("{}", made!(libc::lseek(fd, 0, libc::SEEK_CUR)));
    println!("{}", made!(libc::fcntl(fd, F_SETFL, 0)));
    println!("{} {}", put(fd, b"X"), held("file"));
    println!("{}", made!(libc::fcntl(fd, F_SETFL, O_APPEND)));
    println!("{} {}", put(fd, b"Y"), held("file"));
}

fn flags() {
    let known =
        [("append", O_APPEND), ("nonblock", O_NONBLOCK), ("direct", libc::O_DIRECT), ("noatime", libc::O_NOATIME), ("sync", libc::O_SYNC)];
    let known =
        [&known[..], &[("creat", O_CREAT), ("excl", O_EXCL), ("trunc", O_TRUNC), ("cloexec", O_CLOEXEC), ("directory", O_DIRECTORY)]]
            .concat();
    let shown = |fd: i32| {
        // SAFETY: a plain call.
        let flags = unsafe { libc::fcntl(fd, F_GETFL) };
        let named: Vec<&str> = known.iter().filter(|(_, bits)| flags & bits == *bits).map(|(name, _)| *name).collect();
        format!("{} {}", flags & ACCESS, named.join("+"))
    };
    for flags in
        [O_RDONLY, O_WRONLY | O_CREAT | O_EXCL, O_RDWR | O_TRUNC | O_CLOEXEC, O_WRONLY | O_APPEND | O_NONBLOCK, O_RDWR | libc::O_SYNC]
    {
        println!("{}", open("file", flags).map_or_else(|error| error, shown));
    }
    println!("{}", shown(opened(".", O_DIRECTORY)));
    let fd = opened("file", O_RDWR);
    println!("{} {}", made!(libc::fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK | O_WRONLY | O_CREAT)), shown(fd));
    println!("{} {}", made!(libc::fcntl(fd, F_SETFL, 0)), shown(fd));
    println!("{}", made!(libc::fcntl(fd, 12345, 0)));
}

fn neither() {
    make("file", "x");
    let fd = opened("file", ACCESS);
    println!("{} {}", take(fd, 1), put(fd, b"x"));
    println!("{} {}", made!(libc::fcntl(fd, F_GETFL) & ACCESS), look_at(fd, "", AT_EMPTY_PATH));
    println!("{}", made!(libc::ftruncate(fd, 0)));
    println!("{}", opens(".", ACCESS));
}

fn close_on_exec() {
    make("file", "x");
    let fd = opened("file", O_RDONLY | O_CLOEXEC);
    println!("{}", made!(libc::fcntl(fd, F_GETFD)));
    // SAFETY: plain calls.
    let (copy, kept) = unsafe { (libc::dup(fd), libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 20)) };
    println!("{} {} {}", made!(libc::fcntl(copy, F_GETFD)), kept, made!(libc::fcntl(kept, F_GETFD)));
    println!("{} {}", made!(libc::dup3(fd, 30, O_CLOEXEC)), made!(libc::fcntl(30, F_GETFD)));
    println!("{} {}", made!(libc::dup2(fd, 30)), made!(libc::fcntl(30, F_GETFD)));
    println!("{} {} {}", made!(libc::dup2(fd, fd)), made!(libc::dup3(fd, fd, 0)), made!(libc::dup3(fd, 31, O_APPEND)));
    println!("{} {}", made!(libc::dup2(77, 78)), made!(libc::dup2(fd, -1)));
    println!("{} {}", made!(libc::fcntl(fd, libc::F_DUPFD, -1)), made!(libc::fcntl(77, libc::F_DUPFD, 1)));
    println!("{} {}", made!(libc::fcntl(fd, libc::F_SETFD, 0)), made!(libc::fcntl(fd, F_GETFD)));
}

fn lowest_numbers() {
    make("file", "x");
    let first = opened("file", O_RDONLY);
    let rest: Vec<i32> = (0..4).map(|_| opened("file", O_RDONLY)).collect();
    println!("{:?}", rest.iter().map(|fd| fd - first).collect::<Vec<_>>());
    println!("{} {} {}", close(rest[2]), close(rest[0]), close(rest[0]));
    println!("{} {}", opened("file", O_RDONLY) - first, opened("file", O_RDONLY) - first);
    let limit = |most: u64| {
        let limit = libc::rlimit { rlim_cur: most, rlim_max: 1024 };
        made!(libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit))
    };
    println!("{}", limit(rest[3] as u64 + 1));
    println!("{} {}", opens("file", O_RDONLY), made!(libc::dup(0)));
    println!("{} {}", opens("missing", O_RDONLY), opens("new", O_RDWR | O_CREAT));
    println!("{} {}", limit(1024), names("."));
}

fn masks() {
    println!("{:o}", {
        // SAFETY: plain calls.
        unsafe {
            libc::umask(0o7027);
            libc::umask(0o027)
        }
    });
    let path = text("fifo");
    println!("{} {}", opens("file", O_RDWR | O_CREAT), mkdir("folder"));
    println!("{} {}", symlink("x", "link"), made!(libc::mkfifo(path.as_ptr(), 0o666)));
    println!("{}, {}, {}, {}", look("file"), look("folder"), look("link"), look("fifo"));
    // SAFETY: a plain call.
    unsafe { libc::umask(0) };
    for (name, mode) in [("a", 0), ("b", 0o4755), ("c", 0o2755), ("d", 0o1777), ("e", 0o170_777)] {
        println!("{} {}", open_at(AT_FDCWD, name, O_WRONLY | O_CREAT, mode).is_ok(), look(name));
    }
    let fd = open_at(AT_FDCWD, "f", O_WRONLY | O_CREAT, 0).expect("a file");
    println!("{} {}", put(fd, b"written"), look("f"));
    for mode in [0o1777, 0o2755, 0o4755] {
        let name = format!("folder-{mode:o}");
        println!("{} {}", made!(libc::mkdir(text(&name).as_ptr(), mode)), look(&name));
    }
}

fn group_of_directories() {
    // SAFETY: a plain call.
    unsafe { libc::umask(0o022) };
    println!("{} {}", mkdir("folder"), made!(libc::chmod(text("folder").as_ptr(), 0o2777)));
    println!("{} {}", mkdir("folder/inner"), look("folder/inner"));
    println!("{} {}", opens("folder/file", O_RDWR | O_CREAT), look("folder/file"));
    println!("{} {}", mkdir("folder/inner/most"), look("folder/inner/most"));
    println!("{} {}", open_at(AT_FDCWD, "folder/set", O_RDWR | O_CREAT, 0o2775).is_ok(), look("folder/set"));
}

fn pipes_and_sockets() {
    println!("{}", made!(libc::mkfifo(text("fifo").as_ptr(), 0o600)));
    println!("{} {}", opens("fifo", O_WRONLY | O_NONBLOCK), opens("fifo", O_RDONLY | O_NONBLOCK));
    let both = opened("fifo", O_RDWR | O_NONBLOCK);
    println!("{} {} {}", opens("fifo", O_WRONLY | O_NONBLOCK), put(both, b"x"), take(both, 4));
    println!("{} {}", opens("fifo", O_DIRECTORY), opens("fifo", O_PATH));
    println!("{} {}", made!(libc::truncate(text("fifo").as_ptr(), 0)), opens("fifo", O_RDWR | O_TRUNC));
    let listener = std::os::unix::net::UnixListener::bind("socket");
    println!("{} {} {}", listener.is_ok(), opens("socket", O_RDWR), opens("socket", O_PATH));
    println!("{} {}", made!(libc::mkfifo(text("fifo").as_ptr(), 0o600)), made!(libc::mkfifo(text("none/fifo").as_ptr(), 0o600)));
}

fn names_and_lengths() {
    let long = "n".repeat(255);
    println!("{} {}", opens(&long, O_RDWR | O_CREAT), opens(&format!("{long}n"), O_RDWR | O_CREAT));
    println!("{} {}", opens("", O_RDONLY), opens("missing", O_RDONLY));
    make("file", "x");
    println!("{} {} {}", opens("file/below", O_RDONLY), opens("missing/below", O_RDWR | O_CREAT), opens("file/..", O_RDONLY));
    let deep = "./".repeat(2043);
    println!("{} {}", opens(&format!("{deep}file"), O_RDONLY), opens(&format!("{deep}/////file"), O_RDONLY));
    println!("{}", opens(&format!("{deep}//////file"), O_RDONLY));
    println!("{}", made!(libc::open(std::ptr::without_provenance(8), O_RDONLY)));
    println!("{}", made!(libc::open(std::ptr::null(), O_RDONLY)));
    println!("{}", opens("odd \u{fc} \u{1}\\name", O_RDWR | O_CREAT));
    println!("{}", names(".").len());
}

fn loops() {
    symlink("loop", "loop");
    symlink("pong", "ping");
    symlink("ping", "pong");
    println!("{} {} {}", opens("loop", O_RDONLY), opens("ping", O_RDONLY), opens("ping/x", O_RDWR | O_CREAT));
    println!("{} {}", look("ping"), look_at(AT_FDCWD, "ping", 0));
    make("chain-0", "the end");
    for index in 1..=41 {
        symlink(&format!("chain-{}", index - 1), &format!("chain-{index}"));
    }
    println!("{} {}", opens("chain-40", O_RDONLY), opens("chain-41", O_RDONLY));
    println!("{}", opens("chain-41", O_RDONLY | O_NOFOLLOW));
}

fn beginnings() {
    make("file", "x");
    mkdir("folder");
    make("folder/inner", "x");
    let (file, folder) = (opened("file", O_RDONLY), opened("folder", O_RDONLY));
    println!("{} {} {}", opens_at(folder, "inner", O_RDONLY), opens_at(file, "inner", O_RDONLY), opens_at(99, "inner", O_RDONLY));
    println!("{} {}", opens_at(99, "/", O_RDONLY), opens_at(file, "/", O_RDONLY));
    println!("{} {}", opens_at(folder, "../file", O_RDONLY), opens_at(folder, ".", O_RDONLY));
    println!("{} {}", opens_at(file, "", O_RDONLY), look_at(file, "", 0));
    println!("{}", made!(libc::unlinkat(folder, text("inner").as_ptr(), 0)));
    println!("{}", made!(libc::rmdir(text("folder").as_ptr())));
    println!("{} {}", opens_at(folder, "new", O_RDWR | O_CREAT), opens_at(folder, ".", O_RDONLY));
    println!("{} {}", opens_at(folder, "..", O_RDONLY), look_at(folder, "", AT_EMPTY_PATH));
    println!("{}", made!(libc::mkdirat(folder, text("new").as_ptr(), 0o777)));
    println!("{} {}", made!(libc::fchdir(folder)), made!(libc::fchdir(file)));
    let mut path = [0u8; 99];
    println!("{}", made!(libc::syscall(libc::SYS_getcwd, path.as_mut_ptr(), 99)));
    println!("{}", made!(libc::chdir(text("..").as_ptr())));
}

fn opened_again() {
    make("file", "contents");
    let fd = opened("file", O_RDONLY);
    let own = format!("/proc/self/fd/{fd}");
    println!("{}", made!(libc::unlink(text("file").as_ptr())));
    println!("{} {}", held(&own), opens(&own, O_WRONLY | O_TRUNC));
    println!("{} {}", held(&own), look_at(fd, "", AT_EMPTY_PATH));
    let again = opened(&own, O_RDWR);
    println!("{} {}", put(again, b"new"), take(fd, 9));
    println!("{} {}", made!(libc::lseek(fd, 0, libc::SEEK_CUR)), made!(libc::lseek(again, 0, libc::SEEK_CUR)));
    println!("{}", opens(&own, O_RDONLY | O_NOFOLLOW));
    println!("{}", made!(libc::linkat(AT_FDCWD, text(&own).as_ptr(), AT_FDCWD, text("back").as_ptr(), AT_SYMLINK_FOLLOW)));
    println!("{}", close(fd));
    println!("{}", opens(&own, O_RDONLY));
}

fn dots() {
    mkdir("folder");
    for path in [".", "..", "folder/.", "folder/.."] {
        println!(
            "{path}: {} {} {} {}",
            opens(path, O_RDONLY | O_CREAT),
            mkdir(path),
            made!(libc::rmdir(text(path).as_ptr())),
            made!(libc::unlink(text(path).as_ptr()))
        );
    }
    println!("{}", made!(libc::rename(text("folder").as_ptr(), text(".").as_ptr())));
    println!("{}", made!(libc::rename(text("folder/.").as_ptr(), text("other").as_ptr())));
    println!("{}", made!(libc::link(text(".").as_ptr(), text("other").as_ptr())));
    println!("{}", names("."));
}

fn rights_asked_for() {
    make("file", "x");
    make("script", "x");
    println!("{}", made!(libc::chmod(text("script").as_ptr(), 0o755)));
    mkdir("folder");
    symlink("missing", "dangling");
    let asked = |path: &str, mode: i32, flags: i32| made!(libc::syscall(libc::SYS_faccessat2, AT_FDCWD, text(path).as_ptr(), mode, flags));
    for path in ["file", "script", "folder", "missing", "dangling", "file/x"] {
        println!("{path}: {} {} {}", asked(path, libc::F_OK, 0), asked(path, libc::R_OK | libc::W_OK, 0), asked(path, libc::X_OK, 0));
    }
    println!("{} {}", asked("dangling", libc::F_OK, AT_SYMLINK_NOFOLLOW), asked("file", libc::R_OK, libc::AT_EACCESS));
    println!("{} {} {}", asked("file", 8, 0), asked("file", -1, 0), asked("file", 0, 0x4000));
    println!("{} {}", asked("", 0, 0), asked("", 0, AT_EMPTY_PATH));
    println!("{}", made!(libc::syscall(libc::SYS_faccessat, AT_FDCWD, text("missing").as_ptr(), 0)));
}

fn two_openings() {
    make("file", "0123456789");
    let (one, other) = (opened("file", O_RDWR), opened("file", O_RDWR));
    // SAFETY: a plain call.
    let copy = unsafe { libc::dup(one) };
    println!("{} {} {} {}", take(one, 3), take(copy, 3), take(other, 3), take(one, 3));
    println!("{} {}", put(one, b"X"), take(other, 9));
    println!("{} {}", close(one), take(copy, 3));
    println!("{} {}", made!(libc::lseek(copy, -2, libc::SEEK_END)), take(copy, 9));
}

fn main() {
    in_folder("openings", || {
        run(&[
            ("exclusive", || in_folder("a", exclusive)),
            ("creation through links", || in_folder("b", creation_through_links)),
            ("directories", || in_folder("c", directories)),
            ("trailing slashes", || in_folder("d", trailing_slashes)),
            ("links not followed", || in_folder("e", links_not_followed)),
            ("only places", || in_folder("f", only_places)),
            ("unnamed", || in_folder("g", unnamed)),
            ("truncation", || in_folder("h", truncation)),
            ("appending", || in_folder("i", appending)),
            ("flags", || in_folder("j", flags)),
            ("neither", || in_folder("k", neither)),
            ("close on exec", || in_folder("l", close_on_exec)),
            ("lowest numbers", || in_folder("m", lowest_numbers)),
            ("masks", || in_folder("n", masks)),
            ("group of directories", || in_folder("o", group_of_directories)),
            ("pipes and sockets", || in_folder("p", pipes_and_sockets)),
            ("names and lengths", || in_folder("q", names_and_lengths)),
            ("loops", || in_folder("r", loops)),
            ("beginnings", || in_folder("s", beginnings)),
            ("opened again", || in_folder("t", opened_again)),
            ("dots", || in_folder("u", dots)),
            ("rights asked for", || in_folder("v", rights_asked_for)),
            ("two openings", || in_folder("w", two_openings)),
        ]);
    });
}
