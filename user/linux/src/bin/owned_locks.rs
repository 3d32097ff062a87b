//! futex(2)'s locks that know their owner, futex_waitv(2), and whose futex an address is.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use linux_programs::call;

const PRIVATE: usize = 128;
const WAIT: usize = 0;
const WAKE: usize = 1;
const REQUEUE: usize = 3;
const LOCK: usize = 6;
const UNLOCK: usize = 7;
const TRY: usize = 8;
const WAIT_FOR_LOCK: usize = 11;
const REQUEUE_TO_LOCK: usize = 12;
const LOCK_2: usize = 13;
const REALTIME: usize = 256;
const WAITERS: u32 = 1 << 31;
const OWNER_DIED: u32 = 1 << 30;
const OWNER: u32 = (1 << 30) - 1;

fn show(outcome: Result<i64, String>) -> String {
    outcome.map_or_else(|error| error, |value| value.to_string())
}

fn futex(word: &AtomicU32, operation: usize, value: usize, timeout: usize, second: usize, bits: usize) -> String {
    // SAFETY: the words and the timeouts given here outlive the call.
    show(unsafe { call(libc::SYS_futex, &[word.as_ptr() as usize, operation, value, timeout, second, bits]) })
}

fn plain(word: &AtomicU32, operation: usize) -> String {
    futex(word, operation | PRIVATE, 0, 0, 0, 0)
}

fn id() -> u32 {
    // SAFETY: the call takes nothing.
    unsafe { call(libc::SYS_gettid, &[]) }.expect("an id") as u32
}

/// A time on a clock, so many milliseconds from now.
fn soon(clock: i32, milliseconds: i64) -> [i64; 2] {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the struct is the call's to fill.
    unsafe { call(libc::SYS_clock_gettime, &[clock as usize, &raw mut time as usize]) }.expect("a clock");
    let ns = time.tv_nsec + milliseconds * 1_000_000;
    [time.tv_sec + ns / 1_000_000_000, ns % 1_000_000_000]
}

fn rest() {
    thread::sleep(Duration::from_millis(30));
}

/// What a word says, without the id.
fn marks(word: &AtomicU32, owner: u32) -> (bool, bool, bool) {
    let value = word.load(Ordering::SeqCst);
    (value & OWNER == owner, value & WAITERS != 0, value & OWNER_DIED != 0)
}

fn alone() {
    let word = AtomicU32::new(0);
    println!("lock: {} mine {}", plain(&word, LOCK), word.load(Ordering::SeqCst) == id());
    println!("lock again: {} {}", plain(&word, LOCK), plain(&word, TRY));
    println!("unlock: {} {}", plain(&word, UNLOCK), word.load(Ordering::SeqCst));
    println!("unlock again: {}", plain(&word, UNLOCK));
    println!("try: {} mine {}", plain(&word, TRY), word.load(Ordering::SeqCst) == id());
    println!("unlock: {}", plain(&word, UNLOCK));
    println!("lock 2: {} unlock {}", plain(&word, LOCK_2), plain(&word, UNLOCK));
    word.store(99_999_999, Ordering::SeqCst);
    println!("of nobody: {} {}", plain(&word, LOCK), plain(&word, TRY));
    word.store(OWNER_DIED, Ordering::SeqCst);
    println!("of one who died: {} {:?}", plain(&word, LOCK), marks(&word, id()));
    println!("unlock: {} {}", plain(&word, UNLOCK), word.load(Ordering::SeqCst));
    println!("realtime flag: {}", plain(&word, LOCK | REALTIME));
    println!("bad time: {}", futex(&word, LOCK | PRIVATE, 0, [0i64, -1].as_ptr() as usize, 0, 0));
    // SAFETY: the call refuses what it is given.
    println!("misaligned: {}", show(unsafe { call(libc::SYS_futex, &[word.as_ptr() as usize + 1, LOCK, 0, 0, 0, 0]) }));
}

fn handed_over() {
    let (word, order) = (AtomicU32::new(0), std::sync::Mutex::new(Vec::new()));
    let (word, order) = (&word, &order);
    plain(word, LOCK);
    thread::scope(|scope| {
        for index in 0..3 {
            scope.spawn(move || {
                let outcome = plain(word, LOCK);
                let mine = marks(word, id()).0;
                let mut order = order.lock().expect("no panic");
                order.push((index, outcome, mine, plain(word, UNLOCK)));
            });
            rest();
        }
        println!("waited for: {:?}", marks(word, id()));
        println!("a wake is not for them: {}", futex(word, WAKE | PRIVATE, 1, 0, 0, 0));
        println!("nor a move: {}", futex(word, REQUEUE | PRIVATE, 1, 1, order as *const _ as usize & !3, 0));
        println!(
            "not theirs to give: {}",
            thread::spawn({
                let address = word.as_ptr() as usize;
                // SAFETY: the word outlives the thread, which is joined.
                move || show(unsafe { call(libc::SYS_futex, &[address, UNLOCK | PRIVATE, 0, 0, 0, 0]) })
            })
            .join()
            .expect("no panic")
        );
        println!(
            "busy: {}",
            thread::spawn({
                let address = word.as_ptr() as usize;
                // SAFETY: as above.
                move || show(unsafe { call(libc::SYS_futex, &[address, TRY | PRIVATE, 0, 0, 0, 0]) })
            })
            .join()
            .expect("no panic")
        );
        println!("unlock: {}", plain(word, UNLOCK));
    });
    println!("in order: {:?}", order.lock().expect("no panic"));
    println!("free: {:?}", marks(word, 0));
}

