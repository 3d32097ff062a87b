//! How fast the clocks run, and what time it is.

use x86_64::instructions::port::Port;

use super::apic;

/// Input clock of the 8254 interval timer, in Hz.
const PIT_HZ: u64 = 1_193_182;
/// How long to measure: 10 ms.
const PIT_TICKS: u16 = (PIT_HZ / 100) as u16;
/// The local APIC's clock under QEMU, in Hz, divided by one; believed only where there is no PIT.
const QEMU_APIC_HZ: u64 = 1_000_000_000;
/// Reads without any change after which there is no PIT.
const PATIENCE: u32 = 100_000;
/// Reads of which the quickest counts.
const TRIES: u32 = 16;

/// How fast the counter runs, and the APIC timer against it.
#[derive(Clone, Copy)]
pub(super) struct Rates {
    /// TSC ticks per second.
    pub(super) counter_hz: u64,
    /// APIC timer ticks per TSC tick, with 32 fraction bits.
    timer_ratio: u64,
}

/// Both clocks at one moment.
#[derive(Clone, Copy)]
struct Sample {
    timer: u32,
    counter: u64,
}

impl Sample {
    fn now() -> Self {
        // SAFETY: every 64-bit CPU has a TSC.
        Sample { timer: apic::timer_left(), counter: unsafe { core::arch::x86_64::_rdtsc() } }
    }
}

/// Both clocks at the ends of `ticks` ticks of a clock of `hz` Hz.
struct Interval {
    start: Sample,
    end: Sample,
    ticks: u64,
    hz: u64,
}

impl Rates {
    /// Measure the TSC and the APIC timer against the PIT; or, where there is none, the TSC against the APIC timer.
    pub(super) fn measure() -> Self {
        apic::set_timer(u32::MAX);
        let Interval { start, end, ticks, hz } = pit_interval().unwrap_or_else(apic_interval);
        apic::set_timer(0);
        let counter = end.counter - start.counter;
        let timer = u64::from(start.timer - end.timer);
        Rates { counter_hz: (u128::from(counter) * u128::from(hz) / u128::from(ticks)) as u64, timer_ratio: (timer << 32) / counter }
    }

    /// The APIC timer's count for a number of TSC ticks: rounded up, at least 1, at most what 32 bits can say.
    pub(super) fn timer_count(&self, ticks: u64) -> u32 {
        let count = (u128::from(ticks) * u128::from(self.timer_ratio)) >> 32;
        u32::try_from(count).map_or(u32::MAX, |count| count.saturating_add(1))
    }
}

/// Count down on PIT channel 0. (`microvm` has no port 0x61, by which channel 2 would be read.)
fn pit_interval() -> Option<Interval> {
    const CHANNEL_0_MODE_0: u8 = 0x30;
    const LATCH_CHANNEL_0: u8 = 0;
    let control = |command: u8| {
        // SAFETY: the 8254's control port. Its interrupts go nowhere: the I/O APIC's input is masked.
        unsafe { Port::new(0x43).write(command) }
    };
    let mut channel = Port::<u8>::new(0x40);
    control(CHANNEL_0_MODE_0);
    // SAFETY: the port of channel 0, which takes the count's low byte first.
    unsafe { (0..2).for_each(|_| channel.write(0xff)) };
    let mut left = || {
        control(LATCH_CHANNEL_0);
        // SAFETY: as above, for the latched count.
        unsafe { u16::from_le_bytes([channel.read(), channel.read()]) }
    };
    // An emulator may lose the host's CPU between two reads: the quickest of some tries tells the clocks at the PIT's count best.
    let mut edge = |limit: u16| {
        (0..PATIENCE).find(|_| left() < limit)?;
        let tries = (0..TRIES).map(|_| (Sample::now(), left(), Sample::now()));
        tries.min_by_key(|(before, _, after)| after.counter - before.counter)
    };
    let (_, first, start) = edge(u16::MAX)?;
    let (_, last, end) = edge(first.checked_sub(PIT_TICKS)?)?;
    Some(Interval { start, end, ticks: u64::from(first.checked_sub(last)?), hz: PIT_HZ })
}

/// Wait for 10 ms of the APIC timer.
fn apic_interval() -> Interval {
    let start = Sample::now();
    let mut end = start;
    while u64::from(start.timer - end.timer) < QEMU_APIC_HZ / 100 {
        end = Sample::now();
    }
    Interval { start, end, ticks: u64::from(start.timer - end.timer), hz: QEMU_APIC_HZ }
}

/// Nanoseconds since 1970 by the CMOS clock (MC146818A data sheet), taken to run in UTC and in this century; 0 if there is none.
pub(super) fn unix_ns() -> u64 {
    let mut before = read_cmos();
    for _ in 0..PATIENCE {
        let after = read_cmos();
        if after == before {
            return after.map_or(0, |seconds| seconds * 1_000_000_000);
        }
        before = after;
    }
    0
}

/// Seconds since 1970; none while the clock is being updated, or if it is absent or its fields make no sense.
fn read_cmos() -> Option<u64> {
    const UPDATE_IN_PROGRESS: u8 = 1 << 7;
    const BINARY: u8 = 1 << 2;
    const HOURS_24: u8 = 1 << 1;
    const AFTERNOON: u8 = 1 << 7;
    let read = |register: u8| {
        // SAFETY: the CMOS index and data ports, which the kernel alone uses; reading has no effect.
        unsafe {
            Port::<u8>::new(0x70).write(register);
            Port::<u8>::new(0x71).read()
        }
    };
    if read(0x0a) & UPDATE_IN_PROGRESS != 0 {
        return None;
    }
    let status = read(0x0b);
    let number = |value: u8| u64::from(if status & BINARY != 0 { value } else { (value >> 4) * 10 + (value & 0xf) });
    let [second, minute, day, month, year] = [0x00, 0x02, 0x07, 0x08, 0x09].map(|register| number(read(register)));
    let hour = match read(0x04) {
        hour if status & HOURS_24 != 0 => number(hour),
        hour => number(hour & !AFTERNOON) % 12 + if hour & AFTERNOON != 0 { 12 } else { 0 },
    };
    let plausible = second < 60 && minute < 60 && hour < 24 && (1..=31).contains(&day) && (1..=12).contains(&month) && year < 100;
    plausible.then(|| ((days_since_1970(2000 + year, month, day) * 24 + hour) * 60 + minute) * 60 + second)
}

/// Days from 1970-01-01 to a date of this century, in which every fourth year is a leap year.
fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    const BEFORE_MONTH: [u64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    const BEFORE_2000: u64 = 10_957;
    let years = year - 2000;
    let leap_days = years.div_ceil(4) + u64::from(years.is_multiple_of(4) && month > 2);
    BEFORE_2000 + years * 365 + leap_days + BEFORE_MONTH[month as usize - 1] + day - 1
}
