//! The tree through the calls that programs make: each test is what Linux does.

use alloc::vec::Vec;

use crate::errno::Errno;
use crate::fake::calls::{Caller, cpio};

const CREATE: u64 = 0o100;
const EXCLUSIVE: u64 = 0o200;
const READ_WRITE: u64 = 2;
const DIRECTORY: u64 = linux_raw_sys::general::O_DIRECTORY as u64;
const REMOVE_DIRECTORY: u64 = 0x200;
const NOFOLLOW: u64 = linux_raw_sys::general::O_NOFOLLOW as u64;

/// A process with a few files.
fn caller() -> Caller {
    Caller::new(cpio(&[
        ("dir", 0o40755, b""),
        ("dir/file", 0o100644, b"contents"),
        ("link", 0o120777, b"dir/file"),
        ("loop-a", 0o120777, b"loop-b"),
        ("loop-b", 0o120777, b"loop-a"),
        ("dir/up", 0o120777, b".."),
    ]))
}

#[test]
fn an_archives_files_are_there_and_read_as_they_were() {
    let caller = caller();
    assert_eq!(caller.read_file("/dir/file"), Ok(b"contents".to_vec()));
    assert_eq!(caller.read_file("/link"), Ok(b"contents".to_vec()));
    assert_eq!(caller.read_file("/dir/up/dir/./../dir//file"), Ok(b"contents".to_vec()));
}

#[test]
fn a_walk_fails_as_path_resolution_says() {
    let caller = caller();
    let open = |path: &str| caller.open(path, 0).err();
    assert_eq!(open(""), Some(Errno::ENOENT));
    assert_eq!(open("/none"), Some(Errno::ENOENT));
    assert_eq!(open("/none/deeper"), Some(Errno::ENOENT));
    assert_eq!(open("/dir/file/below"), Some(Errno::ENOTDIR));
    assert_eq!(open("/dir/file/"), Some(Errno::ENOTDIR));
    assert_eq!(open("/loop-a"), Some(Errno::ELOOP));
    assert_eq!(open(&"x".repeat(256)), Some(Errno::ENAMETOOLONG));
    assert_eq!(open(&"x/".repeat(2048)), Some(Errno::ENAMETOOLONG));
    assert_eq!(caller.open("/link", NOFOLLOW).err(), Some(Errno::ELOOP));
    assert_eq!(caller.open("/dir/file", DIRECTORY).err(), Some(Errno::ENOTDIR));
    assert_eq!(caller.open("/dir", READ_WRITE).err(), Some(Errno::EISDIR));
}

#[test]
fn a_file_that_came_with_the_archive_can_be_written() {
    let caller = caller();
    let fd = caller.open("/dir/file", READ_WRITE).unwrap();
    assert_eq!(caller.write(fd, b"CON"), Ok(3));
    assert_eq!(caller.read_file("/dir/file"), Ok(b"CONtents".to_vec()));
}

#[test]
fn creation_is_exclusive_where_asked() {
    let caller = caller();
    assert!(caller.open("/new", CREATE | EXCLUSIVE | READ_WRITE).is_ok());
    assert_eq!(caller.open("/new", CREATE | EXCLUSIVE).err(), Some(Errno::EEXIST));
    assert_eq!(caller.open("/link", CREATE | EXCLUSIVE).err(), Some(Errno::EEXIST));
    assert_eq!(caller.open("/none/new", CREATE).err(), Some(Errno::ENOENT));
    assert_eq!(caller.open("/new-directory/", CREATE).err(), Some(Errno::EISDIR));
}

