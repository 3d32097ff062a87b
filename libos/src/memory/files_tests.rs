//! Mapped files on a fake kernel: one memory, whatever way it is reached.

use abi::{PAGE_SIZE, Rights};
use proptest::prelude::*;

use super::Protection;
use crate::errno::Errno;
use crate::fake::calls::{Caller, cpio, paged_cpio};
use crate::user::UserMemory;
use crate::vfs::node::{Entry, Role};

const FILE: u32 = 0o100_755;
const READ_ONLY: u64 = 0;
const READ_WRITE: u64 = 2;
const TRUNCATE: u64 = 0o1000;
const READ: Protection = Protection::READ;
const STORE: Protection = Protection::READ.union(Protection::WRITE);

/// Three pages, each of other bytes, and a part of a fourth.
fn contents() -> Vec<u8> {
    (0..3 * PAGE_SIZE + 100).map(|index| (index / PAGE_SIZE * 50 + index % 47 + 1) as u8).collect()
}

fn caller() -> (Caller, usize) {
    let archive = paged_cpio(&[("small", FILE, b"some"), ("file", FILE, &contents()), ("next", FILE, &[0xff; PAGE_SIZE])]);
    let at = archive.windows(PAGE_SIZE).position(|window| window == &contents()[..PAGE_SIZE]).expect("the file");
    (Caller::new(archive), archive.as_ptr().addr() + at)
}

fn entry(caller: &Caller, path: &[u8]) -> alloc::sync::Arc<Entry> {
    caller.process.files.find(caller.process, path).expect("the file")
}

#[test]
fn a_mapping_shows_the_archives_own_frames_and_may_never_store_to_them() {
    let (caller, image) = caller();
    let fd = caller.open("/file", READ_ONLY).unwrap();
    for protection in [READ, READ | Protection::EXECUTE, STORE] {
        let at = caller.map(fd, 4, protection, false).unwrap();
        assert_eq!(caller.byte(at + PAGE_SIZE), Ok(contents()[PAGE_SIZE]));
        let kernel = &caller.process.kernel;
        assert!(kernel.is_same_frame(at + PAGE_SIZE, image + PAGE_SIZE) && kernel.is_same_frame(at + 2 * PAGE_SIZE, image + 2 * PAGE_SIZE));
        assert_eq!(kernel.rights(at + PAGE_SIZE).unwrap().maximum(), Rights::MAY_READ | Rights::MAY_EXECUTE);
        caller.unmap(at, 4);
    }
}

#[test]
fn what_is_not_a_whole_page_of_the_archive_is_copied_and_ends_in_zeros() {
    let (caller, image) = caller();
    let fd = caller.open("/file", READ_ONLY).unwrap();
    let at = caller.map(fd, 4, READ, false).unwrap();
    assert_eq!(caller.byte(at + 3 * PAGE_SIZE + 99), Ok(contents()[3 * PAGE_SIZE + 99]));
    assert!((100..PAGE_SIZE).all(|index| caller.byte(at + 3 * PAGE_SIZE + index) == Ok(0)));
    assert!(!caller.process.kernel.is_same_frame(at + 3 * PAGE_SIZE, image + 3 * PAGE_SIZE));
    let ordinary = Caller::new(cpio(&[("file", FILE, &contents())]));
    let fd = ordinary.open("/file", READ_WRITE).unwrap();
    for shared in [false, true] {
        let at = ordinary.map(fd, 4, READ, shared).unwrap();
        let mut bytes = contents();
        ordinary.process.read(at, &mut bytes).unwrap();
        assert!(bytes == contents());
    }
}

