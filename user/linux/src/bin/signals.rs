//! What signals are on Linux: order, queues, masks, stacks, restarted calls, and what a handler is told and may change.

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use linux_programs::call;

type Handler = extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void);

fn show(outcome: Result<i64, String>) -> String {
    outcome.map_or_else(|error| error, |value| value.to_string())
}

fn ask(number: i64, arguments: &[usize]) -> String {
    // SAFETY: what the calls read and write is the callers' own and outlives them.
    show(unsafe { call(number, arguments) })
}

fn id(number: i64) -> usize {
    // SAFETY: the call takes nothing.
    unsafe { call(number, &[]) }.expect("an id") as usize
}

fn process() -> usize {
    id(libc::SYS_getpid)
}

/// What the handlers saw, in order.
struct Log(UnsafeCell<[(i32, i32, i64); 64]>, AtomicUsize);
// SAFETY: each entry is written once, by the one thread that handles signals when it is looked at.
unsafe impl Sync for Log {}
static LOG: Log = Log(UnsafeCell::new([(0, 0, 0); 64]), AtomicUsize::new(0));

extern "C" fn note(signal: i32, information: *mut libc::siginfo_t, _: *mut libc::c_void) {
    let index = LOG.1.fetch_add(1, Ordering::SeqCst);
    // SAFETY: the entry is this handler's own; the information is the kernel's.
    unsafe { (*LOG.0.get())[index] = (signal, (*information).si_code, (*information).si_value().sival_ptr as i64) };
}

fn take() -> Vec<(i32, i32, i64)> {
    let count = LOG.1.swap(0, Ordering::SeqCst);
    // SAFETY: the handlers are done.
    unsafe { (&(*LOG.0.get()))[..count].to_vec() }
}

fn signals() -> Vec<i32> {
    take().into_iter().map(|(signal, ..)| signal).collect()
}

fn handle(signal: i32, handler: Handler, flags: i32, mask: &[i32]) {
    // SAFETY: zeros are an action; the handler touches nothing but its own statics.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as usize;
        action.sa_flags = flags | libc::SA_SIGINFO;
        for &signal in mask {
            libc::sigaddset(&raw mut action.sa_mask, signal);
        }
        assert_eq!(libc::sigaction(signal, &raw const action, std::ptr::null_mut()), 0);
    }
}

fn set_of(signals: &[i32]) -> u64 {
    signals.iter().fold(0, |set, signal| set | 1 << (signal - 1))
}

/// How: 0 block, 1 unblock, 2 set; gives the old mask.
fn mask(how: usize, set: u64) -> u64 {
    let mut old = 0u64;
    let arguments = [how, &raw const set as usize, &raw mut old as usize, 8];
    // SAFETY: both sets outlive the call.
    unsafe { call(libc::SYS_rt_sigprocmask, &arguments) }.expect("a mask");
    old
}

fn pending() -> u64 {
    let mut set = 0u64;
    ask(libc::SYS_rt_sigpending, &[&raw mut set as usize, 8]);
    set
}

fn kill(signal: i32) -> String {
    ask(libc::SYS_kill, &[process(), signal as usize])
}

/// Queue a signal with a value for the process.
fn queue(signal: i32, code: i32, value: usize) -> String {
    let mut words = [0usize; 16];
    words[0] = signal as usize;
    words[1] = code as u32 as usize;
    words[2] = process();
    words[3] = value;
    ask(libc::SYS_rt_sigqueueinfo, &[process(), signal as usize, words.as_ptr() as usize])
}

/// A real-time signal that no C library has a use for.
const FIRST: i32 = 40;

fn order() {
    let all = [libc::SIGUSR1, libc::SIGUSR2, libc::SIGTERM, libc::SIGSEGV, FIRST, FIRST + 1];
    all.iter().for_each(|&signal| handle(signal, note, 0, &all));
    let old = mask(0, set_of(&all));
    for signal in [FIRST + 1, libc::SIGTERM, FIRST, libc::SIGUSR2, libc::SIGSEGV, libc::SIGUSR1, libc::SIGUSR1, FIRST] {
        kill(signal);
    }
    println!("pending: {:#x}", pending());
    mask(2, old);
    println!("in order: {:?}", signals());
    // A handler that does not hold the others back is interrupted at once by the next: the last begins first.
    let some = [libc::SIGUSR1, libc::SIGUSR2, libc::SIGTERM];
    some.iter().for_each(|&signal| handle(signal, note, 0, &[]));
    mask(0, set_of(&some));
    some.iter().for_each(|&signal| drop(kill(signal)));
    mask(2, old);
    println!("nested: {:?}", signals());
    mask(0, set_of(&[FIRST]));
    for value in 0..3 {
        queue(FIRST, -1, value);
    }
    mask(2, old);
    println!("queued: {:?}", take());
    println!("to the thread first: {:?}", {
        mask(0, set_of(&[libc::SIGTERM, libc::SIGUSR1]));
        kill(libc::SIGUSR1);
        ask(libc::SYS_tkill, &[id(libc::SYS_gettid), libc::SIGTERM as usize]);
        let old = mask(2, old);
        (signals(), old == set_of(&[libc::SIGTERM, libc::SIGUSR1]))
    });
}

