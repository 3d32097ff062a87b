//! Everything that Rust's standard library synchronises threads by, by 64 threads at once, ten million operations, with signals and forks among
//! them, and each result checked.
//!
//! With the argument `child` it answers a line of its input: what it starts of itself.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel, sync_channel};
use std::sync::{Barrier, Condvar, Mutex, RwLock};
use std::thread::{self, Thread};
use std::time::Duration;

/// Threads at once.
const THREADS: usize = 64;

/// Thread ids that signals are sent to.
static IDS: [AtomicI32; THREADS] = [const { AtomicI32::new(0) }; THREADS];
/// Signals that came.
static HANDLED: AtomicU64 = AtomicU64::new(0);
/// Operations that were done.
static OPERATIONS: AtomicUsize = AtomicUsize::new(0);

fn done(what: &str, count: usize) {
    OPERATIONS.fetch_add(count, Ordering::Relaxed);
    println!("{what}: {count}");
}

/// Run the same on all threads.
fn each(work: impl Fn(usize) + Sync) {
    let work = &work;
    thread::scope(|scope| {
        for (index, id) in IDS.iter().enumerate() {
            scope.spawn(move || {
                // SAFETY: the call takes nothing.
                id.store(unsafe { libc::gettid() }, Ordering::Relaxed);
                work(index);
            });
        }
    });
}

fn mutexes() {
    const ROUNDS: usize = 65_000;
    let counts: [Mutex<usize>; 3] = Default::default();
    each(|index| {
        for round in 0..ROUNDS {
            let mut count = counts[(index + round) % 3].lock().expect("no panic");
            let before = *count;
            if round % 4096 == 0 {
                thread::yield_now();
            }
            *count = before + 1;
        }
    });
    let sum: usize = counts.into_iter().map(|count| count.into_inner().expect("no panic")).sum();
    assert_eq!(sum, THREADS * ROUNDS);
    done("mutexes", sum);
}

/// A ring that all fill and empty.
fn conditions() {
    const ITEMS: usize = 12_000;
    const ROOM: usize = 256;
    let (ring, not_full, not_empty) = (Mutex::new(std::collections::VecDeque::new()), Condvar::new(), Condvar::new());
    let taken = AtomicUsize::new(0);
    each(|index| {
        for _ in 0..ITEMS {
            let ring = ring.lock().expect("no panic");
            if index % 2 == 1 {
                not_full.wait_while(ring, |ring| ring.len() == ROOM).expect("no panic").push_back(index);
                not_empty.notify_one();
            } else {
                let item = not_empty.wait_while(ring, |ring| ring.is_empty()).expect("no panic").pop_front();
                taken.fetch_add(item.expect("an item"), Ordering::Relaxed);
                not_full.notify_one();
            }
        }
    });
    assert_eq!(taken.into_inner(), (1..THREADS).step_by(2).sum::<usize>() * ITEMS);
    done("conditions", THREADS * ITEMS);
}

fn barriers() {
    const ROUNDS: usize = 50;
    let (barrier, arrived, leaders) = (Barrier::new(THREADS), AtomicUsize::new(0), AtomicUsize::new(0));
    each(|_| {
        for round in 1..=ROUNDS {
            arrived.fetch_add(1, Ordering::Relaxed);
            leaders.fetch_add(usize::from(barrier.wait().is_leader()), Ordering::Relaxed);
            assert_eq!(arrived.load(Ordering::Relaxed), round * THREADS, "nobody passes early");
            barrier.wait();
        }
    });
    assert_eq!(leaders.into_inner(), ROUNDS);
    done("barriers", THREADS * ROUNDS * 2);
}

