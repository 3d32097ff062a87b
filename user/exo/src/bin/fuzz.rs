//! Calls at random, out of a palette of words, with a fixed seed: the same on every run.
#![no_std]
#![no_main]

use abi::Call;
use native::{
    crowd::{act, act_through},
    numbered::CALLS,
    random::Random,
    scene::Scene,
};

exo::program!(main);

/// How many calls.
const STEPS: u64 = 60_000;
const SEED: u64 = 0x00c4_1714;

fn main() -> u8 {
    let mut scene = Scene::new();
    act_through(&mut scene, "calls at random", |first| act(first, &[1 << 16, 1 << 17], step));
    scene.close()
}

/// Each step has a generator of its own, so that a successor goes on where its predecessor ended.
fn step(number: u64, palette: &[u64]) -> Option<(Call, [u64; 6])> {
    let mut random = Random::new(SEED.wrapping_add(number).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    for _ in 0..4 {
        random.word();
    }
    let call = random.of(CALLS);
    let arguments = core::array::from_fn(|_| match random.below(16) {
        // A word close to one of the palette, or any word at all.
        0 => random.of(palette).wrapping_add(random.word() % 32).wrapping_sub(16),
        1 => random.word(),
        2 => 0,
        _ => random.of(palette),
    });
    // Its own end, over and over, would teach nothing.
    let ends_itself = call == Call::EnvDestroy && !number.is_multiple_of(64);
    (number < STEPS).then_some(if ends_itself { (Call::Identify, arguments) } else { (call, arguments) })
}
