//! Who may do what with files: owners, groups and others, search, sticky directories, changes of mode, owner and times, execution.
//!
//! Each case needs root, to be others: on a machine where it is not, all of them print nothing.
#![expect(clippy::undocumented_unsafe_blocks, reason = "each block is a plain call, on numbers and on strings of the program's own")]

use std::ffi::CString;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use linux_programs::called;
use linux_programs::family::{child, end_of, run};

static FOLDERS: AtomicUsize = AtomicUsize::new(0);

/// A folder of this process's own, which everybody may search.
fn folder() -> PathBuf {
    let name = format!("/tmp/permissions-{}-{}", std::process::id(), FOLDERS.fetch_add(1, Ordering::Relaxed));
    let _ = std::fs::remove_dir_all(&name);
    std::fs::create_dir(&name).expect("a folder");
    mode(&name, 0o755);
    name.into()
}

fn text(path: impl AsRef<std::path::Path>) -> CString {
    CString::new(path.as_ref().to_str().expect("a path of letters")).expect("no NUL")
}

/// Make a file with a mode and owners.
fn file(path: &PathBuf, bits: u32, user: u32, group: u32) {
    std::fs::write(path, b"text").expect("a file");
    chown(path, Some(user), Some(group)).expect("root gives it away");
    mode(path, bits);
}

fn mode(path: impl AsRef<std::path::Path>, bits: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(bits)).expect("root may");
}

/// Do something as another user.
fn as_user(user: u32, group: u32, groups: &[u32], work: impl FnOnce()) {
    let end = end_of(child(|| {
        unsafe {
            libc::umask(0);
            assert_eq!(libc::setgroups(groups.len(), groups.as_ptr()), 0);
            assert_eq!(libc::setresgid(group, group, group), 0);
            assert_eq!(libc::setresuid(user, user, user), 0);
        }
        work();
        0
    }));
    if end != "exit 0" {
        println!("{end}");
    }
}

fn is_root() -> bool {
    unsafe { libc::geteuid() == 0 }
}

fn open(path: &PathBuf, flags: i32) -> String {
    let fd = unsafe { libc::open(text(path).as_ptr(), flags | libc::O_NONBLOCK, 0o666) };
    if fd < 0 {
        return called(fd);
    }
    unsafe { libc::close(fd) };
    "open".into()
}

fn access(path: &PathBuf, wanted: i32) -> String {
    called(unsafe { libc::access(text(path).as_ptr(), wanted) })
}

fn chmod(path: &PathBuf, bits: u32) -> String {
    called(unsafe { libc::chmod(text(path).as_ptr(), bits) })
}

fn give(path: &PathBuf, user: u32, group: u32) -> String {
    called(unsafe { libc::chown(text(path).as_ptr(), user, group) })
}

fn unlink(path: &PathBuf) -> String {
    called(unsafe { libc::unlink(text(path).as_ptr()) })
}

fn rmdir(path: &PathBuf) -> String {
    called(unsafe { libc::rmdir(text(path).as_ptr()) })
}

fn mkdir(path: &PathBuf, bits: u32) -> String {
    called(unsafe { libc::mkdir(text(path).as_ptr(), bits) })
}

fn rename(from: &PathBuf, to: &PathBuf) -> String {
    called(unsafe { libc::rename(text(from).as_ptr(), text(to).as_ptr()) })
}

fn link(from: &PathBuf, to: &PathBuf) -> String {
    called(unsafe { libc::link(text(from).as_ptr(), text(to).as_ptr()) })
}

fn owner(path: &PathBuf) -> String {
    std::fs::symlink_metadata(path)
        .map_or_else(|error| error.to_string(), |found| format!("{:o} {} {}", found.mode(), found.uid(), found.gid()))
}

/// utimensat(2): 0 for times that are given, else the present.
fn times(path: &PathBuf, nanoseconds: [i64; 2]) -> String {
    let times = nanoseconds.map(|tv_nsec| libc::timespec { tv_sec: 1, tv_nsec });
    called(unsafe { libc::utimensat(libc::AT_FDCWD, text(path).as_ptr(), times.as_ptr(), 0) })
}

