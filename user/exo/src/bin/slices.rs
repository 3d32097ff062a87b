//! Time: slots that are owned, given, passed on; shares in proportion to slots; a yield that names its heir.
#![no_std]
#![no_main]

use core::sync::atomic::Ordering;

use abi::{EnvId, Error, MAX_SLICES, RunState};
use native::{
    child::{Child, End, PATIENCE, QUOTA},
    info, isa,
    scene::Scene,
    shared,
};

exo::program!(main);

const COUNTERS: usize = shared::FREE;
const UNUSED: usize = u32::MAX as usize;

fn main() -> u8 {
    let mut scene = Scene::new();
    scene.act("slots that are another's", End::Exited(0), not_owned, 0);
    arguments();
    scene.after("slots and processors that are none");
    given();
    scene.after("a slot given, given away, and passed on at death");
    shares();
    scene.after("three slots are three times the time of one");
    no_slot();
    scene.after("none without a slot");
    heirs();
    scene.after("a yield that names its heir");
    scene.close()
}

fn set(slot: usize, env: EnvId, index: usize) -> exo::Result<()> {
    exo::slice_set(0, slot, env, index)
}

fn not_owned(_: u64) -> u64 {
    let own = exo::identify();
    let mut refused = 0;
    for slot in 0..MAX_SLICES {
        if info::slice(slot).owner != own.0 {
            assert_eq!(set(slot, own, 0), Err(Error::Denied), "slot {slot}");
            assert_eq!(set(slot, own, UNUSED), Err(Error::Denied), "slot {slot}");
            refused += 1;
        }
    }
    assert_eq!(refused, MAX_SLICES - 1, "one slot is ours");
    0
}

fn arguments() {
    let own = exo::identify();
    let free = info::unused_slice().expect("an unused slot");
    for (cpu, slot) in [(1, free), (usize::MAX, free), (0, MAX_SLICES), (0, usize::MAX)] {
        assert_eq!(exo::slice_set(cpu, slot, own, 0), Err(Error::BadArgument), "cpu {cpu} slot {slot}");
    }
    for index in [1, 8, 1 << 32, usize::MAX] {
        assert_eq!(set(free, own, index), Err(Error::NoEnv), "context {index}");
    }
    assert_eq!(info::slice(free).context, u32::MAX, "nothing was changed");
}

fn given() {
    let child = Child::new(QUOTA, native::NONE);
    child.give_unused_slices(2);
    let slots = [0, 1].map(|count| (0..MAX_SLICES).filter(|&slot| info::slice(slot).owner == child.id.0).nth(count));
    let slots = slots.map(|slot| slot.expect("two slots were given"));
    // An ancestor of the owner may take a slot back.
    set(slots[1], exo::identify(), UNUSED).expect("we are over its owner");
    assert_eq!(info::slice(slots[1]).owner, exo::identify().0);
    child.start(
        |root| {
            let own = exo::identify();
            let slot = info::unused_slice().expect("a slot was left");
            assert_eq!(set(slot, EnvId(root), UNUSED), Ok(()), "a gift to the parent");
            assert_eq!(set(slot, own, UNUSED), Err(Error::Denied), "a gift is not taken back");
            0
        },
        exo::identify().0,
    );
    let running = (0..MAX_SLICES).find(|&slot| info::slice(slot).owner == child.id.0 && info::slice(slot).context == 0);
    child.expect("a child with slots to give", End::Exited(0));
    let running = running.expect("it ran in a slot");
    assert_eq!((info::slice(running).owner, info::slice(running).context), (exo::identify().0, u32::MAX), "passed on at its death");
    assert_eq!(info::slice(slots[0]).owner, exo::identify().0);
}

fn count(index: u64) -> u64 {
    loop {
        shared::word(COUNTERS + index as usize).fetch_add(1, Ordering::Relaxed);
    }
}

fn shares() {
    let children = [0, 1].map(|index| Child::run(count, index));
    let more = [0, 1].map(|_| {
        let slot = info::unused_slice().expect("an unused slot");
        set(slot, children[1].id, 0).expect("ours");
        slot
    });
    info::sleep(100);
    let before = [0, 1].map(|index| shared::get(COUNTERS + index));
    info::sleep(1500);
    let after = [0, 1].map(|index| shared::get(COUNTERS + index).wrapping_sub(before[index]));
    assert!(more.iter().all(|&slot| info::slice(slot).expired > 0), "each slot had slices that ended by force");
    children.into_iter().for_each(Child::end);
    let ratio = percent(after[1], after[0]);
    assert!((200..=450).contains(&ratio), "{after:?}: {ratio} % of one slot's share");
}

fn percent(large: u32, small: u32) -> u64 {
    u64::from(large) * 100 / u64::from(small).max(1)
}

fn no_slot() {
    let child = Child::new(QUOTA, native::NONE);
    let context = child.context(count, 2);
    exo::context_set(child.id, context, None, RunState::Runnable).expect("ours");
    let before = shared::get(COUNTERS + 2);
    info::sleep(50);
    assert_eq!(shared::get(COUNTERS + 2), before, "runnable, but without time");
    let slot = child.give_slice(context);
    info::sleep(100);
    assert_ne!(shared::get(COUNTERS + 2), before);
    set(slot, exo::identify(), UNUSED).expect("we are over its owner");
    info::sleep(20);
    let before = shared::get(COUNTERS + 2);
    info::sleep(50);
    assert_eq!(shared::get(COUNTERS + 2), before, "without time again");
    child.end();
}

/// The one yielded to runs at once, in the giver's slice, and has none of its own.
fn heirs() {
    let child = Child::new(QUOTA, native::NONE);
    let context = child.context(
        |giver| {
            loop {
                shared::word(COUNTERS + 3).fetch_add(1, Ordering::AcqRel);
                exo::yield_to(EnvId(giver), 0).expect("it can run");
            }
        },
        exo::identify().0,
    );
    let own = exo::identify();
    assert_eq!(exo::yield_to(child.id, context), Err(Error::Busy), "it is stopped");
    exo::context_set(child.id, context, None, RunState::Runnable).expect("ours");
    shared::set(COUNTERS + 3, 0);
    // Where the slice ends right after the yield, the heir does not run: there was nothing left to give.
    let mut ran = 0;
    for _ in 0..1000 {
        exo::yield_to(child.id, context).expect("it can run");
        let now = shared::get(COUNTERS + 3);
        assert!(now == ran || now == ran + 1, "it ran at most once");
        ran = now;
    }
    assert!(ran >= 950, "{ran} of 1000");
    exo::yield_to(own, 0).expect("to itself");
    child.end();
    assert_eq!(exo::yield_to(child.id, context), Err(Error::NoEnv));
    let until = info::deadline(PATIENCE);
    exo::yield_now();
    assert!(isa::ticks() < until);
}
