//! Pages: who may map what, and what it costs.

mod world;

use abi::{ANY_FRAME, Call, CloneMode, CloneRange, Error, PAGE_SIZE, Rights};
use arch::{Board, Paging};
use world::{FIRST_FRAME, World};

const A: u64 = 0x40_0000;
const B: u64 = 0x80_0000;
const READ_WRITE: u64 = Rights::READ_WRITE.bits();
const READ_ONLY: u64 = Rights::READ_ONLY.bits();

on_both_formats! {
    a_new_world_is_in_order
    an_allocated_page_is_zeroed_counted_and_charged_with_its_tables
    unmapping_gives_the_frame_and_the_tables_back
    a_share_can_not_be_raised_above_what_was_given
    a_page_is_never_writable_and_executable
    an_executable_page_is_made_visible_to_instruction_fetch
    a_stranger_can_not_map_into_another
    a_window_lets_its_peer_in_and_nobody_else
    a_frame_is_taken_by_number_only_while_it_is_free
    a_broken_copy_on_write_page_is_copied_once_and_then_taken_over
    a_mapping_of_a_copy_on_write_page_is_copy_on_write
    a_page_that_is_marked_so_is_copied_at_once
    a_quota_is_never_passed_and_a_refusal_changes_nothing
    ranges_that_overflow_or_leave_user_space_are_bad_addresses
    a_held_page_without_rights_keeps_its_contents
    changed_translations_are_flushed
    a_killed_child_gives_everything_back
    a_child_handed_up_takes_its_quota_along_and_costs_the_parent_nothing
}

fn alloc<P: Paging>(world: &mut World<P>, slot: usize, address: u64, pages: u64) -> Result<u64, Error> {
    world.call(slot, Call::PageAlloc, &[address, pages, READ_WRITE, ANY_FRAME])
}

fn a_new_world_is_in_order<P: Paging>() {
    World::<P>::new().check();
}

fn an_allocated_page_is_zeroed_counted_and_charged_with_its_tables<P: Paging>() {
    let mut world = World::<P>::new();
    let before = world.entry(0).used;
    assert_eq!(alloc(&mut world, 0, A, 3), Ok(3));
    let mapping = world.mapping(0, A).expect("it is mapped");
    assert_eq!(world.read::<[u64; 512]>(mapping.leaf.frame, 0), [0; 512]);
    assert_eq!(world.entry(0).used, before + 3 + 3, "three pages, three levels of tables");
    world.check();
}

fn unmapping_gives_the_frame_and_the_tables_back<P: Paging>() {
    let mut world = World::<P>::new();
    let (free, used) = (world.info().free_frames, world.entry(0).used);
    alloc(&mut world, 0, A, 3).unwrap();
    assert_eq!(world.call(0, Call::PageUnmap, &[0, A - PAGE_SIZE as u64, 8]), Ok(8), "unmapped pages are passed over");
    assert_eq!((world.info().free_frames, world.entry(0).used), (free, used));
    world.check();
}

fn a_share_can_not_be_raised_above_what_was_given<P: Paging>() {
    let mut world = World::<P>::new();
    let child = world.child(0, 20);
    let id = world.id(child);
    alloc(&mut world, 0, A, 1).unwrap();
    assert_eq!(world.call(0, Call::PageMap, &[id, B, A, 1, READ_ONLY]), Ok(1));
    assert_eq!(world.call(child, Call::PageProtect, &[0, B, 1, READ_WRITE]), Err(Error::BadRights));
    assert_eq!(world.call(child, Call::PageMap, &[0, A, B, 1, READ_WRITE]), Err(Error::BadRights));
    assert_eq!(world.call(0, Call::PageProtect, &[id, B, 1, READ_WRITE]), Err(Error::BadRights), "not even from above");
    assert_eq!(world.call(child, Call::PageProtect, &[0, B, 1, Rights::MAY_READ.bits()]), Ok(1));
    assert_eq!(world.call(child, Call::PageProtect, &[0, B, 1, READ_ONLY]), Ok(1), "down and up again within the maximum");
    world.check();
}

