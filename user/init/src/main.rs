//! The first environment: starts `unixd`, waits for its end, and ends the machine with its status.
//!
//! Another program may stand beside `unixd`, with a library operating system of its own or none: the module `beside`, a boot image itself.
//!
//! It stands straight on the exokernel. `unixd` gets all memory, all time, the console and the boot image's modules, at the addresses that
//! they have here; whatever comes of it, every frame that it was given is free again at the end, or the machine ends with a failure.
#![no_std]
#![no_main]

use abi::{
    EnvEntry, EnvId, EnvState, IMAGE_BASE, IMAGE_MAGIC, INFO_ENVS_PAGE, ImageHeader, InfoPage, MAX_SLICES, PAGE_SIZE, Privileges,
    Registers, Rights, RunState, WaitWord,
};
use exo::command::{IMAGES_MOST, image_name};
use exo::libos_image::map_into;
use exo::start::{STACK_BASE, STACK_BYTES};
use exo::{image, println};

exo::program!(main);

/// Where the info pages are mapped here: the first, and the environment table.
const INFO: usize = 0x7b00_0000_0000;
/// Where pages are made that `unixd` gets.
const SCRATCH: usize = 0x7b10_0000_0000;
/// Frames that init keeps for itself.
const RESERVE: usize = 64;
/// Exit code of a program that a signal ended: this plus the signal's number, as shells have it.
const SIGNALLED: u64 = 128;
/// Exit code when `unixd` itself failed, or frames were lost.
const FAILED: u8 = 125;
/// Frames that a program beside `unixd` may be charged for, beyond its image.
const BESIDE_FRAMES: usize = 2048;
/// The slot of the slice vector that it runs in. `unixd` has those below: the kernel walks the vector as far as it is in use, so the last
/// slot would be a long way.
const BESIDE_SLOT: usize = 255;
/// A slot's context while nobody has it.
const UNUSED: usize = u32::MAX as usize;

fn main() -> u8 {
    let env_pages = abi::INFO_SLICES_PAGE - INFO_ENVS_PAGE;
    exo::info_map(EnvId::SELF, INFO, 0, INFO_ENVS_PAGE + env_pages).expect("init's first pages");
    let before = uncharged();
    let beside = image::module("beside").filter(|bytes| !bytes.is_empty()).map(start_beside);
    let own = entry(exo::identify());
    let quota = (own.quota - own.used) as usize - RESERVE;
    let unixd = exo::env_create(quota, Privileges::CONSOLE).expect("a child");
    let entry_point = map_into(unixd, image::module("unixd").expect("the boot image has unixd"), None).expect("memory for unixd");
    hand_modules_over(unixd);
    exo::page_alloc(SCRATCH, STACK_BYTES / PAGE_SIZE, Rights::READ_WRITE, None).expect("memory for a stack");
    hand_over(unixd, STACK_BASE, SCRATCH, STACK_BYTES / PAGE_SIZE, Rights::READ_WRITE);
    start(unixd, entry_point, if beside.is_some() { BESIDE_SLOT } else { MAX_SLICES });
    let status = status_of_unixd(&wait_for_end(unixd));
    exo::env_reap(unixd).expect("it is dead");
    if let Some(beside) = beside {
        let end = wait_for_end(beside);
        println!("init: the program beside ended by {}, status {}", end.reason, end.status);
        exo::env_reap(beside).expect("it is dead");
    }
    let lost = uncharged() - before;
    if lost != 0 {
        println!("init: {lost} frames are lost");
        return FAILED;
    }
    status
}

/// Hand over the boot image's header and modules, at the addresses that they have here.
fn hand_modules_over(unixd: EnvId) {
    let header: *const ImageHeader = image::header();
    exo::page_map(unixd, header.addr(), header.addr(), 1, Rights::READ_ONLY).expect("memory for the header");
    // Files are mapped for programs as they lie there: never to be written, but maybe to be executed.
    let file = Rights::READ_ONLY | Rights::MAY_EXECUTE;
    let files = ["initramfs", "command", "stdin", "copies", "window", image::ROOT_OPTIONS].map(|name| (name, file));
    let images = (0..IMAGES_MOST).map(|number| (image_name(number as u32), Rights::READ_WRITE));
    let results = (exo::results::MODULE, Rights::READ_WRITE);
    for (name, rights) in images.chain(files).chain([results]) {
        let Some(bytes) = image::module(name).filter(|bytes| !bytes.is_empty()) else { continue };
        let address = bytes.as_ptr().addr();
        hand_over(unixd, address, address, bytes.len().div_ceil(PAGE_SIZE), rights);
    }
}

