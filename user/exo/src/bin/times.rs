//! Who has run for how long: what is counted adds up, sleeping is not running, and the dead keep their time until they are reaped.
#![no_std]
#![no_main]

use abi::EnvId;
use native::{
    child::{Child, End, PATIENCE},
    info, isa,
    scene::prepare,
};

exo::program!(main);

fn main() -> u8 {
    prepare();
    own_time();
    shares();
    sleepers();
    native::PASSED
}

/// The time that this environment has run, up to now.
fn own_ran() -> u64 {
    loop {
        let ran = ran(exo::identify());
        let now = isa::ticks();
        if native::info::environment(exo::identify()).ran == ran {
            assert!((ran as i64) < 0, "it runs");
            return ran.wrapping_add(now);
        }
    }
}

fn ran(env: EnvId) -> u64 {
    info::environment(env).ran
}

fn spin(milliseconds: u64) {
    let until = own_ran() + info::milliseconds(milliseconds);
    while own_ran() < until {
        core::hint::spin_loop();
    }
}

/// Alone, all time is its own but for what it sleeps.
fn own_time() {
    let (clock, before) = (isa::ticks(), own_ran());
    spin(30);
    let own = own_ran() - before;
    let elapsed = isa::ticks() - clock;
    assert!(own >= info::milliseconds(30) && own <= elapsed, "{own} of {elapsed}");
    let before = own_ran();
    info::sleep(100);
    let own = own_ran() - before;
    assert!(own < info::milliseconds(50), "{own} ticks while it slept");
}

/// What three that are always busy run is what passes.
fn shares() {
    let child = || {
        Child::run(
            |_| {
                loop {
                    core::hint::spin_loop();
                }
            },
            0,
        )
    };
    let children = [child(), child()];
    let all = || own_ran() + children.iter().map(|child| ran(child.id)).sum::<u64>();
    exo::yield_now();
    let (clock, before) = (isa::ticks(), all());
    let until = clock + info::milliseconds(200);
    while isa::ticks() < until {
        core::hint::spin_loop();
    }
    let (elapsed, together) = (isa::ticks() - clock, all() - before);
    assert!(together.abs_diff(elapsed) < info::milliseconds(2), "{together} of {elapsed}");
    let times = children.map(|child| ran(child.id));
    assert!(times.iter().all(|&time| time > info::milliseconds(20)), "{times:?} of {elapsed}");
    children.into_iter().for_each(Child::end);
}

/// One that runs for 20 ms and sleeps for 100 has run for 20 when it is dead.
fn sleepers() {
    let child = Child::run(
        |_| {
            spin(20);
            info::sleep(100);
            0
        },
        0,
    );
    let entry = child.await_death(PATIENCE);
    assert!(End::Exited(0).is(&entry));
    assert!((info::milliseconds(20)..info::milliseconds(70)).contains(&entry.ran), "{} ticks", entry.ran);
    child.reap();
    let next = Child::new(512, native::NONE);
    assert_eq!((next.id.slot(), ran(next.id)), (child.id.slot(), 0));
    next.end();
}
