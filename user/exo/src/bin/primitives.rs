//! What each primitive of the exokernel costs, in instructions, hot and cold: what `cargo x bench` shows.
//!
//! A line for each: `primitive NAME HOT COLD TITLE`. *Hot* is the average of many rounds in a row. *Cold* is a single one after calls about memory
//! far away, so that nothing is where the kernel last looked; instructions are counted, not cycles, and the processor's caches do not matter.
#![no_std]
#![no_main]

use abi::{Call, CloneMode, CloneRange, EnvId, Error, Registers, Rights, RunState, UpcallPage, WaitWord};
use native::{
    child::{Child, QUOTA, poke},
    info, isa,
    measure::{average_of, is_calibrated, ticks},
    partner::{partner, serve},
    place::{FREE, FREE_TOO, page, stack_top, upcall_page},
    scene::prepare,
    shared, upcall,
};

exo::program!(main);

const ROUNDS: u64 = 500;
const WORD: usize = shared::FREE;
/// From one place far away to the next: each has a page table of its own.
const APART: usize = 4 << 20;

fn main() -> u8 {
    prepare();
    if !is_calibrated() {
        return 1;
    }
    pages();
    clones();
    environments();
    contexts();
    time();
    traps();
    native::PASSED
}

/// Look at memory far away, so that nothing is near any more.
fn cool() {
    for place in 0..16 {
        let _ = exo::page_query(EnvId::SELF, FREE_TOO + place * APART + 0x10_0000);
    }
}

fn line(name: &str, hot: u64, cold: u64, title: &str) {
    exo::println!("primitive {name} {hot} {cold} {title}");
}

/// Measure something that can be done again and again.
#[inline(always)]
fn row(name: &str, title: &str, mut round: impl FnMut()) {
    let hot = average_of(ROUNDS, |_| round());
    cool();
    let cold = ticks(1, |_| round()) - ticks(1, |_| ());
    line(name, hot, cold, title);
}

/// Measure one of two things that take turns, by what they cost together and what the other does alone.
#[inline(always)]
fn pair(names: [(&str, &str); 2], mut first: impl FnMut(u64), mut second: impl FnMut(u64)) {
    let empty = ticks(1, |_| ());
    let (mut hot, mut cold) = ([0; 2], [0; 2]);
    for number in 0..ROUNDS {
        hot[0] += ticks(1, |_| first(number)) - empty;
        hot[1] += ticks(1, |_| second(number)) - empty;
    }
    cool();
    cold[0] = ticks(1, |_| first(ROUNDS)) - empty;
    cool();
    cold[1] = ticks(1, |_| second(ROUNDS)) - empty;
    for (index, (name, title)) in names.into_iter().enumerate() {
        line(name, (hot[index] + ROUNDS / 2) / ROUNDS, cold[index], title);
    }
}

fn unmap(address: usize, count: usize) {
    // SAFETY: nothing here keeps a reference into what it maps.
    unsafe { exo::page_unmap(EnvId::SELF, address, count) }.expect("pages of user space");
}

fn pages() {
    row("null_call", "a call that does nothing", || {
        exo::identify();
    });
    // Neighbours keep the tables there.
    exo::page_alloc(page(FREE, 100), 1, Rights::READ_WRITE, None).expect("a page");
    exo::page_alloc(page(FREE_TOO, 100), 1, Rights::READ_WRITE, None).expect("a page");
    pair(
        [("page_alloc", "a zeroed frame is mapped"), ("page_free", "the only mapping of a frame goes")],
        |_| exo::page_alloc(FREE, 1, Rights::READ_WRITE, None).expect("a page"),
        |_| unmap(FREE, 1),
    );
    pair(
        [("page_map", "a page is mapped a second time"), ("page_unmap", "one of two mappings goes")],
        |_| exo::page_map(EnvId::SELF, FREE_TOO, page(FREE, 100), 1, Rights::READ_ONLY).expect("a mapping"),
        |_| unmap(FREE_TOO, 1),
    );
    let rights = |rights: Rights| {
        // SAFETY: nothing refers to the page.
        unsafe { exo::page_protect(EnvId::SELF, page(FREE, 100), 1, rights | Rights::MAY_ALL) }.expect("within the maximum");
    };
    pair(
        [("page_protect", "a page is made read-only"), ("page_unprotect", "and writable again")],
        |_| rights(Rights::READ),
        |_| rights(Rights::READ | Rights::WRITE),
    );
    row("page_query", "what is mapped at an address", || {
        let _ = exo::page_query(EnvId::SELF, page(FREE, 100));
    });
    row("page_skip", "a page that is not mapped is passed over", || {
        let _ = exo::page_skip(EnvId::SELF, page(FREE, 99), 1);
    });
    pair(
        [("info_map", "a page of what the kernel knows is mapped"), ("info_unmap", "and goes")],
        |_| exo::info_map(EnvId::SELF, page(FREE, 101), 0, 1).expect("a mapping"),
        |_| unmap(page(FREE, 101), 1),
    );
    row("debug_get", "a look for input at the console", || {
        let _ = exo::debug_get(&mut [0; 1]);
    });
    row("debug_put", "a byte is written to the console", || {
        let _ = exo::debug_put(b"\n");
    });
    unmap(FREE, 512);
    unmap(FREE_TOO, 512);
}

