//! Names that are made up, and environments that are not the caller's to touch.
#![no_std]
#![no_main]

use abi::{Call, CloneRange, EnvId, Error, MAX_CONTEXTS, MAX_ENVS, Registers, Rights, RunState, UpcallEntries};
use native::{
    child::{Child, End},
    info,
    numbered::{call, unknown_calls},
    place::{FREE, SHARED, stack},
    scene::Scene,
    shared,
};

exo::program!(main);

fn main() -> u8 {
    let mut scene = Scene::new();
    let root = exo::identify().0;
    let neighbour = scene.neighbour().0;
    scene.act("made-up names", End::Exited(0), made_up, neighbour);
    scene.act("the parent's pages, contexts and life", End::Exited(0), not_under, root);
    scene.act("a sibling's pages, contexts and life", End::Exited(0), not_under, neighbour);
    stale(&mut scene);
    scene.act("context numbers that are none", End::Exited(0), contexts, 0);
    scene.act(
        "calls that are none",
        End::Exited(0),
        |_| {
            assert_eq!(unknown_calls(), [Error::NoCall as i64; 4]);
            0
        },
        0,
    );
    scene.act("privileges that the parent lacks", End::Exited(0), privileges, 0);
    scene.act(
        "stopping the machine",
        End::Exited(0),
        |_| {
            assert_eq!(exo::machine_exit(33), Err(Error::Denied));
            assert_eq!(exo::debug_get(&mut [0; 4]), Err(Error::Denied));
            0
        },
        0,
    );
    scene.close()
}

/// Every call that names an environment, on `env`, with other arguments that would be good: its status.
fn every_call_on(env: u64) -> [(Call, i64); 14] {
    let list = [CloneRange { source: SHARED as u64, target: FREE as u64, pages: 1, mode: 0 }];
    let registers = Registers::default();
    let entries = UpcallEntries::default();
    let list = list.as_ptr() as u64;
    let (registers, entries) = (core::ptr::from_ref(&registers) as u64, core::ptr::from_ref(&entries) as u64);
    let (free, read_only) = (FREE as u64, Rights::READ_ONLY.bits());
    [
        (Call::PageMap, [env, free, SHARED as u64, 1, read_only, 0]),
        (Call::PageUnmap, [env, stack(0) as u64, 8, 0, 0, 0]),
        (Call::PageProtect, [env, stack(0) as u64, 8, read_only, 0, 0]),
        (Call::PageClone, [env, list, 1, 0, 0, 0]),
        (Call::PageQuery, [env, SHARED as u64, 0, 0, 0, 0]),
        (Call::EnvDestroy, [env, 0, 0, 0, 0, 0]),
        (Call::EnvReap, [env, 0, 0, 0, 0, 0]),
        (Call::EnvHand, [env, 0, 0, 0, 0, 0]),
        (Call::EnvQuota, [env, 4, 0, 0, 0, 0]),
        (Call::ContextCreate, [env, 0, 0, 0, 0, 0]),
        (Call::ContextSet, [env, 0, registers, RunState::Stopped as u64, 0, 0]),
        (Call::ContextGet, [env, 0, registers, 0, 0, 0]),
        (Call::UpcallSet, [env, 0, SHARED as u64, entries, 0, 0]),
        (Call::InfoMap, [env, free, 0, 1, 0, 0]),
    ]
    // SAFETY: each is refused: that is what the callers assert.
    .map(|(name, arguments)| (name, unsafe { call(name, arguments) }))
}

fn assert_all(env: u64, error: Error) {
    for (name, status) in every_call_on(env) {
        assert_eq!(status, error as i64, "{name:?} on {env:#x}");
    }
}

fn made_up(neighbour: u64) -> u64 {
    let neighbour = EnvId(neighbour);
    let own = exo::identify();
    let names = [
        EnvId::new(neighbour.slot(), neighbour.generation() + 1).0,
        EnvId::new(neighbour.slot(), 0).0,
        EnvId::new(own.slot(), own.generation() + 1).0,
        EnvId::new(own.slot(), own.generation().wrapping_sub(1)).0,
        EnvId::new(MAX_ENVS - 1, 1).0,
        EnvId::new(MAX_ENVS, 1).0,
        EnvId::new(0xffff, 1).0,
        own.0 | 1 << 48,
        own.0 | 1 << 63,
        neighbour.0 | 0xff << 56,
        u64::MAX,
    ];
    for name in names.into_iter().filter(|&name| name != 0) {
        assert_all(name, Error::NoEnv);
        assert_eq!(exo::env_hand(EnvId::SELF, EnvId(name)), Err(Error::Denied), "an environment is not its own child");
        assert_eq!(exo::yield_to(EnvId(name), 0), Err(Error::NoEnv));
        assert_eq!(exo::transfer_call(EnvId(name), 0, [0; 4]), Err(Error::NoEnv));
        assert_eq!(exo::env_window(EnvId(name), FREE, 1), Err(Error::NoEnv));
        assert_eq!(exo::slice_set(0, 0, EnvId(name), 0), Err(Error::NoEnv));
        assert_eq!(exo::irq_bind(1, EnvId(name)), Err(Error::NoEnv));
    }
    0
}

