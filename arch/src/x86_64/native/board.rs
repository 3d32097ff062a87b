//! The devices that the kernel cannot do without.

use core::arch::asm;
use core::fmt::Write;
use core::panic::PanicInfo;

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

impl Board for Native {
    #[inline]
    fn frame(&self, frame: u64) -> *mut u8 {
        memory::direct(frame << 12)
    }

    // The core library's way is a string instruction, eight bytes a step.
    unsafe fn zero_frame(&self, frame: u64) {
        // SAFETY: the caller's promise. 32 rounds of 128 bytes are a frame; the vector register is user mode's, and gets back what was in it.
        unsafe {
            asm!(
                "sub rsp, 16",
                "movups [rsp], xmm0",
                "xorps xmm0, xmm0",
                "2: .irp at, 0, 16, 32, 48, 64, 80, 96, 112",
                "movaps [{0} + \\at], xmm0",
                ".endr",
                "add {0}, 128",
                "sub {1:e}, 1",
                "jne 2b",
                "movups xmm0, [rsp]",
                "add rsp, 16",
                inout(reg) self.frame(frame) => _, inout(reg) 32 => _,
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
