//! Names in directories: moving, exchanging, linking, removing; what is in the way of each, and what is left behind.

use libc::{AT_EMPTY_PATH, AT_FDCWD, AT_REMOVEDIR, AT_SYMLINK_FOLLOW, AT_SYMLINK_NOFOLLOW, O_CREAT, O_PATH, O_RDONLY, O_RDWR, O_TMPFILE};
use libc::{RENAME_EXCHANGE, RENAME_NOREPLACE};
use linux_programs::calls::{held, in_folder, look, look_at, make, names, opened, opens, opens_at, text};
use linux_programs::family::run;
use linux_programs::made;

/// The number of fchmodat2(2), everywhere.
const FCHMODAT2: libc::c_long = 452;

fn mkdir(path: &str) -> String {
    made!(libc::mkdir(text(path).as_ptr(), 0o755))
}

fn symlink(target: &str, path: &str) -> String {
    made!(libc::symlink(text(target).as_ptr(), text(path).as_ptr()))
}

fn rename(from: &str, to: &str) -> String {
    rename_with(from, to, 0)
}

fn rename_with(from: &str, to: &str, flags: u32) -> String {
    made!(libc::syscall(libc::SYS_renameat2, AT_FDCWD, text(from).as_ptr(), AT_FDCWD, text(to).as_ptr(), flags))
}

fn link(from: &str, to: &str) -> String {
    made!(libc::link(text(from).as_ptr(), text(to).as_ptr()))
}

fn unlink(path: &str) -> String {
    made!(libc::unlink(text(path).as_ptr()))
}

fn rmdir(path: &str) -> String {
    made!(libc::rmdir(text(path).as_ptr()))
}

fn inode(path: &str) -> u64 {
    // SAFETY: the structure is numbers, and the call's to fill.
    unsafe {
        let mut data: libc::stat = std::mem::zeroed();
        libc::fstatat(AT_FDCWD, text(path).as_ptr(), &raw mut data, AT_SYMLINK_NOFOLLOW);
        data.st_ino
    }
}

fn moves() {
    make("file", "file");
    make("other", "other");
    let number = inode("file");
    println!("{} {} {}", rename("file", "new"), inode("new") == number, names("."));
    println!("{} {} {}", rename("new", "other"), held("other"), names("."));
    println!("{} {}", rename("missing", "other"), rename("other", "missing/x"));
    println!("{} {}", rename("other", "other/x"), rename("other/x", "y"));
    println!("{} {} {}", rename("other", "other"), rename("", "x"), rename("other", ""));
    println!("{} {}", link("other", "second"), rename("other", "second"));
    println!("{} {}", names("."), look("second"));
    println!("{} {}", rename("other", "name/"), rename("other/", "name"));
}

fn moves_of_directories() {
    println!("{} {} {}", mkdir("folder"), mkdir("folder/inner"), mkdir("empty"));
    make("file", "x");
    println!("{} {}", rename("folder", "file"), rename("file", "folder"));
    println!("{} {}", rename("empty", "folder"), rename("folder", "folder/inner/below"));
    println!("{} {}", rename("folder/inner", "folder"), rename("folder", "folder/inner"));
    println!("{} {}", look("folder"), rename("folder", "empty"));
    println!("{} {}", names("."), names("empty"));
    println!("{} {}", rename("empty/", "slashed/"), names("."));
    println!("{} {}", look("slashed"), look("slashed/inner"));
    println!("{} {}", rename("slashed/inner", "inner"), look("slashed"));
    println!("{} {}", rename("inner", "slashed/.."), rename("file", "inner/."));
}

