//! What is read of timers, signals and counters: timerfd_create(2), signalfd(2), eventfd(2).

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use linux_programs::{call, error_name};

type Outcome = Result<i64, String>;

/// A `struct itimerspec`: period, value.
type Times = [[i64; 2]; 2];

const MS: i64 = 1_000_000;

fn show(outcome: Outcome) -> String {
    outcome.map_or_else(|error| error, |value| value.to_string())
}

fn address<T>(value: &T) -> usize {
    std::ptr::from_ref(value) as usize
}

/// A descriptor, closed at the end.
struct Fd(i32);

impl Drop for Fd {
    fn drop(&mut self) {
        // SAFETY: the descriptor is this one's.
        unsafe { libc::close(self.0) };
    }
}

/// Call by number.
fn calls(number: libc::c_long, arguments: &[usize]) -> Outcome {
    // SAFETY: all callers give addresses of what outlives the call, or that it refuses.
    unsafe { call(number, arguments) }
}

fn made(outcome: Outcome) -> Fd {
    Fd(outcome.expect("a descriptor") as i32)
}

/// Read a number; or the error.
fn read(fd: &Fd) -> String {
    let mut value = 0u64;
    match calls(libc::SYS_read, &[fd.0 as usize, (&raw mut value) as usize, 8]) {
        Ok(8) => value.to_string(),
        other => show(other),
    }
}

fn write(fd: &Fd, value: u64) -> String {
    show(calls(libc::SYS_write, &[fd.0 as usize, address(&value), 8]))
}

/// What poll(2) says within so many milliseconds.
fn poll(fd: &Fd, milliseconds: i32) -> String {
    let mut poll = libc::pollfd { fd: fd.0, events: !0, revents: 0 };
    // SAFETY: the struct is the call's to fill.
    let ready = unsafe { libc::poll(&raw mut poll, 1, milliseconds) };
    if ready < 0 { error_name(std::io::Error::last_os_error().raw_os_error().unwrap_or(0)) } else { format!("{:#x}", poll.revents) }
}

fn timer(clock: i32, flags: i32) -> Fd {
    made(calls(libc::SYS_timerfd_create, &[clock as usize, flags as usize]))
}

fn set(timer: &Fd, flags: usize, times: Times) -> Outcome {
    calls(libc::SYS_timerfd_settime, &[timer.0 as usize, flags, address(&times), 0])
}

fn get(timer: &Fd) -> Times {
    let mut times = [[7; 2]; 2];
    calls(libc::SYS_timerfd_gettime, &[timer.0 as usize, (&raw mut times) as usize]).expect("a timer");
    times
}

fn now(clock: i32) -> [i64; 2] {
    let mut time = [0; 2];
    calls(libc::SYS_clock_gettime, &[clock as usize, (&raw mut time) as usize]).expect("a clock");
    time
}

fn later(time: [i64; 2], ns: i64) -> [i64; 2] {
    let sum = time[1] + ns;
    [time[0] + sum / 1_000_000_000, sum % 1_000_000_000]
}

fn timer_refusals() {
    let flags = libc::TFD_NONBLOCK;
    println!("no such clock: {}", show(calls(libc::SYS_timerfd_create, &[99, 0])));
    println!("a CPU's clock: {}", show(calls(libc::SYS_timerfd_create, &[libc::CLOCK_PROCESS_CPUTIME_ID as usize, 0])));
    println!("no such flag: {}", show(calls(libc::SYS_timerfd_create, &[1, 1])));
    let timer = timer(libc::CLOCK_MONOTONIC, flags);
    println!("bad time: {} {}", show(set(&timer, 0, [[0, 0], [0, 1_000_000_000]])), show(set(&timer, 0, [[-1, 0], [1, 0]])));
    println!("bad flag: {}", show(set(&timer, 4, [[0, 0], [1, 0]])));
    println!("no time: {}", show(calls(libc::SYS_timerfd_settime, &[timer.0 as usize, 0, 0, 0])));
    println!("nowhere: {}", show(calls(libc::SYS_timerfd_gettime, &[timer.0 as usize, 8])));
    println!("not open: {}", show(calls(libc::SYS_timerfd_gettime, &[usize::MAX, 8])));
    let other = made(calls(libc::SYS_eventfd2, &[0, 0]));
    println!("not a timer: {} {}", show(set(&other, 0, [[0, 0], [1, 0]])), show(calls(libc::SYS_timerfd_gettime, &[other.0 as usize, 8])));
    let byte = [0u32];
    println!("too little room: {}", show(calls(libc::SYS_read, &[timer.0 as usize, address(&byte), 4])));
    println!("written: {}", write(&timer, 1));
}

