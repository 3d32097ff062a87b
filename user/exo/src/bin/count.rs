//! What kernel calls cost, in instructions: on a machine that counts one tick of its clock for each.
//!
//! A loop of known length says first whether the machine does (`-icount shift=0` does). Each figure is the average over many rounds, the loop's
//! own instructions subtracted, the entering instruction included. The program passes if no figure is above its bound.
#![no_std]
#![no_main]

use abi::{Call, CloneMode, CloneRange, EnvId, Rights, WaitWord};
use native::{
    child::{Child, QUOTA, poke},
    isa,
    measure::{average_of, is_calibrated, ticks},
    partner::{partner, serve},
    place::{FREE, FREE_TOO, page},
    scene::prepare,
    shared, upcall,
};

exo::program!(main);

const ROUNDS: u64 = 2000;
const WORD: usize = shared::FREE;

/// What was measured, and whether all of it was within bounds.
struct Report {
    met: bool,
}

impl Report {
    /// One line: a name, a count and, where there is one, its bound.
    fn line(&mut self, name: &str, count: u64, bound: Option<u64>) {
        match bound {
            None => exo::println!("{name} {count}"),
            Some(bound) => {
                let verdict = if count <= bound { "within" } else { "ABOVE" };
                exo::println!("{name} {count} ({verdict} {bound})");
                self.met &= count <= bound;
            }
        }
    }
}

fn main() -> u8 {
    prepare();
    if !is_calibrated() {
        return 1;
    }
    let mut report = Report { met: true };
    report.line(
        "null call",
        average(|_| {
            exo::identify();
        }),
        Some(80),
    );
    install();
    report.line("foreign syscall, reflected and back", average(|_| isa::foreign_call()), Some(180));
    faults(&mut report);
    transfer(&mut report);
    yields(&mut report);
    sleeps(&mut report);
    pages(&mut report);
    clones(&mut report);
    let cycle = average(|_| {
        let child = exo::env_create(8, native::NONE).expect("a child");
        exo::env_destroy(child, 0).expect("it lives");
        exo::env_reap(child).expect("it is dead");
    });
    report.line("environment made, ended and reaped", cycle, None);
    if report.met { native::PASSED } else { 1 }
}

/// The average of a round, without the loop's own instructions.
#[inline(always)]
fn average(round: impl FnMut(u64)) -> u64 {
    average_of(ROUNDS, round)
}

/// Faults of this environment map a page where they were; foreign syscalls are answered by a minimal entry.
fn install() {
    upcall::install_mapper();
}

fn unmap(address: usize, count: usize) {
    // SAFETY: nothing here keeps a reference into what it maps.
    unsafe { exo::page_unmap(EnvId::SELF, address, count) }.expect("pages of user space");
}

fn faults(report: &mut Report) {
    const PAGES: u64 = 256;
    // A neighbouring page keeps the tables there: a table is not made for each fault.
    exo::page_alloc(page(FREE, 300), 1, Rights::READ_WRITE, None).expect("a page");
    let whole = average_of(PAGES, |number| poke(page(FREE, number as usize), 1));
    unmap(FREE, PAGES as usize);
    let call = average_of(PAGES, |number| exo::page_alloc(page(FREE, number as usize), 1, Rights::READ_WRITE, None).expect("a page"));
    let zero = average_of(PAGES, |number| {
        // SAFETY: the page is mapped, and nothing else refers to it.
        unsafe { zero_page(page(FREE, number as usize)) };
    });
    unmap(FREE, 512);
    report.line("page fault, to the handler, page_alloc, resume", whole, None);
    report.line("zeroing a page as the kernel does", zero, None);
    report.line("page fault, to the handler, page_alloc, resume, without zeroing", whole - zero, Some(700));
    report.line("page_alloc without zeroing", call - zero, None);
}

/// Zero a page as the kernel does it.
///
/// # Safety
/// It is mapped, and nothing else refers to it.
unsafe fn zero_page(address: usize) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the caller's promise; with AVX as without. The vector register gets back what was in it.
    unsafe {
        if !has_avx() {
            return core::ptr::write_bytes(address as *mut u8, 0, 4096);
        }
        core::arch::asm!(
            "sub rsp, 32", "vmovups [rsp], ymm0", "vxorps ymm0, ymm0, ymm0",
            "2: .irp at, 0, 32, 64, 96, 128, 160, 192, 224", "vmovaps [{1} + {0} + \\at], ymm0", ".endr",
            "add {0}, 256", "jne 2b", "vmovups ymm0, [rsp]", "add rsp, 32",
            inout(reg) -4096_isize => _, in(reg) address + 4096,
        );
    }
    #[cfg(target_arch = "aarch64")]
    for at in (0..4096).step_by(zeroed_bytes()) {
        // SAFETY: the caller's promise; the block is in the page.
        unsafe { core::arch::asm!("dc zva, {}", in(reg) address + at, options(nostack)) };
    }
}

/// Whether the kernel zeroes pages by AVX: the processor has it, and it is turned on.
#[cfg(target_arch = "x86_64")]
fn has_avx() -> bool {
    core::arch::x86_64::__cpuid(1).ecx >> 27 & 3 == 3
}

