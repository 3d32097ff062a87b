//! The board: what the device tree says is there, the console, the clock chip, the ways to stop.

use core::arch::asm;
use core::fmt::{self, Write};
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use aarch64_cpu::registers::{CNTFRQ_EL0, ELR_EL1, ESR_EL1, FAR_EL1, Readable};
use dtoolkit::fdt::Fdt;

use super::gic::Gic;
use super::memory::{direct, forget_identity, frames, image_frames, map_device, map_memory};
use super::tree::{self, windows};
use super::{Native, cpu};
use crate::{Board, Boot, EXIT_PANIC, Interrupt};

unsafe extern "Rust" {
    /// The kernel, above the machine border.
    fn kernel_main(machine: Native, boot: Boot) -> !;
}

/// The PL011's registers, once known.
static CONSOLE: AtomicPtr<u32> = AtomicPtr::new(core::ptr::null_mut());
/// Whether PSCI is called by `smc`.
static FIRMWARE_BY_SMC: AtomicBool = AtomicBool::new(false);
/// Whether semihosting was asked to stop the machine: if that comes back as an exception, nobody serves it.
static STOPPING: AtomicBool = AtomicBool::new(false);

/// The PL011 (Arm PrimeCell UART, DDI 0183): registers, as offsets in bytes.
struct Console;

impl Console {
    const DATA: usize = 0x00;
    const FLAGS: usize = 0x18;

    fn read(offset: usize) -> u32 {
        // SAFETY: the register is one of the PL011's, in the direct map; reading has no effect on memory.
        unsafe { CONSOLE.load(Ordering::Relaxed).byte_add(offset).read_volatile() }
    }

    fn write(offset: usize, value: u32) {
        // SAFETY: as above; the PL011 does no DMA, since its DMA control stays off.
        unsafe { CONSOLE.load(Ordering::Relaxed).byte_add(offset).write_volatile(value) };
    }

    /// LCR_H: 8 bits, FIFOs on. CR: sending and receiving on. IMSC: an interrupt for input, full enough or waiting for long enough.
    fn init(registers: *mut u8) {
        CONSOLE.store(registers.cast(), Ordering::Relaxed);
        for (offset, value) in [(0x2c, 0b11 << 5 | 1 << 4), (0x30, 1 << 9 | 1 << 8 | 1), (0x38, 1 << 6 | 1 << 4)] {
            Self::write(offset, value);
        }
    }

    fn put(byte: u8) {
        // TXFF: the FIFO is full.
        while Self::read(Self::FLAGS) >> 5 & 1 == 1 {}
        Self::write(Self::DATA, u32::from(byte));
    }
}

impl Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if !CONSOLE.load(Ordering::Relaxed).is_null() {
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
        // RXFE: the FIFO is empty.
        (Console::read(Console::FLAGS) >> 4 & 1 == 0).then(|| Console::read(Console::DATA) as u8)
    }

    fn exit(&mut self, code: u8) -> ! {
        stop(code)
    }
}

impl Native {
    /// Print why the kernel gave up, and stop.
    pub fn panic(info: &PanicInfo<'_>) -> ! {
        let _ = writeln!(Console, "\n{info}");
        stop(EXIT_PANIC)
    }
}

/// Print what the kernel did wrong, and stop: the end of every exception that is not user mode's.
pub(super) extern "C" fn report_broken() -> ! {
    if STOPPING.load(Ordering::Relaxed) {
        power_off()
    }
    panic!("kernel exception: ESR {:#x} ELR {:#x} FAR {:#x}", ESR_EL1.get(), ELR_EL1.get(), FAR_EL1.get())
}

/// Stop by semihosting (Arm Semihosting for AArch32 and AArch64, SYS_EXIT, 0x18), which brings the code to the emulator's caller. Without
/// it `hlt` is an undefined instruction, and [`report_broken`] goes on.
fn stop(code: u8) -> ! {
    STOPPING.store(true, Ordering::Relaxed);
    // ADP_Stopped_ApplicationExit and the code.
    let block = [0x2_0026, u64::from(code)];
    // SAFETY: the emulator reads the block and does not come back.
    unsafe { asm!("hlt #0xf000", in("x0") 0x18_u64, in("x1") &raw const block) };
    power_off()
}

/// Stop by firmware (PSCI, DEN 0022, SYSTEM_OFF, 0x8400_0008), which knows no codes.
fn power_off() -> ! {
    let by_smc = u32::from(FIRMWARE_BY_SMC.load(Ordering::Relaxed));
    loop {
        // SAFETY: firmware does not come back; if it is not there, this loop is as good an end as any.
        unsafe { asm!("cbz {0:w}, 2f", "smc #0", "2: hvc #0", "wfi", in(reg) by_smc, inout("x0") 0x8400_0008_u64 => _) };
    }
}

/// The first Rust code: called on the boot stack with the physical address of the device tree, the identity map in place.
pub(super) extern "C" fn start(device_tree: u64) -> ! {
    cpu::init();
    // SAFETY: the boot protocol says that it is there, and the identity map covers it; it is not used beyond this function.
    let tree = unsafe { Fdt::from_raw(core::ptr::without_provenance(device_tree as usize)) }.expect("no device tree");
    FIRMWARE_BY_SMC.store(tree::firmware_by_smc(tree), Ordering::Relaxed);
    let console = tree::devices(tree, "arm,pl011").next().expect("a PL011 in the device tree");
    Console::init(map_device(windows(console).next().expect("registers of the PL011")));
    // The PL031 (DDI 0224), whose first register counts the seconds since 1970.
    let clock_chip = tree::devices(tree, "arm,pl031").flat_map(windows).next().map(map_device);
    // SAFETY: the device tree says that it is there; reading has no effect.
    let seconds = clock_chip.map_or(0, |registers| unsafe { registers.cast::<u32>().read_volatile() });
    let mut boot = Boot { clock_hz: CNTFRQ_EL0.get(), unix_ns: u64::from(seconds) * 1_000_000_000, device_tree, ..Boot::default() };
    boot.console_irq = tree::interrupt(console).unwrap_or(0);
    boot.memory.extend(tree::memory(tree).map(map_memory).filter(|range| range.count > 0));
    boot.reserved.extend([image_frames(), frames((device_tree, tree.data().len() as u64))]);
    boot.reserved.extend(tree::reserved(tree).map(frames));
    let at_page =
        |(start, _): &(u64, u64)| assert!(start.is_multiple_of(abi::PAGE_SIZE as u64), "the boot image is not at a page boundary");
    boot.image = tree::initrd(tree).inspect(at_page).map(frames).unwrap_or_default();
    for device in tree::devices(tree, "virtio,mmio").flat_map(windows).map(frames) {
        // Several share a frame.
        let known = boot.devices.contains(&device);
        boot.devices.extend((!known).then_some(device));
    }
    let gic = Gic::new(tree);
    forget_identity();
    // SAFETY: the binary defines it with this signature; this is its one call.
    unsafe { kernel_main(Native { gic }, boot) }
}