fn clones() {
    exo::page_alloc(FREE, 2, Rights::READ_WRITE, None).expect("pages");
    exo::page_alloc(page(FREE_TOO, 100), 1, Rights::READ_WRITE, None).expect("a page");
    let clone = || {
        let range = CloneRange { source: FREE as u64, target: FREE_TOO as u64, pages: 1, mode: CloneMode::CopyOnWrite as u64 };
        exo::page_clone(EnvId::SELF, &[range]).expect("a clone");
    };
    let take = |address: usize| assert!(exo::page_break(address).is_ok(), "it is copied on write");
    let empty = ticks(1, |_| ());
    let mut totals = [0u64; 3];
    let mut cold = [0u64; 3];
    for number in 0..=ROUNDS {
        let into = if number < ROUNDS { &mut totals } else { &mut cold };
        let cool_if_last = || {
            if number == ROUNDS {
                cool()
            }
        };
        cool_if_last();
        into[0] += ticks(1, |_| clone()) - empty;
        cool_if_last();
        into[1] += ticks(1, |_| take(FREE_TOO)) - empty;
        cool_if_last();
        into[2] += ticks(1, |_| take(FREE)) - empty;
        unmap(FREE_TOO, 1);
    }
    let names = [
        ("page_clone", "a page is cloned, to be copied on write"),
        ("page_break", "the copy is made"),
        ("page_take_over", "who is left with the page takes it over"),
    ];
    for (index, (name, title)) in names.into_iter().enumerate() {
        line(name, totals[index] / ROUNDS, cold[index], title);
    }
    unmap(FREE, 2);
    unmap(FREE_TOO, 512);
}

fn environments() {
    let mut child = EnvId::SELF;
    let make = |_| exo::env_create(8, native::NONE).expect("a child");
    let empty = ticks(1, |_| ());
    let mut totals = [0u64; 3];
    for number in 0..ROUNDS {
        totals[0] += ticks(1, |_| child = make(number)) - empty;
        totals[1] += ticks(1, |_| exo::env_destroy(child, 0).expect("it lives")) - empty;
        totals[2] += ticks(1, |_| exo::env_reap(child).expect("it is dead")) - empty;
    }
    let mut cold = [0u64; 3];
    cool();
    cold[0] = ticks(1, |_| child = make(0)) - empty;
    cool();
    cold[1] = ticks(1, |_| exo::env_destroy(child, 0).expect("it lives")) - empty;
    cool();
    cold[2] = ticks(1, |_| exo::env_reap(child).expect("it is dead")) - empty;
    let names = [("env_create", "an environment is made"), ("env_destroy", "it ends"), ("env_reap", "its frames are given back")];
    for (index, (name, title)) in names.into_iter().enumerate() {
        line(name, totals[index] / ROUNDS, cold[index], title);
    }
    let child = make(0);
    pair(
        [("env_quota_up", "a child gets more frames"), ("env_quota_down", "and fewer")],
        |_| exo::env_quota(child, 16).expect("there are some"),
        |_| exo::env_quota(child, 8).expect("it holds fewer"),
    );
    row("env_window", "pages are offered to a peer", || exo::env_window(child, FREE, 1).expect("a window"));
    revocation(child);
    end(child);
    hands();
}

fn end(env: EnvId) {
    exo::env_destroy(env, 0).expect("it lives");
    exo::env_reap(env).expect("it is dead");
}

