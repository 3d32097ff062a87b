//! Large pages, code that is written and run, interrupts that are bound: what the other programs leave out.
#![no_std]
#![no_main]

use abi::{CloneMode, CloneRange, EnvId, Error, FaultKind, FrameKind, LARGE_PAGES, PAGE_SIZE, Privileges, Rights};
use native::{
    child::{Child, End, QUOTA, peek, poke},
    info, isa,
    place::{FREE, FREE_TOO, INFO, page},
    scene::Scene,
    upcall::{attempt_write, install_attempts},
};

exo::program!(main);

const LARGE: Rights = Rights::READ_WRITE.union(Rights::LARGE);
const LARGE_BYTES: usize = LARGE_PAGES * PAGE_SIZE;

fn main() -> u8 {
    let mut scene = Scene::new();
    large();
    scene.after("a large page, used, split and given up");
    large_elsewhere();
    scene.after("a large page cloned and mapped in pieces");
    large_refusals();
    scene.after("large pages that cannot be");
    scene.act("code that is written, then run", End::Exited(0), code, 0);
    scene.act("code through two mappings", End::Exited(0), two_mappings, 0);
    scene.act("what a query says", End::Exited(0), queries, 0);
    scene.act("info pages", End::Exited(0), info_pages, 0);
    interrupts();
    scene.after("interrupts taken, handed on and left behind");
    clock();
    scene.after("the clock");
    scene.close()
}

fn query(address: usize) -> exo::PageInfo {
    exo::page_query(EnvId::SELF, address).expect("it is mapped")
}

fn unmap(address: usize, pages: usize) -> exo::Result<()> {
    // SAFETY: nothing here keeps a reference into what it maps at `FREE` and `FREE_TOO`.
    unsafe { exo::page_unmap(EnvId::SELF, address, pages) }
}

fn alloc_large() -> u64 {
    let first = info::free_run(LARGE_PAGES as u64).expect("512 free frames in a row");
    exo::page_alloc(FREE, LARGE_PAGES, LARGE, Some(first)).expect("they are free");
    first
}

fn large() {
    let before = info::environment(exo::identify()).used;
    let first = alloc_large();
    for index in [0, 1, 255, 511] {
        let held = query(page(FREE, index) + 8);
        assert_eq!((held.frame, held.rights), (first + index as u64, LARGE), "page {index}");
        assert_eq!(peek(page(FREE, index)), 0);
        poke(page(FREE, index), index as u64 + 1);
        assert!(info::is(first + index as u64, FrameKind::User));
    }
    assert_eq!(unmap(FREE, 1), Err(Error::Occupied), "a part of a large page");
    assert_eq!(unmap(page(FREE, 511), 1), Err(Error::Occupied));
    // SAFETY: refused.
    assert_eq!(unsafe { exo::page_protect(EnvId::SELF, FREE, 511, Rights::READ_ONLY) }, Err(Error::Occupied));
    assert_eq!(exo::page_alloc(page(FREE, 3), 1, Rights::READ_WRITE, None), Err(Error::Occupied));
    // SAFETY: nothing refers to it.
    unsafe { exo::page_protect(EnvId::SELF, FREE, 512, Rights::READ_WRITE) }.expect("the whole of it");
    split();
    for index in [0, 1, 255, 511] {
        let held = query(page(FREE, index));
        assert_eq!((held.frame, held.rights), (first + index as u64, Rights::READ_WRITE));
        assert_eq!(peek(page(FREE, index)), index as u64 + 1, "its contents are the same");
    }
    unmap(page(FREE, 1), 1).expect("a small page now");
    assert!(info::is(first + 1, FrameKind::Free) && info::is(first + 2, FrameKind::User));
    unmap(FREE, 512).expect("the rest");
    assert_eq!(info::environment(exo::identify()).used, before);
    // Unmapped as a whole, unsplit.
    alloc_large();
    unmap(FREE, 1024).expect("the whole of it");
    assert_eq!(info::environment(exo::identify()).used, before);
}

/// Turn the large page into small ones, which needs no call of its own: they are mapped elsewhere, and back.
fn split() {
    let rights = query(FREE).rights - Rights::LARGE - Rights::COW;
    exo::page_map(EnvId::SELF, FREE_TOO, FREE, LARGE_PAGES, rights).expect("its pages elsewhere");
    unmap(FREE, LARGE_PAGES).expect("the large page");
    exo::page_map(EnvId::SELF, FREE, FREE_TOO, LARGE_PAGES, rights).expect("its pages back");
    unmap(FREE_TOO, LARGE_PAGES).expect("the other mappings");
}