fn timers() {
    let timer = timer(libc::CLOCK_MONOTONIC, libc::TFD_NONBLOCK);
    println!("not armed: {} {} {:?}", read(&timer), poll(&timer, 0), get(&timer));
    println!("set: {}", show(set(&timer, 0, [[3, 5], [100, 0]])));
    let [period, value] = get(&timer);
    println!("left: {period:?} {}", value > [99, 0] && value <= [100, 0]);
    let mut old: Times = [[0; 2]; 2];
    let new: Times = [[0, 0], [0, 20 * MS]];
    let outcome = calls(libc::SYS_timerfd_settime, &[timer.0 as usize, 0, address(&new), (&raw mut old) as usize]);
    println!("set again: {} {:?} {}", show(outcome), old[0], old[1] > [99, 0]);
    println!("not yet: {}", read(&timer));
    println!("in time: {}", poll(&timer, 5000));
    println!("once: {} {} {} {:?}", read(&timer), read(&timer), poll(&timer, 0), get(&timer));
    set(&timer, 0, [[0, 10 * MS], [0, 10 * MS]]).expect("set");
    thread::sleep(Duration::from_millis(65));
    let count: u64 = read(&timer).parse().expect("a count");
    println!("many: {}", count >= 6);
    println!("more: {} {}", poll(&timer, 5000), read(&timer).parse::<u64>().expect("a count") >= 1);
    println!("disarmed, with a period: {} {:?}", show(set(&timer, 0, [[5, 0], [0, 0]])), get(&timer));
    set(&timer, 0, [[0, 0], [0, MS]]).expect("set");
    thread::sleep(Duration::from_millis(10));
    println!("expired: {}", poll(&timer, 0));
    set(&timer, 0, [[0, 0], [100, 0]]).expect("set");
    println!("set anew: {} {}", poll(&timer, 0), read(&timer));
    for (name, clock) in [("monotonic", libc::CLOCK_MONOTONIC), ("realtime", libc::CLOCK_REALTIME), ("boottime", libc::CLOCK_BOOTTIME)] {
        let timer = self::timer(clock, 0);
        let until = later(now(clock), 20 * MS);
        println!("{name}, absolute: {}", show(set(&timer, 1, [[0, 0], until])));
        println!("{name}, read: {} {}", read(&timer), now(clock) >= until);
        println!("{name}, long past: {} {}", show(set(&timer, 3, [[0, 0], [1, 0]])), read(&timer));
    }
}