#[test]
fn a_private_store_is_a_copy() {
    let (caller, image) = caller();
    let fd = caller.open("/file", READ_ONLY).unwrap();
    let at = caller.map(fd, 4, STORE, false).unwrap();
    assert_eq!(caller.byte(at), Ok(1));
    caller.process.write(at + 1, b"!").unwrap();
    assert_eq!((caller.byte(at), caller.byte(at + 1)), (Ok(1), Ok(b'!')));
    assert!(!caller.process.kernel.is_same_frame(at, image));
    assert!(caller.process.kernel.is_same_frame(at + PAGE_SIZE, image + PAGE_SIZE));
    assert!(caller.read_file("/file").unwrap() == contents());
    // What was shown for reading only may not become writable by protection either.
    caller.call("mprotect", [at as u64, PAGE_SIZE as u64 * 4, 1, 0, 0, 0]).unwrap();
    caller.call("mprotect", [at as u64, PAGE_SIZE as u64 * 4, 3, 0, 0, 0]).unwrap();
    caller.process.write(at + 2 * PAGE_SIZE, b"?").unwrap();
    assert!(caller.read_file("/file").unwrap() == contents());
    assert_eq!(caller.byte(at + 1), Ok(b'!'));
}

#[test]
fn a_shared_store_reaches_every_mapping_and_a_write_too() {
    let (caller, image) = caller();
    let fd = caller.open("/file", READ_WRITE).unwrap();
    let (one, other) = (caller.map(fd, 4, READ, true).unwrap(), caller.map(fd, 4, STORE, true).unwrap());
    assert_eq!(caller.byte(one), Ok(1));
    assert!(caller.process.kernel.is_same_frame(one, image));
    caller.process.write(other, b"S").unwrap();
    assert_eq!(caller.byte(one), Ok(b'S'));
    assert!(caller.process.kernel.is_same_frame(one, other) && !caller.process.kernel.is_same_frame(one, image));
    caller.call("lseek", [fd, PAGE_SIZE as u64, 0, 0, 0, 0]).unwrap();
    assert_eq!(caller.byte(one + PAGE_SIZE), Ok(contents()[PAGE_SIZE]));
    caller.write(fd, b"W").unwrap();
    assert_eq!((caller.byte(one + PAGE_SIZE), caller.byte(other + PAGE_SIZE)), (Ok(b'W'), Ok(b'W')));
    let read = caller.read_file("/file").unwrap();
    assert_eq!((read[0], read[1], read[PAGE_SIZE]), (b'S', contents()[1], b'W'));
}

#[test]
fn sixteen_pages_come_with_one_fault() {
    let archive = paged_cpio(&[("file", FILE, &[7; 64 * PAGE_SIZE])]);
    let caller = Caller::new(archive);
    let fd = caller.open("/file", READ_ONLY).unwrap();
    let at = caller.map(fd, 64, READ, false).unwrap();
    let before = caller.process.memory.lock().faults;
    assert!((0..64).all(|page| caller.byte(at + page * PAGE_SIZE) == Ok(7)));
    assert_eq!(caller.process.memory.lock().faults - before, 4);
    assert_eq!(caller.process.memory.lock().shown.pages(), 64);
}

#[test]
fn a_cut_file_takes_its_pages_out_of_every_mapping() {
    let (caller, _) = caller();
    let fd = caller.open("/file", READ_WRITE).unwrap();
    let (shared, private) = (caller.map(fd, 4, STORE, true).unwrap(), caller.map(fd, 4, STORE, false).unwrap());
    for page in 0..3 {
        caller.process.write(shared + page * PAGE_SIZE, b"x").unwrap();
        caller.process.write(private + page * PAGE_SIZE, b"y").unwrap();
    }
    caller.call("ftruncate", [fd, PAGE_SIZE as u64 + 10, 0, 0, 0, 0]).unwrap();
    assert_eq!((caller.byte(shared + PAGE_SIZE), caller.byte(shared + PAGE_SIZE + 10)), (Ok(b'x'), Ok(0)));
    for at in [shared, private] {
        assert_eq!(caller.byte(at + 2 * PAGE_SIZE), Err(Errno::EFAULT));
    }
    caller.call("ftruncate", [fd, 3 * PAGE_SIZE as u64, 0, 0, 0, 0]).unwrap();
    assert_eq!((caller.byte(shared + 2 * PAGE_SIZE), caller.byte(private + 2 * PAGE_SIZE)), (Ok(0), Ok(0)));
}