fn timeouts() {
    let word = AtomicU32::new(0);
    let word = &word;
    plain(word, LOCK);
    thread::scope(|scope| {
        scope.spawn(|| {
            for (name, operation, clock) in [
                ("time of day", LOCK, libc::CLOCK_REALTIME),
                ("monotonic", LOCK_2, libc::CLOCK_MONOTONIC),
                ("time of day by flag", LOCK_2 | REALTIME, libc::CLOCK_REALTIME),
            ] {
                let (begin, until) = (Instant::now(), soon(clock, 20));
                let outcome = futex(word, operation | PRIVATE, 0, until.as_ptr() as usize, 0, 0);
                println!("{name}: {outcome} {}", begin.elapsed() >= Duration::from_millis(18));
            }
        });
    });
    println!("still mine: {}", plain(word, UNLOCK));
}

/// Two threads that each own what the other wants.
fn circle() {
    let (first, second) = (AtomicU32::new(0), AtomicU32::new(0));
    let (first, second) = (&first, &second);
    plain(first, LOCK);
    thread::scope(|scope| {
        scope.spawn(move || {
            plain(second, LOCK);
            println!("waited: {}", plain(first, LOCK));
            plain(first, UNLOCK);
            plain(second, UNLOCK);
        });
        rest();
        println!("a circle: {}", plain(second, LOCK));
        plain(first, UNLOCK);
    });
}

/// The owner ends, with the lock in its robust list and without.
fn deaths() {
    #[repr(C)]
    struct Held {
        next: usize,
        word: AtomicU32,
    }
    for listed in [true, false] {
        let held: &Held = Box::leak(Box::new(Held { next: 0, word: AtomicU32::new(0) }));
        thread::scope(|scope| {
            scope.spawn(move || {
                if listed {
                    let entry = std::ptr::from_ref(held) as usize;
                    let head: &mut [usize; 3] = Box::leak(Box::new([entry | 1, 8, 0]));
                    let address = head.as_ptr() as usize;
                    // SAFETY: the list ends where it begins, and lives for ever.
                    unsafe {
                        (&raw const held.next).cast_mut().write_volatile(address);
                        call(libc::SYS_set_robust_list, &[address, 24]).expect("a list");
                    }
                }
                plain(&held.word, LOCK);
                thread::sleep(Duration::from_millis(60));
            });
            rest();
            println!("inherited: {} {:?}", plain(&held.word, LOCK), marks(&held.word, id()));
            println!("unlock: {}", plain(&held.word, UNLOCK));
        });
    }
}

/// A wait that ends with a lock.
fn transfers() {
    let (word, lock, done) = (AtomicU32::new(0), AtomicU32::new(0), AtomicU32::new(0));
    let (word, lock, done) = (&word, &lock, &done);
    let to = lock.as_ptr() as usize;
    println!("to itself: {}", futex(word, WAIT_FOR_LOCK | PRIVATE, 0, 0, word.as_ptr() as usize, usize::MAX));
    println!("another value: {}", futex(word, WAIT_FOR_LOCK | PRIVATE, 1, 0, to, usize::MAX));
    println!("two at once: {}", futex(word, REQUEUE_TO_LOCK | PRIVATE, 2, 1, to, 0));
    println!("nobody: {}", futex(word, REQUEUE_TO_LOCK | PRIVATE, 1, 1, to, 0));
    let until = soon(libc::CLOCK_MONOTONIC, 10);
    println!("too late: {}", futex(word, WAIT_FOR_LOCK | PRIVATE, 0, until.as_ptr() as usize, to, usize::MAX));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(move || {
                let outcome = futex(word, WAIT_FOR_LOCK | PRIVATE, 0, 0, to, usize::MAX);
                let mine = marks(lock, id()).0;
                done.fetch_add(u32::from(outcome == "0" && mine), Ordering::SeqCst);
                plain(lock, UNLOCK);
            });
        }
        rest();
        println!("a wake is not for them: {}", futex(word, WAKE | PRIVATE, 1, 0, 0, 0));
        println!("another lock: {}", futex(word, REQUEUE_TO_LOCK | PRIVATE, 1, 9, done.as_ptr() as usize, 0));
        println!("moved: {}", futex(word, REQUEUE_TO_LOCK | PRIVATE, 1, 1, to, 0));
        rest();
        println!("moved: {}", futex(word, REQUEUE_TO_LOCK | PRIVATE, 1, 9, to, 0));
    });
    println!("all had the lock: {}", done.load(Ordering::SeqCst));
}