/// A page is taken from a child by force: the kernel writes it into the ledger.
fn revocation(child: EnvId) {
    exo::page_alloc(FREE, 1, Rights::READ_WRITE, None).expect("a page");
    exo::env_quota(child, 16).expect("there are some");
    exo::page_map(child, page(FREE, 1), FREE, 1, Rights::READ_WRITE).expect("a neighbour that keeps the tables");
    let before = info::taken();
    pair(
        [
            ("page_give", "a page is mapped into a child"),
            ("revocation", "a page is taken from a child by force, and written into the ledger"),
        ],
        |_| exo::page_map(child, FREE, FREE, 1, Rights::READ_WRITE).expect("a mapping"),
        // SAFETY: the child runs nothing.
        |_| unsafe { exo::page_unmap(child, FREE, 1) }.expect("it is mapped"),
    );
    assert!(u64::from(info::taken().wrapping_sub(before)) > ROUNDS, "each is in the ledger");
    unmap(FREE, 1);
}

/// What can be done to a child once: a context is made, and it is handed to another parent.
fn hands() {
    const CHILDREN: u64 = 50;
    let empty = ticks(1, |_| ());
    let mut totals = [0; 2];
    let mut once = |is_cold: bool| {
        let (child, other) = (exo::env_create(16, native::NONE).expect("a child"), exo::env_create(64, native::NONE).expect("another"));
        let cool_if_cold = || {
            if is_cold {
                cool();
            }
        };
        cool_if_cold();
        totals[0] += ticks(1, |_| {
            exo::context_create(child).expect("a context");
        }) - empty;
        cool_if_cold();
        totals[1] += ticks(1, |_| exo::env_hand(child, other).expect("both are ours")) - empty;
        // What the other one had is ours again then.
        end(other);
        end(child);
        totals
    };
    let mut hot = [0; 2];
    (0..CHILDREN).for_each(|_| hot = once(false));
    let all = once(true);
    for (index, (name, title)) in
        [("context_create", "a context is made"), ("env_hand", "a child is handed to another parent")].into_iter().enumerate()
    {
        line(name, hot[index] / CHILDREN, all[index] - hot[index], title);
    }
}

fn contexts() {
    let child = Child::new(QUOTA, native::NONE);
    let index = child.context(|_| 0, 0);
    let registers = exo::context_get(child.id, index).expect("it is there");
    row("context_get", "the registers of a context", || {
        let _ = exo::context_get(child.id, index);
    });
    row("context_set", "the registers of a context are set", || {
        exo::context_set(child.id, index, Some(&registers), RunState::Stopped).expect("it is there");
    });
    let slot = info::unused_slice().expect("a slot");
    row("slice_set", "a slot of the slice vector is given", || exo::slice_set(0, slot, EnvId::SELF, u32::MAX as usize).expect("ours"));
    child.end();
    let irq = info::header().console_irq as usize;
    row("irq_bind", "an interrupt is bound", || exo::irq_bind(irq, EnvId::SELF).expect("ours"));
    row("irq_ack", "an interrupt is acknowledged", || exo::irq_ack(irq).expect("ours"));
}

fn time() {
    let server = partner(serve, 0);
    row("transfer_call", "protected control transfer, call and reply", || {
        let mut message = [0; 4];
        // SAFETY: as in `serve`.
        unsafe { exo::raw_call::<{ Call::TransferCall as u16 }>([server.id.0, 0, 1, 2, 3, 4], &mut message) };
    });
    server.end();
    let back = |giver| loop {
        let _ = exo::yield_to(EnvId(giver), 0);
    };
    let child = partner(back, exo::identify().0);
    row("yield_and_back", "directed yield to another environment, and back", || exo::yield_to(child.id, 0).expect("it can run"));
    child.end();
    row("yield_self", "yield to oneself", || exo::yield_to(exo::identify(), 0).expect("it can run"));
    row("wake_nobody", "a wake where nobody sleeps", || {
        let _ = exo::wake(shared::word(WORD).as_ptr(), 1);
    });
    let differs = WaitWord { value: !0, ..shared::while_is(WORD, 0) };
    row("wait_differs", "a wait on a word that differs", || {
        let _ = exo::wait(&[differs], None);
    });
    wake_to_run();
    deadline_to_user();
}

