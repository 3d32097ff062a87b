//! A process, as it is made.

use abi::{CloneMode, CloneRange, EnvId, PAGE_SIZE, Privileges, Registers, Rights, RunState};
use exo::{
    image,
    libos_image::{LIBOS_MAGIC, LibosHeader},
    start::{INITRAMFS_BASE, LIBOS_BASE, STACK_BASE, STACK_BYTES, START_BASE, START_MAGIC, Start},
};

use crate::{entry, info};

/// Where pages are made that a process gets.
const SCRATCH: usize = 0x7b10_0000_0000;
/// Bytes of that for each.
const SCRATCH_BYTES: usize = 1 << 32;
/// What a process's own number is called in its environment.
const COPY: &[u8] = b"CHITIN_COPY=";

fn pages(bytes: usize) -> usize {
    bytes.div_ceil(PAGE_SIZE)
}

/// The process while it is being made.
pub struct Process {
    /// Its environment.
    pub env: EnvId,
    scratch: usize,
    copy: usize,
    copies: usize,
}

impl Process {
    /// An environment with nothing in it, for number `copy` of `copies`.
    pub fn new(quota: usize, copy: usize, copies: usize) -> Process {
        let env = exo::env_create(quota, Privileges::CONSOLE).expect("a child");
        Process { env, scratch: SCRATCH + copy * SCRATCH_BYTES, copy, copies }
    }

    /// Map the library OS's image; gives its entry point.
    pub fn libos(&mut self) -> u64 {
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

    /// Let the process have pages of a module, which all of them share: the last one takes them over.
    fn share(&mut self, target: usize, module: &'static [u8], rights: Rights) {
        let (source, count) = (module.as_ptr() as usize, pages(module.len()));
        if self.copy + 1 == self.copies {
            self.hand_over(target, source, count, rights);
        } else {
            exo::page_map(self.env, target, source, count, rights).expect("memory for the process");
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
    pub fn start_block(&mut self) {
        let command = image::module("command").unwrap_or_default();
        let initramfs = image::module("initramfs").unwrap_or_default();
        let input = image::module("stdin").unwrap_or_default();
        let libos = image::module("libos").unwrap_or_default();
        let block = size_of::<Start>() + command.len();
        // One more variable may follow the command, with a number of at most two digits.
        let block_pages = pages(block + COPY.len() + 3);
        let input_base = START_BASE + (block_pages + 1) * PAGE_SIZE;
        let address = self.fresh(block_pages);
        // SAFETY: the pages were just mapped, zeroed, and are nobody else's yet.
        let bytes = unsafe { core::slice::from_raw_parts_mut(address as *mut u8, block_pages * PAGE_SIZE) };
        bytes[size_of::<Start>()..block].copy_from_slice(command);
        let variable = if self.copies > 1 { self.number(&mut bytes[size_of::<Start>()..], command.len()) } else { 0 };
        let start = Start {
            magic: START_MAGIC,
            initramfs_address: INITRAMFS_BASE as u64,
            initramfs_length: initramfs.len() as u64,
            command_address: (START_BASE + size_of::<Start>()) as u64,
            command_length: (command.len() + variable) as u64,
            libos_pages: pages(libos.len()) as u64 - 1,
            input_address: input_base as u64,
            input_length: input.len() as u64,
        };
        // SAFETY: the block begins with room for it, at a page boundary.
        unsafe { (address as *mut Start).write(start) };
        self.hand_over(START_BASE, address, block_pages, Rights::READ_ONLY);
        // Files are mapped for programs as they lie there: never to be written, but maybe to be executed.
        let file = Rights::READ_ONLY | Rights::MAY_EXECUTE;
        self.share(input_base, input, file);
        self.share(INITRAMFS_BASE, initramfs, file);
    }

    /// Add the process's number to the environment strings of a command block of `length` bytes; gives how many bytes that took.
    fn number(&self, command: &mut [u8], length: usize) -> usize {
        const VARIABLES: core::ops::Range<usize> = 4..8;
        let count = u32::from_le_bytes(command[VARIABLES].try_into().expect("four bytes")) + 1;
        command[VARIABLES].copy_from_slice(&count.to_le_bytes());
        let digits = [b'0' + (self.copy / 10) as u8, b'0' + (self.copy % 10) as u8, 0];
        let digits = if self.copy < 10 { &digits[1..] } else { &digits };
        command[length..][..COPY.len()].copy_from_slice(COPY);
        command[length + COPY.len()..][..digits.len()].copy_from_slice(digits);
        COPY.len() + digits.len()
    }

    /// The library OS's first stack.
    pub fn stack(&mut self) {
        let address = self.fresh(pages(STACK_BYTES));
        self.hand_over(STACK_BASE, address, pages(STACK_BYTES), Rights::READ_WRITE);
    }

    /// Start it: a context, a slot of the CPU's vector, and the console's interrupt for the first.
    pub fn run(&mut self, entry_point: u64) {
        let index = exo::context_create(self.env).expect("its first context");
        let registers = Registers { pc: entry_point, sp: (STACK_BASE + STACK_BYTES) as u64, ..Registers::default() };
        exo::context_set(self.env, index, Some(&registers), RunState::Runnable).expect("it is stopped");
        exo::slice_set(0, 1 + self.copy, self.env, index).expect("init owns all slots");
        if self.copy == 0 {
            let _ = exo::irq_bind(info().console_irq as usize, self.env);
        }
    }
}
