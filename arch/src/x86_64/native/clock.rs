//! How fast the clocks run, and what time it is.

use time::{Date, Month};
use x86_64::instructions::port::Port;

use super::apic;

/// Input clock of the 8254 interval timer, in Hz.
const PIT_HZ: u64 = 1_193_182;
/// The local APIC's clock under QEMU, in Hz, divided by one; believed only where there is no PIT.
const QEMU_APIC_HZ: u64 = 1_000_000_000;
/// Reads without any change after which there is no PIT.
const PATIENCE: u32 = 100_000;
/// Ticks of which the one that is known best counts. The first reads are slow, as an emulator has yet to translate them.
const TRIES: u32 = 16;
/// How many times longer than what is not known of its ends a measurement is.
const PRECISION: u64 = 8192;
/// Two measurements agree that are so small a part apart.
const AGREEMENT: u64 = 1024;

/// How fast the counter runs, and the APIC timer against it.
#[derive(Clone, Copy)]
pub(super) struct Rates {
    /// TSC ticks per second.
    pub(super) counter_hz: u64,
    /// APIC timer ticks per TSC tick, with 32 fraction bits.
    timer_ratio: u64,
}

/// The TSC.
pub(super) fn counter() -> u64 {
    // SAFETY: every 64-bit CPU has a TSC, and the kernel may always read it.
    unsafe { core::arch::x86_64::_rdtsc() }
}

impl Rates {
    /// Measure the TSC and the APIC timer against the PIT, or, where there is none, the TSC against the APIC timer.
    pub(super) fn measure() -> Self {
        start_pit();
        let has_pit = (0..PATIENCE).any(|_| pit_ticks() > 0);
        let (hz, ticks): (u64, &dyn Fn() -> u64) = if has_pit { (PIT_HZ, &pit_ticks) } else { (QEMU_APIC_HZ, &apic::timer_ticks) };
        // The beginning of a tick, known as well as two reads are near. An emulator may lose the host's CPU between them: of some the
        // nearest count.
        let sample = || {
            let begin = |last| core::iter::repeat_with(|| (counter(), ticks(), apic::timer_ticks(), counter())).find(|read| read.1 != last);
            (0..TRIES).filter_map(|_| begin(ticks())).min_by_key(|(before, .., after)| after - before).expect("time passes")
        };
        // As long as it takes to be precise, and no longer than 10 ms.
        let measure = || {
            apic::set_timer(u32::MAX);
            start_pit();
            let first = sample();
            let known = |last: &(u64, u64, u64, u64)| last.0 - first.0 > PRECISION * (first.3 - first.0 + last.3 - last.0);
            let mut samples = core::iter::repeat_with(sample).filter(|last| last.1 > first.1);
            let last = samples.find(|last| known(last) || last.1 > hz / 100).expect("time passes");
            let [counters, ticks, timers] = [last.0 - first.0, last.1 - first.1, last.2 - first.2];
            let counter_hz = u128::from(counters) * u128::from(hz) / u128::from(ticks);
            Rates { counter_hz: counter_hz as u64, timer_ratio: (timers << 32) / counters }
        };
        // Until two agree: meanwhile the host's CPU may have been away for so long that the PIT began anew.
        let mut rates = [measure(), measure()];
        while rates[0].counter_hz.abs_diff(rates[1].counter_hz) > rates[1].counter_hz / AGREEMENT {
            rates = [rates[1], measure()];
        }
        apic::set_timer(0);
        rates[1]
    }

    /// The APIC timer's count for a number of TSC ticks: rounded up, at least 1, at most what 32 bits can say.
    pub(super) fn timer_count(&self, ticks: u64) -> u32 {
        let count = (u128::from(ticks) * u128::from(self.timer_ratio)) >> 32;
        u32::try_from(count).map_or(u32::MAX, |count| count.saturating_add(1))
    }
}

/// The control port of the 8254, and channel 0. (`microvm` has no port 0x61, by which channel 2 would be read.)
const PIT: (Port<u8>, Port<u8>) = (Port::new(0x43), Port::new(0x40));

/// Let PIT channel 0 count down from 65535, once.
fn start_pit() {
    const CHANNEL_0_MODE_0: u8 = 0x30;
    let (mut control, mut channel) = PIT;
    // SAFETY: the kernel alone uses the PIT, and its interrupts go nowhere: the I/O APIC's input is masked. The low byte comes first.
    unsafe {
        control.write(CHANNEL_0_MODE_0);
        channel.write(0xff);
        channel.write(0xff);
    }
}

/// Ticks that PIT channel 0 has counted: 0 where there is none.
fn pit_ticks() -> u64 {
    const LATCH_CHANNEL_0: u8 = 0;
    let (mut control, mut channel) = PIT;
    // SAFETY: as in `start_pit`.
    let left = unsafe {
        control.write(LATCH_CHANNEL_0);
        u16::from_le_bytes([channel.read(), channel.read()])
    };
    u64::from(u16::MAX - left)
}

/// Nanoseconds since 1970 by the CMOS clock (MC146818A data sheet), taken to run in UTC and in this century; 0 if there is none.
pub(super) fn unix_ns() -> u64 {
    // A reading across an update is not like the one after it.
    let mut pairs = core::iter::repeat_with(|| (read_cmos(), read_cmos()));
    pairs.find(|(seconds, again)| seconds == again).map_or(0, |(seconds, _)| seconds * 1_000_000_000)
}

/// Seconds since 1970; 0 if the clock is absent, when reads give all ones, or does not count in BCD and 24 hours, as QEMU's does.
fn read_cmos() -> u64 {
    const BINARY_AND_24_HOURS: u8 = 0b110;
    const BCD_24_HOURS: u8 = 0b010;
    let read = |register: u8| {
        // SAFETY: the CMOS index and data ports, which the kernel alone uses; reading has no effect.
        unsafe {
            Port::<u8>::new(0x70).write(register);
            Port::<u8>::new(0x71).read()
        }
    };
    if read(0x0b) & BINARY_AND_24_HOURS != BCD_24_HOURS {
        return 0;
    }
    let [second, minute, hour, day, month, year] =
        [0x00, 0x02, 0x04, 0x07, 0x08, 0x09].map(read).map(|value| (value >> 4) * 10 + (value & 0xf));
    let date = Month::try_from(month).and_then(|month| Date::from_calendar_date(2000 + i32::from(year), month, day));
    date.and_then(|date| date.with_hms(hour, minute, second)).map_or(0, |time| time.assume_utc().unix_timestamp() as u64)
}
