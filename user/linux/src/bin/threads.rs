//! Threads as Rust's standard library uses them.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::{channel, sync_channel};
use std::sync::{Arc, Barrier, Condvar, Mutex, OnceLock, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use linux_programs::call;

/// Threads at once.
const MANY: usize = 64;

fn ask(number: i64) -> i64 {
    // SAFETY: the calls that this is used for take nothing and change nothing.
    unsafe { call(number, &[]) }.expect("an id")
}

fn results() {
    let doubled: Vec<usize> = (0..8).map(|value| thread::spawn(move || value * 2)).map(|handle| handle.join().expect("no panic")).collect();
    println!("joined: {doubled:?}");
    let words = ["a".to_string(), "bc".to_string(), "def".to_string()];
    let lengths: Vec<usize> = thread::scope(|scope| {
        let handles: Vec<_> = words.iter().map(|word| scope.spawn(|| word.len())).collect();
        handles.into_iter().map(|handle| handle.join().expect("no panic")).collect()
    });
    println!("scoped: {lengths:?}");
}

fn identities() {
    let process = ask(libc::SYS_getpid);
    let mut threads: Vec<i64> = thread::scope(|scope| {
        (0..8)
            .map(|_| scope.spawn(|| ask(libc::SYS_gettid)))
            .collect::<Vec<_>>()
            .into_iter()
            .map(|handle| handle.join().expect("no panic"))
            .collect()
    });
    let mains = threads.contains(&ask(libc::SYS_gettid));
    threads.sort_unstable();
    threads.dedup();
    println!("ids: {} different, the first thread's among them: {mains}", threads.len());
    println!("one process: {}", thread::spawn(move || ask(libc::SYS_getpid) == process).join().expect("no panic"));
    let named = thread::Builder::new().name("a name of its own".into());
    let name = named.spawn(|| {
        let mut name = [0u8; 16];
        // SAFETY: the buffer has room for a thread's name.
        unsafe { call(libc::SYS_prctl, &[libc::PR_GET_NAME as usize, name.as_mut_ptr() as usize]) }.expect("a name");
        String::from_utf8_lossy(name.split(|&byte| byte == 0).next().unwrap_or(&[])).into_owned()
    });
    println!("name: {:?}", name.expect("room").join().expect("no panic"));
}

fn locks() {
    let count = Arc::new((Mutex::new(0u64), AtomicU64::new(0), RwLock::new(0u64)));
    let barrier = Arc::new(Barrier::new(MANY));
    let handles: Vec<_> = (0..MANY)
        .map(|index| {
            let (count, barrier) = (count.clone(), barrier.clone());
            thread::spawn(move || {
                let leads = barrier.wait().is_leader();
                for round in 0..200 {
                    *count.0.lock().expect("no panic") += 1;
                    count.1.fetch_add(1, Ordering::Relaxed);
                    if round % 16 == index % 16 {
                        *count.2.write().expect("no panic") += 1;
                        thread::yield_now();
                    } else {
                        assert!(*count.2.read().expect("no panic") <= (MANY * 200) as u64);
                    }
                }
                leads
            })
        })
        .collect();
    let leaders = handles.into_iter().map(|handle| handle.join().expect("no panic")).filter(|&leads| leads).count();
    println!("leaders: {leaders}");
    println!("counts: {} {} {}", count.0.lock().expect("no panic"), count.1.load(Ordering::Relaxed), count.2.read().expect("no panic"));
    static ONCE: OnceLock<usize> = OnceLock::new();
    let runs = AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                ONCE.get_or_init(|| {
                    thread::sleep(Duration::from_millis(5));
                    runs.fetch_add(1, Ordering::Relaxed) as usize
                })
            });
        }
    });
    println!("once: {}", runs.load(Ordering::Relaxed));
}

fn conditions() {
    let turn = (Mutex::new(0usize), Condvar::new());
    let order = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for index in (0..8).rev() {
            let (turn, order) = (&turn, &order);
            scope.spawn(move || {
                let mut now = turn.1.wait_while(turn.0.lock().expect("no panic"), |now| *now != index).expect("no panic");
                order.lock().expect("no panic").push(index);
                *now += 1;
                turn.1.notify_all();
            });
        }
    });
    println!("in turn: {:?}", order.lock().expect("no panic"));
    let (lock, condition) = (Mutex::new(()), Condvar::new());
    let begin = Instant::now();
    let (_guard, outcome) = condition.wait_timeout(lock.lock().expect("no panic"), Duration::from_millis(20)).expect("no panic");
    println!("timed out: {} {}", outcome.timed_out(), begin.elapsed() >= Duration::from_millis(20));
}

