//! How threads are scheduled, as the calls tell it: policies, priorities, nice values, barriers; and that priorities order threads.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use linux_programs::call;

const OTHER: usize = 0;
const FIFO: usize = 1;
const ROUND_ROBIN: usize = 2;
const BATCH: usize = 3;
const IDLE: usize = 5;
const DEADLINE: usize = 6;
const RESET_ON_FORK: usize = 0x4000_0000;
const MINUS_ONE: usize = usize::MAX;
const NOBODY: usize = 99_999_999;

/// A call's result, or the error's name.
fn ask(number: i64, arguments: &[usize]) -> String {
    // SAFETY: what the calls write is the callers' own and outlives them.
    unsafe { call(number, arguments) }.map_or_else(|error| error, |value| value.to_string())
}

fn set(policy: usize, priority: i32) -> String {
    let parameter = [priority];
    ask(libc::SYS_sched_setscheduler, &[0, policy, parameter.as_ptr() as usize])
}

fn policies() {
    println!("begins as: {}", ask(libc::SYS_sched_getscheduler, &[0]));
    for (name, policy, priority) in [
        ("FIFO", FIFO, 10),
        ("FIFO without a priority", FIFO, 0),
        ("RR", ROUND_ROBIN, 99),
        ("RR too high", ROUND_ROBIN, 100),
        ("BATCH", BATCH, 0),
        ("BATCH with a priority", BATCH, 1),
        ("BATCH, not inherited", BATCH | RESET_ON_FORK, 0),
        ("IDLE", IDLE, 0),
        ("DEADLINE without times", DEADLINE, 0),
        ("none", 4, 0),
        ("negative", MINUS_ONE, 0),
        ("OTHER", OTHER, 0),
    ] {
        println!("set {name}: {} then {}", set(policy, priority), ask(libc::SYS_sched_getscheduler, &[0]));
    }
    let zero = [0i32];
    let parameter = zero.as_ptr() as usize;
    println!("set of nobody: {}", ask(libc::SYS_sched_setscheduler, &[NOBODY, OTHER, parameter]));
    println!("set of a negative id: {}", ask(libc::SYS_sched_setscheduler, &[MINUS_ONE, OTHER, parameter]));
    println!("set without a parameter: {}", ask(libc::SYS_sched_setscheduler, &[0, OTHER, 0]));
    println!("get of nobody: {}", ask(libc::SYS_sched_getscheduler, &[NOBODY]));
    println!("get of a negative id: {}", ask(libc::SYS_sched_getscheduler, &[MINUS_ONE]));
    for policy in 0..7 {
        let bounds = [libc::SYS_sched_get_priority_min, libc::SYS_sched_get_priority_max].map(|number| ask(number, &[policy]));
        println!("priorities of {policy}: {} to {}", bounds[0], bounds[1]);
    }
}

fn parameters() {
    let (five, none) = ([5i32], [0i32]);
    let mut told = [0i32];
    println!("RR: {}", set(ROUND_ROBIN, 3));
    println!("other priority: {}", ask(libc::SYS_sched_setparam, &[0, five.as_ptr() as usize]));
    println!("told: {} {}", ask(libc::SYS_sched_getparam, &[0, told.as_mut_ptr() as usize]), told[0]);
    println!("no priority: {}", ask(libc::SYS_sched_setparam, &[0, none.as_ptr() as usize]));
    println!("nowhere: {}", ask(libc::SYS_sched_getparam, &[0, 0]));
    let mut interval = [0i64; 2];
    println!("interval of RR: {} {}", ask(libc::SYS_sched_rr_get_interval, &[0, interval.as_mut_ptr() as usize]), interval[1] > 0);
    set(FIFO, 3);
    println!("interval of FIFO: {} {:?}", ask(libc::SYS_sched_rr_get_interval, &[0, interval.as_mut_ptr() as usize]), interval);
    println!("interval of a negative id: {}", ask(libc::SYS_sched_rr_get_interval, &[MINUS_ONE, interval.as_mut_ptr() as usize]));
    println!("OTHER: {}", set(OTHER, 0));
}

fn attributes() {
    let mut words = [0u32; 14];
    let address = words.as_mut_ptr() as usize;
    let get = |bytes: usize, flags: usize| ask(libc::SYS_sched_getattr, &[0, address, bytes, flags]);
    println!("get: {} {} {} {}", get(48, 0), get(56, 0), get(47, 0), get(48, 1));
    let set = |words: &mut [u32; 14]| ask(libc::SYS_sched_setattr, &[0, words.as_mut_ptr() as usize, 0]);
    words = [0; 14];
    words[0] = 40;
    println!("too small: {} {}", set(&mut words), words[0]);
    words[0] = 8192;
    println!("too large: {} {}", set(&mut words), words[0]);
    words[0] = 48;
    words[2] = 0x80;
    println!("an unknown flag: {}", set(&mut words));
    (words[2], words[4]) = (0, 7);
    println!("nice: {} {}", set(&mut words), ask(libc::SYS_getpriority, &[0, 0]));
    (words[1], words[5], words[4]) = (1, 5, 0);
    println!("FIFO: {} {}", set(&mut words), ask(libc::SYS_sched_getscheduler, &[0]));
    words = [0; 14];
    println!("of no size: {} {}", set(&mut words), ask(libc::SYS_sched_getscheduler, &[0]));
    println!("flags: {}", ask(libc::SYS_sched_setattr, &[0, address, 1]));
    println!("nothing: {}", ask(libc::SYS_sched_setattr, &[0, 0, 0]));
}

