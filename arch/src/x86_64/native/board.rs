//! The devices that the kernel cannot do without.

use core::arch::asm;
use core::fmt::Write;
use core::panic::PanicInfo;

use abi::PAGE_SIZE;
use uart_16550::{Config, Uart16550, Uart16550Tty, backend::PioBackend, spec::registers::IER};
use x86_64::instructions::{hlt, interrupts, port::Port};

use super::context::FIRST_INTERRUPT;
use super::{apic, cpu::Native, memory};
use crate::{Board, EXIT_PANIC, Interrupt};

const COM1: u16 = 0x3f8;
/// I/O APIC input of COM1.
pub(super) const CONSOLE_IRQ: usize = 4;
/// Where the build tool has QEMU put `isa-debug-exit` and `isa-debugcon`.
const DEBUG_EXIT: u16 = 0xf4;
const DEBUG_CONSOLE: u16 = 0xe9;

/// COM1 as it is.
fn com1() -> Uart16550<PioBackend> {
    // SAFETY: the PC's first serial port, which the kernel alone uses.
    unsafe { Uart16550::new_port(COM1) }.expect("a valid port number")
}

/// COM1, set up to interrupt when it has a byte.
pub(super) fn console() -> Uart16550<PioBackend> {
    let mut console = com1();
    // Where there is no port, bytes go nowhere: that is no reason to stop.
    let _ = console.init(Config { interrupts: IER::DATA_READY, ..Config::DEFAULT });
    console
}

fn exit(code: u8) -> ! {
    // SAFETY: ports of QEMU's debug devices; where they are absent a write does nothing.
    unsafe {
        // `isa-debug-exit` can only say (code << 1 | 1): the whole code goes to the debug console first.
        Port::new(DEBUG_CONSOLE).write(code);
        Port::new(DEBUG_EXIT).write(u32::from(code));
    }
    interrupts::disable();
    loop {
        hlt();
    }
}

/// Do `$step` for each 32 bytes of frames: those at {0} + \at from the ends that the operands are; or, on a CPU without AVX, `$otherwise`: the
/// core library's string instructions, eight bytes a step. The vector register is user mode's, and gets back what was in it.
macro_rules! by_width {
    ($machine:ident, $otherwise:expr, $first:literal, $step:literal, $($end:tt)*) => {
        match $machine.has_avx {
            false => $otherwise,
            true => asm!(
                "sub rsp, 32",
                "vmovups [rsp], ymm0",
                $first,
                "2: .irp at, 0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448, 480",
                $step,
                ".endr",
                "add {0}, 512",
                "jne 2b",
                "vmovups ymm0, [rsp]",
                "add rsp, 32",
                inout(reg) -(PAGE_SIZE as isize) => _, $($end)*
            ),
        }
    };
}

impl Board for Native {
    fn frame(&self, frame: u64) -> *mut u8 {
        memory::direct(frame << 12)
    }

    unsafe fn zero_frame(&self, frame: u64) {
        let to = self.frame(frame);
        // SAFETY: the caller's promise.
        unsafe {
            by_width!(self, to.write_bytes(0, PAGE_SIZE), "vxorps ymm0, ymm0, ymm0", "vmovaps [{1} + {0} + \\at], ymm0", in(reg) to.add(PAGE_SIZE))
        };
    }

    unsafe fn copy_frame(&self, from: u64, to: u64) {
        let (from, to) = (self.frame(from), self.frame(to));
        // SAFETY: the caller's promise; what is nobody else's is not `from`.
        unsafe {
            by_width!(
                self, to.copy_from_nonoverlapping(from, PAGE_SIZE), "",
                "vmovaps ymm0, [{1} + {0} + \\at]; vmovaps [{2} + {0} + \\at], ymm0",
                in(reg) from.add(PAGE_SIZE), in(reg) to.add(PAGE_SIZE)
            );
        }
    }

    fn interrupt(&mut self) -> Option<Interrupt> {
        let interrupt = match self.cpu.pending.take() {
            0 | apic::SPURIOUS => return None,
            apic::TIMER => Interrupt::Timer,
            vector => {
                let input = (vector - FIRST_INTERRUPT) as usize;
                apic::set_input(input, false);
                Interrupt::Device(input)
            }
        };
        apic::end_of_interrupt();
        Some(interrupt)
    }

    fn open(&mut self, irq: usize, open: bool) {
        apic::set_input(irq, open);
    }

    fn put(&mut self, byte: u8) {
        self.console.send_bytes_exact(&[byte]);
    }

    fn get(&mut self) -> Option<u8> {
        self.console.try_receive_byte().ok()
    }

    fn exit(&mut self, code: u8) -> ! {
        exit(code)
    }
}

impl Native {
    /// Say what is broken, and stop.
    pub fn panic(info: &PanicInfo) -> ! {
        let _ = writeln!(Uart16550Tty::from_inner(com1()), "\nkernel {info}");
        exit(EXIT_PANIC)
    }
}
