//! Calls by the bare entry, a million of them, with every register, the red zone and the flags holding canaries around each.
//!
//! `canaries raw [CALLS [THREADS]]` uses the system call instruction, `canaries linked …` the function `__chitin_syscall` of the vDSO (and the
//! instruction, by a function of the same shape, where the vDSO has none: on Linux). Calls of all kinds take turns; many of them touch pages
//! that are not resident, so that faults come in the middle of a call's copies, and the program itself touches some in between. With a number
//! of threads each of them makes so many calls, and signals arrive at all of them.

use std::mem::offset_of;
use std::os::unix::thread::JoinHandleExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

#[cfg(target_arch = "aarch64")]
#[path = "aarch64.rs"]
mod isa;
#[cfg(target_arch = "x86_64")]
#[path = "x86_64.rs"]
mod isa;
mod kinds;
mod vdso;

/// What a register file holds.
#[derive(Clone, Copy)]
#[repr(C, align(32))]
pub struct State {
    /// The first argument: it stands in three places, so that the instruction that loads it can have three lengths (x86_64).
    first: u64,
    /// General registers, by the ISA's numbering. The call's number and arguments are among them.
    general: [u64; 31],
    /// The first argument again, far from the start.
    first_far: u64,
    /// Arithmetic flags (x86_64: and the direction).
    flags: u64,
    /// Vector registers: 256 bits each on x86_64 with AVX, else 128.
    vectors: [[u64; 4]; 32],
    /// The 128 bytes below the stack pointer.
    red_zone: [u64; 16],
}

const GENERAL: usize = offset_of!(State, general);
const FLAGS: usize = offset_of!(State, flags);
const VECTORS: usize = offset_of!(State, vectors);
#[cfg(target_arch = "x86_64")]
const RED_ZONE: usize = offset_of!(State, red_zone);

/// A way to enter: loads `before`, makes the call, stores `after`.
pub type Probe = unsafe extern "C" fn(before: &State, after: &mut State, target: usize);

/// Whether the entry keeps what the instruction keeps, or what a function keeps.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Promise {
    /// All but the result (and what the instruction itself clobbers).
    Instruction,
    /// What the C calling convention has the callee preserve, and all vector registers.
    Function,
}

/// A generator of canaries (xorshift64*).
struct Canaries(u64);

impl Canaries {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn fill(&mut self, state: &mut State) {
        let State { general, vectors, red_zone, flags, .. } = state;
        for word in general.iter_mut().chain(vectors.as_flattened_mut()).chain(red_zone) {
            *word = self.next();
        }
        *flags = self.next() & isa::FLAGS_MASK;
    }
}

/// Signals that arrived.
static ARRIVED: AtomicU64 = AtomicU64::new(0);

extern "C" fn arrive(_: i32) {
    ARRIVED.fetch_add(1, Ordering::Relaxed);
}

/// Make so many calls; gives how many canaries were lost and how many results were wrong.
fn run(promise: Promise, calls: u64, name: usize) -> (u64, u64) {
    let target = vdso::find("__chitin_syscall").unwrap_or(isa::instruction as *const () as usize);
    let probes = isa::probes(promise);
    let scene = kinds::Scene::new(name);
    let mut canaries = Canaries(0x9e37_79b9_7f4a_7c15 + name as u64);
    let mut before = State { first: 0, general: [0; 31], first_far: 0, flags: 0, vectors: [[0; 4]; 32], red_zone: [0; 16] };
    let mut after = before;
    let (mut lost, mut wrong) = (0u64, 0u64);
    for index in 0..calls {
        let call = scene.call(index);
        canaries.fill(&mut before);
        isa::set_call(&mut before, call.number, &call.arguments);
        let probe = probes[index as usize % probes.len()];
        // SAFETY: the call is one of the scene's, which touch the scene's own memory only; the probe keeps what its callers need.
        unsafe { probe(&before, &mut after, target) };
        let mut seen = |what: &str| {
            lost += 1;
            if lost < 10 {
                println!("call {index} ({}): {what} lost", call.name);
            }
        };
        isa::check(promise, &before, &after, &mut seen);
        if !call.is_right(isa::result(&after)) {
            wrong += 1;
            if wrong < 10 {
                println!("call {index} ({}): {:#x}", call.name, isa::result(&after));
            }
        }
        scene.between(index);
    }
    (lost, wrong)
}

/// The same in several threads, to each of which signals are sent all the while.
fn run_threads(promise: Promise, calls: u64, threads: usize) -> (u64, u64) {
    let mut action: libc::sigaction = no_action();
    action.sa_sigaction = arrive as *const () as usize;
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: the handler adds to a word.
    assert_eq!(unsafe { libc::sigaction(libc::SIGUSR1, &raw const action, std::ptr::null_mut()) }, 0);
    let running: Vec<_> = (0..threads).map(|name| std::thread::spawn(move || run(promise, calls, name))).collect();
    while running.iter().any(|thread| !thread.is_finished()) {
        for thread in running.iter().filter(|thread| !thread.is_finished()) {
            // SAFETY: a thread that was not joined yet has its handle.
            unsafe { libc::pthread_kill(thread.as_pthread_t() as libc::pthread_t, libc::SIGUSR1) };
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let found = running.into_iter().map(|thread| thread.join().expect("no panic"));
    found.fold((0, 0), |sum, found| (sum.0 + found.0, sum.1 + found.1))
}

fn no_action() -> libc::sigaction {
    // SAFETY: a mask, flags and pointers, all of which may be zero.
    unsafe { std::mem::zeroed() }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let promise = match arguments.next().as_deref() {
        Some("raw") => Promise::Instruction,
        Some("linked") => Promise::Function,
        _ => {
            eprintln!("usage: canaries raw|linked [CALLS [THREADS]]");
            std::process::exit(2)
        }
    };
    let mut number = |or: u64| arguments.next().map_or(or, |text| text.parse().expect("a number"));
    let (calls, threads) = (number(1_000_000), number(0));
    let (lost, wrong) = if threads == 0 { run(promise, calls, 0) } else { run_threads(promise, calls, threads as usize) };
    let kinds = kinds::KINDS;
    match threads {
        0 => println!("{calls} calls of {kinds} kinds: {lost} canaries lost, {wrong} results wrong"),
        _ => println!(
            "{calls} calls of {kinds} kinds in each of {threads} threads: {lost} canaries lost, {wrong} results wrong; signals arrived: {}",
            ARRIVED.load(Ordering::Relaxed) > threads
        ),
    }
    std::process::exit(i32::from(lost + wrong != 0));
}
