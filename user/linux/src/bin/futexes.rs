//! futex(2) itself, and what else of threads the standard library hides.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use linux_programs::call;

const WAIT: usize = 128;
const WAKE: usize = 1 | 128;
const REQUEUE: usize = 3 | 128;
const CMP_REQUEUE: usize = 4 | 128;
const WAKE_OP: usize = 5 | 128;
const WAIT_BITSET: usize = 9 | 128;
const WAKE_BITSET: usize = 10 | 128;
const REALTIME: usize = 256;

type Outcome = Result<i64, String>;

fn futex(word: &AtomicU32, operation: usize, value: usize, timeout: usize, second: usize, bits: usize) -> Outcome {
    // SAFETY: the words and the timeouts given here outlive the call.
    unsafe { call(libc::SYS_futex, &[word.as_ptr() as usize, operation, value, timeout, second, bits]) }
}

/// The result, or the error's name.
fn show(outcome: Outcome) -> String {
    outcome.map_or_else(|error| error, |value| value.to_string())
}

fn refusals() {
    let word = AtomicU32::new(1);
    let bad_time = [-1i64, 0];
    let bad_fraction = [0i64, 1_000_000_000];
    println!("another value: {}", show(futex(&word, WAIT, 2, 0, 0, 0)));
    println!("no bits: {} {}", show(futex(&word, WAIT_BITSET, 1, 0, 0, 0)), show(futex(&word, WAKE_BITSET, 1, 0, 0, 0)));
    println!("bad time: {}", show(futex(&word, WAIT, 1, bad_time.as_ptr() as usize, 0, 0)));
    println!("bad fraction: {}", show(futex(&word, WAIT, 1, bad_fraction.as_ptr() as usize, 0, 0)));
    println!("nobody: {}", show(futex(&word, WAKE, 1, 0, 0, 0)));
    println!("another value to requeue: {}", show(futex(&word, CMP_REQUEUE, 1, 1, word.as_ptr() as usize, 2)));
    println!("negative requeue: {}", show(futex(&word, REQUEUE, usize::MAX, 1, word.as_ptr() as usize, 0)));
    for (name, address) in [("misaligned", word.as_ptr() as usize + 1), ("null", 0), ("high", usize::MAX & !3)] {
        // SAFETY: the call looks at the word and refuses it.
        println!("{name}: {}", show(unsafe { call(libc::SYS_futex, &[address, WAIT, 1, 0, 0, 0]) }));
    }
}

fn timeouts() {
    let word = AtomicU32::new(0);
    let relative = [0i64, 20_000_000];
    let begin = Instant::now();
    let outcome = show(futex(&word, WAIT, 0, relative.as_ptr() as usize, 0, 0));
    println!("relative: {outcome} {}", begin.elapsed() >= Duration::from_millis(20));
    for (name, clock, flag) in [("monotonic", libc::CLOCK_MONOTONIC, 0), ("realtime", libc::CLOCK_REALTIME, REALTIME)] {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the struct is the call's to fill.
        unsafe { call(libc::SYS_clock_gettime, &[clock as usize, &raw mut time as usize]) }.expect("a clock");
        let ns = time.tv_nsec + 20_000_000;
        let until = [time.tv_sec + ns / 1_000_000_000, ns % 1_000_000_000];
        let begin = Instant::now();
        let outcome = show(futex(&word, WAIT_BITSET | flag, 0, until.as_ptr() as usize, 0, 1));
        println!("{name}: {outcome} {}", begin.elapsed() >= Duration::from_millis(19));
        let past = show(futex(&word, WAIT_BITSET | flag, 0, [1i64, 0].as_ptr() as usize, 0, 1));
        println!("{name}, long past: {past}");
    }
}

/// Wait until so many threads have said that they are about to wait, and for them to do so.
fn await_waiters(count: &AtomicU32, expected: u32) {
    while count.load(Ordering::SeqCst) < expected {
        thread::yield_now();
    }
    thread::sleep(Duration::from_millis(30));
}

