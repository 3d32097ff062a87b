//! How costs grow with the number of environments, in instructions: what `cargo x bench` draws as curves.
//!
//! A line for each point: `primitive NAME@ENVIRONMENTS HOT COLD TITLE`, as `primitives` prints them; there is no cold figure, and the hot one stands
//! twice.
#![no_std]
#![no_main]

use abi::{EnvId, RunState};
use native::{
    child::Child,
    measure::{average_of, is_calibrated},
    scene::prepare,
};

exo::program!(main);

/// How many there are beside the one that measures.
const CROWDS: [usize; 4] = [1, 10, 100, 1000];
const MOST: usize = 1000;
/// Frames of an environment that nothing is in.
const EMPTY: usize = 8;
/// Frames of one that runs a function of this program.
const RUNNING: usize = 96;

fn main() -> u8 {
    prepare();
    if !is_calibrated() {
        return 1;
    }
    lives();
    ring();
    native::PASSED
}

fn point(name: &str, at: usize, cost: u64, title: &str) {
    exo::println!("primitive {name}@{at} {cost} {cost} {title}");
}

fn end(env: EnvId) {
    exo::env_destroy(env, 0).expect("it lives");
    exo::env_reap(env).expect("it is dead");
}

/// One more environment is made and goes again.
fn lives() {
    let mut crowd = [EnvId::SELF; MOST];
    let mut count = 0;
    for most in CROWDS {
        while count < most {
            crowd[count] = exo::env_create(EMPTY, native::NONE).expect("a child");
            count += 1;
        }
        let cost = average_of(100, |_| end(exo::env_create(EMPTY, native::NONE).expect("one more")));
        point("env_life", most, cost, "an environment is made, ended and reaped, by how many there are");
    }
    crowd.into_iter().for_each(end);
}

/// Each yields to the one that was there before it, the first one to this environment.
fn ring() {
    let mut ring = [Child { id: exo::identify() }; MOST + 1];
    let mut count = 0;
    for most in CROWDS {
        while count < most {
            ring[count + 1] = in_ring(ring[count].id);
            count += 1;
        }
        let last = ring[count].id;
        let round = || exo::yield_to(last, 0).expect("it can run");
        round();
        let cost = average_of(10, |_| round()) / (count as u64 + 1);
        point("yield_ring", most, cost, "directed yields round a ring of environments, a step, by how many are in it");
    }
    ring[1..].iter().for_each(|child| child.end());
}

/// A child that yields to another environment whenever it runs.
fn in_ring(next: EnvId) -> Child {
    let child = Child::new(RUNNING, native::NONE);
    let yields = |next| loop {
        let _ = exo::yield_to(EnvId(next), 0);
    };
    let context = child.context(yields, next.0);
    exo::context_set(child.id, context, None, RunState::Runnable).expect("ours");
    child
}
