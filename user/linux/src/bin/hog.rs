//! A program that does nothing but compute: `hog MILLISECONDS [deaf]`. It prints what of that time it had, in percent, and its ledger.
//!
//! A deaf one keeps its library from hearing that a turn or a slice is over, as a program can on Chitin that is none of Linux's.

use std::time::{Duration, Instant};

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let length = Duration::from_millis(words.get(1).and_then(|word| word.parse().ok()).unwrap_or(1000));
    let is_deaf = words.get(2).is_some_and(|word| word == "deaf");
    let (start, mut last, mut had) = (Instant::now(), Instant::now(), Duration::ZERO);
    while start.elapsed() < length {
        if is_deaf {
            turn_deaf();
        }
        (0..100u32).for_each(|round| {
            std::hint::black_box(round);
        });
        let now = Instant::now();
        // A longer step is one that others had time in.
        had += (now - last).min(Duration::from_micros(10));
        last = now;
    }
    println!("hog: {} percent", had.as_nanos() * 100 / start.elapsed().as_nanos());
    let ledger = std::fs::read_to_string("/proc/self/ledger").unwrap_or_default();
    ledger.lines().take(1).for_each(|line| println!("hog: its ledger: {line}"));
}

/// Take back what the library asks the kernel for: to be told of a deadline, and of a slice's end.
fn turn_deaf() {
    const DEADLINE: usize = std::mem::offset_of!(abi::UpcallPage, deadline);
    const SLICE_ARMED: usize = std::mem::offset_of!(abi::UpcallPage, slice_armed);
    // SAFETY: GS base is the address of the context's upcall page, whose two words are the process's own to write.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        core::arch::asm!(
            "mov qword ptr gs:[{deadline}], 0",
            "mov qword ptr gs:[{armed}], 0",
            deadline = const DEADLINE,
            armed = const SLICE_ARMED,
        );
    }
    // SAFETY: TPIDRRO_EL0 is that address, likewise.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        core::arch::asm!(
            "mrs {page}, tpidrro_el0",
            "str xzr, [{page}, {deadline}]",
            "str xzr, [{page}, {armed}]",
            page = out(reg) _,
            deadline = const DEADLINE,
            armed = const SLICE_ARMED,
        );
    }
}