fn classes() {
    let name = folder().join("file");
    for bits in [0o604, 0o064, 0o440, 0o777, 0o000, 0o153] {
        file(&name, bits, 7001, 7010);
        for (user, group, groups) in [(7001, 7011, &[][..]), (7002, 7010, &[]), (7002, 7011, &[5, 7010]), (7003, 7011, &[])] {
            as_user(user, group, groups, || {
                let opened = [libc::O_RDONLY, libc::O_WRONLY, libc::O_RDWR].map(|flags| open(&name, flags));
                let allowed = [libc::F_OK, libc::R_OK, libc::W_OK, libc::X_OK, 3].map(|wanted| access(&name, wanted));
                println!("{bits:o} {user} {group} {groups:?}: {opened:?} {allowed:?}");
            });
        }
        println!("{bits:o} root: {} {} {}", open(&name, libc::O_RDWR), access(&name, 6), access(&name, 1));
    }
}

fn search() {
    let place = folder();
    let (inner, name) = (place.join("inner"), place.join("inner/file"));
    std::fs::create_dir(&inner).expect("a folder");
    file(&name, 0o666, 0, 0);
    symlink("inner/file", place.join("link")).expect("a link");
    for bits in [0o700, 0o701, 0o704, 0o705] {
        mode(&inner, bits);
        as_user(7001, 7001, &[], || {
            let stat = called(unsafe { libc::stat(text(&name).as_ptr(), std::mem::zeroed::<[libc::stat; 1]>().as_mut_ptr()) });
            println!("{bits:o}: {stat} {} {} {}", open(&name, libc::O_RDWR), access(&name, 0), open(&place.join("link"), libc::O_RDONLY));
            println!("absent: {} {}", open(&inner.join("none"), libc::O_RDONLY), open(&inner.join("none"), libc::O_RDWR | libc::O_CREAT));
            println!("listed: {} {}", open(&inner, libc::O_RDONLY | libc::O_DIRECTORY), open(&inner, libc::O_PATH));
            println!("entered: {}", called(unsafe { libc::chdir(text(&inner).as_ptr()) }));
            let fd = unsafe { libc::open(text(&inner).as_ptr(), libc::O_RDONLY) };
            println!("by descriptor: {}", called(unsafe { libc::fchdir(fd) }));
        });
    }
}

fn names() {
    let place = folder();
    let (name, below) = (place.join("file"), place.join("below"));
    file(&name, 0o666, 7001, 7001);
    std::fs::create_dir(&below).expect("a folder");
    as_user(7001, 7001, &[], || {
        println!(
            "new: {} {} {}",
            open(&place.join("new"), libc::O_CREAT | libc::O_RDWR),
            open(&name, libc::O_CREAT | libc::O_RDWR),
            open(&name, libc::O_CREAT | libc::O_EXCL)
        );
        println!("mkdir: {} {}", mkdir(&place.join("new"), 0o755), mkdir(&below, 0o755));
        println!("unlink: {} {} {}", unlink(&name), unlink(&below), unlink(&place.join("none")));
        println!("rmdir: {} {}", rmdir(&below), rmdir(&name));
        println!("rename: {} {} {}", rename(&name, &place.join("other")), rename(&place.join("none"), &name), rename(&name, &name));
        println!("link: {} {}", link(&name, &place.join("other")), link(&name, &below));
        println!("symlink: {}", called(unsafe { libc::symlink(c"x".as_ptr(), text(place.join("new")).as_ptr()) }));
        println!("mkfifo: {}", called(unsafe { libc::mkfifo(text(place.join("new")).as_ptr(), 0o666) }));
        println!("O_TMPFILE: {}", open(&place, libc::O_TMPFILE | libc::O_RDWR));
    });
    mode(&place, 0o777);
    as_user(7001, 7001, &[], || {
        let device = |kind| called(unsafe { libc::mknod(text(place.join("device")).as_ptr(), kind | 0o666, libc::makedev(1, 3)) });
        println!("device: {} {} {}", device(libc::S_IFCHR), device(libc::S_IFBLK), device(libc::S_IFIFO));
        println!("directory of root's: {} {}", rename(&below, &place.join("moved")), rmdir(&place.join("moved")));
        println!("file: {} {}", rename(&name, &place.join("device")), unlink(&place.join("device")));
    });
    as_user(7001, 7001, &[], || println!("chroot: {}", called(unsafe { libc::chroot(text(&place).as_ptr()) })));
}