#[test]
fn directories_are_made_removed_and_moved_by_the_rules() {
    let caller = caller();
    assert_eq!(caller.path_call("mkdirat", "/a", 0o755), Ok(0));
    assert_eq!(caller.path_call("mkdirat", "/a", 0o755), Err(Errno::EEXIST));
    assert_eq!(caller.path_call("mkdirat", "/a/b/", 0o755), Ok(0));
    assert_eq!(caller.path_call("unlinkat", "/a", REMOVE_DIRECTORY), Err(Errno::ENOTEMPTY));
    assert_eq!(caller.path_call("unlinkat", "/dir/file", REMOVE_DIRECTORY), Err(Errno::ENOTDIR));
    assert_eq!(caller.path_call("unlinkat", "/a/.", REMOVE_DIRECTORY), Err(Errno::EINVAL));
    assert_eq!(caller.path_call("unlinkat", "/a", 0), Err(Errno::EISDIR));
    assert_eq!(caller.path_call("unlinkat", "/dev", REMOVE_DIRECTORY), Err(Errno::EBUSY));
    assert_eq!(caller.two_paths("renameat", "/a", "/a/b/c"), Err(Errno::EINVAL));
    assert_eq!(caller.two_paths("renameat", "/a", "/dir"), Err(Errno::ENOTEMPTY));
    assert_eq!(caller.two_paths("renameat", "/a", "/dir/file"), Err(Errno::ENOTDIR));
    assert_eq!(caller.two_paths("renameat", "/dir/file", "/a"), Err(Errno::EISDIR));
    assert_eq!(caller.two_paths("renameat", "/a", "/z"), Ok(0));
    assert_eq!(caller.path_call("unlinkat", "/z/b", REMOVE_DIRECTORY), Ok(0));
    assert_eq!(caller.path_call("unlinkat", "/z", REMOVE_DIRECTORY), Ok(0));
}

#[test]
fn an_open_file_outlives_its_name() {
    let caller = caller();
    let fd = caller.open("/dir/file", 0).unwrap();
    assert_eq!(caller.path_call("unlinkat", "/dir/file", 0), Ok(0));
    assert_eq!(caller.open("/dir/file", 0).err(), Some(Errno::ENOENT));
    assert_eq!(caller.read(fd, 100), Ok(b"contents".to_vec()));
}

#[test]
fn a_second_name_is_the_same_inode() {
    let caller = caller();
    assert_eq!(caller.two_paths("linkat", "/dir/file", "/other"), Ok(0));
    assert_eq!(caller.two_paths("linkat", "/dir", "/directory"), Err(Errno::EPERM));
    let fd = caller.open("/other", READ_WRITE).unwrap();
    caller.write(fd, b"shared").unwrap();
    assert_eq!(caller.read_file("/dir/file"), Ok(b"sharedts".to_vec()));
}

#[test]
fn a_listing_has_every_name_once_whatever_the_room() {
    let caller = caller();
    for index in 0..50 {
        caller.open(&alloc::format!("/dir/n{index}"), CREATE | READ_WRITE).unwrap();
    }
    let mut names = caller.list("/dir", 100);
    names.sort();
    let mut expected: Vec<Vec<u8>> = (0..50).map(|index| alloc::format!("n{index}").into_bytes()).collect();
    expected.extend([b".".to_vec(), b"..".to_vec(), b"file".to_vec(), b"up".to_vec()]);
    expected.sort();
    assert_eq!(names, expected);
}

#[test]
fn proc_tells_of_the_process_itself() {
    let caller = caller();
    assert!(caller.read_file("/proc/self/maps").is_ok());
    assert!(caller.read_file("/proc/meminfo").unwrap().starts_with(b"MemTotal:"));
    assert!(caller.read_file("/proc/1/stat").unwrap().starts_with(b"1 ("));
    assert_eq!(caller.read_file("/proc/none"), Err(Errno::ENOENT));
    assert!(caller.path_call("mkdirat", "/proc/x", 0o755).is_err());
}

#[test]
fn devices_do_what_they_are_for() {
    let caller = caller();
    let open = |path| caller.open(path, READ_WRITE).unwrap();
    assert_eq!(caller.read(open("/dev/null"), 10), Ok(Vec::new()));
    assert_eq!(caller.read(open("/dev/zero"), 4), Ok(alloc::vec![0; 4]));
    assert_eq!(caller.write(open("/dev/full"), b"x"), Err(Errno::ENOSPC));
    assert_eq!(caller.write(open("/dev/null"), b"gone"), Ok(4));
    assert_ne!(caller.read(open("/dev/urandom"), 16), caller.read(open("/dev/urandom"), 16));
}