fn information() {
    for signal in [libc::SIGUSR1, FIRST] {
        handle(signal, note, 0, &[]);
    }
    kill(libc::SIGUSR1);
    ask(libc::SYS_tkill, &[id(libc::SYS_gettid), libc::SIGUSR1 as usize]);
    queue(libc::SIGUSR1, -1, 77);
    queue(FIRST, -60, 78);
    let seen = take();
    println!("codes: {:?}", seen.iter().map(|&(signal, code, _)| (signal, code)).collect::<Vec<_>>());
    println!("values: {:?}", seen[2..].iter().map(|&(.., value)| value).collect::<Vec<_>>());
    println!("told by a signal of one's own: {} {}", queue(libc::SIGUSR1, 0, 0), signals().len());
    println!("no such signal: {} {}", kill(65), queue(65, -1, 0));
    println!("nobody: {}", ask(libc::SYS_kill, &[99_999_999, 0]));
    println!("only asked: {}", kill(0));
}

fn masks() {
    let old = mask(0, u64::MAX);
    println!("cannot be blocked: {:#x}", !mask(0, 0) & 0xffff_ffff);
    mask(2, old);
    println!("how: {}", ask(libc::SYS_rt_sigprocmask, &[3, [0u64].as_ptr() as usize, 0, 8]));
    println!("how, without a set: {}", ask(libc::SYS_rt_sigprocmask, &[3, 0, 0, 8]));
    println!("size: {}", ask(libc::SYS_rt_sigprocmask, &[0, 0, 0, 4]));
    println!("unreadable: {}", ask(libc::SYS_rt_sigprocmask, &[0, 8, 0, 8]));
    println!("pending, size: {}", ask(libc::SYS_rt_sigpending, &[0, 16]));
    println!("action of SIGKILL: {}", ask(libc::SYS_rt_sigaction, &[9, [0u64; 4].as_ptr() as usize, 0, 8]));
    println!("asked of SIGKILL: {}", ask(libc::SYS_rt_sigaction, &[9, 0, 0, 8]));
    println!("action of none: {} {}", ask(libc::SYS_rt_sigaction, &[0, 0, 0, 8]), ask(libc::SYS_rt_sigaction, &[65, 0, 0, 8]));
    println!("action, size: {}", ask(libc::SYS_rt_sigaction, &[10, 0, 0, 16]));
    println!("ignored is not pending: {}", {
        let all = set_of(&[libc::SIGCHLD]);
        kill(libc::SIGCHLD);
        pending() & all == 0
    });
    println!("ignored, blocked: pending {}", {
        mask(0, set_of(&[libc::SIGWINCH]));
        kill(libc::SIGWINCH);
        let is_pending = pending() & set_of(&[libc::SIGWINCH]) != 0;
        mask(2, old);
        is_pending
    });
}

static DEPTH: AtomicU32 = AtomicU32::new(0);
static DEEPEST: AtomicU32 = AtomicU32::new(0);

extern "C" fn again(signal: i32, _: *mut libc::siginfo_t, _: *mut libc::c_void) {
    let depth = DEPTH.fetch_add(1, Ordering::SeqCst) + 1;
    DEEPEST.fetch_max(depth, Ordering::SeqCst);
    if depth < 3 {
        kill(signal);
    }
    DEPTH.fetch_sub(1, Ordering::SeqCst);
}