/// From a wake to the first instruction of who slept.
fn wake_to_run() {
    const WOKEN: usize = WORD + 1;
    let sleeper = |_| loop {
        let before = shared::get(WORD);
        let _ = exo::wait(&[shared::while_is(WORD, before)], None);
        shared::set(WOKEN, isa::ticks() as u32);
    };
    let child = Child::run(sleeper, 0);
    exo::yield_now();
    let empty = ticks(1, |_| ());
    let once = || {
        shared::set(WORD, shared::get(WORD).wrapping_add(1));
        let start = isa::ticks() as u32;
        let _ = exo::wake(shared::word(WORD).as_ptr(), 1);
        exo::yield_now();
        u64::from(shared::get(WOKEN).wrapping_sub(start)).saturating_sub(empty)
    };
    once();
    let hot = (0..ROUNDS).map(|_| once()).sum::<u64>() / ROUNDS;
    cool();
    line("wake_to_run", hot, once(), "from a wake to the sleeper's next instruction, a yield between");
    child.end();
}

/// From the tick at which the timer is due to the first instruction of who slept until then.
fn deadline_to_user() {
    const AHEAD: u64 = 20_000;
    let once = || {
        let due = isa::ticks() + AHEAD;
        let never = shared::while_is(WORD, shared::get(WORD));
        assert_eq!(exo::wait(&[never], Some(due)), Err(Error::TimedOut));
        isa::ticks() - due
    };
    once();
    let hot = (0..100).map(|_| once()).sum::<u64>() / 100;
    cool();
    line("deadline_to_user", hot, once(), "from a timer interrupt's due time to who waited for it");
}

fn traps() {
    upcall::install_mapper();
    row("reflection", "a foreign system call, reflected to a minimal entry and back", isa::foreign_call);
    exo::page_alloc(page(FREE, 300), 1, Rights::READ_WRITE, None).expect("a page that keeps the tables");
    let mut next = 0;
    let mut fault = || {
        poke(page(FREE, next % 256), 1);
        next += 1;
    };
    let empty = ticks(1, |_| ());
    let hot = (0..256).map(|_| ticks(1, |_| fault()) - empty).sum::<u64>() / 256;
    unmap(FREE, 256);
    cool();
    line("fault", hot, ticks(1, |_| fault()) - empty, "a page fault, to a minimal handler that maps a page, and back");
    unmap(FREE, 512);
    let entries = upcall::entries();
    row("upcall_set", "an upcall page and its entries are set", || {
        exo::upcall_set(EnvId::SELF, 0, upcall_page(0), &entries).expect("a mapped page and good entries");
    });
    upcalls();
}

/// A fault that the handler only steps over: the way to it and back.
fn upcalls() {
    let child = Child::run(
        |_| {
            fn step(registers: &mut Registers, _: &mut UpcallPage) {
                isa::skip_undefined(registers);
            }
            upcall::install(0, step);
            row("upcall", "an undefined instruction, to a handler in Rust that steps over it, and back", isa::undefined_instruction);
            shared::set(WORD, 0xd0e);
            0
        },
        0,
    );
    child.expect("a child that measures", native::child::End::Exited(0));
    Child::run(resumes, 0).expect("a child that resumes", native::child::End::Exited(0));
}

/// What a resumed function finds.
struct Resumed {
    registers: Registers,
    left: u64,
    start: u64,
}

/// A function is resumed at its beginning again and again.
fn resumes(_: u64) -> u64 {
    let mut state = Resumed { registers: Registers::default(), left: ROUNDS, start: 0 };
    let place = &raw mut state;
    // Below what this function has of the stack.
    let top = (stack_top(0) - 4 * abi::PAGE_SIZE) as u64;
    // SAFETY: the state lives as long as the environment, since `again` does not return.
    unsafe {
        (*place).registers = isa::start(again as *const () as u64, top, [place as u64, 0]);
        (*place).start = isa::ticks();
    }
    again(place)
}

extern "C" fn again(state: *mut Resumed) -> ! {
    // SAFETY: `resumes` made it, and runs no more.
    let state = unsafe { &mut *state };
    if state.left == 0 {
        let hot = (isa::ticks() - state.start) / ROUNDS;
        line("resume", hot, hot, "a full register frame is continued with, and the count of how often");
        loop {
            let _ = exo::env_destroy(EnvId::SELF, 0);
        }
    }
    state.left -= 1;
    // SAFETY: the frame is this function's beginning, on a stack that nothing is on.
    let error = unsafe { exo::resume(&state.registers) };
    panic!("resume answered {error:?}");
}
