//! Timers that send signals: alarm(2), setitimer(2), timer_create(2).

use std::hint::black_box;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use linux_programs::call;

type Outcome = Result<i64, String>;

/// A `struct itimerspec` or `struct itimerval`: period, value.
type Times = [[i64; 2]; 2];

const MS: i64 = 1_000_000;
const REAL: usize = 0;
const VIRTUAL: usize = 1;
const PROFILE: usize = 2;
const NOTIFY_SIGNAL: i32 = 0;
const NOTIFY_NONE: i32 = 1;
const NOTIFY_THREAD: i32 = 2;
const NOTIFY_THREAD_ID: i32 = 4;

static COUNT: AtomicU32 = AtomicU32::new(0);
static CODE: AtomicI32 = AtomicI32::new(0);
static VALUE: AtomicI32 = AtomicI32::new(0);
static OVERRUN: AtomicI32 = AtomicI32::new(0);
static THREAD: AtomicI32 = AtomicI32::new(0);

/// The words of a timer's `siginfo_t`.
#[repr(C)]
struct Information {
    signal: i32,
    errno: i32,
    code: i32,
    reserved: i32,
    timer: i32,
    overrun: i32,
    value: i32,
}

extern "C" fn note(_: i32, information: *const Information, _: *mut libc::c_void) {
    // SAFETY: the kernel gives a handler with SA_SIGINFO the information.
    let information = unsafe { &*information };
    CODE.store(information.code, Ordering::SeqCst);
    VALUE.store(information.value, Ordering::SeqCst);
    OVERRUN.store(information.overrun, Ordering::SeqCst);
    THREAD.store(thread_id(), Ordering::SeqCst);
    COUNT.fetch_add(1, Ordering::SeqCst);
}

fn thread_id() -> i32 {
    // SAFETY: the call takes no memory.
    unsafe { libc::syscall(libc::SYS_gettid) as i32 }
}

fn handle(signal: i32, flags: i32) {
    // SAFETY: the handler only stores to atomics; the struct is valid zeroed.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = note as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | flags;
        libc::sigaction(signal, &raw const action, std::ptr::null_mut());
    }
}

fn block(signal: i32, how: i32) {
    // SAFETY: the set is valid zeroed, and outlives the calls.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigaddset(&raw mut set, signal);
        libc::pthread_sigmask(how, &raw const set, std::ptr::null_mut());
    }
}

fn show(outcome: Outcome) -> String {
    outcome.map_or_else(|error| error, |value| value.to_string())
}

fn address<T>(value: &T) -> usize {
    std::ptr::from_ref(value) as usize
}

fn count() -> u32 {
    COUNT.load(Ordering::SeqCst)
}

