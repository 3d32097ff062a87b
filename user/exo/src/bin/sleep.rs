//! Sleeping on words and times, and waking.
#![no_std]
#![no_main]

use core::sync::atomic::Ordering;

use abi::{EnvEntry, EnvId, EnvState, Error, MAX_WAIT_WORDS, RunState, WaitWord};
use native::{
    child::{Child, End, PATIENCE, QUOTA},
    info, isa,
    place::{FREE, INFO},
    scene::Scene,
    shared::{self, while_is},
};

exo::program!(main);

const WORD: usize = shared::FREE;
const DONE: usize = shared::FREE + 8;

fn main() -> u8 {
    let mut scene = Scene::new();
    deadlines();
    scene.after("deadlines");
    scene.act("words that differ, lists that are none", End::Exited(0), words, 0);
    counts();
    scene.after("as many woken as asked for, the longest sleeper first");
    any_of_many();
    scene.after("any of eight words");
    interrupted();
    scene.after("a sleeper set runnable");
    stopped();
    scene.after("a sleeper stopped");
    deaths();
    scene.after("deaths and births wake");
    private_words();
    scene.after("words of the same address elsewhere");
    scene.close()
}

fn deadlines() {
    for milliseconds in [1, 5, 20] {
        let before = isa::ticks();
        let deadline = before + info::milliseconds(milliseconds);
        assert_eq!(exo::wait(&[], Some(deadline)), Err(Error::TimedOut));
        assert!(isa::ticks() >= deadline, "woken early");
    }
    for past in [0, 1, isa::ticks()] {
        assert_eq!(exo::wait(&[while_is(WORD, shared::get(WORD))], Some(past)), Err(Error::TimedOut));
    }
    // Sleepers whose deadlines are out of order wake in order.
    shared::set(DONE, 0);
    let sleepers: [Child; 4] = core::array::from_fn(|index| {
        let sleeper = |milliseconds| {
            info::sleep(milliseconds);
            u64::from(shared::word(DONE).fetch_add(1, Ordering::AcqRel))
        };
        Child::run(sleeper, [90, 30, 120, 60][index])
    });
    for (sleeper, order) in sleepers.into_iter().zip([2, 0, 3, 1]) {
        sleeper.expect("a sleeper", End::Exited(order));
    }
}

fn words(_: u64) -> u64 {
    let value = shared::get(WORD);
    assert_eq!(exo::wait(&[while_is(WORD, value), while_is(WORD + 1, !0)], None), Ok(1), "the one that differs");
    assert_eq!(exo::wait(&[while_is(WORD, !value)], Some(0)), Ok(0), "a word that differs goes before a deadline");
    let at = |address| WaitWord { address, value: 0, reserved: 0 };
    for address in [1, 2, FREE as u64 + 3, u64::MAX] {
        assert_eq!(exo::wait(&[at(address)], None), Err(Error::BadAddress), "{address:#x}");
        assert_eq!(exo::wake(address as *const u32, 1), Err(Error::BadAddress), "{address:#x}");
    }
    for address in [0, FREE as u64, 0x1000] {
        assert_eq!(exo::wait(&[at(address)], None), Err(Error::NotMapped), "{address:#x}");
        assert_eq!(exo::wake(address as *const u32, 1), Err(Error::NotMapped), "{address:#x}");
    }
    let many = [while_is(WORD, !value); MAX_WAIT_WORDS + 1];
    assert_eq!(exo::wait(&many, None), Err(Error::BadArgument));
    assert_eq!(exo::wake(INFO as *const u32, 1), Ok(0));
    0
}

fn sleeper(index: u64) -> u64 {
    let value = shared::get(WORD);
    shared::set(DONE, 1);
    let woken = exo::wait(&[while_is(WORD, value)], Some(info::deadline(PATIENCE)));
    assert_eq!(woken, Ok(0));
    index
}

/// Sleepers, asleep.
fn sleepers<const COUNT: usize>() -> [Child; COUNT] {
    let children = core::array::from_fn(|index| {
        shared::set(DONE, 0);
        let child = Child::run(sleeper, index as u64);
        assert!(shared::await_value(DONE, 1, PATIENCE));
        info::sleep(30);
        child
    });
    assert!(children.iter().all(|child: &Child| End::Alive.is(&child.entry())));
    children
}

