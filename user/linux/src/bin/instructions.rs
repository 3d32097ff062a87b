//! What entries cost, in instructions, against limits.
//!
//! On Chitin the machine must count: one tick of the counter is one instruction, which a loop of known length proves first. On Linux nothing is
//! measured, and the same lines are printed.

use std::arch::asm;

/// Rounds of each loop.
const ROUNDS: u64 = 1000;

/// The counter.
fn ticks() -> u64 {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the instruction reads a counter.
    unsafe {
        std::arch::x86_64::_rdtsc()
    }
    #[cfg(target_arch = "aarch64")]
    {
        let ticks;
        // SAFETY: the instruction reads a counter.
        unsafe { asm!("isb", "mrs {}, cntvct_el0", out(reg) ticks) };
        ticks
    }
}

/// Two instructions a round.
fn known_loop() {
    // SAFETY: a register counts down.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        asm!("2: dec {0}", "jnz 2b", inout(reg) ROUNDS => _);
        #[cfg(target_arch = "aarch64")]
        asm!("2: subs {0}, {0}, #1", "b.ne 2b", inout(reg) ROUNDS => _);
    }
}

/// The call's number and the instruction, two for the loop.
fn instruction_loop(number: libc::c_long) {
    // SAFETY: the calls that this is used with take no arguments and change nothing.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        asm!(
            "2: mov eax, {1:e}", "syscall", "dec {0}", "jnz 2b",
            inout(reg) ROUNDS => _, in(reg) number, out("rax") _, out("rcx") _, out("r11") _,
        );
        #[cfg(target_arch = "aarch64")]
        asm!(
            "2: mov x8, {1}", "svc #0", "subs {0}, {0}, #1", "b.ne 2b",
            inout(reg) ROUNDS => _, in(reg) number, out("x0") _, out("x8") _,
        );
    }
}

fn clock_loop() {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    for _ in 0..ROUNDS {
        // SAFETY: the time is this function's own.
        unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    }
}

/// Ticks of touching fresh pages, `step` apart: with a step of one page they come in order.
fn touch(step: usize) -> u64 {
    const PAGE: usize = 4096;
    let length = ROUNDS as usize * step * PAGE;
    // SAFETY: a fresh mapping, given back; only its pages are touched.
    unsafe {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        let pages = libc::mmap(std::ptr::null_mut(), length, protection, flags, -1, 0);
        assert_ne!(pages, libc::MAP_FAILED);
        let start = ticks();
        for index in 0..ROUNDS as usize {
            pages.cast::<u8>().add(index * step * PAGE).write_volatile(1);
        }
        let taken = ticks() - start;
        libc::munmap(pages, length);
        taken
    }
}

/// Whether this is Chitin.
fn is_chitin() -> bool {
    std::fs::read_to_string("/proc/sys/kernel/osrelease").is_ok_and(|release| release.contains("chitin"))
}

fn main() {
    let exact = is_chitin();
    let timed = |work: &dyn Fn()| {
        let start = ticks();
        work();
        ticks() - start
    };
    println!("a loop of two instructions takes two: {}", !exact || timed(&known_loop) / ROUNDS == 2);
    let x86_64 = cfg!(target_arch = "x86_64");
    let costs: [(&str, u64, &dyn Fn() -> u64); 5] = [
        ("getppid by the instruction", if x86_64 { 45 } else { 75 }, &|| timed(&|| instruction_loop(libc::SYS_getppid))),
        ("umask by the instruction", if x86_64 { 110 } else { 135 }, &|| timed(&|| instruction_loop(libc::SYS_umask))),
        ("clock_gettime through libc", 45, &|| timed(&clock_loop)),
        ("a fresh page, in order", if x86_64 { 900 } else { 1950 }, &|| touch(1)),
        ("a fresh page, anywhere", if x86_64 { 1500 } else { 2600 }, &|| touch(3)),
    ];
    for (name, most, cost) in costs {
        // The first time, page tables and the library's own tables grow.
        cost();
        let cost = cost() / ROUNDS;
        if exact {
            eprintln!("chitin: {name}: {cost}");
        }
        println!("{name} takes at most its limit: {}", !exact || cost <= most);
    }
}