fn flags() {
    for (name, flags) in [("held back", 0), ("NODEFER", libc::SA_NODEFER)] {
        handle(libc::SIGUSR1, again, flags, &[]);
        DEEPEST.store(0, Ordering::SeqCst);
        // Held back, a handler that sends its own signal would go on for ever.
        if flags == 0 {
            handle(libc::SIGUSR1, note, 0, &[]);
            kill(libc::SIGUSR1);
            println!("{name}: {:?}", signals().len());
        } else {
            kill(libc::SIGUSR1);
            println!("{name}: {}", DEEPEST.load(Ordering::SeqCst));
        }
    }
    handle(libc::SIGUSR1, note, libc::SA_RESETHAND, &[]);
    kill(libc::SIGUSR1);
    let mut action = [0usize; 4];
    ask(libc::SYS_rt_sigaction, &[10, 0, action.as_mut_ptr() as usize, 8]);
    println!("RESETHAND: {} handler {} flags {}", signals().len(), action[0], action[1] & libc::SA_RESETHAND as usize != 0);
    handle(libc::SIGUSR1, note, libc::SA_NODEFER | libc::SA_RESTART, &[libc::SIGUSR2, libc::SIGKILL]);
    ask(libc::SYS_rt_sigaction, &[10, 0, action.as_mut_ptr() as usize, 8]);
    println!("told: {:#x} mask {:#x}", action[1] & 0x5000_0004, action[3]);
}

/// Send a signal to this thread from another while `work` waits.
fn interrupted<T>(signal: i32, work: impl FnOnce() -> T) -> T {
    let thread_id = id(libc::SYS_gettid);
    let sender = thread::spawn(move || {
        thread::sleep(Duration::from_millis(30));
        ask(libc::SYS_tgkill, &[process(), thread_id, signal as usize]);
    });
    let outcome = work();
    sender.join().expect("no panic");
    outcome
}

/// A thread that makes the call succeed some time after the signal was handled.
fn later<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> thread::JoinHandle<T> {
    let handled = LOG.1.load(Ordering::SeqCst);
    thread::spawn(move || {
        while LOG.1.load(Ordering::SeqCst) == handled {
            thread::sleep(Duration::from_millis(5));
        }
        thread::sleep(Duration::from_millis(30));
        work()
    })
}

fn restarts() {
    let mut ends = [0i32; 2];
    ask(libc::SYS_pipe2, &[ends.as_mut_ptr() as usize, 0]);
    for (name, flags) in [("plain", 0), ("RESTART", libc::SA_RESTART)] {
        handle(libc::SIGUSR1, note, flags, &[]);
        let [from, to] = ends.map(|end| end as usize);
        let writer = later(move || ask(libc::SYS_write, &[to, b"x".as_ptr() as usize, 1]));
        let mut byte = [0u8];
        let read = interrupted(libc::SIGUSR1, || ask(libc::SYS_read, &[from, byte.as_mut_ptr() as usize, 1]));
        writer.join().expect("no panic");
        if read == "EINTR" {
            ask(libc::SYS_read, &[from, byte.as_mut_ptr() as usize, 1]);
        }
        let word: &AtomicU32 = Box::leak(Box::new(AtomicU32::new(0)));
        let waker = later(move || ask(libc::SYS_futex, &[word.as_ptr() as usize, 129, 1, 0, 0, 0]));
        let wait = interrupted(libc::SIGUSR1, || ask(libc::SYS_futex, &[word.as_ptr() as usize, 128, 0, 0, 0, 0]));
        waker.join().expect("no panic");
        let time = [0i64, 60_000_000];
        let timed = interrupted(libc::SIGUSR1, || ask(libc::SYS_futex, &[word.as_ptr() as usize, 128, 0, time.as_ptr() as usize, 0, 0]));
        let mut left = [0i64; 2];
        let sleep = interrupted(libc::SIGUSR1, || ask(libc::SYS_nanosleep, &[time.as_ptr() as usize, left.as_mut_ptr() as usize]));
        let is_left = left[1] > 0 && left[1] < 60_000_000;
        let poll = interrupted(libc::SIGUSR1, || ask(libc::SYS_ppoll, &[0, 0, time.as_ptr() as usize, 0, 8]));
        println!(
            "{name}: read {read}, futex {wait}, with a time {timed}, sleep {sleep} {is_left}, poll {poll}, handled {}",
            signals().len()
        );
    }
    handle(libc::SIGUSR1, note, libc::SA_RESTART, &[]);
    // A signal that is ignored breaks nothing off.
    let time = [0i64, 60_000_000];
    println!("ignored: {}", interrupted(libc::SIGWINCH, || ask(libc::SYS_nanosleep, &[time.as_ptr() as usize, 0])));
}

