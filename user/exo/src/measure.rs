//! Instructions of rounds: ticks of a clock that counts one for each, the loop's own subtracted.

use crate::isa;

/// Whether a loop of 2 x 100 000 instructions takes so many ticks, within a per cent for the clock's own reading and the timer.
#[must_use]
pub fn is_calibrated() -> bool {
    let ticks = isa::known_loop(100_000);
    let exact = (198_000..=202_000).contains(&ticks);
    exo::println!("200000 instructions take {ticks} ticks");
    if !exact {
        exo::println!("this machine does not count an instruction as a tick: run it with icount");
    }
    exact
}

/// Ticks of `rounds` rounds.
#[inline(always)]
pub fn ticks(rounds: u64, mut round: impl FnMut(u64)) -> u64 {
    let start = isa::ticks();
    for number in 0..rounds {
        round(core::hint::black_box(number));
    }
    isa::ticks() - start
}

/// The average of a round, without the loop's own instructions.
#[inline(always)]
pub fn average_of(rounds: u64, round: impl FnMut(u64)) -> u64 {
    let empty = ticks(rounds, |_| ());
    (ticks(rounds, round).saturating_sub(empty) + rounds / 2) / rounds
}