/// All send to one.
fn one_receiver() {
    const ITEMS: usize = 30_000;
    let (sender, receiver) = channel::<(usize, usize)>();
    let sender = Mutex::new(Some(sender));
    let receiver = Mutex::new(Some(receiver));
    // Each takes a copy before anybody lets go of the first.
    let ready = Barrier::new(THREADS);
    each(|index| {
        if index == 0 {
            let receiver = receiver.lock().expect("no panic").take().expect("the receiver");
            ready.wait();
            drop(sender.lock().expect("no panic").take());
            in_order(&receiver);
            return;
        }
        let sender = sender.lock().expect("no panic").clone().expect("the sender");
        ready.wait();
        (0..ITEMS).for_each(|item| sender.send((index, item)).expect("a receiver"));
    });
    done("sent to one", (THREADS - 1) * ITEMS);

    /// Each sender's items come in order.
    fn in_order(receiver: &Receiver<(usize, usize)>) {
        let mut next = [0; THREADS];
        for (from, item) in receiver {
            assert_eq!(item, next[from]);
            next[from] += 1;
        }
        assert!(next[1..].iter().all(|&count| count == ITEMS));
    }
}

/// Pairs over channels with room for `room`.
fn pairs(room: usize, items: usize) {
    let mut ends: Vec<_> = (0..THREADS / 2)
        .flat_map(|_| {
            let (sender, receiver) = sync_channel(room);
            [(Some(sender), None), (None, Some(receiver))]
        })
        .collect();
    thread::scope(|scope| {
        for (index, (sender, receiver)) in ends.drain(..).enumerate() {
            scope.spawn(move || {
                if let Some(sender) = sender {
                    (0..items).for_each(|item| sender.send(index / 2 + item).expect("a receiver"));
                }
                if let Some(receiver) = receiver {
                    assert!(receiver.iter().eq((0..items).map(|item| index / 2 + item)));
                }
            });
        }
    });
    done(&format!("with room for {room}"), THREADS / 2 * items);
}

fn readers_and_writers() {
    const ROUNDS: usize = 40_000;
    let both = RwLock::new((0, 0));
    each(|index| {
        for round in 0..ROUNDS {
            if (index + round) % 16 == 0 {
                let mut both = both.write().expect("no panic");
                both.0 += 1;
                if round % 1024 == 0 {
                    thread::yield_now();
                }
                both.1 += 1;
            } else {
                let both = both.read().expect("no panic");
                assert_eq!(both.0, both.1, "nobody reads between two stores");
            }
        }
    });
    assert_eq!(both.into_inner().expect("no panic"), (THREADS * ROUNDS / 16, THREADS * ROUNDS / 16));
    done("readers and writers", THREADS * ROUNDS);
}

/// A token that each hands to the next, who is parked.
fn parked() {
    const ROUNDS: usize = 20;
    let (token, threads) = (AtomicUsize::new(0), Mutex::new(BTreeMap::<usize, Thread>::new()));
    let ready = Barrier::new(THREADS);
    each(|index| {
        threads.lock().expect("no panic").insert(index, thread::current());
        ready.wait();
        let next = threads.lock().expect("no panic")[&((index + 1) % THREADS)].clone();
        for round in 0..ROUNDS {
            while token.load(Ordering::Acquire) != round * THREADS + index {
                thread::park();
            }
            token.fetch_add(1, Ordering::Release);
            next.unpark();
        }
    });
    assert_eq!(token.load(Ordering::Relaxed), THREADS * ROUNDS);
    done("parked", THREADS * ROUNDS);
}

/// What a forked child checks, while the threads that it does not have held the allocator's lock: gives its status. It makes no threads: std's own
/// lists of threads may be locked for ever in it, on Linux too.
fn in_child(index: usize, words: &[String]) -> i32 {
    let mut lengths = BTreeMap::new();
    for word in words {
        *lengths.entry(word.len()).or_insert(0) += 1;
    }
    let text: String = words.iter().rev().map(|word| word.to_uppercase()).collect();
    let sum: usize = text.bytes().map(usize::from).sum();
    if lengths.values().sum::<usize>() == words.len() && sum == words.len() * usize::from(b'X') * (index + 1) {
        index as i32 + 1
    } else {
        0
    }
}