fn directories_move() {
    let place = folder();
    let (one, two) = (place.join("one"), place.join("two"));
    for path in [&one, &two, &one.join("roots"), &one.join("own")] {
        std::fs::create_dir(path).expect("a folder");
        mode(path, 0o777);
    }
    mode(one.join("roots"), 0o755);
    as_user(7001, 7001, &[], || {
        println!("within: {} {}", rename(&one.join("roots"), &one.join("r")), rename(&one.join("r"), &one.join("roots")));
        println!("elsewhere: {} {}", rename(&one.join("roots"), &two.join("roots")), rename(&one.join("own"), &two.join("own")));
        let exchange = |from: PathBuf, to: PathBuf| {
            called(unsafe { libc::syscall(libc::SYS_renameat2, libc::AT_FDCWD, text(from).as_ptr(), libc::AT_FDCWD, text(to).as_ptr(), 2) }
                as i32)
        };
        println!("exchanged: {}", exchange(one.join("roots"), two.join("own")));
    });
}

fn sticky() {
    let place = folder();
    mode(&place, 0o1777);
    let (own, roots, others) = (place.join("own"), place.join("roots"), place.join("others"));
    for (path, user) in [(&own, 7001), (&roots, 0), (&others, 7002)] {
        file(path, 0o666, user, user);
    }
    as_user(7001, 7001, &[], || {
        println!("{} {}", unlink(&roots), unlink(&others));
        println!("{} {} {}", rename(&roots, &own), rename(&own, &others), rename(&others, &place.join("new")));
        println!("{} {} {}", rename(&own, &place.join("mine")), link(&others, &place.join("second")), unlink(&place.join("mine")));
        println!("as a directory: {} {}", rmdir(&roots), rmdir(&place.join("none")));
    });
    chown(&place, Some(7001), None).expect("root gives it away");
    as_user(7001, 7001, &[], || println!("of one's own directory: {} {}", unlink(&roots), unlink(&others)));
}

fn hard_links() {
    let place = folder();
    mode(&place, 0o777);
    for (label, bits, user) in [
        ("own", 0o000, 7001),
        ("open", 0o666, 7002),
        ("closed", 0o644, 7002),
        ("set-user-id", 0o4777, 7002),
        ("set-group-id", 0o2777, 7002),
        ("locking", 0o2767, 7002),
    ] {
        file(&place.join(label), bits, user, 7002);
        as_user(7001, 7001, &[], || println!("{label}: {}", link(&place.join(label), &place.join(format!("{label}-2")))));
    }
}

fn changes() {
    let place = folder();
    let (own, others) = (place.join("own"), place.join("others"));
    file(&own, 0o644, 7001, 7001);
    file(&others, 0o666, 7002, 7002);
    as_user(7001, 7001, &[7003], || {
        println!("chmod: {} {}", chmod(&own, 0o640), chmod(&others, 0o666));
        println!("give: {} {} {}", give(&own, 7002, u32::MAX), give(&own, 7001, u32::MAX), give(&others, 7001, u32::MAX));
        println!(
            "group: {} {} {} {}",
            give(&own, u32::MAX, 7003),
            give(&own, u32::MAX, 7004),
            give(&others, u32::MAX, 7001),
            give(&others, u32::MAX, 7002)
        );
        println!("{}", owner(&own));
        println!("times: {} {}", times(&own, [0, 0]), times(&others, [0, 0]));
        println!("present: {} {}", times(&others, [libc::UTIME_NOW; 2]), times(&others, [libc::UTIME_NOW, libc::UTIME_OMIT]));
        println!("none: {}", times(&others, [libc::UTIME_OMIT; 2]));
        println!("by null: {}", called(unsafe { libc::utimensat(libc::AT_FDCWD, text(&others).as_ptr(), std::ptr::null(), 0) }));
    });
    mode(&others, 0o644);
    as_user(7001, 7001, &[7003], || {
        println!("present, not to be written: {} {}", times(&others, [libc::UTIME_NOW; 2]), times(&others, [0, 0]));
        println!(
            "truncate: {} {}",
            called(unsafe { libc::truncate(text(&others).as_ptr(), 1) }),
            called(unsafe { libc::truncate(text(&own).as_ptr(), 1) })
        );
        println!("O_TRUNC: {} {}", open(&others, libc::O_TRUNC), open(&others, libc::O_NOATIME));
        println!("O_NOATIME: {}", open(&own, libc::O_NOATIME));
    });
}

