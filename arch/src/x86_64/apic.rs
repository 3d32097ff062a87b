//! The interrupt controllers (Intel SDM volume 3, chapter 12; 82093AA I/O APIC data sheet).
//!
//! Every I/O APIC input `n` has vector 32 + n, masked until asked for, level-triggered and active-high. That is how QEMU's devices drive
//! their lines, and with level triggering an interrupt that comes while its input is masked is not lost.

use x86_64::instructions::port::Port;

use super::context::FIRST_INTERRUPT;
use super::entry::VECTORS;
use super::memory::direct;

/// Physical address of the local APIC, and of the I/O APICs with their first input. The second is `microvm`'s.
pub(super) const LOCAL_APIC: u64 = 0xfee0_0000;
pub(super) const IO_APICS: [(u64, usize); 2] = [(0xfec0_0000, 0), (0xfec1_0000, 24)];

pub(super) const TIMER: u64 = VECTORS as u64 - 2;
/// Has its low four bits set, as early local APICs want it.
pub(super) const SPURIOUS: u64 = VECTORS as u64 - 1;
const INPUTS: usize = (TIMER - FIRST_INTERRUPT) as usize;

const TASK_PRIORITY: u64 = 0x80;
const END_OF_INTERRUPT: u64 = 0xb0;
const SPURIOUS_VECTOR: u64 = 0xf0;
const LVT_TIMER: u64 = 0x320;
const LVT_LINT0: u64 = 0x350;
const INITIAL_COUNT: u64 = 0x380;
const CURRENT_COUNT: u64 = 0x390;
const DIVIDE: u64 = 0x3e0;

const SOFTWARE_ENABLE: u32 = 1 << 8;
const DIVIDE_BY_1: u32 = 0b1011;
const MASKED: u32 = 1 << 16;
const LEVEL: u32 = 1 << 15;

fn local(register: u64) -> *mut u32 {
    direct(LOCAL_APIC + register).cast()
}

fn write(register: u64, value: u32) {
    // SAFETY: a register of the local APIC, mapped uncached; the kernel alone uses it.
    unsafe { local(register).write_volatile(value) }
}

/// Silence the 8259s, turn on the local APIC and mask every I/O APIC input.
pub(super) fn init() {
    for port in [0x21, 0xa1] {
        // SAFETY: the interrupt mask registers of the two 8259s; a write where there is none does nothing.
        unsafe { Port::<u8>::new(port).write(0xff) };
    }
    write(SPURIOUS_VECTOR, SOFTWARE_ENABLE | SPURIOUS as u32);
    write(TASK_PRIORITY, 0);
    write(LVT_LINT0, MASKED);
    write(LVT_TIMER, TIMER as u32);
    write(DIVIDE, DIVIDE_BY_1);
    for input in 0..INPUTS {
        set_input(input, false);
    }
}

/// An interrupt has been dealt with.
pub(super) fn end_of_interrupt() {
    write(END_OF_INTERRUPT, 0);
}

/// Start the one-shot timer; 0 stops it.
pub(super) fn set_timer(count: u32) {
    write(INITIAL_COUNT, count);
}

/// What is left of the timer's count.
pub(super) fn timer_left() -> u32 {
    // SAFETY: as in `write`.
    unsafe { local(CURRENT_COUNT).read_volatile() }
}

/// Let an input's interrupt come, or not. One that no I/O APIC has does nothing.
pub(super) fn set_input(input: usize, open: bool) {
    const VERSION: u32 = 1;
    const REDIRECTION: u32 = 0x10;
    for (address, first) in IO_APICS {
        let Some(pin) = input.checked_sub(first).filter(|_| input < INPUTS) else { continue };
        let version = io(address, VERSION, None);
        // Where there is no I/O APIC, a read gives all zeros or all ones.
        if version != 0 && version != u32::MAX && pin <= (version >> 16 & 0xff) as usize {
            let low = (FIRST_INTERRUPT as usize + input) as u32 | LEVEL | if open { 0 } else { MASKED };
            // The destination, in the high half, is the local APIC with identifier 0: the first CPU's.
            io(address, REDIRECTION + 2 * pin as u32 + 1, Some(0));
            io(address, REDIRECTION + 2 * pin as u32, Some(low));
        }
    }
}

/// Write or read an I/O APIC's register.
fn io(address: u64, register: u32, value: Option<u32>) -> u32 {
    let select: *mut u32 = direct(address).cast();
    let window: *mut u32 = direct(address + 0x10).cast();
    // SAFETY: the two registers of an I/O APIC, or of nothing, mapped uncached; the kernel alone uses them.
    unsafe {
        select.write_volatile(register);
        match value {
            Some(value) => window.write_volatile(value),
            None => return window.read_volatile(),
        }
    }
    0
}