fn moves_not_onto() {
    make("file", "file");
    make("other", "other");
    println!("{} {}", rename_with("file", "other", RENAME_NOREPLACE), rename_with("file", "new", RENAME_NOREPLACE));
    println!("{} {}", rename_with("new", "new", RENAME_NOREPLACE), rename_with("missing", "other", RENAME_NOREPLACE));
    println!("{} {}", symlink("nothing", "dangling"), rename_with("new", "dangling", RENAME_NOREPLACE));
    println!("{} {}", rename_with("new", "other", RENAME_NOREPLACE | RENAME_EXCHANGE), rename_with("new", "other", 8));
    println!("{} {}", rename_with("new", ".", RENAME_NOREPLACE), rename_with("new", "..", RENAME_NOREPLACE));
    println!("{}", names("."));
}

fn exchanges() {
    make("file", "file");
    println!("{} {}", mkdir("folder"), mkdir("folder/inner"));
    println!("{}", symlink("file", "link"));
    println!("{} {} {}", rename_with("file", "folder", RENAME_EXCHANGE), held("folder"), names("file"));
    println!("{} {}", rename_with("file", "folder", RENAME_EXCHANGE), look("folder"));
    println!("{} {}", rename_with("file", "missing", RENAME_EXCHANGE), rename_with("missing", "file", RENAME_EXCHANGE));
    println!("{} {}", rename_with("folder", "folder/inner", RENAME_EXCHANGE), rename_with("folder/inner", "folder", RENAME_EXCHANGE));
    println!("{} {}", rename_with("file", "file", RENAME_EXCHANGE), rename_with("link", "file", RENAME_EXCHANGE));
    println!("{} {} {}", look("link"), look("file"), held("link"));
    println!("{} {}", rename_with("link", "folder/inner", RENAME_EXCHANGE), look("folder"));
    println!("{} {}", names("."), names("folder"));
}

fn replaced() {
    make("file", "new");
    make("old", "old");
    let fd = opened("old", O_RDWR);
    println!("{} {}", rename("file", "old"), look_at(fd, "", AT_EMPTY_PATH));
    println!("{} {}", held(&format!("/proc/self/fd/{fd}")), held("old"));
    println!("{} {}", mkdir("empty"), mkdir("folder"));
    let folder = opened("empty", O_RDONLY);
    println!("{} {}", rename("folder", "empty"), look_at(folder, "", AT_EMPTY_PATH));
    println!("{} {}", opens_at(folder, "x", O_RDWR | O_CREAT), names("."));
    println!("{} {} {}", symlink("old", "link"), rename("link", "old"), look("old"));
    println!("{}", opens("old", O_RDONLY));
}

fn links() {
    make("file", "x");
    println!("{} {}", mkdir("folder"), symlink("file", "link"));
    println!("{} {} {}", link("file", "folder/name"), look("file"), inode("file") == inode("folder/name"));
    println!("{} {} {}", link("file", "folder/name"), link("folder", "name"), link("missing", "name"));
    println!("{} {} {}", link("link", "hard"), look("hard"), look("link"));
    let linkat = |from: &str, to: &str, flags: i32| made!(libc::linkat(AT_FDCWD, text(from).as_ptr(), AT_FDCWD, text(to).as_ptr(), flags));
    println!("{} {}", linkat("link", "followed", AT_SYMLINK_FOLLOW), look("followed"));
    println!("{} {}", linkat("file", "x", 0x10), linkat("", "x", 0));
    println!("{} {} {}", link("file", "missing/x"), link("file", "file/x"), link("file", "new/"));
    println!("{} {}", link("file/", "new"), link("/proc/self/status", "new"));
    let fd = opened("file", O_RDONLY);
    println!("{} {} {}", unlink("file"), unlink("folder/name"), unlink("followed"));
    println!("{}", look_at(fd, "", AT_EMPTY_PATH));
    println!("{}", made!(libc::linkat(fd, text("").as_ptr(), AT_FDCWD, text("back").as_ptr(), AT_EMPTY_PATH)));
    println!("{}", names("."));
}