fn special_bits() {
    let name = folder().join("file");
    let after = |label: &str, bits: u32, work: &dyn Fn()| {
        file(&name, bits, 7001, 7005);
        as_user(7001, 7001, &[7005], || {
            work();
            println!("{label}: {}", owner(&name));
        });
    };
    after("a write", 0o6777, &|| std::fs::write(&name, b"more").expect("one's own"));
    after("writes over contents, and another", 0o777, &|| {
        let file = std::fs::File::options().read(true).write(true).open(&name).expect("one's own");
        let write = || std::os::unix::fs::FileExt::write_all_at(&file, b"TEXT", 0).expect("one's own");
        (0..3).for_each(|_| write());
        println!("{}", chmod(&name, 0o6777));
        write();
    });
    after("a cut", 0o6777, &|| assert_eq!(unsafe { libc::truncate(text(&name).as_ptr(), 1) }, 0));
    after("locking", 0o6767, &|| std::fs::write(&name, b"more").expect("one's own"));
    after("a group", 0o6777, &|| println!("{}", give(&name, u32::MAX, 7001)));
    after("a mode", 0o777, &|| println!("{}", chmod(&name, 0o6777)));
    file(&name, 0o777, 7001, 7006);
    as_user(7001, 7001, &[], || println!("not its group: {} {}", chmod(&name, 0o6777), owner(&name)));
    mode(&name, 0o6777);
    println!("by root: {} {}", give(&name, 7002, 7002), owner(&name));
    mode(&name, 0o6777);
    std::fs::write(&name, b"more").expect("root may");
    println!("written by root: {}", owner(&name));
}

fn new_inodes() {
    let place = folder();
    mode(&place, 0o777);
    let shared = place.join("shared");
    std::fs::create_dir(&shared).expect("a folder");
    chown(&shared, None, Some(7009)).expect("root gives it away");
    mode(&shared, 0o2777);
    as_user(7001, 7001, &[], || {
        for (label, place) in [("plain", &place), ("set-group-id", &shared)] {
            let (name, inner, pointer) = (place.join("file"), place.join("inner"), place.join("pointer"));
            println!("{label}: {} {}", open(&name, libc::O_CREAT | libc::O_RDWR), mkdir(&inner, 0o755));
            symlink("x", &pointer).expect("a link");
            println!("{} {} {}", owner(&name), owner(&inner), owner(&pointer));
            let read_only = unsafe { libc::open(text(place.join("read-only")).as_ptr(), libc::O_CREAT | libc::O_RDWR, 0o444) };
            println!(
                "made to be read, opened to be written: {}",
                called(unsafe { libc::write(read_only, c"x".as_ptr().cast(), 1) } as i32)
            );
        }
        let memory = unsafe { libc::memfd_create(c"memory".as_ptr(), 0) };
        let mut found: libc::stat = unsafe { std::mem::zeroed() };
        println!("{} {}", called(unsafe { libc::fstat(memory, &raw mut found) }), found.st_uid);
    });
}