/// Compute until something is so, for at most five seconds; whether it became so.
fn compute_until(is_so: impl Fn() -> bool) -> bool {
    let begin = Instant::now();
    let mut word = 1u64;
    while !is_so() {
        for _ in 0..2000 {
            word = black_box(word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        }
        if begin.elapsed() > Duration::from_secs(5) {
            return false;
        }
    }
    true
}

fn set_interval(which: usize, times: Times) -> Outcome {
    // SAFETY: the times outlive the call.
    unsafe { call(libc::SYS_setitimer, &[which, address(&times), 0]) }
}

fn interval(which: usize) -> Times {
    let mut times = [[7; 2]; 2];
    // SAFETY: the times are the call's to fill.
    unsafe { call(libc::SYS_getitimer, &[which, (&raw mut times) as usize]) }.expect("a timer");
    times
}

/// Whether a time, in a unit of which a second has so many, is not above another and not 0.
fn is_left(time: [i64; 2], most: [i64; 2]) -> bool {
    time <= most && time > [0, 0]
}

fn alarms() {
    // SAFETY: the calls take no memory.
    unsafe {
        println!("no alarm: {}", libc::alarm(100));
        println!("what was left: {}", libc::alarm(1));
        println!("left of the other: {}", libc::alarm(0));
        println!("none: {}", libc::alarm(0));
    }
    handle(libc::SIGALRM, 0);
    set_interval(REAL, [[0, 0], [0, 20_000]]).expect("set");
    // SAFETY: the call takes no memory.
    println!("pause: {} {} {}", unsafe { libc::pause() }, count(), CODE.load(Ordering::SeqCst) == 0x80);
    println!("over: {:?}", interval(REAL));
    COUNT.store(0, Ordering::SeqCst);
    set_interval(REAL, [[0, 10_000], [0, 20_000]]).expect("set");
    println!("a busy one is told: {}", compute_until(|| count() >= 3));
    println!("and again: {:?}", interval(REAL)[0]);
    println!("disarmed: {}", show(set_interval(REAL, [[5, 0], [0, 0]])));
    println!("nothing follows: {:?}", interval(REAL));
    let begin = Instant::now();
    COUNT.store(0, Ordering::SeqCst);
    set_interval(REAL, [[0, 0], [0, 30_000]]).expect("set");
    // SAFETY: the time outlives the call.
    let outcome = unsafe { call(libc::SYS_nanosleep, &[address(&[5i64, 0]), 0]) };
    println!("a sleep is broken off: {} {}", show(outcome), begin.elapsed() < Duration::from_secs(4));
    block(libc::SIGALRM, libc::SIG_BLOCK);
    COUNT.store(0, Ordering::SeqCst);
    set_interval(REAL, [[0, 5_000], [0, 5_000]]).expect("set");
    thread::sleep(Duration::from_millis(60));
    block(libc::SIGALRM, libc::SIG_UNBLOCK);
    set_interval(REAL, [[0, 0], [0, 0]]).expect("set");
    println!("one stands for many: {}", count() <= 2);
}

fn alarm_refusals() {
    let mut times: Times = [[0, 0], [1, 0]];
    println!("microseconds: {} {}", show(set_interval(REAL, [[0, 0], [0, 1_000_000]])), show(set_interval(REAL, [[0, -1], [1, 0]])));
    println!("seconds: {}", show(set_interval(REAL, [[0, 0], [-1, 0]])));
    println!("no such timer: {}", show(set_interval(3, times)));
    // SAFETY: the calls refuse what they are given.
    unsafe {
        println!("none to get: {}", show(call(libc::SYS_getitimer, &[9, (&raw mut times) as usize])));
        println!("nowhere to get: {}", show(call(libc::SYS_getitimer, &[0, 8])));
        println!("nothing to set: {}", show(call(libc::SYS_setitimer, &[0, 8, 0])));
        set_interval(REAL, [[0, 500_000], [60, 0]]).expect("set");
        println!("cleared by null: {}", show(call(libc::SYS_setitimer, &[0, 0, (&raw mut times) as usize])));
    }
    println!("what was left: {:?} {}", times[0], is_left(times[1], [60, 0]));
}

fn cpu_intervals() {
    for (name, which, signal) in [("virtual", VIRTUAL, libc::SIGVTALRM), ("profile", PROFILE, libc::SIGPROF)] {
        handle(signal, 0);
        COUNT.store(0, Ordering::SeqCst);
        set_interval(which, [[0, 10_000], [0, 30_000]]).expect("set");
        println!("{name}, left: {:?} {}", interval(which)[0], is_left(interval(which)[1], [0, 34_000]));
        thread::sleep(Duration::from_millis(100));
        println!("{name}, sleep does not count: {}", count());
        println!("{name}, computing does: {}", compute_until(|| count() >= 2));
        set_interval(which, [[0, 0], [0, 0]]).expect("set");
        println!("{name}, disarmed: {:?}", interval(which));
    }
}

/// `struct sigevent`.
#[repr(C)]
struct Event {
    value: u64,
    signal: i32,
    notify: i32,
    thread: i32,
    rest: [i32; 11],
}

fn create(clock: i32, signal: i32, notify: i32, thread: i32) -> Result<usize, String> {
    let event = Event { value: 4711, signal, notify, thread, rest: [0; 11] };
    let mut id = -1i32;
    // SAFETY: the structs outlive the call.
    unsafe { call(libc::SYS_timer_create, &[clock as usize, address(&event), (&raw mut id) as usize]) }.map(|_| id as usize)
}

fn set(timer: usize, flags: usize, times: Times) -> Outcome {
    // SAFETY: the times outlive the call.
    unsafe { call(libc::SYS_timer_settime, &[timer, flags, address(&times), 0]) }
}

fn get(timer: usize) -> Times {
    let mut times = [[7; 2]; 2];
    // SAFETY: the times are the call's to fill.
    unsafe { call(libc::SYS_timer_gettime, &[timer, (&raw mut times) as usize]) }.expect("a timer");
    times
}

fn delete(timer: usize) -> Outcome {
    // SAFETY: the call takes no memory.
    unsafe { call(libc::SYS_timer_delete, &[timer]) }
}

fn overrun(timer: usize) -> Outcome {
    // SAFETY: the call takes no memory.
    unsafe { call(libc::SYS_timer_getoverrun, &[timer]) }
}

fn now(clock: i32) -> [i64; 2] {
    let mut time = [0; 2];
    // SAFETY: the time is the call's to fill.
    unsafe { call(libc::SYS_clock_gettime, &[clock as usize, (&raw mut time) as usize]) }.expect("a clock");
    time
}

fn later(time: [i64; 2], ns: i64) -> [i64; 2] {
    let sum = time[1] + ns;
    [time[0] + sum / 1_000_000_000, sum % 1_000_000_000]
}

fn timer_refusals() {
    let made = |outcome: Result<usize, String>| match outcome {
        Ok(timer) => show(delete(timer)),
        Err(error) => error,
    };
    println!("no such clock: {}", made(create(99, libc::SIGUSR1, NOTIFY_SIGNAL, 0)));
    println!("a clock without timers: {}", made(create(libc::CLOCK_MONOTONIC_RAW, libc::SIGUSR1, NOTIFY_SIGNAL, 0)));
    println!("a coarse one: {}", made(create(libc::CLOCK_REALTIME_COARSE, libc::SIGUSR1, NOTIFY_SIGNAL, 0)));
    println!("no such signal: {} {}", made(create(0, 65, NOTIFY_SIGNAL, 0)), made(create(0, 0, NOTIFY_SIGNAL, 0)));
    println!("no such notification: {}", made(create(0, libc::SIGUSR1, 3, 0)));
    println!("no such thread: {}", made(create(0, libc::SIGUSR1, NOTIFY_THREAD_ID, 99_999_999)));
    println!("nobody, whatever the signal: {}", made(create(0, 999, NOTIFY_NONE, 0)));
    println!("a thread's function: {}", made(create(0, libc::SIGUSR1, NOTIFY_THREAD, 0)));
    let timer = create(0, libc::SIGUSR1, NOTIFY_NONE, 0).expect("a timer");
    println!("bad times: {} {}", show(set(timer, 0, [[0, 0], [0, 1_000_000_000]])), show(set(timer, 0, [[0, -1], [1, 0]])));
    println!("bad seconds: {}", show(set(timer, 0, [[0, 0], [-1, 0]])));
    // SAFETY: the calls refuse what they are given.
    unsafe {
        println!("nowhere to write the id: {}", show(call(libc::SYS_timer_create, &[0, 0, 8])));
        println!("no event: {}", show(call(libc::SYS_timer_create, &[0, 8, 8])));
        println!("no time: {}", show(call(libc::SYS_timer_settime, &[timer, 0, 0, 0])));
        println!("no time there: {}", show(call(libc::SYS_timer_settime, &[timer, 0, 8, 0])));
        println!("nowhere to get it: {}", show(call(libc::SYS_timer_gettime, &[timer, 8])));
        let mut times = [[0i64; 2]; 2];
        println!("deleted: {}", show(delete(timer)));
        println!("no timer to get: {}", show(call(libc::SYS_timer_gettime, &[timer, (&raw mut times) as usize])));
    }
    println!("no timer: {} {}", show(set(timer, 0, [[0, 0], [1, 0]])), show(overrun(timer)));
    println!("deleted twice: {} {}", show(delete(timer)), show(delete(usize::MAX)));
}

fn timers() {
    handle(libc::SIGUSR1, 0);
    COUNT.store(0, Ordering::SeqCst);
    let timer = create(libc::CLOCK_MONOTONIC, libc::SIGUSR1, NOTIFY_SIGNAL, 0).expect("a timer");
    println!("not armed: {:?}", get(timer));
    println!("set with a period alone: {} {:?}", show(set(timer, 0, [[1, 0], [0, 0]])), get(timer));
    set(timer, 0, [[0, 0], [100, 0]]).expect("set");
    println!("left: {}", is_left(get(timer)[1], [100, 0]));
    set(timer, 0, [[0, 0], [0, 20 * MS]]).expect("set");
    println!("told: {} {}", compute_until(|| count() == 1), CODE.load(Ordering::SeqCst));
    println!("with the value: {}, overrun {} {}", VALUE.load(Ordering::SeqCst), OVERRUN.load(Ordering::SeqCst), show(overrun(timer)));
    println!("over: {:?}", get(timer));
    for (name, clock) in [("realtime", libc::CLOCK_REALTIME), ("monotonic", libc::CLOCK_MONOTONIC), ("boottime", libc::CLOCK_BOOTTIME)] {
        COUNT.store(0, Ordering::SeqCst);
        let timer = create(clock, libc::SIGUSR1, NOTIFY_SIGNAL, 0).expect("a timer");
        let until = later(now(clock), 30 * MS);
        set(timer, 1, [[0, 0], until]).expect("set");
        // SAFETY: the call takes no memory.
        unsafe { libc::pause() };
        println!("{name}, absolute: {} {}", count(), now(clock) >= until);
        set(timer, 1, [[0, 0], [1, 0]]).expect("set");
        println!("{name}, long past: {}", compute_until(|| count() == 2));
        println!("{name}, deleted: {}", show(delete(timer)));
    }
    println!("deleted: {}", show(delete(timer)));
    handle(libc::SIGALRM, 0);
    COUNT.store(0, Ordering::SeqCst);
    let mut id = -1i32;
    // SAFETY: the id is the call's to fill.
    unsafe { call(libc::SYS_timer_create, &[1, 0, (&raw mut id) as usize]) }.expect("a timer");
    set(id as usize, 0, [[0, 0], [0, MS]]).expect("set");
    println!("without an event, by SIGALRM and with its id: {} {}", compute_until(|| count() == 1), VALUE.load(Ordering::SeqCst) == id);
    delete(id as usize).expect("deleted");
}

fn overruns() {
    COUNT.store(0, Ordering::SeqCst);
    block(libc::SIGUSR1, libc::SIG_BLOCK);
    let timer = create(libc::CLOCK_MONOTONIC, libc::SIGUSR1, NOTIFY_SIGNAL, 0).expect("a timer");
    set(timer, 0, [[0, 10 * MS], [0, 10 * MS]]).expect("set");
    thread::sleep(Duration::from_millis(105));
    println!("while it is blocked: {}", count());
    block(libc::SIGUSR1, libc::SIG_UNBLOCK);
    set(timer, 0, [[0, 0], [0, 0]]).expect("set");
    println!("one signal: {}, for many: {}", count() <= 2, OVERRUN.load(Ordering::SeqCst) >= 8 || count() == 2);
    println!("overrun of none: {}", show(overrun(timer)));
    block(libc::SIGUSR1, libc::SIG_BLOCK);
    COUNT.store(0, Ordering::SeqCst);
    set(timer, 0, [[0, 0], [0, MS]]).expect("set");
    thread::sleep(Duration::from_millis(20));
    println!("deleted with its signal: {}", show(delete(timer)));
    block(libc::SIGUSR1, libc::SIG_UNBLOCK);
    println!("which is not told: {}", count());
    let two = [0, 1].map(|_| create(libc::CLOCK_MONOTONIC, libc::SIGUSR1, NOTIFY_SIGNAL, 0).expect("a timer"));
    block(libc::SIGUSR1, libc::SIG_BLOCK);
    for timer in two {
        set(timer, 0, [[0, 0], [0, MS]]).expect("set");
    }
    thread::sleep(Duration::from_millis(20));
    block(libc::SIGUSR1, libc::SIG_UNBLOCK);
    println!("two timers of one signal: {}", count());
    for timer in two {
        delete(timer).expect("deleted");
    }
    // SAFETY: SIG_IGN is no function.
    unsafe { libc::signal(libc::SIGUSR1, libc::SIG_IGN) };
    let timer = create(libc::CLOCK_MONOTONIC, libc::SIGUSR1, NOTIFY_SIGNAL, 0).expect("a timer");
    set(timer, 0, [[0, 10 * MS], [0, 10 * MS]]).expect("set");
    thread::sleep(Duration::from_millis(25));
    COUNT.store(0, Ordering::SeqCst);
    handle(libc::SIGUSR1, 0);
    println!("no longer ignored: {}", compute_until(|| count() >= 2));
    delete(timer).expect("deleted");
    let timer = create(libc::CLOCK_MONOTONIC, libc::SIGUSR1, NOTIFY_NONE, 0).expect("a timer");
    set(timer, 0, [[0, 0], [0, MS]]).expect("set");
    thread::sleep(Duration::from_millis(10));
    println!("nobody is told: {:?}", get(timer));
    delete(timer).expect("deleted");
}

fn cpu_timers() {
    for (name, clock) in [("process", libc::CLOCK_PROCESS_CPUTIME_ID), ("thread", libc::CLOCK_THREAD_CPUTIME_ID)] {
        COUNT.store(0, Ordering::SeqCst);
        let timer = create(clock, libc::SIGUSR1, NOTIFY_SIGNAL, 0).expect("a timer");
        set(timer, 0, [[0, 0], [0, 40 * MS]]).expect("set");
        thread::sleep(Duration::from_millis(100));
        println!("{name}, sleep does not count: {}", count());
        println!("{name}, computing does: {}", compute_until(|| count() == 1));
        println!("{name}, over: {:?}", get(timer));
        delete(timer).expect("deleted");
    }
    // The time of a thread that sleeps stands still while another computes.
    COUNT.store(0, Ordering::SeqCst);
    let timer = create(libc::CLOCK_THREAD_CPUTIME_ID, libc::SIGUSR1, NOTIFY_SIGNAL, 0).expect("a timer");
    set(timer, 0, [[0, 0], [0, 60 * MS]]).expect("set");
    thread::spawn(|| compute_until(|| now(libc::CLOCK_THREAD_CPUTIME_ID) >= [0, 150 * MS])).join().expect("it ends");
    println!("another thread's time: {}", count());
    println!("its own: {}", compute_until(|| count() == 1));
    delete(timer).expect("deleted");
}

fn thread_timers() {
    COUNT.store(0, Ordering::SeqCst);
    let (id, done) = (AtomicI32::new(0), AtomicU32::new(0));
    thread::scope(|scope| {
        let target = scope.spawn(|| {
            id.store(thread_id(), Ordering::SeqCst);
            compute_until(|| done.load(Ordering::SeqCst) == 1)
        });
        compute_until(|| id.load(Ordering::SeqCst) != 0);
        let timer = create(libc::CLOCK_MONOTONIC, libc::SIGUSR1, NOTIFY_THREAD_ID, id.load(Ordering::SeqCst)).expect("a timer");
        set(timer, 0, [[0, 0], [0, 20 * MS]]).expect("set");
        println!("a thread is told: {}", compute_until(|| count() == 1));
        println!("that one: {}", THREAD.load(Ordering::SeqCst) == id.load(Ordering::SeqCst));
        done.store(1, Ordering::SeqCst);
        target.join().expect("it ends");
        set(timer, 0, [[0, 0], [0, MS]]).expect("set");
        thread::sleep(Duration::from_millis(20));
        println!("one that has ended: {}", count());
        delete(timer).expect("deleted");
    });
    // A process's signal goes to a thread that does not block it.
    COUNT.store(0, Ordering::SeqCst);
    thread::scope(|scope| {
        let sleeper = scope.spawn(|| {
            id.store(thread_id(), Ordering::SeqCst);
            // SAFETY: the time outlives the call.
            unsafe { call(libc::SYS_nanosleep, &[address(&[5i64, 0]), 0]) }
        });
        thread::sleep(Duration::from_millis(20));
        block(libc::SIGUSR1, libc::SIG_BLOCK);
        let timer = create(libc::CLOCK_MONOTONIC, libc::SIGUSR1, NOTIFY_SIGNAL, 0).expect("a timer");
        set(timer, 0, [[0, 0], [0, 20 * MS]]).expect("set");
        println!("a sleeper is woken: {}", show(sleeper.join().expect("it ends")));
        println!("by its own signal: {} {}", count(), THREAD.load(Ordering::SeqCst) == id.load(Ordering::SeqCst));
        delete(timer).expect("deleted");
        block(libc::SIGUSR1, libc::SIG_UNBLOCK);
    });
}

/// Timers of a millisecond while threads compute, sleep and make calls: nothing is lost, and nobody is too late.
fn storm() {
    COUNT.store(0, Ordering::SeqCst);
    handle(libc::SIGUSR1, libc::SA_RESTART);
    let timer = create(libc::CLOCK_MONOTONIC, libc::SIGUSR1, NOTIFY_SIGNAL, 0).expect("a timer");
    set(timer, 0, [[0, MS], [0, MS]]).expect("set");
    let sums: Vec<u64> = thread::scope(|scope| {
        let workers: Vec<_> = (0..4u64)
            .map(|seed| {
                scope.spawn(move || {
                    (0..200_000u64).fold(seed, |sum, round| {
                        if round % 10_000 == 0 {
                            thread_id();
                            thread::yield_now();
                        }
                        black_box(sum.rotate_left(7) ^ round)
                    })
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().expect("it ends")).collect()
    });
    println!("enough were told: {}", compute_until(|| count() >= 10));
    delete(timer).expect("deleted");
    println!("the work is right: {sums:x?}");
}

fn main() {
    alarms();
    alarm_refusals();
    cpu_intervals();
    timer_refusals();
    timers();
    overruns();
    cpu_timers();
    thread_timers();
    storm();
}
