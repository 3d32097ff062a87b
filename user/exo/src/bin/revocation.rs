//! Memory taken back: asked for, and given; or taken by force past a deadline, and written into the ledger. Whom to ask, for how much, until when
//! and what to take is this program's: the kernel only lets a parent take, and says what was taken.
#![no_std]
#![no_main]

use abi::{EnvId, Error, FaultKind, LEDGER_ENTRIES, LedgerEntry, Rights};
use native::{
    child::{Child, End, PATIENCE, QUOTA, peek, poke},
    info,
    place::{FREE, FREE_TOO, page},
    scene::Scene,
    shared, upcall,
};

exo::program!(main);

/// How many frames the child is asked for, and how many it says that it gave; then, that it may look at what it has left.
const ASKED: usize = shared::FREE;
const GIVEN: usize = shared::FREE + 1;
const OVER: usize = shared::FREE + 2;
/// Set by the child when it has what it wants.
const READY: usize = shared::FREE + 3;
/// Pages that the child has.
const PAGES: usize = 64;
/// How many of them it is asked for.
const WANTED: usize = 24;
/// How long it has, in milliseconds.
const DEADLINE_MS: u64 = 50;

fn main() -> u8 {
    let mut scene = Scene::new();
    assert_eq!(info::taken(), 0);
    press(gives, End::Exited(0), WANTED, 0);
    scene.after("one who gives what it is asked for");
    press(gives_less, End::Exited(0), WANTED / 2, WANTED / 2);
    scene.after("one who says that it has no more");
    press(sleeps, End::Exited(0), 0, WANTED);
    scene.after("one who sleeps past the deadline, and looks into the ledger");
    press(does_not_look, End::Fault(FaultKind::Read), 0, WANTED);
    scene.after("one who neither listens nor has an entry for faults");
    scene.act("one who would take from its parent, its neighbour and the ledger", End::Exited(0), robs, scene.neighbour().0);
    overruns();
    scene.after("more than the ledger holds");
    scene.close()
}

/// Ask a child for frames, and take what it did not give by the deadline: it is to give `given` and to lose `lost`.
fn press(child: fn(u64) -> u64, end: End, given: usize, lost: usize) {
    [ASKED, GIVEN, OVER, READY].into_iter().for_each(|word| shared::set(word, 0));
    let (before, free) = (info::taken(), info::free_frames());
    let child = Child::run(child, 0);
    assert!(shared::await_value(READY, 1, PATIENCE), "the child has its pages");
    let used = child.entry().used as usize;
    assert_eq!(exo::env_quota(child.id, used - 1), Err(Error::Quota), "what is in use is not to be had so");
    exo::env_quota(child.id, used).expect("what is not in use, at once");
    shared::set(ASKED, WANTED as u32);
    let deadline = info::deadline(DEADLINE_MS);
    while shared::get(GIVEN) == 0 && exo::wait(&[shared::while_is(GIVEN, 0)], Some(deadline)) != Err(Error::TimedOut) {}
    assert_eq!(shared::get(GIVEN) as usize, given);
    let taken = take(child.id, WANTED - given);
    assert_eq!((taken, (info::taken() - before) as usize), (lost, lost), "each page taken is in the ledger");
    exo::env_quota(child.id, used - WANTED).expect("as many as were wanted are there");
    shared::set(OVER, 1);
    child.expect("the child", end);
    assert_eq!(info::free_frames(), free);
}

/// Take pages of a child, the highest of those at `FREE`, wherever they are.
fn take(child: EnvId, wanted: usize) -> usize {
    let is_there = |index: &usize| exo::page_skip(child, page(FREE, *index), 1) == Ok(0);
    let mut taken = 0;
    for index in (0..PAGES).rev().filter(is_there).take(wanted) {
        // SAFETY: the page is the child's.
        unsafe { exo::page_unmap(child, page(FREE, index), 1) }.expect("it is mapped");
        taken += 1;
    }
    taken
}

/// Have pages with something in each.
fn have() {
    exo::page_alloc(FREE, PAGES, Rights::READ_WRITE, None).expect("within the quota");
    (0..PAGES).for_each(|index| poke(page(FREE, index), index as u64 + 1));
    shared::set(READY, 1);
}

/// Give so many pages when asked, and go on with the others.
fn give(count: usize) -> u64 {
    have();
    assert!(shared::await_value(ASKED, WANTED as u32, PATIENCE));
    // SAFETY: nothing refers to these pages.
    unsafe { exo::page_unmap(EnvId::SELF, FREE, count) }.expect("they are mapped");
    shared::set(GIVEN, count as u32);
    assert!(shared::await_value(OVER, 1, PATIENCE));
    count as u64
}

