//! mount(2) and umount(2): file systems in memory, places seen twice, read-only ones, and what is busy.
//!
//! Each case needs root, if only in a name space of its own: on a machine where there is none, all of them print nothing.
#![expect(clippy::undocumented_unsafe_blocks, reason = "each block is a plain call, on numbers and on strings of the program's own")]

use std::ptr::{null, null_mut};

use libc::{
    MNT_DETACH, MS_BIND, MS_MOVE, MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_PRIVATE, MS_RDONLY, MS_REC, MS_REMOUNT, O_CREAT, O_RDONLY, O_RDWR,
    O_WRONLY,
};
use linux_programs::calls::{held, in_folder, look, make, names, opened, opens, put, text};
use linux_programs::family::{child, end_of, run};
use linux_programs::made;

fn mount_with(source: &str, target: &str, kind: &str, flags: u64, options: &str) -> String {
    let options = text(options);
    made!(libc::mount(text(source).as_ptr(), text(target).as_ptr(), text(kind).as_ptr(), flags, options.as_ptr().cast()))
}

fn tmpfs(target: &str) -> String {
    mount_with("none", target, "tmpfs", 0, "")
}

fn bind(source: &str, target: &str) -> String {
    mount_with(source, target, "", MS_BIND, "")
}

fn remount(target: &str, flags: u64) -> String {
    mount_with("", target, "", MS_REMOUNT | flags, "")
}

fn umount(target: &str) -> String {
    umount_with(target, 0)
}

fn umount_with(target: &str, flags: i32) -> String {
    made!(libc::umount2(text(target).as_ptr(), flags))
}

fn mkdir(path: &str) -> String {
    made!(libc::mkdir(text(path).as_ptr(), 0o755))
}

fn rename(from: &str, to: &str) -> String {
    made!(libc::rename(text(from).as_ptr(), text(to).as_ptr()))
}

fn link(from: &str, to: &str) -> String {
    made!(libc::link(text(from).as_ptr(), text(to).as_ptr()))
}

fn status(path: &str) -> libc::stat {
    unsafe {
        let mut data = std::mem::zeroed();
        libc::lstat(text(path).as_ptr(), &raw mut data);
        data
    }
}

fn is_same(one: &str, other: &str) -> (bool, bool) {
    let (one, other) = (status(one), status(other));
    (one.st_dev == other.st_dev, one.st_ino == other.st_ino)
}

/// What the table of mounts says of those below the current directory: long sources, places, types and some options.
fn told() -> String {
    let here = std::env::current_dir().expect("a directory").to_string_lossy().into_owned();
    let text = std::fs::read_to_string("/proc/self/mounts").expect("mounts");
    let lines = text.lines().filter_map(|line| {
        let parts: Vec<&str> = line.split(' ').collect();
        let place = parts[1].strip_prefix(&here)?.strip_prefix('/')?;
        let options: Vec<&str> = parts[3].split(',').filter(|option| ["ro", "rw", "nosuid", "nodev", "noexec"].contains(option)).collect();
        let source = if parts[0].len() > 5 { parts[0] } else { "-" };
        Some(format!("{source} {place} {} {}", parts[2], options.join(",")))
    });
    lines.collect::<Vec<_>>().join("; ")
}

/// The same of its longer form: places, what is seen there, type.
fn told_in_detail() -> String {
    let here = std::env::current_dir().expect("a directory").to_string_lossy().into_owned();
    let text = std::fs::read_to_string("/proc/self/mountinfo").expect("mounts");
    let lines = text.lines().filter_map(|line| {
        let (own, system) = line.split_once(" - ")?;
        let parts: Vec<&str> = own.split(' ').collect();
        let place = parts[4].strip_prefix(&here)?.strip_prefix('/')?;
        let root = parts[3].rsplit('/').next()?;
        Some(format!("/{root} {place} {}", system.split(' ').next()?))
    });
    lines.collect::<Vec<_>>().join("; ")
}

fn file_systems() {
    println!("{} {}", mkdir("place"), mkdir("place/covered"));
    println!("{} {}", tmpfs("place"), names("place"));
    make("place/file", "new");
    println!("{} {} {:?}", names("place"), held("place/file"), is_same("place", "."));
    println!("{} {}", told(), told_in_detail());
    println!("{} {}", mkdir("place/a"), mkdir("place/a/b"));
    std::env::set_current_dir("place/a/b").expect("a directory");
    let here = std::env::current_dir().expect("a directory");
    println!("{:?}", here.to_string_lossy().rsplit_once("/place").map(|found| found.1));
    println!("{} {}", names(".."), names("../../.."));
    std::env::set_current_dir("../../..").expect("a directory");
    println!("{} {} {}", look("place/.."), names("place/../place"), held("place/a/../file"));
    println!("{} {}", rename("place/file", "file"), link("place/file", "file"));
    println!("{} {} {}", rename("place", "other"), made!(libc::rmdir(text("place").as_ptr())), made!(libc::unlink(text("place").as_ptr())));
    println!("{} {}", umount("place"), names("place"));
    println!("{} {}", umount("place"), made!(libc::rmdir(text("place").as_ptr())));
}

