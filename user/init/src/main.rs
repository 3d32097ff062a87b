//! The first environment: starts the library OS with a program, waits for its end, and ends the machine with its status.
//!
//! It stands straight on the exokernel. What it makes of the boot image's modules is what `exo::start` promises a process: the
//! library OS's text shared, its data copied, the initramfs handed over, a start block, one context, and the rest of the machine's frames as
//! its quota.
#![no_std]
#![no_main]

use abi::{
    CloneMode, CloneRange, EnvEntry, EnvId, EnvState, INFO_ENVS_PAGE, InfoPage, PAGE_SIZE, Privileges, Registers, Rights, RunState,
    WaitWord,
};
use exo::{
    image,
    libos_image::{LIBOS_MAGIC, LibosHeader},
    println,
    start::{INITRAMFS_BASE, LIBOS_BASE, STACK_BASE, STACK_BYTES, START_BASE, START_MAGIC, Start},
};

exo::program!(main);

/// Where the info pages are mapped here: the first, and the environment table.
const INFO: usize = 0x7b00_0000_0000;
/// Where pages are made that the process gets.
const SCRATCH: usize = 0x7b10_0000_0000;
/// Frames that init keeps for itself.
const RESERVE: usize = 64;
/// Exit code of a program that a signal ended: this plus the signal's number, as shells have it.
const SIGNALLED: u64 = 128;
/// Exit code when the library OS itself failed.
const LIBOS_FAILED: u8 = 125;

fn main() -> u8 {
    let env_pages = abi::INFO_SLICES_PAGE - INFO_ENVS_PAGE;
    exo::info_map(EnvId::SELF, INFO, 0, INFO_ENVS_PAGE + env_pages).expect("init's first pages");
    let own = entry(exo::identify());
    let env = exo::env_create((own.quota - own.used) as usize - RESERVE, Privileges::CONSOLE).expect("a child");
    let mut process = Process { env, scratch: SCRATCH };
    let entry_point = process.libos();
    process.start_block();
    process.stack();
    process.run(entry_point);
    wait_for_end(env)
}

fn info() -> &'static InfoPage {
    // SAFETY: mapped read-only in `main` before anything else; the kernel's words in it are read as they are.
    unsafe { &*(INFO as *const InfoPage) }
}

/// The public entry of an environment.
fn entry(env: EnvId) -> EnvEntry {
    let table = (INFO + INFO_ENVS_PAGE * PAGE_SIZE) as *const EnvEntry;
    // SAFETY: the table is mapped in `main`; the kernel changes it behind our back, hence volatile.
    unsafe { table.add(env.slot()).read_volatile() }
}

fn pages(bytes: usize) -> usize {
    bytes.div_ceil(PAGE_SIZE)
}

/// The process while it is being made.
struct Process {
    env: EnvId,
    scratch: usize,
}

impl Process {
    /// Map the library OS's image; gives its entry point.
    fn libos(&mut self) -> u64 {
        let module = image::module("libos").expect("the boot image has a library OS");
        // SAFETY: modules are page-aligned, and the header is plain integers.
        let header = unsafe { &*module.as_ptr().cast::<LibosHeader>() };
        assert!(header.magic == LIBOS_MAGIC && header.base as usize == LIBOS_BASE, "not a library OS of this format");
        let first = module.as_ptr() as usize + PAGE_SIZE;
        for segment in header.segments.iter().filter(|segment| segment.pages > 0) {
            let offset = segment.page as usize * PAGE_SIZE;
            let (source, target) = (first + offset, LIBOS_BASE + offset);
            let rights = Rights::from_bits_truncate(segment.rights);
            let mapped = if rights.contains(Rights::WRITE) {
                let (source, target, mode) = (source as u64, target as u64, CloneMode::Copy as u64);
                exo::page_clone(self.env, &[CloneRange { source, target, pages: segment.pages, mode }])
            } else {
                exo::page_map(self.env, target, source, segment.pages as usize, rights)
            };
            mapped.expect("memory for the library OS");
        }
        header.entry
    }

    /// Hand pages over for good, and the charge for them.
    fn hand_over(&mut self, target: usize, source: usize, count: usize, rights: Rights) {
        let mut done = 0;
        while done < count {
            let batch = (count - done).min(abi::BATCH_PAGES);
            let (target, source) = (target + done * PAGE_SIZE, source + done * PAGE_SIZE);
            exo::page_map(self.env, target, source, batch, rights).expect("memory for the process");
            // SAFETY: what is handed over is not used here afterwards.
            unsafe { exo::page_unmap(EnvId::SELF, source, batch) }.expect("they were mapped");
            let quota = entry(self.env).quota as usize + batch;
            exo::env_quota(self.env, quota).expect("as many frames as were just given up");
            done += batch;
        }
    }

    /// Fresh zeroed pages here, for the process.
    fn fresh(&mut self, count: usize) -> usize {
        let address = self.scratch;
        exo::page_alloc(address, count, Rights::READ_WRITE, None).expect("memory for the start block");
        self.scratch += (count + 1) * PAGE_SIZE;
        address
    }

    /// The start block, behind it standard input, and the initramfs.
    fn start_block(&mut self) {
        let command = image::module("command").unwrap_or_default();
        let initramfs = image::module("initramfs").unwrap_or_default();
        let input = image::module("stdin").unwrap_or_default();
        let libos = image::module("libos").unwrap_or_default();
        let block = size_of::<Start>() + command.len();
        let input_base = START_BASE + (pages(block) + 1) * PAGE_SIZE;
        let start = Start {
            magic: START_MAGIC,
            initramfs_address: INITRAMFS_BASE as u64,
            initramfs_length: initramfs.len() as u64,
            command_address: (START_BASE + size_of::<Start>()) as u64,
            command_length: command.len() as u64,
            libos_pages: pages(libos.len()) as u64 - 1,
            input_address: input_base as u64,
            input_length: input.len() as u64,
        };
        let address = self.fresh(pages(block));
        // SAFETY: the pages were just mapped, and are large enough for both.
        unsafe {
            (address as *mut Start).write(start);
            let rest = (address + size_of::<Start>()) as *mut u8;
            rest.copy_from_nonoverlapping(command.as_ptr(), command.len());
        }
        self.hand_over(START_BASE, address, pages(block), Rights::READ_ONLY);
        self.hand_over(input_base, input.as_ptr() as usize, pages(input.len()), Rights::READ_ONLY);
        self.hand_over(INITRAMFS_BASE, initramfs.as_ptr() as usize, pages(initramfs.len()), Rights::READ_ONLY);
    }

    fn stack(&mut self) {
        let address = self.fresh(pages(STACK_BYTES));
        self.hand_over(STACK_BASE, address, pages(STACK_BYTES), Rights::READ_WRITE);
    }

    /// Start it: a context, all slices that init does not use, and the console's interrupt.
    fn run(&mut self, entry_point: u64) {
        let index = exo::context_create(self.env).expect("its first context");
        let registers = Registers { pc: entry_point, sp: (STACK_BASE + STACK_BYTES) as u64, ..Registers::default() };
        exo::context_set(self.env, index, Some(&registers), RunState::Runnable).expect("it is stopped");
        exo::slice_set(0, 1, self.env, index).expect("init owns all slots");
        let _ = exo::irq_bind(info().console_irq as usize, self.env);
    }
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
