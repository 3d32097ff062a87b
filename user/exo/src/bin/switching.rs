//! What a context keeps while others run: vector registers, the thread base, general registers; and the upcall at a slice's beginning.
#![no_std]
#![no_main]

use core::sync::atomic::{AtomicU64, Ordering};

use abi::{FaultKind, RunState};
use native::{
    child::{Child, End, PATIENCE, QUOTA},
    info, isa,
    scene::Scene,
    shared,
    upcall::{install, page_of},
};

exo::program!(main);

const READY: usize = shared::FREE;

fn main() -> u8 {
    let mut scene = Scene::new();
    vectors();
    scene.after("vector registers of two that are preempted");
    two_contexts();
    scene.after("vector registers and thread bases of two contexts");
    scene.act("a thread base across calls and slices", End::Exited(0), thread_base, 0);
    scene.act("vector registers are clean at the start", End::Exited(0), clean_vectors, 0);
    scene.act("a slice upcall, armed", End::Exited(0), armed, 0);
    scene.act("none, where it is not armed", End::Exited(0), unarmed, 0);
    scene.act("none, while a fault is handled", End::Exited(0), masked, 0);
    stopped();
    scene.after("one that is stopped and set running");
    scene.close()
}

/// Fill, be preempted often, and look.
fn keep_vectors(seed: u64) -> u64 {
    isa::fill_vectors(seed);
    let until = info::deadline(200);
    while isa::ticks() < until {
        assert!(isa::vectors_are(seed), "vector registers with seed {seed:#x}");
        if seed & 1 == 1 {
            exo::yield_now();
        }
    }
    0
}

fn vectors() {
    let children = [0x1000_0000, 0x2000_0001, 0x3000_0000].map(|seed| Child::run(keep_vectors, seed));
    for child in children {
        child.expect("a keeper of vector registers", End::Exited(0));
    }
}

fn keep_all(seed: u64) -> u64 {
    let keeps = isa::set_tls(seed << 12);
    isa::fill_vectors(seed);
    let until = info::deadline(200);
    let own = exo::identify();
    while isa::ticks() < until {
        assert!(isa::vectors_are(seed) && (!keeps || isa::tls() == seed << 12), "seed {seed:#x}");
        let _ = exo::yield_to(own, usize::from(seed == 5));
    }
    shared::word(READY).fetch_add(1, Ordering::AcqRel);
    loop {
        if shared::get(READY) == 2 {
            return 0;
        }
        exo::yield_now();
    }
}

/// Two contexts of one environment.
fn two_contexts() {
    shared::set(READY, 0);
    let child = Child::new(QUOTA, native::NONE);
    child.start(keep_all, 5);
    child.start(keep_all, 6);
    child.expect("two contexts", End::Exited(0));
}

fn thread_base(_: u64) -> u64 {
    if !isa::set_tls(0x1234_5000) {
        return 0;
    }
    let until = info::deadline(50);
    while isa::ticks() < until {
        exo::yield_now();
        info::sleep(1);
        assert_eq!(isa::tls(), 0x1234_5000);
    }
    0
}

/// Nothing of another's vector registers is left for a new context to see.
fn clean_vectors(_: u64) -> u64 {
    assert!(isa::vectors_are_zero());
    isa::fill_vectors(0x5ec2_e700);
    0
}

static UPCALLS: AtomicU64 = AtomicU64::new(0);

fn count_slices(registers: &mut abi::Registers, page: &mut abi::UpcallPage) {
    assert_eq!(page.kind, FaultKind::Slice as u64, "at {:#x}", registers.pc);
    UPCALLS.fetch_add(1, Ordering::Relaxed);
}

fn lose_slices(count: u64) {
    let lost = page_of(0).slices_lost;
    let until = info::deadline(PATIENCE);
    // SAFETY: the kernel counts there while this context does not run.
    while unsafe { (&raw const page_of(0).slices_lost).read_volatile() } < lost + count {
        assert!(isa::ticks() < until, "no slice ends");
    }
}

fn armed(_: u64) -> u64 {
    install(0, count_slices);
    for round in 1..4 {
        page_of(0).slice_armed = 1;
        lose_slices(2);
        assert_eq!(UPCALLS.load(Ordering::Relaxed), round, "one upcall for each time that it was armed");
        assert_eq!(page_of(0).slice_armed, 0);
    }
    0
}

fn unarmed(_: u64) -> u64 {
    install(0, |_, page| panic!("an upcall of kind {}", page.kind));
    lose_slices(3);
    0
}

fn masked(_: u64) -> u64 {
    install(0, count_slices);
    page_of(0).fault_active = 1;
    page_of(0).slice_armed = 1;
    lose_slices(2);
    assert_eq!((UPCALLS.load(Ordering::Relaxed), page_of(0).slice_armed), (0, 1), "left for later");
    page_of(0).fault_active = 0;
    lose_slices(2);
    assert_eq!((UPCALLS.load(Ordering::Relaxed), page_of(0).slice_armed), (1, 0));
    0
}

/// Registers and vector state outlive a stop.
fn stopped() {
    shared::set(READY, 0);
    let child = Child::run(
        |seed| {
            isa::fill_vectors(seed);
            while shared::get(READY) == 0 {
                assert!(isa::vectors_are(seed));
            }
            0
        },
        0x4000_0000,
    );
    for _ in 0..10 {
        info::sleep(3);
        exo::context_set(child.id, 0, None, RunState::Stopped).expect("ours");
        let pc = child.registers(0).pc;
        info::sleep(1);
        assert_eq!(child.registers(0).pc, pc, "the stopped do not run");
        exo::context_set(child.id, 0, None, RunState::Runnable).expect("ours");
    }
    shared::set(READY, 1);
    child.expect("one that was stopped often", End::Exited(0));
}