fn timer_waits() {
    let timer = timer(libc::CLOCK_MONOTONIC, 0);
    let begin = Instant::now();
    set(&timer, 0, [[0, 0], [0, 20 * MS]]).expect("set");
    println!("a read waits: {} {}", read(&timer), begin.elapsed() >= Duration::from_millis(20));
    let told = AtomicU32::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            println!("armed meanwhile: {}", read(&timer));
            told.store(1, Ordering::SeqCst);
        });
        thread::sleep(Duration::from_millis(20));
        set(&timer, 0, [[0, 0], [0, 10 * MS]]).expect("set");
        // A busy thread does not keep the timer from being seen.
        while told.load(Ordering::SeqCst) == 0 {
            std::hint::spin_loop();
        }
    });
    // SAFETY: the calls take no memory but what is given.
    unsafe {
        let set_of = libc::epoll_create1(0);
        let mut event = libc::epoll_event { events: (libc::EPOLLIN | libc::EPOLLET) as u32, u64: 5 };
        libc::epoll_ctl(set_of, libc::EPOLL_CTL_ADD, timer.0, &raw mut event);
        let wait = |milliseconds: i32| {
            let mut found = libc::epoll_event { events: 0, u64: 0 };
            let count = libc::epoll_wait(set_of, &raw mut found, 1, milliseconds);
            let data = found.u64;
            format!("{count}:{data}")
        };
        println!("nothing to wait for: {}", wait(0));
        set(&timer, 0, [[0, 10 * MS], [0, 20 * MS]]).expect("set");
        println!("an edge: {}", wait(5000));
        thread::sleep(Duration::from_millis(35));
        println!("no other while it is not read: {}", wait(0));
        println!("read: {}", read(&timer).parse::<u64>().expect("a count") >= 2);
        println!("another: {}", wait(5000));
        libc::close(set_of);
    }
}

fn signal_set(signals: &[i32]) -> u64 {
    signals.iter().fold(0, |set, signal| set | 1 << (signal - 1))
}

fn signal_file(fd: i32, signals: &[i32], flags: i32) -> Outcome {
    let set = signal_set(signals);
    calls(libc::SYS_signalfd4, &[fd as usize, address(&set), 8, flags as usize])
}

fn block(signals: &[i32]) {
    let set = signal_set(signals);
    calls(libc::SYS_rt_sigprocmask, &[0, address(&set), 0, 8]).expect("blocked");
}

/// Send a signal with a value, to the thread that runs or to the process.
fn queue(signal: i32, value: u64, to_thread: bool) {
    let mut information = [0u64; 16];
    information[0] = signal as u64;
    information[1] = (-1i32) as u32 as u64;
    information[2] = u64::from(std::process::id()) | 7777 << 32;
    information[3] = value;
    let process = std::process::id() as usize;
    let address = information.as_ptr() as usize;
    let outcome = if to_thread {
        let thread = calls(libc::SYS_gettid, &[]).expect("an id") as usize;
        calls(libc::SYS_rt_tgsigqueueinfo, &[process, thread, signal as usize, address])
    } else {
        calls(libc::SYS_rt_sigqueueinfo, &[process, signal as usize, address])
    };
    outcome.expect("sent");
}

/// Read so many records at most, and show the words that matter.
fn read_signals(fd: &Fd, most: usize) -> String {
    let mut records = vec![[0u32; 32]; most];
    match calls(libc::SYS_read, &[fd.0 as usize, records.as_mut_ptr() as usize, most * 128]) {
        Ok(bytes) => {
            let shown = records[..bytes as usize / 128].iter().map(|record| {
                let id = std::process::id();
                let sender = if record[3] == id { "self" } else { "none" };
                // SAFETY: the call takes no memory.
                let user = if record[4] == unsafe { libc::getuid() } { "own".to_owned() } else { record[4].to_string() };
                let rest: Vec<String> = record
                    .iter()
                    .enumerate()
                    .skip(5)
                    .filter(|(_, word)| **word != 0)
                    .map(|(index, word)| format!("{index}={word}"))
                    .collect();
                format!("{}/{}/{} {sender}/{user} {}", record[0], record[1], record[2] as i32, rest.join(","))
            });
            format!("[{}]", shown.collect::<Vec<_>>().join("; "))
        }
        Err(error) => error,
    }
}

const REAL_TIME: i32 = 40;