fn refusals() {
    println!("{}", mkdir("place"));
    make("file", "x");
    println!("{} {}", mount_with("none", "place", "nosuchfs", 0, ""), mount_with("none", "place", "", 0, ""));
    println!("{} {}", tmpfs("missing"), tmpfs("file"));
    println!("{} {}", mount_with("none", "place", "tmpfs", 0, "size=x"), mount_with("none", "place", "tmpfs", 0, "nothing=1"));
    println!("{} {}", bind("missing", "place"), bind("file", "place"));
    println!("{} {}", bind("place", "file"), umount("missing"));
    println!("{} {}", umount("place"), umount("file"));
    println!("{} {}", umount_with("place", 0x100), remount("place", MS_RDONLY));
    println!("{} {}", mount_with("place", "place", "", MS_MOVE, ""), mount_with("", "place", "", MS_PRIVATE, ""));
    println!("{}", made!(libc::mount(null(), text("place").as_ptr(), null(), 0, null())));
    println!("{}", made!(libc::mount(8 as *const _, text("place").as_ptr(), text("tmpfs").as_ptr(), 0, null())));
    println!("{}", made!(libc::mount(text("none").as_ptr(), 8 as *const _, text("tmpfs").as_ptr(), 0, null())));
    println!("{}", made!(libc::umount2(8 as *const _, 0)));
}

fn places_seen_twice() {
    println!("{} {} {}", mkdir("one"), mkdir("two"), mkdir("one/inner"));
    make("one/file", "one");
    println!("{} {} {:?}", bind("one", "two"), names("two"), is_same("one", "two"));
    make("two/more", "two");
    println!("{} {} {:?}", names("one"), held("one/more"), is_same("one/file", "two/file"));
    println!("{} {}", rename("one/file", "two/file"), link("one/file", "two/link"));
    println!("{} {}", rename("two/file", "two/renamed"), names("one"));
    println!("{} {}", told_in_detail(), look("two/inner/../renamed"));
    std::env::set_current_dir("two/inner").expect("a directory");
    let here = std::env::current_dir().expect("a directory");
    println!("{:?}", here.to_string_lossy().rsplit_once("/two").map(|found| found.1));
    std::env::set_current_dir("../..").expect("a directory");
    println!("{} {}", made!(libc::unlink(text("two/more").as_ptr())), names("one"));
    println!("{} {}", rename("one/inner", "gone"), names("two"));
    let fd = opened("two/renamed", O_RDWR);
    let path = std::fs::read_link(format!("/proc/self/fd/{fd}")).expect("a link");
    println!("{:?} {}", path.to_string_lossy().rsplit_once("/two").map(|found| found.1), put(fd, b"TWO"));
    println!("{} {}", held("one/renamed"), umount("two"));
    unsafe { libc::close(fd) };
    println!("{} {} {}", umount("two"), names("two"), names("one"));
}

fn files_seen_twice() {
    make("one", "one");
    make("two", "two");
    println!("{} {} {:?}", bind("one", "two"), held("two"), is_same("one", "two"));
    make("two", "TWO");
    println!("{} {}", held("one"), told_in_detail());
    println!("{} {}", made!(libc::unlink(text("two").as_ptr())), rename("two", "three"));
    println!("{} {}", rename("one", "three"), held("two"));
    println!("{} {} {}", umount("two"), held("two"), held("three"));
}