#[test]
fn a_deleted_files_frames_live_as_long_as_a_mapping() {
    let caller = Caller::new(cpio(&[]));
    let create = 0o100 | READ_WRITE;
    let fd = caller.open("/new", create).unwrap();
    // What is mapped ahead stays the pool's: only what comes after this is counted.
    caller.write(fd, &[1; 8 * PAGE_SIZE]).unwrap();
    let used = caller.process.kernel.used();
    let at = caller.map(fd, 8, STORE, true).unwrap();
    assert_eq!(caller.byte(at), Ok(1));
    caller.path_call("unlinkat", "/new", 0).unwrap();
    caller.call("close", [fd, 0, 0, 0, 0, 0]).unwrap();
    assert_eq!(caller.process.kernel.used(), used + 8);
    assert_eq!(caller.byte(at + 7 * PAGE_SIZE), Ok(1));
    caller.unmap(at, 8);
    assert_eq!(caller.process.kernel.used(), used - 8);
}

#[test]
fn hidden_members_are_attached_and_not_shown() {
    let overlay = [0x11; 2 * PAGE_SIZE];
    let archive = paged_cpio(&[
        (".chitin", 0o040_755, b""),
        (".chitin/rewritten/bin/tool", FILE, &overlay),
        (".chitin/rewritten/bin/missing", FILE, &overlay),
        (".chitin/unknown", FILE, b"x"),
        ("bin/tool", FILE, &contents()),
        (".chitinous", FILE, b"of the tree"),
    ]);
    let caller = Caller::new(archive);
    let names = caller.list("/", 4096);
    assert!(names.contains(&b".chitinous".to_vec()) && !names.contains(&b".chitin".to_vec()));
    assert_eq!(caller.open("/.chitin/rewritten/bin/tool", READ_ONLY), Err(Errno::ENOENT));
    let backing = || entry(&caller, b"/bin/tool").node.clone().run(Role::Program).expect("a regular file").0;
    let found = backing().overlay().expect("an overlay");
    assert!(found == overlay && found.as_ptr().addr() % PAGE_SIZE == 0);
    assert!(caller.read_file("/bin/tool").unwrap() == contents());
    assert!(backing().overlay().is_some(), "reading changes nothing");
    let fd = caller.open("/bin/tool", READ_WRITE).unwrap();
    caller.write(fd, b"x").unwrap();
    assert!(backing().overlay().is_none());
}

#[test]
fn a_file_that_is_cut_or_stored_to_loses_its_overlay() {
    for cut in [false, true] {
        let archive = paged_cpio(&[(".chitin/rewritten/tool", FILE, &[1; PAGE_SIZE]), ("tool", FILE, &contents())]);
        let caller = Caller::new(archive);
        let overlay = || entry(&caller, b"/tool").node.clone().run(Role::Program).expect("a regular file").0.overlay();
        assert!(overlay().is_some());
        let fd = caller.open("/tool", if cut { READ_WRITE | TRUNCATE } else { READ_WRITE }).unwrap();
        if !cut {
            let at = caller.map(fd, 1, STORE, true).unwrap();
            assert_eq!(caller.byte(at), Ok(1));
            assert!(overlay().is_some(), "a load changes nothing");
            caller.process.write(at, b"x").unwrap();
        }
        assert!(overlay().is_none());
    }
}

#[derive(Clone, Debug)]
enum Step {
    Write(usize, usize, u8),
    Store(usize, u8),
    StorePrivately(usize, u8),
    Truncate(usize),
    Punch(usize, usize),
    Remap,
}

/// The file and its mappings stay below this.
const MOST: usize = 6 * PAGE_SIZE;

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..MOST, 0..2 * PAGE_SIZE, any::<u8>()).prop_map(|(offset, length, byte)| Step::Write(offset, length.min(MOST - offset), byte)),
        (0..MOST, any::<u8>()).prop_map(|(offset, byte)| Step::Store(offset, byte)),
        (0..MOST, any::<u8>()).prop_map(|(offset, byte)| Step::StorePrivately(offset, byte)),
        (0..MOST).prop_map(Step::Truncate),
        (0..MOST, 1..MOST).prop_map(|(offset, length)| Step::Punch(offset, length)),
        Just(Step::Remap),
    ]
}