fn large_elsewhere() {
    alloc_large();
    poke(page(FREE, 9), 99);
    exo::page_map(EnvId::SELF, page(FREE_TOO, 1), page(FREE, 9), 1, Rights::READ_ONLY).expect("one page of it");
    assert_eq!((peek(page(FREE_TOO, 1)), query(page(FREE_TOO, 1)).rights), (99, Rights::READ_ONLY));
    unmap(FREE_TOO, 2).expect("the small mapping");
    let child = Child::new(4 * QUOTA, native::NONE);
    let range = |target: usize, pages: usize, mode| CloneRange {
        source: FREE as u64,
        target: target as u64,
        pages: pages as u64,
        mode: mode as u64,
    };
    let clone = |range| exo::page_clone(child.id, &[range]);
    assert_eq!(clone(range(FREE, 512, CloneMode::Copy)), Err(Error::Occupied), "not copied as one");
    assert_eq!(clone(range(FREE + PAGE_SIZE, 512, CloneMode::Share)), Err(Error::Occupied), "at another alignment");
    assert_eq!(clone(range(FREE, 100, CloneMode::Share)), Err(Error::Occupied), "in part");
    clone(range(FREE, 512, CloneMode::CopyOnWrite)).expect("the whole of it");
    assert_eq!(exo::page_break(FREE), Err(Error::Occupied), "others share it");
    child.start(
        |_| {
            install_attempts();
            assert_eq!(peek(page(FREE, 9)), 99);
            assert!(attempt_write(page(FREE, 9) as u64).is_some_and(|caught| caught.is(FaultKind::Write)));
            split();
            assert_eq!(exo::page_break(page(FREE, 9)), Ok(true));
            poke(page(FREE, 9), 100);
            0
        },
        0,
    );
    child.expect("a holder of a large page", End::Exited(0));
    assert_eq!(peek(page(FREE, 9)), 99);
    assert_eq!(exo::page_break(FREE), Ok(false), "nobody else is left");
    poke(FREE, 1);
    assert_eq!(query(FREE).rights, LARGE);
    unmap(FREE, 512).expect("the whole of it");
}

fn large_refusals() {
    let first = info::free_run(LARGE_PAGES as u64).expect("512 free frames in a row");
    let alloc = |address, pages, frame| exo::page_alloc(address, pages, LARGE, frame);
    assert_eq!(alloc(FREE, 512, None), Err(Error::BadArgument), "any frames");
    assert_eq!(alloc(FREE, 511, Some(first)), Err(Error::BadArgument));
    assert_eq!(alloc(FREE, 512, Some(first + 1)), Err(Error::BadArgument));
    assert_eq!(alloc(FREE + PAGE_SIZE, 512, Some(first)), Err(Error::BadAddress));
    exo::page_alloc(FREE_TOO, 1, Rights::READ_WRITE, Some(first + 500)).expect("it is free");
    assert_eq!(alloc(FREE, 512, Some(first)), Err(Error::NoFrame), "one of them is taken");
    unmap(FREE_TOO, 1).expect("it is mapped");
    exo::page_alloc(page(FREE, 5), 1, Rights::READ_WRITE, None).expect("a page");
    let first = info::free_run(LARGE_PAGES as u64).expect("512 free frames in a row");
    assert_eq!(alloc(FREE, 512, Some(first)), Err(Error::Occupied), "one of the pages is there");
    unmap(FREE, 512).expect("the one page");
    assert!(info::is(first, FrameKind::Free));
    assert_eq!(LARGE_BYTES, 2 << 20);
}

fn write_code(address: usize, value: u16) {
    let code = isa::answering_code(value);
    // SAFETY: the caller mapped a page there, writable.
    unsafe { (address as *mut [u8; 8]).write_volatile(code) };
}

fn run_code(address: usize) -> u32 {
    // SAFETY: the page holds a whole function.
    let function: extern "C" fn() -> u32 = unsafe { core::mem::transmute(address) };
    function()
}

fn protect(address: usize, rights: Rights) {
    // SAFETY: only code that was written there refers to the page.
    unsafe { exo::page_protect(EnvId::SELF, address, 1, rights | Rights::MAY_ALL) }.expect("within the maximum");
}

/// Written, made executable, run; and the same again with other code at the same place.
fn code(_: u64) -> u64 {
    exo::page_alloc(FREE, 1, Rights::READ_WRITE, None).expect("a page");
    for value in 1..200 {
        write_code(FREE, value);
        protect(FREE, Rights::READ | Rights::EXECUTE);
        assert_eq!(run_code(FREE), u32::from(value));
        protect(FREE, Rights::READ | Rights::WRITE);
    }
    0
}