fn removal() {
    make("file", "x");
    println!("{} {} {}", mkdir("folder"), symlink("folder", "link"), symlink("missing", "dangling"));
    make("folder/inner", "x");
    println!("{} {} {}", unlink("folder"), rmdir("file"), rmdir("folder"));
    println!("{} {} {}", unlink("missing"), rmdir("missing"), unlink("file/x"));
    println!("{} {} {}", rmdir("link"), unlink("link/"), unlink("file/"));
    println!("{} {} {}", unlink("link"), unlink("dangling"), look("folder"));
    let unlinkat = |path: &str, flags: i32| made!(libc::unlinkat(AT_FDCWD, text(path).as_ptr(), flags));
    println!("{} {} {}", unlinkat("folder", AT_REMOVEDIR), unlinkat("file", AT_REMOVEDIR), unlinkat("file", 1));
    println!("{} {} {}", unlink("folder/inner"), unlinkat("folder", AT_REMOVEDIR), names("."));
    println!("{} {} {}", unlink(""), rmdir("/"), unlink("/"));
    println!("{} {}", made!(libc::unlink(std::ptr::null())), unlink(&"n".repeat(256)));
}

fn removed_directories() {
    println!("{} {}", mkdir("folder"), made!(libc::chdir(text("folder").as_ptr())));
    println!("{}", rmdir("../folder"));
    println!("{} {} {}", opens("file", O_RDWR | O_CREAT), mkdir("inner"), symlink("x", "link"));
    println!("{} {} {:?}", look("."), names(".").len(), std::env::current_dir().map_err(|error| error.raw_os_error()));
    println!("{} {}", opens(".", O_RDONLY), opens("..", O_RDONLY));
    println!("{} {}", opens(".", O_TMPFILE | O_RDWR), rmdir("."));
    println!("{:?}", std::fs::read_link("/proc/self/cwd").map(|path| path.to_string_lossy().ends_with("/folder (deleted)")));
    println!("{} {}", rename("../file", "x"), made!(libc::chdir(text("..").as_ptr())));
    println!("{} {}", mkdir("folder"), names("."));
}

fn symbolic_links() {
    println!("{} {} {}", symlink("target", "link"), symlink("target", "link"), symlink("", "empty"));
    println!("{} {}", symlink("x", "missing/link"), symlink(&"t".repeat(4096), "long"));
    println!("{} {}", symlink(&"t".repeat(4095), "long"), look("long"));
    let mut target = [0u8; 9];
    let mut readlink = |path: &str, most: usize| {
        let outcome = made!(libc::readlink(text(path).as_ptr(), target.as_mut_ptr().cast(), most));
        format!("{outcome} {}", target.escape_ascii())
    };
    println!("{} {}", readlink("link", 9), readlink("link", 3));
    println!("{} {} {}", readlink(".", 9), readlink("missing", 9), readlink("link/x", 9));
    println!("{}", made!(libc::syscall(libc::SYS_readlinkat, AT_FDCWD, text("link").as_ptr(), target.as_mut_ptr(), 0)));
    println!("{}", made!(libc::syscall(libc::SYS_readlinkat, AT_FDCWD, text("link").as_ptr(), 8, 9)));
    println!("{} {}", opens("link", O_RDWR | O_CREAT), look("target"));
    let chmod = |flags: i32| made!(libc::syscall(FCHMODAT2, AT_FDCWD, text("link").as_ptr(), 0o600, flags));
    println!("{} {} {}", chmod(AT_SYMLINK_NOFOLLOW), chmod(0), look("target"));
    println!("{} {}", chmod(0x10), made!(libc::lchown(text("link").as_ptr(), 0, 0)));
}

fn new_directories() {
    println!("{} {} {}", mkdir("folder"), mkdir("folder"), mkdir("slashed/"));
    println!("{} {} {}", mkdir("missing/x"), symlink("nothing", "dangling"), mkdir("dangling"));
    make("file", "x");
    println!("{} {} {}", mkdir("file"), mkdir("file/x"), mkdir(""));
    println!("{} {}", look("."), mkdir("folder/inner"));
    println!("{} {}", look("folder"), look("folder/inner"));
    println!("{} {} {}", mkdir(&"n".repeat(255)), mkdir(&"n".repeat(256)), mkdir("/"));
    println!("{}", made!(libc::mkdirat(opened("file", O_RDONLY), text("x").as_ptr(), 0o755)));
    println!("{}", made!(libc::mkdirat(99, text("x").as_ptr(), 0o755)));
}

