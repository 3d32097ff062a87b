//! Pages that are taken by force are written down, for all to read; finding them.

mod world;

use abi::{ANY_FRAME, Call, Error, INFO_LEDGER_PAGE, LEDGER_ENTRIES, LedgerEntry, PAGE_SIZE, Rights};
use arch::Paging;
use world::World;

const A: u64 = 0x40_0000;
const B: u64 = 0x60_0000;
const PAGE: u64 = PAGE_SIZE as u64;
const READ_WRITE: u64 = Rights::READ_WRITE.bits();

on_both_formats! {
    what_a_parent_takes_is_written_down
    what_one_gives_up_oneself_is_not
    a_page_that_is_taken_is_nobodys_and_no_longer_charged
    a_grandparent_may_take_and_a_stranger_may_not
    the_ledger_keeps_the_last_entries_in_order
    a_large_page_is_one_entry
    who_waits_for_the_ledger_is_woken
    unmapped_pages_are_skipped_up_to_the_first_that_is_mapped
    a_stranger_learns_nothing_by_skipping
}

fn alloc<P: Paging>(world: &mut World<P>, slot: usize, address: u64, pages: u64) {
    assert_eq!(world.call(slot, Call::PageAlloc, &[address, pages, READ_WRITE, ANY_FRAME]), Ok(pages));
}

/// Number `number` of the ledger.
fn entry<P: Paging>(world: &World<P>, number: u32) -> LedgerEntry {
    let offset = number as usize % LEDGER_ENTRIES * size_of::<LedgerEntry>();
    world.read(world.info_frame() + (INFO_LEDGER_PAGE + offset / PAGE_SIZE) as u64, offset % PAGE_SIZE)
}

fn what_a_parent_takes_is_written_down<P: Paging>() {
    let mut world = World::<P>::new();
    let child = world.child(0, 20);
    let id = world.id(child);
    alloc(&mut world, child, A, 3);
    let frames = [0, 2].map(|page| world.mapping(child, A + page * PAGE).unwrap().leaf.frame);
    assert_eq!(world.call(child, Call::PageUnmap, &[0, A + PAGE, 1]), Ok(1));
    assert_eq!(world.info().taken, 0);
    assert_eq!(world.call(0, Call::PageUnmap, &[id, A, 3]), Ok(3));
    assert_eq!(world.info().taken, 2, "what was not there any more was not taken");
    for (number, (page, frame)) in [0, 2].into_iter().zip(frames).enumerate() {
        let entry = entry(&world, number as u32);
        let expected = LedgerEntry { holder: id, address: A + page * PAGE, ticks: entry.ticks, frame: frame as u32, taker: 0 };
        assert_eq!(entry, expected);
        assert!(entry.ticks > 0);
    }
    world.check();
}

fn what_one_gives_up_oneself_is_not<P: Paging>() {
    let mut world = World::<P>::new();
    let child = world.child(0, 20);
    let id = world.id(child);
    alloc(&mut world, child, A, 2);
    for name in [0, id] {
        assert_eq!(world.call(child, Call::PageUnmap, &[name, A, 1]), Ok(1));
    }
    world.call(child, Call::PageUnmap, &[0, A, 2]).unwrap();
    world.call(0, Call::EnvDestroy, &[id, 0]).unwrap();
    world.call(0, Call::EnvReap, &[id]).unwrap();
    assert_eq!(world.info().taken, 0);
}

fn a_page_that_is_taken_is_nobodys_and_no_longer_charged<P: Paging>() {
    let mut world = World::<P>::new();
    let child = world.child(0, 20);
    let id = world.id(child);
    let (free, used) = (world.info().free_frames, world.entry(child).used);
    alloc(&mut world, child, A, 4);
    assert_eq!(world.call(0, Call::EnvQuota, &[id, used]), Err(Error::Quota), "what it has must be taken first");
    world.call(0, Call::PageUnmap, &[id, A, 4]).unwrap();
    assert_eq!((world.info().free_frames, world.entry(child).used), (free, used));
    assert_eq!(world.call(0, Call::EnvQuota, &[id, used]), Ok(0));
    assert_eq!(world.call(child, Call::PageAlloc, &[A, 1, READ_WRITE, ANY_FRAME]), Err(Error::Quota));
    world.check();
}

fn a_grandparent_may_take_and_a_stranger_may_not<P: Paging>() {
    let mut world = World::<P>::new();
    let child = world.child(0, 40);
    let grandchild = world.child(child, 20);
    let stranger = world.child(0, 20);
    let id = world.id(grandchild);
    alloc(&mut world, grandchild, A, 1);
    assert_eq!(world.call(stranger, Call::PageUnmap, &[id, A, 1]), Err(Error::Denied));
    assert_eq!(world.info().taken, 0);
    assert_eq!(world.call(0, Call::PageUnmap, &[id, A, 1]), Ok(1));
    let entry = entry(&world, 0);
    assert_eq!((entry.holder, entry.taker), (id, 0));
    world.check();
}