fn wakes() {
    let (word, other, about) = (AtomicU32::new(0), AtomicU32::new(0), AtomicU32::new(0));
    let woken = AtomicU32::new(0);
    thread::scope(|scope| {
        for index in 0..6u32 {
            let (word, about, woken) = (&word, &about, &woken);
            scope.spawn(move || {
                about.fetch_add(1, Ordering::SeqCst);
                futex(word, WAIT_BITSET, 0, 0, 0, 1 << (index % 2)).expect("a wake");
                woken.fetch_add(1, Ordering::SeqCst);
            });
        }
        await_waiters(&about, 6);
        println!("of a kind: {}", show(futex(&word, WAKE_BITSET, 100, 0, 0, 2)));
        println!("of none: {}", show(futex(&word, WAKE_BITSET, 100, 0, 0, 4)));
        println!("one woken, one moved: {}", show(futex(&word, CMP_REQUEUE, 1, 1, other.as_ptr() as usize, 0)));
        println!("the moved one: {}", show(futex(&other, WAKE, 100, 0, 0, 0)));
        println!("the last one: {}", show(futex(&word, WAKE, 100, 0, 0, 0)));
    });
    println!("all woke: {}", woken.load(Ordering::SeqCst));
}

fn changes() {
    let (word, other, about) = (AtomicU32::new(0), AtomicU32::new(5), AtomicU32::new(0));
    // Add 3 to the second; wake its waiters if it was above 4.
    let code = |change: usize, operand: usize, compare: usize, limit: usize| change << 28 | compare << 24 | operand << 12 | limit;
    thread::scope(|scope| {
        for futexes in [&word, &other] {
            let about = &about;
            scope.spawn(move || {
                let value = futexes.load(Ordering::SeqCst) as usize;
                about.fetch_add(1, Ordering::SeqCst);
                futex(futexes, WAIT, value, 0, 0, 0).expect("a wake");
            });
        }
        await_waiters(&about, 2);
        println!("changed: {}", show(futex(&word, WAKE_OP, 1, 1, other.as_ptr() as usize, code(1, 3, 4, 4))));
    });
    println!("is: {}", other.load(Ordering::SeqCst));
    println!("not as asked: {}", show(futex(&word, WAKE_OP, 1, 1, other.as_ptr() as usize, code(0, 1, 0, 9))));
    println!("is: {}", other.load(Ordering::SeqCst));
}

/// A thread that ends leaves its id's place 0, wakes who waits there, and says of its robust futexes that their owner died.
fn ends() {
    #[repr(C)]
    struct Held {
        next: usize,
        word: AtomicU32,
    }
    let held = Box::leak(Box::new(Held { next: 0, word: AtomicU32::new(0) }));
    let (held, about) = (&*held, AtomicU32::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            let entry = std::ptr::from_ref(held) as usize;
            let head: &mut [usize; 3] = Box::leak(Box::new([entry, 8, 0]));
            let address = head.as_ptr() as usize;
            // SAFETY: the list ends where it begins, and lives for ever.
            unsafe {
                (&raw const held.next).cast_mut().write_volatile(address);
                call(libc::SYS_set_robust_list, &[address, 24]).expect("a list");
            }
            // SAFETY: the call takes nothing.
            let id = unsafe { call(libc::SYS_gettid, &[]) }.expect("an id") as u32;
            held.word.store(id, Ordering::SeqCst);
            about.fetch_add(1, Ordering::SeqCst);
            thread::sleep(Duration::from_millis(60));
        });
        await_waiters(&about, 1);
        let id = held.word.fetch_or(1 << 31, Ordering::SeqCst);
        println!("owner died: {}", show(futex(&held.word, 0, (id | 1 << 31) as usize, 0, 0, 0)));
        println!("says so: {:#x}", held.word.load(Ordering::SeqCst) >> 30);
    });
    // SAFETY: the calls refuse what they are given.
    unsafe {
        println!("a list of another size: {}", show(call(libc::SYS_set_robust_list, &[0, 23])));
        println!("no such thread: {}", show(call(libc::SYS_tgkill, &[std::process::id() as usize, 99_999_999, 0])));
        println!("no thread: {}", show(call(libc::SYS_tgkill, &[std::process::id() as usize, 0, 0])));
        println!("THREAD without SIGHAND: {}", show(call(libc::SYS_clone, &[0x1_0000, 0, 0, 0, 0])));
        println!("SIGHAND without VM: {}", show(call(libc::SYS_clone, &[0x800, 0, 0, 0, 0])));
        println!("a small clone3: {}", show(call(libc::SYS_clone3, &[[0u64; 8].as_ptr() as usize, 56])));
        println!(
            "a stack without a size: {}",
            show(call(libc::SYS_clone3, &[[0x1_0f00u64, 0, 0, 0, 0, 4096, 0, 0].as_ptr() as usize, 64]))
        );
    }
}

fn main() {
    refusals();
    timeouts();
    wakes();
    changes();
    ends();
}
