//! Exhaustive search of a small world: every sequence of a few calls, and long random ones, leave the kernel's books in order and nobody
//! with more than they were given.

mod world;

use abi::{ANY_FRAME, Call, Rights};
use arch::Paging;
use proptest::prelude::*;
use world::World;

const A: u64 = 0x40_0000;
const B: u64 = 0x60_0000;
const READ_WRITE: u64 = Rights::READ_WRITE.bits();
const READ_ONLY: u64 = Rights::READ_ONLY.bits();
const EXECUTE: u64 = Rights::READ_EXECUTE.bits();

/// A call of one of the small world's inhabitants. Names of environments are slots, resolved when the call is made.
#[derive(Clone, Copy, Debug)]
struct Move {
    who: usize,
    call: Call,
    env: Option<usize>,
    arguments: &'static [u64],
}

const fn over(who: usize, call: Call, env: usize, arguments: &'static [u64]) -> Move {
    Move { who, call, env: Some(env), arguments }
}

const fn own(who: usize, call: Call, arguments: &'static [u64]) -> Move {
    Move { who, call, env: None, arguments }
}

/// Root (0), two children (1 and 2). The page at `SHARED` was given to both read-only, and is writable at the root.
const SHARED: u64 = 0x50_0000;
const MOVES: &[Move] = &[
    own(1, Call::PageAlloc, &[A, 1, READ_WRITE, ANY_FRAME]),
    own(1, Call::PageAlloc, &[B, 2, READ_WRITE, ANY_FRAME]),
    own(2, Call::PageAlloc, &[A, 1, EXECUTE, ANY_FRAME]),
    over(1, Call::PageUnmap, 1, &[A, 2]),
    over(1, Call::PageUnmap, 1, &[SHARED, 1]),
    over(0, Call::PageUnmap, 1, &[B, 1]),
    over(1, Call::PageProtect, 1, &[SHARED, 1, READ_WRITE]),
    over(1, Call::PageProtect, 1, &[A, 1, READ_ONLY]),
    over(1, Call::PageProtect, 1, &[A, 1, EXECUTE]),
    over(1, Call::PageProtect, 1, &[A, 1, 0]),
    over(1, Call::PageMap, 1, &[B, SHARED, 1, READ_WRITE]),
    over(1, Call::PageMap, 1, &[B, SHARED, 1, READ_ONLY]),
    over(1, Call::PageMap, 1, &[B, A, 1, READ_WRITE]),
    over(1, Call::PageMap, 2, &[B, A, 1, READ_WRITE]),
    over(2, Call::EnvWindow, 1, &[B, 1]),
    over(0, Call::PageMap, 1, &[A, A, 1, READ_WRITE]),
    over(0, Call::PageClone, 1, &[LIST, 2, 0]),
    over(1, Call::PageClone, 2, &[LIST, 2, 0]),
    own(0, Call::PageBreak, &[A]),
    own(1, Call::PageBreak, &[A]),
    own(1, Call::PageBreak, &[SHARED]),
    over(0, Call::EnvQuota, 1, &[12]),
    over(0, Call::EnvQuota, 1, &[30]),
    over(0, Call::EnvHand, 1, &[2]),
    own(1, Call::EnvCreate, &[4, 0]),
    over(0, Call::EnvDestroy, 1, &[0]),
    over(0, Call::EnvReap, 1, &[]),
    over(1, Call::ContextCreate, 1, &[]),
    over(1, Call::UpcallSet, 1, &[0, A, A]),
    over(1, Call::InfoMap, 1, &[B, 0, 2]),
    over(0, Call::PageSkip, 1, &[A, 0x200]),
];
/// Where the root keeps a clone list: `A` and `SHARED`, copy on write.
const LIST: u64 = 0x70_0000;

fn start<P: Paging>() -> (World<P>, u64) {
    use abi::CloneRange;
    use arch::Board;
    let mut world = World::<P>::new();
    for address in [A, SHARED, LIST] {
        world.call(0, Call::PageAlloc, &[address, 1, READ_WRITE, ANY_FRAME]).unwrap();
    }
    for _ in 0..2 {
        let child = world.child(0, 20);
        let id = world.id(child);
        world.call(0, Call::PageMap, &[id, SHARED, SHARED, 1, READ_ONLY]).unwrap();
    }
    let list = world.mapping(0, LIST).unwrap().leaf.frame;
    let range = |source, mode| CloneRange { source, target: source, pages: 1, mode };
    // SAFETY: the list's frame is whole RAM of the fake's.
    unsafe { world.kernel.machine.frame(list).cast::<[CloneRange; 2]>().write([range(A, 1), range(B, 1)]) };
    let shared = world.mapping(0, SHARED).unwrap().leaf.frame;
    world.check();
    (world, shared)
}

fn make<P: Paging>(world: &mut World<P>, step: Move) {
    if world.entry(step.who).state != abi::EnvState::Alive as u32 {
        return;
    }
    let mut arguments: Vec<u64> = step.env.map(|slot| world.id(slot)).into_iter().collect();
    arguments.extend(step.arguments);
    if step.call == Call::EnvHand {
        arguments[1] = world.id(2);
    }
    let _ = world.call(step.who, step.call, &arguments);
}

/// The books are in order, and the shared page is nobody's to write but the root's.
fn check<P: Paging>(world: &World<P>, shared: u64) {
    world.check();
    for mapping in world.mappings() {
        let others = mapping.slot != 0 && mapping.leaf.frame == shared && world.mapping(0, SHARED).is_some();
        assert!(!others || !mapping.leaf.rights.contains(Rights::MAY_WRITE), "{mapping:?}");
    }
}

fn every_pair<P: Paging>() {
    for &first in MOVES {
        for &second in MOVES {
            let (mut world, shared) = start::<P>();
            for step in [first, second] {
                make(&mut world, step);
                check(&world, shared);
            }
        }
    }
}

on_both_formats! { every_pair }

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_long_random_history_leaves_the_books_in_order(moves in prop::collection::vec(0..MOVES.len(), 1..40)) {
        let (mut world, shared) = start::<arch::aarch64::paging::Format>();
        for index in moves {
            make(&mut world, MOVES[index]);
            check(&world, shared);
        }
    }
}
