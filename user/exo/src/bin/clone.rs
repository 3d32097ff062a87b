//! Cloning: shared, copied on write, copied; one call for many ranges; and who gets a copy when a page is broken.
#![no_std]
#![no_main]

use abi::{CloneMode, CloneRange, EnvId, Error, FaultKind, MAX_CLONE_RANGES, Rights};
use native::{
    child::{Child, End, PATIENCE, QUOTA, peek, poke},
    numbered::call,
    place::{FREE, FREE_TOO, page},
    scene::Scene,
    shared,
    upcall::install,
};

exo::program!(main);

const STEP: usize = shared::FREE;

fn main() -> u8 {
    let mut scene = Scene::new();
    scene.act("three modes, one page each", End::Exited(0), modes, 0);
    scene.act("a page broken: copied, then taken over", End::Exited(0), breaking, 0);
    fork();
    scene.after("a child's copy-on-write pages, broken by both sides");
    scene.act("many ranges, with holes", End::Exited(0), ranges, 0);
    scene.act("more pages than one call does", End::Exited(0), batches, 0);
    scene.act("lists that are none", End::Exited(0), bad_lists, 0);
    scene.act("a generation of generations", End::Exited(0), generations, 3);
    scene.close()
}

fn range(source: usize, target: usize, pages: usize, mode: CloneMode) -> CloneRange {
    CloneRange { source: source as u64, target: target as u64, pages: pages as u64, mode: mode as u64 }
}

fn clone(source: usize, target: usize, mode: CloneMode) {
    exo::page_clone(EnvId::SELF, &[range(source, target, 1, mode)]).expect("a clone");
}

fn frame(address: usize) -> u64 {
    exo::page_query(EnvId::SELF, address).expect("it is mapped").frame
}

fn modes(_: u64) -> u64 {
    exo::page_alloc(FREE, 3, Rights::READ_WRITE, None).expect("pages");
    for (index, mode) in [CloneMode::Share, CloneMode::CopyOnWrite, CloneMode::Copy].into_iter().enumerate() {
        let (source, target) = (page(FREE, index), page(FREE_TOO, index));
        poke(source, 100 + index as u64);
        clone(source, target, mode);
        assert_eq!(peek(target), 100 + index as u64);
        assert_eq!(frame(source) == frame(target), mode != CloneMode::Copy);
    }
    poke(FREE, 200);
    assert_eq!(peek(FREE_TOO), 200, "shared");
    poke(page(FREE, 2), 202);
    assert_eq!(peek(page(FREE_TOO, 2)), 102, "copied");
    // Where it is marked, a clone on write is a copy, whose other mappings are not.
    let (source, target) = (page(FREE, 3), page(FREE_TOO, 3));
    exo::page_alloc(source, 1, Rights::READ_WRITE | Rights::COPIED, None).expect("a page");
    poke(source, 103);
    clone(source, target, CloneMode::CopyOnWrite);
    poke(source, 203);
    assert_eq!((peek(target), frame(source) == frame(target)), (103, false), "copied at once");
    0
}

fn breaking(_: u64) -> u64 {
    exo::page_alloc(FREE, 1, Rights::READ_WRITE, None).expect("a page");
    poke(FREE, 7);
    clone(FREE, FREE_TOO, CloneMode::CopyOnWrite);
    let shared = frame(FREE);
    assert_eq!(exo::page_break(FREE_TOO), Ok(true), "the first gets a copy");
    assert!(frame(FREE_TOO) != shared && frame(FREE) == shared);
    assert_eq!((peek(FREE), peek(FREE_TOO)), (7, 7));
    poke(FREE_TOO, 8);
    assert_eq!(exo::page_break(FREE), Ok(false), "the last takes the frame over");
    assert_eq!(frame(FREE), shared);
    poke(FREE, 9);
    assert_eq!((peek(FREE), peek(FREE_TOO)), (9, 8));
    assert_eq!(exo::page_break(FREE), Err(Error::BadRights), "it is no longer copy-on-write");
    assert_eq!(exo::page_break(page(FREE, 1)), Err(Error::NotMapped));
    0
}

