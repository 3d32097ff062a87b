//! Descriptors, offsets, pipes and mappings through the calls that programs make.

use abi::PAGE_SIZE;

use crate::errno::Errno;
use crate::fake::calls::{Caller, cpio};
use crate::user::UserMemory;

const CREATE: u64 = 0o100;
const READ_WRITE: u64 = 2;
const APPEND: u64 = linux_raw_sys::general::O_APPEND as u64;
const NONBLOCK: u64 = linux_raw_sys::general::O_NONBLOCK as u64;

fn caller() -> Caller {
    Caller::new(cpio(&[("file", 0o100644, b"0123456789")]))
}

#[test]
fn the_lowest_free_descriptor_is_given() {
    let caller = caller();
    assert_eq!(caller.open("/file", 0), Ok(3));
    assert_eq!(caller.open("/file", 0), Ok(4));
    assert_eq!(caller.call("close", [3, 0, 0, 0, 0, 0]), Ok(0));
    assert_eq!(caller.call("close", [3, 0, 0, 0, 0, 0]), Err(Errno::EBADF));
    assert_eq!(caller.call("dup", [4, 0, 0, 0, 0, 0]), Ok(3));
    assert_eq!(caller.call("dup3", [4, 9, 0, 0, 0, 0]), Ok(9));
    assert_eq!(caller.call("dup3", [4, 4, 0, 0, 0, 0]), Err(Errno::EINVAL));
    assert_eq!(caller.call("dup3", [4, 1 << 20, 0, 0, 0, 0]), Err(Errno::EBADF));
    assert_eq!(caller.call("dup", [77, 0, 0, 0, 0, 0]), Err(Errno::EBADF));
}

#[test]
fn duplicates_share_an_offset_and_openings_do_not() {
    let caller = caller();
    let first = caller.open("/file", 0).unwrap();
    let second = caller.call("dup", [first, 0, 0, 0, 0, 0]).unwrap() as u64;
    let apart = caller.open("/file", 0).unwrap();
    assert_eq!(caller.read(first, 4), Ok(b"0123".to_vec()));
    assert_eq!(caller.read(second, 4), Ok(b"4567".to_vec()));
    assert_eq!(caller.read(apart, 4), Ok(b"0123".to_vec()));
}

#[test]
fn seeking_and_positions_follow_the_manual() {
    let caller = caller();
    let fd = caller.open("/file", READ_WRITE).unwrap();
    let seek = |offset: i64, whence| caller.call("lseek", [fd, offset as u64, whence, 0, 0, 0]);
    assert_eq!(seek(-3, 2), Ok(7));
    assert_eq!(seek(-8, 1), Err(Errno::EINVAL));
    assert_eq!(seek(0, 9), Err(Errno::EINVAL));
    assert_eq!(seek(100, 0), Ok(100));
    assert_eq!(caller.read(fd, 10), Ok(alloc::vec![]));
    assert_eq!(caller.write(fd, b"end"), Ok(3));
    let contents = caller.read_file("/file").unwrap();
    assert_eq!((contents.len(), &contents[10..12], &contents[100..]), (103, &[0, 0][..], &b"end"[..]));
}

#[test]
fn appending_goes_to_the_end() {
    let caller = caller();
    let fd = caller.open("/file", READ_WRITE | APPEND).unwrap();
    caller.call("lseek", [fd, 0, 0, 0, 0, 0]).unwrap();
    caller.write(fd, b"!").unwrap();
    assert_eq!(caller.read_file("/file"), Ok(b"0123456789!".to_vec()));
}

#[test]
fn a_descriptor_allows_what_it_was_opened_for() {
    let caller = caller();
    let read_only = caller.open("/file", 0).unwrap();
    let write_only = caller.open("/file", 1).unwrap();
    assert_eq!(caller.write(read_only, b"x"), Err(Errno::EBADF));
    assert_eq!(caller.read(write_only, 1), Err(Errno::EBADF));
    assert_eq!(caller.call("read", [read_only, 0x10, 4, 0, 0, 0]), Err(Errno::EFAULT));
}

#[test]
fn a_pipe_ends_when_its_writers_are_gone() {
    let caller = caller();
    let [read, write] = caller.pipe(0);
    assert_eq!(caller.write(write, b"through"), Ok(7));
    assert_eq!(caller.read(read, 3), Ok(b"thr".to_vec()));
    caller.call("close", [write, 0, 0, 0, 0, 0]).unwrap();
    assert_eq!(caller.read(read, 100), Ok(b"ough".to_vec()));
    assert_eq!(caller.read(read, 100), Ok(alloc::vec![]));
    assert_eq!(caller.call("lseek", [read, 0, 0, 0, 0, 0]), Err(Errno::ESPIPE));
}

#[test]
fn an_empty_pipe_that_must_not_block_says_so() {
    let caller = caller();
    let [read, write] = caller.pipe(NONBLOCK);
    assert_eq!(caller.read(read, 1), Err(Errno::EAGAIN));
    caller.call("close", [read, 0, 0, 0, 0, 0]).unwrap();
    caller.block_signals();
    assert_eq!(caller.write(write, b"x"), Err(Errno::EPIPE));
}

#[test]
fn the_limit_of_descriptors_bites() {
    let caller = caller();
    caller.process.files.set_limit(5);
    assert_eq!(caller.open("/file", 0), Ok(3));
    assert_eq!(caller.open("/file", 0), Ok(4));
    assert_eq!(caller.open("/file", 0), Err(Errno::EMFILE));
}

#[test]
fn a_private_mapping_is_the_files_until_it_is_written() {
    let caller = caller();
    let fd = caller.open("/file", READ_WRITE).unwrap();
    let at = caller.call("mmap", [0, PAGE_SIZE as u64, 3, 2, fd, 0]).unwrap();
    let mut bytes = [0; 12];
    caller.process.read(at, &mut bytes).unwrap();
    assert_eq!(&bytes, b"0123456789\0\0");
    caller.process.write(at, b"mine").unwrap();
    assert_eq!(caller.read_file("/file"), Ok(b"0123456789".to_vec()));
    // Reading a file into a mapping of itself asks for its page in the middle of the copy.
    let other = caller.call("mmap", [0, PAGE_SIZE as u64, 3, 2, fd, 0]).unwrap();
    assert_eq!(caller.call("read", [fd, other as u64, 10, 0, 0, 0]), Ok(10));
    assert_eq!(caller.call("mmap", [0, 4096, 1, 2, 99, 0]), Err(Errno::EBADF));
    assert_eq!(caller.call("mmap", [0, 0, 1, 2, fd, 0]), Err(Errno::EINVAL));
    let [read, _] = caller.pipe(0);
    assert_eq!(caller.call("mmap", [0, 4096, 1, 2, read, 0]), Err(Errno::ENODEV));
}

#[test]
fn what_a_file_holds_is_given_back_with_it() {
    let caller = caller();
    let fd = caller.open("/big", CREATE | READ_WRITE).unwrap();
    assert_eq!(caller.call("ftruncate", [fd, 1 << 40, 0, 0, 0, 0]), Ok(0));
    assert_eq!(caller.call("lseek", [fd, 0, 2, 0, 0, 0]), Ok(1 << 40));
    assert_eq!(caller.call("ftruncate", [fd, 5, 0, 0, 0, 0]), Ok(0));
    assert_eq!(caller.read_file("/big"), Ok(alloc::vec![0; 5]));
}