fn a_page_is_never_writable_and_executable<P: Paging>() {
    let mut world = World::<P>::new();
    let both = (Rights::READ_WRITE | Rights::EXECUTE).bits();
    assert_eq!(world.call(0, Call::PageAlloc, &[A, 1, both, ANY_FRAME]), Err(Error::BadRights));
    alloc(&mut world, 0, A, 1).unwrap();
    assert_eq!(world.call(0, Call::PageProtect, &[0, A, 1, both]), Err(Error::BadRights));
    assert_eq!(world.call(0, Call::PageMap, &[0, B, A, 1, both]), Err(Error::BadRights));
    world.check();
}

fn an_executable_page_is_made_visible_to_instruction_fetch<P: Paging>() {
    let mut world = World::<P>::new();
    alloc(&mut world, 0, A, 1).unwrap();
    let frame = world.mapping(0, A).unwrap().leaf.frame;
    world.kernel.machine.synced.clear();
    world.call(0, Call::PageProtect, &[0, A, 1, Rights::READ_EXECUTE.bits()]).unwrap();
    assert_eq!(world.kernel.machine.synced, [frame]);
}

fn a_stranger_can_not_map_into_another<P: Paging>() {
    let mut world = World::<P>::new();
    let (one, other) = (world.child(0, 16), world.child(0, 16));
    let (id, parent) = (world.id(other), world.id(0));
    alloc(&mut world, one, A, 1).unwrap();
    assert_eq!(world.call(one, Call::PageMap, &[id, A, A, 1, READ_WRITE]), Err(Error::Denied));
    assert_eq!(world.call(one, Call::PageUnmap, &[id, A, 1]), Err(Error::Denied));
    assert_eq!(world.call(one, Call::PageMap, &[parent, A, A, 1, READ_WRITE]), Err(Error::Denied), "nor into its parent");
    assert_eq!(world.call(one, Call::EnvDestroy, &[parent, 0]), Err(Error::Denied));
    let forged = id + (1 << 16);
    assert_eq!(world.call(one, Call::PageQuery, &[forged, A]), Err(Error::NoEnv));
    assert_eq!(world.call(one, Call::PageQuery, &[id | 1 << 60, A]), Err(Error::NoEnv));
    world.check();
}

fn a_window_lets_its_peer_in_and_nobody_else<P: Paging>() {
    let mut world = World::<P>::new();
    let (host, guest, third) = (world.child(0, 16), world.child(0, 16), world.child(0, 16));
    let (host_id, guest_id) = (world.id(host), world.id(guest));
    world.call(host, Call::EnvWindow, &[guest_id, B, 2]).unwrap();
    alloc(&mut world, guest, A, 3).unwrap();
    alloc(&mut world, third, A, 1).unwrap();
    assert_eq!(world.call(third, Call::PageMap, &[host_id, B, A, 1, READ_WRITE]), Err(Error::Denied));
    assert_eq!(world.call(guest, Call::PageMap, &[host_id, B, A, 3, READ_WRITE]), Err(Error::Denied), "one page too many");
    assert_eq!(world.call(guest, Call::PageMap, &[host_id, B, A, 2, READ_WRITE]), Ok(2));
    world.call(host, Call::EnvWindow, &[guest_id, B, 0]).unwrap();
    assert_eq!(world.call(guest, Call::PageMap, &[host_id, B, A, 1, READ_WRITE]), Err(Error::Denied));
    world.check();
}

