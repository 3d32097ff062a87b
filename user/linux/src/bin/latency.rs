//! A thread that wakes once a millisecond, beside others that compute: how late it is, in nanoseconds.
//!
//! Arguments: how often it wakes, how many threads compute, and how many other processes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::thread;

use linux_programs::family::{child, end_of, shared};

const PERIOD_NS: i64 = 1_000_000;
const SECOND_NS: i64 = 1_000_000_000;

fn now() -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a valid pointer.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec * SECOND_NS + time.tv_nsec
}

/// Sleep up to a time.
fn sleep_until(time: i64) {
    let time = libc::timespec { tv_sec: time / SECOND_NS, tv_nsec: time % SECOND_NS };
    // SAFETY: a valid pointer; there is no rest to be told.
    unsafe { libc::clock_nanosleep(libc::CLOCK_MONOTONIC, libc::TIMER_ABSTIME, &raw const time, std::ptr::null_mut()) };
}

/// Compute until the end.
fn compute(count: &AtomicI32) -> ! {
    loop {
        count.store(1, Ordering::Relaxed);
        (0..1000u32).for_each(|round| {
            std::hint::black_box(round);
        });
    }
}

fn main() {
    let number = |index, default| std::env::args().nth(index).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (wakes, hogs, others) = (number(1, 200usize), number(2, 1usize), number(3, 0usize));
    let counts = &shared()[..others];
    let others: Vec<i32> = counts.iter().map(|count| child(|| compute(count))).collect();
    let (is_over, work) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let hogs: Vec<_> = (0..hogs)
        .map(|_| {
            let (is_over, work) = (is_over.clone(), work.clone());
            thread::spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    work.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let mut late = Vec::with_capacity(wakes);
    for _ in 0..wakes {
        let due = now() + PERIOD_NS;
        sleep_until(due);
        late.push(now() - due);
    }
    is_over.store(true, Ordering::Relaxed);
    let is_shared = (hogs.is_empty() || work.load(Ordering::Relaxed) > 0) && counts.iter().all(|count| count.load(Ordering::Relaxed) > 0);
    hogs.into_iter().for_each(|hog| hog.join().expect("it only counts"));
    for id in others {
        // SAFETY: a plain call.
        unsafe { libc::kill(id, libc::SIGKILL) };
        assert_eq!(end_of(id), "signal 9");
    }
    late.sort_unstable();
    for (name, part) in [("median", 50), ("most-of-ten", 90), ("most-of-a-hundred", 99)] {
        println!("{name} {}", late[(wakes - 1) * part / 100]);
    }
    println!(
        "{} wakes, {}, all who compute {}",
        late.len(),
        if late[0] >= 0 { "none early" } else { "early" },
        if is_shared { "did" } else { "starved" }
    );
}