/// Written through one mapping, run through another, made executable after each change.
fn two_mappings(_: u64) -> u64 {
    exo::page_alloc(FREE, 1, Rights::READ_WRITE, None).expect("a page");
    exo::page_map(EnvId::SELF, FREE_TOO, FREE, 1, Rights::READ_EXECUTE).expect("a second mapping");
    for value in 1..50 {
        write_code(FREE, value);
        protect_executable_again(FREE_TOO);
        assert_eq!(run_code(FREE_TOO), u32::from(value));
    }
    0
}

fn protect_executable_again(address: usize) {
    // SAFETY: nothing runs there meanwhile.
    unsafe {
        exo::page_protect(EnvId::SELF, address, 1, Rights::READ_ONLY | Rights::MAY_EXECUTE).expect("less for a moment");
        exo::page_protect(EnvId::SELF, address, 1, Rights::READ_EXECUTE).expect("within the maximum");
    }
}

fn queries(_: u64) -> u64 {
    let all = [Rights::READ_ONLY, Rights::READ_WRITE, Rights::READ_EXECUTE, Rights::MAY_READ | Rights::MAY_WRITE, Rights::MAY_ALL];
    for (index, rights) in all.into_iter().enumerate() {
        exo::page_alloc(page(FREE, index), 1, rights, None).expect("consistent rights");
        assert_eq!(query(page(FREE, index)).rights, rights);
        assert_eq!(query(page(FREE, index) + 0xabc).frame, query(page(FREE, index)).frame);
    }
    let info = query(INFO);
    assert_eq!(info.rights, Rights::READ_ONLY);
    assert_eq!(exo::page_query(EnvId::SELF, FREE_TOO), Err(Error::NotMapped));
    0
}

fn info_pages(_: u64) -> u64 {
    let pages = info::header().pages as usize;
    for (first, count) in [(pages, 1), (pages + 1, 0), (0, pages + 1), (usize::MAX, 1), (1, pages)] {
        let refused = exo::info_map(EnvId::SELF, FREE, first, count.max(1));
        assert_eq!(refused, Err(Error::BadArgument), "{count} from {first}");
    }
    exo::info_map(EnvId::SELF, FREE, pages - 1, 1).expect("the last");
    assert_eq!(exo::info_map(EnvId::SELF, FREE, 0, 1), Err(Error::Occupied));
    let own = info::environment(exo::identify());
    assert_eq!(own.privileges, 0);
    assert!(own.used > 20 && own.used <= own.quota);
    let header = info::header();
    assert!(header.clock_hz > 1_000_000 && header.cpus == 1 && header.free_frames < header.usable_frames);
    0
}

fn interrupts() {
    let irq = info::header().console_irq as usize;
    exo::irq_bind(irq, EnvId::SELF).expect("nobody has it");
    exo::irq_bind(irq, EnvId::SELF).expect("it is ours");
    exo::irq_ack(irq).expect("it is ours");
    let child = Child::new(QUOTA, native::NONE);
    let context = child.context(
        |irq| {
            exo::irq_ack(irq as usize).expect("it was handed on");
            assert_eq!(exo::irq_bind(irq as usize + 1, EnvId::SELF), Err(Error::Denied));
            0
        },
        irq as u64,
    );
    exo::irq_bind(irq, child.id).expect("it is ours to hand on");
    assert_eq!(exo::irq_ack(irq), Err(Error::Denied), "it is the child's now");
    assert_eq!(exo::irq_bind(irq, EnvId::SELF), Err(Error::Busy));
    child.give_slice(context);
    child.expect("a child with an interrupt", End::Exited(0));
    exo::irq_bind(irq, EnvId::SELF).expect("left behind by the dead");
    let driver = Child::new(QUOTA, Privileges::DEVICES);
    driver.start(
        |irq| {
            assert_eq!(exo::irq_bind(irq as usize, EnvId::SELF), Err(Error::Busy));
            exo::irq_bind(irq as usize + 1, EnvId::SELF).expect("nobody has it");
            exo::irq_ack(irq as usize + 1).expect("it is ours");
            0
        },
        irq as u64,
    );
    driver.expect("a driver", End::Exited(0));
}

/// The clock goes forward, and a second is about a second by what the info page says of it.
fn clock() {
    let header = info::header();
    let nanoseconds = |ticks: u64| ((u128::from(ticks) * u128::from(header.clock_mult)) >> 32) as u64;
    assert!((999_000_000..=1_001_000_000).contains(&nanoseconds(header.clock_hz)));
    assert!(header.boot_unix_ns > 1_577_836_800_000_000_000, "the machine's clock chip is after 2020: {}", header.boot_unix_ns);
    let mut last = isa::ticks();
    for _ in 0..10_000 {
        let now = isa::ticks();
        assert!(now >= last);
        last = now;
    }
}