fn nodes() {
    let mknod = |path: &str, mode: u32| made!(libc::mknod(text(path).as_ptr(), mode, 0));
    println!("{} {}", mknod("file", libc::S_IFREG | 0o640), look("file"));
    println!("{} {}", mknod("typeless", 0o600), look("typeless"));
    println!("{} {}", mknod("fifo", libc::S_IFIFO | 0o600), look("fifo"));
    println!("{} {}", mknod("socket", libc::S_IFSOCK | 0o600), look("socket"));
    println!("{} {}", mknod("folder", libc::S_IFDIR | 0o600), mknod("link", libc::S_IFLNK | 0o600));
    println!("{} {} {}", mknod("file", libc::S_IFREG | 0o600), mknod("missing/x", libc::S_IFREG), mknod("new/", libc::S_IFREG));
    println!("{} {}", mknod("odd", 0o030_600), opens("socket", O_RDWR));
    println!("{}", names("."));
}

fn modes() {
    make("file", "x");
    println!("{}", mkdir("folder"));
    let chmod = |path: &str, mode: u32| format!("{} {}", made!(libc::chmod(text(path).as_ptr(), mode)), look(path));
    for mode in [0, 0o777, 0o7777, 0o4711, 0o2644, 0o1000, 0o170_644] {
        println!("{mode:o}: {} {}", chmod("file", mode), chmod("folder", mode & 0o7777));
    }
    println!("{} {}", chmod("missing", 0o600), chmod("file/x", 0o600));
    println!("{}", made!(libc::fchmod(opened("file", O_RDONLY), 0o640)));
    println!("{} {}", made!(libc::fchmod(opened("file", O_PATH), 0o600)), made!(libc::fchmod(99, 0o600)));
    // Set-id bits go with an owner that is given, even the same, and even none.
    let chown = |user: u32, group: u32| format!("{} {}", made!(libc::chown(text("file").as_ptr(), user, group)), look("file"));
    println!("{} {}", chmod("file", 0o6755), chown(0, 0));
    println!("{} {}", chmod("file", 0o6755), chown(u32::MAX, u32::MAX));
    println!("{} {}", chmod("file", 0o2644), chown(u32::MAX, 0));
    println!("{} {}", chmod("folder", 0o2755), made!(libc::chown(text("folder").as_ptr(), 0, 0)));
    println!("{}", look("folder"));
}

fn directories_to_be_in() {
    println!("{} {}", mkdir("folder"), symlink("folder", "link"));
    make("file", "x");
    let cd = |path: &str| made!(libc::chdir(text(path).as_ptr()));
    let at = || std::env::current_dir().map(|path| path.file_name().map(|name| name.to_string_lossy().into_owned()));
    println!("{} {} {} {}", cd("file"), cd("missing"), cd(""), cd("file/x"));
    println!("{} {:?} {}", cd("link"), at().expect("a directory"), cd(".."));
    println!("{:?}", at().expect("a directory"));
    let mut path = [0u8; 300];
    let getcwd = |path: &mut [u8], most: usize| made!(libc::syscall(libc::SYS_getcwd, path.as_mut_ptr(), most));
    println!("{} {}", getcwd(&mut path, 0), getcwd(&mut path, 3));
    println!("{}", getcwd(&mut path, 300).parse::<usize>().is_ok_and(|count| path[count - 1] == 0 && path[0] == b'/'));
    println!("{}", made!(libc::syscall(libc::SYS_getcwd, 8, 300)));
    println!("{} {}", made!(libc::fchdir(opened("file", O_RDONLY))), made!(libc::fchdir(99)));
    println!("{} {:?}", made!(libc::fchdir(opened("folder", O_RDONLY))), at().expect("a directory"));
    println!("{} {}", rename("../folder", "../moved"), cd("."));
    println!("{:?} {}", at().expect("a directory"), cd(".."));
}