fn waits() {
    handle(libc::SIGUSR1, note, 0, &[]);
    handle(libc::SIGUSR2, note, 0, &[]);
    let old = mask(0, set_of(&[libc::SIGUSR1, libc::SIGUSR2]));
    let set = set_of(&[libc::SIGUSR1]);
    let mut words = [0i32; 32];
    let mut wait = |set: &u64, time: &[i64; 2]| {
        let outcome = ask(libc::SYS_rt_sigtimedwait, &[set as *const u64 as usize, words.as_mut_ptr() as usize, time.as_ptr() as usize, 8]);
        (outcome, words[0], words[2])
    };
    kill(libc::SIGUSR1);
    println!("pending: {:?}", wait(&set, &[0, 0]));
    println!("none: {}", wait(&set, &[0, 0]).0);
    println!("too late: {}", wait(&set, &[0, 5_000_000]).0);
    println!("bad time: {} {}", wait(&set, &[0, -1]).0, wait(&set, &[-1, 0]).0);
    println!("size: {}", ask(libc::SYS_rt_sigtimedwait, &[&raw const set as usize, 0, 0, 4]));
    println!("comes: {:?}", interrupted(libc::SIGUSR1, || wait(&set, &[5, 0])));
    mask(1, set_of(&[libc::SIGUSR2]));
    println!("another comes: {:?} handled {:?}", interrupted(libc::SIGUSR2, || wait(&set, &[5, 0]).0), signals());
    mask(0, set_of(&[libc::SIGUSR2]));
    queue(libc::SIGUSR1, -1, 5);
    kill(libc::SIGUSR2);
    println!("the lowest: {:?}", wait(&set_of(&[libc::SIGUSR1, libc::SIGUSR2]), &[0, 0]));
    println!("handled: {:?}", signals());
    let suspend = !set_of(&[libc::SIGUSR2]);
    println!("suspended: {} handled {:?}", ask(libc::SYS_rt_sigsuspend, &[&raw const suspend as usize, 8]), signals());
    println!("mask is back: {}", mask(0, 0) & 0xfff == set_of(&[libc::SIGUSR1, libc::SIGUSR2]));
    println!("suspended, size: {}", ask(libc::SYS_rt_sigsuspend, &[&raw const suspend as usize, 4]));
    mask(2, old);
}

/// A signal to the process is for whoever does not block it; and if that one ends or blocks it, for another.
fn whose() {
    static SEEN: AtomicI64 = AtomicI64::new(0);
    extern "C" fn whose(_: i32, _: *mut libc::siginfo_t, _: *mut libc::c_void) {
        SEEN.store(id(libc::SYS_gettid) as i64, Ordering::SeqCst);
    }
    handle(libc::SIGUSR1, whose, 0, &[]);
    let set = set_of(&[libc::SIGUSR1]);
    let old = mask(0, set);
    let waiting = thread::spawn(move || {
        mask(1, set);
        let time = [5i64, 0];
        let outcome = ask(libc::SYS_nanosleep, &[time.as_ptr() as usize, 0]);
        (outcome, SEEN.load(Ordering::SeqCst) as usize == id(libc::SYS_gettid))
    });
    thread::sleep(Duration::from_millis(30));
    kill(libc::SIGUSR1);
    println!("to the one that lets it: {:?}", waiting.join().expect("no panic"));
    kill(libc::SIGUSR1);
    println!("to nobody: pending {}", pending() & set != 0);
    let later = thread::spawn(move || {
        SEEN.store(0, Ordering::SeqCst);
        mask(1, set);
        SEEN.load(Ordering::SeqCst) as usize == id(libc::SYS_gettid)
    });
    println!("to the first that lets it: {} pending {}", later.join().expect("no panic"), pending() & set != 0);
    mask(2, old);
}

fn limits() {
    let old = mask(0, set_of(&[FIRST, libc::SIGUSR2]));
    handle(FIRST, note, 0, &[]);
    handle(libc::SIGUSR2, note, 0, &[]);
    let mut before = [0u64; 2];
    ask(libc::SYS_prlimit64, &[0, 11, 0, before.as_mut_ptr() as usize]);
    let few = [3u64, before[1]];
    println!("limit: {}", ask(libc::SYS_prlimit64, &[0, 11, few.as_ptr() as usize, 0]));
    let outcomes: Vec<String> = (0..5).map(|value| queue(FIRST, -1, value)).collect();
    println!("queued: {}", outcomes.iter().filter(|outcome| *outcome == "EAGAIN").count() >= 2);
    println!("a standard one: {}", kill(libc::SIGUSR2));
    ask(libc::SYS_prlimit64, &[0, 11, before.as_ptr() as usize, 0]);
    mask(2, old);
    let seen = signals();
    println!("come: {} {}", seen.len() <= 4, seen.contains(&libc::SIGUSR2));
}

fn main() {
    order();
    information();
    masks();
    flags();
    restarts();
    waits();
    whose();
    limits();
}