/// Break copy-on-write pages as they are written to.
fn break_on_write(_: &mut abi::Registers, page: &mut abi::UpcallPage) {
    assert_eq!(page.kind, FaultKind::Write as u64, "at {:#x}", page.address);
    exo::page_break(page.address as usize).expect("a copy-on-write page");
}

const FORKED: usize = 64;

fn fork() {
    exo::page_alloc(FREE, FORKED, Rights::READ_WRITE, None).expect("pages");
    for index in 0..FORKED {
        poke(page(FREE, index), index as u64);
    }
    let child = Child::new(QUOTA, native::NONE);
    exo::page_clone(child.id, &[range(FREE, FREE, FORKED, CloneMode::CopyOnWrite)]).expect("a clone");
    shared::set(STEP, 0);
    child.start(
        |_| {
            install(0, break_on_write);
            assert!(shared::await_value(STEP, 1, PATIENCE));
            for index in 0..FORKED {
                assert_eq!(peek(page(FREE, index)), index as u64, "the parent's stores are not seen");
                poke(page(FREE, index), 1000 + index as u64);
            }
            0
        },
        0,
    );
    // The parent writes to every second page first, the child to all.
    for index in (0..FORKED).step_by(2) {
        assert_eq!(exo::page_break(page(FREE, index)), Ok(true));
        poke(page(FREE, index), 2000 + index as u64);
    }
    shared::set(STEP, 1);
    child.expect("the child", End::Exited(0));
    for index in 0..FORKED {
        let expected = if index % 2 == 0 { 2000 } else { 0 } + index as u64;
        assert_eq!(peek(page(FREE, index)), expected, "the child's stores are not seen");
        if index % 2 == 1 {
            assert_eq!(exo::page_break(page(FREE, index)), Ok(false), "nobody else is left");
        }
    }
    // SAFETY: nothing keeps a reference into the pages.
    unsafe { exo::page_unmap(EnvId::SELF, FREE, FORKED) }.expect("they are mapped");
}

fn ranges(_: u64) -> u64 {
    let mut list = [range(0, 0, 0, CloneMode::Share); MAX_CLONE_RANGES];
    for (index, entry) in list.iter_mut().enumerate() {
        // Every third range is of pages that are not there, every fourth of none.
        let (source, target) = (page(FREE, index * 2), page(FREE_TOO, index * 2));
        if index % 3 != 0 {
            exo::page_alloc(source, 1, Rights::READ_WRITE, None).expect("a page");
            poke(source, index as u64);
        }
        let modes = [CloneMode::Share, CloneMode::CopyOnWrite, CloneMode::Copy];
        *entry = range(source, target, usize::from(index % 4 != 0) * 2, modes[index % 3]);
    }
    exo::page_clone(EnvId::SELF, &list).expect("clones");
    for index in 0..MAX_CLONE_RANGES {
        let there = exo::page_query(EnvId::SELF, page(FREE_TOO, index * 2));
        assert_eq!(there.is_ok(), index % 3 != 0 && index % 4 != 0, "range {index}");
        if there.is_ok() {
            assert_eq!(peek(page(FREE_TOO, index * 2)), index as u64);
        }
    }
    assert_eq!(exo::page_clone(EnvId::SELF, &list), Err(Error::Occupied));
    0
}

