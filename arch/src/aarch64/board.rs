//! The board: what the device tree says is there, the console, the clock chip, the ways to stop.

use core::arch::asm;
use core::fmt::{self, Write};
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use aarch64_cpu::registers::{CNTFRQ_EL0, ELR_EL1, ESR_EL1, FAR_EL1, Readable};

use super::gic::Gic;
use super::memory::{self, direct, map_device};
use super::tree::{Tree, interrupt, window};
use super::{Native, cpu};
use crate::{Board, Boot, Exit, FrameRange, Interrupt};

unsafe extern "Rust" {
    /// The kernel, above the machine border.
    fn kernel_main(machine: Native, boot: Boot) -> !;
}

/// Address of the PL011's registers, once known.
static CONSOLE: AtomicUsize = AtomicUsize::new(0);
/// Whether PSCI is called by `smc`.
static FIRMWARE_BY_SMC: AtomicBool = AtomicBool::new(false);
/// Whether semihosting was asked to stop the machine: if that comes back as an exception, nobody serves it.
static STOPPING: AtomicBool = AtomicBool::new(false);

/// The PL011 (Arm PrimeCell UART, DDI 0183): registers, as offsets in bytes.
struct Console;

impl Console {
    const DATA: usize = 0x00;
    const FLAGS: usize = 0x18;

    fn register(offset: usize) -> *mut u32 {
        core::ptr::with_exposed_provenance_mut(CONSOLE.load(Ordering::Relaxed) + offset)
    }

    fn read(offset: usize) -> u32 {
        // SAFETY: the register is one of the PL011's, in the direct map; reading has no effect on memory.
        unsafe { Self::register(offset).read_volatile() }
    }

    fn write(offset: usize, value: u32) {
        // SAFETY: as above; the PL011 does no DMA, since its DMA control stays off.
        unsafe { Self::register(offset).write_volatile(value) };
    }

    /// LCR_H: 8 bits, FIFOs on. CR: sending and receiving on. IMSC: an interrupt for input, full enough or waiting for long enough.
    fn init(registers: *mut u8) {
        CONSOLE.store(registers.expose_provenance(), Ordering::Relaxed);
        for (offset, value) in [(0x2c, 0b11 << 5 | 1 << 4), (0x30, 1 << 9 | 1 << 8 | 1), (0x38, 1 << 6 | 1 << 4)] {
            Self::write(offset, value);
        }
    }

    fn put(byte: u8) {
        // TXFF: the FIFO is full.
        while Self::read(Self::FLAGS) >> 5 & 1 == 1 {}
        Self::write(Self::DATA, u32::from(byte));
    }

    fn get() -> Option<u8> {
        // RXFE: the FIFO is empty.
        (Self::read(Self::FLAGS) >> 4 & 1 == 0).then(|| Self::read(Self::DATA) as u8)
    }
}

impl Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if CONSOLE.load(Ordering::Relaxed) != 0 {
            text.bytes().for_each(Console::put);
        }
        Ok(())
    }
}

impl Board for Native {
    fn frame(&self, frame: u64) -> *mut u8 {
        direct(frame << 12)
    }

    fn interrupt(&mut self) -> Option<Interrupt> {
        self.gic.take()
    }

    fn unmask(&mut self, irq: usize) {
        self.gic.enable(irq, true);
    }

    fn mask(&mut self, irq: usize) {
        self.gic.enable(irq, false);
    }

    fn put(&mut self, byte: u8) {
        Console::put(byte);
    }

    fn get(&mut self) -> Option<u8> {
        Console::get()
    }

    fn exit(&mut self, exit: Exit) -> ! {
        stop(exit)
    }
}

impl Native {
    /// Print why the kernel gave up, and stop.
    pub fn panic(info: &PanicInfo<'_>) -> ! {
        let _ = writeln!(Console, "\n{info}");
        stop(Exit::Panic)
    }
}

/// Print what the kernel did wrong, and stop: the end of every exception that is not user mode's.
pub(super) extern "C" fn report_broken() -> ! {
    if STOPPING.load(Ordering::Relaxed) {
        power_off()
    }
    let (syndrome, pc, address) = (ESR_EL1.get(), ELR_EL1.get(), FAR_EL1.get());
    let _ = writeln!(Console, "\nkernel exception: ESR {syndrome:#x} ELR {pc:#x} FAR {address:#x}");
    stop(Exit::Panic)
}