fn gives(_: u64) -> u64 {
    give(WANTED);
    assert!((WANTED..PAGES).all(|index| peek(page(FREE, index)) == index as u64 + 1), "what it kept is as it was");
    0
}

fn gives_less(_: u64) -> u64 {
    give(WANTED / 2);
    // What it would not give was taken, and it knows which.
    let lost = (0..PAGES).filter(|&index| exo::page_skip(EnvId::SELF, page(FREE, index), 1) != Ok(0)).count();
    assert_eq!(lost, WANTED);
    0
}

/// Everything in the ledger that was taken of this environment.
fn losses() -> impl Iterator<Item = LedgerEntry> {
    let own = exo::identify().0;
    (0..info::taken()).map(info::ledger).filter(move |entry| entry.holder == own)
}

fn sleeps(_: u64) -> u64 {
    upcall::install_attempts();
    exo::page_alloc(FREE_TOO, 1, Rights::READ_WRITE, None).expect("within the quota");
    have();
    let frames: [u64; PAGES] = core::array::from_fn(|index| exo::page_query(EnvId::SELF, page(FREE, index)).expect("it is mapped").frame);
    assert!(shared::await_value(OVER, 1, PATIENCE));
    let mut count = 0;
    for entry in losses() {
        let index = (entry.address as usize - FREE) / abi::PAGE_SIZE;
        assert_eq!(u64::from(entry.frame), frames[index], "the frame that it had there");
        assert_eq!(entry.taker, info::environment(exo::identify()).parent, "its parent took it");
        assert!((1..now()).contains(&entry.ticks));
        let caught = upcall::attempt_read(entry.address).expect("a fault of its own");
        assert!(caught.is(FaultKind::Read) && caught.address == entry.address);
        count += 1;
    }
    assert_eq!(count, WANTED);
    let kept = (0..PAGES).filter(|&index| upcall::attempt_read(page(FREE, index) as u64).is_none()).count();
    assert_eq!(kept, PAGES - WANTED, "what the ledger does not have is there");
    // It has less, and goes on: what it gives up it may have again.
    assert_eq!(exo::page_alloc(page(FREE, PAGES - 1), 1, Rights::READ_WRITE, None), Err(Error::Quota));
    // SAFETY: nothing refers to the page.
    unsafe { exo::page_unmap(EnvId::SELF, FREE, 1) }.expect("it is mapped");
    exo::page_alloc(page(FREE, PAGES - 1), 1, Rights::READ_WRITE, None).expect("for another");
    assert_eq!(peek(page(FREE, PAGES - 1)), 0, "a fresh one");
    0
}

fn now() -> u64 {
    native::isa::ticks()
}

fn does_not_look(_: u64) -> u64 {
    have();
    loop {
        assert!((0..PAGES).all(|index| peek(page(FREE, index)) == index as u64 + 1), "never a wrong word");
    }
}

fn robs(neighbour: u64) -> u64 {
    let parent = EnvId::new(info::environment(exo::identify()).parent as usize, 1);
    for victim in [parent, EnvId(neighbour)] {
        assert_eq!(exo::page_skip(victim, FREE, 1), Err(Error::Denied));
        // SAFETY: it is refused.
        assert_eq!(unsafe { exo::page_unmap(victim, FREE, 1) }, Err(Error::Denied));
    }
    upcall::install_attempts();
    let ledger = page(native::place::INFO, abi::INFO_LEDGER_PAGE);
    assert!(upcall::attempt_write(ledger as u64).is_some_and(|caught| caught.is(FaultKind::Write)));
    // SAFETY: it is refused.
    assert_eq!(unsafe { exo::page_protect(EnvId::SELF, ledger, 1, Rights::READ_WRITE) }, Err(Error::BadRights));
    0
}

/// Take more than the ledger holds: the last entries are there, in order, and the count tells how many are not.
fn overruns() {
    let child = Child::new(QUOTA, native::NONE);
    exo::page_alloc(FREE, 1, Rights::READ_WRITE, None).expect("a page");
    let before = info::taken();
    let rounds = LEDGER_ENTRIES as u32 + 7;
    for round in 0..rounds {
        let target = page(FREE_TOO, round as usize);
        exo::page_map(child.id, target, FREE, 1, Rights::READ_ONLY).expect("room for a page");
        // SAFETY: the page is the child's.
        unsafe { exo::page_unmap(child.id, target, 1) }.expect("it is mapped");
    }
    assert_eq!(info::taken() - before, rounds);
    for round in 7..rounds {
        let entry = info::ledger(before + round);
        assert_eq!((entry.holder, entry.address), (child.id.0, page(FREE_TOO, round as usize) as u64));
    }
    child.end();
    // SAFETY: nothing refers to the page.
    unsafe { exo::page_unmap(EnvId::SELF, FREE, 1) }.expect("it is mapped");
}