fn signal_refusals() {
    let set = 0u64;
    println!("a set's size: {}", show(calls(libc::SYS_signalfd4, &[usize::MAX, address(&set), 4, 0])));
    println!("no set: {}", show(calls(libc::SYS_signalfd4, &[usize::MAX, 8, 8, 0])));
    println!("no such flag: {}", show(signal_file(-1, &[], 1)));
    println!("not open: {}", show(signal_file(999, &[], 0)));
    let other = made(calls(libc::SYS_eventfd2, &[0, 0]));
    println!("not of signals: {}", show(signal_file(other.0, &[], 0)));
    let file = made(signal_file(-1, &[libc::SIGUSR1, libc::SIGKILL], libc::SFD_NONBLOCK | libc::SFD_CLOEXEC));
    let mut room = [0u8; 127];
    println!("too little room: {}", show(calls(libc::SYS_read, &[file.0 as usize, room.as_mut_ptr() as usize, 127])));
    println!("nothing: {} {}", read_signals(&file, 1), poll(&file, 0));
    println!("written: {}", write(&file, 1));
}

fn signals() {
    let all = [libc::SIGUSR1, libc::SIGUSR2, libc::SIGCHLD, libc::SIGALRM, REAL_TIME];
    block(&all);
    let file = made(signal_file(-1, &[libc::SIGUSR1, REAL_TIME], libc::SFD_NONBLOCK));
    let process = std::process::id() as usize;
    calls(libc::SYS_kill, &[process, libc::SIGUSR1 as usize]).expect("sent");
    println!("ready: {} {}", poll(&file, 0), poll(&file, 0));
    println!("by kill: {}", read_signals(&file, 3));
    println!("taken: {} {}", poll(&file, 0), read_signals(&file, 1));
    let thread = calls(libc::SYS_gettid, &[]).expect("an id") as usize;
    calls(libc::SYS_tgkill, &[process, thread, libc::SIGUSR1 as usize]).expect("sent");
    println!("by tgkill: {}", read_signals(&file, 1));
    for value in 1..=3 {
        queue(REAL_TIME, 0x1_0000_0000 * value + 5, false);
    }
    queue(libc::SIGUSR1, 9, false);
    queue(libc::SIGUSR1, 10, false);
    println!("two: {}", read_signals(&file, 2));
    println!("the rest: {}", read_signals(&file, 5));
    queue(REAL_TIME, 1, false);
    queue(REAL_TIME, 2, true);
    println!("the thread's goes first: {}", read_signals(&file, 5));
    calls(libc::SYS_kill, &[process, libc::SIGUSR2 as usize]).expect("sent");
    println!("another signal: {}", poll(&file, 0));
    println!(
        "the set changed: {} {}",
        show(signal_file(file.0, &[libc::SIGUSR2, libc::SIGCHLD, libc::SIGALRM], 0)) == file.0.to_string(),
        read_signals(&file, 1)
    );
    calls(libc::SYS_kill, &[process, libc::SIGCHLD as usize]).expect("sent");
    println!("one that is ignored unless blocked: {}", read_signals(&file, 1));
    timer_signal(&file);
    waits(&file);
}

/// A timer's signal tells its id, its overruns and its value.
fn timer_signal(file: &Fd) {
    let event = [0x12_3456_789au64, libc::SIGUSR2 as u64, 0, 0, 0, 0, 0, 0];
    let mut id = -1i32;
    calls(libc::SYS_timer_create, &[1, address(&event), (&raw mut id) as usize]).expect("a timer");
    let times: Times = [[0, 0], [0, MS]];
    calls(libc::SYS_timer_settime, &[id as usize, 0, address(&times), 0]).expect("set");
    println!("a timer's: {}", poll(file, 5000));
    let shown = read_signals(file, 1);
    println!("{}", shown.replace(&format!("6={id},"), ""));
    calls(libc::SYS_timer_delete, &[id as usize]).expect("deleted");
    let times: Times = [[0, 0], [0, 1000]];
    calls(libc::SYS_setitimer, &[0, address(&times), 0]).expect("set");
    println!("an alarm's: {} {}", poll(file, 5000), read_signals(file, 1));
}