/// Stop by semihosting (Arm Semihosting for AArch32 and AArch64, SYS_EXIT), which brings the code to the emulator's caller. Without it
/// `hlt` is an undefined instruction, and [`report_broken`] goes on.
fn stop(exit: Exit) -> ! {
    const SYS_EXIT: u64 = 0x18;
    const APPLICATION_EXIT: u64 = 0x2_0026;
    STOPPING.store(true, Ordering::Relaxed);
    let block = [APPLICATION_EXIT, u64::from(exit.code())];
    // SAFETY: the emulator reads the block and does not come back.
    unsafe { asm!("hlt #0xf000", in("x0") SYS_EXIT, in("x1") &raw const block) };
    power_off()
}

/// Stop by firmware (PSCI, DEN 0022, SYSTEM_OFF), which knows no codes.
fn power_off() -> ! {
    const SYSTEM_OFF: u64 = 0x8400_0008;
    let by_smc = u32::from(FIRMWARE_BY_SMC.load(Ordering::Relaxed));
    loop {
        // SAFETY: firmware does not come back; if it is not there, this loop is as good an end as any.
        unsafe { asm!("cbz {0:w}, 2f", "smc #0", "2: hvc #0", "wfi", in(reg) by_smc, inout("x0") SYSTEM_OFF => _) };
    }
}

/// The first Rust code: called on the boot stack with the physical addresses of the device tree and of the image, the identity map in place.
pub(super) extern "C" fn start(device_tree: u64, image: u64) -> ! {
    cpu::init();
    // SAFETY: the boot protocol says that it is there, and the identity map covers it; it is not used beyond this function.
    let tree = unsafe { Tree::new(core::ptr::without_provenance(device_tree as usize)) };
    FIRMWARE_BY_SMC.store(tree.firmware_by_smc(), Ordering::Relaxed);
    let console = tree.device("arm,pl011").expect("a PL011 in the device tree");
    let (address, size) = window(console, 0).expect("registers of the PL011");
    Console::init(map_device(image, address, size));
    let mut boot = Boot { clock_hz: CNTFRQ_EL0.get(), device_tree, ..Boot::default() };
    boot.console_irq = interrupt(console).unwrap_or(0);
    boot.unix_ns = clock_chip(tree, image);
    describe_memory(&mut boot, tree, image);
    for (address, size) in tree.devices("virtio,mmio").filter_map(|device| window(device, 0)) {
        add_device(&mut boot, frames(address, size));
    }
    let machine = Native { gic: Gic::new(tree, image), empty_root: memory::forget_identity(image) };
    // SAFETY: the binary defines it with this signature; this is its one call.
    unsafe { kernel_main(machine, boot) }
}

/// Nanoseconds since 1970 by the PL031 (DDI 0224), whose first register counts seconds; 0 without one.
fn clock_chip(tree: Tree<'_>, image: u64) -> u64 {
    let Some((address, size)) = tree.device("arm,pl031").and_then(|chip| window(chip, 0)) else { return 0 };
    // SAFETY: the device tree says that it is there; reading has no effect.
    let seconds = unsafe { map_device(image, address, size).cast::<u32>().read_volatile() };
    u64::from(seconds) * 1_000_000_000
}

/// Map RAM; note what is taken and where the boot image is.
fn describe_memory(boot: &mut Boot, tree: Tree<'_>, image: u64) {
    boot.memory.extend(tree.memory().map(|(start, size)| memory::map_memory(image, start, size)).filter(|range| range.count > 0));
    boot.reserved.push(memory::image_frames(image));
    boot.reserved.push(frames(boot.device_tree, tree.size()));
    boot.reserved.extend(tree.reserved().map(|(start, size)| frames(start, size)));
    if let Some((start, size)) = tree.initrd() {
        assert!(start.is_multiple_of(abi::PAGE_SIZE as u64), "the boot image is not at a page boundary");
        boot.image = frames(start, size);
    }
}

/// Add device frames to the list, joined with those that they touch.
fn add_device(boot: &mut Boot, new: FrameRange) {
    let touching = boot.devices.iter_mut().find(|old| new.first <= old.first + old.count && old.first <= new.first + new.count);
    match touching {
        Some(old) => {
            let end = (old.first + old.count).max(new.first + new.count);
            old.first = old.first.min(new.first);
            old.count = end - old.first;
        }
        None => boot.devices.push(new),
    }
}

/// The frames that a range of bytes touches.
fn frames(start: u64, size: u64) -> FrameRange {
    let first = start >> 12;
    FrameRange { first, count: (start + size).div_ceil(abi::PAGE_SIZE as u64) - first }
}