fn a_frame_is_taken_by_number_only_while_it_is_free<P: Paging>() {
    let mut world = World::<P>::new();
    let child = world.child(0, 16);
    alloc(&mut world, 0, A, 1).unwrap();
    let taken = world.mapping(0, A).unwrap().leaf.frame;
    let table_or_kernel = (FIRST_FRAME..).find(|&frame| world.frame(frame).kind == abi::FrameKind::Table as u32).unwrap();
    for frame in [taken, table_or_kernel, FIRST_FRAME + world::FRAMES, 0, 1 << 51] {
        assert_eq!(world.call(child, Call::PageAlloc, &[A, 1, READ_WRITE, frame]), Err(Error::NoFrame), "{frame:#x}");
    }
    let free = (FIRST_FRAME..).find(|&frame| world.frame(frame).kind == abi::FrameKind::Free as u32).unwrap();
    assert_eq!(world.call(child, Call::PageAlloc, &[A, 1, READ_WRITE, free]), Ok(1));
    assert_eq!(world.mapping(child, A).unwrap().leaf.frame, free);
    assert_eq!(
        world.call(child, Call::PageAlloc, &[B, 1, READ_WRITE, FIRST_FRAME - 1]),
        Err(Error::Denied),
        "a device needs the privilege"
    );
    assert_eq!(world.call(0, Call::PageAlloc, &[B, 1, READ_WRITE, FIRST_FRAME - 1]), Ok(1));
    world.check();
}

fn clone<P: Paging>(world: &mut World<P>, id: u64, mode: CloneMode) -> Result<u64, Error> {
    let list = A + 0x10_0000;
    if world.mapping(0, list).is_none() {
        alloc(world, 0, list, 1).unwrap();
    }
    let frame = world.mapping(0, list).unwrap().leaf.frame;
    let range = CloneRange { source: A, target: A, pages: 1, mode: mode as u64 };
    // SAFETY: the list's frame is whole RAM of the fake's.
    unsafe { world.kernel.machine.frame(frame).cast::<CloneRange>().write(range) };
    world.call(0, Call::PageClone, &[id, list, 1, 0])
}

fn a_broken_copy_on_write_page_is_copied_once_and_then_taken_over<P: Paging>() {
    let mut world = World::<P>::new();
    let child = world.child(0, 16);
    let id = world.id(child);
    alloc(&mut world, 0, A, 1).unwrap();
    let original = world.mapping(0, A).unwrap().leaf.frame;
    // SAFETY: the frame is RAM of the fake's.
    unsafe { world.kernel.machine.frame(original).write(42) };
    assert_eq!(clone(&mut world, id, CloneMode::CopyOnWrite), Ok(u64::MAX));
    world.check();
    assert!(!world.mapping(0, A).unwrap().leaf.rights.contains(Rights::WRITE));
    assert_eq!(world.call(child, Call::PageBreak, &[A]), Ok(1), "copied");
    let copy = world.mapping(child, A).unwrap().leaf;
    assert_eq!((world.read::<u8>(copy.frame, 0), copy.frame == original), (42, false));
    assert_eq!(world.call(0, Call::PageBreak, &[A]), Ok(0), "taken over");
    assert_eq!(world.mapping(0, A).unwrap().leaf.frame, original);
    assert_eq!(world.call(0, Call::PageBreak, &[A]), Err(Error::BadRights), "it is nobody else's any more");
    world.check();
}

fn a_mapping_of_a_copy_on_write_page_is_copy_on_write<P: Paging>() {
    let mut world = World::<P>::new();
    let child = world.child(0, 16);
    let id = world.id(child);
    alloc(&mut world, 0, A, 1).unwrap();
    clone(&mut world, id, CloneMode::CopyOnWrite).unwrap();
    assert_eq!(world.call(child, Call::PageMap, &[0, B, A, 1, READ_WRITE]), Ok(1));
    let alias = world.mapping(child, B).unwrap().leaf.rights;
    assert!(alias.contains(Rights::COW) && !alias.contains(Rights::WRITE));
    assert_eq!(world.call(child, Call::PageProtect, &[0, A, 1, READ_WRITE]), Ok(1));
    assert!(!world.mapping(child, A).unwrap().leaf.rights.contains(Rights::WRITE), "protect does not break it");
    world.check();
}