fn the_ledger_keeps_the_last_entries_in_order<P: Paging>() {
    let mut world = World::<P>::new();
    let child = world.child(0, 20);
    let id = world.id(child);
    let rounds = LEDGER_ENTRIES as u64 + 3;
    for round in 0..rounds {
        alloc(&mut world, child, A + round * PAGE, 1);
        world.call(0, Call::PageUnmap, &[id, A + round * PAGE, 1]).unwrap();
    }
    assert_eq!(u64::from(world.info().taken), rounds);
    for number in 3..rounds {
        assert_eq!(entry(&world, number as u32).address, A + number * PAGE);
    }
    assert_eq!(entry(&world, 0).address, A + LEDGER_ENTRIES as u64 * PAGE, "the oldest are written over");
}

fn a_large_page_is_one_entry<P: Paging>() {
    let mut world = World::<P>::with(0x800);
    let child = world.child(0, 600);
    let id = world.id(child);
    let large = READ_WRITE | Rights::LARGE.bits();
    assert_eq!(world.call(child, Call::PageAlloc, &[A, 512, large, 0x400]), Ok(512));
    assert_eq!(world.call(0, Call::PageUnmap, &[id, A + PAGE, 1]), Err(Error::Occupied), "not in part");
    assert_eq!(world.call(0, Call::PageUnmap, &[id, A, 512]), Ok(512));
    assert_eq!(world.info().taken, 1);
    assert_eq!((entry(&world, 0).address, entry(&world, 0).frame), (A | 1, 0x400));
    world.check();
}

fn who_waits_for_the_ledger_is_woken<P: Paging>() {
    let mut world = World::<P>::new();
    let child = world.child(0, 40);
    let id = world.id(child);
    alloc(&mut world, child, A, 2);
    let words = world.mapping(child, A).unwrap().leaf.frame;
    world.call(child, Call::InfoMap, &[0, B, 0, 1]).unwrap();
    let taken = B + core::mem::offset_of!(abi::InfoPage, taken) as u64;
    let word = abi::WaitWord { address: taken, value: 0, reserved: 0 };
    // SAFETY: the frame is RAM of the fake's.
    unsafe { arch::Board::frame(&world.kernel.machine, words).cast::<abi::WaitWord>().write(word) };
    let context = world.start_call(child, Call::Wait, &[A, 1, abi::NO_DEADLINE]);
    world.call(0, Call::PageUnmap, &[id, A + PAGE, 1]).unwrap();
    // SAFETY: the record is in a frame of the fake's, which stays allocated.
    assert_eq!(unsafe { (*context).result }, (0, 0), "the first of its words");
}

fn unmapped_pages_are_skipped_up_to_the_first_that_is_mapped<P: Paging>() {
    let mut world = World::<P>::with(0x800);
    let child = world.child(0, 700);
    let id = world.id(child);
    let high = 0x7000_0000_0000;
    alloc(&mut world, child, A, 1);
    alloc(&mut world, child, A + 5 * PAGE, 1);
    alloc(&mut world, child, high, 1);
    let skip = |world: &mut World<P>, address, pages| world.call(0, Call::PageSkip, &[id, address, pages]);
    assert_eq!(skip(&mut world, PAGE, 100), Ok(100), "no further than it is asked");
    assert_eq!(skip(&mut world, PAGE, 1 << 20), Ok(A / PAGE - 1));
    assert_eq!(skip(&mut world, A, 9), Ok(0));
    assert_eq!(skip(&mut world, A + PAGE, 9), Ok(4));
    let (mut at, end) = (A + 6 * PAGE, 0x7fff_0000_0000);
    let mut calls = 0;
    while let passed @ 1.. = skip(&mut world, at, (end - at) / PAGE).unwrap() {
        (at, calls) = (at + passed * PAGE, calls + 1);
    }
    assert_eq!(at, high);
    assert!(calls < 16, "{calls} calls for what is not there");
    let large = READ_WRITE | Rights::LARGE.bits();
    world.call(child, Call::PageAlloc, &[B, 512, large, 0x400]).unwrap();
    for page in [0, 1, 511] {
        assert_eq!(skip(&mut world, B + page * PAGE, 1), Ok(0), "page {page} of a large one");
    }
    assert_eq!(skip(&mut world, A + 6 * PAGE, 1 << 20), Ok((B - A) / PAGE - 6));
}

fn a_stranger_learns_nothing_by_skipping<P: Paging>() {
    let mut world = World::<P>::new();
    let (one, other) = (world.child(0, 20), world.child(0, 20));
    let (id, parent) = (world.id(other), world.id(0));
    for name in [id, parent] {
        assert_eq!(world.call(one, Call::PageSkip, &[name, A, 1]), Err(Error::Denied));
    }
    for (address, pages) in [(0, 1), (A + 1, 1), (abi::USER_TOP, 1), (A, u64::MAX)] {
        assert_eq!(world.call(one, Call::PageSkip, &[0, address, pages]), Err(Error::BadAddress), "{address:#x} {pages:#x}");
    }
}
