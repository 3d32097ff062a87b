//! One wait that hears of the death of any number of children.
#![no_std]
#![no_main]

use abi::{EnvEntry, EnvId, EnvState, FaultKind, WaitWord};
use native::{
    child::{Child, End, PATIENCE, QUOTA, poke},
    info,
    scene::Scene,
};

exo::program!(main);

const CHILDREN: usize = 6;
/// An address where nothing is mapped.
const NOWHERE: usize = 0x1000;

fn main() -> u8 {
    let mut scene = Scene::new();
    any_of_many();
    scene.after("the deaths of six children, one wait at a time");
    scene.act("a grandchild's death", End::Exited(0), grandchild, 0);
    scene.close()
}

fn deaths(env: EnvId) -> u32 {
    info::environment(env).deaths
}

fn is_dead(env: EnvId) -> bool {
    info::environment(env).state == EnvState::Dead as u32
}

/// Sleep until the count of own children's deaths is not `count`.
fn await_more_than(count: u32) {
    let address = info::environment_address(exo::identify().slot()) as u64 + core::mem::offset_of!(EnvEntry, deaths) as u64;
    let woken = exo::wait(&[WaitWord { address, value: count, reserved: 0 }], Some(info::deadline(PATIENCE)));
    assert_eq!(woken, Ok(0), "a death after {count}");
}

/// Half of them end themselves, half by a fault, at times out of order; two at the same time.
fn any_of_many() {
    let own = exo::identify();
    let before = deaths(own);
    let end_after = |milliseconds: u64| {
        info::sleep(milliseconds);
        if milliseconds & 1 == 1 {
            poke(NOWHERE, 0);
        }
        milliseconds
    };
    let times = [60, 21, 80, 41, 100, 41];
    let children: [Child; CHILDREN] = core::array::from_fn(|index| Child::run(end_after, times[index]));
    let mut heard = before;
    while heard < before + CHILDREN as u32 {
        await_more_than(heard);
        let now = deaths(own);
        let dead = children.iter().filter(|child| is_dead(child.id)).count() as u32;
        assert!(now > heard && dead >= now - before, "{dead} dead, {now} deaths since {before}");
        heard = now;
    }
    for (child, time) in children.into_iter().zip(times) {
        child.expect("one of six", if time & 1 == 1 { End::Fault(FaultKind::Write) } else { End::Exited(time) });
    }
    assert_eq!(deaths(own), heard, "reaping is no death");
}

/// It is its parent's to hear of; what the parent leaves, dead or alive, is there when the parent's own death is heard of.
fn grandchild(_: u64) -> u64 {
    let own = exo::identify();
    let child = exo::env_create(2 * QUOTA / 8, native::NONE).expect("a child");
    let [dead, alive] = [8, 16].map(|quota| {
        let below = exo::env_create(quota, native::NONE).expect("another");
        exo::env_hand(below, child).expect("room enough");
        below
    });
    exo::env_destroy(dead, 0).expect("we are over it");
    assert_eq!((deaths(own), deaths(child)), (0, 1));
    exo::env_destroy(child, 0).expect("it lives");
    await_more_than(0);
    assert_eq!(deaths(own), 1);
    assert!([dead, alive].iter().all(|&below| info::environment(below).parent == own.slot() as u32), "ours now");
    exo::env_destroy(alive, 0).expect("ours");
    assert_eq!(deaths(own), 2);
    for env in [child, dead, alive] {
        exo::env_reap(env).expect("it is dead");
    }
    0
}