fn a_page_that_is_marked_so_is_copied_at_once<P: Paging>() {
    const COPIED: u64 = Rights::COPIED.bits();
    let mut world = World::<P>::new();
    let child = world.child(0, 16);
    let id = world.id(child);
    alloc(&mut world, 0, A, 1).unwrap();
    assert_eq!(world.call(0, Call::PageProtect, &[0, A, 1, READ_WRITE | COPIED]), Ok(1));
    let original = world.mapping(0, A).unwrap().leaf;
    assert!(original.rights.contains(Rights::COPIED | Rights::WRITE));
    // SAFETY: the frame is RAM of the fake's.
    unsafe { world.kernel.machine.frame(original.frame).write(42) };
    assert_eq!(world.call(0, Call::PageMap, &[0, B, A, 1, READ_WRITE | COPIED]), Err(Error::BadArgument), "it is nothing to hand on");
    assert_eq!(clone(&mut world, id, CloneMode::CopyOnWrite), Ok(u64::MAX));
    world.check();
    let copy = world.mapping(child, A).unwrap().leaf;
    assert_eq!((world.read::<u8>(copy.frame, 0), copy.frame == original.frame), (42, false));
    assert_eq!((copy.rights, world.mapping(0, A).unwrap().leaf), (original.rights, original), "both may write, and a copy is marked too");
    // Marked or not, what may never be written is shared.
    assert_eq!(world.call(child, Call::PageUnmap, &[0, A, 1]), Ok(1));
    assert_eq!(world.call(0, Call::PageProtect, &[0, A, 1, READ_ONLY | COPIED]), Ok(1));
    assert_eq!(clone(&mut world, id, CloneMode::CopyOnWrite), Ok(u64::MAX));
    assert_eq!(world.mapping(child, A).unwrap().leaf.frame, original.frame);
    assert_eq!(world.call(0, Call::PageProtect, &[0, A, 1, READ_ONLY]), Ok(1));
    assert!(!world.mapping(0, A).unwrap().leaf.rights.contains(Rights::COPIED), "up to when its rights are set");
    world.check();
}

fn a_quota_is_never_passed_and_a_refusal_changes_nothing<P: Paging>() {
    let mut world = World::<P>::new();
    let child = world.child(0, 9);
    assert_eq!(world.entry(child).used, 3, "record, root, context");
    assert_eq!(alloc(&mut world, child, A, 4), Ok(3), "three tables, three pages: the quota is full");
    let free = world.info().free_frames;
    assert_eq!(alloc(&mut world, child, B, 1), Err(Error::Quota));
    assert_eq!(world.call(child, Call::ContextCreate, &[0]), Err(Error::Quota));
    assert_eq!(world.call(child, Call::EnvCreate, &[2, 0]), Err(Error::Quota));
    assert_eq!(world.info().free_frames, free);
    world.check();
}

fn ranges_that_overflow_or_leave_user_space_are_bad_addresses<P: Paging>() {
    let mut world = World::<P>::new();
    let top = abi::USER_TOP;
    for (address, pages) in [(0, 1), (A + 1, 1), (top, 1), (top - 4096, 2), (1 << 63, 1), (A, u64::MAX), (A, u64::MAX >> 12), (!0xfff, 2)] {
        assert_eq!(alloc(&mut world, 0, address, pages), Err(Error::BadAddress), "{address:#x} {pages:#x}");
        assert_eq!(world.call(0, Call::PageUnmap, &[0, address, pages]), Err(Error::BadAddress));
        assert_eq!(world.call(0, Call::PageProtect, &[0, address, pages, READ_ONLY]), Err(Error::BadAddress));
        assert_eq!(world.call(0, Call::PageMap, &[0, address, A, pages, READ_ONLY]), Err(Error::BadAddress));
        assert_eq!(world.call(0, Call::PageMap, &[0, A, address, pages, READ_ONLY]), Err(Error::BadAddress));
    }
    assert_eq!(alloc(&mut world, 0, top - 4096, 1), Ok(1), "the last page");
    world.check();
}

