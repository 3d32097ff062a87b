//! The board: what the device tree says is there, the console, the clock chip, the ways to stop.
use core::arch::asm;
use core::fmt::Write;
use core::panic::PanicInfo;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use aarch64_cpu::registers::{CNTFRQ_EL0, ELR_EL1, ESR_EL1, FAR_EL1, Readable};
use arm_gic::UniqueMmioPointer;
use arm_pl011_uart::{DataBits, Interrupts, LineConfig, PL011Registers, Parity, StopBits, Uart};
use dtoolkit::fdt::Fdt;

use super::gic::Gic;
use super::memory::{direct, forget_identity, frames, image_frames, map_device, map_memory};
use super::tree::{self, windows};
use super::{Native, cpu};
use crate::{Board, Boot, EXIT_PANIC, Interrupt};

/// The serial line. QEMU's PL011 has a clock of 24 MHz, and no line that would mind the rate.
const LINE: LineConfig = LineConfig { data_bits: DataBits::Bits8, parity: Parity::None, stop_bits: StopBits::One };
const BITS_PER_SECOND: u32 = 115_200;
const UART_HZ: u32 = 24_000_000;

unsafe extern "Rust" {
    /// The kernel, above the machine border.
    fn kernel_main(machine: Native, boot: Boot) -> !;
}

/// The PL011's registers, once known.
static CONSOLE: AtomicPtr<PL011Registers> = AtomicPtr::new(core::ptr::null_mut());
/// Whether PSCI is called by `smc`.
static FIRMWARE_BY_SMC: AtomicBool = AtomicBool::new(false);
/// Whether semihosting was asked to stop the machine: if that comes back as an exception, nobody serves it.
static STOPPING: AtomicBool = AtomicBool::new(false);

/// The PL011 as it is, once known.
fn console() -> Option<Uart<'static>> {
    let registers = NonNull::new(CONSOLE.load(Ordering::Relaxed))?;
    // SAFETY: the device tree says that the registers are a PL011's; they are mapped as device memory. There are two drivers at most, this
    // machine's and the panic's, which is the last.
    Some(Uart::new(unsafe { UniqueMmioPointer::new(registers) }))
}

impl Board for Native {
    fn frame(&self, frame: u64) -> *mut u8 {
        direct(frame << 12)
    }

    unsafe fn zero_frame(&self, frame: u64) {
        let block: usize;
        // SAFETY: reads the size of what `dc zva` zeroes, in words, as a power of two.
        unsafe { asm!("mrs {}, dczid_el0", out(reg) block, options(nomem, nostack)) };
        for at in (0..abi::PAGE_SIZE).step_by(4 << (block & 0xf)) {
            // SAFETY: the caller's promise; the block is in the frame.
            unsafe { asm!("dc zva, {}", in(reg) self.frame(frame).wrapping_add(at), options(nostack)) };
        }
    }

    // The core library's loop loads and stores eight bytes at a time.
    unsafe fn copy_frame(&self, from: u64, to: u64) {
        // SAFETY: the caller's promise. Four rounds of 32 times 32 bytes are a frame; the vector registers are user mode's, and get back what was
        // in them.
        unsafe {
            asm!(
                ".arch_extension simd",
                "stp q0, q1, [sp, #-32]!",
                "2: .irp at, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31",
                "ldp q0, q1, [{from}, #(\\at * 32)]",
                "stp q0, q1, [{to}, #(\\at * 32)]",
                ".endr",
                "add {from}, {from}, #1024",
                "add {to}, {to}, #1024",
                "subs {rounds:w}, {rounds:w}, #1",
                "b.ne 2b",
                "ldp q0, q1, [sp], #32",
                ".arch_extension nofp",
                from = inout(reg) self.frame(from) => _, to = inout(reg) self.frame(to) => _, rounds = inout(reg) 4 => _,
            );
        }
    }

    fn interrupt(&mut self) -> Option<Interrupt> {
        self.gic.take()
    }

    fn open(&mut self, irq: usize, open: bool) {
        self.gic.enable(irq, open);
    }

    fn put(&mut self, byte: u8) {
        while self.console.is_tx_fifo_full() {}
        self.console.write_word(byte);
    }

    fn get(&mut self) -> Option<u8> {
        self.console.read_word().ok().flatten()
    }

    fn exit(&mut self, code: u8) -> ! {
        stop(code)
    }
}

impl Native {
    /// Print why the kernel gave up, and stop.
    pub fn panic(info: &PanicInfo<'_>) -> ! {
        let _ = console().map(|mut console| writeln!(console, "\n{info}"));
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
    let device = tree::devices(tree, "arm,pl011").next().expect("a PL011 in the device tree");
    CONSOLE.store(map_device(windows(device).next().expect("registers of the PL011")).cast(), Ordering::Relaxed);
    let mut console = console().expect("just stored");
    console.enable(LINE, BITS_PER_SECOND, UART_HZ).expect("a rate that the UART's clock can be divided to");
    // For input, full enough or waiting for long enough.
    console.set_interrupt_masks(Interrupts::RXI | Interrupts::RTI);
    // The PL031 (DDI 0224), whose first register counts the seconds since 1970.
    let clock_chip = tree::devices(tree, "arm,pl031").flat_map(windows).next().map(map_device);
    // SAFETY: the device tree says that it is there; reading has no effect.
    let seconds = clock_chip.map_or(0, |registers| unsafe { registers.cast::<u32>().read_volatile() });
    let mut boot = Boot { clock_hz: CNTFRQ_EL0.get(), unix_ns: u64::from(seconds) * 1_000_000_000, ..Boot::default() };
    boot.console_irq = tree::interrupt(device).unwrap_or(0);
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
    unsafe { kernel_main(Native { gic, vectors: core::ptr::null(), console }, boot) }
}
