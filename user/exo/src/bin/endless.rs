//! Endless loops, of instructions and of calls: others still get their slices.
#![no_std]
#![no_main]

use abi::{EnvId, Rights};
use native::{
    child::{Child, End, Function},
    info,
    place::FREE,
    scene::Scene,
    shared,
};

exo::program!(main);

/// How long each loop is let run, in milliseconds.
const TIME: u64 = 150;

fn main() -> u8 {
    let mut scene = Scene::new();
    let loops: [(&str, Function); 8] = [
        ("an empty loop", |_| {
            loop {
                core::hint::spin_loop();
            }
        }),
        ("null calls", |_| {
            loop {
                exo::identify();
            }
        }),
        ("long batches", batches),
        ("wakes that nobody waits for", |_| {
            loop {
                exo::wake(shared::word(shared::FREE).as_ptr(), usize::MAX).expect("a mapped word");
            }
        }),
        ("sleeps that end at once", |_| {
            loop {
                assert!(exo::wait(&[], Some(0)).is_err());
            }
        }),
        ("deadlines a tick away", |_| {
            loop {
                assert!(exo::wait(&[], Some(native::isa::ticks() + 1)).is_err());
            }
        }),
        ("yields to itself", |_| {
            loop {
                exo::yield_to(exo::identify(), 0).expect("it can run");
            }
        }),
        ("children made and ended", families),
    ];
    for (what, function) in loops {
        let child = Child::run(function, 0);
        measure(what);
        exo::env_destroy(child.id, 5).expect("it lives");
        child.expect(what, End::Killed(5));
        reap_orphans();
        scene.after(what);
    }
    let (one, other) = (Child::new(native::child::QUOTA, native::NONE), Child::new(native::child::QUOTA, native::NONE));
    one.start(hand_back_and_forth, other.id.0);
    other.start(hand_back_and_forth, one.id.0);
    measure("two that yield to each other");
    one.end();
    other.end();
    scene.after("two that yield to each other");
    scene.close()
}

/// The first environment sleeps a little, again and again; nobody keeps it from waking.
fn measure(what: &str) {
    let until = info::deadline(TIME);
    let mut longest = 0;
    while native::isa::ticks() < until {
        let before = native::isa::ticks();
        info::sleep(1);
        longest = longest.max(native::isa::ticks() - before);
    }
    // Five others, a slice each, and as much again for a busy host.
    let bound = 50 * info::header().slice_ticks;
    assert!(longest < bound, "beside {what}, a sleep of 1 ms took {longest} ticks; a slice is {}", info::header().slice_ticks);
}

fn batches(_: u64) -> u64 {
    loop {
        exo::page_alloc(FREE, 200, Rights::READ_WRITE, None).expect("within the quota");
        // SAFETY: nothing keeps a reference into the pages.
        unsafe { exo::page_unmap(EnvId::SELF, FREE, 1 << 20) }.expect("passes over what is not mapped");
    }
}

fn families(_: u64) -> u64 {
    loop {
        let child = exo::env_create(2, native::NONE).expect("within the quota");
        exo::env_destroy(child, 0).expect("it lives");
        exo::env_reap(child).expect("it is dead");
    }
}

/// End what [`families`] may have had when it was ended.
fn reap_orphans() {
    let own = exo::identify().slot() as u32;
    for slot in 0..abi::MAX_ENVS {
        let entry = info::environment(EnvId::new(slot, 1));
        if entry.state != abi::EnvState::Free as u32 && entry.parent == own && entry.quota == 2 {
            Child { id: EnvId::new(slot, entry.generation) }.end();
        }
    }
}

fn hand_back_and_forth(other: u64) -> u64 {
    loop {
        let _ = exo::yield_to(EnvId(other), 0);
    }
}
