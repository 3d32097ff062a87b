//! `SIGKILL` at a thousand random points: who is left neither hangs nor sees anything but the ends of what it shared, every wait status is
//! right, locks are free again, and so is the memory.
#![expect(clippy::undocumented_unsafe_blocks, reason = "each block is a plain call, on numbers and on the program's own variables")]

mod copies;
mod holders;
mod talkers;

use std::cell::Cell;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

use linux_programs::family::{child, wait};

/// Rounds of each scenario, one process killed in each: a thousand in all.
const ROUNDS: usize = 100;
/// Rounds after which memory is looked at first: servers keep what they once needed.
const WARM: usize = 25;
/// Memory that may be in use at the end and was not after the first rounds, in bytes.
const SLACK: u64 = 1 << 20;
/// Seconds after which a round hangs.
const PATIENCE: u32 = 60;

/// A scenario: one round of it gives what went wrong.
type Scenario = fn(&Random) -> Result<(), String>;

/// The scenario and the round that run, for the watchdog.
static AT: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];

const SCENARIOS: [(&str, Scenario); 10] = [
    ("pipelines of three", talkers::pipeline),
    ("holders of file locks", holders::file_locks),
    ("holders of robust and inheriting mutexes", holders::mutexes),
    ("forks of processes with threads", copies::forks),
    ("execs", copies::execs),
    ("epoll waits", talkers::epoll),
    ("senders of descriptors", talkers::senders),
    ("message queues", talkers::queues),
    ("vfork", copies::vforks),
    ("stopped processes", copies::stopped),
];

/// xorshift64*, from a fixed seed: the points differ in time anyhow.
pub struct Random(Cell<u64>);

impl Random {
    /// A number below `limit`.
    pub fn below(&self, limit: u64) -> u64 {
        let mut state = self.0.get();
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        self.0.set(state);
        (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit
    }

    /// Wait for a moment that nobody can foresee: up to some milliseconds, most often less.
    pub fn pause(&self) {
        match self.below(4) {
            0 => (0..self.below(40)).for_each(|_| std::thread::yield_now()),
            1 => sleep_us(self.below(300)),
            2 => sleep_us(self.below(2_000)),
            _ => sleep_us(self.below(8_000)),
        }
    }
}

fn sleep_us(us: u64) {
    std::thread::sleep(std::time::Duration::from_micros(us));
}

/// `SIGKILL`.
pub fn kill(id: i32) {
    assert_eq!(unsafe { libc::kill(id, libc::SIGKILL) }, 0);
}

/// Check how a child ended.
pub fn expect_end(what: &str, id: i32, ends: &[&str]) -> Result<(), String> {
    let end = wait(id, 0).1;
    if ends.contains(&&*end) { Ok(()) } else { Err(format!("{what}: {end}")) }
}

/// A pipe's reading and writing end.
pub fn pipe() -> [i32; 2] {
    let mut ends = [0; 2];
    assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0, "pipe");
    ends
}

/// Close descriptors.
pub fn close(descriptors: &[i32]) {
    for &descriptor in descriptors {
        unsafe { libc::close(descriptor) };
    }
}

/// Wait until the work has begun.
pub fn await_progress(number: &AtomicI32) {
    let from = number.load(Ordering::Relaxed);
    while number.load(Ordering::Relaxed) == from {
        sleep_us(100);
    }
}

/// Bytes of memory that are free.
fn free_memory() -> u64 {
    let mut information: libc::sysinfo = unsafe { std::mem::zeroed() };
    assert_eq!(unsafe { libc::sysinfo(&raw mut information) }, 0);
    information.freeram as u64 * u64::from(information.mem_unit)
}

/// Whether nothing else uses this machine's memory.
fn is_alone() -> bool {
    std::fs::read_to_string("/proc/sys/kernel/osrelease").is_ok_and(|release| release.contains("chitin"))
}

extern "C" fn hangs(_: i32) {
    let [scenario, round] = [&AT[0], &AT[1]].map(|number| number.load(Ordering::Relaxed));
    println!("{} hang in round {round}", SCENARIOS[scenario].0);
    unsafe {
        libc::kill(0, libc::SIGKILL);
    }
}

fn run(number: usize, random: &Random) {
    let (name, scenario) = SCENARIOS[number];
    let (mut wrong, mut before) = (0, 0);
    AT[0].store(number, Ordering::Relaxed);
    for round in 0..ROUNDS {
        AT[1].store(round, Ordering::Relaxed);
        unsafe { libc::alarm(PATIENCE) };
        if round == WARM {
            before = free_memory();
        }
        if let Err(what) = scenario(random) {
            println!("{name}, round {round}: {what}");
            wrong += 1;
        }
        // Nobody is left, and nothing is known of anybody any more.
        loop {
            let (id, end) = wait(-1, 0);
            if id == -1 {
                assert_eq!(end, "ECHILD");
                break;
            }
            if !["signal 9", "exit 0"].contains(&&*end) {
                println!("{name}, round {round}: somebody ended by {end}");
            }
        }
    }
    let used = before.saturating_sub(free_memory());
    println!("{name}: {ROUNDS} killed, {wrong} wrong");
    if is_alone() && used > SLACK {
        println!("{name}: {} KiB are gone", used >> 10);
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let only = arguments.next();
    match only.as_deref() {
        Some("nothing") => return,
        Some("again") => copies::again(&arguments.next().expect("a number")),
        _ => {}
    }
    // A group of its own, which the watchdog ends, and a parent for whoever loses theirs.
    let id = child(|| {
        unsafe {
            libc::setpgid(0, 0);
            libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1);
            libc::signal(libc::SIGALRM, hangs as *const () as usize);
        }
        let random = Random(Cell::new(0x9e37_79b9_7f4a_7c15));
        for (number, (name, _)) in SCENARIOS.iter().enumerate() {
            if only.as_ref().is_none_or(|only| name.contains(&**only)) {
                run(number, &random);
            }
        }
        0
    });
    println!("{}", wait(id, 0).1);
}
