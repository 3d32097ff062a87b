//! A deadline for one that is busy: told while it runs, by the timer and not by the slice's end.
#![no_std]
#![no_main]

use core::sync::atomic::{AtomicU64, Ordering};

use abi::{EnvId, FaultKind, Registers, RunState, UpcallPage};
use native::{
    child::{Child, End, PATIENCE, QUOTA},
    info, isa,
    scene::Scene,
    upcall::{install, page_of},
};

exo::program!(main);

fn main() -> u8 {
    let mut scene = Scene::new();
    scene.act("an interval timer of a busy one", End::Exited(0), interval, 0);
    scene.act("a deadline while another upcall is handled", End::Exited(0), masked, 0);
    scene.act("deadlines that have passed, again and again", End::Exited(0), past, 0);
    scene.act("a deadline with nobody to tell", End::Exited(0), no_entry, 0);
    let child = Child::new(QUOTA, native::NONE);
    for _ in 0..2 {
        let context = child.context(beside, 0);
        child.give_slice(context);
    }
    child.expect("a deadline beside another context", End::Exited(0));
    scene.after("a deadline beside another context");
    scene.close()
}

static UPCALLS: AtomicU64 = AtomicU64::new(0);
/// Ticks between deadlines; 0: no more.
static INTERVAL: AtomicU64 = AtomicU64::new(0);
/// The deadline that was told last, and the greatest lateness of any.
static DUE: AtomicU64 = AtomicU64::new(0);
static LATE: AtomicU64 = AtomicU64::new(0);

/// Have the kernel look at the deadline of the context that runs.
fn look(index: usize) {
    exo::context_set(EnvId::SELF, index, None, RunState::Unchanged).expect("ourselves");
}

fn set_deadline(ticks: u64) {
    DUE.store(ticks, Ordering::Relaxed);
    // SAFETY: `install` mapped the page; the kernel reads and clears the word.
    unsafe { (&raw mut page_of(0).deadline).write_volatile(ticks) };
    look(0);
}

fn deadline() -> u64 {
    // SAFETY: as above.
    unsafe { (&raw const page_of(0).deadline).read_volatile() }
}

fn told() -> u64 {
    UPCALLS.load(Ordering::Relaxed)
}

fn tell(_: &mut Registers, page: &mut UpcallPage) {
    assert_eq!((page.kind, page.deadline), (FaultKind::Slice as u64, 0));
    let (now, due) = (isa::ticks(), DUE.load(Ordering::Relaxed));
    assert!(now >= due, "told {} ticks early", due - now);
    LATE.fetch_max(now - due, Ordering::Relaxed);
    UPCALLS.fetch_add(1, Ordering::Relaxed);
    let interval = INTERVAL.load(Ordering::Relaxed);
    if let Some(missed) = (now - due).checked_div(interval) {
        // What is missed is missed: one that has passed would be left for later.
        let next = due + (missed + 1) * interval;
        DUE.store(next, Ordering::Relaxed);
        page.deadline = next;
        look(0);
    }
}

/// Busy until it was told so often.
fn await_told(count: u64) {
    let until = info::deadline(PATIENCE);
    while told() < count {
        assert!(isa::ticks() < until, "told {} times, not {count}", told());
    }
}

fn no_slice_was_lost_by_being_told(lost: u64, elapsed: u64) {
    let most = elapsed / info::header().slice_ticks + 2;
    let lost = page_of(0).slices_lost - lost;
    assert!(lost <= most, "{lost} slices lost in the time of {most}");
}

/// Every half millisecond, a hundred times: several in a slice.
fn interval(_: u64) -> u64 {
    install(0, tell);
    let (before, lost) = (isa::ticks(), page_of(0).slices_lost);
    let interval = info::milliseconds(1) / 2;
    INTERVAL.store(interval, Ordering::Relaxed);
    set_deadline(before + interval);
    await_told(100);
    INTERVAL.store(0, Ordering::Relaxed);
    let elapsed = isa::ticks() - before;
    assert!(elapsed >= 100 * interval, "{elapsed} ticks for a hundred of {interval}");
    no_slice_was_lost_by_being_told(lost, elapsed);
    assert!(page_of(0).slices_lost - lost < 90, "several were told in one slice");
    // The four that share the processor have 10 ms each: the deadlines of a turn that is another's come late, but not later.
    assert!(LATE.load(Ordering::Relaxed) < info::milliseconds(1000));
    0
}

fn masked(_: u64) -> u64 {
    install(0, tell);
    page_of(0).fault_active = 1;
    set_deadline(isa::ticks());
    let until = info::deadline(40);
    while isa::ticks() < until {
        assert_eq!(told(), 0);
    }
    assert_ne!(deadline(), 0, "left for later");
    page_of(0).fault_active = 0;
    look(0);
    await_told(1);
    assert_eq!(deadline(), 0);
    // Without the call, a slice's beginning does it.
    set_deadline(0);
    DUE.store(1, Ordering::Relaxed);
    // SAFETY: as in `set_deadline`.
    unsafe { (&raw mut page_of(0).deadline).write_volatile(1) };
    await_told(2);
    0
}

/// Nobody has less time for it: the neighbours say so.
fn past(_: u64) -> u64 {
    install(0, tell);
    let (before, lost) = (isa::ticks(), page_of(0).slices_lost);
    for count in 1..=1000 {
        set_deadline(1);
        await_told(count);
    }
    no_slice_was_lost_by_being_told(lost, isa::ticks() - before);
    0
}

fn no_entry(_: u64) -> u64 {
    install(0, |_, page| panic!("an upcall of kind {}", page.kind));
    let nowhere = abi::UpcallEntries { fault: 0, ..native::upcall::entries() };
    exo::upcall_set(EnvId::SELF, 0, native::place::upcall_page(0), &nowhere).expect("a mapped page");
    set_deadline(isa::ticks());
    let until = info::deadline(PATIENCE);
    while deadline() != 0 {
        assert!(isa::ticks() < until, "it was never looked at");
    }
    0
}

/// The other context has no upcall page, and runs when the deadline passes.
fn beside(_: u64) -> u64 {
    static FIRST: AtomicU64 = AtomicU64::new(0);
    if FIRST.fetch_add(1, Ordering::AcqRel) > 0 {
        loop {
            core::hint::spin_loop();
        }
    }
    install(0, tell);
    for count in 1..=5 {
        set_deadline(info::deadline(1));
        let _ = exo::yield_to(exo::identify(), 1);
        await_told(count);
    }
    0
}