/// How many bytes `dc zva` zeroes.
#[cfg(target_arch = "aarch64")]
fn zeroed_bytes() -> usize {
    let block: usize;
    // SAFETY: reads the size, in words, as a power of two.
    unsafe { core::arch::asm!("mrs {}, dczid_el0", out(reg) block, options(nomem, nostack)) };
    4 << (block & 0xf)
}

fn transfer(report: &mut Report) {
    let server = partner(serve, 0);
    let answer = exo::transfer_call(server.id, 0, [5, 6, 7, 8]).expect("an answer");
    assert_eq!((answer.sender, answer.words), (server.id, [5, 6, 7, 8]));
    let count = average(|number| {
        let mut message = [0; 4];
        // SAFETY: as in `serve`.
        unsafe { exo::raw_call::<{ Call::TransferCall as u16 }>([server.id.0, 0, number, 2, 3, 4], &mut message) };
    });
    report.line("protected control transfer, call and reply", count, Some(400));
    server.end();
}

fn yields(report: &mut Report) {
    let back = |giver| loop {
        let _ = exo::yield_to(EnvId(giver), 0);
    };
    let child = partner(back, exo::identify().0);
    let both = average(|_| exo::yield_to(child.id, 0).expect("it can run"));
    report.line("directed yield to another environment", both / 2, Some(300));
    child.end();
    report.line("yield to oneself", average(|_| exo::yield_to(exo::identify(), 0).expect("it can run")), None);
}

/// Two environments wake each other in turn.
fn sleeps(report: &mut Report) {
    let nobody = average(|_| {
        let _ = exo::wake(shared::word(WORD).as_ptr(), 1);
    });
    report.line("wake, nobody sleeps", nobody, None);
    let differs = WaitWord { value: !0, ..shared::while_is(WORD, 0) };
    report.line(
        "wait on a word that differs",
        average(|_| {
            let _ = exo::wait(&[differs], None);
        }),
        None,
    );
    shared::set(WORD, 0);
    let child = Child::run(
        |_| {
            let mut next = 1;
            loop {
                while shared::get(WORD) != next {
                    let _ = exo::wait(&[shared::while_is(WORD, next.wrapping_sub(1))], None);
                }
                shared::set(WORD, next.wrapping_add(1));
                next = next.wrapping_add(2);
            }
        },
        0,
    );
    exo::yield_now();
    let mut now = 0;
    let round = average(|_| {
        shared::set(WORD, now + 1);
        now += 2;
        while shared::get(WORD) != now {
            let _ = exo::wait(&[shared::while_is(WORD, now - 1)], None);
        }
    });
    report.line("wake another and sleep until woken, both sides", round, None);
    child.end();
}

fn pages(report: &mut Report) {
    exo::page_alloc(page(FREE, 100), 1, Rights::READ_WRITE, None).expect("a page");
    exo::page_alloc(page(FREE_TOO, 100), 1, Rights::READ_WRITE, None).expect("a page");
    let both = average(|_| {
        exo::page_map(EnvId::SELF, FREE_TOO, page(FREE, 100), 1, Rights::READ_ONLY).expect("a mapping");
        unmap(FREE_TOO, 1);
    });
    report.line("page_map and page_unmap", both, None);
    let protect = average(|number| {
        let rights = if number & 1 == 0 { Rights::READ } else { Rights::READ | Rights::WRITE };
        // SAFETY: nothing refers to the page.
        unsafe { exo::page_protect(EnvId::SELF, page(FREE, 100), 1, rights | Rights::MAY_ALL) }.expect("within the maximum");
    });
    report.line("page_protect", protect, None);
    report.line(
        "page_query",
        average(|_| {
            let _ = exo::page_query(EnvId::SELF, page(FREE, 100));
        }),
        None,
    );
    unmap(FREE, 512);
    unmap(FREE_TOO, 512);
}

fn clones(report: &mut Report) {
    const PAGES: usize = 100;
    exo::page_alloc(FREE, PAGES, Rights::READ_WRITE, None).expect("pages");
    let child = exo::env_create(QUOTA, native::NONE).expect("a child");
    exo::page_map(child, page(FREE_TOO, 300), FREE, 1, Rights::READ_ONLY).expect("a page that keeps the tables");
    for (name, mode) in [("shared", CloneMode::Share), ("copied on write", CloneMode::CopyOnWrite)] {
        let range = CloneRange { source: FREE as u64, target: FREE_TOO as u64, pages: PAGES as u64, mode: mode as u64 };
        let mut total = 0;
        for _ in 0..20 {
            total += ticks(1, |_| exo::page_clone(child, &[range]).expect("a clone"));
            // SAFETY: the child runs nothing.
            unsafe { exo::page_unmap(child, FREE_TOO, PAGES) }.expect("they are mapped");
        }
        exo::print!("100 pages cloned, ");
        report.line(name, total / 20, None);
    }
    exo::env_destroy(child, 0).expect("it lives");
    exo::env_reap(child).expect("it is dead");
    unmap(FREE, PAGES);
}