#[repr(C)]
struct Wait {
    value: u64,
    address: u64,
    flags: u32,
    reserved: u32,
}

fn wait_on_any(waits: &[Wait], flags: usize, timeout: usize, clock: i32) -> String {
    // SAFETY: the list and the timeout outlive the call.
    show(unsafe { call(libc::SYS_futex_waitv, &[waits.as_ptr() as usize, waits.len(), flags, timeout, clock as usize]) })
}

fn several() {
    let words: [AtomicU32; 3] = [const { AtomicU32::new(0) }; 3];
    let waits = |value: u64, flags: u32| -> Vec<Wait> {
        words.iter().map(|word| Wait { value, address: word.as_ptr() as u64, flags, reserved: 0 }).collect()
    };
    println!("none: {}", wait_on_any(&[], 0, 0, 0));
    println!("flags: {}", wait_on_any(&waits(0, 130), 1, 0, 0));
    println!("of no size: {}", wait_on_any(&waits(0, 128), 0, 0, 0));
    println!("of another size: {}", wait_on_any(&waits(0, 131), 0, 0, 0));
    println!("another value: {}", wait_on_any(&waits(1, 130), 0, 0, 0));
    let until = soon(libc::CLOCK_MONOTONIC, 10);
    println!("no clock: {}", wait_on_any(&waits(0, 130), 0, until.as_ptr() as usize, 2));
    println!("too late: {}", wait_on_any(&waits(0, 130), 0, until.as_ptr() as usize, 1));
    let until = soon(libc::CLOCK_REALTIME, 10);
    println!("too late by the time of day: {}", wait_on_any(&waits(0, 130), 0, until.as_ptr() as usize, 0));
    thread::scope(|scope| {
        let waiter = scope.spawn(|| wait_on_any(&waits(0, 130), 0, 0, 0));
        rest();
        println!("wakes: {}", futex(&words[2], WAKE | PRIVATE, 9, 0, 0, 0));
        rest();
        println!("waits no more on another: {}", futex(&words[0], WAKE | PRIVATE, 9, 0, 0, 0));
        println!("woken on: {}", waiter.join().expect("no panic"));
    });
}

/// Private and not: the same address in private memory is two futexes; a shared frame is one futex at all its addresses.
fn names() {
    let word = AtomicU32::new(0);
    let word = &word;
    thread::scope(|scope| {
        scope.spawn(move || futex(word, WAIT | PRIVATE, 0, 0, 0, 0));
        rest();
        println!("not private: {}", futex(word, WAKE, 9, 0, 0, 0));
        println!("private: {}", futex(word, WAKE | PRIVATE, 9, 0, 0, 0));
    });
    // SAFETY: a file of its own, mapped twice, and never unmapped.
    let [one, other] = unsafe {
        let file = call(libc::SYS_memfd_create, &[c"words".as_ptr() as usize, 0]).expect("a file") as i32;
        libc::ftruncate(file, 4096);
        [(); 2].map(|()| libc::mmap(std::ptr::null_mut(), 4096, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED, file, 0))
    };
    // SAFETY: both pages are mapped, and zeros are a value.
    let [one, other] = unsafe { [&*one.cast::<AtomicU32>(), &*other.cast::<AtomicU32>()] };
    thread::scope(|scope| {
        scope.spawn(move || futex(one, WAIT, 0, 0, 0, 0));
        rest();
        println!("private at another address: {}", futex(other, WAKE | PRIVATE, 9, 0, 0, 0));
        println!("at another address: {}", futex(other, WAKE, 9, 0, 0, 0));
    });
    // SAFETY: a page of its own.
    let read_only = unsafe { libc::mmap(std::ptr::null_mut(), 4096, libc::PROT_READ, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0) };
    // SAFETY: the page is mapped.
    let read_only = unsafe { &*read_only.cast::<AtomicU32>() };
    println!("read-only: {} {}", futex(read_only, WAKE, 1, 0, 0, 0), futex(read_only, WAKE | PRIVATE, 1, 0, 0, 0));
    println!("read-only lock: {}", futex(read_only, LOCK, 0, 0, 0, 0));
}

fn main() {
    alone();
    handed_over();
    timeouts();
    circle();
    deaths();
    transfers();
    several();
    names();
}