/// Make a step; gives what the file is to hold then.
fn apply(caller: &Caller, fd: u64, maps: &mut [usize; 3], model: &mut Vec<u8>, step: &Step) {
    const PUNCH_AND_KEEP: u64 = 3;
    let in_pages = |offset: usize, model: &[u8]| offset < model.len().next_multiple_of(PAGE_SIZE);
    match *step {
        Step::Write(offset, length, byte) => {
            caller.call("lseek", [fd, offset as u64, 0, 0, 0, 0]).unwrap();
            assert_eq!(caller.write(fd, &vec![byte; length]), Ok(length));
            if length > 0 {
                model.resize(model.len().max(offset + length), 0);
                model[offset..offset + length].fill(byte);
            }
        }
        // A store behind the end, in the last page, is the program's affair: it is not of the file, but may come to light.
        Step::Store(offset, byte) if offset < model.len() => {
            caller.process.write(maps[0] + offset, &[byte]).unwrap();
            model[offset] = byte;
        }
        Step::Store(offset, byte) => assert!(in_pages(offset, model) || caller.process.write(maps[0] + offset, &[byte]).is_err()),
        Step::StorePrivately(offset, byte) => {
            assert_eq!(caller.process.write(maps[2] + offset, &[byte]).is_ok(), in_pages(offset, model));
        }
        Step::Truncate(size) => {
            caller.call("ftruncate", [fd, size as u64, 0, 0, 0, 0]).unwrap();
            model.resize(size, 0);
        }
        Step::Punch(offset, length) => {
            caller.call("fallocate", [fd, PUNCH_AND_KEEP, offset as u64, length as u64, 0, 0]).unwrap();
            let end = (offset + length).min(model.len());
            if offset < end {
                model[offset..end].fill(0);
            }
        }
        Step::Remap => {
            let moved = caller.map(fd, MOST / PAGE_SIZE, STORE, true).unwrap();
            caller.unmap(maps[0], MOST / PAGE_SIZE);
            maps[0] = moved;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]
    #[test]
    fn a_file_is_one_memory_by_every_way_to_it(steps in prop::collection::vec(step(), 1..12)) {
        let (caller, _) = caller();
        let fd = caller.open("/file", READ_WRITE).unwrap();
        let pages = MOST / PAGE_SIZE;
        let mut maps = [(STORE, true), (READ, true), (STORE, false)].map(|(protection, shared)| caller.map(fd, pages, protection, shared).unwrap());
        let mut model = contents();
        for step in &steps {
            apply(&caller, fd, &mut maps, &mut model, step);
            let mut bytes = vec![0; model.len()];
            for at in &maps[..2] {
                prop_assert!(caller.process.read(*at, &mut bytes).is_ok() && bytes == model, "mapped, after {:?}", step);
            }
            prop_assert!(caller.read_file("/file").unwrap() == model, "read, after {:?}", step);
        }
        for at in maps {
            caller.unmap(at, pages);
        }
        prop_assert_eq!(caller.process.memory.lock().shown.pages(), 0);
    }
}

#[test]
fn what_is_shown_is_given_back_as_far_as_it_is_wanted_and_comes_again() {
    let archive = paged_cpio(&[("file", FILE, &[7; 64 * PAGE_SIZE])]);
    let caller = Caller::new(archive);
    let fd = caller.open("/file", READ_ONLY).unwrap();
    let at = caller.map(fd, 64, READ, false).unwrap();
    assert!((0..64).all(|page| caller.byte(at + page * PAGE_SIZE) == Ok(7)));
    let kernel = &caller.process.kernel;
    let give = |wanted| caller.process.memory.lock().give_back_shown(kernel, wanted);
    let shown = || (0..64).filter(|page| kernel.rights(at + page * PAGE_SIZE).is_some()).count();
    assert_eq!((give(5), shown()), (5, 59));
    assert_eq!((give(0), shown()), (0, 59));
    assert_eq!((give(100), shown()), (59, 0), "no more than there is");
    assert!((0..64).all(|page| caller.byte(at + page * PAGE_SIZE) == Ok(7)));
}