fn batches(_: u64) -> u64 {
    const PAGES: usize = 128;
    exo::page_alloc(FREE, PAGES, Rights::READ_WRITE, None).expect("pages");
    for index in 0..PAGES {
        poke(page(FREE, index), index as u64);
    }
    // One range of 2^22 pages, of which a few are there.
    exo::page_clone(EnvId::SELF, &[range(FREE, FREE_TOO, 1 << 22, CloneMode::CopyOnWrite)]).expect("a clone");
    for index in 0..PAGES {
        assert_eq!(peek(page(FREE_TOO, index)), index as u64);
        assert_eq!(exo::page_break(page(FREE, index)), Ok(true));
    }
    // SAFETY: nothing keeps a reference into the pages.
    unsafe {
        exo::page_unmap(EnvId::SELF, FREE, 1 << 22).expect("passes over what is not mapped");
        exo::page_unmap(EnvId::SELF, FREE_TOO, 1 << 22).expect("passes over what is not mapped");
    }
    assert_eq!(exo::page_query(EnvId::SELF, FREE), Err(Error::NotMapped));
    assert_eq!(exo::page_query(EnvId::SELF, FREE_TOO), Err(Error::NotMapped));
    0
}

fn bad_lists(_: u64) -> u64 {
    // SAFETY: each is refused.
    let raw = |list: u64, count: u64, cursor: u64| unsafe { call(abi::Call::PageClone, [0, list, count, cursor, 0, 0]) };
    let good = [range(FREE, FREE_TOO, 1, CloneMode::Share)];
    let list = good.as_ptr() as u64;
    for count in [MAX_CLONE_RANGES as u64 + 1, u64::MAX, 1 << 32] {
        assert_eq!(raw(list, count, 0), Error::BadArgument as i64, "{count:#x} ranges");
    }
    for cursor in [2 << 40, u64::MAX - 1, 5] {
        assert_eq!(raw(list, 1, cursor), Error::BadArgument as i64, "cursor {cursor:#x}");
    }
    assert_eq!(raw(FREE as u64, 1, 0), Error::NotMapped as i64);
    assert_eq!(raw(list + 4, 1, 0), Error::BadAddress as i64);
    assert_eq!(raw(u64::MAX - 31, 3, 0), Error::BadAddress as i64);
    let bad = |range: CloneRange| exo::page_clone(EnvId::SELF, &[range]);
    assert_eq!(bad(CloneRange { mode: 3, ..good[0] }), Err(Error::BadArgument));
    assert_eq!(bad(CloneRange { mode: u64::MAX, ..good[0] }), Err(Error::BadArgument));
    for address in [0, 1, 0x7fff_ffff_f000, 0x8000_0000_0000, 0xffff_8000_0000_0000, !0xfff] {
        assert_eq!(bad(CloneRange { source: address, ..good[0] }), Err(Error::BadAddress), "{address:#x}");
        assert_eq!(bad(CloneRange { target: address, ..good[0] }), Err(Error::BadAddress), "{address:#x}");
    }
    for pages in [u64::MAX, 1 << 52, 1 << 51] {
        assert_eq!(bad(CloneRange { pages, ..good[0] }), Err(Error::BadAddress), "{pages:#x} pages");
    }
    0
}

/// Each generation clones its page on write for the next, which writes to it.
fn generations(left: u64) -> u64 {
    if left == 3 {
        exo::page_alloc(FREE, 1, Rights::READ_WRITE, None).expect("a page");
        poke(FREE, 3);
    }
    assert_eq!(peek(FREE), left);
    if left > 0 {
        let child = exo::env_create(64, native::NONE).expect("a child");
        exo::page_clone(child, &[range(FREE, FREE, 1, CloneMode::CopyOnWrite)]).expect("a clone");
        assert_eq!(exo::page_break(FREE), Ok(true));
        poke(FREE, left - 1);
        let below = exo::env_create(8, native::NONE).expect("another");
        assert_eq!(exo::env_hand(below, child), Ok(()));
        exo::env_destroy(child, 0).expect("it lives");
        exo::env_reap(child).expect("it is dead");
        exo::env_destroy(below, 0).expect("it became ours");
        exo::env_reap(below).expect("it is dead");
        return generations(left - 1);
    }
    0
}