fn whose_rights() {
    let place = folder();
    let name = place.join("file");
    file(&name, 0o600, 7001, 7001);
    let set = |real: i32, effective: i32| unsafe {
        libc::syscall(libc::SYS_setresuid, real as libc::c_long, effective as libc::c_long, -1 as libc::c_long)
    };
    println!(
        "{}",
        end_of(child(|| {
            set(7002, 7001);
            let effectively =
                |flags: i32| called(unsafe { libc::syscall(libc::SYS_faccessat2, libc::AT_FDCWD, text(&name).as_ptr(), 4, flags) } as i32);
            println!("another's rights: {} {} {}", open(&name, libc::O_RDWR), access(&name, 4), effectively(libc::AT_EACCESS));
            0
        }))
    );
    println!(
        "{}",
        end_of(child(|| {
            set(7001, -1);
            println!("root for another: {} {}", open(&name, libc::O_RDWR), access(&name, 4));
            mode(&place, 0o700);
            println!("access(2) by the real user: {}", access(&place, 1));
            mode(&place, 0o755);
            0
        }))
    );
    println!(
        "{}",
        end_of(child(|| {
            unsafe { libc::syscall(libc::SYS_setfsuid, 7002) };
            println!("setfsuid: {} {}", open(&name, libc::O_RDWR), chmod(&name, 0o666));
            unsafe { libc::syscall(libc::SYS_setfsuid, 7001) };
            println!("setfsuid: {} {}", open(&name, libc::O_RDWR), chmod(&name, 0o600));
            0
        }))
    );
    let other = folder().join("other");
    file(&other, 0o600, 0, 0);
    let fd = unsafe { libc::open(text(&other).as_ptr(), libc::O_RDWR) };
    as_user(7001, 7001, &[], || {
        println!("open already: {}", called(unsafe { libc::write(fd, c"x".as_ptr().cast(), 1) } as i32));
        println!("mode by descriptor: {}", called(unsafe { libc::fchmod(fd, 0o666) }));
        println!("opened anew: {}", open(&PathBuf::from(format!("/proc/self/fd/{fd}")), libc::O_RDWR));
    });
}

fn execution() {
    let program = folder().join("program");
    std::fs::copy(std::env::current_exe().expect("a path"), &program).expect("a copy");
    for bits in [0o644, 0o711, 0o744, 0o755, 0o111] {
        mode(&program, bits);
        as_user(7001, 7001, &[], || {
            let arguments = [text(&program), text("executed")];
            let pointers = [arguments[0].as_ptr(), arguments[1].as_ptr(), std::ptr::null()];
            println!("{bits:o}: {}", access(&program, 1));
            use std::io::Write;
            let _ = std::io::stdout().flush();
            let failed = unsafe { libc::execv(pointers[0], pointers.as_ptr()) };
            println!("{}", called(failed));
        });
    }
    mode(&program, 0o644);
    let arguments = [text(&program)];
    println!("root: {}", called(unsafe { libc::execv(arguments[0].as_ptr(), [arguments[0].as_ptr(), std::ptr::null()].as_ptr()) }));
}

fn objects() {
    let place = folder();
    let (pipe, socket) = (place.join("pipe"), place.join("socket"));
    println!("{}", called(unsafe { libc::mkfifo(text(&pipe).as_ptr(), 0o600) }));
    let listener = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
    for bits in [0o600, 0o602, 0o606] {
        mode(&pipe, bits);
        mode(&socket, bits);
        as_user(7001, 7001, &[], || {
            println!("{bits:o}: pipe {} {}", open(&pipe, libc::O_RDONLY), open(&pipe, libc::O_RDWR));
            let outcome = std::os::unix::net::UnixStream::connect(&socket).map(drop);
            linux_programs::report("connect", outcome);
            linux_programs::report("bind", std::os::unix::net::UnixListener::bind(place.join("another")).map(drop));
        });
    }
    drop(listener);
}

fn main() {
    if std::env::args().nth(1).as_deref() == Some("executed") {
        println!("executed");
        return;
    }
    if !is_root() {
        return;
    }
    run(&[
        ("classes", classes),
        ("search", search),
        ("names", names),
        ("directories_move", directories_move),
        ("sticky", sticky),
        ("hard_links", hard_links),
        ("changes", changes),
        ("special_bits", special_bits),
        ("new_inodes", new_inodes),
        ("whose_rights", whose_rights),
        ("execution", execution),
        ("objects", objects),
    ]);
}
