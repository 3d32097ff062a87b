//! Clocks go forward, agree with each other, and sleeping takes as long as asked.

use std::time::{Duration, Instant, SystemTime};

use linux_programs::call;

fn read(clock: libc::clockid_t) -> Duration {
    let mut time = [0u64; 2];
    // SAFETY: the pair is this function's own.
    unsafe { call(libc::SYS_clock_gettime, &[clock as usize, time.as_mut_ptr() as usize]) }.expect("clock_gettime");
    Duration::new(time[0], time[1] as u32)
}

/// clock_nanosleep(2): the result, or the error's name.
fn sleep(clock: libc::clockid_t, flags: usize, time: [i64; 2]) -> String {
    // SAFETY: the time outlives the call.
    let outcome = unsafe { call(libc::SYS_clock_nanosleep, &[clock as usize, flags, time.as_ptr() as usize, 0]) };
    outcome.map_or_else(|error| error, |value| value.to_string())
}

fn later(clock: libc::clockid_t, milliseconds: u64) -> [i64; 2] {
    let until = read(clock) + Duration::from_millis(milliseconds);
    [until.as_secs() as i64, i64::from(until.subsec_nanos())]
}

fn sleeps() {
    const ABSOLUTE: usize = 1;
    println!("no such clock: {}", sleep(77, 0, [0, 0]));
    println!(
        "clocks that nobody sleeps by: {} {}",
        sleep(libc::CLOCK_THREAD_CPUTIME_ID, 0, [0, 0]),
        sleep(libc::CLOCK_MONOTONIC_RAW, 0, [0, 0])
    );
    println!("bad times: {} {}", sleep(libc::CLOCK_REALTIME, 0, [-1, 0]), sleep(libc::CLOCK_REALTIME, ABSOLUTE, [0, 1_000_000_000]));
    // SAFETY: the call refuses the address.
    let nowhere = unsafe { call(libc::SYS_clock_nanosleep, &[1, 0, 8, 0]) };
    println!("no time there: {nowhere:?}");
    for (name, clock) in [("monotonic", libc::CLOCK_MONOTONIC), ("realtime", libc::CLOCK_REALTIME), ("boottime", libc::CLOCK_BOOTTIME)] {
        let until = later(clock, 20);
        let outcome = sleep(clock, ABSOLUTE, until);
        println!("{name}, absolute: {outcome} {}", later(clock, 0) >= until);
        println!("{name}, long past: {}", sleep(clock, ABSOLUTE, [1, 0]));
    }
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::SeqCst) {
                std::hint::spin_loop();
            }
        });
        let until = later(libc::CLOCK_PROCESS_CPUTIME_ID, 30);
        let outcome = sleep(libc::CLOCK_PROCESS_CPUTIME_ID, 0, [0, 30_000_000]);
        println!("while another computes: {outcome} {}", later(libc::CLOCK_PROCESS_CPUTIME_ID, 0) >= until);
        done.store(true, std::sync::atomic::Ordering::SeqCst);
    });
}

fn main() {
    let mut last = Instant::now();
    let steady = (0..10_000).all(|_| {
        let now = Instant::now();
        std::mem::replace(&mut last, now) <= now
    });
    println!("monotonic: {steady}");
    for (name, clock) in [("monotonic", libc::CLOCK_MONOTONIC), ("realtime", libc::CLOCK_REALTIME), ("boottime", libc::CLOCK_BOOTTIME)] {
        let (before, after) = (read(clock), read(clock));
        println!("{name} goes on by call: {}", after >= before);
    }
    for (name, clock) in
        [("raw", libc::CLOCK_MONOTONIC_RAW), ("coarse", libc::CLOCK_MONOTONIC_COARSE), ("realtime coarse", libc::CLOCK_REALTIME_COARSE)]
    {
        println!("{name} exists: {}", read(clock) > Duration::ZERO);
    }
    let function = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    let difference = read(libc::CLOCK_REALTIME).abs_diff(function);
    println!("call and function agree: {}", difference < Duration::from_secs(1));
    for milliseconds in [1, 20, 50] {
        let (asked, start) = (Duration::from_millis(milliseconds), Instant::now());
        std::thread::sleep(asked);
        let took = start.elapsed();
        println!("slept {milliseconds} ms: {}", took >= asked && took < asked + Duration::from_secs(2));
    }
    let spent = read(libc::CLOCK_PROCESS_CPUTIME_ID);
    println!("the process has used time: {}", spent > Duration::ZERO);
    sleeps();
}