fn waits(file: &Fd) {
    // SAFETY: the descriptor is open.
    unsafe { libc::fcntl(file.0, libc::F_SETFL, 0) };
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(20));
            calls(libc::SYS_kill, &[std::process::id() as usize, libc::SIGUSR2 as usize]).expect("sent");
        });
        println!("a read waits: {}", read_signals(file, 2));
    });
    thread::scope(|scope| {
        scope.spawn(|| println!("another thread reads: {}", read_signals(file, 1)));
        thread::sleep(Duration::from_millis(20));
        calls(libc::SYS_kill, &[std::process::id() as usize, libc::SIGUSR2 as usize]).expect("sent");
    });
    // SAFETY: the calls take no memory but what is given.
    unsafe {
        let set = libc::epoll_create1(0);
        let mut event = libc::epoll_event { events: (libc::EPOLLIN | libc::EPOLLET) as u32, u64: 5 };
        libc::epoll_ctl(set, libc::EPOLL_CTL_ADD, file.0, &raw mut event);
        let wait = || {
            let mut found = libc::epoll_event { events: 0, u64: 0 };
            libc::epoll_wait(set, &raw mut found, 1, 0)
        };
        let none = wait();
        calls(libc::SYS_kill, &[std::process::id() as usize, libc::SIGUSR2 as usize]).expect("sent");
        println!("edges: {none} {} {}", wait(), wait());
        calls(libc::SYS_kill, &[std::process::id() as usize, libc::SIGCHLD as usize]).expect("sent");
        println!("another edge: {} {}", wait(), wait());
        println!("both: {}", read_signals(file, 2));
        libc::close(set);
    }
}

fn counters() {
    let make = |count: usize, flags: i32| made(calls(libc::SYS_eventfd2, &[count, (flags | libc::EFD_NONBLOCK) as usize]));
    println!("no such flag: {}", show(calls(libc::SYS_eventfd2, &[0, 2])));
    let counter = make(3, 0);
    println!("at first: {} {}", poll(&counter, 0), read(&counter));
    println!("then: {} {}", poll(&counter, 0), read(&counter));
    println!("added: {} {} {}", write(&counter, 5), write(&counter, 6), read(&counter));
    println!("nothing added: {} {}", write(&counter, 0), read(&counter));
    println!("too much: {}", write(&counter, u64::MAX));
    println!("as much as fits: {} {}", write(&counter, u64::MAX - 1), poll(&counter, 0));
    println!("no more: {} {}", write(&counter, 1), write(&counter, 0));
    println!("all: {} {}", read(&counter), poll(&counter, 0));
    let mut room = [0u8; 16];
    let pointer = room.as_mut_ptr() as usize;
    println!("too little room: {}", show(calls(libc::SYS_read, &[counter.0 as usize, pointer, 7])));
    println!("too little: {}", show(calls(libc::SYS_write, &[counter.0 as usize, pointer, 7])));
    println!("more room: {}", show(calls(libc::SYS_write, &[counter.0 as usize, pointer, 16])));
    write(&counter, 7);
    println!("more room to read: {}", show(calls(libc::SYS_read, &[counter.0 as usize, pointer, 16])));
    println!("nowhere: {} {}", write(&counter, 9), show(calls(libc::SYS_read, &[counter.0 as usize, 8, 8])));
    let semaphore = make(2, libc::EFD_SEMAPHORE);
    println!("semaphore: {} {} {} {}", read(&semaphore), read(&semaphore), read(&semaphore), poll(&semaphore, 0));
    let full = made(calls(libc::SYS_eventfd2, &[0, 0]));
    write(&full, u64::MAX - 1);
    thread::scope(|scope| {
        let writer = scope.spawn(|| write(&full, 10));
        thread::sleep(Duration::from_millis(20));
        println!("a writer waits: {} {}", read(&full) == (u64::MAX - 1).to_string(), writer.join().expect("it ends"));
    });
    println!("and has written: {}", read(&full));
}

fn main() {
    timer_refusals();
    timers();
    timer_waits();
    signal_refusals();
    signals();
    counters();
}