fn counts() {
    shared::set(WORD, 0);
    let children = sleepers::<4>();
    let word = shared::word(WORD).as_ptr();
    assert_eq!(exo::wake(word, 0), Ok(0));
    assert_eq!(exo::wake(word, 1), Ok(1));
    let [first, second, rest @ ..] = children;
    first.expect("the longest sleeper", End::Exited(0));
    assert!([second, rest[0], rest[1]].iter().all(|child| End::Alive.is(&child.entry())));
    assert_eq!(exo::wake(word, 2), Ok(2));
    second.expect("the second", End::Exited(1));
    rest[0].expect("the third", End::Exited(2));
    assert_eq!(exo::wake(word, usize::MAX), Ok(1));
    rest[1].expect("the last", End::Exited(3));
    assert_eq!(exo::wake(word, usize::MAX), Ok(0));
}

fn any_of_many() {
    for chosen in 0..MAX_WAIT_WORDS {
        shared::set(DONE, 0);
        let child = Child::run(
            |_| {
                let words: [WaitWord; MAX_WAIT_WORDS] = core::array::from_fn(|index| while_is(WORD + index, shared::get(WORD + index)));
                shared::set(DONE, 1);
                exo::wait(&words, Some(info::deadline(PATIENCE))).expect("woken") as u64
            },
            0,
        );
        assert!(shared::await_value(DONE, 1, PATIENCE));
        info::sleep(5);
        let value = shared::get(WORD + chosen);
        shared::set(WORD + chosen, value.wrapping_add(1));
        child.expect("a sleeper on eight words", End::Exited(chosen as u64));
        for index in 0..MAX_WAIT_WORDS {
            assert_eq!(exo::wake(shared::word(WORD + index).as_ptr(), usize::MAX), Ok(0), "nothing is left in the queues");
        }
    }
}

fn interrupted() {
    shared::set(DONE, 0);
    let child = Child::run(
        |_| {
            shared::set(DONE, 1);
            let words = [while_is(WORD, shared::get(WORD)), while_is(WORD + 1, shared::get(WORD + 1))];
            assert_eq!(exo::wait(&words, Some(info::deadline(PATIENCE))), Err(Error::Interrupted));
            0
        },
        0,
    );
    assert!(shared::await_value(DONE, 1, PATIENCE));
    info::sleep(30);
    exo::context_set(child.id, 0, None, RunState::Runnable).expect("ours");
    child.expect("a sleeper set runnable", End::Exited(0));
    assert_eq!(exo::wake(shared::word(WORD).as_ptr(), usize::MAX), Ok(0));
}

fn stopped() {
    let [child] = sleepers::<1>();
    exo::context_set(child.id, 0, None, RunState::Stopped).expect("ours");
    assert_eq!(exo::wake(shared::word(WORD).as_ptr(), usize::MAX), Ok(0), "it does not sleep any more");
    info::sleep(20);
    assert!(End::Alive.is(&child.entry()), "the stopped do not run");
    child.end();
}

fn state_word(env: EnvId, value: EnvState) -> WaitWord {
    let address = info::environment_address(env.slot()) as u64 + core::mem::offset_of!(EnvEntry, state) as u64;
    WaitWord { address, value: value as u32, reserved: 0 }
}

/// A child waits on the state of another: its death, its reaping, and the next one's birth.
fn deaths() {
    let watched = Child::new(QUOTA, native::NONE);
    shared::set(DONE, 0);
    let watcher = Child::run(
        |env| {
            for (step, state) in [EnvState::Alive, EnvState::Dead, EnvState::Free].into_iter().enumerate() {
                shared::set(DONE, step as u32 + 1);
                let woken = exo::wait(&[state_word(EnvId(env), state)], Some(info::deadline(PATIENCE)));
                assert_eq!(woken, Ok(0), "{state:?}");
            }
            0
        },
        watched.id.0,
    );
    let step = |number| {
        assert!(shared::await_value(DONE, number, PATIENCE));
        info::sleep(10);
    };
    step(1);
    exo::env_destroy(watched.id, 0).expect("it lives");
    step(2);
    watched.reap();
    step(3);
    let next = Child::new(QUOTA, native::NONE);
    assert_eq!(next.id.slot(), watched.id.slot());
    watcher.expect("the watcher", End::Exited(0));
    next.end();
}

/// A word is a place in memory: the same address in another environment is another word.
fn private_words() {
    static PRIVATE: core::sync::atomic::AtomicU32 = core::sync::atomic::AtomicU32::new(0);
    shared::set(DONE, 0);
    let child = Child::run(
        |_| {
            shared::set(DONE, 1);
            let word = WaitWord { address: PRIVATE.as_ptr() as u64, value: 0, reserved: 0 };
            assert_eq!(exo::wait(&[word], Some(info::deadline(100))), Err(Error::TimedOut));
            0
        },
        0,
    );
    assert!(shared::await_value(DONE, 1, PATIENCE));
    info::sleep(20);
    assert_eq!(exo::wake(PRIVATE.as_ptr(), usize::MAX), Ok(0));
    child.expect("a sleeper on a word of its own", End::Exited(0));
}