/// Hand pages over for good, and the charge for them.
fn hand_over(env: EnvId, target: usize, source: usize, count: usize, rights: Rights) {
    let mut done = 0;
    while done < count {
        let batch = (count - done).min(abi::BATCH_PAGES);
        let (target, source) = (target + done * PAGE_SIZE, source + done * PAGE_SIZE);
        exo::page_map(env, target, source, batch, rights).expect("memory for unixd");
        // SAFETY: what is handed over is not used here afterwards.
        unsafe { exo::page_unmap(EnvId::SELF, source, batch) }.expect("they were mapped");
        let quota = entry(env).quota as usize + batch;
        exo::env_quota(env, quota).expect("as many frames as were just given up");
        done += batch;
    }
}

/// Start a program that stands straight on the exokernel too, beside `unixd`: a boot image of its own, whose pages are handed over to where it
/// expects them.
fn start_beside(bytes: &'static [u8]) -> EnvId {
    // SAFETY: the build tool laid a boot image out there, whose first page is its header; any bytes make one.
    let header = unsafe { bytes.as_ptr().cast::<ImageHeader>().read() };
    assert!(header.magic == IMAGE_MAGIC, "what is to run beside is no boot image");
    let env = exo::env_create(BESIDE_FRAMES, Privileges::empty()).expect("memory for what runs beside");
    let mut page = 0;
    while page < header.pages {
        let segment = header.segments.iter().find(|segment| page.wrapping_sub(segment.page) < segment.pages);
        let in_front = header.segments.iter().map(|segment| segment.page).filter(|&first| first > page);
        let end = segment.map_or_else(|| in_front.min().unwrap_or(header.pages), |segment| segment.page + segment.pages);
        let rights = segment.map_or(Rights::READ_WRITE, |segment| Rights::from_bits_truncate(segment.rights));
        let offset = page as usize * PAGE_SIZE;
        hand_over(env, IMAGE_BASE as usize + offset, bytes.as_ptr().addr() + offset, (end - page) as usize, rights);
        page = end;
    }
    let index = exo::context_create(env).expect("its first context");
    let registers = Registers { pc: header.entry, sp: header.stack, ..Registers::default() };
    exo::context_set(env, index, Some(&registers), RunState::Runnable).expect("it is stopped");
    exo::slice_set(0, BESIDE_SLOT, env, index).expect("init owns all slots");
    env
}

/// Start it: a context, all slots of the CPU's vector up to this one but init's own, and the console's interrupt.
fn start(unixd: EnvId, entry_point: u64, slots: usize) {
    let index = exo::context_create(unixd).expect("its first context");
    let registers = Registers { pc: entry_point, sp: (STACK_BASE + STACK_BYTES) as u64, ..Registers::default() };
    exo::context_set(unixd, index, Some(&registers), RunState::Runnable).expect("it is stopped");
    let _ = exo::irq_bind(info().console_irq as usize, unixd);
    // The last one is what it begins to run in, with all the others its own already.
    for slot in (1..slots).rev() {
        exo::slice_set(0, slot, unixd, if slot == 1 { index } else { UNUSED }).expect("init owns all slots");
    }
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

/// Sleep until the environment has ended.
fn wait_for_end(env: EnvId) -> EnvEntry {
    let table = (INFO + INFO_ENVS_PAGE * PAGE_SIZE) as *const EnvEntry;
    let address = table.wrapping_add(env.slot()) as u64 + core::mem::offset_of!(EnvEntry, state) as u64;
    while entry(env).state == EnvState::Alive as u32 {
        let _ = exo::wait(&[WaitWord { address, value: EnvState::Alive as u32, reserved: 0 }], None);
    }
    entry(env)
}

/// The machine's exit code.
fn status_of_unixd(end: &EnvEntry) -> u8 {
    match end.reason {
        EnvEntry::EXITED if end.status & 0x7f == 0 => (end.status >> 8) as u8,
        EnvEntry::EXITED => (SIGNALLED + (end.status & 0x7f)) as u8,
        reason => {
            println!("init: unixd died of trap {:#x} at pc {:#x}, address {:#x}", reason, end.pc, end.status);
            FAILED
        }
    }
}
