//! What the process does when it is asked for frames (`Bulletin::asked`), and what it shows of that: the library's side of the abort protocol
//! (the exokernel's crate page).
#![forbid(unsafe_code)]

use alloc::format;
use alloc::string::String;
use core::fmt::Write;
use core::sync::atomic::{AtomicUsize, Ordering};

use abi::LedgerEntry;
use policy::paging::Spare;
use unix::Operation;

use crate::kernel::Kernel;
use crate::process::Process;
use crate::time::{Linear, SECOND};
use crate::user::PROGRAM_TOP;

/// What was asked so far.
#[derive(Debug, Default)]
pub struct Giving {
    /// How often.
    requests: AtomicUsize,
    /// How many frames in all.
    asked: AtomicUsize,
    /// How many were given back.
    given: AtomicUsize,
}

impl Giving {
    /// Nothing was asked of this process: it is a copy of the one that was.
    pub fn forget(&self) {
        [&self.requests, &self.asked, &self.given].into_iter().for_each(|count| count.store(0, Ordering::Relaxed));
    }
}

impl<K: Kernel> Process<K> {
    /// If the process is asked for frames, give back what its paging policy says, and answer. `rings`: how often the doorbell had rung when that was looked at.
    pub(crate) fn give_back(&self, rings: u32) {
        let wanted = self.kernel.bulletin().asked.load(Ordering::Relaxed) as usize;
        if wanted == 0 {
            return;
        }
        let Some(mut memory) = self.memory.try_lock() else {
            // This is in the middle of a change of memory: look again the next time.
            self.heard.store(rings.wrapping_sub(1), Ordering::Relaxed);
            return;
        };
        let used = || self.kernel.quota().1;
        let before = used();
        for spare in memory.spare(wanted) {
            let left = (wanted + used()).saturating_sub(before);
            match spare {
                Spare::Cache if left > 0 => self.files.give_back(left),
                Spare::Shown if left > 0 => drop(memory.give_back_shown(&self.kernel, left)),
                Spare::Zeros if left > 0 => memory.give_back_zeros(&self.kernel, left),
                _ => {}
            }
        }
        drop(memory);
        let given = before.saturating_sub(used());
        self.giving.requests.fetch_add(1, Ordering::Relaxed);
        self.giving.asked.fetch_add(wanted, Ordering::Relaxed);
        self.giving.given.fetch_add(given, Ordering::Relaxed);
        let _ = self.ask(Operation::GiveBack, 0, 0, [given as u64, 0, 0]);
    }

    /// `/proc/self/ledger`, which Linux does not have: what the process was asked for, and what was taken of the program by force, as
    /// far as the kernel's ledger still has it.
    pub(crate) fn ledger_text(&self) -> String {
        let [requests, asked, given] =
            [&self.giving.requests, &self.giving.asked, &self.giving.given].map(|count| count.load(Ordering::Relaxed));
        let mut text = format!("asked {requests} times for {asked} frames, gave {given}");
        match self.kernel.bulletin().rests.load(Ordering::Relaxed) {
            0 => {}
            rests => text += &format!("; had no time {rests} times, since it kept others from their turns"),
        }
        text.push('\n');
        // What `unixd` maps and unmaps for the library is between the two of them.
        let of_program = |entry: &LedgerEntry| entry.address < PROGRAM_TOP as u64;
        for entry in self.kernel.losses(0).0.into_iter().filter(of_program) {
            let ns = self.times.clocks.ns(Linear::Monotonic, entry.ticks);
            let (address, large) = (entry.address & !1, if entry.address & 1 != 0 { " large" } else { "" });
            let _ = writeln!(
                text,
                "{address:016x} frame {:#x}{large} taken at {}.{:06} by {}",
                entry.frame,
                ns / SECOND,
                ns % SECOND / 1000,
                entry.taker
            );
        }
        text
    }
}
