//! A device's own interrupts: the console's, for input that the machine was started with (`input` in `expected.txt`).
//!
//! The serial port holds its line up as long as it has a byte, so the program decides when the next interrupt is due: it reads, or does not.
#![no_std]
#![no_main]

use abi::{EnvId, Error, WaitWord};
use native::{
    child::{Child, End, QUOTA},
    info,
    scene::Scene,
};

exo::program!(main);

/// The input's last byte; those before it are letters.
const LAST: u8 = b'.';
/// How many bytes the program must see at least: far more than any FIFO holds. (The first few may be lost while the machine starts.)
const MANY: usize = 900;
/// Milliseconds in which nothing comes, where nothing is to come.
const QUIET: u64 = 20;
/// Milliseconds in which something comes, where it is to come.
const SOON: u64 = 5000;

fn main() -> u8 {
    let mut scene = Scene::new();
    let irq = info::header().console_irq as usize;
    silent_until_asked_for(irq);
    scene.after("an interrupt that nobody asked for");
    one_at_a_time(irq);
    scene.after("interrupts asked for one by one");
    dead_owner(irq);
    scene.after("an owner that died with its interrupt open");
    assert!(read_to_the_end(irq) >= MANY, "input is missing");
    scene.after("all input, read as its interrupts came");
    exo::irq_ack(irq).expect("it is ours");
    assert!(!comes(irq, QUIET), "an interrupt from a port that has nothing");
    scene.close()
}

/// How often the interrupt came, as a word to sleep on.
fn count(irq: usize) -> WaitWord {
    let word = &raw const info::header().irqs[irq];
    // SAFETY: the info page is mapped; the kernel changes the word behind our back, hence volatile.
    WaitWord { address: word as u64, value: unsafe { word.read_volatile() }, reserved: 0 }
}

/// Whether the interrupt comes (once) after now.
fn comes(irq: usize, milliseconds: u64) -> bool {
    let before = count(irq);
    let woken = exo::wait(&[before], Some(info::deadline(milliseconds)));
    let after = count(irq).value;
    match woken {
        Err(error) => assert_eq!((error, after), (Error::TimedOut, before.value)),
        Ok(index) => assert_eq!((index, after), (0, before.value + 1)),
    }
    woken.is_ok()
}

fn silent_until_asked_for(irq: usize) {
    assert!(!comes(irq, QUIET), "an interrupt that nobody has bound");
    exo::irq_bind(irq, EnvId::SELF).expect("nobody has it");
    assert!(!comes(irq, QUIET), "an interrupt that was not acknowledged");
    assert_eq!(count(irq).value, 0);
}

fn one_at_a_time(irq: usize) {
    for number in 1..=3 {
        // The interrupt may come before `ack` is back: what is asked is whether the count is still what it was before.
        exo::irq_ack(irq).expect("it is ours");
        let until = info::deadline(SOON);
        let before = WaitWord { value: number - 1, ..count(irq) };
        assert!(exo::wait(&[before], Some(until)).is_ok(), "interrupt {number} did not come");
        assert!(!comes(irq, QUIET), "an interrupt while it is masked");
        assert_eq!(count(irq).value, number);
    }
}

/// A child takes the interrupt, lets the next come and ends: nothing comes after that.
fn dead_owner(irq: usize) {
    let before = count(irq).value;
    let child = Child::new(QUOTA, native::NONE);
    let open = |irq| {
        exo::irq_ack(irq as usize).expect("it was handed on");
        0
    };
    let context = child.context(open, irq as u64);
    exo::irq_bind(irq, child.id).expect("it is ours");
    child.give_slice(context);
    child.expect("a child with an interrupt", End::Exited(0));
    assert!(count(irq).value - before <= 1);
    assert!(!comes(irq, QUIET), "an interrupt whose owner is dead");
    exo::irq_bind(irq, EnvId::SELF).expect("left behind by the dead");
}

/// Read until the last byte, asleep while there is none; gives how many bytes came.
fn read_to_the_end(irq: usize) -> usize {
    let mut buffer = [0; 64];
    let mut total = 0;
    loop {
        let before = count(irq);
        exo::irq_ack(irq).expect("it is ours");
        assert!(exo::wait(&[before], Some(info::deadline(SOON))).is_ok(), "no interrupt after {total} bytes");
        let length = exo::debug_get(&mut buffer).expect("we have the privilege");
        assert!(length > 0, "an interrupt without a byte");
        total += length;
        let (last, rest) = buffer[..length].split_last().expect("some bytes");
        assert!(rest.iter().all(u8::is_ascii_lowercase), "{rest:?}");
        if *last == LAST {
            return total;
        }
        assert!(last.is_ascii_lowercase(), "{last}");
    }
}