fn a_held_page_without_rights_keeps_its_contents<P: Paging>() {
    let mut world = World::<P>::new();
    alloc(&mut world, 0, A, 1).unwrap();
    let before = world.mapping(0, A).unwrap();
    world.call(0, Call::PageProtect, &[0, A, 1, Rights::MAY_ALL.bits()]).unwrap();
    let info = world.call(0, Call::PageQuery, &[0, A]).unwrap();
    assert_eq!(info, before.leaf.frame << 12 | Rights::MAY_ALL.bits());
    assert_eq!(alloc(&mut world, 0, A, 1), Err(Error::Occupied));
    world.call(0, Call::PageProtect, &[0, A, 1, READ_WRITE]).unwrap();
    assert_eq!(world.mapping(0, A), Some(before));
    world.check();
}

fn changed_translations_are_flushed<P: Paging>() {
    let mut world = World::<P>::new();
    alloc(&mut world, 0, A, 40).unwrap();
    world.kernel.machine.flushed_pages.clear();
    world.kernel.machine.flushed_spaces.clear();
    world.call(0, Call::PageProtect, &[0, A, 2, READ_ONLY]).unwrap();
    assert_eq!(world.kernel.machine.flushed_pages, [(1, A), (1, A + 4096)]);
    world.call(0, Call::PageUnmap, &[0, A, 40]).unwrap();
    assert_eq!(world.kernel.machine.flushed_spaces, [1], "many at once");
}

fn a_killed_child_gives_everything_back<P: Paging>() {
    let mut world = World::<P>::new();
    let (free, used) = (world.info().free_frames, world.entry(0).used);
    let child = world.child(0, 40);
    let id = world.id(child);
    alloc(&mut world, child, A, 5).unwrap();
    alloc(&mut world, child, 0x7000_0000_0000, 5).unwrap();
    let grandchild = world.child(child, 8);
    alloc(&mut world, grandchild, A, 1).unwrap();
    world.call(0, Call::EnvDestroy, &[id, 7]).unwrap();
    assert_eq!(world.entry(grandchild).parent, 0, "orphans go to the grandparent");
    world.check();
    let orphan = world.id(grandchild);
    world.call(0, Call::EnvDestroy, &[orphan, 0]).unwrap();
    for id in [id, orphan] {
        while world.call(0, Call::EnvReap, &[id]).unwrap() == 0 {
            world.check();
        }
    }
    assert_eq!((world.info().free_frames, world.entry(0).used), (free, used));
    assert_eq!(world.call(0, Call::EnvReap, &[id]), Err(Error::NoEnv));
    world.check();
}

fn a_child_handed_up_takes_its_quota_along_and_costs_the_parent_nothing<P: Paging>() {
    let mut world = World::<P>::new();
    let parent = world.child(0, 40);
    let child = world.child(parent, 30);
    let own = world.entry(parent);
    assert_eq!(own.quota - own.used, 40 - 3 - 30);
    let grandchild = world.call(child, Call::EnvCreate, &[20, 0]).unwrap();
    let heir = world.id(parent);
    // The parent has less left than the quota that comes: it has been charged for it already.
    assert_eq!(world.call(child, Call::EnvHand, &[grandchild, heir]), Ok(0));
    assert_eq!((world.entry(parent).used, world.entry(parent).quota), (own.used, own.quota), "charged once");
    assert_eq!((world.entry(child).quota, world.entry(child).used), (10, 3), "the quota was part of the child's");
    world.check();
    assert_eq!(world.call(parent, Call::EnvDestroy, &[grandchild, 0]), Ok(0));
    while world.call(parent, Call::EnvReap, &[grandchild]) == Ok(0) {}
    assert_eq!(world.entry(parent).used, own.used - 20, "its own to spend again");
    world.check();
}