fn channels() {
    let (to, from) = channel();
    for index in 0..4u64 {
        let to = to.clone();
        thread::spawn(move || (0..100).for_each(|value| to.send(index * 100 + value).expect("a receiver")));
    }
    drop(to);
    println!("channel: {}", from.iter().sum::<u64>());
    let (to, from) = sync_channel(2);
    let sender = thread::spawn(move || (0..50).for_each(|value| to.send(value).expect("a receiver")));
    println!("bounded: {}", from.iter().sum::<u64>());
    sender.join().expect("no panic");
}

fn own() {
    struct Noted(&'static AtomicU32);
    impl Drop for Noted {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    static DROPPED: AtomicU32 = AtomicU32::new(0);
    thread_local! {
        static NUMBER: Cell<usize> = const { Cell::new(7) };
        static NOTED: Noted = const { Noted(&DROPPED) };
    }
    NUMBER.set(1);
    let seen: Vec<(usize, usize)> = (0..4)
        .map(|index| {
            thread::spawn(move || {
                NOTED.with(|_| ());
                let before = NUMBER.replace(index);
                thread::yield_now();
                (before, NUMBER.get())
            })
        })
        .map(|handle| handle.join().expect("no panic"))
        .collect();
    println!("thread-locals: {seen:?} {} dropped {}", NUMBER.get(), DROPPED.load(Ordering::Relaxed));
}

fn sleeps() {
    let order = Mutex::new(Vec::new());
    let begin = Instant::now();
    thread::scope(|scope| {
        for index in [3u64, 1, 2, 0] {
            let order = &order;
            scope.spawn(move || {
                thread::sleep(Duration::from_millis(10 + 60 * index));
                order.lock().expect("no panic").push(index);
            });
        }
    });
    let took = begin.elapsed();
    println!("woke: {:?}, at the same time: {}", order.lock().expect("no panic"), took >= Duration::from_millis(190));
    let parked = thread::spawn(|| {
        thread::park();
        thread::park_timeout(Duration::from_millis(1));
        "unparked"
    });
    parked.thread().unpark();
    println!("{}", parked.join().expect("no panic"));
}

/// A thread that never makes a call does not keep the others from running.
fn spins() {
    let stop = AtomicBool::new(false);
    let float = thread::scope(|scope| {
        let spinner = scope.spawn(|| {
            let mut value = 1.0f64;
            while !stop.load(Ordering::Relaxed) {
                value = value * 1.000_001 % 2.0 + 0.5;
            }
            value
        });
        thread::sleep(Duration::from_millis(30));
        let (mut sum, begin) = (0.0f64, Instant::now());
        while begin.elapsed() < Duration::from_millis(60) {
            sum += 0.5;
        }
        stop.store(true, Ordering::Relaxed);
        let value = spinner.join().expect("no panic");
        (0.5..2.5).contains(&value) && sum.fract() * 2.0 == (sum * 2.0) % 2.0
    });
    println!("both went on: {float}");
}

/// A reader that waits sees the end of the pipe, and a writer that waits sees that nobody reads, when another thread closes the other end.
fn closes() {
    use std::io::{Read, Write};
    for by_close in [true, false] {
        let (mut read, write) = std::io::pipe().expect("a pipe");
        let reader = thread::spawn(move || read.read(&mut [0; 8]).expect("no error"));
        thread::sleep(Duration::from_millis(20));
        if by_close {
            drop(write);
        } else {
            use std::os::fd::AsRawFd;
            let null = std::fs::File::open("/dev/null").expect("a device");
            // SAFETY: both are open; the pipe's end goes and its number stays.
            assert!(unsafe { libc::dup2(null.as_raw_fd(), write.as_raw_fd()) } >= 0);
        }
        println!("read at the end: {}", reader.join().expect("no panic"));
    }
    let (read, mut write) = std::io::pipe().expect("a pipe");
    let writer = thread::spawn(move || write.write_all(&vec![0; 1 << 20]).expect_err("nobody reads").kind());
    thread::sleep(Duration::from_millis(20));
    drop(read);
    println!("written at the end: {:?}", writer.join().expect("no panic"));
}

fn main() {
    results();
    identities();
    locks();
    conditions();
    channels();
    own();
    sleeps();
    spins();
    closes();
    println!("done");
    // Others still sleep when the process ends.
    for _ in 0..3 {
        thread::spawn(|| thread::sleep(Duration::from_secs(100)));
    }
}