fn not_under(env: u64) -> u64 {
    assert_all(env, Error::Denied);
    let env = EnvId(env);
    let root = EnvId(info::slice(0).owner);
    assert_eq!(exo::slice_set(0, 0, EnvId::SELF, 0), Err(Error::Denied), "slot 0 is the first environment's");
    assert_eq!(exo::slice_set(0, 0, env, 0), Err(Error::Denied));
    assert_eq!(exo::env_hand(EnvId::SELF, root), Err(Error::Denied));
    assert_eq!(exo::env_quota(EnvId::SELF, 4096), Err(Error::Denied), "nobody sets its own quota");
    assert_eq!(exo::irq_bind(1, EnvId::SELF), Err(Error::Denied));
    assert_eq!(exo::irq_ack(1), Err(Error::Denied));
    for irq in [256, 1 << 32, usize::MAX] {
        assert_eq!(exo::irq_bind(irq, EnvId::SELF), Err(Error::BadArgument));
        assert_eq!(exo::irq_ack(irq), Err(Error::BadArgument));
    }
    assert_eq!(exo::transfer_call(env, 0, [0; 4]), Err(Error::Busy), "it does not accept calls");
    0
}

/// A name stays invalid when its slot is used again.
fn stale(scene: &mut Scene) {
    let old = Child::new(native::child::QUOTA, native::NONE);
    old.end();
    let new = Child::new(native::child::QUOTA, native::NONE);
    assert_eq!((new.id.slot(), new.id.generation()), (old.id.slot(), old.id.generation() + 1), "the slot is used again");
    assert_eq!(exo::context_create(old.id), Err(Error::NoEnv));
    assert_eq!(exo::env_destroy(old.id, 0), Err(Error::NoEnv));
    assert_eq!(exo::env_reap(old.id), Err(Error::NoEnv));
    assert_eq!(exo::env_reap(new.id), Err(Error::Busy), "the living are not reaped");
    exo::env_destroy(new.id, 7).expect("it lives");
    assert_eq!(exo::env_destroy(new.id, 8), Err(Error::NoEnv), "the dead do not die again");
    new.expect("destruction", End::Killed(7));
    scene.after("a stale name");
}

fn contexts(_: u64) -> u64 {
    for index in [1, MAX_CONTEXTS - 1, MAX_CONTEXTS, 1 << 32, usize::MAX] {
        assert_eq!(exo::context_get(EnvId::SELF, index).map(drop), Err(Error::NoEnv));
        assert_eq!(exo::context_set(EnvId::SELF, index, None, RunState::Runnable), Err(Error::NoEnv));
        assert_eq!(exo::yield_to(exo::identify(), index), Err(Error::NoEnv));
        assert_eq!(exo::transfer_call(exo::identify(), index, [0; 4]), Err(Error::NoEnv));
        assert_eq!(exo::upcall_set(EnvId::SELF, index, SHARED, &UpcallEntries::default()), Err(Error::NoEnv));
    }
    assert_eq!(exo::context_get(EnvId::SELF, 0).map(drop), Err(Error::BadArgument), "not of itself");
    for state in [3, 1 << 32, u64::MAX] {
        // SAFETY: refused.
        assert_eq!(unsafe { call(Call::ContextSet, [0, 0, 0, state, 0, 0]) }, Error::BadArgument as i64);
    }
    assert_eq!(shared::get(shared::FREE), 0);
    0
}

fn privileges(_: u64) -> u64 {
    for bits in [1, 2, 4, 7] {
        assert_eq!(exo::env_create(8, abi::Privileges::from_bits_retain(bits)), Err(Error::Denied));
    }
    for bits in [8, 1 << 63, u64::MAX] {
        assert_eq!(exo::env_create(8, abi::Privileges::from_bits_retain(bits)), Err(Error::BadArgument));
    }
    for quota in [0, 1] {
        assert_eq!(exo::env_create(quota, native::NONE), Err(Error::BadArgument));
    }
    0
}
