//! Clocks go forward, agree with each other, and sleeping takes as long as asked.

use std::time::{Duration, Instant, SystemTime};

use linux_programs::call;

fn read(clock: libc::clockid_t) -> Duration {
    let mut time = [0u64; 2];
    // SAFETY: the pair is this function's own.
    unsafe { call(libc::SYS_clock_gettime, &[clock as usize, time.as_mut_ptr() as usize]) }.expect("clock_gettime");
    Duration::new(time[0], time[1] as u32)
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
}
