//! The interrupt controllers (Intel SDM volume 3, chapter 12; 82093AA I/O APIC data sheet).
//!
//! Every I/O APIC input `n` has vector 32 + n, masked from reset until asked for, level-triggered and active-high. That is how QEMU's
//! devices drive their lines, and with level triggering an interrupt that comes while its input is masked is not lost. The 8259s, where
//! there are any, reach the CPU through LINT0 only, which is masked.

use super::context::FIRST_INTERRUPT;
use super::entry::VECTORS;
use super::memory::direct;

/// Physical address of the local APIC, and of the I/O APICs. The second is `microvm`'s; elsewhere nothing is there.
pub(super) const LOCAL_APIC: u64 = 0xfee0_0000;
pub(super) const IO_APICS: [u64; 2] = [0xfec0_0000, 0xfec1_0000];
/// Inputs of an I/O APIC.
const INPUTS: usize = 24;

pub(super) const TIMER: u64 = VECTORS as u64 - 2;
/// Has its low four bits set, as early local APICs want it.
pub(super) const SPURIOUS: u64 = VECTORS as u64 - 1;

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

fn write(register: u64, value: u32) {
    // SAFETY: a register of the local APIC, mapped uncached; the kernel alone uses it.
    unsafe { direct(LOCAL_APIC + register).cast::<u32>().write_volatile(value) }
}

/// Turn on the local APIC, and make all inputs level-triggered: before the devices start, whose lines would else go up unseen.
pub(super) fn init() {
    (0..INPUTS * IO_APICS.len()).for_each(|input| set_input(input, false));
    // In this order: a tick of the firmware's timer may be waiting, and the local APIC looks at what waits when it is turned on.
    write(LVT_LINT0, MASKED);
    write(SPURIOUS_VECTOR, SOFTWARE_ENABLE | SPURIOUS as u32);
    write(LVT_TIMER, TIMER as u32);
    write(DIVIDE, DIVIDE_BY_1);
}

/// An interrupt has been dealt with.
pub(super) fn end_of_interrupt() {
    write(END_OF_INTERRUPT, 0);
}

/// Start the one-shot timer; 0 stops it.
pub(super) fn set_timer(count: u32) {
    write(INITIAL_COUNT, count);
}

/// Ticks of the timer since it was set to its most.
pub(super) fn timer_ticks() -> u64 {
    // SAFETY: as in `write`.
    u64::from(u32::MAX - unsafe { direct(LOCAL_APIC + CURRENT_COUNT).cast::<u32>().read_volatile() })
}

/// Let an input's interrupt come, or not. One that no I/O APIC has does nothing.
pub(super) fn set_input(input: usize, open: bool) {
    const REDIRECTION: usize = 0x10;
    let Some(&address) = IO_APICS.get(input / INPUTS) else { return };
    let register = (REDIRECTION + input % INPUTS * 2) as u32;
    let low = (FIRST_INTERRUPT as usize + input) as u32 | LEVEL | if open { 0 } else { MASKED };
    // The destination, in the high half, is the local APIC with identifier 0: the first CPU's.
    for (register, value) in [(register + 1, 0), (register, low)] {
        // SAFETY: the select and window registers of an I/O APIC, or of nothing, mapped uncached; the kernel alone uses them.
        unsafe {
            direct(address).cast::<u32>().write_volatile(register);
            direct(address + 0x10).cast::<u32>().write_volatile(value);
        }
    }
}