/// Half of the threads fork, while the others allocate.
fn forks() {
    const FORKS: usize = 4;
    let (forking, forked) = (AtomicUsize::new(THREADS / 2), AtomicUsize::new(0));
    each(|index| {
        if index % 2 == 0 {
            let mut kept: Vec<Box<[usize]>> = Vec::new();
            while forking.load(Ordering::Acquire) > 0 {
                kept.push(vec![index; kept.len() * 7 % 300 + 1].into());
                if kept.len() == 100 {
                    // On a busy machine those who fork need their turns.
                    thread::sleep(Duration::from_millis(1));
                    assert!(kept.drain(..).all(|words| words.iter().all(|&word| word == index)));
                }
            }
            return;
        }
        for _ in 0..FORKS {
            let words = vec!["x".repeat(index + 1); 50];
            // SAFETY: the child allocates and no more, which it may with musl, whose fork leaves no lock of its own held.
            let id = unsafe { libc::fork() };
            if id == 0 {
                let status = in_child(index, &words);
                // SAFETY: the call ends the process.
                unsafe { libc::_exit(status) };
            }
            let mut status = 0;
            // SAFETY: the status is this function's own.
            assert_eq!(unsafe { libc::waitpid(id, &raw mut status, 0) }, id, "a child to wait for");
            assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) as usize == index + 1, "status {status:#x} of {index}");
            forked.fetch_add(1, Ordering::Relaxed);
        }
        forking.fetch_sub(1, Ordering::Release);
    });
    done("forked", forked.into_inner());
}

/// Some threads start this program anew and talk with it.
fn children() {
    const STARTERS: usize = 8;
    let program = std::env::current_exe().expect("a path");
    thread::scope(|scope| {
        for index in 0..STARTERS {
            let program = &program;
            scope.spawn(move || {
                let command = Command::new(program).arg("child").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
                let mut child = command.expect("a child");
                writeln!(child.stdin.take().expect("a pipe"), "word {index}").expect("a reader");
                let output = child.wait_with_output().expect("an end");
                assert_eq!(output.status.code(), Some(7));
                assert_eq!(String::from_utf8_lossy(&output.stdout), format!("heard word {index}\n"));
            });
        }
    });
    done("children", STARTERS);
}

extern "C" fn handle(_: libc::c_int) {
    HANDLED.fetch_add(1, Ordering::Relaxed);
}

/// Send signals to the process and to its threads until it is over.
fn disturb(over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        // SAFETY: the calls send a signal that has a handler; an id that is nobody's any more is refused.
        unsafe {
            let process = libc::getpid();
            libc::kill(process, libc::SIGUSR1);
            for id in IDS.iter().map(|id| id.load(Ordering::Relaxed)).filter(|&id| id != 0) {
                libc::syscall(libc::SYS_tgkill, process, id, libc::SIGUSR1);
            }
        }
        thread::sleep(Duration::from_millis(3));
    }
}

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("child") {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).expect("a line");
        print!("heard {line}");
        return ExitCode::from(7);
    }
    // SAFETY: the action is whole, and its handler does what a handler may.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handle as extern "C" fn(libc::c_int) as usize;
        action.sa_flags = libc::SA_RESTART;
        assert_eq!(libc::sigaction(libc::SIGUSR1, &raw const action, std::ptr::null_mut()), 0);
    }
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| disturb(&over));
        mutexes();
        conditions();
        barriers();
        one_receiver();
        pairs(100, 20_000);
        pairs(0, 100);
        readers_and_writers();
        parked();
        forks();
        children();
        over.store(true, Ordering::Relaxed);
    });
    assert!(HANDLED.load(Ordering::Relaxed) > 0, "signals among them");
    println!("operations: {}", OPERATIONS.load(Ordering::Relaxed));
    ExitCode::SUCCESS
}
