//! The first environment: starts the library OS with a program, waits for its end, and ends the machine with its status.
//!
//! It stands straight on the exokernel. What it makes of the boot image's modules is what `exo::start` promises a process: the
//! library OS's text shared, its data copied, the initramfs, a start block, one context, and a quota of frames. One process or several
//! (the module `copies`: a 32-bit word): several get a variable each, `CHITIN_COPY`, that counts from 0. Every frame that they were given is
//! free again at the end, or the machine ends with a failure.
#![no_std]
#![no_main]

mod process;

use abi::{EnvEntry, EnvId, EnvState, INFO_ENVS_PAGE, InfoPage, PAGE_SIZE, WaitWord};
use exo::{image, println};
use process::Process;

exo::program!(main);

/// Where the info pages are mapped here: the first, and the environment table.
const INFO: usize = 0x7b00_0000_0000;
/// Frames that init keeps for itself, for each process that it makes: what it hands over comes out of them.
const RESERVE: usize = 64;
/// The most processes: each has a slot of the slice vector, beside the one of init.
const COPIES_MOST: usize = 64;
/// Exit code of a program that a signal ended: this plus the signal's number, as shells have it.
const SIGNALLED: u64 = 128;
/// Exit code when the library OS itself failed, or frames were lost.
const LIBOS_FAILED: u8 = 125;

fn main() -> u8 {
    let env_pages = abi::INFO_SLICES_PAGE - INFO_ENVS_PAGE;
    exo::info_map(EnvId::SELF, INFO, 0, INFO_ENVS_PAGE + env_pages).expect("init's first pages");
    let copies = copies();
    let before = uncharged();
    let own = entry(exo::identify());
    let quota = (own.quota - own.used) as usize / copies - RESERVE;
    let mut envs = [EnvId::SELF; COPIES_MOST];
    for (copy, env) in envs[..copies].iter_mut().enumerate() {
        let mut process = Process::new(quota, copy, copies);
        let entry_point = process.libos();
        process.start_block();
        process.stack();
        process.run(entry_point);
        *env = process.env;
    }
    let mut status = 0;
    for &env in &envs[..copies] {
        let code = wait_for_end(env);
        status = if status == 0 { code } else { status };
        exo::env_reap(env).expect("it is dead");
    }
    let lost = uncharged() - before;
    if lost != 0 {
        println!("init: {lost} frames are lost");
        return LIBOS_FAILED;
    }
    status
}

/// How many processes are to be.
fn copies() -> usize {
    let word = image::module("copies").and_then(|bytes| bytes.try_into().ok()).map_or(1, u32::from_le_bytes);
    (word as usize).clamp(1, COPIES_MOST)
}

fn info() -> InfoPage {
    // SAFETY: mapped read-only in `main` before anything else; the kernel changes it behind our back, hence volatile.
    unsafe { (INFO as *const InfoPage).read_volatile() }
}

/// Frames that are not free although init, and with it everybody, is not charged for them.
fn uncharged() -> i64 {
    let info = info();
    (info.usable_frames - info.free_frames) as i64 - entry(exo::identify()).used as i64
}

/// The public entry of an environment.
fn entry(env: EnvId) -> EnvEntry {
    let table = (INFO + INFO_ENVS_PAGE * PAGE_SIZE) as *const EnvEntry;
    // SAFETY: the table is mapped in `main`; the kernel changes it behind our back, hence volatile.
    unsafe { table.add(env.slot()).read_volatile() }
}

/// Sleep until the process has ended; gives the machine's exit code.
fn wait_for_end(env: EnvId) -> u8 {
    let table = (INFO + INFO_ENVS_PAGE * PAGE_SIZE) as *const EnvEntry;
    let address = table.wrapping_add(env.slot()) as u64 + core::mem::offset_of!(EnvEntry, state) as u64;
    while entry(env).state == EnvState::Alive as u32 {
        let _ = exo::wait(&[WaitWord { address, value: EnvState::Alive as u32, reserved: 0 }], None);
    }
    let end = entry(env);
    match end.reason {
        EnvEntry::EXITED if end.status & 0x7f == 0 => (end.status >> 8) as u8,
        EnvEntry::EXITED => (SIGNALLED + (end.status & 0x7f)) as u8,
        reason => {
            println!("init: the process died of trap {:#x} at pc {:#x}, address {:#x}", reason, end.pc, end.status);
            LIBOS_FAILED
        }
    }
}