fn nice_values() {
    let nice = |value: i32| ask(libc::SYS_setpriority, &[0, 0, value as usize]);
    let told = || ask(libc::SYS_getpriority, &[0, 0]);
    println!("nice: {}, {} {}, {} {}, {} {}", told(), nice(5), told(), nice(-30), told(), nice(40), told());
    println!("another thread has its own: {}", {
        let inherited = thread::spawn(move || {
            let begins = ask(libc::SYS_getpriority, &[0, 0]);
            ask(libc::SYS_setpriority, &[0, 0, 3]);
            begins
        });
        format!("{} {}", inherited.join().expect("no panic"), told())
    });
    println!("of no kind: {} {}", ask(libc::SYS_getpriority, &[3, 0]), ask(libc::SYS_setpriority, &[3, 0, 0]));
    println!("of nobody: {} {}", ask(libc::SYS_getpriority, &[0, NOBODY]), ask(libc::SYS_setpriority, &[0, NOBODY, 0]));
    println!("back: {} {}", nice(0), told());
}

fn barriers() {
    let barrier = |command: usize, flags: usize| ask(libc::SYS_membarrier, &[command, flags, 0]);
    let query = barrier(0, 0).parse::<u32>().map(|commands| commands & 0x1f);
    println!("commands: {query:?}");
    println!("not registered: {}", barrier(8, 0));
    println!("registered: {} {}", barrier(16, 0), barrier(8, 0));
    println!("global: {} {} {}", barrier(1, 0), barrier(4, 0), barrier(2, 0));
    println!("flags: {} of none: {}", barrier(8, 1), barrier(3, 0));
}

fn cpus() {
    let mut set = [0u64; 16];
    let address = set.as_mut_ptr() as usize;
    println!("a set: {}", ask(libc::SYS_sched_getaffinity, &[0, 128, address]).parse::<u32>().is_ok());
    println!("no room: {}", ask(libc::SYS_sched_getaffinity, &[0, 4, address]));
    println!("of nobody: {}", ask(libc::SYS_sched_getaffinity, &[NOBODY, 128, address]));
    println!("an empty set: {}", ask(libc::SYS_sched_setaffinity, &[0, 8, [0u64].as_ptr() as usize]));
    println!("this set: {}", ask(libc::SYS_sched_setaffinity, &[0, 8, [1u64].as_ptr() as usize]));
    let (mut cpu, mut node) = (9u32, 9u32);
    println!("this CPU: {} {} {}", ask(libc::SYS_getcpu, &[&raw mut cpu as usize, &raw mut node as usize, 0]), cpu, node);
}

/// On one CPU a thread of a real-time policy runs before others, and a woken one that goes first runs at once.
fn order() {
    static GO: AtomicU32 = AtomicU32::new(0);
    let ran = Mutex::new(Vec::new());
    set(FIFO, 50);
    thread::scope(|scope| {
        for priority in [10, 30, 20, 40] {
            let ran = &ran;
            scope.spawn(move || {
                set(FIFO, priority);
                let word = GO.as_ptr() as usize;
                while GO.load(Ordering::SeqCst) == 0 {
                    ask(libc::SYS_futex, &[word, 128, 0, 0, 0, 0]);
                }
                ran.lock().expect("no panic").push(priority);
            });
        }
        thread::sleep(Duration::from_millis(50));
        GO.store(1, Ordering::SeqCst);
        ask(libc::SYS_futex, &[GO.as_ptr() as usize, 1 | 128, 100, 0, 0, 0]);
    });
    println!("in order: {:?}", ran.lock().expect("no panic"));
    set(FIFO, 20);
    let (word, ran) = (AtomicU32::new(0), Mutex::new(Vec::new()));
    let (word, ran) = (&word, &ran);
    thread::scope(|scope| {
        let higher = scope.spawn(move || {
            set(FIFO, 30);
            while word.load(Ordering::SeqCst) == 0 {
                ask(libc::SYS_futex, &[word.as_ptr() as usize, 128, 0, 0, 0, 0]);
            }
            ran.lock().expect("no panic").push("the higher one");
        });
        thread::sleep(Duration::from_millis(30));
        word.store(1, Ordering::SeqCst);
        ask(libc::SYS_futex, &[word.as_ptr() as usize, 1 | 128, 1, 0, 0, 0]);
        ran.lock().expect("no panic").push("the one that woke it");
        higher.join().expect("no panic");
    });
    println!("woken: {:?}", ran.lock().expect("no panic"));
    println!("inherited: {}", thread::spawn(|| ask(libc::SYS_sched_getscheduler, &[0])).join().expect("no panic"));
    set(FIFO | RESET_ON_FORK, 20);
    println!("not inherited: {}", thread::spawn(|| ask(libc::SYS_sched_getscheduler, &[0])).join().expect("no panic"));
    set(OTHER, 0);
}

fn main() {
    policies();
    parameters();
    attributes();
    nice_values();
    barriers();
    cpus();
    order();
}