fn read_only() {
    println!("{} {} {}", mkdir("one"), mkdir("two"), mkdir("two/x"));
    make("one/file", "one");
    println!("{} {}", bind("one", "two"), remount("two", MS_BIND | MS_RDONLY));
    println!("{} {}", opens("two/file", O_WRONLY), opens("two/file", O_RDONLY));
    println!("{} {}", opens("two/new", O_WRONLY | O_CREAT), opens("two/file", O_RDWR | O_CREAT));
    println!("{} {} {}", mkdir("two/y"), rename("two/file", "two/other"), made!(libc::unlink(text("two/file").as_ptr())));
    println!("{} {}", made!(libc::chmod(text("two/file").as_ptr(), 0o600)), made!(libc::truncate(text("two/file").as_ptr(), 0)));
    println!("{} {}", link("two/file", "two/link"), made!(libc::symlink(text("x").as_ptr(), text("two/symbolic").as_ptr())));
    println!("{} {}", made!(libc::access(text("two/file").as_ptr(), libc::W_OK)), made!(libc::utimes(text("two/file").as_ptr(), null())));
    println!("{} {}", made!(libc::unlink(text("two/missing").as_ptr())), made!(libc::rmdir(text("two/missing").as_ptr())));
    println!("{} {}", held("two/file"), told());
    println!("{} {}", opens("one/file", O_WRONLY), opens("one/new", O_WRONLY | O_CREAT));
    let flags = |path: &str| unsafe {
        let mut data: libc::statfs = std::mem::zeroed();
        libc::statfs(text(path).as_ptr(), &raw mut data);
        data.f_flags & 0xf
    };
    println!("{} {}", flags("one"), flags("two"));
    let fd = opened("two/file", O_RDONLY);
    println!("{} {}", remount("two", MS_BIND), opens("two/file", O_WRONLY));
    unsafe { libc::close(fd) };
    let fd = opened("two/file", O_WRONLY);
    println!("{}", remount("two", MS_BIND | MS_RDONLY));
    unsafe { libc::close(fd) };
    println!("{} {}", remount("two", MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC), flags("two"));
    println!("{} {}", told(), umount("two"));
}

fn options() {
    println!("{}", mkdir("place"));
    println!("{} {}", mount_with("some thing", "place", "tmpfs", MS_NOSUID | MS_NOEXEC, "size=16k,mode=700,uid=0"), look("place"));
    println!("{}", told());
    let fd = opened("place/file", O_RDWR | O_CREAT);
    println!("{} {}", put(fd, &[7; 12288]), put(fd, &[7; 12288]));
    println!("{} {}", put(fd, b"x"), mount_with("", "place", "", MS_REMOUNT, "size=8k"));
    println!("{} {}", mount_with("", "place", "", MS_REMOUNT, "size=32k"), put(fd, &[7; 12288]));
    println!("{}", remount("place", MS_RDONLY));
    unsafe { libc::close(fd) };
    println!("{} {} {}", remount("place", MS_RDONLY), opens("place/x", O_WRONLY | O_CREAT), told());
    println!("{} {}", remount("place", 0), opens("place/x", O_WRONLY | O_CREAT));
    std::fs::copy("/proc/self/exe", "place/program").map_or_else(|error| println!("{:?}", error.raw_os_error()), |_| println!("copied"));
    println!("{}", umount("place"));
}

fn not_to_be_run() {
    println!("{} {}", mkdir("place"), mount_with("none", "place", "tmpfs", MS_NOEXEC | MS_NODEV, ""));
    std::fs::write("place/script", "#!/bin/sh\n").expect("a file");
    println!("{}", made!(libc::chmod(text("place/script").as_ptr(), 0o755)));
    let execute = |path: &str| {
        end_of(child(|| {
            let path = text(path);
            let arguments = [path.as_ptr(), null()];
            println!("{}", made!(libc::execv(path.as_ptr(), arguments.as_ptr())));
            1
        }))
    };
    println!("{}", execute("place/script"));
    println!("{} {}", made!(libc::access(text("place/script").as_ptr(), libc::X_OK)), umount("place"));
}

fn on_top_of_each_other() {
    println!("{} {}", mkdir("place"), tmpfs("place"));
    make("place/first", "");
    println!("{} {}", tmpfs("place"), names("place"));
    make("place/second", "");
    println!("{} {} {}", names("place"), look("place/.."), told());
    println!("{} {}", umount("place"), names("place"));
    println!("{} {}", mkdir("place/below"), tmpfs("place/below"));
    println!("{} {}", umount("place"), made!(libc::rmdir(text("place/below").as_ptr())));
    println!("{} {}", umount("place/below"), umount("place"));
}

fn busy() {
    println!("{} {} {}", mkdir("place"), tmpfs("place"), mkdir("place/inner"));
    let fd = opened("place/file", O_RDWR | O_CREAT);
    println!("{}", umount("place"));
    unsafe { libc::close(fd) };
    std::env::set_current_dir("place/inner").expect("a directory");
    println!("{}", umount("../../place"));
    std::env::set_current_dir("../..").expect("a directory");
    let mut ends = [[0; 2]; 2];
    for pair in &mut ends {
        unsafe { libc::pipe(pair.as_mut_ptr()) };
    }
    let other = child(|| {
        std::env::set_current_dir("place").expect("a directory");
        let mut byte = [0u8];
        unsafe {
            libc::write(ends[0][1], byte.as_ptr().cast(), 1);
            libc::read(ends[1][0], byte.as_mut_ptr().cast(), 1);
        }
        0
    });
    let mut byte = [0u8];
    unsafe { libc::read(ends[0][0], byte.as_mut_ptr().cast(), 1) };
    println!("{}", umount("place"));
    unsafe { libc::write(ends[1][1], byte.as_ptr().cast(), 1) };
    println!("{} {}", end_of(other), umount("place"));
}