fn by_descriptors() {
    println!("{} {}", mkdir("one"), mkdir("two"));
    make("one/file", "x");
    let (one, two) = (opened("one", O_RDONLY), opened("two", O_PATH));
    let rename = |from: &str, to: &str| made!(libc::renameat(one, text(from).as_ptr(), two, text(to).as_ptr()));
    println!("{} {} {}", rename("file", "moved"), names("one").len(), names("two"));
    println!("{}", made!(libc::linkat(two, text("moved").as_ptr(), one, text("name").as_ptr(), 0)));
    println!("{} {}", made!(libc::symlinkat(text("name").as_ptr(), one, text("link").as_ptr())), look_at(one, "link", AT_SYMLINK_NOFOLLOW));
    println!("{} {}", made!(libc::unlinkat(one, text("name").as_ptr(), 0)), names("one"));
    println!("{} {}", made!(libc::mknodat(two, text("fifo").as_ptr(), libc::S_IFIFO | 0o600, 0)), names("two"));
    println!("{} {}", made!(libc::fchmodat(two, text("moved").as_ptr(), 0o600, 0)), look_at(two, "moved", 0));
    println!(
        "{} {}",
        made!(libc::fchownat(two, text("moved").as_ptr(), 0, 0, 0x10)),
        made!(libc::fchownat(99, text("moved").as_ptr(), 0, 0, 0))
    );
    println!("{}", made!(libc::fchownat(two, text("").as_ptr(), 0, 0, AT_EMPTY_PATH)));
    println!(
        "{} {}",
        made!(libc::renameat(99, text("a").as_ptr(), two, text("b").as_ptr())),
        made!(libc::renameat(one, text("/x").as_ptr(), 99, text("/y").as_ptr()))
    );
    println!("{}", rename("..", "x"));
}

fn counts_of_links() {
    println!("{}", mkdir("folder"));
    let links = || look("folder");
    println!("{}", links());
    println!("{} {}", mkdir("folder/a"), links());
    println!("{} {}", mkdir("folder/b"), links());
    make("folder/file", "x");
    println!("{} {}", links(), symlink("a", "folder/link"));
    println!("{} {}", rename("folder/a", "folder/b"), links());
    println!("{} {}", rename("folder/b", "outside"), links());
    println!("{} {}", rename_with("folder/file", "outside", RENAME_EXCHANGE), links());
    println!("{} {}", rmdir("folder/file"), links());
    let fd = opened("folder", O_RDONLY);
    println!("{} {} {}", unlink("folder/link"), rmdir("folder"), look_at(fd, "", AT_EMPTY_PATH));
}

fn main() {
    in_folder("entries", || {
        run(&[
            ("moves", || in_folder("a", moves)),
            ("moves of directories", || in_folder("b", moves_of_directories)),
            ("moves not onto", || in_folder("c", moves_not_onto)),
            ("exchanges", || in_folder("d", exchanges)),
            ("replaced", || in_folder("e", replaced)),
            ("links", || in_folder("f", links)),
            ("removal", || in_folder("g", removal)),
            ("removed directories", || in_folder("h", removed_directories)),
            ("symbolic links", || in_folder("i", symbolic_links)),
            ("new directories", || in_folder("j", new_directories)),
            ("nodes", || in_folder("k", nodes)),
            ("modes", || in_folder("l", modes)),
            ("directories to be in", || in_folder("m", directories_to_be_in)),
            ("by descriptors", || in_folder("n", by_descriptors)),
            ("counts of links", || in_folder("o", counts_of_links)),
        ]);
    });
}
