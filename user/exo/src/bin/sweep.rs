//! Every call with every argument out of a palette of good, bad and ugly words, one argument at a time, in front of several backgrounds.
//! None of it may break the kernel, cost a frame, or be heard by a neighbour.
#![no_std]
#![no_main]

use abi::Call;
use native::{
    crowd::{act, act_through},
    numbered::CALLS,
    scene::Scene,
    shared,
};

exo::program!(main);

/// Words of the shared page that hold a neighbour's name.
const NEIGHBOUR: usize = shared::FREE + 4;
const ARGUMENTS: u64 = 6;
const BACKGROUNDS: u64 = 5;

fn main() -> u8 {
    let mut scene = Scene::new();
    shared::set(NEIGHBOUR, scene.neighbour().0 as u32);
    shared::set(NEIGHBOUR + 1, (scene.neighbour().0 >> 32) as u32);
    act_through(&mut scene, "each call with each word for each argument", |first| {
        let neighbour = u64::from(shared::get(NEIGHBOUR)) | u64::from(shared::get(NEIGHBOUR + 1)) << 32;
        act(first, &[neighbour, 1 << 16], step)
    });
    scene.close()
}

/// The background of a call: its other arguments.
fn background(number: u64, palette: &[u64]) -> [u64; 6] {
    let address = palette[30];
    match number {
        0 => [0; 6],
        1 => [u64::MAX; 6],
        2 => [0, address, 1, 1, 1, 1],
        3 => [0, 0, address, 1, 0x11, 0],
        _ => [address, 1, 0x73, u64::MAX, 0, 0],
    }
}

fn step(number: u64, palette: &[u64]) -> Option<(Call, [u64; 6])> {
    let words = palette.len() as u64;
    let (word, rest) = (number % words, number / words);
    let (argument, rest) = (rest % ARGUMENTS, rest / ARGUMENTS);
    let (behind, call) = (rest % BACKGROUNDS, rest / BACKGROUNDS);
    let call = *CALLS.get(call as usize)?;
    let mut arguments = background(behind, palette);
    arguments[argument as usize] = palette[word as usize];
    Some((call, arguments))
}