fn taken_away_in_use() {
    println!("{} {} {}", mkdir("place"), tmpfs("place"), mkdir("place/inner"));
    println!("{}", tmpfs("place/inner"));
    make("place/inner/deep", "deep");
    make("place/file", "still here");
    let fd = opened("place/file", O_RDWR);
    let directory = opened("place/inner", O_RDONLY);
    println!("{} {} {}", umount_with("place", MNT_DETACH), names("place"), told());
    println!("{} {}", put(fd, b"STILL"), held("place/file"));
    println!("{}", made!(libc::faccessat(directory, text("deep").as_ptr(), libc::R_OK, 0)));
    unsafe {
        let address = libc::mmap(null_mut(), 4096, libc::PROT_READ, libc::MAP_SHARED, fd, 0).cast::<u8>();
        libc::close(fd);
        libc::close(directory);
        println!("{}", char::from(*address));
    }
    println!("{} {}", umount("place"), tmpfs("place"));
    println!("{} {}", names("place"), umount("place"));
}

fn moved() {
    println!("{} {} {}", mkdir("one"), mkdir("two"), tmpfs("one"));
    println!("{} {}", mkdir("one/inner"), tmpfs("one/inner"));
    make("one/inner/file", "here");
    println!("{} {} {}", mount_with("one", "two", "", MS_MOVE, ""), names("one"), names("two"));
    println!("{} {}", held("two/inner/file"), told());
    println!("{} {}", mount_with("two", "two/inner", "", MS_MOVE, ""), mount_with("two/inner/file", "one", "", MS_MOVE, ""));
    println!("{} {}", umount("two/inner"), umount("two"));
}

fn with_what_is_below() {
    println!("{} {} {}", mkdir("one"), mkdir("two"), mkdir("three"));
    println!("{} {}", tmpfs("one"), mkdir("one/inner"));
    println!("{}", tmpfs("one/inner"));
    make("one/inner/file", "deep");
    println!("{} {:?}", bind("one", "two"), names("two/inner"));
    println!("{} {}", mount_with("one", "three", "", MS_BIND | MS_REC, ""), names("three/inner"));
    println!("{}", told_in_detail());
    println!("{} {}", umount("three"), umount_with("three", MNT_DETACH));
    println!("{} {} {}", umount("two"), umount("one/inner"), umount("one"));
}

fn another_root() {
    println!("{} {}", mkdir("root"), tmpfs("root"));
    println!("{} {}", mkdir("root/folder"), mkdir("root/folder/inner"));
    println!(
        "{}",
        end_of(child(|| {
            println!("{}", made!(libc::chroot(text("root").as_ptr())));
            std::env::set_current_dir("/folder/inner").expect("a directory");
            println!("{:?} {}", std::env::current_dir(), names("/"));
            println!("{} {}", names("/../.."), names("../../../.."));
            println!("{} {}", mkdir("/place"), tmpfs("/place"));
            make("/place/file", "x");
            println!("{} {}", names("/place"), names("/place/.."));
            println!("{}", umount("/place"));
            0
        }))
    );
    println!("{} {}", names("root"), umount("root"));
}

fn without_rights() {
    println!("{} {}", mkdir("place"), mkdir("other"));
    println!("{}", tmpfs("place"));
    println!("{}", made!(libc::chmod(text(".").as_ptr(), 0o755)));
    println!(
        "{}",
        end_of(child(|| {
            // Whoever else there is in this name space: nobody.
            let other = unsafe { libc::setresuid(1, 1, 1) };
            if other != 0 {
                println!("EPERM EPERM EPERM");
                return 0;
            }
            println!("{} {} {}", tmpfs("other"), bind("place", "other"), umount("place"));
            0
        }))
    );
    println!("{}", umount("place"));
}

fn main() {
    if unsafe { libc::geteuid() } != 0 {
        return;
    }
    in_folder("mounts", || {
        run(&[
            ("file systems", || in_folder("a", file_systems)),
            ("refusals", || in_folder("b", refusals)),
            ("places seen twice", || in_folder("c", places_seen_twice)),
            ("files seen twice", || in_folder("d", files_seen_twice)),
            ("read-only", || in_folder("e", read_only)),
            ("options", || in_folder("f", options)),
            ("not to be run", || in_folder("g", not_to_be_run)),
            ("on top of each other", || in_folder("h", on_top_of_each_other)),
            ("busy", || in_folder("i", busy)),
            ("taken away in use", || in_folder("j", taken_away_in_use)),
            ("moved", || in_folder("k", moved)),
            ("with what is below", || in_folder("l", with_what_is_below)),
            ("another root", || in_folder("m", another_root)),
            ("without rights", || in_folder("n", without_rights)),
        ]);
    });
}
